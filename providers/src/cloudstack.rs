//! `cloudstack`: the config drive, else the metadata of the virtual router, which is the server that answered by DHCP
//! (CloudStack docs, "User Data and Meta Data").

use std::net::IpAddr;
use std::time::Duration;

use pilotlight_core::model::Metadata;

use crate::UserConfig;
use crate::answer::text;
use crate::config_drive::LABELS;
use crate::host::{DeviceFiles, Found, Host, HostError, Which};
use crate::service::{Field, Service, SshKeys, What, take};

const USER_DATA: &str = "cloudstack/userdata/user_data.txt";
/// Files of the drive, the attribute of each, and what it is.
const FILES: [Field; 6] = [
    (
        "cloudstack/metadata/availability_zone.txt",
        "AVAILABILITY_ZONE",
        What::Zone,
    ),
    (
        "cloudstack/metadata/cloud_identifier.txt",
        "CLOUD_IDENTIFIER",
        What::Attribute,
    ),
    (
        "cloudstack/metadata/instance_id.txt",
        "INSTANCE_ID",
        What::Instance,
    ),
    (
        "cloudstack/metadata/local_hostname.txt",
        "LOCAL_HOSTNAME",
        What::Hostname,
    ),
    (
        "cloudstack/metadata/service_offering.txt",
        "SERVICE_OFFERING",
        What::Type,
    ),
    ("cloudstack/metadata/vm_id.txt", "VM_ID", What::Attribute),
];
const SSH_KEYS: &str = "cloudstack/metadata/public_keys.txt";
const KEYS: &[Field] = &[
    ("availability-zone", "AVAILABILITY_ZONE", What::Zone),
    ("cloud-identifier", "CLOUD_IDENTIFIER", What::Attribute),
    ("hostname", "HOSTNAME", What::Attribute),
    ("instance-id", "INSTANCE_ID", What::Instance),
    ("local-hostname", "LOCAL_HOSTNAME", What::Hostname),
    ("local-ipv4", "IPV4_LOCAL", What::Attribute),
    ("public-hostname", "PUBLIC_HOSTNAME", What::Attribute),
    ("public-ipv4", "IPV4_PUBLIC", What::Attribute),
    ("service-offering", "SERVICE_OFFERING", What::Type),
    ("vm-id", "VM_ID", What::Attribute),
];
/// Numbers of interfaces that leases are looked for of.
const INTERFACES: std::ops::RangeInclusive<u32> = 1..=64;

async fn drive(host: &impl Host) -> Result<Option<Found>, HostError> {
    let mut files = vec![USER_DATA, SSH_KEYS];
    files.extend(FILES.iter().map(|(path, ..)| *path));
    let wanted = DeviceFiles {
        which: Which::Label(&LABELS),
        formats: &["iso9660", "vfat"],
        mark: None,
        files: &files,
        wait: Duration::from_secs(5),
        what: "a config drive",
    };
    host.device_files(&wanted).await
}

/// The server's address, as systemd-networkd keeps it (sd-network, `SERVER_ADDRESS=`).
fn server(host: &impl Host) -> Result<IpAddr, HostError> {
    for index in INTERFACES {
        let lease = host.read_file(&format!("/run/systemd/netif/leases/{index}"))?;
        let lease = String::from_utf8_lossy(&lease.unwrap_or_default()).into_owned();
        let mut lines = lease.lines();
        let said = lines.find_map(|line| line.strip_prefix("SERVER_ADDRESS="));
        if let Some(address) = said.and_then(|text| text.trim().parse().ok()) {
            return Ok(address);
        }
    }
    // In the initramfs this is asked before there is a network, too.
    Err(HostError::NeedsNetwork(
        "the user data of CloudStack, from the server that answers by DHCP".into(),
    ))
}

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    if let Some(found) = drive(host).await? {
        let bytes = found.files.into_iter().next().flatten();
        return Ok(bytes.map(|bytes| UserConfig {
            name: format!("{}:{USER_DATA}", found.device),
            bytes,
        }));
    }
    let user_data = format!("http://{}/latest/user-data", server(host)?);
    service(&user_data, "").user_config(host).await
}

pub(crate) async fn metadata(host: &impl Host) -> Result<Option<Metadata>, HostError> {
    let Some(found) = drive(host).await? else {
        let base = format!("http://{}/latest/meta-data", server(host)?);
        return service("", &base).metadata(host).await;
    };
    let mut said = Metadata::default();
    let mut files = found.files.into_iter().skip(1);
    let keys = files.next().flatten().map(text);
    said.add_keys(None, &keys.unwrap_or_default());
    for ((_, name, what), file) in FILES.iter().zip(files) {
        let file = file.map(text).filter(|text| !text.is_empty());
        if let Some(text) = file {
            take(&mut said, "CLOUDSTACK", name, *what, &text);
        }
    }
    Ok(Some(said))
}

fn service<'s>(user_data: &'s str, base: &'s str) -> Service<'s> {
    Service {
        user_data,
        base,
        prefix: "CLOUDSTACK",
        keys: KEYS,
        ssh_keys: SshKeys::Lines("public-keys"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, golden, now};

    const LEASE: (&str, &str) = (
        "/run/systemd/netif/leases/2",
        "# This is private data.\nADDRESS=10.7.0.9\nSERVER_ADDRESS=10.7.0.1\n",
    );

    #[test]
    fn a_transcript_is_the_platform() {
        let host = Transcript {
            files: vec![LEASE],
            ..Transcript::of(include_str!("../testdata/cloudstack.txt"))
        };
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        assert_eq!(now(user_config(&host)), Ok(None));
        let said = now(metadata(&host)).unwrap().unwrap();
        host.is_used_up();
        golden("cloudstack", &said);
    }

    #[test]
    fn the_drive_counts_first_and_without_a_lease_the_network_is_needed() {
        let host = Transcript {
            device: Some((
                "config-2",
                vec![
                    (USER_DATA, "{}"),
                    (SSH_KEYS, "ssh-ed25519 AAAAone me\n"),
                    ("cloudstack/metadata/vm_id.txt", "vm-1\n"),
                    ("cloudstack/metadata/local_hostname.txt", "node-k"),
                    ("cloudstack/metadata/instance_id.txt", ""),
                ],
            )),
            files: vec![LEASE],
            offline: true,
            ..Transcript::default()
        };
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        let said = now(metadata(&host)).unwrap().unwrap();
        assert_eq!(said.ssh_keys.len(), 1);
        assert_eq!(
            said.attribute_lines(),
            "AFTERBURN_CLOUDSTACK_LOCAL_HOSTNAME=node-k\nAFTERBURN_CLOUDSTACK_VM_ID=vm-1\n"
        );
        let found = now(user_config(&Transcript::default()));
        assert!(matches!(found, Err(HostError::NeedsNetwork(_))));
    }
}
