//! The tree below the sysroot: observing it, and performing operations on it.

mod batch;
mod observe;
pub(crate) mod remove;
mod write;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::os::fd::{AsFd as _, BorrowedFd};

use pilotlight_core::model::{Mode as Permissions, SysPath};
use pilotlight_core::op::{OwnerRef, TreeOp};
use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, RenameFlags, Uid, chownat, fchmod, fchown, linkat, mkdirat, openat,
    renameat, renameat_with, symlinkat, unlinkat,
};
use rustix::io::Errno;

pub use batch::Batch;
pub use observe::observe;

use crate::journal::Journal;
use crate::root::Sysroot;
use crate::{room, temporary};
use write::NewFile;

/// Why an operation on the tree failed.
#[derive(Debug, thiserror::Error)]
#[error("while {action} {path}: {cause}")]
pub struct TreeError {
    action: &'static str,
    path: SysPath,
    cause: io::Error,
}

fn during(action: &'static str, path: &SysPath) -> impl FnOnce(io::Error) -> TreeError {
    let path = path.clone();
    move |cause| TreeError {
        action,
        path,
        cause,
    }
}

impl TreeError {
    /// The same, with what is full if something is.
    fn explained(self, root: &Sysroot) -> Self {
        Self {
            cause: room::explained(root, &self.path, self.cause),
            ..self
        }
    }
}

/// A file that is being written.
pub trait Growing: Write {
    /// Forgets what was written of the contents that are being copied: they may be others when they come again.
    fn begin_again(&mut self) -> io::Result<()>;
}

/// What operations need besides the root.
pub trait Provider {
    /// Copies fetched contents to a file.
    fn copy(&mut self, key: &str, out: &mut dyn Growing) -> io::Result<()>;
    /// The number of a user of the sysroot.
    fn uid(&self, name: &str) -> Option<u32>;
    /// The number of a group of the sysroot.
    fn gid(&self, name: &str) -> Option<u32>;
}

/// Takes away what an interrupted run has left in directories.
pub fn take_away_leftovers(
    root: &Sysroot,
    directories: &BTreeSet<SysPath>,
) -> Result<usize, TreeError> {
    let mut gone = 0;
    for path in directories {
        let taken = match root.directory(path) {
            // An operation before makes it, or fails.
            Err(_) => continue,
            Ok(directory) => temporary::take_away(&directory),
        };
        let during = during("taking away what an interrupted run has left in", path);
        gone += taken.map_err(|error| during(error).explained(root))?;
    }
    Ok(gone)
}

/// What operations on the tree are performed with.
pub struct Work<'w> {
    /// The root.
    pub root: &'w Sysroot,
    /// Contents and account numbers.
    pub provider: &'w mut dyn Provider,
    /// Where contents are noted that may not be written twice.
    pub journal: &'w mut Journal,
    /// What waits to be put in place.
    pub batch: &'w mut Batch,
}

/// Performs one operation. Files may be in place only after [`Batch::commit`].
pub fn apply(op: &TreeOp, work: &mut Work<'_>) -> Result<(), TreeError> {
    let root = work.root;
    perform(op, work).map_err(|error| error.explained(root))
}

fn perform(op: &TreeOp, work: &mut Work<'_>) -> Result<(), TreeError> {
    // What waits has to be there before what builds on it, takes it away or takes its place.
    let needs = match op {
        TreeOp::MakeHardlink { path, target, .. } => {
            work.batch.holds(path) || work.batch.holds(target)
        }
        op => work.batch.holds(op.path()),
    };
    if needs || work.batch.is_full() {
        work.batch.commit(work.root, work.journal)?;
    }
    match op {
        TreeOp::MakeDirectory {
            path,
            mode,
            user,
            group,
        } => make_directory(work, path, *mode, (user, group))
            .map_err(during("making the directory", path)),
        TreeOp::WriteFile {
            path,
            contents,
            mode,
            user,
            group,
            once,
            ..
        } => {
            let (uid, gid) =
                owner(work.provider, Some(user), Some(group)).map_err(during("writing", path))?;
            let new = NewFile {
                path,
                attributes: (mode.bits(), uid, gid),
                once: once.as_deref(),
            };
            new.write(None, contents, work)
                .map_err(during("writing", path))
        }
        TreeOp::AppendFile {
            path,
            contents,
            once,
        } => write::append(work, path, contents, once).map_err(during("appending to", path)),
        TreeOp::SetAttributes {
            path,
            mode,
            user,
            group,
        } => set_attributes(work, path, *mode, (user.as_ref(), group.as_ref()))
            .map_err(during("setting permissions of", path)),
        TreeOp::MakeSymlink {
            path,
            target,
            user,
            group,
            ..
        } => {
            let owner =
                owner(work.provider, Some(user), Some(group)).map_err(during("linking", path))?;
            put_link(work, path, owner, |directory, name| {
                symlinkat(target.as_str(), directory, name)
            })
            .map_err(during("linking", path))
        }
        TreeOp::MakeHardlink { path, target, .. } => {
            let from =
                (work.root.parent(target)).map_err(during("opening the directory of", target))?;
            put_link(work, path, (None, None), |directory, name| {
                linkat(&from, target.name(), directory, name, AtFlags::empty())
            })
            .map_err(during("linking", path))
        }
        TreeOp::Remove { path, .. } => {
            let removed = (work.batch.directory(work.root, path))
                .and_then(|directory| remove::remove(&directory, path.name()));
            // It may have been a directory that is open.
            work.batch.forget_directory();
            removed.map_err(during("removing", path))
        }
    }
}

