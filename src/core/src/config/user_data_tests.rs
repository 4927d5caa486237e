use super::*;
use crate::config::Language;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What is found: name, language, text; else the findings.
fn found(bytes: &[u8]) -> String {
    let (mut sources, mut report) = (Sources::default(), Report::default());
    match unpack(&mut sources, "u", bytes, &mut report) {
        Ok(found) => {
            let show = |found: &UserData<'_>| {
                let language = found.stated.language.map_or("", Language::name);
                format!("{}|{language}|{}", found.name, found.text)
            };
            let found: Vec<String> = found.iter().map(show).collect();
            format!("{}{}", report.render(&sources), found.join("\n"))
        }
        Err(diagnostic) => {
            report.push(diagnostic);
            report.render(&sources)
        }
    }
}

/// A message of parts, each its headers and its body.
fn mime(parts: &[(&str, &str)]) -> String {
    let mut text =
        "Content-Type: multipart/mixed; boundary=\"=b=\"\nMIME-Version: 1.0\n\n".to_owned();
    for (headers, body) in parts {
        text.push_str(&format!("--=b=\n{headers}\n\n{body}\n"));
    }
    text + "--=b=--\n"
}

const CLOUD: &str = "#cloud-config\nhostname: a\n";

#[test]
fn plain_configs_stay_as_they_are() {
    for text in [
        CLOUD,
        "{\"ignition\": {\"version\": \"3.0.0\"}}",
        "",
        "variant: flatcar\nversion: 1.0.0\n",
        "abcd",
        "Content-Type: text/x\n",
        "aGVsbG8gd29ybGQ=",
    ] {
        assert_eq!(found(text.as_bytes()), format!("u||{text}"), "{text:?}");
    }
}

#[test]
fn gzip_and_base64_are_taken_off_in_any_order() {
    let packed = BASE64.encode(CLOUD);
    let expect = |layers: &str| format!("u (unpacked from {layers})||{CLOUD}");
    assert_eq!(found(&gzip(CLOUD.as_bytes())), expect("gzip"));
    assert_eq!(found(packed.as_bytes()), expect("base64"));
    let lines = format!("{}\r\n{}\n", &packed[..8], &packed[8..]);
    assert_eq!(found(lines.as_bytes()), expect("base64"));
    assert_eq!(
        found(packed.trim_end_matches('=').as_bytes()),
        expect("base64")
    );
    assert_eq!(found(&gzip(packed.as_bytes())), expect("gzip, base64"));
    let inner = BASE64.encode(gzip(CLOUD.as_bytes()));
    assert_eq!(found(inner.as_bytes()), expect("base64, gzip"));
    let mut streams = gzip(&CLOUD.as_bytes()[..5]);
    streams.extend(gzip(&CLOUD.as_bytes()[5..]));
    streams.extend([0; 100]);
    assert_eq!(found(&streams), expect("gzip"));
}

#[test]
fn broken_gzip_is_named() {
    let whole = gzip(CLOUD.as_bytes());
    let mut followed = whole.clone();
    followed.extend(b"x");
    assert_eq!(
        found(&whole[..whole.len() - 3]),
        "u:1:1: error: the user data is gzip, but damaged or cut off\n"
    );
    assert_eq!(
        found(&followed),
        "u:1:1: error: something follows the gzip data that does not belong to it\n"
    );
    let many = gzip(b"").repeat(MAX_STREAMS + 1);
    assert!(found(&many).contains("something follows"));
    assert_eq!(
        found(&gzip(b"\xff")),
        "u (unpacked from gzip):1:1: error: the config is not UTF-8 text: byte 1 is wrong\n"
    );
}

#[test]
fn a_message_without_parts_is_not_passed_over_in_silence() {
    let text = "Content-Type: multipart/mixed; boundary=b\nMIME-Version: 1.0\n\n.--b\n\n#cloud-config\n--b--\n";
    let report = found(text.as_bytes());
    assert!(
        report.starts_with("u:1:15: warning: no line of this MIME message begins a part"),
        "{report}"
    );
}

#[test]
fn bombs_and_nesting_are_bounded() {
    let bomb = gzip(&vec![b' '; MAX_CONFIG + 1]);
    assert!(found(&bomb).contains("unpacked from gzip, the config is larger than 64 MiB"));
    assert!(found(&vec![b' '; MAX_CONFIG + 1]).contains("larger than 64 MiB"));
    let mut nested = CLOUD.as_bytes().to_vec();
    for _ in 0..MAX_LAYERS {
        nested = gzip(&nested);
    }
    assert!(found(&nested).ends_with(CLOUD));
    assert!(found(&gzip(&nested)).contains("wrapped more than 4 times"));
}

