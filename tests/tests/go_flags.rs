//! The command lines of Ignition's programs, against those of Debian's package `ignition`: exit code, what is said
//! on which stream, and the files that are made must be the same, or differ as `DIFFERENCES` names and argues.
//!
//! Both programs of the house are asked. Needs the packages of `make deps`.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pilotlight_tests::{Answer, boot_program, program};

/// Command lines by program: words between blanks, `''` for the empty one; STAGE stands for the flags of a stage
/// that succeeds.
const LINES: &[(&str, &[&str])] = &[
    (
        "ignition",
        &[
            // One dash or two, "=" or the next word.
            "STAGE",
            "--platform=file --stage=fetch-offline --log-to-stdout --config-cache=cache --neednet=net --state-file=state",
            "-platform file -stage fetch-offline -log-to-stdout -config-cache cache -neednet net -state-file state",
            "--platform file --stage fetch-offline --log-to-stdout=true --config-cache cache --state-file state",
            // The first word that is no flag ends them, wherever it stands.
            "STAGE ''",
            "STAGE -",
            "STAGE --",
            "STAGE x",
            "STAGE '' -nope",
            "STAGE - -nope",
            "STAGE -- -nope",
            "STAGE x -nope",
            "STAGE -- -- -h",
            "'' STAGE",
            "- STAGE",
            "-- STAGE",
            "x STAGE",
            "-log-to-stdout true STAGE",
            "-platform=file '' -stage=disks",
            // Values.
            "-root= STAGE",
            "-root '' STAGE",
            "-root -- STAGE",
            "-root -nope STAGE",
            "-config-cache=other STAGE",
            "STAGE -config-cache=a=b",
            "STAGE -config-cache=one -config-cache two",
            "STAGE -stage=nope",
            "-stage=nope -stage=disks",
            "-platform file -platform vax",
            "-platform= -stage=disks",
            "-platform '' -stage=disks",
            "-platform=vax -stage=disks",
            "-platform=FILE -stage=disks",
            "-platform=file -stage=",
            "-platform=file -stage=Disks",
            "-stage -platform=file",
            // Booleans.
            "STAGE -log-to-stdout=1",
            "STAGE -log-to-stdout=t",
            "STAGE -log-to-stdout=T",
            "STAGE -log-to-stdout=TRUE",
            "STAGE -log-to-stdout=True",
            "STAGE -clear-cache",
            "STAGE -clear-cache=0",
            "STAGE -version=0",
            "STAGE -version=f",
            "STAGE -version=F",
            "STAGE -version=FALSE",
            "STAGE -version=False",
            "STAGE -version=false",
            "STAGE -version -version=false",
            "-version",
            "--version",
            "-version=true",
            "-version ''",
            "-version -stage=disks",
            "-version=yes",
            "-version=",
            "-log-to-stdout=x -version",
            "-clear-cache=2",
            "-version=tRUE",
            // Durations.
            "-fetch-timeout=0 -nope",
            "-fetch-timeout=+0 -nope",
            "-fetch-timeout=1m30s -nope",
            "-fetch-timeout 1.5h -nope",
            "-fetch-timeout .5s -nope",
            "-fetch-timeout 1.s -nope",
            "-fetch-timeout 1h2m3s4ms5us6ns -nope",
            "-fetch-timeout 1µs -nope",
            "-fetch-timeout 1μs -nope",
            "-fetch-timeout +2m -nope",
            "-fetch-timeout -1s -nope",
            "-fetch-timeout= -nope",
            "-fetch-timeout '' -nope",
            "-fetch-timeout soon -nope",
            "-fetch-timeout 90 -nope",
            "-fetch-timeout 1d -nope",
            "-fetch-timeout 1e3s -nope",
            "-fetch-timeout . -nope",
            "-fetch-timeout .s -nope",
            "-fetch-timeout s -nope",
            "-fetch-timeout 1m30 -nope",
            "-fetch-timeout + -nope",
            // What is missing.
            "''",
            "-",
            "--",
            "x",
            "-stage=disks",
            "-platform=file",
            "-platform",
            "--stage",
            "-platform=file -root",
            "STAGE -state-file",
            "-fetch-timeout",
            // What is no flag of it.
            "-nope",
            "--nope",
            "-nope=1",
            "-nope x",
            "-version -nope",
            "-Platform=file",
            "-platforms=file",
            "-p=file",
            "--no-log-to-stdout",
            "---x",
            "---",
            "-=x",
            "--=x",
            "-=",
            "-version ---x",
            // Help, and what counts before it.
            "-h",
            "--h",
            "-help",
            "--help",
            "-h=1",
            "-version -h",
            "-h -nope",
            "-nope -h",
            "x -h",
            "-help=false",
        ],
    ),
    (
        "ignition-validate",
        &[
            "config.ign",
            "-- config.ign",
            "-version=0 config.ign",
            "-",
            "''",
            "none.ign",
            "x -version",
            "config.ign config.ign",
            "config.ign ''",
            "- -",
            "--",
            "-- -version",
            "-version",
            "--version=T",
            "-version config.ign",
            "-version=x config.ign",
            "-nope config.ign",
            "-version -nope",
            "---x",
            "-=x",
            "-h",
            "--help",
        ],
    ),
    (
        "ignition-apply",
        &[
            "--root tree config.ign",
            "--root=tree config.ign",
            "config.ign --root tree",
            "--root none --root tree config.ign",
            "--root tree -- config.ign",
            "config.ign --root tree --",
            "--root tree --offline config.ign",
            "--root tree --offline=F --ignore-unsupported=TRUE config.ign",
            "--root tree --offline false",
            "--root tree ''",
            "--root tree -",
            "--root tree none.ign",
            "--root tree",
            "--root tree --",
            "-- --root",
            "config.ign config.ign --root tree",
            "--version",
            "--version config.ign",
            "--offline=x config.ign",
            "--offline= config.ign",
            "--root",
            "config.ign --root",
            "--nope",
            "config.ign --nope=1",
            "--h",
            "-x",
            "-root tree config.ign",
            "-offline config.ign",
            "-=x",
            "---x",
            "--=x",
            "-h",
            "-hx",
            "-h=1",
            "--help",
            "--help=1",
            "--nope --help",
        ],
    ),
    (
        "ignition-rmcfg",
        &[
            "--platform=file --log-to-stdout",
            "--log-to-stdout --platform file",
            "--platform=vmware --platform=file --log-to-stdout",
            "--log-to-stdout=1 --platform=file --",
            "--platform=file --log-to-stdout ''",
            "--log-to-stdout x --platform=file",
            "--log-to-stdout --",
            "--platform=vax --log-to-stdout",
            "--version",
            "--version x",
            "--platform",
            "--nope",
            "-platform=file",
            "---x",
            "--log-to-stdout=x",
            "--help",
            "-h",
        ],
    ),
];

