//! What is taken of Hetzner's answers, and what is left out.

use crate::hetzner_network::{Said, Switches, desired, networkd_units};
use crate::network_rows::{check, golden};

pub(crate) const CONFIG: &str = "config:
- mac_address: 96:00:00:00:00:01
  name: eth0
  subnets:
  - dns_nameservers:
    - 192.0.2.53
    ipv4: true
    type: dhcp
  - address: 2001:db8:30::1/64
    dns_nameservers:
    - 2001:db8:53::53
    gateway: fe80::1
    ipv6: true
    type: static
  type: physical
version: 1
";
pub(crate) const PRIVATE: &str = "- ip: 10.0.0.2
  alias_ips: [10.0.0.3, 10.0.0.4]
  interface_num: 1
  mac_address: 86:00:00:00:00:02
  network_id: 1
  network_name: inside
  network: 10.0.0.0/8
  subnet: 10.0.0.0/24
  gateway: 10.0.0.1
";

#[test]
fn answers_and_what_becomes_of_them() {
    const ADDRESS: &str = "96:00:00:00:00:01 2001:db8:30::1/64";
    const ROUTE: &str = "96:00:00:00:00:01 ::/0 via fe80::1";
    let public = [ADDRESS, ROUTE];
    let aliases = [
        "86:00:00:00:00:02 10.0.0.3/32",
        "86:00:00:00:00:02 10.0.0.4/32",
    ];
    let all: Vec<&str> = aliases.into_iter().chain(public).collect();
    let config = |from: &str, to: &str| {
        assert!(CONFIG.contains(from), "{from:?}");
        CONFIG.replace(from, to)
    };
    let private = |from: &str, to: &str| {
        assert!(PRIVATE.contains(from), "{from:?}");
        PRIVATE.replace(from, to)
    };
    let usual = CONFIG.to_string();
    let (none, some) = (Some("[]".to_string()), Some(PRIVATE.to_string()));
    let json = r#"{"version": 1, "config": [{"type": "physical", "mac_address": "96:00:00:00:00:01",
        "subnets": [{"type": "static6", "address": "2001:db8:30::1/64", "gateway": "fe80::1"}]}]}"#;
    let alone = config(
        "  - address: 2001:db8:30::1/64",
        "  - address: 2001:db8:30::1",
    );
    let beyond = config("fe80::1", "2001:db8:99::1");
    type Row<'r> = (
        &'r str,
        String,
        Option<String>,
        &'r [&'r str],
        &'r [&'r str],
    );
    let table: [Row<'_>; 19] = [
        ("all of it", usual.clone(), some.clone(), &all, &[]),
        (
            "no private network",
            usual.clone(),
            none.clone(),
            &public,
            &[],
        ),
        (
            "no aliases",
            usual.clone(),
            Some(private("[10.0.0.3, 10.0.0.4]", "[]")),
            &public,
            &[],
        ),
        (
            "no key for aliases",
            usual.clone(),
            Some(private("  alias_ips: [10.0.0.3, 10.0.0.4]\n", "")),
            &public,
            &[],
        ),
        (
            "DHCP alone",
            usual[..usual.find("  - address").unwrap()].to_string()
                + "  type: physical\nversion: 1\n",
            none.clone(),
            &[],
            &[],
        ),
        (
            "a static subnet without a type",
            config("    ipv6: true\n    type: static\n", "    ipv6: true\n"),
            none.clone(),
            &public,
            &[],
        ),
        ("the same as JSON", json.into(), none.clone(), &public, &[]),
        (
            "no router",
            config("    gateway: fe80::1\n", ""),
            none.clone(),
            &public[..1],
            &[],
        ),
        (
            "a router beyond the network",
            beyond,
            none.clone(),
            &[ADDRESS, "96:00:00:00:00:01 ::/0 via 2001:db8:99::1 onlink"],
            &[],
        ),
        (
            "an address of its own network",
            alone,
            none.clone(),
            &["96:00:00:00:00:01 2001:db8:30::1/128", ROUTE],
            &[],
        ),
        (
            "another version",
            config("version: 1", "version: 2"),
            none.clone(),
            &[],
            &["network-config: no other version than 1 is known"],
        ),
        (
            "another kind of interface",
            config("type: physical", "type: bond"),
            none.clone(),
            &[],
            &["network-config/0: only physical interfaces are known"],
        ),
        (
            "another kind of subnet",
            config("type: static", "type: carrier"),
            none.clone(),
            &[],
            &["network-config/0/subnets/1: no such subnet is known"],
        ),
        (
            "no address",
            config("address: 2001:db8:30::1/64", "netmask: 64"),
            none.clone(),
            &[],
            &["network-config/0/subnets/1: it has no \"address\""],
        ),
        (
            "IPv4 without its network",
            config("2001:db8:30::1/64", "203.0.113.9"),
            none.clone(),
            &[],
            &["network-config/0/subnets/1/address: its network is not said"],
        ),
        (
            "an alias that is none",
            usual.clone(),
            Some(private("10.0.0.4", "10.0.0")),
            &[aliases[0], ADDRESS, ROUTE],
            &["private-networks/0/alias_ips/1: it is neither IPv4 nor IPv6"],
        ),
        (
            "a private network without its interface",
            usual.clone(),
            Some(private("  mac_address: 86:00:00:00:00:02\n", "")),
            &public,
            &["private-networks/0: it has no \"mac_address\""],
        ),
        (
            "private networks not heard",
            usual.clone(),
            None,
            &public,
            &["private-networks: it was not heard"],
        ),
        (
            "nothing at all",
            String::new(),
            none.clone(),
            &[],
            &[
                "network-config: it is no object",
                "network-config: it has no \"version\"",
                "network-config: it is no object",
                "network-config: it has no \"config\"",
            ],
        ),
    ];
    for (what, config, private, wanted, left_out) in table {
        let said = Said {
            network_config: &config,
            private_networks: private.as_deref(),
        };
        check(
            what,
            &desired(&said, &Switches::default()),
            wanted,
            left_out,
        );
    }
}

#[test]
fn units_have_all_of_it() {
    let said = Said {
        network_config: CONFIG,
        private_networks: Some(PRIVATE),
    };
    golden("hetzner", networkd_units(&said));
}

#[test]
fn dhcp_alone_needs_no_unit() {
    let config = "{version: 1, config: [{type: physical, mac_address: '96:00:00:00:00:01', subnets: [{type: dhcp}]}]}";
    let said = Said {
        network_config: config,
        private_networks: Some("[]"),
    };
    assert_eq!(networkd_units(&said), (vec![], vec![]));
}
