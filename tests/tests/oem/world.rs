//! The world around a machine: namespaces of `ip netns` with clients and servers in them.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use pilotlight_tests::tool;
use serde_json::Value;

use crate::SOON;

/// The machine's own namespace.
pub const HERE: &str = "";
/// How long an answer is waited for that must not come.
const NEVER: Duration = Duration::from_millis(700);

/// Makes a namespace, with its loopback.
pub fn space(name: &str) {
    tool(&format!("ip netns add {name}"));
    tool(&format!("ip -n {name} link set lo up"));
}

/// Runs `ip` for each line, in a namespace.
pub fn ip(space: &str, lines: &[&str]) {
    let inside = match space {
        HERE => String::new(),
        name => format!("-n {name} "),
    };
    for line in lines {
        tool(&format!("ip {inside}{line}"));
    }
}

/// Moves this thread.
fn enter(space: &str) {
    if space != HERE {
        let space = File::open(format!("/run/netns/{space}")).unwrap();
        setns(space, CloneFlags::CLONE_NEWNET).unwrap();
    }
}

/// A TCP server of a namespace, which tells each client at which address it was reached, and from where.
pub fn serve(space: &str, address: &str) {
    let (space, address) = (space.to_string(), address.to_string());
    let listening = thread::spawn(move || {
        enter(&space);
        TcpListener::bind(address).unwrap()
    });
    let listener = listening.join().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let ends = (stream.local_addr(), stream.peer_addr());
            if let (Ok(own), Ok(peer)) = ends {
                let _ = write!(stream, "{} for {}", own.ip(), peer.ip());
            }
        }
    });
}

/// What a server says to a client of a namespace.
pub fn asks(space: &str, server: &str) -> String {
    ask(space, server, SOON).unwrap_or_else(|error| {
        panic!(
            "{server} does not answer {space:?}: {error}\n{}\n{}\n{}",
            tool("ip -d address"),
            tool("ip rule"),
            tool("ip -d route show table all"),
        )
    })
}

/// Whether a server cannot be reached.
pub fn asks_in_vain(space: &str, server: &str) -> bool {
    ask(space, server, NEVER).is_err()
}

fn ask(space: &str, server: &str, patience: Duration) -> io::Result<String> {
    let server: SocketAddr = server.parse().unwrap();
    let asking = || {
        enter(space);
        let mut stream = TcpStream::connect_timeout(&server, patience)?;
        stream.set_read_timeout(Some(patience))?;
        let mut said = String::new();
        stream.read_to_string(&mut said)?;
        Ok(said)
    };
    thread::scope(|scope| scope.spawn(asking).join().unwrap())
}

/// A UDP server of a namespace that sends back what it gets.
pub fn echo(space: &str, address: &str) {
    let socket = udp(space, address);
    thread::spawn(move || {
        let mut packet = [0; 16];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            let _ = socket.send_to(&packet[..length], from);
        }
    });
}

fn udp(space: &str, address: &str) -> UdpSocket {
    let (space, address) = (space.to_string(), address.to_string());
    let binding = thread::spawn(move || {
        enter(&space);
        UdpSocket::bind(address).unwrap()
    });
    binding.join().unwrap()
}

/// A client of an echo server, which sends a packet every 20 ms and misses no answer.
pub struct Pinger {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<u32>,
}

