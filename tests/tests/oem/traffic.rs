//! Packets: clients outside of the machine, which reach it by what the daemon adds and by nothing else.

use pilotlight_tests::metadata_server::Server;
use pilotlight_tests::metadata_server::ec2::{self, SECOND, Says};
use pilotlight_tests::tool;
use pilotlight_tests::uml::Guest;

use crate::world::{
    HERE, Monitor, Pinger, all_but, asks, asks_in_vain, assert_same, echo, ip, serve, settled_but,
    space, sysctl,
};
use crate::{Daemon, LINK, becomes, becomes_of, lines, settings};

const FIRST: &str = "42:01:0a:80:00:0d";
const FAR: &str = "42:01:0a:80:00:01";
const OURS: &str = "ip route show table local proto 66";
const OURS_6: &str = "ip -6 route show table local proto 66";

/// What GCE says of a machine with one interface.
pub fn gce(ips: &[&str], ranges: &[&str]) -> impl Fn(&str) -> Option<String> + use<> {
    let text = format!(
        r#"{{"instance": {{"attributes": {{}}, "networkInterfaces": [{{"mac": "{FIRST}", "ip": "10.128.0.13",
            "forwardedIps": {ips:?}, "forwardedIpv6s": {ranges:?}}}]}}, "project": {{"attributes": {{}}}}}}"#
    );
    move |path| (path == "/computeMetadata/v1/").then(|| text.clone())
}

/// Connects a machine of GCE with the outside, where a client has 198.51.100.10.
pub fn connect(near: &str, far: &str) {
    crate::begin();
    space("outside");
    ip(HERE, &[&format!("link set {far} netns outside")]);
    ip(
        "outside",
        &[
            &format!("link set {far} up"),
            &format!("address add 10.128.0.1/24 dev {far}"),
            &format!("address add 2001:db8::1/64 dev {far} nodad"),
            "address add 198.51.100.10/32 dev lo",
            "route add 203.0.113.0/24 via 10.128.0.13 src 198.51.100.10",
            "route add 2001:db8:1::/96 via 2001:db8::13",
        ],
    );
    ip(
        HERE,
        &[
            &format!("link set {near} up"),
            &format!("address add 10.128.0.13/24 dev {near}"),
            &format!("address add 2001:db8::13/64 dev {near} nodad"),
            &format!("route add default via 10.128.0.1 dev {near} proto dhcp metric 100"),
            &format!("route add default via 2001:db8::1 dev {near} proto ra metric 100"),
        ],
    );
}

#[test]
fn clients_reach_what_is_forwarded_by_the_daemon_alone() {
    let mut guest = Guest::new();
    let [near, far] = guest.cable([FIRST, FAR]);
    guest.boot(|| {
        connect(&near, &far);
        for server in ["0.0.0.0:8080", "[::]:8081"] {
            serve(HERE, server);
        }
        let own = ["10.128.0.13:8080", "[2001:db8::13]:8081"];
        let forwarded = ["203.0.113.7:8080", "[2001:db8:1::5]:8081"];
        let reached = |servers: [&str; 2]| servers.map(|server| asks("outside", server));
        let never_reached = || forwarded.map(|server| asks_in_vain("outside", server)) == [true; 2];
        let by_own = ["10.128.0.13 for 10.128.0.1", "2001:db8::13 for 2001:db8::1"];
        assert_eq!(reached(own), by_own);
        assert!(never_reached(), "before");

        let server = Server::start(
            &format!("{LINK}:80"),
            gce(&["203.0.113.7"], &["2001:db8:1::/96"]),
        );
        let mut daemon = Daemon::start("gcp");
        let seven = format!("local 203.0.113.7 dev {near} scope host");
        becomes(OURS, &[&seven]);
        let range = format!("local 2001:db8:1::/96 dev {near} metric 1024 pref medium");
        becomes(OURS_6, &[&range]);
        let by_forwarding = [
            "203.0.113.7 for 198.51.100.10",
            "2001:db8:1::5 for 2001:db8::1",
        ];
        assert_eq!(reached(forwarded), by_forwarding);

        // The clock is set. What the platform says is heard at once all the same.
        let monitor = Monitor::start();
        let eight = format!("local 203.0.113.8 dev {near} scope host");
        let nine = format!("local 203.0.113.9 dev {near} scope host");
        tool("date --set +1year");
        let ranges = ["2001:db8:1::/96"];
        server.change(gce(&["203.0.113.7", "203.0.113.8"], &ranges));
        becomes(OURS, &[&seven, &eight]);
        tool("date --set -2years");
        let ips = ["203.0.113.7", "203.0.113.8", "203.0.113.9"];
        server.change(gce(&ips, &ranges));
        becomes(OURS, &[&seven, &eight, &nine]);
        assert_eq!(monitor.stop(), Vec::<String>::new());
        assert_eq!(reached(forwarded), by_forwarding);

        // One daemon waits for the end of another one, which is killed at any moment.
        for round in 0..10 {
            let next = Daemon::start("gcp");
            ip(HERE, &["route del local 203.0.113.7 table local"]);
            if round % 2 == 0 {
                server.change(gce(&["203.0.113.7"], &ranges));
            } else {
                server.change(gce(&ips, &ranges));
            }
            daemon.signal("KILL");
            daemon = next;
            match round % 2 {
                0 => becomes(OURS, &[&seven]),
                _ => becomes(OURS, &[&seven, &eight, &nine]),
            };
            becomes(OURS_6, &[&range]);
        }

        server.change(gce(&[], &[]));
        becomes(OURS, &[]);
        becomes(OURS_6, &[]);
        assert!(never_reached(), "after");
        assert_eq!(reached(own), by_own);
        daemon.stop();
    });
}

