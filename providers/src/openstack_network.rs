//! What the metadata of OpenStack want of the machine's network (Nova docs, "Metadata": `network_data.json`).
//!
//! Most clouds have DHCP, and say so (`ipv4_dhcp`, `ipv6_slaac` and others): nothing is wanted of such networks.
//! Where a network is static, the machine gets nothing else; the config drive tells it before there is any network.
//! So all of it stands in units: the daemon may need these addresses to reach the service at all. By netlink come
//! the same addresses and routes, on links that are there. Bonds and VLANs are made by units alone.
//!
//! The platform names links by what the host calls them, which says nothing inside of the machine: they are found
//! by their hardware addresses.

use std::net::IpAddr;

use pilotlight_core::json::{Node, Value};
use pilotlight_core::model::metadata::prefix_of;
use pilotlight_core::net::{Desired, Family, InterfaceAddress, Invalid, Mac, Prefix};
use pilotlight_core::ordered::Arrange as _;

use crate::networkd::MODES;
use crate::reading::Reading;
use crate::static_network::{Device, Link, Network, Route};
use crate::static_units::{Units, of_reading};

pub use crate::static_network::Switches;

const ROOT: &str = "network_data.json";
/// Numbers of VLANs (IEEE 802.1Q, 9.6: 0 and 4095 are none).
const VLANS: std::ops::RangeInclusive<u32> = 1..=4094;

/// What is wanted, and what was left out, with its place in `network_data.json`.
///
/// Nothing may be removed because of an answer that is no JSON, has no link, or anything that cannot be read.
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
        let ids = links(&all, &mut network, &mut reading);
        if let Some(list) = reading.optional(&all, "networks", ROOT) {
            for (place, value) in reading.addresses(list, "networks") {
                one(value, &place, &ids, &mut network, &mut reading);
            }
        }
        network.dns = servers(&all, "services", &mut reading);
    }
    (network, reading)
}

/// Reads the links; answers the names by which networks mean them, each at the place of its link.
fn links<'n>(all: &'n Node, network: &mut Network, reading: &mut Reading<'_>) -> Vec<&'n str> {
    let mut ids: Vec<&str> = Vec::new();
    let Some(list) = reading.required(all, "links", ROOT) else {
        return ids;
    };
    let values = reading.interfaces(list, "links");
    // Every other type says how the host plugs the link in. Bonds are made of links, and VLANs are on both.
    let kinds = ["", "bond", "vlan"];
    let kind_of = |value: &Node, place: &str, reading: &mut Reading<'_>| {
        let kind = reading.required(value, "type", place)?;
        let kind = reading.text(kind, &format!("{place}/type"))?;
        Some(kinds.iter().position(|one| *one == kind).unwrap_or(0))
    };
    let mut sorted: Vec<(usize, String, &Node)> = Vec::new();
    for (place, value) in values {
        if let Some(step) = kind_of(value, &place, reading) {
            sorted.push((step, place, value));
        }
    }
    sorted.arrange_by_key(|(step, ..)| *step);
    for (step, place, value) in sorted {
        let id = reading.required(value, "id", &place);
        let Some(id) = id.and_then(|id| reading.text(id, &format!("{place}/id"))) else {
            continue;
        };
        if ids.contains(&id) {
            reading.unreadable(&place, value, "another link has the same id");
            continue;
        }
        let of = |id: &str| ids.iter().position(|one| *one == id);
        let found = match step {
            0 => reading
                .mac(value, "ethernet_mac_address", &place)
                .map(|mac| Link::new(mac, Device::Hardware, &place)),
            1 => bond(value, &place, of, network, reading),
            _ => vlan(value, &place, of, reading),
        };
        let Some(mut link) = found else {
            continue;
        };
        let same =
            |other: &Link| other.mac == link.mac && other.device.kind() == link.device.kind();
        if network.links.iter().any(same) {
            reading.unreadable(&place, value, "another link has the same address");
            continue;
        }
        let mtu = reading.optional(value, "mtu", &place);
        link.mtu = mtu.and_then(|mtu| reading.number(mtu, &format!("{place}/mtu")));
        ids.push(id);
        network.links.push(link);
    }
    ids
}

