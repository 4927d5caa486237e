//! What is taken of GCE's answers, what is left out, and when nothing may be removed.

use pilotlight_core::net::{Desired, Invalid, Mac, Prefix};
use serde_json::{Value, json};

use crate::gcp_network::{Switches, desired};

pub(crate) const FIRST: &str = "42:01:0a:80:00:0d";
const SECOND: &str = "42:01:0a:84:00:02";

fn nic(mac: &str) -> Value {
    json!({
        "mac": mac, "ip": "10.128.0.13", "subnetmask": "255.255.255.0", "gateway": "10.128.0.1", "mtu": 1460,
        "forwardedIps": ["203.0.113.7", "203.0.113.8/32"], "forwardedIpv6s": ["2001:db8:1::/96"],
        "targetInstanceIps": ["198.51.100.20"], "ipAliases": ["10.20.0.0/28"],
    })
}

pub(crate) fn machine() -> Value {
    let second = json!({ "mac": SECOND, "forwardedIps": ["203.0.113.9"] });
    json!({
        "instance": { "attributes": { "ssh-keys": "" }, "networkInterfaces": [nic(FIRST), second] },
        "project": { "attributes": {} },
    })
}

pub(crate) fn of(all: &Value, switches: &Switches) -> (Desired, Vec<Invalid>) {
    desired(&all.to_string(), switches)
}

/// The local routes, one a line.
fn locals(desired: &Desired) -> Vec<String> {
    let links = desired.links().iter();
    let all = links.flat_map(|link| {
        let locals = link.locals.keys();
        locals.map(|local| format!("{} {local}", link.mac))
    });
    all.collect()
}

fn told(invalid: &[Invalid]) -> Vec<String> {
    invalid.iter().map(Invalid::to_string).collect()
}

#[test]
fn every_kind_is_a_local_route_of_its_interface() {
    let (desired, invalid) = of(&machine(), &Switches::default());
    assert_eq!(invalid, []);
    assert!(desired.may_remove());
    assert_eq!(
        locals(&desired),
        [
            "42:01:0a:80:00:0d 10.20.0.0/28",
            "42:01:0a:80:00:0d 198.51.100.20/32",
            "42:01:0a:80:00:0d 203.0.113.7/32",
            "42:01:0a:80:00:0d 203.0.113.8/32",
            "42:01:0a:80:00:0d 2001:db8:1::/96",
            "42:01:0a:84:00:02 203.0.113.9/32",
        ]
    );
    for link in desired.links() {
        assert!(link.addresses.is_empty() && link.routes.is_empty() && link.rules.is_empty());
        assert_eq!((&link.mtu, &link.kind), (&None, &None));
    }
    let reasons: Vec<&str> = desired.links()[0].locals.values().copied().collect();
    assert_eq!(reasons[0], "it is an alias range of the interface");
    assert_eq!(reasons[2], "it is forwarded to this machine");
}

#[test]
fn each_kind_has_its_switch() {
    let on = Switches::default();
    for (switches, kept) in [
        (
            Switches {
                forwarded_ips: false,
                ..on
            },
            &["10.20.0.0/28", "198.51.100.20/32", "2001:db8:1::/96"][..],
        ),
        (
            Switches {
                forwarded_ipv6s: false,
                target_instance_ips: false,
                ..on
            },
            &["10.20.0.0/28", "203.0.113.7/32", "203.0.113.8/32"],
        ),
        (
            Switches {
                forwarded_ipv6s: false,
                forwarded_ips: false,
                ip_aliases: false,
                ..on
            },
            &["198.51.100.20/32"],
        ),
        (
            Switches {
                ip_forwarding: false,
                ..on
            },
            &[],
        ),
    ] {
        let (desired, invalid) = of(&machine(), &switches);
        assert_eq!(invalid, []);
        assert!(desired.may_remove(), "{switches:?}");
        let locals = desired.links()[0].locals.keys();
        let locals: Vec<String> = locals.map(Prefix::to_string).collect();
        assert_eq!(locals, kept, "{switches:?}");
    }
    // A kind that is off is not looked at, so that what is wrong there does not keep the rest from being done.
    let mut all = machine();
    all["instance"]["networkInterfaces"][0]["ipAliases"] = json!(["all of them"]);
    let off = Switches {
        ip_aliases: false,
        ..on
    };
    assert!(of(&all, &off).0.may_remove() && !of(&all, &on).0.may_remove());
}

