//! Compute Engine: local routes of addresses that no link has, by a server that tells of changes.

use std::time::Duration;

use pilotlight_tests::metadata_server::{Mood, Server};
use pilotlight_tests::uml::Guest;
use pilotlight_tests::{Answer, tool};

use crate::{Daemon, LINK, STATE, becomes, foreign, settings};

const FIRST: &str = "42:01:0a:80:00:0d";
const SECOND: &str = "42:01:0a:80:00:0e";
const OURS: &str = "ip route show table local proto 66";

/// What the server says: addresses that are forwarded to the two interfaces.
fn says(first: &str, second: &str) -> impl Fn(&str) -> Option<String> + use<> {
    let list = |text: &str| {
        let quoted: Vec<String> = text
            .split_whitespace()
            .map(|ip| format!("{ip:?}"))
            .collect();
        quoted.join(", ")
    };
    let text = format!(
        r#"{{"instance": {{"attributes": {{"user-data": "secret", "enable-guest-attributes": "TRUE"}}, "networkInterfaces": [
            {{"mac": "{FIRST}", "ip": "10.128.0.13", "forwardedIps": [{}]}},
            {{"mac": "{SECOND}", "ip": "10.129.0.13", "forwardedIps": [{}]}}]}},
            "project": {{"attributes": {{}}}}}}"#,
        list(first),
        list(second)
    );
    move |path| (path == "/computeMetadata/v1/").then(|| text.clone())
}

/// The time of day, in seconds since 1970.
fn now() -> i64 {
    tool("date +%s").trim().parse().unwrap()
}

fn local(ip: &str, nic: &str) -> String {
    format!("local {ip} dev {nic} scope host")
}

