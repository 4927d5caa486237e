//! Differences, one situation each.

use std::collections::BTreeSet;

use super::desired::Wishes;
use super::predict::kernel_routes;
use super::{
    Actual, Address, Desired, Heard, Link, Owner, Route, RouteKind, RouteWish, Rule, RuleWish,
    WishedAddress, difference, scope, table,
};

const OWNER: Owner = Owner::PILOTLIGHT;
const FIRST: &str = "02:00:00:00:00:01";
const SECOND: &str = "02:00:00:00:00:02";

fn link(name: &str, mac: &str) -> Link {
    Link {
        name: name.into(),
        mac: Some(mac.parse().unwrap()),
        up: true,
        mtu: 1500,
        ..Link::default()
    }
}

/// A machine with two interfaces, of which DHCP has set up the first.
fn machine() -> Actual {
    let mut actual = Actual::default();
    actual.links.insert(2, link("eth0", FIRST));
    actual.links.insert(3, link("eth1", SECOND));
    has(&mut actual, 2, "10.0.0.5/24", 0, false);
    route(&mut actual, "0.0.0.0/0", Some("10.0.0.1"), 2, 16);
    actual
}

/// Adds an address, as the kernel does.
fn has(actual: &mut Actual, link: u32, text: &str, protocol: u8, permanent: bool) {
    let mut address = Address {
        link,
        address: text.parse().unwrap(),
        protocol,
        scope: scope::UNIVERSE,
        permanent,
        secondary: false,
    };
    address.secondary = super::predict::is_secondary(&address, actual);
    actual.routes.extend(kernel_routes(&address));
    actual.addresses.insert(address);
}

/// Adds a route of table main, or local if it has no gateway.
fn route(actual: &mut Actual, to: &str, gateway: Option<&str>, link: u32, protocol: u8) {
    let v6 = to.contains(':');
    actual.routes.insert(Route {
        table: if gateway.is_some() {
            table::MAIN
        } else {
            table::LOCAL
        },
        destination: to.parse().unwrap(),
        metric: if v6 { 1024 } else { 0 },
        kind: if gateway.is_some() {
            RouteKind::Unicast
        } else {
            RouteKind::Local
        },
        link: Some(link),
        hops: BTreeSet::new(),
        gateway: gateway.map(|text| text.parse().unwrap()),
        source: None,
        protocol,
        scope: if gateway.is_some() || v6 {
            scope::UNIVERSE
        } else {
            scope::HOST
        },
        onlink: false,
        more: false,
    });
}

fn rule(actual: &mut Actual, priority: u32, from: &str, into: u32, protocol: u8) {
    let from: super::Prefix = from.parse().unwrap();
    actual.rules.insert(Rule {
        family: from.family(),
        priority,
        from: Some(from),
        to: None,
        table: Some(into),
        protocol,
        more: false,
    });
}

fn to(destination: &str, gateway: &str, table: u32) -> RouteWish {
    RouteWish {
        table,
        destination: destination.parse().unwrap(),
        gateway: gateway.parse().ok(),
        metric: None,
        onlink: false,
    }
}

fn from(address: &str, table: u32) -> RuleWish {
    RuleWish {
        priority: table,
        from: address.parse().ok(),
        to: None,
        table,
    }
}

/// What is wanted, by what a test says of it; both interfaces are named.
fn wanted(heard: Heard, say: impl FnOnce(&mut Wishes)) -> Desired {
    let mut wishes = Wishes::new();
    for mac in [FIRST, SECOND] {
        wishes.link(mac, None, "mac").unwrap();
    }
    say(&mut wishes);
    let (desired, invalid) = wishes.end(heard);
    assert_eq!(invalid, []);
    desired
}

fn locals(mac: &str, texts: &[&str]) -> Desired {
    wanted(Heard::Whole, |wishes| {
        let mut link = wishes.link(mac, None, "mac").unwrap();
        for text in texts {
            link.local(text, "forwardedIps", "it is forwarded to this machine");
        }
    })
}

fn address(text: &str) -> WishedAddress<'_> {
    WishedAddress {
        address: text,
        bits: None,
    }
}

