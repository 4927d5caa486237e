//! The record of an installation, by which a second run finds everything done.

use pilotlight_core::facts::disks::{TableState, partition_node};
use pilotlight_core::hex;
use pilotlight_core::model::SysPath;
use sha2::{Digest as _, Sha256};

use crate::apply;
use crate::document::SMALL;
use crate::op::Partition;
use crate::plan::{Content, RECORD, Wanted};
use crate::target::{Kind, Target};

/// What tells a later run that all of this is done.
pub(crate) fn record(identity: &str, wanted: &Wanted) -> Content {
    let mut sum = Sha256::new();
    let mut add = |bytes: &[u8]| {
        sum.update((bytes.len() as u64).to_le_bytes());
        sum.update(bytes);
    };
    for content in [&wanted.config, &wanted.cloud_config] {
        add(content.as_ref().map_or(&[][..], |content| &content.bytes));
    }
    for (name, content) in &wanted.network {
        add(name.as_bytes());
        add(&content.bytes);
    }
    add(format!("{:?}", wanted.arguments).as_bytes());
    if let Some(card) = &wanted.card {
        add(format!("{:?}", card.options).as_bytes());
        for (path, file) in &card.firmware.files {
            add(path.as_bytes());
            add(&file.bytes);
        }
    }
    let text = serde_json::json!({
        "image": identity,
        "config": hex::encode(&sum.finalize()),
    });
    Content {
        what: "a record of this installation".into(),
        bytes: format!("{text}\n").into_bytes(),
    }
}

/// Whether a disk has the record of the same installation. What cannot be looked at has none.
pub(crate) fn is_there(target: &Target, wanted: &Wanted) -> bool {
    let (Some(record), Some(block)) = (&wanted.record, target.block()) else {
        return false;
    };
    let TableState::Gpt(table) = &block.table else {
        return false;
    };
    let home = ["OEM", "boot"]
        .into_iter()
        .find_map(|label| (table.partitions.iter()).find(|(_, entry)| entry.label == label));
    let Some((number, entry)) = home.filter(|_| table.repair.is_none()) else {
        return false;
    };
    let partition = Partition {
        disk: target.node.clone(),
        node: (target.kind == Kind::Disk && target.all_known)
            .then(|| partition_node(&target.node, *number)),
        number: *number,
        label: entry.label.clone(),
        start: entry.start.saturating_mul(block.sector),
        size: entry.sectors().saturating_mul(block.sector),
    };
    let found = apply::mounted(&partition, false, |mount| {
        let path = SysPath::parse(RECORD).ok();
        Ok(path.and_then(|path| mount.read(&path, SMALL).ok()?))
    });
    found.is_ok_and(|found| found.as_deref() == Some(&record.bytes))
}
