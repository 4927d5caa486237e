//! `openstack`: the config drive, else the metadata service (Nova docs, "Metadata").
//!
//! The drive counts first: a cloud that has both gives the same on both, and the drive needs no network.

use std::time::Duration;

use pilotlight_core::model::metadata::{Interface, Metadata, prefix_of};

use crate::evidence::Evidence;
use crate::UserConfig;
use crate::answer::{at, bounded, config, each, fetch, json, text};
use crate::host::{Ask, DeviceFiles, Found, Host, HostError, Which};
use crate::said::{Cursor, Said};

const BASE: &str = "http://169.254.169.254";
const USER_DATA: &str = "openstack/latest/user_data";
const META_DATA: &str = "openstack/latest/meta_data.json";
const NETWORK_DATA: &str = "openstack/latest/network_data.json";
/// The form of Amazon's service, in which alone some things are told.
const EC2_DATA: &str = "ec2/latest/meta-data.json";
/// What is taken of it: attributes and keys.
const EC2_KEYS: [(&str, &str); 4] = [
    ("OPENSTACK_INSTANCE_ID", "instance-id"),
    ("OPENSTACK_INSTANCE_TYPE", "instance-type"),
    ("OPENSTACK_IPV4_LOCAL", "local-ipv4"),
    ("OPENSTACK_IPV4_PUBLIC", "public-ipv4"),
];

/// The drive is part of the machine from its start: only the kernel's own search is waited for.
async fn drive(host: &impl Host) -> Result<Option<Found>, HostError> {
    let wanted = DeviceFiles {
        which: Which::Label(&["config-2", "CONFIG-2"]),
        formats: &["iso9660", "vfat"],
        mark: Some(META_DATA),
        files: &[USER_DATA, META_DATA, NETWORK_DATA, EC2_DATA],
        wait: Duration::from_secs(5),
        what: "a config drive",
    };
    host.device_files(&wanted).await
}

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    let Some(found) = drive(host).await? else {
        return config(host, &Ask::link(format!("{BASE}/{USER_DATA}"))).await;
    };
    let bytes = found.files.into_iter().next().flatten();
    Ok(bytes.map(|bytes| UserConfig {
        name: format!("{}:{USER_DATA}", found.device),
        bytes,
    }))
}

/// What the service says of the network. A config drive has the same and does not change: the first boot has made
/// units of it.
pub(crate) async fn network(
    host: &impl Host,
    _: Option<&Cursor>,
) -> Result<Option<Said>, HostError> {
    let ask = bounded(Ask::link(format!("{BASE}/{NETWORK_DATA}")));
    Said::of(&ask.shown(), fetch(host, &ask).await?)
}

pub(crate) async fn metadata(host: &impl Host) -> Result<Option<Metadata>, HostError> {
    let mut said = Metadata::default();
    let network = match drive(host).await? {
        Some(found) => {
            let mut files = found.files.into_iter().skip(1);
            if let Some(meta) = files.next().flatten() {
                machine(&mut said, &meta)?;
            }
            let network = files.next().flatten();
            if let Some(ec2) = files.next().flatten() {
                let all = json(EC2_DATA, &ec2)?;
                for (name, key) in EC2_KEYS {
                    said.attribute(name, at(&all, &format!("/{key}")).as_deref());
                }
            }
            network
        }
        None => {
            let of = |path: &str| bounded(Ask::link(format!("{BASE}/{path}")));
            if let Some(meta) = fetch(host, &of(META_DATA)).await? {
                machine(&mut said, &meta)?;
            }
            for (name, key) in EC2_KEYS {
                let found = fetch(host, &of(&format!("latest/meta-data/{key}"))).await?;
                said.attribute(name, found.map(text).as_deref());
            }
            fetch(host, &of(NETWORK_DATA)).await?
        }
    };
    said.instance_type = said.attributes.get("OPENSTACK_INSTANCE_TYPE").cloned();
    if let Some(network) = network {
        interfaces(&mut said, &network)?;
        said.network = Some(text(network));
    }
    Ok(Some(said))
}

fn machine(said: &mut Metadata, meta: &[u8]) -> Result<(), HostError> {
    let all = json(META_DATA, meta)?;
    said.instance_id = at(&all, "/uuid");
    said.zone = at(&all, "/availability_zone");
    let hostname = at(&all, "/hostname");
    said.set_hostname(hostname.as_deref());
    let tags = all.pointer("/meta").and_then(|tags| tags.as_object());
    for (name, value) in tags.into_iter().flatten() {
        said.add_tag(name, value.as_str().unwrap_or_default());
    }
    let keys = all
        .pointer("/public_keys")
        .and_then(|keys| keys.as_object());
    for key in keys
        .into_iter()
        .flatten()
        .filter_map(|(_, key)| key.as_str())
    {
        said.add_keys(None, key);
    }
    said.attribute("OPENSTACK_HOSTNAME", hostname.as_deref());
    let id = said.instance_id.clone();
    said.attribute("OPENSTACK_INSTANCE_UUID", id.as_deref());
    Ok(())
}

