//! Calls of the files stage that fail.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use pilotlight_tests::portrait::{Portrait, of_tree};
use pilotlight_tests::{ACCOUNT_TOOLS, tool};
use serde_json::{Value, json};

use crate::failing::Tracer;
use crate::node::{Node, good};
use crate::trial::{self, Bench as _};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGeyvzyDfp+MtbrObdTJlhzlrqfrmGXXzLfbWMnWoHcp core";
const HASH: &str = "$6$salt$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// Every kind of change of a root, and contents that were unpacked before.
fn config() -> Value {
    let source = |text: &str| json!({"source": format!("data:,{text}")});
    // "unpacked\n"
    let packed = "data:;base64,H4sIAAAAAAACAyvNK0hMzk5N4QIAgB9xKwkAAAA=";
    json!({
        "ignition": {"version": "3.5.0"},
        "passwd": {
            "groups": [
                {"name": "crew", "gid": 2500, "passwordHash": HASH}, {"name": "team", "gid": 2600},
                {"name": "docker", "shouldExist": false}
            ],
            "users": [
                {"name": "core", "groups": ["sudo"], "passwordHash": HASH, "sshAuthorizedKeys": [KEY]},
                {"name": "deep", "homeDir": "/srv/deep/er/d", "noUserGroup": true, "primaryGroup": "crew"},
                {"name": "resident", "uid": 1700, "homeDir": "/var/home/resident", "groups": ["users", "crew"]},
                {"name": "leaver", "shouldExist": false}
            ]
        },
        "storage": {
            "directories": [
                {"path": "/srv/app", "mode": 0o2750, "user": {"id": 7}, "group": {"id": 8}},
                {"path": "/opt/there", "mode": 0o711, "user": {"id": 9}},
                {"path": "/opt/replaced", "overwrite": true, "mode": 0o700}
            ],
            "files": [
                {"path": "/srv/app/new", "mode": 0o4755, "user": {"id": 7}, "contents": source("new")},
                {"path": "/made/on/the/way", "contents": source("x")},
                {"path": "/srv/unpacked", "contents": {"source": packed, "compression": "gzip"}},
                {"path": "/etc/motd", "mode": 0o600, "append": [source("one%0A"), source("two%0A")]},
                {"path": "/etc/only-mode", "mode": 0o640, "group": {"id": 8}},
                {"path": "/home/core/own", "user": {"name": "core"}, "contents": source("x")}
            ],
            "links": [
                {"path": "/etc/soft", "target": "/srv/app", "user": {"id": 7}},
                {"path": "/etc/other", "overwrite": true, "target": "../usr"},
                {"path": "/etc/hard", "hard": true, "target": "/srv/app/new"}
            ]
        },
        "systemd": {"units": [
            {"name": "a.service", "enabled": true, "contents": "[Install]\nWantedBy=multi-user.target\n"},
            {"name": "b.service", "mask": true}
        ]}
    })
}

fn seed(root: &Path) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/differential/base-root.sh");
    tool(&format!("sh {script} {}", root.display()));
    for directory in [
        "opt/there",
        "opt/replaced/by/nothing",
        "var/home",
        "var/mail",
    ] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::write(root.join("opt/replaced/by/file"), "gone").unwrap();
    fs::write(root.join("etc/motd"), "image\n").unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(root.join("etc/motd"), "user.origin", b"image", flags).unwrap();
    fs::write(root.join("etc/only-mode"), "kept").unwrap();
    fs::write(root.join("etc/skel/large"), "text ".repeat(2000)).unwrap();
    fs::write(
        root.join("etc/group"),
        fs::read_to_string(root.join("etc/group")).unwrap() + "team:x:2601:resident\n",
    )
    .unwrap();
    symlink("elsewhere", root.join("etc/other")).unwrap();
}

/// A machine that is made anew for each call.
struct Bench {
    directory: tempfile::TempDir,
    node: Node,
    tracer: Tracer,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().join("base");
        fs::create_dir(&base).unwrap();
        seed(&base);
        let root = directory.path().join("root");
        let node = Node::new(directory.path(), &root, &config());
        let tracer = Tracer::new(directory.path(), ACCOUNT_TOOLS);
        node.boots_again();
        tool(&format!(
            "cp -a {0}/run {0}/fetched",
            directory.path().display()
        ));
        Self {
            directory,
            node,
            tracer,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A copy in place of what is there.
    fn restored(&self, from: &str, to: &str) {
        let _ = fs::remove_dir_all(self.path(to));
        tool(&format!(
            "cp -a {} {}",
            self.path(from).display(),
            self.path(to).display()
        ));
    }
}

impl trial::Bench for Bench {
    fn stage(&self) -> &'static str {
        "files"
    }

    fn least(&self) -> (usize, usize) {
        (150, 200)
    }

    fn node(&self) -> &Node {
        &self.node
    }

    fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    fn renew(&self) {
        self.restored("base", "root");
        self.restored("fetched", "run");
    }

    fn passes(&self, turn: usize) {
        // Else a person starts the stage again.
        if turn.is_multiple_of(2) {
            self.node.boots_again();
        }
    }

    fn portrait(&self) -> Portrait {
        of_tree(self.node.root())
    }
}

#[test]
fn a_sample_of_calls_of_the_files_stage_fails() {
    trial::run(&Bench::new(), 24);
}

#[test]
#[ignore = "all calls: half an hour (make crash)"]
fn every_call_of_the_files_stage_fails() {
    trial::run(&Bench::new(), usize::MAX);
}

/// Debian's useradd leaves off at the first directory where the root has no /proc, and says nothing.
#[test]
fn a_home_has_all_of_the_skeleton() {
    let bench = Bench::new();
    bench.renew();
    let skeleton = bench.node.root().join("etc/skel");
    fs::create_dir_all(skeleton.join(".config/deep")).unwrap();
    fs::write(skeleton.join(".config/deep/file"), "text").unwrap();
    symlink("deep/file", skeleton.join(".config/link")).unwrap();
    for (name, mode) in [
        (".config", 0o700),
        (".config/deep", 0o750),
        (".config/deep/file", 0o4755),
    ] {
        let permissions = PermissionsExt::from_mode(mode);
        fs::set_permissions(skeleton.join(name), permissions).unwrap();
    }
    good(
        &bench.node.boot.stage("files"),
        "a skeleton with directories",
    );
    let home = bench.node.root().join("home/core");
    let owner = fs::metadata(&home).unwrap().uid();
    assert!(owner >= 1000, "{owner}");
    for name in [
        ".profile",
        "large",
        ".config",
        ".config/deep",
        ".config/deep/file",
        ".config/link",
    ] {
        let (original, copy) = (skeleton.join(name), home.join(name));
        let (original, copy) = (
            fs::symlink_metadata(original).unwrap(),
            fs::symlink_metadata(copy).unwrap(),
        );
        assert_eq!(copy.uid(), owner, "{name}");
        assert_eq!(
            (copy.mode(), copy.len()),
            (original.mode(), original.len()),
            "{name}"
        );
    }
}
