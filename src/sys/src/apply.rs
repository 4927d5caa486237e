//! The one way to change the machine: an operation of the plan, performed.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use pilotlight_core::op::{AccountOp, DiskOp, Op};

use crate::accounts::AccountError;
use crate::boot::BootError;
use crate::disk_error::DiskError;
use crate::journal::Journal;
use crate::mounts::MountError;
use crate::root::Sysroot;
use crate::selinux::SelinuxError;
use crate::table_edits::TableError;
use crate::tree::{Batch, Provider, TreeError};
use crate::volumes::{KeyStore, VolumeError};
use crate::{accounts, boot, disks, mounts, selinux, tree, volumes};

/// What operations are performed on and with.
pub struct Target<'t> {
    /// Where the root is.
    pub root_path: &'t Path,
    /// The root; only operations below it need it.
    pub root: Option<Sysroot>,
    /// Files that wait to be put in place.
    pub batch: Batch,
    /// Contents and account numbers.
    pub provider: &'t mut dyn Provider,
    /// Keys of encrypted volumes.
    pub keys: &'t KeyStore,
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Kernel arguments and the next boot.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// Partition tables and file systems.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// RAID arrays and encrypted volumes.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// Mounts.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// Users and groups.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// Files, directories, links.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Labels.
    #[error(transparent)]
    Relabel(#[from] SelinuxError),
    /// The operation is below a root, and there is none.
    #[error("there is no root")]
    NoRoot,
}

/// Operations that this process has begun.
static BEGUN: AtomicUsize = AtomicUsize::new(0);

/// How many operations this process has begun: as long as it is 0, nothing of the machine has been changed.
pub fn begun() -> usize {
    BEGUN.load(Ordering::Relaxed)
}

fn begin(operations: usize) {
    BEGUN.fetch_add(operations, Ordering::Relaxed);
}

/// Performs one operation on a disk, which needs nothing else: several may be performed side by side.
pub fn on_disk(op: &DiskOp) -> Result<(), DiskError> {
    begin(1);
    disks::apply(op)
}

/// Performs operations on the partition table of one disk, in their order and by one write.
pub fn on_table(disk: &str, edits: &[&DiskOp]) -> Result<(), TableError> {
    begin(edits.len());
    disks::apply_table(disk, edits)
}

/// Sets passwords of accounts, all at once.
pub fn on_passwords(ops: &[&AccountOp], root: &Path) -> Result<(), AccountError> {
    begin(ops.len());
    accounts::set_passwords(ops, root)
}

/// Performs one operation.
pub fn apply(op: &Op, target: &mut Target<'_>, journal: &mut Journal) -> Result<(), ApplyError> {
    if !matches!(op, Op::Disk(_)) {
        begin(1);
    }
    if !matches!(op, Op::Tree(_)) {
        // Whatever looks at the tree has to find what was written.
        finish(target, journal)?;
    }
    match op {
        Op::Boot(op) => boot::apply(op)?,
        Op::Disk(op) => on_disk(op)?,
        Op::Volume(op) => volumes::apply(op, target.keys)?,
        Op::Account(op) => accounts::apply(op, target.root_path)?,
        Op::Mount(op) => {
            let root = target.root.as_ref().ok_or(ApplyError::NoRoot)?;
            mounts::apply(op, root, target.root_path)?;
        }
        Op::Relabel(op) => {
            let root = target.root.as_ref().ok_or(ApplyError::NoRoot)?;
            selinux::apply(op, root, target.root_path)?;
        }
        Op::Tree(op) => {
            let root = target.root.as_ref().ok_or(ApplyError::NoRoot)?;
            let mut work = tree::Work {
                root,
                provider: target.provider,
                journal,
                batch: &mut target.batch,
            };
            tree::apply(op, &mut work)?;
        }
    }
    Ok(())
}

/// Puts everything in place that waits, and on the disks.
pub fn finish(target: &mut Target<'_>, journal: &mut Journal) -> Result<(), ApplyError> {
    if let Some(root) = &target.root {
        target.batch.finish(root, journal)?;
    }
    Ok(())
}
