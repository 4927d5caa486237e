//! The keys that are there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use sha2::{Digest as _, Sha256};

use super::desired::Desired;
use super::layout::Layout;
use super::state::State;
use crate::facts::accounts::Accounts;
use crate::hex;

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Where keys of the platform are kept.
    pub layout: Layout,
    /// Users and groups.
    pub accounts: Accounts,
    /// The files of the users that were looked at.
    pub files: BTreeMap<String, Found>,
    /// What is remembered.
    pub state: State,
    /// Whether the file for sudo is there.
    pub has_sudoers: bool,
}

/// The files of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// That of the layout.
    pub file: File,
    /// The fragment that was written before, where the layout has another one.
    pub former: File,
}

/// A file of keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum File {
    /// There is none.
    #[default]
    Absent,
    /// What it holds.
    Text(Contents),
    /// It cannot be read, or is none that may be: the reason.
    Refused(String),
}

/// What a file holds. Printing never shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Contents(pub Vec<u8>);

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Contents {
    /// The digest that operations know it by: SHA-256 in hexadecimal digits.
    pub fn digest(&self) -> String {
        hex::encode(&Sha256::digest(&self.0))
    }
}

impl File {
    pub(super) fn text(&self) -> Option<&Contents> {
        match self {
            File::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.text().map_or(&[], |text| &text.0)
    }
}

/// The users whose files have to be looked at. As long as nothing is remembered, that is everybody: an earlier
/// program may have written keys of users that the platform does not name any more.
pub fn looked_at(
    desired: &Desired,
    state: Option<&State>,
    accounts: &Accounts,
) -> BTreeSet<String> {
    let mut users: BTreeSet<String> = match state {
        Some(state) => state.known.union(&state.made).cloned().collect(),
        None => accounts.users.keys().cloned().collect(),
    };
    users.extend(desired.users().map(Into::into));
    users.retain(|user| desired.is_about(user) && accounts.user(user).is_some());
    users
}
