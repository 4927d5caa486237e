//! Operations on files, directories and links below the sysroot. Paths are real: no link on the way.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::facts::Facts;
use crate::facts::accounts::Accounts;
use crate::facts::tree::Node;
use crate::hex;
use crate::model::{Mode, SysPath};
use crate::op::Content;

/// A change of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum TreeOp {
    /// Make a directory.
    MakeDirectory {
        /// Where.
        path: SysPath,
        /// Permissions.
        mode: Mode,
        /// Owner.
        user: OwnerRef,
        /// Group.
        group: OwnerRef,
    },
    /// Put a file in place, whole or not at all.
    WriteFile {
        /// Where.
        path: SysPath,
        /// Its contents, one after the other.
        contents: Vec<Content>,
        /// Permissions.
        mode: Mode,
        /// Owner.
        user: OwnerRef,
        /// Group.
        group: OwnerRef,
        /// What is lost, in words.
        replaces: Option<&'static str>,
        /// Name in the journal, for contents that may not be written a second time.
        once: Option<String>,
    },
    /// Append to a file: the old and the new contents are put in place together, whole or not at all.
    AppendFile {
        /// Which.
        path: SysPath,
        /// What, one after the other.
        contents: Vec<Content>,
        /// Name in the journal.
        once: String,
    },
    /// Set permissions and owner of what is there.
    SetAttributes {
        /// Of what.
        path: SysPath,
        /// Permissions.
        mode: Option<Mode>,
        /// Owner.
        user: Option<OwnerRef>,
        /// Group.
        group: Option<OwnerRef>,
    },
    /// Make a symbolic link.
    MakeSymlink {
        /// Where.
        path: SysPath,
        /// Where it points, as written.
        target: String,
        /// Owner.
        user: OwnerRef,
        /// Group.
        group: OwnerRef,
        /// What is lost, in words.
        replaces: Option<&'static str>,
    },
    /// Make a hard link.
    MakeHardlink {
        /// Where.
        path: SysPath,
        /// The file, by its real path.
        target: SysPath,
        /// What is lost, in words.
        replaces: Option<&'static str>,
    },
    /// Remove what is there, a directory with all that is in it.
    Remove {
        /// Where.
        path: SysPath,
        /// What is lost, in words.
        destroys: &'static str,
    },
}

/// An owner as it is known when the plan is made: accounts made by the same plan have no number yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum OwnerRef {
    /// By number.
    Id(u32),
    /// By name, looked up in the sysroot's database when the operation is performed.
    Name(String),
}

impl OwnerRef {
    /// The user's number, if it is known by now.
    pub fn uid(&self, accounts: &Accounts) -> Option<u32> {
        match self {
            OwnerRef::Id(id) => Some(*id),
            OwnerRef::Name(name) => accounts.user(name)?.uid,
        }
    }

    /// The group's number, if it is known by now.
    pub fn gid(&self, accounts: &Accounts) -> Option<u32> {
        match self {
            OwnerRef::Id(id) => Some(*id),
            OwnerRef::Name(name) => accounts.group(name)?.gid,
        }
    }
}

impl fmt::Display for OwnerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OwnerRef::Id(id) => id.fmt(f),
            OwnerRef::Name(name) => name.fmt(f),
        }
    }
}

/// Length and digest of contents one after the other, as far as they are known.
pub fn summary(contents: &[Content]) -> (Option<u64>, Option<Arc<str>>) {
    let len = contents.iter().map(|content| content.len).sum();
    let sha256 = match contents {
        [one] => one.sha256.clone(),
        several => {
            let mut hash = Sha256::new();
            let known = several.iter().all(|content| {
                let bytes = content.source.known();
                bytes.map(|bytes| hash.update(bytes)).is_some()
            });
            known.then(|| hex::encode(&hash.finalize()).into())
        }
    };
    (len, sha256)
}

impl TreeOp {
    /// The path that it changes.
    pub fn path(&self) -> &SysPath {
        match self {
            TreeOp::MakeDirectory { path, .. }
            | TreeOp::WriteFile { path, .. }
            | TreeOp::AppendFile { path, .. }
            | TreeOp::SetAttributes { path, .. }
            | TreeOp::MakeSymlink { path, .. }
            | TreeOp::MakeHardlink { path, .. }
            | TreeOp::Remove { path, .. } => path,
        }
    }

    /// Whether data that is there now is gone afterwards.
    pub fn is_destructive(&self) -> bool {
        match self {
            TreeOp::WriteFile { replaces, .. }
            | TreeOp::MakeSymlink { replaces, .. }
            | TreeOp::MakeHardlink { replaces, .. } => replaces.is_some(),
            TreeOp::Remove { .. } => true,
            TreeOp::MakeDirectory { .. }
            | TreeOp::AppendFile { .. }
            | TreeOp::SetAttributes { .. } => false,
        }
    }

