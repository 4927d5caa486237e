//! Disks and the segments that they consist of.

use std::collections::{BTreeMap, BTreeSet};

use super::{Content, Data, Device, Fate, Segment, Side};
use crate::facts::Usage;
use crate::facts::disks::{Block, Disks, Signature, Table, TableState, partition_node};
use crate::op::{DiskOp, Op, VolumeOp};

/// Free space that is smaller is the alignment of partitions.
const LEAST_GAP: u64 = 1 << 20;

/// What operations do, by node. A node is what it was before until its partition is deleted.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Partitions that are deleted.
    pub deleted: BTreeSet<String>,
    /// Partitions and volumes that are made, be it in the place of a deleted one.
    pub new: BTreeSet<String>,
    /// Whether a partition grows.
    pub resized: BTreeMap<String, bool>,
    /// Devices whose content is destroyed.
    pub wiped: BTreeSet<String>,
    /// Devices on which something is made.
    pub formatted: BTreeSet<String>,
}

impl Changes {
    pub fn new<'o>(before: &Disks, operations: impl Iterator<Item = &'o Op>) -> Self {
        let mut changes = Self::default();
        for op in operations {
            match op {
                Op::Disk(op) => changes.disk(before, op),
                Op::Volume(VolumeOp::CreateArray { members, .. }) => {
                    changes.formatted.extend(members.iter().cloned());
                }
                Op::Volume(VolumeOp::FormatVolume { device, .. }) => {
                    changes.formatted.insert(device.clone());
                }
                _ => {}
            }
        }
        changes
    }

    fn disk(&mut self, before: &Disks, op: &DiskOp) {
        match op {
            DiskOp::CreateTable { disk, .. } => self.wipe(before, disk),
            DiskOp::WipeSignatures { device, .. } => self.wipe(before, device),
            DiskOp::DeletePartition { disk, number, .. } => {
                self.deleted.insert(partition_node(disk, *number));
            }
            DiskOp::CreatePartition { disk, number, .. } => {
                self.new.insert(partition_node(disk, *number));
            }
            DiskOp::ResizePartition {
                disk,
                number,
                from,
                to,
                ..
            } => {
                (self.resized).insert(partition_node(disk, *number), to > from);
            }
            DiskOp::MakeFilesystem { device, .. } => {
                self.formatted.insert(device.clone());
            }
            DiskOp::RepairTable { .. } | DiskOp::ReplaceDiskGuid { .. } => {}
        }
    }

    /// All that is on a device is lost, its partitions included.
    fn wipe(&mut self, before: &Disks, device: &str) {
        if self.new.contains(device) {
            return;
        }
        self.wiped.insert(device.into());
        if let Some(table) = before.blocks.get(device).and_then(table_of) {
            let nodes = table.partitions.keys();
            (self.deleted).extend(nodes.map(|number| partition_node(device, *number)));
        }
    }

    /// What happens to a device and to its data, seen from before.
    pub fn before(&self, node: &str, signature: &Signature) -> (Fate, Data) {
        if self.deleted.contains(node) {
            return (Fate::Deleted, Data::Lost);
        }
        let fate = match self.resized.get(node) {
            Some(true) => Fate::Grown,
            Some(false) => Fate::Shrunk,
            None => Fate::Kept,
        };
        // What is blank cannot be lost.
        let wiped = self.wiped.contains(node) && *signature != Signature::Blank;
        let data = match (wiped, self.formatted.contains(node)) {
            (true, true) => Data::Replaced,
            (true, false) => Data::Lost,
            (false, true) => Data::Made,
            // Not being recognized is no proof of being empty: a partition that shrinks loses something.
            (false, false) if fate == Fate::Shrunk => Data::Cut,
            (false, false) if *signature == Signature::Blank => Data::None,
            (false, false) => Data::Kept,
        };
        (fate, data)
    }

    /// The same seen from afterwards, when `signature` is there.
    fn after(&self, node: &str, before: Option<&Block>, signature: &Signature) -> (Fate, Data) {
        match (self.new.contains(node), self.formatted.contains(node)) {
            (true, true) => (Fate::New, Data::Made),
            (true, false) => (Fate::New, Data::None),
            (false, _) => self.before(node, before.map_or(signature, known)),
        }
    }
}

/// What is on a device as a whole. A table is something that can be lost, whatever it is.
fn known(block: &Block) -> &Signature {
    match block.table {
        TableState::None => &block.signature,
        _ => &Signature::Unknown,
    }
}

fn table_of(block: &Block) -> Option<&Table> {
    match &block.table {
        TableState::Gpt(table) => Some(table),
        _ => None,
    }
}

/// Whether a node is one that the kernel or udev gives to volumes.
pub(super) fn is_volume(node: &str) -> bool {
    ["/dev/md", "/dev/mapper/", "/dev/dm-"]
        .iter()
        .any(|prefix| node.starts_with(prefix))
}

