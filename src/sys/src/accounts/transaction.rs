//! The accounts of a run as a transaction: what they are before it, and putting them back after one that was cut
//! off. Every step of putting back may be cut off itself; the next run then does all of it again.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use pilotlight_core::facts::accounts::{Accounts, Texts};
use pilotlight_core::facts::unfinished_accounts::{Before, FILES};
use pilotlight_core::model::SysPath;
use pilotlight_core::op::{AccountKind, Restore};
use pilotlight_core::ordered::Gather as _;
use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid, fchmod, fchown, fstat, fsync, openat, renameat,
    syncfs, unlinkat,
};
use rustix::io::Errno;

use super::AccountError;
use super::home::{self, is_absent};
use crate::root::{Sysroot, stat_at};
use crate::temporary;
use crate::tree::remove;

/// How deep a skeleton may be, against stack exhaustion.
pub(super) const MAX_DEPTH: usize = 256;

/// Programs that take locks of account files. Another process that has the number which a lock names does not
/// hold it.
const TOOLS: [&str; 14] = [
    "useradd",
    "usermod",
    "userdel",
    "groupadd",
    "groupmod",
    "groupdel",
    "chpasswd",
    "chgpasswd",
    "newusers",
    "passwd",
    "gpasswd",
    "chage",
    "vipw",
    "vigr",
];

/// Looks at the files, and at which of the paths there is nothing.
pub fn observe(mut before: Before, root: &Path) -> io::Result<Before> {
    let root = Sysroot::open(root)?;
    for name in FILES {
        before.note(name, root.read_text(&in_etc(name)?)?.as_deref());
    }
    let mut absent = Vec::new();
    for path in std::mem::take(&mut before.absent) {
        let parsed = SysPath::parse(&path).map_err(io::Error::other)?;
        let there = root.resolve(&parsed).and_then(|real| root.stat(&real));
        match there {
            Ok(None) => absent.push(path),
            Ok(Some(_)) => {}
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error),
        }
    }
    before.absent = absent;
    Ok(before)
}

/// Brings the accounts that a run has changed, and the homes of their users, to the disk. What the tools leave
/// behind goes before: they say nothing of what they cannot remove.
pub fn sync(before: &Before, root: &Path) -> io::Result<()> {
    let root = Sysroot::open(root)?;
    let etc = root.parent(&root.resolve(&in_etc("passwd")?)?)?;
    take_away_leftovers(&etc)?;
    let mut places: BTreeSet<SysPath> = before
        .absent
        .iter()
        .filter_map(|path| SysPath::parse(path).ok())
        .gather();
    let passwd = in_etc("passwd")?;
    places.insert(passwd.clone());
    let now = root.read_text(&passwd)?;
    let was = before.restored("passwd", now.as_deref());
    for passwd in [now, was] {
        let accounts = Accounts::parse(&Texts {
            passwd: passwd.as_deref(),
            ..Texts::default()
        });
        let users = before.users.iter().filter_map(|name| accounts.user(name));
        places
            .extend(users.filter_map(|user| SysPath::parse(user.home.trim_end_matches('/')).ok()));
    }
    let mut synced = BTreeSet::new();
    for place in places {
        // What is not there now was removed from what is above.
        let directories = [place.clone()]
            .into_iter()
            .chain(place.ancestors().into_iter().rev());
        let mut open = directories.filter_map(|path| {
            let real = root.resolve(&path).ok()?;
            root.directory(&real).ok()
        });
        let directory = match open.next() {
            Some(directory) => directory,
            None => root.directory(&SysPath::root())?,
        };
        if synced.insert(fstat(&directory)?.st_dev) {
            syncfs(&directory)?;
        }
    }
    Ok(())
}

/// Puts accounts back. Homes come first: if one of them holds what no tool has put there, nothing is changed.
pub(super) fn restore(restore: &Restore, root: &Path) -> Result<(), AccountError> {
    let failed = |what: &str| {
        let what = what.to_string();
        move |source| AccountError::Restore { what, source }
    };
    let root = Sysroot::open(root).map_err(failed("the accounts"))?;
    for home in &restore.homes {
        remove_home(&root, home, restore.skeleton.as_ref()).map_err(failed(home.as_str()))?;
    }
    for (from, to) in &restore.moved {
        home::move_back(&root, from, to).map_err(failed(from.as_str()))?;
    }
    for path in &restore.mailboxes {
        remove_mailbox(&root, path).map_err(failed(path.as_str()))?;
    }
    for path in &restore.above {
        remove_empty(&root, path).map_err(failed(path.as_str()))?;
    }
    let etc = (in_etc("passwd"))
        .and_then(|path| root.resolve(&path))
        .and_then(|real| root.parent(&real))
        .map_err(failed("/etc"))?;
    temporary::take_away(&etc)
        .and_then(|_| take_away_leftovers(&etc))
        .map_err(failed("/etc"))?;
    for name in FILES {
        put_back(&root, &etc, name, &restore.before).map_err(failed(name))?;
    }
    (|| Ok(fsync(&etc)?))().map_err(failed("/etc"))
}

