//! What is said of configs with mistakes, as it stands on a console: for each group of configs in
//! `diagnostics/GROUP/` one text `diagnostics/GROUP.txt`, made to be read from end to end.
//!
//! `UPDATE_GOLDEN=1 cargo test -p pilotlight-core --test diagnostics` writes them anew. Ask of every
//! change: would somebody who was woken up by it know what to do?
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pilotlight_core::config;
use pilotlight_core::diag::Sources;

/// Compares what is said of a group with its text, and counts the distinct messages.
fn check(group: &str, least: usize) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut configs: Vec<PathBuf> = fs::read_dir(directory.join(group))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    configs.sort();
    let mut found = String::new();
    let mut distinct = BTreeSet::new();
    for path in configs {
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut sources = Sources::default();
        let parsed = config::read(&mut sources, name, &fs::read(&path).unwrap());
        assert!(!parsed.report.items.is_empty(), "nothing is said of {name}");
        for item in &parsed.report.items {
            found.push_str(&item.render(&sources));
            found.push('\n');
            distinct.insert(item.message.clone());
        }
    }
    assert!(
        distinct.len() >= least,
        "{group} has {} distinct messages, {least} are wanted",
        distinct.len()
    );
    let golden = directory.join(group).with_extension("txt");
    if std::env::var("UPDATE_GOLDEN").is_ok() {
        fs::write(&golden, &found).unwrap();
    }
    assert_eq!(fs::read_to_string(&golden).unwrap_or_default(), found);
}

#[test]
fn ignition3() {
    check("ignition3", 50);
}

#[test]
fn ignition2() {
    check("ignition2", 15);
}

#[test]
fn butane() {
    check("butane", 20);
}

#[test]
fn cloud_config() {
    check("cloud-config", 15);
}
