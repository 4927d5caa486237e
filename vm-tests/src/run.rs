//! Runs scenarios and compares what came with what was expected.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::answers::Answers;
use crate::artefacts::{self, Artefacts, Needs};
use crate::command::tail;
use crate::flatcar;
use crate::progress::Steps;
use crate::qemu::Outcome;
use crate::rig::Rig;
use crate::scenario::{Boot, End, Scenario};
use crate::table;

/// No login on the console.
const KERNEL_ARGUMENTS: &str = "systemd.getty_auto=0";
/// A udev that is behind (guest/initramfs), where there is more to change on disks than files: elsewhere it
/// would only take its seconds.
const SLOW_UDEV: &str = "vm-test.slow-udev";

/// Finds or builds what the named scenarios boot from, or all of them.
pub fn prepare(
    repository: &Path,
    agent: &Path,
    names: &[String],
) -> Result<(Vec<Scenario>, Artefacts)> {
    let scenarios = Scenario::read_all(&repository.join("vm-tests/scenarios"), names)?;
    let artefacts = artefacts_of(repository, agent, &scenarios)?;
    Ok((scenarios, artefacts))
}

fn artefacts_of(repository: &Path, agent: &Path, scenarios: &[Scenario]) -> Result<Artefacts> {
    let needs = Needs::of(scenarios);
    let mut steps = Steps::new(needs.steps());
    artefacts::prepare(repository, agent, &needs, &mut steps)
}

