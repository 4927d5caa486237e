//! Files of keys below a home directory.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use pilotlight_core::facts::accounts::Accounts;
use pilotlight_core::keys::{Contents, MAX_FILE};
use pilotlight_core::model::SysPath;
use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid, fchmod, fchown, fstat, fsync, mkdirat, openat,
    renameat, unlinkat,
};
use rustix::io::Errno;

use super::as_user::as_user;
use super::label::{self, Label};
use crate::regular::read_bounded;
use crate::root::{Stat, Sysroot, open_file, stat_at};
use crate::temporary;

/// Mode of the directories that are made: sshd refuses those that others may write to.
const DIRECTORY_MODE: u32 = 0o700;
/// Mode of the files that are made.
const FILE_MODE: u32 = 0o600;

/// Most entries of a directory that are looked at.
const MAX_NAMES: usize = 1024;

/// Labels of a path's components; none where there is no policy.
type Labels = Vec<Option<Label>>;
type LabelOf<'l> = Option<&'l Option<Label>>;

/// A user's home directory.
#[derive(Debug)]
pub(super) struct Place {
    root: PathBuf,
    home: SysPath,
    uid: u32,
    gid: u32,
}

impl Place {
    /// That of a user of these accounts.
    ///
    /// Errors: there is no such user, or what passwd has as its home directory is no place.
    pub(super) fn of(root: &Path, accounts: &Accounts, user: &str) -> Result<Self, String> {
        let facts = accounts.user(user).ok_or("there is no such user")?;
        let parts: Vec<&str> = (facts.home.split('/'))
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        let start = if facts.home.starts_with('/') { "/" } else { "" };
        let home = SysPath::parse(&format!("{start}{}", parts.join("/")))
            .map_err(|why| format!("of the home directory {:?}, {why}", facts.home))?;
        let (Some(uid), Some(gid)) = (facts.uid, facts.gid) else {
            return Err("the user has no number".into());
        };
        Ok(Self {
            root: root.into(),
            home,
            uid,
            gid,
        })
    }

    /// Does something in the home directory, with the user's rights.
    fn inside<T: Send>(
        &self,
        work: impl FnOnce(&OwnedFd) -> io::Result<T> + Send,
    ) -> io::Result<T> {
        let root = Sysroot::open(&self.root)?;
        as_user(self.uid, self.gid, move || {
            // A link on the way is the administrator's, as that from /home to /var/home; it is no way to more rights.
            let inside = self.home.join("x").map_err(io::Error::other)?;
            let real = root.resolve(&inside)?.parent();
            let home = root.directory(&real.unwrap_or_else(SysPath::root))?;
            work(&home)
        })
    }

    /// Reads a file; `None` if it is not there, or not even its directory is.
    ///
    /// Errors: it is no regular file, or a link; it or its directory is somebody else's; it is larger than files of
    /// keys are.
    pub(super) fn read(&self, path: &[&str]) -> io::Result<Option<Contents>> {
        let read = self.inside(|home| {
            let Some(directory) = self.directory(home, path, None)? else {
                return Ok(None);
            };
            let read = self.read_in(&directory, name_of(path)?)?;
            Ok(read.map(|(contents, _)| contents))
        });
        match read {
            // No home directory: nothing is in it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other,
        }
    }

    /// Puts a file in place whole or not at all, if it holds now what it held when that was decided.
    pub(super) fn write(&self, path: &[&str], text: &[u8], before: Option<&str>) -> io::Result<()> {
        let labels = self.labels(path);
        self.inside(|home| {
            let directory = self.directory(home, path, Some(&labels))?;
            let directory = directory.ok_or_else(changed)?;
            let name = name_of(path)?;
            temporary::take_away(&directory)?;
            let old = self.expect(&directory, name, before)?;
            let temporary = temporary::name(name)?;
            let flags =
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = openat(
                &directory,
                &temporary,
                flags,
                Mode::from_raw_mode(FILE_MODE),
            )?;
            let written = self
                .fill(File::from(file), text, old.as_ref(), labels.last())
                .and_then(|()| Ok(renameat(&directory, &temporary, &directory, name)?));
            if let Err(error) = written {
                // The first error is the one to report.
                let _ = unlinkat(&directory, &temporary, AtFlags::empty());
                return Err(error);
            }
            Ok(fsync(&directory)?)
        })
    }

    /// Removes a file, if it holds now what it held when that was decided.
    pub(super) fn remove(&self, path: &[&str], before: Option<&str>) -> io::Result<()> {
        self.inside(|home| {
            let directory = self.directory(home, path, None)?;
            let directory = directory.ok_or_else(changed)?;
            let name = name_of(path)?;
            self.expect(&directory, name, before)?;
            unlinkat(&directory, name, AtFlags::empty())?;
            Ok(fsync(&directory)?)
        })
    }