fn interfaces(said: &mut Metadata, network: &[u8]) -> Result<(), HostError> {
    let all = json(NETWORK_DATA, network)?;
    for link in each(&all, "/links") {
        let Some(mut interface) = at(link, "/ethernet_mac_address")
            .as_deref()
            .and_then(Interface::of_mac)
        else {
            continue;
        };
        interface.name = at(link, "/id");
        interface.mtu = at(link, "/mtu").and_then(|mtu| mtu.parse().ok());
        let name = interface.name.clone();
        for net in each(&all, "/networks").filter(|net| at(net, "/link") == name) {
            if let Some(ip) = at(net, "/ip_address") {
                let prefix = at(net, "/netmask").as_deref().and_then(prefix_of);
                interface.add(&ip, prefix, false);
            }
            for route in each(net, "/routes") {
                if matches!(at(route, "/network").as_deref(), Some("0.0.0.0" | "::")) {
                    interface.add_gateway(at(route, "/gateway").as_deref());
                }
            }
        }
        for server in each(&all, "/services").filter(|s| at(s, "/type").as_deref() == Some("dns")) {
            interface.add_dns(at(server, "/address").as_deref());
        }
        said.interfaces.push(interface);
    }
    Ok(())
}

/// Nova's own names, and those that clouds give it by its setting `[DEFAULT] chassis_asset_tag` and the like
/// (tools/ds-identify of cloud-init). One of them is VMware underneath.
pub(crate) fn sign(seen: &Evidence) -> Option<String> {
    const TAGS: [&str; 4] = [
        "OpenTelekomCloud",
        "SAP CCloud VM",
        "HUAWEICLOUD",
        "Samsung Cloud Platform",
    ];
    ["product_name", "chassis_asset_tag"]
        .into_iter()
        .find_map(|field| seen.begins(field, "OpenStack "))
        .or_else(|| seen.is("chassis_asset_tag", &TAGS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, golden, now};

    #[test]
    fn a_transcript_is_the_platform() {
        let host = Transcript::of(include_str!("../testdata/openstack.txt"));
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        let said = now(metadata(&host)).unwrap().unwrap();
        host.is_used_up();
        golden("openstack", &said);
    }

    #[test]
    fn a_config_drive_is_all_that_is_asked() {
        let meta = r#"{"uuid":"u-1","hostname":"vm-1.example","public_keys":{"k":"ssh-rsa AAAA"}}"#;
        let mut host = Transcript {
            device: Some(("config-2", vec![(META_DATA, meta), (USER_DATA, "{}")])),
            offline: true,
            ..Transcript::default()
        };
        let found = now(user_config(&host)).unwrap().unwrap();
        assert_eq!(found.name, "/dev/config-2:openstack/latest/user_data");
        let said = now(metadata(&host)).unwrap().unwrap();
        assert_eq!(said.hostname.as_deref(), Some("vm-1.example"));
        assert_eq!(said.ssh_keys.len(), 1);
        let ec2 = r#"{"instance-id":"i-1","instance-type":"m1.small","local-ipv4":"10.0.3.7","public-ipv4":""}"#;
        host.device = Some(("config-2", vec![(META_DATA, meta), (EC2_DATA, ec2)]));
        let said = now(metadata(&host)).unwrap().unwrap();
        assert_eq!(said.instance_type.as_deref(), Some("m1.small"));
        assert_eq!(
            said.attribute_lines(),
            "AFTERBURN_OPENSTACK_HOSTNAME=vm-1.example\nAFTERBURN_OPENSTACK_INSTANCE_ID=i-1\n\
             AFTERBURN_OPENSTACK_INSTANCE_TYPE=m1.small\nAFTERBURN_OPENSTACK_INSTANCE_UUID=u-1\n\
             AFTERBURN_OPENSTACK_IPV4_LOCAL=10.0.3.7\n"
        );
        host.device = Some(("config-2", vec![(META_DATA, meta)]));
        assert_eq!(now(user_config(&host)), Ok(None));
        host.device = Some(("other", vec![(META_DATA, meta)]));
        assert!(matches!(
            now(user_config(&host)),
            Err(HostError::NeedsNetwork(_))
        ));
    }
}
