//! Removing what is at a path.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, unlinkat};
use rustix::io::Errno;

/// How deep a tree may be that is removed, against stack exhaustion.
const MAX_DEPTH: usize = 256;

/// Removes what has a name in a directory; what is mounted below it is an error, not removed.
pub(crate) fn remove(parent: impl AsFd, name: &str) -> io::Result<()> {
    remove_in(parent.as_fd(), name, 0)
}

fn remove_in(parent: BorrowedFd<'_>, name: &str, depth: usize) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(io::Error::other(format!(
            "directories nest deeper than {MAX_DEPTH} levels"
        )));
    }
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    // NO_XDEV: a file system that is mounted in there is not part of what is to be removed.
    let resolve = rustix::fs::ResolveFlags::NO_SYMLINKS
        | rustix::fs::ResolveFlags::NO_XDEV
        | rustix::fs::ResolveFlags::BENEATH;
    let directory = rustix::fs::openat2(parent, name, flags, Mode::empty(), resolve)?;
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let bytes = entry.file_name().to_bytes();
        if bytes == b"." || bytes == b".." {
            continue;
        }
        match std::str::from_utf8(bytes) {
            Ok(name) => remove_in(directory.as_fd(), name, depth + 1)?,
            Err(_) => unlinkat(&directory, entry.file_name(), AtFlags::empty())?,
        }
    }
    Ok(unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}
