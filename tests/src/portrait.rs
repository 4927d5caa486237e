//! What a machine is, for a comparison: everything on its disks that a first boot decides, in words, and nothing
//! that chance or time does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::process::Command;

use rustix::fs::{lgetxattr, llistxattr};

use crate::Answer;

/// What stands in the place of a UUID that is made up.
const RANDOM: &str = "<random>";
/// Longer texts are cut off where they are shown.
const SHOWN: usize = 400;

/// A machine: what there is → what it is like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Portrait(pub BTreeMap<String, String>);

impl Portrait {
    /// How another machine differs from this one, a line each: where, what was expected, what was seen.
    pub fn differences(&self, seen: &Portrait) -> Vec<String> {
        let keys: BTreeSet<&String> = self.0.keys().chain(seen.0.keys()).collect();
        (keys.into_iter())
            .filter_map(|key| match (self.0.get(key), seen.0.get(key)) {
                (Some(expected), Some(seen)) if expected == seen => None,
                (Some(expected), Some(seen)) => {
                    let (expected, seen) = without_common_lines(expected, seen);
                    let (expected, seen) = (shown(&expected), shown(&seen));
                    Some(format!("{key}: expected {expected}, seen {seen}"))
                }
                (Some(expected), None) => {
                    Some(format!("{key}: is missing, expected {}", shown(expected)))
                }
                (None, Some(seen)) => Some(format!("{key}: should not be there: {}", shown(seen))),
                (None, None) => None,
            })
            .collect()
    }
}

