//! Rules as tables: a config, and what is said of it.

use crate::config;
use crate::diag::Sources;

/// What is said of a config with these sections, but for hints: the first lines of each finding.
pub(super) fn said(version: &str, sections: &str) -> Vec<String> {
    let mut said = all_said(version, sections);
    said.retain(|line| !line.contains(": hint: "));
    said
}

pub(super) fn hints(sections: &str) -> Vec<String> {
    let mut said = all_said("3.4.0", sections);
    said.retain(|line| line.contains(": hint: "));
    said
}

fn all_said(version: &str, sections: &str) -> Vec<String> {
    let text = format!("{{\"ignition\": {{\"version\": \"{version}\"}},\n{sections}}}");
    let mut sources = Sources::default();
    let parsed = config::read(&mut sources, "c", text.as_bytes());
    assert_eq!(parsed.config.is_none(), parsed.report.has_errors());
    (parsed.report.items.iter())
        .map(|item| item.render(&sources).lines().next().unwrap().to_string())
        .collect()
}

pub(super) fn storage(inner: &str) -> Vec<String> {
    said("3.4.0", &format!("\"storage\": {{{inner}}}"))
}

/// Checks that exactly one thing is said, at this place and with these words.
#[track_caller]
pub(super) fn only(said: Vec<String>, at: &str, words: &str) {
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(
        said[0].starts_with(&format!("c:{at}: ")),
        "{said:?} is not at {at}"
    );
    assert!(said[0].contains(words), "{said:?} lacks {words:?}");
}

#[test]
fn paths() {
    for (path, words) in [
        ("", "the path is empty"),
        ("a", "not absolute"),
        ("/../x", "component \"..\""),
        ("/a//b", "empty component"),
        ("/", "the root cannot be a file"),
    ] {
        only(
            storage(&format!("\"files\": [{{\"path\": \"{path}\"}}]")),
            "2:32",
            words,
        );
    }
    only(
        storage("\"files\": [{\"mode\": 384}]"),
        "2:23",
        "the path is missing",
    );
}

#[test]
fn entries_may_not_repeat_nor_hide_one_another() {
    only(
        storage("\"files\": [{\"path\": \"/a\"}, {\"path\": \"/a\"}]"),
        "2:48",
        "\"/a\" is stated twice",
    );
    only(
        storage("\"files\": [{\"path\": \"/a\"}], \"directories\": [{\"path\": \"/a\"}]"),
        "2:65",
        "stated twice",
    );
    only(
        storage(
            "\"links\": [{\"path\": \"/a\", \"target\": \"/b\"}], \"files\": [{\"path\": \"/a/x\"}]",
        ),
        "2:75",
        "lies below /a",
    );
    only(
        storage(
            "\"links\": [{\"path\": \"/l\", \"target\": \"/d\", \"hard\": true}], \"directories\": [{\"path\": \"/d\"}]",
        ),
        "2:32",
        "hard link cannot point at the directory",
    );
    only(
        storage(
            "\"filesystems\": [{\"device\": \"/dev/a\", \"format\": \"ext4\", \"path\": \"/v\"}, {\"device\": \"/dev/b\", \"format\": \"ext4\", \"path\": \"/v\"}]",
        ),
        "2:130",
        "two file systems have the path \"/v\"",
    );
}

