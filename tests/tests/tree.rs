//! The tree below a root, on real file systems: nothing outside is touched, predictions come true, and
//! planning again plans nothing.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use pilotlight_core::config;
use pilotlight_core::diag::{Report, Sources};
use pilotlight_core::facts::Facts;
use pilotlight_core::journal::{Record, VERSION};
use pilotlight_core::model::Config;
use pilotlight_core::plan::{self, Blobs, Plan};
use pilotlight_core::validate::{self, Stage};
use pilotlight_sys::journal::{Journal, Place, digests};
use pilotlight_sys::root::Sysroot;
use pilotlight_sys::tree::{self, Batch, Work};
use pilotlight_tests::FirstBoot;
use proptest::prelude::*;
use serde_json::{Value, json};

struct NoBlobs;

impl tree::Provider for NoBlobs {
    fn copy(&mut self, _: &str, _: &mut dyn tree::Growing) -> io::Result<()> {
        Err(io::Error::other("there are no blobs"))
    }
    fn uid(&self, _: &str) -> Option<u32> {
        None
    }
    fn gid(&self, _: &str) -> Option<u32> {
        None
    }
}

fn parse(storage: &Value, units: &Value) -> Config {
    let text =
        json!({"ignition": {"version": "3.4.0"}, "storage": storage, "systemd": {"units": units}})
            .to_string();
    let mut sources = Sources::default();
    let parsed = config::read(&mut sources, "c", text.as_bytes());
    let wire = parsed
        .config
        .unwrap_or_else(|| panic!("{}", parsed.report.render(&sources)));
    validate::lower(&wire, Stage::Whole, &mut Report::default()).unwrap()
}

fn observe(root: &Path, config: &Config) -> Facts {
    let sysroot = Sysroot::open(root).unwrap();
    Facts {
        tree: tree::observe(&sysroot, &plan::tree::sights(config, &[])).unwrap(),
        done: {
            let journal = Journal::open(Place::Root(root.into())).unwrap();
            journal
                .says()
                .finished(&digests(&sysroot, journal.says()).unwrap())
        },
        ..Facts::default()
    }
}

fn plan_on(facts: &Facts, config: &Config) -> Result<Plan, Report> {
    plan::tree::plan(config, &[], facts, &Blobs::default())
}

fn apply(root: &Path, plan: &Plan) -> Result<(), String> {
    let sysroot = Sysroot::open(root).unwrap();
    let mut journal = Journal::open(Place::Root(root.into())).unwrap();
    let run = Record::Run {
        version: VERSION,
        config: "of the test".into(),
    };
    journal.write(vec![run]).unwrap();
    let mut batch = Batch::default();
    for step in &plan.steps {
        let pilotlight_core::op::Op::Tree(op) = &step.op else {
            panic!("{step:?}")
        };
        let mut work = Work {
            root: &sysroot,
            provider: &mut NoBlobs,
            journal: &mut journal,
            batch: &mut batch,
        };
        tree::apply(op, &mut work).map_err(|error| error.to_string())?;
    }
    (batch.finish(&sysroot, &mut journal)).map_err(|error| error.to_string())
}

/// Everything below a directory: path, mode, owner, contents or target.
fn listing(root: &Path) -> Vec<String> {
    let mut list = Vec::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let about = fs::symlink_metadata(&path).unwrap();
            let what = if about.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if about.is_dir() {
                todo.push(path.clone());
                "directory".into()
            } else {
                format!("{:?}", fs::read(&path).unwrap())
            };
            list.push(format!(
                "{} {:o} {} {} {what}",
                path.display(),
                about.mode(),
                about.uid(),
                about.gid()
            ));
        }
    }
    list.sort();
    list
}

