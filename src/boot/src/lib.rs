//! The jobs of a boot, each behind its command line: what the program of the initramfs is made of, and a part of
//! the installed one.
//!
//! Nothing here knows clap, pictures or conversions: an initramfs has room for what a boot does.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod jobs;
pub mod out;
pub mod platform;
pub mod report;
pub mod rmcfg;
pub mod stage;

/// What `-version` prints under every old name; scripts look for the word and the number.
pub fn version() -> String {
    format!("Ignition 2.26.0 (pilotlight {})", env!("CARGO_PKG_VERSION"))
}
