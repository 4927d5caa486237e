//! Compute Engine: google-guest-agent 20211116, which Debian 12 has.
//!
//! It compares when what the server says of interfaces has changed, and only then; it reads back IPv4 routes alone, and
//! splits what it is told at blanks to make command lines of it.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pilotlight_tests::faults::Running;
use pilotlight_tests::metadata_server::Server;
use pilotlight_tests::tool;
use pilotlight_tests::uml::Guest;
use serde_json::{Value, json};

use crate::machine::{begin, daemon, install, lines, stop, write};
use crate::side_by_side::{Named, Only, State, all_of, becomes, expected};
use crate::{LINK, SOON};

pub const FIRST: &str = "42:01:0a:80:00:0d";
const SECOND: &str = "42:01:0a:80:00:0e";

const BEGIN: &str = "the server has answered";
const REMOVED: &str = "another hand has removed a route";
const CHANGED: &str = "an alias range has become another one";
const WITHDRAWN: &str = "an IPv6 range has been withdrawn";
const FLUSHED: &str = "what has the protocol is flushed, as a restart of networkd does";
const CROWDED: &str = "an address is another's route already";
const WITH_WORDS: &str = "an address has words of ip's behind it";
const TIMES: [&str; 7] = [
    BEGIN, REMOVED, CHANGED, WITHDRAWN, FLUSHED, CROWDED, WITH_WORDS,
];

/// How the two differ. Where nothing is named, they have the same.
const NAMED: &[Named] = &[
    (
        &[REMOVED],
        Only::Ours,
        "local 203.0.113.7 dev vec0 table local scope host",
        "the platform still forwards to it: ours looks when the kernel tells of a change, theirs when the server tells of \
         one of interfaces",
    ),
    (
        &[WITHDRAWN],
        Only::Peer,
        "local 2001:db8:1::/96 dev vec0 table local metric 1024 pref medium",
        "theirs never sees its IPv6 routes, so that it cannot remove one: the machine goes on answering for a range that \
         may be another's by now",
    ),
    (
        &[FLUSHED],
        Only::Ours,
        "local 10.20.1.0/28 dev vec0 table local scope host",
        "as of the route that another hand removed",
    ),
    (
        &[FLUSHED],
        Only::Ours,
        "local 198.51.100.20 dev vec0 table local scope host",
        "as of the route that another hand removed",
    ),
    (
        &[FLUSHED],
        Only::Ours,
        "local 203.0.113.7 dev vec0 table local scope host",
        "as of the route that another hand removed",
    ),
    (
        &[FLUSHED],
        Only::Ours,
        "local 203.0.113.8 dev vec1 table local scope host",
        "as of the route that another hand removed",
    ),
    (
        &[WITH_WORDS],
        Only::Peer,
        "local 203.0.113.99 dev vec0 table 100 scope host",
        "what the server says is an address or nothing; theirs lets it choose any table",
    ),
];

/// Each answer counts: once a later one was fetched, what an earlier one said has been done.
struct Answers(Server, Arc<AtomicUsize>);

impl Answers {
    fn start(all: &Value) -> Self {
        let count = Arc::new(AtomicUsize::new(0));
        Self(
            Server::start(&format!("{LINK}:80"), says(all, count.clone())),
            count,
        )
    }

    fn change(&self, all: &Value) {
        self.0.change(says(all, self.1.clone()));
    }

