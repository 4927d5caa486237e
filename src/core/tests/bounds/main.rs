//! Hostile configs are refused or read: deep, long, wide, repeated, aliased; and what eight times as much costs
//! is in proportion.
#![allow(clippy::unwrap_used, clippy::panic)]

mod growth;

use pilotlight_core::config;
use pilotlight_core::diag::{Report, Sources};
use pilotlight_core::facts::Facts;
use pilotlight_core::facts::accounts::{Accounts, Texts};
use pilotlight_core::plan::{Blobs, accounts, tree};
use pilotlight_core::spec::v3::Config;
use pilotlight_core::validate::{Stage, lower};
use pilotlight_core::{cache, dataurl, json, merge, model};

use growth::in_proportion;

/// So many entries: the square of it outweighs all that is in proportion.
const MANY: usize = 16_000;

/// What is said first, and whether there is a config.
fn read(text: &str) -> (String, bool) {
    let mut sources = Sources::default();
    let parsed = config::read(&mut sources, "c", text.as_bytes());
    // A line of many kilobytes is looked at once per finding: one is enough here.
    let first = parsed.report.items.first();
    let said = first.map(|item| item.render(&sources)).unwrap_or_default();
    let line = said.lines().next().unwrap_or_default();
    (line.to_string(), parsed.config.is_some())
}

fn refused(text: &str, words: &str) {
    let (said, is_config) = read(text);
    assert!(said.contains(words) && !is_config, "{said}");
}

fn taken(text: &str) {
    let (said, is_config) = read(text);
    assert!(is_config, "{said}");
}

