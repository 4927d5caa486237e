//! What is taken of the item, and what is left out.

use pilotlight_core::net::{Desired, Invalid};
use serde_json::{Value, json};

use super::{desired, network};
use crate::transcript::{Transcript, now};

fn of(document: &Value) -> (Desired, Vec<String>) {
    let (desired, invalid) = desired(&document.to_string(), &[]);
    (desired, invalid.iter().map(Invalid::to_string).collect())
}

fn one(key: &str, value: Value) -> Value {
    let mut interface = json!({"mac": "52:54:00:00:00:01"});
    interface[key] = value;
    json!({"interfaces": [interface]})
}

#[test]
fn everything_that_an_interface_can_have() {
    let (desired, invalid) = of(&json!({"interfaces": [
        {"mac": "52:54:00:00:00:02"},
        {
            "mac": "52:54:00:00:00:01", "mtu": 1460, "locals": ["203.0.113.7", "2001:db8:1::/96"],
            "addresses": ["10.0.2.21/32"],
            "routes": [
                {"table": 10001, "destination": "10.0.2.0/24"},
                {"table": 10001, "destination": "0.0.0.0/0", "gateway": "10.0.2.2"}
            ],
            "rules": [{"priority": 10001, "from": "10.0.2.21", "table": 10001},
                {"priority": 10002, "to": "10.9.0.0/16", "table": 10001}]
        }
    ]}));
    assert_eq!(invalid, [""; 0]);
    assert!(desired.may_remove());
    let [first, second] = desired.links() else {
        panic!("{desired:?}");
    };
    assert_eq!(first.mtu.map(|mtu| mtu.what), Some(1460));
    let locals: Vec<String> = first.locals.keys().map(ToString::to_string).collect();
    assert_eq!(locals, ["203.0.113.7/32", "2001:db8:1::/96"]);
    let addresses: Vec<String> = first.addresses.keys().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.0.2.21/32"]);
    let routes: Vec<String> = (first.routes.keys())
        .map(|route| format!("{} {} {:?}", route.table, route.destination, route.gateway))
        .collect();
    assert_eq!(
        routes,
        ["10001 0.0.0.0/0 Some(10.0.2.2)", "10001 10.0.2.0/24 None"]
    );
    let rules: Vec<String> = (first.rules.keys())
        .map(|rule| {
            format!(
                "{} {:?} {:?} {}",
                rule.priority, rule.from, rule.to, rule.table
            )
        })
        .collect();
    assert_eq!(rules.len(), 2, "{rules:?}");
    assert_eq!(
        (second.mtu, second.locals.len(), second.rules.len()),
        (None, 0, 0)
    );
}

#[test]
fn what_cannot_be_read_is_told_with_its_place_and_removes_nothing() {
    let long = "1".repeat(50);
    for (document, place) in [
        (one("mac", json!("52:54")), "interfaces[0].mac"),
        (one("mtu", json!(3)), "interfaces[0].mtu"),
        (
            one("locals", json!(["203.0.113.7", "x"])),
            "interfaces[0].locals[1]",
        ),
        (one("locals", json!([long])), "interfaces[0]"),
        (
            one("locals", json!(vec!["203.0.113.7"; 1025])),
            "interfaces[0]",
        ),
        (
            one("addresses", json!(["127.0.0.1/8"])),
            "interfaces[0].addresses[0]",
        ),
        (
            one("routes", json!([{"table": 9, "destination": ""}])),
            "interfaces[0].routes[0]",
        ),
        (
            one(
                "routes",
                json!([{"table": 9, "destination": "10.0.0.0/8", "gateway": "x"}]),
            ),
            "interfaces[0].routes[0]",
        ),
        (
            one("routes", json!([{"table": 0, "destination": "10.0.0.0/8"}])),
            "interfaces[0].routes[0]",
        ),
        (
            one("rules", json!([{"priority": 9, "table": 9}])),
            "interfaces[0].rules[0]",
        ),
        (
            one("rules", json!([{"priority": 9, "table": 9, "to": "x"}])),
            "interfaces[0].rules[0]",
        ),
        (
            one(
                "rules",
                json!([{"priority": 0, "table": 9, "to": "10.0.0.1"}]),
            ),
            "interfaces[0].rules[0]",
        ),
        // The item as a whole.
        (one("local", json!([])), "opt/org.flatcar-linux/oem/network"),
        (
            one("locals", json!("203.0.113.7")),
            "opt/org.flatcar-linux/oem/network",
        ),
        (one("mtu", json!(-1)), "opt/org.flatcar-linux/oem/network"),
        (json!([]), "opt/org.flatcar-linux/oem/network"),
        (json!({}), "opt/org.flatcar-linux/oem/network"),
    ] {
        let (desired, invalid) = of(&document);
        assert!(!desired.may_remove(), "{document}");
        assert_eq!(invalid.len(), 1, "{document}: {invalid:?}");
        assert!(invalid[0].starts_with(&format!("{place}: ")), "{invalid:?}");
    }
    let interfaces: Vec<Value> = (0..65)
        .map(|at| json!({"mac": format!("52:54:00:00:00:{at:02x}")}))
        .collect();
    let (all, invalid) = of(&json!({"interfaces": interfaces}));
    assert_eq!((all.links().len(), invalid.len()), (64, 1));
    let large = format!("{{\"interfaces\": []}}{}", " ".repeat(4 << 20));
    let deep = "[".repeat(100_000);
    for document in [large.as_str(), deep.as_str(), "", "\u{0}"] {
        let (desired, invalid) = desired(document, &[]);
        assert_eq!((desired.links().len(), invalid.len()), (0, 1));
        assert!(!desired.may_remove());
        assert!(invalid[0].text.len() <= 256);
    }
}

#[test]
fn an_interface_can_be_left_to_another_program() {
    let left = ["eni-1".to_string(), "52-54-00-00-00-01".to_string()];
    let document = one("locals", json!(["203.0.113.7"])).to_string();
    let (desired, invalid) = desired(&document, &left);
    assert_eq!(invalid, []);
    assert!(desired.leaves_alone("52:54:00:00:00:01".parse().unwrap()));
}

#[test]
fn a_guest_without_the_item_says_nothing() {
    assert!(
        now(network(&Transcript::default(), None))
            .unwrap()
            .is_none()
    );
    let item = "opt/org.flatcar-linux/oem/network";
    let with = Transcript {
        fw_cfg: vec![(item, "{\"interfaces\": []}")],
        ..Transcript::default()
    };
    let said = now(network(&with, None)).unwrap().unwrap();
    assert_eq!(said.document, "{\"interfaces\": []}");
    assert_eq!(said.cursor, None);
}
