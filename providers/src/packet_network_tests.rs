//! What is taken of Equinix Metal's answers, what is left out, and when nothing may be removed.

use pilotlight_core::net::{Actual, Change, Desired, Invalid, Link, NetOp, Owner, difference};
use serde_json::{Value, json};

use crate::network_rows::{check, lines};
use crate::packet_network::{Switches, desired};

pub(crate) const FIRST: &str = "0c:42:a1:00:00:01";
const SECOND: &str = "0c:42:a1:00:00:02";

pub(crate) fn machine() -> Value {
    json!({
        "id": "u-1",
        "network": {
            "bonding": { "mode": 4 },
            "interfaces": [
                { "name": "eth0", "mac": FIRST, "bond": "bond0" },
                { "name": "eth1", "mac": SECOND, "bond": "bond0" },
            ],
            "addresses": [
                { "address_family": 4, "public": true, "management": true, "enabled": true,
                  "address": "198.51.100.3", "netmask": "255.255.255.254", "cidr": 31, "gateway": "198.51.100.2" },
                { "address_family": 6, "public": true, "management": true, "enabled": true,
                  "address": "2001:db8:5::3", "cidr": 127, "gateway": "2001:db8:5::2" },
                { "address_family": 4, "public": false, "management": true, "enabled": true,
                  "address": "10.70.1.3", "netmask": "255.255.255.254", "cidr": 31, "gateway": "10.70.1.2" },
                { "address_family": 4, "public": true, "management": false, "enabled": true,
                  "address": "203.0.113.40", "netmask": "255.255.255.255", "cidr": 32, "gateway": "203.0.113.40" },
            ],
        },
        "bgp_neighbors": [
            { "address_family": 4, "customer_ip": "10.70.1.3", "multihop": true,
              "peer_ips": ["169.254.255.1", "169.254.255.2"], "routes_in": [] },
            { "address_family": 6, "customer_ip": "2001:db8:5::3", "multihop": true, "peer_ips": ["fc00::e"] },
        ],
    })
}

fn of(all: &Value) -> (Desired, Vec<Invalid>) {
    desired(&all.to_string(), &Switches::default())
}

const ELASTIC: &str = "0c:42:a1:00:00:01 bond 203.0.113.40/32";
const PRIVATE: &str = "0c:42:a1:00:00:01 bond 10.0.0.0/8 via 10.70.1.2";
const PEERS: [&str; 3] = [
    "0c:42:a1:00:00:01 bond 169.254.255.1/32 via 10.70.1.2",
    "0c:42:a1:00:00:01 bond 169.254.255.2/32 via 10.70.1.2",
    "0c:42:a1:00:00:01 bond fc00::e/128 via 2001:db8:5::2",
];

