//! The tree below the sysroot: observing it, and performing operations on it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use pilotlight_core::facts::tree::{Node, Tree};
use pilotlight_core::hex;
use pilotlight_core::model::{Mode as Permissions, SysPath};
use pilotlight_core::op::{Content, ContentSource, OwnerRef, TreeOp};
use pilotlight_core::plan::units::PRESET;
use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, fchmod, fchown, linkat, mkdirat,
    openat, renameat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use crate::digest::digest;
use crate::journal::Journal;
use crate::root::{Stat, Sysroot, open_file, stat_at};
use crate::temporary;

/// How deep a tree may be that is removed, against stack exhaustion.
const MAX_DEPTH: usize = 256;

/// Why an operation on the tree failed.
#[derive(Debug, thiserror::Error)]
#[error("while {action} {path}: {cause}")]
pub struct TreeError {
    action: &'static str,
    path: SysPath,
    cause: io::Error,
}

fn during(action: &'static str, path: &SysPath) -> impl FnOnce(io::Error) -> TreeError {
    let path = path.clone();
    move |cause| TreeError {
        action,
        path,
        cause,
    }
}

/// What operations need besides the root.
pub trait Provider {
    /// Copies fetched contents to a writer.
    fn copy(&mut self, key: &str, out: &mut dyn Write) -> io::Result<()>;
    /// The number of a user of the sysroot.
    fn uid(&self, name: &str) -> Option<u32>;
    /// The number of a group of the sysroot.
    fn gid(&self, name: &str) -> Option<u32>;
}

/// Observes what is at paths, and at the directories above them.
pub fn observe(root: &Sysroot, paths: &[SysPath]) -> Result<Tree, TreeError> {
    let mut tree = Tree::default();
    for path in paths {
        let (real, links) = root.resolve_over(path).map_err(during("resolving", path))?;
        for at in real.ancestors().iter().chain([&real]) {
            if !tree.entries.contains_key(at) {
                let node = observe_node(root, at).map_err(during("looking at", at))?;
                tree.entries.insert(at.clone(), node);
            }
        }
        if !links.is_empty() {
            tree.links.insert(path.clone(), links);
        }
        if real != *path {
            tree.aliases.insert(path.clone(), real);
        }
    }
    observe_units(root, &mut tree)?;
    Ok(tree)
}

fn observe_node(root: &Sysroot, real: &SysPath) -> io::Result<Node> {
    let stat = match root.stat(real) {
        Ok(Some(stat)) => stat,
        Ok(None) => return Ok(Node::Absent),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(Node::Absent),
        Err(error) => return Err(error),
    };
    Ok(match stat.kind {
        FileType::RegularFile => {
            let mut file = open_file(&root.parent(real)?, real.name())?;
            let Stat {
                len,
                mode,
                uid,
                gid,
                inode,
                ..
            } = stat;
            Node::File {
                len: Some(len),
                sha256: Some(digest(&mut file, &mut io::sink())?),
                mode,
                uid: Some(uid),
                gid: Some(gid),
                inode,
            }
        }
        FileType::Directory => Node::Directory {
            mode: stat.mode,
            uid: Some(stat.uid),
            gid: Some(stat.gid),
            empty: names(root.directory(real)?.as_fd())?.is_empty(),
        },
        FileType::Symlink => Node::Symlink {
            target: root.read_link(real)?,
            uid: Some(stat.uid),
            gid: Some(stat.gid),
        },
        _ => Node::Other,
    })
}

/// The preset file, and the links below /etc/systemd/system that enable units.
fn observe_units(root: &Sysroot, tree: &mut Tree) -> Result<(), TreeError> {
    if let Ok(preset) = SysPath::parse(PRESET) {
        let text = root
            .read_text(&preset)
            .map_err(during("reading", &preset))?;
        tree.preset = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
    }
    let Ok(units) = SysPath::parse("/etc/systemd/system") else {
        return Ok(());
    };
    let real = root.resolve(&units).map_err(during("resolving", &units))?;
    enablement(root, &real, true, tree).map_err(during("looking at", &units))
}

fn enablement(root: &Sysroot, directory: &SysPath, top: bool, tree: &mut Tree) -> io::Result<()> {
    let fd = match root.directory(directory) {
        Ok(fd) => fd,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(());
        }
        // A link in place of the directory: whatever it holds was not put there by enabling.
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => return Ok(()),
        Err(error) => return Err(error),
    };
    for name in names(fd.as_fd())? {
        let Ok(path) = directory.join(&name) else {
            continue;
        };
        match stat_at(fd.as_fd(), &name)?.kind {
            FileType::Symlink => {
                let target = root.read_link(&path)?;
                if target != "/dev/null" {
                    tree.enablement.insert(path, target);
                }
            }
            FileType::Directory
                if top
                    && [".wants", ".requires", ".upholds"]
                        .iter()
                        .any(|end| name.ends_with(end)) =>
            {
                enablement(root, &path, false, tree)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Names in a directory, without `.` and `..`; names that are not UTF-8 are shown as well as may be.
fn names(directory: BorrowedFd<'_>) -> io::Result<Vec<String>> {
    let mut list = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            list.push(name);
        }
    }
    Ok(list)
}

/// Takes away what an interrupted run has left in the directories that operations write to.
pub fn take_away_leftovers<'o>(
    root: &Sysroot,
    ops: impl Iterator<Item = &'o TreeOp>,
) -> Result<usize, TreeError> {
    let directories: BTreeSet<SysPath> = ops.filter_map(|op| op.path().parent()).collect();
    let mut gone = 0;
    for path in directories {
        let taken = match root.directory(&path) {
            // An operation before makes it, or fails.
            Err(_) => continue,
            Ok(directory) => temporary::take_away(&directory),
        };
        gone += taken.map_err(during(
            "taking away what an interrupted run has left in",
            &path,
        ))?;
    }
    Ok(gone)
}