#[test]
fn chained_links_lead_nowhere_but_into_the_root() {
    let dir = tempfile::tempdir().unwrap();
    let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::create_dir_all(outside.join("deep")).unwrap();
    fs::write(outside.join("victim"), "as it was").unwrap();
    let absolute = outside.to_str().unwrap();
    symlink("/b", root.join("a")).unwrap();
    symlink("/c", root.join("b")).unwrap();
    symlink(absolute, root.join("c")).unwrap();
    symlink("../../../../../../..", root.join("up")).unwrap();
    symlink(
        format!("../../../../../../../..{absolute}"),
        root.join("etc/climb"),
    )
    .unwrap();
    symlink(format!("{absolute}/victim"), root.join("victim")).unwrap();
    let before = listing(&outside);

    let data = |text: &str| json!({"source": format!("data:,{text}")});
    let config = parse(
        &json!({
            "files": [
                {"path": "/a/new", "contents": data("1")},
                {"path": "/a/deep/new", "contents": data("2")},
                {"path": format!("/up{absolute}/new"), "contents": data("3")},
                {"path": "/etc/climb/other", "contents": data("4")},
                {"path": "/victim", "overwrite": true, "contents": data("5")},
            ],
            "directories": [{"path": "/a/victim", "overwrite": true}, {"path": "/c/dir"}],
            "links": [{"path": "/b/link", "target": "/etc/passwd"}],
        }),
        &json!([{"name": "x.service", "contents": "[Service]\nExecStart=/bin/true\n"}]),
    );
    // Unit files go below /etc/systemd, which the image makes a way out of the root.
    symlink(absolute, root.join("etc/systemd")).unwrap();
    let facts = observe(&root, &config);
    match plan_on(&facts, &config) {
        Ok(plan) => apply(&root, &plan).unwrap(),
        // Two of the paths lead to one place below the root: that is refused, and as good.
        Err(report) => {
            assert!(
                report
                    .items
                    .iter()
                    .any(|item| item.message.contains("both lead to")),
                "{report:?}"
            );
        }
    }
    assert_eq!(
        listing(&outside),
        before,
        "something outside the root was touched"
    );

    let config = parse(
        &json!({"files": [
            {"path": "/a/new", "contents": data("1")},
            {"path": "/victim", "overwrite": true, "contents": data("5")},
            {"path": "/etc/systemd/y", "contents": data("6")},
        ]}),
        &json!([]),
    );
    apply(&root, &plan_on(&observe(&root, &config), &config).unwrap()).unwrap();
    assert_eq!(
        listing(&outside),
        before,
        "something outside the root was touched"
    );
    let inside = root.join(absolute.trim_start_matches('/'));
    assert_eq!(
        fs::read(inside.join("new")).unwrap(),
        b"1",
        "the links lead into the root"
    );
    assert_eq!(fs::read(inside.join("y")).unwrap(), b"6");
    assert_eq!(
        fs::read(root.join("victim")).unwrap(),
        b"5",
        "the link itself was replaced"
    );
}

#[test]
fn a_link_that_appears_after_planning_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
    fs::create_dir_all(root.join("d")).unwrap();
    fs::create_dir_all(&outside).unwrap();
    let config = parse(
        &json!({"files": [{"path": "/d/x", "contents": {"source": "data:,1"}}]}),
        &json!([]),
    );
    let plan = plan_on(&observe(&root, &config), &config).unwrap();
    fs::remove_dir(root.join("d")).unwrap();
    symlink(&outside, root.join("d")).unwrap();
    assert!(apply(&root, &plan).unwrap_err().contains("/d/x"));
    assert!(listing(&outside).is_empty());
}

#[test]
fn removing_a_tree_spares_what_links_in_it_point_at() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir_all(root.join("old/deep")).unwrap();
    fs::create_dir_all(root.join("kept")).unwrap();
    fs::write(root.join("kept/file"), "x").unwrap();
    fs::write(root.join("old/deep/file"), "x").unwrap();
    symlink("/kept", root.join("old/link")).unwrap();
    let config = parse(
        &json!({"directories": [{"path": "/old", "overwrite": true, "mode": 448}]}),
        &json!([]),
    );
    let plan = plan_on(&observe(&root, &config), &config).unwrap();
    assert!(plan.steps[0].op.is_destructive());
    apply(&root, &plan).unwrap();
    assert_eq!(fs::read_dir(root.join("old")).unwrap().count(), 0);
    assert_eq!(
        root.join("old").metadata().unwrap().permissions().mode() & 0o7777,
        0o700
    );
    assert_eq!(fs::read(root.join("kept/file")).unwrap(), b"x");
}

