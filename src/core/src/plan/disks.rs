//! Partition tables: which slots change, and where new partitions lie.
//!
//! Slots that the config does not name are never touched. What matches is left alone; what does not
//! match is an error unless the config allows to replace it (Ignition's operator notes, "Partition
//! reuse semantics").

use crate::diag::{Diagnostic, Report, Span};
use crate::facts::Facts;
use crate::facts::disks::{Block, Entry, Signature, Table, TableState, partition_node};
use crate::model::{Disk, Guid, Partition};
use crate::op::{DiskOp, human};
use crate::plan::placement::{self, Wanted};
use crate::plan::{Plan, Planned};

/// The type of a partition that asks for none: Linux filesystem data.
pub const LINUX_DATA: Guid = Guid([
    0x0f, 0xc6, 0x3d, 0xaf, 0x84, 0x83, 0x47, 0x72, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4,
]);

/// Slots of the tables that are written.
const SLOTS: u32 = 128;

/// Plans all disks of a config.
pub fn plan(disks: &[Disk], facts: &Facts) -> Planned {
    let mut plan = Plan::default();
    let mut report = Report::default();
    for disk in disks {
        if let Err(diagnostics) = plan_disk(disk, facts, &mut plan) {
            report.items.extend(diagnostics);
        }
    }
    if report.has_errors() {
        Err(report)
    } else {
        Ok(plan)
    }
}

/// Finds a device of the config, or says what was there instead.
pub(super) fn find<'f>(
    path: &str,
    at: Option<Span>,
    facts: &'f Facts,
) -> Result<(String, &'f Block), Diagnostic> {
    let found = facts
        .disks
        .resolve(path)
        .and_then(|node| facts.disks.blocks.get(&node).map(|block| (node, block)));
    found.ok_or_else(|| {
        let instead = facts
            .disks
            .missing
            .get(path)
            .map(String::as_str)
            .unwrap_or_default();
        let error = Diagnostic::error(at, format!("the device {path} does not exist"));
        if instead.is_empty() {
            error.help("check the name; nothing has been changed on any disk")
        } else {
            error.help(instead)
        }
    })
}

fn plan_disk(disk: &Disk, facts: &Facts, plan: &mut Plan) -> Result<(), Vec<Diagnostic>> {
    let (node, block) = find(disk.device.as_str(), disk.at, facts).map_err(|error| vec![error])?;
    if disk.partitions.is_empty() && !disk.wipe_table {
        return Ok(());
    }
    if let Some(used) = &block.used {
        return Err(vec![
            Diagnostic::error(disk.at, format!("{node} is in use: it is {used}"))
                .help("nothing has been changed on this disk"),
        ]);
    }
    let start = starting_table(disk, &node, block, facts)?;
    let mut work = Work {
        disk,
        node: &node,
        block,
        facts,
        table: start.table,
        plan: Plan::default(),
        errors: Vec::new(),
    };
    work.partitions();
    if !work.errors.is_empty() {
        return Err(work.errors);
    }
    let steps = work.plan.steps;
    if let Some(op) = start.op.filter(|_| !steps.is_empty() || disk.wipe_table) {
        plan.push(op, start.why, disk.at);
    }
    plan.steps.extend(steps);
    Ok(())
}

/// The table that the partitions are planned on, and what makes it.
struct Start {
    table: Table,
    op: Option<DiskOp>,
    why: String,
}

