//! Answers of EC2's metadata about an interface, read.

use std::net::{IpAddr, Ipv6Addr};

use pilotlight_core::net::{Family, Prefix, Wishes};

use crate::answer::{MAX_ADDRESS, MAX_ADDRESSES, shown};

/// Bits of a subnet (VPC User Guide, "Subnet CIDR blocks").
const SUBNET_BITS: [(Family, std::ops::RangeInclusive<u8>); 2] =
    [(Family::Ipv4, 16..=28), (Family::Ipv6, 44..=64)];

/// Answers about an interface: the keys below `network/interfaces/macs/MAC/`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Interface<'t> {
    /// Its hardware address.
    pub mac: &'t str,
    /// `interface-id`
    pub interface_id: Option<&'t str>,
    /// `device-number`
    pub device_number: Option<&'t str>,
    /// `network-card`
    pub network_card: Option<&'t str>,
    /// `subnet-ipv4-cidr-block`
    pub subnet_ipv4_cidr_block: Option<&'t str>,
    /// `local-ipv4s`, one a line, the primary one first.
    pub local_ipv4s: Option<&'t str>,
    /// `ipv4-prefix`, one a line.
    pub ipv4_prefix: Option<&'t str>,
    /// `subnet-ipv6-cidr-blocks`, one a line.
    pub subnet_ipv6_cidr_blocks: Option<&'t str>,
    /// `ipv6s`, one a line.
    pub ipv6s: Option<&'t str>,
    /// `ipv6-prefix`, one a line.
    pub ipv6_prefix: Option<&'t str>,
    /// The router that advertises itself on the link: the service does not name it.
    pub ipv6_router: Option<Ipv6Addr>,
}

/// The lists of an interface, read. What cannot be read in them is noted.
pub(crate) struct Lists {
    pub(crate) subnets: Vec<Prefix>,
    /// Of both families, each in the service's order.
    pub(crate) addresses: Vec<Prefix>,
    pub(crate) delegated: Vec<Prefix>,
}

impl Lists {
    pub(crate) fn of(interface: &Interface<'_>, place: &str, wishes: &mut Wishes) -> Self {
        let mut read = |key: &str, text: Option<&str>, family, fits: fn(&Prefix) -> bool| {
            let place = format!("{place}/{key}");
            prefixes(text.unwrap_or_default(), &place, family, fits, wishes)
        };
        let is_subnet = |prefix: &Prefix| {
            let address = prefix.address();
            if address.is_multicast() || address.is_loopback() || address.is_unspecified() {
                return false;
            }
            let mut bits = SUBNET_BITS.iter();
            bits.any(|(family, bits)| *family == prefix.family() && bits.contains(&prefix.bits()))
        };
        let (v4, v6) = (Family::Ipv4, Family::Ipv6);
        let (block, blocks) = (
            interface.subnet_ipv4_cidr_block,
            interface.subnet_ipv6_cidr_blocks,
        );
        let mut subnets = read("subnet-ipv4-cidr-block", block, v4, is_subnet);
        subnets.extend(read("subnet-ipv6-cidr-blocks", blocks, v6, is_subnet));
        let mut addresses = read("local-ipv4s", interface.local_ipv4s, v4, Prefix::is_host);
        // An interface that has IPv6 alone asks the service by such an address.
        addresses.retain(|one| !matches!(one.address(), IpAddr::V4(v4) if v4.is_link_local()));
        addresses.extend(read("ipv6s", interface.ipv6s, v6, Prefix::is_host));
        // It has one from its first moment; the service learns of it somewhat later. Whoever is in a subnet with
        // IPv4 has such an address, while IPv6 is by choice.
        let v4_is_due = !of_family(&subnets, v4).is_empty();
        let none = addresses.is_empty() || (v4_is_due && of_family(&addresses, v4).is_empty());
        let mut delegated = read("ipv4-prefix", interface.ipv4_prefix, v4, |_| true);
        delegated.extend(read("ipv6-prefix", interface.ipv6_prefix, v6, |_| true));
        if none {
            let place = format!("{place}/local-ipv4s");
            wishes.unreadable(&place, "", "the interface has no address yet");
        }
        Self {
            subnets,
            addresses,
            delegated,
        }
    }
}

/// Those of a list that are of a family.
pub(crate) fn of_family(list: &[Prefix], family: Family) -> Vec<Prefix> {
    let list = list.iter().filter(|one| one.family() == family);
    list.copied().collect()
}

/// Reads a list, one prefix or address a line.
fn prefixes(
    text: &str,
    place: &str,
    family: Family,
    fits: fn(&Prefix) -> bool,
    wishes: &mut Wishes,
) -> Vec<Prefix> {
    let mut all = Vec::new();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    for (at, line) in lines.enumerate() {
        if at == MAX_ADDRESSES {
            wishes.unreadable(place, shown(line), "there are too many before it");
            break;
        }
        let read = Some(line).filter(|line| line.len() <= MAX_ADDRESS);
        let read = read.and_then(|line| line.parse::<Prefix>().ok());
        match read.filter(|prefix| prefix.family() == family && fits(prefix)) {
            Some(prefix) if !all.contains(&prefix) => all.push(prefix),
            Some(_) => {}
            None => wishes.unreadable(place, shown(line), "it is not what this key has"),
        }
    }
    all
}
