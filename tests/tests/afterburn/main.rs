//! `afterburn` as pilotlight does it, against what Afterburn 5.11.0 did with the same arguments and the same servers
//! on their real addresses.
//!
//! What Afterburn did is in `recorded`; `make peers` builds it and looks whether it still does so. What pilotlight
//! does otherwise has a name and a reason, and a difference that is no more is a failure, too.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod attributes;
mod command_lines;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use pilotlight_tests::faults::{cover, run};
use pilotlight_tests::{Answer, program};

/// Afterburn, as `make peers` has built it; `AFTERBURN_BIN` names another one.
pub fn peer() -> PathBuf {
    if let Some(path) = std::env::var_os("AFTERBURN_BIN") {
        return path.into();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers/bin/afterburn");
    assert!(
        path.exists(),
        "{} does not exist: run \"make peers\"",
        path.display()
    );
    path
}

/// What was recorded, or is recorded now where `UPDATE_GOLDENS` is set and the text is the peer's.
pub fn recorded(name: &str, peers: Option<&str>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/afterburn/recorded");
    let path = path.join(name);
    if let (Some(text), true) = (peers, std::env::var_os("UPDATE_GOLDENS").is_some()) {
        fs::write(&path, text).unwrap();
    }
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A machine of which the programs see and change nothing but a directory of the test.
pub struct Scratch {
    directory: tempfile::TempDir,
}

impl Scratch {
    /// In the namespaces of [`pilotlight_tests::faults::isolated`]: `/etc`, `/run`, `/root` and the kernel command
    /// line are its own from now on.
    pub fn make() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let etc = directory.path().join("etc");
        fs::create_dir_all(etc.join("cmdline.d")).unwrap();
        for (name, text) in [
            ("passwd", "root:x:0:0:root:/root:/bin/sh\n"),
            ("group", "root:x:0:\n"),
            (
                "nsswitch.conf",
                "passwd: files\ngroup: files\nhosts: files\n",
            ),
            ("hosts", "192.0.2.80 metadata.packet.net\n"),
        ] {
            fs::write(etc.join(name), text).unwrap();
        }
        for name in ["root", "run", "work"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let this = Self { directory };
        this.boot("");
        cover("/proc/cmdline", &this.path("cmdline"));
        cover("/etc", &etc);
        cover("/root", &this.path("root"));
        cover("/run", &this.path("run"));
        this
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Gives the machine another kernel command line.
    pub fn boot(&self, line: &str) {
        fs::write(self.path("cmdline"), format!("{line}\n")).unwrap();
    }

    /// Runs Afterburn.
    pub fn peer<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Answer {
        self.run(Command::new(peer()).arg0("afterburn").args(arguments))
    }

    /// Runs pilotlight by that name.
    pub fn ours<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Answer {
        self.run(Command::new(program()).arg0("afterburn").args(arguments))
    }

    fn run(&self, command: &mut Command) -> Answer {
        let command = command.current_dir(self.path("work"));
        command.env("SSL_CERT_FILE", self.path("authority.pem"));
        command.output().unwrap().into()
    }

    /// All files that were written since the last time, with their lines sorted, and removes them.
    pub fn written(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for top in ["etc/cmdline.d", "root", "run", "work"] {
            let top = self.path(top);
            collect(&top, self.directory.path(), &mut found);
            for entry in fs::read_dir(&top).unwrap().flatten() {
                run(&["rm", "-rf", entry.path().to_str().unwrap()]);
            }
        }
        found.sort();
        found
    }
}

fn collect(at: &Path, top: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(at).unwrap().flatten() {
        let path = entry.path();
        let kind = fs::symlink_metadata(&path).unwrap();
        let name = path.strip_prefix(top).unwrap().display().to_string();
        if kind.is_dir() {
            collect(&path, top, found);
        } else {
            found.push((name, sorted(&fs::read_to_string(&path).unwrap())));
        }
    }
}

/// Afterburn writes in an order of chance.
pub fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.iter().map(|line| format!("{line}\n")).collect()
}
