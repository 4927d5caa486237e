//! What a config cannot mean on this machine: one device used as two things, or called by two names.
//!
//! Names say little by themselves; which device they lead to shows on the machine, or in the prediction.

use crate::diag::{Diagnostic, Report, Span};
use crate::facts::Facts;
use crate::facts::accounts::{Accounts, Group, User};
use crate::facts::disks::{TableState, partition_node};
use crate::model::{Config, SysPath};
use crate::op::volume_node;
use crate::plan::accounts as plan_accounts;

/// What an entry of the config makes of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Disk,
    WipedDisk,
    Member,
    Volume,
    Filesystem,
}

impl Role {
    fn words(self) -> &'static str {
        match self {
            Role::Disk => "a disk with partitions",
            Role::WipedDisk => "a disk to be wiped",
            Role::Member => "a member of a RAID array",
            Role::Volume => "an encrypted volume",
            Role::Filesystem => "a file system",
        }
    }
}

/// An entry that claims a device.
struct Claim<'c> {
    role: Role,
    device: &'c SysPath,
    node: String,
    at: Option<Span>,
    /// The node that is to be used in its place, where it is a layer of something else.
    above: Option<String>,
}

/// An error for each pair of entries that claim one device, as far as their devices are known.
pub fn check(config: &Config, facts: &Facts) -> Result<(), Report> {
    let claims = claims(config, facts);
    let mut report = Report::default();
    for (index, claim) in claims.iter().enumerate() {
        for earlier in &claims[..index] {
            if let Some(error) = against(earlier, claim, facts) {
                report.push(error);
            }
        }
    }
    match report.has_errors() {
        true => Err(report),
        false => Ok(()),
    }
}

fn claims<'c>(config: &'c Config, facts: &Facts) -> Vec<Claim<'c>> {
    let disks = config.disks.iter().map(|disk| {
        let partitioned = disk.partitions.iter().any(|one| one.should_exist);
        let role = match partitioned || !disk.wipe_table {
            true => Role::Disk,
            false => Role::WipedDisk,
        };
        (role, &disk.device, disk.at, None)
    });
    let members = config.raid.iter().flat_map(|raid| {
        let devices = raid.devices.iter();
        devices.map(|device| {
            (
                Role::Member,
                device,
                raid.at,
                Some(format!("/dev/md/{}", raid.name)),
            )
        })
    });
    let volumes = config.luks.iter().map(|luks| {
        (
            Role::Volume,
            &luks.device,
            luks.at,
            Some(volume_node(&luks.name)),
        )
    });
    let filesystems = config
        .filesystems
        .iter()
        .filter(|filesystem| filesystem.format.is_some())
        .map(|filesystem| (Role::Filesystem, &filesystem.device, filesystem.at, None));
    let all = disks.chain(members).chain(volumes).chain(filesystems);
    all.filter_map(|(role, device, at, above)| {
        Some(Claim {
            role,
            device,
            node: facts.disks.resolve(device.as_str())?,
            at,
            above,
        })
    })
    .collect()
}

/// What speaks against two entries together, if something does.
fn against(earlier: &Claim<'_>, later: &Claim<'_>, facts: &Facts) -> Option<Diagnostic> {
    if earlier.node != later.node {
        return overlap(earlier, later, facts);
    }
    let (first, second) = (earlier.role, later.role);
    let same_name = earlier.device == later.device;
    let mut error = match (first, second) {
        // Validation sees entries of one name, and planning sees members of two arrays.
        _ if first == second && same_name => return None,
        (Role::Member, Role::Member) => return None,
        _ if first == second || (is_disk(first) && is_disk(second)) => Diagnostic::error(
            later.at,
            format!(
                "{} and {} are one device, {}",
                earlier.device, later.device, later.node
            ),
        )
        .help("name it once, with all that is to be made of it"),
        // A wiped disk may be used whole.
        (Role::WipedDisk, _) => return None,
        // A disk whose partitions only go, or that is only named: what is left of it shows when it is planned.
        _ => Diagnostic::error(
            later.at,
            format!(
                "{} cannot be {} and {} at once",
                shown(earlier, later),
                second.words(),
                first.words()
            ),
        ),
    };
    if error.help.is_none() {
        error = match (&earlier.above, first) {
            (Some(above), _) => error.help(format!("did you mean {above}?")),
            (None, Role::Disk) => {
                error.help("name one of its partitions, as by /dev/disk/by-partlabel/")
            }
            (None, _) => error.help("remove one of the two entries"),
        };
    }
    Some(error.other(earlier.at, "the other entry is at"))
}

fn is_disk(role: Role) -> bool {
    matches!(role, Role::Disk | Role::WipedDisk)
}

fn shown(earlier: &Claim<'_>, later: &Claim<'_>) -> String {
    match earlier.device == later.device || later.device.as_str() == later.node {
        true => later.node.clone(),
        false => format!("{} ({})", later.device, later.node),
    }
}

/// A device that is used whole has no partitions that something else could be made of.
fn overlap(one: &Claim<'_>, other: &Claim<'_>, facts: &Facts) -> Option<Diagnostic> {
    let part_of = |whole: &Claim<'_>, part: &Claim<'_>| {
        let block = facts.disks.blocks.get(&whole.node)?;
        let TableState::Gpt(table) = &block.table else {
            return None;
        };
        let mut numbers = table.partitions.keys();
        numbers.find(|number| partition_node(&whole.node, **number) == part.node)
    };
    let (whole, part) = match (part_of(one, other), part_of(other, one)) {
        (Some(_), _) => (one, other),
        (None, Some(_)) => (other, one),
        (None, None) => return None,
    };
    if is_disk(whole.role) {
        return None;
    }
    let message = format!(
        "{} is a partition of {}, of which the config makes {}",
        part.node,
        whole.node,
        whole.role.words()
    );
    let error = Diagnostic::error(part.at, message).other(whole.at, "the other entry is at");
    Some(error.help("use the whole device or its partitions"))
}

/// What in users and groups cannot be, whatever the root holds: neither if it has none of them nor if it has
/// all.
pub fn accounts(config: &Config) -> Result<(), Report> {
    let facts = |accounts| Facts {
        accounts,
        ..Facts::default()
    };
    let none = facts(Accounts::assumed(config));
    let Err(report) = plan_accounts::plan(&config.groups, &config.users, &none) else {
        return Ok(());
    };
    let mut all = none;
    for group in config.groups.iter().filter(|group| group.should_exist) {
        let there = Group {
            gid: group.gid.map(|gid| gid.0),
            ..Group::default()
        };
        all.accounts.groups.insert(group.name.clone(), there);
    }
    for user in config.users.iter().filter(|user| user.should_exist) {
        let there = User {
            uid: user.uid.map(|uid| uid.0),
            ..User::default()
        };
        all.accounts.users.insert(user.name.clone(), there);
    }
    match plan_accounts::plan(&config.groups, &config.users, &all) {
        Ok(_) => Ok(()),
        Err(_) => Err(report),
    }
}

#[cfg(test)]
#[path = "contradictions_tests.rs"]
mod tests;