#[test]
fn answers_and_what_becomes_of_them() {
    let with = |place: &str, value: Value| {
        let mut all = machine();
        *all.pointer_mut(place).unwrap() = value;
        all
    };
    let quiet = |place: &str, value: Value| {
        let mut all = with(place, value);
        all["bgp_neighbors"] = json!([]);
        all
    };
    let elastic = |entry: Value| quiet("/network/addresses/3", entry);
    let no_neighbours = quiet("/id", json!("u-2"));
    let neighbour = |entry: Value| with("/bgp_neighbors", json!([entry]));
    let all_of_it: Vec<&str> = [ELASTIC, PRIVATE].into_iter().chain(PEERS).collect();
    let bare = [
        "0c:42:a1:00:00:01 203.0.113.40/32",
        "0c:42:a1:00:00:01 10.0.0.0/8 via 10.70.1.2",
    ];
    let table: [(&str, Value, &[&str], &[&str]); 20] = [
        ("all of it", machine(), &all_of_it, &[]),
        ("no neighbours", no_neighbours, &[ELASTIC, PRIVATE], &[]),
        (
            "no such key",
            with("/bgp_neighbors", Value::Null),
            &[ELASTIC, PRIVATE],
            &[],
        ),
        (
            "a neighbour on the link",
            neighbour(json!({ "multihop": false, "peer_ips": ["10.70.1.2"] })),
            &[ELASTIC, PRIVATE],
            &[],
        ),
        (
            "a neighbour of which nothing is said",
            neighbour(json!({ "peer_ips": ["10.70.1.2"] })),
            &[ELASTIC, PRIVATE],
            &[],
        ),
        (
            "a neighbour without addresses",
            neighbour(json!({ "multihop": true })),
            &[ELASTIC, PRIVATE],
            &["bgp_neighbors/0: it has no \"peer_ips\""],
        ),
        (
            "an elastic address of IPv6",
            elastic(
                json!({ "address": "2001:db8:9::1", "cidr": 64, "public": true, "management": false }),
            ),
            &["0c:42:a1:00:00:01 bond 2001:db8:9::1/128", PRIVATE],
            &[],
        ),
        (
            "an elastic address that is private",
            elastic(
                json!({ "address": "10.99.0.4", "cidr": 32, "public": false, "management": false }),
            ),
            &["0c:42:a1:00:00:01 bond 10.99.0.4/32", PRIVATE],
            &[],
        ),
        (
            "one that is not in use",
            elastic(json!({ "address": "203.0.113.41", "management": false,
            "enabled": false })),
            &[PRIVATE],
            &[],
        ),
        (
            "one that is no address",
            elastic(json!({ "address": "203.0.113", "management": false })),
            &[PRIVATE],
            &["network/addresses/3/address: it is neither IPv4 nor IPv6"],
        ),
        (
            "one that is every machine's",
            elastic(json!({ "address": "127.0.0.1", "management": false })),
            &[PRIVATE],
            &["network/addresses/3: it is every machine's own"],
        ),
        (
            "a boolean that is none",
            elastic(json!({ "address": "203.0.113.41", "management": 0 })),
            &[PRIVATE],
            &["network/addresses/3/management: it is no boolean"],
        ),
        (
            "no private router",
            quiet("/network/addresses/2/gateway", Value::Null),
            &[ELASTIC],
            &[],
        ),
        (
            "a router beyond the network",
            quiet("/network/addresses/2/gateway", json!("10.70.9.1")),
            &[
                ELASTIC,
                "0c:42:a1:00:00:01 bond 10.0.0.0/8 via 10.70.9.1 onlink",
            ],
            &[],
        ),
        (
            "a router of the other family",
            quiet("/network/addresses/2/gateway", json!("::1")),
            &[ELASTIC],
            &["network/addresses/2: it is no router of this address"],
        ),
        (
            "no bond",
            quiet(
                "/network/interfaces",
                json!([{ "mac": FIRST }, { "mac": SECOND }]),
            ),
            &bare,
            &[],
        ),
        (
            "a port outside of the bond",
            quiet(
                "/network/interfaces",
                json!([
            { "mac": SECOND }, { "mac": FIRST, "bond": "bond0" }]),
            ),
            &[ELASTIC, PRIVATE],
            &[],
        ),
        (
            "no interface",
            quiet("/network/interfaces", json!([])),
            &[],
            &["network/interfaces: the machine has no interface"],
        ),
        (
            "no management",
            quiet("/network/addresses", json!([])),
            &[],
            &["network/addresses: the machine has no address to be managed by"],
        ),
        (
            "no network",
            json!({ "id": "u-1" }),
            &[],
            &["metadata: it has no \"network\""],
        ),
    ];
    for (what, all, wanted, left_out) in table {
        check(what, &of(&all), wanted, left_out);
    }
}

#[test]
fn each_switch_has_its_part() {
    let none = Switches {
        elastic_addresses: false,
        private_route: false,
        bgp_routes: false,
    };
    let text = machine().to_string();
    for (switches, wanted) in [
        (
            Switches {
                elastic_addresses: true,
                ..none
            },
            &[ELASTIC][..],
        ),
        (
            Switches {
                private_route: true,
                ..none
            },
            &[PRIVATE],
        ),
        (
            Switches {
                bgp_routes: true,
                ..none
            },
            &PEERS,
        ),
        (none, &[]),
    ] {
        let (desired, invalid) = desired(&text, &switches);
        assert_eq!(
            (lines(&desired), invalid),
            (wanted.iter().map(|line| (*line).into()).collect(), vec![])
        );
        assert!(desired.may_remove());
    }
}

/// What the units of the first boot have given is neither doubled nor taken over.
#[test]
fn what_the_units_give_is_there() {
    let mut actual = Actual::default();
    let bond = Link {
        name: "bond0".into(),
        mac: FIRST.parse().ok(),
        kind: Some("bond".into()),
        up: true,
        ..Link::default()
    };
    actual.links.insert(5, bond);
    let port = Link {
        name: "eth0".into(),
        mac: FIRST.parse().ok(),
        master: Some(5),
        slave: true,
        up: true,
        ..Link::default()
    };
    actual.links.insert(2, port);
    let (wanted, _) = of(&machine());
    // As networkd would have done it: protocol static, and no number on addresses.
    let first = difference(&wanted, &actual, &Owner::PILOTLIGHT);
    assert!(first.unmet.is_empty() && first.ops.len() == 5, "{first:?}");
    for op in first.ops {
        let change = match op.change {
            Change::AddAddress { mut address, link } => {
                address.protocol = 0;
                Change::AddAddress { address, link }
            }
            Change::AddRoute { mut route, link } => {
                route.protocol = 4;
                Change::AddRoute { route, link }
            }
            other => panic!("{other}"),
        };
        NetOp { change, reason: "" }.predict(&mut actual);
    }
    let again = difference(&wanted, &actual, &Owner::PILOTLIGHT);
    assert_eq!(again, difference(&wanted, &actual, &Owner::GOOGLE));
    assert!(again.ops.is_empty() && again.unmet.is_empty(), "{again:?}");
}
