//! The daemon beside Google's guest agent, in numbers: memory, processor time and wake-ups of a machine on which nothing
//! happens, how long a route is missing that somebody removed, and how long a thousand addresses take.
//!
//! ```text
//! make build peers
//! PILOTLIGHT_BIN=target/release/pilotlight cargo run -p pilotlight-benches --bin oem-beside-google
//! ```
//!
//! `peer` or `ours` as an argument measures only that one. `here` measures ours in a namespace of the kernel that runs
//! now, whose system calls cost what they cost: that is what the daemon's own bounds are compared with.
//!
//! Each runs alone on a machine of user-mode Linux, by the same metadata server; so a system call costs several times what
//! it costs on hardware, for both. It takes ten minutes, most of which are waited.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use pilotlight_tests::faults::isolated;
use pilotlight_tests::metadata_server::Server;
use pilotlight_tests::uml::Guest;
use pilotlight_tests::{program, run, tool};
use serde_json::{Value, json};

/// As long as something that has to come may take.
const SOON: Duration = Duration::from_secs(300);
/// How long Google's agent is given to miss a route: its request that waits comes back every minute.
const PATIENCE: Duration = Duration::from_secs(150);
const LINK: &str = "169.254.169.254";
const MAC: &str = "42:01:0a:80:00:0d";
const STATE: &str = "/run/pilotlight-state";
/// How long it is watched while nothing happens.
const QUIET: Duration = Duration::from_secs(60);
/// Routes that are removed, and the time from one to the next where it is a series.
const REMOVED: usize = 20;
const APART: Duration = Duration::from_secs(5);
const MANY: usize = 1000;

/// What is measured: its name in figures, and in words.
const ROWS: [(&str, &str); 11] = [
    ("peak", "most memory (VmHWM), KiB"),
    ("resident", "memory when idle (VmRSS), KiB"),
    ("anonymous", "of it its own (RssAnon), KiB"),
    ("threads", "threads"),
    ("processor", "processor time in an idle minute, ms"),
    ("switches", "wake-ups in an idle minute"),
    (
        "told",
        "the server tells of one address more, median of 20, ms",
    ),
    (
        "back",
        "a route that somebody removed is back, median of 20, ms",
    ),
    (
        "series",
        "the same, 5 s from one to the next, median of 20, ms",
    ),
    ("many", "1,000 addresses are there, ms"),
    ("many-peak", "most memory with them (VmHWM), KiB"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [inside, subject] = arguments.as_slice()
        && inside == "--inside"
    {
        return measure(subject);
    }
    if arguments == ["here"] {
        return isolated(&[], || {
            tool("mount -t tmpfs none /run");
            // The address that the platform names is hardware's; where no hardware has it, this link is meant.
            let kinds = ["dummy", "ifb"];
            let made = kinds.iter().any(|kind| {
                run(&format!("ip link add vec0 address {MAC} type {kind}")).code == Some(0)
            });
            assert!(made, "this kernel has neither dummy nor ifb");
            figures_of("ours");
        });
    }
    let this = std::env::current_exe().unwrap();
    let figures = ["peer", "ours"].map(|subject| {
        if !arguments.is_empty() && !arguments.iter().any(|one| one == subject) {
            return BTreeMap::new();
        }
        let mut guest = Guest::new().patience(Duration::from_secs(1800));
        guest.nic(MAC);
        let answer = guest.run(&[this.to_str().unwrap(), "--inside", subject]);
        assert_eq!(answer.code, Some(0), "{}", answer.out);
        let figures = answer.out.lines().filter_map(|line| {
            let (name, value) = line.strip_prefix("= ")?.split_once(' ')?;
            Some((name.to_string(), value.parse::<f64>().ok()?))
        });
        figures.collect::<BTreeMap<_, _>>()
    });
    println!(
        "{:<58}{:>14}{:>12}{:>9}",
        "", "google-agent", "pilotlight", "ratio"
    );
    for (name, words) in ROWS {
        let [peer, ours] = [0, 1].map(|of| figures[of].get(name).copied());
        let shown = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.0}"));
        let ratio = match (peer, ours) {
            (Some(peer), Some(ours)) if peer > 0.0 => format!("{:.3}", ours / peer),
            _ => "-".into(),
        };
        println!(
            "{words:<58}{:>14}{:>12}{ratio:>9}",
            shown(peer),
            shown(ours)
        );
    }
}

