//! File systems without room, without inodes, and such that nobody may write to.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use pilotlight_tests::disk::LoopDevice;
use pilotlight_tests::portrait::{Portrait, of_tree};
use pilotlight_tests::tool;
use pilotlight_tests::uml::Guest;
use serde_json::{Value, json};

use crate::node::{Node, good};

const MIB: u64 = 1 << 20;

fn config() -> Value {
    let large = "text.".repeat(60_000);
    json!({
        "ignition": {"version": "3.4.0"},
        "passwd": {"users": [{"name": "core", "groups": ["sudo"]}, {"name": "other"}]},
        "storage": {
            "directories": [{"path": "/srv/a/b/c"}],
            "files": [
                {"path": "/etc/motd", "append": [{"source": "data:,appended%0A"}]},
                {"path": "/opt/small", "contents": {"source": "data:,x"}},
                {"path": "/opt/large", "contents": {"source": format!("data:,{large}")}}
            ],
            "links": [{"path": "/etc/link", "target": "/opt/large"}]
        },
        "systemd": {"units": [{"name": "a.service", "enabled": true, "contents": "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"}]}
    })
}

/// A root that is a file system of its own, small.
struct Small {
    directory: tempfile::TempDir,
    node: Node,
    disk: LoopDevice,
}

impl Small {
    fn new(options: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("image");
        File::create(&image).unwrap().set_len(16 * MIB).unwrap();
        tool(&format!(
            "mkfs.ext4 -q -F -m 0 {options} {}",
            image.display()
        ));
        let disk = LoopDevice::new(&image);
        let root = directory.path().join("root");
        fs::create_dir(&root).unwrap();
        tool(&format!("mount {} {}", disk.node, root.display()));
        let node = Node::new(directory.path(), &root, &config());
        let small = Self {
            directory,
            node,
            disk,
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/differential/base-root.sh");
        tool(&format!("sh {script} {}", root.display()));
        fs::write(root.join("etc/motd"), "image\n").unwrap();
        fs::create_dir(root.join("taken")).unwrap();
        small.node.boots_again();
        small
    }

    fn taken(&self) -> PathBuf {
        self.node.root().join("taken")
    }

    /// Takes all blocks but so many KiB.
    fn leave_room(&self, kib: u64) {
        let room = || {
            let free = rustix::fs::statvfs(self.node.root()).unwrap();
            free.f_bavail * free.f_frsize / 1024
        };
        let mut file = File::create(self.taken().join("room")).unwrap();
        while room() > kib {
            let many = (room() - kib).min(1024) * 1024;
            // What is asked for may be more than there is: the file system takes some for itself.
            if file
                .write_all(&vec![1; usize::try_from(many).unwrap()])
                .is_err()
            {
                break;
            }
            tool(&format!(
                "sync --file-system {}",
                self.node.root().display()
            ));
        }
    }

    /// Takes all inodes but so many.
    fn leave_inodes(&self, inodes: u64) {
        for n in 0.. {
            let left = rustix::fs::statvfs(self.node.root()).unwrap().f_favail;
            if left <= inodes {
                break;
            }
            File::create(self.taken().join(n.to_string())).unwrap();
        }
    }

    fn give_back(&self) {
        fs::remove_dir_all(self.taken()).unwrap();
        fs::create_dir(self.taken()).unwrap();
    }

    fn portrait(&self) -> Portrait {
        of_tree(self.node.root())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg(self.node.root())
            .output();
        let _ = &self.directory;
    }
}

/// What a root of these options becomes where nothing is in the way.
fn undisturbed(options: &str) -> Portrait {
    let small = Small::new(options);
    good(&small.node.boot.stage("files"), "undisturbed");
    small.portrait()
}

/// The files stage on a root of which something is taken fails with these words, and is repeated when it is given
/// back. Answers what failed.
fn full(expected: &Portrait, options: &str, take: impl Fn(&Small), words: &[&str]) -> String {
    let small = Small::new(options);
    take(&small);
    let answer = small.node.boot.stage("files");
    let kernel = if words.contains(&"read-only") {
        "Read-only file system"
    } else {
        "No space left on device"
    };
    // A tool has words of its own.
    let by_tool = answer.out.lines().any(|line| {
        line.contains("ended with")
            || line.contains(" failed (exit")
            || line.contains("useradd says")
    });
    let all: Vec<&str> = words
        .iter()
        .copied()
        .chain((!by_tool).then_some(kernel))
        .chain([&*small.disk.node])
        .collect();
    small.node.failed("files", &answer, &all).unwrap();
    let error = answer
        .out
        .lines()
        .find(|line| line.contains(&*small.disk.node))
        .unwrap()
        .to_string();
    if !error.contains("journal") {
        assert!(
            answer.out.contains("config.ign:1:"),
            "no line of the config: {answer:?}"
        );
    }
    tool(&format!(
        "mount -o remount,rw {}",
        small.node.root().display()
    ));
    small.give_back();
    small.node.boots_again();
    good(&small.node.boot.stage("files"), "with room");
    let differences = expected.differences(&small.portrait());
    assert!(
        differences.is_empty(),
        "{}\nafter {answer:?}",
        differences.join("\n")
    );
    error
}

#[test]
fn a_full_root_is_named_and_nothing_is_left_of_it() {
    let expected = undisturbed("");
    let mut errors = Vec::new();
    for kib in [0, 4, 40, 200] {
        errors.push(full(
            &expected,
            "",
            |small| small.leave_room(kib),
            &["KiB left"],
        ));
    }
    println!("{}", errors.join("\n"));
    for words in ["journal", "useradd", "/opt/large"] {
        assert!(
            errors.iter().any(|error| error.contains(words)),
            "{words}: {errors:#?}"
        );
    }
}

#[test]
fn a_root_without_inodes_is_named_and_nothing_is_left_of_it() {
    let options = "-N 256";
    let expected = undisturbed(options);
    let mut errors = Vec::new();
    for inodes in [0, 1, 4, 16, 20] {
        errors.push(full(
            &expected,
            options,
            |small| small.leave_inodes(inodes),
            &["of 256 inodes"],
        ));
    }
    println!("{}", errors.join("\n"));
    for words in ["journal", "useradd", "write file"] {
        assert!(
            errors.iter().any(|error| error.contains(words)),
            "{words}: {errors:#?}"
        );
    }
}

#[test]
fn a_read_only_root_is_named_and_stays_as_it_is() {
    let expected = undisturbed("");
    let error = full(
        &expected,
        "",
        |small| {
            drop(tool(&format!(
                "mount -o remount,ro {}",
                small.node.root().display()
            )))
        },
        &["read-only"],
    );
    println!("{error}");
}

#[test]
fn a_write_protected_disk_is_named_and_no_other_one_is_changed() {
    let directory = tempfile::tempdir().unwrap();
    let disks: Vec<LoopDevice> = ["one", "two"]
        .iter()
        .map(|name| {
            let image = directory.path().join(name);
            File::create(&image).unwrap().set_len(32 * MIB).unwrap();
            LoopDevice::new(&image)
        })
        .collect();
    let parts = |n: usize| json!({"device": disks[n].node, "wipeTable": true, "partitions": [{"number": 1, "label": format!("protected-{n}"), "sizeMiB": 8}]});
    let config = json!({
        "ignition": {"version": "3.4.0"},
        "storage": {
            "disks": [parts(0), parts(1)],
            "filesystems": [{"device": format!("{}p1", disks[1].node), "format": "ext4", "wipeFilesystem": true}]
        }
    });
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    let node = Node::new(directory.path(), &root, &config);
    tool(&format!("blockdev --setro {}", disks[1].node));
    // Before anything is changed: when the config is fetched, and again by the stage itself.
    let answer = node.boot.stage("fetch-offline");
    let words = [
        "write-protected",
        &disks[1].node,
        "config.ign:1:",
        "nothing has been changed",
    ];
    node.failed("fetch-offline", &answer, &words).unwrap();
    let answer = node.boot.stage("disks");
    node.failed("disks", &answer, &words).unwrap();
    for name in ["one", "two"] {
        let blank = fs::read(directory.path().join(name))
            .unwrap()
            .iter()
            .all(|byte| *byte == 0);
        assert!(blank, "{name} was written to");
    }
    tool(&format!("blockdev --setrw {}", disks[1].node));
    node.boots_again();
    good(&node.boot.stage("disks"), "writable");
    // One that has all already need not be written to.
    tool(&format!("blockdev --setro {}", disks[0].node));
    let kept = json!({"ignition": {"version": "3.4.0"}, "storage": {"disks": [
        {"device": disks[0].node, "partitions": [{"number": 1, "label": "protected-0", "sizeMiB": 8}]}
    ]}});
    let node = Node::new(&directory.path().join("again"), &root, &kept);
    good(
        &node.boot.stages(&["fetch-offline", "disks"]),
        "protected, and as it must be",
    );
    tool(&format!("blockdev --setrw {}", disks[0].node));
}

/// A FAT below the root, as OEM and EFI system partitions are, in a guest whose kernel has it.
#[test]
fn a_full_fat_is_named_and_nothing_is_left_of_it() {
    let mut guest = Guest::new();
    let disk = guest.disk(8);
    guest.boot(|| {
        tool(&format!("mkfs.fat -n OEM {disk}"));
        let root = Path::new("/run/root");
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::create_dir_all(root.join("oem")).unwrap();
        tool(&format!("mount {disk} /run/root/oem"));
        let large = "text.".repeat(60_000);
        let config = json!({
            "ignition": {"version": "3.4.0"},
            "storage": {"files": [
                {"path": "/etc/own", "contents": {"source": "data:,x"}},
                {"path": "/oem/large", "contents": {"source": format!("data:,{large}")}},
                {"path": "/oem/deep/small", "contents": {"source": "data:,x"}}
            ]}
        });
        let node = Node::new(Path::new("/run/boot"), root, &config);
        node.boots_again();
        good(&node.boot.stage("files"), "undisturbed");
        let expected = of_tree(root);
        for kib in [0, 100] {
            for name in ["etc", "oem/large", "oem/deep"] {
                let path = root.join(name);
                match path.is_dir() {
                    true => fs::remove_dir_all(path).unwrap(),
                    false => fs::remove_file(path).unwrap(),
                }
            }
            fs::create_dir(root.join("etc")).unwrap();
            node.boots_again();
            let free = rustix::fs::statvfs(root.join("oem")).unwrap();
            let taken = root.join("oem/taken");
            let many = free.f_bavail * free.f_frsize - kib * 1024;
            fs::write(&taken, vec![1; usize::try_from(many).unwrap()]).unwrap();
            let answer = node.boot.stage("files");
            let words = [
                "No space left on device",
                "the vfat of ",
                &disk,
                "KiB left",
                "/oem/",
                "config.ign:1:",
            ];
            node.failed("files", &answer, &words).unwrap();
            fs::remove_file(taken).unwrap();
            node.boots_again();
            good(&node.boot.stage("files"), "with room");
            let differences = expected.differences(&of_tree(root));
            assert!(differences.is_empty(), "{differences:?}\nafter {answer:?}");
        }
        tool("umount /run/root/oem");
    });
}
