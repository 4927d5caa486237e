//! Partitions by sectors: those of the disk, as the specification of version 2 says.
//!
//! A MiB stands for 2048 of them, which it is where they have 512 bytes; the plan knows the disk.

use std::collections::HashSet;

use super::stated;
use crate::diag::Diagnostic;
use crate::spec::At;
use crate::spec::v2;
use crate::spec::v3;
use crate::translate::{Translation, at};

/// Sectors that stand for a MiB.
const SECTORS: i64 = 2048;

/// Disks whose partitions are measured in MiB, and are all named.
pub(super) fn disks(mut old: Vec<v2::Disk>, cx: &mut Translation<'_>) -> Vec<v3::Disk> {
    let partitions = old.iter().flat_map(|disk| &disk.partitions);
    let sectors = partitions.flat_map(|partition| [&partition.start, &partition.size]);
    // Which disks have larger sectors is not known here: it is said once.
    if let Some(first) = sectors.flatten().find(|sectors| sectors.value > 0) {
        cx.report.push(
            Diagnostic::hint(
                first.span,
                "sectors are those of the disk: where they have 4096 bytes, it is eight times as large as where they have 512",
            )
            .help("say it in MiB, as version 2.3.0 can: startMiB and sizeMiB"),
        );
    }
    old.iter_mut().for_each(|disk| name_all(disk, cx));
    old.into_iter().map(|old| disk(old, cx)).collect()
}

/// A partition without number and label took the next free slot. On an emptied disk that is known; on
/// another one the slot is found by a label, by which the partition is known again.
fn name_all(disk: &mut v2::Disk, cx: &mut Translation<'_>) {
    let wiped = disk.wipe_table.as_ref().is_some_and(|wipe| wipe.value);
    let number = |partition: &v2::Partition| partition.number.as_ref().map_or(0, |at| at.value);
    let mut numbers: HashSet<i64> = disk.partitions.iter().map(number).collect();
    let labels: HashSet<String> = (disk.partitions.iter())
        .filter_map(|partition| Some(partition.label.as_ref()?.value.clone()))
        .collect();
    let mut next = 1;
    for partition in &mut disk.partitions {
        let exists = partition
            .should_exist
            .as_ref()
            .is_none_or(|flag| flag.value);
        let is_named = partition
            .label
            .as_ref()
            .is_some_and(|label| !label.value.is_empty());
        if number(partition) != 0 || is_named || !exists {
            continue;
        }
        while numbers.contains(&next) || labels.contains(&label(next)) {
            next += 1;
        }
        numbers.insert(next);
        if wiped {
            partition.number = at(next, partition.at);
            continue;
        }
        partition.label = at(label(next), partition.at);
        let message = format!(
            "the partition has neither number nor label: it gets the label {:?}, by which it is found again",
            label(next)
        );
        cx.report
            .push(Diagnostic::hint(partition.at, message).help("give it a number or a label"));
    }
}

fn label(number: i64) -> String {
    format!("partition-{number}")
}

/// A disk whose partitions are measured in MiB.
fn disk(old: v2::Disk, cx: &mut Translation<'_>) -> v3::Disk {
    let own_sectors = |partition: &v2::Partition| {
        let stated = |size: &&At<i64>| size.value > 0;
        let mib = [&partition.start_mib, &partition.size_mib];
        let sectors = [&partition.start, &partition.size].into_iter().flatten();
        // Of both at once nobody could say what a MiB stands for.
        let mixed = mib.into_iter().flatten().any(|size| stated(&size));
        let first = sectors.into_iter().find(stated).filter(|_| !mixed)?;
        at(true, first.span)
    };
    let mut mib = |sectors: Option<At<i64>>, mib: Option<At<i64>>, what: &str| match (sectors, mib)
    {
        (Some(sectors), Some(mib)) if sectors.value != 0 => {
            let diagnostic =
                Diagnostic::error(mib.span, format!("{what} and {what}MiB are stated both"))
                    .other(sectors.span, "the other one is stated at")
                    .help(format!("keep {what}MiB"));
            cx.report.push(diagnostic);
            Some(mib)
        }
        (Some(sectors), None) => {
            if sectors.value < 0 {
                let message = format!("{what} may not be negative, this is {}", sectors.value);
                cx.report.push(
                    Diagnostic::error(sectors.span, message)
                        .help("0 is the first free place, or all that is left"),
                );
                return None;
            }
            if sectors.value % SECTORS != 0 {
                let message = format!(
                    "{what} {} is no whole number of MiB ({SECTORS} sectors of 512 bytes)",
                    sectors.value
                );
                let near = (sectors.value / SECTORS)
                    .saturating_add(1)
                    .saturating_mul(SECTORS);
                cx.report.push(
                    Diagnostic::error(sectors.span, message)
                        .help(format!("write {near}, or {what}MiB from version 2.3.0 on")),
                );
            }
            at(sectors.value / SECTORS, sectors.span)
        }
        (_, mib) => mib,
    };
    v3::Disk {
        at: old.at,
        device: old.device,
        wipe_table: old.wipe_table,
        partitions: old
            .partitions
            .into_iter()
            .map(|partition| v3::Partition {
                at: partition.at,
                own_sectors: own_sectors(&partition),
                number: partition.number,
                label: stated(partition.label),
                start_mib: mib(partition.start, partition.start_mib, "start"),
                size_mib: mib(partition.size, partition.size_mib, "size"),
                type_guid: stated(partition.type_guid),
                guid: stated(partition.guid),
                wipe_partition_entry: partition.wipe_partition_entry,
                should_exist: partition.should_exist,
                resize: None,
            })
            .collect(),
    }
}
