//! Documents of both versions, and what becomes of them.

use proptest::prelude::ProptestConfig;

use super::networkd_units;

/// The sections behind `[Network]` of the only unit, and what was left out.
fn unit(document: &str) -> (String, Vec<String>) {
    let (units, left_out) = networkd_units(document);
    let text = match units.as_slice() {
        [] => String::new(),
        [(name, text)] => {
            assert_eq!(name, "70-pilotlight-static0.network");
            let (_, network) = text.split_once("[Network]\n").unwrap();
            network.replace("\n\n", "\n").trim_end().replace('\n', " ")
        }
        more => panic!("{more:?}"),
    };
    let left_out = left_out.iter().map(|one| one.why.clone());
    (text, left_out.collect())
}

fn of_subnets(subnets: &str) -> (String, Vec<String>) {
    unit(&format!(
        "version: 1\nconfig:\n- type: physical\n  name: eth0\n  mac_address: '02:00:00:00:00:01'\n  subnets: {subnets}\n\
         - type: nameserver\n  address: ['192.0.2.53', '2001:db8::53']\n  search: [example]\n"
    ))
}

#[test]
fn version_1_has_masks_routes_and_name_servers() {
    const DNS: &str = "DNS=192.0.2.53 DNS=2001:db8::53";
    for (subnets, expected) in [
        (
            "[{type: static, address: 192.0.2.5, netmask: 255.255.255.0, gateway: 192.0.2.1}]",
            format!(
                "DHCP=no IPv6AcceptRA=yes {DNS} [Address] Address=192.0.2.5/24 \
                 [Route] Destination=0.0.0.0/0 Gateway=192.0.2.1"
            ),
        ),
        (
            "[{type: static, address: 192.0.2.5, netmask: 24}]",
            format!("DHCP=no IPv6AcceptRA=yes {DNS} [Address] Address=192.0.2.5/24"),
        ),
        (
            "[{type: static, address: 192.0.2.5, netmask: '24'}]",
            format!("DHCP=no IPv6AcceptRA=yes {DNS} [Address] Address=192.0.2.5/24"),
        ),
        (
            "[{type: static, address: 192.0.2.5/25}]",
            format!("DHCP=no IPv6AcceptRA=yes {DNS} [Address] Address=192.0.2.5/25"),
        ),
        (
            "[{type: static6, address: '2001:db8::5/64', gateway: 'fe80::1'}]",
            format!(
                "DHCP=no IPv6AcceptRA=no {DNS} [Address] Address=2001:db8::5/64 \
                 [Route] Destination=::/0 Gateway=fe80::1"
            ),
        ),
        (
            "[{type: static6, address: '2001:db8::5', netmask: 'ffff:ffff:ffff:ffff::'}]",
            format!("DHCP=no IPv6AcceptRA=no {DNS} [Address] Address=2001:db8::5/64"),
        ),
        (
            "[{type: dhcp4}, {type: static6, address: '2001:db8::5/64'}]",
            format!("DHCP=ipv4 IPv6AcceptRA=no {DNS} [Address] Address=2001:db8::5/64"),
        ),
        (
            "[{type: static, address: 192.0.2.5/24}, {type: ipv6_slaac}]",
            format!("DHCP=no IPv6AcceptRA=yes {DNS} [Address] Address=192.0.2.5/24"),
        ),
        (
            "[{type: static, address: 192.0.2.5/24, routes: [{network: 10.0.0.0, netmask: 255.0.0.0, gateway: 192.0.2.1}]}]",
            format!(
                "DHCP=no IPv6AcceptRA=yes {DNS} [Address] Address=192.0.2.5/24 \
                 [Route] Destination=10.0.0.0/8 Gateway=192.0.2.1"
            ),
        ),
        (
            "[{type: static, address: 192.0.2.5/24, routes: [{destination: 10.0.0.0/8, gateway: 192.0.2.1}]}]",
            format!(
                "DHCP=no IPv6AcceptRA=yes {DNS} [Address] Address=192.0.2.5/24 \
                 [Route] Destination=10.0.0.0/8 Gateway=192.0.2.1"
            ),
        ),
        // DHCP gives all that there is.
        ("[{type: dhcp4}]", String::new()),
        ("[{type: dhcp4}, {type: dhcp6}]", String::new()),
        ("[{type: manual}]", String::new()),
    ] {
        assert_eq!(of_subnets(subnets), (expected, vec![]), "{subnets}");
    }
}

proptest::proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn nothing_panics_whatever_comes(
        text in "(version: [12]\n|config:\n|- type: (physical|nameserver)\n|  mac_address: '02:00:00:00:00:01'\n|  subnets:\n|  - type: (static|dhcp4)\n|    address: [0-9./:a]{0,12}\n|    netmask: [0-9.]{0,12}\n|ethernets:\n|[ -~]){0,20}"
    ) {
        for (name, unit) in networkd_units(&text).0 {
            proptest::prop_assert!(name.starts_with("70-pilotlight-"));
            proptest::prop_assert!(unit.starts_with("# From the platform's metadata"));
        }
    }
}

#[test]
fn what_cannot_be_read_is_told() {
    for (subnets, why) in [
        (
            "[{type: static, address: 192.0.2.5}]",
            "its network is not said",
        ),
        (
            "[{type: static, address: 192.0.2.5, netmask: 255.0.255.0}]",
            "it is no mask of a network",
        ),
        (
            "[{type: static, address: none/24}]",
            "it is no address of an interface",
        ),
        (
            "[{type: static, address: 192.0.2.5/24, gateway: 'fe80::1'}]",
            "it is of the other version of IP",
        ),
        ("[{type: carrier}]", "no such subnet is known"),
        (
            "[{type: manual, routes: [{network: 10.0.0.0, netmask: 255.0.0.0, gateway: 'fe80::1'}]}]",
            "its parts do not fit together",
        ),
    ] {
        let (_, left_out) = of_subnets(subnets);
        assert!(
            left_out.iter().any(|one| one == why),
            "{subnets}: {left_out:?}"
        );
    }
    for document in [
        "{",
        "version: 3\nconfig: []",
        "config: 7",
        "[]",
        "version: 1\nconfig: [{type: bond}]",
    ] {
        let (text, left_out) = unit(document);
        assert!(text.is_empty() && !left_out.is_empty(), "{document}");
    }
}

#[test]
fn version_2_is_netplans_with_or_without_its_key() {
    let inner = "version: 2\nethernets:\n  a:\n    match: {macaddress: '02:00:00:00:00:01'}\n    addresses: [192.0.2.5/24]\n    \
        gateway4: 192.0.2.1\n    nameservers: {addresses: [192.0.2.53]}\n";
    let expected = "DHCP=no IPv6AcceptRA=yes DNS=192.0.2.53 [Address] Address=192.0.2.5/24 \
        [Route] Destination=0.0.0.0/0 Gateway=192.0.2.1";
    assert_eq!(unit(inner), (expected.into(), vec![]));
    let outer = format!("network:\n  {}", inner.trim_end().replace('\n', "\n  "));
    assert_eq!(unit(&outer), (expected.into(), vec![]));
}