#[test]
fn forwarded_addresses_are_kept_true() {
    let mut guest = Guest::new();
    let nics = [guest.nic(FIRST), guest.nic(SECOND)];
    guest.boot(|| {
        let [first, second] = &nics;
        crate::begin();
        for (nic, net) in [(first, 128), (second, 129)] {
            tool(&format!("ip link set {nic} up"));
            tool(&format!("ip address add 10.{net}.0.13/24 dev {nic}"));
        }
        tool(&format!(
            "ip route add default via 10.128.0.1 dev {first} proto dhcp"
        ));
        // Of other hands: Cilium's rules and table, a person's local route.
        tool(&format!(
            "ip route add local 192.0.2.77 dev {first} table local proto static"
        ));
        tool("ip rule add fwmark 0x200/0xf00 lookup 2004 priority 9");
        tool("ip route add local default dev lo table 2004 proto static");
        let before = foreign(66);
        std::fs::create_dir_all("/etc/ssh").unwrap();
        std::fs::write(
            "/etc/ssh/ssh_host_ed25519_key.pub",
            "ssh-ed25519 AAAAC3 root@node\n",
        )
        .unwrap();
        let server = Server::start(&format!("{LINK}:80"), says("203.0.113.7", "203.0.113.8"));
        let mut daemon = Daemon::start("gcp");
        daemon.says(&[
            "add local route 203.0.113.8/32 on",
            "it is forwarded to this machine",
        ]);
        let (seven, eight) = (local("203.0.113.7", first), local("203.0.113.8", second));
        let nine = local("203.0.113.9", first);
        becomes(OURS, &[&seven, &eight]);

        daemon.says(&["told gcp the host key of type ssh-ed25519"]);
        let put = "PUT /computeMetadata/v1/instance/guest-attributes/hostkeys/ssh-ed25519";
        assert_eq!(server.times(put), 1);

        // Somebody deletes a route.
        tool("ip route del local 203.0.113.7 table local");
        let took = becomes(OURS, &[&seven, &eight]);
        println!("a route was back after {} ms", took.as_millis());
        // The kernel takes the routes of a link along with its last address.
        tool(&format!("ip address del 10.129.0.13/24 dev {second}"));
        tool(&format!("ip address add 10.129.0.13/24 dev {second}"));
        becomes(OURS, &[&seven, &eight]);
        tool(&format!("ip link set {second} down"));
        tool(&format!("ip link set {second} up"));
        becomes(OURS, &[&seven, &eight]);
        // A link with another name is the same one, which has to be down for it.
        tool(&format!("ip link set {second} down"));
        tool(&format!("ip link set {second} name ens9"));
        tool("ip link set ens9 up");
        let renamed = local("203.0.113.8", "ens9");
        becomes(OURS, &[&seven, &renamed]);
        tool("ip link set ens9 down");
        tool(&format!("ip link set ens9 name {second}"));
        tool(&format!("ip link set {second} up"));
        becomes(OURS, &[&seven, &eight]);

        // The time of day jumps, by a day and back again.
        for days in [1, -1] {
            let jumped = now() + days * 86_400;
            tool(&format!("date --set @{jumped}"));
            tool("ip route del local 203.0.113.7 table local");
            becomes(OURS, &[&seven, &eight]);
        }

        // The platform says something else, and the request that waits for it ends at once.
        server.change(says("203.0.113.9", "203.0.113.8"));
        becomes(OURS, &[&nine, &eight]);

        // Answers that are none remove nothing, whichever way they fail.
        for mood in [
            Mood::Status(404),
            Mood::Status(503),
            Mood::Half,
            Mood::Huge(10 << 20),
        ] {
            let asked = server.count();
            server.is(mood.clone());
            server.change(says("", ""));
            server.was_asked(asked + 2);
            assert_eq!(crate::lines(OURS), sorted(&[&nine, &eight]), "{mood:?}");
        }
        // Well again: now it counts that nothing is wanted of the second.
        server.change(says("203.0.113.9", ""));
        server.is(Mood::Well);
        becomes(OURS, &[&nine]);

        // An interface takes the address of the other one.
        let have = |nic: &str, mac: &str| {
            for words in [
                "down".to_string(),
                format!("address {mac}"),
                "up".to_string(),
            ] {
                tool(&format!("ip link set {nic} {words}"));
            }
        };
        have(first, "42:01:0a:80:00:aa");
        have(second, FIRST);
        becomes(OURS, &[&local("203.0.113.9", second)]);
        have(second, SECOND);
        have(first, FIRST);
        // A link that goes down takes the routes of others with it, who put them back.
        tool(&format!(
            "ip route add default via 10.128.0.1 dev {first} proto dhcp"
        ));
        becomes(OURS, &[&nine]);

        // Switched off and on by an operator.
        settings("[NetworkInterfaces]\nip_forwarding = false\n");
        daemon.signal("HUP");
        becomes(OURS, &[]);
        settings("");
        daemon.signal("HUP");
        becomes(OURS, &[&nine]);
        let figures = std::fs::read_to_string("/run/figures.prom").unwrap();
        assert!(
            figures.contains("pilotlight_oem_unmet{platform=\"gcp\"} 0\n"),
            "{figures}"
        );

        println!(
            "{}",
            tool(&format!(
                "grep -E Vm(RSS|HWM) /proc/{}/status",
                daemon.0.id()
            ))
        );
        let said = daemon.stop();
        assert!(!said.contains("secret"), "{said}");
        assert_eq!(foreign(66), before);
        let kept = std::fs::read_to_string(format!("{STATE}/network.json")).unwrap();
        assert!(
            kept.contains("203.0.113.9") && !kept.contains("secret"),
            "{kept}"
        );
    });
}

fn sorted(list: &[&str]) -> Vec<String> {
    let mut list: Vec<String> = list.iter().map(ToString::to_string).collect();
    list.sort();
    list
}

