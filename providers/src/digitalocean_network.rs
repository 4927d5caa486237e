//! What the metadata of DigitalOcean want of the machine's network.
//!
//! A droplet is told all of its addresses by metadata. DHCP, where the image may ask for it, gives the first public
//! IPv4 address and its router; it gives neither IPv6, nor the address in a private network, nor the anchor by which
//! a reserved address comes. The service answers on a link-local address, so it is reached before any of these is
//! there: everything may come by netlink. Units have the same, for the time before the daemon runs.
//!
//! Private networks have no router of their own: what is beyond them is the operator's.

use std::net::IpAddr;

use pilotlight_core::json::Node;
use pilotlight_core::model::metadata::prefix_of;
use pilotlight_core::net::{Desired, Family, InterfaceAddress, Invalid};

use crate::reading::Reading;
use crate::static_network::{Link, Network};
use crate::static_units::{Units, of_reading};

pub use crate::static_network::Switches;

const ROOT: &str = "metadata/v1.json";

/// What is wanted, and what was left out, with its place in the answer to `/metadata/v1.json`.
///
/// Nothing may be removed because of an answer that is no JSON, has no interface, or anything that cannot be read.
pub fn desired(answer: &str, switches: &Switches) -> (Desired, Vec<Invalid>) {
    let (network, reading) = read(answer);
    network.desired(reading, switches)
}

/// The same as units of systemd-networkd: name and text of each file, and what was left out.
pub fn networkd_units(answer: &str) -> (Units, Vec<Invalid>) {
    of_reading(read(answer))
}

fn read(answer: &str) -> (Network, Reading<'_>) {
    let mut reading = Reading::new(answer);
    let mut network = Network::default();
    if let Some(all) = reading.json(ROOT) {
        machine(&all, &mut network, &mut reading);
    }
    (network, reading)
}

fn machine(all: &Node, network: &mut Network, reading: &mut Reading<'_>) {
    if let Some(interfaces) = reading.required(all, "interfaces", ROOT) {
        let mut has = |key| reading.optional(interfaces, key, "interfaces").is_some();
        if !["public", "private"].map(&mut has).contains(&true) {
            reading.unreadable("interfaces", interfaces, "it has none of either kind");
        }
        for kind in ["public", "private"] {
            let place = format!("interfaces/{kind}");
            let Some(list) = reading.optional(interfaces, kind, &place) else {
                continue;
            };
            for (place, entry) in reading.interfaces(list, &place) {
                interface(entry, &place, kind == "public", network, reading);
            }
        }
    }
    let place = "dns";
    let dns = reading.optional(all, "dns", place);
    let servers = dns.and_then(|dns| reading.required(dns, "nameservers", place));
    if let Some(servers) = servers {
        for (place, server) in reading.interfaces(servers, "dns/nameservers") {
            network.dns.extend(reading.ip(server, &place));
        }
    }
}

fn interface(
    entry: &Node,
    place: &str,
    is_public: bool,
    network: &mut Network,
    reading: &mut Reading<'_>,
) {
    let Some(mac) = reading.mac(entry, "mac", place) else {
        return;
    };
    // An interface that has several addresses of a family is there several times.
    let link = network.hardware(mac, place);
    for (key, family, has_router) in [
        ("ipv4", Family::Ipv4, is_public),
        ("ipv6", Family::Ipv6, is_public),
        ("anchor_ipv4", Family::Ipv4, false),
    ] {
        let place = format!("{place}/{key}");
        if let Some(value) = reading.optional(entry, key, &place) {
            address(value, &place, family, has_router, link, reading);
        }
    }
}

fn address(
    value: &Node,
    place: &str,
    family: Family,
    has_router: bool,
    link: &mut Link,
    reading: &mut Reading<'_>,
) {
    let Some(text) = reading.required(value, "ip_address", place) else {
        return;
    };
    let Some(ip) = reading.ip(text, &format!("{place}/ip_address")) else {
        return;
    };
    // IPv4 has a mask and IPv6 a number of bits.
    let bits = match reading.optional(value, "netmask", place) {
        Some(mask) => reading.text(mask, place).and_then(prefix_of),
        None => reading
            .optional(value, "cidr", place)
            .and_then(|bits| reading.bits(bits, &format!("{place}/cidr"))),
    };
    let address = bits.and_then(|bits| InterfaceAddress::new(ip, bits));
    let Some(address) = address.filter(|one| Family::of(one.address()) == family) else {
        let why = "its network or its version of IP is not what this key has";
        return reading.unreadable(place, value, why);
    };
    link.addresses.push((address, place.into()));
    let router = reading.optional(value, "gateway", place);
    if let Some(router) = router.filter(|_| has_router) {
        let place = format!("{place}/gateway");
        let is_some = |router: &IpAddr| !router.is_unspecified();
        if let Some(ip) = reading.ip(router, &place).filter(is_some) {
            if Family::of(ip) == family {
                link.default_route(ip, place);
            } else {
                reading.unreadable(&place, router, "it is of the other version of IP");
            }
        }
    }
}
