//! pilotlight against Ignition 2.14 from Debian's package `ignition`: the same configs on the same roots and
//! disks must give the same machine, or a difference that `tests/differential/*.difference` names and argues.
//!
//! Needs root, loop devices and the packages of `make deps`. `DIFFERENTIAL_ONLY=text` runs the cases whose name
//! holds the text, `DIFFERENTIAL_DUMP=dir` writes down what each agent printed and left behind, and
//! `DIFFERENTIAL_ORACLE_ONLY=1` runs the oracle alone, to see what a new config does.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "../differential/runner/agent.rs"]
mod agent;
#[path = "../differential/runner/bus.rs"]
mod bus;
#[path = "../differential/runner/case.rs"]
mod case;
#[path = "../differential/runner/disk.rs"]
mod disk;
#[path = "../differential/runner/tree.rs"]
mod tree;
#[path = "../differential/runner/verdict.rs"]
mod verdict;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use agent::{Agent, Outcome};
use case::Case;

/// More than the processors: sgdisk spends whole seconds asleep after each table it writes.
const AT_ONCE: usize = 6;

#[test]
fn agrees_with_ignition_2_14() {
    let differential = Path::new(env!("CARGO_MANIFEST_DIR")).join("differential");
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir(scratch.path().join("bus")).unwrap();
    let oracle =
        Agent::oracle(&differential, &scratch.path().join("bus")).unwrap_or_else(|e| panic!("{e}"));
    let oracle_only = std::env::var_os("DIFFERENTIAL_ORACLE_ONLY").is_some();
    let ours =
        (!oracle_only).then(|| Agent::pilotlight(scratch.path()).unwrap_or_else(|e| panic!("{e}")));

    let wanted = std::env::var("DIFFERENTIAL_ONLY").unwrap_or_default();
    let cases: Vec<Case> = Case::load_all(&differential)
        .into_iter()
        .filter(|case| case.name.contains(&wanted))
        .collect();
    assert!(!cases.is_empty(), "no case is named like «{wanted}»");
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let boot = |agent: &Agent| {
                        let work = tempfile::tempdir_in(scratch.path()).unwrap();
                        let outcome = agent.boot(case, &differential, work.path());
                        dump(case, agent, &outcome);
                        outcome
                    };
                    let (oracle, ours) = (boot(&oracle), ours.as_ref().map(boot));
                    verdicts.lock().unwrap().push((
                        &case.name,
                        verdict::judge(&case.expected, &oracle, ours.as_ref()),
                    ));
                }
            });
        }
    });

    let mut verdicts = verdicts.into_inner().unwrap();
    verdicts.sort_by_key(|(name, _)| *name);
    let mut wrong = 0;
    for (name, verdict) in &verdicts {
        match verdict {
            Ok(remark) => println!("ok    {name}  {remark}"),
            Err(problem) => {
                wrong += 1;
                println!(
                    "WRONG {name}\n      {}",
                    problem.trim_end().replace('\n', "\n      ")
                );
            }
        }
    }
    println!("{} configs, {wrong} wrong", verdicts.len());
    assert!(
        wrong == 0 && verdicts.len() == cases.len(),
        "{wrong} of {} configs are wrong",
        cases.len()
    );
}

fn dump(case: &Case, agent: &Agent, outcome: &Outcome) {
    let Some(dir) = std::env::var_os("DIFFERENTIAL_DUMP").map(PathBuf::from) else {
        return;
    };
    fs::create_dir_all(&dir).unwrap();
    let result: String = outcome
        .result
        .iter()
        .map(|(name, text)| format!("{name}\t{text}\n"))
        .collect();
    fs::write(
        dir.join(format!("{}.{}.result", case.name, agent.name)),
        result,
    )
    .unwrap();
    fs::write(
        dir.join(format!("{}.{}.log", case.name, agent.name)),
        &outcome.log,
    )
    .unwrap();
}