    /// Turns the facts into what they will be after the operation.
    pub fn predict(&self, facts: &mut Facts) {
        let (tree, accounts) = (&mut facts.tree, &facts.accounts);
        match self {
            TreeOp::MakeDirectory {
                path,
                mode,
                user,
                group,
            } => tree.put(
                path,
                Node::Directory {
                    mode: mode.bits(),
                    uid: user.uid(accounts),
                    gid: group.gid(accounts),
                    empty: true,
                },
            ),
            TreeOp::WriteFile {
                path,
                contents,
                mode,
                user,
                group,
                once,
                ..
            } => {
                let (len, sha256) = summary(contents);
                tree.put(
                    path,
                    Node::File {
                        len,
                        sha256,
                        mode: mode.bits(),
                        uid: user.uid(accounts),
                        gid: group.gid(accounts),
                        inode: format!("new:{path}"),
                    },
                );
                facts.done.extend(once.clone());
            }
            TreeOp::AppendFile { path, once, .. } => {
                if let Some(Node::File {
                    len, sha256, inode, ..
                }) = tree.entries.get_mut(path)
                {
                    (*len, *sha256) = (None, None);
                    *inode = format!("new:{path}");
                }
                facts.done.insert(once.clone());
            }
            TreeOp::SetAttributes {
                path,
                mode: new,
                user,
                group,
            } => {
                let (new_uid, new_gid) = (
                    user.as_ref().map(|user| user.uid(accounts)),
                    group.as_ref().map(|group| group.gid(accounts)),
                );
                let inode = match tree.node(path) {
                    Node::File { inode, .. } => Some(inode.clone()),
                    _ => None,
                };
                for (other, node) in &mut tree.entries {
                    let same_file =
                        matches!(node, Node::File { inode: i, .. } if Some(&*i) == inode.as_ref());
                    if other != path && !same_file {
                        continue;
                    }
                    match node {
                        Node::File { mode, uid, gid, .. }
                        | Node::Directory { mode, uid, gid, .. } => {
                            *mode = new.map_or(*mode, Mode::bits);
                            *uid = new_uid.unwrap_or(*uid);
                            *gid = new_gid.unwrap_or(*gid);
                        }
                        Node::Symlink { uid, gid, .. } => {
                            *uid = new_uid.unwrap_or(*uid);
                            *gid = new_gid.unwrap_or(*gid);
                        }
                        Node::Absent | Node::Other => {}
                    }
                }
            }
            TreeOp::MakeSymlink {
                path,
                target,
                user,
                group,
                ..
            } => tree.put(
                path,
                Node::Symlink {
                    target: target.clone(),
                    uid: user.uid(accounts),
                    gid: group.gid(accounts),
                },
            ),
            TreeOp::MakeHardlink { path, target, .. } => {
                let node = tree.node(target).clone();
                tree.put(path, node);
            }
            TreeOp::Remove { path, .. } => tree.clear(path),
        }
    }
}

impl fmt::Display for TreeOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TreeOp::MakeDirectory {
                path,
                mode,
                user,
                group,
            } => write!(
                f,
                "make directory {path}, mode {mode}, owner {user}:{group}"
            ),
            TreeOp::WriteFile {
                path,
                contents,
                mode,
                user,
                group,
                replaces,
                ..
            } => {
                match replaces {
                    Some(lost) => write!(f, "replace {lost} at {path} by a file")?,
                    None => write!(f, "write file {path}")?,
                }
                write!(f, ", mode {mode}, owner {user}:{group}")?;
                for content in contents {
                    write!(f, ", from {content}")?;
                }
                Ok(())
            }
            TreeOp::AppendFile { path, contents, .. } => {
                write!(f, "append to file {path}")?;
                for content in contents {
                    write!(f, ", from {content}")?;
                }
                Ok(())
            }
            TreeOp::SetAttributes {
                path,
                mode,
                user,
                group,
            } => {
                write!(f, "set")?;
                if let Some(mode) = mode {
                    write!(f, " mode {mode}")?;
                }
                if let Some(user) = user {
                    write!(f, " owner {user}")?;
                }
                if let Some(group) = group {
                    write!(f, " group {group}")?;
                }
                write!(f, " of {path}")
            }
            TreeOp::MakeSymlink {
                path,
                target,
                replaces,
                ..
            } => match replaces {
                Some(lost) => write!(f, "replace {lost} at {path} by a symbolic link to {target}"),
                None => write!(f, "make symbolic link {path} to {target}"),
            },
            TreeOp::MakeHardlink {
                path,
                target,
                replaces,
            } => match replaces {
                Some(lost) => write!(f, "replace {lost} at {path} by a hard link to {target}"),
                None => write!(f, "make hard link {path} to {target}"),
            },
            TreeOp::Remove { path, destroys } => write!(f, "remove {destroys} at {path}"),
        }
    }
}
