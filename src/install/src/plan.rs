//! From what is wanted and what is there to the operations that bring the one to the other. Nothing here looks at
//! anything.

use std::sync::Arc;

use pilotlight_core::facts::Facts;
use pilotlight_core::facts::disks::{Disks, Table, TableState, partition_node};
use pilotlight_core::op::{DiskOp, Op};
use pilotlight_core::picture::Picture;

use crate::boot_arguments::BootArguments;
use crate::card::{Firmware, Rpi4};
use crate::edges::{self, Saved};
use crate::image::EDGE;
use crate::op::{BootText, InstallOp, Partition};
use crate::save::{self, Save};
use crate::target::{Kind, Refusal, Target, recognized};

/// An image, as far as its beginning tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its place as it may be shown.
    pub shown: String,
    /// Bytes, unpacked.
    pub size: u64,
    /// Bytes that its partitions may lie in: all but the backup of its table.
    pub content: u64,
    /// Bytes of a sector that its table counts in.
    pub sector: u64,
    /// Its GPT; `None` if it has none.
    pub table: Option<Table>,
}

/// A file that is put into the installed system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// What it is, in words.
    pub what: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A file with its name.
pub type Named = (String, Content);

/// A Raspberry Pi 4's firmware, read and checked.
#[derive(Debug, Clone)]
pub struct Card {
    /// Its place.
    pub from: String,
    /// Its files.
    pub firmware: Arc<Firmware>,
    /// What of it is chosen.
    pub options: Rpi4,
}

/// What is wanted of an installation.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Partitions of the disk that stay.
    pub save: Vec<Save>,
    /// Whether devices that stand on the disk and are not in use are taken down.
    pub release: bool,
    /// Whether what was written is read back.
    pub read_back: bool,
    /// The config, as Ignition JSON.
    pub config: Option<Content>,
    /// A cloud-config, for Flatcar alone.
    pub cloud_config: Option<Content>,
    /// Units of systemd-networkd (Flatcar) or connections of NetworkManager (Fedora CoreOS).
    pub network: Vec<Named>,
    /// Kernel arguments.
    pub arguments: BootArguments,
    /// Whether the firmware is to start the disk.
    pub boot_entry: bool,
    /// What makes a card of it that a Raspberry Pi 4 boots from.
    pub card: Option<Card>,
    /// What tells a second run that all of this is done already.
    pub record: Option<Content>,
}

/// What is done, in order.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Operations.
    pub ops: Vec<InstallOp>,
    /// The files that they put in place.
    pub contents: Vec<Content>,
    /// The firmware that one of them puts in place.
    pub firmware: Option<Arc<Firmware>>,
    /// What else is to be said.
    pub notes: Vec<String>,
    /// The disk before and after.
    pub picture: Picture,
}

/// Which system an image holds, by the labels of its partitions.
enum Layout {
    /// Flatcar: config and grub.cfg on OEM, the rest on ROOT.
    Flatcar {
        oem: Partition,
        root: Option<Partition>,
    },
    /// Fedora CoreOS and its kin: everything on boot.
    CoreOs { boot: Partition },
}

/// Where a file of an installed system is that records what was installed.
pub const RECORD: &str = "/pilotlight-install.json";

/// Plans an installation; every reason against it is named at once.
pub fn plan(target: &Target, image: &Image, wanted: &Wanted) -> Result<Plan, Vec<Refusal>> {
    let mut refusals = target.refusals(wanted.release);
    let block = target.block();
    if let Some(block) = block
        && target.kind == Kind::Disk
    {
        if block.size < image.size {
            refusals.push(Refusal::TooSmall {
                node: target.node.clone(),
                room: block.size,
                image: image.size,
            });
        }
        if image.table.is_some() && block.sector != image.sector {
            refusals.push(Refusal::Sectors {
                node: target.node.clone(),
                disk: block.sector,
                image: image.sector,
            });
        }
    }
    let mut plan = Plan::default();
    let (kept, saved) = saved(target, image, wanted, &mut plan, &mut refusals);
    let layout = layout(target, image);
    put_files(target, image, layout, wanted, &mut plan, &mut refusals);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let disk = || target.node.clone();
    let end = block.map_or(image.size, |block| block.size.max(image.size));
    let (early, late): (Vec<_>, Vec<_>) = std::mem::take(&mut plan.ops)
        .into_iter()
        .partition(|op| is_early(op, end));
    plan.ops = destroy(target, &kept, wanted, image.size);
    plan.ops.push(InstallOp::WriteImage {
        disk: disk(),
        image: image.shown.clone(),
        size: image.size,
        saved: saved.clone(),
        read_back: wanted.read_back,
    });
    if let (Kind::Disk, Some(table), false) = (&target.kind, &image.table, early.is_empty()) {
        let mut partitions: Vec<Saved> = (table.partitions.iter())
            .map(|(number, entry)| (*number, entry.clone()))
            .collect();
        partitions.extend(saved.iter().cloned());
        plan.ops.push(InstallOp::TellKernel {
            disk: disk(),
            partitions,
            sector: image.sector,
        });
    }
    plan.ops.extend(early);
    plan.ops.push(InstallOp::Finish {
        disk: disk(),
        saved: saved.clone(),
    });
    plan.ops.extend(late);
    plan.picture = picture(target, image, &kept, &saved);
    Ok(plan)
}

