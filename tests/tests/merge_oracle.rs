//! pilotlight against Ignition 2.14 of Debian's package `ignition`: what parents and children merge to. Each
//! case of `oracle/merges.json` is a config with others that it merges or is replaced by; both agents cache the
//! same config, or both refuse it, or the difference is one that `NAMED` names and argues.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pilotlight_core::config;
use pilotlight_core::diag::{Report, Sources};
use pilotlight_core::spec::v3::{Config, EXPERIMENTAL_MINOR};
use pilotlight_core::validate::{self, Stage};
use pilotlight_core::{convert, dataurl, merge};
use pilotlight_tests::FirstBoot;
use serde::Deserialize;
use serde_json::{Value, json};

/// A config and those that it refers to.
#[derive(Debug, Deserialize)]
struct Node {
    /// Its sections; the version is 3.3.0 where it says none.
    #[serde(default)]
    config: Value,
    /// Text that stands for it, where it is no config.
    text: Option<String>,
    #[serde(default)]
    merge: Vec<Node>,
    replace: Option<Box<Node>>,
    /// Words of the oracle's log, where both refuse the result.
    fails: Option<String>,
}

impl Node {
    fn text(&self) -> String {
        if let Some(text) = &self.text {
            return text.clone();
        }
        let mut config = self.config.clone();
        let version = &mut config["ignition"]["version"];
        if version.is_null() {
            *version = json!("3.3.0");
        }
        let reference = |node: &Node| json!({"source": dataurl::encode(node.text().as_bytes())});
        if !self.merge.is_empty() {
            let list: Vec<Value> = self.merge.iter().map(reference).collect();
            config["ignition"]["config"]["merge"] = json!(list);
        }
        if let Some(node) = &self.replace {
            config["ignition"]["config"]["replace"] = reference(node);
        }
        config.to_string()
    }
}

/// A difference that is meant.
enum Difference {
    /// Only pilotlight refuses, with these words.
    OursFails(&'static str),
    /// The results differ in these places, and nowhere else.
    Places(&'static [&'static str]),
}

/// Every difference, by the name of its case, with its reason.
const NAMED: &[(&str, Difference, &str)] = &[
    (
        "a file on the path of the parent's unit",
        Difference::OursFails("is also written by a unit of the config"),
        "which text would count? Later versions of Ignition refuse it, too",
    ),
    (
        "certificate authorities add up",
        Difference::Places(&[
            "/ignition/security/tls/certificateAuthorities/0/source",
            "/ignition/security/tls/certificateAuthorities/1/source",
        ]),
        "both hold the certificates themselves, under data URLs of different media types",
    ),
    (
        "two file systems on one path after merging",
        Difference::OursFails("two file systems have the path"),
        "the second hides the first with all that is written into it",
    ),
];

/// A config as the cache holds it, without what says nothing: where it came from, and Go's empty structs.
fn bare(mut config: Value) -> Value {
    if let Some(ignition) = config["ignition"].as_object_mut() {
        ignition.remove("version");
        // The references are used up. Ignition keeps them, but never follows them again.
        ignition.remove("config");
    }
    strip(&mut config);
    config
}

fn strip(value: &mut Value) {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(strip);
            // A partition's number is 0 where none is said.
            members.retain(|key, value| !(empty(value) || key == "number" && *value == json!(0)));
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// What the core makes of a config and all that it refers to.
fn merged(text: &str) -> Result<Config, String> {
    let mut sources = Sources::default();
    let parsed = config::read(&mut sources, "config.ign", text.as_bytes());
    let mut config = parsed
        .config
        .ok_or_else(|| parsed.report.render(&sources))?;
    let references = std::mem::take(&mut config.ignition.config);
    let follow = |source: &Option<pilotlight_core::spec::At<String>>| {
        let bytes = dataurl::decode(&source.as_ref().unwrap().value).unwrap();
        merged(&String::from_utf8(bytes).unwrap())
    };
    if let Some(replacement) = references.replace {
        return follow(&replacement.source);
    }
    for child in references.merge {
        config = merge::configs(config, follow(&child.source)?);
    }
    Ok(config)
}

/// The same, validated once more as a whole.
fn ours(text: &str) -> Result<Value, String> {
    let config = merged(text)?;
    let mut report = Report::default();
    validate::lower(&config, Stage::Merged, &mut report);
    if report.has_errors() {
        return Err(report.render(&Sources::default()));
    }
    let json = convert::to_version(&config, EXPERIMENTAL_MINOR).unwrap();
    Ok(bare(json))
}

/// What the program caches; `None` where it goes on to fetch contents from the network before it caches
/// anything.
fn program(text: &str) -> Option<Result<Value, String>> {
    let work = tempfile::tempdir().unwrap();
    let boot = FirstBoot::new(work.path(), &work.path().join("root"), text.as_bytes())
        .with("PILOTLIGHT_DEVICE_WAIT", "0");
    let answer = boot.stage("fetch-offline");
    // The disks of these configs are not there, which the rehearsal misses when the config is cached.
    match fs::read_to_string(work.path().join("run/ignition.json")) {
        Ok(cache) => Some(Ok(bare(serde_json::from_str(&cache).unwrap()))),
        Err(_) if answer.code == Some(0) => None,
        Err(_) => Some(Err(answer.out)),
    }
}

/// Ignition, wherever its dracut module is.
fn oracle_program() -> PathBuf {
    fs::read_dir("/usr/lib/dracut/modules.d")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("ignition"))
        .find(|path| path.is_file())
        .expect("the oracle is missing: install Debian's package `ignition` (`make deps`)")
}