#[test]
fn an_append_happens_once_though_power_fails_at_any_point() {
    let config = parse(
        &json!({"files": [{"path": "/etc/motd", "append": [{"source": "data:,two%0A"}]}]}),
        &json!([]),
    );
    // Before anything; after the journal's "begun" but before the rename; after the rename but before "done".
    for crash in ["none", "before the rename", "after the rename"] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("etc/motd"), "one\n").unwrap();
        let plan = plan_on(&observe(&root, &config), &config).unwrap();
        apply(&root, &plan).unwrap();
        let journal = root.join("etc/.pilotlight-journal.jsonl");
        let lines = fs::read_to_string(&journal).unwrap();
        let begun: Vec<&str> = (lines.lines())
            .filter(|line| line.contains("\"run\"") || line.contains("\"begun\""))
            .collect();
        let begun = begun.join("\n");
        match crash {
            "before the rename" => {
                fs::write(root.join("etc/motd"), "one\n").unwrap();
                fs::write(&journal, format!("{begun}\n{{\"do")).unwrap();
            }
            "after the rename" => fs::write(&journal, format!("{begun}\n")).unwrap(),
            _ => {}
        }
        // The next boot plans and applies anew.
        let plan = plan_on(&observe(&root, &config), &config).unwrap();
        apply(&root, &plan).unwrap();
        assert_eq!(
            fs::read_to_string(root.join("etc/motd")).unwrap(),
            "one\ntwo\n",
            "{crash}"
        );
        assert!(
            plan_on(&observe(&root, &config), &config)
                .unwrap()
                .is_empty(),
            "{crash}"
        );
    }
}

#[test]
fn a_whole_first_boot_can_run_twice() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir_all(root.join("etc")).unwrap();
    let config = json!({"ignition": {"version": "3.4.0"}, "storage": {
        "files": [{"path": "/etc/a", "contents": {"source": "data:,x"}, "append": [{"source": "data:,y"}]}, {"path": "/etc/b", "append": [{"source": "data:,z"}]}],
        "links": [{"path": "/etc/l", "target": "a"}, {"path": "/etc/h", "target": "/etc/a", "hard": true}]},
        "systemd": {"units": [{"name": "u.service", "enabled": true, "contents": "[Service]\nExecStart=/x\n[Install]\nWantedBy=a.target\n"}]}});
    let boot = FirstBoot::new(dir.path(), &root, config.to_string().as_bytes());
    let stages = ["fetch-offline", "disks", "mount", "files", "umount"];
    let answer = boot.stages(&stages);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let result = root.join("etc/.ignition-result.json");
    fs::remove_file(&result).unwrap();
    let first = listing(&root);
    fs::remove_file(dir.path().join("run/ignition.json")).unwrap();
    let answer = boot.stages(&stages);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    fs::remove_file(&result).unwrap();
    assert_eq!(listing(&root), first);
}

/// A few names, so that entries collide with what is there.
fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(Into::into)
}

fn some_path() -> impl Strategy<Value = String> {
    prop::collection::vec(name(), 1..4).prop_map(|parts| format!("/{}", parts.join("/")))
}

