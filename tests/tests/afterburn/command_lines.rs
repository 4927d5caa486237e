//! Command lines: exit code, standard output and the files that are written.

use std::fmt::Write as _;

use pilotlight_tests::Answer;
use pilotlight_tests::faults::{Web, isolated};
use pilotlight_tests::services;

use crate::{Scratch, recorded, sorted};

/// Kernel command line, "|", and the words behind the program's name; `''` is an empty one. The servers are those
/// of GCE, where nothing differs that is asked for.
const LINES: &[&str] = &[
    "|",
    "|--help",
    "|-h",
    "|-help",
    "|--version",
    "|-V",
    "|-version",
    "|help",
    "|help multi",
    "|help nope",
    "|multi --help",
    "|multi --version",
    "|exp",
    "|exp --help",
    "|exp help",
    "|exp nope",
    "|exp rd-network-kargs --help",
    "|render-ignition --help",
    "|multi",
    "|nope",
    "|''",
    "|--nope",
    "|-nope",
    "|-n",
    "|-",
    "|--",
    "|--provider",
    "|--provider gcp",
    "|--provider=gcp",
    "|-provider gcp",
    "|-provider=gcp",
    "|--provider=",
    "|--provider ''",
    "|--provider GCP",
    "|--provider foo",
    "|--provider foo --attributes a",
    "|--provider foo --help",
    "|--provider gcp --provider gcp",
    "|--prov gcp",
    "|--platform gcp",
    "|--provider gce",
    "|--provider qemu",
    "|--provider qemu --attributes a",
    "|--provider scaleway",
    "|--cmdline",
    "|--cmdline --attributes a",
    "quiet|--cmdline --attributes a",
    "ignition.platform.id=|--cmdline --attributes a",
    "ignition.platform.id=foo|--cmdline --attributes a",
    "ignition.platform.id=gcp|--cmdline",
    "ignition.platform.id=gcp|-cmdline -attributes a",
    "quiet ignition.platform.id=gcp|--cmdline --attributes a",
    "ignition.platform.id=gcp ignition.platform.id=foo|--cmdline --attributes a",
    "flatcar.oem.id=gcp|--cmdline --attributes a",
    "ignition.platform.id=gcp|--cmdline --provider gcp",
    "ignition.platform.id=gcp|--cmdline --cmdline",
    "ignition.platform.id=gcp|--cmdline=true",
    "|--attributes a",
    "|--provider gcp --attributes",
    "|--provider gcp --attributes a",
    "|--provider gcp --attributes=a",
    "|-provider gcp -attributes a",
    "|--attributes a --provider gcp",
    "|--provider gcp --attributes a --attributes b",
    "|--provider gcp --attributes=",
    "|--provider gcp --attributes .",
    "|--provider gcp --attributes d/e/a",
    "|--provider gcp --attributes /dev/stdout",
    "|--provider gcp --hostname",
    "|--provider gcp --hostname h",
    "|--provider gcp --network-units n",
    "|--provider gcp --netplan-config n",
    "|--provider gcp --networkmanager-profiles n",
    "|--provider gcp --ssh-keys",
    "|--provider gcp --ssh-keys root",
    "|--provider gcp -ssh-keys=root",
    "|--provider gcp --ssh-keys nobody-here",
    "|--provider gcp --check-in",
    "|--provider gcp --check-in=true",
    "|--provider gcp --attributes a --hostname h --ssh-keys root --check-in",
    "|--provider gcp --attributes a --hostname . --ssh-keys root",
    "|--provider gcp --attributes . --hostname h",
    "|--provider gcp word",
    "|--provider gcp -- word",
    "|multi --provider gcp --attributes a",
    "|multi -provider gcp",
    "|multi --legacy-cli --provider gcp",
    "|exp rd-network-kargs",
    "|exp rd-network-kargs --provider gcp",
    "|exp rd-network-kargs --provider gcp --default-value",
    "|exp rd-network-kargs --provider gcp --default-value ''",
    "|exp rd-network-kargs --provider gcp --default-value ip=dhcp",
    "root=x|exp rd-network-kargs --provider gcp --default-value ip=dhcp",
    "ip=eth0:dhcp|exp rd-network-kargs --provider gcp --default-value ip=dhcp",
    "|exp rd-network-kargs --provider foo --default-value ip=dhcp",
    "|exp rd-network-kargs --cmdline --default-value ip=dhcp",
    "|exp rd-network-kargs --default-value ip=dhcp",
    "|exp rd-network-kargs -provider gcp --default-value ip=dhcp",
    "|render-ignition",
    "|render-ignition --provider gcp",
    "|render-ignition --provider gcp --render-ignition-dir r",
];

