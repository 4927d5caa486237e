//! Volumes that are made of other devices.

use super::segments::{Changes, is_volume, partition_nodes, whole};
use super::{Device, Fate, MadeOf, Side};
use crate::facts::disks::{Block, Detail, Disks, RaidMember, Signature, TableState};
use crate::op::{Op, VolumeOp, array_node, volume_node};

/// A volume by what is known of it while the operations are gone through.
struct Volume {
    node: String,
    /// The node under which it runs before, where that is another one.
    old: Option<String>,
    made_of: MadeOf,
    new: bool,
}

/// Volumes in the order in which they are made; those that exist come first.
pub(super) fn volumes<'o>(
    before: &Disks,
    operations: impl Iterator<Item = &'o Op>,
    changes: &Changes,
    after: &Disks,
) -> Vec<Device> {
    let mut list = existing(before);
    for op in operations {
        let Op::Volume(op) = op else { continue };
        let volume = match op {
            VolumeOp::AssembleArray {
                name,
                uuid,
                members,
                ..
            } => Volume {
                node: array_node(name),
                old: before.arrays.get(uuid).cloned(),
                made_of: of_members(before, members.clone()),
                new: false,
            },
            VolumeOp::CreateArray {
                name,
                level,
                members,
                spares,
                ..
            } => Volume {
                node: array_node(name),
                old: None,
                made_of: MadeOf {
                    kind: format!("RAID array ({level})"),
                    members: members.clone(),
                    spares: *spares,
                },
                new: true,
            },
            VolumeOp::FormatVolume { name, device, .. } => Volume {
                node: volume_node(name),
                old: None,
                made_of: encrypted(vec![device.clone()]),
                new: true,
            },
            // What was just made is opened as well.
            VolumeOp::OpenVolume { name, device, .. } => {
                let node = volume_node(name);
                if list.iter().any(|known| known.node == node && known.new) {
                    continue;
                }
                Volume {
                    node,
                    old: None,
                    made_of: encrypted(vec![device.clone()]),
                    new: false,
                }
            }
            _ => continue,
        };
        // A volume that is made in the place of another is seen twice: the old one goes.
        list.retain(|known| known.node != volume.node || (volume.new && !known.new));
        list.push(volume);
    }
    (list.into_iter())
        .filter_map(|volume| volume.device(before, changes, after))
        .collect()
}

fn encrypted(members: Vec<String>) -> MadeOf {
    MadeOf {
        kind: "encrypted volume (LUKS)".into(),
        members,
        spares: 0,
    }
}

fn raid(block: &Block) -> Option<(&RaidMember, Option<&String>)> {
    match &block.signature {
        Signature::Found(found) => match &found.detail {
            Detail::Raid(member) => Some((member, found.uuid.as_ref())),
            _ => None,
        },
        _ => None,
    }
}

/// An array of members that exist, spares last.
fn of_members(disks: &Disks, mut members: Vec<String>) -> MadeOf {
    let member = |node: &String| disks.blocks.get(node).and_then(raid);
    let spare = |node: &String| member(node).is_some_and(|(member, _)| member.spare == Some(true));
    let level = members
        .iter()
        .find_map(&member)
        .map(|(member, _)| member.level);
    members.sort_by_key(|node| spare(node));
    let spares = members.iter().filter(|node| spare(node)).count();
    MadeOf {
        kind: match level {
            None => "RAID array".into(),
            Some(-1) => "RAID array (linear)".into(),
            Some(level) => format!("RAID array (raid{level})"),
        },
        spares: u32::try_from(spares).unwrap_or(u32::MAX),
        members,
    }
}

/// Volumes that run before anything is done.
fn existing(before: &Disks) -> Vec<Volume> {
    let old = |node: &String, made_of| Volume {
        node: node.clone(),
        old: None,
        made_of,
        new: false,
    };
    let parts = partition_nodes([before]);
    // One that has a partition table is drawn as a disk.
    let is_one = |node: &String| {
        let table = before.blocks.get(node).map(|block| &block.table);
        is_volume(node) && !parts.contains(node) && matches!(table, None | Some(TableState::None))
    };
    let mut list: Vec<Volume> = (before.arrays.iter())
        .filter(|(_, node)| is_one(node))
        .map(|(uuid, node)| {
            let members = (before.blocks.iter())
                .filter(|(_, block)| raid(block).is_some_and(|(_, of)| of == Some(uuid)))
                .map(|(member, _)| member.clone())
                .collect();
            old(node, of_members(before, members))
        })
        .collect();
    for node in before.blocks.keys().filter(|node| is_one(node)) {
        if list.iter().any(|known| known.node == *node) {
            continue;
        }
        list.push(old(
            node,
            match node.starts_with("/dev/md") {
                true => of_members(before, Vec::new()),
                // The kernel's name of a mapped device is not the one that it is known by.
                false => encrypted(Vec::new()),
            },
        ));
    }
    list
}

impl Volume {
    /// The volume with what lies in it. One that only gets another name is not seen under the old one.
    fn device(self, before: &Disks, changes: &Changes, after: &Disks) -> Option<Device> {
        let lost =
            |member: &String| changes.deleted.contains(member) || changes.wiped.contains(member);
        let gone = !self.new && self.made_of.members.iter().any(lost);
        let unknown = Block {
            size: 0,
            sector: 512,
            table: TableState::None,
            signature: Signature::Unknown,
            used: None,
        };
        let was =
            (before.blocks.get(self.old.as_ref().unwrap_or(&self.node))).filter(|_| !self.new);
        let will_be = after.blocks.get(&self.node);
        // What starts under another name holds what it held, unless something was made there.
        let will_be = match (was, will_be) {
            (Some(was), Some(later)) if later.signature == Signature::Unknown => Some(was),
            (_, later) => later,
        };
        let side = |block: &Block, fate: Option<Fate>| {
            let mut segment = whole(&self.node, block, &|node, signature| {
                let held = match self.new {
                    true => signature,
                    false => &was.unwrap_or(&unknown).signature,
                };
                changes.before(node, held)
            });
            segment.fate = fate.unwrap_or(segment.fate);
            Side {
                table: String::new(),
                segments: vec![segment],
            }
        };
        let (now, then) = match (self.new, gone, will_be) {
            (true, _, later) => {
                let made = side(later.unwrap_or(&unknown), Some(Fate::New));
                (Side::default(), made)
            }
            (_, true, _) => {
                let lost = side(was.unwrap_or(&unknown), Some(Fate::Deleted));
                (lost, Side::default())
            }
            (_, _, Some(later)) => (side(was.unwrap_or(&unknown), None), side(later, None)),
            (_, _, None) => return None,
        };
        Some(Device {
            size: will_be.or(was).map_or(0, |block| block.size),
            node: self.node,
            made_of: Some(self.made_of),
            before: now,
            after: then,
        })
    }
}

#[cfg(test)]
#[path = "volumes_tests.rs"]
mod tests;
