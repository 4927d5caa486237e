//! Operations: the only things that change a machine.
//!
//! `Display` is the line that a dry run prints and that the real run logs; there is no other.
//! Each operation can say whether it destroys data and what the machine looks like afterwards.

mod account;
mod account_fields;
mod boot;
mod content;
mod disk;
mod mount;
mod mount_options;
mod precondition;
mod relabel;
mod tree;
mod trials;
mod volume;

use std::fmt;

use serde::Serialize;

pub use account::{AccountKind, AccountOp, AddUser, Restore, UserFields};
pub use account_fields::{AccountName, Field, PasswordHash};
pub use boot::{BootOp, FIRST_BOOT_MARKER, KARGS_HELPER, split};
pub use content::{Content, ContentSource};
pub use disk::{DiskOp, canonical_uuid, human};
pub use mount::MountOp;
pub use mount_options::{AccessTimes, MountAttribute, MountOptions, mount_options};
pub use relabel::RelabelOp;
pub use tree::{OwnerRef, TreeOp, summary};
pub use volume::{VolumeOp, array_node, volume_node};

use crate::diag::on_one_line;
use crate::facts::Facts;

/// One change of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Op {
    /// Kernel arguments and the next boot.
    Boot(BootOp),
    /// Partition tables and file systems.
    Disk(DiskOp),
    /// RAID arrays and encrypted volumes.
    Volume(VolumeOp),
    /// Mounts below the sysroot.
    Mount(MountOp),
    /// Groups and users.
    Account(AccountOp),
    /// Files, directories and links below the sysroot.
    Tree(TreeOp),
    /// Labels of the root's SELinux policy.
    Relabel(RelabelOp),
}

impl Op {
    /// Whether data that is there now is gone afterwards.
    pub fn is_destructive(&self) -> bool {
        match self {
            Op::Disk(op) => op.is_destructive(),
            // Devices are wiped by an operation of its own before.
            Op::Boot(_) | Op::Volume(_) | Op::Mount(_) | Op::Relabel(_) => false,
            Op::Account(op) => op.is_destructive(),
            Op::Tree(op) => op.is_destructive(),
        }
    }

    /// The devices whose content it changes.
    pub fn devices(&self) -> &[String] {
        match self {
            Op::Disk(op) => std::slice::from_ref(op.device()),
            Op::Volume(op) => op.devices(),
            _ => &[],
        }
    }

    /// Turns the facts into what they will be after the operation.
    pub fn predict(&self, facts: &mut Facts) {
        match self {
            Op::Boot(op) => op.predict(facts),
            Op::Disk(op) => op.predict(facts),
            Op::Volume(op) => op.predict(facts),
            Op::Mount(op) => op.predict(facts),
            Op::Account(op) => op.predict(facts),
            Op::Tree(op) => op.predict(facts),
            // No plan depends on labels.
            Op::Relabel(_) => {}
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Op::Boot(op) => op.to_string(),
            Op::Disk(op) => op.to_string(),
            Op::Volume(op) => op.to_string(),
            Op::Mount(op) => op.to_string(),
            Op::Account(op) => op.to_string(),
            Op::Tree(op) => op.to_string(),
            Op::Relabel(op) => op.to_string(),
        };
        f.write_str(&on_one_line(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SysPath;

    #[test]
    fn a_path_cannot_look_like_another_operation() {
        let op = Op::Tree(TreeOp::Remove {
            path: SysPath::parse("/a\n! wipe /dev/sda\r\u{2028}").unwrap(),
            destroys: "a file",
        });
        assert_eq!(
            op.to_string(),
            "remove a file at /a\\n! wipe /dev/sda\\r\\u{2028}"
        );
    }
}
