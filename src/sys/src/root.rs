//! The sysroot: every path below it is resolved by the kernel, inside it.
//!
//! `openat2(2)` with `RESOLVE_IN_ROOT` treats the root as `/`: absolute links and `..` stay inside,
//! whatever an image holds. Operations name real paths and open them without following any link.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use pilotlight_core::model::SysPath;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, StatxFlags, openat2, readlinkat, statx,
};
use rustix::io::Errno;

use crate::regular::{not_a_file, read_bounded, regular};

/// Links that one path may lead over (the kernel's own limit).
const MAX_LINKS: usize = 40;
/// Largest database or preset file that is read, in bytes.
const MAX_TEXT: u64 = 16 << 20;

/// An open root directory.
#[derive(Debug)]
pub struct Sysroot {
    fd: OwnedFd,
}

/// An entry as statx(2) shows it.
pub(crate) struct Stat {
    pub(crate) kind: FileType,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) len: u64,
    pub(crate) inode: String,
}

impl Sysroot {
    /// Opens a directory as root.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        Ok(Self { fd })
    }

    /// A directory that is open already, such as the top of a mount.
    pub(crate) fn of(fd: OwnedFd) -> Self {
        Self { fd }
    }

    fn open_in(
        &self,
        path: &str,
        flags: OFlags,
        resolve: ResolveFlags,
    ) -> rustix::io::Result<OwnedFd> {
        // "." is the root itself: openat2 takes no empty path.
        let path = if path.is_empty() { "." } else { path };
        let resolve = resolve | ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        openat2(
            &self.fd,
            path,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            resolve,
        )
    }

    /// Opens a directory by its real path: a link on the way is an error, because there was none when
    /// the plan was made.
    pub(crate) fn directory(&self, real: &SysPath) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        Ok(self.open_in(real.relative(), flags, ResolveFlags::NO_SYMLINKS)?)
    }

    /// A handle on what is at a real path, its last component not followed; `None` if nothing is there.
    pub(crate) fn handle(&self, real: &SysPath) -> io::Result<Option<OwnedFd>> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        match self.open_in(real.relative(), flags, ResolveFlags::NO_SYMLINKS) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the directory that holds a path.
    pub(crate) fn parent(&self, real: &SysPath) -> io::Result<OwnedFd> {
        let parent = real
            .parent()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the root has no parent"))?;
        self.directory(&parent)
    }

    /// Opens a file below the root for reading, links followed inside the root; `None` if it is missing.
    ///
    /// Errors: it is a pipe, a device, a socket or a directory. Only /dev/null counts as an empty file, as
    /// it does for systemd.
    pub fn read_file(&self, path: &SysPath) -> io::Result<Option<File>> {
        match self.open_in(
            path.relative(),
            OFlags::RDONLY | OFlags::NONBLOCK,
            ResolveFlags::empty(),
        ) {
            Ok(fd) => regular(fd).map(Some),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            // What a socket answers, and a device that nobody drives.
            Err(Errno::NXIO | Errno::NODEV) => Err(not_a_file()),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a text file whole, with a bound that is an error to exceed.
    pub fn read_text(&self, path: &SysPath) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = self.read_file(path)? else {
            return Ok(None);
        };
        let bytes = read_bounded(file, MAX_TEXT + 1)?;
        if bytes.len() as u64 > MAX_TEXT {
            return Err(io::Error::other(format!(
                "it is larger than {MAX_TEXT} bytes"
            )));
        }
        Ok(Some(bytes))
    }

    /// Removes a file, links of its directories followed inside the root; one that is not there is removed.
    pub fn remove_file(&self, path: &SysPath) -> io::Result<()> {
        let real = self.resolve(path)?;
        let directory = match self.parent(&real) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        match rustix::fs::unlinkat(&directory, real.name(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(rustix::fs::fsync(&directory)?),
            Err(error) => Err(error.into()),
        }
    }

    /// What is at a real path, its last component not followed.
    pub(crate) fn stat(&self, real: &SysPath) -> io::Result<Option<Stat>> {
        let Some(_) = real.parent() else {
            return stat_at(self.fd.as_fd(), "").map(Some);
        };
        let parent = match self.parent(real) {
            Ok(parent) => parent,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match stat_at(parent.as_fd(), real.name()) {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a symbolic link at a real path.
    pub(crate) fn read_link(&self, real: &SysPath) -> io::Result<String> {
        let target = readlinkat(self.parent(real)?, real.name(), Vec::new())?;
        Ok(target.to_string_lossy().into_owned())
    }

    /// The real path that a path leads to: links of its directories followed inside the root, its last
    /// component not. Directories that are missing are taken by their names.
    pub fn resolve(&self, path: &SysPath) -> io::Result<SysPath> {
        self.resolve_over(path).map(|(real, _)| real)
    }

    /// The same, with the real paths of the links that were followed.
    pub(crate) fn resolve_over(&self, path: &SysPath) -> io::Result<(SysPath, Vec<SysPath>)> {
        let mut links = Vec::new();
        let mut done: Vec<String> = Vec::new();
        let mut rest: Vec<String> = path.components().rev().map(Into::into).collect();
        while let Some(part) = rest.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    done.pop();
                    continue;
                }
                _ => {}
            }
            done.push(part);
            if rest.is_empty() {
                break;
            }
            let here = join(&done)?;
            let is_link = match self.stat(&here) {
                Ok(stat) => stat.is_some_and(|stat| stat.kind == FileType::Symlink),
                // A file where a directory should be: the plan says so.
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => false,
                Err(error) => return Err(error),
            };
            if is_link {
                if links.len() == MAX_LINKS {
                    return Err(Errno::LOOP.into());
                }
                let target = self.read_link(&here)?;
                links.push(here);
                done.pop();
                if target.starts_with('/') {
                    done.clear();
                }
                rest.extend(target.split('/').rev().map(Into::into));
            }
        }
        Ok((join(&done)?, links))
    }
}

impl AsFd for Sysroot {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn join(parts: &[String]) -> io::Result<SysPath> {
    SysPath::parse(&format!("/{}", parts.join("/"))).map_err(io::Error::other)
}

/// Opens a file in a directory for reading, its name not followed.
///
/// Errors: it is no regular file. Without NONBLOCK a named pipe would hold the stage up for ever.
pub(crate) fn open_file(directory: impl AsFd, name: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::openat(directory, name, flags, Mode::empty()) {
        Ok(fd) => regular(fd),
        Err(Errno::NXIO | Errno::NODEV) => Err(not_a_file()),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn stat_at(directory: BorrowedFd<'_>, name: &str) -> io::Result<Stat> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH | AtFlags::NO_AUTOMOUNT;
    let stat = statx(directory, name, flags, StatxFlags::BASIC_STATS)?;
    Ok(Stat {
        kind: FileType::from_raw_mode(stat.stx_mode.into()),
        mode: u32::from(stat.stx_mode) & 0o7777,
        uid: stat.stx_uid,
        gid: stat.stx_gid,
        len: stat.stx_size,
        inode: format!(
            "{}:{}:{}",
            stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino
        ),
    })
}
