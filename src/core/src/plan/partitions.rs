//! Partitions: which slots of a table change, and where new partitions lie.
//!
//! Slots that the config does not name are never touched. What matches is left alone; what does not
//! match is an error unless the config allows to replace it (Ignition's operator notes, "Partition
//! reuse semantics").

use crate::diag::Diagnostic;
use crate::facts::disks::{Block, Entry, Table, partition_node};
use crate::facts::{Facts, Usage};
use crate::model::{Disk, Guid, Partition};
use crate::op::{DiskOp, human};
use crate::ordered::Arrange as _;
use crate::plan::Plan;
use crate::plan::placement::{self, Wanted};

/// The type of a partition that asks for none: Linux filesystem data.
pub const LINUX_DATA: Guid = Guid([
    0x0f, 0xc6, 0x3d, 0xaf, 0x84, 0x83, 0x47, 0x72, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4,
]);

/// The changes that turn a table into the one that the config asks for.
pub(super) fn plan_on(
    table: Table,
    disk: &Disk,
    node: &str,
    block: &Block,
    facts: &Facts,
) -> Result<Plan, Vec<Diagnostic>> {
    let mut work = Work {
        disk,
        node,
        block,
        facts,
        table,
        plan: Plan::default(),
        errors: Vec::new(),
    };
    work.partitions();
    if work.errors.is_empty() {
        Ok(work.plan)
    } else {
        Err(work.errors)
    }
}

/// By whom a partition is used.
pub(super) fn used<'f>(node: &str, number: u32, facts: &'f Facts) -> Option<&'f Usage> {
    facts
        .disks
        .blocks
        .get(&partition_node(node, number))?
        .used
        .as_ref()
}

/// How many sectors of the disk a MiB of the config stands for.
fn sectors_per_mib(partition: &Partition, block: &Block) -> u64 {
    match partition.own_sectors {
        true => 2048,
        false => block.sectors_per_mib(),
    }
}

/// Where a partition is to lie: what the config leaves open is kept from an existing one.
fn wanted_place(partition: &Partition, kept: Option<&Entry>, block: &Block) -> Wanted {
    let sectors = |mib: u64| mib.saturating_mul(sectors_per_mib(partition, block));
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

/// The slot that a partition of the config means.
#[derive(Debug, Clone, Copy)]
enum Slot {
    /// One that is named by its number or its label.
    Named(u32),
    /// One that is free, at least by then; 0 is none.
    Free(u32),
}

impl Slot {
    fn number(self) -> u32 {
        match self {
            Slot::Named(number) | Slot::Free(number) => number,
        }
    }
}

/// A partition of the config and the slot that it means.
struct Asked<'a> {
    partition: &'a Partition,
    number: u32,
    /// What is in the slot now.
    entry: Option<Entry>,
}