/// Performs one operation.
pub fn apply(
    op: &TreeOp,
    root: &Sysroot,
    provider: &mut dyn Provider,
    journal: &mut Journal,
) -> Result<(), TreeError> {
    match op {
        TreeOp::MakeDirectory {
            path,
            mode,
            user,
            group,
        } => make_directory(root, provider, path, *mode, user, group)
            .map_err(during("making the directory", path)),
        TreeOp::WriteFile {
            path,
            contents,
            mode,
            user,
            group,
            once,
            ..
        } => {
            let owner =
                owner(provider, Some(user), Some(group)).map_err(during("writing", path))?;
            let new = NewFile {
                root,
                path,
                attributes: (mode.bits(), owner.0, owner.1),
                once: once.as_deref(),
            };
            new.write(None, contents, provider, journal)
                .map_err(during("writing", path))
        }
        TreeOp::AppendFile {
            path,
            contents,
            once,
        } => append(root, path, contents, once, provider, journal)
            .map_err(during("appending to", path)),
        TreeOp::SetAttributes {
            path,
            mode,
            user,
            group,
        } => set_attributes(root, provider, path, *mode, user.as_ref(), group.as_ref())
            .map_err(during("setting permissions of", path)),
        TreeOp::MakeSymlink {
            path,
            target,
            user,
            group,
            ..
        } => {
            let owner =
                owner(provider, Some(user), Some(group)).map_err(during("linking", path))?;
            put_link(root, path, owner, |directory, name| {
                symlinkat(target.as_str(), directory, name)
            })
            .map_err(during("linking", path))
        }
        TreeOp::MakeHardlink { path, target, .. } => {
            let from = root
                .parent(target)
                .map_err(during("opening the directory of", target))?;
            put_link(root, path, (None, None), |directory, name| {
                linkat(&from, target.name(), directory, name, AtFlags::empty())
            })
            .map_err(during("linking", path))
        }
        TreeOp::Remove { path, .. } => remove(root, path).map_err(during("removing", path)),
    }
}

type Owners = (Option<Uid>, Option<Gid>);

/// Looks up owners; a name that the sysroot does not know is an error, never root.
fn owner(
    provider: &dyn Provider,
    user: Option<&OwnerRef>,
    group: Option<&OwnerRef>,
) -> io::Result<Owners> {
    let unknown = |what: &str, name: &str| {
        io::Error::other(format!("there is no {what} {name:?} in the new root"))
    };
    let uid = match user {
        Some(OwnerRef::Id(id)) => Some(Uid::from_raw(*id)),
        Some(OwnerRef::Name(name)) => {
            let id = provider.uid(name).ok_or_else(|| unknown("user", name))?;
            Some(Uid::from_raw(id))
        }
        None => None,
    };
    let gid = match group {
        Some(OwnerRef::Id(id)) => Some(Gid::from_raw(*id)),
        Some(OwnerRef::Name(name)) => {
            let id = provider.gid(name).ok_or_else(|| unknown("group", name))?;
            Some(Gid::from_raw(id))
        }
        None => None,
    };
    Ok((uid, gid))
}

fn make_directory(
    root: &Sysroot,
    provider: &dyn Provider,
    path: &SysPath,
    mode: Permissions,
    user: &OwnerRef,
    group: &OwnerRef,
) -> io::Result<()> {
    let (uid, gid) = owner(provider, Some(user), Some(group))?;
    let parent = root.parent(path)?;
    mkdirat(&parent, path.name(), Mode::from_raw_mode(0o700))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(&parent, path.name(), flags, Mode::empty())?;
    fchown(&directory, uid, gid)?;
    fchmod(&directory, Mode::from_raw_mode(mode.bits()))?;
    rustix::fs::fsync(&directory)?;
    Ok(rustix::fs::fsync(&parent)?)
}

/// A file that is to appear whole or not at all.
struct NewFile<'a> {
    root: &'a Sysroot,
    path: &'a SysPath,
    attributes: (u32, Option<Uid>, Option<Gid>),
    once: Option<&'a str>,
}

