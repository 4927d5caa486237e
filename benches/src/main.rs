//! Prints the figures of the stampede and draws them: `cargo run -p pilotlight-benches [FILE.svg]`.

mod plot;
mod stampede;

use std::path::PathBuf;
use std::process::ExitCode;

use stampede::{Rule, Scene, play};

const RULES: [(Rule, &str); 4] = [
    (Rule::Plain, "no jitter"),
    (Rule::Quarter, "up to a quarter less"),
    (Rule::Half, "up to a half less"),
    (Rule::Ours, "pilotlight"),
];

fn main() -> ExitCode {
    println!(
        "10000 nodes, a server that answers 50 requests in 100 ms and refuses the others with 503:"
    );
    println!(
        "20 s is the least that it can take. Peaks are requests in 100 ms, after 1 s and after 10 s.\n"
    );
    println!(
        "{:<16}{:<12}{:<22}{:>7}{:>9}{:>10}{:>10}{:>10}",
        "first requests",
        "Retry-After",
        "rule",
        "peak 1",
        "peak 10",
        "requests",
        "99 % in",
        "all in"
    );
    let mut drawn = Vec::new();
    for (spread, told) in [(0, 0), (2000, 0), (0, 5)] {
        for (rule, name) in RULES {
            let scene = Scene {
                nodes: 10_000,
                capacity: 50,
                spread,
                told,
                rule,
            };
            let outcome = play(&scene, 2026);
            println!(
                "{:<16}{:<12}{name:<22}{:>7}{:>9}{:>10}{:>8.1} s{:>8.1} s",
                if spread == 0 {
                    "at once".into()
                } else {
                    format!("within {} s", spread / 1000)
                },
                if told == 0 {
                    "none".into()
                } else {
                    format!("{told} s")
                },
                outcome.peak(10),
                outcome.peak(100),
                outcome.requests(),
                outcome.seconds(99),
                outcome.seconds(100),
            );
            if (spread, told) == (0, 0) {
                drawn.push((name, outcome));
            }
        }
    }
    scale();
    let file = std::env::args_os().nth(1).map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/stampede.svg")),
        PathBuf::from,
    );
    match std::fs::write(&file, plot::svg(&drawn)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("while writing {}: {error}", file.display());
            ExitCode::FAILURE
        }
    }
}

/// What one server and a tier of ten caches see of fleets of three sizes, by our rule; see `docs/scale.md`.
fn scale() {
    println!("\nBy pilotlight's rule, all nodes at once, no Retry-After:\n");
    println!(
        "{:>7}  {:<26}{:>8}{:>9}{:>9}{:>10}{:>10}{:>10}",
        "nodes", "answers in 100 ms", "peak", "peak 1", "peak 10", "a node", "99 % in", "all in"
    );
    for nodes in [10, 1_000, 100_000] {
        for (capacity, who) in [(50, "one server"), (500, "ten caches")] {
            let scene = Scene {
                nodes,
                capacity,
                spread: 0,
                told: 0,
                rule: Rule::Ours,
            };
            let outcome = play(&scene, 2026);
            println!(
                "{nodes:>7}  {:<26}{:>8}{:>9}{:>9}{:>10.1}{:>8.1} s{:>8.1} s",
                format!("{capacity}, {who}"),
                outcome.peak(0),
                outcome.peak(10),
                outcome.peak(100),
                outcome.requests() as f64 / f64::from(nodes),
                outcome.seconds(99),
                outcome.seconds(100),
            );
        }
    }
}
