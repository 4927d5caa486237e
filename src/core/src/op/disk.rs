//! Operations on partition tables and file systems.
//!
//! Edits of one disk's table that follow one another are written together: power may fail before or after, and
//! on the way one of the table's two copies is whole.

use std::fmt;

use serde::Serialize;

use crate::facts::Facts;
use crate::facts::disks::{Block, Entry, Signature, Superblock, Table, TableState, partition_node};
use crate::hex;
use crate::model::{Format, Guid};

/// A change of a disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum DiskOp {
    /// Write an empty table, with a random GUID, over whatever table is there.
    CreateTable {
        /// Node of the disk.
        disk: String,
        /// The table that is lost, in words; `None` on a blank disk.
        destroys: Option<String>,
    },
    /// Write both copies of the table anew from the good one, the backup at the disk's end.
    RepairTable {
        /// Node of the disk.
        disk: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Give a disk that still has the GUID of its image a random one; nothing else of the table changes,
    /// but its copies are made whole and put where they belong.
    ReplaceDiskGuid {
        /// Node of the disk.
        disk: String,
        /// The GUID now.
        from: Guid,
        /// What is wrong with the table besides.
        problem: Option<String>,
    },
    /// Remove an entry.
    DeletePartition {
        /// Node of the disk.
        disk: String,
        /// Slot.
        number: u32,
        /// Its label, for the message.
        label: String,
    },
    /// Fill an empty slot.
    CreatePartition {
        /// Node of the disk.
        disk: String,
        /// Slot.
        number: u32,
        /// First sector.
        start: u64,
        /// Last sector, inclusive.
        end: u64,
        /// Bytes in a sector.
        sector: u64,
        /// Type.
        type_guid: Guid,
        /// GUID; `None` is random.
        guid: Option<Guid>,
        /// Label.
        label: String,
    },
    /// Move the end of a partition.
    ResizePartition {
        /// Node of the disk.
        disk: String,
        /// Slot.
        number: u32,
        /// Last sector now.
        from: u64,
        /// Last sector then.
        to: u64,
        /// Bytes in a sector.
        sector: u64,
    },
    /// Make everything recognizable on a device unrecognizable.
    WipeSignatures {
        /// Node.
        device: String,
        /// What is lost, in words.
        destroys: String,
    },
    /// Make a file system.
    MakeFilesystem {
        /// Node.
        device: String,
        /// Format.
        format: Format,
        /// Label.
        label: Option<String>,
        /// UUID; `None` is random.
        uuid: Option<String>,
        /// The user's options for mkfs.
        options: Vec<String>,
    },
}

impl DiskOp {
    /// Whether data that is there now is gone afterwards.
    pub fn is_destructive(&self) -> bool {
        match self {
            DiskOp::CreateTable { destroys, .. } => destroys.is_some(),
            DiskOp::DeletePartition { .. } | DiskOp::WipeSignatures { .. } => true,
            DiskOp::ResizePartition { from, to, .. } => to < from,
            DiskOp::RepairTable { .. }
            | DiskOp::ReplaceDiskGuid { .. }
            | DiskOp::CreatePartition { .. }
            | DiskOp::MakeFilesystem { .. } => false,
        }
    }

    /// Whether it edits a partition table, which is written once for all edits of it.
    pub fn edits_table(&self) -> bool {
        match self {
            DiskOp::CreateTable { .. }
            | DiskOp::RepairTable { .. }
            | DiskOp::ReplaceDiskGuid { .. }
            | DiskOp::DeletePartition { .. }
            | DiskOp::CreatePartition { .. }
            | DiskOp::ResizePartition { .. } => true,
            DiskOp::WipeSignatures { .. } | DiskOp::MakeFilesystem { .. } => false,
        }
    }

    /// The same operation with a UUID that was made up, where it makes a file system and nobody gives it one: by
    /// the UUID a later run knows a file system whose making was cut off.
    ///
    /// What mkfs writes reaches the disk in any order: the superblock of XFS and the first sector of FAT may be there
    /// without the rest.
    pub fn with_uuid(&self, made_up: [u8; 16]) -> Option<DiskOp> {
        let mut op = self.clone();
        let DiskOp::MakeFilesystem {
            format,
            uuid: uuid @ None,
            options,
            ..
        } = &mut op
        else {
            return None;
        };
        let maker = format.maker()?;
        if options.iter().any(|word| (maker.gives_uuid)(word)) {
            return None;
        }
        *uuid = Some(match maker.has_serial {
            true => hex::encode(&made_up[..4]),
            false => Guid(random(made_up)).to_string().to_lowercase(),
        });
        Some(op)
    }

    /// The device that it writes to.
    pub fn device(&self) -> &String {
        match self {
            DiskOp::CreateTable { disk: device, .. }
            | DiskOp::RepairTable { disk: device, .. }
            | DiskOp::ReplaceDiskGuid { disk: device, .. }
            | DiskOp::DeletePartition { disk: device, .. }
            | DiskOp::CreatePartition { disk: device, .. }
            | DiskOp::ResizePartition { disk: device, .. }
            | DiskOp::WipeSignatures { device, .. }
            | DiskOp::MakeFilesystem { device, .. } => device,
        }
    }

