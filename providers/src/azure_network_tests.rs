//! What is taken of Azure's answers, what is left out, and when nothing may be removed.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use pilotlight_core::net::{Desired, Invalid, Mac};
use serde_json::{Value, json};

use crate::azure_network::{Said, Switches, desired};
use crate::network_rows::{check, lines};

pub(crate) const FIRST: &str = "00:22:48:00:00:01";
pub(crate) const SECOND: &str = "00:22:48:00:00:02";
pub(crate) const ROUTER: &str = "fe80::1";

/// An interface of a subnet, with these addresses of IPv4.
pub(crate) fn nic(mac: &str, subnet: &str, bits: Value, ips: &[&str]) -> Value {
    let ips = ips.iter();
    let ips: Vec<Value> = ips
        .map(|ip| json!({ "privateIpAddress": ip, "publicIpAddress": "" }))
        .collect();
    json!({
        "macAddress": mac.replace(':', "").to_ascii_uppercase(),
        "ipv4": { "ipAddress": ips, "subnet": [{ "address": subnet, "prefix": bits }] },
        "ipv6": { "ipAddress": [] },
    })
}

pub(crate) fn machine() -> Value {
    let first = nic(FIRST, "10.1.0.0", json!("24"), &["10.1.0.4", "10.1.0.5"]);
    let mut second = nic(SECOND, "10.1.2.0", json!(26), &["10.1.2.4", "10.1.2.9"]);
    second["ipv6"] = json!({
        "ipAddress": [{ "privateIpAddress": "fd00:1:2::4" }, { "privateIpAddress": "fd00:1:2::5" }],
        "subnet": [{ "address": "fd00:1:2::", "prefix": "64" }],
    });
    json!([first, second])
}

pub(crate) fn heard() -> BTreeMap<Mac, Ipv6Addr> {
    [(SECOND.parse().unwrap(), ROUTER.parse().unwrap())].into()
}

pub(crate) fn of(all: &Value, switches: &Switches<'_>) -> (Desired, Vec<Invalid>) {
    let said = Said {
        interfaces: &all.to_string(),
        primary: None,
        routers: heard(),
    };
    desired(&said, switches)
}

pub(crate) fn told(invalid: &[Invalid]) -> Vec<String> {
    invalid.iter().map(Invalid::to_string).collect()
}

#[test]
fn two_interfaces() {
    let (desired, invalid) = of(&machine(), &Switches::default());
    assert_eq!(invalid, []);
    assert!(desired.may_remove());
    assert_eq!(
        lines(&desired),
        [
            "00:22:48:00:00:01 10.1.0.5/24",
            "00:22:48:00:00:01 168.63.129.16/32 via 10.1.0.1 metric 0",
            "00:22:48:00:00:01 169.254.169.254/32 via 10.1.0.1 metric 0",
            "00:22:48:00:00:02 10.1.2.9/26",
            "00:22:48:00:00:02 fd00:1:2::5/64",
            "00:22:48:00:00:02 0.0.0.0/0 via 10.1.2.1 table 17601",
            "00:22:48:00:00:02 10.1.2.0/26 table 17601",
            "00:22:48:00:00:02 ::/0 via fe80::1 table 17601",
            "00:22:48:00:00:02 rule 17601 from 10.1.2.4/32 table 17601",
            "00:22:48:00:00:02 rule 17601 from 10.1.2.9/32 table 17601",
            "00:22:48:00:00:02 rule 17601 from fd00:1:2::4/128 table 17601",
            "00:22:48:00:00:02 rule 17601 from fd00:1:2::5/128 table 17601",
        ]
    );
}

