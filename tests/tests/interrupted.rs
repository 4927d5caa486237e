//! Runs that are killed at every step of their own, and what the next run makes of it.
//!
//! A process that is killed leaves what the kernel has; what a disk has after a power cut is the business of
//! `crash_consistency.rs`.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pilotlight_tests::{Answer, FirstBoot};
use serde_json::{Value, json};

/// A machine with a root and a config, in a directory that is gone afterwards.
struct Node {
    directory: tempfile::TempDir,
    root: PathBuf,
    boot: FirstBoot,
}

impl Node {
    fn new(config: &Value, seed: impl Fn(&Path)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        fs::create_dir_all(root.join("etc")).unwrap();
        seed(&root);
        let boot = FirstBoot::new(directory.path(), &root, config.to_string().as_bytes());
        Self {
            directory,
            root,
            boot,
        }
    }

    /// The same machine at its next boot: what is in memory is gone.
    fn boots_again_with(&mut self, config: &Value) {
        let at = self.directory.path();
        fs::remove_dir_all(at.join("run")).unwrap();
        self.boot = FirstBoot::new(at, &self.root, config.to_string().as_bytes());
    }

    /// What another machine with the same config has in memory after the fetch stage.
    fn has_fetched_as(&self, other: &Node) {
        for name in ["ignition.json", "ignition.json.origins"] {
            let of = |node: &Node| node.directory.path().join("run").join(name);
            fs::copy(of(other), of(self)).unwrap();
        }
    }

    fn fetch(&self) {
        good(&self.boot.stage("fetch-offline"));
    }

    /// Runs the files stage, killed when it makes this system call for the nth time; whether it was.
    fn killed_at(&self, call: &str, nth: usize) -> bool {
        let stage = self.boot.command("files");
        let mut strace = Command::new("strace");
        strace.args(["-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
        strace.args(["-e", &format!("inject={call}:signal=KILL:when={nth}")]);
        strace
            .arg("--")
            .arg(stage.get_program())
            .args(stage.get_args());
        for (name, value) in stage.get_envs() {
            strace.env(name, value.unwrap());
        }
        let end = strace.stdout(Stdio::null()).status().unwrap();
        assert!(end.code() == Some(0) || end.signal() == Some(9), "{end:?}");
        end.signal() == Some(9)
    }
}

fn good(answer: &Answer) {
    assert_eq!(answer.code, Some(0), "{answer:?}");
}

fn v3(storage: Value, units: Value) -> Value {
    json!({"ignition": {"version": "3.4.0"}, "storage": storage, "systemd": {"units": units}})
}

/// Everything below a directory, the journal excepted: path, kind, mode, owner, links, contents or target.
fn listing(root: &Path) -> Vec<String> {
    let mut list = Vec::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let about = fs::symlink_metadata(&path).unwrap();
            let shown = path.strip_prefix(root).unwrap().display().to_string();
            if shown.ends_with(".pilotlight-journal.jsonl") || shown == "etc/.ignition-result.json"
            {
                continue;
            }
            let what = if about.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if about.is_dir() {
                todo.push(path.clone());
                String::new()
            } else {
                format!("{} {:?}", about.nlink(), fs::read(&path).unwrap())
            };
            let (mode, uid, gid) = (about.mode(), about.uid(), about.gid());
            list.push(format!("{shown} {mode:o} {uid}:{gid} {what}"));
        }
    }
    list.sort();
    list
}

/// A config with every kind of change of the tree, and the root that it meets.
fn every_change() -> (Value, fn(&Path)) {
    let source = |text: &str| json!({"source": format!("data:,{text}")});
    let config = v3(
        json!({
            "directories": [
                {"path": "/srv/app", "mode": 0o2750, "user": {"id": 7}, "group": {"id": 8}},
                {"path": "/srv/app/deep", "mode": 0o1777},
                {"path": "/opt/there", "mode": 0o711, "user": {"id": 9}},
                {"path": "/opt/replaced", "overwrite": true, "mode": 0o700}
            ],
            "files": [
                {"path": "/srv/app/deep/new", "mode": 0o4755, "user": {"id": 7}, "contents": source("new")},
                {"path": "/made/on/the/way", "contents": source("x")},
                {"path": "/etc/motd", "mode": 0o600, "append": [source("one%0A"), source("two%0A")]},
                {"path": "/etc/old", "overwrite": true, "contents": source("replaced")},
                {"path": "/etc/only-mode", "mode": 0o640, "group": {"id": 8}}
            ],
            "links": [
                {"path": "/etc/soft", "target": "/srv/app", "user": {"id": 7}},
                {"path": "/etc/other", "overwrite": true, "target": "../usr"},
                {"path": "/etc/hard", "hard": true, "target": "/srv/app/deep/new"}
            ]
        }),
        json!([
            {"name": "a.service", "enabled": true, "contents": "[Install]\nWantedBy=multi-user.target\n"},
            {"name": "b.service", "mask": true},
            {"name": "c.service", "enabled": false, "dropins": [{"name": "x.conf", "contents": "[Service]\n"}]}
        ]),
    );
    (config, |root| {
        fs::create_dir_all(root.join("opt/there")).unwrap();
        fs::create_dir_all(root.join("opt/replaced/by/nothing")).unwrap();
        fs::write(root.join("opt/replaced/by/file"), "gone").unwrap();
        fs::write(root.join("etc/motd"), "image\n").unwrap();
        fs::write(root.join("etc/old"), "image").unwrap();
        fs::write(root.join("etc/only-mode"), "kept").unwrap();
        symlink("elsewhere", root.join("etc/other")).unwrap();
    })
}

