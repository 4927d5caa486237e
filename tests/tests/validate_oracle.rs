//! pilotlight against `ignition-validate` 2.14 of Debian's package `ignition`: which configs of version 3.0.0
//! to 3.3.0 are accepted. Both verdicts are the same, or the difference is one that `NAMED` names and argues.
//!
//! The configs are those of `oracle/rules.json` (one broken rule each) at every version, of [`RAW`], of the
//! differential tests and of the corpus, and these with one thing changed in each.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pilotlight_core::config;
use pilotlight_core::diag::{Severity, Sources};
use serde_json::{Value, json};

#[path = "../oracle/changes.rs"]
mod changes;
#[path = "../oracle/named.rs"]
mod named;

use changes::{CHANGES, walk};
use named::{NAMED, Named, Stricter};

const VERSIONS: [&str; 4] = ["3.0.0", "3.1.0", "3.2.0", "3.3.0"];

/// A config and what it is about.
struct Case {
    name: String,
    text: String,
}

impl Case {
    fn new(name: impl Into<String>, config: &Value) -> Case {
        Case {
            name: name.into(),
            text: config.to_string(),
        }
    }
}

/// Texts that no JSON library writes.
const RAW: &[(&str, &str)] = &[
    ("no text", ""),
    ("blanks", " \n"),
    ("null", "null"),
    ("a list", "[]"),
    ("a string", "\"x\""),
    ("an empty object", "{}"),
    ("no section", "{\"storage\": {}}"),
    ("an open brace", "{\"ignition\": {\"version\": \"3.0.0\"}"),
    ("a final comma", "{\"ignition\": {\"version\": \"3.0.0\"},}"),
    ("a comment", "{\"ignition\": {\"version\": \"3.0.0\"}} // x"),
    ("text behind", "{\"ignition\": {\"version\": \"3.0.0\"}} x"),
    (
        "two configs",
        "{\"ignition\": {\"version\": \"3.0.0\"}} {\"ignition\": {\"version\": \"3.0.0\"}}",
    ),
    (
        "a byte order mark",
        "\u{feff}{\"ignition\": {\"version\": \"3.0.0\"}}",
    ),
    ("single quotes", "{'ignition': {'version': '3.0.0'}}"),
    (
        "keys twice",
        "{\"ignition\": {\"version\": \"9.9.9\"}, \"ignition\": {\"version\": \"3.0.0\"}}",
    ),
    (
        "version twice",
        "{\"ignition\": {\"version\": \"9.9.9\", \"version\": \"3.0.0\"}}",
    ),
    (
        "version twice, the first is right",
        "{\"ignition\": {\"version\": \"3.0.0\", \"version\": \"9.9.9\"}}",
    ),
    (
        "keys in capitals",
        "{\"IGNITION\": {\"VERSION\": \"3.0.0\"}}",
    ),
    (
        "keys twice in two cases",
        "{\"ignition\": {\"version\": \"3.0.0\"}, \"Ignition\": {\"timeouts\": {}}}",
    ),
    (
        "lists twice",
        "{\"ignition\": {\"version\": \"3.0.0\"}, \"storage\": {\"files\": [{\"path\": \"/a\"}], \"files\": [{\"path\": \"/b\"}]}}",
    ),
    (
        "a wrong value before a right one",
        "{\"ignition\": {\"version\": \"3.0.0\"}, \"storage\": {\"files\": [{\"path\": \"a\", \"path\": \"/a\"}]}}",
    ),
    (
        "an escaped key",
        "{\"igniti\\u006fn\": {\"version\": \"3.0.0\"}}",
    ),
    (
        "an exponent",
        "{\"ignition\": {\"version\": \"3.0.0\", \"timeouts\": {\"httpTotal\": 1e2}}}",
    ),
    (
        "a fraction of zero",
        "{\"ignition\": {\"version\": \"3.0.0\", \"timeouts\": {\"httpTotal\": 1.0}}}",
    ),
    (
        "minus zero",
        "{\"ignition\": {\"version\": \"3.0.0\", \"timeouts\": {\"httpTotal\": -0}}}",
    ),
    (
        "a leading zero",
        "{\"ignition\": {\"version\": \"3.0.0\", \"timeouts\": {\"httpTotal\": 01}}}",
    ),
    (
        "a tab in a string",
        "{\"ignition\": {\"version\": \"3.0.0\"}, \"passwd\": {\"users\": [{\"name\": \"a\", \"gecos\": \"a\tb\"}]}}",
    ),
    (
        "a broken escape",
        "{\"ignition\": {\"version\": \"3.0.0\"}, \"passwd\": {\"users\": [{\"name\": \"a\", \"gecos\": \"\\x\"}]}}",
    ),
    (
        "half a surrogate",
        "{\"ignition\": {\"version\": \"3.0.0\"}, \"passwd\": {\"users\": [{\"name\": \"a\", \"gecos\": \"\\ud800\"}]}}",
    ),
    ("version 1", "{\"ignitionVersion\": 1}"),
    ("cloud-config", "#cloud-config\nusers: []\n"),
    ("a script", "#!/bin/sh\n"),
];

