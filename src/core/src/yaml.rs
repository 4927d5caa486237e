//! YAML text → the same spanned tree that [`crate::json`] makes (YAML 1.2, read as Go's yaml.v3 does).
//!
//! Plain scalars stay text ([`Value::Plain`]): what `0644`, `yes` or `1.10` means is decided by the
//! field that they are given to. Aliases and merge keys are expanded within a bound, so that a few
//! lines cannot become gigabytes.

mod repair;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use base64::Engine as _;
use saphyr_parser::{Event, Parser as Events, ScalarStyle, StrInput, Tag};

use crate::decimal;
use crate::diag::{self, Diagnostic, Report, SourceId, Span};
use crate::json::{MAX_DEPTH, MAX_NODES, Member, Node, Value};

/// How many bytes of text aliases may add. What anchors keep counts as what aliases add.
const MAX_COPIED: usize = 16 << 20;

/// Parses one YAML document. The error names line and column through its span.
pub fn parse(source: SourceId, text: &str) -> Result<Node, Diagnostic> {
    parse_with(source, text, &mut Report::default())
}

/// The same, with warnings of what counts for nothing: tags of no meaning, and further documents.
pub fn parse_with(source: SourceId, text: &str, report: &mut Report) -> Result<Node, Diagnostic> {
    let mut body = Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text));
    let base = text.len() - body.len();
    let mut budget = repair::Budget::default();
    loop {
        let mut builder = Builder {
            events: Events::new_from_str(&body),
            offsets: Offsets::new(&body, base),
            source,
            anchors: HashMap::new(),
            nodes: 0,
            kept: 0,
            copied: 0,
            flow: 0,
            broken: None,
            ignored: Vec::new(),
        };
        let found = builder.document();
        let repaired = builder.broken.and_then(|broken| {
            let at = (builder.offsets.byte(broken.character) as usize).saturating_sub(base);
            repair::repair(&body, at, broken.what, builder.flow > 0, &mut budget)
        });
        match repaired {
            Some(repaired) => body = Cow::Owned(repaired),
            None => {
                builder
                    .ignored
                    .into_iter()
                    .for_each(|item| report.push(item));
                return found;
            }
        }
    }
}

/// Where and why the parser gave up.
#[derive(Clone, Copy)]
struct Broken {
    /// Position, counted in characters.
    character: usize,
    what: repair::Wrong,
}

struct Builder<'a> {
    events: Events<'a, StrInput<'a>>,
    offsets: Offsets<'a>,
    source: SourceId,
    /// Finished values by the number of their anchor, with their sizes.
    anchors: HashMap<usize, (Node, Size)>,
    nodes: usize,
    /// Values in copies that anchors keep.
    kept: usize,
    copied: usize,
    /// How deep in brackets and braces the parser is.
    flow: usize,
    /// Set where the text breaks a rule that Go's reader does not have.
    broken: Option<Broken>,
    /// What is said of parts that count for nothing.
    ignored: Vec<Diagnostic>,
}

/// What copying a value costs.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
}

