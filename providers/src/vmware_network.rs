//! What a VMware machine's `guestinfo.metadata` want of its network.
//!
//! The variable is a document of cloud-init's for this platform: YAML or JSON, with a network of version 2 (that of
//! netplan) as `network`, itself or encoded. It needs no network to be read, and most of these machines have no DHCP:
//! so all of it stands in units, and by netlink comes what changes while the machine runs.
//!
//! Only interfaces that are matched by their hardware address are known: names are given differently by every image.
//! They are not renamed (`set-name`). Bonds, VLANs and bridges are told as left out.

use pilotlight_core::json::{Node, Value};
use pilotlight_core::net::{Desired, Family, InterfaceAddress, Invalid, Prefix};

use crate::reading::Reading;
use crate::static_network::{Device, Link, Network, Route};
use crate::static_units::{Units, of_reading};
use crate::vmware::decoded;

pub use crate::static_network::Switches;

const ROOT: &str = "guestinfo.metadata";
const NETWORK: &str = "network";
/// What a network can have beside interfaces.
const UNKNOWN: [&str; 6] = ["bonds", "vlans", "bridges", "wifis", "tunnels", "vrfs"];

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
        whole(value, &mut network, &mut reading);
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
        whole(&inner, &mut network, &mut reading);
    }
    (network, reading)
}

fn whole(value: &Node, network: &mut Network, reading: &mut Reading<'_>) {
    // Both are in use: the network itself, and a file that has it.
    let value = reading.optional(value, NETWORK, NETWORK).unwrap_or(value);
    let version = reading.required(value, "version", NETWORK);
    let Some(version) = version else {
        return;
    };
    if reading.number(version, "network/version") != Some(2) {
        return reading.unreadable(
            "network/version",
            version,
            "no other version than 2 is known",
        );
    }
    for key in UNKNOWN {
        if let Some(found) = reading.optional(value, key, NETWORK) {
            let place = format!("{NETWORK}/{key}");
            reading.unreadable(&place, found, "only Ethernet interfaces are known");
        }
    }
    let place = "network/ethernets";
    let Some(all) = reading.required(value, "ethernets", NETWORK) else {
        return;
    };
    for (place, value) in reading.entries(all, place) {
        if let Some(link) = interface(value, &place, reading) {
            if network.links.iter().any(|other| other.mac == link.mac) {
                reading.unreadable(&place, value, "another interface has the same address");
            } else {
                network.links.push(link);
            }
        }
    }
}

fn interface(value: &Node, place: &str, reading: &mut Reading<'_>) -> Option<Link> {
    let which = reading.required(value, "match", place)?;
    let mac = reading.mac(which, "macaddress", &format!("{place}/match"))?;
    let mut link = Link::new(mac, Device::Hardware, place);
    for (key, into) in [("dhcp4", &mut link.dhcp4), ("dhcp6", &mut link.dhcp6)] {
        let at = format!("{place}/{key}");
        if let Some(truth) = reading.optional(value, key, &at) {
            *into = reading.boolean(truth, &at) == Some(true);
        }
    }
    let at = format!("{place}/accept-ra");
    let listens = reading.optional(value, "accept-ra", &at);
    link.accept_ra = listens.and_then(|truth| reading.boolean(truth, &at));
    let at = format!("{place}/mtu");
    let mtu = reading.optional(value, "mtu", &at);
    link.mtu = mtu.and_then(|mtu| reading.number(mtu, &at));
    let at = format!("{place}/addresses");
    if let Some(list) = reading.optional(value, "addresses", &at) {
        for (at, entry) in reading.addresses(list, &at) {
            let text = reading.text(entry, &at).filter(|text| text.contains('/'));
            match text.map(str::parse::<InterfaceAddress>) {
                Some(Ok(address)) => link.addresses.push((address, at)),
                _ => reading.unreadable(&at, entry, "it is no address with its network"),
            }
        }
    }
    for (key, family) in [("gateway4", Family::Ipv4), ("gateway6", Family::Ipv6)] {
        let at = format!("{place}/{key}");
        if let Some(node) = reading.optional(value, key, &at) {
            match reading.ip(node, &at) {
                Some(router) if Family::of(router) == family => link.default_route(router, at),
                Some(_) => reading.unreadable(&at, node, "it is of the other version of IP"),
                None => {}
            }
        }
    }
    let at = format!("{place}/routes");
    if let Some(list) = reading.optional(value, "routes", &at) {
        for (at, entry) in reading.addresses(list, &at) {
            if let Some(route) = route(entry, &at, reading) {
                link.routes.push((route, at));
            }
        }
    }
    let at = format!("{place}/nameservers");
    if let Some(servers) = reading.optional(value, "nameservers", &at)
        && let Some(list) = reading.optional(servers, "addresses", &at)
    {
        for (at, server) in reading.interfaces(list, &format!("{at}/addresses")) {
            link.dns.extend(reading.ip(server, &at));
        }
    }
    Some(link)
}

fn route(entry: &Node, place: &str, reading: &mut Reading<'_>) -> Option<Route> {
    let node = reading.required(entry, "via", place)?;
    let router = reading.ip(node, &format!("{place}/via"))?;
    let to = reading.required(entry, "to", place)?;
    let destination = match reading.text(to, &format!("{place}/to"))? {
        "default" => Some(Prefix::everything(Family::of(router))),
        text => text.parse::<Prefix>().ok(),
    };
    let fits = |one: &Prefix| one.family() == Family::of(router);
    let Some(destination) = destination.filter(fits) else {
        reading.unreadable(place, entry, "its parts do not fit together");
        return None;
    };
    let at = format!("{place}/metric");
    let metric = match reading.optional(entry, "metric", &at) {
        Some(node) => Some(reading.number(node, &at)?),
        None => None,
    };
    Some(Route {
        destination,
        router,
        metric,
    })
}
