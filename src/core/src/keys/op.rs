//! Operations on users' keys: the only things that change them.
//!
//! `Display` is the line that a dry run prints and that the real run logs; there is no other. None of it, nor of the
//! JSON, holds a key.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::diag::on_one_line;
use crate::op::AccountName;

/// One change of users' keys, and why it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyOp {
    /// The change.
    #[serde(flatten)]
    pub change: Change,
    /// Why.
    pub reason: &'static str,
}

/// A change of users' keys. Files are below the user's home directory, which is looked up when the change is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Change {
    /// Make the group whose members may do everything, and the file that says so, where they are missing.
    MakeSudoers,
    /// Make a user with a home directory and no password.
    CreateUser {
        /// Its name.
        user: AccountName,
        /// Its further groups.
        groups: Vec<AccountName>,
    },
    /// Add a user that was made to the group whose members may do everything.
    GrantSudo {
        /// The user.
        user: AccountName,
    },
    /// Write a file of keys whole.
    WriteFile {
        /// Whose.
        user: AccountName,
        /// Components of its path below the home directory.
        path: Vec<&'static str>,
        /// What it will hold.
        text: Text,
        /// Digest of what it holds now; `None` where there is no file.
        before: Option<String>,
        /// What changes.
        #[serde(flatten)]
        counts: Counts,
    },
    /// Remove a file of keys.
    RemoveFile {
        /// Whose.
        user: AccountName,
        /// Components of its path below the home directory.
        path: Vec<&'static str>,
        /// Digest of what it holds now.
        before: String,
        /// What changes.
        #[serde(flatten)]
        counts: Counts,
    },
    /// Have update-ssh-keys(1) replace a fragment, and make `~/.ssh/authorized_keys` anew.
    SetFragment {
        /// Whose.
        user: AccountName,
        /// The fragment's name.
        name: &'static str,
        /// What it will hold.
        text: Text,
        /// What changes.
        #[serde(flatten)]
        counts: Counts,
    },
    /// Have update-ssh-keys(1) remove a fragment, and make `~/.ssh/authorized_keys` anew.
    RemoveFragment {
        /// Whose.
        user: AccountName,
        /// The fragment's name.
        name: &'static str,
        /// What changes.
        #[serde(flatten)]
        counts: Counts,
    },
    /// Remove a user that was made from the group whose members may do everything. The user stays.
    RevokeSudo {
        /// The user.
        user: AccountName,
    },
}

/// How many keys a change is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Keys that come.
    pub added: usize,
    /// Keys that go.
    pub removed: usize,
    /// Keys of the first boot or of another agent that stay and are the daemon's from now on.
    pub taken: usize,
}

/// Contents of a file. Printing and serializing never show them.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(Vec<u8>);

impl Text {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The contents, for the file.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{} bytes", self.0.len()))
    }
}

impl KeyOp {
    /// The user that it is about; `None` where it is about all.
    pub fn user(&self) -> Option<&AccountName> {
        match &self.change {
            Change::MakeSudoers => None,
            Change::CreateUser { user, .. }
            | Change::GrantSudo { user }
            | Change::WriteFile { user, .. }
            | Change::RemoveFile { user, .. }
            | Change::SetFragment { user, .. }
            | Change::RemoveFragment { user, .. }
            | Change::RevokeSudo { user } => Some(user),
        }
    }
}

impl fmt::Display for KeyOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}: {}", self.change, self.reason);
        f.write_str(&on_one_line(&text))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::MakeSudoers => write!(
                f,
                "make the group {} and {}",
                super::SUDOERS_GROUP,
                super::SUDOERS_PATH
            ),
            Change::CreateUser { user, groups } => {
                let names: Vec<&str> = groups.iter().map(AccountName::as_str).collect();
                write!(f, "make the user {user} in {}", names.join(", "))
            }
            Change::GrantSudo { user } => {
                write!(f, "add the user {user} to {}", super::SUDOERS_GROUP)
            }
            Change::WriteFile {
                user, path, counts, ..
            } => write!(f, "write ~{}/{}: {counts}", user.as_str(), path.join("/")),
            Change::RemoveFile {
                user, path, counts, ..
            } => write!(f, "remove ~{}/{}: {counts}", user.as_str(), path.join("/")),
            Change::SetFragment {
                user, name, counts, ..
            } => write!(f, "set the keys {name:?} of {user}: {counts}"),
            Change::RemoveFragment {
                user, name, counts, ..
            } => write!(f, "remove the keys {name:?} of {user}: {counts}"),
            Change::RevokeSudo { user } => {
                write!(f, "remove the user {user} from {}", super::SUDOERS_GROUP)
            }
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{} −{}", self.added, self.removed)?;
        if self.taken > 0 {
            write!(f, ", {} taken over", self.taken)?;
        }
        Ok(())
    }
}
