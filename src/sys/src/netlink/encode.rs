//! From an operation to the kernel's messages.

use std::net::IpAddr;

use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressProtocol};
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage, Prop};
use netlink_packet_route::route::{
    RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use pilotlight_core::net::{Address, Family, Prefix, Route, RouteKind, Rule};

fn family(of: Family) -> AddressFamily {
    match of {
        Family::Ipv4 => AddressFamily::Inet,
        Family::Ipv6 => AddressFamily::Inet6,
    }
}

/// Asks for all links, without their statistics.
pub(super) fn all_links() -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    let without = vec![LinkExtentMask::SkipStats];
    message.attributes.push(LinkAttribute::ExtMask(without));
    RouteNetlinkMessage::GetLink(message)
}

/// Asks for all addresses of a family, or for those of one link.
pub(super) fn all_addresses(of: Family, link: Option<u32>) -> RouteNetlinkMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(of);
    message.header.index = link.unwrap_or(0);
    RouteNetlinkMessage::GetAddress(message)
}

/// Asks for all routes of a family, or for those of one table.
pub(super) fn all_routes(of: Family, table: Option<u32>) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(of);
    let table = table.map(RouteAttribute::Table);
    message.attributes.extend(table);
    RouteNetlinkMessage::GetRoute(message)
}

/// Asks for all rules of a family.
pub(super) fn all_rules(of: Family) -> RouteNetlinkMessage {
    let mut message = RuleMessage::default();
    message.header.family = family(of);
    RouteNetlinkMessage::GetRule(message)
}

/// A link with another MTU.
pub(super) fn mtu(index: u32, bytes: u32) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes.push(LinkAttribute::Mtu(bytes));
    RouteNetlinkMessage::SetLink(message)
}

/// A link with another name beside those that it has.
pub(super) fn altname(index: u32, name: &str) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    let names = vec![Prop::AltIfName(name.into())];
    message.attributes.push(LinkAttribute::PropList(names));
    RouteNetlinkMessage::NewLinkProp(message)
}

/// An address. Without a lifetime it has no end.
pub(super) fn address(address: &Address) -> AddressMessage {
    let ip = address.address.address();
    let mut message = AddressMessage::default();
    message.header.family = family(Family::of(ip));
    message.header.prefix_len = address.address.bits();
    message.header.index = address.link;
    message.header.scope = address.scope.into();
    message.attributes = vec![
        AddressAttribute::Local(ip),
        AddressAttribute::Address(ip),
        AddressAttribute::Protocol(AddressProtocol::from(address.protocol)),
    ];
    message
}

/// A route, with all that tells it from others: so no other one is removed.
pub(super) fn route(route: &Route) -> RouteMessage {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = family(route.destination.family());
    header.destination_prefix_length = route.destination.bits();
    // Numbers that do not fit are in the attribute alone (linux/rtnetlink.h, `RT_TABLE_COMPAT`).
    header.table = u8::try_from(route.table).unwrap_or(252);
    header.protocol = RouteProtocol::from(route.protocol);
    header.scope = route.scope.into();
    header.kind = match route.kind {
        RouteKind::Unicast => RouteType::Unicast,
        RouteKind::Local => RouteType::Local,
        RouteKind::Other(number) => number.into(),
    };
    header
        .flags
        .set(RouteFlags::Onlink, route.onlink && route.gateway.is_some());
    let attributes = &mut message.attributes;
    attributes.push(RouteAttribute::Table(route.table));
    if route.destination.bits() > 0 {
        let destination = route.destination.address();
        attributes.push(RouteAttribute::Destination(destination.into()));
    }
    let ip = |ip: IpAddr| ip.into();
    attributes.extend(route.gateway.map(ip).map(RouteAttribute::Gateway));
    attributes.extend(route.source.map(ip).map(RouteAttribute::PrefSource));
    attributes.extend(route.link.map(RouteAttribute::Oif));
    attributes.push(RouteAttribute::Priority(route.metric));
    message
}

/// A rule.
pub(super) fn rule(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    let bits = |prefix: &Option<Prefix>| prefix.map_or(0, |prefix| prefix.bits());
    message.header.family = family(rule.family);
    message.header.src_len = bits(&rule.from);
    message.header.dst_len = bits(&rule.to);
    message.header.action = RuleAction::ToTable;
    let attributes = &mut message.attributes;
    let address = |prefix: Prefix| prefix.address();
    attributes.extend(rule.from.map(address).map(RuleAttribute::Source));
    attributes.extend(rule.to.map(address).map(RuleAttribute::Destination));
    attributes.extend(rule.table.map(RuleAttribute::Table));
    attributes.push(RuleAttribute::Priority(rule.priority));
    attributes.push(RuleAttribute::Protocol(RouteProtocol::from(rule.protocol)));
    message
}
