//! What is taken of DigitalOcean's answers, and what is left out.

use serde_json::{Value, json};

use crate::digitalocean_network::{Switches, desired, networkd_units};
use crate::network_rows::{check, golden};

pub(crate) fn machine() -> Value {
    json!({
        "droplet_id": 7, "dns": { "nameservers": ["192.0.2.53", "2001:db8:53::53"] },
        "interfaces": {
            "public": [{
                "mac": "04:01:2a:00:00:01", "type": "public",
                "ipv4": { "ip_address": "198.51.100.20", "netmask": "255.255.240.0", "gateway": "198.51.96.1" },
                "ipv6": { "ip_address": "2001:db8:20::1", "cidr": 64, "gateway": "2001:db8:20::ff" },
                "anchor_ipv4": { "ip_address": "10.17.0.5", "netmask": "255.255.0.0", "gateway": "10.17.0.1" },
            }],
            "private": [{
                "mac": "04:01:2a:00:00:02", "type": "private",
                "ipv4": { "ip_address": "10.108.0.3", "netmask": "255.255.240.0", "gateway": "0.0.0.0" },
            }],
        },
    })
}

const PUBLIC: [&str; 5] = [
    "04:01:2a:00:00:01 10.17.0.5/16",
    "04:01:2a:00:00:01 198.51.100.20/20",
    "04:01:2a:00:00:01 2001:db8:20::1/64",
    "04:01:2a:00:00:01 0.0.0.0/0 via 198.51.96.1",
    "04:01:2a:00:00:01 ::/0 via 2001:db8:20::ff",
];
const PRIVATE: &str = "04:01:2a:00:00:02 10.108.0.3/20";

#[test]
fn answers_and_what_becomes_of_them() {
    let with = |place: &str, value: Value| {
        let mut all = machine();
        *all.pointer_mut(place).unwrap() = value;
        all
    };
    let without = |parent: &str, key: &str| {
        let mut all = machine();
        let parent = all.pointer_mut(parent).unwrap();
        parent.as_object_mut().unwrap().remove(key).unwrap();
        all
    };
    let all: Vec<&str> = PUBLIC.into_iter().chain([PRIVATE]).collect();
    let no_v6 = [PUBLIC[0], PUBLIC[1], PUBLIC[3], PRIVATE];
    let no_v4 = [PUBLIC[0], PUBLIC[2], PUBLIC[4], PRIVATE];
    let twice = json!([
        { "mac": "04:01:2a:00:00:01", "ipv6": { "ip_address": "2001:db8:20::1", "cidr": 64 } },
        { "mac": "04:01:2a:00:00:01", "ipv6": { "ip_address": "2001:db8:20::2", "cidr": 64 } },
    ]);
    let public = "/interfaces/public/0";
    let v4 = "interfaces/public/0/ipv4";
    let table: [(&str, Value, &[&str], &[&str]); 15] = [
        ("all of it", machine(), &all, &[]),
        (
            "no private network",
            without("/interfaces", "private"),
            &PUBLIC,
            &[],
        ),
        (
            "no public address",
            without("/interfaces", "public"),
            &[PRIVATE],
            &[],
        ),
        ("no IPv6", without(public, "ipv6"), &no_v6, &[]),
        (
            "IPv6 that is null",
            with("/interfaces/public/0/ipv6", Value::Null),
            &no_v6,
            &[],
        ),
        ("no anchor", without(public, "anchor_ipv4"), &all[1..], &[]),
        (
            "an interface told twice",
            with("/interfaces/public", twice),
            &[
                "04:01:2a:00:00:01 2001:db8:20::1/64",
                "04:01:2a:00:00:01 2001:db8:20::2/64",
                PRIVATE,
            ],
            &[],
        ),
        (
            "bits as a text",
            with("/interfaces/public/0/ipv6/cidr", json!("64")),
            &all,
            &[],
        ),
        (
            "no mask",
            without("/interfaces/public/0/ipv4", "netmask"),
            &no_v4,
            &[&format!(
                "{v4}: its network or its version of IP is not what this key has"
            )],
        ),
        (
            "a mask that is none",
            with("/interfaces/public/0/ipv4/netmask", json!("255.0.255.0")),
            &no_v4,
            &[&format!(
                "{v4}: its network or its version of IP is not what this key has"
            )],
        ),
        (
            "an address of the other version",
            with("/interfaces/public/0/ipv4/ip_address", json!("::1")),
            &no_v4,
            &[&format!(
                "{v4}: its network or its version of IP is not what this key has"
            )],
        ),
        (
            "an address that is none",
            with("/interfaces/public/0/ipv4/ip_address", json!("198.51")),
            &no_v4,
            &[&format!("{v4}/ip_address: it is neither IPv4 nor IPv6")],
        ),
        (
            "a router that is the machine",
            with("/interfaces/public/0/ipv6/gateway", json!("2001:db8:20::1")),
            &[PUBLIC[0], PUBLIC[1], PUBLIC[2], PUBLIC[3], PRIVATE],
            &["interfaces/public/0/ipv6/gateway: the router is the machine itself"],
        ),
        (
            "no hardware address",
            without(public, "mac"),
            &[PRIVATE],
            &["interfaces/public/0: it has no \"mac\""],
        ),
        (
            "no interfaces",
            json!({ "droplet_id": 7 }),
            &[],
            &["metadata/v1.json: it has no \"interfaces\""],
        ),
    ];
    for (what, all, wanted, left_out) in table {
        check(
            what,
            &desired(&all.to_string(), &Switches::default()),
            wanted,
            left_out,
        );
    }
}

#[test]
fn each_switch_has_its_part() {
    let text = machine().to_string();
    let addresses = Switches {
        addresses: true,
        routes: false,
    };
    let only = [PUBLIC[0], PUBLIC[1], PUBLIC[2], PRIVATE];
    check("addresses", &desired(&text, &addresses), &only, &[]);
    let routes = Switches {
        addresses: false,
        routes: true,
    };
    check("routes", &desired(&text, &routes), &PUBLIC[3..], &[]);
}

#[test]
fn units_have_all_of_it() {
    golden("digitalocean", networkd_units(&machine().to_string()));
}

#[test]
fn what_was_left_out_is_in_no_unit() {
    let mut all = machine();
    all["interfaces"]["public"][0]["anchor_ipv4"]["ip_address"] = json!("127.0.0.5");
    let (units, invalid) = networkd_units(&all.to_string());
    assert_eq!(invalid.len(), 1);
    let usual = networkd_units(&machine().to_string()).0;
    let anchor = "[Address]\nAddress=10.17.0.5/16\n\n";
    assert_eq!(units[0].1, usual[0].1.replacen(anchor, "", 1));
    assert_eq!(units[1], usual[1]);
}
