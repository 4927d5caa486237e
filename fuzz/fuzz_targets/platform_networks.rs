//! What platforms say about a machine's network: what becomes of it on a machine that has these links.
//!
//! The first byte chooses the platform, the second what is there already; the rest is the answer. Where a platform
//! gives several answers, they are separated by a byte 1.
#![no_main]

use std::collections::BTreeMap;

use pilotlight_core::net::{
    Actual, Address, Change, Desired, Family, Heard, Invalid, Link, Owner, PROTOCOL_KERNEL, Prefix,
    Route, RouteKind, Rule, difference, scope, table,
};
use pilotlight_providers::{
    aws_network, azure_network, digitalocean_network, gcp_network, hetzner_network,
    openstack_network, packet_network, vmware_network,
};

const OWNER: Owner = Owner::PILOTLIGHT;

type Units = Vec<(String, String)>;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [platform, there, answer @ ..] = bytes else {
        return;
    };
    let answer = String::from_utf8_lossy(answer);
    let ((desired, invalid), units) = network(platform % 8, &answer);
    // Of GCE, VLANs are told as left out, which leaves the rest whole.
    assert!(!desired.may_remove() || invalid.is_empty() || platform % 8 == 1);
    assert!(!desired.may_remove() || !desired.links().is_empty());
    for one in &invalid {
        assert!(one.text.len() <= 256, "{one}");
    }
    for (name, text) in units {
        assert!(!name.contains(['/', '\n']), "{name:?}");
        for line in text.lines() {
            let known = line.is_empty() || line.starts_with(['[', '#']) || line.contains('=');
            assert!(known && !line.chars().any(char::is_control), "{line:?}");
        }
    }
    let before = machine(&desired, *there);
    let found = difference(&desired, &before, &OWNER);
    let mut after = before.clone();
    for op in &found.ops {
        let line = op.to_string();
        assert!(!line.chars().any(char::is_control), "{line:?}");
        op.predict(&mut after);
        let removes = matches!(
            op.change,
            Change::ReplaceRoute { .. }
                | Change::RemoveRule { .. }
                | Change::RemoveRoute { .. }
                | Change::RemoveAddress { .. }
        );
        assert!(desired.may_remove() || !removes, "{line}");
    }
    assert_eq!(foreign(&after), foreign(&before));
    assert_eq!(difference(&desired, &after, &OWNER).ops, []);
});

fn network(platform: u8, answer: &str) -> ((Desired, Vec<Invalid>), Units) {
    let mut parts = answer.split('\u{1}');
    let first = parts.next().unwrap_or_default();
    match platform {
        0 => (aws(first, parts), Units::new()),
        1 => {
            let switches = gcp_network::Switches::default();
            (gcp_network::desired(answer, &switches), Units::new())
        }
        2 => {
            let said = azure_network::Said {
                interfaces: first,
                primary: parts.next().and_then(|mac| mac.parse().ok()),
                routers: parts
                    .filter_map(|mac| Some((mac.parse().ok()?, "fe80::1".parse().ok()?)))
                    .collect::<BTreeMap<_, _>>(),
            };
            let switches = azure_network::Switches::default();
            (azure_network::desired(&said, &switches), Units::new())
        }
        3 => {
            let switches = packet_network::Switches::default();
            (packet_network::desired(answer, &switches), Units::new())
        }
        4 => {
            let switches = digitalocean_network::Switches::default();
            (
                digitalocean_network::desired(answer, &switches),
                digitalocean_network::networkd_units(answer).0,
            )
        }
        5 => {
            let said = hetzner_network::Said {
                network_config: first,
                private_networks: parts.next(),
            };
            let switches = hetzner_network::Switches::default();
            (
                hetzner_network::desired(&said, &switches),
                hetzner_network::networkd_units(&said).0,
            )
        }
        6 => {
            let switches = openstack_network::Switches::default();
            (
                openstack_network::desired(answer, &switches),
                openstack_network::networkd_units(answer).0,
            )
        }
        _ => {
            let switches = vmware_network::Switches::default();
            (
                vmware_network::desired(answer, &switches),
                vmware_network::networkd_units(answer).0,
            )
        }
    }
}

