use serde_json::{Value, json};

use crate::config;
use crate::diag::Sources;
use crate::spec::{self, Encoded, Wire as _};

/// What a section of a config of version 2.`minor` becomes; lines with what was found, but for hints.
fn read(minor: u8, sections: &str) -> (Value, Vec<String>) {
    let text = format!("{{\"ignition\": {{\"version\": \"2.{minor}.0\"}},\n{sections}}}");
    let mut sources = Sources::default();
    let parsed = config::read(&mut sources, "c.ign", text.as_bytes());
    let said = parsed.report.render(&sources);
    let said =
        (said.lines()).filter(|line| line.starts_with("c.ign:") && !line.contains(": hint: "));
    let json = parsed
        .config
        .and_then(|config| spec::tree(&config))
        .unwrap_or_default();
    (json, said.map(Into::into).collect())
}

/// The same where nothing is found.
fn means(minor: u8, sections: &str) -> Value {
    let (json, said) = read(minor, sections);
    assert!(said.is_empty(), "{said:?}");
    json
}

fn says(minor: u8, sections: &str, expected: &str) {
    let (_, said) = read(minor, sections);
    assert_eq!(said, [expected], "{sections}");
}

fn storage(sections: &str) -> Value {
    means(4, &format!("\"storage\": {{{sections}}}"))["storage"].clone()
}

#[test]
fn files_are_overwritten_unless_they_are_appended_to() {
    let file = |more: &str| {
        let text = format!(r#""files": [{{"filesystem": "root", "path": "/a"{more}}}]"#);
        storage(&text)["files"][0].clone()
    };
    assert_eq!(
        file(""),
        json!({"path": "/a", "overwrite": true, "contents": {"source": ""}})
    );
    assert_eq!(
        file(
            r#", "overwrite": false, "mode": 384, "user": {"id": 5}, "contents": {"source": "data:,x"}"#
        ),
        json!({"path": "/a", "overwrite": false, "mode": 384, "user": {"id": 5},
               "contents": {"source": "data:,x"}})
    );
    assert_eq!(
        file(r#", "append": true, "contents": {"source": "data:,x"}"#),
        json!({"path": "/a", "append": [{"source": "data:,x"}]})
    );
    says(
        2,
        r#""storage": {"files": [{"filesystem": "root", "path": "/a", "append": true, "overwrite": true,
  "contents": {"source": "data:,x"}}]}"#,
        "c.ign:2:89: error: a file is either appended to or overwritten",
    );
}

#[test]
fn file_systems_have_names() {
    let unit = "[Mount]\\nWhat=/dev/disk/by-label/D\\nWhere=/var/lib/data/\\n";
    let sections = format!(
        r#""storage": {{
  "filesystems": [
    {{"name": "data", "mount": {{"device": "/dev/sdb", "format": "ext4", "label": "D",
      "create": {{"force": true, "options": ["-m", "0"]}}}}}},
    {{"name": "root", "mount": {{"device": "/dev/disk/by-label/ROOT", "format": "xfs", "wipeFilesystem": true}}}},
    {{"name": "image", "path": "/sysroot/usr/share/oem"}}],
  "files": [
    {{"filesystem": "data", "path": "/x/y"}},
    {{"filesystem": "image", "path": "/z"}},
    {{"filesystem": "oem", "path": "/grub.cfg"}},
    {{"filesystem": "root", "path": "/etc/r"}}],
  "links": [{{"filesystem": "data", "path": "/h", "target": "/x/y", "hard": true}},
            {{"filesystem": "data", "path": "/s", "target": "/x/y"}}]}},
"systemd": {{"units": [{{"name": "var-lib-data.mount", "contents": "{unit}"}}]}}"#
    );
    let storage = means(4, &sections)["storage"].clone();
    assert_eq!(
        storage["filesystems"],
        json!([
            {"device": "/dev/sdb", "format": "ext4", "label": "D", "path": "/var/lib/data",
             "options": ["-m", "0"], "wipeFilesystem": true},
            {"device": "/dev/disk/by-label/ROOT", "format": "xfs", "wipeFilesystem": true},
            {"device": "/dev/disk/by-label/OEM", "format": "btrfs", "path": "/oem"},
        ])
    );
    let paths = |list: &str| -> Vec<String> {
        let list = storage[list].as_array().unwrap();
        list.iter()
            .map(|entry| entry["path"].as_str().unwrap().into())
            .collect()
    };
    assert_eq!(
        paths("files"),
        ["/var/lib/data/x/y", "/oem/z", "/oem/grub.cfg", "/etc/r"]
    );
    assert_eq!(paths("links"), ["/var/lib/data/h", "/var/lib/data/s"]);
    assert_eq!(storage["links"][0]["target"], "/var/lib/data/x/y");
    assert_eq!(storage["links"][1]["target"], "/x/y");
}