/// Every rule at every version.
fn rules() -> Vec<Case> {
    let text = include_str!("../oracle/rules.json");
    let groups: BTreeMap<String, BTreeMap<String, Value>> = serde_json::from_str(text).unwrap();
    let mut cases = Vec::new();
    for (place, entries) in &groups {
        for (name, entry) in entries {
            for version in VERSIONS {
                let mut config = json!({"ignition": {"version": version}});
                put(&mut config, place, entry);
                cases.push(Case::new(format!("{version} {place}: {name}"), &config));
            }
        }
    }
    cases
}

/// Puts an entry where it belongs, with what its place needs around it.
fn put(config: &mut Value, place: &str, entry: &Value) {
    let mut here = &mut *config;
    for step in place.split('.').filter(|step| !step.is_empty()) {
        here = match step {
            "*" => {
                *here = json!([{}]);
                &mut here[0]
            }
            key => &mut here[key],
        };
    }
    match (here.as_object_mut(), entry.as_object()) {
        (Some(object), Some(entry)) => object.extend(entry.clone()),
        _ => *here = entry.clone(),
    }
    // The places within an entry of a list need an entry that is good by itself.
    for (outer, key, value) in [
        ("storage.files.*.", "path", "/a"),
        ("storage.disks.*.", "device", "/dev/a"),
        ("storage.luks.*.", "device", "/dev/a"),
        ("storage.luks.*.", "name", "a"),
    ] {
        if place.starts_with(outer) {
            let list = outer.trim_end_matches(".*.").replace('.', "/");
            config.pointer_mut(&format!("/{list}/0")).unwrap()[key] = json!(value);
        }
    }
}

/// Whole configs of the versions that the oracle knows.
fn whole() -> Vec<(String, Value)> {
    let mut list = Vec::new();
    for directory in ["differential", "../src/core/tests/corpus/ignition3"] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        let mut paths: Vec<PathBuf> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "ign"))
            .collect();
        paths.sort();
        for path in paths {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.replace("@DISK@", "/dev/vda");
            let Ok(config) = serde_json::from_str::<Value>(&text) else {
                continue;
            };
            if VERSIONS
                .iter()
                .any(|version| config["ignition"]["version"] == *version)
            {
                list.push((
                    path.file_stem().unwrap().to_string_lossy().into_owned(),
                    config,
                ));
            }
        }
    }
    list
}

/// How often one change is made at one kind of place.
const PER_PLACE: usize = 2;

/// Configs with one thing changed: each change at each kind of place in the first configs that have it.
fn changed() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut made: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for (name, config) in whole() {
        cases.push(Case::new(name.clone(), &config));
        for version in VERSIONS {
            let mut config = config.clone();
            config["ignition"]["version"] = json!(version);
            cases.push(Case::new(format!("{name} at {version}"), &config));
        }
        let mut places = Vec::new();
        walk(&config, String::new(), &mut places);
        for pointer in places {
            let kind: String = pointer
                .split('/')
                .map(|step| {
                    if step.parse::<u32>().is_ok() {
                        "/*"
                    } else {
                        step
                    }
                })
                .collect();
            for change in CHANGES {
                let count = made.entry((kind.clone(), change.name)).or_default();
                if *count == PER_PLACE {
                    continue;
                }
                let mut config = config.clone();
                if (change.make)(&mut config, &pointer).is_some() {
                    *count += 1;
                    cases.push(Case::new(
                        format!("{name} {pointer} {}", change.name),
                        &config,
                    ));
                }
            }
        }
    }
    cases
}

