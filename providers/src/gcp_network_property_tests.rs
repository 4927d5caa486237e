//! Whatever comes in, and however an answer is broken.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_oneof, proptest};
use proptest::sample::select;
use serde_json::{Value, json};

use crate::gcp_network::{Switches, desired};
use crate::gcp_network_tests::{FIRST, machine, of};

/// All values of a tree that decide about addresses, as JSON pointers.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    // Not one of these decides about addresses.
    let idle = ["/ip", "/subnetmask", "/gateway", "/mtu", "/ssh-keys"];
    if idle.iter().any(|name| at.ends_with(name)) {
        return;
    }
    all.push(at.into());
    match value {
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                places(value, &format!("{at}/{index}"), all);
            }
        }
        Value::Object(members) => {
            for (key, value) in members {
                places(value, &format!("{at}/{key}"), all);
            }
        }
        _ => {}
    }
}

fn whole() -> Value {
    let mut all = machine();
    all["instance"]["vlanNetworkInterfaces"] =
        json!({ "0": { "5": { "mac": "42:01:0a:90:00:05" } } });
    // The instance's would decide, and the project's would not be read.
    all["project"]["attributes"]["disable-address-manager"] = "false".into();
    all
}

/// Values that are right nowhere.
fn junk() -> [Value; 8] {
    [
        json!(null),
        json!(7),
        json!(-0.5),
        json!(""),
        json!("203.0.113.7/"),
        json!("42:01:0a:80:00"),
        json!([[]]),
        json!([null]),
    ]
}

#[test]
fn a_broken_entry_never_makes_a_removal_possible() {
    let whole = whole();
    assert!(of(&whole, &Switches::default()).0.may_remove());
    let mut all_places = Vec::new();
    places(&whole, "", &mut all_places);
    assert!(all_places.len() > 25, "{all_places:?}");
    for place in &all_places {
        for junk in junk() {
            let mut all = whole.clone();
            *all.pointer_mut(place).unwrap() = junk;
            let (desired, invalid) = of(&all, &Switches::default());
            assert!(
                !desired.may_remove() && !invalid.is_empty(),
                "{place}: {all}"
            );
        }
    }
}

#[test]
fn half_an_answer_never_makes_a_removal_possible() {
    let whole = whole().to_string();
    for end in 0..whole.len() {
        let text = &whole[..end];
        assert!(
            !desired(text, &Switches::default()).0.may_remove(),
            "{text}"
        );
    }
}

/// Any JSON, often with the words that are looked for.
fn anything() -> impl Strategy<Value = Value> {
    const WORDS: [&str; 14] = [
        "instance",
        "project",
        "attributes",
        "disable-address-manager",
        "networkInterfaces",
        "vlanNetworkInterfaces",
        "mac",
        "forwardedIps",
        "forwardedIpv6s",
        "ipAliases",
        "targetInstanceIps",
        FIRST,
        "203.0.113.7",
        "::/0",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,70}".prop_map(Value::from),
        select(&WORDS[..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        let member = (select(&WORDS[..]), inner.clone());
        prop_oneof![
            vec(inner, 0..6).prop_map(Value::from),
            vec(member, 0..6).prop_map(|members| {
                let members = members.into_iter();
                Value::Object(members.map(|(key, value)| (key.into(), value)).collect())
            }),
        ]
    })
}

fn switches() -> impl Strategy<Value = Switches> {
    let disabled = prop_oneof![Just(None), Just(Some(false)), Just(Some(true))];
    (any::<[bool; 5]>(), disabled).prop_map(|(on, disable_address_manager)| {
        let [
            ip_forwarding,
            forwarded_ips,
            forwarded_ipv6s,
            ip_aliases,
            target_instance_ips,
        ] = on;
        Switches {
            ip_forwarding,
            forwarded_ips,
            forwarded_ipv6s,
            ip_aliases,
            target_instance_ips,
            disable_address_manager,
        }
    })
}

proptest! {
    #[test]
    fn nothing_panics_whatever_comes(inside in anything(), text in "\\PC*", switches in switches(), depth in 0..4) {
        let all = match depth {
            0 => inside,
            1 => json!({ "instance": inside }),
            2 => json!({ "instance": { "networkInterfaces": inside } }),
            _ => json!({ "instance": { "networkInterfaces": [inside], "vlanNetworkInterfaces": {} } }),
        };
        let (found, invalid) = of(&all, &switches);
        if found.may_remove() {
            prop_assert!(!found.links().is_empty(), "{all}");
        }
        for one in &invalid {
            prop_assert!(one.text.chars().count() <= 64, "{one}");
        }
        desired(&text, &switches);
    }
}
