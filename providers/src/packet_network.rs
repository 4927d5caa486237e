//! What the metadata of Equinix Metal want of the machine's network while it runs.
//!
//! The addresses that the machine is managed by, and the bond that has them, are units of systemd-networkd which the
//! first boot writes (see [`networkd_units`]): without them nobody reaches the service. What may change afterwards:
//! - elastic addresses (`management` is false), each alone in its network: the platform's routers send them to the
//!   management addresses, and nobody else is on their link. They are on the bond and not on the loopback, which
//!   may be somebody else's and is never touched; for the kernel the two are the same;
//! - the route to the private networks by the private router, which an operator may have removed from the unit;
//! - routes to BGP neighbours that are several hops away (`multihop`), by the private router, or by the public one
//!   where the family has no private one: sessions begin at the management address of the link.
//!
//! What the units give already is there by another hand: it is neither doubled nor taken over.
//!
//! [`networkd_units`]: crate::Platform::networkd_units

use std::net::IpAddr;

use pilotlight_core::json::{Node, Value};
use pilotlight_core::model::metadata::{interface_name, prefix_of};
use pilotlight_core::net::{
    Desired, Family, Heard, Invalid, Mac, Prefix, RouteWish, WishedAddress, table,
};

use crate::reading::Reading;

const ROOT: &str = "metadata";
const ADDRESSES: &str = "network/addresses";
const INTERFACES: &str = "network/interfaces";
const NEIGHBOURS: &str = "bgp_neighbors";

/// What is switched on. With all off nothing is wanted, and what was added is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switches {
    /// Whether elastic addresses are added.
    pub elastic_addresses: bool,
    /// Whether the route to the private networks is added.
    pub private_route: bool,
    /// Whether routes to BGP neighbours are added.
    pub bgp_routes: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            elastic_addresses: true,
            private_route: true,
            bgp_routes: true,
        }
    }
}

/// An address, as far as it can be read.
struct Known {
    ip: IpAddr,
    place: String,
    is_public: bool,
    is_management: bool,
    /// Its network; `None` where the bits are not said.
    network: Option<Prefix>,
    router: Option<IpAddr>,
}

/// What is wanted, and what was left out, with its place in the answer to `/metadata`.
///
/// Nothing may be removed because of an answer that is no JSON, has no interface or no address to be managed by, or
/// anything that cannot be read.
pub fn desired(answer: &str, switches: &Switches) -> (Desired, Vec<Invalid>) {
    let mut reading = Reading::new(answer);
    if let Some(all) = reading.json(ROOT) {
        machine(&all, switches, &mut reading);
    }
    reading.wishes.end(Heard::Whole)
}

fn machine(all: &Node, switches: &Switches, reading: &mut Reading<'_>) {
    let Some(network) = reading.required(all, "network", ROOT) else {
        return;
    };
    let Some((mac, kind)) = link(network, reading) else {
        return;
    };
    let known = addresses(network, reading);
    if !known.iter().any(|one| one.is_management) {
        let why = "the machine has no address to be managed by";
        reading.unreadable(ADDRESSES, network, why);
    }
    let peers = peers(all, reading);
    let Some(mut link) = reading.wishes.link(&mac.to_string(), kind, INTERFACES) else {
        return;
    };
    if switches.elastic_addresses {
        for one in known.iter().filter(|one| !one.is_management) {
            let address = one.ip.to_string();
            let wished = WishedAddress {
                address: &address,
                bits: None,
            };
            link.address(
                wished,
                &one.place,
                "it is an elastic address of this machine",
            );
        }
    }
    if switches.private_route
        && let Some((way, router)) = way(&known, Family::Ipv4, false)
    {
        let to = RouteWish {
            table: table::MAIN,
            destination: private_networks(),
            gateway: Some(router),
            metric: None,
            onlink: !covers(way, router),
        };
        link.route(
            to,
            &way.place,
            "private networks are behind the private router",
        );
    }
    let mut unreached = Vec::new();
    for (peer, place) in peers.iter().filter(|_| switches.bgp_routes) {
        let family = Family::of(*peer);
        let found = way(&known, family, false).or_else(|| way(&known, family, true));
        let Some((way, router)) = found else {
            unreached.push((*peer, place));
            continue;
        };
        let to = RouteWish {
            table: table::MAIN,
            destination: Prefix::host(*peer),
            gateway: Some(router),
            metric: None,
            onlink: !covers(way, router),
        };
        link.route(to, place, "the BGP neighbour is several hops away");
    }
    for (peer, place) in unreached {
        let why = "no router is known by which it is reached";
        reading.wishes.unreadable(place, &peer.to_string(), why);
    }
}