#[test]
fn a_file_system_that_nobody_mounts_has_a_place_of_its_own() {
    let (json, said) = read(
        1,
        r#""storage": {"filesystems": [{"name": "da/ta", "mount": {"device": "/dev/sdb", "format": "ext4"}}],
"directories": [{"filesystem": "da/ta", "path": "/d", "mode": 448}]}"#,
    );
    assert_eq!(said.len(), 1);
    assert!(
        said[0].starts_with("c.ign:2:38: warning: no mount unit of the config mounts"),
        "{said:?}"
    );
    let place = "/run/pilotlight/filesystems/da_ta";
    assert_eq!(json["storage"]["filesystems"][0]["path"], place);
    assert_eq!(
        json["storage"]["directories"][0]["path"],
        format!("{place}/d")
    );
}

#[test]
fn the_systems_own_partitions_are_known_by_their_labels() {
    let storage = storage(
        r#""filesystems": [
    {"name": "ROOT", "mount": {"device": "/dev/disk/by-partlabel/ROOT", "format": "xfs", "wipeFilesystem": true}},
    {"name": "image", "path": "/sysroot/usr/share/oem"}],
  "files": [{"filesystem": "ROOT", "path": "/a"}, {"filesystem": "image", "path": "/b"}]"#,
    );
    assert_eq!(storage["files"][0]["path"], "/a");
    assert_eq!(storage["files"][1]["path"], "/oem/b");
    assert_eq!(
        storage["filesystems"],
        json!([
            {"device": "/dev/disk/by-partlabel/ROOT", "format": "xfs", "wipeFilesystem": true},
            {"device": "/dev/disk/by-label/OEM", "format": "btrfs", "path": "/oem"},
        ])
    );
    let oem = self::storage(
        r#""filesystems": [{"name": "o", "mount": {"device": "/dev/disk/by-label/OEM", "format": "ext4"}}],
  "files": [{"filesystem": "o", "path": "/a"}]"#,
    );
    assert_eq!(oem["files"][0]["path"], "/oem/a");
    assert_eq!(oem["filesystems"][0]["path"], "/oem");
    assert_eq!(oem["filesystems"].as_array().unwrap().len(), 1);
}

#[test]
fn names_that_are_wrong_are_named() {
    says(
        1,
        r#""storage": {"filesystems": [{"name": "a", "path": "/sysroot/a", "mount": {"device": "/dev/a", "format": "ext4"}}]}"#,
        "c.ign:2:51: error: the file system has both a path and a mount",
    );
    says(
        4,
        r#""storage": {"files": [{"filesystem": "rot", "path": "/a"}]}"#,
        "c.ign:2:38: error: there is no file system of the name \"rot\"",
    );
    says(
        4,
        r#""storage": {"files": [{"path": "/a"}]}"#,
        "c.ign:2:23: error: the entry does not say which file system it lies on",
    );
    says(
        4,
        r#""storage": {"filesystems": [{"name": "a", "path": "/mnt"}]}"#,
        "c.ign:2:51: error: the path of a file system has to lie below /sysroot",
    );
    says(
        4,
        r#""storage": {"filesystems": [{"name": "a"}]}"#,
        "c.ign:2:38: error: the file system has neither a mount nor a path",
    );
}