/// Of two texts the lines that the other one does not have, where there are such.
fn without_common_lines(one: &str, other: &str) -> (String, String) {
    let only = |one: &str, other: &str| {
        let lines = one.split('\n');
        let only: Vec<&str> = lines
            .filter(|line| !other.split('\n').any(|other| other == *line))
            .collect();
        only.join("\n")
    };
    let (first, second) = (only(one, other), only(other, one));
    match first.is_empty() && second.is_empty() {
        true => (one.into(), other.into()),
        false => (first, second),
    }
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// A directory with all that is in it.
pub fn of_tree(top: &Path) -> Portrait {
    let mut observer = Observer::new(&[], top);
    observer.tree("root", top, "", &mut BTreeMap::new());
    observer.portrait
}

/// Looks at the disks of a machine that is off.
#[derive(Debug)]
pub struct Observer {
    /// UUIDs that are not made up by a first boot.
    known: BTreeSet<String>,
    portrait: Portrait,
    directory: std::path::PathBuf,
    opened: Vec<String>,
    repaired: bool,
}

impl Observer {
    /// Nothing seen yet. `known` are texts with the UUIDs that count, `directory` is for mount points.
    pub fn new(known: &[&str], directory: &Path) -> Self {
        let known = known.iter().flat_map(|text| uuids(text));
        Self {
            known: known.map(|(_, uuid)| uuid.to_lowercase()).collect(),
            portrait: Portrait::default(),
            directory: directory.into(),
            opened: Vec::new(),
            repaired: false,
        }
    }

    /// What a later boot does to its FAT file systems comes first: the mark of an unfinished use is taken away.
    pub fn repaired(mut self, repaired: bool) -> Self {
        self.repaired = repaired;
        self
    }

    /// Notes what the boot loader finds.
    pub fn started_by(mut self, firmware: &str) -> Self {
        self.note("boot loader".into(), firmware);
        self
    }

    /// Looks at disks, of which the first has the root at its third partition, and at what lies on them. Changes
    /// what only mounting does.
    pub fn observe(mut self, disks: &[String]) -> Portrait {
        let at = self.directory.join("root");
        fs::create_dir_all(&at).unwrap();
        let root = format!("{}p3", disks[0]);
        let mounted = run(&["mount", "-o", "ro", &root, &at.display().to_string()]);
        let mut members = BTreeMap::<String, Vec<String>>::new();
        for (n, disk) in disks.iter().enumerate() {
            let mut nodes = self.table(n, disk);
            if nodes.is_empty() {
                nodes.push((format!("disk {n}"), disk.clone()));
            }
            for (name, node) in nodes {
                self.content(&name, &node, &mut members);
            }
        }
        for (uuid, nodes) in members {
            self.array(&uuid, &nodes);
        }
        if mounted.code == Some(0) {
            run(&["umount", &at.display().to_string()]);
        }
        for line in self.opened.iter().rev() {
            let words: Vec<&str> = line.split(' ').collect();
            run(&words);
        }
        self.portrait
    }

    fn note(&mut self, what: String, like: &str) {
        let like = self.without_chance(like);
        self.portrait.0.insert(what, like);
    }

    /// A text in which a UUID that is made up looks like any other.
    fn without_chance(&self, text: &str) -> String {
        let mut out = String::new();
        let mut from = 0;
        for (at, uuid) in uuids(text) {
            if !self.known.contains(&uuid.to_lowercase()) {
                out.push_str(&text[from..at]);
                out.push_str(RANDOM);
                from = at + uuid.len();
            }
        }
        out + &text[from..]
    }

    /// The partition table of a disk; its partitions by name and node.
    fn table(&mut self, number: usize, disk: &str) -> Vec<(String, String)> {
        let name = format!("disk {number}");
        let answer = run(&["sfdisk", "--json", disk]);
        if answer.code != Some(0) {
            self.note(format!("{name}: table"), "none");
            return Vec::new();
        }
        let check = run(&["sgdisk", "--verify", disk]);
        let whole = check.out.contains("No problems found") && answer.err.is_empty();
        let mut like = format!("whole: {whole}");
        if !whole {
            like += &format!(", {}{}", check.out, answer.err);
        }
        let table: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
        let table = &table["partitiontable"];
        for key in ["label", "firstlba", "lastlba", "sectorsize"] {
            like += &format!(", {key} {}", table[key]);
        }
        let mut nodes = Vec::new();
        for entry in table["partitions"].as_array().into_iter().flatten() {
            let node = entry["node"].as_str().unwrap_or_default();
            let slot = node.trim_start_matches(disk).trim_start_matches('p');
            let partition = format!("{name} partition {slot}");
            self.note(format!("{partition}: entry"), &entry.to_string());
            nodes.push((partition, node.to_string()));
        }
        self.note(format!("{name}: table"), &like);
        nodes
    }

    /// What is on a partition, an array or a volume.
    fn content(&mut self, name: &str, node: &str, members: &mut BTreeMap<String, Vec<String>>) {
        let answer = run(&["blkid", "-p", "-o", "export", node]);
        let values: BTreeMap<&str, &str> = answer
            .out
            .lines()
            .filter_map(|line| line.split_once('='))
            .collect();
        let of = |key: &str| values.get(key).copied().unwrap_or_default();
        let (kind, uuid) = (of("TYPE"), of("UUID"));
        let mut like = format!(
            "{kind} {} {} {}",
            of("VERSION"),
            of("LABEL"),
            of("AMBIVALENT")
        );
        let short = kind == "vfat" && !self.known.contains(&uuid.to_lowercase());
        like += &format!(" UUID {}", if short { RANDOM } else { uuid });
        self.note(format!("{name}: signature"), &like);
        match kind {
            "linux_raid_member" => {
                members.entry(uuid.into()).or_default().push(node.into());
            }
            "crypto_LUKS" => self.volume(name, node, uuid, members),
            "ext4" | "vfat" | "xfs" | "btrfs" => {
                self.filesystem(name, node, kind);
            }
            _ => {}
        }
    }

    fn filesystem(&mut self, name: &str, node: &str, kind: &str) {
        let check: &[&str] = match kind {
            "ext4" => &["e2fsck", "-fn"],
            "vfat" => &["fsck.fat", "-n"],
            "xfs" => &["xfs_repair", "-n"],
            _ => &["btrfs", "check", "--readonly"],
        };
        let at = self.directory.join("at");
        fs::create_dir_all(&at).unwrap();
        let at = at.display().to_string();
        if !is_mounted(node) {
            match kind {
                "vfat" if self.repaired => drop(run(&["fsck.fat", "-a", node])),
                "vfat" => {}
                // Whoever mounts it next replays the journal: a full one is no difference.
                _ if run(&["mount", node, &at]).code == Some(0) => drop(run(&["umount", &at])),
                _ => {}
            }
        }
        let checked = run(&[check, &[node]].concat());
        let like = match checked.code {
            Some(0) => "clean".to_string(),
            code => format!("{code:?}: {}{}", checked.out, checked.err),
        };
        self.note(format!("{name}: check"), &like);
        if kind == "ext4" {
            let superblock = run(&["dumpe2fs", "-h", node]).out;
            let counts = [
                "Filesystem features",
                "Block size",
                "Block count",
                "Inode count",
                "Inode size",
                "Reserved block count",
                "Filesystem state",
                "Default mount options",
                "Total journal size",
            ];
            let lines = (superblock.lines())
                .filter(|line| counts.iter().any(|word| line.starts_with(word)))
                .map(|line| line.split_whitespace().collect::<Vec<&str>>().join(" "));
            let like = lines.collect::<Vec<String>>().join(", ");
            self.note(format!("{name}: superblock"), &like);
        }
        // The root is mounted already, and a second mount may not differ.
        let mounted = run(&["mount", "-o", "ro", node, &at]);
        if mounted.code != Some(0) {
            self.note(format!("{name}: mount"), &mounted.err);
            return;
        }
        let mut inodes = BTreeMap::new();
        self.tree(name, Path::new(&at), "", &mut inodes);
        run(&["umount", &at]);
    }

    /// A directory with all that is in it. `inodes` are the first names of files that may have several.
    fn tree(&mut self, name: &str, top: &Path, path: &str, inodes: &mut BTreeMap<u64, String>) {
        let full = top.join(path.trim_start_matches('/'));
        let shown = if path.is_empty() { "/" } else { path };
        let metadata = match full.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) => {
                self.note(format!("{name}: {shown}"), &error.to_string());
                return;
            }
        };
        let kind = metadata.file_type();
        let mut like = format!(
            "{:o} {}:{}",
            metadata.mode() & 0o7777,
            metadata.uid(),
            metadata.gid()
        );
        for (name, value) in attributes(&full) {
            like += &format!(" {name}={value}");
        }
        if kind.is_dir() {
            like = format!("directory {like}");
        } else if kind.is_symlink() {
            let target = fs::read_link(&full).unwrap_or_default();
            like = format!("link {like} to {}", target.display());
        } else if kind.is_file() {
            like = format!("file {like}");
            if metadata.nlink() > 1 {
                let first = inodes.entry(metadata.ino()).or_insert_with(|| shown.into());
                like += &format!(" of {} names, first {first}", metadata.nlink());
            }
            like += &format!(": {}", contents(shown, &full));
        } else {
            let device = kind.is_block_device() || kind.is_char_device();
            like = format!("special file {like} device {device} {}", metadata.rdev());
        }
        self.note(format!("{name}: {shown}"), &like);
        if kind.is_dir() {
            let mut names: Vec<String> = (fs::read_dir(&full).into_iter().flatten().flatten())
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            for child in names {
                self.tree(name, top, &format!("{path}/{child}"), inodes);
            }
        }
    }

    fn array(&mut self, uuid: &str, nodes: &[String]) {
        let known = run(&["mdadm", "--examine", &nodes[0]]).out;
        let called = (known.lines())
            .find_map(|line| line.trim().strip_prefix("Name : "))
            .and_then(|name| name.split_whitespace().next())
            .and_then(|name| name.rsplit(':').next())
            .unwrap_or("unnamed")
            .to_string();
        let name = format!("array {called}");
        let node = format!("/dev/md/seen-{}", self.opened.len());
        let mut line = vec!["mdadm", "--assemble", "--run", &node];
        line.extend(nodes.iter().map(String::as_str));
        let answer = run(&line);
        if answer.code != Some(0) {
            self.note(format!("{name}: assembly of {uuid}"), &answer.err);
            return;
        }
        self.opened.push(format!("mdadm --stop {node}"));
        let detail = run(&["mdadm", "--detail", &node]).out;
        let counts = [
            "Version",
            "Raid Level",
            "Array Size",
            "Used Dev Size",
            "Raid Devices",
            "Total Devices",
            "Active Devices",
            "Failed Devices",
            "Name",
        ];
        let like: Vec<&str> = (detail.lines().map(str::trim))
            .filter(|line| counts.iter().any(|word| line.starts_with(word)))
            .collect();
        self.note(format!("{name}: detail"), &like.join(", "));
        self.content(&name, &node, &mut BTreeMap::new());
    }

    fn volume(
        &mut self,
        name: &str,
        node: &str,
        uuid: &str,
        members: &mut BTreeMap<String, Vec<String>>,
    ) {
        let dump = run(&["cryptsetup", "luksDump", node]).out;
        let counts = ["Version:", "Label:", "Subsystem:", "Flags:"];
        let like: Vec<String> = (dump.lines())
            .filter(|line| {
                let slot = line.trim_start().starts_with(|c: char| c.is_ascii_digit());
                counts.iter().any(|word| line.starts_with(word)) || slot && line.contains(": ")
            })
            .map(|line| line.split_whitespace().collect::<Vec<&str>>().join(" "))
            .collect();
        self.note(format!("{name}: header"), &like.join(", "));
        let root = self.directory.join("root");
        let table = fs::read_to_string(root.join("etc/crypttab")).unwrap_or_default();
        let Some(line) = table.lines().find(|line| line.contains(uuid)) else {
            self.note(format!("{name}: opened"), "not in crypttab");
            return;
        };
        let fields: Vec<&str> = line.split_whitespace().collect();
        let key = root.join(fields[2].trim_start_matches('/'));
        let as_name = format!("seen-{}", self.opened.len());
        let key = key.display().to_string();
        let answer = match fields[2] {
            "none" => run(&["clevis", "luks", "unlock", "-d", node, "-n", &as_name]),
            _ => run(&["cryptsetup", "open", node, &as_name, "--key-file", &key]),
        };
        let like = match answer.code {
            Some(0) => format!("as {} by {}", fields[0], fields[2]),
            _ => answer.err,
        };
        let opened = answer.code == Some(0);
        self.note(format!("{name}: opened"), &like);
        if opened {
            self.opened.push(format!("cryptsetup close {as_name}"));
            let inside = format!("volume {}", fields[0]);
            self.content(&inside, &format!("/dev/mapper/{as_name}"), members);
        }
    }
}

