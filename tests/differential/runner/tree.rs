//! A directory tree as comparable text, one entry per path.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// What was found: a name (for a tree: the path) and everything that must be equal about it.
pub type Snapshot = BTreeMap<String, String>;

/// Backups that the shadow tools leave: they hold the state before the *last* call of a tool, so they tell how
/// many calls an agent made, which is its own affair.
const IGNORED: [&str; 7] = [
    "/etc/passwd-",
    "/etc/group-",
    "/etc/shadow-",
    "/etc/gshadow-",
    "/etc/subuid-",
    "/etc/subgid-",
    // Ours alone: what lets an interrupted first boot append once and not twice. Ignition appends again.
    "/etc/.pilotlight-journal.jsonl",
];

/// Walks `root`; every path is given `prefix`.
pub fn snapshot(root: &Path, prefix: &str) -> Snapshot {
    let mut found = Snapshot::new();
    let mut first_name_of = BTreeMap::new();
    walk(root, "/", &mut |path, real, about| {
        if IGNORED.contains(&path) {
            return;
        }
        let mut text = format!(
            "{:04o} {}:{} ",
            about.mode() & 0o7777,
            about.uid(),
            about.gid()
        );
        let kind = about.file_type();
        if kind.is_dir() {
            text += "directory";
        } else if kind.is_symlink() {
            text += &format!("symlink {:?}", fs::read_link(real).unwrap());
        } else if kind.is_file() {
            let content = normalised(path, fs::read(real).unwrap());
            text += &format!("file {} \"{}\"", content.len(), content.escape_ascii());
        } else if kind.is_block_device() || kind.is_char_device() {
            text += &format!("device {}", about.rdev());
        } else {
            text += "other";
        }
        if about.nlink() > 1 && !kind.is_dir() {
            let first = first_name_of
                .entry((about.dev(), about.ino()))
                .or_insert_with(|| path.to_string());
            text += &format!(" linked with {first}");
        }
        found.insert(format!("{prefix}{path}"), text);
    });
    found
}

fn walk(real: &Path, path: &str, visit: &mut dyn FnMut(&str, &Path, &fs::Metadata)) {
    let about = fs::symlink_metadata(real).unwrap();
    visit(path, real, &about);
    if !about.is_dir() {
        return;
    }
    let mut names: Vec<_> = fs::read_dir(real)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    for name in names {
        let below = format!("{}/{}", path.trim_end_matches('/'), name.to_string_lossy());
        walk(&real.join(&name), &below, visit);
    }
}

/// Takes out what differs between two runs of one agent: dates, boot ids, an order without meaning.
fn normalised(path: &str, content: Vec<u8>) -> Vec<u8> {
    let text = match (path, String::from_utf8(content)) {
        (_, Err(binary)) => return binary.into_bytes(),
        ("/etc/shadow", Ok(text)) => text.lines().map(|line| without_day(line) + "\n").collect(),
        ("/etc/.ignition-result.json", Ok(text)) => without_date(&text),
        // Ignition 2.14 writes one line per unit in the order of a Go map, another one each time.
        ("/etc/systemd/system-preset/20-ignition.preset", Ok(text)) => sorted_lines(&text),
        (_, Ok(text)) => text,
    };
    text.into_bytes()
}

/// The third field of shadow(5), the day of the last change, if it is set.
fn without_day(line: &str) -> String {
    let mut fields: Vec<&str> = line.split(':').collect();
    if let Some(day) = fields.get_mut(2).filter(|day| !day.is_empty()) {
        *day = "DAY";
    }
    fields.join(":")
}

fn sorted_lines(text: &str) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.sort_unstable();
    lines.concat()
}

fn without_date(text: &str) -> String {
    let Ok(mut result) = serde_json::from_str::<serde_json::Value>(text) else {
        return text.to_string();
    };
    for key in ["provisioningDate", "provisioningBootID"] {
        if let Some(value) = result.get_mut(key).filter(|value| value.is_string()) {
            *value = key.into();
        }
    }
    // Ours alone keeps the warnings about the config, with the line of each.
    if let Some(result) = result.as_object_mut() {
        result.remove("warnings");
    }
    result.to_string()
}
