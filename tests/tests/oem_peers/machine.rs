//! The machine on which the programs run.

use std::path::{Path, PathBuf};
use std::process::Command;

use pilotlight_tests::faults::Running;
use pilotlight_tests::{program, tool};

use crate::LINK;
use crate::side_by_side::State;

/// Where a peer's package was unpacked.
#[track_caller]
pub fn peer(package: &str) -> PathBuf {
    // target/debug/deps/oem_peers-…
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    let path = target.join("peers").join(package);
    assert!(
        path.exists(),
        "{} does not exist: run \"make peers\"",
        path.display()
    );
    path
}

/// In the guest, whose files are gone with it: puts a package's files where they belong.
#[track_caller]
pub fn install(package: &str) {
    let from = peer(package);
    for directory in ["etc", "usr", "lib"] {
        let from = from.join(directory);
        if from.exists() {
            tool(&format!("cp -r {}/. /{directory}/", from.display()));
        }
    }
}

/// What every machine has: IPv6, and the platform's address.
pub fn begin() {
    tool("modprobe ipv6");
    tool(&format!("ip address add {LINK}/32 dev lo"));
}

/// Starts our daemon.
pub fn daemon(platform: &str) -> Running {
    let state = "/run/pilotlight-state";
    let mut command = Command::new(program());
    Running::start(command.args(["oem", "run", "--platform", platform, "--state", state]))
}

/// Stops a program as a service is stopped; all that it said.
pub fn stop(running: Running) -> String {
    tool(&format!("kill {}", running.id()));
    let answer = running.ends();
    format!("{}{}", answer.out, answer.err)
}

/// The lines of tools, without blanks at their ends; more than one blank counts as one.
pub fn lines(commands: &[&str]) -> State {
    let said = commands.iter().map(|line| tool(line));
    said.flat_map(|text| text.lines().map(words).collect::<Vec<_>>())
        .filter(|line| !line.is_empty())
        .collect()
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Writes a file with the directories that it is in.
pub fn write(path: &str, text: &str) {
    std::fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}
