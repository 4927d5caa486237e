//! Networks that metadata tell and DHCP does not: one shape for all platforms.
//!
//! Two things follow from it. Addresses and routes are wanted of links that are there, and come by netlink as long as
//! the daemon runs; the units of systemd-networkd, which the first boot writes, have all of it. What belongs where:
//! - what the machine needs before it reaches the service that tells it (all addresses where the platform has no
//!   DHCP) stands in the units, and netlink finds it there as another's;
//! - bonds and VLANs, name servers and whether DHCP is asked stand in the units alone: a link that the daemon made
//!   would be gone with its next start, and name servers are the resolver's;
//! - what changes while the machine runs (an address that was added) comes by netlink alone: units are not read
//!   again.
//!
//! An address is there once, whoever added it, so the two never meet.

use std::collections::BTreeMap;
use std::net::IpAddr;

use pilotlight_core::net::{
    Desired, Family, Heard, InterfaceAddress, Invalid, Mac, Prefix, RouteWish, WishedAddress, table,
};

use crate::reading::Reading;

/// What the second route to a destination counts from: behind every route that DHCP and router advertisements give.
const BEHIND: u32 = 4096;
const REASON: &str = "the platform's metadata say so";

/// What is switched on. With both off nothing is wanted, and what was added is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switches {
    /// Whether addresses are added.
    pub addresses: bool,
    /// Whether routes are added, and largest packets set.
    pub routes: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            addresses: true,
            routes: true,
        }
    }
}

/// A network, in the order in which the platform tells it.
#[derive(Debug, Default)]
pub(crate) struct Network {
    pub(crate) links: Vec<Link>,
    /// Name servers of all links.
    pub(crate) dns: Vec<IpAddr>,
}

/// A link of the machine.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) mac: Mac,
    pub(crate) device: Device,
    pub(crate) place: String,
    /// Largest packet, in bytes.
    pub(crate) mtu: Option<u32>,
    /// Whether addresses are asked for by DHCP, and by DHCPv6.
    pub(crate) dhcp4: bool,
    pub(crate) dhcp6: bool,
    /// Whether routers of IPv6 that advertise themselves are listened to; `None` where that follows from the
    /// addresses.
    pub(crate) accept_ra: Option<bool>,
    pub(crate) addresses: Vec<(InterfaceAddress, String)>,
    pub(crate) routes: Vec<(Route, String)>,
    pub(crate) dns: Vec<IpAddr>,
}

/// What a link is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Device {
    Hardware,
    Bond {
        /// By its number in the kernel.
        mode: u8,
        ports: Vec<Mac>,
    },
    Vlan {
        id: u16,
        /// The link that it is on, by its place in the list.
        parent: usize,
    },
}

/// A route of the main table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) destination: Prefix,
    pub(crate) router: IpAddr,
    pub(crate) metric: Option<u32>,
}

impl Device {
    /// The kernel's name of its kind.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        match self {
            Device::Hardware => None,
            Device::Bond { .. } => Some("bond"),
            Device::Vlan { .. } => Some("vlan"),
        }
    }
}

impl Link {
    pub(crate) fn new(mac: Mac, device: Device, place: &str) -> Self {
        Self {
            mac,
            device,
            place: place.into(),
            mtu: None,
            dhcp4: false,
            dhcp6: false,
            accept_ra: None,
            addresses: Vec::new(),
            routes: Vec::new(),
            dns: Vec::new(),
        }
    }

    /// A route to everything by a router.
    pub(crate) fn default_route(&mut self, router: IpAddr, place: String) {
        let route = Route {
            destination: Prefix::everything(Family::of(router)),
            router,
            metric: None,
        };
        self.routes.push((route, place));
    }

    /// Whether the router is on the link though no network of the link says so. Each link has the network of
    /// link-local addresses of IPv6.
    fn is_beyond(&self, router: IpAddr) -> bool {
        let of_the_link = matches!(router, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let mut networks = self.addresses.iter().map(|(one, _)| one.network());
        !of_the_link && !networks.any(|network| network.contains(router))
    }
}

impl Network {
    /// Whether a link is a part of a bond: what is said of it beside that does not count.
    pub(crate) fn is_port(&self, mac: Mac) -> bool {
        self.links
            .iter()
            .any(|link| matches!(&link.device, Device::Bond { ports, .. } if ports.contains(&mac)))
    }

    /// The same hardware of a list that names it several times.
    pub(crate) fn hardware(&mut self, mac: Mac, place: &str) -> &mut Link {
        let is_it = |link: &Link| link.mac == mac && link.device == Device::Hardware;
        let at = self.links.iter().position(is_it).unwrap_or_else(|| {
            self.links.push(Link::new(mac, Device::Hardware, place));
            self.links.len() - 1
        });
        &mut self.links[at]
    }

    /// What is wanted of the links, by netlink.
    pub(crate) fn desired(
        &self,
        mut reading: Reading<'_>,
        switches: &Switches,
    ) -> (Desired, Vec<Invalid>) {
        let mut taken: BTreeMap<Prefix, u32> = BTreeMap::new();
        for link in self.links.iter() {
            if link.device == Device::Hardware && self.is_port(link.mac) {
                continue;
            }
            let mac = link.mac.to_string();
            let mut own = Vec::new();
            for (route, place) in &link.routes {
                if link
                    .addresses
                    .iter()
                    .any(|(one, _)| one.address() == route.router)
                {
                    let why = "the router is the machine itself";
                    let text = route.router.to_string();
                    reading.wishes.unreadable(place, &text, why);
                    continue;
                }
                // The kernel has one route of a metric to each destination: the first one counts, as told.
                let before = taken.entry(route.destination).or_default();
                let behind = (*before > 0).then(|| BEHIND + *before);
                *before += 1;
                own.push((route, route.metric.or(behind), place));
            }
            let kind = link.device.kind();
            let Some(mut wishes) = reading.wishes.link(&mac, kind, &link.place) else {
                continue;
            };
            for (address, place) in link.addresses.iter().filter(|_| switches.addresses) {
                let wished = WishedAddress {
                    address: &address.address().to_string(),
                    bits: Some(address.bits()),
                };
                wishes.address(wished, place, REASON);
            }
            if !switches.routes {
                continue;
            }
            if let Some(mtu) = link.mtu {
                wishes.mtu(mtu, &link.place, REASON);
            }
            for (route, metric, place) in own {
                let wish = RouteWish {
                    table: table::MAIN,
                    destination: route.destination,
                    gateway: Some(route.router),
                    metric,
                    onlink: link.is_beyond(route.router),
                };
                wishes.route(wish, place, REASON);
            }
        }
        reading.wishes.end(Heard::Whole)
    }
}
