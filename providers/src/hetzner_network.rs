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

use crate::reading::Reading;
use crate::static_network::{Link, Network};
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
        public(&all, &mut network, &mut reading);
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

fn public(all: &Node, network: &mut Network, reading: &mut Reading<'_>) {
    let version = reading.required(all, "version", CONFIG);
    if let Some(version) = version
        && reading.number(version, CONFIG) != Some(1)
    {
        return reading.unreadable(CONFIG, version, "no other version than 1 is known");
    }
    let Some(list) = reading.required(all, "config", CONFIG) else {
        return;
    };
    for (place, value) in reading.interfaces(list, CONFIG) {
        let kind = reading.required(value, "type", &place);
        let kind = kind.and_then(|kind| reading.text(kind, &place));
        if kind != Some("physical") {
            reading.unreadable(&place, value, "only physical interfaces are known");
            continue;
        }
        let Some(mac) = reading.mac(value, "mac_address", &place) else {
            continue;
        };
        let link = network.hardware(mac, &place);
        let place = format!("{place}/subnets");
        let Some(subnets) = reading.optional(value, "subnets", &place) else {
            continue;
        };
        for (place, value) in reading.interfaces(subnets, &place) {
            subnet(value, &place, link, reading);
        }
    }
}

fn subnet(value: &Node, place: &str, link: &mut Link, reading: &mut Reading<'_>) {
    let kind = reading.optional(value, "type", place);
    let kind = kind.and_then(|kind| reading.text(kind, place));
    let is_v6 = reading.optional(value, "ipv6", place);
    let is_v6 = is_v6.and_then(|truth| reading.boolean(truth, &format!("{place}/ipv6")));
    match kind {
        Some("dhcp") => {
            link.dhcp6 |= is_v6 == Some(true);
            link.dhcp4 |= is_v6 != Some(true);
        }
        Some("dhcp4") => link.dhcp4 = true,
        Some("dhcp6") => link.dhcp6 = true,
        // It has had static subnets without a type.
        None | Some("static" | "static6") => {
            let Some(text) = reading.required(value, "address", place) else {
                return;
            };
            let at = format!("{place}/address");
            let address = reading.text(text, &at).map(str::parse::<InterfaceAddress>);
            let Some(Ok(address)) = address else {
                return reading.unreadable(&at, text, "it is no address of an interface");
            };
            // Without the length of its network nobody knows which neighbours there are.
            if address.network().is_host() && address.address().is_ipv4() {
                return reading.unreadable(&at, text, "its network is not said");
            }
            link.addresses.push((address, at));
            if let Some(router) = reading.optional(value, "gateway", place) {
                let at = format!("{place}/gateway");
                if let Some(ip) = reading.ip(router, &at) {
                    if Family::of(ip) == Family::of(address.address()) {
                        link.default_route(ip, at);
                    } else {
                        reading.unreadable(&at, router, "it is of the other version of IP");
                    }
                }
            }
        }
        Some(_) => return reading.unreadable(place, value, "no such subnet is known"),
    }
    let place = format!("{place}/dns_nameservers");
    if let Some(servers) = reading.optional(value, "dns_nameservers", &place) {
        for (place, server) in reading.interfaces(servers, &place) {
            link.dns.extend(reading.ip(server, &place));
        }
    }
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
