//! The daemon beside the programs that keep clouds' networks true today: the same machine, the same metadata server, first
//! theirs, then ours, and what the kernel has then is compared. Every difference is named, with the reason for it; one that
//! is not named fails the test, and so does one that is no more.
//!
//! `make peers` unpacks the programs, Debian 12's, below `target/peers`, and runs these tests.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod aws;
mod azure;
mod azure_ready;
mod gcp;
mod gcp_keys;
mod machine;
mod side_by_side;

use std::time::Duration;

/// As long as something that has to come may take.
const SOON: Duration = Duration::from_secs(60);
/// The address of every platform's metadata server.
const LINK: &str = "169.254.169.254";