#[test]
fn contents_of_files() {
    let file = |inner: &str| storage(&format!("\"files\": [{{\"path\": \"/a\", {inner}}}]"));
    assert!(file("\"contents\": {\"source\": \"\"}, \"overwrite\": true").is_empty());
    only(file("\"overwrite\": true"), "2:51", "no contents to write");
    only(
        file("\"contents\": {\"source\": \"ftp://a/\"}"),
        "2:61",
        "scheme \"ftp\"",
    );
    only(
        file("\"contents\": {\"source\": \"data:x\"}"),
        "2:61",
        "data URL is not valid",
    );
    only(
        file("\"contents\": {\"source\": \"http://\"}"),
        "2:61",
        "names no host",
    );
    only(
        file("\"contents\": {\"source\": \"http://a:99999/\"}"),
        "2:61",
        "port",
    );
    only(
        file("\"contents\": {\"source\": \"data:,\", \"compression\": \"xz\"}"),
        "2:86",
        "unknown compression",
    );
    only(
        file("\"contents\": {\"source\": \"data:,\", \"verification\": {\"hash\": \"sha512-00\"}}"),
        "2:96",
        "needs 128",
    );
    only(file("\"mode\": 9999"), "2:46", "from 0 to 4095");
    only(file("\"mode\": 444"), "2:46", "mode 444 is decimal");
    only(file("\"mode\": 2541"), "2:46", "special bits of mode 4755");
    only(
        file("\"user\": {\"id\": 1, \"name\": \"x\"}"),
        "2:64",
        "an id or a name",
    );
    only(
        file("\"user\": {\"id\": -1}"),
        "2:53",
        "from 0 to 4294967294",
    );
    only(file("\"contnets\": {}"), "2:38", "unknown key \"contnets\"");
    assert!(
        said(
            "3.6.0",
            "\"storage\": {\"files\": [{\"path\": \"/a\", \"mode\": 2541}]}"
        )
        .is_empty()
    );
}

#[test]
fn partitions() {
    let partition = |inner: &str| {
        storage(&format!(
            "\"disks\": [{{\"device\": \"/dev/a\", \"partitions\": [{inner}]}}]"
        ))
    };
    assert!(partition("{\"number\": 1}, {\"label\": \"x\"}").is_empty());
    only(
        partition("{\"sizeMiB\": 1}"),
        "2:59",
        "neither number nor label",
    );
    only(partition("{\"number\": 129}"), "2:70", "from 1 to 128");
    only(
        partition("{\"number\": 1}, {\"number\": 1}"),
        "2:85",
        "number \"1\" is stated twice",
    );
    only(
        partition("{\"label\": \"a\"}, {\"label\": \"a\"}"),
        "2:85",
        "two partitions have the label \"a\"",
    );
    only(
        partition("{\"label\": \"a:b\"}"),
        "2:69",
        "may not hold ':'",
    );
    only(
        partition(&format!("{{\"label\": \"{}\"}}", "é".repeat(37))),
        "2:69",
        "37 UTF-16 units",
    );
    assert!(partition(&format!("{{\"label\": \"{}\"}}", "é".repeat(36))).is_empty());
    only(
        partition("{\"number\": 1, \"guid\": \"x\"}"),
        "2:81",
        "is no GUID",
    );
    only(
        partition("{\"number\": 1, \"shouldExist\": false, \"label\": \"x\"}"),
        "2:59",
        "nothing but a number",
    );
    only(
        partition("{\"number\": 1, \"sizeMiB\": -1}"),
        "2:84",
        "may not be negative",
    );
    only(
        partition(
            "{\"number\": 1, \"startMiB\": 1, \"sizeMiB\": 5}, {\"number\": 2, \"startMiB\": 5, \"sizeMiB\": 5}",
        ),
        "2:103",
        "inside another one",
    );
}

#[test]
fn filesystems_raid_and_luks() {
    let fs = |inner: &str| {
        storage(&format!(
            "\"filesystems\": [{{\"device\": \"/dev/a\", {inner}}}]"
        ))
    };
    assert!(
        fs("\"format\": \"vfat\", \"uuid\": \"1234-ABCD\", \"label\": \"12345678901\"").is_empty()
    );
    only(
        fs("\"format\": \"ext5\""),
        "2:60",
        "unknown file system format",
    );
    only(
        fs("\"format\": \"xfs\", \"label\": \"1234567890123\""),
        "2:76",
        "13 bytes, 12 of xfs fit",
    );
    only(fs("\"label\": \"x\""), "2:59", "no format");
    only(
        fs("\"format\": \"ext4\", \"uuid\": \"x\""),
        "2:76",
        "no UUID",
    );
    only(
        storage("\"raid\": [{\"name\": \"r\", \"level\": \"raid9\", \"devices\": [\"/dev/a\"]}]"),
        "2:45",
        "unknown RAID level",
    );
    only(
        storage(
            "\"raid\": [{\"name\": \"r\", \"level\": \"raid1\", \"devices\": [\"/dev/a\"], \"spares\": 1}]",
        ),
        "2:87",
        "leave none",
    );
    only(
        storage("\"luks\": [{\"name\": \"a/b\", \"device\": \"/dev/a\"}]"),
        "2:31",
        "may not hold '/'",
    );
    only(
        storage(
            "\"luks\": [{\"name\": \"a\", \"device\": \"/dev/a\", \"clevis\": {\"tang\": [{\"url\": \"http://a\"}]}}]",
        ),
        "2:76",
        "thumbprint of the tang server is missing",
    );
}