/// Operations and what is not done, as they are told. Done once, nothing is left.
fn told(desired: &Desired, actual: &Actual) -> Vec<String> {
    let found = difference(desired, actual, &OWNER);
    let mut after = actual.clone();
    for op in &found.ops {
        op.predict(&mut after);
    }
    assert_eq!(difference(desired, &after, &OWNER).ops, []);
    let ops = found.ops.iter().map(ToString::to_string);
    ops.chain(found.unmet.iter().map(ToString::to_string))
        .collect()
}

#[test]
fn the_whole_order() {
    let mut actual = machine();
    has(&mut actual, 2, "10.0.0.9/32", OWNER.protocol, true);
    route(&mut actual, "203.0.113.9/32", None, 2, OWNER.protocol);
    route(
        &mut actual,
        "10.9.0.0/16",
        Some("10.0.0.1"),
        2,
        OWNER.protocol,
    );
    rule(&mut actual, 10009, "10.0.0.9", 10009, OWNER.protocol);
    let desired = wanted(Heard::Whole, |wishes| {
        let mut second = wishes.link(SECOND, None, "mac").unwrap();
        second.rule(from("10.0.1.5", 10001), "", "replies leave by it");
        second.route(
            to("0.0.0.0/0", "10.0.1.1", 10001),
            "",
            "it has a way of its own",
        );
        second.route(to("10.0.1.0/24", "", 10001), "", "its subnet");
        second.local("203.0.113.7", "", "it is forwarded to this machine");
        second.address(address("10.0.1.5/24"), "", "it is the interface's address");
        second.mtu(9001, "", "the platform says so");
    });
    assert_eq!(
        told(&desired, &actual),
        [
            "set the MTU of eth1 from 1500 to 9001 bytes: the platform says so",
            "add 10.0.1.5/24 to eth1: it is the interface's address",
            "add local route 203.0.113.7/32 on eth1: it is forwarded to this machine",
            "add route 10.0.1.0/24 on eth1 in table 10001: its subnet",
            "add route default (IPv4) via 10.0.1.1 on eth1 in table 10001: it has a way of its own",
            "add IPv4 rule 10001 from 10.0.1.5/32 lookup 10001: replies leave by it",
            "remove IPv4 rule 10009 from 10.0.0.9/32 lookup 10009: the platform does not name it any more",
            "remove route 10.9.0.0/16 via 10.0.0.1 on eth0: the platform does not name it any more",
            "remove local route 203.0.113.9/32 on eth0: the platform does not name it any more",
            "remove 10.0.0.9/32 from eth0: the platform does not name it any more",
        ]
    );
}

#[test]
fn what_another_hand_made_counts_as_there_and_stays_its() {
    let mut actual = machine();
    route(&mut actual, "203.0.113.7/32", None, 2, 66);
    route(&mut actual, "2001:db8:1::/96", None, 2, 3);
    route(&mut actual, "10.9.0.0/16", Some("10.0.0.1"), 2, 16);
    rule(&mut actual, 10000, "10.0.0.5", 10000, 4);
    let desired = wanted(Heard::Whole, |wishes| {
        let mut first = wishes.link(FIRST, None, "mac").unwrap();
        // DHCP's, whatever its network.
        first.address(address("10.0.0.5"), "", "");
        first.local("10.0.0.5", "", "");
        first.local("203.0.113.7", "", "");
        first.local("2001:db8:1::9/96", "", "");
        first.route(to("10.9.0.9/16", "10.0.0.1", table::MAIN), "", "");
        first.rule(from("10.0.0.5", 10000), "", "");
    });
    assert_eq!(told(&desired, &actual), [""; 0]);
}

