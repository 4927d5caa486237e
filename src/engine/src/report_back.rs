//! Telling the platform how the first boot goes, from the stage that knows.
//!
//! It happens in the stage's own process: the network that the fetch stage needed stays until the real root
//! starts, and goes with the units that an emergency stops. Who has no network yet has nobody to tell: then only
//! configs within the machine were read. A platform that does not take it changes nothing about the boot.

use std::time::Duration;

use pilotlight_core::diag::Severity;
use pilotlight_host::{Machine, log};
use pilotlight_providers::status::{Status, Told};

use crate::failure::Failure;
use crate::options::{Options, Stage};
use crate::state::Done;

/// Longest time for an event of a stage.
const EVENT: Duration = Duration::from_secs(20);
/// Longest time for the last word, without which a platform may give the machine up.
const LAST_WORD: Duration = Duration::from_secs(60);

/// Tells the platform of a stage that has ended.
pub fn stage_ended(options: &Options, outcome: &Result<Done, Failure>) {
    if !options.platform.wants_status() || !options.neednet.exists() {
        return;
    }
    let why;
    let (status, bound) = match (outcome, options.stage) {
        // It undoes the mounts whatever came before, and is no news.
        (Ok(_), Stage::Umount) => return,
        // Its end is that the network is asked for.
        (Ok(_), Stage::FetchOffline) => return,
        (Ok(_), Stage::Files) => (Status::Ready, LAST_WORD),
        (Ok(_), stage) => (Status::Stage(stage.name()), EVENT),
        (Err(failure), stage) => {
            why = reason(failure);
            let stage = stage.name();
            (Status::Failed { stage, why: &why }, LAST_WORD)
        }
    };
    let machine = Machine::new(true, Some(bound));
    let report = async {
        tokio::time::timeout(
            bound,
            pilotlight_host::report(options.platform, &machine, &status),
        )
        .await
    };
    let name = options.platform.name();
    match pilotlight_fetch::blocking(report) {
        Ok(Ok(Ok(Told::Platform))) => tracing::info!("told {name} how the stage ended"),
        Ok(Ok(Ok(Told::Nobody))) => {}
        Ok(Ok(Err(error))) => warn(&format!("{name} was not told how the stage ended: {error}")),
        Ok(Err(_)) => warn(&format!(
            "{name} was not told how the stage ended: it has not answered within {} s",
            bound.as_secs()
        )),
        Err(error) => warn(&format!("{name} was not told how the stage ended: {error}")),
    }
}

fn warn(line: &str) {
    tracing::warn!("{line}");
    log::console(&format!("pilotlight: warning: {line}"));
}

/// What failed, in a sentence. Without the line of the config that is shown here: it may hold a password.
fn reason(failure: &Failure) -> String {
    let items = &failure.report.items;
    let error = items.iter().find(|item| item.severity == Severity::Error);
    let words = error.map_or("the stage failed", |item| item.message.as_str());
    words.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotlight_core::diag::{Diagnostic, Sources};

    #[test]
    fn the_reason_shows_no_line_of_the_config() {
        let mut sources = Sources::default();
        let text = "{\"groups\": \"mistake\"}";
        let source = sources.add("c.ign", text);
        let span = pilotlight_core::diag::Span {
            source,
            start: 0,
            end: 10,
        };
        let failure = Failure::diagnostic(Diagnostic::error(span, "it is wrong"), sources);
        assert!(failure.render().contains("mistake"));
        assert_eq!(reason(&failure), "it is wrong");
    }
}