fn bond(
    value: &Node,
    place: &str,
    of: impl Fn(&str) -> Option<usize>,
    network: &Network,
    reading: &mut Reading<'_>,
) -> Option<Link> {
    let mac = reading.mac(value, "ethernet_mac_address", place)?;
    let mode = reading.required(value, "bond_mode", place)?;
    let at = format!("{place}/bond_mode");
    let text = match &mode.value {
        Value::Number(text) => text.as_str(),
        _ => reading.text(mode, &at)?,
    };
    let number = MODES.iter().position(|name| *name == text);
    let number = number.or_else(|| text.parse().ok().filter(|mode| *mode < MODES.len()));
    let Some(mode) = number.and_then(|number| u8::try_from(number).ok()) else {
        reading.unreadable(&at, mode, "no such mode of a bond is known");
        return None;
    };
    let list = reading.required(value, "bond_links", place)?;
    let mut ports: Vec<Mac> = Vec::new();
    for (place, value) in reading.interfaces(list, &format!("{place}/bond_links")) {
        let at = reading.text(value, &place).and_then(&of);
        let port = at.and_then(|at| network.links.get(at));
        let port =
            port.filter(|port| port.device == Device::Hardware && !network.is_port(port.mac));
        match port {
            Some(port) if !ports.contains(&port.mac) => ports.push(port.mac),
            _ => {
                reading.unreadable(&place, value, "it is no link that a bond can be made of");
                return None;
            }
        }
    }
    if ports.is_empty() {
        reading.unreadable(place, value, "it is made of no link");
        return None;
    }
    Some(Link::new(mac, Device::Bond { mode, ports }, place))
}

fn vlan(
    value: &Node,
    place: &str,
    of: impl Fn(&str) -> Option<usize>,
    reading: &mut Reading<'_>,
) -> Option<Link> {
    let mac = reading.mac(value, "vlan_mac_address", place)?;
    let id = reading.required(value, "vlan_id", place)?;
    let number = reading.number(id, &format!("{place}/vlan_id"))?;
    let on = reading.required(value, "vlan_link", place)?;
    let parent = reading.text(on, &format!("{place}/vlan_link")).and_then(of);
    let number = u16::try_from(number)
        .ok()
        .filter(|_| VLANS.contains(&number));
    let (Some(id), Some(parent)) = (number, parent) else {
        reading.unreadable(place, value, "its number or its link is none");
        return None;
    };
    Some(Link::new(mac, Device::Vlan { id, parent }, place))
}

/// A network of a link.
fn one(value: &Node, place: &str, ids: &[&str], network: &mut Network, reading: &mut Reading<'_>) {
    let id = reading.required(value, "link", place);
    let id = id.and_then(|id| reading.text(id, &format!("{place}/link")));
    let at = id.and_then(|id| ids.iter().position(|one| *one == id));
    let Some(link) = at.and_then(|at| network.links.get_mut(at)) else {
        return reading.unreadable(place, value, "it is on no link");
    };
    let kind = reading.required(value, "type", place);
    let kind = kind.and_then(|kind| reading.text(kind, &format!("{place}/type")));
    match kind {
        Some("ipv4_dhcp") => link.dhcp4 = true,
        Some("ipv6_dhcp" | "ipv6_dhcpv6-stateful") => link.dhcp6 = true,
        Some("ipv6_slaac" | "ipv6_dhcpv6-stateless") => link.accept_ra = Some(true),
        Some("ipv4" | "static") => fixed(value, place, Family::Ipv4, link, reading),
        Some("ipv6" | "static6") => fixed(value, place, Family::Ipv6, link, reading),
        _ => reading.unreadable(place, value, "no such network is known"),
    }
    link.dns
        .extend(servers(value, &format!("{place}/services"), reading));
}