#[test]
fn sectors_become_mib() {
    let partitions = |fields: &str| {
        format!(
            r#""storage": {{"disks": [{{"device": "/dev/sda", "partitions": [{{"number": 1, "label": "a", {fields}}}]}}]}}"#
        )
    };
    let partition = |fields: &str| {
        means(3, &partitions(fields))["storage"]["disks"][0]["partitions"][0].clone()
    };
    assert_eq!(
        partition(r#""start": 2048, "size": 131072"#),
        json!({"number": 1, "label": "a", "startMiB": 1, "sizeMiB": 64, "ownSectors": true})
    );
    assert_eq!(
        partition(
            r#""startMiB": 1, "sizeMiB": 64, "start": 0, "shouldExist": true, "wipePartitionEntry": true"#
        ),
        json!({"number": 1, "label": "a", "startMiB": 1, "sizeMiB": 64, "shouldExist": true,
               "wipePartitionEntry": true})
    );
    says(
        2,
        &partitions(r#""size": 2049"#),
        "c.ign:2:97: error: size 2049 is no whole number of MiB (2048 sectors of 512 bytes)",
    );
    says(
        2,
        &partitions(r#""start": -2048"#),
        "c.ign:2:98: error: start may not be negative, this is -2048",
    );
    says(
        3,
        &partitions(r#""size": 2048, "sizeMiB": 1"#),
        "c.ign:2:114: error: size and sizeMiB are stated both",
    );
}

#[test]
fn units_are_enabled_by_the_newer_word() {
    let unit = |fields: &str| {
        let text = format!(r#""systemd": {{"units": [{{"name": "a.service", {fields}}}]}}"#);
        means(1, &text)["systemd"]["units"][0].clone()
    };
    let enabled = |fields: &str| unit(fields)["enabled"].as_bool();
    assert_eq!(enabled(r#""enable": true"#), Some(true));
    assert_eq!(enabled(r#""enable": false"#), None);
    assert_eq!(enabled(r#""enable": true, "enabled": false"#), Some(false));
    assert_eq!(unit(r#""mask": true"#)["mask"], true);
    assert!(unit(r#""mask": false"#)["mask"].is_null());
}

#[test]
fn networkd_units_are_files() {
    let files = means(
        2,
        r#""networkd": {"units": [{"name": "00-eth.network", "contents": "[Match]\nName=eth0\n",
"dropins": [{"name": "a.conf", "contents": "[Network]\n"}]}]}"#,
    )["storage"]["files"]
        .clone();
    assert_eq!(files[0]["path"], "/etc/systemd/network/00-eth.network");
    assert_eq!(files[0]["mode"], 0o644);
    assert_eq!(files[0]["overwrite"], true);
    assert_eq!(
        files[1]["path"],
        "/etc/systemd/network/00-eth.network.d/a.conf"
    );
    says(
        0,
        r#""networkd": {"units": [{"name": "../x.network", "contents": "a"}]}"#,
        "c.ign:2:33: error: \"../x.network\" cannot be the name of a networkd unit",
    );
}

#[test]
fn create_counts_instead_of_what_stands_beside_it() {
    let (json, said) = read(
        1,
        r#""passwd": {"users": [
  {"name": "a", "uid": 5, "create": {"uid": 6, "groups": ["g"]}},
  {"name": "b", "uid": 7, "shell": "/bin/sh"}]}"#,
    );
    assert!(
        said.iter().all(|line| line.contains(": hint: ")),
        "{said:?}"
    );
    assert_eq!(
        json["passwd"]["users"],
        json!([{"name": "a", "uid": 6, "groups": ["g"]}, {"name": "b", "uid": 7, "shell": "/bin/sh"}])
    );
}

#[test]
fn later_entries_count() {
    let json = means(
        4,
        r#""storage": {"files": [
  {"filesystem": "root", "path": "/a", "mode": 384, "contents": {"source": "data:,1", "compression": "gzip"}},
  {"filesystem": "root", "path": "/a", "contents": {"source": "data:,2"}},
  {"filesystem": "root", "path": "/a", "append": true, "contents": {"source": "data:,3"}}]},
"systemd": {"units": [
  {"name": "u.service", "enable": true, "dropins": [{"name": "a.conf", "contents": "[Unit]\n"}]},
  {"name": "u.service", "dropins": [{"name": "b.conf", "contents": "[Unit]\n"}]}]}"#,
    );
    assert_eq!(
        json["storage"]["files"],
        json!([{"path": "/a", "overwrite": true, "contents": {"source": "data:,2"},
                "append": [{"source": "data:,3"}]}])
    );
    let units = &json["systemd"]["units"];
    assert_eq!(units.as_array().unwrap().len(), 1);
    assert_eq!(units[0]["enabled"], true);
    assert_eq!(units[0]["dropins"].as_array().unwrap().len(), 2);
}

#[test]
fn empty_strings_are_no_words() {
    let json = means(
        2,
        r#""systemd": {"units": [
  {"name": "u.service", "contents": "[Service]\nExecStart=/bin/true\n", "dropins": [{"name": "a.conf", "contents": "[Unit]\n"}]},
  {"name": "u.service", "contents": "", "dropins": [{"name": "a.conf", "contents": ""}]}]},
"passwd": {"users": [{"name": "a", "uid": 7, "shell": "/bin/sh", "homeDir": "/a", "gecos": "A", "primaryGroup": "b"},
  {"name": "a", "shell": "", "homeDir": "", "gecos": "", "primaryGroup": ""}]},
"storage": {"files": [{"filesystem": "root", "path": "/a", "user": {"name": ""}, "contents": {"source": "", "compression": ""}}],
  "disks": [{"device": "/dev/a", "partitions": [{"number": 1, "label": "", "typeGuid": "", "guid": ""}]}]}"#,
    );
    assert_eq!(
        json["systemd"]["units"],
        json!([{"name": "u.service", "contents": "[Service]\nExecStart=/bin/true\n",
                "dropins": [{"name": "a.conf", "contents": "[Unit]\n"}]}])
    );
    assert_eq!(
        json["passwd"]["users"],
        json!([{"name": "a", "uid": 7, "shell": "/bin/sh", "homeDir": "/a", "gecos": "A", "primaryGroup": "b"}])
    );
    assert_eq!(
        json["storage"]["files"],
        json!([{"path": "/a", "overwrite": true, "contents": {"source": ""}}])
    );
    assert_eq!(
        json["storage"]["disks"][0]["partitions"],
        json!([{"number": 1}])
    );
}

#[test]
fn networkd_units_are_written_after_files() {
    let json = means(
        2,
        r#""storage": {"files": [{"filesystem": "root", "path": "/etc/systemd/network/a.network", "mode": 384,
  "contents": {"source": "data:,x"}}]},
"networkd": {"units": [{"name": "a.network", "contents": "[Match]\nName=e\n"}]}"#,
    );
    let files = json["storage"]["files"].as_array().unwrap();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0]["mode"], 0o644);
}

#[test]
fn the_rest_is_as_it_was() {
    let text = r#"{"ignition": {"version": "2.4.0",
  "config": {"append": [{"source": "http://h/a", "httpHeaders": [{"name": "X", "value": "y"}]}]},
  "timeouts": {"httpTotal": 30},
  "security": {"tls": {"certificateAuthorities": [{"source": "oem:///ca.pem"}]}},
  "proxy": {"httpProxy": "http://p:3128", "noProxy": ["a"]}},
"passwd": {"groups": [{"name": "g", "gid": 7}]},
"storage": {"raid": [{"name": "r", "level": "raid1", "devices": ["/dev/a", "/dev/b"], "options": ["--assume-clean"]}]}}"#;
    let parsed = config::read(&mut Sources::default(), "c.ign", text.as_bytes());
    assert!(parsed.appends);
    let json = spec::tree(&parsed.config.unwrap()).unwrap();
    assert_eq!(
        json,
        json!({"ignition": {"version": "3.6.0",
            "config": {"merge": [{"source": "http://h/a", "httpHeaders": [{"name": "X", "value": "y"}]}]},
            "timeouts": {"httpTotal": 30},
            "security": {"tls": {"certificateAuthorities": [{"source": "oem:///ca.pem"}]}},
            "proxy": {"httpProxy": "http://p:3128", "noProxy": ["a"]}},
        "passwd": {"groups": [{"name": "g", "gid": 7}]},
        "storage": {"raid": [{"name": "r", "level": "raid1", "devices": ["/dev/a", "/dev/b"],
            "options": ["--assume-clean"]}]}})
    );
}

