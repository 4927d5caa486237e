//! The observed machine as data.
//!
//! `sys` observes; operations predict. A dry run plans the next stage on predicted facts, the real
//! run on observed ones, and the tests compare the two.

pub mod accounts;
pub mod boot;
pub mod disks;
pub mod instead;
mod look;
pub mod selinux;
pub mod tree;
pub mod unfinished_accounts;
mod usage;

pub use look::{Look, Place, Refused, Sight, Trial};
pub use usage::Usage;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::SysPath;

/// All that planning may know about a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// How the machine was started, and what decides about the next start.
    #[serde(default)]
    pub boot: boot::Boot,
    /// Disks, partitions, file systems.
    pub disks: disks::Disks,
    /// What stands at the paths that the config names.
    pub tree: tree::Tree,
    /// Groups and users of the sysroot.
    pub accounts: accounts::Accounts,
    /// Operations that the journal of an earlier, interrupted run has as done: [`crate::plan::Step`] ids.
    pub done: BTreeSet<String>,
    /// Files that an earlier, interrupted run put in place and that may have lost their contents: real paths.
    #[serde(default)]
    pub half_there: BTreeSet<SysPath>,
    /// Encrypted volumes whose generated key this boot still has, and the key's SHA-256; `None` in a prediction.
    #[serde(default)]
    pub keys: BTreeMap<String, Option<String>>,
    /// Texts of files of the root that planning reads, where there are such files.
    #[serde(default)]
    pub texts: BTreeMap<SysPath, String>,
    /// What was tried beforehand and refused, and why.
    #[serde(skip)]
    pub refused: Vec<Refused>,
    /// The root's SELinux policy.
    #[serde(default)]
    pub selinux: selinux::Selinux,
}
