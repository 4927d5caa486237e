//! Whether useradd(8) has made a home directory whole, and the rest of it where it has not.
//!
//! Where it cannot copy something of the skeleton or give it away, because the disk is full or errs, it leaves off and
//! ends with success. The same happens with the first directory of a skeleton where there is no /proc in the root, as
//! there is none in an initramfs: glibc before 2.39 needs it for the permissions (fchmodat(3), AT_SYMLINK_NOFOLLOW).

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use pilotlight_core::facts::accounts::{Accounts, Texts};
use pilotlight_core::model::SysPath;
use pilotlight_core::op::AddUser;
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid, chmodat, chownat, openat};

use super::home::{for_program, is_absent};
use super::run;
use super::transaction::{MAX_DEPTH, directory, in_etc, too_deep};
use crate::root::{Stat, Sysroot, stat_at};

/// What a directory has that useradd has made and not finished: the permissions come last.
const NONE_FOR_ITS_OWNER: u32 = 0o700;

/// A home directory that is about to be made.
pub(super) struct Making {
    home: SysPath,
    /// Directories above it that are about to be made, too.
    above: Vec<SysPath>,
    skeleton: Option<SysPath>,
}

/// To be called before useradd; `None` where it makes no home directory.
pub(super) fn begin(user: &AddUser, root: &Path) -> io::Result<Option<Making>> {
    if !user.create_home {
        return Ok(None);
    }
    let root = Sysroot::open(root)?;
    let useradd = SysPath::parse("/etc/default/useradd").map_err(io::Error::other)?;
    let defaults = Accounts::parse(&Texts {
        useradd: root.read_text(&useradd)?.as_deref(),
        ..Texts::default()
    })
    .defaults;
    let home = match &user.fields.home_dir {
        Some(home) => home.as_str().to_string(),
        None => format!("{}/{}", defaults.home_base, user.name.as_str()),
    };
    // What is no path is useradd's to refuse.
    let Ok(home) = SysPath::parse(home.trim_end_matches('/')) else {
        return Ok(None);
    };
    if is_there(&root, &home)? {
        return Ok(None);
    }
    let mut above = Vec::new();
    for path in home.ancestors() {
        if !is_there(&root, &path)? {
            above.push(path);
        }
    }
    Ok(Some(Making {
        home,
        above,
        skeleton: SysPath::parse(&defaults.skeleton).ok(),
    }))
}

impl Making {
    /// What of it is not as it must be, in words.
    pub(super) fn fault(&self, user: &AddUser, root: &Path) -> io::Result<Option<String>> {
        let root = Sysroot::open(root)?;
        let Some(owner) = owner(&root, user)? else {
            return Ok(Some("/etc/passwd does not have the user".into()));
        };
        for path in &self.above {
            if let Some(fault) = fault_of_directory(stat(&root, path)?, None) {
                return Ok(Some(format!("{path} {fault}")));
            }
        }
        if let Some(fault) = fault_of_directory(stat(&root, &self.home)?, Some(owner)) {
            return Ok(Some(format!("{} {fault}", self.home)));
        }
        let skeleton = match self.skeleton.as_ref().map(|path| directory(&root, path)) {
            Some(Ok(skeleton)) => skeleton,
            Some(Err(error)) if !is_absent(&error) => return Err(error),
            _ => return Ok(None),
        };
        let home = directory(&root, &self.home)?;
        let fault = fault_of_copy(&home, &skeleton, owner, 0)?;
        Ok(fault.map(|fault| format!("{}/{fault}", self.home)))
    }

    /// Copies the skeleton once more, over what useradd has copied of it.
    pub(super) fn complete(&self, user: &AddUser, root: &Path) -> io::Result<()> {
        let root = Sysroot::open(root)?;
        let Some(owner) = owner(&root, user)? else {
            return Ok(());
        };
        let Some(skeleton) = self.skeleton.as_ref() else {
            return Ok(());
        };
        let (home, skeleton) = (directory(&root, &self.home)?, directory(&root, skeleton)?);
        let mut args: Vec<OsString> = vec!["-a".into(), "-t".into(), for_program(&home).into()];
        for name in names(&skeleton)? {
            args.push(format!("{}/{name}", for_program(&skeleton)).into());
        }
        if args.len() > 3 {
            run("cp", &args, None).map_err(io::Error::other)?;
        }
        give(&home, &skeleton, owner, 0)
    }
}

