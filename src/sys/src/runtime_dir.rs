//! The agent's own files outside of any sysroot: in /run, and where a person has them written.
//!
//! Some lie in directories that others may write to. Nothing there is opened by a name that somebody could
//! have guessed, and no link of somebody's is followed.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, mkdirat, openat, openat2,
    renameat, statat, unlinkat,
};
use rustix::io::Errno;

use crate::temporary;

/// Makes a directory that only its owner may enter, with all directories above it.
///
/// Errors: it exists and is somebody else's, or others may enter it, or it is a link.
pub fn private_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent != Path::new("") => make_directories(parent)?,
        _ => {}
    }
    match mkdirat(CWD, path, Mode::RWXU) {
        Ok(()) => return Ok(()),
        Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let stat = fstat(openat(CWD, path, flags, Mode::empty())?)?;
    if stat.st_uid != own_uid() || stat.st_mode & 0o077 != 0 {
        return Err(io::Error::other(
            "the directory exists, and it is not private: others own it or may enter it",
        ));
    }
    Ok(())
}

/// Makes a new private directory of an unguessable name, as mkdtemp(3) does, in one for temporary files.
///
/// Errors: others could put something else in its place, because they may rename what is in `parent`.
pub fn temporary_directory(parent: &Path, name: &str) -> io::Result<PathBuf> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = openat(CWD, parent, flags, Mode::empty())?;
    let stat = fstat(&opened)?;
    if !is_trusted(stat.st_uid) || is_shared(&stat) && !is_sticky(&stat) {
        return Err(io::Error::other(
            "others may replace what is in this directory: set TMPDIR to one that is yours",
        ));
    }
    let name = temporary::name(name)?;
    mkdirat(&opened, &name, Mode::RWXU)?;
    Ok(parent.join(name))
}

/// Puts a file in place whole or not at all: written under a temporary name, synced, renamed.
///
/// Missing directories above it are made for their owner only. A link is replaced. What takes a stream of
/// bytes, as a terminal, a pipe or /dev/stdout do, is written to.
pub fn replace_file(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    // A bare name lies in the working directory.
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    make_directories(directory)?;
    // Opened once: whatever is put in place of it meanwhile, all that follows happens in this one.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(CWD, directory, flags, Mode::empty())?;
    let name = Path::new(name);
    if let Some(mut stream) = stream(&directory, name)? {
        return stream.write_all(contents);
    }
    let temporary = temporary::name(&String::from_utf8_lossy(name.as_os_str().as_bytes()))?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&directory, &temporary, flags, Mode::from_raw_mode(mode))?;
    let mut file = File::from(file);
    let written = file
        .write_all(contents)
        .and_then(|()| file.sync_all())
        .and_then(|()| Ok(renameat(&directory, &temporary, &directory, name)?));
    if let Err(error) = written {
        // The first error is the one to report.
        let _ = unlinkat(&directory, &temporary, AtFlags::empty());
        return Err(error);
    }
    Ok(rustix::fs::fsync(&directory)?)
}