fn entry() -> impl Strategy<Value = (u8, String, Value)> {
    let owner = prop::option::of(prop::sample::select(vec![0, 7]));
    let mode = prop::option::of(prop::sample::select(vec![0o600, 0o755]));
    let text = prop::option::of("[xy]{0,3}");
    (
        0u8..4,
        some_path(),
        any::<bool>(),
        owner,
        mode,
        text,
        "[z]{0,2}",
    )
        .prop_map(|(kind, path, overwrite, owner, mode, text, append)| {
            let mut entry = json!({"path": path, "overwrite": overwrite});
            if let Some(id) = owner {
                entry["user"] = json!({"id": id});
                entry["group"] = json!({"id": id});
            }
            if let Some(mode) = mode.filter(|_| kind < 2) {
                entry["mode"] = json!(mode);
            }
            match kind {
                0 => match text {
                    Some(text) => entry["contents"] = json!({"source": format!("data:,{text}")}),
                    None => entry["overwrite"] = json!(false),
                },
                2 => entry["target"] = json!("/a"),
                3 => {
                    entry["target"] = json!("/b/c");
                    entry["hard"] = json!(true);
                }
                _ => {}
            }
            if kind == 0 && !append.is_empty() {
                entry["append"] = json!([{"source": format!("data:,{append}")}]);
            }
            (kind, path, entry)
        })
}

/// Puts something at a path of an existing tree, where that is possible.
fn seed(root: &Path, kind: u8, path: &str) {
    let at = root.join(&path[1..]);
    // What is impossible (a directory below a file) is left out: the tree is random anyway.
    let _ = match kind {
        0 => fs::create_dir_all(at.parent().unwrap()).and_then(|()| fs::write(&at, "xx")),
        1 => fs::create_dir_all(&at),
        2 => symlink("/d", &at),
        _ => symlink("../..", &at),
    };
}

proptest! {
    #![proptest_config(pilotlight_tests::cases(400))]

    /// The two oracles: what is observed afterwards is what was predicted, and there is nothing left to do.
    #[test]
    fn predictions_come_true_and_planning_again_plans_nothing(
        there in prop::collection::vec((0u8..4, some_path()), 0..6),
        entries in prop::collection::vec(entry(), 1..5),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        // The journal's own directory.
        fs::create_dir_all(root.join("etc")).unwrap();
        for (kind, path) in &there {
            seed(&root, *kind, path);
        }
        let of = |wanted: &[u8]| entries.iter().filter(|(kind, ..)| wanted.contains(kind)).map(|(.., e)| e.clone()).collect::<Vec<_>>();
        let text = json!({"ignition": {"version": "3.4.0"}, "storage": {"files": of(&[0]), "directories": of(&[1]), "links": of(&[2, 3])}}).to_string();
        let parsed = config::read(&mut Sources::default(), "c", text.as_bytes());
        prop_assume!(parsed.config.is_some());
        let config = validate::lower(&parsed.config.unwrap(), Stage::Whole, &mut Report::default()).unwrap();

        // Links in a circle are an error of observing, and nothing is planned.
        let sysroot = Sysroot::open(&root).unwrap();
        prop_assume!(tree::observe(&sysroot, &plan::tree::sights(&config, &[])).is_ok());
        let before = observe(&root, &config);
        let untouched = listing(&root);
        let Ok(plan) = plan_on(&before, &config) else {
            prop_assert_eq!(listing(&root), untouched);
            return Ok(());
        };
        apply(&root, &plan).map_err(TestCaseError::fail)?;
        let after = observe(&root, &config);
        let predicted = plan.predict(before);
        prop_assert!(
            after.tree.agrees_with(&predicted.tree),
            "{:?}\n{:#?}\nobserved {:#?}", after.tree.differences(&predicted.tree), plan, after.tree
        );
        // A directory that is to be overwritten and has got entries of the same config is emptied again.
        let refilled = config.directories.iter().any(|directory| directory.inode.overwrite);
        if !refilled {
            let again = plan_on(&after, &config).map_err(|report| TestCaseError::fail(format!("{report:?}")))?;
            prop_assert!(again.is_empty(), "{:#?}", again);
        }
        prop_assert!(!listing(&root).iter().any(|line| line.contains(".pilotlight-") && !line.contains("journal")));
    }
}
