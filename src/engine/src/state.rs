//! What the stages of this boot did: the state file, the failure report and the lines on the console.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use pilotlight_core::first_boot::Stage as Entry;
use pilotlight_core::first_boot::rounded;
use pilotlight_core::model::SysPath;
use pilotlight_host::log;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::options::{Options, Stage};

/// Largest state that is read, in bytes.
pub const MAX_BYTES: u64 = 16 << 20;

/// The state file: all stages of this boot so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Stages in the order in which they ran.
    pub stages: Vec<Entry>,
    /// Whether the user gave a config (base configs do not count).
    pub user_config_provided: bool,
    /// Warnings about the config, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Where the mount stage has mounted something, or has begun to.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub mounted: BTreeSet<SysPath>,
}

impl State {
    /// Reads the state; a missing file is an empty state.
    pub fn load(path: &Path) -> std::io::Result<State> {
        match pilotlight_sys::read_regular(path, MAX_BYTES)? {
            Some(bytes) => serde_json::from_slice(&bytes).map_err(std::io::Error::other),
            None => Ok(State::default()),
        }
    }

    /// Whether the last run of a stage succeeded.
    pub fn has_done(&self, stage: Stage) -> bool {
        let last = self
            .stages
            .iter()
            .rfind(|entry| entry.stage == stage.name());
        last.is_some_and(|entry| entry.error.is_none())
    }

    /// Writes the state, readable by root alone.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(std::io::Error::other)?;
        pilotlight_sys::replace_file(path, &text, 0o600)
    }
}

/// What a stage did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Operations that were performed.
    pub operations: usize,
}

/// The stage's entry for the state file, but for what took time in it.
pub fn entry(stage: Stage, outcome: &Result<Done, Failure>, took: Duration) -> Entry {
    Entry {
        stage: stage.name().into(),
        operations: outcome.as_ref().map_or(0, |done| done.operations),
        seconds: rounded(took.as_secs_f64()),
        error: outcome.as_ref().err().map(Failure::render),
        ..Entry::default()
    }
}

/// The line that a finished stage shows.
pub fn line(entry: &Entry) -> String {
    let what = match (&entry.error, entry.operations) {
        (Some(_), _) => "FAILED".to_string(),
        (None, 0) => "nothing to do".to_string(),
        (None, 1) => "1 operation".to_string(),
        (None, n) => format!("{n} operations"),
    };
    format!(
        "pilotlight: {:<13} {what}, {:.2} s",
        entry.stage, entry.seconds
    )
}

/// What the console shows last when a first boot fails.
///
/// `begun` is how many operations this boot has begun; without any, nothing can have been changed.
pub fn failure_text(entry: &Entry, begun: usize) -> String {
    let error = entry.error.as_deref().unwrap_or_default();
    let changed = match begun {
        0 => "nothing has been changed on this machine's disks or in its root".to_string(),
        1 => "1 operation of this boot was begun before; the log names it".to_string(),
        n => format!("{n} operations of this boot were begun before; the log names each"),
    };
    format!(
        "pilotlight: the first boot failed in the stage \"{stage}\"; {changed}.\n\n{error}\n\
         What to do next:\n\
         - correct the config and boot again: the first-boot marker is still there, so all stages run again\n\
         - \"pilotlight plan CONFIG\" shows on any machine what a config would do\n\
         - all log lines of this boot: journalctl -b -t ignition -u 'ignition-*'\n",
        stage = entry.stage,
    )
}

/// Writes the failure report beside the state file, for the console and for machines, and logs it.
pub fn report_failure(options: &Options, entry: &Entry, begun: usize) {
    let text = failure_text(entry, begun);
    tracing::error!("{}", text.trim_end());
    log::console(&format!("\n{text}"));
    let directory = report_directory(options);
    let json = serde_json::json!({ "failed": entry, "begun": begun }).to_string();
    for (name, text) in [
        ("report.txt", text.as_str()),
        ("report.json", json.as_str()),
    ] {
        // The report is shown already; not being able to keep it must not hide the first error.
        if let Err(error) =
            pilotlight_sys::replace_file(&directory.join(name), text.as_bytes(), 0o600)
        {
            tracing::warn!("while writing {name} to {}: {error}", directory.display());
        }
    }
}

fn report_directory(options: &Options) -> PathBuf {
    options
        .state_file
        .parent()
        .unwrap_or_else(|| Path::new("/run/ignition"))
        .to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(operations: usize) -> Entry {
        entry(
            Stage::Disks,
            &Ok(Done { operations }),
            Duration::from_millis(1234),
        )
    }

    #[test]
    fn a_line_per_stage_says_what_and_how_long() {
        assert_eq!(
            line(&done(0)),
            "pilotlight: disks         nothing to do, 1.23 s"
        );
        assert_eq!(
            line(&done(1)),
            "pilotlight: disks         1 operation, 1.23 s"
        );
        let failed = entry(Stage::Fetch, &Err(Failure::new("no route")), Duration::ZERO);
        assert_eq!(line(&failed), "pilotlight: fetch         FAILED, 0.00 s");
        for (begun, words) in [
            (
                0,
                "stage \"fetch\"; nothing has been changed on this machine's disks or in its root.\n",
            ),
            (
                1,
                "stage \"fetch\"; 1 operation of this boot was begun before",
            ),
            (7, "7 operations of this boot were begun before"),
        ] {
            let text = failure_text(&failed, begun);
            assert!(
                text.contains(words) && text.contains("error: no route"),
                "{text}"
            );
        }
    }

    #[test]
    fn the_state_survives_from_stage_to_stage() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/state");
        assert_eq!(State::load(&path).unwrap(), State::default());
        let state = State {
            stages: vec![done(3)],
            user_config_provided: true,
            warnings: vec!["user.ign:1:2: warning: odd".into()],
            mounted: [SysPath::parse("/var").unwrap()].into(),
        };
        state.save(&path).unwrap();
        assert_eq!(State::load(&path).unwrap(), state);
        assert!(state.has_done(Stage::Disks) && !state.has_done(Stage::Files));
        std::fs::write(&path, "{").unwrap();
        assert!(State::load(&path).is_err());
    }
}
