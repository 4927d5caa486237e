//! What to say of a device that is not there: what was there instead.

use super::disks::{Disks, Signature, TableState, partition_node};

/// How many names a message lists.
const LISTED: usize = 12;
/// Longest name that is shown whole, in characters.
const SHOWN: usize = 40;

/// What there is in place of a device: the disks, and for a link by label or UUID the ones found.
///
/// `names` are the disks or what images stand for, `seen` what was found on them. Labels are whatever
/// somebody wrote on a disk: they are quoted, cut and counted.
pub fn instead(path: &str, names: &[String], seen: &Disks, images: bool) -> String {
    let there = match (names, images) {
        ([], _) => "there are no disks here".to_string(),
        (names, false) => format!("the disks here are {}", listed(names.to_vec())),
        (names, true) => format!("images stand for {}", listed(names.to_vec())),
    };
    match named_by(path, seen) {
        None => there,
        Some((kind, found)) if found.is_empty() => format!("{there}; none here has a {kind}"),
        Some((kind, found)) => format!("{there}; each {kind} here: {}", listed(found)),
    }
}

/// What a link is named by, and all that could have such a link.
fn named_by(path: &str, seen: &Disks) -> Option<(&'static str, Vec<String>)> {
    let (by, _) = path.strip_prefix("/dev/disk/by-")?.split_once('/')?;
    let entries = seen.blocks.iter().filter_map(|(disk, block)| {
        let TableState::Gpt(table) = &block.table else {
            return None;
        };
        Some(table.partitions.iter().map(move |(number, entry)| {
            let guid = entry.guid.map(|guid| guid.to_string());
            (entry.label.clone(), guid, partition_node(disk, *number))
        }))
    });
    let superblocks = seen.blocks.iter().filter_map(|(node, block)| {
        let Signature::Found(found) = &block.signature else {
            return None;
        };
        Some((found.label.clone(), found.uuid.clone(), node.clone()))
    });
    let label = |(label, _, node)| Some((label, node));
    let uuid = |(_, uuid, node): (_, Option<String>, _)| Some((uuid?, node));
    let (kind, found): (_, Vec<(String, String)>) = match by {
        "partlabel" => (
            "partition label",
            entries.flatten().filter_map(label).collect(),
        ),
        "partuuid" => (
            "partition's GUID",
            entries.flatten().filter_map(uuid).collect(),
        ),
        "label" => ("file system label", superblocks.filter_map(label).collect()),
        "uuid" => ("file system UUID", superblocks.filter_map(uuid).collect()),
        _ => return None,
    };
    let named = found.into_iter().filter(|(name, _)| !name.is_empty());
    let shown = named.map(|(name, node)| {
        let mut cut: String = name.chars().take(SHOWN).collect();
        if cut.len() < name.len() {
            cut.push('…');
        }
        format!("{cut:?} ({node})")
    });
    Some((kind, shown.collect()))
}

fn listed(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(LISTED);
    names.truncate(LISTED);
    let mut text = names.join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::disks::{Block, Entry, Superblock, Table};

    fn block(table: TableState, label: &str) -> Block {
        Block {
            size: 1 << 30,
            sector: 512,
            table,
            signature: Signature::Found(Superblock {
                kind: "ext4".into(),
                label: label.into(),
                uuid: Some("0b1c".into()),
                ..Superblock::default()
            }),
            used: None,
        }
    }

    fn entry(label: &str) -> Entry {
        Entry {
            start: 2048,
            end: 4095,
            type_guid: crate::model::Guid::parse("0fc63daf-8483-4772-8e79-3d69d8477de4").unwrap(),
            guid: None,
            label: label.into(),
            attributes: 0,
        }
    }

    #[test]
    fn a_message_says_what_could_have_been_meant() {
        let mut seen = Disks::default();
        let mut table = Table::empty(1 << 30, 512);
        table.partitions.insert(1, entry("ROOT"));
        table.partitions.insert(2, entry(""));
        table.partitions.insert(3, entry("\"\u{1b}[2J\n"));
        let mut disk = block(TableState::Gpt(table), "");
        disk.signature = Signature::Blank;
        seen.blocks.insert("/dev/vda".into(), disk);
        seen.blocks
            .insert("/dev/vda1".into(), block(TableState::None, &"x".repeat(99)));
        let disks = ["/dev/vda".to_string()];
        let said = |path: &str| instead(path, &disks, &seen, false);
        assert_eq!(said("/dev/vdb"), "the disks here are /dev/vda");
        assert_eq!(
            said("/dev/disk/by-id/virtio-1"),
            "the disks here are /dev/vda"
        );
        assert_eq!(
            said("/dev/disk/by-partlabel/root"),
            "the disks here are /dev/vda; each partition label here: \"ROOT\" (/dev/vda1), \
             \"\\\"\\u{1b}[2J\\n\" (/dev/vda3)"
        );
        assert_eq!(
            said("/dev/disk/by-label/root"),
            format!(
                "the disks here are /dev/vda; each file system label here: \"{}…\" (/dev/vda1)",
                "x".repeat(40)
            )
        );
        assert_eq!(
            said("/dev/disk/by-uuid/1"),
            "the disks here are /dev/vda; each file system UUID here: \"0b1c\" (/dev/vda1)"
        );
        assert_eq!(
            said("/dev/disk/by-partuuid/1"),
            "the disks here are /dev/vda; none here has a partition's GUID"
        );
        assert_eq!(
            instead("/dev/disk/by-label/x", &[], &Disks::default(), false),
            "there are no disks here; none here has a file system label"
        );
    }

    #[test]
    fn a_message_has_an_end() {
        let names: Vec<String> = (0..1000).map(|n| format!("/dev/sd{n}")).collect();
        let said = instead("/dev/x", &names, &Disks::default(), true);
        assert!(said.starts_with("images stand for /dev/sd0, "), "{said}");
        assert!(said.ends_with("/dev/sd11 and 988 more"), "{said}");
    }
}
