//! A case: a config, what was there before it, and what is expected of the two agents.

use std::fs;
use std::path::{Path, PathBuf};

/// One `NN-name.ign` with the files beside it.
pub struct Case {
    /// `NN-name`.
    pub name: String,
    /// The config; `@DISK@` stands for the path of a blank disk.
    pub config: String,
    /// `NN-name.seed.sh`: prepares root `$1` (and disk `$2`) before the boot.
    pub seed: Option<PathBuf>,
    /// `NN-name.check.sh`: what must hold for root `$1` (and disk `$2`) after a boot that succeeded.
    pub check: Option<PathBuf>,
    /// `NN-name.env`: lines `NAME=value` for the agents' environment.
    pub env: Vec<(String, String)>,
    /// From `NN-name.difference`, or [`Expectation::Same`].
    pub expected: Expectation,
}

/// What the two agents make of a config.
#[derive(Debug, PartialEq)]
pub enum Expectation {
    /// Both succeed, with the same result.
    Same,
    /// Both refuse; the oracle's log holds the text, which proves that it refused for this reason.
    BothFail(String),
    /// Only the oracle refuses; its log holds the text.
    OracleFails(String),
    /// Only pilotlight refuses; its log holds the text.
    OursFails(String),
    /// Both succeed, and the results differ in exactly these entries (a trailing `*` stands for any rest).
    Differs(Vec<String>),
}

impl Case {
    /// Whether the config is about a disk.
    pub fn has_disk(&self) -> bool {
        self.config.contains("@DISK@")
    }

    /// All cases of `dir`, by name.
    pub fn load_all(dir: &Path) -> Vec<Case> {
        let mut configs: Vec<PathBuf> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "ign"))
            .collect();
        configs.sort();
        configs.iter().map(|path| Case::load(path)).collect()
    }

    fn load(path: &Path) -> Case {
        let beside = |extension: &str| Some(path.with_extension(extension)).filter(|p| p.exists());
        let env = beside("env").map_or_else(Vec::new, |p| {
            let text = fs::read_to_string(p).unwrap();
            text.lines()
                .filter_map(|l| l.split_once('='))
                .map(|(k, v)| (k.into(), v.into()))
                .collect()
        });
        Case {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            config: fs::read_to_string(path).unwrap(),
            seed: beside("seed.sh"),
            check: beside("check.sh"),
            env,
            expected: beside("difference").map_or(Expectation::Same, |p| {
                Expectation::parse(&fs::read_to_string(&p).unwrap())
                    .unwrap_or_else(|problem| panic!("{}: {problem}", p.display()))
            }),
        }
    }
}

impl Expectation {
    /// Lines `keyword: text`, an empty line, and the argument for the difference in prose.
    fn parse(text: &str) -> Result<Expectation, String> {
        let (head, argument) = text
            .split_once("\n\n")
            .ok_or("no empty line after the expectation")?;
        if argument.trim().is_empty() {
            return Err("a difference without an argument".into());
        }
        let lines: Result<Vec<(&str, String)>, String> = head
            .lines()
            .map(|line| {
                let (keyword, text) = line
                    .split_once(": ")
                    .ok_or(format!("no keyword in «{line}»"))?;
                Ok((keyword, text.trim().to_string()))
            })
            .collect();
        match &lines?[..] {
            [("both-fail", text)] => Ok(Expectation::BothFail(text.clone())),
            [("oracle-fails", text)] => Ok(Expectation::OracleFails(text.clone())),
            [("ours-fails", text)] => Ok(Expectation::OursFails(text.clone())),
            lines if lines.iter().all(|(keyword, _)| *keyword == "differs") => Ok(
                Expectation::Differs(lines.iter().map(|(_, path)| path.clone()).collect()),
            ),
            lines => Err(format!("unknown expectation {lines:?}")),
        }
    }
}
