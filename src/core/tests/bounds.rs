//! Hostile configs are refused or read: deep, long, wide, repeated, aliased. What takes time that grows
//! with the square of the input would not end here.
#![allow(clippy::unwrap_used, clippy::panic)]

use pilotlight_core::config;
use pilotlight_core::diag::Sources;

/// So many entries: with the square of it a test would take minutes.
const MANY: usize = 20_000;

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

fn lines(each: impl Fn(usize) -> String) -> String {
    (0..MANY).map(each).collect()
}

fn listed(each: impl Fn(usize) -> String) -> String {
    (0..MANY).map(each).collect::<Vec<_>>().join(",")
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
    let long = "x".repeat(10 << 20);
    taken(&format!(
        "variant: flatcar\nversion: 1.1.0\nstorage: {{files: [{{path: /a, contents: {{inline: {long}}}}}]}}"
    ));
    taken(&format!(
        r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{"files": [{{"path": "/a", "contents": {{"source": "data:,{long}"}}}}]}}}}"#
    ));
    refused(&format!("{{\"{long}\": 1}}"), "no \"ignition\" section");
}

#[test]
fn many_entries_are_only_many() {
    let ignition = |storage: &str| {
        format!(r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{{storage}}}}}"#)
    };
    let files = listed(|i| format!(r#"{{"path": "/a/{i}", "contents": {{"source": "data:,x"}}}}"#));
    taken(&ignition(&format!(r#""files": [{files}]"#)));
    let filesystems =
        listed(|i| format!(r#"{{"device": "/dev/v{i}", "format": "ext4", "path": "/m/{i}"}}"#));
    taken(&ignition(&format!(r#""filesystems": [{filesystems}]"#)));
    let partitions = listed(|i| format!(r#"{{"label": "p{i}"}}"#));
    taken(&ignition(&format!(
        r#""disks": [{{"device": "/dev/vda", "partitions": [{partitions}]}}]"#
    )));
    taken(&format!(
        "variant: flatcar\nversion: 1.1.0\nstorage:\n  filesystems:\n{}",
        lines(|i| {
            format!(
                "    - {{device: /dev/v{i}, format: ext4, path: /m{i}, with_mount_unit: true}}\n"
            )
        })
    ));
    taken(&format!(
        "storage:\n  files:\n{}",
        lines(|i| {
            format!("    - {{filesystem: root, path: /a/{i}, contents: {{inline: x}}}}\n")
        })
    ));
    let users = |many: usize| -> String {
        let users = (0..many).map(|i| format!("  - {{name: u{i}, groups: g{i}}}\n"));
        format!("#cloud-config\nusers:\n{}", users.collect::<String>())
    };
    taken(&users(4096));
    refused(&users(4097), "more than 4096 entries");
}

#[test]
fn repetitions_are_said_a_few_times() {
    let entry = r#"{"path": "/a", "x": 1}"#;
    let files = vec![entry; MANY].join(",");
    let text =
        format!(r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{"files": [{files}]}}}}"#);
    let mut sources = Sources::default();
    let parsed = config::read(&mut sources, "c", text.as_bytes());
    let said = parsed.report.summary();
    assert_eq!(
        said.as_deref(),
        Some("200 errors or more, 200 warnings or more")
    );
    let keys = vec![r#""a": 1"#; 100_000].join(",");
    refused(&format!("{{{keys}}}"), "no \"ignition\" section");
    refused(
        &format!("variant: fcos\n{}", "a: 1\n".repeat(100_000)),
        "a second time",
    );
}
