//! Whatever the other platforms answer, and whatever is there.

use std::collections::BTreeMap;

use pilotlight_core::net::{Change, Desired, Invalid, NetOp, Owner, difference};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof};
use proptest::sample::select;
use serde_json::{Value, json};

use crate::random_machine::{foreign, machine};
use crate::{
    azure_network, azure_network_tests, digitalocean_network, digitalocean_network_tests,
    hetzner_network, hetzner_network_tests, openstack_network, openstack_network_tests,
    packet_network, packet_network_tests, vmware_network, vmware_network_tests,
};

pub(crate) const OWNER: Owner = Owner::PILOTLIGHT;

type Wanted = (Desired, Vec<Invalid>);

/// A platform: a whole answer, and what follows from one.
struct Case {
    name: &'static str,
    whole: String,
    desired: fn(&str) -> Wanted,
    units: fn(&str) -> Vec<(String, String)>,
}

/// Between the two answers of Hetzner.
const SEAM: &str = "\u{1}";

fn hetzner(text: &str) -> hetzner_network::Said<'_> {
    let (network_config, private) = text.split_once(SEAM).unwrap_or((text, "[]"));
    hetzner_network::Said {
        network_config,
        private_networks: Some(private),
    }
}

fn azure(text: &str) -> azure_network::Said<'_> {
    azure_network::Said {
        interfaces: text,
        primary: azure_network_tests::FIRST.parse().ok(),
        routers: azure_network_tests::heard(),
    }
}

fn cases() -> [Case; 6] {
    [
        Case {
            name: "azure",
            whole: azure_network_tests::machine().to_string(),
            desired: |text| {
                azure_network::desired(&azure(text), &azure_network::Switches::default())
            },
            units: |_| Vec::new(),
        },
        Case {
            name: "packet",
            whole: packet_network_tests::machine().to_string(),
            desired: |text| packet_network::desired(text, &packet_network::Switches::default()),
            units: |_| Vec::new(),
        },
        Case {
            name: "digitalocean",
            whole: digitalocean_network_tests::machine().to_string(),
            desired: |text| {
                digitalocean_network::desired(text, &digitalocean_network::Switches::default())
            },
            units: |text| digitalocean_network::networkd_units(text).0,
        },
        Case {
            name: "hetzner",
            whole: format!(
                "{}{SEAM}{}",
                hetzner_network_tests::CONFIG,
                hetzner_network_tests::PRIVATE
            ),
            desired: |text| {
                hetzner_network::desired(&hetzner(text), &hetzner_network::Switches::default())
            },
            units: |text| hetzner_network::networkd_units(&hetzner(text)).0,
        },
        Case {
            name: "openstack",
            whole: openstack_network_tests::machine().to_string(),
            desired: |text| {
                openstack_network::desired(text, &openstack_network::Switches::default())
            },
            units: |text| openstack_network::networkd_units(text).0,
        },
        Case {
            name: "vmware",
            whole: vmware_network_tests::MACHINE.into(),
            desired: |text| vmware_network::desired(text, &vmware_network::Switches::default()),
            units: |text| vmware_network::networkd_units(text).0,
        },
    ]
}

/// What stands instead of a part of an answer.
const INSTEAD: [&str; 22] = [
    "",
    "null",
    "[]",
    "{}",
    "\"",
    "}",
    "]",
    ", ",
    ": ",
    "\n",
    "0",
    "7",
    "64",
    "-1",
    "true",
    "\"10.1.0.1\"",
    "10.70.1.2",
    "0.0.0.0",
    "255.255.255.255",
    "fe80::1",
    "::",
    "ff02::1",
];

/// An answer of which some parts are others.
fn broken(whole: &str, changes: &[(u16, u8, String)]) -> String {
    let mut text = whole.to_string();
    for (at, length, instead) in changes {
        let floor = |at: usize| {
            (0..=at.min(text.len()))
                .rev()
                .find(|at| text.is_char_boundary(*at))
        };
        let at = usize::from(*at) % (text.len() + 1);
        let (from, to) = (floor(at), floor(at + usize::from(*length)));
        text.replace_range(from.unwrap()..to.unwrap(), instead);
    }
    text
}

fn changes() -> impl Strategy<Value = Vec<(u16, u8, String)>> {
    let instead = prop_oneof![
        4 => select(&INSTEAD[..]).prop_map(str::to_string),
        1 => "\\PC{0,20}",
        1 => "[0-9a-f:./]{0,20}",
    ];
    vec((any::<u16>(), 0..12_u8, instead), 0..4)
}

fn removes(op: &NetOp) -> bool {
    matches!(
        op.change,
        Change::ReplaceRoute { .. }
            | Change::RemoveRule { .. }
            | Change::RemoveRoute { .. }
            | Change::RemoveAddress { .. }
    )
}