#[test]
fn an_answer_that_is_not_whole_removes_nothing() {
    let mut actual = machine();
    has(&mut actual, 2, "10.0.0.9/32", OWNER.protocol, true);
    route(&mut actual, "203.0.113.7/32", None, 2, OWNER.protocol);
    rule(&mut actual, 10009, "10.0.0.9", 10009, OWNER.protocol);
    let none = |heard| wanted(heard, |_| {});
    assert_eq!(told(&none(Heard::Partly), &actual), [""; 0]);
    let (empty, _) = Wishes::new().end(Heard::Whole);
    assert_eq!(told(&empty, &actual), [""; 0]);
    assert_eq!(told(&none(Heard::Whole), &actual).len(), 3);
    // Nor does it move anything.
    let moved = wanted(Heard::Partly, |wishes| {
        let mut link = wishes.link(SECOND, None, "mac").unwrap();
        link.local("203.0.113.7", "", "it is forwarded");
    });
    let told = told(&moved, &actual);
    assert_eq!(
        told,
        [
            "not done: add local route 203.0.113.7/32 on eth1: its place has local route 203.0.113.7/32 on eth0, \
             and the platform was heard in part"
        ]
    );
}

#[test]
fn a_place_that_another_has_is_not_fought_for() {
    let mut actual = machine();
    route(&mut actual, "203.0.113.7/32", None, 3, 4);
    assert_eq!(
        told(&locals(FIRST, &["203.0.113.7"]), &actual),
        [
            "not done: add local route 203.0.113.7/32 on eth0: its place has local route 203.0.113.7/32 on eth1, \
             of protocol 4"
        ]
    );
}

#[test]
fn a_route_of_ours_moves_without_a_gap() {
    for to in ["203.0.113.7/32", "2001:db8:1::/96"] {
        let mut actual = machine();
        route(&mut actual, to, None, 3, OWNER.protocol);
        assert_eq!(
            told(&locals(FIRST, &[to]), &actual),
            [format!(
                "replace local route {to} on eth1 by local route {to} on eth0: it is forwarded to this machine"
            )]
        );
    }
}

#[test]
fn an_address_of_the_router_is_never_this_machine() {
    let actual = machine();
    for text in ["10.0.0.1", "10.0.0.0/29"] {
        let told = told(&locals(FIRST, &[text]), &actual);
        assert!(
            told[0].ends_with("the router 10.0.0.1 could not be reached any more"),
            "{told:?}"
        );
    }
    let desired = wanted(Heard::Whole, |wishes| {
        let mut link = wishes.link(SECOND, None, "mac").unwrap();
        link.address(address("10.0.0.1/24"), "", "");
    });
    assert!(told(&desired, &actual)[0].starts_with("not done"));
}

#[test]
fn links_of_others_are_not_touched() {
    let change = |change: &dyn Fn(&mut Link)| {
        let mut actual = machine();
        route(&mut actual, "203.0.113.9/32", None, 3, OWNER.protocol);
        change(actual.links.get_mut(&3).unwrap());
        told(&locals(SECOND, &["203.0.113.7"]), &actual)
    };
    assert_eq!(change(&|_| {}).len(), 2, "the control");
    for told in [
        change(&|link| {
            link.kind = Some("veth".into());
            link.master = Some(9);
        }),
        change(&|link| link.kind = Some("bridge".into())),
        change(&|link| link.kind = Some("bond".into())),
        change(&|link| link.kind = Some("vlan".into())),
        change(&|link| link.master = Some(9)),
        change(&|link| link.slave = true),
    ] {
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with("not done: the network of 02:00:00:00:00:02: "),
            "{told:?}"
        );
    }
    let mut actual = machine();
    route(&mut actual, "203.0.113.9/32", None, 3, OWNER.protocol);
    let desired = wanted(Heard::Whole, |wishes| {
        wishes.leave_alone(SECOND, "tags");
        let mut link = wishes.link(SECOND, None, "mac").unwrap();
        link.local("203.0.113.7", "", "");
    });
    assert_eq!(
        told(&desired, &actual),
        [
            "not done: the network of 02:00:00:00:00:02: the link 02:00:00:00:00:02 is left to another program"
        ]
    );
}

/// The machine with its second interface in a bond of this kind, which has the interface's address.
fn bonded(kind: &str) -> Actual {
    let mut actual = machine();
    let mut bond = link("bond0", SECOND);
    bond.kind = Some(kind.into());
    actual.links.insert(9, bond);
    for index in [3, 4] {
        let mut member = link(&format!("eth{index}"), SECOND);
        (member.master, member.slave) = (Some(9), true);
        actual.links.insert(index, member);
    }
    actual
}

