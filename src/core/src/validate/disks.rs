//! Disks and partitions (types/disk.go, partition.go).

use std::collections::BTreeMap;

use super::check::{Check, Seen, flag};
use crate::diag::{Diagnostic, Span};
use crate::model::{Disk, Guid, Partition};
use crate::ordered::Arrange as _;
use crate::spec::v3;

/// Characters of a GPT label (UEFI 2.10, table 5.6): 72 bytes of UTF-16.
const LABEL_UNITS: usize = 36;
/// Entries of the tables that are written.
const MAX_PARTITIONS: i64 = 128;

impl Check<'_> {
    pub(super) fn disks(&mut self, list: &[v3::Disk]) -> Vec<Disk> {
        let mut seen = Seen::default();
        let mut parsed = Vec::new();
        for wire in list {
            let device = self.path(&wire.device, wire.at, "the device of the disk");
            if let Some(given) = &wire.device {
                self.unique(&mut seen, &given.value, given.span, "the disk");
            }
            let partitions: Vec<Partition> = wire
                .partitions
                .iter()
                .filter_map(|p| self.partition(p))
                .collect();
            self.partitions_agree(&wire.partitions, &partitions);
            if let Some(device) = device {
                parsed.push(Disk {
                    at: wire.device.as_ref().and_then(|at| at.span).or(wire.at),
                    device,
                    wipe_table: flag(&wire.wipe_table, false),
                    partitions,
                });
            }
        }
        parsed
    }

    fn partition(&mut self, wire: &v3::Partition) -> Option<Partition> {
        let number = match &wire.number {
            Some(given) if !(0..=MAX_PARTITIONS).contains(&given.value) => {
                self.report.error(
                    given.span,
                    format!(
                        "partition numbers go from 1 to {MAX_PARTITIONS}; 0 is the next free one"
                    ),
                );
                0
            }
            Some(given) => u32::try_from(given.value).unwrap_or(0),
            None => 0,
        };
        if let Some(label) = &wire.label {
            let units = label.value.encode_utf16().count();
            if units > LABEL_UNITS {
                self.report.error(
                    label.span,
                    format!("the label has {units} UTF-16 units, {LABEL_UNITS} fit into a partition table"),
                );
            }
            // sgdisk's argument separator; kept out so that labels mean the same to all tools.
            if label.value.contains(':') {
                self.report
                    .error(label.span, "a partition label may not hold ':'");
            }
        }
        let partition = Partition {
            at: wire.at,
            number,
            label: wire.label.as_ref().map(|at| at.value.clone()),
            start_mib: self.natural(&wire.start_mib, "the start of a partition"),
            size_mib: self.natural(&wire.size_mib, "the size of a partition"),
            type_guid: self.guid(&wire.type_guid),
            guid: self.guid(&wire.guid),
            wipe_partition_entry: flag(&wire.wipe_partition_entry, false),
            should_exist: flag(&wire.should_exist, true),
            resize: flag(&wire.resize, false),
            own_sectors: flag(&wire.own_sectors, false),
        };
        if !partition.should_exist {
            let described = partition.label.is_some()
                || partition.start_mib.is_some()
                || partition.size_mib.is_some()
                || partition.type_guid.is_some()
                || partition.guid.is_some();
            if described {
                self.report.push(
                    Diagnostic::error(
                        wire.at,
                        "a partition that should not exist has nothing but a number",
                    )
                    .help("remove label, startMiB, sizeMiB, typeGuid and guid, or shouldExist"),
                );
            }
            if number == 0 {
                self.report.error(
                    wire.at,
                    "a partition that should not exist needs its number",
                );
            }
        }
        let unnamed = wire.number.as_ref().is_none_or(|given| given.value == 0);
        if unnamed
            && partition.should_exist
            && partition.label.as_deref().unwrap_or_default().is_empty()
        {
            self.report.push(
                Diagnostic::error(wire.at, "the partition has neither number nor label")
                    .help("give it a number, or a label and number 0 for the next free one"),
            );
        }
        // A size of 0 is a word for all that is free.
        if partition.resize && partition.size_mib.is_none() {
            self.report.push(
                Diagnostic::warning(
                    wire.at,
                    "resize without sizeMiB grows the partition into all space behind it",
                )
                .help("give sizeMiB if a certain size is meant"),
            );
        }
        Some(partition)
    }

    fn guid(&mut self, wire: &super::check::Text) -> Option<Guid> {
        let found = wire.as_ref().filter(|at| !at.value.is_empty())?;
        self.scalar(
            Guid::parse(&found.value),
            found.span,
            &format!("{:?} is no GUID", found.value),
        )
    }

    /// Numbers, labels and ranges of one disk may not collide. Only ranges that are known are compared.
    fn partitions_agree(&mut self, wire: &[v3::Partition], parsed: &[Partition]) {
        let (mut numbers, mut labels) = (Seen::default(), BTreeMap::new());
        for partition in wire {
            if let Some(number) = partition.number.as_ref().filter(|number| number.value != 0) {
                self.unique(
                    &mut numbers,
                    &number.value.to_string(),
                    number.span,
                    "the partition number",
                );
            }
            if let Some(label) = partition
                .label
                .as_ref()
                .filter(|label| !label.value.is_empty())
            {
                // Merging knows partitions by their numbers: it can give one label to two of them.
                if let Some(first) = labels.insert(label.value.as_str(), label.span) {
                    let message = format!("two partitions have the label {:?}", label.value);
                    self.report.push(
                        Diagnostic::error(label.span, message)
                            .other(first, "the first is stated at")
                            .help("give one of them another label"),
                    );
                }
            }
        }
        // Of a partition that fills what is free only the beginning is known.
        let mut ranges: Vec<(u64, u64, Option<Span>)> = parsed
            .iter()
            .filter(|partition| partition.should_exist)
            .filter_map(
                |partition| match (partition.start_mib, partition.size_mib) {
                    (Some(start), Some(size)) if start > 0 => {
                        Some((start, start.saturating_add(size.max(1)), partition.at))
                    }
                    _ => None,
                },
            )
            .collect();
        ranges.arrange_by_key(|(start, _, _)| *start);
        for pair in ranges.windows(2) {
            if pair[1].0 < pair[0].1 {
                self.report.push(
                    Diagnostic::error(
                        pair[1].2,
                        format!(
                            "this partition begins at {} MiB, inside another one that ends at {} MiB",
                            pair[1].0, pair[0].1
                        ),
                    )
                    .other(pair[0].2, "the other one is stated at")
                    .help("begin it where the other one ends, or leave startMiB out"),
                );
            }
        }
    }
}