impl Pinger {
    /// Begins, with a first answer.
    pub fn start(space: &str, server: &str) -> Self {
        let socket = udp(space, "0.0.0.0:0");
        let what = format!("{space:?} to {server}");
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(SOON / 4)).unwrap();
        let ask = move |number: u32| {
            socket.send(&number.to_be_bytes()).unwrap();
            let mut answer = [0; 4];
            let read = socket.recv(&mut answer);
            assert!(read.is_ok(), "{what}: packet {number} is lost: {read:?}");
            assert_eq!(u32::from_be_bytes(answer), number, "{what}");
        };
        ask(0);
        let ended = Arc::new(AtomicBool::new(false));
        let seen = ended.clone();
        let thread = thread::spawn(move || {
            let mut number = 0;
            while !seen.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20));
                number += 1;
                ask(number);
            }
            number
        });
        Self { ended, thread }
    }

    /// Ends it; how many answers there were.
    pub fn stop(self) -> u32 {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// What `ip monitor` records of routes and rules from now on.
pub struct Monitor(Child);

/// A route that is added and removed to see that it is recorded.
const MARK: &str = "192.0.2.250";
const RECORD: &str = "/run/monitor";

impl Monitor {
    /// Begins.
    pub fn start() -> Self {
        let child = Command::new("ip")
            .args(["-d", "monitor", "route", "rule"])
            .stdout(File::create(RECORD).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let monitor = Self(child);
        let begun = Instant::now();
        while !monitor.deletions().iter().any(|line| line.contains(MARK)) {
            ip(HERE, &["route add 192.0.2.250 dev lo"]);
            ip(HERE, &["route del 192.0.2.250 dev lo"]);
            assert!(begun.elapsed() < SOON, "nothing is recorded");
            thread::sleep(Duration::from_millis(20));
        }
        monitor
    }

    fn deletions(&self) -> Vec<String> {
        let record = fs::read_to_string(RECORD).unwrap();
        let deleted = record.lines().filter(|line| line.starts_with("Deleted "));
        deleted.map(str::to_string).collect()
    }

    /// Ends it, once all is recorded; what was removed since it began, a line each.
    pub fn stop(mut self) -> Vec<String> {
        let marks = |lines: &[String]| lines.iter().filter(|line| line.contains(MARK)).count();
        let before = marks(&self.deletions());
        ip(
            HERE,
            &[
                "route add 192.0.2.250 dev lo",
                "route del 192.0.2.250 dev lo",
            ],
        );
        let begun = Instant::now();
        while marks(&self.deletions()) == before {
            assert!(begun.elapsed() < SOON, "nothing is recorded");
            thread::sleep(Duration::from_millis(20));
        }
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        let mut lines = self.deletions();
        lines.retain(|line| !line.contains(MARK));
        lines
    }
}

/// All addresses, routes and rules, once the kernel adds nothing more by itself: addresses of IPv6 that it tries, and
/// routes to them, come somewhat later than their links.
pub fn settled_but(number: u8) -> Vec<Value> {
    let begun = Instant::now();
    let mut before = all_but(number);
    loop {
        thread::sleep(Duration::from_millis(300));
        let after = all_but(number);
        let tentative = after
            .iter()
            .any(|one| one.to_string().contains("tentative"));
        if before == after && !tentative {
            return after;
        }
        if begun.elapsed() > SOON {
            assert_same(&before, &after);
            panic!("{}", tool("ip -6 address show tentative"));
        }
        before = after;
    }
}

/// All addresses, routes and rules with all their fields, but for routes and rules of a protocol.
pub fn all_but(number: u8) -> Vec<Value> {
    let number = number.to_string();
    let mut all = Vec::new();
    for family in ["-4", "-6"] {
        for what in ["address", "route show table all", "rule show"] {
            let text = tool(&format!("ip -j -d {family} {what}"));
            let mut list: Vec<Value> = serde_json::from_str(&text).unwrap();
            for one in &mut list {
                let one = one.as_object_mut().unwrap();
                // Where a bridge has timers.
                one.remove("linkinfo");
                // Names that a platform gave have no owner, and stay.
                one.remove("altnames");
            }
            all.extend(
                list.into_iter()
                    .filter(|one| one["protocol"].as_str() != Some(&number)),
            );
        }
    }
    all
}

/// Asserts that two such lists are one, and shows what differs where not.
#[track_caller]
pub fn assert_same(before: &[Value], after: &[Value]) {
    let missing = |from: &[Value], of: &[Value]| -> Vec<String> {
        let others = from.iter().filter(|one| !of.contains(one));
        others.map(Value::to_string).collect()
    };
    assert_eq!(missing(before, after), missing(after, before));
    assert_eq!(before, after, "the order");
}

/// Sets a value below `/proc/sys/net`.
pub fn sysctl(key: &str, value: &str) {
    fs::write(format!("/proc/sys/net/{key}"), value).unwrap();
}