    /// The same operation on the node that a partition has by now, which may not be called as it is planned.
    pub fn on_device(&self, real: impl Fn(&str) -> Option<String>) -> Self {
        let mut op = self.clone();
        if let DiskOp::WipeSignatures { device, .. } | DiskOp::MakeFilesystem { device, .. } =
            &mut op
            && let Some(node) = real(device)
        {
            *device = node;
        }
        op
    }

    /// Turns the facts into what they will be after the operation.
    pub fn predict(&self, facts: &mut Facts) {
        let blocks = &mut facts.disks.blocks;
        match self {
            DiskOp::ReplaceDiskGuid { disk, .. } => {
                facts.disks.fresh.remove(disk);
                // A disk that the config does not name is not among the observed ones.
                if let Some(table) = table(blocks.get_mut(disk)) {
                    table.guid = None;
                    table.repair = None;
                    table.unseen = false;
                }
            }
            DiskOp::CreateTable { disk, .. } => {
                if let Some(block) = blocks.get_mut(disk) {
                    block.table = TableState::Gpt(Table::empty(block.size, block.sector));
                    block.signature = Signature::Blank;
                }
                forget_partitions(blocks, disk);
            }
            DiskOp::RepairTable { disk, .. } => {
                if let Some(table) = table(blocks.get_mut(disk)) {
                    table.repair = None;
                    table.unseen = false;
                }
            }
            DiskOp::DeletePartition { disk, number, .. } => {
                if let Some(table) = table(blocks.get_mut(disk))
                    && let Some(gone) = table.partitions.remove(number)
                {
                    table.hybrid.retain(|place| !place.is_in(&gone));
                }
                blocks.remove(&partition_node(disk, *number));
            }
            DiskOp::CreatePartition {
                disk,
                number,
                start,
                end,
                sector,
                type_guid,
                guid,
                label,
            } => {
                let entry = Entry {
                    start: *start,
                    end: *end,
                    type_guid: *type_guid,
                    guid: *guid,
                    label: label.clone(),
                    attributes: 0,
                };
                let size = entry.sectors().saturating_mul(*sector);
                if let Some(table) = table(blocks.get_mut(disk)) {
                    table.partitions.insert(*number, entry);
                }
                let block = Block {
                    size,
                    sector: *sector,
                    table: TableState::None,
                    signature: Signature::Unknown,
                    used: None,
                };
                blocks.insert(partition_node(disk, *number), block);
            }
            DiskOp::ResizePartition {
                disk,
                number,
                to,
                sector,
                ..
            } => {
                let entry =
                    table(blocks.get_mut(disk)).and_then(|table| table.partitions.get_mut(number));
                if let Some(entry) = entry {
                    entry.end = *to;
                    let size = entry.sectors().saturating_mul(*sector);
                    if let Some(block) = blocks.get_mut(&partition_node(disk, *number)) {
                        block.size = size;
                    }
                }
            }
            DiskOp::WipeSignatures { device, .. } => {
                if let Some(block) = blocks.get_mut(device) {
                    block.signature = Signature::Blank;
                    block.table = TableState::None;
                }
                forget_partitions(blocks, device);
            }
            DiskOp::MakeFilesystem {
                device,
                format,
                label,
                uuid,
                ..
            } => {
                if let Some(block) = blocks.get_mut(device) {
                    block.signature = Signature::Found(Superblock {
                        kind: format.name().to_string(),
                        label: label.clone().unwrap_or_default(),
                        uuid: uuid.as_ref().map(|uuid| canonical_uuid(*format, uuid)),
                        ..Superblock::default()
                    });
                }
            }
        }
    }
}

/// A UUID as blkid writes it: lower case, but FAT's serial number in upper case with its dash.
pub fn canonical_uuid(format: Format, uuid: &str) -> String {
    if !format.has_serial() {
        return uuid.to_lowercase();
    }
    let digits = uuid.replace('-', "").to_uppercase();
    match digits.split_at_checked(4) {
        Some((high, low)) => format!("{high}-{low}"),
        None => digits,
    }
}

/// A table that is gone takes its partitions with it.
fn forget_partitions(blocks: &mut std::collections::BTreeMap<String, Block>, disk: &str) {
    let first = partition_node(disk, 1);
    if let Some(prefix) = first.strip_suffix('1') {
        blocks.retain(|node, _| !is_partition_of(node, prefix));
    }
}

fn is_partition_of(node: &str, prefix: &str) -> bool {
    node.strip_prefix(prefix)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
}

fn table(block: Option<&mut Block>) -> Option<&mut Table> {
    match block.map(|block| &mut block.table) {
        Some(TableState::Gpt(table)) => Some(table),
        _ => None,
    }
}

/// Entries of the tables that are written, and bytes in an entry.
const ENTRIES: u64 = 128;
const ENTRY_SIZE: u64 = 128;

