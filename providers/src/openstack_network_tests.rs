//! What is taken of OpenStack's `network_data.json`, and what is left out.

use serde_json::{Value, json};

use crate::network_rows::{check, golden};
use crate::openstack_network::{Switches, desired, networkd_units};

/// Two ports as a bond with a VLAN on it, and an interface of its own.
pub(crate) fn machine() -> Value {
    json!({
        "links": [
            { "id": "vlan0", "type": "vlan", "vlan_link": "bond0", "vlan_id": 101,
              "vlan_mac_address": "fa:16:3e:00:00:01", "mtu": 1450 },
            { "id": "bond0", "type": "bond", "bond_links": ["port0", "port1"], "bond_mode": "802.3ad",
              "bond_miimon": 100, "ethernet_mac_address": "fa:16:3e:00:00:01", "mtu": null },
            { "id": "port0", "type": "phy", "ethernet_mac_address": "fa:16:3e:00:00:01", "mtu": 9000 },
            { "id": "port1", "type": "phy", "ethernet_mac_address": "fa:16:3e:00:00:02" },
            { "id": "tap3", "type": "ovs", "ethernet_mac_address": "fa:16:3e:00:00:03", "mtu": 1442 },
        ],
        "networks": [
            { "id": "network0", "type": "ipv4", "link": "bond0", "ip_address": "192.0.2.10",
              "netmask": "255.255.255.0", "routes": [
                { "network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "192.0.2.1" },
                { "network": "198.51.100.0", "netmask": "255.255.255.0", "gateway": "192.0.2.2" }] },
            { "id": "network1", "type": "ipv6", "link": "bond0", "ip_address": "2001:db8:40::10",
              "netmask": "ffff:ffff:ffff:ffff::", "routes": [
                { "network": "::", "netmask": "::", "gateway": "2001:db8:40::1" }] },
            { "id": "network2", "type": "ipv4", "link": "vlan0", "ip_address": "10.4.0.10", "netmask": "255.255.0.0",
              "routes": [{ "network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.4.0.1" }],
              "services": [{ "type": "dns", "address": "10.4.0.2" }] },
            { "id": "network3", "type": "ipv4_dhcp", "link": "tap3" },
        ],
        "services": [{ "type": "dns", "address": "192.0.2.53" }],
    })
}

/// One interface with one network.
fn plain(network: Value) -> Value {
    let mut network = network;
    network["link"] = json!("tap0");
    json!({
        "links": [{ "id": "tap0", "type": "vif", "ethernet_mac_address": "fa:16:3e:00:00:07" }],
        "networks": [network],
    })
}

#[test]
fn a_bond_with_a_vlan() {
    check(
        "all of it",
        &desired(&machine().to_string(), &Switches::default()),
        &[
            "fa:16:3e:00:00:01 bond 192.0.2.10/24",
            "fa:16:3e:00:00:01 bond 2001:db8:40::10/64",
            "fa:16:3e:00:00:01 bond 0.0.0.0/0 via 192.0.2.1",
            "fa:16:3e:00:00:01 bond 198.51.100.0/24 via 192.0.2.2",
            "fa:16:3e:00:00:01 bond ::/0 via 2001:db8:40::1",
            "fa:16:3e:00:00:01 vlan mtu 1450",
            "fa:16:3e:00:00:01 vlan 10.4.0.10/16",
            // Behind that of the bond, which is told first.
            "fa:16:3e:00:00:01 vlan 0.0.0.0/0 via 10.4.0.1 metric 4097",
            "fa:16:3e:00:00:03 mtu 1442",
        ],
        &[],
    );
}

#[test]
fn answers_and_what_becomes_of_them() {
    let address = "fa:16:3e:00:00:07 192.0.2.10/24";
    let way = "fa:16:3e:00:00:07 0.0.0.0/0 via 192.0.2.1";
    let v6 = "fa:16:3e:00:00:07 2001:db8:40::10/64";
    let static4 = |key: &str, value: Value| {
        let mut network =
            json!({ "type": "ipv4", "ip_address": "192.0.2.10", "netmask": "255.255.255.0" });
        network[key] = value;
        plain(network)
    };
    let link = |value: Value| json!({ "links": [value], "networks": [] });
    let route = |route: Value| static4("routes", json!([route]));
    let bond = |mode: Value, ports: Value| {
        let mut all = machine();
        all["links"][1]["bond_mode"] = mode;
        all["links"][1]["bond_links"] = ports;
        all["links"].as_array_mut().unwrap().remove(0);
        all["networks"] = json!([]);
        all["links"].as_array_mut().unwrap().remove(3);
        all
    };
    let only_ports = ["fa:16:3e:00:00:01 mtu 9000"];
    let table: [(&str, Value, &[&str], &[&str]); 24] = [
        ("DHCP", plain(json!({ "type": "ipv4_dhcp" })), &[], &[]),
        (
            "routers that advertise themselves",
            plain(json!({ "type": "ipv6_slaac" })),
            &[],
            &[],
        ),
        (
            "a static address",
            static4("mtu", Value::Null),
            &[address],
            &[],
        ),
        (
            "the other name of static",
            static4("type", json!("static")),
            &[address],
            &[],
        ),
        (
            "a router by its own key",
            static4("gateway", json!("192.0.2.1")),
            &[address, way],
            &[],
        ),
        (
            "a router by a route",
            route(json!({ "network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "192.0.2.1" })),
            &[address, way],
            &[],
        ),
        (
            "a mask as a number",
            static4("netmask", json!(24)),
            &[address],
            &[],
        ),
        (
            "the length in the address",
            plain(json!({ "type": "ipv4", "ip_address": "192.0.2.10/24" })),
            &[address],
            &[],
        ),
        (
            "IPv6 with a length",
            plain(json!({ "type": "ipv6", "ip_address": "2001:db8:40::10", "netmask": "64" })),
            &[v6],
            &[],
        ),
        (
            "IPv6 with the length in the address",
            plain(json!({ "type": "static6", "ip_address": "2001:db8:40::10/64" })),
            &[v6],
            &[],
        ),
        (
            "no length",
            plain(json!({ "type": "ipv4", "ip_address": "192.0.2.10" })),
            &[],
            &["networks/0: its network is not said"],
        ),
        (
            "a mask that is none",
            static4("netmask", json!("255.0.255.0")),
            &[],
            &[
                "networks/0/netmask: it is no mask of a network",
                "networks/0: its mask is none of its network",
            ],
        ),
        (
            "no address",
            plain(json!({ "type": "ipv4" })),
            &[],
            &["networks/0: it has no \"ip_address\""],
        ),
        (
            "another type",
            plain(json!({ "type": "ipv5" })),
            &[],
            &["networks/0: no such network is known"],
        ),
        (
            "an address of the other version",
            static4("type", json!("ipv6")),
            &[],
            &["networks/0/ip_address: it is of the other version of IP"],
        ),
        (
            "a network on no link",
            json!({ "links": [
            { "id": "tap0", "type": "vif", "ethernet_mac_address": "fa:16:3e:00:00:07" }],
            "networks": [{ "type": "ipv4_dhcp", "link": "tap9" }] }),
            &[],
            &["networks/0: it is on no link"],
        ),
        (
            "a route of two versions",
            route(json!({ "network": "::", "netmask": "::", "gateway": "192.0.2.1" })),
            &[address],
            &["networks/0/routes/0: its parts do not fit together"],
        ),
        ("no link", json!({ "links": [], "networks": [] }), &[], &[]),
        (
            "no hardware address",
            link(json!({ "id": "tap0", "type": "vif" })),
            &[],
            &["links/0: it has no \"ethernet_mac_address\""],
        ),
        (
            "a VLAN that has no number",
            link(
                json!({ "id": "v", "type": "vlan", "vlan_link": "tap0", "vlan_id": 4095,
            "vlan_mac_address": "fa:16:3e:00:00:07" }),
            ),
            &[],
            &["links/0: its number or its link is none"],
        ),
        (
            "a bond by its number",
            bond(json!(4), json!(["port0", "port1"])),
            &[],
            &[],
        ),
        (
            "a bond of another mode",
            bond(json!("fast"), json!(["port0", "port1"])),
            &only_ports,
            &["links/0/bond_mode: no such mode of a bond is known"],
        ),
        (
            "a bond of what is no link",
            bond(json!(1), json!(["port0", "port7"])),
            &only_ports,
            &["links/0/bond_links/1: it is no link that a bond can be made of"],
        ),
        (
            "an answer without links",
            json!([]),
            &[],
            &[
                "network_data.json: it is no object",
                "network_data.json: it has no \"links\"",
                "network_data.json: it is no object",
                "services: it is no object",
            ],
        ),
    ];
    for (what, all, wanted, left_out) in table {
        let found = desired(&all.to_string(), &Switches::default());
        if what == "no link" {
            assert!(!found.0.may_remove() && found.1.is_empty(), "{found:?}");
            continue;
        }
        check(what, &found, wanted, left_out);
    }
}

#[test]
fn units_have_all_of_it() {
    golden("openstack", networkd_units(&machine().to_string()));
}

#[test]
fn dhcp_alone_needs_no_unit() {
    let all = plain(json!({ "type": "ipv4_dhcp" })).to_string();
    assert_eq!(networkd_units(&all), (vec![], vec![]));
}
