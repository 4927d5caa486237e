//! What the kernel refuses, and what it means.

use pilotlight_core::net::{Change, NetOp, difference};
use pilotlight_sys::netlink::Applied;
use pilotlight_tests::tool;

use crate::{FIRST, OWNER, address, everything, on_machine, route_to};

#[test]
fn once_more_does_no_harm() {
    on_machine(|machine| {
        let wanted = everything(machine);
        let empty = machine.observe();
        let come = difference(&wanted, &empty, &OWNER).ops;
        machine.settle(&wanted);
        machine.quiet();
        let full = machine.observe();
        for op in &come {
            let again = machine.netlink.apply(op).unwrap();
            // An MTU is set without asking what it is.
            let is_mtu = matches!(op.change, Change::SetMtu { .. });
            assert_eq!(again == Applied::AlreadySo, !is_mtu, "{op}");
        }
        assert_eq!(machine.observe(), full);
        let go = difference(&machine.nothing(), &full, &OWNER).ops;
        machine.settle(&machine.nothing());
        for op in &go {
            assert_eq!(
                machine.netlink.apply(op).unwrap(),
                Applied::AlreadySo,
                "{op}"
            );
        }
        // The same, sent together. Names stay with their links.
        let emptied = machine.observe();
        for (ops, then) in [(&come, &full), (&go, &emptied)] {
            let mut done = Vec::new();
            machine.netlink.apply_all(ops, |op, became| {
                let expected = match op.change {
                    Change::AddAltname { .. } => Applied::AlreadySo,
                    _ => Applied::Done,
                };
                assert_eq!(became.unwrap(), expected, "{op}");
                done.push(op.clone());
            });
            assert_eq!(&done, ops);
            machine.quiet();
            let observed = machine.observe().without_kernel_routes();
            assert_eq!(observed, then.without_kernel_routes());
        }
    });
}

#[test]
fn of_many_that_are_sent_together_each_has_its_own_answer() {
    on_machine(|machine| {
        let all: Vec<String> = (0..1000)
            .map(|at| format!("198.18.{}.{}", at / 200, at % 200 + 1))
            .collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let wanted = machine.locals(FIRST, &all);
        let mut ops = difference(&wanted, &machine.observe(), &OWNER).ops;
        assert_eq!(ops.len(), all.len());
        // Of another hand, of ours, and on a link that has gone: at the beginning, in the middle and at the end of what
        // is sent at once.
        for at in [0, 30, 63, 64, 999] {
            tool(&format!(
                "ip route add local {} dev eth1 proto 4 scope host",
                all[at]
            ));
        }
        for at in [1, 31, 62, 998] {
            machine.netlink.apply(&ops[at]).unwrap();
        }
        for at in [2, 32, 127, 128] {
            let Change::AddRoute { route, .. } = &mut ops[at].change else {
                panic!("{}", ops[at]);
            };
            route.link = Some(4_000_000);
        }
        let mut position = 0;
        machine.netlink.apply_all(&ops, |op, became| {
            assert_eq!(op, &ops[position]);
            match position {
                0 | 30 | 63 | 64 | 999 => {
                    let error = became.unwrap_err().to_string();
                    assert!(error.ends_with("something else is there"), "{error}");
                }
                1 | 31 | 62 | 998 => assert_eq!(became.unwrap(), Applied::AlreadySo, "{op}"),
                2 | 32 | 127 | 128 => {
                    let error = became.unwrap_err().to_string();
                    assert!(error.contains("No such device"), "{error}");
                }
                _ => assert_eq!(became.unwrap(), Applied::Done, "{op}"),
            }
            position += 1;
        });
        assert_eq!(position, all.len());
        let ours = tool("ip route show table local proto 176");
        assert_eq!(ours.lines().count(), all.len() - 5 - 4);
    });
}

#[test]
fn what_came_into_the_place_meanwhile_is_not_taken_for_ours() {
    on_machine(|machine| {
        let wanted = machine.locals(FIRST, &["198.51.100.7", "2001:db8:66::7"]);
        let found = difference(&wanted, &machine.observe(), &OWNER);
        tool("ip route add local 198.51.100.7 dev eth1 proto 4 scope host");
        tool("ip -6 route add local 2001:db8:66::7 dev eth1 proto 4");
        for op in &found.ops {
            let error = machine.netlink.apply(op).unwrap_err().to_string();
            let expected = format!("while trying to {}: something else is there", op.change);
            assert_eq!(error, expected);
        }
        let found = machine.settle(&wanted);
        assert_eq!((found.ops.len(), found.unmet.len()), (0, 2));
    });
}

