//! What has to be so before an operation: planning makes it so, and the rehearsal checks it step by step.
//!
//! A plan whose step finds something else is at fault, whatever the config says. The words follow "but".

use crate::facts::Facts;
use crate::facts::accounts::Accounts;
use crate::facts::disks::{Block, Detail, Disks, Signature, TableState};
use crate::facts::tree::{Node, Tree};
use crate::model::SysPath;
use crate::op::{AccountOp, DiskOp, MountOp, Op, TreeOp, UserFields, VolumeOp, volume_node};

/// `Err` says what is in the way.
type Checked = Result<(), String>;

impl Op {
    /// Whether the facts are such that the operation does what its line says.
    pub fn precondition(&self, facts: &Facts) -> Checked {
        match self {
            // These look for themselves at what they change.
            Op::Boot(_) | Op::Relabel(_) => Ok(()),
            Op::Disk(op) => op.precondition(&facts.disks),
            Op::Volume(op) => op.precondition(&facts.disks),
            Op::Mount(op) => op.precondition(&facts.disks),
            Op::Account(op) => op.precondition(&facts.accounts),
            Op::Tree(op) => op.precondition(&facts.tree),
        }
    }
}

fn require(so: bool, otherwise: impl FnOnce() -> String) -> Checked {
    match so {
        true => Ok(()),
        false => Err(otherwise()),
    }
}

fn block<'f>(disks: &'f Disks, node: &str) -> Result<&'f Block, String> {
    let found = disks.blocks.get(node);
    found.ok_or_else(|| format!("there is no device {node}"))
}

/// The device, which nobody uses.
fn unused<'f>(disks: &'f Disks, node: &str) -> Result<&'f Block, String> {
    let found = block(disks, node)?;
    match &found.used {
        Some(usage) => Err(format!("{node} is {usage}")),
        None => Ok(found),
    }
}

/// The device, which holds nothing that is known.
fn blank(disks: &Disks, node: &str) -> Checked {
    let found = unused(disks, node)?;
    require(found.table == TableState::None, || {
        format!("{node} has a partition table")
    })?;
    match &found.signature {
        Signature::Found(there) => Err(format!("{node} holds {}", there.kind)),
        Signature::Ambivalent(kinds) => Err(format!("{node} holds {}", kinds.join(" and "))),
        Signature::Blank | Signature::Unknown => Ok(()),
    }
}

fn encrypted(disks: &Disks, node: &str) -> Checked {
    let found = block(disks, node)?;
    let is_volume = matches!(&found.signature, Signature::Found(there) if matches!(there.detail, Detail::Luks(_)));
    require(is_volume, || format!("{node} is no encrypted volume"))
}

impl DiskOp {
    fn precondition(&self, disks: &Disks) -> Checked {
        let table = |disk: &str| match &unused(disks, disk)?.table {
            TableState::Gpt(table) => Ok(table),
            _ => Err(format!("{disk} has no partition table")),
        };
        let slot = |disk: &str, number: u32| {
            let entry = table(disk)?.partitions.get(&number);
            entry.ok_or_else(|| format!("partition {number} is not there"))
        };
        match self {
            DiskOp::CreateTable { disk, destroys } => {
                let found = unused(disks, disk)?;
                let blank = found.table == TableState::None
                    && matches!(found.signature, Signature::Blank | Signature::Unknown);
                require(blank || destroys.is_some(), || {
                    format!("{disk} holds something that the line does not name")
                })
            }
            DiskOp::RepairTable { disk, .. } => require(table(disk)?.repair.is_some(), || {
                format!("there is nothing to repair on {disk}")
            }),
            // It may be a disk that the config does not name.
            DiskOp::ReplaceDiskGuid { disk, .. } => require(disks.fresh.contains_key(disk), || {
                format!("{disk} has no GUID of an image")
            }),
            DiskOp::DeletePartition { disk, number, .. } => {
                slot(disk, *number)?;
                let node = crate::facts::disks::partition_node(disk, *number);
                unused(disks, &node).map(|_| ())
            }
            DiskOp::CreatePartition {
                disk,
                number,
                start,
                end,
                ..
            } => {
                let table = table(disk)?;
                require(!table.partitions.contains_key(number), || {
                    format!("partition {number} is there")
                })?;
                let lies_within =
                    table.first_usable <= *start && start <= end && *end <= table.last_usable;
                require(lies_within, || {
                    "it lies outside of the usable sectors".into()
                })?;
                let mut others = table.partitions.iter();
                let met = others.find(|(_, entry)| entry.start <= *end && *start <= entry.end);
                match met {
                    Some((other, _)) => Err(format!("partition {other} lies there")),
                    None => Ok(()),
                }
            }
            DiskOp::ResizePartition {
                disk,
                number,
                from,
                to,
                ..
            } => {
                let entry = slot(disk, *number)?;
                // Shrinking may be what mends a table; that none is at fault afterwards, planning has seen.
                require(entry.end == *from && entry.start <= *to, || {
                    format!("partition {number} ends elsewhere")
                })
            }
            DiskOp::WipeSignatures { device, .. } => unused(disks, device).map(|_| ()),
            DiskOp::MakeFilesystem { device, .. } => blank(disks, device),
        }
    }
}

