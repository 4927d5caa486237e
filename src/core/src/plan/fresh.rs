//! Disks of a fresh image: each copy of an image has the same disk GUID, which one of its own replaces on
//! the first boot, so that two such disks can be told apart.

use crate::diag::Diagnostic;
use crate::facts::disks::{Block, Disks, Signature, TableState};
use crate::model::Guid;
use crate::op::DiskOp;
use crate::plan::Plan;

/// The disk GUID of Flatcar's images.
const IMAGE: Guid = Guid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

/// Arguments of the kernel that name another one.
const ARGUMENTS: [&str; 2] = ["flatcar.randomize_disk_guid", "coreos.randomize_disk_guid"];

/// Labels by which the disk of such an image is known. The GUID alone says little: it is easily typed.
const LABELS: [&str; 3] = ["ROOT", "OEM", "EFI-SYSTEM"];

/// The GUID that is to be replaced, by the words of the kernel command line; the last one counts. What is
/// no GUID is passed over.
pub fn image_guid(cmdline: &[String]) -> Guid {
    let named = |word: &String| {
        let (name, value) = word.split_once('=')?;
        ARGUMENTS.contains(&name).then_some(())?;
        Guid::parse(value).ok()
    };
    cmdline.iter().rev().find_map(named).unwrap_or(IMAGE)
}

/// Plans a GUID for each disk of a fresh image. What cannot be done safely is left and said: a machine
/// boots with the image's GUID, too.
pub fn plan(disks: &Disks) -> Plan {
    let mut plan = Plan::default();
    for (disk, block) in &disks.fresh {
        let TableState::Gpt(table) = &block.table else {
            continue;
        };
        let labelled = |label: &str| table.partitions.values().any(|entry| entry.label == label);
        let (Some(from), Some(label)) = (table.guid, LABELS.iter().find(|label| labelled(label)))
        else {
            continue;
        };
        if let Some(obstacle) = obstacle(block) {
            let message = format!("{disk} keeps the disk GUID {from} of its image: {obstacle}");
            plan.notes.push(Diagnostic::warning(None, message));
            continue;
        }
        let op = DiskOp::ReplaceDiskGuid {
            disk: disk.clone(),
            from,
            problem: table.repair.clone(),
        };
        let why = format!(
            "every disk with a copy of the image has this GUID, and a partition labelled {label}"
        );
        plan.push(op, why, None);
    }
    plan
}

fn obstacle(block: &Block) -> Option<String> {
    if let Some(used) = &block.used {
        return Some(format!("it is {used}"));
    }
    match (&block.signature, &block.table) {
        // The table is the array's; what belongs at the end of this disk is the array's own data.
        (Signature::Found(found), _) if found.kind.ends_with("_raid_member") => {
            Some(format!("it is a part of an array ({})", found.kind))
        }
        (_, TableState::Gpt(table)) => table.fault(),
        _ => None,
    }
}

#[cfg(test)]
#[path = "fresh_tests.rs"]
mod tests;