fn starting_table(
    disk: &Disk,
    node: &str,
    block: &Block,
    facts: &Facts,
) -> Result<Start, Vec<Diagnostic>> {
    let refuse = |what: String| {
        Err(vec![
            Diagnostic::error(
                disk.at,
                format!("{node} holds {what}, which partitions would destroy"),
            )
            .help("set wipeTable to true if it may be lost; nothing has been changed on this disk"),
        ])
    };
    let content = describe(block);
    if disk.wipe_table {
        if let TableState::Gpt(table) = &block.table
            && table.repair.is_none()
            && is_exactly(disk, block, table)
        {
            return Ok(Start {
                table: table.clone(),
                op: None,
                why: String::new(),
            });
        }
        let users: Vec<String> = partitions_in_use(node, block, facts);
        if !users.is_empty() {
            return Err(vec![
                Diagnostic::error(
                    disk.at,
                    format!("{node} cannot be wiped: {}", users.join(", ")),
                )
                .help("nothing has been changed on this disk"),
            ]);
        }
        // A disk without partitions needs no table: what was there is wiped, and nothing is put there.
        let op = if disk
            .partitions
            .iter()
            .any(|partition| partition.should_exist)
        {
            Some(DiskOp::CreateTable {
                disk: node.into(),
                destroys: content,
            })
        } else {
            content.map(|destroys| DiskOp::WipeSignatures {
                device: node.into(),
                destroys,
            })
        };
        return Ok(Start {
            table: Table::empty(block.size, block.sector),
            op,
            why: "wipeTable is set".into(),
        });
    }
    match (&block.table, &block.signature) {
        (TableState::Gpt(table), _) => Ok(Start {
            table: table.clone(),
            op: table.repair.as_ref().map(|problem| DiskOp::RepairTable {
                disk: node.into(),
                problem: problem.clone(),
            }),
            why: "the table has to be whole before it is changed".into(),
        }),
        (TableState::Other(kind), _) => refuse(kind.clone()),
        (TableState::None, Signature::Found(found)) => {
            refuse(format!("{} without partitions", found.kind))
        }
        (TableState::None, _) => Ok(Start {
            table: Table::empty(block.size, block.sector),
            op: Some(DiskOp::CreateTable {
                disk: node.into(),
                destroys: None,
            }),
            why: "the disk has no partition table".into(),
        }),
    }
}

/// What a disk holds, in words; `None` for a blank one.
fn describe(block: &Block) -> Option<String> {
    match (&block.table, &block.signature) {
        (TableState::Gpt(table), _) => Some(match table.partitions.len() {
            1 => "the partition table with 1 partition".into(),
            n => format!("the partition table with {n} partitions"),
        }),
        (TableState::Other(kind), _) => Some(kind.clone()),
        (TableState::None, Signature::Found(found)) => {
            Some(format!("the {} signature", found.kind))
        }
        (TableState::None, _) => None,
    }
}

/// Whether the table is already the one that a wiped disk would get: then there is nothing to wipe.
fn is_exactly(disk: &Disk, block: &Block, table: &Table) -> bool {
    let wanted: Vec<&Partition> = disk.partitions.iter().filter(|p| p.should_exist).collect();
    let Ok(placed) = placement::place(
        &wanted
            .iter()
            .map(|p| wanted_place(p, None, block))
            .collect::<Vec<_>>(),
        &Table::empty(block.size, block.sector),
        block.sectors_per_mib(),
    ) else {
        return false;
    };
    let numbers = slots(&wanted, &Table::empty(block.size, block.sector));
    wanted.len() == table.partitions.len()
        && wanted
            .iter()
            .zip(numbers)
            .zip(placed)
            .all(|((partition, number), place)| {
                table.partitions.get(&number).is_some_and(|entry| {
                    (entry.start, entry.end) == place
                        && entry.type_guid == partition.type_guid.unwrap_or(LINUX_DATA)
                        && partition.guid.is_none_or(|guid| entry.guid == Some(guid))
                        && entry.label == partition.label.clone().unwrap_or_default()
                })
            })
}

/// Slots of partitions on an otherwise given table: their own number, else the lowest free one.
fn slots(wanted: &[&Partition], table: &Table) -> Vec<u32> {
    let mut taken: Vec<u32> = table.partitions.keys().copied().collect();
    taken.extend(wanted.iter().map(|p| p.number).filter(|n| *n != 0));
    let mut list = Vec::new();
    for partition in wanted {
        let number = match partition.number {
            0 => (1..=SLOTS).find(|n| !taken.contains(n)).unwrap_or(0),
            n => n,
        };
        taken.push(number);
        list.push(number);
    }
    list
}

fn partitions_in_use(node: &str, block: &Block, facts: &Facts) -> Vec<String> {
    let TableState::Gpt(table) = &block.table else {
        return Vec::new();
    };
    (table.partitions.keys())
        .filter_map(|number| {
            used(node, *number, facts).map(|used| format!("partition {number} is {used}"))
        })
        .collect()
}

