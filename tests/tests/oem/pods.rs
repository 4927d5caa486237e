//! Containers beside the daemon: what their programs add stays, and their packets arrive, whatever the daemon does.

use pilotlight_tests::metadata_server::Server;
use pilotlight_tests::uml::Guest;

use crate::traffic::{connect, gce};
use crate::world::{
    HERE, Monitor, Pinger, all_but, asks, assert_same, echo, ip, serve, settled_but, space, sysctl,
};
use crate::{Daemon, LINK, becomes};

const OURS: &str = "ip route show table local proto 66";

/// A container as Cilium connects it: with rules of marks, tables of its own, the rule of table `local` further
/// behind, and a route by each endpoint that looks like one of the kernel's.
fn cilium() {
    space("one");
    ip(
        HERE,
        &[
            "link add cilium_host type veth peer name cilium_net",
            "link set cilium_net up",
            "link set cilium_host up",
            "address add 10.244.0.1/32 dev cilium_host",
            "link add lxc0a1b2c3d4e5f type veth peer name eth0 netns one",
            "link set lxc0a1b2c3d4e5f up",
            "route add 10.244.0.5 dev lxc0a1b2c3d4e5f proto kernel scope link",
            "rule add fwmark 0x200/0xf00 lookup 2004 priority 9",
            "route add local default dev lo table 2004 proto kernel",
            "rule add fwmark 0xa00/0xf00 lookup 2005 priority 10",
            "route add 10.244.0.1 dev cilium_host table 2005 scope link",
            "route add default via 10.244.0.1 table 2005",
            "rule add lookup local priority 100 protocol kernel",
            "rule del priority 0",
        ],
    );
    ip(
        "one",
        &[
            "link set eth0 up",
            "address add 10.244.0.5/32 dev eth0",
            "route add 10.244.0.1 dev eth0",
            "route add default via 10.244.0.1",
        ],
    );
}

/// A container on a bridge, without any translation of addresses.
fn bridge() {
    space("two");
    ip(
        HERE,
        &[
            "link add cni0 type bridge",
            "link set cni0 up",
            "address add 10.22.0.1/24 dev cni0",
            "link add veth1234abcd type veth peer name eth0 netns two",
            "link set veth1234abcd master cni0 up",
        ],
    );
    ip(
        "two",
        &[
            "link set eth0 up",
            "address add 10.22.0.5/24 dev eth0",
            "route add default via 10.22.0.1",
        ],
    );
}

#[test]
fn containers_and_management_do_not_notice_the_daemon() {
    let mut guest = Guest::new();
    let [near, far] = guest.cable(["42:01:0a:80:00:0d", "42:01:0a:80:00:01"]);
    guest.boot(|| {
        connect(&near, &far);
        cilium();
        bridge();
        sysctl("ipv4/ip_forward", "1");
        ip(
            HERE,
            &[
                &format!("route add default via 10.128.0.1 dev {near} proto static metric 50"),
                &format!("route add local 192.0.2.77 dev {near} table local proto static"),
            ],
        );
        ip("outside", &["route add 10.0.0.0/8 via 10.128.0.13"]);
        for place in ["outside", "one", "two"] {
            serve(place, "0.0.0.0:8080");
        }
        echo("outside", "198.51.100.10:7");
        echo("one", "10.244.0.5:7");
        let talk = || {
            [
                asks("outside", "10.244.0.5:8080"),
                asks("outside", "10.22.0.5:8080"),
                asks("one", "198.51.100.10:8080"),
                asks("two", "198.51.100.10:8080"),
                asks("one", "10.22.0.5:8080"),
                asks(HERE, "10.244.0.5:8080"),
            ]
        };
        let said = talk();
        assert_eq!(
            said[..2],
            ["10.244.0.5 for 10.128.0.1", "10.22.0.5 for 10.128.0.1"]
        );
        let before = settled_but(66);

        let pingers = [
            ("outside", "10.244.0.5:7"),
            ("two", "198.51.100.10:7"),
            (HERE, "198.51.100.10:7"),
        ];
        let pingers = pingers.map(|(place, server)| Pinger::start(place, server));
        let monitor = Monitor::start();
        let server = Server::start(&format!("{LINK}:80"), gce(&[], &[]));
        let daemon = Daemon::start("gcp");
        let seven = format!("local 203.0.113.7 dev {near} scope host");
        // One of the addresses is within a range of the containers', whose routes are in another table.
        let eight = format!("local 10.22.0.8 dev {near} scope host");
        for round in 0..25 {
            server.change(gce(&["203.0.113.7", "10.22.0.8"], &["2001:db8:1::/96"]));
            becomes(OURS, &[&seven, &eight]);
            if round == 12 {
                assert_same(&before, &all_but(66));
                assert_eq!(talk(), said);
            }
            server.change(gce(&[], &[]));
            becomes(OURS, &[]);
        }
        let answers = pingers.map(Pinger::stop);
        println!("answers: {answers:?}");
        assert!(answers.iter().all(|answers| *answers > 20), "{answers:?}");
        let mut removed = monitor.stop();
        assert_eq!(removed.len(), 25 * 3, "{removed:#?}");
        removed.retain(|line| !line.contains("proto 66 "));
        assert_eq!(removed, Vec::<String>::new());
        assert_same(&before, &all_but(66));
        assert_eq!(talk(), said);
        daemon.stop();
    });
}
