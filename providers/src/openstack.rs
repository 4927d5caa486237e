//! `openstack`: the config drive, else the metadata service (Nova docs, "Metadata").
//!
//! The drive counts first: a cloud that has both gives the same on both, and the drive needs no network.

use std::time::Duration;

use pilotlight_core::model::Metadata;

use crate::UserConfig;
use crate::answer::{at, bounded, config, fetch, json, text};
use crate::config_drive::{
    Drive, EC2_DATA, META_DATA, NETWORK_DATA, USER_DATA, interfaces, machine,
};
use crate::evidence::Evidence;
use crate::host::{Ask, Host, HostError};
use crate::said::{Cursor, Said};
use crate::service::{Field, What};

const BASE: &str = "http://169.254.169.254";
/// Fields of the machine's description that are attributes.
const FIELDS: &[Field] = &[
    ("/hostname", "HOSTNAME", What::Attribute),
    ("/uuid", "INSTANCE_UUID", What::Attribute),
];
/// What is taken of the service in Amazon's form.
const EC2_KEYS: [(&str, &str); 4] = [
    ("OPENSTACK_INSTANCE_ID", "instance-id"),
    ("OPENSTACK_INSTANCE_TYPE", "instance-type"),
    ("OPENSTACK_IPV4_LOCAL", "local-ipv4"),
    ("OPENSTACK_IPV4_PUBLIC", "public-ipv4"),
];
/// The drive is part of the machine from its start: only the kernel's own search is waited for.
const WAIT: Duration = Duration::from_secs(5);

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    match Drive::read(host, WAIT).await? {
        Some(drive) => Ok(drive.user_config()),
        None => config(host, &Ask::link(format!("{BASE}/{USER_DATA}"))).await,
    }
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
    let of = |path: &str| bounded(Ask::link(format!("{BASE}/{path}")));
    let (drive, meta) = match Drive::read(host, Duration::ZERO).await? {
        Some(drive) => (Some(drive), None),
        // A drive is waited for where no service answers: most clouds have none.
        None => match fetch(host, &of(META_DATA)).await {
            Ok(meta) => (None, meta),
            Err(why) => match Drive::read(host, WAIT).await? {
                Some(drive) => (Some(drive), None),
                None => return Err(why),
            },
        },
    };
    let network = match drive {
        Some(drive) => {
            if let Some(meta) = &drive.meta_data {
                machine(&mut said, "OPENSTACK", meta, FIELDS)?;
            }
            if let Some(ec2) = &drive.ec2_data {
                let all = json(EC2_DATA, ec2)?;
                for (name, key) in EC2_KEYS {
                    said.attribute(name, at(&all, &format!("/{key}")).as_deref());
                }
            }
            drive.network_data
        }
        None => {
            if let Some(meta) = meta {
                machine(&mut said, "OPENSTACK", &meta, FIELDS)?;
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
    }
    Ok(Some(said))
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
        host.is_late = true;
        assert_eq!(now(metadata(&host)).unwrap().unwrap(), said);
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
