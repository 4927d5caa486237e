//! What the metadata of Hetzner Cloud want of the machine's network.
//!
//! DHCP gives the public IPv4 address and, on each private network, the machine's address, its routes and the MTU.
//! It does not give:
//! - the public IPv6 address and its router, which stand in `network-config` (the format of cloud-init, version 1);
//! - alias addresses in private networks, which stand in `private-networks`, each alone in its network: the
//!   platform's routers send them to the machine.
//!
//! The service answers on a link-local address, so all of it may come by netlink. A machine without public IPv4 has
//! no other way out than this IPv6, so it stands in units as well.

use pilotlight_core::json::Node;
use pilotlight_core::net::{Desired, Family, InterfaceAddress, Invalid};

use crate::network_config;
use crate::reading::Reading;
use crate::static_network::Network;
use crate::static_units::{Units, of_reading};

pub use crate::static_network::Switches;

const CONFIG: &str = "network-config";
const PRIVATE: &str = "private-networks";

/// Answers of the service, of `/hetzner/v1/metadata/`.
#[derive(Debug, Clone, Copy)]
pub struct Said<'t> {
    /// `network-config`
    pub network_config: &'t str,
    /// `private-networks`: a list, which is empty on most machines. `None` where it was not heard.
    pub private_networks: Option<&'t str>,
}

/// What is wanted, and what was left out, with its place in the answers.
///
/// Nothing may be removed because of an answer that was not heard, is no YAML, has no interface, or anything that
/// cannot be read.
pub fn desired(said: &Said<'_>, switches: &Switches) -> (Desired, Vec<Invalid>) {
    let (network, reading) = read(said);
    network.desired(reading, switches)
}

/// The same as units of systemd-networkd: name and text of each file, and what was left out.
pub fn networkd_units(said: &Said<'_>) -> (Units, Vec<Invalid>) {
    of_reading(read(said))
}

/// What is wanted by a document as the provider makes it: both texts by their keys.
pub(crate) fn of_document(document: &str, switches: &Switches) -> (Desired, Vec<Invalid>) {
    in_document(document, |said| desired(said, switches))
}

/// The units of such a document.
pub(crate) fn units_of_document(document: &str) -> (Units, Vec<Invalid>) {
    in_document(document, networkd_units)
}

fn in_document<T>(document: &str, then: impl FnOnce(&Said<'_>) -> T) -> T {
    let all = serde_json::from_slice::<serde_json::Value>(document.as_bytes());
    let all = all.unwrap_or_default();
    let text = |key: &str| all.get(key).and_then(serde_json::Value::as_str);
    then(&Said {
        network_config: text(CONFIG).unwrap_or_default(),
        private_networks: text(PRIVATE),
    })
}

fn read<'t>(said: &Said<'t>) -> (Network, Reading<'t>) {
    let mut reading = Reading::new(said.network_config);
    let mut network = Network::default();
    if let Some(all) = reading.yaml(CONFIG) {
        network_config::version_1(&all, &mut network, &mut reading);
    }
    let Some(private_networks) = said.private_networks else {
        reading.wishes.unreadable(PRIVATE, "", "it was not heard");
        return (network, reading);
    };
    let mut reading = reading.next(private_networks);
    if let Some(all) = reading.yaml(PRIVATE) {
        for (place, value) in reading.interfaces(&all, PRIVATE) {
            private(value, &place, &mut network, &mut reading);
        }
    }
    (network, reading)
}

fn private(value: &Node, place: &str, network: &mut Network, reading: &mut Reading<'_>) {
    let Some(mac) = reading.mac(value, "mac_address", place) else {
        return;
    };
    let link = network.hardware(mac, place);
    // Its address, routes and MTU.
    link.dhcp4 = true;
    let place = format!("{place}/alias_ips");
    let Some(list) = reading.optional(value, "alias_ips", &place) else {
        return;
    };
    for (place, value) in reading.addresses(list, &place) {
        if let Some(ip) = reading.ip(value, &place) {
            let bits = Family::of(ip).bits();
            let address = InterfaceAddress::new(ip, bits);
            link.addresses
                .extend(address.map(|address| (address, place)));
        }
    }
}
