//! SELinux labels: finding the root's policy, and labelling by setfiles(8).
//!
//! setfiles walks into every directory that it is given and takes each path for a pattern. So it gets files
//! and links with their special characters escaped, and directories only where everything in them is ours
//! to label. Paths are real ones inside the root: no link is on the way, and the last component of none is
//! followed.

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use pilotlight_core::facts::selinux::{
    CONFIG, CONFIG_LIMIT, PROGRAM, Selinux, contexts, is_enforcing, policy_type,
};
use pilotlight_core::model::SysPath;
use pilotlight_core::op::RelabelOp;
use rustix::fs::{Dir, FileType, fstat, fstatvfs, getxattr};
use rustix::io::Errno;

use crate::root::Sysroot;
use crate::tool::{self, ToolError};

/// Where a label is kept (security(7) of attr: xattr(7)).
const ATTRIBUTE: &str = "security.selinux";
/// How deep directories may lie in each other, against stack exhaustion.
const MAX_DEPTH: usize = 256;

/// Why labelling failed.
#[derive(Debug, thiserror::Error)]
pub enum SelinuxError {
    /// Something could not be looked at.
    #[error("while looking at {path}: {cause}")]
    Look {
        /// What.
        path: SysPath,
        /// The reason.
        cause: io::Error,
    },
    /// The root's own path is not one that can be an argument.
    #[error("while finding the root {root}: {cause}")]
    Root {
        /// Its path.
        root: String,
        /// The reason.
        cause: io::Error,
    },
    /// setfiles failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
}

fn during(path: &SysPath) -> impl FnOnce(io::Error) -> SelinuxError {
    let path = path.clone();
    move |cause| SelinuxError::Look { path, cause }
}

/// Finds the policy of a root. Whatever is wrong with it is said by the fact, for a root may be without.
///
/// `program` is whether the program that labels is there.
pub fn observe(root: &Sysroot, program: bool) -> Selinux {
    let config = SysPath::parse(CONFIG).map_err(io::Error::other);
    let text = match config.and_then(|path| read(root, &path)) {
        Ok(None) => return Selinux::None,
        Ok(Some(text)) => text,
        Err(error) => return Selinux::Unusable(format!("while reading {CONFIG}: {error}")),
    };
    let name = match policy_type(&text) {
        Ok(None) => return Selinux::None,
        Ok(Some(name)) => name,
        Err(why) => return Selinux::Unusable(format!("in {CONFIG}, {why}")),
    };
    let Some(path) = contexts(&name) else {
        return Selinux::None;
    };
    if !program && !is_enforcing(&text) {
        return Selinux::Unusable(format!(
            "the root names the policy {name:?}, which is not enforced, and the program {PROGRAM} is not here"
        ));
    }
    match wholly_real(root, &path).map(|real| (root.stat(&real), real)) {
        Ok((Ok(Some(stat)), contexts)) if stat.kind == FileType::RegularFile => Selinux::Policy {
            name,
            contexts,
            program,
        },
        Ok((Err(error), _)) | Err(error) => {
            Selinux::Unusable(format!("while looking at {path}: {error}"))
        }
        // Debian's libraries bring the configuration along, and no policy.
        Ok(_) => Selinux::Unusable(format!(
            "{CONFIG} names the policy {name:?}, but there is no file {path}"
        )),
    }
}

