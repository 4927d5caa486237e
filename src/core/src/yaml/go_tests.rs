//! What Go's yaml.v3 reads a text as; checked against libyaml, which it is a translation of.

use super::tests::shown;
use super::*;
use crate::diag::{Severity, Sources};

/// Texts and the trees that they are, with plain scalars bare.
const READ: &[(&str, &str)] = &[
    // Block scalars end as the file does.
    ("a: |\n  abc", "{a:\"abc\"}"),
    ("a: |\n  abc\n", "{a:\"abc\\n\"}"),
    ("a: |-\n  abc", "{a:\"abc\"}"),
    ("a: |+\n  abc", "{a:\"abc\"}"),
    ("a: |+\n  abc\n\n", "{a:\"abc\\n\\n\"}"),
    ("a: >\n  abc\n  def", "{a:\"abc def\"}"),
    ("a: >+\n  abc", "{a:\"abc\"}"),
    ("a: |\n  abc\n  ", "{a:\"abc\\n\"}"),
    ("a: |\n  abc\n     ", "{a:\"abc\\n   \"}"),
    ("a: |\n  abc\n# c", "{a:\"abc\\n\"}"),
    ("a: |\n  abc\n  # c", "{a:\"abc\\n# c\"}"),
    ("- |\n abc\n- |\n def", "[\"abc\\n\",\"def\"]"),
    ("a: !!str |\n  é", "{a:\"é\"}"),
    ("a: &x |\n  abc\nb: *x", "{a:\"abc\\n\",b:\"abc\\n\"}"),
    ("--- |\n  abc", "\"abc\""),
    // Their indicators.
    ("a: |2\n    abc\n", "{a:\"  abc\\n\"}"),
    ("a: |2-\n    abc\n", "{a:\"  abc\"}"),
    ("a: |-2\n    abc\n", "{a:\"  abc\"}"),
    ("a: | # c\n  abc\n", "{a:\"abc\\n\"}"),
    ("a: |\n  abc\n   \nb: 1", "{a:\"abc\\n \\n\",b:1}"),
    ("a: >\n  a\n\n  b\n   c\n  d\n", "{a:\"a\\nb\\n c\\nd\\n\"}"),
    // Line ends of other systems, and the byte order mark.
    ("a: |\r\n  b\r\n  c\r\nd: 1\r\n", "{a:\"b\\nc\\n\",d:1}"),
    ("a: |\r\n  b\r\n  c", "{a:\"b\\nc\"}"),
    ("a: 1\r\nb: x\r\n  y\r\n", "{a:1,b:x y}"),
    ("\u{feff}---\na: 1\n", "{a:1}"),
    // Marks of documents.
    ("---\na: 1\n---\n", "{a:1}"),
    ("---\na: 1\n...\n---\n# c\n", "{a:1}"),
    ("%YAML 1.1\n--- # c\na: 1\n...\n", "{a:1}"),
    ("--- {a: 1}\n", "{a:1}"),
    // Tabs where they are blanks.
    ("a:\tb\n", "{a:b}"),
    ("a:\t\t\"b\"\t# c\n", "{a:\"b\"}"),
    ("a: b\t\nc:\t\n  d:\t[\t1,\t2 ]\n", "{a:b,c:{d:[1,2]}}"),
    ("a:\n  - [\n\t1,\n\t2]\n", "{a:[[1,2]]}"),
    ("a: \"x\n\ty\"\n", "{a:\"x y\"}"),
    ("a: |\n  b\n  \tc\n", "{a:\"b\\n\\tc\\n\"}"),
    // Flow forms, wherever their lines begin.
    ("a: [\n1,\n2\n]\n", "{a:[1,2]}"),
    ("a:\n  b: [ # c\n    1\n]\n  c: 1\n", "{a:{b:[1],c:1}}"),
    (
        "a:\n  - {\n  b: 1, # c\n# d\n\n c: \"e\"\n}\n",
        "{a:[{b:1,c:\"e\"}]}",
    ),
    ("[1, 2,]", "[1,2]"),
    ("{a, b: 1, c: }", "{a:null,b:1,c:null}"),
    ("{a:1}", "{a:1:null}"),
    ("{\"a\":1}", "{a:1}"),
    ("[a: 1, b]", "[{a:1},b]"),
    ("{a: http://x:80/p, b: [x#y]}", "{a:http://x:80/p,b:[x#y]}"),
    // Comments.
    ("a: b#c\nd: e #f\n", "{a:b#c,d:e}"),
    ("a: \"b\"#c\nd: 1\n", "{a:\"b\",d:1}"),
    // Anchors, aliases and merge keys.
    ("a: &x\nb: *x\n", "{a:null,b:null}"),
    ("a: &x b\nc: &x d\ne: *x\n", "{a:b,c:d,e:d}"),
    ("a: &x k\n*x : 1\n", "{a:k,k:1}"),
    (
        "x: &x {a: 1}\ny: {<<: [*x, {a: 2, b: 3}], b: 4}\n",
        "{x:{a:1},y:{b:4,a:1}}",
    ),
    ("<<: {a: 1}\na: 2\n", "{a:2}"),
    ("\"<<\": {a: 1}\n", "{<<:{a:1}}"),
    // Tags.
    (
        "a: !!int \"12\"\nb: !!str 12\nc: ! 12\n",
        "{a:12,b:\"12\",c:12}",
    ),
    ("a: !!str\nb: !!null x\n", "{a:\"\",b:null}"),
    (
        "a: !!timestamp 2020-01-01\nb: !!set {c}\n",
        "{a:2020-01-01,b:{c:null}}",
    ),
    ("a: !<tag:yaml.org,2002:str> 12\n", "{a:\"12\"}"),
    // Scalars that are what their field makes of them, and nothing.
    (
        "a: 2020-01-01\nb: 12:30:45\nc: 1.10\n",
        "{a:2020-01-01,b:12:30:45,c:1.10}",
    ),
    (
        "a: ~\nb: null\nc: Null\nd: NULL\ne: nULL\nf:\n",
        "{a:null,b:null,c:null,d:null,e:nULL,f:null}",
    ),
    ("a: '~'\nb: \"null\"\n", "{a:\"~\",b:\"null\"}"),
    (
        "a: 'b''c'\nd: \"\\x41\\u00e9\\/\"\n",
        "{a:\"b'c\",d:\"Aé/\"}",
    ),
    ("a: b\n  c\n\n  d\n", "{a:b c\nd}"),
    ("? a\n: b\n? c\n", "{a:b,c:null}"),
    ("a:\n- b\n- - c\n  - d\n", "{a:[b,[c,d]]}"),
    ("a : b\n1: c\nyes: d\n", "{a:b,1:c,yes:d}"),
];

