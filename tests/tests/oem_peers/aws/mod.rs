//! EC2: amazon-ec2-net-utils 2.3, which Debian 12 has.
//!
//! Its scripts write files for systemd-networkd, which does what is in them. All of it is real: the scripts, networkd with
//! `networkctl` and a bus of messages, a DHCP server in a VPC that is a network namespace, and the metadata service. Only
//! what systemd and udev would start is called by the test: the service of an interface when that is attached, its timer's
//! run when something has changed. The interfaces of the peer's machine are veths, so that its file, which is for Amazon's
//! drivers, has that one, too.

mod differences;
mod ours;
mod service;
mod theirs;

use pilotlight_tests::metadata_server::ec2::BEGIN;
use pilotlight_tests::tool;
use pilotlight_tests::uml::Guest;

use crate::machine::{begin, lines, stop};
use crate::side_by_side::{State, all_of};

use differences::NAMED;
use ours::Ours;
use service::Service;
use theirs::Peer;

const NUMBERLESS: &str =
    "the second interface has been attached, and the service does not know its number yet";
const NUMBERED: &str = "its number has come";
const ANEW: &str = "it has been attached anew";
const MORE: &str = "it has got one more address, and an operator has added a route";
const ABSENT: &str = "the service does not know its addresses for a moment";
const DETACHED: &str = "it has been detached";
const TIMES: [&str; 6] = [NUMBERLESS, NUMBERED, ANEW, MORE, ABSENT, DETACHED];

/// What the kernel has of the platform's: rules, tables of interfaces, addresses, routes of operators. Who added a rule, and
/// what DHCP gives, is not told; the interfaces are called as the peer calls them.
fn there(first: &str, second: &str) -> State {
    let mut all = State::new();
    let named = |line: &str| line.replace(first, "ens5").replace(second, "ens6");
    for line in lines(&["ip -4 rule show"]) {
        if !["0:", "32766:", "32767:"]
            .iter()
            .any(|own| line.starts_with(own))
        {
            all.insert(
                format!("rule {line}")
                    .replace(" proto static", "")
                    .replace(" proto 176", ""),
            );
        }
    }
    for line in lines(&["ip -4 route show table all"]) {
        let of_table = line.contains("table 1");
        if of_table || line.contains("192.0.2.0/24") {
            all.insert(format!("route {}", named(&line)));
        }
    }
    for line in lines(&["ip -4 -o address show scope global"]) {
        let line = named(&line);
        if let Some((_, address)) = line.split_once("inet ")
            && !address.contains("169.254")
            && !address.contains("/24")
        {
            let end = address.find('\\').unwrap_or(address.len());
            all.insert(format!("address {}", address[..end].trim()));
        }
    }
    for line in lines(&["ip -d link show"]) {
        if line.contains("altname") {
            all.insert(line);
        }
    }
    all
}

/// A machine to which things happen.
trait Subject {
    fn attach(&mut self);
    fn detach(&mut self);
    /// As long as it may take until the program has noticed what the service says now.
    fn notice(&mut self);
    fn after(&mut self, when: &'static str);
    fn second(&self) -> &str;
}

fn course(service: &Service, subject: &mut impl Subject) {
    service.change(|says| says.second = Some("0"));
    subject.attach();
    subject.after(NUMBERLESS);
    service.change(|says| says.second = Some("1"));
    subject.notice();
    subject.after(NUMBERED);
    service.change(|says| says.second = None);
    subject.detach();
    service.change(|says| says.second = Some("1"));
    subject.attach();
    subject.after(ANEW);
    let second = subject.second().to_string();
    tool(&format!(
        "ip route add 192.0.2.0/24 via 10.0.2.1 dev {second} onlink proto static"
    ));
    service.change(|says| says.addresses = Some("10.0.2.20\n10.0.2.21\n10.0.2.22"));
    subject.notice();
    subject.after(MORE);
    service.change(|says| says.addresses = None);
    subject.notice();
    subject.after(ABSENT);
    service.change(|says| says.second = None);
    subject.detach();
    subject.after(DETACHED);
}

#[test]
#[ignore = "needs amazon-ec2-net-utils: make peers"]
fn interfaces_with_tables_of_their_own() {
    let mut guest = Guest::new();
    let nics = [
        guest.nic("02:00:00:00:0b:01"),
        guest.nic("02:00:00:00:0b:02"),
    ];
    guest.boot(|| {
        all_of(&TIMES, NAMED);
        begin();
        let service = Service::start(BEGIN);
        let mut peer = Peer::begin();
        course(&service, &mut peer);
        let states = peer.end();

        service.change(|says| *says = BEGIN);
        let ours = Ours::begin(&service, &nics, states);
        let said = stop(ours.end(&service));
        println!("{said}");
    });
}
