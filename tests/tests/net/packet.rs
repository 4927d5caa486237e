//! From an answer of Equinix Metal's metadata service to packets of an elastic address.

use pilotlight_core::net::{Actual, Owner, difference};
use pilotlight_providers::packet_network::{Switches, desired};
use pilotlight_sys::netlink::Applied;
use pilotlight_tests::tool;

use crate::cloud::in_a_cloud;
use crate::{FIRST, Machine, shown};

const OWNER: Owner = Owner::PILOTLIGHT;
const ANSWER: &str = r#"{"network": {
  "interfaces": [{"mac": "02:00:00:00:00:01", "bond": "bond0"}, {"mac": "02:00:00:00:00:02", "bond": "bond0"}],
  "addresses": [
    {"public": true, "management": true, "address": "198.51.100.3", "cidr": 31, "gateway": "198.51.100.2"},
    {"public": false, "management": true, "address": "10.70.1.3", "cidr": 31, "gateway": "10.70.1.2"},
    {"public": true, "management": false, "address": "203.0.113.40", "cidr": 32, "gateway": "203.0.113.40"}]},
 "bgp_neighbors": [{"address_family": 4, "multihop": true, "peer_ips": ["169.254.255.1"]}]}"#;
const CLIENT: &str = "192.0.2.9";

/// The first link as if it were the bond, which not every kernel has.
fn as_bond(mut actual: Actual) -> Actual {
    for link in actual.links.values_mut() {
        let is_first = link.mac == FIRST.parse().ok();
        link.kind = is_first.then(|| "bond".into());
    }
    actual
}

fn settle(machine: &mut Machine, answer: &str) -> Vec<String> {
    let (wanted, invalid) = desired(answer, &Switches::default());
    assert_eq!(invalid, []);
    let found = difference(&wanted, &as_bond(machine.observe()), &OWNER);
    assert!(found.unmet.is_empty(), "{:?}", found.unmet);
    for op in &found.ops {
        assert_eq!(machine.netlink.apply(op).unwrap(), Applied::Done, "{op}");
    }
    let again = difference(&wanted, &as_bond(machine.observe()), &OWNER);
    assert_eq!(again.ops, []);
    found.ops.iter().map(|op| op.change.to_string()).collect()
}

#[test]
fn an_elastic_address_is_answered_from() {
    in_a_cloud(|machine, cloud| {
        cloud.run(|| {
            for (own, link) in [
                ("198.51.100.2/31", "port0"),
                ("10.70.1.2/31", "port0"),
                ("192.0.2.9/32", "lo"),
                ("169.254.255.1/32", "lo"),
            ] {
                tool(&format!("ip address add {own} dev {link}"));
            }
            tool("ip route add 203.0.113.40 via 198.51.100.3 dev port0");
        });
        // As the units of the first boot have it.
        tool("ip address add 198.51.100.3/31 dev eth0");
        tool("ip address add 10.70.1.3/31 dev eth0");
        tool("ip route add default via 198.51.100.2 dev eth0 proto static");
        tool("ip route add 10.0.0.0/8 via 10.70.1.2 dev eth0 proto static");
        machine.quiet();
        assert_eq!(
            settle(machine, ANSWER),
            [
                "add 203.0.113.40/32 to eth0",
                "add route 169.254.255.1/32 via 10.70.1.2 on eth0",
            ]
        );
        for to in ["198.51.100.3", "203.0.113.40"] {
            assert!(cloud.is_answered(CLIENT, to), "{to}");
        }
        // A session begins at the private address.
        assert_eq!(cloud.asked("169.254.255.1"), ("10.70.1.3".into(), true));

        let without = ANSWER.replace(
            r#""management": false"#,
            r#""management": false, "enabled": false"#,
        );
        assert_eq!(
            settle(machine, &without),
            ["remove 203.0.113.40/32 from eth0"]
        );
        assert_eq!(
            shown("ip -4 route show 10.0.0.0/8"),
            ["10.0.0.0/8 via 10.70.1.2 dev eth0 proto static"]
        );
    });
}