#[test]
fn fields_and_hashes_are_those_of_the_version() {
    says(
        0,
        r#""storage": {"links": []}"#,
        "c.ign:2:13: warning: key \"links\" is not part of version 2.0.0: it has no effect",
    );
    let hash = format!("sha256-{}", "0".repeat(64));
    says(
        4,
        &format!(
            r#""storage": {{"files": [{{"filesystem": "root", "path": "/a", "contents": {{"source": "http://h/", "verification": {{"hash": "{hash}"}}}}}}]}}"#
        ),
        "c.ign:2:121: error: version 2 knows hashes of kind sha512 only",
    );
}

#[test]
fn what_is_made_of_nothing_stands_where_it_is_asked_for() {
    let text = r#"{"ignition": {"version": "2.4.0"},
"storage": {"files": [{"filesystem": "root",
  "path": "/a"}, {
  "filesystem": "oem", "path": "/b", "contents": {"source": "data:,b"}}]}}"#;
    let mut sources = Sources::default();
    let parsed = config::read(&mut sources, "c.ign", text.as_bytes());
    let mut encoded = Encoded::default();
    parsed.config.unwrap().encode(&mut encoded);
    let text = std::str::from_utf8(&encoded.text).unwrap();
    // What is written in a part of the text, and the line that it comes from.
    let within = |part: &str| -> Vec<(&str, u32)> {
        let begins = text.find(part).unwrap();
        let places = encoded.places.iter().map(|(at, span)| (*at as usize, span));
        let there = places.filter(|(at, _)| (begins..begins + part.len()).contains(at));
        there
            .map(|(at, span)| (&text[at..at + 4], sources.place(*span).line))
            .collect()
    };
    let oem = text.split("\"filesystems\":").nth(1).unwrap();
    let oem = &oem[..=oem.find('}').unwrap()];
    let lines: Vec<u32> = within(oem).into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines, [4; 4], "the OEM file system and its fields: {oem}");
    assert_eq!(within("{\"source\":\"\"}"), [("\"\"}}", 3), ("{\"so", 3)]);
}