/// Answers with one interface, or with two of which only addresses count: what is said, what is wanted, and what is
/// left out.
#[test]
fn answers_and_what_becomes_of_them() {
    let one = |ips: &[&str]| json!([nic(FIRST, "10.1.0.0", json!("24"), ips)]);
    let with = |key: &str, value: Value| {
        let mut all = one(&["10.1.0.4", "10.1.0.5"]);
        *all[0].pointer_mut(key).unwrap() = value;
        all
    };
    let with_v6 = |value: Value| with("/ipv6", value);
    let without = |parent: &str, key: &str| {
        let mut all = one(&["10.1.0.4", "10.1.0.5"]);
        let parent = all[0].pointer_mut(parent).unwrap();
        parent.as_object_mut().unwrap().remove(key).unwrap();
        all
    };
    let six = |ips: [&str; 2], subnets: Value| {
        let ips = ips.map(|ip| json!({ "privateIpAddress": ip }));
        with_v6(json!({ "ipAddress": ips, "subnet": subnets }))
    };
    let usual = "00:22:48:00:00:01 10.1.0.5/24";
    let table: [(&str, Value, &[&str], &[&str]); 21] = [
        ("one address", one(&["10.1.0.4"]), &[], &[]),
        (
            "a second one",
            one(&["10.1.0.4", "10.1.0.5"]),
            &[usual],
            &[],
        ),
        (
            "twice the same",
            one(&["10.1.0.4", "10.1.0.5", "10.1.0.5"]),
            &[usual],
            &[],
        ),
        (
            "the length as a number",
            with("/ipv4/subnet/0/prefix", json!(24)),
            &[usual],
            &[],
        ),
        ("no key for IPv6", without("", "ipv6"), &[usual], &[]),
        (
            "no public address",
            without("/ipv4/ipAddress/1", "publicIpAddress"),
            &[usual],
            &[],
        ),
        (
            "a block for containers",
            with("/ipv6", json!({ "ipAddress": [], "ipAddressBlock": [] })),
            &[usual],
            &[],
        ),
        (
            "IPv6 without a subnet",
            with_v6(json!({ "ipAddress": [
            { "privateIpAddress": "fd00:1::4" }, { "privateIpAddress": "fd00:1::5" }] })),
            &[usual, "00:22:48:00:00:01 fd00:1::5/128"],
            &[],
        ),
        (
            "IPv6 with a subnet",
            six(
                ["fd00:1::4", "fd00:1::5"],
                json!([{ "address": "fd00:1::", "prefix": "64" }]),
            ),
            &[usual, "00:22:48:00:00:01 fd00:1::5/64"],
            &[],
        ),
        (
            "a network instead of a subnet",
            six(
                ["fd00:1::4", "fd00:1::5"],
                json!([{ "address": "fd00::", "prefix": "10" }]),
            ),
            &[usual, "00:22:48:00:00:01 fd00:1::5/128"],
            &["network/interface/0/ipv6/subnet/0: it is no subnet of a virtual network"],
        ),
        (
            "another subnet's address of IPv6",
            six(
                ["fd00:1::4", "fd00:2::5"],
                json!([{ "address": "fd00:1::", "prefix": "64" }]),
            ),
            &[usual],
            &[
                "network/interface/0/ipv6/ipAddress/1/privateIpAddress: it is in no subnet of the interface",
            ],
        ),
        (
            "no subnet",
            without("/ipv4", "subnet"),
            &[],
            &[
                "network/interface/0/ipv4/ipAddress/1/privateIpAddress: it is in no subnet of the interface",
            ],
        ),
        (
            "an empty list of subnets",
            with("/ipv4/subnet", json!([])),
            &[],
            &[
                "network/interface/0/ipv4/ipAddress/1/privateIpAddress: it is in no subnet of the interface",
            ],
        ),
        (
            "another subnet's address",
            one(&["10.1.0.4", "10.1.9.5"]),
            &[],
            &[
                "network/interface/0/ipv4/ipAddress/1/privateIpAddress: it is in no subnet of the interface",
            ],
        ),
        (
            "no length",
            without("/ipv4/subnet/0", "prefix"),
            &[],
            &[
                "network/interface/0/ipv4/subnet/0: it has no \"prefix\"",
                "network/interface/0/ipv4/ipAddress/1/privateIpAddress: it is in no subnet of the interface",
            ],
        ),
        (
            "a length that is none",
            with("/ipv4/subnet/0/prefix", json!("+24")),
            &[],
            &[
                "network/interface/0/ipv4/subnet/0/prefix: it is no number that this can be",
                "network/interface/0/ipv4/ipAddress/1/privateIpAddress: it is in no subnet of the interface",
            ],
        ),
        (
            "an empty address",
            one(&["10.1.0.4", ""]),
            &[],
            &["network/interface/0/ipv4/ipAddress/1/privateIpAddress: it is no short text"],
        ),
        (
            "no address yet",
            one(&[]),
            &[],
            &["network/interface/0/ipv4/ipAddress: the interface has no address yet"],
        ),
        (
            "no address of IPv4",
            with("/ipv4", json!({})),
            &[],
            &[
                "network/interface/0/ipv4: it has no \"ipAddress\"",
                "network/interface/0/ipv4/ipAddress: the interface has no address yet",
            ],
        ),
        (
            "no hardware address",
            without("", "macAddress"),
            &[],
            &["network/interface/0: it has no \"macAddress\""],
        ),
        (
            "a hardware address of a group",
            with("/macAddress", json!("010000000001")),
            &[],
            &["network/interface/0/macAddress: it is no hardware address of one interface"],
        ),
    ];
    for (what, all, wanted, left_out) in table {
        check(what, &of(&all, &Switches::default()), wanted, left_out);
    }
}

