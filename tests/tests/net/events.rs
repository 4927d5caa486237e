//! What other hands do is heard, and made good.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use pilotlight_core::net::{Change, difference};
use pilotlight_sys::netlink::{Changes, Events, Waited};
use pilotlight_tests::tool;

use crate::{FIRST, OWNER, SECOND, SOON, everything, on_machine, shown};

/// All that has come; nothing more is coming, because whoever made it has ended.
fn heard(events: &mut Events) -> Changes {
    let mut all = Changes::default();
    while let Waited::Changed(more) = events.wait(Duration::ZERO).unwrap() {
        all.links |= more.links;
        all.addresses |= more.addresses;
        all.routes |= more.routes;
        all.rules |= more.rules;
        all.lost |= more.lost;
    }
    all
}

#[test]
fn what_goes_by_another_hand_comes_back() {
    on_machine(|machine| {
        let wanted = everything(machine);
        machine.settle(&wanted);
        let mut events = Events::listen(&machine.netlink).unwrap();
        for gone in [
            "ip route del local 198.51.100.7 dev eth0 table local",
            "ip -6 route del local 2001:db8:66:1::/96 dev eth0 table local",
            "ip route del default table 10001",
            "ip rule del priority 900",
            "ip -6 rule del from 2001:db8:66:2::5",
            "ip address del 198.51.102.6/32 dev eth0",
            "ip link set dev eth1 mtu 1300",
        ] {
            heard(&mut events);
            tool(gone);
            let waited = events.wait(SOON).unwrap();
            assert!(
                matches!(waited, Waited::Changed(first) if first.any()),
                "{gone}"
            );
            assert!(!machine.settle(&wanted).ops.is_empty(), "{gone}");
        }
    });
}

#[test]
fn the_kinds_of_changes_are_told_apart() {
    on_machine(|machine| {
        let mut events = Events::listen(&machine.netlink).unwrap();
        let none = Changes::default();
        for (line, expected) in [
            (
                "ip route add 198.51.106.0/24 dev eth0",
                Changes {
                    routes: true,
                    ..none
                },
            ),
            (
                "ip -6 route add 2001:db8:67::/64 dev eth0",
                Changes {
                    routes: true,
                    ..none
                },
            ),
            (
                "ip rule add from 198.51.106.1 lookup 7",
                Changes {
                    rules: true,
                    ..none
                },
            ),
            (
                "ip -6 rule add from 2001:db8:67::1 lookup 7",
                Changes {
                    rules: true,
                    ..none
                },
            ),
            (
                "ip address add 198.51.106.1/32 dev eth0",
                Changes {
                    addresses: true,
                    routes: true,
                    ..none
                },
            ),
            (
                "ip link set dev eth1 alias other",
                Changes {
                    links: true,
                    ..none
                },
            ),
        ] {
            heard(&mut events);
            tool(line);
            assert_eq!(heard(&mut events), expected, "{line}");
        }
    });
}

#[test]
fn what_is_our_own_doing_is_no_event() {
    on_machine(|machine| {
        let mut events = Events::listen(&machine.netlink).unwrap();
        let wanted = machine.locals(FIRST, &["198.51.100.7", "2001:db8:66:1::/96"]);
        assert_eq!(machine.settle(&wanted).ops.len(), 2);
        assert_eq!(heard(&mut events), Changes::default());
        let none = machine.nothing();
        assert_eq!(machine.settle(&none).ops.len(), 2);
        assert_eq!(events.wait(Duration::ZERO).unwrap(), Waited::TimeOver);
        // Another socket of the same program is another hand.
        let mut other = pilotlight_sys::netlink::Netlink::open().unwrap();
        let found = difference(&wanted, &machine.observe(), &OWNER);
        other.apply(&found.ops[0]).unwrap();
        assert!(heard(&mut events).routes);
    });
}

#[test]
fn lost_events_are_told() {
    on_machine(|machine| {
        let mut events = Events::listen(&machine.netlink).unwrap();
        let lines: String = (0..5000_u32)
            .map(|at| {
                let [.., a, b] = at.to_be_bytes();
                format!("route add 198.19.{a}.{b}/32 dev eth0\n")
            })
            .collect();
        let mut batch = Command::new("ip")
            .args(["-batch", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = batch.stdin.take().unwrap();
        input.write_all(lines.as_bytes()).unwrap();
        drop(input);
        assert!(batch.wait().unwrap().success());
        assert!(heard(&mut events).lost);
        // And the next ones are heard again.
        tool("ip route add 198.51.106.0/24 dev eth0");
        assert!(heard(&mut events).routes);
    });
}

#[test]
fn the_last_address_of_a_link_takes_the_local_routes_along_and_they_come_back() {
    on_machine(|machine| {
        let texts = ["198.51.100.7", "198.51.101.0/28", "2001:db8:66::7"];
        let wanted = machine.locals(FIRST, &texts);
        machine.settle(&wanted);
        let mut events = Events::listen(&machine.netlink).unwrap();
        tool("ip address del 10.0.0.5/24 dev eth0");
        assert_eq!(shown("ip -4 route show table local proto 176"), [""; 0]);
        assert!(heard(&mut events).addresses);
        let found = machine.settle(&wanted);
        let all_added = found
            .ops
            .iter()
            .all(|op| matches!(op.change, Change::AddRoute { .. }));
        assert!(found.ops.len() == 2 && all_added, "{:?}", found.ops);
    });
}

#[test]
fn a_link_that_comes_again_gets_its_network_again() {
    on_machine(|machine| {
        let wanted = everything(machine);
        machine.settle(&wanted);
        let mut events = Events::listen(&machine.netlink).unwrap();
        tool("ip link del eth1");
        assert!(heard(&mut events).links);
        // The rules stay, since the platform names the interface; all else went with it.
        let found = machine.settle(&wanted);
        assert_eq!(found.ops, []);
        let told: Vec<String> = found.unmet.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [format!(
                "not done: the network of {SECOND}: there is no link {SECOND}"
            )]
        );
        let kind = machine.kind;
        tool(&format!(
            "ip link add late address {SECOND} mtu 1500 type {kind}"
        ));
        assert!(heard(&mut events).links);
        // It is down yet.
        let found = machine.settle(&wanted);
        assert!(
            found.unmet.iter().any(|unmet| unmet.why == "late is down"),
            "{:?}",
            found.unmet
        );
        tool("ip link set late up");
        assert!(heard(&mut events).links);
        let found = machine.settle(&wanted);
        assert!(found.unmet.is_empty(), "{:?}", found.unmet);
        let way = tool("ip route get 192.0.2.9 from 198.51.104.5");
        assert!(way.contains("via 198.51.104.1 dev late"), "{way}");
    });
}

#[test]
fn a_wait_ends() {
    on_machine(|machine| {
        let mut events = Events::listen(&machine.netlink).unwrap();
        let wait = Duration::from_millis(30);
        let begun = std::time::Instant::now();
        assert_eq!(events.wait(wait).unwrap(), Waited::TimeOver);
        assert!(begun.elapsed() >= wait);
    });
}