/// What pilotlight refuses a config for.
fn ours(text: &str) -> Vec<String> {
    let mut sources = Sources::default();
    let parsed = config::read(&mut sources, "config.ign", text.as_bytes());
    let mut errors: Vec<String> = parsed
        .report
        .items
        .into_iter()
        .filter(|item| item.severity == Severity::Error)
        .map(|item| item.message)
        .collect();
    // No config is no error at boot, but `pilotlight validate` refuses it.
    if parsed.config.is_none() && errors.is_empty() {
        errors.push("the config is empty".into());
    }
    errors
}

/// What `ignition-validate` refuses a config for.
fn oracle(file: &Path, text: &str) -> Vec<String> {
    fs::write(file, text).unwrap();
    let output = Command::new("ignition-validate")
        .arg(file)
        .output()
        .expect("the oracle is missing: install Debian's package `ignition` (`make deps`)");
    if output.status.success() {
        return Vec::new();
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let errors: Vec<String> = said
        .lines()
        .filter(|line| !line.starts_with("warning"))
        .map(|line| {
            line.rsplit_once(": ")
                .map_or(line, |(_, why)| why)
                .to_string()
        })
        .collect();
    assert!(
        !errors.is_empty(),
        "the oracle fails without a word: {text}"
    );
    errors
}

#[test]
fn configs_are_accepted_and_refused_as_by_ignition() {
    let raw = RAW.iter().map(|(name, text)| Case {
        name: (*name).into(),
        text: (*text).into(),
    });
    let cases: Vec<Case> = rules().into_iter().chain(raw).chain(changed()).collect();
    let scratch = tempfile::tempdir().unwrap();
    let next = AtomicUsize::new(0);
    let found = Mutex::new((BTreeSet::new(), Vec::new()));
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let file = scratch.path().join(format!("{worker}.ign"));
            let (cases, next, found) = (&cases, &next, &found);
            scope.spawn(move || {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (ours, oracle) = (ours(&case.text), oracle(&file, &case.text));
                    let (stricter, said) = match (ours.is_empty(), oracle.is_empty()) {
                        (false, true) => (Stricter::Ours, ours),
                        (true, false) => (Stricter::Oracle, oracle),
                        _ => continue,
                    };
                    for why in said {
                        let name = NAMED
                            .iter()
                            .position(|named| names(named, stricter, &why, &case.name));
                        let mut found = found.lock().unwrap();
                        match name {
                            Some(at) => drop(found.0.insert(at)),
                            None => found.1.push(format!(
                                "{stricter:?} refuses «{}»: {why}\n    {}",
                                case.name, case.text
                            )),
                        }
                    }
                }
            });
        }
    });
    let (seen, mut unnamed) = found.into_inner().unwrap();
    unnamed.sort();
    println!("{} configs; these differences are meant:", cases.len());
    for named in NAMED {
        println!(
            "  {:?} refuses «{}»: {}",
            named.stricter, named.said, named.why
        );
    }
    assert!(
        unnamed.is_empty(),
        "{} differences have no name:\n{}",
        unnamed.len(),
        unnamed.join("\n")
    );
    for (at, named) in NAMED.iter().enumerate() {
        assert!(
            seen.contains(&at),
            "the named difference «{}» does not occur any more",
            named.said
        );
    }
    assert!(cases.len() > 2000, "only {} configs", cases.len());
}

fn names(named: &Named, stricter: Stricter, why: &str, case: &str) -> bool {
    named.stricter == stricter && why.contains(named.said) && case.contains(named.case)
}

#[test]
fn the_readme_lists_what_is_refused_here_alone() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let ours = NAMED
        .iter()
        .filter(|named| named.stricter == Stricter::Ours);
    let missing: Vec<String> = ours
        .map(|named| format!("| {} | {} |", named.said, named.why))
        .filter(|row| !readme.contains(row))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
