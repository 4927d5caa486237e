//! What holds of every difference, whatever is wanted and whatever is there.

use std::collections::BTreeSet;
use std::net::IpAddr;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::predict::{is_secondary, kernel_routes};
use super::{
    Actual, Address, Change, Desired, Family, Heard, Link, NetOp, Owner, PROTOCOL_KERNEL, Prefix,
    Route, RouteKind, RouteWish, Rule, RuleWish, WishedAddress, Wishes, difference, scope, table,
};

const OWNER: Owner = Owner::PILOTLIGHT;
/// The last address is no link's.
const MACS: [&str; 4] = [
    "02:00:00:00:00:01",
    "02:00:00:00:00:02",
    "02:00:00:00:00:03",
    "02:00:00:00:00:04",
];
const ADDRESSES: [&str; 10] = [
    "10.0.0.1/24",
    "10.0.0.2/24",
    "10.0.0.2/32",
    "10.0.0.3/24",
    "10.0.1.3/24",
    "10.0.1.4/32",
    "2001:db8::1/64",
    "2001:db8::2/64",
    "2001:db8::2/128",
    "2001:db8:1::1/128",
];
const DESTINATIONS: [&str; 8] = [
    "10.0.0.2/32",
    "10.0.0.4/29",
    "203.0.113.7/32",
    "203.0.113.8/32",
    "2001:db8::2/128",
    "2001:db8:1::/96",
    "10.9.0.0/16",
    "2001:db8:9::/48",
];
const ROUTERS: [&str; 4] = ["10.0.0.1", "10.0.1.1", "fe80::1", "2001:db8::9"];
const PROTOCOLS: [u8; 5] = [0, 4, 66, 176, 176];
const TABLES: [u32; 3] = [table::MAIN, 10001, 10002];

