//! Links, rules and routes in the words of a picture.

use super::Mark;
use crate::net::actual::{Actual, Link, METRIC_OF_IPV6, Route, RouteKind, Rule, table};
use crate::net::prefix::Family;

/// What a link is.
pub(super) fn about(link: &Link, actual: &Actual) -> String {
    let mut words = Vec::new();
    words.extend(link.mac.map(|mac| mac.to_string()));
    words.extend(link.kind.clone());
    if link.loopback {
        words.push("loopback".into());
    }
    words.push(if link.up { "up" } else { "down" }.into());
    words.push(format!("MTU {}", link.mtu));
    if let Some(master) = link.master {
        words.push(format!("part of {}", actual.name(master)));
    }
    words.join(", ")
}

/// The name of a table.
pub(super) fn table_name(number: u32) -> String {
    match number {
        table::MAIN => "table main".into(),
        table::LOCAL => "table local".into(),
        // linux/rtnetlink.h, `RT_TABLE_DEFAULT`.
        253 => "table default".into(),
        other => format!("table {other}"),
    }
}

/// Which packets a rule is for.
pub(super) fn rule(rule: &Rule) -> String {
    let mut text = rule.family.to_string();
    if let Some(from) = &rule.from {
        text.push_str(&format!(" from {from}"));
    }
    if let Some(to) = &rule.to {
        text.push_str(&format!(" to {to}"));
    }
    match (rule.more, rule.from.is_some() || rule.to.is_some()) {
        (true, _) => text.push_str(" with a mark, interface or port"),
        (false, false) => text.push_str(" all packets"),
        (false, true) => {}
    }
    text
}

/// A route, without its table. Of another's it is said whose.
pub(super) fn route(route: &Route, mark: Mark, actual: &Actual) -> String {
    let family = route.destination.family();
    let mut text = match route.destination.bits() {
        0 => format!("default ({family})"),
        _ => route.destination.to_string(),
    };
    match route.kind {
        RouteKind::Unicast => {}
        RouteKind::Local => text.insert_str(0, "local "),
        RouteKind::Other(number) => text.insert_str(0, &format!("{} ", kind(number))),
    }
    if let Some(gateway) = route.gateway {
        text.push_str(&format!(" via {gateway}"));
    }
    match (route.link, route.hops.len()) {
        (Some(link), _) => text.push_str(&format!(" on {}", actual.name(link))),
        (None, 0) => {}
        (None, hops) => text.push_str(&format!(" over {hops} links")),
    }
    let usual = match family {
        Family::Ipv4 => 0,
        Family::Ipv6 => METRIC_OF_IPV6,
    };
    if route.metric != usual && route.kind == RouteKind::Unicast {
        text.push_str(&format!(" metric {}", route.metric));
    }
    if mark == Mark::Foreign {
        text.push_str(&format!(" ({})", protocol(route.protocol)));
    }
    text
}

/// What a route does with packets (linux/rtnetlink.h, `RTN_…`).
fn kind(number: u8) -> String {
    match number {
        3 => "broadcast".into(),
        4 => "anycast".into(),
        5 => "multicast".into(),
        6 => "blackhole".into(),
        7 => "unreachable".into(),
        8 => "prohibit".into(),
        9 => "throw".into(),
        other => format!("type {other}"),
    }
}

/// Who added a route (linux/rtnetlink.h, `RTPROT_…`).
fn protocol(number: u8) -> String {
    match number {
        1 => "redirect".into(),
        2 => "kernel".into(),
        3 => "boot".into(),
        4 => "static".into(),
        9 => "ra".into(),
        16 => "dhcp".into(),
        186 => "bgp".into(),
        other => format!("protocol {other}"),
    }
}