/// What the oracle caches, or its log. It gets a /run of its own, so that nothing of this machine answers.
fn oracle(program: &Path, text: &str) -> Result<Value, String> {
    let work = tempfile::tempdir().unwrap();
    let at = |name: &str| work.path().join(name);
    fs::write(at("config.ign"), text).unwrap();
    let script = "mount -t tmpfs tmpfs /run; exec \"$@\"";
    let output = Command::new("unshare")
        .args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-euc",
            script,
            "sh",
        ])
        .arg(program)
        .args([
            "-platform",
            "file",
            "-stage",
            "fetch-offline",
            "-log-to-stdout",
        ])
        .arg("-root")
        .arg(at("root"))
        .arg("-config-cache")
        .arg(at("cache"))
        .arg("-state-file")
        .arg(at("state"))
        .arg("-neednet")
        .arg(at("neednet"))
        .env("IGNITION_CONFIG_FILE", at("config.ign"))
        .env("IGNITION_SYSTEM_CONFIG_DIR", at("none"))
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err(log);
    }
    let cache = fs::read_to_string(at("cache")).unwrap_or_else(|why| panic!("{why}:\n{log}"));
    Ok(bare(serde_json::from_str(&cache).unwrap()))
}

/// The pointers at which two values differ.
fn differences(one: &Value, other: &Value, pointer: String, found: &mut BTreeSet<String>) {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()) {
                let (a, b) = (a.get(key), b.get(key));
                let null = Value::Null;
                differences(
                    a.unwrap_or(&null),
                    b.unwrap_or(&null),
                    format!("{pointer}/{key}"),
                    found,
                );
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                differences(a, b, format!("{pointer}/{at}"), found);
            }
        }
        _ if one != other => drop(found.insert(pointer)),
        _ => {}
    }
}

/// Why the two results of a case are not what is expected of them.
fn judge(
    name: &str,
    fails: Option<&str>,
    oracle: &Result<Value, String>,
    ours: &Result<Value, String>,
) -> Option<String> {
    let named = NAMED.iter().find(|(case, _, _)| *case == name);
    let problem = |why: &str| Some(format!("{why}\noracle: {oracle:#?}\nours: {ours:#?}"));
    match (named.map(|(_, difference, _)| difference), oracle, ours) {
        (None, Ok(theirs), Ok(mine)) if fails.is_none() => {
            let mut places = BTreeSet::new();
            differences(theirs, mine, String::new(), &mut places);
            (!places.is_empty()).then(|| format!("{places:?}:\noracle: {theirs:#}\nours: {mine:#}"))
        }
        (None, Err(log), Err(_)) => match fails {
            Some(words) if log.contains(words) => None,
            Some(words) => problem(&format!("the oracle does not say «{words}»")),
            None => problem("both refuse"),
        },
        (Some(Difference::OursFails(words)), Ok(_), Err(said)) if said.contains(words) => None,
        (Some(Difference::Places(expected)), Ok(theirs), Ok(mine)) => {
            let mut places = BTreeSet::new();
            differences(theirs, mine, String::new(), &mut places);
            let expected: BTreeSet<String> = expected.iter().map(ToString::to_string).collect();
            (places != expected).then(|| format!("they differ in {places:?}, not {expected:?}"))
        }
        (Some(_), _, _) => problem("this is not the difference that is named"),
        (None, _, _) => problem("only one of the two refuses"),
    }
}

#[test]
fn configs_merge_as_in_ignition() {
    let text = include_str!("../oracle/merges.json");
    let cases: BTreeMap<String, Node> = serde_json::from_str(text).unwrap();
    let oracle_program = oracle_program();
    let mut wrong = Vec::new();
    let mut by_program = 0;
    for (name, node) in &cases {
        let text = node.text();
        let ours = ours(&text);
        let oracle = oracle(&oracle_program, &text);
        if let Some(problem) = judge(name, node.fails.as_deref(), &oracle, &ours) {
            wrong.push(format!("«{name}»: {problem}"));
        }
        // The program merges the same way as its core, as far as it performs the sections.
        match (program(&text), &ours) {
            (Some(Ok(cached)), Ok(ours)) => {
                by_program += 1;
                if cached != *ours {
                    wrong.push(format!(
                        "«{name}»: the program caches {cached:#}, not {ours:#}"
                    ));
                }
            }
            (Some(Err(_)), Err(_)) => by_program += 1,
            (None, _) => {}
            (Some(answer), ours) => {
                wrong.push(format!(
                    "«{name}»: the program answers {answer:?}, not {ours:?}"
                ));
            }
        }
    }
    for (name, _, why) in NAMED {
        assert!(cases.contains_key(*name), "there is no case «{name}»");
        println!("«{name}» differs: {why}");
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    assert!(
        cases.len() >= 60 && by_program >= 50,
        "{by_program} of {} cases by the program",
        cases.len()
    );
}
