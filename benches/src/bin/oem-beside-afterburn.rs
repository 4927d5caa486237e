//! `pilotlight oem once --attributes` beside Afterburn 5.11, in numbers: how long it takes to have a machine's attributes
//! in their file, and the most memory of it; and how long each takes where a platform does not answer as it should.
//!
//! ```text
//! make build peers
//! PILOTLIGHT_BIN=target/release/pilotlight cargo run --release -p pilotlight-benches --bin oem-beside-afterburn
//! ```
//!
//! Both are asked for the same thing in turn, by the same servers on the platforms' own addresses, in a namespace. It
//! takes four minutes, most of which Afterburn waits.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use pilotlight_tests::faults::{Act, Asked, Web, isolated, say};
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
    println!(
        "{:<46}{:>12}{:>12}{:>8}{:>12}{:>12}{:>8}",
        "", "afterburn,", "pilotlight,", "ratio", "afterburn,", "pilotlight,", "ratio"
    );
    println!(
        "{:<46}{:>12}{:>12}{:>8}{:>12}{:>12}{:>8}",
        "", "ms", "ms", "", "KiB", "KiB", ""
    );
    for case in cases() {
        let [theirs, ours] = isolated(
            &[&format!("{LINK}/32"), &format!("{WIRESERVER}/32")],
            || {
                let _link = Web::start(&format!("{LINK}:80"), case.link);
                let _wire = Web::start(&format!("{WIRESERVER}:80"), case.wire);
                let directory = std::env::temp_dir().join(format!("beside-{}", std::process::id()));
                std::fs::create_dir_all(&directory).unwrap();
                let subjects = [
                    (peer.display().to_string(), &[][..]),
                    (program().display().to_string(), &["oem", "once"]),
                ];
                let figures = subjects.map(|(program, words)| {
                    let file = directory.join("attributes").display().to_string();
                    let provider = format!("--provider={}", case.provider);
                    let attributes = format!("--attributes={file}");
                    let mut command = vec![program.as_str()];
                    command.extend(words);
                    command.extend([provider.as_str(), attributes.as_str()]);
                    figures(&case, &command)
                });
                std::fs::remove_dir_all(directory).unwrap();
                figures
            },
        );
        let ratio = |of: usize| ours[of] / theirs[of];
        println!(
            "{:<46}{:>12.1}{:>12.1}{:>8.3}{:>12}{:>12}{:>8.3}",
            case.title,
            theirs[0],
            ours[0],
            ratio(0),
            theirs[1],
            ours[1],
            ratio(1)
        );
    }
}

/// Milliseconds, the median, and KiB, the most. They are taken by a process of its own, whose memory is small: the
/// kernel counts the memory of who starts a program as that program's.
fn figures(case: &Case, command: &[&str]) -> [f64; 2] {
    let this = std::env::current_exe().unwrap().display().to_string();
    let (times, answers) = (case.times.to_string(), case.answers.to_string());
    let mut words = vec!["--inside", times.as_str(), answers.as_str()];
    words.extend(command);
    let output = Command::new(this).args(words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let figures: Vec<f64> = String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .map(|figure| figure.parse().unwrap())
        .collect();
    [figures[0], figures[1]]
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
    taken.sort_by(f64::total_cmp);
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    println!("{} {peak}", taken[times / 2]);
}
