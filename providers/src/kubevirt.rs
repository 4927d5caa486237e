//! `kubevirt`: a config drive of OpenStack's form, or a medium labelled `cidata` (KubeVirt docs, "Startup scripts").

use std::time::Duration;

use pilotlight_core::model::Metadata;
use pilotlight_core::net::Invalid;
use serde_json::Value;

use crate::UserConfig;
use crate::config_drive::{Drive, interfaces, machine, missing, not_here};
use crate::host::{Host, HostError};
use crate::nocloud::Medium;
use crate::service::{Field, What};
use crate::static_units::Units;
use crate::{network_config, openstack_network};

/// How long a medium may take to appear, and how long one that was read before.
const TRIES: u32 = 60;
const STEP: Duration = Duration::from_secs(5);
const OF_DRIVE: &[Field] = &[
    ("/hostname", "HOSTNAME", What::Hostname),
    ("/uuid", "INSTANCE_ID", What::Instance),
    ("/instance_type", "INSTANCE_TYPE", What::Type),
];
const OF_MEDIUM: &[Field] = &[
    ("/local-hostname", "HOSTNAME", What::Hostname),
    ("/instance-id", "INSTANCE_ID", What::Instance),
    ("/instance_type", "INSTANCE_TYPE", What::Type),
];

/// Whichever appears first; the drive, where both do.
pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    host.load_module("virtio_blk");
    for _ in 0..TRIES {
        if let Some(drive) = Drive::read(host, Duration::ZERO).await? {
            return Ok(drive.user_config());
        }
        if let Some(medium) = Medium::read(host, STEP).await? {
            return Ok(medium.user_config());
        }
    }
    Err(missing("labelled config-2 or cidata"))
}

pub(crate) async fn metadata(host: &impl Host) -> Result<Option<Metadata>, HostError> {
    let mut said = Metadata::default();
    let mut addresses = Vec::new();
    if let Some(drive) = Drive::read(host, Duration::ZERO).await? {
        if let Some(meta) = &drive.meta_data {
            machine(&mut said, "KUBEVIRT", meta, OF_DRIVE)?;
        }
        if let Some(network) = &drive.network_data {
            interfaces(&mut said, network)?;
        }
        let first = said.interfaces.iter().find(|one| !one.addresses.is_empty());
        let own = first.into_iter().flat_map(|one| &one.addresses);
        addresses.extend(own.map(|one| one.address.to_string()));
    } else if let Some(medium) = Medium::read(host, STEP).await? {
        said = medium.metadata("KUBEVIRT", OF_MEDIUM)?;
        addresses = medium.addresses()?;
    } else {
        return Err(not_here("config-2 or cidata"));
    }
    // The first of each version of IP counts.
    for address in addresses.iter().rev() {
        let name = if address.contains(':') {
            "IPV6"
        } else {
            "IPV4"
        };
        said.attribute(format!("KUBEVIRT_{name}"), Some(address));
    }
    Ok(Some(said))
}

/// Units of either medium's network.
pub(crate) fn networkd_units(document: &str) -> (Units, Vec<Invalid>) {
    // Only OpenStack's form has links.
    let all = serde_json::from_str::<Value>(document).unwrap_or_default();
    match all.pointer("/links") {
        Some(_) => openstack_network::networkd_units(document),
        None => network_config::networkd_units(document),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_drive::{META_DATA, NETWORK_DATA, USER_DATA};
    use crate::nocloud;
    use crate::transcript::{Transcript, now};

    #[test]
    fn the_drive_is_the_platform() {
        let network = r#"{"links": [{"id": "a", "type": "phy", "ethernet_mac_address": "02:00:00:00:00:01"}],
            "networks": [{"id": "n", "link": "a", "type": "ipv4", "ip_address": "192.0.2.5", "netmask": "255.255.255.0",
            "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "192.0.2.1"}]}], "services": []}"#;
        let meta = r#"{"uuid": "u-3", "hostname": "node-o", "instance_type": "small",
            "public_keys": {"0": "ssh-ed25519 AAAAone me"}}"#;
        let host = Transcript {
            device: Some((
                "config-2",
                vec![
                    (META_DATA, meta),
                    (USER_DATA, "{}"),
                    (NETWORK_DATA, network),
                ],
            )),
            offline: true,
            ..Transcript::default()
        };
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        let said = now(metadata(&host)).unwrap().unwrap();
        assert_eq!(said.hostname.as_deref(), Some("node-o"));
        assert_eq!(said.ssh_keys.len(), 1);
        assert_eq!(
            said.attribute_lines(),
            "AFTERBURN_KUBEVIRT_HOSTNAME=node-o\nAFTERBURN_KUBEVIRT_INSTANCE_ID=u-3\n\
             AFTERBURN_KUBEVIRT_INSTANCE_TYPE=small\nAFTERBURN_KUBEVIRT_IPV4=192.0.2.5\n"
        );
        let (units, left_out) = networkd_units(said.network.as_deref().unwrap());
        assert_eq!(left_out, []);
        assert!(units[0].1.contains("Address=192.0.2.5/24\n"), "{units:?}");
    }

    #[test]
    fn a_medium_of_no_cloud_is_the_other_form() {
        let host = Transcript {
            device: Some((
                "cidata",
                vec![
                    (nocloud::USER_DATA, "{}"),
                    (
                        nocloud::META_DATA,
                        "{\"instance-id\": \"i.ns\", \"local-hostname\": \"node-p\"}",
                    ),
                    (
                        nocloud::NETWORK_CONFIG,
                        "version: 2\nethernets:\n  a:\n    match: {macaddress: '02:00:00:00:00:01'}\n    \
                         addresses: [192.0.2.6/24, '2001:db8::6/64']\n",
                    ),
                ],
            )),
            offline: true,
            ..Transcript::default()
        };
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        let said = now(metadata(&host)).unwrap().unwrap();
        assert_eq!(
            said.attribute_lines(),
            "AFTERBURN_KUBEVIRT_HOSTNAME=node-p\nAFTERBURN_KUBEVIRT_INSTANCE_ID=i.ns\n\
             AFTERBURN_KUBEVIRT_IPV4=192.0.2.6\nAFTERBURN_KUBEVIRT_IPV6=2001:db8::6\n"
        );
        let (units, left_out) = networkd_units(said.network.as_deref().unwrap());
        assert_eq!(left_out, []);
        assert!(units[0].1.contains("Address=2001:db8::6/64\n"), "{units:?}");
        let why = now(user_config(&Transcript::default())).unwrap_err();
        assert!(why.to_string().contains("config-2 or cidata"), "{why}");
    }
}
