//! What a VMware machine's `guestinfo.metadata` want of its network.
//!
//! The variable is a document of cloud-init's for this platform: YAML or JSON, with a network of version 2 (that of
//! netplan) as `network`, itself or encoded. It needs no network to be read, and most of these machines have no DHCP:
//! so all of it stands in units, and by netlink comes what changes while the machine runs.
//!
//! Only interfaces that are matched by their hardware address are known: names are given differently by every image.
//! They are not renamed (`set-name`). Bonds, VLANs and bridges are told as left out.

use pilotlight_core::json::Value;
use pilotlight_core::net::{Desired, Invalid};

use crate::network_config;
use crate::reading::Reading;
use crate::static_network::Network;
use crate::static_units::{Units, of_reading};
use crate::vmware::decoded;

pub use crate::static_network::Switches;

const ROOT: &str = "guestinfo.metadata";
const NETWORK: &str = "network";
/// What is wanted, and what was left out, with its place in the document, which is given decoded.
///
/// Nothing may be removed because of a document that is no YAML, has no network, or anything that cannot be read.
pub fn desired(document: &str, switches: &Switches) -> (Desired, Vec<Invalid>) {
    let (network, reading) = read(document);
    network.desired(reading, switches)
}

/// The same as units of systemd-networkd: name and text of each file, and what was left out.
pub fn networkd_units(document: &str) -> (Units, Vec<Invalid>) {
    of_reading(read(document))
}

fn read(document: &str) -> (Network, Reading<'_>) {
    let mut network = Network::default();
    let mut reading = Reading::new(document);
    let all = reading.yaml(ROOT);
    let value = all
        .as_ref()
        .and_then(|all| Some((all, reading.required(all, NETWORK, ROOT)?)));
    let Some((all, value)) = value else {
        return (network, reading);
    };
    let (Value::String(text) | Value::Plain(text)) = &value.value else {
        network_config::version_2(value, &mut network, &mut reading);
        return (network, reading);
    };
    let encoding = reading.optional(all, "network.encoding", ROOT);
    let encoding = encoding.and_then(|encoding| reading.text(encoding, ROOT));
    let bytes = decoded(text.clone().into_bytes(), encoding.unwrap_or_default());
    let Some(inner) = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()) else {
        reading.unreadable(NETWORK, value, "it cannot be decoded");
        return (network, reading);
    };
    let mut reading = reading.next(inner);
    if let Some(inner) = reading.yaml(NETWORK) {
        network_config::version_2(&inner, &mut network, &mut reading);
    }
    (network, reading)
}
