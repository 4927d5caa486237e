//! Partitions by sectors of 512 bytes.

use super::stated;
use crate::diag::Diagnostic;
use crate::spec::At;
use crate::spec::v2;
use crate::spec::v3;
use crate::translate::{Translation, at};

/// Sectors of a MiB. Old configs count sectors of 512 bytes whatever the disk's are.
const SECTORS: i64 = 2048;

/// A disk whose partitions are measured in MiB.
pub(super) fn disk(old: v2::Disk, cx: &mut Translation<'_>) -> v3::Disk {
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
