//! A machine whose stages may fail.

use std::fs;
use std::path::{Path, PathBuf};

use pilotlight_tests::{Answer, FirstBoot};
use serde_json::Value;

/// A machine with its config: the files of one boot, and a root.
#[derive(Debug)]
pub struct Node {
    directory: PathBuf,
    pub boot: FirstBoot,
    config: String,
}

impl Node {
    /// `root` exists; the files of a boot go to `directory`.
    pub fn new(directory: &Path, root: &Path, config: &Value) -> Self {
        let config = config.to_string();
        let boot =
            FirstBoot::new(directory, root, config.as_bytes()).with("PILOTLIGHT_DEVICE_WAIT", "1");
        Self {
            directory: directory.into(),
            boot,
            config,
        }
    }

    /// What lies in memory is gone, and the config is fetched again.
    pub fn boots_again(&self) {
        let run = self.directory.join("run");
        fs::remove_dir_all(&run).unwrap();
        fs::create_dir(&run).unwrap();
        fs::write(self.directory.join("config.ign"), &self.config).unwrap();
        good(&self.boot.stage("fetch-offline"), "fetching");
    }

    pub fn root(&self) -> &Path {
        &self.boot.root
    }

    pub fn state(&self) -> String {
        fs::read_to_string(self.directory.join("run/state")).unwrap_or_default()
    }

    /// A stage that failed says so with these words, and nothing says anything else; no result is there.
    pub fn failed(&self, stage: &str, answer: &Answer, words: &[&str]) -> Result<(), String> {
        let out = &answer.out;
        let check = |holds: bool, what: &str| match holds {
            true => Ok(()),
            false => Err(format!("{what}: {answer:?}")),
        };
        check(answer.code == Some(1), "it does not end with 1")?;
        let line = |line: &&str| line.starts_with(&format!("pilotlight: {stage} "));
        let lines: Vec<&str> = out.lines().filter(line).collect();
        check(
            lines.iter().all(|line| line.contains("FAILED")),
            "success is said",
        )?;
        check(
            out.contains(&format!("the first boot failed in the stage \"{stage}\"")),
            "the failure is not reported",
        )?;
        let end = out
            .split("the first boot failed in the stage")
            .last()
            .unwrap();
        for words in words {
            check(end.contains(words), &format!("{words:?} is not said"))?;
        }
        if let Ok(state) = serde_json::from_str::<Value>(&self.state()) {
            let done = |entry: &Value| entry["stage"] == stage && entry["error"].is_null();
            check(
                !state["stages"].as_array().unwrap().iter().any(done),
                "the state has the stage done",
            )?;
        }
        let result = self.root().join("etc/.ignition-result.json");
        // What comes after it only takes down what the stages have mounted.
        check(stage == "umount" || !result.exists(), "there is a result")
    }
}

pub fn good(answer: &Answer, what: &str) {
    assert_eq!(answer.code, Some(0), "{what}: {answer:?}");
}
