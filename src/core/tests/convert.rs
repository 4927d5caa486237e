//! Random configs of the newest version, written at every version and read again.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::cell::Cell;
use std::fs;
use std::path::Path;

use pilotlight_core::config;
use pilotlight_core::convert::{least_minor, to_version};
use pilotlight_core::diag::Sources;
use pilotlight_core::spec::v3::{Config, EXPERIMENTAL_MINOR};
use random::{KITCHEN, thin};
use serde_json::Value;

mod random;

fn read(text: &str) -> (Option<Config>, String) {
    let mut sources = Sources::default();
    let parsed = config::read(&mut sources, "c", text.as_bytes());
    (parsed.config, parsed.report.render(&sources))
}

/// The config without its version and without places.
fn said(config: &Config) -> Value {
    to_version(config, EXPERIMENTAL_MINOR).unwrap()
}

#[track_caller]
fn survives_every_version(config: &Config) {
    let least = least_minor(config);
    for minor in 0..=EXPERIMENTAL_MINOR {
        match to_version(config, minor) {
            Ok(json) => {
                assert!(minor >= least, "3.{minor} says what 3.{least} began with");
                let (again, report) = read(&json.to_string());
                let again = again.unwrap_or_else(|| panic!("3.{minor}: {report}\n{json:#}"));
                for words in ["is not part of", "special bits", "no compression"] {
                    assert!(!report.contains(words), "3.{minor}: {report}");
                }
                assert_eq!(said(&again), said(config), "3.{minor}");
            }
            Err(report) => {
                assert!(minor < least, "3.{minor}: {report:?}");
                assert!(report.has_errors());
            }
        }
    }
}

#[test]
fn the_kitchen_needs_the_newest_version() {
    let (config, report) = read(KITCHEN);
    let config = config.unwrap_or_else(|| panic!("{report}"));
    assert_eq!(least_minor(&config), EXPERIMENTAL_MINOR);
    survives_every_version(&config);
}

#[test]
fn what_is_written_at_a_version_is_read_as_the_same() {
    let mut random = random::runner(600);
    let read_well = Cell::new(0);
    let run = random.run(&(random::dice(), 4u8..160), |(dice, odds)| {
        let mut config: Value = serde_json::from_str(KITCHEN).unwrap();
        thin(&mut config, &mut dice.into_iter(), odds);
        // Some have lost what another part of them needs: those are no configs.
        if let (Some(config), _) = read(&config.to_string()) {
            read_well.set(read_well.get() + 1);
            survives_every_version(&config);
        }
        Ok(())
    });
    run.unwrap();
    assert!(
        read_well.get() > 250,
        "only {} are configs",
        read_well.get()
    );
}

#[test]
fn configs_of_the_corpus_survive_every_version() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/ignition3");
    for entry in fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "ign")
            && let (Some(config), _) = read(&fs::read_to_string(&path).unwrap())
        {
            survives_every_version(&config);
        }
    }
}