#[test]
fn a_bond_stands_for_its_members() {
    let desired = locals(SECOND, &["203.0.113.7"]);
    let add = "add local route 203.0.113.7/32 on bond0: it is forwarded to this machine";
    for kind in ["bond", "team"] {
        assert_eq!(told(&desired, &bonded(kind)), [add]);
    }
    // What was added to the interface before is replaced, or removed.
    let mut actual = bonded("bond");
    for text in ["203.0.113.7/32", "203.0.113.9/32"] {
        route(&mut actual, text, None, 3, OWNER.protocol);
    }
    route(&mut actual, "192.0.2.77/32", None, 3, 4);
    assert_eq!(
        told(&desired, &actual),
        [
            "replace local route 203.0.113.7/32 on eth3 by local route 203.0.113.7/32 on bond0: \
             it is forwarded to this machine",
            "remove local route 203.0.113.9/32 on eth3: the platform does not name it any more",
        ]
    );
    assert_eq!(
        told(&desired.only_adding(), &actual).len(),
        1,
        "nothing is done"
    );
}

#[test]
fn what_is_no_bond_of_its_own_does_not_stand_for_anything() {
    let desired = locals(SECOND, &["203.0.113.7"]);
    let change = |change: &dyn Fn(&mut Link)| {
        let mut actual = bonded("bond");
        route(&mut actual, "203.0.113.9/32", None, 3, OWNER.protocol);
        change(actual.links.get_mut(&9).unwrap());
        told(&desired, &actual)
    };
    assert_eq!(change(&|_| {}).len(), 2, "the control");
    let part = "not done: the network of 02:00:00:00:00:02: the link 02:00:00:00:00:02 is a part of another one";
    let of_kind = |kind: &str| change(&|link| link.kind = Some(kind.into()));
    assert_eq!(of_kind("vrf"), [part]);
    // What was added before would take away what is for guests and containers behind it.
    let remove =
        "remove local route 203.0.113.9/32 on eth3: the platform does not name it any more";
    for kind in ["bridge", "openvswitch"] {
        assert_eq!(of_kind(kind), [remove, part], "{kind}");
    }
    assert_eq!(
        change(&|link| link.mac = FIRST.parse().ok())[0],
        part,
        "it has another address"
    );
    assert_eq!(
        change(&|link| link.master = Some(2))[0],
        part,
        "it is a part itself"
    );
    // Of a bond with another address nothing is known, and what was added to its members stays.
    let mut actual = bonded("bond");
    for index in [3, 4, 9] {
        actual.links.get_mut(&index).unwrap().mac = "02:00:00:00:00:09".parse().ok();
    }
    route(&mut actual, "203.0.113.9/32", None, 3, OWNER.protocol);
    assert_eq!(
        told(&desired, &actual),
        ["not done: the network of 02:00:00:00:00:02: there is no link 02:00:00:00:00:02"]
    );
    // A platform that speaks of the bond says all of it itself.
    let desired = wanted(Heard::Whole, |wishes| {
        wishes.link(SECOND, Some("bond"), "mac").unwrap();
        let mut link = wishes.link(SECOND, None, "mac").unwrap();
        link.local("203.0.113.7", "", "");
    });
    assert_eq!(told(&desired, &bonded("bond")), [part]);
}

#[test]
fn where_no_hardware_has_the_address_the_link_that_has_it_is_meant() {
    let mut actual = machine();
    route(&mut actual, "203.0.113.9/32", None, 3, OWNER.protocol);
    actual.links.get_mut(&3).unwrap().kind = Some("veth".into());
    let desired = locals(SECOND, &["203.0.113.7"]);
    let lines = told(&desired, &actual);
    assert!(
        lines[0].starts_with("add local route 203.0.113.7/32 on eth1"),
        "{lines:?}"
    );
    assert!(
        lines[1].starts_with("remove local route 203.0.113.9/32 on eth1")
            || lines[1].starts_with("remove route 203.0.113.9/32 on eth1"),
        "{lines:?}"
    );
    // Hardware comes first, and where it is a part of another one nothing takes its place.
    let mut hardware = link("eth2", SECOND);
    actual.links.insert(4, hardware.clone());
    let lines = told(&desired, &actual);
    assert!(
        lines[0].starts_with("add local route 203.0.113.7/32 on eth2"),
        "{lines:?}"
    );
    hardware.master = Some(9);
    actual.links.insert(4, hardware);
    let lines = told(&desired, &actual);
    assert!(
        lines[0].ends_with("the link 02:00:00:00:00:02 is a part of another one"),
        "{lines:?}"
    );
}

