//! EC2: secondary interfaces have tables of their own.

use pilotlight_tests::metadata_server::Server;
use pilotlight_tests::metadata_server::ec2::{BEGIN, FIRST, SECOND, Says};
use pilotlight_tests::uml::Guest;
use pilotlight_tests::{run, tool};

use crate::{Daemon, LINK, becomes, becomes_of, foreign, lines};

/// What the service says, by the number of the second interface; `None` is that it is gone.
fn says(second: Option<&'static str>) -> impl Fn(&str) -> Option<String> {
    let says = Says { second, ..BEGIN };
    move |path| says.answer(path)
}

/// The daemon's rules.
fn rules() -> Vec<String> {
    let mut all = lines("ip -d rule show");
    all.retain(|line| line.contains("proto 176"));
    all
}

const NONE: &[&str] = &[];

#[test]
fn secondary_interfaces_come_and_go() {
    let mut guest = Guest::new();
    let nics = [guest.nic(FIRST), guest.nic(SECOND)];
    guest.boot(|| {
        let [first, second] = &nics;
        crate::begin();
        tool(&format!("ip link set {first} up"));
        tool(&format!("ip address add 10.0.1.20/24 dev {first}"));
        tool(&format!("ip route add default via 10.0.1.1 dev {first} proto dhcp metric 512"));
        tool("ip rule add from 172.30.0.0/16 lookup 200 priority 100");
        tool("ip route add 172.30.0.0/16 via 10.0.1.9 table 200 proto static");
        let before = foreign(176);
        let names = |link: &str| {
            let shown = tool(&format!("ip -d link show dev {link}"));
            let words = shown.lines().filter_map(|line| line.trim().strip_prefix("altname "));
            let mut words: Vec<String> = words.map(str::to_string).collect();
            words.sort();
            words
        };
        let files = || run("find /etc/systemd/network /run/systemd/network -type f").out;
        let no_files = files();
        // Attached, and its number has not come to the service yet.
        let server = Server::start(&format!("{LINK}:80"), says(Some("0")));
        let daemon = Daemon::start("aws");
        let addresses = format!("ip -4 -o address show dev {first} scope global");
        let own = format!("2: {first}    inet 10.0.1.20/24 scope global {first}\\       valid_lft forever preferred_lft forever");
        let more = format!("2: {first}    inet 10.0.1.21/32 scope global {first}\\       valid_lft forever preferred_lft forever");
        becomes(&addresses, &[&own, &more]);
        assert_eq!(rules(), NONE);
        becomes_of(|| names(first), "names", &["device-number-0", "eni-1"]);
        assert_eq!(names(second), ["eni-2"]);
        // The number has come, and then the link comes up, which is a reason to ask.
        server.change(says(Some("1")));
        tool(&format!("ip link set {second} up"));
        tool(&format!("ip address add 10.0.2.20/24 dev {second}"));
        let expected = [
            "10001:\tfrom 10.0.2.20 lookup 10001 proto 176",
            "10001:\tfrom 10.0.2.21 lookup 10001 proto 176",
            "10001:\tfrom 10.0.2.32/28 lookup 10001 proto 176",
        ];
        becomes_of(rules, "rules", &expected);
        let routes = [
            format!("default via 10.0.2.1 dev {second} proto 176"),
            format!("10.0.2.0/24 dev {second} proto 176 scope link"),
        ];
        let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
        becomes("ip route show table 10001", &routes);
        becomes_of(|| names(second), "names", &["device-number-1", "eni-2"]);
        let way = tool("ip route get 192.0.2.1 from 10.0.2.20");
        assert!(way.contains(&format!("via 10.0.2.1 dev {second}")), "{way}");
        // Detached: nothing of it is left.
        server.change(says(None));
        tool(&format!("ip link set {second} down"));
        becomes_of(rules, "rules", NONE);
        becomes("ip route show table all proto 176", &[]);
        tool(&format!("ip address del 10.0.2.20/24 dev {second}"));
        // No file of it was ever written that could stay.
        assert_eq!(files(), no_files);
        // Its addresses are the kernel's own routes.
        becomes(&addresses, &[&own, &more]);
        daemon.stop();
        tool(&format!("ip address del 10.0.1.21/32 dev {first}"));
        assert_eq!(foreign(176), before);
    });
}
