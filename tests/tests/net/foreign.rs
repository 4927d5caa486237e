//! What is another's is not touched: shown by `ip` before and after, and compared byte for byte.

use std::path::Path;

use pilotlight_core::net::{Heard, Owner, Wishes, difference};
use pilotlight_tests::faults::cover;
use pilotlight_tests::tool;

use crate::{FIRST, OWNER, SECOND, address, everything, on_machine};

/// Everything of the namespace, as `ip` shows it.
fn shown() -> Vec<String> {
    let commands = [
        // Without the timers of bridges.
        "ip link",
        "ip address",
        "ip -d -4 route show table all",
        "ip -d -6 route show table all",
        "ip -d -4 rule",
        "ip -d -6 rule",
        "ip nexthop",
    ];
    let texts = commands.map(tool);
    texts
        .iter()
        .flat_map(|text| text.lines())
        .map(str::to_string)
        .collect()
}

/// That two showings are the same; what only one of them has is told.
fn same(now: &[String], before: &[String]) {
    let only = |one: &[String], other: &[String]| -> Vec<String> {
        let lines = one.iter().filter(|line| !other.contains(line));
        lines.cloned().collect()
    };
    let (gone, new) = (only(before, now), only(now, before));
    assert!(
        now == before,
        "gone:\n{}\nnew:\n{}",
        gone.join("\n"),
        new.join("\n")
    );
}

/// The same without what this daemon has made: its number, its ranges, and the MTU that is wanted.
fn of_others(lines: Vec<String>) -> Vec<String> {
    let ours = ["proto 176", "198.51.", "2001:db8:66:"];
    let mut lines = lines.into_iter().peekable();
    let mut left = Vec::new();
    while let Some(line) = lines.next() {
        if !ours.iter().any(|mark| line.contains(mark)) {
            left.push(line.replace(" mtu 1400 ", " mtu 1500 "));
        } else if line.trim_start().starts_with("inet") {
            // Its lifetime.
            lines.next();
        }
    }
    left
}

/// What else runs on such machines, by what it leaves behind.
fn neighbours() {
    for line in [
        // Containers of the VPC CNI: addresses behind veths, rules of its priorities.
        "ip link add eni1 type veth peer name inside",
        // Addresses that they give themselves come late.
        "ip link set eni1 addrgenmode none",
        "ip link set inside addrgenmode none",
        "ip link set eni1 up",
        "ip link set inside up",
        "ip route add 10.0.0.77 dev eni1 scope link",
        "ip rule add from all to 10.0.0.77 priority 512 lookup main",
        "ip rule add from all fwmark 0x80/0x80 priority 1024 lookup main",
        "ip rule add from 10.0.0.77 priority 1536 lookup 2",
        "ip route add default via 10.0.0.1 dev eth0 table 2",
        // Cilium: marks, its own tables, and routes that are the kernel's by their number.
        "ip rule add from all fwmark 0x200/0xf00 priority 9 lookup 2004",
        "ip rule add from all fwmark 0xa00/0xf00 priority 10 lookup 2005",
        "ip route add local default dev lo table 2004 proto kernel",
        "ip route add 10.0.0.88 dev eth0 table 2005 proto kernel",
        "ip -6 rule add from all fwmark 0x200/0xf00 priority 9 lookup 2004",
        "ip -6 route add local default dev lo table 2004 proto kernel",
        // Docker.
        "ip link add docker0 type bridge",
        "ip link set docker0 addrgenmode none",
        "ip address add 172.17.0.1/16 dev docker0",
        "ip link set docker0 up",
        // networkd, people, Calico, Google's agent.
        "ip route add 10.5.0.0/16 via 10.0.0.1 dev eth0 proto static metric 50",
        "ip -6 route add 2001:db8:5::/48 dev eth0 proto ra metric 512",
        "ip route add 10.6.0.0/16 nexthop via 10.0.0.1 dev eth0 nexthop via 10.0.0.2 dev eth0",
        "ip -6 route add 2001:db8:7::/48 nexthop via fe80::1 dev eth0 nexthop via fe80::2 dev eth0",
        "ip nexthop add id 5 via 10.0.0.9 dev eth0",
        "ip route add 10.8.0.0/16 nhid 5",
        "ip route add blackhole 10.9.0.0/16 proto 80",
        "ip route add local 203.0.113.7 dev eth0 proto 66 scope host",
        "ip -6 route add local 2001:db8:1::/96 dev eth0 proto 66",
        "ip address add 10.0.0.6/24 dev eth0",
        "ip -6 address add 2001:db8:2::1/64 dev eth0 nodad",
    ] {
        tool(line);
    }
}

#[test]
fn what_is_anothers_stays_byte_for_byte() {
    on_machine(|machine| {
        neighbours();
        machine.quiet();
        let before = shown();
        let wanted = everything(machine);
        assert!(machine.settle(&wanted).ops.len() > 15);
        same(&of_others(shown()), &of_others(before.clone()));
        // One link moves away, and then all is over.
        let first_only = machine.locals(FIRST, &["198.51.100.7"]);
        machine.settle(&first_only);
        same(&of_others(shown()), &of_others(before.clone()));
        machine.settle(&machine.nothing());
        // The MTU has no owner, and stays as it was set.
        let after: Vec<String> = shown()
            .iter()
            .map(|line| line.replace(" mtu 1400 ", " mtu 1500 "))
            .collect();
        same(&after, &before);
    });
}