    /// Lets a program take the same answer three times more, as if something of the project had changed: who asks again is
    /// done with the answer before, and the first one of a program that has just begun may be from before that.
    fn settle(&self, all: &Value) {
        for _ in 0..3 {
            let before = self.1.load(Ordering::SeqCst);
            self.change(all);
            let begun = Instant::now();
            while self.1.load(Ordering::SeqCst) == before {
                assert!(begun.elapsed() < SOON, "the program does not ask any more");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

fn says(all: &Value, count: Arc<AtomicUsize>) -> impl Fn(&str) -> Option<String> + use<> {
    let text = all.to_string();
    move |path| {
        // Theirs asks with one slash more.
        let all = path.trim_end_matches('/') == "/computeMetadata/v1";
        all.then(|| {
            count.fetch_add(1, Ordering::SeqCst);
            text.clone()
        })
    }
}

fn machine() -> Value {
    json!({
        "instance": { "id": 1, "attributes": {}, "networkInterfaces": [
            {
                "mac": FIRST, "ip": "10.128.0.13", "forwardedIps": ["203.0.113.7", "203.0.113.70/32"],
                "forwardedIpv6s": ["2001:db8:1::/96"], "ipAliases": ["10.20.0.0/28"],
                "targetInstanceIps": ["198.51.100.20"],
            },
            { "mac": SECOND, "ip": "10.129.0.13", "forwardedIps": ["203.0.113.8"] },
        ] },
        "project": { "attributes": {} },
    })
}

/// All routes of the protocol that both of them use, wherever they are.
fn routes() -> State {
    // Without the protocol as a filter "ip" shows more than there is to compare; with it, it leaves the word away.
    lines(&[
        "ip -4 route show table all proto 66",
        "ip -6 route show table all proto 66",
    ])
}

/// A program to which things happen.
trait Subject {
    /// Something has happened, and the server says `all`.
    fn after(&mut self, when: &'static str, all: &Value);
}

/// The whole course of events.
fn course(answers: &Answers, subject: &mut impl Subject) {
    let mut all = machine();
    subject.after(BEGIN, &all);
    tool("ip route del local 203.0.113.7 table local");
    subject.after(REMOVED, &all);
    let set = |all: &mut Value, key: &str, to: Value| {
        all["instance"]["networkInterfaces"][0][key] = to;
        answers.change(all);
    };
    all["instance"]["networkInterfaces"][0]["forwardedIps"] = json!(["203.0.113.7"]);
    set(&mut all, "ipAliases", json!(["10.20.1.0/28"]));
    subject.after(CHANGED, &all);
    set(&mut all, "forwardedIpv6s", json!([]));
    subject.after(WITHDRAWN, &all);
    for family in ["-4", "-6"] {
        tool(&format!("ip {family} route flush table all proto 66"));
    }
    subject.after(FLUSHED, &all);
    tool("ip route add local 203.0.113.10 dev vec0 table local proto static");
    let crowded = json!(["203.0.113.7", "203.0.113.10"]);
    set(&mut all, "forwardedIps", crowded);
    subject.after(CROWDED, &all);
    let with_words = json!(["203.0.113.7", "203.0.113.99/32 table 100"]);
    set(&mut all, "forwardedIps", with_words);
    subject.after(WITH_WORDS, &all);
    tool("ip route del local 203.0.113.10 dev vec0 table local proto static");
}

/// Google's agent, and what was there after each event.
struct Peer<'a> {
    answers: &'a Answers,
    states: Vec<(&'static str, State)>,
}

impl Subject for Peer<'_> {
    fn after(&mut self, when: &'static str, all: &Value) {
        self.answers.settle(all);
        self.states.push((when, routes()));
        println!("{:#?}", self.states.last());
    }
}

/// Ours, and what was there with the peer.
struct Ours(std::vec::IntoIter<(&'static str, State)>);

impl Subject for Ours {
    fn after(&mut self, when: &'static str, _: &Value) {
        let (same, theirs) = self.0.next().unwrap();
        assert_eq!(same, when);
        becomes(when, routes, &expected(when, &theirs, NAMED));
    }
}

/// Starts Google's agent with its package's settings, without what is not about the network.
pub fn start(settings: &[(&str, &str)]) -> Running {
    install("google-guest-agent");
    let path = "/etc/default/instance_configs.cfg";
    let mut text = std::fs::read_to_string(path).unwrap();
    for (from, to) in settings {
        assert!(text.contains(from), "{from} is not in {text}");
        text = text.replace(from, to);
    }
    write(path, &text);
    // It has sshd and others restarted at each change, and there is no systemd.
    tool("cp /bin/true /usr/bin/systemctl");
    // It writes into them; a machine with sshd has them.
    write("/etc/ssh/sshd_config", "");
    write("/etc/pam.d/sshd", "");
    Running::start(&mut Command::new("google_guest_agent"))
}

/// Settings of Google's agent with which it does nothing but the network.
pub const NETWORK_ALONE: &[(&str, &str)] = &[
    ("accounts_daemon = true", "accounts_daemon = false"),
    ("clock_skew_daemon = true", "clock_skew_daemon = false"),
    ("network_enabled = true", "network_enabled = false"),
    ("set_boto_config = true", "set_boto_config = false"),
    ("set_host_keys = true", "set_host_keys = false"),
    // It would start a DHCP client for the second interface.
    ("\nsetup = true", "\nsetup = false"),
];

pub fn interfaces(nics: &[String]) {
    for (nic, net) in nics.iter().zip(128..) {
        tool(&format!("ip link set {nic} up"));
        tool(&format!("ip address add 10.{net}.0.13/24 dev {nic}"));
    }
}

#[test]
#[ignore = "needs Google's agent: make peers"]
fn local_routes() {
    let mut guest = Guest::new();
    let nics = [guest.nic(FIRST), guest.nic(SECOND)];
    guest.boot(|| {
        all_of(&TIMES, NAMED);
        begin();
        interfaces(&nics);
        let answers = Answers::start(&machine());

        let agent = start(NETWORK_ALONE);
        let mut peer = Peer {
            answers: &answers,
            states: Vec::new(),
        };
        course(&answers, &mut peer);
        let said = stop(agent);
        // It adds the IPv6 range again whenever it compares, as long as that is wanted, and another's route.
        let again = said.matches("File exists").count();
        assert_eq!(again, 2, "{said}");

        // Ours takes over what theirs left, as after a change of the image.
        let mut left = routes();
        let elsewhere = "local 203.0.113.99 dev vec0 table 100 scope host";
        let stale = "local 2001:db8:9::/96 dev vec0 table local metric 1024 pref medium";
        assert!(left.contains(elsewhere), "{left:#?}");
        tool("ip route add local 2001:db8:9::/96 dev vec0 table local proto 66");
        assert!(routes().contains(stale));
        left.remove("local 198.51.100.20 dev vec0 table local scope host");
        let mut all = machine();
        all["instance"]["networkInterfaces"][0] = json!({
            "mac": FIRST, "forwardedIps": ["203.0.113.7"], "ipAliases": ["10.20.1.0/28"],
        });
        answers.change(&all);
        let ours = daemon("gcp");
        becomes("taken over", routes, &left);
        stop(ours);
        tool("ip route flush table all proto 66");
        std::fs::remove_dir_all("/run/pilotlight-state").unwrap();

        answers.change(&machine());
        let ours = daemon("gcp");
        course(&answers, &mut Ours(peer.states.into_iter()));
        let said = stop(ours);
        assert!(!said.contains("exists"), "{said}");
        println!("{said}");
    });
}
