//! What the instance metadata of Amazon EC2 want of the machine's network.
//!
//! DHCP and router advertisements give each interface its first address and the machine its default route. What
//! they do not give (amazon-ec2-net-utils has the same numbers, so that one can take the place of the other):
//! - secondary IPv4 addresses, on every interface, as networks of one address;
//! - the platform's names of an interface, beside the kernel's;
//! - for every interface but the primary one a table of its own, with the subnet and its router, and a rule that
//!   leads there from each address and each delegated prefix: replies leave by the interface that they belong to,
//!   since a VPC drops what comes from another one's address. The primary interface has the main table; rules for
//!   it would lead replies past the bridges of containers.
//!
//! # Interfaces of the VPC CNI
//!
//! The network plugin of EKS attaches interfaces and takes secondary addresses, those of the primary interface
//! too, for containers. Metadata cannot tell: whose an interface is stands in its own tags and its description,
//! and the service shows neither; it shows tags of the instance at most, and those without a slash, which all of
//! Kubernetes' names have. The plugin takes the next free device number, as everybody does. The tag
//! `node.k8s.amazonaws.com/no_manage` speaks to the plugin and means the opposite. So there are two other ways:
//! an operator names interfaces that are left alone, and [`has_vpc_cni`] knows the plugin's traces on the machine.
//! Where it finds them, both switches are off, which removes what was added before the plugin came.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use pilotlight_core::model::metadata::MAX_INTERFACES;
use pilotlight_core::net::{
    Actual, Desired, Family, Heard, Invalid, LinkWishes, Mac, Prefix, RouteWish, RuleWish,
    WishedAddress, Wishes, table,
};

use serde_json::Value;

use crate::answer::{MAX_ADDRESS, shown};
use crate::aws_interface::{Lists, of_family};

use crate::said::PolicySwitches;

pub use crate::aws_interface::Interface;

/// What tables and rules of secondary interfaces count from.
const FIRST_NUMBER: u32 = 10_000;
/// How many devices a network card has at most, which is what the numbers of cards are apart.
const PER_CARD: u32 = 100;
/// Longest document, in bytes: as many interfaces with as many addresses as are taken.
const MAX_DOCUMENT: usize = 16 << 20;
/// Routes that came by an advertisement of a router (linux/rtnetlink.h, `RTPROT_RA`).
const PROTOCOL_RA: u8 = 9;
const INTERFACES: &str = "network/interfaces/macs";
const REPLIES: &str = "replies leave by the interface that they belong to";

/// Answers of the service. A key that is absent (404) is `None`; where another one failed, `heard` is
/// [`Heard::Partly`].
#[derive(Debug, Clone)]
pub struct Said<'t> {
    /// `mac`: the hardware address of the primary interface.
    pub primary: Option<&'t str>,
    /// The lines of `network/interfaces/macs/`, with what stands below each.
    pub interfaces: Vec<Interface<'t>>,
    /// Whether every key was answered.
    pub heard: Heard,
}

/// What is switched on. With all off nothing is wanted, and what was added is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switches<'t> {
    /// Whether interfaces get their id, and `device-number-N` with `.CARD` where the type of the machine has several
    /// network cards, as names beside their own: those of amazon-ec2-net-utils.
    pub altnames: bool,
    /// Whether secondary IPv4 addresses are added.
    pub secondary_addresses: bool,
    /// Whether secondary interfaces get tables and rules.
    pub policy_routing: bool,
    /// Interfaces to which nothing is added and from which nothing is removed, by hardware address or id.
    pub left_alone: &'t [&'t str],
}

impl Default for Switches<'_> {
    fn default() -> Self {
        Self {
            altnames: true,
            secondary_addresses: true,
            policy_routing: true,
            left_alone: &[],
        }
    }
}

impl Switches<'_> {
    /// The same, with everything off where the VPC CNI runs.
    #[must_use]
    pub fn yielding_to_vpc_cni(self, actual: &Actual) -> Self {
        let on = !has_vpc_cni(actual);
        Self {
            altnames: self.altnames && on,
            secondary_addresses: self.secondary_addresses && on,
            policy_routing: self.policy_routing && on,
            ..self
        }
    }
}

