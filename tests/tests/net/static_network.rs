//! A network that metadata tell and nobody has set up yet.

use pilotlight_core::net::Owner;
use pilotlight_providers::digitalocean_network::{Switches, desired};
use pilotlight_tests::tool;

use crate::cloud::in_a_cloud;
use crate::hardware::settle;
use crate::shown;

const OWNER: Owner = Owner::PILOTLIGHT;
const ANSWER: &str = r#"{"interfaces": {
  "public": [{"mac": "02:00:00:00:00:01",
    "ipv4": {"ip_address": "198.51.100.20", "netmask": "255.255.240.0", "gateway": "198.51.96.1"},
    "ipv6": {"ip_address": "2001:db8:20::1", "cidr": 64, "gateway": "2001:db8:20::ff"},
    "anchor_ipv4": {"ip_address": "10.17.0.5", "netmask": "255.255.0.0", "gateway": "10.17.0.1"}}],
  "private": [{"mac": "02:00:00:00:00:02",
    "ipv4": {"ip_address": "10.108.0.3", "netmask": "255.255.240.0", "gateway": "0.0.0.0"}}]}}"#;

#[test]
fn all_of_it_comes_and_what_dhcp_has_given_is_not_doubled() {
    in_a_cloud(|machine, cloud| {
        cloud.run(|| {
            for (own, link) in [
                ("198.51.96.1/20", "port0"),
                ("10.108.0.1/20", "port1"),
                ("192.0.2.9/32", "lo"),
            ] {
                tool(&format!("ip address add {own} dev {link}"));
            }
        });
        // All that DHCP gives there.
        tool("ip address add 198.51.100.20/20 dev eth0 valid_lft 3600 preferred_lft 3600");
        tool("ip route add default via 198.51.96.1 dev eth0 proto dhcp metric 1024");
        let (wanted, invalid) = desired(ANSWER, &Switches::default());
        assert_eq!(invalid, []);
        // Three addresses and the way out of IPv6.
        assert_eq!(settle(machine, &wanted, &OWNER), 4);
        assert_eq!(
            shown("ip -4 route show table main"),
            [
                "default via 198.51.96.1 dev eth0 proto dhcp metric 1024",
                "10.17.0.0/16 dev eth0 proto kernel scope link src 10.17.0.5",
                "10.108.0.0/20 dev eth1 proto kernel scope link src 10.108.0.3",
                "198.51.96.0/20 dev eth0 proto kernel scope link src 198.51.100.20",
            ]
        );
        assert_eq!(
            shown("ip -6 route show proto 176"),
            ["default via 2001:db8:20::ff dev eth0 metric 1024 pref medium"]
        );
        assert!(cloud.is_answered("192.0.2.9", "198.51.100.20"));
        assert!(cloud.is_answered("10.108.0.1", "10.108.0.3"));
        // Of its addresses the machine asks by the public one.
        assert_eq!(
            cloud.asked("192.0.2.9"),
            ("198.51.100.20".to_string(), true)
        );

        let alone = ANSWER.replace("anchor_ipv4", "no_anchor");
        let (wanted, invalid) = desired(&alone, &Switches::default());
        assert_eq!(invalid, []);
        assert_eq!(settle(machine, &wanted, &OWNER), 1);
        let addresses = tool("ip -o -4 address show dev eth0");
        assert!(!addresses.contains("10.17.0.5"), "{addresses}");
        assert!(addresses.contains("198.51.100.20/20"), "{addresses}");
    });
}
