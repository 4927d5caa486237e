//! RAID arrays: which are made, which are kept.
//!
//! An array is kept when its members say that they are what the config asks for. Members that hold
//! something else are refused, unless the config says of their disk or partition that it may be lost.

use crate::diag::{Diagnostic, Report};
use crate::facts::disks::{Block, Detail, NEW_ARRAY, RaidMember, Signature, Superblock};
use crate::facts::{Facts, Usage};
use crate::model::{Config, Raid};
use crate::op::{DiskOp, VolumeOp, array_node};
use crate::plan::devices::find;
use crate::plan::disks::may_be_lost;
use crate::plan::filesystems::content;
use crate::plan::{Plan, Planned};

/// Plans all arrays of a config.
pub fn plan(config: &Config, facts: &Facts) -> Planned {
    let mut plan = Plan::default();
    let mut report = Report::default();
    let mut taken: Vec<(String, &str)> = Vec::new();
    for raid in &config.raid {
        let members = match members(raid, facts, &mut taken) {
            Ok(members) => members,
            Err(diagnostics) => {
                report.items.extend(diagnostics);
                continue;
            }
        };
        if let Err(diagnostic) = plan_one(raid, &members, config, facts, &mut plan) {
            report.push(diagnostic);
        }
    }
    if report.has_errors() {
        Err(report)
    } else {
        Ok(plan)
    }
}

/// What can be said before the first partition is written: mdadm refuses too few devices (its Create.c)
/// when the disks are partitioned already. Validation sees parts of configs, and cannot say it.
pub fn check(config: &Config) -> Result<(), Report> {
    let mut report = Report::default();
    for raid in &config.raid {
        let least = match level_number(&raid.level) {
            Some(6) => 4,
            Some(4 | 5 | 10) => 2,
            _ => 1,
        };
        let active = active(raid);
        if active < least {
            let error = Diagnostic::error(
                raid.at,
                format!(
                    "the RAID array {:?} of level {} needs at least {least} devices that are no spares, and has {active}",
                    raid.name, raid.level
                ),
            );
            report.push(error);
        }
    }
    match report.has_errors() {
        true => Err(report),
        false => Ok(()),
    }
}

/// The level as a superblock has it.
pub fn level_number(level: &str) -> Option<i32> {
    Some(match level {
        "linear" => -1,
        "raid0" | "0" | "stripe" => 0,
        "raid1" | "1" | "mirror" => 1,
        "raid4" | "4" => 4,
        "raid5" | "5" => 5,
        "raid6" | "6" => 6,
        "raid10" | "10" => 10,
        _ => return None,
    })
}

type Members<'f> = Vec<(String, &'f Block)>;

/// Finds the members; a device may be a member of one array, once.
fn members<'f, 'c>(
    raid: &'c Raid,
    facts: &'f Facts,
    taken: &mut Vec<(String, &'c str)>,
) -> Result<Members<'f>, Vec<Diagnostic>> {
    let mut members = Members::new();
    let mut errors = Vec::new();
    for device in &raid.devices {
        match find(device.as_str(), raid.at, facts) {
            Ok((node, block)) => {
                if let Some((_, other)) = taken.iter().find(|(known, _)| *known == node) {
                    errors.push(Diagnostic::error(
                        raid.at,
                        format!(
                            "{device} is {node}, which is a member of the array {other:?} already"
                        ),
                    ));
                }
                taken.push((node.clone(), &raid.name));
                members.push((node, block));
            }
            Err(error) => errors.push(error),
        }
    }
    match errors.is_empty() {
        true => Ok(members),
        false => Err(errors),
    }
}

fn plan_one(
    raid: &Raid,
    members: &Members<'_>,
    config: &Config,
    facts: &Facts,
    plan: &mut Plan,
) -> Result<(), Diagnostic> {
    let target = array_node(&raid.name);
    let nodes: Vec<String> = members.iter().map(|(node, _)| node.clone()).collect();
    if let Some(kept) = kept(raid, members) {
        return start(raid, &target, &kept, nodes, facts, plan);
    }
    let lost = |(node, block): &(String, &Block)| {
        array_of(block).is_some_and(|(found, _)| is_new(found, raid))
            || may_be_lost(node, config, facts)
    };
    if facts.disks.blocks.contains_key(&target) && !members.iter().all(lost) {
        return Err(Diagnostic::error(
            raid.at,
            format!("{target} is another array than the config asks for"),
        )
        .help(format!(
            "if it may be lost, stop it (mdadm --stop {target}) and let the config wipe its members' \
             partitions"
        )));
    }
    let mut stopped: Vec<String> = Vec::new();
    for (node, block) in members {
        release(raid, node, block, config, facts, plan, &mut stopped)?;
    }
    let op = VolumeOp::CreateArray {
        name: raid.name.clone(),
        level: raid.level.clone(),
        // Validation knows the same levels.
        number: level_number(&raid.level).unwrap_or_default(),
        members: nodes,
        spares: raid.spares,
        options: raid.options.clone(),
    };
    let unseen = |(_, block): &(String, &Block)| block.signature == Signature::Unknown;
    let why = match members.iter().any(unseen) {
        true => "its partitions are new; if something old is found there, this may be an error",
        false => "the config asks for it and its members hold nothing",
    };
    plan.push(op, why, raid.at);
    Ok(())
}