/// Nodes of all partitions of devices that were looked at.
pub(super) fn partition_nodes<'d>(disks: impl IntoIterator<Item = &'d Disks>) -> BTreeSet<String> {
    let blocks = disks.into_iter().flat_map(|disks| &disks.blocks);
    blocks
        .filter_map(|(node, block)| Some((node, table_of(block)?)))
        .flat_map(|(node, table)| {
            let numbers = table.partitions.keys();
            numbers.map(move |number| partition_node(node, *number))
        })
        .collect()
}

/// Everything that is neither a volume nor a partition of something that was looked at.
pub(super) fn disks(before: &Disks, changes: &Changes, after: &Disks) -> Vec<Device> {
    let parts = partition_nodes([before, after]);
    let volume = |node: &str, block: &Block| is_volume(node) && block.table == TableState::None;
    (before.blocks.iter())
        .filter(|(node, block)| !volume(node, block) && !parts.contains(*node))
        .map(|(node, block)| device(node, block, before, changes, after))
        .collect()
}

fn device(node: &str, block: &Block, before: &Disks, changes: &Changes, after: &Disks) -> Device {
    let is = |node: &str, signature: &Signature| changes.before(node, signature);
    let will_be =
        |node: &str, signature: &Signature| changes.after(node, before.blocks.get(node), signature);
    let later = after.blocks.get(node).unwrap_or(block);
    Device {
        node: node.into(),
        size: block.size,
        made_of: None,
        before: side(node, block, before, &is),
        after: side(node, later, after, &will_be),
    }
}

type Fates<'a> = dyn Fn(&str, &Signature) -> (Fate, Data) + 'a;

fn side(node: &str, block: &Block, disks: &Disks, fates: &Fates<'_>) -> Side {
    let words = match &block.table {
        TableState::None => "no partition table".into(),
        TableState::Other(kind) => kind.clone(),
        TableState::Gpt(table) => match &table.repair {
            Some(problem) => format!("GPT, to be repaired: {problem}"),
            None => "GPT".into(),
        },
    };
    let segments = match table_of(block) {
        Some(table) => partitions(node, block.sector, table, disks, fates),
        None => vec![whole(node, block, fates)],
    };
    Side {
        table: words,
        segments,
    }
}

/// A device without partitions that are understood.
pub(super) fn whole(node: &str, block: &Block, fates: &Fates<'_>) -> Segment {
    let (mut fate, data) = fates(node, known(block));
    let content = match &block.table {
        TableState::Other(kind) => Content::Table { kind: kind.clone() },
        _ => content(&block.signature),
    };
    // The device stays whatever happens to what is on it.
    if fate == Fate::Deleted {
        fate = Fate::Kept;
    }
    Segment {
        number: None,
        label: String::new(),
        start: 0,
        size: block.size,
        content,
        used: block.used.as_ref().map(Usage::to_string),
        fate,
        data,
    }
}

fn content(signature: &Signature) -> Content {
    match signature {
        Signature::Blank => Content::Blank,
        Signature::Unknown => Content::Unknown,
        Signature::Found(found) => Content::Format {
            format: found.kind.clone(),
            label: found.label.clone(),
        },
    }
}

/// Partitions in the order of the disk, and the free space between them.
fn partitions(
    disk: &str,
    sector: u64,
    table: &Table,
    disks: &Disks,
    fates: &Fates<'_>,
) -> Vec<Segment> {
    let bytes = |sectors: u64| sectors.saturating_mul(sector);
    let mut list: Vec<_> = table.partitions.iter().collect();
    list.sort_by_key(|(number, entry)| (entry.start, **number));
    let mut segments = Vec::new();
    let mut cursor = bytes(table.first_usable);
    let free = |segments: &mut Vec<Segment>, from: u64, to: u64| {
        let size = to.saturating_sub(from);
        if size >= LEAST_GAP {
            segments.push(Segment {
                number: None,
                label: String::new(),
                start: from,
                size,
                content: Content::Free,
                used: None,
                fate: Fate::Kept,
                data: Data::None,
            });
        }
    };
    for (number, entry) in list {
        let node = partition_node(disk, *number);
        let block = disks.blocks.get(&node);
        let signature = block.map_or(&Signature::Unknown, |block| &block.signature);
        let (fate, data) = fates(&node, signature);
        free(&mut segments, cursor, bytes(entry.start));
        segments.push(Segment {
            number: Some(*number),
            label: entry.label.clone(),
            start: bytes(entry.start),
            size: bytes(entry.sectors()),
            content: content(signature),
            used: block.and_then(|block| block.used.as_ref().map(Usage::to_string)),
            fate,
            data,
        });
        cursor = cursor.max(bytes(entry.end.saturating_add(1)));
    }
    free(
        &mut segments,
        cursor,
        bytes(table.last_usable.saturating_add(1)),
    );
    segments
}