#[test]
fn what_is_there_already_is_left_as_it_is() {
    on_machine(|machine| {
        neighbours();
        machine.quiet();
        let before = shown();
        let wanted = machine.wanted(|wishes, kind| {
            let mut link = wishes.link(FIRST, kind, "").unwrap();
            link.address(address("10.0.0.5"), "", "");
            link.address(address("2001:db8:2::1/128"), "", "");
            for text in ["203.0.113.7", "2001:db8:1::/96", "10.0.0.6"] {
                link.local(text, "", "");
            }
            let route = |text, via| crate::route_to(text, via, pilotlight_core::net::table::MAIN);
            link.route(route("10.5.0.0/16", Some("10.0.0.1")), "", "");
            link.route(route("2001:db8:5::/48", None), "", "");
            link.route(route("2001:db8:7::/48", Some("fe80::2")), "", "");
        });
        let found = machine.settle(&wanted);
        assert_eq!(found.ops, [], "{:?}", found.unmet);
        same(&shown(), &before);
    });
}

/// Things that carry the number and have something that this daemon does not make are not its own.
#[test]
fn what_is_more_than_ours_is_not_ours() {
    on_machine(|machine| {
        for line in [
            "ip route add 10.6.0.0/16 proto 176 nexthop via 10.0.0.1 dev eth0 nexthop via 10.0.0.2 dev eth0",
            "ip route add 10.7.0.0/16 tos 4 via 10.0.0.1 dev eth0 proto 176",
            "ip route add blackhole 10.9.0.0/16 proto 176",
            "ip rule add from 10.0.0.5 fwmark 7 lookup 7 proto 176",
            "ip rule add from 10.0.0.5 iif eth0 lookup 7 proto 176",
            "ip rule add not from 10.0.0.5 lookup 7 proto 176",
            "ip rule add from 10.0.0.5 blackhole proto 176",
        ] {
            tool(line);
        }
        let before = shown();
        // The control: this one is.
        tool("ip rule add from 10.0.0.5 priority 77 lookup 7 proto 176");
        let found = machine.settle(&machine.nothing());
        let lines: Vec<String> = found.ops.iter().map(|op| op.change.to_string()).collect();
        assert_eq!(lines, ["remove IPv4 rule 77 from 10.0.0.5/32 lookup 7"]);
        same(&shown(), &before);
    });
}

#[test]
fn links_of_containers_and_parts_of_links_are_not_touched() {
    on_machine(|machine| {
        tool("ip link add part address 02:00:00:00:00:03 type veth peer name other");
        tool("ip link add joined type bridge");
        tool("ip link set part master joined");
        tool("ip link set eth1 master joined");
        machine.quiet();
        let before = shown();
        let kind = machine.kind;
        let mut wishes = Wishes::new();
        for (mac, kind) in [("02:00:00:00:00:03", "veth"), (SECOND, kind)] {
            let mut link = wishes.link(mac, Some(kind), "").unwrap();
            link.local("198.51.100.7", "", "");
            link.address(address("198.51.102.6/32"), "", "");
        }
        let (desired, _) = wishes.end(Heard::Whole);
        let found = difference(&desired, &machine.observe(), &OWNER);
        assert_eq!(found.ops, []);
        let why = found.unmet.iter().map(|unmet| unmet.why.as_str());
        let why: Vec<&str> = why.collect();
        assert_eq!(
            why,
            [
                "the link 02:00:00:00:00:02 is a part of another one",
                "the link 02:00:00:00:00:03 is a part of another one"
            ]
        );
        same(&shown(), &before);
    });
}

/// On GCE the number is that of the agents that were there before: their routes are taken over.
#[test]
fn the_routes_of_googles_agents_are_ours_there() {
    on_machine(|machine| {
        for line in [
            "ip route add to local 203.0.113.7/32 scope host dev eth0 proto 66",
            "ip route add to local 203.0.113.8/32 scope host dev eth0 proto 66",
            "ip -6 route add to local 2001:db8:1::/96 dev eth0 proto 66",
        ] {
            tool(line);
        }
        let wanted = machine.locals(FIRST, &["203.0.113.7/32", "2001:db8:1::/96"]);
        let found = difference(&wanted, &machine.observe(), &Owner::GOOGLE);
        let lines: Vec<String> = found.ops.iter().map(|op| op.change.to_string()).collect();
        assert_eq!(lines, ["remove local route 203.0.113.8/32 on eth0"]);
        machine.netlink.apply(&found.ops[0]).unwrap();
        let left = tool("ip route show table local proto 66");
        assert_eq!(left.trim(), "local 203.0.113.7 dev eth0 scope host");
    });
}

/// The file that distributions install gives the number its name.
#[test]
fn ip_knows_the_owner_by_name() {
    on_machine(|machine| {
        let wanted = machine.locals(FIRST, &["198.51.100.7"]);
        machine.settle(&wanted);
        let unnamed = tool("ip route show table local proto 176");
        assert_eq!(unnamed.trim(), "local 198.51.100.7 dev eth0 scope host");
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        cover("/etc/iproute2/rt_protos.d", &top.join("docs/iproute2"));
        let named = tool("ip route show table local proto pilotlight");
        assert_eq!(named, unnamed);
    });
}
