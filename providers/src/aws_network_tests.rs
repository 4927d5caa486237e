//! What is taken of EC2's answers, what is left out, and when nothing may be removed.

use pilotlight_core::net::{
    Actual, Desired, DesiredLink, Heard, Invalid, Link, Mac, Prefix, Rule, table,
};

use crate::aws_network::{Interface, Said, Switches, desired, has_vpc_cni};

pub(crate) const FIRST: &str = "02:00:00:00:0a:01";
pub(crate) const SECOND: &str = "02:00:00:00:0a:02";
const THIRD: &str = "02:00:00:00:0a:03";

pub(crate) fn primary() -> Interface<'static> {
    Interface {
        mac: FIRST,
        interface_id: Some("eni-0a01"),
        device_number: Some("0"),
        subnet_ipv4_cidr_block: Some("10.0.1.0/24"),
        local_ipv4s: Some("10.0.1.10\n10.0.1.11"),
        ..Interface::default()
    }
}

pub(crate) fn secondary() -> Interface<'static> {
    Interface {
        mac: "02:00:00:00:0a:02/",
        interface_id: Some("eni-0a02"),
        device_number: Some("1"),
        subnet_ipv4_cidr_block: Some("10.0.2.0/24"),
        local_ipv4s: Some("10.0.2.20\n10.0.2.21\n"),
        ipv4_prefix: Some("10.0.2.32/28"),
        subnet_ipv6_cidr_blocks: Some("2001:db8:2:0:0:0:0:0/64"),
        ipv6s: Some("2001:db8:2::20"),
        ipv6_prefix: Some("2001:db8:2:0:1::/80"),
        ipv6_router: "fe80::1".parse().ok(),
        ..Interface::default()
    }
}

pub(crate) fn machine() -> Said<'static> {
    Said {
        primary: Some(FIRST),
        interfaces: vec![primary(), secondary()],
        heard: Heard::Whole,
    }
}

fn on() -> Switches<'static> {
    Switches::default()
}

fn link<'d>(desired: &'d Desired, mac: &str) -> &'d DesiredLink {
    let mac: Mac = mac.parse().unwrap();
    let mut links = desired.links().iter();
    links.find(|link| link.mac == mac).unwrap()
}

/// What is wanted of a link, in the words of `ip`.
fn lines(desired: &Desired, mac: &str) -> Vec<String> {
    let link = link(desired, mac);
    assert!(link.locals.is_empty() && link.mtu.is_none() && link.kind.is_none());
    let addresses = link.addresses.keys().map(|one| format!("address {one}"));
    let routes = link.routes.keys().map(|route| {
        let via = route.gateway.map(|router| format!(" via {router}"));
        let via = via.unwrap_or_default();
        format!("route {}{via} table {}", route.destination, route.table)
    });
    let rules = link.rules.keys().map(|rule| {
        assert_eq!(rule.to, None);
        let from = rule.from.unwrap();
        format!("rule {} from {from} lookup {}", rule.priority, rule.table)
    });
    addresses.chain(routes).chain(rules).collect()
}

fn told(invalid: &[Invalid]) -> Vec<String> {
    invalid.iter().map(Invalid::to_string).collect()
}

#[test]
fn the_primary_interface_gets_its_secondary_addresses_alone() {
    let (desired, invalid) = desired(&machine(), &on());
    assert_eq!(invalid, []);
    assert!(desired.may_remove());
    assert_eq!(lines(&desired, FIRST), ["address 10.0.1.11/32"]);
}

#[test]
fn a_secondary_interface_has_a_table_and_rules() {
    let (desired, _) = desired(&machine(), &on());
    assert_eq!(
        lines(&desired, SECOND),
        [
            "address 10.0.2.21/32",
            "route 0.0.0.0/0 via 10.0.2.1 table 10001",
            "route 10.0.2.0/24 table 10001",
            "route ::/0 via fe80::1 table 10001",
            "route 2001:db8:2::/64 table 10001",
            "rule 10001 from 10.0.2.20/32 lookup 10001",
            "rule 10001 from 10.0.2.21/32 lookup 10001",
            "rule 10001 from 10.0.2.32/28 lookup 10001",
            "rule 10001 from 2001:db8:2::20/128 lookup 10001",
            "rule 10001 from 2001:db8:2:0:1::/80 lookup 10001",
        ]
    );
}