fn fixed(value: &Node, place: &str, family: Family, link: &mut Link, reading: &mut Reading<'_>) {
    let Some(node) = reading.required(value, "ip_address", place) else {
        return;
    };
    let at = format!("{place}/ip_address");
    let text = reading.text(node, &at);
    let parsed = text.map(str::parse::<InterfaceAddress>);
    let Some(Ok(mut address)) = parsed else {
        return reading.unreadable(&at, node, "it is no address of an interface");
    };
    if let Some(mask) = reading.optional(value, "netmask", place) {
        let bits = network_bits(mask, &format!("{place}/netmask"), reading);
        let Some(given) = bits.and_then(|bits| InterfaceAddress::new(address.address(), bits))
        else {
            return reading.unreadable(place, value, "its mask is none of its network");
        };
        address = given;
    } else if text.is_some_and(|text| !text.contains('/')) {
        return reading.unreadable(place, value, "its network is not said");
    }
    if Family::of(address.address()) != family {
        return reading.unreadable(&at, node, "it is of the other version of IP");
    }
    link.addresses.push((address, at));
    if let Some(node) = reading.optional(value, "gateway", place) {
        let at = format!("{place}/gateway");
        match reading.ip(node, &at) {
            Some(router) if Family::of(router) == family => link.default_route(router, at),
            Some(_) => reading.unreadable(&at, node, "it is of the other version of IP"),
            None => {}
        }
    }
    let place = format!("{place}/routes");
    let Some(list) = reading.optional(value, "routes", &place) else {
        return;
    };
    for (place, node) in reading.addresses(list, &place) {
        let Some(route) = route(node, &place, reading) else {
            continue;
        };
        let is_known = link.routes.iter().any(|(one, _)| *one == route);
        if !is_known {
            link.routes.push((route, place));
        }
    }
}

fn route(value: &Node, place: &str, reading: &mut Reading<'_>) -> Option<Route> {
    let node = reading.required(value, "network", place)?;
    let network = reading.ip(node, &format!("{place}/network"))?;
    let node = reading.required(value, "netmask", place)?;
    let bits = network_bits(node, &format!("{place}/netmask"), reading)?;
    let node = reading.required(value, "gateway", place)?;
    let router = reading.ip(node, &format!("{place}/gateway"))?;
    let destination = Prefix::new(network, bits);
    let fits = |one: &Prefix| one.family() == Family::of(router);
    let Some(destination) = destination.filter(fits) else {
        reading.unreadable(place, value, "its parts do not fit together");
        return None;
    };
    Some(Route {
        destination,
        router,
        metric: None,
    })
}

/// Bits of a network, which are said as a mask or as a number.
fn network_bits(value: &Node, place: &str, reading: &mut Reading<'_>) -> Option<u8> {
    let is_number = match &value.value {
        Value::String(text) => !text.contains(['.', ':']),
        _ => true,
    };
    if is_number {
        return reading.bits(value, place);
    }
    let bits = reading.text(value, place).and_then(prefix_of);
    if bits.is_none() {
        reading.unreadable(place, value, "it is no mask of a network");
    }
    bits
}

/// Name servers of a network, or of all.
fn servers(of: &Node, place: &str, reading: &mut Reading<'_>) -> Vec<IpAddr> {
    let mut all = Vec::new();
    let Some(list) = reading.optional(of, "services", place) else {
        return all;
    };
    for (place, service) in reading.interfaces(list, place) {
        let kind = reading.required(service, "type", &place);
        let kind = kind.and_then(|kind| reading.text(kind, &format!("{place}/type")));
        if kind != Some("dns") {
            continue;
        }
        if let Some(address) = reading.required(service, "address", &place) {
            all.extend(reading.ip(address, &format!("{place}/address")));
        }
    }
    all
}
