//! From an answer of Azure's metadata service to packets that leave by the right link.

use pilotlight_core::net::Owner;
use pilotlight_providers::azure_network::{Said, Switches, desired, primary, routers};
use pilotlight_tests::tool;

use crate::cloud::{Cloud, in_a_cloud};
use crate::hardware::settle;
use crate::{Machine, shown};

const OWNER: Owner = Owner::PILOTLIGHT;
const INTERFACES: &str = r#"[
  {"macAddress": "020000000001", "ipv4": {
    "ipAddress": [{"privateIpAddress": "10.1.0.4", "publicIpAddress": ""}, {"privateIpAddress": "10.1.0.5"}],
    "subnet": [{"address": "10.1.0.0", "prefix": "24"}]}, "ipv6": {"ipAddress": []}},
  {"macAddress": "020000000002", "ipv4": {
    "ipAddress": [{"privateIpAddress": "10.1.2.4", "publicIpAddress": ""}, {"privateIpAddress": "10.1.2.9"}],
    "subnet": [{"address": "10.1.2.0", "prefix": "26"}]},
   "ipv6": {"ipAddress": [{"privateIpAddress": "fd00:1:2::4"}, {"privateIpAddress": "fd00:1:2::5"}]}}]"#;
const WIRESERVER: &str = "168.63.129.16";
const METADATA: &str = "169.254.169.254";
/// Somebody in the world.
const CLIENT: &str = "203.0.113.9";

/// The network, and what DHCP and router advertisements have given. That of the secondary interface has the smaller
/// metric for the platform's services, which is nothing but chance.
fn set_up(machine: &mut Machine, cloud: &Cloud) {
    cloud.run(|| {
        tool("ip address add 10.1.0.1/24 dev port0");
        tool("ip address add 10.1.2.1/26 dev port1");
        for ip in [WIRESERVER, METADATA, CLIENT] {
            tool(&format!("ip address add {ip}/32 dev lo"));
        }
    });
    for (link, own, router, metric, of_services) in [
        ("eth0", "10.1.0.4/24", "10.1.0.1", 100, 100),
        ("eth1", "10.1.2.4/26", "10.1.2.1", 200, 50),
    ] {
        tool(&format!("ip address add {own} dev {link}"));
        let rest = format!("via {router} dev {link} proto dhcp metric");
        tool(&format!("ip route add default {rest} {metric}"));
        for service in [WIRESERVER, METADATA] {
            tool(&format!("ip route add {service} {rest} {of_services}"));
        }
    }
    tool("ip address add fd00:1:2::4/128 dev eth1 nodad");
    tool("ip -6 route add default via fe80::1 dev eth1 proto ra metric 200");
    machine.quiet();
}

#[test]
fn each_of_two_interfaces_answers_by_itself() {
    in_a_cloud(|machine, cloud| {
        set_up(machine, cloud);
        // As it is without tables: the filter takes what the primary interface would answer.
        assert!(cloud.is_answered(CLIENT, "10.1.0.4"));
        assert!(!cloud.is_answered(CLIENT, "10.1.2.4"));
        assert_eq!(cloud.asked(WIRESERVER), ("10.1.2.4".into(), true));

        let actual = machine.observe();
        let mut said = Said {
            interfaces: INTERFACES,
            primary: primary(&actual),
            routers: routers(&actual),
        };
        let (wanted, invalid) = desired(&said, &Switches::default());
        assert_eq!(invalid, []);
        // 3 addresses, 2 routes to services, 3 routes and 4 rules of the table.
        assert_eq!(settle(machine, &wanted, &OWNER), 12);
        assert_eq!(
            shown("ip -4 route show table 17601"),
            [
                "default via 10.1.2.1 dev eth1 proto 176",
                "10.1.2.0/26 dev eth1 proto 176 scope link",
            ]
        );
        assert_eq!(
            shown("ip -6 route show table 17601"),
            ["default via fe80::1 dev eth1 proto 176 metric 1024 pref medium"]
        );
        for to in ["10.1.0.4", "10.1.0.5", "10.1.2.4", "10.1.2.9"] {
            assert!(cloud.is_answered(CLIENT, to), "{to}");
            // A load balancer looks whether the machine is healthy.
            assert!(cloud.is_answered(WIRESERVER, to), "{to}");
        }
        // Whatever DHCP of the other interface says, and with the address that DHCP has given.
        for service in [WIRESERVER, METADATA] {
            assert_eq!(cloud.asked(service), ("10.1.0.4".into(), true));
        }

        // A rule to the services would be asked before the tables: probes of the other interface would be filtered.
        tool("ip rule add to 168.63.129.16 lookup main priority 17600");
        assert!(!cloud.is_answered(WIRESERVER, "10.1.2.4"));
        tool("ip rule del priority 17600");
        assert!(cloud.is_answered(WIRESERVER, "10.1.2.4"));

        // While the list is empty, or begins with the other interface, all of it stays.
        let all: serde_json::Value = serde_json::from_str(INTERFACES).unwrap();
        let turned = serde_json::json!([all[1], all[0]]).to_string();
        for interfaces in ["[]", turned.as_str()] {
            let odd = Said {
                interfaces,
                ..said.clone()
            };
            let (wanted, _) = desired(&odd, &Switches::default());
            assert!(!wanted.may_remove());
            assert_eq!(settle(machine, &wanted, &OWNER), 0, "{interfaces}");
        }

        // Without the interface what was added for it goes, and what DHCP has given stays.
        let alone = serde_json::json!([all[0]]).to_string();
        said.interfaces = &alone;
        let (wanted, invalid) = desired(&said, &Switches::default());
        assert_eq!(invalid, []);
        settle(machine, &wanted, &OWNER);
        for family in ["-4", "-6"] {
            let routes = tool(&format!("ip {family} route show table all proto 176"));
            let rules = tool(&format!("ip -d {family} rule"));
            assert!(
                routes.is_empty() && !rules.contains("proto 176"),
                "{routes} {rules}"
            );
        }
        let addresses = tool("ip -o -4 address show");
        assert!(addresses.contains(" 10.1.2.4/26 ") && addresses.contains(" 10.1.0.5/24 "));
        assert!(!addresses.contains(" 10.1.2.9/26 "), "{addresses}");
        assert_eq!(shown("ip -4 route show 168.63.129.16").len(), 2);
    });
}