pub(super) const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH";

#[test]
fn shares_of_the_host() {
    let share = |inner: &str| {
        said(
            "3.7.0-experimental",
            &format!("\"storage\": {{\"filesystems\": [{{\"format\": \"virtiofs\", {inner}}}]}}"),
        )
    };
    // That the version is experimental is said each time.
    let good = share("\"device\": \"a tag\", \"path\": \"/home\", \"mountOptions\": [\"ro\"]");
    only(good, "1:26", "may change its meaning until it is stable");
    for (inner, at, words) in [
        ("\"path\": \"/home\"", "2:29", "tag of the share is missing"),
        (
            "\"device\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
            "2:62",
            "37 bytes, 36 fit",
        ),
        (
            "\"device\": \"a\", \"path\": \"home\"",
            "2:75",
            "not absolute",
        ),
        (
            "\"device\": \"a\", \"label\": \"x\"",
            "2:76",
            "not made or wiped here",
        ),
        (
            "\"device\": \"a\", \"wipeFilesystem\": true",
            "2:85",
            "not made or wiped here",
        ),
    ] {
        only(share(inner)[1..].to_vec(), at, words);
    }
}

#[test]
fn accounts() {
    let user = |inner: &str| {
        said(
            "3.4.0",
            &format!("\"passwd\": {{\"users\": [{{{inner}}}]}}"),
        )
    };
    assert!(
        user(&format!(
            "\"name\": \"core\", \"sshAuthorizedKeys\": [\"{KEY} a\", \"command=\\\"x\\\" {KEY}\"]"
        ))
        .is_empty()
    );
    only(user("\"name\": \"\""), "2:31", "name of the user is empty");
    only(user("\"name\": \"-x\""), "2:31", "begins with '-'");
    only(user("\"name\": \"a:b\""), "2:31", "holds the character ':'");
    only(
        user("\"name\": \"a\", \"shell\": \"/bin/x\\n\""),
        "2:45",
        "ends a field",
    );
    only(
        user("\"name\": \"a\", \"sshAuthorizedKeys\": [\"ssh-rsa A\\nssh-rsa B\"]"),
        "2:58",
        "is one line",
    );
    only(
        user("\"name\": \"a\", \"sshAuthorizedKeys\": [\"hello\"]"),
        "2:58",
        "does not look like an SSH key",
    );
    only(
        user("\"name\": \"a\", \"groups\": [\"x\", \"x\"]"),
        "2:52",
        "stated twice",
    );
    only(
        user("\"name\": \"a\", \"uid\": \"7\""),
        "2:43",
        "expected a whole number, found a string",
    );
}

#[test]
fn units() {
    let unit = |inner: &str| {
        said(
            "3.4.0",
            &format!("\"systemd\": {{\"units\": [{{{inner}}}]}}"),
        )
    };
    assert!(unit("\"name\": \"a@b.service\", \"enabled\": true").is_empty());
    only(
        unit("\"name\": \"../a.service\""),
        "2:32",
        "holds the character '/'",
    );
    only(
        unit("\"name\": \"a\""),
        "2:32",
        "a unit name ends in one of",
    );
    only(
        unit("\"name\": \"a.service\", \"contents\": \"Foo\""),
        "2:58",
        "line 1 of the unit's text",
    );
    only(
        unit("\"name\": \"a.target\", \"contents\": \"[Unit]\\n\", \"enabled\": true"),
        "2:79",
        "no [Install] section",
    );
    only(
        unit("\"name\": \"a.service\", \"dropins\": [{\"name\": \"../x.conf\"}]"),
        "2:66",
        "name of a drop-in",
    );
    only(
        unit("\"name\": \"a.service\", \"dropins\": [{\"name\": \"x\"}]"),
        "2:66",
        "name of a drop-in",
    );
    only(
        said(
            "3.4.0",
            "\"systemd\": {\"units\": [{\"name\": \"a.service\", \"contents\": \"[Unit]\\n\"}]}, \"storage\": {\"files\": [{\"path\": \"/etc/systemd/system/a.service\"}]}",
        ),
        "2:103",
        "also written by a unit",
    );
}

