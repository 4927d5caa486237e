use serde_json::{Value, json};

use super::*;
use crate::Platform;
use crate::transcript::{Transcript, now};

/// What the units are of metadata with this network, having come over the wire.
fn units(network: &Value) -> Vec<(String, String)> {
    let body = json!({ "id": "u-1", "network": network });
    let mut host = Transcript::of(&format!(
        "> GET https://metadata.packet.net/metadata\n< 200\n{body}"
    ));
    host.files = vec![
        (
            "/run/systemd/netif/state",
            "# private\nOPER_STATE=routable\nDNS=192.0.2.53 2001:db8:53::53\nDOMAINS=x.example\n",
        ),
        ("/etc/resolv.conf", "nameserver 192.0.2.99\n"),
    ];
    networkd_units(&now(Platform::Packet.metadata(&host)).unwrap().unwrap())
}

/// Compares with `testdata/networkd-NAME.txt`, or writes it where `UPDATE_GOLDENS` is set.
fn golden(name: &str, network: &Value) {
    let path = format!(
        "{}/testdata/networkd-{name}.txt",
        env!("CARGO_MANIFEST_DIR")
    );
    let mut text = String::new();
    for (name, content) in units(network) {
        text.push_str(&format!("=== {name}\n{content}"));
    }
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "{path}");
}

fn port(name: &str, last: u8, bond: Option<&str>) -> Value {
    json!({ "name": name, "mac": format!("0c:42:a1:00:00:{last:02x}"), "bond": bond })
}

fn address(address: &str, cidr: u8, public: bool, gateway: &str) -> Value {
    json!({
        "address_family": if address.contains(':') { 6 } else { 4 }, "public": public, "management": true,
        "enabled": true, "address": address, "cidr": cidr, "gateway": gateway,
    })
}

fn usual_addresses() -> Value {
    json!([
        address("198.51.100.3", 31, true, "198.51.100.2"),
        address("2001:db8:5::3", 127, true, "2001:db8:5::2"),
        address("10.70.1.3", 31, false, "10.70.1.2"),
    ])
}

#[test]
fn two_ports_are_a_bond_with_all_addresses() {
    golden(
        "bond",
        &json!({
            "bonding": { "mode": 4, "link_aggregation": "bonded", "mac": "0c:42:a1:00:00:01" },
            "interfaces": [port("eth0", 1, Some("bond0")), port("eth1", 2, Some("bond0"))],
            "addresses": usual_addresses(),
        }),
    );
}

/// And a port that belongs to none.
#[test]
fn several_bonds() {
    golden(
        "several-bonds",
        &json!({
            "bonding": { "mode": "1" },
            "interfaces": [
                port("eth0", 1, Some("bond0")), port("eth1", 2, Some("bond1")), port("eth2", 3, Some("bond0")),
                port("eth3", 4, Some("bond1")), port("eth4", 5, None),
            ],
            "addresses": usual_addresses(),
        }),
    );
}

#[test]
fn a_single_port_without_a_bond() {
    golden(
        "single",
        &json!({
            "interfaces": [port("eth0", 1, None), port("eth1", 2, None)],
            "addresses": usual_addresses(),
        }),
    );
}

#[test]
fn version_6_only() {
    golden(
        "ipv6",
        &json!({
            "bonding": { "mode": 5 },
            "interfaces": [port("eth0", 1, Some("bond0"))],
            "addresses": [address("2001:db8:5::3", 64, true, "fe80::1")],
        }),
    );
}

/// Elastic addresses and a second network, an address that is not enabled.
#[test]
fn addresses_beside_the_first_ones() {
    let mut elastic = address("203.0.113.7", 29, true, "203.0.113.1");
    elastic["management"] = json!(false);
    let mut elastic_v6 = address("2001:db8:7::7", 64, true, "2001:db8:7::1");
    elastic_v6["management"] = json!(false);
    let mut off = address("198.51.100.99", 31, true, "198.51.100.98");
    off["enabled"] = json!(false);
    golden(
        "elastic",
        &json!({
            "bonding": { "mode": 4 },
            "interfaces": [port("eth0", 1, Some("bond0")), port("eth1", 2, Some("bond0"))],
            "addresses": [
                elastic, elastic_v6, off, address("198.51.100.3", 31, true, "198.51.100.2"),
                address("198.51.100.9", 31, true, "198.51.100.8"), address("10.70.1.3", 31, false, "10.70.1.2"),
            ],
        }),
    );
}

#[test]
fn layer_2_is_bonds_without_addresses() {
    golden(
        "layer-2",
        &json!({
            "bonding": { "mode": 4 },
            "interfaces": [port("eth0", 1, Some("bond0")), port("eth1", 2, Some("bond0"))],
            "addresses": [],
        }),
    );
}

