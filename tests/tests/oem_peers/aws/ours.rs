//! The machine with our daemon.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pilotlight_tests::faults::Running;
use pilotlight_tests::tool;

use super::differences::NAMED;
use super::service::Service;
use super::{Subject, course, there};
use crate::SOON;
use crate::machine::{daemon, lines};
use crate::side_by_side::{State, becomes, expected};

/// The same machine with ours, beside what was there with the peer. What DHCP gives is there by another hand.
pub struct Ours<'a> {
    service: &'a Service,
    nics: &'a [String; 2],
    daemon: Running,
    theirs: std::vec::IntoIter<(&'static str, State)>,
}

impl<'a> Ours<'a> {
    pub fn begin(
        service: &'a Service,
        nics: &'a [String; 2],
        theirs: Vec<(&'static str, State)>,
    ) -> Self {
        leased(&nics[0], 1);
        Self {
            service,
            nics,
            daemon: daemon("aws"),
            theirs: theirs.into_iter(),
        }
    }

    pub fn end(mut self, service: &Service) -> Running {
        course(service, &mut self);
        self.daemon
    }
}

/// An interface with what a DHCP client has got for it.
fn leased(nic: &str, number: u8) {
    tool(&format!(
        "ip link set {nic} address 02:00:00:00:0a:0{number}"
    ));
    tool(&format!("ip link set {nic} up"));
    tool(&format!("ip address add 10.0.{number}.20/24 dev {nic}"));
    let metric = 512 + 10 * u32::from(number - 1);
    tool(&format!(
        "ip route add default via 10.0.{number}.1 dev {nic} proto dhcp metric {metric}"
    ));
}

impl Subject for Ours<'_> {
    fn attach(&mut self) {
        leased(&self.nics[1], 2);
    }

    fn detach(&mut self) {
        let nic = &self.nics[1];
        tool(&format!("ip link set {nic} down"));
        tool(&format!("ip link set {nic} address 02:00:00:00:0b:02"));
        tool(&format!("ip address flush dev {nic}"));
        // They go with the link.
        for name in lines(&[&format!("ip -d link show dev {nic}")]) {
            if let Some(name) = name.strip_prefix("altname ") {
                tool(&format!("ip link property del dev {nic} altname {name}"));
            }
        }
    }

    fn notice(&mut self) {
        // A link that changes is a reason to ask before the minute is over. Whoever asks again is done with the answer
        // before.
        for mtu in [65_535, 65_536] {
            let before = self.service.asked.load(Ordering::SeqCst);
            tool(&format!("ip link set lo mtu {mtu}"));
            let begun = Instant::now();
            while self.service.asked.load(Ordering::SeqCst) == before {
                assert!(begun.elapsed() < 2 * SOON, "it does not ask any more");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    fn after(&mut self, when: &'static str) {
        let (same, theirs) = self.theirs.next().unwrap();
        assert_eq!(same, when);
        let look = || there(&self.nics[0], &self.nics[1]);
        becomes(when, look, &expected(when, &theirs, NAMED));
    }

    fn second(&self) -> &str {
        &self.nics[1]
    }
}
