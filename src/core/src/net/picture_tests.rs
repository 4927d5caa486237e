//! Pictures of networks, small ones and those that are too large to be drawn whole.

use std::collections::BTreeSet;

use super::{List, Mark, Picture, picture, svg};
use crate::net::predict::kernel_routes;
use crate::net::{
    Actual, Address, Desired, Family, Heard, Link, Owner, Prefix, Route, RouteKind, RouteWish,
    Rule, RuleWish, WishedAddress, Wishes, difference, scope, table,
};

const OWNER: Owner = Owner::PILOTLIGHT;

fn mac(number: u32) -> String {
    format!("02:00:00:00:00:{number:02x}")
}

/// A machine with so many interfaces, of which DHCP has set up the first.
fn machine(interfaces: u32) -> Actual {
    let mut actual = Actual::default();
    let loopback = Link {
        name: "lo".into(),
        loopback: true,
        up: true,
        mtu: 65536,
        ..Link::default()
    };
    actual.links.insert(1, loopback);
    for number in 0..interfaces {
        let link = Link {
            name: format!("eth{number}"),
            mac: mac(number).parse().ok(),
            up: true,
            mtu: 1500,
            ..Link::default()
        };
        actual.links.insert(number + 2, link);
    }
    has(&mut actual, 1, "127.0.0.1/8", 0);
    has(&mut actual, 2, "10.0.0.20/24", 0);
    actual.routes.insert(Route {
        gateway: "10.0.0.1".parse().ok(),
        protocol: 16,
        metric: 512,
        ..route("0.0.0.0/0", table::MAIN, 2)
    });
    for (family, priority, table) in [
        (Family::Ipv4, 0, table::LOCAL),
        (Family::Ipv6, 0, table::LOCAL),
        (Family::Ipv4, 32766, table::MAIN),
        (Family::Ipv6, 32766, table::MAIN),
        (Family::Ipv4, 32767, 253),
    ] {
        actual.rules.insert(Rule {
            family,
            priority,
            from: None,
            to: None,
            table: Some(table),
            protocol: 2,
            more: false,
        });
    }
    actual
}

fn has(actual: &mut Actual, link: u32, text: &str, protocol: u8) {
    let address = Address {
        link,
        address: text.parse().unwrap(),
        protocol,
        scope: scope::UNIVERSE,
        permanent: true,
        secondary: false,
    };
    actual.routes.extend(kernel_routes(&address));
    actual.addresses.insert(address);
}

fn route(to: &str, table: u32, link: u32) -> Route {
    Route {
        table,
        destination: to.parse().unwrap(),
        metric: 0,
        kind: match table {
            table::LOCAL => RouteKind::Local,
            _ => RouteKind::Unicast,
        },
        link: Some(link),
        hops: BTreeSet::new(),
        gateway: None,
        source: None,
        protocol: OWNER.protocol,
        scope: scope::UNIVERSE,
        onlink: false,
        more: false,
    }
}

fn wanted(say: impl FnOnce(&mut Wishes)) -> Desired {
    let mut wishes = Wishes::new();
    say(&mut wishes);
    wishes.end(Heard::Whole).0
}

fn drawn(desired: &Desired, actual: &Actual) -> (Picture, String) {
    let picture = picture(actual, &difference(desired, actual, &OWNER), &OWNER);
    let svg = svg(&picture, "The network of this machine, as aws says now");
    assert_valid(&svg);
    (picture, svg)
}