#[test]
fn interfaces_have_the_platforms_names_once_they_are_known() {
    let names = |said: &Said<'_>, mac: &str| -> Vec<String> {
        let (desired, _) = desired(said, &on());
        link(&desired, mac).altnames.keys().cloned().collect()
    };
    assert_eq!(names(&machine(), SECOND), ["device-number-1", "eni-0a02"]);
    let mut said = machine();
    said.interfaces[0].interface_id = Some("eni-0a01\n");
    assert_eq!(names(&said, FIRST), ["device-number-0", "eni-0a01"]);
    // Types of several cards have the card in it, of number 0 as well.
    said.interfaces[0].network_card = Some("0");
    said.interfaces[1].network_card = Some("1");
    assert_eq!(names(&said, FIRST), ["device-number-0.0", "eni-0a01"]);
    assert_eq!(names(&said, SECOND), ["device-number-1.1", "eni-0a02"]);
    // Attached just now.
    said.interfaces[1].network_card = None;
    assert_eq!(names(&said, SECOND), ["eni-0a02"]);
    said = machine();
    said.interfaces[1].device_number = Some("0");
    assert_eq!(names(&said, SECOND), ["eni-0a02"]);
    said.interfaces[1].interface_id = Some("eni 1; reboot");
    let (found, invalid) = desired(&said, &on());
    assert!(link(&found, SECOND).altnames.is_empty());
    assert!(
        invalid
            .iter()
            .any(|one| one.place.ends_with("/interface-id")),
        "{invalid:?}"
    );
}

#[test]
fn each_part_has_its_switch() {
    let off = Switches {
        altnames: false,
        ..on()
    };
    let (named, _) = desired(&machine(), &off);
    assert!(link(&named, SECOND).altnames.is_empty());
    let of = |secondary_addresses, policy_routing| {
        let switches = Switches {
            secondary_addresses,
            policy_routing,
            ..on()
        };
        let (desired, invalid) = desired(&machine(), &switches);
        assert_eq!(invalid, []);
        assert!(desired.may_remove());
        [FIRST, SECOND].map(|mac| lines(&desired, mac).len())
    };
    assert_eq!(of(true, true), [1, 10]);
    assert_eq!(of(true, false), [1, 1]);
    assert_eq!(of(false, true), [0, 9]);
    assert_eq!(of(false, false), [0, 0]);
}

#[test]
fn the_number_is_that_of_the_device_and_its_card() {
    for (device, card, number) in [
        ("1", None, Some(10001)),
        ("1", Some("0"), Some(10001)),
        ("14", Some("3"), Some(10314)),
        (" 2\n", None, Some(10002)),
        ("99", Some("99"), Some(19999)),
        ("0", None, None),
        ("0", Some("1"), None),
        ("", None, None),
        ("100", None, None),
        ("+1", None, None),
        ("1", Some("100"), None),
        ("1", Some(""), None),
        ("4294967297", None, None),
    ] {
        let mut said = machine();
        said.interfaces[0].network_card = card.and(Some("0"));
        said.interfaces[1].device_number = Some(device);
        said.interfaces[1].network_card = card;
        let (desired, invalid) = desired(&said, &on());
        let tables = link(&desired, SECOND).routes.keys();
        let table = tables.map(|route| route.table).next();
        assert_eq!(table, number, "{device:?} {card:?}");
        assert_eq!(desired.may_remove(), number.is_some(), "{invalid:?}");
        // Its addresses do not wait for it.
        assert_eq!(link(&desired, SECOND).addresses.len(), 1);
    }
}

