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
use std::path::Path;
use std::time::Duration;

use pilotlight_benches::daemon::{self, Figures};
use pilotlight_tests::tool;
use pilotlight_tests::uml::Guest;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [inside, subject] = arguments.as_slice()
        && inside == "--inside"
    {
        return measure(subject);
    }
    if arguments == ["here"] {
        return print(&daemon::here());
    }
    let this = std::env::current_exe().unwrap();
    let figures = ["peer", "ours"].map(|subject| {
        if !arguments.is_empty() && !arguments.iter().any(|one| one == subject) {
            return BTreeMap::new();
        }
        let mut guest = Guest::new().patience(Duration::from_secs(1800));
        guest.nic(daemon::MAC);
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
    for (name, words) in daemon::ROWS {
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
    print(&daemon::figures_of(subject));
}

fn print(figures: &Figures) {
    for (name, value) in figures {
        println!("= {name} {value}");
    }
}
