//! Machines for property tests.

use pilotlight_core::net::{
    Actual, Address, Change, Desired, Family, Link, NetOp, PROTOCOL_KERNEL, Prefix, Route,
    RouteKind, Rule, difference, scope, table,
};
use pilotlight_core::ordered::Arrange as _;

use crate::platform_networks_property_tests::OWNER;

/// A machine that has some of what is wanted, by several hands, and other things of each of them.
pub(crate) fn machine(wanted: &Desired, choices: &[u8]) -> Actual {
    let mut choices = choices.iter().copied().chain(std::iter::repeat(1));
    let mut choice = || choices.next().unwrap_or(1);
    let mut actual = Actual::default();
    for (index, link) in (2..).zip(wanted.links()) {
        let chosen = choice();
        actual.links.insert(
            index,
            Link {
                name: format!("eth{index}"),
                mac: Some(link.mac),
                kind: match chosen % 16 {
                    0 => Some("veth".into()),
                    _ => link.kind.clone(),
                },
                master: (chosen / 16 == 1).then_some(2),
                up: chosen / 16 != 2,
                mtu: 1500,
                promotes_secondaries: chosen & 8 != 0,
                ..Link::default()
            },
        );
    }
    const HANDS: [u8; 6] = [0, 4, 16, 66, 176, 176];
    let way_out = |gateway: &str| Route {
        table: table::MAIN,
        destination: Prefix::everything(Family::Ipv4),
        metric: 1024,
        kind: RouteKind::Unicast,
        link: Some(2),
        hops: [].into(),
        gateway: gateway.parse().ok(),
        source: None,
        protocol: 16,
        scope: scope::UNIVERSE,
        onlink: false,
        more: false,
    };
    let extra = |text: &str, link| Address {
        link,
        address: text.parse().unwrap(),
        protocol: OWNER.protocol,
        scope: scope::UNIVERSE,
        permanent: true,
        secondary: false,
    };
    let mut there = Vec::new();
    for link in actual.links.keys().copied() {
        for text in ["198.18.0.9/24", "2001:db8:77::9/64"] {
            let (address, link) = (extra(text, link), "?".into());
            there.push(Change::AddAddress { address, link });
        }
        let mut route = way_out("198.18.0.1");
        route.table = 17_600 + link;
        route.link = Some(link);
        let link = "?".into();
        there.push(Change::AddRoute { route, link });
    }
    for (priority, from) in [(17_601, "198.18.0.9"), (900, "198.18.0.0/16")] {
        let from = from.parse().ok();
        let rule = Rule {
            family: Family::Ipv4,
            priority,
            from,
            to: None,
            table: Some(17_601),
            protocol: OWNER.protocol,
            more: false,
        };
        there.push(Change::AddRule { rule });
    }
    let mut as_wanted = actual.clone();
    as_wanted.links.values_mut().for_each(|link| link.up = true);
    let ops = difference(wanted, &as_wanted, &OWNER).ops;
    there.extend(ops.into_iter().map(|op| op.change));
    let (address, route) = (extra("10.1.0.4/24", 2), way_out("10.1.0.1"));
    let dhcp = Address {
        protocol: 0,
        permanent: false,
        ..address
    };
    let mut changes = vec![
        Change::AddAddress {
            address: dhcp,
            link: "?".into(),
        },
        Change::AddRoute {
            route,
            link: "?".into(),
        },
    ];
    for mut change in there {
        let chosen = choice();
        let hand = HANDS[usize::from(chosen / 4) % HANDS.len()];
        match &mut change {
            Change::AddAddress { address, .. } => address.protocol = hand,
            Change::AddRoute { route, .. } => route.protocol = hand,
            Change::AddRule { rule } => rule.protocol = hand,
            _ => {}
        }
        if chosen % 4 != 0 {
            changes.push(change);
        }
    }
    for change in changes {
        let taken = match &change {
            Change::AddAddress { address, .. } => {
                let ip = address.address.address();
                let mut others = actual.addresses_of(address.link);
                others.any(|other| other.address.address() == ip)
            }
            Change::AddRoute { route, .. } => {
                let mut others = actual.routes_to(route.table, route.destination);
                others.any(|other| other.metric == route.metric)
            }
            _ => false,
        };
        if !taken {
            NetOp { change, reason: "" }.predict(&mut actual);
        }
    }
    actual
}

/// Things of others. Which of a network's addresses came first is the kernel's own affair.
pub(crate) fn foreign(actual: &Actual) -> (Vec<Address>, Vec<&Route>, Vec<&Rule>) {
    let addresses = actual
        .addresses
        .iter()
        .filter(|one| !OWNER.owns_address(one));
    let mut addresses: Vec<Address> = addresses
        .map(|one| Address {
            secondary: false,
            ..one.clone()
        })
        .collect();
    addresses.arrange();
    let routes = actual.routes.iter();
    let routes = routes.filter(|one| one.protocol != PROTOCOL_KERNEL && !OWNER.owns_route(one));
    let rules = actual.rules.iter().filter(|one| !OWNER.owns_rule(one));
    (addresses, routes.collect(), rules.collect())
}