#[test]
fn a_number_that_has_not_come_is_waited_for() {
    let mut said = machine();
    said.interfaces[1].device_number = None;
    assert!(!desired(&said, &on()).0.may_remove());

    // One interface has its card: so the other one will have one.
    let mut said = machine();
    said.interfaces[0].network_card = Some("0");
    let (found, invalid) = desired(&said, &on());
    assert!(link(&found, SECOND).rules.is_empty() && !found.may_remove());
    assert_eq!(
        told(&invalid),
        [
            "network/interfaces/macs/02:00:00:00:0a:02/network-card: \"\" is left out: it is no number of a network \
             card"
        ]
    );

    // Two with one number: neither is believed, whichever comes first.
    let mut said = machine();
    said.interfaces.push(Interface {
        mac: THIRD,
        ..secondary()
    });
    let (found, invalid) = desired(&said, &on());
    said.interfaces.reverse();
    assert_eq!(desired(&said, &on()).0, found);
    assert!(link(&found, SECOND).rules.is_empty() && link(&found, THIRD).rules.is_empty());
    assert_eq!((invalid.len(), found.may_remove()), (2, false));
}

#[test]
fn what_is_not_whole_removes_nothing() {
    type Change = fn(&mut Said<'static>);
    let changes: [(&str, Change); 22] = [
        ("a key failed", |said| said.heard = Heard::Partly),
        ("no interface", |said| said.interfaces.clear()),
        ("no primary", |said| said.primary = None),
        ("no address", |said| said.primary = Some("")),
        ("another one", |said| said.primary = Some(THIRD)),
        ("without it", |said| {
            said.interfaces.remove(0);
        }),
        ("a bad mac", |said| said.interfaces[1].mac = "02:00"),
        ("twice", |said| said.interfaces[1].mac = FIRST),
        ("no IPv4", |said| said.interfaces[0].local_ipv4s = None),
        ("empty", |said| said.interfaces[1].local_ipv4s = Some("\n")),
        ("bad", |said| {
            said.interfaces[1].local_ipv4s = Some("10.0.2.20\nx");
        }),
        ("a network", |said| {
            said.interfaces[1].local_ipv4s = Some("10.0.2.20/30");
        }),
        ("IPv6", |said| said.interfaces[1].local_ipv4s = Some("::1")),
        ("outside", |said| {
            said.interfaces[1].local_ipv4s = Some("10.0.3.20");
        }),
        ("no subnet", |said| {
            said.interfaces[1].subnet_ipv4_cidr_block = None;
        }),
        ("all", |said| {
            said.interfaces[1].subnet_ipv4_cidr_block = Some("0.0.0.0/0");
        }),
        ("too small", |said| {
            said.interfaces[1].subnet_ipv4_cidr_block = Some("10.0.2.20/32");
        }),
        ("a prefix of everything", |said| {
            said.interfaces[1].ipv4_prefix = Some("0.0.0.0/0");
        }),
        ("no router", |said| said.interfaces[1].ipv6_router = None),
        ("a router of others", |said| {
            said.interfaces[1].ipv6_router = "ff02::2".parse().ok();
        }),
        ("a subnet of nobody", |said| {
            said.interfaces[1].subnet_ipv4_cidr_block = Some("224.0.0.0/24");
            said.interfaces[1].local_ipv4s = Some("224.0.0.20");
        }),
        ("no IPv6 subnet", |said| {
            said.interfaces[1].subnet_ipv6_cidr_blocks = None;
        }),
    ];
    for (name, change) in changes {
        let mut said = machine();
        change(&mut said);
        let (found, invalid) = desired(&said, &on());
        assert!(!found.may_remove(), "{name}");
        assert!(name == "a key failed" || !invalid.is_empty(), "{name}");
        for one in found.links() {
            for rule in one.rules.keys() {
                let from = rule.from.unwrap();
                let default = Prefix::everything(from.family());
                let mut routes = one.routes.keys();
                assert!(routes.any(|route| route.destination == default), "{name}");
                assert!(from.bits() >= 28, "{name}");
            }
        }
    }
}

#[test]
fn secondary_addresses_can_go_to_none() {
    let mut said = machine();
    said.interfaces[0].local_ipv4s = Some("10.0.1.10");
    let (found, invalid) = desired(&said, &on());
    assert_eq!(invalid, []);
    assert!(found.may_remove() && lines(&found, FIRST).is_empty());
}

#[test]
fn an_interface_may_have_ipv6_alone() {
    let mut said = machine();
    said.interfaces[1] = Interface {
        subnet_ipv4_cidr_block: None,
        local_ipv4s: Some("169.254.10.20"),
        ipv4_prefix: None,
        ..secondary()
    };
    let (found, invalid) = desired(&said, &on());
    assert_eq!(invalid, []);
    let lines = lines(&found, SECOND);
    assert!(lines.len() == 4 && found.may_remove(), "{lines:?}");
    assert!(lines.iter().all(|line| line.contains("::")), "{lines:?}");
}

#[test]
fn interfaces_of_another_program_are_left_alone() {
    for name in ["eni-0a02", SECOND, "02-00-00-00-0A-02"] {
        let switches = Switches {
            left_alone: &[name],
            ..on()
        };
        let (found, invalid) = desired(&machine(), &switches);
        assert_eq!(invalid, []);
        assert!(found.leaves_alone(SECOND.parse().unwrap()));
        assert!(!found.leaves_alone(FIRST.parse().unwrap()));
        assert_eq!((found.links().len(), found.may_remove()), (1, true));
        // What is not there yet of such an interface is not waited for.
        let mut said = machine();
        (said.interfaces[1].device_number, said.interfaces[1].ipv6s) = (None, Some("x"));
        assert_eq!(desired(&said, &switches).1, []);
    }
}

#[test]
fn the_network_plugin_of_eks_leaves_traces() {
    let named = |name: &str, kind: Option<&str>| {
        let mut actual = Actual::default();
        let link = Link {
            name: name.into(),
            kind: kind.map(str::to_string),
            ..Link::default()
        };
        actual.links.insert(2, link);
        let found = has_vpc_cni(&actual);
        let switches = on().yielding_to_vpc_cni(&actual);
        assert_eq!(switches.policy_routing, !found);
        assert_eq!(switches.secondary_addresses, !found);
        found
    };
    assert!(named("eni0123456789a", Some("veth")));
    let nothing = on().yielding_to_vpc_cni(&Actual::default());
    assert_eq!(nothing, on());
    for (name, kind) in [
        ("eni0123456789a", None),
        ("eni0", Some("veth")),
        ("eth0", Some("veth")),
        ("enixxxxxxxxxxx", Some("veth")),
    ] {
        assert!(!named(name, kind), "{name} {kind:?}");
    }
    let ruled = |priority, more, table| {
        let mut actual = Actual::default();
        actual.rules.insert(Rule {
            family: pilotlight_core::net::Family::Ipv4,
            priority,
            from: None,
            to: None,
            table: Some(table),
            protocol: 0,
            more,
        });
        has_vpc_cni(&actual)
    };
    assert!(ruled(1024, true, table::MAIN));
    assert!(!ruled(1024, false, table::MAIN));
    assert!(!ruled(1025, true, table::MAIN) && !ruled(1024, true, 2));
}

#[test]
fn there_are_bounds() {
    let numbers: Vec<String> = (1..71).map(|at| at.to_string()).collect();
    let macs: Vec<String> = (0..70)
        .map(|at| format!("02:00:00:00:0b:{at:02x}"))
        .collect();
    let mut said = machine();
    said.interfaces.truncate(1);
    let others = macs.iter().zip(&numbers);
    said.interfaces
        .extend(others.map(|(mac, number)| Interface {
            mac,
            device_number: Some(number),
            ..secondary()
        }));
    let (found, _) = desired(&said, &on());
    assert_eq!((found.links().len(), found.may_remove()), (64, false));

    let lines: Vec<String> = (0..1100_u32)
        .map(|at| {
            let [.., a, b] = at.to_be_bytes();
            format!("10.0.{a}.{b}")
        })
        .collect();
    let text = lines.join("\n");
    let mut said = machine();
    said.interfaces[1].subnet_ipv4_cidr_block = Some("10.0.0.0/16");
    said.interfaces[1].local_ipv4s = Some(&text);
    let (found, invalid) = desired(&said, &on());
    assert_eq!(link(&found, SECOND).addresses.len(), 1023);
    assert!(!found.may_remove() && invalid.iter().all(|one| one.text.len() <= 64));
}
