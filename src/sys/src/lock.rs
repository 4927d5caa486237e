//! One agent at a time: locks that end with the process, however it ends (flock(2)).

use std::fs::File;
use std::io;
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

/// Takes the lock of a directory, on itself: nothing is left of it.
pub fn of_directory(path: &Path) -> io::Result<Lock> {
    of_directory_within(path, LIMIT)
}

/// The same, waiting at most so long for another one that has it.
pub fn of_directory_within(path: &Path, limit: Duration) -> io::Result<Lock> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = File::from(openat(CWD, path, flags, Mode::empty())?);
    let what = format!("the lock of {}, which another run has", path.display());
    wait_for(&directory, limit, &what)?;
    Ok(Lock(directory.into()))
}

fn wait_for(file: &File, limit: Duration, what: &str) -> io::Result<()> {
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
            let text = format!(
                "waited {} s for {what}; \"lslocks\" says which",
                limit.as_secs()
            );
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
    fn a_lock_that_stays_taken_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let _held = of_directory(dir.path()).unwrap();
        let said = of_directory_within(dir.path(), Duration::from_millis(120)).unwrap_err();
        let said = said.to_string();
        let named = said.contains(dir.path().to_str().unwrap()) && said.contains("lslocks");
        assert!(named, "{said}");
    }
}
