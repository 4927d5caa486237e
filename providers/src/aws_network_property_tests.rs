//! Whatever comes in instead of some of the answers of a whole machine.

use std::net::Ipv6Addr;

use pilotlight_core::net::{Family, Mac};
use proptest::array::uniform2;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Strategy, any, prop_assert, prop_oneof, proptest};
use proptest::sample::select;

use crate::aws_network::{Interface, Switches, desired};
use crate::aws_network_tests::{FIRST, SECOND, machine};

const TEXTS: [&str; 18] = [
    "",
    "0",
    "1",
    "99",
    FIRST,
    SECOND,
    "02:00:00:00:0a:02:",
    "10.0.2.0/24",
    "10.0.2.20\n10.0.2.21",
    "10.0.2.32/28\n\n",
    "0.0.0.0/0",
    "224.0.0.0/20",
    "255.255.255.255/28",
    "2001:db8:2::/64",
    "2001:db8:2::20\nx",
    "::/0\n::/1",
    "ff00::/44",
    "fe80::1",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(&TEXTS[..]).prop_map(str::to_string),
        1 => "\\PC{0,90}",
        1 => "[0-9a-f:./\n]{0,40}",
    ]
}

/// Another answer for some keys, and none for others.
fn instead() -> impl Strategy<Value = Vec<Option<Option<String>>>> {
    vec(option::weighted(0.1, option::of(text())), 9)
}

fn router() -> impl Strategy<Value = Option<Ipv6Addr>> {
    let any = option::of(any::<u128>().prop_map(Ipv6Addr::from));
    const TEXTS: [&str; 4] = ["fe80::1", "ff02::2", "::", "2001:db8:2::1"];
    prop_oneof![1 => any, 4 => select(&TEXTS[..]).prop_map(|text| text.parse().ok())]
}

proptest! {
    #[test]
    fn nothing_panics_and_what_may_remove_is_whole(
        primary in option::weighted(0.1, option::of(text())),
        macs in uniform2(option::weighted(0.1, text())),
        keys in uniform2(instead()),
        router in router(),
        on in any::<[bool; 2]>(),
        left in text(),
    ) {
        let mut said = machine();
        if let Some(primary) = &primary {
            said.primary = primary.as_deref();
        }
        let all = said.interfaces.iter_mut().zip(macs.iter().zip(&keys));
        for (interface, (mac, keys)) in all {
            let Interface {
                interface_id, device_number, network_card, subnet_ipv4_cidr_block, local_ipv4s, ipv4_prefix,
                subnet_ipv6_cidr_blocks, ipv6s, ipv6_prefix, ..
            } = interface;
            let fields = [
                interface_id, device_number, network_card, subnet_ipv4_cidr_block, local_ipv4s, ipv4_prefix,
                subnet_ipv6_cidr_blocks, ipv6s, ipv6_prefix,
            ];
            for (field, key) in fields.into_iter().zip(keys) {
                if let Some(key) = key {
                    *field = key.as_deref();
                }
            }
            interface.mac = mac.as_deref().unwrap_or(interface.mac);
            interface.ipv6_router = router;
        }
        let left = [left.as_str()];
        let switches = Switches { altnames: on[1], secondary_addresses: on[0], policy_routing: on[1], left_alone: &left };
        let (found, invalid) = desired(&said, &switches);
        if found.may_remove() {
            prop_assert!(invalid.is_empty());
            let is_there = |mac: Mac| found.leaves_alone(mac) || found.links().iter().any(|link| link.mac == mac);
            let primary = said.primary.and_then(|text| text.parse::<Mac>().ok());
            prop_assert!(primary.is_some_and(is_there), "{said:?}");
        }
        for link in found.links() {
            // No rule takes more than a subnet, and each leads to a table that has a default route.
            for rule in link.rules.keys() {
                let from = rule.from.unwrap();
                let default = link.routes.keys().any(|route| {
                    let is_default = route.destination.bits() == 0 && route.gateway.is_some();
                    is_default && route.table == rule.table && route.destination.family() == from.family()
                });
                prop_assert!(default, "{rule:?} {said:?}");
                let fewest = if from.family() == Family::Ipv4 { 16 } else { 44 };
                prop_assert!(from.bits() >= fewest, "{rule:?}");
            }
        }
    }
}
