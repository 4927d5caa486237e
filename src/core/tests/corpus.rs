//! Configs as people write them, one directory per language, with what they mean: for `NAME.ign`,
//! `NAME.bu` or `NAME.yaml` stands `NAME.golden` with the findings and the Ignition 3 config or MachineConfig.
//!
//! `UPDATE_GOLDEN=1 cargo test -p pilotlight-core --test corpus` writes them anew; read the difference.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use pilotlight_core::cache;
use pilotlight_core::config::{self, Reading};
use pilotlight_core::convert;
use pilotlight_core::diag::{Place, Sources};
use pilotlight_core::spec::Encoded;
use pilotlight_core::translate::{LocalEntry, LocalFiles, LocalKind};

/// The directory `files/` beside the configs.
struct Beside(PathBuf);

impl LocalFiles for Beside {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        fs::read(self.0.join(path)).map_err(|error| error.to_string())
    }

    fn walk(&self, path: &str) -> Result<Vec<LocalEntry>, String> {
        let mut found = vec![LocalEntry {
            path: String::new(),
            kind: LocalKind::Directory,
        }];
        walk(&self.0.join(path), "", &mut found).map_err(|error| error.to_string())?;
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }
}

fn walk(directory: &Path, prefix: &str, found: &mut Vec<LocalEntry>) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), found)?;
            let kind = LocalKind::Directory;
            found.push(LocalEntry { path, kind });
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path())?.to_str().unwrap().to_owned();
            let kind = LocalKind::Link { target };
            found.push(LocalEntry { path, kind });
        } else {
            let executable = entry.metadata()?.permissions().mode() & 0o111 != 0;
            let kind = LocalKind::File { executable };
            found.push(LocalEntry { path, kind });
        }
    }
    Ok(())
}

/// What the config means, as text: findings, then JSON.
fn meaning(path: &Path) -> String {
    let files = Beside(path.parent().unwrap().join("files"));
    let name = path.file_name().unwrap().to_str().unwrap();
    let mut sources = Sources::default();
    let reading = Reading {
        files: Some(&files),
        cluster: true,
        ..Reading::default()
    };
    let parsed = config::read_as(&mut sources, name, &fs::read(path).unwrap(), reading);
    let report = parsed.report.render(&sources);
    let Some(config) = parsed.config else {
        return format!("{report}no config\n");
    };
    let encoded = cache::encode(&config);
    let origins = cache::origins(&encoded, &sources);
    let json = String::from_utf8(encoded.text).unwrap();
    let again = cache::decode(&mut sources, "again", json.clone(), Some(&origins)).unwrap();
    let encoded_again = cache::encode(&again);
    assert_eq!(
        encoded_again.text,
        json.as_bytes(),
        "{name}: the round trip changes the config"
    );
    let places = |encoded: &Encoded| -> HashMap<u32, Place> {
        let places = encoded.places.iter();
        places
            .map(|(at, span)| (*at, sources.place(*span)))
            .collect()
    };
    let places_again = places(&encoded_again);
    for (at, span) in &encoded.places {
        let mut place = sources.place(*span);
        // Of a line that is not kept nothing is shown.
        if place.text.len() > 200 {
            place.text.clear();
        }
        assert_eq!(places_again.get(at), Some(&place), "{name}: {at}");
    }
    let tree: serde_json::Value = match parsed.machine {
        Some(machine) => convert::to_machine_config(&config, &machine).unwrap(),
        None => serde_json::from_str(&json).unwrap(),
    };
    format!("{report}{tree:#}\n")
}

fn check(language: &str, least: usize) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(language);
    let mut configs: Vec<PathBuf> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind != "golden"))
        .collect();
    configs.sort();
    assert!(
        configs.len() >= least,
        "{language} has {} configs, {least} are wanted",
        configs.len()
    );
    let update = std::env::var("UPDATE_GOLDEN").is_ok();
    let mut differing = Vec::new();
    for path in configs {
        let golden = path.with_extension("golden");
        let found = meaning(&path);
        if update {
            fs::write(&golden, found).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != found {
            differing.push(format!("{}:\n{found}", path.display()));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn ignition3() {
    check("ignition3", 25);
}

#[test]
fn ignition2() {
    check("ignition2", 25);
}

#[test]
fn butane() {
    check("butane", 25);
}

#[test]
fn container_linux() {
    check("container-linux", 10);
}

#[test]
fn cloud_config() {
    check("cloud-config", 25);
}