impl VolumeOp {
    fn precondition(&self, disks: &Disks) -> Checked {
        match self {
            VolumeOp::StopArray { node, .. } => match disks.blocks.get(node) {
                Some(_) => unused(disks, node).map(|_| ()),
                // One that is not named by the config is known by its members alone.
                None => require(disks.arrays.values().any(|array| array == node), || {
                    format!("there is no array {node}")
                }),
            },
            VolumeOp::AssembleArray { members, .. } => members
                .iter()
                .try_for_each(|member| block(disks, member).map(|_| ())),
            VolumeOp::CreateArray { members, .. } => {
                members.iter().try_for_each(|member| blank(disks, member))?;
                let mut seen = std::collections::BTreeSet::new();
                match members.iter().find(|member| !seen.insert(*member)) {
                    Some(member) => Err(format!("{member} would be in it twice")),
                    None => Ok(()),
                }
            }
            VolumeOp::CloseVolume { name, .. } => unused(disks, &volume_node(name)).map(|_| ()),
            VolumeOp::FormatVolume { device, .. } => blank(disks, device),
            VolumeOp::BindVolume { device, .. }
            | VolumeOp::RemoveKey { device, .. }
            | VolumeOp::FinishVolume { device, .. } => encrypted(disks, device),
            VolumeOp::OpenVolume { name, device, .. } => {
                encrypted(disks, device)?;
                unused(disks, device)?;
                let node = volume_node(name);
                require(!disks.blocks.contains_key(&node), || {
                    format!("there is a volume {node} already")
                })
            }
        }
    }
}

impl MountOp {
    fn precondition(&self, disks: &Disks) -> Checked {
        match self {
            MountOp::Mount {
                device,
                path,
                format,
                ..
            } => {
                require(!disks.mounts.contains_key(path), || {
                    format!("something is mounted at {path}")
                })?;
                if *format == crate::model::Format::Virtiofs {
                    return Ok(());
                }
                match &block(disks, device)?.signature {
                    Signature::Found(there) => require(there.kind == format.name(), || {
                        format!("{device} holds {}", there.kind)
                    }),
                    Signature::Ambivalent(kinds) => {
                        Err(format!("{device} holds {}", kinds.join(" and ")))
                    }
                    Signature::Unknown => Ok(()),
                    Signature::Blank => Err(format!("{device} holds nothing")),
                }
            }
            MountOp::MakeMountPoint { .. } => Ok(()),
            MountOp::Unmount { path } => require(disks.mounts.contains_key(path), || {
                format!("nothing is mounted at {path}")
            }),
        }
    }
}

impl UserFields {
    fn precondition(&self, accounts: &Accounts) -> Checked {
        let groups = self.groups.iter().chain(&self.primary_group);
        // Planning has found the names of those that the config gives by number.
        let mut missing = groups.filter(|group| accounts.group(group.as_str()).is_none());
        match missing.next() {
            Some(group) => Err(format!("there is no group {group}")),
            None => Ok(()),
        }
    }
}

