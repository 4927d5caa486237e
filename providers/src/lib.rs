//! Where a platform keeps the user config, and what it says of the machine: one file per platform.
//!
//! A provider does no I/O of its own. It asks a [`Host`] and answers bytes; `Ok(None)` means that the
//! platform has no user config, `Err` means that it could not be asked. The two are never confused: a
//! machine whose user data could not be read must not boot as if there were none.
//!
//! A new platform is one file with a function `user_config`, one row in `rows.rs`, and one transcript in `testdata`
//! with the test that replays it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod akamai;
mod aliyun;
mod answer;
mod applehv;
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
mod azurestack;
mod brightbox;
mod cloudstack;
pub mod cmdline;
mod config_drive;
pub mod detect;
mod digitalocean;
pub mod digitalocean_network;
#[cfg(test)]
mod digitalocean_network_tests;
mod evidence;
mod exoscale;
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
mod hyperv;
mod ibmcloud;
pub mod keys;
mod kubevirt;
pub mod metal;
pub mod network;
mod network_config;
#[cfg(test)]
mod network_rows;
mod networkd;
mod nocloud;
mod nutanix;
mod nvidiabluefield;
mod openstack;
pub mod openstack_network;
#[cfg(test)]
mod openstack_network_tests;
mod oraclecloud;
mod packet;
pub mod packet_network;
#[cfg(test)]
mod packet_network_tests;
#[cfg(test)]
mod peers_tests;
#[cfg(test)]
mod platform_networks_property_tests;
mod powervs;
mod proxmoxve;
mod qemu;
mod qemu_network;
#[cfg(test)]
mod random_machine;
mod reading;
mod rows;
mod said;
mod scaleway;
mod service;
mod stackit;
pub mod static_network;
mod static_units;
pub mod status;
mod switches;
#[cfg(test)]
mod transcript;
mod upcloud;
pub mod virtualbox;
pub mod vmware;
pub mod vmware_network;
#[cfg(test)]
mod vmware_network_tests;
pub mod vmware_ovf;
mod vultr;
mod wireserver;

pub use aws::{
    Credentials as AwsCredentials, region as aws_region, role_credentials as aws_role_credentials,
};
pub use azure::access_token as azure_access_token;
pub use gcp::access_token as gcp_access_token;
pub use host::{Ask, DeviceFiles, Found, FwCfg, Host, HostError, Patience, Way, Which};

pub use rows::{Naming, Platform};
pub use static_units::Units;

/// A user config as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserConfig {
    /// How diagnostics name it: a path, a URL, a firmware item.
    pub name: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Status, Told};
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
            "unknown platform \"vax\"; known are akamai, aliyun, applehv, aws (ec2), azure, azurestack, brightbox, \
             cloudstack (cloudstack-configdrive, cloudstack-metadata), digitalocean, exoscale, file, gcp (gce), \
             hetzner, hyperv, ibmcloud, kubevirt, metal (pxe, baremetal, rpi4, raspberrypi), nutanix, \
             nvidiabluefield, openstack, oraclecloud, packet (equinixmetal, equinix, metal.packet), powervs, \
             proxmoxve, qemu, scaleway, stackit, upcloud, virtualbox, vmware, vultr"
        );
        assert!(
            Platform::parse("zvm")
                .unwrap_err()
                .starts_with("the platform zvm is not supported: ")
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
