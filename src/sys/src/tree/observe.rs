//! What stands at paths of the sysroot.

use std::collections::btree_map::Entry;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use pilotlight_core::facts::Sight;
use pilotlight_core::facts::tree::{Node, Tree};
use pilotlight_core::model::SysPath;
use pilotlight_core::plan::units::PRESET;
use rustix::fs::{Dir, FileType};
use rustix::io::Errno;

use super::{TreeError, during};
use crate::digest::digest;
use crate::root::{Stat, Sysroot, open_file, stat_at};

/// Observes what is at paths, and at the directories above them.
pub fn observe(root: &Sysroot, sights: &[Sight]) -> Result<Tree, TreeError> {
    let mut tree = Tree::default();
    let mut last: Option<Above> = None;
    for Sight { path, contents } in sights {
        let same = last.as_ref().filter(|above| above.holds(path));
        let (real, links) = match same {
            Some(above) => {
                let real = above.real.join(path.name()).map_err(io::Error::other);
                (
                    real.map_err(during("resolving", path))?,
                    above.links.clone(),
                )
            }
            None => root.resolve_over(path).map_err(during("resolving", path))?,
        };
        if same.is_none() {
            for at in real.ancestors() {
                if let Entry::Vacant(unseen) = tree.entries.entry(at) {
                    let at = unseen.key();
                    let node = observe_node(root, at, false).map_err(during("looking at", at))?;
                    unseen.insert(node);
                }
            }
            last = Above::of(path, &real, &links);
        }
        let unread = match tree.entries.get(&real) {
            Some(Node::File { sha256, .. }) => sha256.is_none() && *contents,
            Some(_) => false,
            None => true,
        };
        let is_nowhere = real
            .parent()
            .is_some_and(|above| matches!(tree.entries.get(&above), Some(Node::Absent)));
        if unread && is_nowhere {
            tree.entries.insert(real.clone(), Node::Absent);
        } else if unread {
            let node = observe_node(root, &real, *contents).map_err(during("looking at", &real))?;
            tree.entries.insert(real.clone(), node);
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

/// What the paths of one directory have in common. Thousands of files lie in hundreds of directories.
struct Above {
    path: SysPath,
    real: SysPath,
    links: Vec<SysPath>,
}

impl Above {
    fn of(path: &SysPath, real: &SysPath, links: &[SysPath]) -> Option<Self> {
        Some(Self {
            path: path.parent()?,
            real: real.parent()?,
            links: links.to_vec(),
        })
    }

    fn holds(&self, path: &SysPath) -> bool {
        let above = path.as_str().strip_suffix(path.name());
        above.and_then(|above| above.strip_suffix('/')) == Some(self.path.as_str())
    }
}

/// A file is read only where its contents are compared: it may be large.
fn observe_node(root: &Sysroot, real: &SysPath, contents: bool) -> io::Result<Node> {
    let stat = match root.stat(real) {
        Ok(Some(stat)) => stat,
        Ok(None) => return Ok(Node::Absent),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(Node::Absent),
        Err(error) => return Err(error),
    };
    Ok(match stat.kind {
        FileType::RegularFile => {
            let sha256 = match contents {
                true => {
                    let mut file = open_file(&root.parent(real)?, real.name())?;
                    Some(digest(&mut file, &mut io::sink())?.into())
                }
                false => None,
            };
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
                sha256,
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
