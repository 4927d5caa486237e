//! The machine that the program runs on: what providers may ask of it, which platform it is of, and one voice for
//! progress and waiting.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod choice;
mod devices;
pub mod evidence;
pub mod log;
mod machine;
mod network_units;
mod plain_http;
mod platform;

use pilotlight_core::model::Metadata;
use pilotlight_providers::{HostError, Platform};

pub use choice::{Choice, command_line};
pub use devices::RPC;
pub use machine::{Machine, Spoken, read_bounded};
pub use network_units::write_network_units;
pub use platform::{
    Answer, ask, aws_region, aws_role_credentials, azure_access_token, command_line_config,
    gcp_access_token, report, user_config,
};

/// Asks the platform what it knows of this machine, on a running system, from a thread that has no runtime. The error
/// is for a person.
pub fn metadata(platform: Platform) -> Result<Option<Metadata>, String> {
    let machine = Machine::new(true, None);
    match pilotlight_fetch::blocking(ask(platform, &machine)) {
        Ok(Ok(said)) => Ok(said),
        Ok(Err(HostError::Broken(why))) => Err(why),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(format!("while starting the I/O runtime: {error}")),
    }
}
