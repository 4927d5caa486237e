//! Operations on files, directories and links.

use std::fmt;

use serde::Serialize;

use crate::facts::Facts;

/// A change of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum TreeOp {}

impl TreeOp {
    /// Whether data that is there now is gone afterwards.
    pub fn is_destructive(&self) -> bool {
        match *self {}
    }
    /// Turns the facts into what they will be after the operation.
    pub fn predict(&self, _facts: &mut Facts) {
        match *self {}
    }
}

impl fmt::Display for TreeOp {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
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