#[test]
fn the_one_config_of_a_mime_message_is_found() {
    let base64 = BASE64.encode(CLOUD);
    for (headers, body, text, language) in [
        (
            "Content-Type: text/cloud-config",
            CLOUD.trim_end(),
            CLOUD.trim_end(),
            "",
        ),
        (
            "Content-Type: text/cloud-config; charset=\"utf-8\"",
            "hostname: a",
            "hostname: a",
            "cloud-config",
        ),
        (
            "content-type: TEXT/X-ShellScript",
            "#!/bin/sh\nid",
            "#!/bin/sh\nid",
            "",
        ),
        (
            "Content-Type: text/x-shellscript",
            "#cloud-config\na: b",
            "#cloud-config\na: b",
            "",
        ),
        ("Content-Type: text/plain", "{}", "{}", ""),
        (
            "Content-Type: application/vnd.coreos.ignition+json",
            "{}",
            "{}",
            "",
        ),
        (
            "Content-Disposition: attachment",
            "variant: fcos",
            "variant: fcos",
            "",
        ),
        (
            "Content-Type: text/cloud-config\nContent-Transfer-Encoding: base64",
            base64.as_str(),
            CLOUD,
            "",
        ),
        (
            "Content-Transfer-Encoding: quoted-printable\nContent-Type:\n text/cloud-config",
            "#cloud-config \nhostname: =C3=\n=A9=3D=zz",
            "#cloud-config\nhostname: \u{e9}==zz",
            "",
        ),
    ] {
        let text_of = mime(&[(headers, body)]);
        let expected = format!("u (unpacked from part 1 of MIME)|{language}|{text}");
        assert_eq!(found(text_of.as_bytes()), expected, "{headers}");
        let windows = text_of.replace('\n', "\r\n");
        assert_eq!(found(windows.as_bytes()).replace("\r\n", "\n"), expected);
    }
    let packed = format!(
        "\n{}",
        mime(&[("A: b", ""), ("Content-Type: text/cloud-config", CLOUD)])
    );
    assert_eq!(
        found(&gzip(packed.as_bytes())),
        format!("u (unpacked from gzip, part 2 of MIME)||{CLOUD}")
    );
    let nested = mime(&[(
        "Content-Type: multipart/mixed; a=\"x;\\\"\"; boundary=inner",
        "--inner\n\n\n--inner\nContent-Type: text/cloud-config\n\nx: y\n--inner--",
    )]);
    assert_eq!(
        found(nested.as_bytes()),
        "u (unpacked from part 1.2 of MIME)|cloud-config|x: y"
    );
    let inside = mime(&[(
        "Content-Type: application/gzip\nContent-Transfer-Encoding: base64",
        &BASE64.encode(gzip(CLOUD.as_bytes())),
    )]);
    assert_eq!(
        found(inside.as_bytes()),
        format!("u (unpacked from part 1 of MIME, gzip)||{CLOUD}")
    );
    let single =
        format!("From nobody\nMIME-Version: 1.0\nContent-Type: text/cloud-config\n\n{CLOUD}");
    assert_eq!(
        found(single.as_bytes()),
        format!("u (unpacked from part 1 of MIME)||{CLOUD}")
    );
    assert_eq!(found(mime(&[]).as_bytes()), "");
}

