//! Disks: which are partitioned, and on which table the partitions are planned.

use crate::diag::{Diagnostic, Report};
use crate::facts::disks::{Block, Entry, Sectors, Signature, Table, TableState, partition_node};
use crate::facts::{Facts, Usage};
use crate::model::{Config, Disk};
use crate::op::DiskOp;
use crate::plan::devices::{ambivalent, find};
use crate::plan::partitions::{plan_on, used};
use crate::plan::{Plan, Planned, fresh};

/// Plans the disks of a fresh image, and then all disks of a config.
pub fn plan(disks: &[Disk], facts: &Facts) -> Planned {
    let mut plan = fresh::plan(&facts.disks);
    let facts = &plan.predict(facts.clone());
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

/// Whether the config says of a device, by its disk or its partition, that what is on it may be lost.
pub(super) fn may_be_lost(node: &str, config: &Config, facts: &Facts) -> bool {
    config.disks.iter().any(|disk| {
        let Some(whole) = facts.disks.resolve(disk.device.as_str()) else {
            return false;
        };
        let Some(Block {
            table: TableState::Gpt(table),
            ..
        }) = facts.disks.blocks.get(&whole)
        else {
            return disk.wipe_table && whole == node;
        };
        let named = |number: u32, entry: &Entry| {
            disk.partitions.iter().any(|partition| {
                partition.wipe_partition_entry
                    && match partition.number {
                        0 => partition.label.as_ref() == Some(&entry.label),
                        asked => asked == number,
                    }
            })
        };
        (table.partitions.iter())
            .filter(|(number, _)| partition_node(&whole, **number) == node)
            .any(|(number, entry)| disk.wipe_table || named(*number, entry))
    })
}

fn plan_disk(disk: &Disk, facts: &Facts, plan: &mut Plan) -> Result<(), Vec<Diagnostic>> {
    let (node, block) = find(disk.device.as_str(), disk.at, facts).map_err(|error| vec![error])?;
    if disk.partitions.is_empty() && !disk.wipe_table {
        return Ok(());
    }
    // What has all partitions already need not be written to.
    let protected = block.used == Some(Usage::WriteProtected);
    if let Some(used) = block.used.as_ref().filter(|_| !protected) {
        return Err(vec![Diagnostic::error(
            disk.at,
            format!("{node} is in use: it is {used}"),
        )]);
    }
    let start = starting_table(disk, &node, block, facts)?;
    let steps = plan_on(start.table, disk, &node, block, facts)?.steps;
    let mut changes = Plan::default();
    // A run that was cut off between the two copies leaves all partitions in the backup, and none for the kernel.
    let unseen = matches!(&block.table, TableState::Gpt(table) if table.unseen)
        && disk
            .partitions
            .iter()
            .any(|partition| partition.should_exist);
    if let Some(op) = (start.op).filter(|_| !steps.is_empty() || disk.wipe_table || unseen) {
        changes.push(op, start.why, disk.at);
    }
    changes.steps.extend(steps);
    if protected && !changes.is_empty() {
        let error = format!("{node} cannot be partitioned: it is write-protected");
        return Err(vec![Diagnostic::error(disk.at, error)]);
    }
    if let Some(why) = impossible(&changes, &node, facts) {
        return Err(vec![Diagnostic::error(
            disk.at,
            format!("{node} cannot be changed: {why}"),
        )]);
    }
    plan.steps.extend(changes.steps);
    Ok(())
}

/// Why the changes of a disk would not come to their end, or would take from a hybrid MBR what it
/// names: entries of partitions that are deleted or replaced go with them.
fn impossible(changes: &Plan, node: &str, facts: &Facts) -> Option<String> {
    let table = |facts: &Facts| match &facts.disks.blocks.get(node)?.table {
        TableState::Gpt(table) => Some(table.clone()),
        _ => None,
    };
    let before = table(facts);
    let mut facts = facts.clone();
    for step in &changes.steps {
        step.op.predict(&mut facts);
        // Each one is written for itself.
        if let Some(fault) = table(&facts).and_then(|table| table.fault()) {
            return Some(format!("its partition table is at fault, {fault}"));
        }
    }
    let (before, after) = (before?, table(&facts)?);
    let within = |table: &Table, place: &Sectors| -> Vec<(u32, Entry)> {
        (table.partitions.iter())
            .filter(|(_, entry)| place.is_in(entry))
            .map(|(number, entry)| (*number, entry.clone()))
            .collect()
    };
    let lost = |place: &&Sectors| within(&before, place) != within(&after, place);
    let Sectors { first, last } = after.hybrid.iter().find(lost)?;
    Some(format!(
        "it has a hybrid MBR, which names the sectors {first} to {last}; set wipeTable to true if all may be lost"
    ))
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
            .help("set wipeTable to true if it may be lost"),
        ])
    };
    let content = describe(block);
    if disk.wipe_table {
        let any = disk
            .partitions
            .iter()
            .any(|partition| partition.should_exist);
        if any
            && let TableState::Gpt(table) = &block.table
            && table.repair.is_none()
            && is_exactly(disk, node, block, table)
        {
            return Ok(Start {
                table: table.clone(),
                op: None,
                why: String::new(),
            });
        }
        let users: Vec<String> = partitions_in_use(node, block, facts);
        if !users.is_empty() {
            return Err(vec![Diagnostic::error(
                disk.at,
                format!("{node} cannot be wiped: {}", users.join(", ")),
            )]);
        }
        // A disk without partitions needs no table: what was there is wiped, and nothing is put there.
        let op = if any {
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
        (TableState::None, Signature::Ambivalent(kinds)) => refuse(ambivalent(kinds)),
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
        (TableState::None, Signature::Ambivalent(kinds)) => Some(ambivalent(kinds)),
        (TableState::None, _) => None,
    }
}

/// Whether the table is already the one that a wiped disk would get: then there is nothing to wipe.
fn is_exactly(disk: &Disk, node: &str, block: &Block, table: &Table) -> bool {
    let empty = Table::empty(block.size, block.sector);
    let wiped = Block {
        table: TableState::Gpt(empty.clone()),
        ..block.clone()
    };
    let mut facts = Facts::default();
    facts.disks.blocks.insert(node.into(), wiped);
    let Ok(plan) = plan_on(empty, disk, node, block, &facts) else {
        return false;
    };
    match plan.predict(facts).disks.blocks.get(node) {
        Some(Block {
            table: TableState::Gpt(expected),
            ..
        }) => table.agrees_with(expected),
        _ => false,
    }
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