#[test]
fn where_nothing_is_said_there_is_no_unit() {
    let interfaces = json!([port("eth0", 1, None), port("eth1", 2, None)]);
    for network in [
        json!(null),
        json!({}),
        json!({ "interfaces": interfaces, "addresses": [] }),
        json!({ "interfaces": [], "addresses": usual_addresses() }),
        json!({ "interfaces": [{ "mac": "none", "bond": "bond0" }], "addresses": usual_addresses() }),
    ] {
        assert_eq!(units(&network), [], "{network}");
    }
}

/// Texts that want to be a line, a section, a path, a pattern or a specifier, and addresses that no machine has.
#[test]
fn hostile_values_are_left_out() {
    let evil = "bond0\n[Match]\nName=*";
    golden(
        "hostile",
        &json!({
            "bonding": { "mode": 99 },
            "interfaces": [
                { "name": evil, "mac": "0c:42:a1:00:00:01\nName=*", "bond": "bond0" },
                { "name": "../../x", "mac": "01:00:5e:00:00:01", "bond": "bond0" },
                { "name": "zeros", "mac": "00:00:00:00:00:00", "bond": "bond0" },
                { "name": evil, "mac": "0c:42:a1:00:00:02", "bond": evil },
                { "name": "../../x", "mac": "0c:42:a1:00:00:03", "bond": "../../etc/x" },
                { "name": "%H", "mac": "0c:42:a1:00:00:04", "bond": "%H" },
                { "name": "*", "mac": "0c:42:a1:00:00:05", "bond": "*" },
                { "name": "lo", "mac": "0c:42:a1:00:00:06", "bond": "lo" },
                { "name": "long", "mac": "0c:42:a1:00:00:07", "bond": "a-name-of-16-byt" },
                { "name": "good", "mac": "0C-42-A1-00-00-08", "bond": "b-0" },
                { "name": "twice", "mac": "0c:42:a1:00:00:08", "bond": "b-1" },
            ],
            "addresses": [
                address("198.51.100.3\nGateway=198.51.100.9", 31, true, "198.51.100.2"),
                address("0.0.0.0", 0, true, "198.51.100.2"),
                address("255.255.255.255", 32, true, "198.51.100.2"),
                address("224.0.0.1", 31, true, "198.51.100.2"),
                address("127.0.0.2", 31, true, "198.51.100.2"),
                address("::1", 127, true, "2001:db8::1"),
                address("fe80::2%1", 64, true, "fe80::1"),
                address("198.51.100.4", 0, true, "198.51.100.4"),
                address("198.51.100.5", 99, true, "2001:db8::1"),
                address("198.51.100.6", 31, true, "0.0.0.0"),
                address("198.51.100.7", 31, true, "198.51.100.6\nDestination=::/0"),
                address("10.70.1.3", 31, false, "192.0.2.1"),
                address("2001:db8:5::3", 0, true, "ff02::1"),
            ],
        }),
    );
}

/// Metadata need not have come through a parser: they are kept in a file between the stages.
#[test]
fn names_are_looked_at_again() {
    let said: Metadata = serde_json::from_value(json!({
        "bond_mode": 200,
        "interfaces": [
            { "mac": "0c:42:a1:00:00:01", "bond": "../x\nName=*" },
            { "mac": "Name=*\n", "bond": "bond0", "addresses": [{ "address": "192.0.2.1", "prefix": 200 }] },
            { "mac": "0c:42:a1:00:00:02", "bond": "bond0" },
        ],
    }))
    .unwrap();
    let units = networkd_units(&said);
    let names: Vec<&str> = units.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "70-pilotlight-bond0.netdev",
            "70-pilotlight-bond0.network",
            "70-pilotlight-ports0.network",
            "70-pilotlight-others.network"
        ]
    );
    let all: String = units.iter().map(|(_, text)| text.as_str()).collect();
    assert!(!all.contains('*') && !all.contains(".."), "{all}");
    assert!(all.contains("Mode=802.3ad\n") && all.contains("Address=192.0.2.1/32\n"));
}

#[test]
fn prefixes_cover_what_they_say() {
    let known = |address: &str, prefix: u8| Address {
        address: address.parse().unwrap(),
        prefix: Some(prefix),
        public: true,
        gateway: None,
    };
    for (address, prefix, other, expected) in [
        ("198.51.100.3", 31, "198.51.100.2", true),
        ("198.51.100.3", 31, "198.51.100.4", false),
        ("198.51.100.3", 32, "198.51.100.2", false),
        ("198.51.100.3", 1, "130.0.0.1", true),
        ("198.51.100.3", 1, "10.0.0.1", false),
        ("2001:db8::3", 127, "2001:db8::2", true),
        ("2001:db8::3", 128, "2001:db8::2", false),
        ("2001:db8::3", 1, "::1", true),
        ("2001:db8::3", 64, "fe80::1", false),
        ("198.51.100.3", 24, "::1", false),
    ] {
        let covered = covers(&known(address, prefix), other.parse().unwrap());
        assert_eq!(covered, expected, "{address}/{prefix} {other}");
    }
}
