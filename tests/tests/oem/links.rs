//! Links that are made of others, and very many addresses.

use pilotlight_tests::metadata_server::Server;
use pilotlight_tests::uml::Guest;
use pilotlight_tests::{pilotlight, tool};

use crate::traffic::gce;
use crate::world::{HERE, asks, asks_in_vain, ip, serve, space};
use crate::{Daemon, LINK, becomes, becomes_of, lines};

const FIRST: &str = "42:01:0a:80:00:0d";
const OURS: &str = "ip route show table local proto 66";

#[test]
fn a_vlan_is_not_its_parent_and_a_bond_stands_for_its_members() {
    let mut guest = Guest::new();
    let [near, far] = guest.cable([FIRST, "42:01:0a:80:00:01"]);
    let spare = guest.nic("42:01:0a:80:00:0e");
    guest.boot(|| {
        crate::begin();
        tool("modprobe -a 8021q bonding");
        space("outside");
        ip(HERE, &[&format!("link set {far} netns outside")]);
        ip(
            "outside",
            &[
                &format!("link set {far} up"),
                &format!("address add 10.128.0.1/24 dev {far}"),
                "route add 203.0.113.7 via 10.128.0.13",
            ],
        );
        ip(
            HERE,
            &[
                &format!("link set {near} up"),
                &format!("link add link {near} name vlan5 type vlan id 5"),
                "link set vlan5 up",
                "address add 10.5.0.13/24 dev vlan5",
                &format!("address add 10.128.0.13/24 dev {near}"),
            ],
        );
        let of_vlan = lines("ip -d address show dev vlan5");
        assert!(
            of_vlan.iter().any(|line| line.contains(FIRST)),
            "{of_vlan:?}"
        );
        serve(HERE, "0.0.0.0:8080");
        let server = Server::start(&format!("{LINK}:80"), gce(&["203.0.113.7"], &[]));
        let mut daemon = Daemon::start("gcp");
        becomes(OURS, &[&format!("local 203.0.113.7 dev {near} scope host")]);
        let reached = || asks("outside", "203.0.113.7:8080");
        assert_eq!(reached(), "203.0.113.7 for 10.128.0.1");
        assert_eq!(
            lines("ip route show dev vlan5"),
            ["10.5.0.0/24 proto kernel scope link src 10.5.0.13"]
        );

        // The interface becomes part of a bond, which has its address then.
        ip(
            HERE,
            &[
                "link del vlan5",
                "link add bond0 type bond mode active-backup",
                &format!("address flush dev {near} scope global"),
                &format!("link set {near} down"),
                &format!("link set {near} master bond0"),
                &format!("link set {spare} down"),
                &format!("link set {spare} master bond0"),
                "link set bond0 up",
                "address add 10.128.0.13/24 dev bond0",
            ],
        );
        let macs = || {
            let all = ["bond0", &near, &spare].map(|nic| {
                let text = tool(&format!("ip -j link show dev {nic}"));
                let all: serde_json::Value = serde_json::from_str(&text).unwrap();
                all[0]["address"].as_str().unwrap().to_string()
            });
            all.to_vec()
        };
        becomes_of(macs, "addresses", &[FIRST; 3]);
        becomes(OURS, &["local 203.0.113.7 dev bond0 scope host"]);
        assert_eq!(reached(), "203.0.113.7 for 10.128.0.1");
        let shown = pilotlight(&["oem", "show", "--platform", "gcp"]).out;
        let meant = format!("wanted:\n  {FIRST} (bond0)\n");
        assert!(shown.contains(&meant), "{shown}");
        // Its members are not touched.
        for nic in [&near, &spare] {
            assert_eq!(
                lines(&format!("ip route show table all dev {nic}")),
                Vec::<String>::new()
            );
        }
        server.change(gce(&[], &[]));
        becomes(OURS, &[]);
        assert!(asks_in_vain("outside", "203.0.113.7:8080"));
        server.change(gce(&["203.0.113.7"], &[]));
        becomes(OURS, &["local 203.0.113.7 dev bond0 scope host"]);

        // The bond ends, and the interface is itself again.
        ip(
            HERE,
            &[
                "link del bond0",
                &format!("link set {near} up"),
                &format!("address add 10.128.0.13/24 dev {near}"),
            ],
        );
        becomes(OURS, &[&format!("local 203.0.113.7 dev {near} scope host")]);
        // A bridge stands for nobody: what it joins belongs to containers and guests.
        ip(
            HERE,
            &[
                "link add br0 type bridge",
                &format!("link set {near} master br0"),
                "link set br0 up",
            ],
        );
        daemon.says(&["not done: the network of", "is a part of another one"]);
        // What it had before would take away what is for them.
        becomes(OURS, &[]);
        daemon.stop();
    });
}

#[test]
fn a_thousand_addresses_come_and_go() {
    let mut guest = Guest::new();
    let macs = [1, 2, 3, 4].map(|number| format!("42:01:0a:80:00:{number:02x}"));
    let nics = macs.each_ref().map(|mac| guest.nic(mac));
    guest.boot(|| {
        crate::begin();
        for (number, nic) in nics.iter().enumerate() {
            ip(
                HERE,
                &[
                    &format!("link set {nic} up"),
                    &format!("address add 10.{number}.0.13/24 dev {nic}"),
                ],
            );
        }
        let says = |of_each: u32| {
            let interfaces: Vec<String> = (macs.iter().enumerate())
                .map(|(number, mac)| {
                    let ips: Vec<String> = (0..of_each)
                        .map(|ip| format!("203.0.{number}.{ip}"))
                        .collect();
                    format!(r#"{{"mac": "{mac}", "forwardedIps": {ips:?}}}"#)
                })
                .collect();
            let interfaces = interfaces.join(", ");
            let text = format!(r#"{{"instance": {{"networkInterfaces": [{interfaces}]}}}}"#);
            move |path: &str| (path == "/computeMetadata/v1/").then(|| text.clone())
        };
        let count = || vec![lines(OURS).len().to_string()];
        let server = Server::start(&format!("{LINK}:80"), says(250));
        let daemon = Daemon::start("gcp");
        becomes_of(count, OURS, &["1000"]);
        let mut there = lines(OURS);
        assert!(there.contains(&format!("local 203.0.3.249 dev {} scope host", nics[3])));
        ip(HERE, &["route del local 203.0.2.100 table local"]);
        becomes_of(count, OURS, &["1000"]);
        there.sort();
        assert_eq!(lines(OURS), there);
        // A person can look at all of it.
        let shown = pilotlight(&["oem", "plan", "--platform", "gcp"]);
        assert_eq!(
            shown.out, "as gcp says now\nnothing is to be done\n",
            "{}",
            shown.err
        );
        server.change(says(0));
        becomes_of(count, OURS, &["0"]);
        let said = daemon.stop();
        let told = |words: &str| said.lines().filter(|line| line.contains(words)).count();
        assert_eq!(
            (told("add local route"), told("remove local route")),
            (1001, 1000)
        );
        assert_eq!(said.lines().count(), 2001, "nothing else is told");
    });
}
