//! What the tests of Google's guest agent (`addresses_test.go`, `addresses_route_test.go`) and of amazon-ec2-net-utils
//! (`tests/*.bats`, the parameters of its version 1) ask of them, asked of ours, in other numbers: the same answer, or one
//! that differs for a reason that stands beside it.

use std::collections::BTreeSet;

use pilotlight_core::net::{
    Actual, Desired, Heard, Link, Owner, Route, RouteKind, difference, scope, table,
};
use serde_json::{Value, json};

use crate::aws_network::{self, Interface, Said};
use crate::gcp_network::{self, Switches};

const MAC: &str = "42:01:0a:80:00:0d";

/// An answer of GCE's server.
fn answer(forwarded: &[&str], attributes: [Value; 2]) -> Value {
    let [instance, project] = attributes;
    json!({
        "instance": { "attributes": instance, "networkInterfaces": [{ "mac": MAC, "forwardedIps": forwarded }] },
        "project": { "attributes": project },
    })
}

fn locals(desired: &Desired) -> Vec<String> {
    let all = desired.links().iter().flat_map(|link| link.locals.keys());
    all.map(ToString::to_string).collect()
}

/// A machine with local routes by Google's protocol.
fn machine(there: &[&str]) -> Actual {
    let mut actual = Actual::default();
    let link = Link {
        name: "ens4".into(),
        mac: MAC.parse().ok(),
        up: true,
        mtu: 1460,
        ..Link::default()
    };
    actual.links.insert(2, link);
    for ip in there {
        let v6 = ip.contains(':');
        actual.routes.insert(Route {
            table: table::LOCAL,
            destination: ip.parse().unwrap(),
            metric: if v6 { 1024 } else { 0 },
            kind: RouteKind::Local,
            link: Some(2),
            hops: BTreeSet::new(),
            gateway: None,
            source: None,
            protocol: Owner::GOOGLE.protocol,
            scope: if v6 { scope::UNIVERSE } else { scope::HOST },
            onlink: false,
            more: false,
        });
    }
    actual
}

#[test]
fn googles_agent_compares_routes() {
    // What is there, what is forwarded, what is added, what is removed.
    type Case = (
        &'static [&'static str],
        &'static [&'static str],
        &'static [&'static str],
        &'static [&'static str],
    );
    const SEVEN: &str = "203.0.113.7/32";
    const EIGHT: &str = "203.0.113.8/32";
    let cases: [Case; 9] = [
        (&[], &["203.0.113.7"], &[SEVEN], &[]),
        (&[], &["203.0.113.7", "203.0.113.8"], &[SEVEN, EIGHT], &[]),
        (&[SEVEN], &[], &[], &[SEVEN]),
        (&[SEVEN, EIGHT], &["203.0.113.8"], &[], &[SEVEN]),
        (&[SEVEN], &["203.0.113.7"], &[], &[]),
        (&[SEVEN, EIGHT], &["203.0.113.7", "203.0.113.8"], &[], &[]),
        // An address that looks like a network is an address.
        (&[], &["203.0.113.0"], &["203.0.113.0/32"], &[]),
        // IPv6, which theirs of 2021 does not see when it is there.
        (
            &[],
            &["fd20:b8f:5d95:2000:0:2::"],
            &["fd20:b8f:5d95:2000:0:2::/128"],
            &[],
        ),
        (&["2001:db8:1::/96"], &["2001:db8:1:0:0::/96"], &[], &[]),
    ];
    for (there, forwarded, add, remove) in cases {
        let said = answer(forwarded, [json!({}), json!({})]).to_string();
        let (desired, invalid) = gcp_network::desired(&said, &Switches::default());
        assert_eq!(invalid, []);
        let found = difference(&desired, &machine(there), &Owner::GOOGLE);
        assert!(found.unmet.is_empty(), "{:?}", found.unmet);
        let found: BTreeSet<String> = found.ops.iter().map(ToString::to_string).collect();
        let add = add
            .iter()
            .map(|ip| format!("add local route {ip} on ens4: it is forwarded to this machine"));
        let remove = remove.iter().map(|ip| {
            format!("remove local route {ip} on ens4: the platform does not name it any more")
        });
        assert_eq!(
            found,
            add.chain(remove).collect(),
            "{there:?} {forwarded:?}"
        );
    }
}