#[test]
fn what_is_wrong_with_a_message_is_named_with_its_place() {
    let cloud = ("Content-Type: text/cloud-config", "a: b");
    let script = ("Content-Type: text/x-shellscript", "#!/bin/sh");
    let hook = ("Content-Type: text/cloud-boothook", "#!/bin/sh");
    let jinja = (
        "Content-Type: text/cloud-config",
        "## template: jinja\n#cloud-config\n",
    );
    insta::assert_snapshot!(found(mime(&[cloud, script]).as_bytes()), @r#"
    u (unpacked from part 1 of MIME)|cloud-config|a: b
    u (unpacked from part 2 of MIME)||#!/bin/sh
    "#);
    insta::assert_snapshot!(found(mime(&[hook, cloud, ("Content-Type: image/png", "x")]).as_bytes()), @r#"
    u:13:15: warning: part 3 is of the type "image/png", which is not read here: it has no effect
      13 | Content-Type: image/png
         |               ^^^^^^^^^
      help: parts that are read are text/cloud-config, text/x-shellscript and application/vnd.coreos.ignition+json
    u (unpacked from part 1 of MIME)||#!/bin/sh
    u (unpacked from part 2 of MIME)|cloud-config|a: b
    "#);
    insta::assert_snapshot!(found(mime(&[jinja]).as_bytes()), @r#"
    u:5:15: error: no part of the user data is a config that is read here: part 1 is a cloud-init template
      5 | Content-Type: text/cloud-config
        |               ^^^^^^^^^^^^^^^^^
      help: parts that are read are text/cloud-config, text/x-shellscript and application/vnd.coreos.ignition+json
    "#);
    insta::assert_snapshot!(found(mime(&[("A: b", "just words")]).as_bytes()), @r#"
    u:5:1: error: no part of the user data is a config that is read here: part 1 is text in no config language that is known here
      help: parts that are read are text/cloud-config, text/x-shellscript and application/vnd.coreos.ignition+json
    "#);
    insta::assert_snapshot!(found(b"Content-Type: multipart/mixed\n\n"), @r#"
    u:1:15: error: this MIME message does not say the boundary of its parts
      1 | Content-Type: multipart/mixed
        |               ^^^^^^^^^^^^^^^
      help: write Content-Type: multipart/mixed; boundary="…"
    "#);
    insta::assert_snapshot!(
        found(mime(&[("Content-Type: text/plain\nContent-Transfer-Encoding: uuencode", "x")]).as_bytes()), @r#"
    u:5:15: error: part 1: its Content-Transfer-Encoding is "uuencode"; 7bit, 8bit, base64 and quoted-printable are known
      5 | Content-Type: text/plain
        |               ^^^^^^^^^^
    "#);
    insta::assert_snapshot!(found(mime(&[("Content-Transfer-Encoding: base64", "%")]).as_bytes()), @r#"
    u:5:1: error: part 1: its contents are not base64
      5 | Content-Transfer-Encoding: base64
        | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(found(mime(&[("no header", "x")]).as_bytes()), @r#"
    u:5:1: error: part 1 of this MIME message does not begin with headers
      help: put an empty line between the headers of a part and its contents
    "#);
    let cut = mime(&[cloud]).replace("--=b=--\n", "");
    insta::assert_snapshot!(found(cut.as_bytes()), @r#"
    u:1:15: warning: the closing boundary of this MIME message is missing: it may be cut off
      1 | Content-Type: multipart/mixed; boundary="=b="
        |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      help: end the user data with the line --BOUNDARY--, and see whether the cloud limits its size
    u (unpacked from part 1 of MIME)|cloud-config|a: b
    "#);
    let inner = |depth: usize| {
        let mut text = "Content-Type: text/cloud-config\n\na: b".to_owned();
        for level in 0..depth {
            text = format!(
                "Content-Type: multipart/mixed; boundary=i{level}\n\n--i{level}\n{text}\n--i{level}--"
            );
        }
        text
    };
    assert_eq!(
        found(inner(4).as_bytes()),
        "u (unpacked from part 1.1.1.1 of MIME)|cloud-config|a: b"
    );
    insta::assert_snapshot!(found(inner(5).as_bytes()), @r#"
    u:13:15: error: MIME messages nest deeper than 4 levels here
      13 | Content-Type: multipart/mixed; boundary=i0
         |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    let many = mime(&vec![("A: b", ""); 65]);
    insta::assert_snapshot!(found(many.as_bytes()), @r#"
    u:261:1: error: this MIME message has more than 64 parts
    "#);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 256, rng_seed: proptest::test_runner::RngSeed::Fixed(3), failure_persistence: None, ..Default::default() })]

    /// Whatever is cut, doubled or overwritten: an answer, and no panic.
    #[test]
    fn damaged_user_data_is_answered(at in 0..400usize, cut in 0..40usize, with in proptest::collection::vec(proptest::num::u8::ANY, 0..6), packed in proptest::bool::ANY) {
        let text = mime(&[
            ("Content-Type: text/plain;\n charset=x\nContent-Transfer-Encoding: quoted-printable", "a=3D\n"),
            ("Content-Type: multipart/mixed; boundary=i", "--i\nContent-Type: text/cloud-config\n\nx: y\n--i--"),
        ]);
        let mut bytes = text.into_bytes();
        let at = at.min(bytes.len());
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, with);
        if packed {
            bytes = gzip(&bytes);
            let at = at % bytes.len();
            bytes[at] ^= 1;
        }
        proptest::prop_assert!(!found(&bytes).is_empty());
    }
}
