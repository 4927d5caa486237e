//! A loop disk, and what is on it as comparable text.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tree::{self, Snapshot};

/// Large enough for xfs, which refuses less than 300 MiB; the file is sparse.
const BYTES: u64 = 2 << 30;

/// A blank disk in a file.
pub struct LoopDisk {
    /// `/dev/loopN`.
    pub path: String,
}

impl LoopDisk {
    /// Makes the image in `dir` and attaches it.
    pub fn attach(dir: &Path) -> LoopDisk {
        let image = dir.join("disk.img");
        File::create(&image).unwrap().set_len(BYTES).unwrap();
        let output = run(
            "losetup",
            &["--find", "--show", "--partscan", &image.to_string_lossy()],
        );
        LoopDisk {
            path: output.trim().to_string(),
        }
    }

    /// The partition table as sgdisk reads it, the partitions that the kernel knows, the file systems as blkid
    /// reads them, and their trees. `given` holds all GUIDs and UUIDs that are not random.
    pub fn snapshot(&self, scratch: &Path, given: &str) -> Snapshot {
        let mut found = Snapshot::new();
        let random = |id: &str| {
            if given.contains(&id.to_lowercase()) {
                id.to_lowercase()
            } else {
                "random".into()
            }
        };
        let whole = probe(&self.path, &random);
        self.file_system("disk", &self.path, &whole, scratch, &mut found);
        if whole.get("PTTYPE").is_some_and(|kind| kind == "gpt") {
            let table = run("sgdisk", &["--print", &self.path]);
            found.insert("disk:table".into(), table_text(&table, &random));
            found.insert(
                "disk:verify".into(),
                findings(&run("sgdisk", &["--verify", &self.path])),
            );
            for number in table
                .lines()
                .skip_while(|l| !l.starts_with("Number"))
                .skip(1)
            {
                let number = number.split_whitespace().next().unwrap_or_default();
                let info = run("sgdisk", &["--info", number, &self.path]);
                found.insert(format!("disk:{number}"), partition_text(&info, &random));
                let node = format!("{}p{number}", self.path);
                if self.kernel(number).is_some() {
                    let probed = probe(&node, &random);
                    self.file_system(
                        &format!("disk:{number}"),
                        &node,
                        &probed,
                        scratch,
                        &mut found,
                    );
                }
            }
        }
        for number in 1..=128_u32 {
            if let Some(known) = self.kernel(&number.to_string()) {
                found.insert(format!("disk:{number}:kernel"), known);
            }
        }
        found
    }

    /// Start and size in sectors, as the kernel has them.
    fn kernel(&self, number: &str) -> Option<String> {
        let name = self.path.trim_start_matches("/dev/");
        let dir = PathBuf::from(format!("/sys/class/block/{name}p{number}"));
        let read = |file: &str| {
            fs::read_to_string(dir.join(file))
                .ok()
                .map(|s| s.trim().to_string())
        };
        Some(format!("start {} size {}", read("start")?, read("size")?))
    }

    fn file_system(
        &self,
        name: &str,
        node: &str,
        probed: &Probed,
        scratch: &Path,
        found: &mut Snapshot,
    ) {
        found.insert(format!("{name}:filesystem"), format!("{probed:?}"));
        if !probed
            .get("TYPE")
            .is_some_and(|kind| ["ext4", "xfs", "btrfs"].contains(&kind.as_str()))
        {
            return;
        }
        // Copied out in a mount namespace of its own: a mount in ours would be inherited by the sandbox of the
        // case that another thread is about to boot.
        let (target, copy) = (scratch.join("mnt"), scratch.join(name.replace(':', "-")));
        for dir in [&target, &copy] {
            fs::create_dir_all(dir).unwrap();
        }
        let script = "mount -o ro \"$1\" \"$2\" && cp -a \"$2/.\" \"$3\"";
        let (target, to) = (target.to_string_lossy(), copy.to_string_lossy());
        run(
            "unshare",
            &[
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                script,
                "sh",
                node,
                &target,
                &to,
            ],
        );
        let inside = tree::snapshot(&copy, &format!("{name}:"));
        found.extend(inside);
    }
}

/// What blkid says about a device, by its own names.
type Probed = BTreeMap<String, String>;

fn probe(node: &str, random: &dyn Fn(&str) -> String) -> Probed {
    // blkid exits with 2 for "nothing found".
    let output = Command::new("blkid")
        .args(["--probe", "--output", "export", node])
        .output()
        .unwrap();
    let wanted = [
        "TYPE",
        "VERSION",
        "LABEL",
        "UUID",
        "BLOCK_SIZE",
        "PTTYPE",
        "AMBIVALENT",
    ];
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(key, _)| wanted.contains(key))
        .map(|(key, value)| {
            (
                key.to_string(),
                if key == "UUID" {
                    random(value)
                } else {
                    value.to_string()
                },
            )
        })
        .collect()
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        // A panic may be under way, and a second one would end the process.
        drop(
            Command::new("losetup")
                .args(["--detach", &self.path])
                .status(),
        );
    }
}

fn table_text(print: &str, random: &dyn Fn(&str) -> String) -> String {
    let field = |name: &str| {
        let line = print
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default();
        line.rsplit(": ").next().unwrap_or_default().to_string()
    };
    let usable = print
        .lines()
        .find(|line| line.starts_with("First usable"))
        .unwrap_or_default();
    format!(
        "guid {}; {usable}; {}",
        random(&field("Disk identifier")),
        field("Partition table holds")
    )
}

fn partition_text(info: &str, random: &dyn Fn(&str) -> String) -> String {
    let mut text = Vec::new();
    for line in info.lines() {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        // "First sector: 2048 (at 1024.0 KiB)", "…GUID code: 0FC6… (Linux filesystem)"
        let bare = value.split(" (").next().unwrap_or_default();
        match name {
            "Partition GUID code" | "First sector" | "Last sector" => {
                text.push(format!("{name} {bare}"))
            }
            "Partition unique GUID" => text.push(format!("GUID {}", random(bare))),
            "Attribute flags" | "Partition name" => text.push(format!("{name} {value}")),
            _ => {}
        }
    }
    text.join(", ")
}

/// sgdisk's findings, or "No problems found." with the free space.
fn findings(verify: &str) -> String {
    verify.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Runs a tool that has no reason to fail and returns its output.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}: {problem}",
        output.status
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