impl Table {
    /// An empty table for a disk of `size` bytes: the protective MBR, the header and the entries come
    /// first, the entries' and the header's backup last.
    pub fn empty(size: u64, sector: u64) -> Self {
        let sector = sector.max(1);
        let entries = (ENTRIES * ENTRY_SIZE).div_ceil(sector);
        Self {
            guid: None,
            first_usable: 2 + entries,
            last_usable: (size / sector).saturating_sub(entries + 2),
            partitions: std::collections::BTreeMap::new(),
            slots: u32::try_from(ENTRIES).unwrap_or(u32::MAX),
            hybrid: Vec::new(),
            repair: None,
            unseen: false,
        }
    }
}

/// Bytes as those of a random UUID (RFC 9562, section 5.4).
fn random(mut bytes: [u8; 16]) -> [u8; 16] {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}

/// A size for people: whole units where it has them.
pub fn human(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (unit, size) in UNITS {
        if bytes >= size && bytes.is_multiple_of(size) {
            return format!("{} {unit}", bytes / size);
        }
    }
    for (unit, size) in UNITS {
        if bytes >= 10 * size {
            let tenths = bytes / (size / 10).max(1);
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{bytes} bytes")
}

impl fmt::Display for DiskOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskOp::CreateTable {
                disk,
                destroys: None,
            } => write!(f, "create an empty partition table on {disk}"),
            DiskOp::CreateTable {
                disk,
                destroys: Some(lost),
            } => write!(f, "replace {lost} on {disk} by an empty partition table"),
            DiskOp::RepairTable { disk, problem } => {
                write!(f, "repair the partition table on {disk}: {problem}")
            }
            DiskOp::ReplaceDiskGuid {
                disk,
                from,
                problem,
            } => {
                write!(f, "replace the disk GUID {from} of {disk} by a random one")?;
                match problem {
                    Some(problem) => write!(f, ", and repair the partition table: {problem}"),
                    None => Ok(()),
                }
            }
            DiskOp::DeletePartition {
                disk,
                number,
                label,
            } => {
                write!(f, "delete partition {number} {label:?} from {disk}")
            }
            DiskOp::CreatePartition {
                disk,
                number,
                start,
                end,
                sector,
                type_guid,
                guid,
                label,
            } => {
                let bytes = |sectors: u64| human(sectors.saturating_mul(*sector));
                let size = bytes(end.saturating_sub(*start).saturating_add(1));
                let at = bytes(*start);
                write!(
                    f,
                    "create partition {number} {label:?} on {disk}: {size} from {at}, type {type_guid}"
                )?;
                match guid {
                    Some(guid) => write!(f, ", GUID {guid}"),
                    None => f.write_str(", random GUID"),
                }
            }
            DiskOp::ResizePartition {
                disk,
                number,
                from,
                to,
                sector,
            } => {
                let change = human(from.abs_diff(*to).saturating_mul(*sector));
                let verb = if to < from { "shrink" } else { "grow" };
                write!(f, "{verb} partition {number} on {disk} by {change}")
            }
            DiskOp::WipeSignatures { device, destroys } => {
                write!(f, "wipe {destroys} from {device}")
            }
            DiskOp::MakeFilesystem {
                device,
                format,
                label,
                uuid,
                options,
            } => {
                let what = match format {
                    Format::Swap => "swap space".to_string(),
                    other => format!("file system {}", other.name()),
                };
                write!(f, "make {what} on {device}")?;
                if let Some(label) = label {
                    write!(f, ", label {label:?}")?;
                }
                if let Some(uuid) = uuid {
                    write!(f, ", UUID {uuid}")?;
                }
                if !options.is_empty() {
                    write!(f, ", options {}", options.join(" "))?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod uuid_tests {
    use super::*;

    #[test]
    fn a_file_system_without_a_uuid_gets_one_unless_the_users_options_do() {
        let named = |format: Format, given: Option<&str>, options: &[&str]| {
            let op = DiskOp::MakeFilesystem {
                device: "/dev/a".into(),
                format,
                label: None,
                uuid: given.map(Into::into),
                options: options.iter().map(ToString::to_string).collect(),
            };
            match op.with_uuid([0xab; 16]) {
                Some(DiskOp::MakeFilesystem { uuid, .. }) => uuid,
                _ => None,
            }
        };
        let uuid = Some("abababab-abab-4bab-abab-abababababab".to_string());
        for format in [Format::Ext4, Format::Xfs, Format::Btrfs, Format::Swap] {
            assert_eq!(named(format, None, &["-q"]), uuid, "{format:?}");
            assert_eq!(named(format, Some("u"), &[]), None);
        }
        assert_eq!(named(Format::Vfat, None, &[]).as_deref(), Some("abababab"));
        for (format, options) in [
            (Format::Ext4, ["-U", "x"]),
            (Format::Btrfs, ["--uuid", "x"]),
            (Format::Swap, ["-Ux", ""]),
            (Format::Xfs, ["-m", "crc=1,uuid=x"]),
            (Format::Vfat, ["-i", "12345678"]),
        ] {
            assert_eq!(named(format, None, &options), None, "{format:?}");
        }
        assert_eq!(named(Format::None, None, &[]), None);
    }
}
