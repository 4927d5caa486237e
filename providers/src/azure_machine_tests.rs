//! What a machine shows of Azure, and which of its links is meant.

use pilotlight_core::net::{
    Actual, Address, Change, Link, Owner, Route, RouteKind, difference, scope, table,
};
use serde_json::json;

use crate::azure_network::{Switches, has_azure_cni, primary, routers};
use crate::azure_network_tests::{FIRST, ROUTER, SECOND, heard, nic, of};

fn link(name: &str, kind: Option<&str>, mac: Option<&str>) -> Link {
    Link {
        name: name.into(),
        kind: kind.map(str::to_string),
        mac: mac.map(|mac| mac.parse().unwrap()),
        up: true,
        ..Link::default()
    }
}

fn default_route(destination: &str, gateway: &str, metric: u32, link: u32) -> Route {
    Route {
        table: table::MAIN,
        destination: destination.parse().unwrap(),
        metric,
        kind: RouteKind::Unicast,
        link: Some(link),
        hops: [].into(),
        gateway: gateway.parse().ok(),
        source: None,
        protocol: 16,
        scope: scope::UNIVERSE,
        onlink: false,
        more: false,
    }
}

#[test]
fn what_the_machine_shows() {
    let mut actual = Actual::default();
    assert_eq!(primary(&actual), None);
    actual.links.insert(2, link("eth0", None, Some(FIRST)));
    actual.links.insert(3, link("eth1", None, Some(SECOND)));
    actual
        .routes
        .insert(default_route("0.0.0.0/0", "10.1.2.1", 200, 3));
    actual
        .routes
        .insert(default_route("0.0.0.0/0", "10.1.0.1", 100, 2));
    actual.routes.insert(default_route("::/0", ROUTER, 100, 3));
    actual
        .routes
        .insert(default_route("::/0", "fd00::1", 100, 2));
    assert_eq!(primary(&actual), FIRST.parse().ok());
    assert_eq!(routers(&actual), heard());

    let off = |actual: &Actual| {
        let switches = Switches::default().yielding_to_azure_cni(actual);
        !switches.policy_routing && !switches.apply_network_config_for_secondary_ips
    };
    assert!(!has_azure_cni(&actual) && !off(&actual));
    for (name, kind, is) in [
        ("azure0", Some("bridge"), true),
        ("azure0", Some("dummy"), false),
        ("azv0123456789a", Some("veth"), true),
        ("azv768e8de", Some("veth"), true),
        ("azvolume", Some("veth"), false),
        ("azv768e8de", None, false),
    ] {
        actual.links.insert(4, link(name, kind, None));
        assert_eq!(off(&actual), is, "{name}");
    }
}

/// Of the two devices with one address, what is wanted is wanted of the synthetic one.
#[test]
fn a_virtual_function_gets_nothing() {
    let mut actual = Actual::default();
    let mut synthetic = link("eth0", None, Some(FIRST));
    synthetic.driver = Some("hv_netvsc".into());
    actual.links.insert(2, synthetic);
    for (index, driver) in (3..).zip(["mlx4_en", "mlx5_core", "mana"]) {
        let mut function = link("enP1s1", None, Some(FIRST));
        function.driver = Some(driver.into());
        actual.links.insert(index, function);
    }
    let all = json!([nic(
        FIRST,
        "10.1.0.0",
        json!("24"),
        &["10.1.0.4", "10.1.0.5"]
    )]);
    let (wanted, _) = of(&all, &Switches::default());
    let found = difference(&wanted, &actual, &Owner::PILOTLIGHT);
    assert!(found.unmet.is_empty(), "{:?}", found.unmet);
    let expected = Address {
        link: 2,
        address: "10.1.0.5/24".parse().unwrap(),
        protocol: Owner::PILOTLIGHT.protocol,
        scope: scope::UNIVERSE,
        permanent: true,
        secondary: false,
    };
    let changes: Vec<Change> = found.ops.into_iter().map(|op| op.change).collect();
    let link = "eth0".to_string();
    assert_eq!(
        changes,
        [Change::AddAddress {
            address: expected,
            link
        }]
    );
}
