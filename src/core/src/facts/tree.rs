//! What stands at paths below the sysroot.

use serde::{Deserialize, Serialize};

/// What stands at paths below the sysroot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {}