type Item<'a> = (Event<'a>, Span);

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<Item<'a>, Diagnostic> {
        match self.events.next_event() {
            Some(Ok((event, at))) => {
                let span = Span {
                    source: self.source,
                    start: self.offsets.byte(at.start.index()),
                    end: self.offsets.byte(at.end.index()),
                };
                Ok((event, span))
            }
            Some(Err(error)) => {
                self.broken = repair::Wrong::of(error.info()).map(|what| Broken {
                    character: error.marker().index(),
                    what,
                });
                let start = self.offsets.byte(error.marker().index());
                let span = Span {
                    source: self.source,
                    start,
                    end: start.saturating_add(1),
                };
                Err(
                    Diagnostic::error(span, format!("this is not YAML: {}", error.info()))
                        .help("check the indentation (spaces, no tabs), the colons and the quotes around this place"),
                )
            }
            None => Ok((Event::StreamEnd, self.point(0))),
        }
    }

    fn point(&self, start: u32) -> Span {
        Span {
            source: self.source,
            start,
            end: start.saturating_add(1),
        }
    }

    fn document(&mut self) -> Result<Node, Diagnostic> {
        let mut root = Node {
            span: self.point(0),
            value: Value::Null,
        };
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (Event::DocumentEnd, _) => break,
                (Event::StreamEnd, _) => return Ok(root),
                item => root = self.node(item, 0)?,
            }
        }
        // Go's reader looks at the first document only; an empty one behind it is nobody's mistake.
        let mut second = None;
        while let Ok((event, span)) = self.next() {
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) => second = second.or(Some(span)),
                Event::Scalar(text, ScalarStyle::Plain, ..) if text.is_empty() => {}
                Event::DocumentEnd | Event::Nothing => {}
                _ => {
                    let at = self.point(second.map_or(span.start, |second| second.start));
                    self.ignored.push(
                        Diagnostic::warning(
                            at,
                            "a second YAML document begins here: it has no effect, a config is one",
                        )
                        .help("remove the line --- and what follows it, or merge the two"),
                    );
                    break;
                }
            }
        }
        // Nothing behind the document is worth a second look.
        self.broken = None;
        Ok(root)
    }

    fn node(&mut self, (event, span): Item<'a>, depth: usize) -> Result<Node, Diagnostic> {
        if depth > MAX_DEPTH {
            return Err(Diagnostic::error(
                span,
                format!("values nest deeper than {MAX_DEPTH} levels"),
            ));
        }
        let before = (self.nodes, self.copied);
        self.count(1, 0, span)?;
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let text = self.as_it_ends(text, style, span);
                let tag = self.core_tag(tag.as_deref(), span);
                let value = scalar(text, style, tag, span)?;
                let span = match style {
                    ScalarStyle::Literal | ScalarStyle::Folded => self.header(span),
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => self.quoted(span),
                    ScalarStyle::Plain => span,
                };
                (anchor, Node { span, value })
            }
            Event::SequenceStart(anchor, tag) => {
                self.core_tag(tag.as_deref(), span);
                (
                    anchor,
                    self.collection(span, |this| this.sequence(span, depth))?,
                )
            }
            Event::MappingStart(anchor, tag) => {
                self.core_tag(tag.as_deref(), span);
                (
                    anchor,
                    self.collection(span, |this| this.mapping(span, depth))?,
                )
            }
            Event::Alias(anchor) => return self.alias(anchor, span),
            _ => return Err(Diagnostic::error(span, "a value is missing here")),
        };
        if anchor > 0 {
            let size = Size {
                nodes: self.nodes - before.0,
                bytes: text_bytes(&node),
            };
            self.kept += size.nodes;
            self.count(0, size.bytes, span)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(node)
    }

    /// Keeps count of brackets and braces while a collection is read.
    fn collection(
        &mut self,
        start: Span,
        read: impl FnOnce(&mut Self) -> Result<Node, Diagnostic>,
    ) -> Result<Node, Diagnostic> {
        let at = (start.start as usize).saturating_sub(self.offsets.base);
        let rest = self.offsets.text.get(at..).unwrap_or_default();
        let is_flow = rest.starts_with(['[', '{']);
        self.flow += usize::from(is_flow);
        let node = read(self)?;
        self.flow -= usize::from(is_flow);
        Ok(node)
    }

    /// The text of a block scalar that ends the file: without a line end there it has none either, which
    /// the parser adds.
    fn as_it_ends<'t>(&self, text: Cow<'t, str>, style: ScalarStyle, span: Span) -> Cow<'t, str> {
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let end = (span.end as usize).saturating_sub(self.offsets.base);
        let source = self.offsets.text;
        if !is_block || end < source.len() || source.ends_with(['\n', '\r']) {
            return text;
        }
        match text.strip_suffix('\n') {
            Some(shorter) => Cow::Owned(shorter.to_owned()),
            None => text,
        }
    }

    /// The name of one of YAML's own tags. What others mean nobody here knows: as in Go's reader the value
    /// is what it would be without.
    fn core_tag<'t>(&mut self, tag: Option<&'t Tag>, span: Span) -> Option<&'t str> {
        let tag = tag?;
        let name = match tag.handle.as_str() {
            "" => tag.suffix.strip_prefix(CORE),
            CORE => Some(tag.suffix.as_str()),
            _ => None,
        };
        let is_bare = tag.handle.len() + tag.suffix.len() == 1;
        if name.is_none() && !is_bare {
            let message = format!("the YAML tag {tag} has no meaning here: it has no effect");
            self.ignored.push(
                Diagnostic::warning(span, message)
                    .help("remove the word that begins with an exclamation mark"),
            );
            return Some("str");
        }
        name
    }

    /// The place of a block scalar's header, `|-`: the text itself may be a key or a script, which no
    /// message should show.
    fn header(&self, text: Span) -> Span {
        let source = self.offsets.text;
        let start = (text.start as usize).saturating_sub(self.offsets.base);
        let before = source.get(..start).unwrap_or_default().trim_end();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.get(line_start..).unwrap_or_default();
        let rest = source.get(start..).unwrap_or_default();
        let rest = rest.lines().next().unwrap_or_default();
        // With a tag or an anchor the value begins there, on the line of the header.
        let found = block_header(line).map(|found| (line_start, found));
        match found.or_else(|| block_header(rest).map(|found| (start, found))) {
            None => text,
            Some((from, range)) => Span {
                source: self.source,
                start: clip(from + range.start + self.offsets.base),
                end: clip(from + range.end + self.offsets.base),
            },
        }
    }

    /// The place of a quoted scalar: the parser counts the blanks and the comment behind it as well.
    fn quoted(&self, span: Span) -> Span {
        let bytes = |at: u32| (at as usize).saturating_sub(self.offsets.base);
        let text = self.offsets.text.get(bytes(span.start)..bytes(span.end));
        match text.and_then(quoted_length) {
            Some(length) => Span {
                end: span.start.saturating_add(clip(length)),
                ..span
            },
            None => span,
        }
    }

    /// Counts what is about to be added, and stops before it becomes too much.
    fn count(&mut self, nodes: usize, bytes: usize, span: Span) -> Result<(), Diagnostic> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.copied = self.copied.saturating_add(bytes);
        if self.nodes + self.kept > MAX_NODES || self.copied > MAX_COPIED {
            return Err(Diagnostic::error(
                span,
                format!(
                    "with its aliases expanded the document holds more than {MAX_NODES} values or {} MiB",
                    MAX_COPIED >> 20
                ),
            ));
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Diagnostic> {
        // An alias within the value that its anchor names is not finished yet: a cycle.
        let Some((node, size)) = self.anchors.get(&anchor) else {
            return Err(Diagnostic::error(
                span,
                "this alias refers to a value that contains it",
            ));
        };
        let (node, size) = (node.clone(), *size);
        self.count(size.nodes, size.bytes, span)?;
        Ok(node)
    }

    fn sequence(&mut self, start: Span, depth: usize) -> Result<Node, Diagnostic> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, end) => {
                    return Ok(Node {
                        span: join(start, end),
                        value: Value::Array(items),
                    });
                }
                item => items.push(self.node(item, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, start: Span, depth: usize) -> Result<Node, Diagnostic> {
        let mut members: Vec<Member> = Vec::new();
        let mut merged: Vec<Member> = Vec::new();
        let mut seen: HashMap<String, Span> = HashMap::new();
        loop {
            let item = match self.next()? {
                (Event::MappingEnd, end) => {
                    merged.retain(|member| !seen.contains_key(&member.key));
                    members.extend(merged);
                    return Ok(Node {
                        span: join(start, end),
                        value: Value::Object(members),
                    });
                }
                item => item,
            };
            let is_merge =
                matches!(&item.0, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key_node = self.node(item, depth + 1)?;
            let key_span = key_node.span;
            let key = match key_node.value {
                Value::String(key) | Value::Plain(key) => key,
                Value::Null => "null".into(),
                other => {
                    return Err(Diagnostic::error(
                        key_span,
                        format!("a key is a string, this is {}", other.kind()),
                    ));
                }
            };
            let next = self.next()?;
            let value = self.node(next, depth + 1)?;
            if let Some(first) = seen.insert(key.clone(), key_span) {
                return Err(Diagnostic::error(
                    key_span,
                    format!("key {} stands here a second time", diag::key(&key)),
                )
                .other(Some(first), "first stated at")
                .help("keep one of the two"));
            }
            if is_merge {
                self.merge_key(value, &mut merged)?;
                continue;
            }
            members.push(Member {
                key,
                key_span,
                value,
            });
        }
    }

    /// `<<: *base` takes over the members that are not stated; of several the first counts.
    fn merge_key(&mut self, value: Node, merged: &mut Vec<Member>) -> Result<(), Diagnostic> {
        let sources = match value.value {
            Value::Array(items) => items,
            _ => vec![value],
        };
        let mut seen: std::collections::HashSet<String> =
            merged.iter().map(|member| member.key.clone()).collect();
        for source in sources {
            let Value::Object(members) = source.value else {
                return Err(Diagnostic::error(
                    source.span,
                    "a merge key << takes a mapping or a list of mappings",
                ));
            };
            for member in members {
                if seen.insert(member.key.clone()) {
                    merged.push(member);
                }
            }
        }
        Ok(())
    }
}

/// Where on a line a block scalar's header is: `|` or `>`, what refines it, and at most a comment.
fn block_header(line: &str) -> Option<Range<usize>> {
    line.match_indices(['|', '>']).find_map(|(at, _)| {
        let rest = line.get(at + 1..)?;
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit() || "+-".contains(c));
        let comment = after.trim_start_matches([' ', '\t']);
        let ends = comment.is_empty() || comment.starts_with('#');
        let begins = at == 0 || line.get(..at)?.ends_with([' ', '\t']);
        (begins && ends).then_some(at..at + 1 + rest.len() - after.len())
    })
}