pub(super) fn in_etc(name: &str) -> io::Result<SysPath> {
    SysPath::parse(&format!("/etc/{name}")).map_err(io::Error::other)
}

/// Adds a line to the file of users or groups.
pub(super) fn add_line(of: AccountKind, line: &str, root: &Path) -> io::Result<()> {
    let name = match of {
        AccountKind::User => "passwd",
        AccountKind::Group => "group",
    };
    let root = Sysroot::open(root)?;
    let path = in_etc(name)?;
    let etc = root.parent(&root.resolve(&path)?)?;
    let mut text = root.read_text(&path)?.unwrap_or_default();
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend_from_slice(line.as_bytes());
    text.push(b'\n');
    replace(&etc, name, Some(text))?;
    Ok(fsync(&etc)?)
}

fn put_back(root: &Sysroot, etc: &OwnedFd, name: &str, before: &Before) -> io::Result<()> {
    let now = root.read_text(&in_etc(name)?)?;
    let text = before.restored(name, now.as_deref());
    match text == now {
        true => Ok(()),
        false => replace(etc, name, text),
    }
}

/// Puts a file in the place of another, with its owner and mode; no text removes it.
fn replace(etc: &OwnedFd, name: &str, text: Option<Vec<u8>>) -> io::Result<()> {
    let is = match stat_at(etc.as_fd(), name) {
        Ok(stat) if stat.kind == FileType::RegularFile => Some(stat),
        // The tools write into no other.
        Ok(_) => return Err(io::Error::other("it is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let Some(text) = text else {
        return Ok(unlinkat(etc, name, AtFlags::empty())?);
    };
    let temporary = temporary::name(name)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(etc, &temporary, flags, Mode::from_raw_mode(0o600))?);
    let written = (|| {
        file.write_all(&text)?;
        let (owner, mode) = match &is {
            Some(stat) => ((stat.uid, stat.gid), stat.mode),
            None if name.contains("shadow") => ((0, 0), 0o600),
            None => ((0, 0), 0o644),
        };
        let (uid, gid) = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
        fchown(&file, Some(uid), Some(gid))?;
        fchmod(&file, Mode::from_raw_mode(mode))?;
        file.sync_all()?;
        Ok(renameat(etc, &temporary, etc, name)?)
    })();
    if written.is_err() {
        // The first error is the one to report.
        let _ = unlinkat(etc, &temporary, AtFlags::empty());
    }
    written
}

/// Removes what the tools leave in /etc when they are cut off: what they make locks of, files that were to replace
/// others, and locks that nobody holds.
fn take_away_leftovers(etc: &OwnedFd) -> io::Result<()> {
    let mut left = Vec::new();
    for entry in Dir::read_from(etc)? {
        let entry = entry?;
        let name = entry.file_name().to_str().unwrap_or_default();
        let of = FILES.iter().find_map(|file| name.strip_prefix(file));
        let is_left = match of {
            Some("+") => true,
            Some(".lock") => !is_held(etc, name)?,
            Some(rest) => match rest.strip_prefix('.') {
                Some(process) => becomes_lock(etc, name, process)?,
                None => false,
            },
            None => false,
        };
        if is_left {
            left.push(name.to_string());
        }
    }
    for name in left {
        match unlinkat(etc, &name, AtFlags::empty()) {
            // Nothing that the tools have made is a directory.
            Ok(()) | Err(Errno::NOENT | Errno::ISDIR | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Whether a file is one of which a tool makes its lock, by a link: named after the process, with its number in it,
/// or as much of it as was written. Somebody's own copy of an account file has more.
fn becomes_lock(etc: &OwnedFd, name: &str, process: &str) -> io::Result<bool> {
    if process.is_empty() || !process.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(false);
    }
    let Ok(file) = crate::root::open_file(etc, name) else {
        return Ok(false);
    };
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, 20), &mut bytes)?;
    let number = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    Ok(process.as_bytes().starts_with(number))
}

/// Whether the process whose number a lock holds is one of the tools.
fn is_held(etc: &OwnedFd, lock: &str) -> io::Result<bool> {
    let Ok(file) = crate::root::open_file(etc, lock) else {
        return Ok(true);
    };
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(file, 20), &mut text)?;
    let Ok(process) = text.trim_end_matches(['\0', '\n']).parse::<u32>() else {
        return Ok(false);
    };
    let comm = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    Ok(TOOLS.contains(&comm.trim_end()))
}

/// Removes a home directory of which useradd was making the copy.
fn remove_home(root: &Sysroot, home: &SysPath, skeleton: Option<&SysPath>) -> io::Result<()> {
    let real = root.resolve(home)?;
    let found = match root.stat(&real) {
        Err(error) if is_absent(&error) => None,
        other => other?,
    };
    match found {
        None => return Ok(()),
        Some(stat) if stat.kind != FileType::Directory => {
            return Err(io::Error::other("it is no directory"));
        }
        Some(_) => {}
    }
    let skeleton = match skeleton.map(|path| directory(root, path)) {
        Some(Err(error)) if is_absent(&error) => None,
        other => other.transpose()?,
    };
    let open = root.directory(&real)?;
    if let Some(foreign) = foreign(&open, skeleton.as_ref(), 0)? {
        return Err(io::Error::other(format!(
            "it holds {foreign:?}, which the run that was cut off has not put there; move the directory away, \
             or what is in it"
        )));
    }
    remove::remove(&root.parent(&real)?, real.name())
}

/// A directory, where links lead.
pub(super) fn directory(root: &Sysroot, path: &SysPath) -> io::Result<OwnedFd> {
    // The last component of what is resolved may be a link.
    let below = path.join("x").map_err(io::Error::other)?;
    root.parent(&root.resolve(&below)?)
}

pub(super) fn too_deep() -> io::Error {
    io::Error::other(format!("directories nest deeper than {MAX_DEPTH} levels"))
}

/// Something in a directory that is no copy of what is in a skeleton, not even the beginning of one.
fn foreign(
    directory: &OwnedFd,
    skeleton: Option<&OwnedFd>,
    depth: usize,
) -> io::Result<Option<String>> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let shown = entry.file_name().to_string_lossy().into_owned();
        let name = match entry.file_name().to_str() {
            Ok("." | "..") => continue,
            Ok(name) => name,
            Err(_) => return Ok(Some(shown)),
        };
        let is = stat_at(directory.as_fd(), name)?;
        let original = skeleton.map(|skeleton| stat_at(skeleton.as_fd(), name));
        let Some((Ok(original), skeleton)) = original.zip(skeleton) else {
            return Ok(Some(shown));
        };
        match is.kind {
            kind if kind != original.kind => return Ok(Some(shown)),
            FileType::RegularFile if is.len > original.len => return Ok(Some(shown)),
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let below = |above: &OwnedFd| openat(above, name, flags, Mode::empty());
                let found = foreign(&below(directory)?, Some(&below(skeleton)?), depth + 1)?;
                if let Some(found) = found {
                    return Ok(Some(format!("{shown}/{found}")));
                }
            }
            _ => {}
        }
    }
    Ok(None)
}

