//! Operations: the only things that change a machine.
//!
//! `Display` is the line that a dry run prints and that the real run logs; there is no other.
//! Each operation can say whether it destroys data and what the machine looks like afterwards.

mod account;
mod account_fields;
mod content;
mod disk;
mod mount;
mod tree;

use std::fmt;

use serde::Serialize;

pub use account::{AccountKind, AccountOp, AddUser, UserFields};
pub use account_fields::{AccountName, Field, PasswordHash};
pub use content::{Content, ContentSource, hex};
pub use disk::{DiskOp, canonical_uuid, human};
pub use mount::MountOp;
pub use tree::{OwnerRef, TreeOp, summary};

use crate::facts::Facts;

/// One change of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Op {
    /// Partition tables and file systems.
    Disk(DiskOp),
    /// Mounts below the sysroot.
    Mount(MountOp),
    /// Groups and users.
    Account(AccountOp),
    /// Files, directories and links below the sysroot.
    Tree(TreeOp),
}

impl Op {
    /// Whether data that is there now is gone afterwards.
    pub fn is_destructive(&self) -> bool {
        match self {
            Op::Disk(op) => op.is_destructive(),
            Op::Mount(_) => false,
            Op::Account(op) => op.is_destructive(),
            Op::Tree(op) => op.is_destructive(),
        }
    }

    /// Turns the facts into what they will be after the operation.
    pub fn predict(&self, facts: &mut Facts) {
        match self {
            Op::Disk(op) => op.predict(facts),
            Op::Mount(op) => op.predict(facts),
            Op::Account(op) => op.predict(facts),
            Op::Tree(op) => op.predict(facts),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Disk(op) => op.fmt(f),
            Op::Mount(op) => op.fmt(f),
            Op::Account(op) => op.fmt(f),
            Op::Tree(op) => op.fmt(f),
        }
    }
}
