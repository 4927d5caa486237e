//! Netlink dumps: the kernel's messages one after the other, and what would be done on such a machine.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilotlight_core::net::{
    Actual, Change, Desired, Heard, Owner, RouteWish, RuleWish, WishedAddress, Wishes, difference,
};
use pilotlight_sys::netlink::read_dump;

const OWNER: Owner = Owner::PILOTLIGHT;

fuzz_target!(|bytes: &[u8]| {
    let mut actual = Actual::default();
    // What stands before the place where it makes no sense any more is there all the same.
    let _ = read_dump(bytes, &mut actual);
    for desired in [desired(&actual, true), desired(&actual, false)] {
        let found = difference(&desired, &actual, &OWNER);
        let mut after = actual.clone();
        for op in &found.ops {
            let line = op.to_string();
            assert!(!line.chars().any(char::is_control), "{line:?}");
            serde_json::to_string(op).expect("an operation is JSON");
            let ours = match &op.change {
                Change::RemoveAddress { address, .. } => OWNER.owns_address(address),
                Change::RemoveRoute { route, .. } => OWNER.owns_route(route),
                Change::ReplaceRoute { old, .. } => OWNER.owns_route(old),
                Change::RemoveRule { rule } => OWNER.owns_rule(rule),
                _ => true,
            };
            assert!(ours, "{line}");
            op.predict(&mut after);
        }
        for unmet in &found.unmet {
            let line = unmet.to_string();
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
});

/// Something for each link that can be meant, or nothing.
fn desired(actual: &Actual, something: bool) -> Desired {
    let mut wishes = Wishes::new();
    for link in actual.links.values() {
        let Some(mac) = link.mac else { continue };
        let Some(mut said) = wishes.link(&mac.to_string(), link.kind.as_deref(), "") else {
            continue;
        };
        if !something {
            continue;
        }
        said.local("203.0.113.7", "", "why");
        said.local("2001:db8:1::/96", "", "why");
        for (address, bits) in [("10.0.0.6", Some(24)), ("2001:db8::6", None)] {
            said.address(WishedAddress { address, bits }, "", "why");
        }
        for (to, via) in [("0.0.0.0/0", "10.0.0.1"), ("::/0", "fe80::1")] {
            let (Ok(destination), gateway) = (to.parse(), via.parse().ok()) else {
                continue;
            };
            let route = RouteWish {
                table: 254,
                destination,
                gateway,
                metric: None,
                onlink: false,
            };
            said.route(route, "", "why");
        }
        let rule = RuleWish {
            priority: 10001,
            from: "10.0.0.6".parse().ok(),
            to: None,
            table: 10001,
        };
        said.rule(rule, "", "why");
        said.mtu(1400, "", "why");
    }
    wishes.end(Heard::Whole).0
}
