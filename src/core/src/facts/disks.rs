//! Disks, partitions and file systems.

use serde::{Deserialize, Serialize};

/// Disks, partitions and file systems.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disks {}
