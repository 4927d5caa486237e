//! `make demo`: one first boot shown live, then what the running node answers.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::artefacts::{self, Needs};
use crate::progress::Steps;
use crate::rig::Rig;
use crate::run;
use crate::scenario::Scenario;

/// Boots the demo, or the person's own config; true when every answer is right.
pub fn demo(repository: &Path, agent: &Path, config: Option<&Path>, console: bool) -> Result<bool> {
    let directory = if config.is_some() { "own" } else { "config" };
    let scenario = Scenario::read(&repository.join("vm-tests/demo").join(directory))?;
    ensure!(!scenario.spec.boot.is_empty(), "the demo boots nothing");
    let needs = Needs::of([&scenario]);
    let mut steps = Steps::new(needs.steps() + if console { 1 } else { 2 });
    let artefacts = artefacts::prepare(repository, agent, &needs, &mut steps)?;
    let boot = &scenario.spec.boot[0];
    let own = boot
        .config
        .as_ref()
        .map(|path| scenario.directory.join(path));
    let config = config.or(own.as_deref());
    let rig = Rig::new(&artefacts, &scenario)?;

    if console {
        steps.announce("first boot; poweroff on the node ends it, as does Ctrl-A X");
        let machine = rig.machine(boot, config, "vm-test.console")?;
        return machine.interactive();
    }

    steps.announce("first boot, as the node's console shows it");
    let machine = rig.machine(boot, config, "systemd.getty_auto=0")?;
    let outcome = machine.run(|line| {
        if !line.trim().is_empty() {
            println!("      │ {line}");
        }
    })?;
    let answers = rig.answers()?;
    println!("      stages: {}", answers.times());

    steps.announce("the running node answers");
    for line in &answers.good {
        println!("      ✓ {line}");
    }
    let problems = run::compare(boot, &outcome, &answers);
    for problem in &problems {
        println!("      ✗ {problem}");
    }
    let verdict = match (problems.is_empty(), directory) {
        (false, _) => "The node is not as expected",
        (true, "own") => "The node is up and no unit failed",
        (true, _) => "The node is as its config describes",
    };
    println!(
        "{verdict}, {:.1} s after power-on",
        outcome.took.as_secs_f32()
    );
    Ok(problems.is_empty())
}