/// Asserts that it is XML of the elements that it is made of, without a script or anything from elsewhere.
fn assert_valid(svg: &str) {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(svg);
    let known = [
        "svg", "title", "defs", "pattern", "marker", "rect", "circle", "path", "text",
    ];
    let mut depth = 0_i32;
    loop {
        match reader.read_event().unwrap() {
            event @ (Event::Start(_) | Event::Empty(_)) => {
                depth += i32::from(matches!(event, Event::Start(_)));
                let (Event::Start(tag) | Event::Empty(tag)) = event else {
                    continue;
                };
                let name = String::from_utf8(tag.name().as_ref().to_vec()).unwrap();
                assert!(known.contains(&name.as_str()), "{name}");
                for attribute in tag.attributes() {
                    let attribute = attribute.unwrap();
                    assert!(!attribute.key.as_ref().starts_with(b"on"), "{attribute:?}");
                    assert!(!attribute.key.as_ref().ends_with(b"href"), "{attribute:?}");
                }
            }
            Event::End(_) => depth -= 1,
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0);
    let allowed =
        |c: char| matches!(c, '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(svg.chars().all(allowed), "{svg}");
}

#[test]
fn what_is_there_what_comes_and_what_goes() {
    let mut actual = machine(1);
    for text in ["203.0.113.7/32", "203.0.113.9/32"] {
        actual.routes.insert(route(text, table::LOCAL, 2));
    }
    let desired = wanted(|wishes| {
        wishes.link(&mac(9), None, "mac").unwrap();
        let mut link = wishes.link(&mac(0), None, "mac").unwrap();
        for text in ["203.0.113.7", "203.0.113.8", "2001:db8:1::/96"] {
            link.local(text, "", "it is forwarded to this machine");
        }
        link.mtu(1460, "", "the platform says so");
    });
    let (picture, svg) = drawn(&desired, &actual);
    insta::assert_debug_snapshot!("one_interface", picture);
    insta::assert_snapshot!("one_interface.svg", svg);
}

#[test]
fn a_machine_with_eight_interfaces() {
    let mut actual = machine(8);
    for number in 1..8_u32 {
        has(&mut actual, number + 2, &format!("10.0.{number}.20/24"), 0);
        let table = 10000 + number;
        // The last one was just attached, and of the first a rule is wanted no more.
        if number == 7 {
            continue;
        }
        for address in 20..22 + number {
            let from: Prefix = format!("10.0.{number}.{address}").parse().unwrap();
            actual.rules.insert(Rule {
                family: Family::Ipv4,
                priority: table,
                from: Some(from),
                to: None,
                table: Some(table),
                protocol: OWNER.protocol,
                more: false,
            });
        }
        actual
            .routes
            .insert(route(&format!("10.0.{number}.0/24"), table, number + 2));
        actual.routes.insert(Route {
            gateway: format!("10.0.{number}.1").parse().ok(),
            ..route("0.0.0.0/0", table, number + 2)
        });
    }
    // Of a container's network.
    actual.rules.insert(Rule {
        family: Family::Ipv4,
        priority: 9,
        from: None,
        to: None,
        table: Some(2004),
        protocol: 3,
        more: true,
    });
    actual.routes.insert(route("198.18.0.0/15", 77, 2));
    actual.routes.insert(Route {
        kind: RouteKind::Other(6),
        link: None,
        protocol: 4,
        ..route("10.96.0.0/12", 2004, 2)
    });
    let desired = wanted(|wishes| {
        let mut first = wishes.link(&mac(0), None, "mac").unwrap();
        for at in 0..250 {
            first.local(
                &format!("203.0.113.{at}"),
                "",
                "it is forwarded to this machine",
            );
        }
        for number in 1..8_u32 {
            let mut link = wishes.link(&mac(number), None, "mac").unwrap();
            let table = 10000 + number;
            let last = if number == 1 { 22 } else { 22 + number };
            for address in 20..last {
                let ip = format!("10.0.{number}.{address}");
                let rule = RuleWish {
                    priority: table,
                    from: ip.parse().ok(),
                    to: None,
                    table,
                };
                link.rule(rule, "", "replies leave by it");
                if address > 20 {
                    let address = WishedAddress {
                        address: &ip,
                        bits: None,
                    };
                    link.address(address, "", "it is a secondary address");
                }
            }
            for (to, gateway) in [
                (format!("10.0.{number}.0/24"), None),
                (
                    "0.0.0.0/0".to_string(),
                    format!("10.0.{number}.1").parse().ok(),
                ),
            ] {
                let wish = RouteWish {
                    table,
                    destination: to.parse().unwrap(),
                    gateway,
                    metric: None,
                    onlink: false,
                };
                link.route(wish, "", "replies leave by it");
            }
        }
    });
    let (picture, svg) = drawn(&desired, &actual);
    let tables: Vec<u32> = picture.tables.iter().map(|table| table.number).collect();
    let own = 10001..10008;
    let expected: Vec<u32> = [255, 2004]
        .into_iter()
        .chain(own)
        .chain([254, 77])
        .collect();
    assert_eq!(tables, expected);
    assert_eq!(
        picture.tables[0].routes.rest().unwrap(),
        "and 240 more: 240 to be added"
    );
    insta::assert_snapshot!("eight_interfaces.svg", svg);
}

#[test]
fn names_are_text_and_nothing_is_drawn_without_end() {
    let mut actual = machine(1);
    actual.links.get_mut(&2).unwrap().name = "<script>&\"\u{7}\u{fffe}]]>".into();
    for index in 100..2100_u32 {
        let link = Link {
            name: format!("veth{index}"),
            kind: Some("veth".into()),
            up: true,
            mtu: u32::MAX,
            master: Some(u32::MAX),
            ..Link::default()
        };
        actual.links.insert(index, link);
        actual.rules.insert(Rule {
            family: Family::Ipv6,
            priority: index,
            from: None,
            to: None,
            table: (index % 2 == 0).then_some(index * 2),
            protocol: 3,
            more: true,
        });
        let mut foreign = route("198.18.0.0/15", index * 2, index);
        foreign.protocol = 3;
        actual.routes.insert(foreign);
    }
    let desired = wanted(|wishes| {
        let mut link = wishes.link(&mac(0), None, "mac").unwrap();
        link.local("203.0.113.7", "", "it is forwarded to this machine");
        for number in 1..100 {
            wishes.link(&mac(number), None, "mac").unwrap();
        }
    });
    let (picture, svg) = drawn(&desired, &actual);
    assert_eq!(picture.interfaces[1].addresses.lines[0].0, Mark::Foreign);
    assert_eq!(
        (picture.interfaces.len(), picture.more_interfaces),
        (12, 1990)
    );
    assert_eq!((picture.groups.len(), picture.more_groups), (24, 1979));
    assert_eq!((picture.tables.len(), picture.more_tables), (16, 1985));
    assert_eq!(
        picture.not_done.rest().unwrap(),
        "and 87 more: 87 to be added"
    );
    // What is to be done is drawn, whatever else there is.
    assert!(svg.contains(">local 203.0.113.7/32 on "));
    assert!(
        !svg.contains("no rule leads here"),
        "those that are not drawn may"
    );
    assert!(svg.len() < 100_000, "{}", svg.len());
    let nothing = drawn(&wanted(|_| {}), &Actual::default());
    assert_eq!(nothing.0, Picture::default());
}

#[test]
fn a_list_shows_first_what_changes() {
    let all = |marks: &[Mark]| -> Vec<(Mark, String)> {
        let lines = marks.iter().enumerate();
        lines.map(|(at, mark)| (*mark, at.to_string())).collect()
    };
    let marks = [
        Mark::Foreign,
        Mark::Ours,
        Mark::Foreign,
        Mark::Missing,
        Mark::Removed,
    ];
    assert_eq!(List::of(all(&marks), 4).lines.len(), 5, "one more has room");
    let list = List::of(all(&marks), 3);
    let shown: Vec<&str> = list.lines.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(shown, ["1", "3", "4"]);
    assert_eq!(list.rest().unwrap(), "and 2 more: 2 of others");
    assert_eq!((list.mark(), list.only_mark()), (Mark::Removed, None));
    assert_eq!(List::default().only_mark(), None);
}
