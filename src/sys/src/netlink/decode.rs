//! From the kernel's messages to a network as data.
//!
//! Attributes are read one by one, and only those that somebody asks for: a kernel that is newer than this program
//! says things that it does not know, in forms that it does not know. What such a thing does to a packet is not
//! known either, so a route or rule that has one is `more` than what stands here, and never ours.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netlink_packet_core::{
    DecodeError, NlaBuffer, NlasIterator, Parseable, ParseableParametrized, parse_string, parse_u32,
};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressHeader};
use netlink_packet_route::link::{LinkFlags, LinkHeader, LinkLayerType};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteLwEnCapType, RouteNextHop,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleHeader};
use pilotlight_core::net::{
    Actual, Address, Family, InterfaceAddress, Link, Mac, Prefix, Route, RouteKind, Rule,
};
use pilotlight_core::ordered::Gather as _;

use super::messages::messages;

/// Types of messages (linux/rtnetlink.h).
pub(super) const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_DELLINK: u16 = 17;
pub(super) const RTM_NEWADDR: u16 = 20;
pub(super) const RTM_DELADDR: u16 = 21;
pub(super) const RTM_NEWROUTE: u16 = 24;
pub(super) const RTM_DELROUTE: u16 = 25;
pub(super) const RTM_NEWRULE: u16 = 32;
pub(super) const RTM_DELRULE: u16 = 33;

/// Lengths of what comes before the attributes (linux/rtnetlink.h, linux/if_addr.h, linux/fib_rules.h).
const LINK_HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;
const ROUTE_HEADER: usize = 12;
const RULE_HEADER: usize = 12;

/// Attributes of links (linux/if_link.h). The packet crate reads each of them whole, with the settings of every
/// kind of link, and refuses the message if one has a form that it does not know.
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
/// Within `IFLA_LINKINFO`.
const IFLA_INFO_KIND: u16 = 1;
/// Within `IFLA_AF_SPEC`: `AF_INET`, and its settings (linux/ip.h, `IPV4_DEVCONF_PROMOTE_SECONDARIES`, which
/// counts from 1).
const AF_INET: u16 = 2;
const IFLA_INET_CONF: u16 = 1;
const PROMOTE_SECONDARIES: usize = 20 - 1;
/// A link that is part of a bond (linux/if.h, `IFF_SLAVE`).
const IFF_SLAVE: u32 = 1 << 11;
/// What is not set (linux/fib_rules.h: suppressors that do not suppress).
const NOT_SET: u32 = u32::MAX;

/// What cannot be read of the kernel's answer.
#[derive(Debug, thiserror::Error)]
#[error("the kernel's answer cannot be read: {0}")]
pub struct Unreadable(String);

impl From<DecodeError> for Unreadable {
    fn from(error: DecodeError) -> Self {
        Self(error.to_string())
    }
}

/// Adds what a dump says to a network: messages as they come from the kernel, one after the other.
///
/// # Errors
///
/// Messages that are cut off, or without what each of their kind has.
pub fn read_dump(bytes: &[u8], actual: &mut Actual) -> Result<(), Unreadable> {
    for message in messages(bytes) {
        let message = message?;
        read_message(message.kind, message.payload, actual)?;
    }
    Ok(())
}

/// Adds what one message says; those that list nothing are passed over.
pub(super) fn read_message(
    kind: u16,
    payload: &[u8],
    actual: &mut Actual,
) -> Result<(), Unreadable> {
    match kind {
        RTM_NEWLINK => {
            let (index, link) = link(payload)?;
            actual.links.insert(index, link);
        }
        RTM_NEWADDR => actual.addresses.extend(address(payload)?),
        RTM_NEWROUTE => actual.routes.extend(routes(payload)?),
        RTM_NEWRULE => actual.rules.extend(rule(payload)?),
        _ => {}
    }
    Ok(())
}

fn attributes(
    payload: &[u8],
    header: usize,
) -> impl Iterator<Item = Result<NlaBuffer<&[u8]>, DecodeError>> {
    NlasIterator::new(payload.get(header..).unwrap_or_default())
}

/// The attribute of a kind within another one.
fn within<'a>(bytes: &'a [u8], kind: u16) -> Option<&'a [u8]> {
    let mut inner = NlasIterator::new(bytes).map_while(Result::ok);
    let found = inner.find(|attribute| attribute.kind() == kind)?;
    let bytes: &'a [u8] = found.into_inner();
    // Type and length come first; the iterator has checked the length.
    let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
    bytes.get(4..length)
}