/// What Ignition answers, what ours answers, on how many of the lines, and why that is better. `…` is the same
/// on both sides.
const DIFFERENCES: &[(&str, &str, usize, &str)] = &[
    (
        "0 err usage []",
        "0 out usage []",
        10,
        "help that somebody asked for is the answer, not a complaint: a pager can read it",
    ),
    (
        "2 out help []",
        "0 out usage []",
        7,
        "the same; and to ask for help is no mistake",
    ),
    (
        "1 out …",
        "1 err …",
        9,
        "why something failed is on standard error, as everywhere; Ignition logs to standard output",
    ),
    (
        "2 err unknown -clear-cache []",
        "0 out stage fetch-offline [cache state]",
        2,
        "older versions have -clear-cache, and so have units written for them",
    ),
    (
        "2 err unknown -clear-cache []",
        "2 err no boolean -clear-cache 2 []",
        1,
        "the same",
    ),
    (
        "2 err unknown -nope []",
        "2 err wrong value -fetch-timeout -1s []",
        1,
        "a bound below zero would end every request before it begins",
    ),
];

/// What is said in other words means the same: sense, Ignition's words, ours. `{v}` is a value, `{f}` a flag,
/// `…` anything. Of an answer counts what comes first here.
const SENSES: &[Sense] = &[
    (
        "bad syntax {f}",
        &["bad flag syntax: {f}"],
        &["…: \"{f}\" is not how a flag is written"],
    ),
    (
        "unknown {f}",
        &[
            "flag provided but not defined: {f}",
            "unknown flag: {f}",
            "unknown shorthand flag: … in {f}",
        ],
        &["…: unknown flag {f}"],
    ),
    (
        "no value {f}",
        &["flag needs an argument: {f}"],
        &["…: flag {f} needs a value"],
    ),
    (
        "no boolean {f} {v}",
        &[
            "invalid boolean value \"{v}\" for {f}: …",
            "invalid argument \"{v}\" for \"{f}\" flag: …",
        ],
        &["…: flag {f}: \"{v}\" is neither true nor false"],
    ),
    (
        "wrong value {f} {v}",
        &["invalid value \"{v}\" for flag {f}: …"],
        &[
            "…: flag {f}: unknown platform \"{v}\"; …",
            "…: flag {f}: unknown stage \"{v}\"",
            "…: flag {f}: \"{v}\" is no duration …",
        ],
    ),
    (
        "wrong value --platform {v}",
        &["panic: invalid platform name \"{v}\" provided"],
        &[],
    ),
    (
        "missing {f}",
        &["'--{f}' must be provided"],
        &["…: flag --{f} is missing", "…: flag -{f} is missing"],
    ),
    ("version", &["Ignition Debian …"], &["Ignition 2.26.0 …"]),
    ("help", &["pflag: help requested"], &[]),
    (
        "usage",
        &["Usage of …", "Usage:", "Usage: …"],
        &[
            "Usage: …",
            "…: exactly one config is read",
            "…: \"{v}\" is no flag",
        ],
    ),
    (
        "cannot read {v}",
        &["…couldn't read config: open {v}: no such file or directory"],
        &["while reading {v}: No such file or directory…"],
    ),
    (
        "empty config",
        &["…couldn't parse config: not a config (empty)"],
        &["…<stdin> is empty"],
    ),
    (
        "applied",
        &["…createFiles: op(1): [finished] writing file …"],
        &["1 operations performed below tree"],
    ),
    (
        "stage {v}",
        &["…Stage: {v}"],
        &["…pilotlight 0.1.0 stage {v}"],
    ),
    (
        "installed {v}",
        &[],
        &["{v} is a job of the installed program pilotlight; …"],
    ),
    (
        "nothing to take away",
        &["…cannot delete config on this platform"],
        &["… keeps no config that could be taken away…"],
    ),
];