type Owners = (Option<Uid>, Option<Gid>);

/// Looks up owners; a name that the sysroot does not know is an error, never root.
fn owner(
    provider: &dyn Provider,
    user: Option<&OwnerRef>,
    group: Option<&OwnerRef>,
) -> io::Result<Owners> {
    let unknown = |what: &str, name: &str| {
        io::Error::other(format!("there is no {what} {name:?} in the new root"))
    };
    let uid = match user {
        Some(OwnerRef::Id(id)) => Some(Uid::from_raw(*id)),
        Some(OwnerRef::Name(name)) => {
            let id = provider.uid(name).ok_or_else(|| unknown("user", name))?;
            Some(Uid::from_raw(id))
        }
        None => None,
    };
    let gid = match group {
        Some(OwnerRef::Id(id)) => Some(Gid::from_raw(*id)),
        Some(OwnerRef::Name(name)) => {
            let id = provider.gid(name).ok_or_else(|| unknown("group", name))?;
            Some(Gid::from_raw(id))
        }
        None => None,
    };
    Ok((uid, gid))
}

/// Makes a directory that appears with its owner and permissions: whoever finds it finds it complete.
fn make_directory(
    work: &mut Work<'_>,
    path: &SysPath,
    mode: Permissions,
    (user, group): (&OwnerRef, &OwnerRef),
) -> io::Result<()> {
    let (uid, gid) = owner(work.provider, Some(user), Some(group))?;
    let parent = work.batch.directory(work.root, path)?;
    if parent.is_fat {
        // There is no owner and no mode, and a rename is less sure than a new entry.
        return Ok(mkdirat(&parent, path.name(), Mode::from_raw_mode(0o755))?);
    }
    let temporary = temporary::name(path.name())?;
    mkdirat(&parent, &temporary, Mode::from_raw_mode(0o700))?;
    let made: io::Result<()> = (|| {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = openat(&parent, &temporary, flags, Mode::empty())?;
        fchown(&directory, uid, gid)?;
        fchmod(&directory, Mode::from_raw_mode(mode.bits()))?;
        let renamed = renameat_with(
            &parent,
            &temporary,
            &parent,
            path.name(),
            RenameFlags::NOREPLACE,
        );
        match renamed {
            // A file system that knows no flags: an empty directory at most would be replaced.
            Err(Errno::INVAL) => Ok(renameat(&parent, &temporary, &parent, path.name())?),
            other => Ok(other?),
        }
    })();
    if made.is_err() {
        // The first error is the one to report.
        let _ = unlinkat(&parent, &temporary, AtFlags::REMOVEDIR);
    }
    made
}

fn set_attributes(
    work: &mut Work<'_>,
    path: &SysPath,
    mode: Option<Permissions>,
    (user, group): (Option<&OwnerRef>, Option<&OwnerRef>),
) -> io::Result<()> {
    let (uid, gid) = owner(work.provider, user, group)?;
    let parent = work.batch.directory(work.root, path)?;
    if uid.is_some() || gid.is_some() {
        chownat(&parent, path.name(), uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    if let Some(mode) = mode {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = openat(&parent, path.name(), flags, Mode::empty())?;
        fchmod(&fd, Mode::from_raw_mode(mode.bits()))?;
    }
    Ok(())
}

/// Makes a link under a temporary name and renames it over what may be there.
fn put_link(
    work: &mut Work<'_>,
    path: &SysPath,
    (uid, gid): Owners,
    make: impl FnOnce(BorrowedFd<'_>, &str) -> rustix::io::Result<()>,
) -> io::Result<()> {
    let parent = work.batch.directory(work.root, path)?;
    let name = temporary::name(path.name())?;
    make(parent.as_fd(), &name)?;
    let put = (|| {
        if uid.is_some() || gid.is_some() {
            chownat(&parent, &name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        renameat(&parent, &name, &parent, path.name())
    })();
    // Renaming a hard link onto its own inode does nothing, and leaves the temporary name.
    match unlinkat(&parent, &name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(put?)
}