#[test]
fn googles_agent_is_disabled_by_the_nearest_that_says_so() {
    // The operator's file, the instance, the project, whether it is disabled.
    for (file, instance, project, disabled) in [
        (None, None, None, false),
        (Some(false), None, None, false),
        (Some(true), None, None, true),
        (Some(true), Some(false), None, true),
        (Some(false), Some(true), None, false),
        (None, Some(false), None, false),
        (None, None, Some(false), false),
        (None, Some(true), None, true),
        (None, Some(false), Some(true), false),
        (None, None, Some(true), true),
    ] {
        let attributes = [instance, project].map(|says: Option<bool>| match says {
            Some(says) => json!({ "disable-address-manager": says.to_string() }),
            None => json!({}),
        });
        let said = answer(&["203.0.113.7"], attributes).to_string();
        let switches = Switches {
            disable_address_manager: file,
            ..Switches::default()
        };
        let (desired, _) = gcp_network::desired(&said, &switches);
        assert_eq!(
            desired.links().is_empty(),
            disabled,
            "{file:?} {instance:?} {project:?}"
        );
    }
}

/// A cluster of Windows machines moves addresses by itself, and theirs, which runs on Windows as well, leaves these out. On
/// Linux there is no such cluster: an address that is forwarded is wanted, whatever these attributes say.
#[test]
fn clusters_of_windows_are_not_for_this_machine() {
    for attributes in [
        json!({ "enable-wsfc": "true" }),
        json!({ "wsfc-addrs": "192.0.2.1" }),
        json!({ "wsfc-addrs": "192.0.2.1", "enable-wsfc": "true" }),
        json!({ "wsfc-addrs": "192.0.2" }),
    ] {
        let said = answer(&["192.0.2.0", "192.0.2.1"], [attributes, json!({})]).to_string();
        let (desired, invalid) = gcp_network::desired(&said, &Switches::default());
        assert_eq!(invalid, []);
        assert_eq!(locals(&desired), ["192.0.2.0/32", "192.0.2.1/32"]);
    }
}

/// Theirs has learned to hand it to `ip` in one piece, which then refuses it; ours refuses it, and removes nothing.
#[test]
fn words_behind_an_address_are_no_address() {
    for text in [
        "203.0.113.7/32 via 10.0.0.1 table 255",
        "203.0.113.7 dev lo",
        "203.0.113.7\ttable 9",
    ] {
        let said = answer(&[text, "203.0.113.8"], [json!({}), json!({})]).to_string();
        let (desired, invalid) = gcp_network::desired(&said, &Switches::default());
        assert_eq!(locals(&desired), ["203.0.113.8/32"], "{text}");
        assert_eq!((invalid.len(), desired.may_remove()), (1, false), "{text}");
    }
}

const PRIMARY: &str = "02:00:00:00:0a:01";
const SECOND: &str = "02:00:00:00:0a:02";

/// What is wanted of a second interface beside a usual first one, in the words of `ip`, and whether all was understood.
fn wanted(second: Interface<'_>, cards: bool) -> (Vec<String>, bool) {
    let said = Said {
        primary: Some(PRIMARY),
        interfaces: vec![
            Interface {
                mac: PRIMARY,
                device_number: Some("0"),
                network_card: cards.then_some("0"),
                subnet_ipv4_cidr_block: Some("10.9.1.0/24"),
                local_ipv4s: Some("10.9.1.5"),
                ..Interface::default()
            },
            second,
        ],
        heard: Heard::Whole,
    };
    let (desired, _) = aws_network::desired(&said, &aws_network::Switches::default());
    let mut lines = Vec::new();
    for link in desired.links() {
        lines.extend(link.addresses.keys().map(|one| format!("address {one}")));
        lines.extend(link.routes.keys().map(|route| {
            let via = route.gateway.map(|router| format!(" via {router}"));
            let via = via.unwrap_or_default();
            format!("route {}{via} table {}", route.destination, route.table)
        }));
        lines.extend(link.rules.keys().map(|rule| {
            let from = rule.from.unwrap();
            format!("rule {} from {from} lookup {}", rule.priority, rule.table)
        }));
    }
    (lines, desired.may_remove())
}

fn second() -> Interface<'static> {
    Interface {
        mac: SECOND,
        device_number: Some("2"),
        subnet_ipv4_cidr_block: Some("10.9.2.0/24"),
        local_ipv4s: Some("10.9.2.5"),
        ..Interface::default()
    }
}