fn link(payload: &[u8]) -> Result<(u32, Link), DecodeError> {
    let header = LinkHeader::parse(payload)?;
    let mut link = Link {
        slave: header.flags.bits() & IFF_SLAVE != 0,
        loopback: header.flags.contains(LinkFlags::Loopback),
        up: header.flags.contains(LinkFlags::Up),
        ..Link::default()
    };
    for attribute in attributes(payload, LINK_HEADER) {
        let attribute = attribute?;
        let value = attribute.value();
        match attribute.kind() {
            IFLA_ADDRESS if header.link_layer_type == LinkLayerType::Ether => {
                link.mac = <[u8; 6]>::try_from(value).ok().map(Mac);
            }
            IFLA_IFNAME => link.name = parse_string(value)?,
            IFLA_MTU => link.mtu = parse_u32(value)?,
            IFLA_MASTER => link.master = Some(parse_u32(value)?).filter(|index| *index != 0),
            IFLA_LINKINFO => {
                let kind = within(value, IFLA_INFO_KIND).map(parse_string);
                link.kind = kind.transpose()?;
            }
            IFLA_AF_SPEC => {
                let settings = within(value, AF_INET).and_then(|inet| within(inet, IFLA_INET_CONF));
                let setting = settings
                    .and_then(|all| all.as_chunks::<4>().0.get(PROMOTE_SECONDARIES))
                    .map(|bytes| u32::from_ne_bytes(*bytes));
                link.promotes_secondaries = setting.is_some_and(|setting| setting != 0);
            }
            IFLA_PROP_LIST => {
                let names = NlasIterator::new(value).map_while(Result::ok);
                link.altnames = names
                    .filter(|name| name.kind() == IFLA_ALT_IFNAME)
                    .filter_map(|name| parse_string(name.value()).ok())
                    .gather();
            }
            _ => {}
        }
    }
    Ok((header.index, link))
}

fn family_of(family: AddressFamily) -> Option<Family> {
    match family {
        AddressFamily::Inet => Some(Family::Ipv4),
        AddressFamily::Inet6 => Some(Family::Ipv6),
        _ => None,
    }
}

/// `None` for other families.
fn address(payload: &[u8]) -> Result<Option<Address>, DecodeError> {
    let header = AddressHeader::parse(payload)?;
    let Some(family) = family_of(header.family) else {
        return Ok(None);
    };
    let mut flags = u32::from(header.flags.bits());
    let (mut local, mut other, mut protocol) = (None, None, 0);
    for attribute in attributes(payload, ADDRESS_HEADER) {
        let attribute = attribute?;
        // One in an unknown form cannot be the address, whose absence is noted below.
        match AddressAttribute::parse(&attribute) {
            Ok(AddressAttribute::Local(ip)) => local = Some(ip),
            Ok(AddressAttribute::Address(ip)) => other = Some(ip),
            Ok(AddressAttribute::Flags(more)) => flags = more.bits(),
            Ok(AddressAttribute::Protocol(number)) => protocol = u8::from(number),
            _ => {}
        }
    }
    let ip: IpAddr = local
        .or(other)
        .filter(|ip| Family::of(*ip) == family)
        .ok_or_else(|| DecodeError::from("an address without an address"))?;
    let flags = AddressFlags::from_bits_retain(flags);
    Ok(Some(Address {
        link: header.index,
        address: InterfaceAddress::new(ip, header.prefix_len)
            .ok_or_else(|| DecodeError::from("an address with too many bits"))?,
        protocol,
        scope: u8::from(header.scope),
        permanent: flags.contains(AddressFlags::Permanent),
        // The same bit of an IPv6 address means that it is temporary.
        secondary: family == Family::Ipv4 && flags.contains(AddressFlags::Secondary),
    }))
}