/// Lines that units can have: sections, keys of which the value is of harmless characters, and the comment.
fn is_unit(name: &str, text: &str) -> bool {
    let is_name = name.starts_with("70-pilotlight-") && !name.contains(['/', ' ', '\n']);
    let harmless = |c: char| c.is_ascii_alphanumeric() || " .:/+-=[]\"'_,#".contains(c);
    let has_section = text.contains("[Match]") || text.contains("[NetDev]");
    is_name && has_section && text.lines().all(|line| line.chars().all(harmless))
}

proptest::proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_anothers_stays_and_done_once_nothing_is_left(
        changes in changes(), choices in vec(any::<u8>(), 0..64), at in 0..6_usize,
    ) {
        let case = &cases()[at];
        let (whole, invalid) = (case.desired)(&case.whole);
        prop_assert!(whole.may_remove() && invalid.is_empty(), "{}", case.name);
        let before = machine(&whole, &choices);
        let text = broken(&case.whole, &changes);
        let (wanted, invalid) = (case.desired)(&text);
        prop_assert!(!wanted.may_remove() || invalid.is_empty());
        prop_assert!(!wanted.may_remove() || !wanted.links().is_empty());
        for one in &invalid {
            prop_assert!(one.text.chars().count() <= 64, "{}", one);
        }
        let found = difference(&wanted, &before, &OWNER);
        let mut now = before.clone();
        for op in &found.ops {
            op.predict(&mut now);
            prop_assert_eq!(&foreign(&now), &foreign(&before), "{} {}", case.name, op);
            prop_assert!(wanted.may_remove() || !removes(op), "{} {}", case.name, op);
        }
        let again = difference(&wanted, &now, &OWNER);
        prop_assert_eq!(&again.ops, &vec![], "{} after {:#?}", case.name, found.ops);
        for (name, text) in (case.units)(&text) {
            prop_assert!(is_unit(&name, &text), "{} {} {}", case.name, name, text);
        }
    }

    #[test]
    fn nothing_panics_whatever_comes(text in "\\PC*", choices in vec(any::<u8>(), 0..8)) {
        let text = format!("{text}{}", String::from_utf8_lossy(&choices));
        for case in cases() {
            let (found, _) = (case.desired)(&text);
            // YAML makes something of most texts, and never an interface.
            prop_assert!(!found.may_remove(), "{}", case.name);
            (case.units)(&text);
        }
    }
}

#[test]
fn half_an_answer_never_makes_a_removal_possible() {
    for case in cases() {
        // Half a document of YAML is one, too: its end is that of a list.
        if case.whole.starts_with(['{', '[']) {
            for end in (0..case.whole.len()).filter(|end| case.whole.is_char_boundary(*end)) {
                let (found, _) = (case.desired)(&case.whole[..end]);
                assert!(!found.may_remove(), "{} {end}", case.name);
            }
        }
    }
}

/// All values of a tree that decide about the network, as JSON pointers.
fn places(value: &Value, at: &str, idle: &[&str], all: &mut Vec<String>) {
    if idle.iter().any(|name| at.contains(name)) {
        return;
    }
    all.push(at.into());
    match value {
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                places(value, &format!("{at}/{index}"), idle, all);
            }
        }
        Value::Object(members) => {
            for (key, value) in members {
                places(value, &format!("{at}/{key}"), idle, all);
            }
        }
        _ => {}
    }
}

#[test]
fn a_broken_entry_never_makes_a_removal_possible() {
    // What is not read, or decides nothing.
    let idle: BTreeMap<&str, &[&str]> = [
        ("azure", &["/publicIpAddress"][..]),
        (
            "packet",
            &[
                "/id",
                "/name",
                "/bonding",
                "/netmask",
                "family",
                "/customer_ip",
                "/routes_in",
                "/3/gateway",
            ],
        ),
        (
            "digitalocean",
            &[
                "/droplet_id",
                "/type",
                "/anchor_ipv4/gateway",
                "/private/0/ipv4/gateway",
            ],
        ),
        (
            "openstack",
            &[
                "/bond_miimon",
                "/services/0/type",
                "/links/2/type",
                "/links/3/type",
                "/links/4/type",
                "/networks/0/id",
                "/networks/1/id",
                "/networks/2/id",
                "/networks/3/id",
            ],
        ),
    ]
    .into();
    for case in cases() {
        let Some(idle) = idle.get(case.name) else {
            continue;
        };
        let whole: Value = serde_json::from_str(&case.whole).unwrap();
        let mut all_places = Vec::new();
        places(&whole, "", idle, &mut all_places);
        assert!(all_places.len() > 20, "{} {all_places:?}", case.name);
        for place in &all_places {
            for junk in [
                json!(-0.5),
                json!("203.0.113.7/"),
                json!([[]]),
                json!([null]),
                json!({ "x": 1 }),
            ] {
                let mut all = whole.clone();
                *all.pointer_mut(place).unwrap() = junk;
                let (found, invalid) = (case.desired)(&all.to_string());
                assert!(
                    !found.may_remove() && !invalid.is_empty(),
                    "{} {place}: {all}",
                    case.name
                );
            }
        }
    }
}
