//! What is to be said after the stages: their report, and the end of what they could not finish.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use pilotlight_core::first_boot::VERSION;
use pilotlight_engine::{MAX_BYTES, State, read_regular};

use crate::out::out;

/// Where the stages write their state, unless they are told otherwise.
pub const STATE: &str = "/run/ignition/state";

/// What the stages of this boot have left.
pub struct Left {
    /// Of those that succeeded.
    pub state: State,
    /// Of the one that failed.
    pub failure: Option<serde_json::Value>,
}

/// Reads what the stages have left, whose state is in this file.
pub fn read(state_file: &Path) -> anyhow::Result<Left> {
    let state = State::load(state_file)
        .with_context(|| format!("while reading {}", state_file.display()))?;
    let failure = failure(state_file)?;
    Ok(Left { state, failure })
}

/// Shows what the stages of this boot did; fails if one of them did.
pub fn show(left: &Left, json: bool) -> anyhow::Result<ExitCode> {
    let Left {
        state,
        failure: failed,
    } = left;
    if json {
        let json = serde_json::json!({
            "version": VERSION,
            "program": env!("CARGO_PKG_VERSION"),
            "state": state,
            "failure": failed,
        });
        out(&format!("{json:#}\n"))?;
    } else if state.stages.is_empty() && failed.is_none() {
        out("no stage has run in this boot\n")?;
    } else {
        out(&text(state))?;
        if let Some(error) = failed.as_ref().and_then(|f| f["failed"]["error"].as_str()) {
            out(&format!("{error}\n"))?;
        }
    }
    Ok(if failed.is_some() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// What the stage that failed has left beside the state, if one did.
fn failure(state_file: &Path) -> anyhow::Result<Option<serde_json::Value>> {
    let path = state_file.with_file_name("report.json");
    let reading = || format!("while reading {}", path.display());
    let bytes = read_regular(&path, MAX_BYTES).with_context(reading)?;
    let value = bytes.map(|bytes| serde_json::from_slice(&bytes));
    value.transpose().with_context(reading)
}

/// Warnings, and a line for each stage.
fn text(state: &State) -> String {
    let mut text = String::new();
    for line in &state.warnings {
        text.extend([line, "\n"]);
    }
    for entry in &state.stages {
        text.extend([pilotlight_engine::line(entry).as_str(), "\n"]);
    }
    text
}

/// Finishes the encrypted volumes of a first boot that was cut short at its very end.
pub fn finish(root: &Path) -> anyhow::Result<ExitCode> {
    pilotlight_host::log::start(true);
    match pilotlight_engine::finish_volumes(root) {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(failure) => anyhow::bail!("{}", failure.render()),
    }
}
