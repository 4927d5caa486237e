//! `pilotlight oem once --attributes` beside Afterburn 5.11, in numbers: how long it takes to have a machine's attributes
//! in their file, the most memory of it, and the programs that it starts; and how long each takes where a platform does
//! not answer as it should. Then the daemon, which Afterburn has none of, beside its own bounds.
//!
//! ```text
//! make build peers
//! PILOTLIGHT_BIN=target/release/pilotlight cargo run --release -p pilotlight-benches --bin oem-beside-afterburn
//! ```
//!
//! Both are asked for the same thing in turn, by the same servers on the platforms' own addresses, in a namespace. It
//! takes eight minutes, most of which Afterburn waits. `daemon` as an argument measures the daemon alone.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use pilotlight_benches::daemon;
use pilotlight_tests::faults::{Act, Asked, Web, isolated, run, say};
use pilotlight_tests::program;
use pilotlight_tests::services::{self, LINK, WIRESERVER};

/// How often each is run where it works; where it waits, once.
const TIMES: usize = 25;

/// What is asked: the title, the platform, its servers, how often, and whether there is an answer at the end.
struct Case {
    title: &'static str,
    provider: &'static str,
    link: fn(&Asked) -> Act,
    wire: fn(&Asked) -> Act,
    times: usize,
    answers: bool,
}

fn nothing(_: &Asked) -> Act {
    say("404 Not Found", &[], "")
}

fn forbidden(_: &Asked) -> Act {
    say("403 Forbidden", &[], "")
}

const WORKS: Case = Case {
    title: "",
    provider: "",
    link: nothing,
    wire: nothing,
    times: TIMES,
    answers: true,
};

fn cases() -> Vec<Case> {
    let works = |provider, link| Case {
        title: provider,
        provider,
        link,
        ..WORKS
    };
    vec![
        works("aws", services::aws),
        works("digitalocean", services::digitalocean),
        works("gcp", services::gcp),
        works("hetzner", services::hetzner),
        works("openstack-metadata", services::openstack),
        Case {
            title: "azure, without a lease that names its server",
            wire: services::wireserver,
            times: 1,
            ..works("azure", services::azure)
        },
        Case {
            title: "aws, where the service is switched off (403)",
            times: 1,
            answers: false,
            ..works("aws", forbidden)
        },
    ]
}

fn afterburn() -> PathBuf {
    match std::env::var_os("AFTERBURN_BIN") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/afterburn/bin/afterburn"),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [inside, times, answers, command @ ..] = arguments.as_slice()
        && inside == "--inside"
    {
        return measure(times.parse().unwrap(), answers == "true", command);
    }
    let peer = afterburn();
    assert!(
        peer.exists(),
        "{} does not exist: run \"make peers\"",
        peer.display()
    );
    if arguments != ["daemon"] {
        beside(&peer);
    }
    bounds();
}

/// What both do.
fn beside(peer: &Path) {
    println!(
        "{:<46}{:^31}{:^31}{:^22}",
        "", "median time, ms", "most memory, KiB", "programs started"
    );
    println!(
        "{:<46}{:>11}{:>12}{:>8}{:>11}{:>12}{:>8}{:>11}{:>11}",
        "",
        "afterburn",
        "pilotlight",
        "ratio",
        "afterburn",
        "pilotlight",
        "ratio",
        "afterburn",
        "pilotlight"
    );
    for case in cases() {
        let [theirs, ours] = isolated(
            &[&format!("{LINK}/32"), &format!("{WIRESERVER}/32")],
            || {
                run(&["mount", "-t", "tmpfs", "none", "/run"]);
                let _link = Web::start(&format!("{LINK}:80"), case.link);
                let _wire = Web::start(&format!("{WIRESERVER}:80"), case.wire);
                let subjects = [
                    (peer.display().to_string(), &[][..]),
                    (program().display().to_string(), &["oem", "once"]),
                ];
                subjects.map(|(program, words)| {
                    let provider = format!("--provider={}", case.provider);
                    let mut command = vec![program.as_str()];
                    command.extend(words);
                    command.extend([provider.as_str(), "--attributes=/run/attributes"]);
                    figures(&case, &command)
                })
            },
        );
        println!(
            "{:<46}{:>11.1}{:>12.1}{:>8.3}{:>11}{:>12}{:>8.3}{:>11}{:>11}",
            case.title,
            theirs.time,
            ours.time,
            ours.time / theirs.time,
            theirs.memory,
            ours.memory,
            ours.memory / theirs.memory,
            theirs.programs,
            ours.programs,
        );
    }
}

/// What the daemon may take at most: its name among the figures, and the bound.
const BOUNDS: [(&str, &str); 5] = [
    ("resident", "6,000,000 bytes are 5859"),
    ("switches", "of a minute with one poll"),
    ("back", "300"),
    ("many", "50"),
    ("programs", "0"),
];

/// The daemon beside its bounds.
fn bounds() {
    println!("\n{:<58}{:>12}   bound", "the daemon", "pilotlight");
    let figures = daemon::here();
    for (name, words) in daemon::ROWS {
        let Some(value) = figures.get(name) else {
            continue;
        };
        let bound = BOUNDS.iter().find(|bound| bound.0 == name);
        println!(
            "{words:<58}{value:>12.0}   {}",
            bound.map_or("", |bound| bound.1)
        );
    }
}

/// What one of the two needs.
struct Figures {
    /// Milliseconds, the median.
    time: f64,
    /// KiB, the most.
    memory: f64,
    /// How many it starts.
    programs: String,
}

/// They are taken by a process of its own, whose memory is small: the
/// kernel counts the memory of who starts a program as that program's.
fn figures(case: &Case, command: &[&str]) -> Figures {
    let this = std::env::current_exe().unwrap().display().to_string();
    let (times, answers) = (case.times.to_string(), case.answers.to_string());
    let mut words = vec!["--inside", times.as_str(), answers.as_str()];
    words.extend(command);
    let output = Command::new(this).args(words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    let mut figures = said.split_whitespace();
    let mut next = || figures.next().unwrap();
    Figures {
        time: next().parse().unwrap(),
        memory: next().parse().unwrap(),
        programs: next().to_string(),
    }
}

fn measure(times: usize, answers: bool, command: &[String]) {
    let mut taken = Vec::new();
    for _ in 0..times {
        let mut command_line = Command::new(&command[0]);
        command_line.args(&command[1..]);
        command_line.stdout(Stdio::null()).stderr(Stdio::null());
        let begun = Instant::now();
        let ended = command_line.status().unwrap();
        taken.push(begun.elapsed().as_secs_f64() * 1000.0);
        assert_eq!(ended.success(), answers, "{command:?}");
    }
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    // Once more, which is not worth the time where it waits for minutes.
    let programs = match times {
        1 => "-".to_string(),
        _ => {
            let mut recorded = daemon::recorded();
            recorded.args(command);
            recorded.stdout(Stdio::null()).stderr(Stdio::null());
            assert_eq!(recorded.status().unwrap().success(), answers, "{command:?}");
            daemon::started().to_string()
        }
    };
    taken.sort_by(f64::total_cmp);
    println!("{} {peak} {programs}", taken[times / 2]);
}