/// In the guest: measures one of the two, and prints its figures.
fn measure(subject: &str) {
    let inside = Path::new("/run/uml").exists();
    assert!(inside, "this changes the network of the machine");
    tool("modprobe ipv6");
    figures_of(subject);
}

/// On a machine with an interface: measures one of the two, and prints its figures.
fn figures_of(subject: &str) {
    tool(&format!("ip address add {LINK}/32 dev lo"));
    tool("ip link set vec0 up");
    tool("ip address add 10.128.0.13/24 dev vec0");
    let first = addresses(REMOVED);
    let server = Server::start(&format!("{LINK}:80"), says(&first));
    let mut running = Subject::start(subject);
    there(&first);
    // What it does at its beginning is over.
    sleep(Duration::from_secs(5));
    let before = running.look();
    sleep(QUIET);
    let after = running.look();
    for (name, key) in [
        ("peak", "VmHWM"),
        ("resident", "VmRSS"),
        ("anonymous", "RssAnon"),
        ("threads", "Threads"),
    ] {
        figure(name, after.status[key]);
    }
    figure("processor", after.processor - before.processor);
    figure("switches", after.switches - before.switches);

    // A server that tells of one address more.
    let mut told = first.clone();
    let mut times: Vec<Duration> = addresses(2 * REMOVED)
        .drain(REMOVED..)
        .map(|ip| {
            told.push(ip.clone());
            let begun = Instant::now();
            server.change(says(&told));
            is_back(&ip, begun, SOON).unwrap()
        })
        .collect();
    figure("told", median(&mut times));

    if subject == "ours" {
        // After a long quiet, which a restart stands for: ours answers a quarrel slower and slower.
        let mut times: Vec<Duration> = first
            .iter()
            .map(|ip| {
                running.stop();
                running = Subject::start(subject);
                sleep(Duration::from_secs(1));
                is_back(ip, remove(ip), SOON).unwrap()
            })
            .collect();
        figure("back", median(&mut times));
        let mut times: Vec<Duration> = first
            .iter()
            .map(|ip| {
                let begun = remove(ip);
                let took = is_back(ip, begun, SOON).unwrap();
                sleep(APART.saturating_sub(took));
                took
            })
            .collect();
        figure("series", median(&mut times));
    } else if let Some(took) = is_back(&first[0], remove(&first[0]), PATIENCE) {
        figure("back", took.as_secs_f64() * 1000.0);
    }

    let many = addresses(MANY);
    let begun = Instant::now();
    server.change(says(&many));
    there(&many);
    figure("many", begun.elapsed().as_secs_f64() * 1000.0);
    figure("many-peak", running.look().status["VmHWM"]);
    running.stop();
}