fn used<'f>(node: &str, number: u32, facts: &'f Facts) -> Option<&'f str> {
    facts
        .disks
        .blocks
        .get(&partition_node(node, number))?
        .used
        .as_deref()
}

/// Where a partition is to lie: what the config leaves open is kept from an existing one.
fn wanted_place(partition: &Partition, kept: Option<&Entry>, block: &Block) -> Wanted {
    let sectors = |mib: u64| mib.saturating_mul(block.sectors_per_mib());
    Wanted {
        start: match (partition.start_mib, kept) {
            (None, Some(entry)) => Some(entry.start),
            (None | Some(0), _) => None,
            (Some(mib), _) => Some(sectors(mib)),
        },
        sectors: match (partition.size_mib, kept) {
            (None, Some(entry)) => Some(entry.sectors()),
            (None | Some(0), _) => None,
            (Some(mib), _) => Some(sectors(mib)),
        },
    }
}

/// What is to become of a slot that the config names.
enum Fate<'p> {
    Keep,
    Delete(u32, &'p Partition),
    Create(u32, &'p Partition),
    Replace(u32, &'p Partition),
    Resize(u32, &'p Partition, u64),
}

struct Work<'a> {
    disk: &'a Disk,
    node: &'a str,
    block: &'a Block,
    facts: &'a Facts,
    table: Table,
    plan: Plan,
    errors: Vec<Diagnostic>,
}

impl<'a> Work<'a> {
    fn error(&mut self, diagnostic: Diagnostic) {
        self.errors.push(diagnostic);
    }

    fn partitions(&mut self) {
        let disk = self.disk;
        // Partitions without a number take what is left (stable, as the config lists them).
        let mut order: Vec<&'a Partition> = disk.partitions.iter().collect();
        order.sort_by_key(|partition| partition.number == 0);
        let Some(numbers) = self.numbers(&order) else {
            return;
        };
        let existing: Vec<Option<Entry>> = numbers
            .iter()
            .map(|number| self.table.partitions.get(number).cloned())
            .collect();
        let Some(places) = self.places(&order, &numbers, &existing) else {
            return;
        };
        let mut fates = Vec::new();
        for (((partition, number), entry), place) in
            order.iter().zip(numbers).zip(existing).zip(places)
        {
            match self.fate(partition, number, entry.as_ref(), place) {
                Ok(fate) => fates.push((fate, place)),
                Err(diagnostic) => self.error(diagnostic),
            }
        }
        if self.errors.is_empty() {
            self.steps(fates);
        }
    }

    /// The slot of each partition: its number, the slot of the same label, or the lowest free one.
    fn numbers(&mut self, order: &[&'a Partition]) -> Option<Vec<u32>> {
        let named: Vec<u32> = order.iter().map(|p| p.number).filter(|n| *n != 0).collect();
        let mut taken: Vec<u32> = self
            .table
            .partitions
            .keys()
            .copied()
            .chain(named.iter().copied())
            .collect();
        let mut list = Vec::new();
        for partition in order {
            if partition.number != 0 {
                list.push(partition.number);
                continue;
            }
            let label = partition.label.as_deref().unwrap_or_default();
            let same: Vec<u32> = (self.table.partitions.iter())
                .filter(|(number, entry)| entry.label == label && !named.contains(number))
                .map(|(number, _)| *number)
                .collect();
            match same.as_slice() {
                [number] => list.push(*number),
                [] => match (1..=SLOTS).find(|n| !taken.contains(n)) {
                    Some(number) => {
                        taken.push(number);
                        list.push(number);
                    }
                    None => self.error(Diagnostic::error(
                        partition.at,
                        format!("the table of {} has no free slot", self.node),
                    )),
                },
                several => {
                    let message = format!(
                        "partitions {several:?} of {} all have the label {label:?}",
                        self.node
                    );
                    self.error(
                        Diagnostic::error(partition.at, message)
                            .help("name the partition by its number"),
                    );
                }
            }
        }
        self.errors.is_empty().then_some(list)
    }

    /// Places all partitions that should exist as if those of the config were not there yet.
    fn places(
        &mut self,
        order: &[&'a Partition],
        numbers: &[u32],
        existing: &[Option<Entry>],
    ) -> Option<Vec<(u64, u64)>> {
        let mut rest = self.table.clone();
        for number in numbers {
            rest.partitions.remove(number);
        }
        let mut places = vec![(0, 0); order.len()];
        let mut wanted = Vec::new();
        for (at, partition) in order.iter().enumerate() {
            if partition.should_exist {
                let kept = existing[at]
                    .as_ref()
                    .filter(|_| !partition.wipe_partition_entry);
                wanted.push((at, wanted_place(partition, kept, self.block)));
            }
        }
        let list: Vec<Wanted> = wanted.iter().map(|(_, wanted)| wanted.clone()).collect();
        match placement::place(&list, &rest, self.block.sectors_per_mib()) {
            Ok(found) => {
                for ((at, _), place) in wanted.iter().zip(found) {
                    places[*at] = place;
                }
                Some(places)
            }
            Err((which, why)) => {
                let partition = order[wanted[which].0];
                let name = describe_partition(partition);
                self.error(
                    Diagnostic::error(
                        partition.at,
                        format!("{name} does not fit on {}: {why}", self.node),
                    )
                    .help("nothing has been changed on this disk"),
                );
                None
            }
        }
    }

    fn fate(
        &self,
        partition: &'a Partition,
        number: u32,
        entry: Option<&Entry>,
        place: (u64, u64),
    ) -> Result<Fate<'a>, Diagnostic> {
        let Some(entry) = entry else {
            return Ok(if partition.should_exist {
                Fate::Create(number, partition)
            } else {
                Fate::Keep
            });
        };
        let in_use = used(self.node, number, self.facts).map(|used| {
            Diagnostic::error(
                partition.at,
                format!(
                    "partition {number} of {} would be changed, but it is {used}",
                    self.node
                ),
            )
            .help("nothing has been changed on this disk")
        });
        let guard = |fate| in_use.clone().map_or(Ok(fate), Err);
        if !partition.should_exist {
            if partition.wipe_partition_entry {
                return guard(Fate::Delete(number, partition));
            }
            return Err(Diagnostic::error(
                partition.at,
                format!(
                    "partition {number} ({:?}) of {} exists, but should not",
                    entry.label, self.node
                ),
            )
            .help("set wipePartitionEntry to true if it may be deleted"));
        }
        let differences = self.differences(partition, entry, place);
        match differences.as_slice() {
            [] => Ok(Fate::Keep),
            [Difference::Size] if partition.resize => {
                guard(Fate::Resize(number, partition, entry.end))
            }
            _ if partition.wipe_partition_entry => guard(Fate::Replace(number, partition)),
            differences => {
                let words: Vec<String> = differences
                    .iter()
                    .map(|difference| difference.words(partition, entry, place, self.block))
                    .collect();
                let mut help = "set wipePartitionEntry to true if its data may be lost".to_string();
                if differences == [Difference::Size] {
                    help.push_str(", or resize to true to keep them");
                }
                Err(Diagnostic::error(
                    partition.at,
                    format!(
                        "partition {number} of {} exists, but differs: {}",
                        self.node,
                        words.join("; ")
                    ),
                )
                .help(help))
            }
        }
    }

    fn differences(
        &self,
        partition: &Partition,
        entry: &Entry,
        place: (u64, u64),
    ) -> Vec<Difference> {
        let mut list = Vec::new();
        if partition
            .label
            .as_ref()
            .is_some_and(|label| *label != entry.label)
        {
            list.push(Difference::Label);
        }
        if partition
            .type_guid
            .is_some_and(|guid| guid != Guid::ZERO && guid != entry.type_guid)
        {
            list.push(Difference::Type);
        }
        if partition
            .guid
            .is_some_and(|guid| guid != Guid::ZERO && Some(guid) != entry.guid)
        {
            list.push(Difference::Guid);
        }
        if partition.start_mib.is_some() && place.0 != entry.start {
            list.push(Difference::Start);
        }
        // The size is compared as a length where a start is not asked for.
        if partition.size_mib.is_some() && place.1 - place.0 != entry.end - entry.start {
            list.push(Difference::Size);
        }
        list
    }

    /// Deletions come first: they make room for what follows.
    fn steps(&mut self, fates: Vec<(Fate<'a>, (u64, u64))>) {
        for (fate, _) in &fates {
            match fate {
                Fate::Delete(number, partition) => {
                    self.delete(*number, "shouldExist is false", partition.at)
                }
                Fate::Replace(number, partition) => self.delete(
                    *number,
                    "it does not match the config and wipePartitionEntry is set",
                    partition.at,
                ),
                _ => {}
            }
        }
        let (node, sector) = (self.node.to_string(), self.block.sector);
        for (fate, (start, end)) in fates {
            let why = match &fate {
                Fate::Replace(..) => "it takes the place of the one that did not match",
                _ => "the config asks for it and it does not exist",
            };
            match fate {
                Fate::Create(number, partition) | Fate::Replace(number, partition) => {
                    self.plan.push(
                        DiskOp::CreatePartition {
                            disk: node.clone(),
                            number,
                            start,
                            end,
                            sector,
                            type_guid: partition
                                .type_guid
                                .filter(|guid| *guid != Guid::ZERO)
                                .unwrap_or(LINUX_DATA),
                            guid: partition.guid.filter(|guid| *guid != Guid::ZERO),
                            label: partition.label.clone().unwrap_or_default(),
                        },
                        why,
                        partition.at,
                    )
                }
                Fate::Resize(number, partition, from) => self.plan.push(
                    DiskOp::ResizePartition {
                        disk: node.clone(),
                        number,
                        from,
                        to: end,
                        sector,
                    },
                    "its size does not match the config and resize is set",
                    partition.at,
                ),
                Fate::Keep | Fate::Delete(..) => {}
            }
        }
        // A partition shrinks before, and grows after its neighbours changed.
        self.plan.steps.sort_by_key(|step| match &step.op {
            crate::op::Op::Disk(DiskOp::DeletePartition { .. }) => 0,
            crate::op::Op::Disk(DiskOp::ResizePartition { from, to, .. }) if to < from => 1,
            _ => 2,
        });
    }

    fn delete(&mut self, number: u32, why: &str, at: Option<Span>) {
        let label = self
            .table
            .partitions
            .get(&number)
            .map(|entry| entry.label.clone());
        self.plan.push(
            DiskOp::DeletePartition {
                disk: self.node.to_string(),
                number,
                label: label.unwrap_or_default(),
            },
            why,
            at,
        );
    }
}

fn describe_partition(partition: &Partition) -> String {
    match (partition.number, partition.label.as_deref()) {
        (0, label) => format!("the partition {:?}", label.unwrap_or_default()),
        (number, None | Some("")) => format!("partition {number}"),
        (number, Some(label)) => format!("partition {number} ({label:?})"),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Difference {
    Label,
    Type,
    Guid,
    Start,
    Size,
}

impl Difference {
    fn words(
        self,
        partition: &Partition,
        entry: &Entry,
        place: (u64, u64),
        block: &Block,
    ) -> String {
        let bytes = |sectors: u64| human(sectors.saturating_mul(block.sector));
        let guid = |guid: Option<Guid>| guid.map(|guid| guid.to_string()).unwrap_or_default();
        match self {
            Difference::Label => format!(
                "its label is {:?}, not {:?}",
                entry.label,
                partition.label.as_deref().unwrap_or_default()
            ),
            Difference::Type => format!(
                "its type is {}, not {}",
                entry.type_guid,
                guid(partition.type_guid)
            ),
            Difference::Guid => format!(
                "its GUID is {}, not {}",
                guid(entry.guid),
                guid(partition.guid)
            ),
            Difference::Start => format!(
                "it begins at {}, not at {}",
                bytes(entry.start),
                bytes(place.0)
            ),
            Difference::Size => format!(
                "it has {}, not {}",
                bytes(entry.sectors()),
                bytes(place.1 - place.0 + 1)
            ),
        }
    }
}