fn make_directories(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// What has the name, opened for writing, where it is no file but takes a stream of bytes.
///
/// Links to such things are followed where nobody but this user and root can have put them: through
/// another's link root would write to a disk.
fn stream(directory: &OwnedFd, name: &Path) -> io::Result<Option<File>> {
    let there = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(there) => there,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let kind = FileType::from_raw_mode(there.st_mode);
    if matches!(kind, FileType::RegularFile | FileType::Directory) {
        return Ok(None);
    }
    let around = fstat(directory)?;
    let ours = is_trusted(around.st_uid)
        && (!is_shared(&around) || is_sticky(&around) && is_trusted(there.st_uid));
    if kind == FileType::Symlink && !(ours && leads_to_stream(directory, name)?) {
        return Ok(None);
    }
    if !ours {
        return Err(io::Error::other(
            "it is no file, and others may have put it there: choose another name",
        ));
    }
    // A terminal must not become the controlling one, and a pipe that nobody reads is an error. Where standard
    // output is a file, others may have written to it.
    let flags =
        OFlags::WRONLY | OFlags::APPEND | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = match openat(directory, name, flags, Mode::empty()) {
        Err(Errno::NXIO) => {
            return Err(io::Error::other(
                "it is a pipe that nobody reads from, or a socket",
            ));
        }
        other => other?,
    };
    if !is_stream(opened.as_fd())? && kind != FileType::Symlink {
        return Err(io::Error::other(
            "it is neither a file nor something that a text can be written to",
        ));
    }
    rustix::io::ioctl_fionbio(&opened, false)?;
    Ok(Some(File::from(opened)))
}

/// Whether a link leads to a stream, or to an open file of this process, as /dev/stdout does.
fn leads_to_stream(directory: &OwnedFd, name: &Path) -> io::Result<bool> {
    let open = |resolve| {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        openat2(directory, name, flags, Mode::empty(), resolve)
    };
    match open(ResolveFlags::NO_MAGICLINKS) {
        Ok(target) => Ok(is_stream(target.as_fd())?),
        // Too many links, or one of /proc: the latter can be opened without the flag.
        Err(Errno::LOOP) => Ok(open(ResolveFlags::empty()).is_ok()),
        // It leads nowhere.
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn is_stream(file: std::os::fd::BorrowedFd<'_>) -> io::Result<bool> {
    let kind = FileType::from_raw_mode(fstat(file)?.st_mode);
    Ok(matches!(kind, FileType::CharacterDevice | FileType::Fifo))
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == own_uid()
}

/// Whether others than the owner may make and rename entries of a directory. A group that is this process's
/// own or root's holds nobody else by custom.
fn is_shared(directory: &Stat) -> bool {
    let own = rustix::process::getegid().as_raw();
    let group = directory.st_gid != 0 && directory.st_gid != own;
    directory.st_mode & 0o002 != 0 || group && directory.st_mode & 0o020 != 0
}

fn is_sticky(directory: &Stat) -> bool {
    directory.st_mode & Mode::SVTX.as_raw_mode() != 0
}

/// Bytes that an unprivileged writer could still put on the file system of `path`.
pub fn free_space(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.symlink_metadata().unwrap().permissions().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn give_away(path: &Path) {
        std::os::unix::fs::lchown(path, Some(65534), Some(65534)).unwrap();
    }

    #[test]
    fn a_file_is_replaced_whole_with_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        replace_file(&path, b"one", 0o600).unwrap();
        replace_file(&path, b"two", 0o600).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(std::fs::read_dir(dir.path().join("a")).unwrap().count(), 1);
        assert_eq!(mode(&dir.path().join("a")), 0o700);
    }

    #[test]
    fn nothing_is_left_behind_when_the_name_is_taken_by_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("x/full")).unwrap();
        assert!(replace_file(&dir.path().join("x"), b"one", 0o600).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_replaced_and_what_it_leads_to_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (link, victim) = (dir.path().join("link"), dir.path().join("victim"));
        std::fs::write(&victim, "untouched").unwrap();
        for target in [victim.as_path(), Path::new("/nowhere/at/all")] {
            let _ = std::fs::remove_file(&link);
            symlink(target, &link).unwrap();
            replace_file(&link, b"new", 0o600).unwrap();
            assert_eq!(std::fs::read(&link).unwrap(), b"new");
            assert!(link.symlink_metadata().unwrap().is_file());
        }
        assert_eq!(std::fs::read(&victim).unwrap(), b"untouched");
    }

    #[test]
    fn a_pipe_is_written_to_as_long_as_it_has_a_reader() {
        let dir = tempfile::tempdir().unwrap();
        let (pipe, link) = (dir.path().join("pipe"), dir.path().join("link"));
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        symlink("pipe", &link).unwrap();
        let error = replace_file(&pipe, b"x", 0o600).unwrap_err().to_string();
        assert!(error.contains("nobody reads from"), "{error}");
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let mut reader = File::from(openat(CWD, &pipe, flags, Mode::empty()).unwrap());
        replace_file(&pipe, b"one ", 0o600).unwrap();
        replace_file(&link, b"two", 0o600).unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one two");
        assert!(link.symlink_metadata().unwrap().is_symlink());
    }

    #[test]
    fn devices_stay_devices() {
        let dir = tempfile::tempdir().unwrap();
        let null = dir.path().join("null");
        symlink("/dev/null", &null).unwrap();
        replace_file(&null, b"x", 0o600).unwrap();
        assert!(null.symlink_metadata().unwrap().is_symlink());
        let socket = dir.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(replace_file(&socket, b"x", 0o600).is_err());
    }

    #[test]
    fn through_others_links_and_pipes_nothing_is_written() {
        let dir = tempfile::tempdir().unwrap();
        // Whose directory it is decides, and in a sticky one whose entry.
        for (name, bits, theirs) in [
            ("theirs", 0o755, true),
            ("all", 0o777, false),
            ("tmp", 0o1777, false),
        ] {
            let at = dir.path().join(name);
            std::fs::create_dir(&at).unwrap();
            set_mode(&at, bits);
            if theirs {
                give_away(&at);
            }
            let (link, pipe) = (at.join("link"), at.join("pipe"));
            symlink("/dev/null", &link).unwrap();
            rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
            give_away(&link);
            give_away(&pipe);
            let flags = OFlags::RDONLY | OFlags::NONBLOCK;
            let mut reader = File::from(openat(CWD, &pipe, flags, Mode::empty()).unwrap());
            let error = replace_file(&pipe, b"x", 0o600).unwrap_err().to_string();
            assert!(error.contains("others may have put it there"), "{error}");
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, "");
            replace_file(&link, b"x", 0o600).unwrap();
            assert!(link.symlink_metadata().unwrap().is_file(), "{name}");
        }
    }

    #[test]
    fn a_private_directory_that_exists_has_to_be_private() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("a/b");
        private_directory(&at).unwrap();
        private_directory(&at).unwrap();
        assert_eq!(mode(&at), 0o700);
        set_mode(&at, 0o750);
        assert!(private_directory(&at).is_err());
        set_mode(&at, 0o700);
        give_away(&at);
        assert!(private_directory(&at).is_err());
        let link = dir.path().join("link");
        std::fs::create_dir(dir.path().join("real")).unwrap();
        set_mode(&dir.path().join("real"), 0o700);
        symlink("real", &link).unwrap();
        assert!(private_directory(&link).is_err());
    }

    #[test]
    fn temporary_directories_are_made_where_nobody_can_replace_them() {
        let dir = tempfile::tempdir().unwrap();
        let parent = dir.path().join("tmp");
        std::fs::create_dir(&parent).unwrap();
        set_mode(&parent, 0o1777);
        let (one, other) = (
            temporary_directory(&parent, "x").unwrap(),
            temporary_directory(&parent, "x").unwrap(),
        );
        assert_ne!(one, other);
        assert_eq!(mode(&one), 0o700);
        set_mode(&parent, 0o777);
        let error = temporary_directory(&parent, "x").unwrap_err().to_string();
        assert!(error.contains("TMPDIR"), "{error}");
        set_mode(&parent, 0o1777);
        give_away(&parent);
        assert!(temporary_directory(&parent, "x").is_err());
    }
}