/// What is wanted, and what was left out, with the service's path to it.
///
/// Nothing may be removed because of answers without an interface, without the primary one, or with an address
/// that cannot be read; nor while an interface that was just attached has not got its number or its addresses.
pub fn desired(said: &Said<'_>, switches: &Switches<'_>) -> (Desired, Vec<Invalid>) {
    let mut wishes = Wishes::new();
    if let Some(next) = said.interfaces.get(MAX_INTERFACES) {
        wishes.unreadable(INTERFACES, shown(next.mac), "there are too many before it");
    }
    let mut taken: BTreeMap<Mac, &Interface<'_>> = BTreeMap::new();
    for interface in said.interfaces.iter().take(MAX_INTERFACES) {
        let mac = (interface.mac.len() <= MAX_ADDRESS).then(|| interface.mac.parse::<Mac>());
        match mac {
            Some(Ok(mac)) if !taken.contains_key(&mac) => {
                taken.insert(mac, interface);
            }
            Some(Ok(_)) => wishes.unreadable(INTERFACES, interface.mac, "it is there twice"),
            _ => wishes.unreadable(INTERFACES, shown(interface.mac), "it is no address"),
        }
    }
    let primary = said.primary.and_then(|text| text.parse::<Mac>().ok());
    if !primary.is_some_and(|mac| taken.contains_key(&mac)) {
        let text = shown(said.primary.unwrap_or_default());
        wishes.unreadable("mac", text, "no interface has this address");
    }
    // Machines with one card have no such key, and those with several answer it some time after the others.
    let several_cards = taken.values().any(|one| one.network_card.is_some());
    taken.retain(|mac, interface| {
        let left = is_left(*mac, interface, switches);
        if left {
            wishes.leave_alone(interface.mac, INTERFACES);
        }
        !left
    });
    let mut numbers = BTreeMap::new();
    if switches.policy_routing {
        let secondary = taken.iter().filter(|(mac, _)| Some(**mac) != primary);
        numbers = numbers_of(secondary, several_cards, &mut wishes);
    }
    for (mac, interface) in taken {
        let place = format!("{INTERFACES}/{mac}");
        let mut plan = Plan::default();
        let lists = Lists::of(interface, &place, &mut wishes);
        if switches.secondary_addresses {
            let place = format!("{place}/local-ipv4s");
            let secondary = of_family(&lists.addresses, Family::Ipv4);
            let secondary = secondary.into_iter().skip(1);
            plan.addresses
                .extend(secondary.map(|one| (one, place.clone())));
        }
        if let Some(number) = numbers.get(&mac) {
            policy(&lists, interface, *number, &place, &mut plan, &mut wishes);
        }
        if let Some(mut link) = wishes.link(interface.mac, None, INTERFACES) {
            plan.wish(&mut link);
            if switches.altnames {
                let number = numbers.get(&mac).copied();
                let number = number.or_else(|| (Some(mac) == primary).then_some(0));
                // The card's number comes later than the others.
                let number = number.filter(|_| !several_cards || interface.network_card.is_some());
                names(interface, number, &place, &mut link);
            }
        }
    }
    wishes.end(said.heard)
}

/// The same of a document as the provider makes it: `mac`, `whole`, and `interfaces` with the service's keys.
pub fn of_document(
    document: &str,
    switches: &PolicySwitches,
    left_alone: &[String],
    actual: &Actual,
) -> (Desired, Vec<Invalid>) {
    let short = (document.len() <= MAX_DOCUMENT).then_some(document.as_bytes());
    let Some(all) = short.and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok()) else {
        let mut wishes = Wishes::new();
        let why = "the document is no JSON or too long";
        wishes.unreadable(INTERFACES, shown(document), why);
        return wishes.end(Heard::Partly);
    };
    let interfaces = all.get("interfaces").and_then(Value::as_array);
    let interfaces = interfaces.into_iter().flatten().map(|one| {
        let text = |key: &str| one.get(key).and_then(Value::as_str);
        let mac = text("mac").unwrap_or_default();
        Interface {
            mac,
            interface_id: text("interface-id"),
            device_number: text("device-number"),
            network_card: text("network-card"),
            subnet_ipv4_cidr_block: text("subnet-ipv4-cidr-block"),
            local_ipv4s: text("local-ipv4s"),
            ipv4_prefix: text("ipv4-prefix"),
            subnet_ipv6_cidr_blocks: text("subnet-ipv6-cidr-blocks"),
            ipv6s: text("ipv6s"),
            ipv6_prefix: text("ipv6-prefix"),
            ipv6_router: mac
                .parse()
                .ok()
                .and_then(|mac| advertised_router(mac, actual)),
        }
    });
    let whole = all.get("whole").and_then(Value::as_bool) == Some(true);
    let said = Said {
        primary: all.get("mac").and_then(Value::as_str),
        interfaces: interfaces.collect(),
        heard: if whole { Heard::Whole } else { Heard::Partly },
    };
    let left_alone: Vec<&str> = left_alone.iter().map(String::as_str).collect();
    let own = Switches {
        altnames: switches.altnames,
        secondary_addresses: switches.secondary_addresses,
        policy_routing: switches.policy_routing,
        left_alone: &left_alone,
    };
    let own = match switches.yield_to_cni {
        true => own.yielding_to_vpc_cni(actual),
        false => own,
    };
    desired(&said, &own)
}