/// What is to become of a slot that the config names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Keep,
    Delete,
    Create,
    Replace,
    Resize,
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
        order.arrange_by_key(|partition| partition.number == 0);
        let Some(numbers) = self.numbers(&order) else {
            return;
        };
        let there = |slot: Slot| match slot {
            Slot::Named(number) => self.table.partitions.get(&number).cloned(),
            // What a deletion leaves is empty by then.
            Slot::Free(_) => None,
        };
        let asked: Vec<Asked<'a>> = (order.into_iter().zip(numbers))
            .map(|(partition, slot)| Asked {
                partition,
                number: slot.number(),
                entry: there(slot),
            })
            .collect();
        // What differs by itself is known before anything is placed: it may have to make room.
        let mut fates = Vec::new();
        for asked in &asked {
            let fate = match &asked.entry {
                Some(entry) => {
                    let wanted = wanted_place(asked.partition, Some(entry), self.block);
                    let start = wanted.start.unwrap_or(entry.start);
                    let sectors = wanted.sectors.unwrap_or(entry.sectors());
                    let end = start.saturating_add(sectors).saturating_sub(1);
                    self.fate(asked, (start, end))
                }
                None => self.fate(asked, (0, 0)),
            };
            match fate {
                Ok(fate) => fates.push(fate),
                Err(diagnostic) => self.error(diagnostic),
            }
        }
        if !self.errors.is_empty() {
            return;
        }
        // Where the config says "largest block" or "to its end", a partition is compared with its place
        // among the others, so that one that moves can make another one differ. Each round replaces at
        // least one more, or is the last.
        loop {
            let Some(places) = self.places(&asked, &fates) else {
                return;
            };
            let mut errors = Vec::new();
            let mut again = false;
            for ((asked, fate), place) in asked.iter().zip(&mut fates).zip(&places) {
                if !matches!(fate, Fate::Keep | Fate::Resize) || asked.entry.is_none() {
                    continue;
                }
                match self.fate(asked, *place) {
                    Ok(new) => {
                        again |= new == Fate::Replace;
                        *fate = new;
                    }
                    Err(diagnostic) => errors.push(diagnostic),
                }
            }
            if again {
                continue;
            }
            match errors.is_empty() {
                true => self.steps(&asked, &fates, &places),
                false => self.errors = errors,
            }
            return;
        }
    }

    /// The slot of each partition: its number, the slot of the same label, or the lowest one that is free when what
    /// should not exist is gone.
    fn numbers(&mut self, order: &[&'a Partition]) -> Option<Vec<Slot>> {
        let named: Vec<u32> = order.iter().map(|p| p.number).filter(|n| *n != 0).collect();
        let labelled = |partition: &Partition| -> Vec<u32> {
            // An empty label names nothing: it would stand for any partition without one.
            let label = partition.label.as_deref().unwrap_or_default();
            (self.table.partitions.iter())
                .filter(|_| !label.is_empty())
                .filter(|(number, entry)| entry.label == label && !named.contains(number))
                .map(|(number, _)| *number)
                .collect()
        };
        // What takes the place of a deleted one, in a run before this.
        let done: Vec<Option<u32>> = (order.iter())
            .map(|partition| self.is_there_for(partition, &named))
            .collect();
        let is_done = |partition: &Partition| {
            !partition.should_exist && done.contains(&Some(partition.number))
        };
        let mut gone = Vec::new();
        let removed = (order.iter()).filter(|one| !one.should_exist && !is_done(one));
        for partition in removed {
            match partition.number {
                0 => gone.extend(labelled(partition)),
                number => gone.push(number),
            }
        }
        let stays = order.iter().filter(|partition| partition.should_exist);
        let mut taken: Vec<u32> = (self.table.partitions.keys().copied())
            .filter(|number| !gone.contains(number))
            .chain(stays.map(|partition| partition.number))
            .collect();
        let same_label: Vec<Vec<u32>> = order.iter().map(|one| labelled(one)).collect();
        let mut list = Vec::new();
        for ((partition, same), done) in order.iter().zip(same_label).zip(&done) {
            if let Some(number) = done {
                list.push(Slot::Named(*number));
                continue;
            }
            if is_done(partition) {
                list.push(Slot::Free(0));
                continue;
            }
            if partition.number != 0 {
                list.push(Slot::Named(partition.number));
                let slots = self.table.slots;
                if partition.number > slots && partition.should_exist {
                    let message = format!(
                        "there is no partition {} on {}: its table has {slots} slots",
                        partition.number, self.node
                    );
                    self.error(Diagnostic::error(partition.at, message));
                }
                continue;
            }
            let label = partition.label.as_deref().unwrap_or_default();
            match same.as_slice() {
                [number] => list.push(Slot::Named(*number)),
                // There is no such partition to be deleted.
                [] if !partition.should_exist => list.push(Slot::Free(0)),
                [] => match (1..=self.table.slots).find(|n| !taken.contains(n)) {
                    Some(number) => {
                        taken.push(number);
                        list.push(Slot::Free(number));
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

    /// The slot that the config names for deletion, and that holds what is asked for without a number: the config was
    /// done before.
    fn is_there_for(&self, partition: &Partition, named: &[u32]) -> Option<u32> {
        let label = partition
            .label
            .as_deref()
            .filter(|label| !label.is_empty())?;
        if partition.number != 0 || !partition.should_exist {
            return None;
        }
        let kept = self.disk.partitions.iter().filter(|one| one.should_exist);
        let kept: Vec<u32> = kept.map(|one| one.number).collect();
        let mut slots = (self.table.partitions.iter())
            .filter(|(number, entry)| entry.label == label && named.contains(number))
            .filter(|(number, _)| !kept.contains(number));
        let (number, entry) = slots.next().filter(|_| slots.next().is_none())?;
        let sectors = |mib: Option<u64>| {
            mib.filter(|mib| *mib != 0)
                .map(|mib| mib.saturating_mul(sectors_per_mib(partition, self.block)))
        };
        let is = specified(partition.type_guid).is_none_or(|guid| guid == entry.type_guid)
            && specified(partition.guid).is_none_or(|guid| Some(guid) == entry.guid)
            && sectors(partition.start_mib).is_none_or(|start| start == entry.start)
            && sectors(partition.size_mib).is_none_or(|size| size == entry.sectors());
        is.then_some(*number)
    }

    /// Places all partitions that should exist, in their order, as if those of the config were not there
    /// yet; what is neither new nor replaced keeps what the config leaves open.
    fn places(&mut self, asked: &[Asked<'a>], fates: &[Fate]) -> Option<Vec<(u64, u64)>> {
        let mut rest = self.table.clone();
        for asked in asked {
            rest.partitions.remove(&asked.number);
        }
        let mut places = vec![(0, 0); asked.len()];
        let mut wanted = Vec::new();
        for (at, (asked, fate)) in asked.iter().zip(fates).enumerate() {
            if asked.partition.should_exist {
                let kept = asked.entry.as_ref().filter(|_| *fate != Fate::Replace);
                wanted.push((at, wanted_place(asked.partition, kept, self.block)));
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
                let partition = asked[wanted[which].0].partition;
                let name = describe_partition(partition);
                self.error(Diagnostic::error(
                    partition.at,
                    format!("{name} does not fit on {}: {why}", self.node),
                ));
                None
            }
        }
    }

    /// The matrix of the operator notes. Replacing comes before resizing, as it does there.
    fn fate(&self, asked: &Asked<'a>, place: (u64, u64)) -> Result<Fate, Diagnostic> {
        let (partition, number) = (asked.partition, asked.number);
        let Some(entry) = &asked.entry else {
            return Ok(if partition.should_exist {
                Fate::Create
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
        });
        let guard = |fate| in_use.clone().map_or(Ok(fate), Err);
        if !partition.should_exist {
            if partition.wipe_partition_entry {
                return guard(Fate::Delete);
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
            _ if partition.wipe_partition_entry => guard(Fate::Replace),
            [Difference::Size] if partition.resize => guard(Fate::Resize),
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
        if specified(partition.type_guid).is_some_and(|guid| guid != entry.type_guid) {
            list.push(Difference::Type);
        }
        if specified(partition.guid).is_some_and(|guid| Some(guid) != entry.guid) {
            list.push(Difference::Guid);
        }
        if partition.start_mib.is_some() && place.0 != entry.start {
            list.push(Difference::Start);
        }
        // The size is compared as a length where a start is not asked for.
        if partition.size_mib.is_some()
            && place.1.wrapping_sub(place.0) != entry.end.wrapping_sub(entry.start)
        {
            list.push(Difference::Size);
        }
        list
    }

    /// Deletions come first: they make room for what follows.
    fn steps(&mut self, asked: &[Asked<'a>], fates: &[Fate], places: &[(u64, u64)]) {
        let disk = self.node.to_string();
        let sector = self.block.sector;
        for ((asked, fate), (start, end)) in asked.iter().zip(fates).zip(places) {
            let (partition, number, at) = (asked.partition, asked.number, asked.partition.at);
            match (fate, &asked.entry) {
                (Fate::Delete, _) => self.delete(asked, "shouldExist is false"),
                (Fate::Replace, _) => self.delete(
                    asked,
                    "it does not match the config and wipePartitionEntry is set",
                ),
                (Fate::Resize, Some(entry)) => {
                    let op = DiskOp::ResizePartition {
                        disk: disk.clone(),
                        number,
                        from: entry.end,
                        to: *end,
                        sector,
                    };
                    let why = "its size does not match the config and resize is set";
                    self.plan.push(op, why, at);
                }
                _ => {}
            }
            if matches!(fate, Fate::Create | Fate::Replace) {
                let op = DiskOp::CreatePartition {
                    disk: disk.clone(),
                    number,
                    start: *start,
                    end: *end,
                    sector,
                    type_guid: specified(partition.type_guid).unwrap_or(LINUX_DATA),
                    guid: specified(partition.guid),
                    label: partition.label.clone().unwrap_or_default(),
                };
                let why = match fate {
                    Fate::Replace => "it takes the place of the one that did not match",
                    _ => "the config asks for it and it does not exist",
                };
                self.plan.push(op, why, at);
            }
        }
        // A partition shrinks before, and grows after its neighbours changed.
        self.plan.steps.arrange_by_key(|step| match &step.op {
            crate::op::Op::Disk(DiskOp::DeletePartition { .. }) => 0,
            crate::op::Op::Disk(DiskOp::ResizePartition { from, to, .. }) if to < from => 1,
            _ => 2,
        });
    }

    fn delete(&mut self, asked: &Asked<'a>, why: &'static str) {
        let label = asked.entry.as_ref().map(|entry| entry.label.clone());
        let op = DiskOp::DeletePartition {
            disk: self.node.to_string(),
            number: asked.number,
            label: label.unwrap_or_default(),
        };
        self.plan.push(op, why, asked.partition.at);
    }
}

/// The GUID of zeros marks unused entries, so that it asks for none.
fn specified(guid: Option<Guid>) -> Option<Guid> {
    guid.filter(|guid| *guid != Guid::ZERO)
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
        // What is less than the last digit apart shows in sectors only.
        let apart = |has: u64, wanted: u64| match (bytes(has), bytes(wanted)) {
            (has_bytes, wanted_bytes) if has_bytes != wanted_bytes => (has_bytes, wanted_bytes),
            _ => (format!("{has} sectors"), format!("{wanted} sectors")),
        };
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
            Difference::Start => {
                let (has, wanted) = apart(entry.start, place.0);
                format!("it begins at {has}, not at {wanted}")
            }
            Difference::Size => {
                let (has, wanted) = apart(entry.sectors(), place.1 - place.0 + 1);
                format!("it has {has}, not {wanted}")
            }
        }
    }
}

#[cfg(test)]
#[path = "partitions_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "partition_matrix_tests.rs"]
mod matrix;