#[test]
fn amazons_scripts_make_tables_and_rules() {
    let routes = [
        "route 0.0.0.0/0 via 10.9.2.1 table",
        "route 10.9.2.0/24 table",
    ];
    let with = |number: u32, more: &[&str]| {
        let routes = routes.map(|route| format!("{route} {number}"));
        let rules = more.iter().map(|one| match one.split_once(' ') {
            Some(_) => (*one).to_string(),
            None => format!("rule {number} from {one} lookup {number}"),
        });
        let mut all: Vec<String> = routes.into_iter().chain(rules).collect();
        all.sort();
        all
    };
    let cases: [(&str, Interface<'_>, bool, Vec<String>); 7] = [
        (
            "one address",
            second(),
            false,
            with(10002, &["10.9.2.5/32"]),
        ),
        (
            "the second device of the second card",
            Interface {
                network_card: Some("1"),
                local_ipv4s: Some("10.9.2.5\n10.9.2.10"),
                ipv4_prefix: Some("10.9.2.64/28"),
                ..second()
            },
            true,
            with(
                10102,
                &[
                    "address 10.9.2.10/32",
                    "10.9.2.5/32",
                    "10.9.2.10/32",
                    "10.9.2.64/28",
                ],
            ),
        ),
        (
            "the first address is the interface's, whatever their order is",
            Interface {
                local_ipv4s: Some("10.9.2.5\n10.9.2.20\n10.9.2.10"),
                ..second()
            },
            false,
            with(
                10002,
                &[
                    "address 10.9.2.10/32",
                    "address 10.9.2.20/32",
                    "10.9.2.5/32",
                    "10.9.2.10/32",
                    "10.9.2.20/32",
                ],
            ),
        ),
        (
            "several delegated prefixes",
            Interface {
                ipv4_prefix: Some("10.9.2.64/28\n10.9.2.80/28"),
                ..second()
            },
            false,
            with(10002, &["10.9.2.5/32", "10.9.2.64/28", "10.9.2.80/28"]),
        ),
        (
            "delegated prefixes of IPv6 that are spelled in two ways",
            Interface {
                subnet_ipv6_cidr_blocks: Some("2001:db8:2:0:0:0:0:0/64"),
                ipv6s: Some("2001:db8:2::20"),
                ipv6_prefix: Some("2001:db8:2:0:1::/80\n2001:db8:2:0:2:0:0:0/80"),
                ipv6_router: "fe80::1".parse().ok(),
                ..second()
            },
            false,
            with(
                10002,
                &[
                    "10.9.2.5/32",
                    "2001:db8:2:0:1::/80",
                    "2001:db8:2:0:2::/80",
                    "2001:db8:2::20/128",
                    "route 2001:db8:2::/64 table 10002",
                    "route ::/0 via fe80::1 table 10002",
                ],
            ),
        ),
        (
            "a machine with cards that does not tell this one's: theirs takes 0 after eight questions, ours waits",
            second(),
            true,
            vec![],
        ),
        (
            "no number yet: theirs waits for six seconds and takes 0, ours waits",
            Interface {
                device_number: Some("0"),
                ..second()
            },
            false,
            vec![],
        ),
    ];
    for (what, second, cards, expected) in cases {
        let (mut lines, whole) = wanted(second, cards);
        lines.sort();
        assert_eq!(lines, expected, "{what}");
        assert_eq!(whole, !expected.is_empty(), "{what}");
    }
}

#[test]
fn amazons_scripts_keep_what_they_have_when_the_service_fails() {
    let (lines, whole) = wanted(
        Interface {
            local_ipv4s: None,
            ..second()
        },
        false,
    );
    assert!(!whole, "nothing may be removed: {lines:?}");
    // An interface that has IPv6 alone has an address of the link in place of IPv4's: neither table nor rule of IPv4.
    let alone = Interface {
        subnet_ipv4_cidr_block: None,
        local_ipv4s: Some("169.254.10.5"),
        subnet_ipv6_cidr_blocks: Some("2001:db8:2::/64"),
        ipv6s: Some("2001:db8:2::20"),
        ipv6_router: "fe80::1".parse().ok(),
        ..second()
    };
    assert_eq!(
        wanted(alone, false).0,
        [
            "route ::/0 via fe80::1 table 10002",
            "route 2001:db8:2::/64 table 10002",
            "rule 10002 from 2001:db8:2::20/128 lookup 10002",
        ]
    );
}