#[test]
fn texts_are_read_as_gos_reader_reads_them() {
    for (text, expected) in READ {
        let mut report = Report::default();
        let tree = parse_with(SourceId(0), text, &mut report);
        let found = tree
            .as_ref()
            .map(shown)
            .map_err(|error| error.message.clone());
        assert_eq!(found.as_deref(), Ok(*expected), "{text:?}");
        assert_eq!(report, Report::default(), "{text:?}");
    }
}

#[test]
fn what_go_refuses_is_refused() {
    for text in [
        "a:\n\tb: 1\n",
        "a: [1,, 2]\n",
        "a: b: c\n",
        "a: - b\n",
        "a: @b\n",
        "a: `b\n",
        "a: %b\n",
        "a: \"b\"c\n",
        "a: |x\n  b\n",
        "a: |\n  b\n c\n",
        "a: |\n\tb\n",
        "a: \"\\q\"\n",
        "a:\n   b: 1\n  c: 2\n",
        "a: 1\n b: 2\n",
        "a: [1\n",
        "a: *x\n",
        "a: 1\na: 1\n",
        "a: 1\n'a': 1\n",
        "<<: 1\n",
        "<<: [1]\n",
        "x: &x [1]\ny: {<<: *x}\n",
    ] {
        assert!(parse(SourceId(0), text).is_err(), "{text:?}");
    }
}

#[test]
fn what_has_no_effect_is_named() {
    for (text, expected, said) in [
        (
            "a: 1\n---\nb: 2\n",
            "{a:1}",
            "2:1 a second YAML document begins here: it has no effect, a config is one",
        ),
        (
            "a: 1\n---\n--- [\n",
            "{a:1}",
            "2:1 a second YAML document begins here: it has no effect, a config is one",
        ),
        (
            "a: !secret 0x1\n",
            "{a:\"0x1\"}",
            "1:4 the YAML tag !secret has no meaning here: it has no effect",
        ),
        (
            "a: !Ref {b: 1}\n",
            "{a:{b:1}}",
            "1:4 the YAML tag !Ref has no meaning here: it has no effect",
        ),
    ] {
        let mut sources = Sources::default();
        let id = sources.add("c.bu", text);
        let mut report = Report::default();
        let tree = parse_with(id, text, &mut report).unwrap();
        assert_eq!(shown(&tree), expected, "{text:?}");
        let [found] = report.items.as_slice() else {
            panic!("{text:?}: {report:?}");
        };
        let place = sources.place(found.span.unwrap());
        assert_eq!(found.severity, Severity::Warning);
        let found = format!("{}:{} {}", place.line, place.column, found.message);
        assert_eq!(found, said, "{text:?}");
    }
}

#[test]
fn repairs_move_nothing_and_end() {
    let text = "a: [\n1,\t# é\n 2,\nxyz\n]\nb:\tc\n";
    let root = parse(SourceId(0), text).unwrap();
    let Value::Object(members) = &root.value else {
        panic!()
    };
    let Value::Array(items) = &members[0].value.value else {
        panic!()
    };
    let at = |span: Span| &text[span.start as usize..span.end as usize];
    assert_eq!(at(items[2].span), "xyz");
    assert_eq!(at(members[1].value.span), "c");
    assert!(parse(SourceId(0), &"a:\tb\n".repeat(2)).is_err());
    let many: String = (0..1100).map(|n| format!("a{n}:\tb\n")).collect();
    assert!(parse(SourceId(0), &many).is_err());
}
