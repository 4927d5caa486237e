//! `proxmoxve`: the medium labelled `cidata` that Proxmox VE makes (its docs, "Cloud-Init Support").
//!
//! What Proxmox makes by itself is a cloud-config with the machine's name and keys, which are taken from there; a config
//! is what a user has put in its place, or as the vendor's data.

use std::time::Duration;

use pilotlight_core::model::Metadata;

use crate::UserConfig;
use crate::answer::{at, texts, yaml};
use crate::config_drive::not_here;
use crate::host::{Host, HostError};
use crate::nocloud::{Medium, USER_DATA, is_cloud_config};
use crate::service::{Field, What};

/// Ignition boots without a config where there is no medium by then.
const WAIT: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(5);
const FIELDS: &[Field] = &[("/instance-id", "INSTANCE_ID", What::Instance)];

/// User data count before the vendor's, and a cloud-config is the config where both are none or cloud-configs.
pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    let Some(medium) = Medium::read(host, WAIT).await? else {
        return Ok(None);
    };
    let is_config = |bytes: &Option<Vec<u8>>| {
        let bytes = bytes.as_deref().unwrap_or_default();
        !bytes.trim_ascii().is_empty() && !is_cloud_config(bytes)
    };
    Ok(
        match !is_config(&medium.user_data) && is_config(&medium.vendor_data) {
            true => medium.vendor_config(),
            false => medium.user_config(),
        },
    )
}

pub(crate) async fn metadata(host: &impl Host) -> Result<Option<Metadata>, HostError> {
    let Some(medium) = Medium::read(host, SOON).await? else {
        return Err(not_here("cidata"));
    };
    let mut said = medium.metadata("PROXMOXVE", FIELDS)?;
    let made = medium.user_data.as_deref();
    if let Some(made) = made.filter(|bytes| is_cloud_config(bytes)) {
        let all = yaml(USER_DATA, made)?;
        let name = at(&all, "/hostname");
        said.attribute("PROXMOXVE_HOSTNAME", name.as_deref());
        said.set_hostname(name.as_deref());
        texts(&all, "/ssh_authorized_keys").for_each(|key| said.add_keys(None, key));
    }
    for address in medium.addresses()? {
        let name = if address.contains(':') {
            "IPV6"
        } else {
            "IPV4"
        };
        said.attribute(format!("PROXMOXVE_{name}"), Some(&address));
    }
    Ok(Some(said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nocloud::{META_DATA, NETWORK_CONFIG, VENDOR_DATA};
    use crate::rows::Platform;
    use crate::transcript::{Transcript, now};

    const MADE: &str = "#cloud-config\nhostname: node-n\nmanage_etc_hosts: true\nssh_authorized_keys:\n  \
        - ssh-ed25519 AAAAone me\nchpasswd:\n  expire: False\nusers:\n  - default\npackage_upgrade: true\n";
    const NETWORK: &str = "version: 1\nconfig:\n    - type: physical\n      name: eth0\n      \
        mac_address: '01:23:45:67:89:00'\n      subnets:\n      - type: static\n        address: '192.0.2.5'\n        \
        netmask: '255.255.255.0'\n        gateway: '192.0.2.1'\n    - type: nameserver\n      address:\n      \
        - '192.0.2.53'\n      search:\n      - 'example'\n";

    fn host(files: Vec<(&'static str, &'static str)>) -> Transcript {
        Transcript {
            device: Some(("cidata", files)),
            offline: true,
            ..Transcript::default()
        }
    }

    #[test]
    fn a_users_config_counts_before_what_proxmox_makes() {
        const OWN: &str = "#cloud-config\nwrite_files: []\n";
        for (user, vendor, expected) in [
            (Some("{}"), Some(""), Some("{}")),
            (Some("{}"), Some("{\"v\": 1}"), Some("{}")),
            (Some(MADE), Some("{}"), Some("{}")),
            (
                Some(MADE),
                Some("variant: flatcar"),
                Some("variant: flatcar"),
            ),
            (Some(""), Some("{}"), Some("{}")),
            (None, Some("{}"), Some("{}")),
            (Some(OWN), Some(""), Some(OWN)),
            (Some(OWN), Some(OWN), Some(OWN)),
            (Some(OWN), None, Some(OWN)),
            (Some(""), Some(""), None),
            (None, None, None),
        ] {
            let files = user.map(|text| (USER_DATA, text)).into_iter();
            let files = files.chain(vendor.map(|text| (VENDOR_DATA, text)));
            let found = now(user_config(&host(files.collect()))).unwrap();
            let found = found.map(|found| String::from_utf8(found.bytes).unwrap());
            assert_eq!(found.as_deref(), expected, "{user:?} {vendor:?}");
        }
        assert_eq!(now(user_config(&Transcript::default())), Ok(None));
    }

    #[test]
    fn name_keys_and_network_are_what_proxmox_makes() {
        let network = &*NETWORK.replace("01:23", "02:23").leak();
        let host = host(vec![
            (USER_DATA, MADE),
            (META_DATA, "instance-id: 0a1b\n"),
            (NETWORK_CONFIG, network),
        ]);
        let said = now(metadata(&host)).unwrap().unwrap();
        assert_eq!(said.hostname.as_deref(), Some("node-n"));
        assert_eq!(said.ssh_keys.len(), 1);
        assert_eq!(
            said.attribute_lines(),
            "AFTERBURN_PROXMOXVE_HOSTNAME=node-n\nAFTERBURN_PROXMOXVE_INSTANCE_ID=0a1b\n\
             AFTERBURN_PROXMOXVE_IPV4=192.0.2.5\n"
        );
        let (units, left_out) = Platform::ProxmoxVe.networkd_units(&said);
        assert_eq!(left_out, []);
        assert!(units[0].1.contains("Address=192.0.2.5/24\n"), "{units:?}");
        assert!(units[0].1.contains("DNS=192.0.2.53\n"), "{units:?}");
    }
}