#[test]
fn a_run_that_is_killed_at_any_system_call_is_completed_by_the_next() {
    let (config, seed) = every_change();
    let whole = Node::new(&config, seed);
    good(&whole.boot.stages(&["fetch-offline", "files"]));
    let expected = listing(&whole.root);
    let mut kills = 0;
    for call in [
        "mkdirat",
        "renameat",
        "renameat2",
        "fchown",
        "fchownat",
        "fchmod",
        "symlinkat",
        "linkat",
        "unlinkat",
        "syncfs",
        "fsync",
        "openat",
        "write",
    ] {
        // Of the many that change nothing, or only the log, every third.
        let step = if ["openat", "write"].contains(&call) {
            3
        } else {
            1
        };
        for nth in (1..).step_by(step) {
            let mut node = Node::new(&config, seed);
            node.has_fetched_as(&whole);
            if !node.killed_at(call, nth) {
                assert_eq!(listing(&node.root), expected, "not killed at {call} {nth}");
                break;
            }
            kills += 1;
            node.boots_again_with(&config);
            node.has_fetched_as(&whole);
            let answer = node.boot.stage("files");
            assert_eq!(answer.code, Some(0), "after {call} {nth}: {answer:?}");
            assert_eq!(listing(&node.root), expected, "after {call} {nth}");
        }
    }
    println!("{kills} kills, each run completed by the next");
    assert!(kills > 60, "{kills}");
}

#[test]
fn what_was_put_back_is_appended_to_again() {
    let append =
        json!({"files": [{"path": "/etc/motd", "append": [{"source": "data:,appended%0A"}]}]});
    let config = v3(append, json!([]));
    let mut node = Node::new(&config, |root| {
        fs::write(root.join("etc/motd"), "image\n").unwrap()
    });
    let motd = node.root.join("etc/motd");
    for (put_back, text) in [
        (None, "image\nappended\n"),
        // Provisioned again as it is: the append is done.
        (None, "image\nappended\n"),
        (Some("image\n"), "image\nappended\n"),
        (Some("another image\n"), "another image\nappended\n"),
    ] {
        if let Some(contents) = put_back {
            fs::write(&motd, contents).unwrap();
        }
        node.boots_again_with(&config);
        good(&node.boot.stages(&["fetch-offline", "files"]));
        assert_eq!(fs::read_to_string(&motd).unwrap(), text, "{put_back:?}");
    }
}

#[test]
fn agents_that_run_at_once_append_once() {
    let append =
        json!({"files": [{"path": "/etc/motd", "append": [{"source": "data:,appended%0A"}]}]});
    let config = v3(append, json!([]));
    let node = Node::new(&config, |root| {
        fs::write(root.join("etc/motd"), "image\n").unwrap()
    });
    // Each has files of its own in /run, so that the root's lock is what keeps them apart.
    let others: Vec<(tempfile::TempDir, FirstBoot)> = (0..8)
        .map(|_| {
            let directory = tempfile::tempdir().unwrap();
            let boot = FirstBoot::new(directory.path(), &node.root, config.to_string().as_bytes());
            good(&boot.stage("fetch-offline"));
            (directory, boot)
        })
        .collect();
    std::thread::scope(|scope| {
        for (_, boot) in &others {
            scope.spawn(|| good(&boot.stage("files")));
        }
    });
    let motd = fs::read_to_string(node.root.join("etc/motd")).unwrap();
    assert_eq!(motd, "image\nappended\n");
}