#[test]
fn answers_that_are_none_remove_nothing() {
    for (text, expected) in [
        ("[]", ""),
        (
            "",
            "network/interface: \"\" is left out: the answer is no JSON from here on",
        ),
        ("{}", "network/interface: \"{}\" is left out: it is no list"),
        (
            "[null]",
            "network/interface/0: \"null\" is left out: it is no object",
        ),
    ] {
        let said = Said {
            interfaces: text,
            primary: None,
            routers: BTreeMap::new(),
        };
        let (desired, invalid) = desired(&said, &Switches::default());
        assert!(
            !desired.may_remove() && lines(&desired).is_empty(),
            "{text}"
        );
        assert_eq!(told(&invalid).first().map_or("", |one| one), expected);
    }
}

#[test]
fn a_primary_interface_that_changes_halfway_changes_nothing_else() {
    let all = machine();
    let mut said = Said {
        interfaces: &all.to_string(),
        primary: Some(SECOND.parse().unwrap()),
        routers: heard(),
    };
    let (found, invalid) = desired(&said, &Switches::default());
    assert!(!found.may_remove());
    assert_eq!(
        told(&invalid),
        [
            "network/interface/0/macAddress: \"00:22:48:00:00:01\" is left out: \
             the primary interface of the machine is 00:22:48:00:00:02"
        ]
    );
    for link in found.links() {
        assert!(link.rules.is_empty() && link.routes.is_empty());
        assert!(!link.addresses.is_empty());
    }
    said.primary = Some(FIRST.parse().unwrap());
    let (found, invalid) = desired(&said, &Switches::default());
    assert_eq!((found, invalid), of(&all, &Switches::default()));
}

#[test]
fn the_same_interface_twice_and_one_without_a_router_are_told() {
    let mut all = machine();
    all[1]["macAddress"] = all[0]["macAddress"].clone();
    let (desired_now, invalid) = of(&all, &Switches::default());
    assert_eq!(lines(&desired_now), ["00:22:48:00:00:01 10.1.0.5/24"]);
    assert_eq!(invalid[0].why, "another interface has the same address");

    let said = Said {
        interfaces: &machine().to_string(),
        primary: None,
        routers: BTreeMap::new(),
    };
    let (found, invalid) = desired(&said, &Switches::default());
    assert!(!found.may_remove());
    assert_eq!(
        told(&invalid),
        [
            "network/interface/1/ipv6/subnet: \"00:22:48:00:00:02\" is left out: \
             its subnet or its router is not known yet"
        ]
    );
    assert!(
        !lines(&found)
            .iter()
            .any(|line| line.contains("fd00:1:2::4"))
    );
}

#[test]
fn each_switch_has_its_part() {
    let on = Switches::default();
    let no_addresses = Switches {
        apply_network_config_for_secondary_ips: false,
        ..on
    };
    let (found, _) = of(&machine(), &no_addresses);
    let is_address = |line: &String| line.split(' ').count() == 2;
    assert_eq!(
        lines(&found).iter().filter(|line| is_address(line)).count(),
        0
    );
    assert_eq!(lines(&found).len(), 9);
    let no_policy = Switches {
        policy_routing: false,
        ..on
    };
    let (found, _) = of(&machine(), &no_policy);
    assert_eq!(lines(&found).len(), 3);
    assert!(lines(&found).iter().all(is_address));
    let names = ["00-22-48-00-00-02"];
    let left = Switches {
        left_alone: &names,
        ..on
    };
    let (found, invalid) = of(&machine(), &left);
    assert_eq!(invalid, []);
    assert!(found.leaves_alone(SECOND.parse().unwrap()) && found.may_remove());
    assert_eq!(found.links().len(), 1);
}
