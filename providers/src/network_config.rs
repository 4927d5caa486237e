//! The network as cloud-init's documents have it, in both versions (cloud-init docs, "Network configuration").

use std::net::IpAddr;

use pilotlight_core::json::{Node, Value};
use pilotlight_core::model::metadata::prefix_of;
use pilotlight_core::net::{Family, InterfaceAddress, Invalid, Prefix};

use crate::reading::Reading;
use crate::static_network::{Device, Link, Network, Route};
use crate::static_units::{Units, of_reading};

const CONFIG: &str = "network-config";
const NETWORK: &str = "network";
/// What a network can have beside interfaces.
const UNKNOWN: [&str; 6] = ["bonds", "vlans", "bridges", "wifis", "tunnels", "vrfs"];

/// Units of systemd-networkd of a document of either version, and what was left out.
pub fn networkd_units(document: &str) -> (Units, Vec<Invalid>) {
    let mut reading = Reading::new(document);
    let mut network = Network::default();
    if let Some(all) = reading.yaml(CONFIG) {
        // Both are in use: the network itself, and a file that has it.
        let value = reading.optional(&all, NETWORK, CONFIG).unwrap_or(&all);
        let version = reading.optional(value, "version", CONFIG);
        match version.and_then(|version| reading.number(version, CONFIG)) {
            Some(2) => version_2(value, &mut network, &mut reading),
            _ => version_1(value, &mut network, &mut reading),
        }
    }
    of_reading((network, reading))
}

/// Reads version 1.
pub(crate) fn version_1(all: &Node, network: &mut Network, reading: &mut Reading<'_>) {
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
        match kind {
            Some("physical") => {}
            Some("nameserver") => {
                let place = format!("{place}/address");
                if let Some(list) = reading.optional(value, "address", &place) {
                    let found = servers(list, &place, reading);
                    network.dns.extend(found);
                }
                continue;
            }
            _ => {
                reading.unreadable(&place, value, "only physical interfaces are known");
                continue;
            }
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
        Some("dhcp6" | "ipv6_dhcpv6-stateful") => link.dhcp6 = true,
        Some("ipv6_slaac" | "ipv6_dhcpv6-stateless") => link.accept_ra = Some(true),
        Some("manual") => {}
        // It has had static subnets without a type.
        None | Some("static" | "static6") => {
            let Some(text) = reading.required(value, "address", place) else {
                return;
            };
            let at = format!("{place}/address");
            let mask = reading.optional(value, "netmask", place);
            let address = reading.text(text, &at).and_then(|text| match mask {
                // It has been given with both.
                Some(mask) if !text.contains('/') => {
                    let bits = bits(mask, &format!("{place}/netmask"), reading)?;
                    InterfaceAddress::new(text.parse().ok()?, bits)
                }
                _ => text.parse::<InterfaceAddress>().ok(),
            });
            let Some(address) = address else {
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
    let at = format!("{place}/routes");
    if let Some(list) = reading.optional(value, "routes", &at) {
        for (at, entry) in reading.addresses(list, &at) {
            if let Some(route) = masked_route(entry, &at, reading) {
                link.routes.push((route, at));
            }
        }
    }
    let place = format!("{place}/dns_nameservers");
    if let Some(servers) = reading.optional(value, "dns_nameservers", &place) {
        let found = self::servers(servers, &place, reading);
        link.dns.extend(found);
    }
}

/// Name servers: a list, or one alone.
fn servers(value: &Node, place: &str, reading: &mut Reading<'_>) -> Vec<IpAddr> {
    match &value.value {
        Value::Array(_) => {
            let list = reading.interfaces(value, place);
            let list = list.into_iter();
            list.filter_map(|(place, server)| reading.ip(server, &place))
                .collect()
        }
        _ => reading.ip(value, place).into_iter().collect(),
    }
}

/// The length of a network, as a mask or as a number of bits.
fn bits(mask: &Node, place: &str, reading: &mut Reading<'_>) -> Option<u8> {
    match &mask.value {
        Value::String(text) | Value::Plain(text) if text.contains(['.', ':']) => {
            let bits = prefix_of(text);
            if bits.is_none() {
                reading.unreadable(place, mask, "it is no mask of a network");
            }
            bits
        }
        _ => reading.bits(mask, place),
    }
}

/// A route of version 1: a network with its mask, or with the length behind it.
fn masked_route(entry: &Node, place: &str, reading: &mut Reading<'_>) -> Option<Route> {
    let node = reading.required(entry, "gateway", place)?;
    let router = reading.ip(node, &format!("{place}/gateway"))?;
    let to = match reading.optional(entry, "network", place) {
        Some(to) => to,
        None => reading.required(entry, "destination", place)?,
    };
    let text = reading.text(to, &format!("{place}/network"))?;
    let mask = reading.optional(entry, "netmask", place);
    let destination = match mask {
        Some(mask) if !text.contains('/') => {
            let bits = bits(mask, &format!("{place}/netmask"), reading)?;
            format!("{text}/{bits}").parse::<Prefix>().ok()
        }
        _ => text.parse::<Prefix>().ok(),
    };
    let fits = |one: &Prefix| one.family() == Family::of(router);
    let Some(destination) = destination.filter(fits) else {
        reading.unreadable(place, entry, "its parts do not fit together");
        return None;
    };
    Some(Route {
        destination,
        router,
        metric: None,
    })
}

/// Reads version 2, that of netplan. Only interfaces that are matched by their hardware address are known: names are
/// given differently by every image.
pub(crate) fn version_2(value: &Node, network: &mut Network, reading: &mut Reading<'_>) {
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

#[cfg(test)]
#[path = "network_config_tests.rs"]
mod tests;