#[test]
fn partitions_without_a_name_take_the_next_free_slot() {
    let json = means(
        2,
        r#""storage": {"disks": [
  {"device": "/dev/a", "wipeTable": true, "partitions": [{"size": 2048}, {"number": 2}, {"number": 0, "label": "x"}, {"size": 0}]},
  {"device": "/dev/b", "partitions": [{"label": "partition-1"}, {}]}]}"#,
    );
    assert_eq!(
        json["storage"]["disks"],
        json!([
            {"device": "/dev/a", "wipeTable": true, "partitions": [
                {"number": 1, "sizeMiB": 1, "ownSectors": true}, {"number": 2}, {"number": 0, "label": "x"}, {"number": 3, "sizeMiB": 0}]},
            {"device": "/dev/b", "partitions": [{"label": "partition-1"}, {"label": "partition-2"}]}])
    );
}

#[test]
fn keys_and_groups_that_are_stated_twice_are_stated_once() {
    let (json, _) = read(
        2,
        r#""passwd": {"users": [
  {"name": "a", "sshAuthorizedKeys": ["ssh-ed25519 AAAA", "ssh-ed25519 BBBB", "ssh-ed25519 AAAA"], "groups": ["g", "h", "g"]},
  {"name": "b", "create": {"groups": ["g", "g"]}}]}"#,
    );
    assert_eq!(
        json["passwd"]["users"],
        json!([
            {"name": "a", "sshAuthorizedKeys": ["ssh-ed25519 AAAA", "ssh-ed25519 BBBB"], "groups": ["g", "h"]},
            {"name": "b", "groups": ["g"]}])
    );
}

#[test]
fn sectors_stay_the_disks_own_until_they_are_written_as_ignition_3() {
    let own = |partition: &str| {
        let text = format!(
            r#"{{"ignition": {{"version": "2.3.0"}}, "storage": {{"disks": [{{"device": "/dev/sdb", "partitions": [{partition}]}}]}}}}"#
        );
        let mut sources = Sources::default();
        let parsed = config::read(&mut sources, "c.ign", text.as_bytes());
        let said = parsed.report.render(&sources);
        let config = parsed.config.unwrap_or_else(|| panic!("{said}"));
        // From one stage to the next it is kept, for others it is written in MiB.
        let text = String::from_utf8(crate::cache::encode(&config).text).unwrap();
        let again = crate::cache::decode(&mut sources, "again", text, None).unwrap();
        assert_eq!(crate::spec::tree(&again), crate::spec::tree(&config));
        let json = crate::convert::to_version(&config, 3).unwrap().to_string();
        assert!(!json.contains("ownSectors"), "{json}");
        let partition = &again.storage.disks[0].partitions[0];
        if partition.own_sectors.is_some() {
            assert!(said.contains("sectors are those of the disk"), "{said}");
        }
        partition.own_sectors.is_some()
    };
    for (partition, expected) in [
        (r#"{"number": 1, "size": 2048}"#, true),
        (r#"{"number": 1, "start": 2048}"#, true),
        (r#"{"number": 1, "start": 4096, "size": 2048}"#, true),
        (r#"{"label": "a", "start": 0, "size": 4096}"#, true),
        (r#"{"number": 1, "size": 0}"#, false),
        (r#"{"number": 1, "start": 0, "size": 0}"#, false),
        (r#"{"number": 1}"#, false),
        (r#"{"number": 1, "sizeMiB": 10}"#, false),
        (r#"{"number": 1, "startMiB": 1, "sizeMiB": 10}"#, false),
        (r#"{"number": 1, "size": 0, "sizeMiB": 10}"#, false),
        // Of both nobody could say what a MiB stands for.
        (r#"{"number": 1, "start": 2048, "sizeMiB": 10}"#, false),
    ] {
        assert_eq!(own(partition), expected, "{partition}");
    }
}
