//! What is taken of a platform's texts, and what is left out.

use super::actual::table;
use super::desired::{Heard, Invalid, RouteWish, RuleWish, WishedAddress, Wishes};
use super::{Desired, Family, Prefix};

const MAC: &str = "02:00:00:00:00:01";

fn locals(texts: &[&str], heard: Heard) -> (Desired, Vec<Invalid>) {
    let mut wishes = Wishes::new();
    let mut link = wishes.link(MAC, None, "mac").unwrap();
    for (at, text) in texts.iter().enumerate() {
        link.local(text, &format!("forwardedIps[{at}]"), "it is forwarded");
    }
    wishes.end(heard)
}

#[test]
fn a_bad_address_is_told_with_its_place_and_spoils_none() {
    let texts = [
        "203.0.113.7",
        "203.0.113",
        "203.0.113.7/32",
        "2001:db8::/96",
    ];
    let (desired, invalid) = locals(&texts, Heard::Whole);
    let kept: Vec<String> = desired.links()[0]
        .locals
        .keys()
        .map(Prefix::to_string)
        .collect();
    assert_eq!(kept, ["203.0.113.7/32", "2001:db8::/96"]);
    let told: Vec<String> = invalid.iter().map(Invalid::to_string).collect();
    assert_eq!(
        told,
        ["forwardedIps[1]: \"203.0.113\" is left out: it is neither IPv4 nor IPv6"]
    );
    assert!(!desired.may_remove());
}

#[test]
fn only_a_whole_answer_removes() {
    assert!(
        locals(&["203.0.113.7"], Heard::Whole).0.may_remove(),
        "whole"
    );
    assert!(
        locals(&[], Heard::Whole).0.may_remove(),
        "a link without wishes"
    );
    assert!(!locals(&["203.0.113.7"], Heard::Partly).0.may_remove());
    assert!(
        !Wishes::new().end(Heard::Whole).0.may_remove(),
        "without a link"
    );
}

#[test]
fn what_has_another_form_removes_nothing() {
    let mut wishes = Wishes::new();
    wishes.link(MAC, None, "mac").unwrap();
    wishes.unreadable("forwardedIps", "7", "it is no list");
    let (desired, invalid) = wishes.end(Heard::Whole);
    assert!(!desired.may_remove());
    assert_eq!(
        invalid[0].to_string(),
        "forwardedIps: \"7\" is left out: it is no list"
    );
}

#[test]
fn what_no_platform_can_mean_is_left_out() {
    let texts = [
        "0.0.0.0/0",
        "10.0.0.0/7",
        "::/0",
        "127.0.0.1",
        "::1",
        "169.254.169.254",
        "fe80::1",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
    ];
    let (desired, invalid) = locals(&texts, Heard::Whole);
    assert_eq!(invalid.len(), texts.len(), "{invalid:?}");
    assert!(desired.links()[0].locals.is_empty());

    let mut wishes = Wishes::new();
    assert!(wishes.link("02:00", None, "mac").is_none());
    let mut link = wishes.link(MAC, None, "mac").unwrap();
    let everything = Prefix::everything(Family::Ipv4);
    let route = |gateway: &str, table| RouteWish {
        table,
        destination: everything,
        gateway: Some(gateway.parse().unwrap()),
        metric: None,
        onlink: false,
    };
    link.route(route("fe80::1", table::MAIN), "gateway", "");
    link.route(route("0.0.0.0", table::MAIN), "gateway", "");
    link.route(route("10.0.0.1", table::LOCAL), "gateway", "");
    let rule = |priority, from| RuleWish {
        priority,
        from,
        to: None,
        table: 10001,
    };
    link.rule(rule(1000, None), "rule", "");
    link.rule(rule(1000, Some(everything)), "rule", "");
    link.rule(rule(0, "10.0.0.1".parse().ok()), "rule", "");
    link.rule(rule(32766, "10.0.0.1".parse().ok()), "rule", "");
    link.mtu(10, "mtu", "");
    link.address(
        WishedAddress {
            address: "10.0.0.1",
            bits: Some(33),
        },
        "address",
        "",
    );
    let (desired, invalid) = wishes.end(Heard::Whole);
    assert_eq!(invalid.len(), 10, "{invalid:?}");
    let left = &desired.links()[0];
    assert!(left.routes.is_empty() && left.rules.is_empty() && left.addresses.is_empty());
    assert_eq!(left.mtu, None);
}