impl AccountOp {
    fn precondition(&self, accounts: &Accounts) -> Checked {
        let user = |name: &str| {
            require(accounts.user(name).is_some(), || {
                format!("there is no user {name:?}")
            })
        };
        let group = |name: &str| {
            require(accounts.group(name).is_some(), || {
                format!("there is no group {name:?}")
            })
        };
        let no_group = |name: &str| {
            require(accounts.group(name).is_none(), || {
                format!("there is a group {name:?}")
            })
        };
        match self {
            AccountOp::Restore(_) => require(accounts.unfinished.is_some(), || {
                "no earlier run was cut off while it changed groups and users".into()
            }),
            AccountOp::AddGroup { name, gid, .. } => {
                no_group(name.as_str())?;
                match gid.and_then(|gid| accounts.group_by_gid(gid)) {
                    Some(other) => Err(format!("the group {other:?} has that number")),
                    None => Ok(()),
                }
            }
            AccountOp::Adopt { of, name, .. } => {
                let beside = match of {
                    crate::op::AccountKind::User => &accounts.users_beside,
                    crate::op::AccountKind::Group => &accounts.groups_beside,
                };
                require(beside.contains_key(name.as_str()), || {
                    format!("{name} is not among what the image has beside /etc")
                })
            }
            AccountOp::ModifyGroup { name, .. } => group(name.as_str()),
            AccountOp::DeleteGroup { name } => {
                group(name.as_str())?;
                match accounts.user_of_main_group(name.as_str()) {
                    Some(user) => Err(format!("it is the main group of {user:?}")),
                    None => Ok(()),
                }
            }
            AccountOp::AddUser(add) => {
                require(accounts.user(add.name.as_str()).is_none(), || {
                    "there is such a user".into()
                })?;
                if add.makes_group(accounts) {
                    no_group(add.name.as_str())?;
                }
                add.fields.precondition(accounts)
            }
            AccountOp::ModifyUser { name, fields } => {
                user(name.as_str())?;
                fields.precondition(accounts)
            }
            AccountOp::DeleteUser { name, .. } => user(name.as_str()),
            AccountOp::SetPassword { of, name, .. } => match of {
                crate::op::AccountKind::User => user(name.as_str()),
                crate::op::AccountKind::Group => group(name.as_str()),
            },
        }
    }
}

impl TreeOp {
    fn precondition(&self, tree: &Tree) -> Checked {
        let lies_in_directory = |path: &SysPath| match path.parent() {
            Some(parent) if parent.depth() > 0 => {
                require(matches!(tree.node(&parent), Node::Directory { .. }), || {
                    format!("there is no directory {parent}")
                })
            }
            _ => Ok(()),
        };
        let absent = |path: &SysPath, replaces: bool| match tree.node(path) {
            Node::Absent => Ok(()),
            Node::Directory { .. } => Err("a directory is there".into()),
            other => require(replaces, || format!("{} is there", other.kind())),
        };
        let there = |path: &SysPath| {
            require(*tree.node(path) != Node::Absent, || {
                "nothing is there".into()
            })
        };
        match self {
            TreeOp::MakeDirectory { path, .. } => {
                lies_in_directory(path)?;
                absent(path, false)
            }
            TreeOp::WriteFile { path, replaces, .. }
            | TreeOp::MakeSymlink { path, replaces, .. } => {
                lies_in_directory(path)?;
                absent(path, replaces.is_some())
            }
            TreeOp::MakeHardlink {
                path,
                target,
                replaces,
            } => {
                lies_in_directory(path)?;
                there(target)?;
                absent(path, replaces.is_some())
            }
            TreeOp::AppendFile { path, .. } => {
                require(matches!(tree.node(path), Node::File { .. }), || {
                    "no file is there".into()
                })
            }
            TreeOp::SetAttributes { path, .. } => there(path),
            // Links that enable units are known by the directories that hold them.
            TreeOp::Remove { path, .. } => match tree.enablement.contains_key(path) {
                true => Ok(()),
                false => there(path),
            },
        }
    }
}

#[cfg(test)]
#[path = "precondition_tests.rs"]
mod tests;
