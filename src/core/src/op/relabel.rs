//! Giving what was written the labels of the root's SELinux policy.

use std::fmt;

use serde::Serialize;

use crate::model::SysPath;

/// Labelling by the policy's table of contexts (file_contexts(5), setfiles(8)).
///
/// Paths are those of the config: where they lead is known only when all is written. What is not there is
/// passed over, and nothing is labelled that has no place for labels (a vfat file system, say).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename = "relabel", rename_all = "kebab-case")]
pub struct RelabelOp {
    /// Name of the policy.
    pub policy: String,
    /// Real path of its table of contexts.
    pub contexts: SysPath,
    /// What was asked for: labelled whatever label it has, a directory only if nothing else lies in it.
    pub paths: Vec<SysPath>,
    /// Directories that may have been made on the way: labelled if they have no label yet and nothing that
    /// the operation does not name lies in them.
    pub directories: Vec<SysPath>,
    /// Directories that are labelled with all that is in them.
    pub trees: Vec<SysPath>,
}

impl fmt::Display for RelabelOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "label for SELinux, by the policy {},", self.policy)?;
        match (self.paths.as_slice(), self.directories.len()) {
            ([], 1) => write!(f, " 1 directory that may be new"),
            ([], n) => write!(f, " {n} directories that may be new"),
            ([path], _) => write!(f, " {path} and directories made for it"),
            (paths, _) => write!(f, " {} paths and directories made for them", paths.len()),
        }?;
        for tree in &self.trees {
            write!(f, ", {tree} with all that is in it")?;
        }
        Ok(())
    }
}