/// A config of the newest version with these sections.
fn ignition(sections: &str) -> String {
    format!(r#"{{"ignition": {{"version": "3.6.0"}}, {sections}}}"#)
}

fn config(sources: &mut Sources, text: &str) -> Config {
    let parsed = config::read(sources, "c", text.as_bytes());
    let said = parsed.report.items.first();
    let said = said.map(|item| item.render(sources)).unwrap_or_default();
    parsed.config.unwrap_or_else(|| panic!("{said}"))
}

fn model(config: &Config) -> model::Config {
    lower(config, Stage::Merged, &mut Report::default()).unwrap()
}

fn taken_in_proportion(many: usize, make: impl Fn(usize) -> String) {
    in_proportion(many, make, |text| taken(text));
}

fn refused_in_proportion(many: usize, make: impl Fn(usize) -> String, words: &str) {
    in_proportion(many, make, |text| refused(text, words));
}

fn lines(many: usize, each: impl Fn(usize) -> String) -> String {
    (0..many).map(each).collect()
}

fn listed(many: usize, each: impl Fn(usize) -> String) -> String {
    (0..many).map(each).collect::<Vec<_>>().join(",")
}

#[test]
fn depth_ends_early() {
    refused(&"[".repeat(100_000), "");
    refused(&"{\"a\":".repeat(100_000), "nest deeper than 128");
    refused(
        &format!("variant: flatcar\na: {}", "[".repeat(100_000)),
        "not YAML",
    );
    let block: String = (0..3000)
        .map(|i| format!("{}a:\n", " ".repeat(i)))
        .collect();
    refused(&block, "nest deeper than 128");
    refused(
        &format!("#cloud-config\n{}", "- ".repeat(50_000)),
        "nest deeper than 128",
    );
}

#[test]
fn aliases_stay_small() {
    let mut laughs =
        String::from("variant: flatcar\nversion: 1.1.0\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for i in 1..20 {
        let refs = vec![format!("*a{}", i - 1); 10].join(",");
        laughs.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
    }
    refused(&laughs, "with its aliases expanded");
    refused("variant: &a\n  <<: *a\n", "contains it");
}

#[test]
fn long_values_are_only_long() {
    const LONG: usize = 10 << 20;
    let long = |many: usize| "x".repeat(many);
    taken_in_proportion(LONG, |many| {
        format!(
            "variant: flatcar\nversion: 1.1.0\nstorage: {{files: [{{path: /a, contents: {{inline: {}}}}}]}}",
            long(many)
        )
    });
    taken_in_proportion(LONG, |many| {
        ignition(&format!(
            r#""storage": {{"files": [{{"path": "/a", "contents": {{"source": "data:,{}"}}}}]}}"#,
            long(many)
        ))
    });
    refused_in_proportion(
        LONG,
        |many| format!("{{\"{}\": 1}}", long(many)),
        "no \"ignition\" section",
    );
}

#[test]
fn many_files_are_only_many() {
    taken_in_proportion(MANY, |many| {
        let files = listed(many, |i| {
            format!(r#"{{"path": "/a/{i}", "contents": {{"source": "data:,x"}}}}"#)
        });
        ignition(&format!(r#""storage": {{"files": [{files}]}}"#))
    });
    taken_in_proportion(MANY, |many| {
        let each =
            |i| format!("    - {{filesystem: root, path: /a/{i}, contents: {{inline: x}}}}\n");
        format!("storage:\n  files:\n{}", lines(many, each))
    });
}

#[test]
fn many_filesystems_are_only_many() {
    taken_in_proportion(MANY, |many| {
        let filesystems = listed(many, |i| {
            format!(r#"{{"device": "/dev/v{i}", "format": "ext4", "path": "/m/{i}"}}"#)
        });
        ignition(&format!(r#""storage": {{"filesystems": [{filesystems}]}}"#))
    });
    taken_in_proportion(MANY, |many| {
        let each = |i| {
            format!(
                "    - {{device: /dev/v{i}, format: ext4, path: /m{i}, with_mount_unit: true}}\n"
            )
        };
        format!(
            "variant: flatcar\nversion: 1.1.0\nstorage:\n  filesystems:\n{}",
            lines(many, each)
        )
    });
}

#[test]
fn many_partitions_are_only_many() {
    taken_in_proportion(MANY, |many| {
        let partitions = listed(many, |i| format!(r#"{{"label": "p{i}"}}"#));
        ignition(&format!(
            r#""storage": {{"disks": [{{"device": "/dev/vda", "partitions": [{partitions}]}}]}}"#
        ))
    });
}

#[test]
fn many_users_are_only_many_and_not_too_many() {
    let users = |many: usize| {
        let each = |i| format!("  - {{name: u{i}, groups: g{i}}}\n");
        format!("#cloud-config\nusers:\n{}", lines(many, each))
    };
    taken_in_proportion(4096, users);
    refused(&users(4097), "more than 4096 entries");
}

#[test]
fn repetitions_are_said_a_few_times() {
    in_proportion(
        MANY,
        |many| {
            let files = listed(many, |_| r#"{"path": "/a", "x": 1}"#.to_owned());
            ignition(&format!(r#""storage": {{"files": [{files}]}}"#))
        },
        |text| {
            let mut sources = Sources::default();
            let parsed = config::read(&mut sources, "c", text.as_bytes());
            let said = parsed.report.summary();
            assert_eq!(
                said.as_deref(),
                Some("200 errors or more, 200 warnings or more")
            );
        },
    );
    refused_in_proportion(
        100_000,
        |many| format!("{{{}}}", vec![r#""a": 1"#; many].join(",")),
        "no \"ignition\" section",
    );
    refused_in_proportion(
        100_000,
        |many| format!("variant: fcos\n{}", "a: 1\n".repeat(many)),
        "a second time",
    );
}

#[test]
fn configs_have_a_bounded_number_of_values() {
    let text = format!(r#"{{"a": [{}0]}}"#, "0,".repeat(1 << 21));
    refused(&text, "more than 1048576 values");
    // Each anchor keeps a copy of what it names, though nothing refers to it.
    let anchors: String = (0..120).map(|i| format!("&a{i} [")).collect();
    let text = format!("a: {anchors}{}{}", "x,".repeat(100_000), "]".repeat(120));
    refused(&text, "with its aliases expanded");
}

#[test]
fn reports_stay_short() {
    let long = "x".repeat(10 << 20);
    for (text, words) in [
        (
            ignition(&format!(
                r#""storage": {{"files": [{{"path": "{long}"}}]}}"#
            )),
            "the path is not absolute",
        ),
        (
            ignition(&format!(
                r#""passwd": {{"{long}": 1, "users": [{{"name": "a", "shell": 5}}]}}"#
            )),
            "it has no effect",
        ),
        (
            format!("variant: {long}\nversion: 1.1.0\n"),
            "unknown variant",
        ),
        (
            ignition(&format!(
                r#""systemd": {{"units": [{{"name": "a.service", "contents": "[Unit]\n{long}\n"}}]}}"#
            )),
            "line 2",
        ),
    ] {
        let mut sources = Sources::default();
        let parsed = config::read(&mut sources, "c", text.as_bytes());
        let said = parsed.report.render(&sources);
        assert!(said.contains(words), "{} bytes", said.len());
        assert!(said.len() < 8 << 10, "{} bytes about {words:?}", said.len());
        assert!(parsed.report.json(&sources).to_string().len() < 8 << 10);
    }
}

#[test]
fn unknown_keys_are_compared_until_enough_is_said() {
    const KEYS: usize = 200_000;
    taken_in_proportion(KEYS, |many| {
        ignition(&listed(many, |i| format!(r#""ignitiom{i}": 1"#)))
    });
    refused_in_proportion(
        KEYS,
        |many| {
            format!(
                "#cloud-config\n{}",
                lines(many, |i| format!("write_file{i}: 1\n"))
            )
        },
        "more than 4096 entries",
    );
}

#[test]
fn repeated_keys_are_combined_in_one_go() {
    taken_in_proportion(100_000, |many| {
        let parts = listed(many, |i| format!(r#""ignition": {{"x{i}": {i}}}"#));
        format!(r#"{{"ignition": {{"version": "3.0.0"}}, {parts}}}"#)
    });
}

#[test]
fn places_are_found_without_counting_from_the_beginning() {
    // One line of megabytes, of which each value is asked for its place.
    let data = "x".repeat(100);
    let one_line = |many| {
        let files = listed(many, |i| {
            format!(
                r#"{{"path": "/a/{i}", "mode": 420, "contents": {{"source": "data:,{data}"}}}}"#
            )
        });
        ignition(&format!(r#""storage": {{"files": [{files}]}}"#))
    };
    in_proportion(MANY, one_line, |text| {
        let mut sources = Sources::default();
        let config = config(&mut sources, text);
        let encoded = cache::encode(&config);
        let origins = cache::origins(&encoded, &sources);
        let json = String::from_utf8(encoded.text).unwrap();
        let mut later = Sources::default();
        let again = cache::decode(&mut later, "cache", json, Some(&origins)).unwrap();
        let last = again.storage.files.last().unwrap();
        let place = later.place(last.path.as_ref().unwrap().span.unwrap());
        let place = (place.file.as_str(), place.line, place.column as usize);
        let path = format!("\"/a/{}\"", again.storage.files.len() - 1);
        assert_eq!(place, ("c", 1, text.find(&path).unwrap() + 1));
    });
}

#[test]
fn merging_looks_entries_up_by_their_keys() {
    let files = |many: usize, from: usize| {
        let files = listed(many, |i| {
            format!(r#"{{"path": "/a/{}", "mode": {}}}"#, from + i, 256 + i % 2)
        });
        let names = listed(many, |i| format!(r#"{{"name": "u{}"}}"#, from + i));
        ignition(&format!(
            r#""storage": {{"files": [{files}]}}, "passwd": {{"users": [{names}]}}"#
        ))
    };
    let both = |many: usize| {
        let mut sources = Sources::default();
        let parent = config(&mut sources, &files(many, 0));
        (parent, config(&mut sources, &files(many, many / 2)))
    };
    in_proportion(MANY, both, |(parent, child)| {
        let all = parent.storage.files.len() / 2 * 3;
        let merged = merge::configs(parent.clone(), child.clone());
        assert_eq!(merged.storage.files.len(), all);
        assert_eq!(merged.passwd.users.len(), all);
        let appended = merge::appended(parent.clone(), child.clone());
        assert_eq!(appended.storage.files.len(), all);
    });

    // Version 2 appends as often as it is asked to.
    let file = r#"{"filesystem": "root", "path": "/a", "append": true, "contents": {"source": "data:,x"}}"#;
    let appending = |many: usize| {
        let files = vec![file; many].join(",");
        let text =
            format!(r#"{{"ignition": {{"version": "2.4.0"}}, "storage": {{"files": [{files}]}}}}"#);
        (many, text)
    };
    in_proportion(MANY, appending, |(many, text)| {
        let appending = config(&mut Sources::default(), text);
        assert_eq!(appending.storage.files[0].append.0.len(), *many);
    });
}

#[test]
fn paths_may_be_deep_or_many_but_not_both() {
    let deep = |i: usize| format!("/{i}{}", "/d".repeat(2000));
    let files = |many: usize| {
        let list = (0..many).map(|i| format!(r#"{{"path": "{}"}}"#, deep(i)));
        let list: Vec<String> = list.collect();
        ignition(&format!(r#""storage": {{"files": [{}]}}"#, list.join(",")))
    };
    taken(&files(10));
    refused(&files(1000), "too many and too deep");
}

#[test]
fn plans_of_many_entries_end() {
    let lowered = |many: usize| {
        let files = listed(many, |i| {
            format!(
                r#"{{"path": "/srv/{i}/a", "overwrite": true, "contents": {{"source": "data:,x"}}}}"#
            )
        });
        let directories = listed(many, |i| format!(r#"{{"path": "/srv/{i}", "mode": 448}}"#));
        let links = listed(many, |i| {
            format!(r#"{{"path": "/l/{i}", "target": "/srv/{i}/a", "hard": true}}"#)
        });
        let units = listed(many, |i| {
            format!(
                r#"{{"name": "u{i}.service", "enabled": true, "contents": "[Unit]\n[Install]\nWantedBy=a.target\n"}}"#
            )
        });
        let text = ignition(&format!(
            r#""storage": {{"files": [{files}], "directories": [{directories}], "links": [{links}]}}, "systemd": {{"units": [{units}]}}"#
        ));
        config(&mut Sources::default(), &text)
    };
    in_proportion(MANY / 2, lowered, |config| {
        let model = model(config);
        let planned = tree::plan(&model, &[], &Facts::default(), &Blobs::default()).unwrap();
        let facts = planned.predict(Facts::default());
        let again = tree::plan(&model, &[], &facts, &Blobs::default()).unwrap();
        assert!(again.is_empty(), "{} steps", again.steps.len());
    });
}

#[test]
fn plans_of_many_accounts_end() {
    let users = |many: usize| {
        listed(many, |i| {
            format!(
                r#"{{"name": "u{i}", "uid": {}, "groups": ["g{i}"], "primaryGroup": "g{i}"}}"#,
                10_000 + i
            )
        })
    };
    let passwd = |many: usize, groups: &str| {
        let text = ignition(&format!(
            r#""passwd": {{"users": [{}], "groups": [{groups}]}}"#,
            users(many)
        ));
        (many, config(&mut Sources::default(), &text))
    };
    let facts = Facts {
        accounts: Accounts::parse(&Texts::default()),
        ..Facts::default()
    };
    let whole = |many: usize| {
        let groups = listed(many, |i| {
            format!(r#"{{"name": "g{i}", "gid": {}}}"#, 10_000 + i)
        });
        passwd(many, &groups)
    };
    in_proportion(4000, whole, |(many, config)| {
        let whole = model(config);
        let planned = accounts::plan(&whole.groups, &whole.users, &facts).unwrap();
        assert_eq!(planned.steps.len(), 2 * many);
    });
    let lost = |many: usize| passwd(many, "");
    in_proportion(4000, lost, |(_, config)| {
        let lost = model(config);
        let report = accounts::plan(&lost.groups, &lost.users, &facts).unwrap_err();
        assert_eq!(report.summary().as_deref(), Some("200 errors or more"));
    });
}

#[test]
fn data_of_one_config_is_decoded_once_for_each_look() {
    let text = |many: usize| {
        let data = dataurl::encode(&vec![0xa5; many]);
        ignition(&format!(
            r#""storage": {{"files": [{{"path": "/a", "contents": {{"source": "{data}"}}}}]}}"#
        ))
    };
    in_proportion(8 << 20, text, |text| {
        let mut sources = Sources::default();
        let model = model(&config(&mut sources, text));
        let planned = tree::plan(&model, &[], &Facts::default(), &Blobs::default()).unwrap();
        assert_eq!(planned.steps.len(), 1);
        assert!(planned.render(&sources).len() < 1000);
    });
}

#[test]
fn json_ends_where_it_is_wrong() {
    let broken = |text: &String| {
        let mut sources = Sources::default();
        let id = sources.add("c", text.as_str());
        let error = json::parse(id, text).unwrap_err();
        assert!(error.render(&sources).len() < 1000);
    };
    in_proportion(
        1 << 20,
        |many| "\"".to_owned() + &"\\u0041".repeat(many),
        broken,
    );
    in_proportion(8 << 20, |many| "1".repeat(many) + "x", broken);
}
