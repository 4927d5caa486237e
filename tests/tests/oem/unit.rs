//! The daemon's units, as systemd takes it.

use std::path::{Path, PathBuf};
use std::process::Command;

use pilotlight_tests::{Answer, program};

const UNITS: [&str; 4] = [
    "pilotlight-oem-network.service",
    "pilotlight-oem-keys.service",
    "pilotlight-oem-hostname.service",
    "pilotlight-oem-clock.service",
];

fn unit(name: &str) -> PathBuf {
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd");
    units.join(name)
}

#[test]
fn systemd_takes_the_units() {
    let directory = tempfile::tempdir().unwrap();
    for name in UNITS {
        let text = std::fs::read_to_string(unit(name)).unwrap();
        let text = text.replace("/usr/bin/pilotlight ", &format!("{} ", program().display()));
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        let mut verify = Command::new("systemd-analyze");
        verify.args(["verify", "--man=no"]).arg(&path);
        let answer: Answer = verify.output().unwrap().into();
        let said = answer
            .err
            .lines()
            .filter(|line| line.contains("pilotlight-oem"));
        assert_eq!((answer.code, said.collect::<Vec<_>>()), (Some(0), vec![]));
    }
}

#[test]
fn their_walls_are_as_high_as_promised() {
    for name in UNITS {
        let mut analyze = Command::new("systemd-analyze");
        // Fails above this exposure, of 10 (in tenths).
        analyze.args(["security", "--offline=true", "--no-pager", "--threshold=25"]);
        let answer: Answer = analyze.arg(unit(name)).output().unwrap().into();
        assert_eq!(answer.code, Some(0), "{}", answer.out);
        assert!(
            answer.out.contains("Overall exposure level"),
            "{}",
            answer.out
        );
    }
}