#[test]
fn stages_that_share_their_files_run_one_after_the_other() {
    let node = Node::new(&v3(json!({}), json!([])), |_| {});
    node.fetch();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| good(&node.boot.stage("files")));
        }
    });
    // Each has written its own line, none was lost.
    let state = fs::read_to_string(node.directory.path().join("run/state")).unwrap();
    let state: Value = serde_json::from_str(&state).unwrap();
    assert_eq!(state["stages"].as_array().unwrap().len(), 5, "{state}");
}

#[test]
fn temporary_files_of_a_killed_run_go_though_the_config_has_changed() {
    let secret = json!({"files": [{"path": "/srv/secret", "mode": 0o600, "contents": {"source": "data:,password"}}]});
    let config = v3(secret, json!([]));
    let mut node = Node::new(&config, |root| fs::create_dir(root.join("srv")).unwrap());
    node.fetch();
    assert!(node.killed_at("renameat", 1));
    let left = fs::read_dir(node.root.join("srv")).unwrap().count();
    assert_eq!(left, 1, "the kill came too late");
    let other = v3(json!({"files": [{"path": "/opt/other"}]}), json!([]));
    node.boots_again_with(&other);
    let answer = node.boot.stages(&["fetch-offline", "files"]);
    good(&answer);
    assert!(
        answer.out.contains("took away 1 temporary files"),
        "{answer:?}"
    );
    assert_eq!(fs::read_dir(node.root.join("srv")).unwrap().count(), 0);
}

#[test]
fn another_config_after_a_cut_is_said_with_both_digests() {
    let with = |text: &str| {
        let file = json!({"files": [{"path": "/srv/file", "contents": {"source": format!("data:,{text}")}}]});
        v3(file, json!([]))
    };
    let mut node = Node::new(&with("one"), |_| {});
    node.fetch();
    let digest = |node: &Node| {
        let cache = node.directory.path().join("run/ignition.json");
        let line = Command::new("sha256sum")
            .arg(cache)
            .output()
            .unwrap()
            .stdout;
        String::from_utf8(line).unwrap()[..64].to_string()
    };
    let first = digest(&node);
    assert!(node.killed_at("renameat", 1));
    node.boots_again_with(&with("one"));
    node.fetch();
    let answer = node.boot.stage("files");
    good(&answer);
    let said = "an earlier run of this first boot was cut off while it was to put files in place; it goes on";
    assert!(answer.out.contains(said), "{answer:?}");

    let mut node = Node::new(&with("one"), |_| {});
    node.fetch();
    assert!(node.killed_at("renameat", 1));
    node.boots_again_with(&with("two"));
    node.fetch();
    let second = digest(&node);
    assert_ne!(first, second);
    let answer = node.boot.stage("files");
    good(&answer);
    for words in [
        &first,
        &second,
        "with another config",
        "install the machine anew",
    ] {
        assert!(answer.out.contains(words), "{words}: {answer:?}");
    }
}

#[test]
fn what_is_no_file_is_an_error_that_says_so_and_keeps_nobody_waiting() {
    let append = json!({
        "files": [{"path": "/etc/motd", "append": [{"source": "data:,x"}]}],
    });
    let mut config = v3(append, json!([{"name": "a.service", "enabled": true}]));
    config["passwd"] = json!({"users": [{"name": "core", "sshAuthorizedKeys": []}]});
    let seed = |root: &Path| {
        fs::write(root.join("etc/motd"), "image\n").unwrap();
        for (name, text) in [
            ("passwd", "core:x:500:500::/home/core:/bin/sh\n"),
            ("group", "core:x:500:\n"),
        ] {
            fs::write(root.join("etc").join(name), text).unwrap();
        }
    };
    let mkfifo = |at: &Path| {
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        let _ = fs::remove_file(at);
        assert!(Command::new("mkfifo").arg(at).status().unwrap().success());
    };
    for name in [
        "etc/.pilotlight-journal.jsonl",
        "etc/motd",
        "etc/passwd",
        "etc/group",
        "etc/shadow",
        "etc/gshadow",
        "etc/login.defs",
        "etc/default/useradd",
        "etc/systemd/system-preset/20-ignition.preset",
        "etc/.ignition-result.json",
    ] {
        let node = Node::new(&config, seed);
        mkfifo(&node.root.join(name));
        // The root is there already, so the rehearsal of the fetch stage looks at it.
        let answer = bounded(node.boot.command("fetch-offline"));
        assert_eq!(answer.code, Some(1), "{name}: {answer:?}");
        let what = Path::new(name).file_name().unwrap().to_str().unwrap();
        assert!(
            answer.out.contains("regular file") || answer.out.contains("pipe"),
            "{name}: {answer:?}"
        );
        assert!(
            answer.out.contains(what) || answer.out.contains("journal"),
            "{name}: {answer:?}"
        );
    }
    for name in [
        "config.ign",
        "run/state",
        "run/ignition.json",
        "run/ignition.json.origins",
    ] {
        let node = Node::new(&config, seed);
        if name != "config.ign" {
            node.fetch();
        }
        mkfifo(&node.directory.path().join(name));
        let stage = if name == "config.ign" {
            "fetch-offline"
        } else {
            "files"
        };
        let answer = bounded(node.boot.command(stage));
        assert!(matches!(answer.code, Some(1 | 3)), "{name}: {answer:?}");
        assert!(answer.out.contains("regular file"), "{name}: {answer:?}");
    }
}

