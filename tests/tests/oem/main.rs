//! The daemon on a machine of its own: user-mode Linux, whose network interfaces are hardware to the kernel, with a
//! metadata server at its real address. What is there is asked of `ip`.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod aws;
mod clock;
mod gcp;
mod keys;
mod links;
mod pods;
mod qemu;
mod traffic;
mod unit;
mod world;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use pilotlight_tests::faults::Running;
use pilotlight_tests::{program, tool};

/// As long as something that has to come may take.
const SOON: Duration = Duration::from_secs(60);
/// The address of every platform's metadata server.
const LINK: &str = "169.254.169.254";
const STATE: &str = "/run/pilotlight-state";

/// What every machine has: IPv6, and the platform's address.
fn begin() {
    tool("modprobe ipv6");
    tool(&format!("ip address add {LINK}/32 dev lo"));
}

/// The daemon, which runs.
struct Daemon(Running);

impl Daemon {
    fn command(platform: &str) -> Command {
        let mut command = Command::new(program());
        command.args(["oem", "run", "--platform", platform, "--state", STATE]);
        command.args(["--metrics", "/run/figures.prom"]);
        command
    }

    fn start(platform: &str) -> Self {
        Self(Running::start(&mut Self::command(platform)))
    }

    /// Waits for a line of its log.
    fn says(&mut self, words: &[&str]) -> String {
        self.0.says(words)
    }

    fn signal(&self, name: &str) {
        tool(&format!("kill -{name} {}", self.0.id()));
    }

    /// How often it has waited for something, and something came.
    fn wakeups(&self) -> u64 {
        let path = format!("/proc/{}/status", self.0.id());
        let status = std::fs::read_to_string(path).unwrap();
        let mut lines = status.lines();
        let counted = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        counted.unwrap().trim().parse().unwrap()
    }

    /// Stops it as a service is stopped; all that it said.
    fn stop(self) -> String {
        self.signal("TERM");
        let answer = self.0.ends();
        assert_eq!(answer.code, Some(0), "{}", answer.out);
        answer.out
    }
}

/// The lines of a tool, without blanks at their ends, sorted.
fn lines(line: &str) -> Vec<String> {
    let mut lines: Vec<String> = tool(line)
        .lines()
        .map(|line| line.trim().to_string())
        .collect();
    lines.sort();
    lines
}

/// Waits until a tool prints these lines, in any order; how long that took.
#[track_caller]
fn becomes(line: &str, expected: &[&str]) -> Duration {
    becomes_of(|| lines(line), line, expected)
}

/// The same of anything that has lines, sorted.
#[track_caller]
fn becomes_of(look: impl Fn() -> Vec<String>, what: &str, expected: &[&str]) -> Duration {
    let begun = Instant::now();
    let mut expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
    expected.sort();
    loop {
        let there = look();
        if there == expected {
            return begun.elapsed();
        }
        assert!(
            begun.elapsed() < SOON,
            "{what}: {there:#?}, not {expected:#?}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Everything of the network that does not carry the daemon's number. What the kernel adds by itself comes and goes
/// with the links.
fn foreign(number: u8) -> Vec<String> {
    let mut all = Vec::new();
    for command in ["route show table all", "rule show"] {
        for family in ["-4", "-6"] {
            let own = format!("proto {number} ");
            let of = |line: &String| !line.contains(&own) && !line.contains("proto kernel scope");
            let there = lines(&format!("ip -d {family} {command}"));
            all.extend(there.into_iter().filter(of));
        }
    }
    all
}

/// A settings file of the operator.
fn settings(text: &str) {
    let path = PathBuf::from("/etc/pilotlight/oem.conf");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}
