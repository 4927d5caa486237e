//! Disks, partitions, file systems and mounts, as observed or predicted.
//!
//! What an operation leaves to chance (a random GUID) or what cannot be known before it ran (what an
//! old disk holds where a new partition begins) is predicted as unknown and agrees with anything.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::facts::Usage;
use crate::hex;
use crate::model::{Guid, SysPath};
use crate::ordered::Arrange as _;

/// The block devices that a config names, and their partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disks {
    /// Device nodes (`/dev/vda1`) and what is on them.
    pub blocks: BTreeMap<String, Block>,
    /// Paths of the config (`/dev/disk/by-label/x`) → nodes.
    pub links: BTreeMap<String, String>,
    /// Paths of the config whose device is missing → what was there instead, for the message.
    pub missing: BTreeMap<String, String>,
    /// Mounts below the sysroot, mount point → node.
    pub mounts: BTreeMap<SysPath, String>,
    /// Mount points below the sysroot where a run of this boot has mounted something.
    #[serde(default)]
    pub mounted: BTreeSet<SysPath>,
    /// Running RAID arrays that the observed members belong to, UUID → node.
    #[serde(default)]
    pub arrays: BTreeMap<String, String>,
    /// Disks of this machine, named by the config or not, whose GUID is the one that a fresh image has,
    /// node → what is on them. Their partitions are not among `blocks`.
    #[serde(default)]
    pub fresh: BTreeMap<String, Block>,
}

/// A block device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Size in bytes; in a prediction 0 for a volume whose size its maker decides.
    pub size: u64,
    /// Logical sector size in bytes.
    pub sector: u64,
    /// Its partition table.
    pub table: TableState,
    /// What else is recognized at its beginning or end.
    pub signature: Signature,
    /// By whom it is used.
    pub used: Option<Usage>,
}

/// The partition table of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableState {
    /// There is none.
    None,
    /// A GUID partition table.
    Gpt(Table),
    /// Another kind, or one that is beyond repair; the text says which.
    Other(String),
}

/// What a probe recognizes on a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signature {
    /// Nothing.
    Blank,
    /// A file system or another format.
    Found(Superblock),
    /// Several formats, none of which goes before the others, by the names that blkid uses: nobody can say
    /// which of them is meant.
    Ambivalent(Vec<String>),
    /// Not known before it is looked at: the place of a partition that is yet to be made.
    Unknown,
}

/// What a superblock says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Superblock {
    /// Format by the name that blkid uses: "ext4", "xfs", "crypto_LUKS".
    pub kind: String,
    /// Label; empty for none.
    pub label: String,
    /// UUID in lower case as blkid writes it; `None` in a prediction is a random one.
    pub uuid: Option<String>,
    /// What formats that other devices are made of say beyond that.
    #[serde(default)]
    pub detail: Detail,
}

/// What a superblock says about the volume that its device is a part of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Detail {
    /// The format has nothing to say.
    #[default]
    None,
    /// A member of an md array (include/uapi/linux/raid/md_p.h). The superblock's label is the array's
    /// name, its UUID the array's.
    Raid(RaidMember),
    /// An encrypted volume (LUKS2 On-Disk Format Specification 1.1).
    Luks(LuksHeader),
}

/// What a member says about its array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaidMember {
    /// Level: -1 is linear.
    pub level: i32,
    /// How many devices the array consists of, without spares.
    pub active: u32,
    /// Whether this one is a spare; `None` where the superblock does not say (version 0.90).
    pub spare: Option<bool>,
}

/// What the header of an encrypted volume says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LuksHeader {
    /// 1 or 2.
    pub version: u8,
    /// It carries [`BEING_MADE`]: nobody has its key yet.
    pub being_made: bool,
    /// Whether clevis is bound to it.
    pub clevis: bool,
}

/// The subsystem field of a LUKS2 header from its first write until its key is where the node finds it.
/// A volume that still says so after a power cut is made again: nothing could ever open it.
pub const BEING_MADE: &str = "pilotlight: being made";