    /// The names in a directory, none where it is not there. Of very many, some.
    pub(super) fn names_in(&self, path: &[&str]) -> io::Result<Vec<String>> {
        self.inside(|home| {
            let inside: Vec<&str> = path.iter().copied().chain(["x"]).collect();
            let Some(directory) = self.directory(home, &inside, None)? else {
                return Ok(Vec::new());
            };
            let mut names = Vec::new();
            for entry in Dir::read_from(&directory)?.take(MAX_NAMES) {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy();
                if !matches!(&*name, "." | "..") {
                    names.push(name.into_owned());
                }
            }
            Ok(names)
        })
    }

    /// The directory of a file, made with those above it where it is missing and labels are given.
    fn directory(
        &self,
        home: &OwnedFd,
        path: &[&str],
        make: Option<&Labels>,
    ) -> io::Result<Option<OwnedFd>> {
        let (_, above) = path.split_last().ok_or_else(no_name)?;
        let mut directory = home.try_clone()?;
        for (name, depth) in above.iter().zip(0..) {
            let next = match open_directory(&directory, name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => match make {
                    None => return Ok(None),
                    Some(labels) => self.make_directory(&directory, name, labels.get(depth))?,
                },
                other => other?,
            };
            self.own(&stat_at(next.as_fd(), "")?)
                .map_err(|error| io::Error::other(format!("of the directory {name}: {error}")))?;
            directory = next;
        }
        Ok(Some(directory))
    }

    fn make_directory(
        &self,
        above: &OwnedFd,
        name: &str,
        label: LabelOf<'_>,
    ) -> io::Result<OwnedFd> {
        match mkdirat(above, name, Mode::from_raw_mode(DIRECTORY_MODE)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let made = open_directory(above, name)?;
        if fstat(&made)?.st_uid == self.uid {
            label::set(made.as_fd(), None, label.and_then(Option::as_ref))?;
        }
        fsync(above)?;
        Ok(made)
    }

    /// The labels of a file and of the directories above it. Another root has a policy of its own.
    fn labels(&self, path: &[&str]) -> Labels {
        match self.root == Path::new("/") {
            true => label::by_policy(self.home.as_str(), path),
            false => Labels::new(),
        }
    }

    fn fill(
        &self,
        mut file: File,
        text: &[u8],
        old: Option<&File>,
        label: LabelOf<'_>,
    ) -> io::Result<()> {
        // Where root works in root's own place, it is root's by itself.
        let stat = fstat(&file)?;
        if (stat.st_uid, stat.st_gid) != (self.uid, self.gid) {
            fchown(
                &file,
                Some(Uid::from_raw(self.uid)),
                Some(Gid::from_raw(self.gid)),
            )?;
        }
        // Whatever the umask is.
        fchmod(&file, Mode::from_raw_mode(FILE_MODE))?;
        label::set(
            file.as_fd(),
            old.map(File::as_fd),
            label.and_then(Option::as_ref),
        )?;
        file.write_all(text)?;
        file.sync_all()
    }

    /// The file as it is now, which has to be as it was.
    fn expect(
        &self,
        directory: &OwnedFd,
        name: &str,
        before: Option<&str>,
    ) -> io::Result<Option<File>> {
        let (now, file) = self.read_in(directory, name)?.unzip();
        let now = now.as_ref().map(Contents::digest);
        match now.as_deref() == before {
            true => Ok(file),
            false => Err(changed()),
        }
    }

    fn read_in(&self, directory: &OwnedFd, name: &str) -> io::Result<Option<(Contents, File)>> {
        let file = match open_file(directory, name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if is_link(&error) => return Err(link()),
            Err(error) => return Err(error),
        };
        let stat = stat_at(file.as_fd(), "")?;
        if stat.kind != FileType::RegularFile {
            return Err(io::Error::other("it is a device"));
        }
        self.own(&stat)?;
        let bytes = read_bounded(file.try_clone()?, MAX_FILE + 1)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(io::Error::other(format!(
                "it is larger than {MAX_FILE} bytes"
            )));
        }
        Ok(Some((Contents(bytes), file)))
    }

    /// sshd takes what is the user's or root's.
    fn own(&self, stat: &Stat) -> io::Result<()> {
        match stat.uid == self.uid || stat.uid == 0 {
            true => Ok(()),
            false => Err(io::Error::other(format!(
                "it belongs to the user of number {}, not to the one of number {}",
                stat.uid, self.uid
            ))),
        }
    }
}

fn open_directory(above: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(above, name, flags, Mode::empty()) {
        Ok(fd) => Ok(fd),
        // A link is no directory, for this flag.
        Err(Errno::NOTDIR | Errno::LOOP) => Err(io::Error::other(format!(
            "{name} is a link or no directory"
        ))),
        Err(error) => Err(error.into()),
    }
}

fn name_of<'p>(path: &[&'p str]) -> io::Result<&'p str> {
    path.last().copied().ok_or_else(no_name)
}

fn no_name() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the path names no file")
}

fn is_link(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::LOOP)
}

fn link() -> io::Error {
    io::Error::other("it is a link")
}

fn changed() -> io::Error {
    io::Error::other("somebody has changed it meanwhile: it is looked at again the next time")
}
