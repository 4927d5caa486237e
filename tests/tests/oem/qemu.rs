//! QEMU: what is wanted is a firmware item, read once.

use std::fs;
use std::path::Path;

use pilotlight_tests::uml::Guest;
use pilotlight_tests::{Answer, tool};

use crate::world::{HERE, ip};
use crate::{Daemon, STATE, becomes, becomes_of, lines};

const ITEM: &str = "/sys/firmware/qemu_fw_cfg/by_name/opt/org.flatcar-linux/oem/network";
const FIRST: &str = "52:54:00:00:00:01";

/// Gives the guest an item, in the place where the kernel's module for QEMU shows it.
fn item(text: &str) {
    let item = Path::new(ITEM);
    fs::create_dir_all(item).unwrap();
    fs::write(item.join("size"), format!("{}\n", text.len())).unwrap();
    fs::write(item.join("raw"), text).unwrap();
}

fn rules() -> Vec<String> {
    let mut all = lines("ip -d rule show");
    all.retain(|line| line.contains("proto 176"));
    all
}

#[test]
fn a_firmware_item_is_kept_true_without_a_server() {
    let mut guest = Guest::new();
    let first = guest.nic(FIRST);
    guest.boot(|| {
        crate::begin();
        ip(
            HERE,
            &[
                &format!("link set {first} up"),
                &format!("address add 10.0.2.15/24 dev {first}"),
                &format!("route add default via 10.0.2.2 dev {first} proto dhcp"),
            ],
        );
        tool("mount -t tmpfs tmpfs /sys/firmware");
        let answer: Answer = Daemon::command("qemu").output().unwrap().into();
        assert_eq!(answer.code, Some(0));
        let nothing = "there is nothing of the kind to keep true";
        assert!(answer.out.contains(nothing), "{}", answer.out);

        item(&format!(
            r#"{{"interfaces": [{{
                "mac": "{FIRST}", "mtu": 1460, "locals": ["203.0.113.7"], "addresses": ["10.0.2.21/32"],
                "routes": [
                    {{"table": 10001, "destination": "10.0.2.0/24"}},
                    {{"table": 10001, "destination": "0.0.0.0/0", "gateway": "10.0.2.3"}}
                ],
                "rules": [{{"priority": 10001, "from": "10.0.2.21", "table": 10001}}]
            }}]}}"#
        ));
        let local = format!("local 203.0.113.7 dev {first} scope host");
        let routes = [
            format!("default via 10.0.2.3 dev {first} proto 176"),
            format!("10.0.2.0/24 dev {first} proto 176 scope link"),
        ];
        let routes = routes.each_ref().map(String::as_str);
        let rule = ["10001:\tfrom 10.0.2.21 lookup 10001 proto 176"];
        let ours = "ip route show table local proto 176";
        let daemon = Daemon::start("qemu");
        becomes(ours, &[&local]);
        becomes("ip route show table 10001", &routes);
        becomes_of(rules, "rules", &rule);
        assert!(tool(&format!("ip link show dev {first}")).contains("mtu 1460"));
        let way = tool("ip route get 192.0.2.1 from 10.0.2.21");
        assert!(way.contains("via 10.0.2.3"), "{way}");
        ip(HERE, &["route flush table 10001", "rule del priority 10001"]);
        becomes("ip route show table 10001", &routes);
        becomes_of(rules, "rules", &rule);
        daemon.stop();
        assert!(!Path::new(STATE).join("network.json").exists(), "it is there at every start");

        // The next boot has another item; what was added before is known again.
        item(&format!(r#"{{"interfaces": [{{"mac": "{FIRST}", "locals": ["203.0.113.8"]}}]}}"#));
        let daemon = Daemon::start("qemu");
        becomes(ours, &[&local.replace(".7 ", ".8 ")]);
        becomes_of(rules, "rules", &[]);
        becomes("ip route show table all proto 176", &[&local.replace(".7 ", ".8 ").replace(" scope", " table local scope")]);
        daemon.stop();
        // One that cannot be read removes nothing.
        item("{");
        let mut daemon = Daemon::start("qemu");
        daemon.says(&["opt/org.flatcar-linux/oem/network", "is left out"]);
        daemon.stop();
        becomes(ours, &[&local.replace(".7 ", ".8 ")]);
    });
}