#[test]
fn an_address_counts_once_however_it_is_spelled() {
    let mut all = machine();
    all["instance"]["networkInterfaces"] = json!([{
        "mac": "42-01-0A-80-00-0D",
        "forwardedIps": ["203.0.113.7", "203.0.113.7/32", " 203.0.113.7 "],
        "targetInstanceIps": ["203.0.113.7"],
        "forwardedIpv6s": ["2001:DB8:1:0:0:0:0:0/96", "2001:db8:1::/96"],
        "ipAliases": ["10.20.0.5/28", "10.20.0.0/28"],
    }]);
    let (desired, invalid) = of(&all, &Switches::default());
    assert_eq!(invalid, []);
    assert_eq!(
        locals(&desired),
        [
            "42:01:0a:80:00:0d 10.20.0.0/28",
            "42:01:0a:80:00:0d 203.0.113.7/32",
            "42:01:0a:80:00:0d 2001:db8:1::/96",
        ]
    );
}

#[test]
fn the_address_manager_is_disabled_by_the_nearest_that_says_so() {
    let none = None::<&str>;
    for (own, instance, project, disabled) in [
        (None, none, none, false),
        (None, Some("true"), none, true),
        (None, none, Some("true"), true),
        (None, Some("false"), Some("true"), false),
        (None, Some("true"), Some("false"), true),
        (None, Some("perhaps"), Some("true"), true),
        (None, Some("perhaps"), none, false),
        (Some(true), Some("false"), Some("false"), true),
        (Some(false), Some("true"), Some("true"), false),
    ] {
        let mut all = machine();
        for (of, text) in [("instance", instance), ("project", project)] {
            if let Some(text) = text {
                all[of]["attributes"]["disable-address-manager"] = text.into();
            }
        }
        let switches = Switches {
            disable_address_manager: own,
            ..Switches::default()
        };
        let (desired, invalid) = of(&all, &switches);
        let case = format!("{own:?} {instance:?} {project:?}");
        assert_eq!(desired.links().is_empty(), disabled, "{case}");
        let readable = instance != Some("perhaps");
        assert_eq!(desired.may_remove(), !disabled && readable, "{case}");
        assert_eq!(invalid.is_empty(), readable, "{case}");
    }
}

#[test]
fn booleans_are_those_of_go() {
    let says = |value: Value| {
        let mut all = machine();
        all["instance"]["attributes"]["disable-address-manager"] = value;
        let (desired, invalid) = of(&all, &Switches::default());
        (desired.links().is_empty(), told(&invalid))
    };
    for text in ["1", "t", "T", "TRUE", "true", "True"] {
        assert_eq!(says(text.into()), (true, vec![]), "{text}");
    }
    for text in ["0", "f", "F", "FALSE", "false", "False"] {
        assert_eq!(says(text.into()), (false, vec![]), "{text}");
    }
    assert_eq!(says(true.into()), (true, vec![]));
    for text in ["", "yes", "on", "2", "truely"] {
        assert_eq!(
            says(text.into()),
            (
                false,
                vec![format!(
                    "instance/attributes/disable-address-manager: {:?} is left out: it is no boolean",
                    format!("{text:?}")
                )]
            )
        );
    }
}