/// The host in an array's name while it is being made; afterwards it is `any`. Members that still say so
/// after a power cut belong to an array that never held anything.
pub const NEW_ARRAY: &str = "%new";

/// The kind of a member of an md array.
pub const RAID_MEMBER: &str = "linux_raid_member";

/// The kind of an encrypted volume.
pub const ENCRYPTED: &str = "crypto_LUKS";

/// A GUID partition table (UEFI 2.10, chapter 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// GUID of the disk; `None` in a prediction is a random one.
    pub guid: Option<Guid>,
    /// First sector that partitions may use.
    pub first_usable: u64,
    /// Last sector that partitions may use on a disk of this size.
    pub last_usable: u64,
    /// Partitions by slot number.
    pub partitions: BTreeMap<u32, Entry>,
    /// How many slots there are.
    pub slots: u32,
    /// The partitions that a hybrid MBR names besides, for firmware or systems that
    /// know no GUID partition tables.
    #[serde(default)]
    pub hybrid: Vec<Sectors>,
    /// What has to be repaired before anything else: a damaged copy, a backup in the wrong place.
    pub repair: Option<String>,
    /// Whether the first copy is the one at fault: the kernel then sees no partitions.
    #[serde(default)]
    pub unseen: bool,
}

/// Sectors from a first to a last one, inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sectors {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

impl Sectors {
    /// Whether they share sectors with a partition.
    pub fn is_in(&self, entry: &Entry) -> bool {
        entry.start <= self.last && self.first <= entry.end
    }
}

/// An entry of a partition table. Sectors are counted in the disk's logical size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// First sector.
    pub start: u64,
    /// Last sector, inclusive.
    pub end: u64,
    /// Type.
    pub type_guid: Guid,
    /// The partition's own GUID; `None` in a prediction is a random one.
    pub guid: Option<Guid>,
    /// Label.
    pub label: String,
    /// Attribute bits.
    pub attributes: u64,
}

impl Entry {
    /// Number of sectors.
    pub fn sectors(&self) -> u64 {
        self.end.saturating_sub(self.start).saturating_add(1)
    }
}

impl Block {
    /// Sectors in a mebibyte.
    pub fn sectors_per_mib(&self) -> u64 {
        ((1 << 20) / self.sector.max(1)).max(1)
    }
}

/// Node of a partition: a `p` comes between when the disk's name ends in a digit (Linux, `disk_name()`). Partitions
/// of a disk of device mapper are maps, which multipath's rules call `-part1` (others do it in another way).
pub fn partition_node(disk: &str, number: u32) -> String {
    let separator = if disk.starts_with("/dev/mapper/") {
        "-part"
    } else if disk.ends_with(|c: char| c.is_ascii_digit()) {
        "p"
    } else {
        ""
    };
    format!("{disk}{separator}{number}")
}

impl Disks {
    /// The node that a path of the config stands for, by observed links or by what is predicted.
    pub fn resolve(&self, path: &str) -> Option<String> {
        if self.blocks.contains_key(path) {
            return Some(path.to_string());
        }
        if let Some(node) = self
            .links
            .get(path)
            .filter(|node| self.blocks.contains_key(*node))
        {
            return Some(node.clone());
        }
        if let Some(node) = self.mapped(path) {
            return Some(node);
        }
        let (kind, name) = path.strip_prefix("/dev/disk/by-")?.split_once('/')?;
        match kind {
            "partlabel" => self.partition(|entry| entry.label == unescape(name)),
            "partuuid" => {
                self.partition(|entry| entry.guid.is_some_and(|guid| guid.to_string() == name))
            }
            "label" => self.filesystem(|found| found.label == unescape(name)),
            "uuid" => self.filesystem(|found| found.uuid.as_deref() == Some(name)),
            // by-id, by-path: udev names a partition after its disk's link.
            _ => {
                let (disk, number) = path.rsplit_once("-part")?;
                let node = partition_node(&self.resolve(disk)?, number.parse().ok()?);
                self.blocks.contains_key(&node).then_some(node)
            }
        }
    }