#[test]
fn of_two_links_with_one_address_only_the_synthetic_one_is_meant() {
    let mut actual = machine();
    let twin = link("enP1s1", SECOND);
    actual.links.insert(4, twin);
    let desired = locals(SECOND, &["203.0.113.7"]);
    let told_of = |actual: &Actual| told(&desired, actual);
    assert!(told_of(&actual)[0].ends_with("several links have the address 02:00:00:00:00:02"));
    actual.links.get_mut(&3).unwrap().driver = Some("hv_netvsc".into());
    assert!(told_of(&actual)[0].starts_with("add local route 203.0.113.7/32 on eth1"));
    // Where that is a part of another one, its twin is none the less.
    actual.links.get_mut(&3).unwrap().master = Some(2);
    assert!(
        told_of(&actual)[0].ends_with("the link 02:00:00:00:00:02 is a part of another one"),
        "{:?}",
        told_of(&actual)
    );
}

#[test]
fn a_link_that_is_down_gets_nothing_and_loses_nothing() {
    let mut actual = machine();
    route(&mut actual, "2001:db8:1::/96", None, 3, OWNER.protocol);
    actual.links.get_mut(&3).unwrap().up = false;
    let told = told(
        &locals(SECOND, &["2001:db8:1::/96", "203.0.113.7"]),
        &actual,
    );
    assert_eq!(
        told,
        ["not done: add local route 203.0.113.7/32 on eth1: eth1 is down"]
    );
}

#[test]
fn an_address_that_would_take_anothers_along_stays() {
    let mut actual = machine();
    // Ours came first in its network, and then DHCP's.
    has(&mut actual, 3, "10.0.1.9/24", OWNER.protocol, true);
    has(&mut actual, 3, "10.0.1.5/24", 0, false);
    let none = wanted(Heard::Whole, |_| {});
    assert_eq!(
        told(&none, &actual),
        ["not done: remove 10.0.1.9/24 from eth1: the kernel would remove 10.0.1.5/24 with it"]
    );
    actual.links.get_mut(&3).unwrap().promotes_secondaries = true;
    assert_eq!(told(&none, &actual).len(), 1);
    assert!(told(&none, &actual)[0].starts_with("remove 10.0.1.9/24"));

    // The last one of a link takes its routes along.
    let mut actual = machine();
    has(&mut actual, 3, "10.0.1.9/24", OWNER.protocol, true);
    route(&mut actual, "10.9.0.0/16", Some("10.0.1.1"), 3, 4);
    assert_eq!(
        told(&none, &actual),
        [
            "not done: remove 10.0.1.9/24 from eth1: the kernel would remove route 10.9.0.0/16 via 10.0.1.1 on eth1 \
             with it"
        ]
    );
}

#[test]
fn what_the_kernel_takes_along_and_is_wanted_comes_back() {
    let mut actual = machine();
    has(&mut actual, 3, "10.0.1.9/24", OWNER.protocol, true);
    route(&mut actual, "203.0.113.7/32", None, 3, OWNER.protocol);
    assert_eq!(
        told(&locals(SECOND, &["203.0.113.7", "10.0.1.9"]), &actual),
        [
            "remove 10.0.1.9/24 from eth1: the platform does not name it any more",
            "add local route 10.0.1.9/32 on eth1: it is forwarded to this machine",
            "add local route 203.0.113.7/32 on eth1: it is forwarded to this machine",
        ]
    );
}