fn owner(root: &Sysroot, user: &AddUser) -> io::Result<Option<(u32, u32)>> {
    let passwd = root.read_text(&in_etc("passwd")?)?.unwrap_or_default();
    let name = user.name.as_str();
    // Of thousands of users each is looked up once: the others' lines need not be taken apart.
    let own = format!("{name}:");
    let is_own = |line: &&[u8]| line.starts_with(own.as_bytes());
    let accounts = Accounts::parse(&Texts {
        passwd: passwd.split(|byte| *byte == b'\n').find(is_own),
        ..Texts::default()
    });
    let found = accounts.user(name);
    Ok(found.and_then(|user| user.uid.zip(user.gid)))
}

/// Names in a directory. One that is no text cannot be asked for here, and is useradd's alone.
fn names(directory: &OwnedFd) -> io::Result<Vec<String>> {
    let mut list = Vec::new();
    for entry in Dir::read_from(directory)? {
        match entry?.file_name().to_str() {
            Ok("." | "..") | Err(_) => {}
            Ok(name) => list.push(name.into()),
        }
    }
    Ok(list)
}

/// Makes copies the user's own. Permissions come after: they go with the owner.
fn give(
    home: &OwnedFd,
    skeleton: &OwnedFd,
    (uid, gid): (u32, u32),
    depth: usize,
) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    for name in names(skeleton)? {
        let original = stat_at(skeleton.as_fd(), &name)?;
        let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        chownat(home, &name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
        if original.kind == FileType::Symlink {
            continue;
        }
        if original.kind == FileType::Directory {
            give(
                &below(home, &name)?,
                &below(skeleton, &name)?,
                (uid, gid),
                depth + 1,
            )?;
        }
        // Nobody but this process has been in there, so that it is no link.
        chmodat(
            home,
            &name,
            Mode::from_raw_mode(original.mode),
            AtFlags::empty(),
        )?;
    }
    Ok(())
}

fn below(above: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(above, name, flags, Mode::empty())?)
}

fn stat(root: &Sysroot, path: &SysPath) -> io::Result<Option<Stat>> {
    match root.resolve(path).and_then(|real| root.stat(&real)) {
        Err(error) if is_absent(&error) => Ok(None),
        other => other,
    }
}

fn is_there(root: &Sysroot, path: &SysPath) -> io::Result<bool> {
    Ok(stat(root, path)?.is_some())
}

fn fault_of_directory(found: Option<Stat>, owner: Option<(u32, u32)>) -> Option<&'static str> {
    match found {
        None => Some("is missing"),
        Some(stat) if stat.kind != FileType::Directory => Some("is no directory"),
        Some(stat) if stat.mode & NONE_FOR_ITS_OWNER == 0 => Some("has no permissions"),
        Some(stat) if owner.is_some_and(|owner| owner != (stat.uid, stat.gid)) => {
            Some("is not the user's")
        }
        Some(_) => None,
    }
}

/// What of a skeleton is not in a home directory as it must be: the path in it, and what is wrong.
fn fault_of_copy(
    home: &OwnedFd,
    skeleton: &OwnedFd,
    owner: (u32, u32),
    depth: usize,
) -> io::Result<Option<String>> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    for name in names(skeleton)? {
        let name = name.as_str();
        let original = stat_at(skeleton.as_fd(), name)?;
        let copy = match stat_at(home.as_fd(), name) {
            Ok(copy) => copy,
            Err(error) if is_absent(&error) => return Ok(Some(format!("{name} is missing"))),
            Err(error) => return Err(error),
        };
        let is_file = original.kind == FileType::RegularFile;
        let is_link = original.kind == FileType::Symlink;
        let fault = if copy.kind != original.kind {
            Some("is something else than in the skeleton")
        } else if is_file && copy.len != original.len {
            Some("is not as long as in the skeleton")
        } else if (copy.uid, copy.gid) != owner {
            Some("is not the user's")
        } else if !is_link && copy.mode != original.mode {
            Some("has other permissions than in the skeleton")
        } else {
            None
        };
        if let Some(fault) = fault {
            return Ok(Some(format!("{name} {fault}")));
        }
        if original.kind == FileType::Directory {
            let (inner, original) = (below(home, name)?, below(skeleton, name)?);
            if let Some(fault) = fault_of_copy(&inner, &original, owner, depth + 1)? {
                return Ok(Some(format!("{name}/{fault}")));
            }
        }
    }
    Ok(None)
}
