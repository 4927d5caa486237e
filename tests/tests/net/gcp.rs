//! From a text of GCE's metadata server to the routes of a kernel.

use pilotlight_core::net::{Desired, Owner};
use pilotlight_providers::gcp_network::{Switches, desired};
use pilotlight_tests::tool;

use crate::hardware::settle;
use crate::{FIRST, on_machine, shown};

const OWNER: Owner = Owner::GOOGLE;

/// Local routes of one number, or of all but the kernel's.
fn locals(family: &str, of: &str) -> Vec<String> {
    let all = shown(&format!("ip -d {family} route show table local {of}"));
    let ours = |line: &&String| line.starts_with("local ") && !line.contains("proto kernel");
    all.iter().filter(ours).cloned().collect()
}

fn read(text: &str, switches: &Switches) -> Desired {
    let (desired, invalid) = desired(text, switches);
    assert_eq!(invalid, []);
    desired
}

#[test]
fn forwarded_addresses_come_and_go() {
    on_machine(|machine| {
        let text = format!(
            r#"{{"instance": {{"attributes": {{}}, "networkInterfaces": [{{
                "mac": "{FIRST}", "ip": "10.0.0.5", "forwardedIps": ["203.0.113.7", "203.0.113.8/32"],
                "forwardedIpv6s": ["2001:db8:66:1::/96"], "targetInstanceIps": ["198.51.100.20"],
                "ipAliases": ["10.20.0.0/28"]}}]}}, "project": {{"attributes": {{}}}}}}"#
        );
        // Of another hand.
        tool("ip route add local 192.0.2.77 dev eth0 table local proto static");
        let on = Switches::default();
        assert_eq!(settle(machine, &read(&text, &on), &OWNER), 5);
        let target = "local 198.51.100.20 dev eth0 proto 66 scope host";
        let alias = "local 10.20.0.0/28 dev eth0 proto 66 scope host";
        let foreign = "local 192.0.2.77 dev eth0 proto static scope host";
        assert_eq!(
            locals("-4", ""),
            [
                alias,
                foreign,
                target,
                "local 203.0.113.7 dev eth0 proto 66 scope host",
                "local 203.0.113.8 dev eth0 proto 66 scope host",
            ]
        );
        assert_eq!(
            locals("-6", "proto 66"),
            ["local 2001:db8:66:1::/96 dev eth0 scope global metric 1024 pref medium"]
        );
        // A packet to the range is the machine's own.
        let way = tool("ip route get 10.20.0.9");
        assert!(way.starts_with("local 10.20.0.9"), "{way}");

        // An answer that breaks off, and one without interfaces, remove nothing.
        for broken in [&text[..text.len() - 9], r#"{"instance": {}}"#] {
            let (desired, _) = desired(broken, &on);
            assert_eq!(settle(machine, &desired, &OWNER), 0, "{broken}");
        }

        let off = Switches {
            forwarded_ips: false,
            forwarded_ipv6s: false,
            ..on
        };
        assert_eq!(settle(machine, &read(&text, &off), &OWNER), 3);
        assert_eq!(locals("-4", ""), [alias, foreign, target]);
        assert_eq!(locals("-6", "proto 66"), [""; 0]);

        let none = Switches {
            ip_forwarding: false,
            ..on
        };
        assert_eq!(settle(machine, &read(&text, &none), &OWNER), 2);
        assert_eq!(locals("-4", ""), [foreign]);
    });
}
