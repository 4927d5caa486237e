//! Where a platform keeps the user config: one file per platform.
//!
//! A provider does no I/O of its own. It asks a [`Host`] and answers bytes; `Ok(None)` means that the
//! platform has no user config, `Err` means that it could not be asked. The two are never confused: a
//! machine whose user data could not be read must not boot as if there were none.
//!
//! A new platform is one file with a `user_config` function, one line in [`Platform`] and one test.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod cmdline;
mod file;
mod host;
pub mod metal;
mod qemu;

pub use host::{Ask, Host, HostError, Method, Patience, Reply};

/// A user config as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserConfig {
    /// How diagnostics name it: a path, a URL, a firmware item.
    pub name: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A platform that pilotlight knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// A config named by the environment; for tests and image builds.
    File,
    /// Bare metal: the OEM partition.
    Metal,
    /// QEMU and KVM: firmware configuration items.
    Qemu,
}

impl Platform {
    /// All platforms with the names by which kernel arguments and today's tools call them.
    pub const NAMES: &[(&str, Platform)] = &[
        ("file", Platform::File),
        ("metal", Platform::Metal),
        ("pxe", Platform::Metal),
        ("baremetal", Platform::Metal),
        ("qemu", Platform::Qemu),
    ];

    /// Finds a platform by name or alias.
    pub fn parse(name: &str) -> Option<Platform> {
        Self::NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, platform)| *platform)
    }

    /// The platform's own name, which is also that of its directory in `base.platform.d`.
    pub fn name(self) -> &'static str {
        match self {
            Platform::File => "file",
            Platform::Metal => "metal",
            Platform::Qemu => "qemu",
        }
    }

    /// Asks the platform for the user config.
    pub async fn user_config(self, host: &impl Host) -> Result<Option<UserConfig>, HostError> {
        match self {
            Platform::File => file::user_config(host),
            Platform::Metal => metal::user_config(host),
            Platform::Qemu => qemu::user_config(host),
        }
    }
}
