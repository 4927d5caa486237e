//! The JSON schemas that `pilotlight schema` prints, judged by Debian's `python3-jsonschema`: they are
//! valid themselves, take the configs that pilotlight takes, and refuse wrong ones.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pilotlight_tests::{json_schema, pilotlight};
use serde_json::{Value, json};

/// The versions that pilotlight knows, as configs write them.
const VERSIONS: [&str; 8] = [
    "3.0.0",
    "3.1.0",
    "3.2.0",
    "3.3.0",
    "3.4.0",
    "3.5.0",
    "3.6.0",
    "3.7.0-experimental",
];

/// What the schemas of versions say of configs.
fn complaints(configs: &[(String, Value)]) -> Vec<String> {
    let schemas: BTreeMap<&str, Value> = VERSIONS
        .iter()
        .map(|version| {
            let answer = pilotlight(&["schema", version]);
            assert_eq!(answer.code, Some(0), "{answer:?}");
            (*version, serde_json::from_str(&answer.out).unwrap())
        })
        .collect();
    json_schema::complaints(&schemas, configs)
}

fn configs_of(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut list: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ign"))
        .collect();
    list.sort();
    list
}

/// Configs that are read with warnings about their keys: the schemas, which editors use, do not know such keys.
const ODD: &[&str] = &[
    "91-json-oddities",
    "32-misplaced-sections",
    "33-newer-keys-in-3.0",
];

#[test]
fn what_is_accepted_fits_its_schema() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("config.ign");
    let mut names = Vec::new();
    let mut configs = Vec::new();
    let all = ["differential", "../src/core/tests/corpus/ignition3"];
    for path in all.into_iter().flat_map(configs_of) {
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace("@DISK@", "/dev/vda");
        fs::write(&file, &text).unwrap();
        let answer = pilotlight(&["validate".as_ref(), file.as_os_str()]);
        if answer.code == Some(0) {
            names.push(path.file_stem().unwrap().to_str().unwrap().to_string());
            let config: Value = serde_json::from_str(&text).unwrap();
            let version = config["ignition"]["version"].as_str().unwrap_or("3.6.0");
            configs.push((version.to_string(), config));
        }
    }
    assert!(configs.len() > 100, "only {} are accepted", configs.len());
    let mut odd = Vec::new();
    for (name, complaint) in names.iter().zip(complaints(&configs)) {
        if ODD.contains(&name.as_str()) {
            odd.push(name);
            assert_ne!(complaint, "", "{name} is not odd any more");
        } else {
            assert_eq!(complaint, "", "{name}");
        }
    }
    assert_eq!(odd, ODD, "not all odd configs were seen");
}

#[test]
fn what_is_wrong_does_not_fit() {
    let least = |version: &str| json!({"ignition": {"version": version}});
    let good = VERSIONS.map(|version| (version.to_string(), least(version)));
    assert_eq!(complaints(&good), vec![""; VERSIONS.len()]);

    let storage = |section: &str, entry: Value| json!({"storage": {section: [entry]}});
    let file = |inner: Value| {
        let mut file = json!({"path": "/a"});
        let inner = inner.as_object().unwrap().clone();
        file.as_object_mut().unwrap().extend(inner);
        storage("files", file)
    };
    let table = [
        ("3.4.0", json!({"strage": {}}), "'strage' was unexpected"),
        ("3.4.0", json!({"Storage": {}}), "'Storage' was unexpected"),
        ("3.4.0", json!({"storage": []}), "is not of type 'object'"),
        ("3.2.0", json!({"kernelArguments": {}}), "was unexpected"),
        ("3.4.0", json!({"ignition": {}}), "'version' is a required"),
        (
            "3.0.0",
            json!({"ignition": {"version": "3.0.0", "proxy": {}}}),
            "'proxy' was unexpected",
        ),
        (
            "3.4.0",
            file(json!({"path": null})),
            "$.storage.files[0].path",
        ),
        ("3.4.0", file(json!({"path": 7})), "is not of type 'string'"),
        (
            "3.4.0",
            file(json!({"mode": "0644"})),
            "is not of type 'integer'",
        ),
        (
            "3.4.0",
            file(json!({"mode": 4096})),
            "greater than the maximum",
        ),
        ("3.4.0", file(json!({"mode": -1})), "less than the minimum"),
        (
            "3.4.0",
            file(json!({"user": {"id": 4294967295u32}})),
            "maximum",
        ),
        ("3.4.0", file(json!({"overwrite": "yes"})), "'boolean'"),
        (
            "3.4.0",
            file(json!({"contents": {"compression": "xz"}})),
            "is not one of",
        ),
        (
            "3.0.0",
            file(json!({"contents": {"httpHeaders": []}})),
            "was unexpected",
        ),
        (
            "3.4.0",
            file(json!({"append": [{"httpHeaders": [{"value": "x"}]}]})),
            "'name' is a required",
        ),
        (
            "3.4.0",
            storage("files", json!(null)),
            "is not of type 'object'",
        ),
        (
            "3.2.0",
            storage("filesystems", json!({"device": "/dev/a", "format": "none"})),
            "is not one of",
        ),
        (
            "3.6.0",
            storage("filesystems", json!({"device": "a", "format": "virtiofs"})),
            "is not one of",
        ),
        (
            "3.4.0",
            storage(
                "raid",
                json!({"name": "a", "level": "raid7", "devices": []}),
            ),
            "is not one of",
        ),
        (
            "3.4.0",
            storage("raid", json!({"name": "a", "devices": []})),
            "'level' is a required",
        ),
        ("3.1.0", storage("luks", json!({})), "'luks' was unexpected"),
        (
            "3.3.0",
            storage(
                "luks",
                json!({"name": "a", "device": "/dev/a", "discard": true}),
            ),
            "'discard' was unexpected",
        ),
        (
            "3.5.0",
            storage(
                "luks",
                json!({"name": "a", "device": "/dev/a", "clevis": {"custom": {"pin": "x"}}}),
            ),
            "is not one of",
        ),
        (
            "3.4.0",
            json!({"passwd": {"users": [{"name": "a", "sshAuthorizedKeys": "ssh-rsa x"}]}}),
            "is not of type 'array'",
        ),
        (
            "3.4.0",
            json!({"systemd": {"units": [{"contents": "[Unit]\n"}]}}),
            "'name' is a required",
        ),
    ];
    let configs: Vec<(String, Value)> = table
        .iter()
        .map(|(version, section, _)| {
            let mut config = least(version);
            let section = section.as_object().unwrap().clone();
            config.as_object_mut().unwrap().extend(section);
            (version.to_string(), config)
        })
        .collect();
    for ((version, section, words), complaint) in table.iter().zip(complaints(&configs)) {
        assert!(
            complaint.contains(words),
            "{version} {section}: {complaint:?} lacks {words:?}"
        );
    }
}