type Sense = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const CONFIG: &str = r#"{"ignition":{"version":"3.3.0"},
    "storage":{"files":[{"path":"/a","contents":{"source":"data:,x"}}]}}"#;

const STAGE: &str = "-platform=file -stage=fetch-offline -log-to-stdout -config-cache=cache -neednet=net -state-file=state";

#[test]
fn command_lines_mean_what_they_mean_to_ignition() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    let mut named = vec![0; DIFFERENCES.len()];
    for (name, lines) in LINES {
        for line in *lines {
            count += 1;
            let oracle = call(&oracle(name), name, line, |sense| sense.1);
            let ours = call(&program(), name, line, |sense| sense.2);
            let difference = DIFFERENCES
                .iter()
                .position(|(theirs, mine, ..)| differ(theirs, mine, &oracle, &ours));
            match difference {
                Some(place) => named[place] += 1,
                None if ours != oracle => {
                    wrong.push(format!(
                        "{name} {line}\n  Ignition: {oracle}\n  ours:     {ours}"
                    ));
                }
                None => {}
            }
            if oracle.contains('?') || ours.contains('?') {
                wrong.push(format!(
                    "{name} {line}: not understood\n  {oracle}\n  {ours}"
                ));
            }
            // The program of the initramfs has two of the names, and says where the others are.
            let boot = call(&boot_program(), name, line, |senses| senses.2);
            let expected = match *name {
                "ignition" | "ignition-rmcfg" => ours,
                _ => format!("2 err installed {name} []"),
            };
            if boot != expected {
                wrong.push(format!(
                    "{name} {line}\n  expected: {expected}\n  initramfs: {boot}"
                ));
            }
        }
    }
    for (&(theirs, mine, lines, _), seen) in DIFFERENCES.iter().zip(named) {
        if seen != lines {
            wrong.push(format!(
                "{theirs} → {mine}: named for {lines} lines, seen on {seen}"
            ));
        }
    }
    println!("{count} lines, {} named differences", DIFFERENCES.len());
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The program of Debian's package that answers to a name.
fn oracle(name: &str) -> PathBuf {
    let path = match name {
        "ignition-validate" => "/usr/bin/ignition-validate",
        _ => "/usr/lib/dracut/modules.d/30ignition/ignition",
    };
    assert!(
        Path::new(path).is_file(),
        "{path} is missing: install Debian's package ignition (make deps)"
    );
    path.into()
}

