//! The network by rtnetlink: looking at it, changing it, hearing of changes (rtnetlink(7); Linux 5.10 or later).
//!
//! No program is started and no thread. A [`Netlink`] and its [`Events`] belong to the network namespace of the
//! thread that opened them.

mod apply;
mod connection;
mod decode;
#[cfg(test)]
mod decode_tests;
mod encode;
mod events;
mod messages;
mod observe;

pub use apply::Applied;
pub use connection::Netlink;
pub use decode::{Unreadable, read_dump};
pub use events::{Changes, Events, Waited};

use std::io;

/// Why something about the network failed.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// The kernel refused it.
    #[error("while trying to {doing}: {cause}{}", said(.explanation))]
    Refused {
        /// What was tried, in words that follow "to".
        doing: String,
        /// The kernel's error.
        cause: io::Error,
        /// What the kernel said besides (NLMSGERR_ATTR_MSG, Linux 4.12); empty where it said nothing.
        explanation: String,
    },
    /// What came from the kernel cannot be read.
    #[error("while trying to {doing}: {cause}")]
    Unreadable {
        /// What was tried.
        doing: String,
        /// Where it ends to make sense.
        cause: Unreadable,
    },
    /// The network changed so often during the look that no look was whole.
    #[error("while trying to {doing}: the network changed during each of {tries} looks")]
    Restless {
        /// What was tried.
        doing: String,
        /// How often it was looked.
        tries: u32,
    },
    /// Something else is in the place of what was to be added.
    #[error("while trying to {doing}: something else is there")]
    Occupied {
        /// What was tried.
        doing: String,
    },
}

fn said(explanation: &str) -> String {
    match explanation {
        "" => String::new(),
        text => format!(" ({text})"),
    }
}