/// One route, or one for each next hop of IPv6, which keeps them apart; none for other families and for copies that
/// the kernel makes for its own use.
fn routes(payload: &[u8]) -> Result<Vec<Route>, DecodeError> {
    let header = RouteHeader::parse(payload)?;
    let cloned = header.flags.contains(RouteFlags::Cloned);
    let Some(family) = family_of(header.address_family).filter(|_| !cloned) else {
        return Ok(Vec::new());
    };
    let mut route = Route {
        table: u32::from(header.table),
        destination: Prefix::everything(family),
        metric: 0,
        kind: match u8::from(header.kind) {
            1 => RouteKind::Unicast,
            2 => RouteKind::Local,
            other => RouteKind::Other(other),
        },
        link: None,
        hops: BTreeSet::new(),
        gateway: None,
        source: None,
        protocol: u8::from(header.protocol),
        scope: u8::from(header.scope),
        onlink: header.flags.contains(RouteFlags::Onlink),
        more: header.tos != 0 || header.source_prefix_length != 0,
    };
    let (mut destination, mut hops) = (None, Vec::new());
    let parameters = (
        header.address_family,
        header.kind,
        RouteLwEnCapType::default(),
    );
    for attribute in attributes(payload, ROUTE_HEADER) {
        let attribute = attribute?;
        match RouteAttribute::parse_with_param(&attribute, parameters) {
            Ok(RouteAttribute::Destination(to)) => destination = ip(&to),
            Ok(RouteAttribute::Gateway(via)) => route.gateway = ip(&via),
            Ok(RouteAttribute::PrefSource(from)) => route.source = ip(&from),
            Ok(RouteAttribute::Oif(index)) => route.link = Some(index),
            Ok(RouteAttribute::Priority(metric)) => route.metric = metric,
            Ok(RouteAttribute::Table(table)) => route.table = table,
            Ok(RouteAttribute::MultiPath(several)) => hops = several,
            // How fast, how long and how much: not where to.
            Ok(
                RouteAttribute::Metrics(_)
                | RouteAttribute::CacheInfo(_)
                | RouteAttribute::Preference(_)
                | RouteAttribute::Expires(_),
            ) => {}
            Ok(_) | Err(_) => route.more = true,
        }
    }
    let destination = destination.unwrap_or(route.destination.address());
    route.destination = Prefix::new(destination, header.destination_prefix_length)
        .filter(|prefix| prefix.family() == family)
        .ok_or_else(|| DecodeError::from("a route to an address of another family"))?;
    if hops.is_empty() {
        return Ok(vec![route]);
    }
    if family == Family::Ipv4 {
        route.more = true;
        route.hops = hops.iter().map(|hop| hop.interface_index).gather();
        return Ok(vec![route]);
    }
    Ok(hops.iter().map(|hop| one_of_several(&route, hop)).collect())
}

fn one_of_several(route: &Route, hop: &RouteNextHop) -> Route {
    let mut one = Route {
        link: Some(hop.interface_index),
        onlink: false,
        ..route.clone()
    };
    for attribute in &hop.attributes {
        match attribute {
            RouteAttribute::Gateway(via) => one.gateway = ip(via),
            _ => one.more = true,
        }
    }
    one
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some(IpAddr::V4(*v4)),
        RouteAddress::Inet6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}

/// `None` for other families.
fn rule(payload: &[u8]) -> Result<Option<Rule>, DecodeError> {
    let header = RuleHeader::parse(payload)?;
    let Some(family) = family_of(header.family) else {
        return Ok(None);
    };
    let to_table = header.action == RuleAction::ToTable;
    let mut table = u32::from(header.table);
    let (mut from, mut to) = (None, None);
    let mut rule = Rule {
        family,
        priority: 0,
        from: None,
        to: None,
        table: None,
        protocol: 0,
        more: header.tos != 0 || header.flags.contains(RuleFlags::Invert),
    };
    for attribute in attributes(payload, RULE_HEADER) {
        let attribute = attribute?;
        match RuleAttribute::parse(&attribute) {
            Ok(RuleAttribute::Source(ip)) => from = Some(ip),
            Ok(RuleAttribute::Destination(ip)) => to = Some(ip),
            Ok(RuleAttribute::Priority(priority)) => rule.priority = priority,
            Ok(RuleAttribute::Table(number)) => table = number,
            Ok(RuleAttribute::Protocol(number)) => rule.protocol = u8::from(number),
            Ok(
                RuleAttribute::SuppressPrefixLen(NOT_SET) | RuleAttribute::SuppressIfGroup(NOT_SET),
            ) => {}
            Ok(_) | Err(_) => rule.more = true,
        }
    }
    rule.table = to_table.then_some(table);
    let mut prefix = |ip: Option<IpAddr>, bits: u8| {
        let prefix = ip.map(|ip| Prefix::new(ip, bits).filter(|one| one.family() == family));
        // Bits without an address, or an address of another family.
        rule.more |= prefix == Some(None) || (ip.is_none() && bits != 0);
        prefix.flatten()
    };
    rule.from = prefix(from, header.src_len);
    rule.to = prefix(to, header.dst_len);
    Ok(Some(rule))
}
