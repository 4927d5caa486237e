//! Where a platform keeps the user config, and what it says of the machine: one file per platform.
//!
//! A provider does no I/O of its own. It asks a [`Host`] and answers bytes; `Ok(None)` means that the
//! platform has no user config, `Err` means that it could not be asked. The two are never confused: a
//! machine whose user data could not be read must not boot as if there were none.
//!
//! A new platform is one file with the functions `user_config` and `metadata`, one line in the table of
//! [`Platform`], and one transcript in `testdata` with the test that replays it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod answer;
mod aws;
mod aws_interface;
pub mod aws_network;
#[cfg(test)]
mod aws_network_property_tests;
#[cfg(test)]
mod aws_network_tests;
mod azure;
mod azure_functions;
mod azure_interface;
#[cfg(test)]
mod azure_machine_tests;
mod azure_media;
pub mod azure_network;
#[cfg(test)]
mod azure_network_tests;
pub mod cmdline;
pub mod detect;
mod digitalocean;
pub mod digitalocean_network;
#[cfg(test)]
mod digitalocean_network_tests;
mod file;
mod gcp;
pub mod gcp_network;
#[cfg(test)]
mod gcp_network_property_tests;
#[cfg(test)]
mod gcp_network_tests;
mod hetzner;
pub mod hetzner_network;
#[cfg(test)]
mod hetzner_network_tests;
mod host;
mod keys;
pub mod metal;
pub mod network;
#[cfg(test)]
mod network_rows;
mod networkd;
mod openstack;
pub mod openstack_network;
#[cfg(test)]
mod openstack_network_tests;
mod packet;
pub mod packet_network;
#[cfg(test)]
mod packet_network_tests;
#[cfg(test)]
mod peers_tests;
#[cfg(test)]
mod platform_networks_property_tests;
mod qemu;
mod qemu_network;
#[cfg(test)]
mod random_machine;
mod reading;
mod said;
pub mod static_network;
mod static_units;
pub mod status;
#[cfg(test)]
mod transcript;
pub mod vmware;
pub mod vmware_network;
#[cfg(test)]
mod vmware_network_tests;
mod wireserver;

use pilotlight_core::model::Metadata;
use status::{Status, Told};

pub use aws::{
    Credentials as AwsCredentials, region as aws_region, role_credentials as aws_role_credentials,
};
pub use azure::access_token as azure_access_token;
pub use gcp::access_token as gcp_access_token;
pub use host::{Ask, DeviceFiles, Found, FwCfg, Host, HostError, Patience, Which};

/// A user config as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserConfig {
    /// How diagnostics name it: a path, a URL, a firmware item.
    pub name: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// How a machine comes to its host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// The network gives it, or nobody does.
    Network,
    /// The platform's metadata is the only place that has it.
    Metadata,
}