/// Something said of a link, by its number in [`MACS`].
#[derive(Debug, Clone)]
enum Named {
    Local(&'static str),
    Address(&'static str),
    Route(RouteWish),
    Rule(RuleWish),
    Mtu(u32),
}

fn parsed(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// A destination and a router of one family, or none.
fn way() -> impl Strategy<Value = (Prefix, Option<IpAddr>)> {
    let destination = prop_oneof![
        Just(Prefix::everything(Family::Ipv4)),
        Just(Prefix::everything(Family::Ipv6)),
        select(&DESTINATIONS[..]).prop_map(parsed),
    ];
    (destination, option::of(select(&ROUTERS[..]))).prop_map(|(destination, router)| {
        let router: Option<IpAddr> = router.map(|text| text.parse().unwrap());
        let fits = |router: &IpAddr| Family::of(*router) == destination.family();
        (destination, router.filter(fits))
    })
}

fn rule_wish() -> impl Strategy<Value = RuleWish> {
    let priority = select(&[100_u32, 10001][..]);
    (
        priority,
        select(&DESTINATIONS[..]),
        select(&TABLES[..]),
        any::<bool>(),
    )
        .prop_map(|(priority, prefix, table, is_from)| RuleWish {
            priority,
            from: is_from.then_some(parsed(prefix)),
            to: (!is_from).then_some(parsed(prefix)),
            table,
        })
}

fn said() -> impl Strategy<Value = Named> {
    let metric = option::of(select(&[0_u32, 100, 1024][..]));
    let route = (way(), select(&TABLES[..]), metric, any::<bool>()).prop_map(
        |((destination, gateway), table, metric, onlink)| {
            Named::Route(RouteWish {
                table,
                destination,
                gateway,
                metric,
                onlink,
            })
        },
    );
    prop_oneof![
        3 => select(&DESTINATIONS[..]).prop_map(Named::Local),
        3 => select(&ADDRESSES[..]).prop_map(Named::Address),
        3 => route,
        2 => rule_wish().prop_map(Named::Rule),
        1 => select(&[1400_u32, 9001][..]).prop_map(Named::Mtu),
    ]
}

fn wishes() -> impl Strategy<Value = Vec<(usize, Named)>> {
    vec((0..MACS.len(), said()), 0..16)
}

fn desired(said: &[(usize, Named)], heard: Heard) -> Desired {
    let mut wishes = Wishes::new();
    for mac in &MACS[..2] {
        wishes.link(mac, None, "").unwrap();
    }
    for (mac, said) in said {
        let mut link = wishes.link(MACS[*mac], None, "").unwrap();
        match said {
            Named::Local(text) => link.local(text, "", "why"),
            Named::Address(address) => {
                let bits = None;
                link.address(WishedAddress { address, bits }, "", "why");
            }
            Named::Route(route) => link.route(*route, "", "why"),
            Named::Rule(rule) => link.rule(*rule, "", "why"),
            Named::Mtu(bytes) => link.mtu(*bytes, "", "why"),
        }
    }
    let (desired, invalid) = wishes.end(heard);
    assert_eq!(invalid, []);
    desired
}

fn link() -> impl Strategy<Value = Link> {
    let kind = prop_oneof![4 => Just(None), 1 => Just(Some("veth".to_string()))];
    let master = prop_oneof![6 => Just(None), 1 => Just(Some(1))];
    (
        kind,
        master,
        prop::bool::weighted(0.85),
        any::<bool>(),
        select(&[1400_u32, 1500][..]),
    )
        .prop_map(|(kind, master, up, promotes_secondaries, mtu)| Link {
            kind,
            master,
            up,
            mtu,
            promotes_secondaries,
            ..Link::default()
        })
}

type There = (u32, u8, bool);

/// A network as a kernel would have it: of each place of a route one, and each address with its own routes.
fn actual() -> impl Strategy<Value = Actual> {
    let there = || (2..5_u32, select(&PROTOCOLS[..]), prop::bool::weighted(0.8));
    let routes = (
        there(),
        way(),
        select(&[254_u32, 255, 255, 10001][..]),
        select(&[0_u32, 100, 1024][..]),
    );
    (
        vec(link(), 3),
        vec((there(), select(&ADDRESSES[..])), 0..8),
        vec(routes, 0..14),
        vec((rule_wish(), select(&PROTOCOLS[..])), 0..6),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(links, addresses, routes, rules, bonded)| {
            let mut actual = Actual::default();
            for (index, (mut link, mac)) in (2..).zip(links.into_iter().zip(MACS)) {
                link.name = format!("eth{index}");
                link.mac = mac.parse().ok();
                actual.links.insert(index, link);
            }
            if bonded {
                let bond = actual.links.entry(4).or_default();
                (bond.kind, bond.master) = (Some("bond".into()), None);
                bond.mac = MACS[0].parse().ok();
                let member = actual.links.entry(2).or_default();
                (member.kind, member.master, member.slave) = (None, Some(4), true);
            }
            for (there, text) in addresses {
                add_address(&mut actual, there, text);
            }
            for ((link, protocol, more), (destination, gateway), table, metric) in routes {
                let local = table == table::LOCAL;
                let metric = match destination.family() {
                    Family::Ipv4 => metric,
                    // The kernel makes 1024 of 0.
                    Family::Ipv6 => metric.max(100),
                };
                let taken = actual.routes_to(table, destination);
                let taken = taken.filter(|route| route.metric == metric).count();
                if taken > 0 || (local && destination.bits() == 0) {
                    continue;
                }
                actual.routes.insert(Route {
                    table,
                    destination,
                    metric,
                    kind: if local {
                        RouteKind::Local
                    } else {
                        RouteKind::Unicast
                    },
                    link: Some(link),
                    hops: BTreeSet::new(),
                    gateway: gateway.filter(|_| !local),
                    source: None,
                    protocol,
                    scope: scope::UNIVERSE,
                    onlink: false,
                    more: !more,
                });
            }
            let rules = rules.into_iter().map(|(wish, protocol)| Rule {
                family: wish.from.or(wish.to).unwrap().family(),
                priority: wish.priority,
                from: wish.from,
                to: wish.to,
                table: Some(wish.table),
                protocol,
                more: wish.priority == 100 && protocol == 4,
            });
            actual.rules.extend(rules);
            actual
        })
}

fn add_address(actual: &mut Actual, (link, protocol, permanent): There, text: &str) {
    let mut address = Address {
        link,
        address: text.parse().unwrap(),
        protocol,
        scope: scope::UNIVERSE,
        permanent,
        secondary: false,
    };
    let twice = actual.addresses_of(link).any(|other| {
        let v6 = other.address.address().is_ipv6();
        other.address == address.address
            || (v6 && other.address.address() == address.address.address())
    });
    if !twice {
        address.secondary = is_secondary(&address, actual);
        actual.routes.extend(kernel_routes(&address));
        actual.addresses.insert(address);
    }
}

/// Things of others. Which of a network's addresses came first is the kernel's own affair.
fn foreign(actual: &Actual) -> (BTreeSet<Address>, BTreeSet<&Route>, BTreeSet<&Rule>) {
    let addresses = actual.addresses.iter();
    let addresses = addresses
        .filter(|one| !OWNER.owns_address(one))
        .map(|one| Address {
            secondary: false,
            ..one.clone()
        });
    let routes = actual.routes.iter();
    let routes = routes.filter(|one| one.protocol != PROTOCOL_KERNEL && !OWNER.owns_route(one));
    let rules = actual.rules.iter().filter(|one| !OWNER.owns_rule(one));
    (addresses.collect(), routes.collect(), rules.collect())
}

/// Whether the machine is reached: a default route of table main, through a link with an address.
fn reached(actual: &Actual, family: Family) -> bool {
    actual.routes.iter().any(|route| {
        route.table == table::MAIN
            && route.destination == Prefix::everything(family)
            && route.kind == RouteKind::Unicast
            && !actual.routes.iter().any(|local| {
                // A router that is this machine is none; kernel's own are those of addresses.
                local.kind == RouteKind::Local
                    && OWNER.owns_route(local)
                    && route
                        .gateway
                        .is_some_and(|router| local.destination.contains(router))
            })
            && actual.addresses.iter().any(|address| {
                Some(address.link) == route.link && Family::of(address.address.address()) == family
            })
    })
}

/// The link that an operation is about.
fn link_of(op: &NetOp) -> Option<u32> {
    match &op.change {
        Change::SetMtu { index, .. } | Change::AddAltname { index, .. } => Some(*index),
        Change::AddAddress { address, .. } | Change::RemoveAddress { address, .. } => {
            Some(address.link)
        }
        Change::AddRoute { route, .. } | Change::RemoveRoute { route, .. } => route.link,
        Change::ReplaceRoute { new, .. } => new.link,
        Change::AddRule { .. } | Change::RemoveRule { .. } => None,
    }
}

fn removes(op: &NetOp) -> bool {
    matches!(
        op.change,
        Change::ReplaceRoute { .. }
            | Change::RemoveRule { .. }
            | Change::RemoveRoute { .. }
            | Change::RemoveAddress { .. }
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2048,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(2026),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_step_keeps_what_is_anothers_and_the_machine_in_reach(said in wishes(), actual in actual()) {
        let found = difference(&desired(&said, Heard::Whole), &actual, &OWNER);
        let before = foreign(&actual);
        let mut now = actual.clone();
        for op in &found.ops {
            let last = now.clone();
            op.predict(&mut now);
            prop_assert_ne!(&last, &now, "{} does nothing", op);
            prop_assert_eq!(&foreign(&now), &before, "{}", op);
            for family in [Family::Ipv4, Family::Ipv6] {
                prop_assert!(!reached(&last, family) || reached(&now, family), "{}", op);
            }
            let (from, to) = match &op.change {
                Change::ReplaceRoute { old, .. } => (old.link, link_of(op)),
                _ if removes(op) => (link_of(op), None),
                _ => (None, link_of(op)),
            };
            let is_meant = |link: u32| {
                let touched = &actual.links[&link];
                let mut others = actual.links.values();
                let has_hardware = others.any(|one| one.kind.is_none() && one.mac == touched.mac);
                touched.is_touchable() || (touched.stands_in() && !has_hardware)
            };
            if let Some(to) = to {
                prop_assert!(is_meant(to), "{}", op);
            }
            // What was left on a member of a bond goes.
            let is_member = |link: u32| {
                let master = actual.links[&link].master;
                let bond = master.and_then(|master| actual.links.get(&master));
                bond.is_some_and(|bond| bond.kind.as_deref() == Some("bond"))
            };
            if let Some(from) = from {
                prop_assert!(is_meant(from) || is_member(from), "{}", op);
            }
        }
    }

    #[test]
    fn done_once_nothing_is_left(said in wishes(), actual in actual(), whole in any::<bool>()) {
        let heard = if whole { Heard::Whole } else { Heard::Partly };
        let desired = desired(&said, heard);
        let found = difference(&desired, &actual, &OWNER);
        let mut after = actual.clone();
        for op in &found.ops {
            op.predict(&mut after);
        }
        let again = difference(&desired, &after, &OWNER);
        prop_assert_eq!(&again.ops, &vec![], "after {:#?}", found.ops);
        prop_assert_eq!(&again.unmet, &found.unmet);
        prop_assert!(whole || !found.ops.iter().any(removes));
    }

    #[test]
    fn the_order_of_what_is_said_does_not_matter(said in wishes(), actual in actual()) {
        let mut reversed = said.clone();
        reversed.reverse();
        let (one, other) = (desired(&said, Heard::Whole), desired(&reversed, Heard::Whole));
        prop_assert_eq!(difference(&one, &actual, &OWNER), difference(&other, &actual, &OWNER));
    }

    #[test]
    fn what_is_wanted_is_there_in_the_end_or_told(said in wishes(), actual in actual()) {
        let desired = desired(&said, Heard::Whole);
        let found = difference(&desired, &actual, &OWNER);
        if !found.unmet.is_empty() {
            return Ok(());
        }
        let mut after = actual;
        for op in &found.ops {
            op.predict(&mut after);
        }
        for link in desired.links() {
            let mut of_mac = after.links.iter().filter(|(_, there)| there.mac == Some(link.mac));
            // A bond, in place of its member.
            let (index, there) = of_mac.find(|(_, there)| there.master.is_none()).unwrap();
            prop_assert!(link.mtu.is_none_or(|wish| wish.what == there.mtu));
            for address in link.addresses.keys() {
                let ip = address.address();
                prop_assert!(after.addresses_of(*index).any(|there| there.address.address() == ip));
            }
            let is_there = |table, destination, gateway| {
                let mut routes = after.routes_to(table, destination);
                routes.any(|route| route.link == Some(*index) && route.gateway == gateway && !route.more)
            };
            for destination in link.locals.keys() {
                prop_assert!(is_there(table::LOCAL, *destination, None), "{destination}");
            }
            for route in link.routes.keys() {
                prop_assert!(is_there(route.table, route.destination, route.gateway), "{route:?}");
            }
            for rule in link.rules.keys() {
                let is_it = |there: &Rule| {
                    (there.priority, there.from, there.to, there.table)
                        == (rule.priority, rule.from, rule.to, Some(rule.table))
                };
                prop_assert!(after.rules.iter().any(is_it), "{rule:?}");
            }
        }
    }
}
