//! A stage of which one call after the other fails, on a machine that is made anew for each.

use pilotlight_tests::Answer;
use pilotlight_tests::portrait::Portrait;

use crate::failing::{Call, To, Tracer, Who, sweep, words};
use crate::node::Node;

/// A machine, and the stage.
pub trait Bench {
    fn stage(&self) -> &'static str;
    /// Of the agent's own calls and of its tools': a trace that shows less proves little.
    fn least(&self) -> (usize, usize);
    /// Whether the stage has done its work.
    fn done(&self, answer: &Answer) -> bool {
        answer.code == Some(0)
    }

    fn node(&self) -> &Node;
    fn tracer(&self) -> &Tracer;
    /// Makes everything as it was before the stage.
    fn renew(&self);
    /// What lies between a run that failed, the how-manieth, and the next one.
    fn passes(&self, turn: usize);
    fn portrait(&self) -> Portrait;
}

/// Lets so many of all calls fail, and runs the stage again after each.
pub fn run<B: Bench>(bench: &B, many: usize) {
    let (expected, calls) = undisturbed(bench);
    let own = calls.iter().filter(|call| call.who == Who::Agent).count();
    let (least, least_of_tools) = bench.least();
    assert!(
        own >= least && calls.len() >= own + least_of_tools,
        "{own} of {}",
        calls.len()
    );
    sweep(bench.stage(), &calls, many, |call, error, turn| {
        tried(bench, &expected, call, error, turn)
    });
}

/// The result of a run that nothing disturbs, and its calls.
fn undisturbed<B: Bench>(bench: &B) -> (Portrait, Vec<Call>) {
    bench.renew();
    let answer = (bench.tracer()).run(&bench.node().boot.command(bench.stage()), None);
    assert!(bench.done(&answer), "recording: {answer:?}");
    let said = format!("pilotlight: {} ", bench.stage());
    assert!(answer.out.contains(&said), "{answer:?}");
    let calls = bench.tracer().recorded();
    (bench.portrait(), calls)
}

/// Whether a run with a call that fails, and the run after it, are as they must be; and whether the first failed.
fn tried<B: Bench>(
    bench: &B,
    expected: &Portrait,
    call: &Call,
    error: &str,
    turn: usize,
) -> Result<bool, String> {
    bench.renew();
    let stage = bench.node().boot.command(bench.stage());
    let answer = bench.tracer().run(&stage, Some((call, error)));
    let same = |what: &str| match expected.differences(&bench.portrait()) {
        differences if differences.is_empty() => Ok(()),
        differences => Err(format!(
            "{what}:\n{}\n{}",
            differences.join("\n"),
            answer.out
        )),
    };
    if bench.done(&answer) {
        same("it says that it is done")?;
        return Ok(false);
    }
    if call.to == To::Log {
        return Err(format!(
            "a log that cannot be written ends the boot: {answer:?}"
        ));
    }
    let said = match &call.who {
        Who::Agent => words(error),
        Who::Tool(name, _) => name,
    };
    bench.node().failed(bench.stage(), &answer, &[said])?;
    bench.passes(turn);
    let again = bench.node().boot.stage(bench.stage());
    if !bench.done(&again) {
        return Err(format!("the next run fails: {again:?}\nafter {answer:?}"));
    }
    same("the next run makes something else of it")?;
    Ok(true)
}
