//! From answers of EC2's metadata service to the tables and rules of a kernel.

use pilotlight_core::net::{Heard, Owner};
use pilotlight_providers::aws_network::{Interface, Said, Switches, desired};
use pilotlight_tests::tool;

use crate::hardware::settle;
use crate::{FIRST, SECOND, on_machine, shown};

#[test]
fn a_secondary_interface_answers_by_itself() {
    on_machine(|machine| {
        let primary = Interface {
            mac: FIRST,
            device_number: Some("0"),
            subnet_ipv4_cidr_block: Some("10.0.0.0/24"),
            local_ipv4s: Some("10.0.0.5\n10.0.0.6"),
            ..Interface::default()
        };
        // In the subnet of the first one, which is where replies go astray without a table.
        let second = Interface {
            mac: SECOND,
            device_number: Some("1"),
            local_ipv4s: Some("10.0.0.20\n10.0.0.21"),
            ipv4_prefix: Some("10.0.0.32/28"),
            subnet_ipv6_cidr_blocks: Some("2001:db8:66:2::/64"),
            ipv6s: Some("2001:db8:66:2::20"),
            ipv6_router: "fe80::1".parse().ok(),
            ..primary
        };
        let mut said = Said {
            primary: Some(FIRST),
            interfaces: vec![primary, second],
            heard: Heard::Whole,
        };
        let owner = Owner::PILOTLIGHT;
        let (wanted, invalid) = desired(&said, &Switches::default());
        assert_eq!(invalid, []);
        // Before DHCP has given the interface its address.
        // Two of them are names.
        assert_eq!(settle(machine, &wanted, &owner), 12);
        assert_eq!(
            shown("ip -4 route show table 10001"),
            [
                "default via 10.0.0.1 dev eth1 proto 176",
                "10.0.0.0/24 dev eth1 proto 176 scope link",
            ]
        );
        assert_eq!(
            shown("ip -6 route show table 10001"),
            [
                "2001:db8:66:2::/64 dev eth1 proto 176 metric 1024 pref medium",
                "default via fe80::1 dev eth1 proto 176 metric 1024 pref medium",
            ]
        );
        tool("ip address add 10.0.0.20/24 dev eth1");
        for (from, link) in [
            ("10.0.0.5", "eth0"),
            ("10.0.0.6", "eth0"),
            ("10.0.0.20", "eth1"),
            ("10.0.0.21", "eth1"),
        ] {
            let way = tool(&format!("ip route get 192.0.2.9 from {from}"));
            assert!(way.contains(&format!("via 10.0.0.1 dev {link}")), "{way}");
            let way = tool(&format!("ip route get 10.0.0.99 from {from}"));
            assert!(way.contains(&format!("dev {link}")), "{way}");
        }

        // One that is being attached or detached takes nothing away.
        said.interfaces[1].device_number = None;
        let (waiting, _) = desired(&said, &Switches::default());
        assert_eq!(settle(machine, &waiting, &owner), 0);

        // Without the interface its rules go, and not the address that DHCP has given.
        said.interfaces.truncate(1);
        let (without, invalid) = desired(&said, &Switches::default());
        assert_eq!(invalid, []);
        settle(machine, &without, &owner);
        assert_eq!(shown("ip -4 route show table all proto 176"), [""; 0]);
        for family in ["-4", "-6"] {
            let rules = tool(&format!("ip -d {family} rule"));
            assert!(!rules.contains("proto 176"), "{rules}");
        }
        let addresses = tool("ip -o -4 address show");
        assert!(addresses.contains(" 10.0.0.20/24 ") && addresses.contains(" 10.0.0.6/32 "));
        assert!(!addresses.contains(" 10.0.0.21/32 "), "{addresses}");
    });
}