/// Runs scenarios, `jobs` at a time, and reports on each when it has ended; true when all passed. Without names those
/// of the sample are run, or `all`.
pub fn test(
    repository: &Path,
    agent: &Path,
    names: &[String],
    all: bool,
    jobs: usize,
) -> Result<bool> {
    let mut scenarios = Scenario::read_all(&repository.join("vm-tests/scenarios"), names)?;
    let mut left_out = Vec::new();
    if names.is_empty() && !all {
        scenarios.retain(|scenario| match &scenario.spec.not_in_sample {
            Some(why) => {
                left_out.push(format!("{}: not in the sample: {why}", scenario.name));
                false
            }
            None => true,
        });
    }
    // What only others boot from is not made.
    let artefacts = artefacts_of(repository, agent, &scenarios)?;
    scenarios.sort_by_key(|scenario| Reverse(scenario.spec.length()));
    let begun = Instant::now();
    let next = AtomicUsize::new(0);
    let passed = AtomicUsize::new(0);
    let times = Mutex::new(Vec::new());
    let work = || {
        while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
            let begun = Instant::now();
            // A thread of its own: it may move to a network namespace, which it cannot leave.
            let (report, good) = thread::scope(|scope| {
                let one = scope.spawn(|| report(&artefacts, scenario));
                one.join()
            })
            .unwrap_or_else(|_| (format!("{}: FAIL the runner broke\n", scenario.name), false));
            passed.fetch_add(usize::from(good), Ordering::Relaxed);
            let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
            print!("{report}");
            times.push((begun.elapsed(), &scenario.name));
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(work);
        }
    });
    let passed = passed.into_inner();
    let failed = scenarios.len() - passed;
    let mut times = times.into_inner().unwrap_or_else(PoisonError::into_inner);
    times.sort();
    println!();
    for (took, name) in times.iter().rev() {
        println!("{:8.1} s  {name}", took.as_secs_f32());
    }
    println!(
        "{:.0} s in QEMU, {} s of the processors' time",
        begun.elapsed().as_secs_f32(),
        processors()?
    );
    for line in left_out {
        println!("{line}");
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

/// What all machines and their servers have taken of the processors so far, in seconds. Far less than there
/// was of it means that they waited, and that more of them at a time would be quicker.
fn processors() -> Result<u64> {
    // proc(5): the name in parentheses is the second field, times of ended children are the 16th and 17th.
    let text = fs::read_to_string("/proc/self/stat").context("while reading /proc/self/stat")?;
    let (_, fields) = text
        .rsplit_once(')')
        .context("/proc/self/stat has no name")?;
    let ticks = fields.split_whitespace().skip(13).take(2);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    // Ticks of user space are hundredths, whatever the kernel counts in.
    Ok(ticks / 100)
}

/// Runs one scenario; the lines about it, and whether it passed.
fn report(artefacts: &Artefacts, scenario: &Scenario) -> (String, bool) {
    let mut lines = format!("{}: {}\n", scenario.name, scenario.spec.about);
    let problems =
        run(artefacts, scenario, &mut lines).unwrap_or_else(|error| vec![format!("{error:#}")]);
    for problem in &problems {
        let problem = problem.replace('\n', "\n       ");
        lines.push_str(&format!("  FAIL {problem}\n"));
    }
    (lines, problems.is_empty())
}

fn run(artefacts: &Artefacts, scenario: &Scenario, lines: &mut String) -> Result<Vec<String>> {
    let rig = Rig::new(artefacts, scenario)?;
    let mut problems = Vec::new();
    for (index, boot) in scenario.spec.boot.iter().enumerate() {
        let config = boot
            .config
            .as_ref()
            .map(|path| scenario.directory.join(path));
        let mut arguments = KERNEL_ARGUMENTS.to_owned();
        if scenario.spec.changes_disks() {
            arguments.push(' ');
            arguments.push_str(SLOW_UDEV);
        }
        let machine = rig.machine(boot, config.as_deref(), &arguments)?;
        let table = (boot.changed_slots.is_some())
            .then(|| table::read(&rig.boot_disk()))
            .transpose()?;
        let outcome = machine.run(|_| {})?;
        let answers = rig.answers()?;
        let mut found = compare(boot, &outcome, &answers);
        found.extend(flatcar::compare_table(
            boot,
            &rig.boot_disk(),
            table.as_ref(),
        )?);
        found.extend(compare_network(boot, &rig.asked(), &rig.leases()?));
        writeln!(
            lines,
            "  boot {} {} in {:.1} s, {} checks; {}",
            index + 1,
            if found.is_empty() { "passed" } else { "failed" },
            outcome.took.as_secs_f32(),
            answers.good.len() + answers.bad.len(),
            answers.times()
        )?;
        if outcome.fresh_starts > 0 {
            writeln!(
                lines,
                "  NOTE: QEMU never came to the guest's init and was started again, {} times",
                outcome.fresh_starts
            )?;
        }
        if !found.is_empty() {
            problems.extend(found);
            problems.push(format!(
                "the end of the console:\n{}",
                tail(&outcome.console.join("\n"), 40)
            ));
            problems.push(format!(
                "the end of the answers:\n{}",
                tail(&answers.text, 40)
            ));
            // The next boot expects what this one should have left.
            break;
        }
    }
    Ok(problems)
}

/// What was asked of servers, and the addresses given, against what a boot expects.
fn compare_network(boot: &Boot, asked: &[String], leases: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut left = asked.iter();
    for expected in &boot.asked {
        if !left.any(|line| holds(line, expected)) {
            problems.push(format!("nobody asked “{expected}”, or not in this order"));
        }
    }
    for unwanted in &boot.not_asked {
        if let Some(line) = asked.iter().find(|line| holds(line, unwanted)) {
            problems.push(format!("somebody asked “{line}”"));
        }
    }
    if boot.leases.is_some_and(|count| count != leases.len()) {
        problems.push(format!("the leases are\n{}", leases.join("\n")));
    }
    if !problems.is_empty() {
        problems.push(format!("what was asked:\n{}", asked.join("\n")));
    }
    problems
}

/// The line has all parts of a pattern, in their order; a … stands for anything between two.
fn holds(line: &str, pattern: &str) -> bool {
    let mut rest = line;
    pattern.split('…').all(|part| {
        rest.find(part).is_some_and(|at| {
            rest = &rest[at + part.len()..];
            true
        })
    })
}

/// Everything in which a boot differs from its expectations.
pub fn compare(boot: &Boot, outcome: &Outcome, answers: &Answers) -> Vec<String> {
    let mut problems = Vec::new();
    if outcome.timed_out {
        problems.push(format!("no end after {:.0} s", outcome.took.as_secs_f32()));
    }
    if outcome.resets != boot.reboots {
        problems.push(format!(
            "the machine was reset {} times, not {}",
            outcome.resets, boot.reboots
        ));
    }
    if boot.ends == End::Cut && !outcome.was_cut {
        problems.push("power was never cut".to_owned());
    }
    let end = answers.end.as_deref().unwrap_or("nowhere");
    if end != boot.ends.word() {
        problems.push(format!("ended in {end}, not in {}", boot.ends.word()));
    }
    problems.extend(answers.bad.iter().cloned());
    if !boot.check.is_empty() && answers.good.is_empty() {
        problems.push("no check came out well".to_owned());
    }
    let console = outcome.console.join("\n");
    for text in &boot.console {
        if !console.contains(text) {
            problems.push(format!("the console does not show “{text}”"));
        }
    }
    for text in &boot.not_console {
        if console.contains(text) {
            problems.push(format!("the console shows “{text}”"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn patterns_leave_out_what_is_between() {
        let line = "POST /machine?comp=health: 200 <State>Ready</State>";
        assert!(holds(
            line,
            "POST /machine…comp=health: 200…<State>Ready</State>"
        ));
        assert!(holds(line, "comp=health"));
        assert!(!holds(line, "Ready…POST"));
        assert!(!holds(line, "POST …: 404"));
    }
}
