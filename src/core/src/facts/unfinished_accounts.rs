//! The files of groups and users before a run that changed them and did not come to its end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The files, and what was not there.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Name in /etc (`passwd`, `shadow`, …) → contents as hexadecimal digits; `None` where there was no file.
    pub files: BTreeMap<String, Option<String>>,
    /// Paths as the accounts have them (home directories, mailboxes) at which there was nothing.
    pub absent: Vec<String>,
}

impl std::fmt::Debug for Before {
    /// Without the contents: there are password hashes among them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&String> = self.files.keys().collect();
        write!(f, "Before {{ {names:?}, absent: {:?} }}", self.absent)
    }
}