/// The router that advertises itself on the link of this address: the next hop of a default route that came by an
/// advertisement, by the kernel's hand or that of networkd (linux/rtnetlink.h, `RTPROT_RA`).
fn advertised_router(mac: Mac, actual: &Actual) -> Option<Ipv6Addr> {
    let default = Prefix::everything(Family::Ipv6);
    let of_mac = |index: &u32| {
        let link = actual.links.get(index);
        link.is_some_and(|link| link.mac == Some(mac) && link.master.is_none())
    };
    let mut routes = actual.routes_to(table::MAIN, default);
    routes.find_map(|route| match (route.link.filter(of_mac), route.gateway) {
        (Some(_), Some(IpAddr::V6(router))) if route.protocol == PROTOCOL_RA => Some(router),
        _ => None,
    })
}

/// Whether the machine shows that the VPC CNI runs on it: its links to containers, or its rule that leads what
/// it has marked back to the main table (amazon-vpc-cni-k8s, `pkg/networkutils`: `hostRulePriority` 1024, and
/// `eni` as prefix of names).
pub fn has_vpc_cni(actual: &Actual) -> bool {
    const PRIORITY: u32 = 1024;
    let to_container = actual.links.values().any(|link| {
        let rest = link.name.strip_prefix("eni");
        link.kind.as_deref() == Some("veth")
            && rest.is_some_and(|rest| {
                rest.len() == 11 && rest.bytes().all(|byte| byte.is_ascii_hexdigit())
            })
    });
    let marked = actual
        .rules
        .iter()
        .any(|rule| rule.priority == PRIORITY && rule.more && rule.table == Some(table::MAIN));
    to_container || marked
}

/// Names by which an interface is found whatever the kernel calls it. Its number is one once it is known.
fn names(interface: &Interface<'_>, number: Option<u32>, place: &str, link: &mut LinkWishes<'_>) {
    const NAMED: &str = "the platform calls the interface so";
    if let Some(id) = interface.interface_id {
        link.altname(id.trim(), &format!("{place}/interface-id"), NAMED);
    }
    if let Some(number) = number {
        let card = interface.network_card;
        let card = card.map(|_| format!(".{}", number / PER_CARD));
        let name = format!(
            "device-number-{}{}",
            number % PER_CARD,
            card.unwrap_or_default()
        );
        link.altname(&name, &format!("{place}/device-number"), NAMED);
    }
}

fn is_left(mac: Mac, interface: &Interface<'_>, switches: &Switches<'_>) -> bool {
    let id = interface.interface_id.map(str::trim);
    let mut names = switches.left_alone.iter();
    names.any(|name| id == Some(*name) || name.parse() == Ok(mac))
}

/// The numbers of secondary interfaces. Those that have none, or that of another one, are noted.
fn numbers_of<'i, 't: 'i>(
    interfaces: impl Iterator<Item = (&'i Mac, &'i &'i Interface<'t>)>,
    several_cards: bool,
    wishes: &mut Wishes,
) -> BTreeMap<Mac, u32> {
    let mut of_number: BTreeMap<u32, Vec<Mac>> = BTreeMap::new();
    for (mac, interface) in interfaces {
        let device = interface.device_number.unwrap_or_default();
        let card = match interface.network_card {
            None if several_cards => "",
            card => card.unwrap_or("0"),
        };
        let (key, text, why) = match (number(device), number(card)) {
            // What an interface says that was just attached.
            (Some(0), _) => (
                "device-number",
                device,
                "only the primary interface has this number",
            ),
            (None, _) => ("device-number", device, "it is no number of a device"),
            (_, None) => ("network-card", card, "it is no number of a network card"),
            (Some(device), Some(card)) => {
                let number = device + PER_CARD * card;
                of_number.entry(number).or_default().push(*mac);
                continue;
            }
        };
        wishes.unreadable(&format!("{INTERFACES}/{mac}/{key}"), shown(text), why);
    }
    let mut numbers = BTreeMap::new();
    for (number, macs) in of_number {
        if let [mac] = macs[..] {
            numbers.insert(mac, number);
            continue;
        }
        for mac in macs {
            let place = format!("{INTERFACES}/{mac}/device-number");
            let why = "another interface has the same number";
            wishes.unreadable(&place, &number.to_string(), why);
        }
    }
    numbers
}