    /// A partition of a disk of device mapper by any name that kpartx(8) may give to its map.
    fn mapped(&self, path: &str) -> Option<String> {
        let name = (path.strip_prefix("/dev/mapper/"))
            .or_else(|| path.strip_prefix("/dev/disk/by-id/dm-name-"))?;
        let whole = format!("/dev/mapper/{name}");
        if self.blocks.contains_key(&whole) {
            return Some(whole);
        }
        let disk = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let number: u32 = name.strip_prefix(disk)?.parse().ok()?;
        let disks = ["-part", "p", ""].map(|between| disk.strip_suffix(between));
        let mut nodes = (disks.into_iter().flatten())
            .map(|disk| partition_node(&format!("/dev/mapper/{disk}"), number));
        nodes.find(|node| self.blocks.contains_key(node))
    }

    fn partition(&self, wanted: impl Fn(&Entry) -> bool) -> Option<String> {
        self.blocks
            .iter()
            .find_map(|(disk, block)| match &block.table {
                TableState::Gpt(table) => table
                    .partitions
                    .iter()
                    .find(|(_, entry)| wanted(entry))
                    .map(|(number, _)| partition_node(disk, *number)),
                _ => None,
            })
    }

    fn filesystem(&self, wanted: impl Fn(&Superblock) -> bool) -> Option<String> {
        self.blocks
            .iter()
            .find_map(|(node, block)| match &block.signature {
                // Members of an array share its name; udev makes no links of them.
                Signature::Found(found) if found.kind != RAID_MEMBER && wanted(found) => {
                    Some(node.clone())
                }
                _ => None,
            })
    }

    /// Whether what was observed is what was predicted, with unknowns agreeing with anything.
    pub fn agrees_with(&self, predicted: &Disks) -> bool {
        self.blocks.len() == predicted.blocks.len()
            && self
                .blocks
                .iter()
                .zip(&predicted.blocks)
                .all(|((a, seen), (b, expected))| a == b && seen.agrees_with(expected))
    }
}

impl Block {
    fn agrees_with(&self, predicted: &Block) -> bool {
        let tables = match (&self.table, &predicted.table) {
            (TableState::Gpt(seen), TableState::Gpt(expected)) => seen.agrees_with(expected),
            (seen, expected) => seen == expected,
        };
        let signatures = match (&self.signature, &predicted.signature) {
            (_, Signature::Unknown) => true,
            (Signature::Found(seen), Signature::Found(expected)) => {
                seen.kind == expected.kind
                    && seen.label == expected.label
                    && (expected.uuid.is_none() || seen.uuid == expected.uuid)
                    && seen.detail == expected.detail
            }
            (seen, expected) => seen == expected,
        };
        let sizes = predicted.size == 0 || self.size == predicted.size;
        sizes && self.sector == predicted.sector && tables && signatures
    }
}

impl Table {
    /// Why no such table may be written: partitions that overlap or leave the usable sectors.
    pub fn fault(&self) -> Option<String> {
        let mut places: Vec<(u64, u64, u32)> = (self.partitions.iter())
            .map(|(number, entry)| (entry.start, entry.end, *number))
            .collect();
        places.arrange();
        for (start, end, number) in &places {
            if start > end || *start < self.first_usable || *end > self.last_usable {
                return Some(format!(
                    "partition {number} lies at sectors {start} to {end}, usable are {} to {}",
                    self.first_usable, self.last_usable
                ));
            }
        }
        let overlap = (places.windows(2)).find(|pair| pair[1].0 <= pair[0].1)?;
        Some(format!(
            "partitions {} and {} overlap",
            overlap[0].2, overlap[1].2
        ))
    }