fn read(root: &Sysroot, path: &SysPath) -> io::Result<Option<String>> {
    let Some(file) = root.read_file(path)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(CONFIG_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > CONFIG_LIMIT {
        return Err(io::Error::other(format!(
            "it is larger than {CONFIG_LIMIT} bytes"
        )));
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The real path with the last component followed, too.
fn wholly_real(root: &Sysroot, path: &SysPath) -> io::Result<SysPath> {
    if path.depth() == 0 {
        return Ok(path.clone());
    }
    // What would lie in it lies where it leads to.
    let inside = root.resolve(&path.join("x").map_err(io::Error::other)?)?;
    Ok(inside.parent().unwrap_or_else(SysPath::root))
}

/// Performs the operation.
pub fn apply(op: &RelabelOp, root: &Sysroot, root_path: &Path) -> Result<(), SelinuxError> {
    let list = Work::new(op, root)?.list()?;
    if list.is_empty() {
        return Ok(());
    }
    let canonical = std::fs::canonicalize(root_path).and_then(|path| {
        let text = path.into_os_string().into_string();
        text.map_err(|_| io::Error::other("it is not UTF-8"))
    });
    let root_path = canonical.map_err(|cause| SelinuxError::Root {
        root: root_path.display().to_string(),
        cause,
    })?;
    let base = root_path.trim_end_matches('/');
    let contexts = format!("{base}{}", op.contexts.as_str());
    let mut arguments = vec!["-vF0"];
    if !base.is_empty() {
        arguments.extend(["-r", base]);
    }
    arguments.extend([contexts.as_str(), "-f", "-"]);
    let mut input = Vec::new();
    for path in list {
        input.extend_from_slice(literal(&format!("{base}{}", path.as_str())).as_bytes());
        input.push(0);
    }
    tool::run(PROGRAM, &arguments, Some(&input))?;
    Ok(())
}

/// A path as a pattern that matches nothing else (glob(3) with braces).
fn literal(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if "\\*?[]{},~".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    // The directory "/" itself.
    if out.len() > 1 {
        out.trim_end_matches('/').into()
    } else {
        out
    }
}

/// What stands at a path, with its label.
struct Seen {
    directory: bool,
    labelled: bool,
}

/// Real paths of an operation.
struct Work<'a> {
    root: &'a Sysroot,
    paths: BTreeSet<SysPath>,
    directories: BTreeSet<SysPath>,
    trees: BTreeSet<SysPath>,
}

impl<'a> Work<'a> {
    fn new(op: &RelabelOp, root: &'a Sysroot) -> Result<Self, SelinuxError> {
        let real = |paths: &[SysPath], whole: bool| -> Result<BTreeSet<SysPath>, SelinuxError> {
            let find = |path: &SysPath| match whole {
                true => wholly_real(root, path),
                false => root.resolve(path),
            };
            paths
                .iter()
                .map(|path| find(path).map_err(during(path)))
                .collect()
        };
        let (paths, trees) = (real(&op.paths, false)?, real(&op.trees, true)?);
        let mut directories = real(&op.directories, true)?;
        // A link of the root may lead into a directory that was made where it points.
        directories.extend(paths.iter().chain(&trees).flat_map(SysPath::ancestors));
        Ok(Self {
            root,
            paths,
            directories,
            trees,
        })
    }

    /// The paths for setfiles.
    fn list(&self) -> Result<BTreeSet<SysPath>, SelinuxError> {
        let mut list = BTreeSet::new();
        let all = self
            .paths
            .iter()
            .chain(&self.directories)
            .chain(&self.trees);
        for path in all {
            let Some(seen) = self.look(path).map_err(during(path))? else {
                continue;
            };
            let named = self.paths.contains(path) || self.trees.contains(path);
            let wanted = match (named, seen.directory) {
                (_, true) if self.trees.contains(path) => true,
                (true, false) => true,
                (named, true) if named || !seen.labelled => {
                    self.only_ours(path, 0).map_err(during(path))?
                }
                _ => false,
            };
            if wanted {
                list.insert(path.clone());
            }
        }
        Ok(list)
    }

    /// What is there; `None` where there is nothing, or no place for a label.
    fn look(&self, real: &SysPath) -> io::Result<Option<Seen>> {
        let Some(fd) = self.root.handle(real)? else {
            return Ok(None);
        };
        if fstatvfs(&fd)?
            .f_flag
            .contains(rustix::fs::StatVfsMountFlags::RDONLY)
        {
            return Ok(None);
        }
        let directory = FileType::from_raw_mode(fstat(&fd)?.st_mode) == FileType::Directory;
        let labelled = match label(&fd) {
            Ok(()) | Err(Errno::RANGE) => true,
            Err(Errno::NODATA) => false,
            Err(Errno::OPNOTSUPP) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(Some(Seen {
            directory,
            labelled,
        }))
    }

    /// Whether a directory holds nothing but what the operation names: then it was made for that, and
    /// nobody else's file is labelled with it.
    fn only_ours(&self, directory: &SysPath, depth: usize) -> io::Result<bool> {
        if depth == MAX_DEPTH {
            return Ok(false);
        }
        let fd = self.root.directory(directory)?;
        for entry in Dir::read_from(&fd)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy();
            // mkfs makes the former; a power cut leaves the latter of our own behind.
            if matches!(&*name, "." | ".." | "lost+found") || name.contains(".pilotlight-") {
                continue;
            }
            let path = directory.join(&name).map_err(io::Error::other)?;
            if self.trees.contains(&path) {
                continue;
            }
            let known = self.paths.contains(&path) || self.directories.contains(&path);
            let is_directory = |stat: crate::root::Stat| stat.kind == FileType::Directory;
            let inner = self.root.stat(&path)?.is_some_and(is_directory);
            if !known || inner && !self.only_ours(&path, depth + 1)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether there is a label. A handle that is only a path is asked through its link in /proc, which leads
/// to the very object, be it a symbolic link.
fn label(fd: &OwnedFd) -> Result<(), Errno> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    getxattr(path, ATTRIBUTE, &mut [0u8; 1024]).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_no_pattern() {
        assert_eq!(
            literal("/r/a*b?[c]{d,e}~\\"),
            "/r/a\\*b\\?\\[c\\]\\{d\\,e\\}\\~\\\\"
        );
        assert_eq!(literal("/sysroot/"), "/sysroot");
        assert_eq!(literal("/"), "/");
    }
}