macro_rules! platforms {
    ($($(#[$doc:meta])* $variant:ident $module:ident [$name:literal $(, $alias:literal)*] $naming:ident;)*) => {
        /// A platform that pilotlight knows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Platform {
            $($(#[$doc])* $variant,)*
        }

        impl Platform {
            /// All platforms with the names by which kernel arguments and today's tools call them.
            pub const NAMES: &[(&str, Platform)] = &[
                $(($name, Platform::$variant), $(($alias, Platform::$variant),)*)*
            ];

            /// All platforms.
            pub const ALL: &[Platform] = &[$(Platform::$variant),*];

            /// The platform's own name, which is also that of its directory in `base.platform.d`.
            pub fn name(self) -> &'static str {
                match self { $(Platform::$variant => $name,)* }
            }

            /// Where the machine's host name comes from.
            pub fn naming(self) -> Naming {
                match self { $(Platform::$variant => Naming::$naming,)* }
            }

            /// Asks the platform for the user config.
            pub async fn user_config(self, host: &impl Host) -> Result<Option<UserConfig>, HostError> {
                match self { $(Platform::$variant => $module::user_config(host).await,)* }
            }

            /// Asks the platform what it knows of the machine; `None` where it has no such service.
            pub async fn metadata(self, host: &impl Host) -> Result<Option<Metadata>, HostError> {
                match self { $(Platform::$variant => $module::metadata(host).await,)* }
            }
        }
    };
}

platforms! {
    /// Amazon EC2.
    Aws aws ["aws", "ec2"] Network;
    /// Microsoft Azure.
    Azure azure ["azure"] Metadata;
    /// DigitalOcean.
    DigitalOcean digitalocean ["digitalocean"] Metadata;
    /// A config named by the environment; for tests and image builds.
    File file ["file"] Network;
    /// Google Compute Engine.
    Gcp gcp ["gcp", "gce"] Network;
    /// Hetzner Cloud.
    Hetzner hetzner ["hetzner"] Metadata;
    /// Bare metal: the OEM partition, or a medium labelled `ignition`.
    Metal metal ["metal", "pxe", "baremetal", "rpi4", "raspberrypi"] Network;
    /// OpenStack: config drive, else metadata service.
    OpenStack openstack ["openstack"] Metadata;
    /// Equinix Metal, once Packet.
    Packet packet ["packet", "equinixmetal", "equinix", "metal.packet"] Metadata;
    /// QEMU and KVM: firmware configuration items.
    Qemu qemu ["qemu"] Network;
    /// VMware: guestinfo.
    VmWare vmware ["vmware"] Metadata;
}

impl Platform {
    /// Whether the platform wants to know how stages and the first boot end.
    pub fn wants_status(self) -> bool {
        matches!(self, Platform::Azure | Platform::Packet)
    }

    /// Tells the platform, within bounds. The boot goes on whatever the answer is.
    pub async fn report(self, host: &impl Host, status: &Status<'_>) -> Result<Told, HostError> {
        match self {
            Platform::Azure => wireserver::report(host, status).await,
            Platform::Packet => packet::report(host, status).await,
            _ => Ok(Told::Nobody),
        }
    }

    /// Whether machines of the platform can ask it what it knows of them: attributes, keys, names.
    pub fn has_metadata(self) -> bool {
        !matches!(self, Platform::File | Platform::Metal | Platform::Qemu)
    }

    /// Kernel arguments by which the platform's owner of a machine wants its network configured in the initramfs;
    /// they are asked for without any network.
    pub fn network_kargs(self, host: &impl Host) -> Result<Option<String>, HostError> {
        match self {
            Platform::VmWare => vmware::network_kargs(host),
            _ => Ok(None),
        }
    }

    /// Finds a platform by name or alias. The error names the known ones.
    pub fn parse(name: &str) -> Result<Platform, String> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found
            .map(|(_, platform)| *platform)
            .ok_or_else(|| format!("unknown platform {name:?}; known are {}", Self::known()))
    }

    /// All names, aliases in parentheses behind the name that they stand for.
    pub fn known() -> String {
        let shown = Self::ALL.iter().map(|platform| {
            let names = Self::NAMES.iter();
            let aliases: Vec<&str> = names
                .filter(|(name, other)| other == platform && *name != platform.name())
                .map(|(name, _)| *name)
                .collect();
            match aliases.as_slice() {
                [] => platform.name().to_string(),
                list => format!("{} ({})", platform.name(), list.join(", ")),
            }
        });
        shown.collect::<Vec<String>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, now};

    #[test]
    fn every_alias_leads_to_its_platform() {
        for (name, expected) in [
            ("ec2", "aws"),
            ("gce", "gcp"),
            ("equinixmetal", "packet"),
            ("equinix", "packet"),
            ("metal.packet", "packet"),
            ("pxe", "metal"),
            ("baremetal", "metal"),
            ("rpi4", "metal"),
            ("raspberrypi", "metal"),
        ] {
            assert_eq!(Platform::parse(name).map(Platform::name), Ok(expected));
        }
        for platform in Platform::ALL {
            assert_eq!(Platform::parse(platform.name()), Ok(*platform));
        }
        assert_eq!(
            Platform::parse("vax").unwrap_err(),
            "unknown platform \"vax\"; known are aws (ec2), azure, digitalocean, file, gcp (gce), hetzner, \
             metal (pxe, baremetal, rpi4, raspberrypi), openstack, packet (equinixmetal, equinix, metal.packet), \
             qemu, vmware"
        );
    }

    #[test]
    fn who_has_no_metadata_is_not_asked() {
        // Of this host nothing can be had: who asks it gets an error.
        let host = Transcript {
            offline: true,
            ..Transcript::default()
        };
        for platform in Platform::ALL {
            let nothing = now(platform.metadata(&host)) == Ok(None);
            assert_eq!(platform.has_metadata(), !nothing, "{platform:?}");
        }
    }

    #[test]
    fn others_are_not_told() {
        let nobody = now(Platform::Aws.report(&Transcript::default(), &Status::Ready));
        assert_eq!(nobody, Ok(Told::Nobody));
        assert!(!Platform::Qemu.wants_status() && Platform::Azure.wants_status());
    }
}
