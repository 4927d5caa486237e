//! Names of temporary entries: nobody can guess them, and a later run knows them for what was left behind.
//!
//! A guessable name in a directory that others may write to is one that they can have first, with a link
//! of theirs. What an interrupted run leaves has a name that no later run would use again, so it is taken
//! away by its form.

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, unlinkat};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// Between the name that the entry will have and the random part.
const MARK: &str = ".pilotlight-";
/// Random bytes of a name.
const BYTES: usize = 8;
/// Characters that are kept of a name: long names are cut to leave room.
const KEPT: usize = 40;

/// A name for an entry that will be called `name`.
///
/// Whoever uses it makes the entry with `O_EXCL`, `mkdir`, `symlink` or `link`: none of them takes what is
/// there already.
pub(crate) fn name(name: &str) -> io::Result<String> {
    let bytes = random::<BYTES>()?;
    let cut: String = name.chars().take(KEPT).collect();
    Ok(format!(".{cut}{MARK}{:016x}", u64::from_ne_bytes(bytes)))
}

/// Random bytes, at most 256.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    // So many come whole, once the kernel's generator is seeded (getrandom(2)).
    let filled = getrandom(&mut bytes, GetRandomFlags::empty())?;
    match filled == N {
        true => Ok(bytes),
        false => Err(io::Error::other("the kernel gave too little randomness")),
    }
}

/// Whether a name is one of a temporary entry, of this version or of one that used process numbers.
pub(crate) fn is_temporary(name: &str) -> bool {
    let random = name.strip_prefix('.').and_then(|rest| {
        let (_, random) = rest.rsplit_once(MARK)?;
        Some(random)
    });
    random.is_some_and(|text| {
        (1..=2 * BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Whether a name is one of a temporary entry that was to be called `name`.
pub(crate) fn is_temporary_of(temporary: &str, name: &str) -> bool {
    let cut: String = name.chars().take(KEPT).collect();
    let random = temporary
        .strip_prefix('.')
        .and_then(|rest| rest.strip_prefix(cut.as_str()))
        .and_then(|rest| rest.strip_prefix(MARK));
    random.is_some_and(|text| {
        text.len() == 2 * BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Whether the name has all random digits: those of an earlier version, which made no directories, have fewer.
fn is_random(name: &CStr) -> bool {
    let digits = name.to_bytes().rsplit(|byte| *byte == b'-').next();
    digits.is_some_and(|digits| digits.len() == 2 * BYTES)
}

/// Removes the temporary entries of a directory, which an interrupted run has left there; answers how many.
///
/// No other run may be at work in the directory.
pub(crate) fn take_away(directory: &OwnedFd) -> io::Result<usize> {
    let mut left = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if entry.file_name().to_str().is_ok_and(is_temporary) {
            left.push(entry.file_name().to_owned());
        }
    }
    let mut gone = 0;
    for name in left {
        match unlinkat(directory, &name, AtFlags::empty()) {
            Ok(()) => gone += 1,
            Err(Errno::NOENT) => {}
            Err(Errno::ISDIR | Errno::PERM) if is_random(&name) => {
                // One that holds something is somebody's: they are empty until they have their name.
                gone += usize::from(unlinkat(directory, &name, AtFlags::REMOVEDIR).is_ok());
            }
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_recognized_and_never_the_same() {
        let long = "ä".repeat(200);
        for of in ["a", "", ".hidden", "x.pilotlight-12", long.as_str()] {
            let (one, other) = (name(of).unwrap(), name(of).unwrap());
            assert_ne!(one, other);
            assert!(is_temporary(&one), "{one}");
            assert!(is_temporary_of(&one, of), "{one}");
            assert!(!is_temporary_of(&one, "another") && !is_temporary_of(of, of));
            assert!(one.len() < 255, "{one}");
        }
        assert!(is_temporary(".motd.pilotlight-4711"));
        for foreign in [
            "motd.pilotlight-4711",
            ".motd.pilotlight-",
            ".motd.pilotlight-4711.bak",
            ".pilotlight-journal.jsonl",
            ".pilotlight-unfinished-volumes",
            ".motd.pilotlight-0123456789abcdef0",
        ] {
            assert!(!is_temporary(foreign), "{foreign}");
        }
    }

    #[test]
    fn what_was_left_is_taken_away_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at(".a.pilotlight-4711"), "secret").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", at(".b.pilotlight-0123456789abcdef")).unwrap();
        std::fs::create_dir(at(".c.pilotlight-12")).unwrap();
        std::fs::create_dir(at(".e.pilotlight-0123456789abcdef")).unwrap();
        std::fs::create_dir_all(at(".f.pilotlight-0123456789abcdef/x")).unwrap();
        std::fs::write(at(".d.pilotlight"), "").unwrap();
        let opened = OwnedFd::from(std::fs::File::open(dir.path()).unwrap());
        assert_eq!(take_away(&opened).unwrap(), 3);
        assert_eq!(take_away(&opened).unwrap(), 0);
        assert!(at(".c.pilotlight-12").is_dir() && at(".d.pilotlight").exists());
        assert!(at(".f.pilotlight-0123456789abcdef/x").is_dir());
    }
}
