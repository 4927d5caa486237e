//! One agent at a time: locks that end with the process, however it ends (flock(2)).

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::settle::try_lock;
use crate::uevents::Wait;

/// How long another agent is waited for: as long as systemd gives a device. Its stages have bounds of their own,
/// so one that takes longer is stuck, or waits for a server.
const LIMIT: Duration = Duration::from_secs(90);

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "what holds the lock is that it is open")] OwnedFd);

/// Takes the lock of a directory tree, on the directory itself: nothing is left of it.
pub fn of_directory(path: &Path) -> io::Result<Lock> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = File::from(openat(CWD, path, flags, Mode::empty())?);
    let what = format!("the lock of {}, which another run has", path.display());
    wait_for(&directory, LIMIT, &what, String::new)?;
    Ok(Lock(directory.into()))
}

/// Takes the lock that a file stands for, which is made and says which process has it.
pub fn of_file(path: &Path) -> io::Result<Lock> {
    of_file_within(path, LIMIT)
}

fn of_file_within(path: &Path, limit: Duration) -> io::Result<Lock> {
    if let Some(directory) = path.parent().filter(|parent| *parent != Path::new("")) {
        std::fs::create_dir_all(directory)?;
    }
    let flags =
        OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = File::from(openat(CWD, path, flags, Mode::from_raw_mode(0o600))?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let what = format!("the lock {}, which another run has", path.display());
    wait_for(&file, limit, &what, || holder(path))?;
    file.set_len(0)?;
    file.write_all(std::process::id().to_string().as_bytes())?;
    Ok(Lock(file.into()))
}

/// ": process 12 has it", if the file says so.
fn holder(path: &Path) -> String {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(20).read_to_string(&mut text));
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(process)) => format!(": process {process} has it"),
        _ => String::new(),
    }
}

fn wait_for(
    file: &File,
    limit: Duration,
    what: &str,
    holder: impl Fn() -> String,
) -> io::Result<()> {
    // That a lock is free again is no event.
    let mut wait = Wait::begin(limit).looking_every(Duration::from_millis(50));
    loop {
        match try_lock(file) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // File systems without locks: there is nothing to wait for.
            Err(error) if is_unsupported(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
        if !wait.for_next_look(what) {
            let text = format!("waited {} s for {what}{}", limit.as_secs(), holder());
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOLCK)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_waited_for_and_the_one_who_has_it_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/lock");
        let held = of_file(&path).unwrap();
        let said = of_file_within(&path, Duration::from_millis(120))
            .unwrap_err()
            .to_string();
        let own = format!("process {} has it", std::process::id());
        assert!(said.contains(&own) && said.contains("deep/lock"), "{said}");
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || of_file(&path).map(|_| ())
        });
        std::thread::sleep(Duration::from_millis(120));
        drop(held);
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn two_runs_have_a_tree_one_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let first = of_directory(dir.path()).unwrap();
        let path = dir.path().to_path_buf();
        let second = std::thread::spawn(move || of_directory(&path).map(|_| ()));
        std::thread::sleep(Duration::from_millis(120));
        assert!(!second.is_finished());
        drop(first);
        second.join().unwrap().unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_file_is_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(
            CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert!(of_file(&pipe).is_err());
        std::os::unix::fs::symlink("/nowhere", dir.path().join("link")).unwrap();
        assert!(of_file(&dir.path().join("link")).is_err());
    }
}