#[test]
fn a_bad_entry_is_told_with_its_place_and_spoils_none() {
    let mut all = machine();
    let interfaces = &mut all["instance"]["networkInterfaces"];
    interfaces[0]["forwardedIps"] = json!([
        "203.0.113.7",
        "203.0.113",
        7,
        "203.0.113.8/33",
        "x".repeat(5000)
    ]);
    interfaces[0]["ipAliases"] = json!("10.20.0.0/28");
    interfaces[1] = json!({ "ip": "10.132.0.2" });
    let third = json!({ "mac": "42:01", "forwardedIps": ["203.0.113.10"] });
    let fourth = json!({ "mac": SECOND, "forwardedIps": ["203.0.113.9"] });
    interfaces
        .as_array_mut()
        .unwrap()
        .extend([third, fourth, json!(null)]);
    let (desired, invalid) = of(&all, &Switches::default());
    assert!(!desired.may_remove());
    assert_eq!(
        locals(&desired),
        [
            "42:01:0a:80:00:0d 198.51.100.20/32",
            "42:01:0a:80:00:0d 203.0.113.7/32",
            "42:01:0a:80:00:0d 2001:db8:1::/96",
            "42:01:0a:84:00:02 203.0.113.9/32",
        ]
    );
    let mut places: Vec<&str> = invalid.iter().map(|one| one.place.as_str()).collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(
        places,
        [
            "instance/network-interfaces/0/forwarded-ips/1",
            "instance/network-interfaces/0/forwarded-ips/2",
            "instance/network-interfaces/0/forwarded-ips/3",
            "instance/network-interfaces/0/forwarded-ips/4",
            "instance/network-interfaces/0/ip-aliases",
            "instance/network-interfaces/1",
            "instance/network-interfaces/2/mac",
            "instance/network-interfaces/4",
        ]
    );
    let told = told(&invalid);
    for line in [
        "instance/network-interfaces/0/forwarded-ips/1: \"203.0.113\" is left out: it is neither IPv4 nor IPv6",
        "instance/network-interfaces/0/forwarded-ips/2: \"7\" is left out: it is no text",
    ] {
        assert!(told.iter().any(|one| one == line), "{told:#?}");
    }
    assert!(
        told.iter()
            .any(|one| one.ends_with("it has no hardware address")),
        "{told:#?}"
    );
    assert!(told.iter().all(|one| one.len() < 300), "{told:#?}");
}

#[test]
fn without_interfaces_nothing_is_removed() {
    let on = Switches::default();
    let off = Switches {
        ip_forwarding: false,
        ..on
    };
    for answer in [
        "",
        "{}",
        "null",
        "[]",
        r#"{"instance":{}}"#,
        r#"{"instance":{"networkInterfaces":[]}}"#,
        r#"{"instance":{"networkInterfaces":null}}"#,
        r#"{"instance":{"networkInterfaces":{}}}"#,
        r#"{"instance":null,"project":{}}"#,
    ] {
        for switches in [&on, &off] {
            let (desired, invalid) = desired(answer, switches);
            assert!(!desired.may_remove(), "{answer}");
            assert!(!invalid.is_empty(), "{answer}");
        }
    }
}

