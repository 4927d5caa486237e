//! Regular files, which never keep who reads them waiting, and what is none.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, openat};
use rustix::io::Errno;

/// Reads a file of bounded length; `None` where there is none. Links are followed.
///
/// Errors: it is a pipe, a device, a socket or a directory, which could keep a stage waiting for ever; it is longer
/// than `limit`, in bytes.
pub fn read_regular(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let bytes = read_beginning(path, limit.saturating_add(1))?;
    match bytes {
        Some(bytes) if bytes.len() as u64 > limit => {
            Err(io::Error::other(format!("it is larger than {limit} bytes")))
        }
        other => Ok(other),
    }
}

/// The same for what is read as far as `most` bytes and no further.
pub fn read_beginning(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(CWD, path, flags, Mode::empty()) {
        Ok(fd) => regular(fd)?,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::NXIO | Errno::NODEV) => return Err(not_a_file()),
        Err(error) => return Err(error.into()),
    };
    read_bounded(file, most).map(Some)
}

/// As many bytes of a file as there are, and no more than that, in as few reads as its length allows.
pub(crate) fn read_bounded(file: File, most: u64) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len().min(most);
    // One more, to see the end. A length beyond the address space is beyond the bound, too.
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0).saturating_add(1));
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(crate) fn regular(fd: OwnedFd) -> io::Result<File> {
    let stat = rustix::fs::fstat(&fd)?;
    let null = rustix::fs::makedev(1, 3);
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(File::from(fd)),
        FileType::CharacterDevice if stat.st_rdev == null => Ok(File::from(fd)),
        _ => Err(not_a_file()),
    }
}

pub(crate) fn not_a_file() -> io::Error {
    io::Error::other("it is not a regular file, but a pipe, a device, a socket or a directory")
}
