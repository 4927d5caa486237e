//! Operations on partition tables and file systems.

use std::fmt;

use serde::Serialize;

use crate::facts::Facts;

/// A change of a disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum DiskOp {}

impl DiskOp {
    /// Whether data that is there now is gone afterwards.
    pub fn is_destructive(&self) -> bool {
        match *self {}
    }
    /// Turns the facts into what they will be after the operation.
    pub fn predict(&self, _facts: &mut Facts) {
        match *self {}
    }
}

impl fmt::Display for DiskOp {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}