/// What EC2 says of a machine with two interfaces.
fn ec2(path: &str) -> Option<String> {
    let says = Says {
        own: "10.0.1.20",
        second: Some("1"),
        addresses: Some("10.0.2.20\n10.0.2.21\n10.0.2.50"),
    };
    says.answer(path)
}

/// The daemon's rules.
fn rules() -> Vec<String> {
    let mut all = lines("ip -d rule show");
    all.retain(|line| line.contains("proto 176"));
    all
}

#[test]
fn replies_of_a_secondary_interface_leave_by_it() {
    let mut guest = Guest::new();
    let [first, far_first] = guest.cable([ec2::FIRST, "02:00:00:00:ff:01"]);
    let [second, far_second] = guest.cable([SECOND, "02:00:00:00:ff:02"]);
    guest.boot(|| {
        crate::begin();
        // Each interface has a router of its own, and a client is behind the second one's only.
        for (name, far, net) in [("one", &far_first, 1), ("two", &far_second, 2)] {
            space(name);
            ip(HERE, &[&format!("link set {far} netns {name}")]);
            ip(
                name,
                &[
                    &format!("link set {far} up"),
                    &format!("address add 10.0.{net}.1/24 dev {far}"),
                ],
            );
        }
        ip("one", &["address add 198.51.100.10/32 dev lo"]);
        ip("two", &["address add 192.0.2.9/32 dev lo"]);
        for (nic, net) in [(&first, 1), (&second, 2)] {
            ip(
                HERE,
                &[
                    &format!("link set {nic} up"),
                    &format!("address add 10.0.{net}.20/24 dev {nic}"),
                    &format!(
                        "route add default via 10.0.{net}.1 dev {nic} proto dhcp metric {net}00"
                    ),
                ],
            );
            sysctl(&format!("ipv4/conf/{nic}/rp_filter"), "1");
        }
        sysctl("ipv4/conf/all/rp_filter", "1");
        serve(HERE, "0.0.0.0:8080");
        // From the subnet itself it is always reached.
        assert_eq!(asks("two", "10.0.2.20:8080"), "10.0.2.20 for 10.0.2.1");
        for address in ["10.0.2.20", "10.0.2.21"] {
            ip(
                "two",
                &[
                    &format!("route add {address} dev {far_second} src 192.0.2.9"),
                    // The filter drops requests of ARP as well: it is to be the packets themselves.
                    &format!(
                        "neighbour replace {address} lladdr {SECOND} dev {far_second} nud permanent"
                    ),
                ],
            );
        }
        assert!(asks_in_vain("two", "10.0.2.20:8080"), "before");
        assert!(asks_in_vain("two", "10.0.2.21:8080"), "before");
        let before = settled_but(176);

        let server = Server::start(&format!("{LINK}:80"), ec2);
        let daemon = Daemon::start("aws");
        let rule = |address: &str| format!("10001:\tfrom {address} lookup 10001 proto 176");
        let all = ["10.0.2.20", "10.0.2.21", "10.0.2.50", "10.0.2.32/28"].map(rule);
        let all = all.each_ref().map(String::as_str);
        becomes_of(rules, "rules", &all);
        let reached =
            || ["10.0.2.20", "10.0.2.21"].map(|address| asks("two", &format!("{address}:8080")));
        let replies = ["10.0.2.20 for 192.0.2.9", "10.0.2.21 for 192.0.2.9"];
        assert_eq!(reached(), replies);

        // Added and removed again and again, while the primary interface is in use.
        echo("one", "198.51.100.10:7");
        let pinger = Pinger::start(HERE, "198.51.100.10:7");
        let monitor = Monitor::start();
        for round in 0..50 {
            let on = round % 2 == 1;
            settings(&format!("[AWS]\npolicy_routing = {on}\n"));
            daemon.signal("HUP");
            becomes_of(rules, "rules", if on { &all } else { &[] });
        }
        let mut removed = monitor.stop();
        assert_eq!(removed.len(), 25 * 6, "{removed:#?}");
        removed.retain(|line| !line.contains("proto 176"));
        assert_eq!(removed, Vec::<String>::new());
        let answers = pinger.stop();
        assert!(answers > 10, "{answers}");
        assert_eq!(reached(), replies);

        // The VPC CNI comes: a container has an address of the interface, and what was added goes.
        let secondary = || {
            let mut all = lines(&format!("ip -4 -o address show dev {second}"));
            all.retain(|line| line.contains("/32"));
            all.len()
        };
        assert_eq!(secondary(), 2);
        space("pod");
        let veth = "eni0123456789a";
        ip(
            HERE,
            &[
                &format!(
                    "link add {veth} address 0e:00:00:00:00:01 type veth peer name eth0 netns pod"
                ),
                &format!("link set {veth} up"),
            ],
        );
        ip(
            "pod",
            &[
                "link set eth0 up",
                "address add 10.0.2.50/32 dev eth0",
                "route add 169.254.1.1 dev eth0",
                "route add default via 169.254.1.1",
                "neighbour add 169.254.1.1 lladdr 0e:00:00:00:00:01 dev eth0 nud permanent",
            ],
        );
        sysctl("ipv4/ip_forward", "1");
        let cni = [
            format!("route add 10.0.2.50 dev {veth} scope link"),
            format!("route add 10.0.2.1 dev {second} scope link table 2"),
            format!("route add default via 10.0.2.1 dev {second} table 2"),
            "rule add to 10.0.2.50 lookup main priority 512".into(),
            "rule add fwmark 0x80/0x80 lookup main priority 1024".into(),
            "rule add from 10.0.2.50 lookup 2 priority 1536".into(),
        ];
        ip(HERE, &cni.each_ref().map(String::as_str));
        becomes_of(rules, "rules", &[]);
        becomes("ip route show table all proto 176", &[]);
        assert_eq!(secondary(), 0);
        ip("two", &["route add 10.0.2.50 via 10.0.2.20 src 192.0.2.9"]);
        serve("pod", "0.0.0.0:8080");
        serve("two", "192.0.2.9:8080");
        let pods = || [asks("two", "10.0.2.50:8080"), asks("pod", "192.0.2.9:8080")];
        let both = ["10.0.2.50 for 192.0.2.9", "192.0.2.9 for 10.0.2.50"];
        assert_eq!(pods(), both);
        let with_cni = settled_but(176);
        // The clock is set, and another container comes: the service is asked again, and nothing comes of it.
        tool("date --set +1year");
        let asked = server.count();
        ip(HERE, &["link add enibbbbbbbbbbb type veth peer name there"]);
        server.was_asked(asked + 5);
        tool("date --set -2years");
        ip(HERE, &["link del enibbbbbbbbbbb"]);
        assert_eq!(pods(), both);
        daemon.signal("HUP");
        assert_same(&with_cni, &all_but(176));

        // It goes, and all is as it was.
        ip(
            HERE,
            &[&format!("link del {veth}"), "rule del priority 512"],
        );
        ip(HERE, &["rule del priority 1024", "rule del priority 1536"]);
        ip(HERE, &["route flush table 2"]);
        becomes_of(rules, "rules", &all);
        assert_eq!(reached(), replies);
        settings("[AWS]\npolicy_routing = false\nsecondary_addresses = false\n");
        daemon.signal("HUP");
        becomes_of(rules, "rules", &[]);
        becomes_of(|| vec![secondary().to_string()], "addresses", &["0"]);
        daemon.stop();
        assert_same(&before, &settled_but(176));
    });
}
