//! The network that a platform wants, on a real kernel, in a namespace of its own for each test.
//!
//! The other witness is `ip`. What was predicted is compared with what is observed after each single operation.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod aws;
mod azure;
mod cloud;
mod events;
mod foreign;
mod gcp;
mod hardware;
mod packet;
mod refusals;
mod static_network;

use std::time::{Duration, Instant};

use pilotlight_core::net::{
    Actual, Desired, Difference, Heard, Owner, PROTOCOL_KERNEL, Prefix, RouteWish, RuleWish,
    WishedAddress, Wishes, difference, table,
};
use pilotlight_sys::netlink::{Applied, Netlink};
use pilotlight_tests::faults::isolated;
use pilotlight_tests::tool;

const OWNER: Owner = Owner::PILOTLIGHT;
const FIRST: &str = "02:00:00:00:00:01";
const SECOND: &str = "02:00:00:00:00:02";
/// As long as something that has to come may take.
const SOON: Duration = Duration::from_secs(30);

/// A machine with two interfaces, of which another hand has set up the first.
struct Machine {
    netlink: Netlink,
    /// Their kind: a namespace has no hardware. Which of the plain ones there is depends on the kernel.
    kind: &'static str,
}

/// Runs a test on a machine.
fn on_machine(test: impl FnOnce(&mut Machine) + Send) {
    isolated(&[], || {
        let kinds = ["dummy", "ifb"];
        let mut there = kinds.iter().filter(|kind| {
            let line = format!("link add eth0 address {FIRST} type {kind}");
            let mut command = std::process::Command::new("ip");
            let output = command.args(line.split(' ')).output().unwrap();
            output.status.success()
        });
        let kind = there.next().expect("a kernel with dummy or ifb");
        tool(&format!(
            "ip link add eth1 address {SECOND} mtu 1500 type {kind}"
        ));
        tool("ip link set eth0 up");
        tool("ip link set eth1 up");
        tool("ip address add 10.0.0.5/24 dev eth0");
        tool("ip route add default via 10.0.0.1 dev eth0 proto dhcp metric 512");
        let netlink = Netlink::open().unwrap();
        let mut machine = Machine { netlink, kind };
        machine.quiet();
        test(&mut machine);
    });
}

impl Machine {
    /// What is wanted, by what a test says of the two links.
    fn wanted(&self, say: impl FnOnce(&mut Wishes, Option<&str>)) -> Desired {
        let mut wishes = Wishes::new();
        for mac in [FIRST, SECOND] {
            wishes.link(mac, Some(self.kind), "mac").unwrap();
        }
        say(&mut wishes, Some(self.kind));
        let (desired, invalid) = wishes.end(Heard::Whole);
        assert_eq!(invalid, []);
        desired
    }

    fn nothing(&self) -> Desired {
        self.wanted(|_, _| {})
    }

    fn locals(&self, mac: &str, texts: &[&str]) -> Desired {
        self.wanted(|wishes, kind| {
            let mut link = wishes.link(mac, kind, "mac").unwrap();
            for text in texts {
                link.local(text, "forwardedIps", "it is forwarded");
            }
        })
    }