/// Plans to put files into an image that is there already.
pub fn customize(target: &Target, image: &Image, wanted: &Wanted) -> Result<Plan, Vec<Refusal>> {
    let mut refusals = target.refusals(false);
    let mut plan = Plan::default();
    let layout = layout(target, image);
    put_files(target, image, layout, wanted, &mut plan, &mut refusals);
    match refusals.is_empty() {
        true => Ok(plan),
        false => Err(refusals),
    }
}

/// Whether it is done before the disk boots, so that none ever boots without it: not where the last MiB of the disk is
/// concerned, which is not there yet.
fn is_early(op: &InstallOp, end: u64) -> bool {
    match op {
        // The record says that all the rest is done.
        InstallOp::PutFile { path, .. } if path == RECORD => false,
        InstallOp::PutFile { partition, .. }
        | InstallOp::PutFirmware { partition, .. }
        | InstallOp::ChangeArguments { partition, .. } => {
            partition.start.saturating_add(partition.size) <= end.saturating_sub(EDGE as u64)
        }
        _ => false,
    }
}

/// The partitions that stay, with the numbers that they have and those that they get.
fn saved(
    target: &Target,
    image: &Image,
    wanted: &Wanted,
    plan: &mut Plan,
    refusals: &mut Vec<Refusal>,
) -> (Vec<Saved>, Vec<Saved>) {
    if wanted.save.is_empty() {
        return Default::default();
    }
    let mut refuse = |why: String| refusals.push(Refusal::Saved(why));
    let table = match target.block().map(|block| &block.table) {
        Some(TableState::Gpt(table)) => table,
        Some(TableState::Other(kind)) => {
            refuse(format!(
                "{} has {kind}, of which no partition can be saved",
                target.node
            ));
            return Default::default();
        }
        _ => {
            plan.notes
                .push(format!("{} has no partitions: none is saved", target.node));
            return Default::default();
        }
    };
    let kept = save::saved(table, &wanted.save);
    if kept.is_empty() {
        plan.notes.push(format!(
            "{} has no partition of those that are to be saved",
            target.node
        ));
        return Default::default();
    }
    if target.kind == Kind::File {
        refuse(format!(
            "{} is a file, and partitions are saved on disks only",
            target.node
        ));
    }
    let Some(of_image) = &image.table else {
        refuse("the image has no GPT into which saved partitions could be put".into());
        return Default::default();
    };
    match edges::numbered(of_image, image.content.div_ceil(image.sector), &kept) {
        Ok(saved) => (kept, saved),
        Err(why) => {
            refuse(why);
            Default::default()
        }
    }
}

