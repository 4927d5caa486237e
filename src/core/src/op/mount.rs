//! Operations on mounts below the sysroot.

use std::fmt;

use serde::Serialize;

use crate::facts::Facts;

/// A change of what is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum MountOp {}

impl MountOp {
    /// Whether data that is there now is gone afterwards.
    pub fn is_destructive(&self) -> bool {
        match *self {}
    }
    /// Turns the facts into what they will be after the operation.
    pub fn predict(&self, _facts: &mut Facts) {
        match *self {}
    }
}

impl fmt::Display for MountOp {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}
