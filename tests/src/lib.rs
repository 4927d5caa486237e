//! What the tests in this package share: how to call the program under each of its names.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

pub mod block_log;
pub mod disk;
pub mod faults;
pub mod json_schema;
pub mod metadata_server;
pub mod portrait;
pub mod services;
pub mod uml;

/// The program that `cargo build` made in the same profile as the calling test.
///
/// `PILOTLIGHT_BIN` names another one. A missing program is a failure, never a skipped test.
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("PILOTLIGHT_BIN") {
        return path.into();
    }
    built("pilotlight")
}

/// The program of the initramfs, made in the same way; `PILOTLIGHT_BOOT_BIN` names another one.
pub fn boot_program() -> PathBuf {
    if let Some(path) = std::env::var_os("PILOTLIGHT_BOOT_BIN") {
        return path.into();
    }
    built("pilotlight-boot")
}

fn built(package: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join(package);
    assert!(
        path.exists(),
        "{} does not exist: run \"cargo build -p {package}\" first",
        path.display()
    );
    path
}

/// What a call of the program answered.
#[derive(Debug)]
pub struct Answer {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs a tool, a line of words, that may fail.
pub fn run(line: &str) -> Answer {
    run_with(&line.split_whitespace().collect::<Vec<_>>())
}

/// The same, of words in which spaces may be.
pub fn run_with(words: &[&str]) -> Answer {
    Command::new(words[0])
        .args(&words[1..])
        .output()
        .unwrap_or_else(|error| panic!("{} cannot be started: {error}", words[0]))
        .into()
}

/// Runs a tool, a line of words, that has to succeed; answers what it printed, trimmed.
pub fn tool(line: &str) -> String {
    tool_with(&line.split_whitespace().collect::<Vec<_>>())
}

/// The same, of words in which spaces may be.
pub fn tool_with(words: &[&str]) -> String {
    let answer = run_with(words);
    let said = answer.out.trim();
    assert_eq!(answer.code, Some(0), "{words:?}: {said}{}", answer.err);
    said.to_string()
}

/// The tools that change accounts, as the agent calls them.
pub const ACCOUNT_TOOLS: &[&str] = &[
    "useradd",
    "usermod",
    "userdel",
    "groupadd",
    "groupmod",
    "groupdel",
    "chpasswd",
    "chgpasswd",
    "cp",
];

/// Calls `pilotlight` with arguments.
pub fn pilotlight<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Answer {
    Command::new(program())
        .args(arguments)
        .output()
        .unwrap()
        .into()
}

/// The stages of one first boot: `ignition -platform file` with all its places in one directory.
#[derive(Debug)]
pub struct FirstBoot {
    directory: PathBuf,
    /// The new root.
    pub root: PathBuf,
    platform: String,
    variables: Vec<(String, String)>,
}

impl FirstBoot {
    /// Prepares a boot with a config; `root` may exist already.
    pub fn new(directory: &Path, root: &Path, config: &[u8]) -> Self {
        std::fs::create_dir_all(directory.join("run")).unwrap();
        std::fs::create_dir_all(root).unwrap();
        std::fs::write(directory.join("config.ign"), config).unwrap();
        let name = directory.join("ignition");
        if !name.exists() {
            std::os::unix::fs::symlink(program(), name).unwrap();
        }
        Self {
            directory: directory.into(),
            root: root.into(),
            platform: "file".into(),
            variables: Vec::new(),
        }
    }

    /// Lets the stages that follow be of another platform than `file`.
    pub fn on(mut self, platform: &str) -> Self {
        self.platform = platform.into();
        self
    }

    /// Sets a variable of the environment for the stages that follow.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Sets the kernel command line for the stages that follow.
    pub fn started_with(self, line: &str) -> Self {
        std::fs::write(self.directory.join("cmdline"), line).unwrap();
        self
    }

    /// Runs one stage.
    pub fn stage(&self, stage: &str) -> Answer {
        self.command(stage).output().unwrap().into()
    }

    /// One stage, not yet run; its log goes to standard output.
    pub fn command(&self, stage: &str) -> Command {
        let at = |name: &str| self.directory.join(name);
        let empty = at("empty");
        let mut command = Command::new(at("ignition"));
        command
            .args(["-platform", &self.platform])
            .args(["-log-to-stdout", "-stage", stage])
            .arg("-root")
            .arg(&self.root)
            .arg("-config-cache")
            .arg(at("run/ignition.json"))
            .arg("-neednet")
            .arg(at("run/neednet"))
            .arg("-state-file")
            .arg(at("run/state"))
            .env("IGNITION_CONFIG_FILE", at("config.ign"))
            .env("IGNITION_SYSTEM_RUNTIME_CONFIG_DIR", &empty)
            .env("IGNITION_SYSTEM_LOCAL_CONFIG_DIR", &empty)
            .env("IGNITION_SYSTEM_CONFIG_DIR", &empty)
            .env("IGNITION_KERNEL_CMDLINE_PATH", at("cmdline"))
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs stages in order until one fails; answers the last one's answer.
    pub fn stages(&self, stages: &[&str]) -> Answer {
        let mut last = None;
        for stage in stages {
            let answer = self.stage(stage);
            let failed = answer.code != Some(0);
            last = Some(answer);
            if failed {
                break;
            }
        }
        last.unwrap()
    }
}

/// Starts a tang server on this machine's loopback, which has to be up; it ends with the guest. Answers the
/// thumbprint of its key.
pub fn tang(port: u16) -> String {
    let keys = format!("/run/tang-{port}");
    std::fs::create_dir_all(&keys).unwrap();
    tool(&format!("/usr/libexec/tangd-keygen {keys}"));
    let listen = format!("127.0.0.1:{port}");
    #[allow(clippy::zombie_processes)]
    let _server = Command::new("systemd-socket-activate")
        .args(["--inetd", "-a", "-l", &listen, "/usr/libexec/tangd", &keys])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while std::net::TcpStream::connect(&listen).is_err() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "tangd does not listen on {listen}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    tool(&format!("tang-show-keys {port}"))
}

/// What a run's chance begins with, the same in every run: a test that fails now and then blames the wrong change.
/// `PROPTEST_RNG_SEED` is another one.
pub fn seed() -> u64 {
    let given = std::env::var("PROPTEST_RNG_SEED").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(2026)
}

/// So many random cases, by the seed of this run.
pub fn cases(cases: u32) -> proptest::test_runner::Config {
    proptest::test_runner::Config {
        cases,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(seed()),
        ..proptest::test_runner::Config::default()
    }
}