/// The link that has the addresses: the first bond, which has the hardware address of its first port, or the first
/// interface where there is no bond.
fn link(network: &Node, reading: &mut Reading<'_>) -> Option<(Mac, Option<&'static str>)> {
    let list = reading.required(network, "interfaces", INTERFACES)?;
    let mut all = Vec::new();
    for (place, value) in reading.interfaces(list, INTERFACES) {
        let mac = reading.mac(value, "mac", &place);
        let at = format!("{place}/bond");
        let node = reading.optional(value, "bond", &at);
        let bond = node.and_then(|node| reading.text(node, &at));
        // Of another name the first boot has made none.
        let bond = bond.and_then(interface_name);
        if let (Some(node), None) = (node, bond) {
            reading.unreadable(&at, node, "it is no name of an interface");
        }
        all.push((mac, bond.map(|_| "bond")));
    }
    if all.is_empty() {
        reading.unreadable(INTERFACES, list, "the machine has no interface");
    }
    // One that cannot be read would be the first of its bond.
    let found = all.iter().find(|(_, bond)| bond.is_some()).or(all.first());
    found.and_then(|(mac, bond)| Some(((*mac)?, *bond)))
}

fn addresses(network: &Node, reading: &mut Reading<'_>) -> Vec<Known> {
    let Some(list) = reading.required(network, "addresses", ADDRESSES) else {
        return Vec::new();
    };
    let all = reading.addresses(list, ADDRESSES);
    let known = all.into_iter();
    known
        .filter_map(|(place, entry)| address(entry, place, reading))
        .collect()
}

/// An address that is in use; `None` where it is not, or cannot be read, which is noted.
fn address(entry: &Node, place: String, reading: &mut Reading<'_>) -> Option<Known> {
    let mut truth = |key: &str, without: bool| match reading.optional(entry, key, &place) {
        Some(value) => reading.boolean(value, &format!("{place}/{key}")),
        None => Some(without),
    };
    // Services with this interface say only what differs from these.
    let is_enabled = truth("enabled", true)?;
    let is_management = truth("management", true)?;
    let is_public = truth("public", false)?;
    if !is_enabled {
        return None;
    }
    let text = reading.required(entry, "address", &place)?;
    let ip = reading.ip(text, &format!("{place}/address"))?;
    let router = match reading.optional(entry, "gateway", &place) {
        // An elastic address has none of its own.
        Some(value) if !matches!(&value.value, Value::String(text) if text.is_empty()) => {
            let router = reading.ip(value, &format!("{place}/gateway"))?;
            let fits = Family::of(router) == Family::of(ip) && router != ip;
            if is_management && !fits {
                reading.unreadable(&place, value, "it is no router of this address");
                return None;
            }
            Some(router)
        }
        _ => None,
    };
    let bits = match reading.optional(entry, "cidr", &place) {
        Some(value) => Some(reading.bits(value, &format!("{place}/cidr"))?),
        None => match reading.optional(entry, "netmask", &place) {
            Some(value) => {
                let bits = reading.text(value, &place).and_then(prefix_of);
                if bits.is_none() {
                    reading.unreadable(&place, value, "it is no mask of a network");
                    return None;
                }
                bits
            }
            None => None,
        },
    };
    Some(Known {
        ip,
        place,
        is_public,
        is_management,
        network: bits.and_then(|bits| Prefix::new(ip, bits)),
        router,
    })
}

/// Neighbours that are several hops away.
fn peers(all: &Node, reading: &mut Reading<'_>) -> Vec<(IpAddr, String)> {
    let Some(list) = reading.optional(all, NEIGHBOURS, ROOT) else {
        return Vec::new();
    };
    let mut peers = Vec::new();
    for (place, neighbour) in reading.interfaces(list, NEIGHBOURS) {
        let Some(list) = reading.required(neighbour, "peer_ips", &place) else {
            continue;
        };
        let hops = reading.optional(neighbour, "multihop", &place);
        let several = hops.map(|hops| reading.boolean(hops, &format!("{place}/multihop")));
        let Some(Some(true)) = several else {
            continue;
        };
        let place = format!("{place}/peer_ips");
        for (place, value) in reading.interfaces(list, &place) {
            if let Some(ip) = reading.ip(value, &place) {
                peers.push((ip, place));
            }
        }
    }
    peers
}

/// The management address of a family whose router others are reached by.
fn way(known: &[Known], family: Family, public: bool) -> Option<(&Known, IpAddr)> {
    let mut all = known
        .iter()
        .filter(|one| one.is_management && one.is_public == public && Family::of(one.ip) == family);
    all.find_map(|one| one.router.map(|router| (one, router)))
}

fn covers(known: &Known, router: IpAddr) -> bool {
    known
        .network
        .is_some_and(|network| network.contains(router))
}

/// All private networks of the platform (RFC 1918).
fn private_networks() -> Prefix {
    let first = IpAddr::from([10, 0, 0, 0]);
    Prefix::new(first, 8).unwrap_or(Prefix::host(first))
}