fn figure(name: &str, value: f64) {
    println!("= {name} {value}");
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn addresses(count: usize) -> Vec<String> {
    (0..count)
        .map(|at| format!("198.18.{}.{}", at / 200, at % 200 + 1))
        .collect()
}

fn says(forwarded: &[String]) -> impl Fn(&str) -> Option<String> + use<> {
    let all: Value = json!({
        "instance": { "id": 1, "attributes": {}, "networkInterfaces": [
            { "mac": MAC, "ip": "10.128.0.13", "forwardedIps": forwarded },
        ] },
        "project": { "attributes": {} },
    });
    let text = all.to_string();
    // Google's agent asks with one slash more.
    move |path| (path.trim_end_matches('/') == "/computeMetadata/v1").then(|| text.clone())
}

/// Addresses with a local route of the protocol that both use.
fn routes() -> Vec<String> {
    let said = run("ip -4 route show table local proto 66").out;
    let of_line = |line: &str| line.split(' ').nth(1).map(str::to_string);
    said.lines().filter_map(of_line).collect()
}

/// Removes a route; when that was.
fn remove(ip: &str) -> Instant {
    tool(&format!("ip route del local {ip} table local"));
    Instant::now()
}

/// How long it took until a route was there; `None` after so long.
fn is_back(ip: &str, since: Instant, patience: Duration) -> Option<Duration> {
    while !routes().iter().any(|route| route == ip) {
        if since.elapsed() > patience {
            return None;
        }
        sleep(Duration::from_millis(2));
    }
    Some(since.elapsed())
}

fn there(addresses: &[String]) {
    let begun = Instant::now();
    while routes().len() < addresses.len() {
        assert!(begun.elapsed() < SOON, "not all addresses come");
        sleep(Duration::from_millis(20));
    }
}

/// One of the two, which runs.
struct Subject(Child);

/// What the kernel says of it.
struct Look {
    /// Numbers of /proc/PID/status.
    status: BTreeMap<String, f64>,
    /// Milliseconds, of its threads and of programs that have ended.
    processor: f64,
    /// Times that a thread had waited, of all of them.
    switches: f64,
}

impl Subject {
    fn start(subject: &str) -> Self {
        let mut command = match subject {
            "peer" => {
                let this = std::env::current_exe().unwrap();
                let peer = this
                    .ancestors()
                    .nth(2)
                    .unwrap()
                    .join("peers/google-guest-agent");
                settings(&peer);
                // There is no systemd: what Google's agent has restarted at each change is not its time.
                tool("cp /bin/true /usr/bin/systemctl");
                Command::new(peer.join("usr/bin/google_guest_agent"))
            }
            _ => {
                let mut command = Command::new(program());
                command.args(["oem", "run", "--platform", "gcp", "--state", STATE]);
                command
            }
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn stop(&mut self) {
        tool(&format!("kill {}", self.0.id()));
        self.0.wait().unwrap();
    }

    fn look(&self) -> Look {
        let directory = format!("/proc/{}", self.0.id());
        let status = numbers(&format!("{directory}/status"));
        let stat = fs::read_to_string(format!("{directory}/stat")).unwrap();
        // proc(5): from the 14th field on utime, stime, cutime, cstime, in hundredths of a second.
        let fields = stat
            .rsplit_once(") ")
            .unwrap()
            .1
            .split(' ')
            .skip(11)
            .take(4);
        let processor: f64 = fields
            .map(|field| field.parse::<f64>().unwrap() * 10.0)
            .sum();
        let tasks = fs::read_dir(format!("{directory}/task")).unwrap();
        let switches = tasks.map(|task| {
            let path = task.unwrap().path().join("status");
            numbers(path.to_str().unwrap())["voluntary_ctxt_switches"]
        });
        Look {
            status,
            processor,
            switches: switches.sum(),
        }
    }
}

/// The numbers of a file of words, colons and numbers.
fn numbers(path: &str) -> BTreeMap<String, f64> {
    let text = fs::read_to_string(path).unwrap();
    let of_line = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let number = value.split_whitespace().next()?.parse().ok()?;
        Some((name.to_string(), number))
    };
    text.lines().filter_map(of_line).collect()
}

/// Settings of Google's agent with which it does nothing but the network.
fn settings(peer: &Path) {
    let path = "etc/default/instance_configs.cfg";
    let mut text = fs::read_to_string(peer.join(path)).unwrap();
    for key in [
        "accounts_daemon",
        "clock_skew_daemon",
        "network_enabled",
        "set_boto_config",
        "set_host_keys",
        "\nsetup",
    ] {
        let on = format!("{key} = true");
        assert!(text.contains(&on), "{on} is not in {text}");
        text = text.replace(&on, &format!("{key} = false"));
    }
    fs::write(Path::new("/").join(path), text).unwrap();
    for file in ["/etc/ssh/sshd_config", "/etc/pam.d/sshd"] {
        fs::create_dir_all(Path::new(file).parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
    }
}