fn is_mounted(node: &str) -> bool {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let mut lines = mounts.lines();
    lines.any(|line| line.split(' ').next() == Some(node))
}

fn attributes(path: &Path) -> Vec<(String, String)> {
    let mut names = [0; 4096];
    let length = llistxattr(path, &mut names[..]).unwrap_or_default();
    let mut found: Vec<(String, String)> = (names[..length].split(|byte| *byte == 0))
        .filter(|name| !name.is_empty())
        .map(|name| {
            let name = String::from_utf8_lossy(name).into_owned();
            let mut value = [0; 4096];
            let length = lgetxattr(path, name.as_str(), &mut value[..]).unwrap_or_default();
            let value = String::from_utf8_lossy(&value[..length]).into_owned();
            (name, value)
        })
        .collect();
    found.sort();
    found
}

/// What is in a file. What chance and time decide has the same words each time.
fn contents(path: &str, full: &Path) -> String {
    let bytes = match fs::read(full) {
        Ok(bytes) => bytes,
        Err(error) => return error.to_string(),
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if path.starts_with("/etc/luks/") {
        // It is the right one if it opens the volume.
        return format!("a key of {} bytes", bytes.len());
    }
    match path {
        // Boot, time, and that a root was provisioned before, are a try's own.
        "/etc/.ignition-result.json" => match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(value) => format!(
                "a result, {} {}",
                value["userConfigProvided"], value["warnings"]
            ),
            Err(error) => format!("no JSON: {error}"),
        },
        // What was begun and done in which try; that it is right shows in everything else.
        "/etc/.pilotlight-journal.jsonl" => "a journal".into(),
        // The day of the last change of a password.
        "/etc/shadow" | "/etc/shadow-" => (text.lines())
            .map(|line| {
                let mut fields: Vec<&str> = line.split(':').collect();
                if let Some(day) = fields.get_mut(2).filter(|day| **day > "20000") {
                    *day = "<today>";
                }
                fields.join(":") + "\n"
            })
            .collect(),
        _ => format!("{} bytes {text}", bytes.len()),
    }
}