    /// Waits until each IPv6 address has its own route, which the kernel adds somewhat later.
    fn quiet(&mut self) {
        let begun = Instant::now();
        loop {
            let actual = self.observe();
            let mut v6 = actual.addresses.iter().filter_map(|one| {
                let ip = one.address.address();
                ip.is_ipv6().then(|| Prefix::host(ip))
            });
            let has_route = |host: Prefix| {
                let mut routes = actual.routes_to(table::LOCAL, host);
                routes.any(|route| route.protocol == PROTOCOL_KERNEL)
            };
            if v6.all(has_route) {
                return;
            }
            assert!(begun.elapsed() < SOON, "{actual:#?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn observe(&mut self) -> Actual {
        self.netlink.observe().unwrap()
    }

    /// Makes the network as it is wanted; each step does what was predicted, and nothing is left in the end.
    fn settle(&mut self, desired: &Desired) -> Difference {
        let mut predicted = self.observe();
        let found = difference(desired, &predicted, &OWNER);
        for op in &found.ops {
            op.predict(&mut predicted);
            let applied = self
                .netlink
                .apply(op)
                .unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(applied, Applied::Done, "{op}");
            let observed = self.observe();
            assert_eq!(
                observed.without_kernel_routes(),
                predicted.without_kernel_routes(),
                "{op}"
            );
        }
        let observed = self.observe();
        assert_eq!(difference(desired, &observed, &OWNER).ops, []);
        found
    }
}

/// A route of a private table, or of `main`, to an address or a network.
fn route_to(destination: &str, gateway: Option<&str>, table: u32) -> RouteWish {
    RouteWish {
        table,
        destination: destination.parse().unwrap(),
        gateway: gateway.map(|text| text.parse().unwrap()),
        metric: None,
        onlink: false,
    }
}

fn rule_from(prefix: &str, table: u32) -> RuleWish {
    RuleWish {
        priority: 10001,
        from: Some(prefix.parse().unwrap()),
        to: None,
        table,
    }
}

fn address(text: &str) -> WishedAddress<'_> {
    WishedAddress {
        address: text,
        bits: None,
    }
}

/// All that the platforms ask for, in addresses that nothing else has.
fn everything(machine: &Machine) -> Desired {
    machine.wanted(|wishes, kind| {
        let mut first = wishes.link(FIRST, kind, "").unwrap();
        for text in [
            "198.51.100.7",
            "198.51.101.0/28",
            "2001:db8:66::7",
            "2001:db8:66:1::/96",
        ] {
            first.local(text, "", "it is forwarded");
        }
        first.address(address("198.51.102.6/32"), "", "a secondary address");
        first.route(
            route_to("198.51.103.0/24", Some("10.0.0.2"), table::MAIN),
            "",
            "a private network",
        );
        let mut second = wishes.link(SECOND, kind, "").unwrap();
        second.mtu(1400, "", "the platform says so");
        for text in ["198.51.104.5/24", "198.51.104.6/24", "2001:db8:66:2::5/64"] {
            second.address(address(text), "", "its address");
        }
        for (everything, router, from, range) in [
            (
                "0.0.0.0/0",
                "198.51.104.1",
                "198.51.104.5",
                "198.51.105.0/28",
            ),
            (
                "::/0",
                "2001:db8:66:2::1",
                "2001:db8:66:2::5",
                "2001:db8:66:3::/80",
            ),
        ] {
            second.route(
                route_to(everything, Some(router), 10001),
                "",
                "a way of its own",
            );
            second.rule(rule_from(from, 10001), "", "replies leave by it");
            second.rule(rule_from(range, 10001), "", "a delegated prefix");
        }
        let metadata = RuleWish {
            priority: 900,
            from: None,
            to: "169.254.169.254".parse().ok(),
            table: table::MAIN,
        };
        second.rule(
            metadata,
            "",
            "metadata are asked for by the primary interface",
        );
    })
}

/// The lines that `ip` shows, without the space at their ends.
fn shown(command: &str) -> Vec<String> {
    let text = tool(command);
    text.lines()
        .map(|line| line.trim_end().to_string())
        .collect()
}

#[test]
fn everything_comes_and_goes() {
    on_machine(|machine| {
        let wanted = everything(machine);
        let found = machine.settle(&wanted);
        assert!(found.unmet.is_empty(), "{:?}", found.unmet);
        assert_eq!(
            shown("ip -d -4 route show table all proto 176"),
            [
                "unicast default via 198.51.104.1 dev eth1 table 10001 scope global",
                "unicast 198.51.103.0/24 via 10.0.0.2 dev eth0 table main scope global",
                "local 198.51.100.7 dev eth0 table local scope host",
                "local 198.51.101.0/28 dev eth0 table local scope host",
            ]
        );
        assert_eq!(
            shown("ip -d -6 route show table all proto 176"),
            [
                "unicast default via 2001:db8:66:2::1 dev eth1 table 10001 scope global metric 1024 pref medium",
                "local 2001:db8:66::7 dev eth0 table local scope global metric 1024 pref medium",
                "local 2001:db8:66:1::/96 dev eth0 table local scope global metric 1024 pref medium",
            ]
        );
        let rules = |family: &str| {
            let all = shown(&format!("ip -d {family} rule"));
            let ours = all.iter().filter(|line| line.ends_with("proto 176"));
            ours.map(|line| line.replace('\t', " ")).collect::<Vec<_>>()
        };
        assert_eq!(
            rules("-4"),
            [
                "900: from all to 169.254.169.254 lookup main proto 176",
                "10001: from 198.51.104.5 lookup 10001 proto 176",
                "10001: from 198.51.105.0/28 lookup 10001 proto 176",
            ]
        );
        assert_eq!(rules("-6").len(), 2);
        let addresses = |link: &str| {
            let all = shown(&format!("ip -o address show dev {link} scope global"));
            let mut texts: Vec<String> = all
                .iter()
                .map(|line| line.split_whitespace().nth(3).unwrap().to_string())
                .collect();
            texts.sort();
            texts
        };
        assert_eq!(addresses("eth0"), ["10.0.0.5/24", "198.51.102.6/32"]);
        assert_eq!(
            addresses("eth1"),
            ["198.51.104.5/24", "198.51.104.6/24", "2001:db8:66:2::5/64"]
        );
        assert!(tool("ip link show dev eth1").contains(" mtu 1400 "));
        // Packets go where they should.
        let way = tool("ip route get 192.0.2.9 from 198.51.104.5");
        assert!(way.contains("via 198.51.104.1 dev eth1"), "{way}");
        let way = tool("ip route get 198.51.100.7");
        assert!(way.starts_with("local 198.51.100.7"), "{way}");

        let none = machine.nothing();
        let found = machine.settle(&none);
        assert!(found.unmet.is_empty(), "{:?}", found.unmet);
        for family in ["-4", "-6"] {
            let left = tool(&format!("ip {family} route show table all proto 176"));
            assert_eq!(left, "");
        }
        assert_eq!(addresses("eth0"), ["10.0.0.5/24"]);
        assert_eq!(addresses("eth1"), [""; 0]);
    });
}

#[test]
fn a_thousand_routes() {
    on_machine(|machine| {
        let texts = |from: u32| -> Vec<String> {
            let all = from..from + 1000;
            all.map(|at| {
                let [.., a, b] = at.to_be_bytes();
                match at % 4 {
                    0 => format!("2001:db8:66::{a:x}:{b:x}"),
                    _ => format!("198.18.{a}.{b}"),
                }
            })
            .collect()
        };
        for (from, changes) in [(0, 1000), (500, 1000), (500, 0)] {
            let texts = texts(from);
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let desired = machine.locals(FIRST, &texts);
            let before = machine.observe();
            let found = difference(&desired, &before, &OWNER);
            assert_eq!(found.ops.len(), changes);
            let mut predicted = before;
            for op in &found.ops {
                assert_eq!(machine.netlink.apply(op).unwrap(), Applied::Done, "{op}");
                op.predict(&mut predicted);
            }
            let observed = machine.observe();
            assert_eq!(
                observed.without_kernel_routes(),
                predicted.without_kernel_routes()
            );
            let count: usize = ["-4", "-6"]
                .iter()
                .map(|family| shown(&format!("ip {family} route show table local proto 176")).len())
                .sum();
            assert_eq!(count, 1000);
        }
    });
}

#[test]
fn a_default_route_moves_while_packets_leave() {
    use std::net::UdpSocket;
    use std::sync::atomic::{AtomicBool, Ordering};

    on_machine(|machine| {
        tool("ip route del default");
        let by = |machine: &Machine, router: &str| {
            machine.wanted(|wishes, kind| {
                let mut link = wishes.link(FIRST, kind, "").unwrap();
                let default = route_to("0.0.0.0/0", Some(router), table::MAIN);
                link.route(default, "", "the way out");
            })
        };
        let routers = [by(machine, "10.0.0.1"), by(machine, "10.0.0.2")];
        machine.settle(&routers[0]);
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let looking = scope.spawn(|| {
                let mut looks = 0;
                while !over.load(Ordering::Relaxed) {
                    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
                    socket.connect("192.0.2.9:9").expect("there is a way");
                    looks += 1;
                }
                looks
            });
            for at in 0..100 {
                let found = machine.settle(&routers[(at + 1) % 2]);
                assert_eq!(found.ops.len(), 1, "{:?}", found.ops);
            }
            over.store(true, Ordering::Relaxed);
            assert!(looking.join().unwrap() > 0);
        });
        // The look would have seen a gap.
        tool("ip route del default");
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket
            .connect("192.0.2.9:9")
            .expect_err("there is no way any more");
    });
}