#[test]
fn the_last_way_to_the_machine_stays() {
    let mut actual = Actual::default();
    actual.links.insert(2, link("eth0", FIRST));
    has(&mut actual, 2, "10.0.0.5/24", OWNER.protocol, true);
    route(
        &mut actual,
        "0.0.0.0/0",
        Some("10.0.0.1"),
        2,
        OWNER.protocol,
    );
    let told_of = |desired: &Desired| told(desired, &actual);
    let none = told_of(&wanted(Heard::Whole, |_| {}));
    assert_eq!(none.len(), 3, "{none:?}");
    assert!(
        none.iter().all(|line| line.starts_with("not done")),
        "{none:?}"
    );
    // Another address and another router: both are there before the old ones go.
    let moved = wanted(Heard::Whole, |wishes| {
        let mut link = wishes.link(FIRST, None, "mac").unwrap();
        link.address(address("10.0.7.5/24"), "", "new");
        link.route(to("0.0.0.0/0", "10.0.7.1", table::MAIN), "", "new");
    });
    assert_eq!(
        told_of(&moved)[..2],
        [
            "add 10.0.7.5/24 to eth0: new".to_string(),
            "replace route default (IPv4) via 10.0.0.1 on eth0 by route default (IPv4) via 10.0.7.1 on eth0: new"
                .into(),
        ]
    );
}

#[test]
fn a_thousand_routes() {
    let mut actual = machine();
    for at in 0..1000_u32 {
        let protocol = if at % 2 == 0 { OWNER.protocol } else { 4 };
        let [.., a, b] = at.to_be_bytes();
        route(
            &mut actual,
            &format!("198.18.{a}.{b}/32"),
            None,
            2,
            protocol,
        );
    }
    let texts: Vec<String> = (500..1500_u32)
        .map(|at| {
            let [.., a, b] = at.to_be_bytes();
            format!("198.18.{a}.{b}")
        })
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let told = told(&locals(FIRST, &texts), &actual);
    let begin_with = |word: &str| told.iter().filter(|line| line.starts_with(word)).count();
    assert_eq!((begin_with("add"), begin_with("remove")), (500, 250));
}

#[test]
fn operations_are_one_line_and_json() {
    let mut actual = machine();
    actual.links.get_mut(&2).unwrap().name = "e\u{1b}[2J\u{2028}".into();
    let desired = locals(FIRST, &["203.0.113.7"]);
    let found = difference(&desired, &actual, &OWNER);
    let line = found.ops[0].to_string();
    assert!(!line.contains(['\u{1b}', '\u{2028}', '\n']), "{line}");
    let json = serde_json::to_value(&found.ops[0]).unwrap();
    let fields: BTreeSet<&str> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(fields, BTreeSet::from(["op", "link", "reason", "route"]));
    assert_eq!(json["op"], "add-route");
    assert_eq!(json["route"]["destination"], "203.0.113.7/32");
}

#[test]
fn a_route_with_several_next_hops_is_gone_with_any_of_their_links() {
    let none = wanted(Heard::Whole, |_| {});
    for (hops, removed) in [([2, 3], 0), ([2, 4], 1)] {
        let mut actual = machine();
        has(&mut actual, 3, "10.0.1.9/24", OWNER.protocol, true);
        route(&mut actual, "10.9.0.0/16", Some("10.0.1.1"), 3, 4);
        let mut several = actual.routes.iter().find(|one| one.protocol == 4).cloned();
        actual.routes.retain(|one| one.protocol != 4);
        if let Some(several) = &mut several {
            (several.link, several.gateway, several.more) = (None, None, true);
            several.hops = BTreeSet::from(hops);
        }
        actual.routes.extend(several);
        assert_eq!(
            difference(&none, &actual, &OWNER).ops.len(),
            removed,
            "{hops:?}"
        );
    }
}

#[test]
fn a_route_on_a_link_of_others_does_not_move_away_from_it() {
    let mut actual = machine();
    route(&mut actual, "203.0.113.7/32", None, 3, OWNER.protocol);
    let desired = wanted(Heard::Whole, |wishes| {
        wishes.leave_alone(SECOND, "tags");
        let mut link = wishes.link(FIRST, None, "mac").unwrap();
        link.local("203.0.113.7", "", "it is forwarded");
    });
    let told = told(&desired, &actual);
    assert!(
        told.iter().all(|line| line.starts_with("not done")) && told.len() == 2,
        "{told:?}"
    );
}