/// The UUIDs in a text, with their places.
fn uuids(text: &str) -> Vec<(usize, &str)> {
    const LENGTH: usize = 36;
    let bytes = text.as_bytes();
    let is_uuid = |at: usize| {
        (bytes[at..at + LENGTH].iter().enumerate()).all(|(n, byte)| match n {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    };
    let mut found = Vec::new();
    let mut at = 0;
    while at + LENGTH <= bytes.len() {
        if is_uuid(at) {
            found.push((at, &text[at..at + LENGTH]));
            at += LENGTH;
        } else {
            at += 1;
        }
    }
    found
}

fn run(words: &[&str]) -> Answer {
    Command::new(words[0])
        .args(&words[1..])
        .output()
        .unwrap_or_else(|error| panic!("{} cannot be started: {error}", words[0]))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_in_words() {
        let portrait = |pairs: &[(&str, &str)]| {
            Portrait(
                (pairs.iter())
                    .map(|(key, value)| (key.to_string(), value.to_string()))
                    .collect(),
            )
        };
        let expected = portrait(&[("a", "1"), ("b", "x\n2\ny"), ("c", "3"), ("e", "1\n2")]);
        let seen = portrait(&[("a", "1"), ("b", "x\n4\ny"), ("d", "5"), ("e", "2\n1")]);
        let words = [
            "b: expected \"2\", seen \"4\"",
            "c: is missing, expected \"3\"",
            "d: should not be there: \"5\"",
            "e: expected \"1\\n2\", seen \"2\\n1\"",
        ];
        assert_eq!(expected.differences(&seen), words);
        assert_eq!(expected.differences(&expected), Vec::<String>::new());
    }

    #[test]
    fn made_up_uuids_do_not_count() {
        let known = "x AAAAAAAA-bbbb-4ccc-8ddd-eeeeeeeeeeee";
        let observer = Observer::new(&[known], Path::new("/"));
        let text =
            "a UUID=aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee b 11111111-2222-4333-8444-555555555555é";
        assert_eq!(
            observer.without_chance(text),
            "a UUID=aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee b <random>é"
        );
    }
}
