//! The keys that a platform gives a user, as a file of their own in `~/.ssh/authorized_keys.d`.
//!
//! The home directory is the user's: what is below it is opened without following a link, and what is made there
//! is given to the user.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, ResolveFlags, Uid, fchown, mkdirat, openat, openat2, renameat,
    unlinkat,
};
use rustix::io::Errno;

use crate::temporary;

/// The directories on the way, each only for its owner.
const WAY: [&str; 2] = [".ssh", "authorized_keys.d"];

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Number of the user.
    pub uid: u32,
    /// Number of the user's own group.
    pub gid: u32,
    /// Home directory.
    pub home: PathBuf,
}

impl Owner {
    /// Looks a user up by name where the system has its users (getpwnam(3)); `None` where there is none.
    pub fn find(name: &str) -> io::Result<Option<Self>> {
        let found = nix::unistd::User::from_name(name).map_err(io::Error::from)?;
        Ok(found.map(|user| Self {
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            home: user.dir,
        }))
    }

    /// Where a file of keys is.
    pub fn place(&self, name: &str) -> PathBuf {
        WAY.iter()
            .fold(self.home.clone(), |path, part| path.join(part))
            .join(name)
    }
}

/// Puts the file in place whole or not at all, mode 0600.
///
/// Errors: there is no home directory; `.ssh` or the directory in it is a link.
pub fn write(owner: &Owner, name: &str, text: &str) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut directory = openat(CWD, &owner.home, flags, Mode::empty())?;
    for part in WAY {
        directory = enter(&directory, part, owner)?;
    }
    let temporary = temporary::name(name)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&directory, &temporary, flags, Mode::RUSR | Mode::WUSR)?;
    let mut file = File::from(file);
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| give(&file, owner))
        .and_then(|()| file.sync_all())
        .and_then(|()| Ok(renameat(&directory, &temporary, &directory, name)?));
    if let Err(error) = written {
        // The first error is the one to report.
        let _ = unlinkat(&directory, &temporary, AtFlags::empty());
        return Err(error);
    }
    Ok(rustix::fs::fsync(&directory)?)
}

/// Opens a directory in another one, and makes it where it is missing.
fn enter(above: &OwnedFd, name: &str, owner: &Owner) -> io::Result<OwnedFd> {
    let made = match mkdirat(above, name, Mode::RWXU) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(error) => return Err(error.into()),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    let opened = match openat2(above, name, flags, Mode::empty(), resolve) {
        Err(Errno::LOOP | Errno::NOTDIR) => {
            let message = format!("{} is a link or no directory", Path::new(name).display());
            return Err(io::Error::other(message));
        }
        other => other?,
    };
    if made {
        give(&opened, owner)?;
    }
    Ok(opened)
}

fn give(what: impl AsFd, owner: &Owner) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    Ok(fchown(what, Some(uid), Some(gid))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    fn owner(home: &Path) -> Owner {
        Owner {
            uid: 4711,
            gid: 4712,
            home: home.into(),
        }
    }

    #[test]
    fn the_file_and_its_directories_are_the_users() {
        let home = tempfile::tempdir().unwrap();
        let owner = owner(home.path());
        write(&owner, "afterburn", "one\ntwo\n").unwrap();
        write(&owner, "afterburn", "two\n").unwrap();
        let path = owner.place("afterburn");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
        for (path, mode) in [
            (".ssh", 0o700),
            (".ssh/authorized_keys.d", 0o700),
            (".ssh/authorized_keys.d/afterburn", 0o600),
        ] {
            let stat = std::fs::metadata(home.path().join(path)).unwrap();
            let seen = (stat.uid(), stat.gid(), stat.mode() & 0o7777);
            assert_eq!(seen, (4711, 4712, mode), "{path}");
        }
        let entries = std::fs::read_dir(path.parent().unwrap()).unwrap();
        assert_eq!(entries.count(), 1);
    }

    #[test]
    fn links_are_not_followed() {
        let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(other.path(), home.path().join(".ssh")).unwrap();
        let why = write(&owner(home.path()), "afterburn", "x\n").unwrap_err();
        assert_eq!(why.to_string(), ".ssh is a link or no directory");
        std::fs::remove_file(home.path().join(".ssh")).unwrap();
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        symlink(other.path(), home.path().join(".ssh/authorized_keys.d")).unwrap();
        write(&owner(home.path()), "afterburn", "x\n").unwrap_err();
        assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 0);
        // A link in the place of the file is replaced.
        std::fs::remove_file(home.path().join(".ssh/authorized_keys.d")).unwrap();
        std::fs::create_dir(home.path().join(".ssh/authorized_keys.d")).unwrap();
        let target = other.path().join("victim");
        symlink(&target, owner(home.path()).place("afterburn")).unwrap();
        write(&owner(home.path()), "afterburn", "x\n").unwrap();
        assert!(!target.exists());
    }

    #[test]
    fn users_are_found_by_name() {
        let root = Owner::find("root").unwrap().unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert_eq!(Owner::find("no-such-user").unwrap(), None);
    }
}
