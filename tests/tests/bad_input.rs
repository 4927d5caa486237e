//! Bad input gets a clear error, a non-zero exit, and nothing is half written.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::Path;
use std::process::Command;

use pilotlight_tests::{Answer, FirstBoot, pilotlight};

/// A config is refused by the stages and by `validate` alike, and the root stays as it was.
fn refused(config: &[u8], expected: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir_all(root.join("etc")).unwrap();
    let boot = FirstBoot::new(dir.path(), &root, config);
    let answer = boot.stages(&["fetch-offline", "fetch", "disks", "mount", "files"]);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    for text in expected {
        assert!(
            answer.out.contains(text),
            "{text:?} is not in:\n{}",
            answer.out
        );
    }
    assert!(
        !answer.out.contains("panicked") && !answer.err.contains("panicked"),
        "{answer:?}"
    );
    assert!(
        !dir.path().join("run/ignition.json").exists(),
        "a refused config is not cached"
    );
    assert_eq!(tree(&root), ["etc"]);

    let path = dir.path().join("config.ign");
    let answer = pilotlight(&["validate".as_ref(), path.as_os_str()]);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    for text in expected {
        assert!(
            answer.err.contains(text),
            "{text:?} is not in:\n{}",
            answer.err
        );
    }
}

fn tree(root: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn with_file(file: &str) -> String {
    format!("{{\"ignition\":{{\"version\":\"3.2.0\"}},\n\"storage\":{{\"files\":[\n{file}\n]}}}}")
}

#[test]
fn truncated_json() {
    refused(
        b"{\"ignition\": {\"version\": \"3.2.0\"},\n \"storage\": {\"files\": [",
        &[":2:", "error:"],
    );
}

#[test]
fn wrong_types() {
    refused(
        with_file(r#"{"path": "/a", "mode": "0644"}"#).as_bytes(),
        &[":3:24: error:", "expected a whole number, found a string"],
    );
}

#[test]
fn unknown_version() {
    refused(
        br#"{"ignition": {"version": "3.99.0"}}"#,
        &[":1:26: error:", "3.99.0"],
    );
}

#[test]
fn a_path_that_climbs() {
    refused(
        with_file(r#"{"path": "/../x"}"#).as_bytes(),
        &[":3:10: error:", "\"..\""],
    );
}

#[test]
fn a_config_of_100_mib() {
    let mut config = with_file(r#"{"path": "/a"}"#).into_bytes();
    config.resize(100 << 20, b' ');
    refused(&config, &["error:", "MiB"]);
}

#[test]
fn not_utf_8() {
    refused(
        b"{\"ignition\": {\"version\": \"3.2.0\xff\"}}",
        &["error:", "UTF-8"],
    );
}

#[test]
fn a_wrong_hash_is_found_before_any_disk_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let hash = "0".repeat(64);
    let config = with_file(&format!(
        r#"{{"path": "/a", "contents": {{"source": "data:;base64,H4sIAAAAAAAAA8vPBgBH3dx5AgAAAA==", "compression": "gzip", "verification": {{"hash": "sha256-{hash}"}}}}}}"#
    ));
    let root = dir.path().join("root");
    let boot = FirstBoot::new(dir.path(), &root, config.as_bytes());
    let answer = boot.stage("fetch-offline");
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.out.contains("config.ign:3:"), "{}", answer.out);
    assert!(answer.out.contains("wrong hash"), "{}", answer.out);
}

#[test]
fn a_device_that_does_not_exist() {
    let dir = tempfile::tempdir().unwrap();
    let config = "{\"ignition\": {\"version\": \"3.2.0\"}, \"storage\": {\"disks\": [\n{\"device\": \"/dev/pilotlight-none\"}]}}";
    let path = dir.path().join("d.ign");
    fs::write(&path, config).unwrap();
    let answer = pilotlight(&["plan".as_ref(), path.as_os_str()]);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.err.contains("d.ign:2:"), "{}", answer.err);
    assert!(
        answer.err.contains("/dev/pilotlight-none"),
        "{}",
        answer.err
    );
}

/// Calls the files stage with the root on a file system of its own, made by `prepare` in a mount
/// namespace that ends with the test.
fn files_in_namespace(config: &str, prepare: &str) -> (tempfile::TempDir, Answer, String) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    let boot = FirstBoot::new(dir.path(), &root, config.as_bytes());
    let answer = boot.stage("fetch-offline");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let script = format!(
        "set -eu; cd {dir}; {prepare}; rc=0; \
         ./ignition -platform file -stage files -log-to-stdout -root {dir}/root \
           -config-cache run/ignition.json -state-file run/state || rc=$?; \
         find root -mindepth 1 -printf '%P\\n' | sort > found; exit $rc",
        dir = dir.path().display()
    );
    let answer: Answer = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", &script])
        .env(
            "IGNITION_SYSTEM_RUNTIME_CONFIG_DIR",
            dir.path().join("empty"),
        )
        .output()
        .unwrap()
        .into();
    let found = fs::read_to_string(dir.path().join("found")).unwrap_or_default();
    (dir, answer, found)
}

#[test]
fn a_full_disk_leaves_no_half_file() {
    let big = "a".repeat(200_000);
    let config = with_file(&format!(
        r#"{{"path": "/big", "contents": {{"source": "data:,{big}"}}}}"#
    ));
    let (_dir, answer, found) =
        files_in_namespace(&config, "mount -t tmpfs -o size=64k tmpfs root");
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.out.contains("/big"), "{}", answer.out);
    assert!(
        answer.out.contains("No space left on device"),
        "{}",
        answer.out
    );
    assert!(answer.out.contains("config.ign:3:"), "{}", answer.out);
    assert_eq!(
        found, ".pilotlight-journal.jsonl\n",
        "nothing of the file is left on the full disk"
    );
}

#[test]
fn a_read_only_root() {
    let config = with_file(r#"{"path": "/a", "contents": {"source": "data:,x"}}"#);
    let (_dir, answer, found) = files_in_namespace(&config, "mount -t tmpfs -o ro tmpfs root");
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(
        answer.out.contains("Read-only file system"),
        "{}",
        answer.out
    );
    assert_eq!(found, "");
}

#[test]
fn secrets_are_not_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir_all(root.join("etc")).unwrap();
    let config = "{\"ignition\": {\"version\": \"3.2.0\"}, \"passwd\": {\"users\": [\n\
        {\"name\": \"core\", \"passwordHash\": \"$6$planted-hash\"}, {\"name\": \"x\", \"uid\": \"7\", \"passwordHash\": \"$6$planted-hash\"}]},\n\
        \"storage\": {\"files\": [{\"path\": \"/s\", \"mode\": \"x\", \"contents\": {\"source\": \"data:,planted-contents\"}}]}}";
    let boot = FirstBoot::new(dir.path(), &root, config.as_bytes());
    let answer = boot.stage("fetch-offline");
    assert_eq!(answer.code, Some(1), "{answer:?}");
    let said = format!("{}{}", answer.out, answer.err);
    assert!(said.contains("config.ign:2:"), "{said}");
    assert!(!said.contains("planted"), "{said}");
}
