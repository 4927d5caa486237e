//! Home directories that move: what has the name of one is whole, whenever power fails.
//!
//! usermod(8) copies to another file system under the final name and removes file after file of the old one; what a
//! run leaves of that which was cut off cannot be told from what somebody wanted. So the directory is moved here:
//! a copy gets its name when it is complete and on the disk, and the old one loses its own before it is removed.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;

use pilotlight_core::facts::accounts::{Accounts, Texts};
use pilotlight_core::model::SysPath;
use pilotlight_core::op::AccountName;
use rustix::fs::{
    CWD, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags, fstat, fsync, openat2, renameat,
    renameat_with, syncfs,
};
use rustix::io::Errno;

use super::{AccountError, run};
use crate::root::Sysroot;
use crate::temporary;
use crate::tree::remove;

/// A directory by a path for a program, which does not share our root and directories.
pub(super) fn for_program(directory: &OwnedFd) -> String {
    let (process, number) = (std::process::id(), directory.as_raw_fd());
    format!("/proc/{process}/fd/{number}")
}

/// A place for a directory: the one that holds it, and its name there.
struct Place {
    above: OwnedFd,
    name: String,
}

impl Place {
    /// Where a path leads; `None` if not even the directory above is there.
    fn of(root: &Sysroot, path: &SysPath) -> io::Result<Option<Self>> {
        let real = root.resolve(path)?;
        match root.parent(&real) {
            Ok(above) => Ok(Some(Self {
                above,
                name: real.name().into(),
            })),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn temporary(&self) -> io::Result<Self> {
        Ok(Self {
            above: self.above.try_clone()?,
            name: temporary::name(&self.name)?,
        })
    }

    fn is_taken(&self) -> io::Result<bool> {
        match crate::root::stat_at(self.above.as_fd(), &self.name) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn path(&self) -> String {
        format!("{}/{}", for_program(&self.above), self.name)
    }

    fn discard(&self) -> io::Result<()> {
        let temporary = self.temporary()?;
        renameat(&self.above, &self.name, &self.above, &temporary.name)?;
        remove::remove(&self.above, &temporary.name)
    }

    /// Removes what an interrupted run has left under temporary names of this place.
    fn take_away_leftovers(&self) -> io::Result<()> {
        let directory = rustix::fs::openat(
            &self.above,
            ".",
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        for entry in Dir::read_from(&directory)? {
            let entry = entry?;
            let name = entry.file_name().to_str().unwrap_or_default();
            if temporary::is_temporary_of(name, &self.name) {
                remove::remove(&directory, name)?;
            }
        }
        Ok(())
    }
}

pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Moves the home directory of a user, if it has one, to where nothing is.
pub(super) fn relocate(name: &AccountName, to: &str, root: &Path) -> Result<(), AccountError> {
    let failed = |source: io::Error| AccountError::Home {
        home: to.into(),
        source,
    };
    let open = Sysroot::open(root).map_err(failed)?;
    let path = |text: &str| SysPath::parse(text).map_err(io::Error::other);
    let passwd = path("/etc/passwd")
        .and_then(|path| open.read_text(&path))
        .map_err(failed)?;
    let accounts = Accounts::parse(&Texts {
        passwd: passwd.as_deref(),
        ..Texts::default()
    });
    let Some(from) = accounts
        .user(name.as_str())
        .and_then(|user| path(user.home.trim_end_matches('/')).ok())
    else {
        // usermod says what is wrong with the user; what is no path has no directory.
        return Ok(());
    };
    let to = path(to.trim_end_matches('/')).map_err(failed)?;
    // As with usermod: what a link leads to counts, and the link is moved.
    let found = openat2(
        &open,
        match from.relative() {
            "" => ".",
            relative => relative,
        },
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::IN_ROOT,
    );
    match found.and_then(|home| fstat(&home)) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        Err(error) => return Err(failed(error.into())),
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::Directory => {
            return Err(failed(io::Error::other(format!(
                "what is at the present one, {from}, is no directory"
            ))));
        }
        Ok(_) => {}
    }
    let places = (|| Ok((Place::of(&open, &from)?, Place::of(&open, &to)?)))();
    match places.map_err(failed)? {
        (Some(from), Some(to)) => move_tree(&from, &to).map_err(failed),
        _ => Ok(()),
    }
}

/// Moves a home directory that a run which was cut off has moved, or was about to move, to where it was.
pub(super) fn move_back(root: &Sysroot, from: &SysPath, to: &SysPath) -> io::Result<()> {
    let (old, new) = (Place::of(root, from)?, Place::of(root, to)?);
    for place in [&old, &new].into_iter().flatten() {
        place.take_away_leftovers()?;
    }
    let (Some(old), Some(new)) = (old, new) else {
        return Ok(());
    };
    if !new.is_taken()? {
        return Ok(());
    }
    if !old.is_taken()? {
        return move_tree(&new, &old);
    }
    // Both are there and whole only where one is the other's copy: else somebody has made one of them, and
    // usermod's own check will say so.
    match fstat(&old.above)?.st_dev == fstat(&new.above)?.st_dev {
        true => Ok(()),
        false => new.discard(),
    }
}

fn move_tree(from: &Place, to: &Place) -> io::Result<()> {
    let rename = |from: &Place, to: &Place| {
        let flags = RenameFlags::NOREPLACE;
        renameat_with(&from.above, &from.name, &to.above, &to.name, flags)
    };
    match rename(from, to) {
        Ok(()) => {
            fsync(reopened(&to.above)?)?;
            return Ok(fsync(reopened(&from.above)?)?);
        }
        Err(Errno::XDEV) => {}
        Err(error) => return Err(error.into()),
    }
    let copy = to.temporary()?;
    let args = ["-a".into(), from.path().into(), copy.path().into()];
    let copied = run("cp", &args, None)
        .map_err(io::Error::other)
        .and_then(|()| Ok(syncfs(reopened(&to.above)?)?))
        .and_then(|()| Ok(rename(&copy, to)?));
    if let Err(error) = copied {
        // The first error is the one to report.
        let _ = remove::remove(&to.above, &copy.name);
        return Err(error);
    }
    // It has to have its name on the disk before the other one loses its own.
    syncfs(reopened(&to.above)?)?;
    from.discard()
}

/// The same directory, open for reading.
fn reopened(directory: &OwnedFd) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(CWD, path, flags, Mode::empty())?)
}
