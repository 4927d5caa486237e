//! What a newer kernel may say, and what no kernel says.

use netlink_packet_core::{DefaultNla, NetlinkMessage};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressAttribute;
use netlink_packet_route::route::RouteAttribute;
use netlink_packet_route::rule::RuleAttribute;
use pilotlight_core::net::{Actual, Address, Owner, Route, RouteKind, Rule, scope, table};

use super::decode::read_dump;
use super::encode;

const OWNER: Owner = Owner::PILOTLIGHT;

fn bytes(message: RouteNetlinkMessage) -> Vec<u8> {
    let mut message = NetlinkMessage::from(message);
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

fn read(message: RouteNetlinkMessage) -> Actual {
    let mut actual = Actual::default();
    read_dump(&bytes(message), &mut actual).unwrap();
    actual
}

fn unknown() -> DefaultNla {
    DefaultNla::new(999, vec![1, 2, 3, 4])
}

fn route() -> Route {
    Route {
        table: 10001,
        destination: "10.9.0.0/16".parse().unwrap(),
        metric: 7,
        kind: RouteKind::Unicast,
        link: Some(2),
        hops: [].into(),
        gateway: "10.0.0.1".parse().ok(),
        source: None,
        protocol: OWNER.protocol,
        scope: scope::UNIVERSE,
        onlink: true,
        more: false,
    }
}

fn rule() -> Rule {
    Rule {
        family: pilotlight_core::net::Family::Ipv6,
        priority: 10001,
        from: "2001:db8::/64".parse().ok(),
        to: None,
        table: Some(table::MAIN),
        protocol: OWNER.protocol,
        more: false,
    }
}

#[test]
fn what_is_asked_for_is_what_is_read() {
    let (route, rule) = (route(), rule());
    let address = Address {
        link: 2,
        address: "2001:db8::5/64".parse().unwrap(),
        protocol: OWNER.protocol,
        scope: scope::UNIVERSE,
        permanent: false,
        secondary: false,
    };
    let message = RouteNetlinkMessage::NewRoute(encode::route(&route));
    assert_eq!(read(message).routes, [route].into());
    let message = RouteNetlinkMessage::NewRule(encode::rule(&rule));
    assert_eq!(read(message).rules, [rule].into());
    let message = RouteNetlinkMessage::NewAddress(encode::address(&address));
    assert_eq!(read(message).addresses, [address].into());
}

#[test]
fn what_has_something_unknown_is_not_ours() {
    let mut message = encode::route(&route());
    message.attributes.push(RouteAttribute::Other(unknown()));
    let read_route = read(RouteNetlinkMessage::NewRoute(message));
    assert!(!read_route.routes.iter().any(|one| OWNER.owns_route(one)));
    let mut message = encode::rule(&rule());
    message.attributes.push(RuleAttribute::Other(unknown()));
    let read_rule = read(RouteNetlinkMessage::NewRule(message));
    assert!(!read_rule.rules.iter().any(|one| OWNER.owns_rule(one)));
    assert_eq!((read_route.routes.len(), read_rule.rules.len()), (1, 1));
}

/// A destination that cannot be read must not become the default route.
#[test]
fn a_destination_in_an_unknown_form_is_none_of_ours() {
    let mut message = encode::route(&route());
    for attribute in &mut message.attributes {
        if matches!(attribute, RouteAttribute::Destination(_)) {
            *attribute = RouteAttribute::Other(DefaultNla::new(1, vec![10, 9]));
        }
    }
    let actual = read(RouteNetlinkMessage::NewRoute(message));
    assert!(
        actual
            .routes
            .iter()
            .all(|one| one.more && !OWNER.owns_route(one))
    );
}

#[test]
fn an_address_without_an_address_is_an_error() {
    let mut message = encode::all_addresses(pilotlight_core::net::Family::Ipv4, Some(2));
    if let RouteNetlinkMessage::GetAddress(inner) = &mut message {
        inner
            .attributes
            .push(AddressAttribute::Label("eth0".into()));
        message = RouteNetlinkMessage::NewAddress(inner.clone());
    }
    let error = read_dump(&bytes(message), &mut Actual::default()).unwrap_err();
    assert!(error.to_string().ends_with("an address without an address"));
}
