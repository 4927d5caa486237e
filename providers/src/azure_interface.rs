//! Answers of Azure's metadata about an interface, read.

use std::net::IpAddr;

use pilotlight_core::json::Node;
use pilotlight_core::net::{Family, Mac, Prefix};

use crate::reading::Reading;

/// Bits of a subnet. IPv4's are of 2 to 29 bits, IPv6's of 64 (Azure docs, "Virtual Network FAQ"); how many of the
/// latter the service says differs, and fewer would make other networks neighbours.
const SUBNET_BITS: [(Family, std::ops::RangeInclusive<u8>); 2] =
    [(Family::Ipv4, 2..=29), (Family::Ipv6, 64..=128)];

/// An interface, as far as it can be read.
pub(crate) struct Interface {
    pub(crate) mac: Mac,
    pub(crate) place: String,
    pub(crate) v4: Lists,
    pub(crate) v6: Lists,
}

/// Its addresses of a family and their subnets, in the service's order.
#[derive(Default)]
pub(crate) struct Lists {
    pub(crate) addresses: Vec<(IpAddr, String)>,
    pub(crate) subnets: Vec<Prefix>,
}

impl Interface {
    /// Reads `network/interface/N`; `None` without a hardware address.
    pub(crate) fn read(value: &Node, place: &str, reading: &mut Reading<'_>) -> Option<Self> {
        let mac = reading.mac(value, "macAddress", place)?;
        let mut of = |family, key| {
            let place = format!("{place}/{key}");
            match reading.member(value, key, &place) {
                Some(lists) => Lists::read(lists, family, &place, reading),
                None => Lists::default(),
            }
        };
        let interface = Self {
            mac,
            place: place.into(),
            v4: of(Family::Ipv4, "ipv4"),
            v6: of(Family::Ipv6, "ipv6"),
        };
        // Each has an address from its first moment; the service learns of it somewhat later.
        if interface.v4.addresses.is_empty() {
            let place = format!("{place}/ipv4/ipAddress");
            reading.unreadable(&place, value, "the interface has no address yet");
        }
        Some(interface)
    }

    /// The same lists with their family and their key.
    pub(crate) fn families(&self) -> [(Family, &'static str, &Lists); 2] {
        [
            (Family::Ipv4, "ipv4", &self.v4),
            (Family::Ipv6, "ipv6", &self.v6),
        ]
    }
}

impl Lists {
    fn read(value: &Node, family: Family, place: &str, reading: &mut Reading<'_>) -> Self {
        let mut lists = Self::default();
        let of_family = |ip: &IpAddr| Family::of(*ip) == family;
        let list = format!("{place}/ipAddress");
        if let Some(all) = reading.required(value, "ipAddress", place) {
            for (place, entry) in reading.addresses(all, &list) {
                let Some(text) = reading.required(entry, "privateIpAddress", &place) else {
                    continue;
                };
                let place = format!("{place}/privateIpAddress");
                let ip = reading.ip(text, &place);
                if ip.is_some_and(|ip| !of_family(&ip)) {
                    reading.unreadable(&place, text, "it is of the other version of IP");
                }
                let known = |ip: &IpAddr| lists.addresses.iter().any(|(one, _)| one == ip);
                if let Some(ip) = ip.filter(of_family).filter(|ip| !known(ip)) {
                    lists.addresses.push((ip, place));
                }
            }
        }
        let list = format!("{place}/subnet");
        if let Some(all) = reading.member(value, "subnet", &list) {
            for (place, entry) in reading.addresses(all, &list) {
                if let Some(subnet) = subnet(entry, family, &place, reading) {
                    lists.subnets.push(subnet);
                }
            }
        }
        lists
    }

    /// The subnet of an address.
    pub(crate) fn subnet_of(&self, ip: IpAddr) -> Option<Prefix> {
        let mut subnets = self.subnets.iter();
        subnets.find(|subnet| subnet.contains(ip)).copied()
    }
}

fn subnet(entry: &Node, family: Family, place: &str, reading: &mut Reading<'_>) -> Option<Prefix> {
    let address = reading.required(entry, "address", place)?;
    let ip = reading.ip(address, &format!("{place}/address"))?;
    let prefix = reading.required(entry, "prefix", place)?;
    let bits = reading.bits(prefix, &format!("{place}/prefix"))?;
    let possible = SUBNET_BITS
        .iter()
        .any(|(of, bits_of)| *of == family && bits_of.contains(&bits));
    let subnet = Prefix::new(ip, bits).filter(|subnet| {
        possible
            && subnet.family() == family
            && !(ip.is_multicast() || ip.is_loopback() || ip.is_unspecified())
    });
    if subnet.is_none() {
        reading.unreadable(place, entry, "it is no subnet of a virtual network");
    }
    subnet
}