/// How long the quoted scalar is that a text begins with, a tag and an anchor before it included.
fn quoted_length(text: &str) -> Option<usize> {
    let mut start = 0;
    while text.get(start..)?.starts_with(['!', '&']) {
        let rest = text.get(start..)?;
        let behind = rest.trim_start_matches(|c: char| !c.is_whitespace());
        start = text.len() - behind.trim_start().len();
    }
    let mut rest = text.bytes().enumerate().skip(start).peekable();
    let (_, quote) = rest.next().filter(|(_, byte)| b"\"'".contains(byte))?;
    while let Some((at, byte)) = rest.next() {
        let is_doubled = quote == b'\'' && matches!(rest.peek(), Some((_, b'\'')));
        if byte == quote && !is_doubled {
            return Some(at + 1);
        }
        if is_doubled && byte == quote || byte == b'\\' && quote == b'"' {
            rest.next();
        }
    }
    None
}

fn join(start: Span, end: Span) -> Span {
    Span {
        end: end.end.max(start.end),
        ..start
    }
}

fn text_bytes(node: &Node) -> usize {
    match &node.value {
        Value::Null | Value::Bool(_) => 0,
        Value::Number(text) | Value::String(text) | Value::Plain(text) => text.len(),
        Value::Binary(bytes) => bytes.len(),
        Value::Array(items) => items.iter().map(text_bytes).sum(),
        Value::Object(members) => members
            .iter()
            .map(|member| member.key.len() + text_bytes(&member.value))
            .sum(),
    }
}

