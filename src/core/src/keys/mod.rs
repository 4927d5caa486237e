//! The SSH keys that a platform gives the machine's users, kept true: what it wants, what is there, and what leads
//! from the one to the other.
//!
//! ```text
//! metadata ─ Wishes, google ─▶ Desired ─┐
//! the users' files, accounts ▶ Observed ─┴ difference(now) → KeyOps, each with its reason; predict(KeyOp, Observed)
//! ```
//!
//! What these operations never do, whatever the platform says: change a line that is a person's own, take away
//! anything because of an answer that was not whole, remove a home directory, or show a key.

mod desired;
mod difference;
mod google;
mod layout;
mod line;
mod observed;
mod op;
mod predict;
mod state;
mod text;

#[cfg(test)]
mod difference_tests;
#[cfg(test)]
mod property_tests;

pub use crate::net::Heard;
pub use desired::{Customs, Desired, LeftOut, UserKeys, WantedKey, Wishes};
pub use difference::{Difference, Unmet, difference};
pub use google::{Attributes, SUDOERS_GROUP, SUDOERS_PATH, SUDOERS_TEXT, of_attributes, users};
pub use layout::{Layout, LayoutFacts, includes};
pub use line::{BadKey, Key, MAX_LINE};
pub use observed::{Contents, File, Found, Observed, looked_at};
pub use op::{Change, Counts, KeyOp, Text};
pub use state::{MAX_STATE, State};
pub use text::{BEGIN, END};

/// Largest file of keys that is read and written, in bytes: a thousand keys of the longest usual kind.
pub const MAX_FILE: u64 = 1 << 20;