/// Everything that is on the disk goes, but for what is saved.
fn destroy(target: &Target, kept: &[Saved], wanted: &Wanted, size: u64) -> Vec<InstallOp> {
    let mut ops = Vec::new();
    if target.kind == Kind::File {
        let there = target.block().map_or(0, |block| block.size);
        ops.push(InstallOp::MakeFile {
            path: target.node.clone(),
            size: there.max(size),
            destroys: target.block().map(|_| {
                target
                    .holds()
                    .unwrap_or_else(|| "nothing that is recognized".into())
            }),
        });
        return ops;
    }
    if wanted.release {
        ops.extend(target.holders.iter().cloned().map(InstallOp::Release));
    }
    let is_kept = |node: &str| {
        kept.iter()
            .any(|(number, _)| partition_node(&target.node, *number) == node)
    };
    let wipes: Vec<InstallOp> = (target.disks.blocks.iter())
        .filter(|(node, _)| **node != target.node && !is_kept(node))
        .filter_map(|(node, block)| {
            let destroys = recognized(&block.signature)?;
            let device = node.clone();
            Some(InstallOp::Disk(DiskOp::WipeSignatures { device, destroys }))
        })
        .collect();
    if let (false, Some(block)) = (wipes.is_empty() || target.all_known, target.block())
        && let TableState::Gpt(table) = &block.table
    {
        ops.push(InstallOp::TellKernel {
            disk: target.node.clone(),
            partitions: (table.partitions.iter())
                .map(|(number, entry)| (*number, entry.clone()))
                .collect(),
            sector: block.sector,
        });
    }
    ops.extend(wipes);
    if kept.is_empty() {
        ops.extend(target.holds().map(|destroys| {
            InstallOp::Disk(DiskOp::WipeSignatures {
                device: target.node.clone(),
                destroys,
            })
        }));
        return ops;
    }
    if let Some(TableState::Gpt(table)) = target.block().map(|block| &block.table) {
        ops.extend(table.repair.iter().map(|problem| {
            InstallOp::Disk(DiskOp::RepairTable {
                disk: target.node.clone(),
                problem: problem.clone(),
            })
        }));
        let gone = (table.partitions.iter())
            .filter(|(number, _)| !kept.iter().any(|(kept, _)| kept == *number));
        ops.extend(gone.map(|(number, entry)| {
            InstallOp::Disk(DiskOp::DeletePartition {
                disk: target.node.clone(),
                number: *number,
                label: entry.label.clone(),
            })
        }));
    }
    ops
}

/// A partition of the image by its label, as it will be on the target.
fn partition(target: &Target, image: &Image, label: &str) -> Option<Partition> {
    let table = image.table.as_ref()?;
    let (number, entry) = table
        .partitions
        .iter()
        .find(|(_, entry)| entry.label == label)?;
    Some(Partition {
        disk: target.node.clone(),
        node: (target.kind == Kind::Disk).then(|| partition_node(&target.node, *number)),
        number: *number,
        label: label.into(),
        start: entry.start.saturating_mul(image.sector),
        size: entry.sectors().saturating_mul(image.sector),
    })
}

fn layout(target: &Target, image: &Image) -> Option<Layout> {
    if let Some(oem) = partition(target, image, "OEM") {
        let root = partition(target, image, "ROOT");
        return Some(Layout::Flatcar { oem, root });
    }
    let boot = partition(target, image, "boot")?;
    Some(Layout::CoreOs { boot })
}

fn put_files(
    target: &Target,
    image: &Image,
    layout: Option<Layout>,
    wanted: &Wanted,
    plan: &mut Plan,
    refusals: &mut Vec<Refusal>,
) {
    let mut refuse = |why: &str| refusals.push(Refusal::Layout(why.into()));
    let (home, config_path, text) = match &layout {
        Some(Layout::Flatcar { oem, .. }) => (Some(oem), "/config.ign", BootText::GrubCfg),
        Some(Layout::CoreOs { boot }) => (Some(boot), "/ignition/config.ign", BootText::Entries),
        None => (None, "", BootText::GrubCfg),
    };
    let root = match &layout {
        Some(Layout::Flatcar { root, .. }) => root.as_ref(),
        _ => None,
    };
    let mut put = |partition: &Partition, path: String, mode: u32, content: &Content| {
        plan.ops.push(InstallOp::PutFile {
            partition: partition.clone(),
            path,
            what: content.what.clone(),
            mode,
            content: plan.contents.len(),
        });
        plan.contents.push(content.clone());
    };
    if let Some(content) = &wanted.config {
        match home {
            Some(home) => put(home, config_path.into(), 0o600, content),
            None => refuse(
                "the image has neither a partition OEM nor one named boot: there is no place for a config",
            ),
        }
    }
    if let Some(content) = &wanted.cloud_config {
        match root {
            Some(root) => put(
                root,
                "/var/lib/flatcar-install/user_data".into(),
                0o600,
                content,
            ),
            None => refuse(
                "the image has no partitions OEM and ROOT: there is no place for a cloud-config",
            ),
        }
    }
    for (name, content) in &wanted.network {
        match (&layout, root, home) {
            (Some(Layout::CoreOs { .. }), _, Some(boot)) => {
                put(
                    boot,
                    format!("/coreos-firstboot-network/{name}"),
                    0o600,
                    content,
                );
            }
            (_, Some(root), _) => put(root, format!("/etc/systemd/network/{name}"), 0o644, content),
            _ => {
                refuse(
                    "the image has neither a partition ROOT nor one named boot: there is no place for network files",
                );
                break;
            }
        }
    }
    if !wanted.arguments.is_empty() {
        match home {
            Some(home) => plan.ops.push(InstallOp::ChangeArguments {
                partition: home.clone(),
                text,
                arguments: wanted.arguments.clone(),
            }),
            None => refuse(
                "the image has neither a partition OEM nor one named boot: kernel arguments cannot be changed",
            ),
        }
    }
    if let Some(card) = &wanted.card {
        match partition(target, image, "EFI-SYSTEM") {
            Some(partition) => {
                plan.ops.push(InstallOp::PutFirmware {
                    partition,
                    from: card.from.clone(),
                    options: card.options,
                });
                plan.firmware = Some(card.firmware.clone());
            }
            None => refuse("the image has no partition EFI-SYSTEM for a Raspberry Pi's firmware"),
        }
    }
    if wanted.boot_entry {
        match partition(target, image, "EFI-SYSTEM") {
            Some(partition) if target.kind == Kind::Disk => plan.ops.push(InstallOp::BootEntry {
                label: "Flatcar Container Linux".into(),
                partition,
            }),
            Some(_) => refuse("a file is nothing that this machine's firmware could start"),
            None => {
                refuse("the image has no partition EFI-SYSTEM that the firmware could start from")
            }
        }
    }
    if let (Some(content), Some(home)) = (&wanted.record, home) {
        plan.ops.push(InstallOp::PutFile {
            partition: home.clone(),
            path: RECORD.into(),
            what: content.what.clone(),
            mode: 0o600,
            content: plan.contents.len(),
        });
        plan.contents.push(content.clone());
    }
}