/// Exit code, stream, sense and the files that are there afterwards, of a program under a name.
fn call(
    program: &Path,
    name: &str,
    line: &str,
    words: impl Fn(&Sense) -> &'static [&'static str],
) -> String {
    let work = tempfile::tempdir().unwrap();
    let at = |name: &str| work.path().join(name);
    std::fs::write(at("config.ign"), CONFIG).unwrap();
    std::fs::write(at("cmdline"), "").unwrap();
    std::fs::create_dir(at("tree")).unwrap();
    let line = line.replace("STAGE", STAGE);
    let answer: Answer = Command::new(program)
        .arg0(name)
        .args(
            line.split(' ')
                .map(|word| if word == "''" { "" } else { word }),
        )
        .current_dir(work.path())
        .env_clear()
        // ignition-apply of Debian works nowhere else.
        .env("container", "yes")
        .env("IGNITION_KERNEL_CMDLINE_PATH", at("cmdline"))
        .env("IGNITION_SYSTEM_CONFIG_DIR", at("none"))
        .stdin(Stdio::null())
        .output()
        .unwrap()
        .into();
    let code = answer.code.map_or("killed".into(), |code| code.to_string());
    let said: Vec<(&str, &str)> = [("err", &answer.err), ("out", &answer.out)]
        .into_iter()
        .flat_map(|(stream, text)| text.lines().map(move |line| (stream, line)))
        .collect();
    let found = SENSES.iter().find_map(|sense| {
        said.iter().find_map(|(stream, line)| {
            let holes = words(sense).iter().find_map(|words| filled(words, line))?;
            let sense = holes
                .into_iter()
                .fold(sense.0.to_string(), |text, (hole, with)| {
                    text.replace(hole, with)
                });
            Some(format!("{stream} {sense}"))
        })
    });
    let found = found.or(said.is_empty().then(|| "silent".into()));
    let found = found.unwrap_or_else(|| format!("? {:?}{:?}", answer.out, answer.err));
    let mut made: Vec<String> = std::fs::read_dir(work.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !["config.ign", "cmdline", "tree"].contains(&name.as_str()))
        // Where the lines of the cached config come from: ours keeps that beside the cache.
        .filter(|name| !name.ends_with(".origins"))
        .collect();
    if at("tree/a").exists() {
        made.push("tree/a".into());
    }
    made.sort();
    format!("{code} {found} [{}]", made.join(" "))
}

/// Whether two answers are those of a named difference.
fn differ(theirs: &str, mine: &str, oracle: &str, ours: &str) -> bool {
    match (filled(theirs, oracle), filled(mine, ours)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// What stands in a line at the holes of a pattern, if the line is like it.
fn filled<'a>(pattern: &'a str, line: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let Some((before, hole, after)) = ["{v}", "{f}", "…"]
        .into_iter()
        .filter_map(|hole| {
            let place = pattern.find(hole)?;
            Some((
                &pattern[..place],
                &pattern[place..][..hole.len()],
                &pattern[place + hole.len()..],
            ))
        })
        .min_by_key(|(before, ..)| before.len())
    else {
        return (pattern == line).then(Vec::new);
    };
    let rest = line.strip_prefix(before)?;
    let mut ends: Vec<usize> = rest.char_indices().map(|(place, _)| place).collect();
    ends.push(rest.len());
    ends.into_iter().find_map(|end| {
        let mut found = filled(after, &rest[end..])?;
        found.push((hole, &rest[..end]));
        Some(found)
    })
}