    /// Whether the table is what was predicted, with random GUIDs agreeing with any.
    pub fn agrees_with(&self, predicted: &Table) -> bool {
        let guids =
            |seen: &Option<Guid>, expected: &Option<Guid>| expected.is_none() || seen == expected;
        guids(&self.guid, &predicted.guid)
            && (self.first_usable, self.last_usable)
                == (predicted.first_usable, predicted.last_usable)
            && (&self.repair, self.unseen) == (&predicted.repair, predicted.unseen)
            && (self.slots, &self.hybrid) == (predicted.slots, &predicted.hybrid)
            && self.partitions.len() == predicted.partitions.len()
            && self.partitions.iter().zip(&predicted.partitions).all(
                |((n, seen), (m, expected))| {
                    n == m
                        && guids(&seen.guid, &expected.guid)
                        && Entry {
                            guid: None,
                            ..seen.clone()
                        } == Entry {
                            guid: None,
                            ..expected.clone()
                        }
                },
            )
    }
}

/// Undoes udev's escaping of link names (`\x20` for a space).
fn unescape(name: &str) -> String {
    let mut out = Vec::new();
    let mut rest = name.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = (*first == b'\\' && tail.first() == Some(&b'x'))
            .then(|| tail.get(1..3))
            .flatten()
            .and_then(|digits| hex::byte(digits[0], digits[1]));
        match code {
            Some(code) => {
                out.push(code);
                rest = &tail[3..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_nodes_are_named_as_the_kernel_names_them() {
        assert_eq!(partition_node("/dev/sda", 1), "/dev/sda1");
        assert_eq!(partition_node("/dev/nvme0n1", 12), "/dev/nvme0n1p12");
        assert_eq!(partition_node("/dev/loop0", 3), "/dev/loop0p3");
        assert_eq!(
            partition_node("/dev/mapper/mpatha", 3),
            "/dev/mapper/mpatha-part3"
        );
    }

    #[test]
    fn a_partition_of_a_mapped_disk_has_many_names() {
        let block = || Block {
            size: 1 << 20,
            sector: 512,
            table: TableState::None,
            signature: Signature::Blank,
            used: None,
        };
        let nodes = [
            "mpatha",
            "mpatha-part4",
            "mpath0",
            "mpath0-part12",
            "data",
            "data1",
            "data-part1",
        ];
        let disks = Disks {
            blocks: nodes
                .map(|name| (format!("/dev/mapper/{name}"), block()))
                .into(),
            ..Disks::default()
        };
        let table = [
            ("/dev/mapper/mpatha4", Some("mpatha-part4")),
            ("/dev/mapper/mpathap4", Some("mpatha-part4")),
            ("/dev/mapper/mpatha-part4", Some("mpatha-part4")),
            ("/dev/disk/by-id/dm-name-mpatha4", Some("mpatha-part4")),
            ("/dev/disk/by-id/dm-name-mpathap4", Some("mpatha-part4")),
            ("/dev/disk/by-id/dm-name-mpatha-part4", Some("mpatha-part4")),
            ("/dev/disk/by-id/dm-name-mpatha", Some("mpatha")),
            ("/dev/mapper/mpath0p12", Some("mpath0-part12")),
            ("/dev/mapper/mpath012", None),
            ("/dev/mapper/mpatha5", None),
            ("/dev/mapper/mpatha", Some("mpatha")),
            // Another disk of that name goes before a partition.
            ("/dev/mapper/data1", Some("data1")),
            ("/dev/mapper/datap1", Some("data-part1")),
            ("/dev/mapper/other1", None),
            ("/dev/mapper/4", None),
        ];
        for (path, expected) in table {
            let found = disks.resolve(path);
            let expected = expected.map(|name| format!("/dev/mapper/{name}"));
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn link_names_are_unescaped() {
        assert_eq!(unescape("my\\x20disk"), "my disk");
        assert_eq!(unescape("a\\xzz\\"), "a\\xzz\\");
        assert_eq!(unescape("a\\x+1"), "a\\x+1");
    }
}