/// A stage that is stopped, and then fails the test, when it hangs.
fn bounded(stage: Command) -> Answer {
    let mut timeout = Command::new("timeout");
    timeout
        .args(["--signal=KILL", "60"])
        .arg(stage.get_program())
        .args(stage.get_args());
    for (name, value) in stage.get_envs() {
        timeout.env(name, value.unwrap());
    }
    let answer: Answer = timeout.output().unwrap().into();
    assert_ne!(answer.code, Some(137), "it hung: {answer:?}");
    answer
}

#[test]
fn an_append_keeps_what_else_the_file_bears_and_is_never_readable_by_more() {
    let append = json!({"files": [{"path": "/etc/motd", "mode": 0o600, "append": [{"source": "data:,secret"}]}]});
    let config = v3(append, json!([]));
    let seed = |root: &Path| {
        let motd = root.join("etc/motd");
        fs::write(&motd, "image\n").unwrap();
        fs::set_permissions(&motd, fs::Permissions::from_mode(0o644)).unwrap();
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(&motd, "user.origin", b"image", flags).unwrap();
    };
    // Killed between any two steps, nobody else reads what was appended.
    for nth in 1.. {
        let node = Node::new(&config, seed);
        node.fetch();
        let killed = node.killed_at("renameat", nth);
        let motd = node.root.join("etc/motd");
        let secret = fs::read(&motd).unwrap().ends_with(b"secret");
        let mode = fs::metadata(&motd).unwrap().mode() & 0o7777;
        assert!(!secret || mode == 0o600, "{nth}: {mode:o}");
        if !killed {
            assert!(secret);
            let mut value = [0; 16];
            let length = rustix::fs::getxattr(&motd, "user.origin", &mut value).unwrap();
            assert_eq!(&value[..length], b"image");
            break;
        }
    }
}

#[test]
fn a_mode_alone_does_not_read_the_file() {
    let config = v3(
        json!({"files": [{"path": "/srv/large", "mode": 0o600}]}),
        json!([]),
    );
    let node = Node::new(&config, |root| {
        fs::create_dir(root.join("srv")).unwrap();
        fs::write(root.join("srv/large"), "x".repeat(100_000)).unwrap();
    });
    node.fetch();
    let stage = node.boot.command("files");
    let trace = node.directory.path().join("trace");
    let mut strace = Command::new("strace");
    strace
        .args([
            "-qq",
            "-f",
            "-y",
            "-e",
            "trace=read,pread64,copy_file_range,sendfile,mmap",
            "-o",
        ])
        .arg(&trace);
    strace
        .arg("--")
        .arg(stage.get_program())
        .args(stage.get_args());
    for (name, value) in stage.get_envs() {
        strace.env(name, value.unwrap());
    }
    good(&strace.output().unwrap().into());
    let trace = fs::read(&trace).unwrap();
    let trace = String::from_utf8_lossy(&trace);
    assert!(trace.contains("ignition.json"), "{trace}");
    // By its descriptor: the name stands in the config, which is read.
    assert!(!trace.contains("srv/large>"), "{trace}");
    let mode = fs::metadata(node.root.join("srv/large")).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn names_of_another_language_are_taken_away_too() {
    // A name that is cut within a character would be no text.
    let name = format!("/srv/{}", "ä".repeat(120));
    let config = v3(
        json!({"files": [{"path": name, "contents": {"source": "data:,x"}}]}),
        json!([]),
    );
    let mut node = Node::new(&config, |_| {});
    node.fetch();
    assert!(node.killed_at("renameat", 1));
    node.boots_again_with(&config);
    good(&node.boot.stages(&["fetch-offline", "files"]));
    let names: Vec<Vec<u8>> = (fs::read_dir(node.root.join("srv")).unwrap())
        .map(|entry| entry.unwrap().file_name().as_bytes().to_vec())
        .collect();
    assert_eq!(names, [name.as_bytes()[5..].to_vec()]);
}
