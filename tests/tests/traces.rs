//! What runs leave behind, and what others have put where files should be.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pilotlight_tests::{Answer, FirstBoot, pilotlight, program};
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// Compressed: it is kept in a file between the stages. The text is "ok".
const KEPT: &str =
    r#"{"source":"data:;base64,H4sIAAAAAAAAA8vPBgBH3dx5AgAAAA==","compression":"gzip"}"#;

struct Boot {
    directory: tempfile::TempDir,
    stages: FirstBoot,
}

impl Boot {
    fn new(files: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config =
            format!(r#"{{"ignition":{{"version":"3.4.0"}},"storage":{{"files":[{files}]}}}}"#);
        let root = directory.path().join("root");
        let stages = FirstBoot::new(directory.path(), &root, config.as_bytes());
        fs::create_dir_all(root.join("etc")).unwrap();
        Self { directory, stages }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn stage(&self, stage: &str) -> Answer {
        self.stages.stage(stage)
    }

    fn succeeds(&self, stage: &str) {
        let answer = self.stage(stage);
        assert_eq!(answer.code, Some(0), "{stage}: {answer:?}");
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn file(path: &str, contents: &str) -> String {
    format!(r#"{{"path":"{path}","contents":{contents}}}"#)
}

#[test]
fn fetched_contents_and_keys_are_gone_after_the_stages() {
    let boot = Boot::new(&file("/srv/kept", KEPT));
    let (blobs, keys) = (
        boot.at("run/ignition.json.blobs"),
        boot.at("run/ignition.json.keys"),
    );
    for stage in ["fetch-offline", "kargs", "disks", "mount"] {
        boot.succeeds(stage);
    }
    assert_eq!(names(&blobs).len(), 2, "the contents and an index");
    assert_eq!(
        fs::metadata(&blobs).unwrap().permissions().mode() & 0o777,
        0o700
    );
    // As the disks stage keeps the key of a volume.
    fs::create_dir(&keys).unwrap();
    fs::write(keys.join("data"), "key").unwrap();
    // A stage that fails leaves them to the one that is run again.
    let srv = boot.stages.root.join("srv");
    fs::write(&srv, "in the way").unwrap();
    assert_eq!(boot.stage("files").code, Some(1));
    assert_eq!(names(&blobs).len(), 2);
    assert!(keys.join("data").exists());
    fs::remove_file(&srv).unwrap();
    // Run again when all is done, it knows its own file.
    for writes in [true, false] {
        let answer = boot.stage("files");
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert_eq!(answer.out.contains("/srv/kept"), writes, "{answer:?}");
        assert_eq!(fs::read_to_string(srv.join("kept")).unwrap(), "ok");
        assert_eq!(names(&blobs), ["index.json"]);
    }
    boot.succeeds("umount");
    let all = names(&boot.at("run"));
    assert!(
        !all.iter()
            .any(|name| name.contains("blobs") || name.contains("keys")),
        "{all:?}"
    );
}

#[test]
fn what_a_killed_run_leaves_goes_with_the_next_one() {
    let boot = Boot::new(&file("/srv/secret", r#"{"source":"data:,password"}"#));
    boot.succeeds("fetch-offline");
    let stage = boot.stages.command("files");
    let variables = stage
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    let killed = Command::new("strace")
        .args([
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "inject=renameat:signal=KILL:when=1",
        ])
        .arg(stage.get_program())
        .args(stage.get_args())
        .envs(variables)
        .output()
        .unwrap();
    assert!(!killed.status.success(), "{killed:?}");
    let srv = boot.stages.root.join("srv");
    let left = names(&srv);
    assert!(
        left.len() == 1 && left[0].starts_with(".secret.pilotlight-"),
        "{left:?}"
    );
    // Of a version that used process numbers.
    fs::write(srv.join(".other.pilotlight-4711"), "").unwrap();
    boot.succeeds("files");
    assert_eq!(names(&srv), ["secret"]);
    assert_eq!(fs::read_to_string(srv.join("secret")).unwrap(), "password");
}

#[test]
fn pipes_and_devices_in_place_of_files_are_errors() {
    let append = r#"{"path":"/etc/motd","append":[{"source":"data:,x"}]}"#;
    for (kind, device) in [
        (FileType::Fifo, 0),
        // Nobody has that driver; reading from it would have effects if somebody had.
        (FileType::CharacterDevice, rustix::fs::makedev(1, 8)),
    ] {
        for place in [
            "etc/.pilotlight-journal.jsonl",
            "etc/systemd/system-preset/20-ignition.preset",
            "etc/passwd",
            "etc/group",
            "etc/motd",
            "etc/.ignition-result.json",
            "etc/selinux/config",
        ] {
            let boot = Boot::new(append);
            boot.succeeds("fetch-offline");
            let at = boot.stages.root.join(place);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            mknodat(CWD, &at, kind, Mode::from_raw_mode(0o644), device).unwrap();
            let stage = boot.stages.command("files");
            let variables = stage
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?)));
            let answer: Answer = Command::new("timeout")
                .arg("60")
                .arg(stage.get_program())
                .args(stage.get_args())
                .envs(variables)
                .output()
                .unwrap()
                .into();
            // What cannot be labelled is warned of only.
            let expected = Some(i32::from(place != "etc/selinux/config"));
            assert_eq!(answer.code, expected, "{place} {kind:?}: {answer:?}");
            let words = ["not a regular file", "a device, socket or pipe"];
            assert!(
                words.iter().any(|said| answer.out.contains(said)),
                "{place} {kind:?}: {}",
                answer.out
            );
        }
    }
}

#[test]
fn output_is_written_to_what_is_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("c.ign"), r#"{"ignition":{"version":"3.4.0"}}"#).unwrap();
    let config = at("c.ign");
    // As /dev/stdout is one, which a program that fails this test would destroy for all.
    let link = at("stdout");
    std::os::unix::fs::symlink("/proc/self/fd/1", &link).unwrap();
    for name in [link.to_str().unwrap(), "/proc/self/fd/1", "/dev/fd/1"] {
        // A pipe.
        let answer = pilotlight(&["convert", config.to_str().unwrap(), "-o", name]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(answer.out.contains("version"), "{name}: {answer:?}");
        // A file, of which others have written a part.
        fs::write(at("out"), "before\n").unwrap();
        let out = fs::OpenOptions::new().append(true).open(at("out")).unwrap();
        let status = Command::new(program())
            .args(["convert", config.to_str().unwrap(), "-o", name])
            .stdout(Stdio::from(out))
            .status()
            .unwrap();
        assert!(status.success());
        let text = fs::read_to_string(at("out")).unwrap();
        assert!(text.starts_with("before\n{"), "{name}: {text}");
    }
    assert!(link.symlink_metadata().unwrap().is_symlink());
}
