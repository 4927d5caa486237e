//! Whether the two outcomes of a case are what was expected of it.

use std::collections::BTreeSet;

use crate::agent::Outcome;
use crate::case::Expectation;
use crate::tree::Snapshot;

/// A remark for the table, or what is wrong. Without `ours`, only the oracle's part is judged.
pub fn judge(
    expected: &Expectation,
    oracle: &Outcome,
    ours: Option<&Outcome>,
) -> Result<String, String> {
    let oracle_refuses = match expected {
        Expectation::BothFail(reason) | Expectation::OracleFails(reason) => Some(reason.as_str()),
        Expectation::Same | Expectation::OursFails(_) | Expectation::Differs(_) => None,
    };
    ended_as_expected("oracle", oracle, oracle_refuses)?;
    let Some(ours) = ours else {
        return Ok(format!("oracle only: {:?}", oracle.failed));
    };
    let ours_refuses = match expected {
        // Our words are our own: any orderly refusal will do.
        Expectation::BothFail(_) => Some(""),
        Expectation::OursFails(reason) => Some(reason.as_str()),
        Expectation::Same | Expectation::OracleFails(_) | Expectation::Differs(_) => None,
    };
    ended_as_expected("ours", ours, ours_refuses)?;
    match expected {
        Expectation::Same => compare(oracle, ours, &[]),
        Expectation::Differs(paths) => compare(oracle, ours, paths),
        Expectation::BothFail(_) => Ok("both refuse".into()),
        Expectation::OracleFails(_) => Ok("named difference: only the oracle refuses".into()),
        Expectation::OursFails(_) => Ok("named difference: only pilotlight refuses".into()),
    }
}

/// `refuses`: the text that the log of a refusal must hold; none if the boot must succeed.
fn ended_as_expected(name: &str, outcome: &Outcome, refuses: Option<&str>) -> Result<(), String> {
    match (&outcome.failed, refuses) {
        // Exit codes: 1 for a stage that failed, nothing else; above 123 are signals, panics and time-outs.
        (Some((_, 1)), Some(reason)) if outcome.log.contains(reason) => Ok(()),
        (Some((_, 1)), Some(reason)) => Err(format!(
            "{name} refuses, but «{reason}» is not in its log:\n{}",
            tail(&outcome.log)
        )),
        (Some((stage, code)), _) => Err(format!(
            "{name} fails at stage {stage} with exit code {code}:\n{}",
            tail(&outcome.log)
        )),
        (None, Some(_)) => Err(format!("{name} should refuse, but succeeds")),
        (None, None) => match &outcome.complaint {
            Some(complaint) => Err(format!("{name} does not pass the check:\n{complaint}")),
            None => Ok(()),
        },
    }
}

/// Both results must differ in the entries named by `differing`, in all of them and in no other.
fn compare(oracle: &Outcome, ours: &Outcome, differing: &[String]) -> Result<String, String> {
    let named = |path: &str| {
        differing
            .iter()
            .position(|pattern| match pattern.strip_suffix('*') {
                Some(start) => path.starts_with(start),
                None => path == pattern,
            })
    };
    let mut problems = String::new();
    let mut seen = BTreeSet::new();
    for path in differences(&oracle.result, &ours.result) {
        match named(path) {
            Some(which) => drop(seen.insert(which)),
            None => {
                let show = |from: &Snapshot| {
                    from.get(path)
                        .map_or("absent".into(), |text| shortened(text))
                };
                problems += &format!(
                    "{path}\n  oracle: {}\n  ours:   {}\n",
                    show(&oracle.result),
                    show(&ours.result)
                );
            }
        }
    }
    for (which, pattern) in differing.iter().enumerate() {
        if !seen.contains(&which) {
            problems += &format!("the named difference in {pattern} does not occur any more\n");
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(match seen.len() {
        0 => format!("{} entries equal", oracle.result.len()),
        count => format!("{count} named differences"),
    })
}

fn differences<'a>(one: &'a Snapshot, other: &'a Snapshot) -> impl Iterator<Item = &'a str> {
    let paths: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    paths
        .into_iter()
        .filter(|path| one.get(*path) != other.get(*path))
        .map(String::as_str)
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

/// The lines at the end of a log, where the failure is.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
