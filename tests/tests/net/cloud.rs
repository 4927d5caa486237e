//! A machine and the network that it is in: two namespaces with two cables, and strict filters of reverse paths on
//! both sides, so that an answer by the wrong link arrives nowhere.

use std::net::{IpAddr, UdpSocket};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use pilotlight_sys::netlink::Netlink;
use pilotlight_tests::faults::isolated;
use pilotlight_tests::tool;
use rustix::thread::gettid;

use crate::{FIRST, Machine, SECOND};

/// How long an answer is waited for that does not come.
const PATIENCE: Duration = Duration::from_millis(500);

type Task = Box<dyn FnOnce() + Send>;

/// The namespace of the network.
pub(crate) struct Cloud {
    tasks: Sender<Task>,
}

impl Cloud {
    /// Does something in the namespace.
    pub(crate) fn run<T: Send + 'static>(&self, task: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, answered) = channel();
        let task = move || answer.send(task()).unwrap();
        self.tasks.send(Box::new(task)).unwrap();
        answered.recv().unwrap()
    }

    /// Whether somebody at an address of the network gets an answer from an address of the machine.
    pub(crate) fn is_answered(&self, from: &str, to: &str) -> bool {
        let (from, to): (IpAddr, IpAddr) = (from.parse().unwrap(), to.parse().unwrap());
        // A port of its own each time: a program that another test has just started may hold the last one yet.
        let machine = UdpSocket::bind((to, 0)).unwrap();
        let way = machine.local_addr().unwrap();
        // A socket stays in the namespace in which it was made.
        let somebody = self.run(move || {
            let socket = UdpSocket::bind((from, 0)).unwrap();
            socket.connect(way).unwrap();
            socket
        });
        for socket in [&machine, &somebody] {
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        somebody.send(b"?").unwrap();
        let mut bytes = [0; 1];
        let Ok((_, asker)) = machine.recv_from(&mut bytes) else {
            return false;
        };
        machine.send_to(b"!", asker).unwrap();
        somebody.recv(&mut bytes).is_ok()
    }

    /// Asks an address of the network, and says by which of its own the machine did, and whether it was answered.
    pub(crate) fn asked(&self, to: &str) -> (String, bool) {
        let to: IpAddr = to.parse().unwrap();
        let server = self.run(move || UdpSocket::bind((to, 0)).unwrap());
        let machine = UdpSocket::bind("0.0.0.0:0").unwrap();
        machine.connect(server.local_addr().unwrap()).unwrap();
        for socket in [&machine, &server] {
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        machine.send(b"?").unwrap();
        let mut bytes = [0; 1];
        let is_answered = match server.recv_from(&mut bytes) {
            Ok((_, asker)) => {
                server.send_to(b"!", asker).unwrap();
                machine.recv(&mut bytes).is_ok()
            }
            Err(_) => false,
        };
        (machine.local_addr().unwrap().ip().to_string(), is_answered)
    }
}

/// Strict filters of reverse paths (ip-sysctl.rst, `rp_filter`).
fn strict(links: &[&str]) {
    for link in ["all"].iter().chain(links) {
        std::fs::write(format!("/proc/sys/net/ipv4/conf/{link}/rp_filter"), "1").unwrap();
    }
}

/// Runs a test on a machine with two interfaces without addresses, which are cables to the links `port0` and `port1`
/// of the network.
pub(crate) fn in_a_cloud(test: impl FnOnce(&mut Machine, &Cloud) + Send) {
    isolated(&[], || {
        for (at, mac) in [FIRST, SECOND].iter().enumerate() {
            tool(&format!(
                "ip link add name eth{at} address {mac} type veth peer name port{at}"
            ));
            tool(&format!("ip link set dev eth{at} up"));
        }
        strict(&["eth0", "eth1"]);
        let (tasks, to_do) = channel::<Task>();
        let (ready, is_ready) = channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                unshare(CloneFlags::CLONE_NEWNET).unwrap();
                ready.send(gettid()).unwrap();
                for task in to_do {
                    task();
                }
            });
            let id = is_ready.recv().unwrap().as_raw_nonzero();
            for at in 0..2 {
                tool(&format!("ip link set dev port{at} netns {id}"));
            }
            let cloud = Cloud { tasks };
            cloud.run(|| {
                for link in ["lo", "port0", "port1"] {
                    tool(&format!("ip link set dev {link} up"));
                }
                strict(&["port0", "port1"]);
            });
            let netlink = Netlink::open().unwrap();
            let mut machine = Machine {
                netlink,
                kind: "veth",
            };
            machine.quiet();
            test(&mut machine, &cloud);
        });
    });
}
