//! Which file system is full, and of what: the kernel has the same words for one without room and for one without
//! inodes, and names neither.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use pilotlight_core::model::SysPath;
use rustix::fs::{fstat, fstatvfs};
use rustix::io::Errno;

use crate::root::Sysroot;

/// Less than this is scarce: what needs more says only that it failed, where a tool speaks for it.
const SCARCE_BYTES: u64 = 1 << 20;
const SCARCE_INODES: u64 = 16;

/// What a file system has left.
struct Room {
    name: String,
    free: u64,
    size: u64,
    free_inodes: u64,
    /// 0 where there is no fixed number of them.
    inodes: u64,
}

impl Room {
    fn of(at: impl AsFd) -> io::Result<Self> {
        let (stat, numbers) = (fstatvfs(&at)?, fstat(&at)?.st_dev);
        Ok(Self {
            name: name(numbers),
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
            size: stat.f_blocks.saturating_mul(stat.f_frsize),
            free_inodes: stat.f_favail,
            inodes: stat.f_files,
        })
    }

    fn is_scarce(&self) -> bool {
        self.free < SCARCE_BYTES || self.inodes > 0 && self.free_inodes < SCARCE_INODES
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib = |bytes: u64| bytes / 1024;
        let (free, size) = (kib(self.free), kib(self.size));
        write!(f, "{} has {free} of {size} KiB left", self.name)?;
        match self.inodes {
            0 => Ok(()),
            all => write!(f, " and {} of {all} inodes", self.free_inodes),
        }
    }
}

/// The file system of a device number, by its kind and its device (proc_pid_mountinfo(5)).
fn name(device: u64) -> String {
    let numbers = (rustix::fs::major(device), rustix::fs::minor(device));
    let text = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let mut mounts = libmount::mountinfo::Parser::new(&text).filter_map(Result::ok);
    match mounts.find(|mount| (mount.major, mount.minor) == (numbers.0.into(), numbers.1.into())) {
        Some(mount) => format!(
            "the {} of {}",
            mount.fstype.to_string_lossy(),
            mount.mount_source.to_string_lossy()
        ),
        // Subvolumes have numbers of their own, and what is mounted for this process alone is not listed.
        _ => "its file system".into(),
    }
}

/// An error of a path below a root, with what its file system has left if that is what it is about.
pub(crate) fn explained(root: &Sysroot, path: &SysPath, error: io::Error) -> io::Error {
    let said = match Errno::from_io_error(&error) {
        Some(Errno::NOSPC | Errno::DQUOT) => {
            nearest(root, path).and_then(|at| Ok(Room::of(at)?.to_string()))
        }
        Some(Errno::ROFS) => nearest(root, path).and_then(|at| {
            let name = name(fstat(at)?.st_dev);
            Ok(format!("{name} is read-only"))
        }),
        _ => return error,
    };
    match said {
        Ok(said) => io::Error::new(error.kind(), format!("{error}: {said}")),
        // The first error is the one to report.
        Err(_) => error,
    }
}

/// The directory that holds a path, or is the first above it that is there.
fn nearest(root: &Sysroot, path: &SysPath) -> io::Result<OwnedFd> {
    let above = path.ancestors().into_iter().rev();
    for directory in above {
        match root.directory(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
    }
    root.directory(&SysPath::root())
}

/// What the file system at a path has left, where that is little enough to be why a tool failed.
pub fn scarce(path: &Path) -> Option<String> {
    let at = std::fs::File::open(path).ok()?;
    let room = Room::of(at).ok()?;
    room.is_scarce().then(|| room.to_string())
}