fn number(text: &str) -> Option<u32> {
    let text = text.trim();
    // A sign is no part of it, which `parse` would take.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.filter(|number| *number < PER_CARD)
}

/// What is wanted of a link, each with its place.
#[derive(Default)]
struct Plan {
    addresses: Vec<(Prefix, String)>,
    routes: Vec<(RouteWish, String)>,
    rules: Vec<(RuleWish, String)>,
}

impl Plan {
    fn wish(&self, link: &mut LinkWishes<'_>) {
        for (address, place) in &self.addresses {
            let text = address.to_string();
            let wished = WishedAddress {
                address: &text,
                bits: None,
            };
            link.address(wished, place, "it is a secondary address of the interface");
        }
        for (route, place) in &self.routes {
            link.route(*route, place, REPLIES);
        }
        for (rule, place) in &self.rules {
            link.rule(*rule, place, REPLIES);
        }
    }
}

/// The table of a secondary interface, and the rules that lead there.
fn policy(
    lists: &Lists,
    interface: &Interface<'_>,
    number: u32,
    place: &str,
    plan: &mut Plan,
    wishes: &mut Wishes,
) {
    let table = FIRST_NUMBER + number;
    for (family, key, prefix_key, block_key) in [
        (
            Family::Ipv4,
            "local-ipv4s",
            "ipv4-prefix",
            "subnet-ipv4-cidr-block",
        ),
        (
            Family::Ipv6,
            "ipv6s",
            "ipv6-prefix",
            "subnet-ipv6-cidr-blocks",
        ),
    ] {
        let [subnets, addresses, delegated] = [&lists.subnets, &lists.addresses, &lists.delegated]
            .map(|list| of_family(list, family));
        let Some(first) = addresses.first().or(delegated.first()) else {
            continue;
        };
        let router = match family {
            Family::Ipv4 => subnets.first().and_then(first_host),
            // Routers advertise themselves by such addresses alone (RFC 4861, 6.1.2).
            Family::Ipv6 => interface
                .ipv6_router
                .filter(Ipv6Addr::is_unicast_link_local)
                .map(IpAddr::V6),
        };
        let (Some(router), false) = (router, subnets.is_empty()) else {
            let why = "its subnet or its router is not known yet";
            wishes.unreadable(&format!("{place}/{key}"), &first.to_string(), why);
            continue;
        };
        let route = |destination, gateway| RouteWish {
            table,
            destination,
            gateway,
            metric: None,
            onlink: false,
        };
        let block_place = format!("{place}/{block_key}");
        let on_link = subnets.iter().map(|subnet| route(*subnet, None));
        let default = route(Prefix::everything(family), Some(router));
        let routes = on_link.chain([default]);
        plan.routes
            .extend(routes.map(|route| (route, block_place.clone())));
        for (list, key) in [(addresses, key), (delegated, prefix_key)] {
            let place = format!("{place}/{key}");
            for from in list {
                if !subnets.iter().any(|subnet| is_within(&from, subnet)) {
                    let why = "it is not in a subnet of the interface";
                    wishes.unreadable(&place, &from.to_string(), why);
                    continue;
                }
                let rule = RuleWish {
                    priority: table,
                    from: Some(from),
                    to: None,
                    table,
                };
                plan.rules.push((rule, place.clone()));
            }
        }
    }
}

fn is_within(inner: &Prefix, outer: &Prefix) -> bool {
    inner.bits() >= outer.bits() && outer.contains(inner.address())
}

/// The router of an IPv4 subnet: its first address after its own (VPC User Guide, "Subnet sizing for IPv4").
fn first_host(subnet: &Prefix) -> Option<IpAddr> {
    match subnet.address() {
        IpAddr::V4(v4) => v4
            .to_bits()
            .checked_add(1)
            .map(|bits| IpAddr::V4(bits.into())),
        IpAddr::V6(_) => None,
    }
}