fn remove_mailbox(root: &Sysroot, path: &SysPath) -> io::Result<()> {
    let real = root.resolve(path)?;
    match root.stat(&real) {
        Ok(Some(stat)) if stat.kind == FileType::RegularFile && stat.len == 0 => Ok(unlinkat(
            root.parent(&real)?,
            real.name(),
            AtFlags::empty(),
        )?),
        Err(error) if !is_absent(&error) => Err(error),
        _ => Ok(()),
    }
}

fn remove_empty(root: &Sysroot, path: &SysPath) -> io::Result<()> {
    let real = root.resolve(path)?;
    let above = match root.parent(&real) {
        Err(error) if is_absent(&error) => return Ok(()),
        other => other?,
    };
    match unlinkat(above, real.name(), AtFlags::REMOVEDIR) {
        Ok(())
        | Err(Errno::NOENT | Errno::NOTDIR | Errno::NOTEMPTY | Errno::EXIST | Errno::BUSY) => {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tools_leave_is_taken_away_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        // Process 1 lives and is none of the tools; nobody has the last number.
        for (name, text) in [
            ("passwd.lock", "1\0"),
            ("group.lock", "4194305\0"),
            ("shadow.77", "77\0"),
            ("gshadow+", "a:$6$hash:"),
            ("subuid-", ""),
            ("passwd.bak", ""),
            ("passwd.", ""),
            ("hosts.77", ""),
            ("passwd.77.1", ""),
            ("passwd.78", "root:x:0:0::/root:/bin/sh\n"),
        ] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        std::fs::create_dir(dir.path().join("passwd.12")).unwrap();
        let etc = OwnedFd::from(File::open(dir.path()).unwrap());
        take_away_leftovers(&etc).unwrap();
        take_away_leftovers(&etc).unwrap();
        let entries = std::fs::read_dir(dir.path()).unwrap();
        let mut left: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(
            left,
            [
                "hosts.77",
                "passwd.",
                "passwd.12",
                "passwd.77.1",
                "passwd.78",
                "passwd.bak",
                "subuid-"
            ]
        );
    }

    #[test]
    fn the_lock_of_a_tool_that_runs_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let etc = OwnedFd::from(File::open(dir.path()).unwrap());
        let named = dir.path().join("useradd");
        // A copy could still be open for writing in a child that another test is just starting: not executable.
        std::os::unix::fs::symlink("/bin/sleep", &named).unwrap();
        let mut tool = std::process::Command::new(&named)
            .arg("60")
            .spawn()
            .unwrap();
        std::fs::write(dir.path().join("passwd.lock"), tool.id().to_string()).unwrap();
        // The kernel names it a moment after it has begun.
        let comm = format!("/proc/{}/comm", tool.id());
        while std::fs::read_to_string(&comm).unwrap().trim_end() != "useradd" {
            std::thread::yield_now();
        }
        assert!(is_held(&etc, "passwd.lock").unwrap());
        tool.kill().unwrap();
        tool.wait().unwrap();
        assert!(!is_held(&etc, "passwd.lock").unwrap());
    }
}