impl NewFile<'_> {
    fn write(
        &self,
        old: Option<File>,
        contents: &[Content],
        provider: &mut dyn Provider,
        journal: &mut Journal,
    ) -> io::Result<()> {
        let parent = self.root.parent(self.path)?;
        let name = temporary::name(self.path.name())?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&parent, &name, flags, Mode::from_raw_mode(0o600))?;
        let written = self.fill(
            File::from(file),
            &parent,
            &name,
            old,
            contents,
            provider,
            journal,
        );
        if written.is_err() {
            // The first error is the one to report.
            let _ = unlinkat(&parent, &name, AtFlags::empty());
        }
        written
    }

    #[allow(clippy::too_many_arguments)]
    fn fill(
        &self,
        mut file: File,
        parent: &OwnedFd,
        name: &str,
        old: Option<File>,
        contents: &[Content],
        provider: &mut dyn Provider,
        journal: &mut Journal,
    ) -> io::Result<()> {
        let mut hashed = Hashed {
            out: &mut file,
            hash: Sha256::new(),
        };
        if let Some(mut old) = old {
            io::copy(&mut old, &mut hashed)?;
        }
        for content in contents {
            match &content.source {
                ContentSource::Inline(bytes) => hashed.write_all(bytes)?,
                ContentSource::Fetched { key } => provider.copy(key, &mut hashed)?,
            }
        }
        let after = hex::encode(&hashed.hash.finalize());
        if let [
            Content {
                sha256: Some(expected),
                shown,
                ..
            },
        ] = contents
            && self.once.is_none()
            && *expected != after
        {
            return Err(io::Error::other(format!(
                "the contents from {shown} are not those that were verified"
            )));
        }
        let (mode, uid, gid) = self.attributes;
        // chown before chmod: chown clears setuid and setgid.
        fchown(&file, uid, gid)?;
        fchmod(&file, Mode::from_raw_mode(mode))?;
        file.sync_all()?;
        if let Some(id) = self.once {
            journal.begun(self.root, id, self.path, &after)?;
        }
        renameat(parent, name, parent, self.path.name())?;
        rustix::fs::fsync(parent)?;
        match self.once {
            Some(id) => journal.done(self.root, id),
            None => Ok(()),
        }
    }
}

struct Hashed<'a> {
    out: &'a mut File,
    hash: Sha256,
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn append(
    root: &Sysroot,
    path: &SysPath,
    contents: &[Content],
    once: &str,
    provider: &mut dyn Provider,
    journal: &mut Journal,
) -> io::Result<()> {
    let parent = root.parent(path)?;
    let stat = stat_at(parent.as_fd(), path.name())?;
    if stat.kind != FileType::RegularFile {
        return Err(io::Error::other("it is not a regular file"));
    }
    let old = open_file(&parent, path.name())?;
    let new = NewFile {
        root,
        path,
        attributes: (
            stat.mode,
            Some(Uid::from_raw(stat.uid)),
            Some(Gid::from_raw(stat.gid)),
        ),
        once: Some(once),
    };
    new.write(Some(old), contents, provider, journal)
}

fn set_attributes(
    root: &Sysroot,
    provider: &dyn Provider,
    path: &SysPath,
    mode: Option<Permissions>,
    user: Option<&OwnerRef>,
    group: Option<&OwnerRef>,
) -> io::Result<()> {
    let (uid, gid) = owner(provider, user, group)?;
    let parent = root.parent(path)?;
    if uid.is_some() || gid.is_some() {
        chownat(&parent, path.name(), uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    if let Some(mode) = mode {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = openat(&parent, path.name(), flags, Mode::empty())?;
        fchmod(&fd, Mode::from_raw_mode(mode.bits()))?;
    }
    Ok(rustix::fs::fsync(&parent)?)
}

/// Makes a link under a temporary name and renames it over what may be there.
fn put_link(
    root: &Sysroot,
    path: &SysPath,
    (uid, gid): Owners,
    make: impl FnOnce(&OwnedFd, &str) -> rustix::io::Result<()>,
) -> io::Result<()> {
    let parent = root.parent(path)?;
    let name = temporary::name(path.name())?;
    make(&parent, &name)?;
    let put = (|| {
        if uid.is_some() || gid.is_some() {
            chownat(&parent, &name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        renameat(&parent, &name, &parent, path.name())
    })();
    // Renaming a hard link onto its own inode does nothing, and leaves the temporary name.
    match unlinkat(&parent, &name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    put?;
    Ok(rustix::fs::fsync(&parent)?)
}

/// Removes what is at a path; what is mounted below it is an error, not removed.
fn remove(root: &Sysroot, path: &SysPath) -> io::Result<()> {
    let parent = root.parent(path)?;
    remove_in(&parent, path.name(), 0)?;
    Ok(rustix::fs::fsync(&parent)?)
}

fn remove_in(parent: &OwnedFd, name: &str, depth: usize) -> io::Result<()> {
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
            Ok(name) => remove_in(&directory, name, depth + 1)?,
            Err(_) => unlinkat(&directory, entry.file_name(), AtFlags::empty())?,
        }
    }
    Ok(unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}