#[test]
fn versions() {
    for (text, at, words) in [
        ("{}", "1:1", "no \"ignition\" section"),
        ("[]", "1:1", "a config is a mapping"),
        ("{\"ignition\": {}}", "1:2", "does not say its version"),
        (
            "{\"ignition\": {\"version\": 3}}",
            "1:26",
            "expected a string",
        ),
        (
            "{\"ignition\": {\"version\": \"2.5.0\"}}",
            "1:26",
            "unknown config version",
        ),
        (
            "{\"ignition\": {\"version\": \"3.7.0\"}}",
            "1:26",
            "unknown config version",
        ),
        (
            "{\"ignition\": {\"version\": \"3.4.0-experimental\"}}",
            "1:26",
            "experimental version 3.4.0-experimental is over: it became 3.4.0",
        ),
        ("{\"ignitionVersion\": 1}", "1:2", "specification 1"),
        ("variant: fcos\n", "1:1", "does not say its version"),
    ] {
        let mut sources = Sources::default();
        let parsed = config::read(&mut sources, "c", text.as_bytes());
        let said = parsed
            .report
            .render(&sources)
            .lines()
            .next()
            .unwrap()
            .to_string();
        only(vec![said], at, words);
    }
    for minor in 0..=6 {
        assert!(said(&format!("3.{minor}.0"), "\"storage\": {}").is_empty());
    }
    only(
        said("3.0.0", "\"kernelArguments\": {}"),
        "2:1",
        "not part of version 3.0.0",
    );
    let mut sources = Sources::default();
    let empty = config::read(&mut sources, "c", b" \n");
    assert!(empty.config.is_none() && empty.report.items.is_empty());
}

#[test]
fn keys_are_read_as_gos_decoder_reads_them() {
    only(
        said("3.4.0", "\"Storage\": {}"),
        "2:1",
        "is spelt \"storage\"",
    );
    only(
        said(
            "3.4.0",
            "\"storage\": {\"files\": [{\"path\": \"/a\"}]}, \"storage\": {\"links\": []}",
        ),
        "2:41",
        "a second time",
    );
    only(
        said("3.4.0", "\"strage\": {}"),
        "2:1",
        "unknown key \"strage\"",
    );
}

proptest::proptest! {
    /// Whatever is cut off or changed, there is an answer and no panic.
    #[test]
    fn damaged_configs_never_panic(cut in 0usize..4000, at in 0usize..4000, byte: u8) {
        let mut text = include_bytes!("../../tests/data/every-field-3.6.ign").to_vec();
        let at = at % text.len();
        text[at] = byte;
        text.truncate(cut.max(1));
        let mut sources = Sources::default();
        let parsed = config::read(&mut sources, "c", &text);
        parsed.report.render(&sources);
        proptest::prop_assert!(parsed.config.is_some() || !parsed.report.items.is_empty() || text.trim_ascii().is_empty());
    }

    /// Nor do the parsers of what stands within single values.
    #[test]
    fn values_never_panic(
        text in "(\\[[A-Z][a-z]+\\]\n)?([A-Z][A-Za-z]{0,9}=|ssh-|\\$|\"|http://|@|\\[)?\\PC{0,40}(\n|\\\\\n)?\\PC{0,20}",
        kind in proptest::sample::select(crate::model::UnitName::KINDS),
    ) {
        super::ssh_key::fault(&text);
        super::password::fault(&text);
        super::url::unreachable(&text);
        crate::model::UnitName::of_path(&text, kind);
        let name = crate::model::UnitName::parse(&format!("a.{kind}")).unwrap();
        let unit = serde_json::json!([{"name": name.as_str(), "enabled": true, "contents": text}]);
        all_said("3.4.0", &format!("\"systemd\": {{\"units\": {unit}}}"));
    }
}