#[test]
fn ours_move_from_link_to_link() {
    on_machine(|machine| {
        for texts in [&["198.51.100.7", "2001:db8:66::7"][..]] {
            for mac in [FIRST, SECOND, FIRST] {
                let desired = machine.locals(mac, texts);
                let found = machine.settle(&desired);
                assert_eq!(found.ops.len(), 2, "{:?}", found.ops);
            }
        }
        assert_eq!(
            shown("ip -4 route show table local proto 176"),
            ["local 198.51.100.7 dev eth0 scope host"]
        );
    });
}

#[test]
fn the_first_address_of_a_network_gives_its_place_to_the_next() {
    on_machine(|machine| {
        let by = |machine: &Machine, texts: &[&str]| {
            machine.wanted(|wishes, kind| {
                let mut link = wishes.link(SECOND, kind, "").unwrap();
                for text in texts {
                    link.address(address(text), "", "its address");
                }
            })
        };
        let both = by(machine, &["198.51.104.5/24", "198.51.104.6/24"]);
        let second = by(machine, &["198.51.104.6/24"]);
        machine.settle(&both);
        // The kernel removes both here, and what is wanted comes back.
        let found = machine.settle(&second);
        let lines: Vec<String> = found.ops.iter().map(|op| op.change.to_string()).collect();
        assert_eq!(
            lines,
            [
                "remove 198.51.104.5/24 from eth1",
                "add 198.51.104.6/24 to eth1"
            ]
        );
        machine.settle(&both);
        machine.settle(&machine.nothing());
        std::fs::write("/proc/sys/net/ipv4/conf/eth1/promote_secondaries", "1").unwrap();
        machine.settle(&both);
        let found = machine.settle(&second);
        assert_eq!(found.ops.len(), 1, "{:?}", found.ops);
    });
}
