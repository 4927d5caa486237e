//! File systems: which are made, which are kept (Ignition's operator notes, "Filesystem reuse semantics").

use crate::diag::{Diagnostic, Report};
use crate::facts::Facts;
use crate::facts::disks::{Block, Signature, Superblock, TableState};
use crate::model::{Filesystem, Format};
use crate::op::{DiskOp, canonical_uuid};
use crate::plan::devices::{ambivalent, find};
use crate::plan::{Plan, Planned};

/// Plans all file systems of a config.
pub fn plan(filesystems: &[Filesystem], facts: &Facts) -> Planned {
    let mut plan = Plan::default();
    let mut report = Report::default();
    for filesystem in filesystems {
        let Some(format) = filesystem.format else {
            continue;
        };
        let planned = find(filesystem.device.as_str(), filesystem.at, facts)
            .and_then(|(node, block)| plan_one(filesystem, format, &node, block, &mut plan));
        if let Err(diagnostic) = planned {
            report.push(diagnostic);
        }
    }
    if report.has_errors() {
        Err(report)
    } else {
        Ok(plan)
    }
}

fn plan_one(
    filesystem: &Filesystem,
    format: Format,
    node: &str,
    block: &Block,
    plan: &mut Plan,
) -> Result<(), Diagnostic> {
    let there = content(block);
    let wipe = filesystem.wipe_filesystem;
    if kept_as(filesystem, format, block).is_some() {
        return Ok(());
    }
    match (&there, wipe) {
        (Some(content), false) => {
            let help = "set wipeFilesystem to true if it may be lost";
            return Err(Diagnostic::error(
                filesystem.at,
                format!("{node} holds {content}, not {}", asked(filesystem, format)),
            )
            .help(help));
        }
        (Some(content), true) => {
            in_use(filesystem, node, block)?;
            let op = DiskOp::WipeSignatures {
                device: node.into(),
                destroys: content.clone(),
            };
            plan.push(op, "wipeFilesystem is set", filesystem.at);
        }
        (None, _) => {}
    }
    if format == Format::None {
        return Ok(());
    }
    in_use(filesystem, node, block)?;
    let why = match (&there, &block.signature) {
        (Some(_), _) => "the config asks for a new one",
        (None, Signature::Unknown) => {
            "the partition is new; if an old file system is found there, this is an error"
        }
        (None, _) => "the device is blank",
    };
    plan.push(
        DiskOp::MakeFilesystem {
            device: node.into(),
            format,
            label: filesystem.label.clone(),
            uuid: filesystem.uuid.clone(),
            options: filesystem.options.clone(),
        },
        why,
        filesystem.at,
    );
    Ok(())
}

/// The format of the file system that is there, if it is one that is kept.
pub(super) fn kept_as(filesystem: &Filesystem, format: Format, block: &Block) -> Option<Format> {
    let Signature::Found(found) = &block.signature else {
        return None;
    };
    if filesystem.wipe_filesystem || format == Format::None || block.table != TableState::None {
        return None;
    }
    formats(filesystem, format).find(|format| matches(filesystem, *format, found))
}

/// The formats that will do. The OEM partition was ext4 and is btrfs: configs written for either are
/// taken on both, because it holds what the vendor put there (Flatcar).
fn formats(filesystem: &Filesystem, format: Format) -> impl Iterator<Item = Format> {
    const OEM: [&str; 2] = ["/dev/disk/by-label/OEM", "/dev/disk/by-partlabel/OEM"];
    let other = match format {
        Format::Ext4 => Some(Format::Btrfs),
        Format::Btrfs => Some(Format::Ext4),
        _ => None,
    };
    let other = other.filter(|_| OEM.contains(&filesystem.device.as_str()));
    let all = [Some(format), other].into_iter().flatten();
    all.filter(|format| format.maker().is_some())
}

fn in_use(filesystem: &Filesystem, node: &str, block: &Block) -> Result<(), Diagnostic> {
    match &block.used {
        Some(used) => Err(Diagnostic::error(
            filesystem.at,
            format!("{node} cannot be formatted: it is {used}"),
        )),
        None => Ok(()),
    }
}

/// What is on a device, in words.
pub(super) fn content(block: &Block) -> Option<String> {
    match (&block.table, &block.signature) {
        (TableState::Gpt(table), _) if table.partitions.is_empty() => {
            Some("an empty partition table".into())
        }
        (TableState::Gpt(_), _) => Some("a partition table".into()),
        (TableState::Other(kind), _) => Some(kind.clone()),
        (TableState::None, Signature::Found(found)) => {
            let mut words = found.kind.clone();
            if !found.label.is_empty() {
                words.push_str(&format!(" with the label {:?}", found.label));
            }
            if let Some(uuid) = &found.uuid {
                words.push_str(&format!(" (UUID {uuid})"));
            }
            Some(words)
        }
        (TableState::None, Signature::Ambivalent(kinds)) => Some(ambivalent(kinds)),
        (TableState::None, Signature::Blank | Signature::Unknown) => None,
    }
}

fn asked(filesystem: &Filesystem, format: Format) -> String {
    let mut words = match format {
        Format::None => "nothing".to_string(),
        other => other.name().to_string(),
    };
    if let Some(label) = &filesystem.label {
        words.push_str(&format!(" with the label {label:?}"));
    }
    if let Some(uuid) = &filesystem.uuid {
        words.push_str(&format!(" (UUID {})", canonical_uuid(format, uuid)));
    }
    words
}

fn matches(filesystem: &Filesystem, format: Format, found: &Superblock) -> bool {
    let uuid = filesystem
        .uuid
        .as_ref()
        .map(|uuid| canonical_uuid(format, uuid));
    found.kind == format.name()
        && filesystem.label.as_ref().is_none_or(|label| *label == found.label)
        // A predicted file system with a random UUID cannot be asked for by UUID yet.
        && uuid.is_none_or(|uuid| found.uuid.as_ref() == Some(&uuid))
}

#[cfg(test)]
#[path = "filesystems_tests.rs"]
mod tests;