/// The primary hardware address, and nine answers for each interface.
fn aws<'t>(primary: &'t str, parts: impl Iterator<Item = &'t str>) -> (Desired, Vec<Invalid>) {
    let parts: Vec<&str> = parts.collect();
    let interfaces = parts.chunks(9).map(|keys| {
        let key = |at: usize| keys.get(at).copied().filter(|text| *text != "404");
        aws_network::Interface {
            mac: key(0).unwrap_or_default(),
            device_number: key(1),
            network_card: key(2),
            subnet_ipv4_cidr_block: key(3),
            local_ipv4s: key(4),
            ipv4_prefix: key(5),
            subnet_ipv6_cidr_blocks: key(6),
            ipv6s: key(7),
            ipv6_prefix: key(8),
            interface_id: None,
            ipv6_router: "fe80::1".parse().ok(),
        }
    });
    let said = aws_network::Said {
        primary: Some(primary),
        interfaces: interfaces.collect(),
        heard: Heard::Whole,
    };
    aws_network::desired(&said, &aws_network::Switches::default())
}

/// A machine with the links that are wanted, of which the first has a way out by another hand, and where each of the
/// lower bits of `there` is something that this daemon or another hand has left on the last one.
fn machine(desired: &Desired, there: u8) -> Actual {
    let has = |bit: u8| there & 1 << bit != 0;
    let mut actual = Actual::default();
    for (index, link) in (2..).zip(desired.links()) {
        let there = Link {
            name: format!("eth{index}"),
            mac: Some(link.mac),
            kind: link.kind.clone(),
            up: !has(7),
            mtu: 1500,
            promotes_secondaries: has(6),
            ..Link::default()
        };
        actual.links.insert(index, there);
    }
    let Some(last) = actual.links.keys().next_back().copied() else {
        return actual;
    };
    let mut address = |text: &str, link, protocol, permanent| {
        let Ok(address) = text.parse() else { return };
        let address = Address {
            link,
            address,
            protocol,
            scope: scope::UNIVERSE,
            permanent,
            secondary: false,
        };
        let link = String::new();
        let change = Change::AddAddress { address, link };
        let reason = "";
        pilotlight_core::net::NetOp { change, reason }.predict(&mut actual);
    };
    address("10.0.0.5/24", 2, 0, false);
    if has(0) {
        address("198.51.100.77/32", last, OWNER.protocol, true);
    }
    if has(1) {
        address("198.51.100.78/32", last, 0, true);
    }
    let route = |destination: Prefix, router: &str, link, protocol, table| Route {
        table,
        destination,
        metric: 0,
        kind: RouteKind::Unicast,
        link: Some(link),
        hops: [].into(),
        gateway: router.parse().ok(),
        source: None,
        protocol,
        scope: scope::UNIVERSE,
        onlink: false,
        more: false,
    };
    let everything = Prefix::everything(Family::Ipv4);
    let way_out = route(everything, "10.0.0.1", 2, 16, table::MAIN);
    actual.routes.insert(way_out);
    if has(2) {
        let left = route(everything, "10.0.0.9", last, OWNER.protocol, 17_601);
        actual.routes.insert(left);
    }
    if has(3) {
        let others = route(everything, "10.0.0.9", last, 4, 10_001);
        actual.routes.insert(others);
    }
    for (bit, protocol) in [(4, OWNER.protocol), (5, 4)] {
        let rule = Rule {
            family: Family::Ipv4,
            priority: 17_601,
            from: "198.51.100.77".parse().ok(),
            to: None,
            table: Some(17_601),
            protocol,
            more: false,
        };
        if has(bit) {
            actual.rules.insert(rule);
        }
    }
    actual
}

/// Things of others. Which of a network's addresses came first is the kernel's own affair.
fn foreign(actual: &Actual) -> (Vec<Address>, Vec<&Route>, Vec<&Rule>) {
    let addresses = actual
        .addresses
        .iter()
        .filter(|one| !OWNER.owns_address(one));
    let addresses = addresses.map(|one| Address {
        secondary: false,
        ..one.clone()
    });
    let routes = actual.routes.iter();
    let routes = routes.filter(|one| one.protocol != PROTOCOL_KERNEL && !OWNER.owns_route(one));
    let rules = actual.rules.iter().filter(|one| !OWNER.owns_rule(one));
    (addresses.collect(), routes.collect(), rules.collect())
}