/// The disk before and after. The image's partitions are new ones, whatever was there.
fn picture(target: &Target, image: &Image, kept: &[Saved], saved: &[Saved]) -> Picture {
    let disk = &target.node;
    let mut before = target.disks.clone();
    if before.blocks.is_empty() {
        return Picture::default();
    }
    // A saved partition may get another number; the picture knows partitions by theirs.
    if kept
        .iter()
        .map(|(number, _)| number)
        .ne(saved.iter().map(|(number, _)| number))
    {
        before = renumbered(before, disk, kept, saved);
    }
    let Some(block) = before.blocks.get(disk) else {
        return Picture::default();
    };
    let mut ops = Vec::new();
    if let (TableState::Gpt(table), false) = (&block.table, saved.is_empty()) {
        ops.extend(table.repair.iter().map(|problem| DiskOp::RepairTable {
            disk: disk.clone(),
            problem: problem.clone(),
        }));
        let gone = (table.partitions.iter())
            .filter(|(number, _)| !saved.iter().any(|(saved, _)| saved == *number));
        ops.extend(gone.map(|(number, entry)| DiskOp::DeletePartition {
            disk: disk.clone(),
            number: *number,
            label: entry.label.clone(),
        }));
    } else {
        ops.push(DiskOp::CreateTable {
            disk: disk.clone(),
            destroys: target.holds(),
        });
    }
    for (number, entry) in image.table.iter().flat_map(|table| &table.partitions) {
        ops.push(DiskOp::CreatePartition {
            disk: disk.clone(),
            number: *number,
            start: entry.start,
            end: entry.end,
            sector: image.sector,
            type_guid: entry.type_guid,
            guid: entry.guid,
            label: entry.label.clone(),
        });
    }
    let ops: Vec<Op> = ops.into_iter().map(Op::Disk).collect();
    let mut after = Facts {
        disks: before.clone(),
        ..Facts::default()
    };
    for op in &ops {
        op.predict(&mut after);
    }
    Picture::new(&before, ops.iter(), &after.disks)
}

fn renumbered(mut disks: Disks, disk: &str, kept: &[Saved], saved: &[Saved]) -> Disks {
    let mut moved = Vec::new();
    for ((from, _), (to, entry)) in kept.iter().zip(saved) {
        let block = disks.blocks.remove(&partition_node(disk, *from));
        moved.extend(block.map(|block| (partition_node(disk, *to), block)));
        if let Some(TableState::Gpt(table)) =
            disks.blocks.get_mut(disk).map(|block| &mut block.table)
        {
            table.partitions.remove(from);
            table.partitions.insert(*to, entry.clone());
        }
    }
    disks.blocks.extend(moved);
    disks
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
