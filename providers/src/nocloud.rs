//! A medium labelled `cidata`, as cloud-init's data source NoCloud has it (its docs, "NoCloud").

use std::time::Duration;

use pilotlight_core::model::Metadata;
use serde_json::Value;

use crate::UserConfig;
use crate::answer::{address, at, each, texts, yaml};
use crate::host::{DeviceFiles, Host, HostError, Which};
use crate::service::{Field, take_fields};

pub(crate) const USER_DATA: &str = "user-data";
pub(crate) const META_DATA: &str = "meta-data";
pub(crate) const VENDOR_DATA: &str = "vendor-data";
pub(crate) const NETWORK_CONFIG: &str = "network-config";
/// The label in the spellings that file systems keep.
const LABELS: &[&str] = &["cidata", "CIDATA"];

/// A medium and what is on it.
pub(crate) struct Medium {
    device: String,
    pub(crate) user_data: Option<Vec<u8>>,
    pub(crate) meta_data: Option<Vec<u8>>,
    pub(crate) vendor_data: Option<Vec<u8>>,
    pub(crate) network_config: Option<Vec<u8>>,
}

impl Medium {
    /// Reads the medium, once it is there; `None` if it is not within the bound.
    pub(crate) async fn read(host: &impl Host, wait: Duration) -> Result<Option<Self>, HostError> {
        let wanted = DeviceFiles {
            which: Which::Label(LABELS),
            formats: &["iso9660", "vfat", "udf"],
            mark: None,
            files: &[USER_DATA, META_DATA, VENDOR_DATA, NETWORK_CONFIG],
            wait,
            what: "a medium labelled cidata",
        };
        let Some(found) = host.device_files(&wanted).await? else {
            return Ok(None);
        };
        let mut files = found.files.into_iter();
        let mut next = || files.next().flatten();
        Ok(Some(Self {
            device: found.device,
            user_data: next(),
            meta_data: next(),
            vendor_data: next(),
            network_config: next(),
        }))
    }

    /// The user data; empty ones are none, for some tools write the file in any case.
    pub(crate) fn user_config(self) -> Option<UserConfig> {
        let name = format!("{}:{USER_DATA}", self.device);
        let bytes = self
            .user_data
            .filter(|bytes| !bytes.trim_ascii().is_empty());
        bytes.map(|bytes| UserConfig { name, bytes })
    }

    /// The vendor's data instead, under their own name.
    pub(crate) fn vendor_config(self) -> Option<UserConfig> {
        let name = format!("{}:{VENDOR_DATA}", self.device);
        self.vendor_data.map(|bytes| UserConfig { name, bytes })
    }

    /// What the medium says of the machine; `fields` of its description are attributes.
    pub(crate) fn metadata(&self, prefix: &str, fields: &[Field]) -> Result<Metadata, HostError> {
        let mut said = Metadata::default();
        if let Some(meta) = &self.meta_data {
            let all = yaml(META_DATA, meta)?;
            said.instance_id = at(&all, "/instance-id");
            said.set_hostname(at(&all, "/local-hostname").as_deref());
            take_fields(&mut said, prefix, &all, fields);
            keys(&mut said, all.pointer("/public-keys"));
        }
        let network = self.network_config.as_deref();
        said.network = network.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        Ok(said)
    }

    /// The first interface's static addresses, without the lengths of their networks.
    pub(crate) fn addresses(&self) -> Result<Vec<String>, HostError> {
        let Some(network) = &self.network_config else {
            return Ok(Vec::new());
        };
        let all = yaml(NETWORK_CONFIG, network)?;
        let all = all.pointer("/network").unwrap_or(&all);
        let physical = |entry: &&Value| at(entry, "/type").as_deref() == Some("physical");
        let first = each(all, "/config").find(physical);
        let of_1 = first.into_iter().flat_map(|port| each(port, "/subnets"));
        let of_1 = of_1.filter_map(|subnet| at(subnet, "/address"));
        let ethernets = all.pointer("/ethernets").and_then(Value::as_object);
        let mut ports = ethernets.into_iter().flat_map(|ports| ports.values());
        let port = ports.find(|port| texts(port, "/addresses").next().is_some());
        let of_2 = port.into_iter().flat_map(|port| texts(port, "/addresses"));
        let all = of_1.chain(of_2.map(str::to_string));
        Ok(all.filter_map(|text| address(&text)).collect())
    }
}

/// Keys as a text, a list of texts or texts by their names.
fn keys(said: &mut Metadata, value: Option<&Value>) {
    match value {
        Some(Value::String(text)) => said.add_keys(None, text),
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(Value::as_str)
            .for_each(|key| said.add_keys(None, key)),
        Some(Value::Object(named)) => named.values().for_each(|value| match value.as_str() {
            Some(text) => said.add_keys(None, text),
            None => texts(value, "").for_each(|key| said.add_keys(None, key)),
        }),
        _ => {}
    }
}

/// Whether data are a cloud-config.
pub(crate) fn is_cloud_config(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"#cloud-config")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, now};

    fn medium(files: Vec<(&'static str, &'static str)>) -> Medium {
        let host = Transcript {
            device: Some(("CIDATA", files)),
            ..Transcript::default()
        };
        now(Medium::read(&host, Duration::ZERO)).unwrap().unwrap()
    }

    #[test]
    fn keys_are_given_in_three_forms() {
        for meta in [
            "public-keys: ssh-ed25519 AAAAone me",
            "public-keys: [ssh-ed25519 AAAAone me]",
            "public-keys: {me: ssh-ed25519 AAAAone me}",
            "public-keys: {me: [ssh-ed25519 AAAAone me]}",
            r#"{"public-keys": ["ssh-ed25519 AAAAone me"]}"#,
        ] {
            let said = medium(vec![(META_DATA, meta)]).metadata("X", &[]).unwrap();
            assert_eq!(said.ssh_keys.len(), 1, "{meta}");
            assert_eq!(said.ssh_keys[0].key, "ssh-ed25519 AAAAone me");
        }
    }

    #[test]
    fn addresses_are_those_of_the_first_interface() {
        for (network, expected) in [
            (
                "version: 1\nconfig:\n- type: physical\n  subnets:\n  - {type: static, address: 192.0.2.5, netmask: 255.255.255.0}\n  - {type: static6, address: '2001:DB8::5/64'}\n- type: physical\n  subnets:\n  - {type: static, address: 192.0.2.9}\n",
                &["192.0.2.5", "2001:db8::5"][..],
            ),
            (
                "version: 2\nethernets:\n  a: {dhcp4: true}\n  b: {addresses: [192.0.2.6/24]}\n  c: {addresses: [192.0.2.7/24]}\n",
                &["192.0.2.6"],
            ),
            (
                "network: {version: 2, ethernets: {b: {addresses: [192.0.2.6/24]}}}",
                &["192.0.2.6"],
            ),
            (
                "version: 1\nconfig: [{type: physical, subnets: [{type: dhcp4}]}]",
                &[],
            ),
            ("{}", &[]),
        ] {
            let found = medium(vec![(NETWORK_CONFIG, network)]).addresses().unwrap();
            assert_eq!(found, expected, "{network}");
        }
    }

    #[test]
    fn empty_user_data_are_none() {
        for (text, expected) in [("{}", true), ("", false), (" \n", false)] {
            let found = medium(vec![(USER_DATA, text)]).user_config();
            assert_eq!(found.is_some(), expected, "{text:?}");
        }
        assert!(medium(vec![(META_DATA, "{}")]).user_config().is_none());
    }
}
