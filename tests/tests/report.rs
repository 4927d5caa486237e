//! What `pilotlight report` says of real stages: for people, for machines by its schema, and as a picture.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use pilotlight_tests::faults::{Web, say};
use pilotlight_tests::{Answer, FirstBoot, json_schema, pilotlight};
use serde_json::{Value, json};

/// A word of a secret, which is looked for in all that is said.
const SECRET: &str = "pl4nt3d";
/// Where the server of the contents listens: on the loopback, which an agent may ask.
const SERVER: &str = "127.0.0.1:18742";

fn report(directory: &Path, arguments: &[&str]) -> Answer {
    let state = directory.join("run/state");
    let words = ["report", "--state", state.to_str().unwrap()];
    let answer = pilotlight(&[&words[..], arguments].concat());
    assert!(!answer.out.contains(SECRET), "{}", answer.out);
    assert!(!answer.err.contains(SECRET), "{}", answer.err);
    answer
}

/// The report for machines, which its schema takes.
fn judged(directory: &Path) -> Value {
    let said: Value = serde_json::from_str(&report(directory, &["--json"]).out).unwrap();
    assert_eq!(complaint(&said), "", "{said:#}");
    said
}

fn complaint(report: &Value) -> String {
    let schema = include_str!("../../docs/report.schema.json");
    let schemas = BTreeMap::from([("report", serde_json::from_str(schema).unwrap())]);
    json_schema::complaints(&schemas, &[("report", report.clone())]).concat()
}

/// A file from the server, by an URL with a secret, and one that is a secret.
fn config() -> Vec<u8> {
    let files = json!([
        {
            "path": "/srv/fetched",
            "contents": { "source": format!("http://{SERVER}/a/file?token={SECRET}") }
        },
        { "path": "/srv/secret", "mode": 384, "contents": { "source": format!("data:,{SECRET}") } },
    ]);
    let config = json!({ "ignition": { "version": "3.4.0" }, "storage": { "files": files } });
    config.to_string().into_bytes()
}

#[test]
fn a_boot_that_succeeds() {
    // The server takes its time: the transfer is long enough to be named.
    let _web = Web::start(SERVER, |_| {
        std::thread::sleep(std::time::Duration::from_millis(30));
        say("200 OK", &[], vec![b'x'; 70_000])
    });
    let directory = tempfile::tempdir().unwrap();
    let boot = FirstBoot::new(directory.path(), &directory.path().join("root"), &config());
    for name in ["passwd", "group"] {
        fs::create_dir_all(boot.root.join("etc")).unwrap();
        fs::write(boot.root.join("etc").join(name), "").unwrap();
    }
    let answer = boot.stages(&["fetch", "disks", "mount", "files"]);
    assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
    let json = judged(directory.path());
    let stages = json["state"]["stages"].as_array().unwrap();
    assert_eq!(stages.len(), 4, "{json:#}");
    assert_eq!(json["failure"], Value::Null);
    // What is no report is none by the schema either.
    let mut wrong = json.clone();
    wrong["state"]["stages"][0]["seconds"] = json!("long");
    assert!(complaint(&wrong).contains("'long' is not of type 'number'"));
    let work = stages[0]["work"].as_array().unwrap();
    let transfer = work.iter().find(|work| work["kind"] == "transfer");
    let transfer = transfer.unwrap_or_else(|| panic!("{json:#}"));
    assert!(
        transfer["what"].as_str().unwrap().contains("/a/file"),
        "{transfer}"
    );
    assert_eq!(transfer["bytes"], 70_000);
    assert!(transfer["seconds"].as_f64().unwrap() >= 0.03, "{transfer}");
    // One after the other on the machine's clock.
    let begun: Vec<f64> = stages
        .iter()
        .map(|stage| stage["begun"].as_f64().unwrap())
        .collect();
    assert!(begun.is_sorted() && begun[0] > 0.0, "{begun:?}");
    // For people, and as a picture that a program draws.
    let answer = report(directory.path(), &[]);
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    assert!(answer.out.contains("what took longest:"), "{}", answer.out);
    assert!(answer.out.contains("70000 bytes"), "{}", answer.out);
    let picture = directory.path().join("boot.svg");
    let answer = report(directory.path(), &["--svg", picture.to_str().unwrap()]);
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    let drawn = fs::read_to_string(&picture).unwrap();
    assert!(
        drawn.contains("a transfer") && !drawn.contains(SECRET),
        "{drawn}"
    );
}

#[test]
fn a_stage_that_fails_leaves_a_report() {
    let directory = tempfile::tempdir().unwrap();
    let extra = json!([{ "path": "/srv/missing", "contents": { "source": "data:,a", "verification": { "hash": format!("sha256-{}", "0".repeat(64)) } } }]);
    let config = json!({ "ignition": { "version": "3.4.0" }, "storage": { "files": extra } });
    let boot = FirstBoot::new(
        directory.path(),
        &directory.path().join("root"),
        &config.to_string().into_bytes(),
    );
    let answer = boot.stage("fetch");
    assert_eq!(answer.code, Some(1), "{}", answer.out);
    let json = judged(directory.path());
    assert_eq!(json["failure"]["failed"]["stage"], "fetch");
    assert_eq!(json["failure"]["begun"], 0);
    let answer = report(directory.path(), &[]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.out.contains("config.ign:1:"), "{}", answer.out);
    let picture = directory.path().join("boot.svg");
    report(directory.path(), &["--svg", picture.to_str().unwrap()]);
    let drawn = fs::read_to_string(&picture).unwrap();
    assert!(
        drawn.contains("FAILED: ") && drawn.contains("config.ign:1:"),
        "{drawn}"
    );
}