/// What pilotlight does otherwise: the line, what it does, and why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "|--provider gce",
        "exit 0, nothing",
        "Flatcar's patch knows the name, and a machine of Flatcar's may be given it",
    ),
    (
        "|--provider qemu",
        "exit 0, nothing",
        "the platform is known, and nothing is asked of it",
    ),
    (
        "ignition.platform.id=gcp ignition.platform.id=foo|--cmdline --attributes a",
        "exit 1, nothing",
        "the last one counts, as for the kernel and for the first boot, which would be of another platform",
    ),
    (
        "flatcar.oem.id=gcp|--cmdline --attributes a",
        "exit 0, nothing, work/a: the attributes",
        "Flatcar's argument, which its Afterburn is patched for",
    ),
    (
        "|--provider gcp --netplan-config n",
        "exit 1, nothing",
        "nothing is written by either: Afterburn only says so where it has a platform with such a config",
    ),
    (
        "|--provider gcp --networkmanager-profiles n",
        "exit 1, nothing",
        "pilotlight configures systemd-networkd alone, and who relies on a profile should know",
    ),
    (
        "|--provider gcp --attributes . --hostname h",
        "exit 1, nothing, work/h: \"vm-a.c.example.internal\\n\"",
        "a job that fails does not keep the others from being done: a file that cannot be written locks nobody out",
    ),
];

const ATTRIBUTES: &str = "\
AFTERBURN_GCP_HOSTNAME=vm-a.c.example.internal
AFTERBURN_GCP_IP_EXTERNAL_0=198.51.100.9
AFTERBURN_GCP_IP_LOCAL_0=10.128.0.13
AFTERBURN_GCP_MACHINE_TYPE=projects/1234/machineTypes/e9-small
";

/// What a program did, in a line: exit code, what is on standard output, the files.
fn outcome(line: &str, answer: &Answer, files: &[(String, String)]) -> String {
    let out = match answer.out.is_empty() {
        true => "nothing".to_string(),
        false if line.contains("/dev/stdout") => format!("{:?}", sorted(&answer.out)),
        false => "text".to_string(),
    };
    let mut text = format!("exit {}, {out}", answer.code.unwrap_or(-1));
    for (name, contents) in files {
        let shown = match contents.as_str() {
            ATTRIBUTES => "the attributes".to_string(),
            contents if contents == format!("{}\n", services::KEY) => "the key".to_string(),
            other => format!("{other:?}"),
        };
        let _ = write!(text, ", {name}: {shown}");
    }
    text
}

/// Runs a program with all lines.
fn outcomes(run: fn(&Scratch, &[&str]) -> Answer) -> Vec<(&'static str, String)> {
    isolated(&[&format!("{}/32", services::LINK)], || {
        let _web = Web::start(&format!("{}:80", services::LINK), services::gcp);
        let scratch = Scratch::make();
        let each = LINES.iter().map(|line| {
            let (kernel, words) = line.split_once('|').unwrap();
            scratch.boot(kernel);
            let words: Vec<&str> = words
                .split_whitespace()
                .map(|word| if word == "''" { "" } else { word })
                .collect();
            let answer = run(&scratch, &words);
            (*line, outcome(line, &answer, &scratch.written()))
        });
        each.collect()
    })
}

fn text(outcomes: &[(&str, String)]) -> String {
    let lines = outcomes
        .iter()
        .map(|(line, outcome)| format!("{line}\n  {outcome}\n"));
    lines.collect()
}

#[test]
fn the_same_is_done() {
    let theirs = recorded("command-lines.txt", None);
    let mut theirs = theirs.lines();
    let mut wrong = String::new();
    for (line, ours) in outcomes(|scratch, words| scratch.ours(words)) {
        assert_eq!(theirs.next(), Some(line), "recorded is another line");
        let theirs = theirs.next().unwrap_or_default().trim_start();
        let known = DIFFERENCES.iter().find(|known| known.0 == line);
        let expected = known.map_or(theirs, |known| known.1);
        if known.is_some_and(|known| known.1 == theirs) || ours != expected {
            let _ = writeln!(
                wrong,
                "{line}\n  Afterburn:  {theirs}\n  pilotlight: {ours}\n  known as:   {known:?}"
            );
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    for (line, _, why) in DIFFERENCES {
        assert!(LINES.contains(line) && !why.is_empty(), "{line}");
    }
}

#[test]
#[ignore = "needs Afterburn: make peers"]
fn the_peer_does_what_was_recorded() {
    let theirs = text(&outcomes(|scratch, words| scratch.peer(words)));
    assert_eq!(recorded("command-lines.txt", Some(&theirs)), theirs);
}
