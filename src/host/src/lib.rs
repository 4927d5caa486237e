//! The machine that the program runs on: what providers may ask of it, which platform it is of, and one voice for
//! progress and waiting.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod choice;
mod devices;
pub mod evidence;
pub mod log;
mod machine;

use std::time::Duration;

use pilotlight_core::model::Metadata;
use pilotlight_providers::{HostError, Platform};

pub use choice::{Choice, command_line};
pub use devices::RPC;
pub use machine::{Machine, Spoken, read_bounded};

/// Longest time that a platform's metadata are waited for.
const BOUND: Duration = Duration::from_secs(120);

/// Asks the platform what it knows of this machine, within bounds.
pub async fn ask(platform: Platform, machine: &Machine) -> Result<Option<Metadata>, HostError> {
    let answer = tokio::time::timeout(BOUND, platform.metadata(machine)).await;
    answer.unwrap_or_else(|_| {
        let why = format!("the platform has not answered within {} s", BOUND.as_secs());
        Err(HostError::Broken(why))
    })
}

/// The same on a running system, from a thread that has no runtime. The error is for a person.
pub fn metadata(platform: Platform) -> Result<Option<Metadata>, String> {
    let machine = Machine::new(true, None);
    match pilotlight_fetch::blocking(ask(platform, &machine)) {
        Ok(Ok(said)) => Ok(said),
        Ok(Err(HostError::Broken(why))) => Err(why),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(format!("while starting the I/O runtime: {error}")),
    }
}
