//! Groups and users of the sysroot.

use serde::{Deserialize, Serialize};

/// Groups and users of the sysroot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {}
