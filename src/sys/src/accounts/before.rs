//! What the shadow tools stumble over, put right before they run.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, statat, unlinkat,
};
use rustix::io::Errno;

use super::AccountError;

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::PATH).union(OFlags::CLOEXEC);

/// Files that the tools lock by a second file with the suffix `.lock`.
const LOCKED: [&str; 6] = ["passwd", "group", "shadow", "gshadow", "subuid", "subgid"];

/// Removes the locks that a boot before this one left behind.
///
/// A lock names the process that holds it, and the tools take it for stale only where no process has
/// that number. An early boot gives out the same few numbers every time: after a power cut in the
/// middle of a useradd, no later boot could change an account. A lock that is older than this boot
/// is held by nobody.
pub fn drop_stale_locks(root: &Path) -> Result<(), AccountError> {
    let Some(boot) = boot_time() else {
        return Ok(());
    };
    let Ok(etc) = open_root(root).and_then(|root| open(&root, "etc", DIRECTORY)) else {
        // The tools say better what is wrong with a root that has no /etc.
        return Ok(());
    };
    for file in LOCKED {
        let lock = format!("{file}.lock");
        let stale = statat(&etc, &lock, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|found| i128::from(found.st_mtime) < i128::from(boot));
        if !stale {
            continue;
        }
        match unlinkat(&etc, &lock, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => {
                let source = error.into();
                return Err(AccountError::Lock { lock, source });
            }
        }
    }
    Ok(())
}

/// When the kernel started, in seconds of the present clock: `btime` of proc_stat(5).
fn boot_time() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

/// Makes the directories that a home directory is moved into.
///
/// usermod writes passwd first and moves then: where the move fails, the account is changed all the
/// same and nobody would ever move the rest. So what it stumbles over is looked at before.
pub fn make_room(home: &str, root: &Path) -> Result<(), AccountError> {
    let failed = |source: Errno| AccountError::Home {
        home: home.into(),
        source: source.into(),
    };
    let root = open_root(root).map_err(failed)?;
    let parts: Vec<&str> = home.split('/').filter(|part| !part.is_empty()).collect();
    let Some((_, above)) = parts.split_last() else {
        return Err(AccountError::HomeExists { home: home.into() });
    };
    let mut parent = open(&root, ".", DIRECTORY).map_err(failed)?;
    for (index, part) in above.iter().enumerate() {
        let path = parts[..=index].join("/");
        parent = match open(&root, &path, DIRECTORY) {
            Err(Errno::NOENT) => {
                mkdirat(&parent, *part, Mode::from_raw_mode(0o755)).map_err(failed)?;
                open(&root, &path, DIRECTORY).map_err(failed)?
            }
            opened => opened.map_err(failed)?,
        };
    }
    match open(&root, &parts.join("/"), OFlags::PATH | OFlags::CLOEXEC) {
        Ok(_) => Err(AccountError::HomeExists { home: home.into() }),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

fn open_root(root: &Path) -> Result<OwnedFd, Errno> {
    openat(CWD, root, DIRECTORY, Mode::empty())
}

/// Opens a path below the root as the tools will find it after their chroot(2).
fn open(root: &OwnedFd, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)
}
