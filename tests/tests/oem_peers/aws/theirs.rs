//! The machine with amazon-ec2-net-utils.

use std::process::Command;
use std::time::{Duration, Instant};

use pilotlight_tests::faults::Running;
use pilotlight_tests::{run, tool};

use super::{Subject, there};
use crate::SOON;
use crate::machine::{install, lines, peer, write};
use crate::side_by_side::State;

/// A bus of messages on which everything is allowed: `networkctl` talks to networkd over it.
const BUS: &str = r#"<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen>
<auth>EXTERNAL</auth><policy context="default"><allow user="*"/><allow own="*"/>
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
</policy></busconfig>"#;

/// The machine with the peer, and what was there after each event.
pub struct Peer {
    running: Vec<Running>,
    states: Vec<(&'static str, State)>,
}

impl Peer {
    pub fn begin() -> Self {
        install("amazon-ec2-net-utils");
        tool("modprobe veth");
        tool("ip netns add vpc");
        let base = "/usr/lib/systemd/network/80-ec2.network";
        let text = std::fs::read_to_string(base).unwrap();
        let theirs = "Driver=ena ixgbevf vif";
        assert!(text.contains(theirs), "{text}");
        write(base, &text.replace(theirs, &format!("{theirs} veth")));
        for directory in ["links", "leases"] {
            tool(&format!("mkdir -p /run/systemd/netif/{directory}"));
        }
        tool("chown -R systemd-network /run/systemd/netif");
        // networkd waits for udev to know a link, and there is no udev.
        write("/run/udev/control", "");
        for index in 1..20 {
            write(&format!("/run/udev/data/n{index}"), "I:1\n");
        }
        write("/run/dbus/system.conf", BUS);
        let dbus = peer("dbus-daemon");
        let mut bus = Command::new(dbus.join("usr/bin/dbus-daemon"));
        let libraries = ["usr/lib", "lib"].map(|place| {
            let place = dbus.join(place).join("x86_64-linux-gnu");
            place.display().to_string()
        });
        bus.env("LD_LIBRARY_PATH", libraries.join(":"));
        bus.args([
            "--config-file=/run/dbus/system.conf",
            "--nofork",
            "--nopidfile",
            "--print-address",
        ]);
        let mut bus = Running::start(&mut bus);
        bus.says(&["unix:path"]);
        let networkd = Running::start(&mut Command::new("/lib/systemd/systemd-networkd"));
        let mut machine = Self {
            running: vec![bus, networkd],
            states: Vec::new(),
        };
        machine.plug(1);
        machine.service(1, "start");
        machine
    }

    /// A new interface, with the VPC's DHCP server at the other end.
    fn plug(&mut self, number: u8) {
        let nic = format!("ens{}", number + 4);
        tool(&format!(
            "ip link add s{number} netns vpc type veth peer name {nic}"
        ));
        tool(&format!(
            "ip link set {nic} address 02:00:00:00:0a:0{number}"
        ));
        tool(&format!(
            "ip -n vpc address add 10.0.{number}.1/24 dev s{number}"
        ));
        tool(&format!("ip -n vpc link set s{number} up"));
        let mut dhcp = Command::new("ip");
        dhcp.args([
            "netns",
            "exec",
            "vpc",
            "dnsmasq",
            "--keep-in-foreground",
            "--port=0",
            "--bind-interfaces",
        ]);
        dhcp.args([
            "--conf-file=/dev/null",
            "--pid-file=",
            "--leasefile-ro",
            "--user=root",
        ]);
        dhcp.arg(format!("--interface=s{number}"));
        dhcp.arg(format!(
            "--dhcp-range=10.0.{number}.20,10.0.{number}.20,3600"
        ));
        self.running.push(Running::start(&mut dhcp));
    }

    /// Takes the machine back to where it began.
    pub fn end(mut self) -> Vec<(&'static str, State)> {
        tool("ip link del ens5");
        tool("ip netns del vpc");
        self.running.drain(..).rev().for_each(drop);
        for rule in lines(&["ip -4 rule show"]) {
            if rule.starts_with("1000") {
                let priority = rule.split(':').next().unwrap().to_string();
                tool(&format!("ip rule del priority {priority}"));
            }
        }
        self.states
    }

    /// What systemd's service or timer of an interface runs.
    fn service(&self, number: u8, verb: &str) {
        let answer = Command::new("timeout")
            .args([
                "100",
                "setup-policy-routes",
                &format!("ens{}", number + 4),
                verb,
            ])
            .env("EC2_IF_INITIAL_SETUP", "true")
            .output()
            .unwrap();
        assert!(answer.status.success(), "{answer:?}");
    }
}

impl Subject for Peer {
    fn attach(&mut self) {
        self.plug(2);
        self.service(2, "start");
    }

    fn detach(&mut self) {
        tool("ip link del ens6");
        self.service(2, "stop");
        // Its DHCP server.
        self.running.pop();
    }

    fn notice(&mut self) {
        let answer = run("timeout 100 setup-policy-routes ens6 start");
        assert_eq!(answer.code, Some(0), "{}", answer.err);
    }

    fn after(&mut self, when: &'static str) {
        // networkd is done with a link when it says so.
        let begun = Instant::now();
        loop {
            let list = tool("networkctl list --no-legend --no-pager");
            let done = list.lines().all(|line| {
                line.contains(" lo ") || line.contains("vec") || line.contains("configured")
            });
            if done {
                break;
            }
            assert!(begun.elapsed() < SOON, "{list}");
            std::thread::sleep(Duration::from_millis(200));
        }
        let state = there("ens5", "ens6");
        println!("{when}: {state:#?}");
        self.states.push((when, state));
    }

    fn second(&self) -> &str {
        "ens6"
    }
}