#[test]
fn an_interface_without_addresses_is_one() {
    let text = format!(r#"{{"instance":{{"networkInterfaces":[{{"mac":"{FIRST}"}}]}}}}"#);
    let (desired, invalid) = desired(&text, &Switches::default());
    assert_eq!(invalid, []);
    assert!(desired.may_remove());
    assert_eq!(desired.links().len(), 1);
}

#[test]
fn vlan_interfaces_are_left_out_and_told() {
    let vlan = "42:01:0a:90:00:05";
    let mut all = machine();
    all["instance"]["vlanNetworkInterfaces"] = json!({ "0": {
        "5": { "mac": vlan, "parentInterface": "/computeMetadata/v1/instance/network-interfaces/0/", "vlan": 5,
            "mtu": 1460, "ip": "10.144.0.5", "gateway": "10.144.0.1", "forwardedIps": ["203.0.113.50"] },
        "6": { "mac": FIRST, "vlan": 6 },
    } });
    let (desired, invalid) = of(&all, &Switches::default());
    assert!(desired.may_remove());
    assert_eq!(
        locals(&desired),
        locals(&of(&machine(), &Switches::default()).0)
    );
    let mac = |text: &str| text.parse::<Mac>().unwrap();
    assert!(desired.leaves_alone(mac(vlan)) && !desired.leaves_alone(mac(FIRST)));
    assert_eq!(
        told(&invalid),
        [
            format!(
                "instance/vlan-network-interfaces/0/5: {vlan:?} is left out: VLAN interfaces are left to other \
                 programs"
            ),
            format!(
                "instance/vlan-network-interfaces/0/6: {FIRST:?} is left out: VLAN interfaces are left to other \
                 programs"
            ),
        ]
    );
    // Which link must be left alone is not known of this one.
    for broken in [json!({ "0": { "5": {} } }), json!({ "0": 5 }), json!(["5"])] {
        all["instance"]["vlanNetworkInterfaces"] = broken;
        assert!(!of(&all, &Switches::default()).0.may_remove(), "{all}");
    }
}

#[test]
fn there_are_bounds() {
    let on = Switches::default();
    let with = |interfaces: Vec<Value>| json!({ "instance": { "networkInterfaces": interfaces } });
    let macs = (0..70).map(|at| nic(&format!("42:01:0a:80:01:{at:02x}")));
    let (found, invalid) = of(&with(macs.collect()), &on);
    assert_eq!((found.links().len(), found.may_remove()), (64, false));
    assert_eq!(invalid[0].place, "instance/network-interfaces/64");

    let many = |count: u32| {
        let addresses = (0..count).map(|at| {
            let [.., a, b] = at.to_be_bytes();
            format!("198.18.{a}.{b}")
        });
        let addresses: Vec<String> = addresses.collect();
        with(vec![json!({ "mac": FIRST, "forwardedIps": addresses })])
    };
    assert_eq!(of(&many(1024), &on).1, []);
    let (found, invalid) = of(&many(1030), &on);
    assert_eq!((locals(&found).len(), found.may_remove()), (1024, false));
    assert_eq!(
        invalid[0].place,
        "instance/network-interfaces/0/forwarded-ips/1024"
    );

    let mut all = machine();
    let vlans = (0..65).map(|at| {
        (
            at.to_string(),
            json!({ "mac": format!("42:01:0a:90:01:{at:02x}") }),
        )
    });
    let vlans: serde_json::Map<String, Value> = vlans.collect();
    all["instance"]["vlanNetworkInterfaces"] = json!({ "0": vlans });
    let (found, invalid) = of(&all, &on);
    assert_eq!((invalid.len(), found.may_remove()), (65, false));

    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let long = format!("{}{}", machine(), " ".repeat(5 << 20));
    for text in [deep, long] {
        let (found, invalid) = desired(&text, &on);
        assert!(found.links().is_empty() && !found.may_remove());
        assert!(
            invalid.len() == 1 && invalid[0].text.len() <= 64,
            "{invalid:?}"
        );
    }
}

#[test]
fn what_is_said_twice_removes_nothing() {
    let twice = [
        format!(
            r#"{{"instance":{{"networkInterfaces":[
                {{"mac":"{FIRST}","forwardedIps":["203.0.113.7"],"forwardedIps":[]}}]}}}}"#
        ),
        format!(
            r#"{{"instance":{{"networkInterfaces":[{{"mac":"{FIRST}"}}],"networkInterfaces":[{{"mac":"{FIRST}"}}]}}}}"#
        ),
        format!(r#"{{"instance":{{"networkInterfaces":[{{"mac":"{FIRST}","mac":"{SECOND}"}}]}}}}"#),
    ];
    for text in twice {
        let (desired, invalid) = desired(&text, &Switches::default());
        assert!(!desired.may_remove() && !invalid.is_empty(), "{text}");
    }
}
