//! The daemon in numbers: memory, processor time and wake-ups of a machine on which nothing happens, how long a route is
//! missing that somebody removed, and how long a thousand addresses take.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use pilotlight_tests::faults::isolated;
use pilotlight_tests::metadata_server::Server;
use pilotlight_tests::{program, run, tool};
use serde_json::{Value, json};

/// As long as something that has to come may take.
const SOON: Duration = Duration::from_secs(300);
/// How long Google's agent is given to miss a route: its request that waits comes back every minute.
const PATIENCE: Duration = Duration::from_secs(150);
const LINK: &str = "169.254.169.254";
/// The hardware address of the interface.
pub const MAC: &str = "42:01:0a:80:00:0d";
const STATE: &str = "/run/pilotlight-state";
/// How long it is watched while nothing happens.
const QUIET: Duration = Duration::from_secs(60);
/// Routes that are removed, and the time from one to the next where it is a series.
const REMOVED: usize = 20;
const APART: Duration = Duration::from_secs(5);
const MANY: usize = 1000;

/// What is measured: its name in figures, and in words.
pub const ROWS: [(&str, &str); 12] = [
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
    ("programs", "programs and processes that it starts"),
];

/// Figures by their names.
pub type Figures = BTreeMap<&'static str, f64>;

/// Measures ours in a namespace of the kernel that runs.
pub fn here() -> Figures {
    isolated(&[], || {
        tool("mount -t tmpfs none /run");
        // The address that the platform names is hardware's; where no hardware has it, this link is meant.
        let kinds = ["dummy", "ifb"];
        let made = kinds.iter().any(|kind| {
            run(&format!("ip link add vec0 address {MAC} type {kind}")).code == Some(0)
        });
        assert!(made, "this kernel has neither dummy nor ifb");
        figures_of("ours")
    })
}

/// On a machine with the interface `vec0`: measures one of the two, `peer` (Google's agent) or `ours`.
pub fn figures_of(subject: &str) -> Figures {
    let mut figures = Figures::new();
    let mut figure = |name: &'static str, value: f64| {
        figures.insert(name, value);
    };
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
    // Its request waits at the server again.
    sleep(Duration::from_secs(1));
    let begun = Instant::now();
    server.change(says(&many));
    // They come in their order: this is the last one.
    let last = many.last().unwrap();
    while !run(&format!("ip -4 route get {last}"))
        .out
        .starts_with("local ")
    {
        assert!(begun.elapsed() < SOON, "{last} does not come");
    }
    figure("many", begun.elapsed().as_secs_f64() * 1000.0);
    there(&many);
    figure("many-peak", running.look().status["VmHWM"]);
    running.stop();
    if subject == "ours" {
        figure("programs", started_by_ours(&server, &first));
    }
    figures
}

/// How many programs and processes the daemon starts while it begins, hears of a change, and puts a route back.
fn started_by_ours(server: &Server, first: &[String]) -> f64 {
    let mut command = recorded();
    command.arg(program());
    command.args(["oem", "run", "--platform", "gcp", "--state", STATE]);
    let mut traced = Subject(quiet(&mut command).spawn().unwrap());
    server.change(says(first));
    there(first);
    is_back(&first[0], remove(&first[0]), SOON).unwrap();
    traced.stop();
    started()
}

/// Where `strace` writes.
const RECORD: &str = "/run/processes";

/// `strace` of what is to be added, which keeps its number: it can be stopped as if it was not looked at.
pub fn recorded() -> Command {
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-e", "trace=process", "-o", RECORD]);
    command
}

/// Programs and processes that the program started that was recorded, which has ended.
pub fn started() -> f64 {
    let begun = Instant::now();
    loop {
        let record = fs::read_to_string(RECORD).unwrap();
        if record
            .lines()
            .last()
            .is_some_and(|line| line.contains("exit_group("))
        {
            return new_in(&record);
        }
        assert!(begun.elapsed() < SOON, "no end is recorded: {record}");
        sleep(Duration::from_millis(20));
    }
}

/// Programs and processes in such a record, the first one of all left out.
fn new_in(record: &str) -> f64 {
    let is_new = |line: &&str| {
        let forked = ["fork(", "clone(", "clone3("]
            .iter()
            .any(|call| line.contains(call));
        line.contains("execve(") || (forked && !line.contains("CLONE_THREAD"))
    };
    let lines = record.lines().filter(is_new).count();
    lines.saturating_sub(1) as f64
}

fn quiet(command: &mut Command) -> &mut Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
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
        Self(quiet(&mut command).spawn().unwrap())
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
