//! What stands at the paths below the sysroot that a config names.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::SysPath;

/// The observed part of the tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// Real paths (no symbolic link on the way) → what is there.
    pub entries: BTreeMap<SysPath, Node>,
    /// Paths of the config that lead over symbolic links → real paths.
    pub aliases: BTreeMap<SysPath, SysPath>,
    /// Paths of the config → real paths of the links that they lead over.
    pub links: BTreeMap<SysPath, Vec<SysPath>>,
    /// Text of the preset file that is extended.
    pub preset: String,
    /// Links that enable units: path of the link → its target.
    pub enablement: BTreeMap<SysPath, String>,
}

/// What is at a path. Numbers and digests that are not known before the operation ran are `None` in a
/// prediction, and agree with anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Node {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// Length in bytes.
        len: Option<u64>,
        /// SHA-256 in hexadecimal digits.
        sha256: Option<Arc<str>>,
        /// Permission bits.
        mode: u32,
        /// Owner.
        uid: Option<u32>,
        /// Group.
        gid: Option<u32>,
        /// Names the inode: equal for hard links of one file.
        inode: String,
    },
    /// A directory.
    Directory {
        /// Permission bits.
        mode: u32,
        /// Owner.
        uid: Option<u32>,
        /// Group.
        gid: Option<u32>,
        /// Whether nothing is in it.
        empty: bool,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, as written.
        target: String,
        /// Owner.
        uid: Option<u32>,
        /// Group.
        gid: Option<u32>,
    },
    /// A device, socket or pipe.
    Other,
}

impl Node {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Node::Absent => "nothing",
            Node::File { .. } => "a file",
            Node::Directory { .. } => "a directory",
            Node::Symlink { .. } => "a symbolic link",
            Node::Other => "a device, socket or pipe",
        }
    }
}

impl Tree {
    /// The real path that a path of the config leads to.
    pub fn real(&self, path: &SysPath) -> SysPath {
        self.aliases.get(path).unwrap_or(path).clone()
    }

    /// What is at a real path.
    pub fn node(&self, real: &SysPath) -> &Node {
        self.entries.get(real).unwrap_or(&Node::Absent)
    }

    /// Notes what an operation put at a path, and that its directory is no longer empty.
    pub fn put(&mut self, real: &SysPath, node: Node) {
        if let Some(parent) = real.parent()
            && let Some(Node::Directory { empty, .. }) = self.entries.get_mut(&parent)
        {
            *empty = false;
        }
        self.entries.insert(real.clone(), node);
    }

    /// Notes that nothing is left at and below a path.
    pub fn clear(&mut self, real: &SysPath) {
        // Paths below one begin with it, and stand together.
        let from = self.entries.range_mut(real.clone()..);
        for (path, node) in from.take_while(|(path, _)| path.as_str().starts_with(real.as_str())) {
            if path.is_below(real) {
                *node = Node::Absent;
            }
        }
        self.enablement.retain(|path, _| !path.is_below(real));
    }

    /// Whether what was observed is what was predicted, with unknowns agreeing with anything.
    pub fn agrees_with(&self, predicted: &Tree) -> bool {
        self.differences(predicted).is_empty()
    }

    /// Paths at which the observed tree is not the predicted one. Paths that were looked at before, and no
    /// more afterwards because no link leads to them now, do not count.
    pub fn differences(&self, predicted: &Tree) -> Vec<SysPath> {
        predicted
            .entries
            .iter()
            .filter(|(path, _)| self.entries.contains_key(path))
            .filter(|(path, expected)| !agrees(self.node(path), expected))
            .map(|(path, _)| path.clone())
            .chain(self.inode_differences(predicted))
            .collect()
    }

    /// Hard links: the same paths share an inode.
    fn inode_differences(&self, predicted: &Tree) -> Vec<SysPath> {
        let common = |path: &SysPath| {
            self.entries.contains_key(path) && predicted.entries.contains_key(path)
        };
        let first = |tree: &Tree, of: &SysPath| match tree.node(of) {
            Node::File { inode, .. } => tree
                .entries
                .iter()
                .filter(|(path, _)| common(path))
                .find(|(_, node)| matches!(node, Node::File { inode: other, .. } if other == inode))
                .map(|(path, _)| path.clone()),
            _ => None,
        };
        predicted
            .entries
            .keys()
            .filter(|path| common(path) && first(self, path) != first(predicted, path))
            .cloned()
            .collect()
    }
}

/// What was not looked at agrees with anything, as what cannot be predicted does.
fn same<T: PartialEq>(seen: &Option<T>, expected: &Option<T>) -> bool {
    seen.is_none() || expected.is_none() || seen == expected
}

fn agrees(seen: &Node, expected: &Node) -> bool {
    match (seen, expected) {
        (
            Node::File {
                len,
                sha256,
                mode,
                uid,
                gid,
                ..
            },
            Node::File {
                len: len2,
                sha256: sha2562,
                mode: mode2,
                uid: uid2,
                gid: gid2,
                ..
            },
        ) => {
            same(len, len2)
                && same(sha256, sha2562)
                && mode == mode2
                && same(uid, uid2)
                && same(gid, gid2)
        }
        (
            Node::Directory { mode, uid, gid, .. },
            Node::Directory {
                mode: mode2,
                uid: uid2,
                gid: gid2,
                ..
            },
        ) => mode == mode2 && same(uid, uid2) && same(gid, gid2),
        (
            Node::Symlink { target, uid, gid },
            Node::Symlink {
                target: target2,
                uid: uid2,
                gid: gid2,
            },
        ) => target == target2 && same(uid, uid2) && same(gid, gid2),
        (seen, expected) => seen == expected,
    }
}