#[test]
fn an_address_that_has_become_anothers_stays() {
    on_machine(|machine| {
        let wanted = machine.wanted(|wishes, kind| {
            let mut link = wishes.link(FIRST, kind, "").unwrap();
            link.address(address("198.51.102.6/32"), "", "");
            link.address(address("2001:db8:66::6/128"), "", "");
        });
        machine.settle(&wanted);
        let remove = difference(&machine.nothing(), &machine.observe(), &OWNER).ops;
        assert_eq!(remove.len(), 2);
        for line in [
            "ip address del 198.51.102.6/32 dev eth0",
            "ip address add 198.51.102.6/32 dev eth0",
            "ip address del 2001:db8:66::6/128 dev eth0",
            "ip address add 2001:db8:66::6/128 dev eth0 nodad",
        ] {
            tool(line);
        }
        for op in &remove {
            assert_eq!(
                machine.netlink.apply(op).unwrap(),
                Applied::LeftAlone,
                "{op}"
            );
        }
        let left = tool("ip address show dev eth0");
        assert!(left.contains("198.51.102.6/32") && left.contains("2001:db8:66::6/128"));
    });
}

#[test]
fn a_name_is_of_one_link() {
    on_machine(|machine| {
        tool("ip link property add dev eth1 altname eni-1");
        let wanted = machine.wanted(|wishes, kind| {
            let mut link = wishes.link(FIRST, kind, "").unwrap();
            for name in ["device-number-0", "eni-1", "eth0"] {
                link.altname(name, "", "the platform calls it so");
            }
        });
        let found = difference(&wanted, &machine.observe(), &OWNER);
        let lines: Vec<String> = found.ops.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            ["add the name device-number-0 to eth0: the platform calls it so"]
        );
        let unmet: Vec<String> = found.unmet.iter().map(ToString::to_string).collect();
        assert_eq!(
            unmet,
            ["not done: add the name eni-1 to eth0: eth1 has that name"]
        );
        for expected in [Applied::Done, Applied::AlreadySo] {
            assert_eq!(machine.netlink.apply(&found.ops[0]).unwrap(), expected);
        }
        let shown = tool("ip -d link show device-number-0");
        assert!(shown.contains("eth0"), "{shown}");
        let mut predicted = machine.observe();
        found.ops[0].predict(&mut predicted);
        assert_eq!(predicted, machine.observe());
        // It came to another link since the look.
        let mut late = found.ops[0].clone();
        let Change::AddAltname { name, .. } = &mut late.change else {
            panic!("{late}");
        };
        *name = "eni-1".into();
        let error = machine.netlink.apply(&late).unwrap_err().to_string();
        assert!(error.contains("eni-1"), "{error}");
    });
}

#[test]
fn a_refusal_has_the_kernels_own_words() {
    on_machine(|machine| {
        let wanted = machine.wanted(|wishes, kind| {
            let mut link = wishes.link(FIRST, kind, "").unwrap();
            let away = route_to("198.51.103.0/24", Some("192.0.2.1"), 10001);
            link.route(away, "", "a private network");
        });
        let found = difference(&wanted, &machine.observe(), &OWNER);
        let error = machine
            .netlink
            .apply(&found.ops[0])
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "while trying to add route 198.51.103.0/24 via 192.0.2.1 on eth0 in table 10001: \
             Network is unreachable (os error 101) (Nexthop has invalid gateway)"
        );
        let too_much = NetOp {
            change: Change::SetMtu {
                index: 4_000_000,
                link: "eth9".into(),
                from: 1500,
                to: 1400,
            },
            reason: "the platform says so",
        };
        let error = machine.netlink.apply(&too_much).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "while trying to set the MTU of eth9 from 1500 to 1400 bytes: No such device"
            ),
            "{error}"
        );
    });
}

#[test]
fn a_router_that_is_on_no_network_of_ours_is_reached_if_the_platform_says_so() {
    on_machine(|machine| {
        let wanted = machine.wanted(|wishes, kind| {
            let mut link = wishes.link(FIRST, kind, "").unwrap();
            for (to, via) in [
                ("198.51.103.0/24", "192.0.2.1"),
                ("2001:db8:66:9::/64", "2001:db8:ffff::1"),
            ] {
                let mut away = route_to(to, Some(via), 10001);
                away.onlink = true;
                link.route(away, "", "a private network");
            }
        });
        let found = machine.settle(&wanted);
        assert_eq!(found.ops.len(), 2);
        let shown = tool("ip route show table 10001");
        assert!(
            shown.contains("via 192.0.2.1 dev eth0 proto 176 onlink"),
            "{shown}"
        );
        machine.settle(&machine.nothing());
    });
}
