//! What is to be said after the stages: their report, and the end of what they could not finish.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use pilotlight_engine::{MAX_BYTES, State, read_regular};

use crate::out::out;

/// Where the stages write their state, unless they are told otherwise.
pub const STATE: &str = "/run/ignition/state";

/// Shows what the stages of this boot did; fails if one of them did.
pub fn report(state_file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let state = State::load(state_file)
        .with_context(|| format!("while reading {}", state_file.display()))?;
    let failed = state_file.with_file_name("report.json");
    let bytes = read_regular(&failed, MAX_BYTES)
        .with_context(|| format!("while reading {}", failed.display()))?;
    let failed = bytes
        .map(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes))
        .transpose()
        .with_context(|| format!("while reading {}", failed.display()))?;
    if json {
        let json = serde_json::json!({ "state": state, "failure": failed });
        out(&format!("{json:#}\n"))?;
    } else if state.stages.is_empty() && failed.is_none() {
        out("no stage has run in this boot\n")?;
    } else {
        for warning in &state.warnings {
            out(&format!("{warning}\n"))?;
        }
        for entry in &state.stages {
            out(&format!("{}\n", pilotlight_engine::line(entry)))?;
        }
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

/// Finishes the encrypted volumes of a first boot that was cut short at its very end.
pub fn finish(root: &Path) -> anyhow::Result<ExitCode> {
    pilotlight_host::log::start(true);
    match pilotlight_engine::finish_volumes(root) {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(failure) => anyhow::bail!("{}", failure.render()),
    }
}