const CORE: &str = "tag:yaml.org,2002:";

/// The value of a scalar with the tag `!!name`, if any.
fn scalar(
    text: Cow<'_, str>,
    style: ScalarStyle,
    name: Option<&str>,
    span: Span,
) -> Result<Value, Diagnostic> {
    Ok(match name {
        Some("str") => Value::String(text.into_owned()),
        Some("binary") => {
            let packed: String = text.split_whitespace().collect();
            match base64::engine::general_purpose::STANDARD.decode(packed) {
                Ok(bytes) => Value::Binary(bytes),
                Err(_) => {
                    return Err(Diagnostic::error(span, "this !!binary value is not base64"));
                }
            }
        }
        Some("null") => Value::Null,
        Some(_) => Value::Plain(text.into_owned()),
        None if style == ScalarStyle::Plain => match text.as_ref() {
            "" | "~" | "null" | "Null" | "NULL" => Value::Null,
            _ => Value::Plain(text.into_owned()),
        },
        None => Value::String(text.into_owned()),
    })
}

/// The value of an integer as yaml.v3 reads it: decimal, `0x`, `0o`, `0b`, and octal by a leading 0.
pub fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let digits = digits.replace('_', "");
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, digits.get(2..)?),
        Some("0o" | "0O") => (8, digits.get(2..)?),
        Some("0b" | "0B") => (2, digits.get(2..)?),
        Some(other) if other.starts_with('0') => (8, digits.get(1..)?),
        _ => (10, digits.as_str()),
    };
    // A sign within, which from_str_radix would take.
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    // A whole number may be written as a float, 1e3.
    let value = match i64::from_str_radix(digits, radix) {
        Err(_) if radix == 10 && digits.contains(['.', 'e', 'E']) => decimal::whole(digits)?,
        value => value.ok()?,
    };
    Some(if negative { -value } else { value })
}