#[test]
fn a_daemon_that_was_killed_finds_its_own_again() {
    let mut guest = Guest::new();
    let first = guest.nic(FIRST);
    guest.boot(|| {
        crate::begin();
        tool(&format!("ip link set {first} up"));
        tool(&format!("ip address add 10.128.0.13/24 dev {first}"));
        let server = Server::start(&format!("{LINK}:80"), says("203.0.113.7 203.0.113.8", ""));
        let (seven, eight) = (local("203.0.113.7", &first), local("203.0.113.8", &first));
        let daemon = Daemon::start("gcp");
        becomes(OURS, &[&seven, &eight]);
        // A second one does not come between.
        let other: Answer = Daemon::command("gcp").output().unwrap().into();
        assert_eq!(other.code, Some(1));
        assert!(
            other
                .err
                .contains("another daemon keeps the network of this machine true"),
            "{}",
            other.err
        );
        daemon.signal("KILL");
        drop(daemon);
        // While nobody looks, a route goes, the platform changes its mind and then says nothing any more.
        tool("ip route del local 203.0.113.7 table local");
        server.change(says("203.0.113.8", ""));
        server.is(Mood::Status(503));
        let mut daemon = Daemon::start("gcp");
        // By what it said last: both, and nothing is removed.
        becomes(OURS, &[&seven, &eight]);
        daemon.says(&["gcp could not be asked"]);
        server.is(Mood::Well);
        daemon.says(&["gcp answers again"]);
        becomes(OURS, &[&eight]);
        // While nothing happens, nothing wakes it: its request waits at the server for a minute.
        std::thread::sleep(Duration::from_secs(2));
        let before = daemon.wakeups();
        std::thread::sleep(Duration::from_secs(12));
        let woken = daemon.wakeups() - before;
        assert!(woken <= 2, "{woken} times");
        let said = daemon.stop();
        let failures = said.matches("could not be asked").count();
        assert_eq!(failures, 1, "it is told once: {said}");
    });
}

#[test]
fn what_would_be_done_is_shown_and_not_done() {
    let mut guest = Guest::new();
    let first = guest.nic(FIRST);
    guest.boot(|| {
        crate::begin();
        tool(&format!("ip link set {first} up"));
        tool(&format!("ip address add 10.128.0.13/24 dev {first}"));
        let server = Server::start(&format!("{LINK}:80"), says("203.0.113.7", ""));
        let oem = |arguments: &str| {
            let words: Vec<&str> = arguments.split(' ').collect();
            let answer = pilotlight_tests::pilotlight(&words);
            assert_eq!(answer.code, Some(0), "{}", answer.err);
            answer.out
        };
        let line = format!("add local route 203.0.113.7/32 on {first}: it is forwarded to this machine");
        let unmet = "not done: the network of 42:01:0a:80:00:0e: there is no link 42:01:0a:80:00:0e";
        let plan = oem("oem plan --platform gcp --save /run/saved.json");
        assert_eq!(plan, format!("as gcp says now\nto be done:\n  {line}\n  {unmet}\n"));
        assert_eq!(crate::lines(OURS), Vec::<String>::new());
        // Later, without the server.
        server.is(Mood::Silent);
        let plan = oem("oem plan --platform gcp --metadata /run/saved.json");
        assert!(plan.contains(&line), "{plan}");
        let shown = oem("oem show --platform gcp --metadata /run/saved.json");
        assert!(
            shown.contains(&format!(
                "wanted:\n  {FIRST} ({first})\n    local route 203.0.113.7/32: it is forwarded to this machine\n"
            )),
            "{shown}"
        );
        assert!(shown.contains("there by protocol 66:\n  nothing\n"), "{shown}");
        let json = oem("oem show --platform gcp --metadata /run/saved.json --json");
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["operations"][0]["line"], line);
        assert_eq!(json["operations"][0]["operation"]["op"], "add-route");
        assert_eq!(json["may_remove"], true);
        oem("oem show --platform gcp --metadata /run/saved.json --svg /run/network.svg");
        let drawing = std::fs::read_to_string("/run/network.svg").unwrap();
        let title = ">The network of this machine, as gcp said in /run/saved.json<";
        for part in [title, ">local 203.0.113.7/32 on vec0<", ">! the network of 42:01:0a:80:00:0e: "] {
            assert!(drawing.contains(part), "{part}: {drawing}");
        }
        let over = "oem show --platform gcp --metadata /run/saved.json --svg /run/saved.json";
        let over: Vec<&str> = over.split(' ').collect();
        let over = pilotlight_tests::pilotlight(&over);
        assert_eq!(over.code, Some(1));
        assert!(over.err.contains("would overwrite"), "{}", over.err);
        let began = std::time::Instant::now();
        let answer = pilotlight_tests::pilotlight(&["oem", "show", "--platform", "gcp"]);
        assert_eq!(answer.code, Some(1));
        assert!(began.elapsed() < Duration::from_secs(60), "it has an end");
        assert!(answer.err.contains("gcp could not be asked"), "{}", answer.err);
    });
}