/// Makes a member blank, or says why it may not be.
fn release(
    raid: &Raid,
    node: &str,
    block: &Block,
    config: &Config,
    facts: &Facts,
    plan: &mut Plan,
    stopped: &mut Vec<String>,
) -> Result<(), Diagnostic> {
    let content = content(block);
    let half_made = array_of(block).is_some_and(|(found, _)| is_new(found, raid));
    let lost = half_made || may_be_lost(node, config, facts);
    if let (Some(content), false) = (&content, lost) {
        return Err(Diagnostic::error(
            raid.at,
            format!(
                "{node} holds {content}; it is no member of an array {:?} of level {} with {}",
                raid.name,
                raid.level,
                counts(raid)
            ),
        )
        .help(
            "set wipeTable of its disk or wipePartitionEntry of its partition to true if it may be lost",
        ));
    }
    // A wiped device may still be held by the array that was started from it at power-on.
    let array = match (&block.signature, &block.used) {
        (
            Signature::Found(Superblock {
                uuid: Some(uuid),
                detail: Detail::Raid(_),
                ..
            }),
            Some(_),
        ) => facts.disks.arrays.get(uuid),
        _ => None,
    };
    let used = match array {
        Some(array) => facts
            .disks
            .blocks
            .get(array)
            .and_then(|block| block.used.clone()),
        None => block.used.clone(),
    };
    if let Some(used) = used {
        return Err(Diagnostic::error(
            raid.at,
            format!("{node} cannot become a member of an array: it is {used}"),
        ));
    }
    if let Some(array) = array.filter(|array| !stopped.contains(array)) {
        stopped.push(array.clone());
        let usage = Some(Usage::PartOf(array.clone()));
        let members = facts.disks.blocks.iter();
        let op = VolumeOp::StopArray {
            node: array.clone(),
            members: (members.filter(|(member, block)| *member == node || block.used == usage))
                .map(|(member, _)| member.clone())
                .collect(),
        };
        plan.push(
            op,
            "its members are to become members of another array",
            raid.at,
        );
    }
    if let Some(destroys) = content {
        let op = DiskOp::WipeSignatures {
            device: node.into(),
            destroys,
        };
        plan.push(
            op,
            "the config says that what is there may be lost",
            raid.at,
        );
    }
    Ok(())
}

fn counts(raid: &Raid) -> String {
    let active = active(raid);
    let mut words = match active {
        1 => "1 device".to_string(),
        n => format!("{n} devices"),
    };
    match raid.spares {
        0 => {}
        1 => words.push_str(" and 1 spare"),
        n => words.push_str(&format!(" and {n} spares")),
    }
    words
}

/// Devices of the array that are no spares.
fn active(raid: &Raid) -> usize {
    let spares = usize::try_from(raid.spares).unwrap_or(usize::MAX);
    raid.devices.len().saturating_sub(spares)
}

/// An array that is what the config asks for.
struct Kept<'b> {
    /// `None` in a prediction.
    uuid: Option<&'b str>,
    /// Power was cut while its members were told that it is made.
    finish: bool,
}

/// The array that the members make up, if it is the one that the config asks for.
fn kept<'b>(raid: &Raid, members: &Members<'b>) -> Option<Kept<'b>> {
    let mut arrays = members.iter().map(|(_, block)| array_of(block));
    let (first, member) = arrays.next()??;
    let named = |label: &str| {
        // "host:name", or the name alone; the superblocks of version 0.90 have none.
        label.is_empty()
            || label == raid.name
            || label
                .split_once(':')
                .is_some_and(|(_, name)| name == raid.name)
    };
    let mut spares = member.spare.map(u32::from);
    let mut new = usize::from(is_new(first, raid));
    for other in arrays {
        let (found, member) = other?;
        if found.uuid != first.uuid || !named(&found.label) {
            return None;
        }
        new += usize::from(is_new(found, raid));
        spares = spares
            .zip(member.spare)
            .map(|(sum, spare)| sum + u32::from(spare));
    }
    let same = named(&first.label)
        && new < members.len()
        && level_number(&raid.level) == Some(member.level)
        && usize::try_from(member.active) == Ok(active(raid))
        && spares.is_none_or(|spares| spares == raid.spares);
    same.then_some(Kept {
        uuid: first.uuid.as_deref(),
        finish: new > 0,
    })
}

/// Whether a member says that the array is being made.
fn is_new(found: &Superblock, raid: &Raid) -> bool {
    found.label.split_once(':') == Some((NEW_ARRAY, raid.name.as_str()))
}

fn array_of(block: &Block) -> Option<(&Superblock, &RaidMember)> {
    match &block.signature {
        Signature::Found(found) => match &found.detail {
            Detail::Raid(member) => Some((found, member)),
            _ => None,
        },
        _ => None,
    }
}

/// Lets an array that is kept run under its name.
fn start(
    raid: &Raid,
    target: &str,
    kept: &Kept<'_>,
    members: Vec<String>,
    facts: &Facts,
    plan: &mut Plan,
) -> Result<(), Diagnostic> {
    let Some(uuid) = kept.uuid else {
        return Ok(());
    };
    let running = facts.disks.arrays.get(uuid);
    if running.is_some_and(|node| node == target) && !kept.finish {
        return Ok(());
    }
    if let Some(node) = running {
        if let Some(used) = facts
            .disks
            .blocks
            .get(node)
            .and_then(|block| block.used.as_ref())
        {
            return Err(Diagnostic::error(
                raid.at,
                format!(
                    "the array runs as {node}, not as {target}, and cannot be stopped: it is {used}"
                ),
            ));
        }
        let op = VolumeOp::StopArray {
            node: node.clone(),
            members: members.clone(),
        };
        plan.push(op, format!("it has to run as {target}"), raid.at);
    }
    let op = VolumeOp::AssembleArray {
        name: raid.name.clone(),
        uuid: uuid.into(),
        members,
        finish: kept.finish,
    };
    plan.push(
        op,
        "its members are what the config asks for: their data is kept",
        raid.at,
    );
    Ok(())
}

#[cfg(test)]
#[path = "raid_tests.rs"]
mod tests;