/// The value of a boolean as yaml.v3 reads it into a boolean field (YAML 1.1 words included).
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
            Some(true)
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => {
            Some(false)
        }
        _ => None,
    }
}

/// Turns the parser's positions, which count characters, into bytes.
struct Offsets<'a> {
    text: &'a str,
    base: usize,
    /// Byte offset of every 64th character; empty for ASCII.
    marks: Vec<u32>,
}

const STRIDE: usize = 64;

impl<'a> Offsets<'a> {
    fn new(text: &'a str, base: usize) -> Self {
        let marks = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices()
                .step_by(STRIDE)
                .map(|(at, _)| clip(at))
                .collect()
        };
        Self { text, base, marks }
    }

    fn byte(&self, character: usize) -> u32 {
        if self.marks.is_empty() {
            return clip(character.min(self.text.len()) + self.base);
        }
        let Some(mark) = self.marks.get(character / STRIDE) else {
            return clip(self.text.len() + self.base);
        };
        let mark = *mark as usize;
        let within = self.text.get(mark..).unwrap_or_default();
        let at = within
            .char_indices()
            .nth(character % STRIDE)
            .map_or(within.len(), |(at, _)| at);
        clip(mark + at + self.base)
    }
}

fn clip(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod go_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Sources;

    fn tree(text: &str) -> Node {
        parse(SourceId(0), text).unwrap()
    }

    /// The tree as JSON-like text, with plain scalars bare.
    pub(super) fn shown(node: &Node) -> String {
        match &node.value {
            Value::Null => "null".into(),
            Value::Bool(b) => b.to_string(),
            Value::Number(text) | Value::Plain(text) => text.clone(),
            Value::String(text) => format!("{text:?}"),
            Value::Binary(bytes) => format!("{bytes:?}"),
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(shown).collect();
                format!("[{}]", items.join(","))
            }
            Value::Object(members) => {
                let members: Vec<String> = members
                    .iter()
                    .map(|m| format!("{}:{}", m.key, shown(&m.value)))
                    .collect();
                format!("{{{}}}", members.join(","))
            }
        }
    }

    fn fails(text: &str) -> String {
        let mut sources = Sources::default();
        let id = sources.add("c.bu", text);
        let error = parse(id, text).unwrap_err();
        let place = sources.place(error.span.unwrap());
        format!("{}:{} {}", place.line, place.column, error.message)
    }

    #[test]
    fn documents_become_trees() {
        for (text, expected) in [
            ("", "null"),
            ("---\na: 1\n", "{a:1}"),
            (
                "a: 0644\nb: 'x'\nc: [yes, ~]\n",
                "{a:0644,b:\"x\",c:[yes,null]}",
            ),
            ("a: |\n  one\n  two\n", "{a:\"one\\ntwo\\n\"}"),
            ("a: !!str 12\nb: !!binary aGk=\n", "{a:\"12\",b:[104, 105]}"),
            (
                "x: &x {p: 1, q: 2}\ny:\n  <<: *x\n  q: 3\n",
                "{x:{p:1,q:2},y:{q:3,p:1}}",
            ),
            ("a: &a [1]\nb: *a\n", "{a:[1],b:[1]}"),
            ("{\"a\": [1, null]}", "{a:[1,null]}"),
            ("a:\n", "{a:null}"),
        ] {
            assert_eq!(shown(&tree(text)), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, expected) in [
            ("a: 1\na: 2\n", "2:1 key \"a\" stands here a second time"),
            (
                "a: 1\n<<: {b: 1}\n<<: {c: 1}\n",
                "3:1 key of 2 characters stands here a second time",
            ),
            (
                "a: &a [*a]\n",
                "1:8 this alias refers to a value that contains it",
            ),
            ("[1]: 2\n", "1:1 a key is a string, this is an array"),
        ] {
            assert_eq!(fails(text), expected, "{text:?}");
        }
        assert!(fails("a: [1\nb: 2\n").contains("this is not YAML"));
        assert!(fails("a: *b\n").contains("this is not YAML"));
    }

    #[test]
    fn places_count_bytes_where_the_parser_counts_characters() {
        let text = format!("{}: é\nb: [ü, x]\n", "ä".repeat(200));
        let root = tree(&text);
        let Value::Object(members) = root.value else {
            panic!()
        };
        let span = members[1].value.span;
        assert_eq!(&text[span.start as usize..span.end as usize], "[ü, x]");
        let Value::Array(items) = &members[1].value.value else {
            panic!()
        };
        let span = items[1].span;
        assert_eq!(&text[span.start as usize..span.end as usize], "x");
    }

    #[test]
    fn block_scalars_stand_at_their_headers() {
        for (text, expected) in [
            ("a: |\n  secret\n", "|"),
            ("a: >-  # why | so\n   secret\nb: 1\n", ">-"),
            ("- a|b: |+\n\n\n    secret\n", "|+"),
            ("é: !!binary |\n  aGk=\n", "|"),
            ("a: |\n", "|"),
            ("a: |", "|"),
            ("a: |\nb: 1\n", "|"),
        ] {
            let root = tree(text);
            let found = match &root.value {
                Value::Array(items) => &items[0],
                _ => &root,
            };
            let Value::Object(members) = &found.value else {
                panic!()
            };
            let span = members[0].value.span;
            assert_eq!(
                &text[span.start as usize..span.end as usize],
                expected,
                "{text:?}"
            );
        }
    }

    #[test]
    fn quoted_scalars_end_at_their_marks() {
        for (text, expected) in [
            ("a: \"b\"  # c \"d\"\n", "\"b\""),
            ("a: \"b\\\"\\\\\" # c\n", "\"b\\\"\\\\\""),
            ("a: 'b'' \"\\' # c'\n", "'b'' \"\\'"),
            ("a: ''\n", "''"),
            ("a: 'é\n  b' # c\n", "'é\n  b'"),
            ("a: !!str \"b\" # c\n", "!!str \"b\""),
            ("a: &x !!str 'b' # c\n", "&x !!str 'b'"),
            ("a: b # c\n", "b"),
        ] {
            let root = tree(text);
            let Value::Object(members) = &root.value else {
                panic!()
            };
            let span = members[0].value.span;
            let found = &text[span.start as usize..span.end as usize];
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn aliases_and_depth_are_bounded() {
        let mut laughs = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for i in 1..12 {
            let refs = vec![format!("*a{}", i - 1); 10].join(",");
            laughs.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
        }
        assert!(fails(&laughs).contains("with its aliases expanded"));
        let big = format!(
            "a: &a {}\nb: [{}]\n",
            "x".repeat(1 << 20),
            vec!["*a"; 40].join(",")
        );
        assert!(fails(&big).contains("with its aliases expanded"));
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert!(fails(&deep).contains("nest deeper than 128"));
    }

    #[test]
    fn integers_and_booleans_are_gos() {
        for (text, expected) in [
            ("644", Some(644)),
            ("0644", Some(420)),
            ("0o644", Some(420)),
            ("0x1F", Some(31)),
            ("0b11", Some(3)),
            ("0X1f", Some(31)),
            ("0O17", Some(15)),
            ("0B1", Some(1)),
            ("-0x10", Some(-16)),
            ("1e3", Some(1000)),
            ("1024.0", Some(1024)),
            ("1.5e1", Some(15)),
            ("1e400", None),
            ("1e", None),
            ("-7", Some(-7)),
            ("+7", Some(7)),
            ("1_000", Some(1000)),
            ("0", Some(0)),
            ("089", None),
            ("--1", None),
            ("0x-1", None),
            ("1.5", None),
            ("", None),
            ("é1", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(integer(text), expected, "{text:?}");
        }
        assert_eq!(boolean("yes"), Some(true));
        assert_eq!(boolean("Off"), Some(false));
        assert_eq!(boolean("maybe"), None);
    }
}
