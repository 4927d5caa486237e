//! The config drive of OpenStack (Nova docs, "Config drives"), which other platforms have, too.

use std::time::Duration;

use pilotlight_core::model::metadata::{Interface, Metadata, prefix_of};

use crate::UserConfig;
use crate::answer::{at, each, json};
use crate::host::{DeviceFiles, Found, Host, HostError, Which};
use crate::service::{Field, take_fields};

pub(crate) const USER_DATA: &str = "openstack/latest/user_data";
pub(crate) const META_DATA: &str = "openstack/latest/meta_data.json";
pub(crate) const NETWORK_DATA: &str = "openstack/latest/network_data.json";
/// The form of Amazon's service, in which alone some things are told.
pub(crate) const EC2_DATA: &str = "ec2/latest/meta-data.json";
pub(crate) const LABELS: [&str; 2] = ["config-2", "CONFIG-2"];
/// How long the drive may take to appear where the config is nowhere else, and where it was read before.
const VITAL: Duration = Duration::from_secs(300);
const SOON: Duration = Duration::from_secs(5);

/// A drive and what is on it.
pub(crate) struct Drive {
    device: String,
    user_data: Option<Vec<u8>>,
    pub(crate) meta_data: Option<Vec<u8>>,
    pub(crate) network_data: Option<Vec<u8>>,
    pub(crate) ec2_data: Option<Vec<u8>>,
}

impl Drive {
    /// Reads the drive, once it is there; `None` if it is not within the bound.
    pub(crate) async fn read(host: &impl Host, wait: Duration) -> Result<Option<Self>, HostError> {
        let wanted = DeviceFiles {
            which: Which::Label(&LABELS),
            formats: &["iso9660", "vfat"],
            mark: Some(META_DATA),
            files: &[USER_DATA, META_DATA, NETWORK_DATA, EC2_DATA],
            wait,
            what: "a config drive",
        };
        Ok(host.device_files(&wanted).await?.map(Self::of))
    }

    fn of(found: Found) -> Self {
        let mut files = found.files.into_iter();
        let mut next = || files.next().flatten();
        Self {
            device: found.device,
            user_data: next(),
            meta_data: next(),
            network_data: next(),
            ec2_data: next(),
        }
    }

    pub(crate) fn user_config(self) -> Option<UserConfig> {
        let name = format!("{}:{USER_DATA}", self.device);
        self.user_data.map(|bytes| UserConfig { name, bytes })
    }
}

/// The user config of a platform that has it there and nowhere else.
pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    match Drive::read(host, VITAL).await? {
        Some(drive) => Ok(drive.user_config()),
        None => Err(missing("labelled config-2")),
    }
}

/// What is said where the medium of a platform is missing that alone has the config.
pub(crate) fn missing(what: &str) -> HostError {
    HostError::Broken(format!(
        "no config drive ({what}) appeared within {} s, on which alone this platform has the config; attach it, or \
         name the platform \"metal\" if there is no config",
        VITAL.as_secs()
    ))
}

/// What is said where a medium with metadata is missing.
pub(crate) fn not_here(label: &str) -> HostError {
    HostError::Broken(format!(
        "no medium labelled {label} is here, which has the metadata"
    ))
}

/// The metadata of such a platform.
pub(crate) async fn metadata(
    host: &impl Host,
    prefix: &str,
    fields: &[Field],
) -> Result<Option<Metadata>, HostError> {
    let Some(drive) = Drive::read(host, SOON).await? else {
        return Err(not_here("config-2"));
    };
    let mut said = Metadata::default();
    if let Some(meta) = &drive.meta_data {
        machine(&mut said, prefix, meta, fields)?;
    }
    if let Some(network) = &drive.network_data {
        interfaces(&mut said, network)?;
    }
    Ok(Some(said))
}

/// Takes the machine's description; `fields` of it are attributes.
pub(crate) fn machine(
    said: &mut Metadata,
    prefix: &str,
    meta: &[u8],
    fields: &[Field],
) -> Result<(), HostError> {
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
    take_fields(said, prefix, &all, fields);
    Ok(())
}

/// Takes the network.
pub(crate) fn interfaces(said: &mut Metadata, network: &[u8]) -> Result<(), HostError> {
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
    said.network = Some(String::from_utf8_lossy(network).into_owned());
    Ok(())
}
