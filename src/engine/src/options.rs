//! How a stage is called: the settings that the drop-in command line and the environment give.

use std::path::PathBuf;
use std::time::Duration;

use pilotlight_providers::Platform;

/// A boot stage. Each runs in a process of its own; the config cache carries the config between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Find and merge the config without a network.
    FetchOffline,
    /// Find and merge the config with the network, and fetch what it refers to.
    Fetch,
    /// Kernel arguments.
    Kargs,
    /// Partitions and file systems.
    Disks,
    /// Mount the config's file systems below the root.
    Mount,
    /// Accounts, files, links, units.
    Files,
    /// Undo the mounts.
    Umount,
}

impl Stage {
    /// All stages in boot order with the names of the command line.
    pub const NAMES: &[(&str, Stage)] = &[
        ("fetch-offline", Stage::FetchOffline),
        ("fetch", Stage::Fetch),
        ("kargs", Stage::Kargs),
        ("disks", Stage::Disks),
        ("mount", Stage::Mount),
        ("files", Stage::Files),
        ("umount", Stage::Umount),
    ];

    /// Finds a stage by name.
    pub fn parse(name: &str) -> Option<Stage> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name)?;
        Some(found.1)
    }

    /// The stage's name.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, stage)| *stage == self)
            .map_or("", |(name, _)| name)
    }
}

/// A switch in the environment: everything but Go's spellings of false is true.
pub fn truth(text: &str) -> bool {
    !matches!(text, "0" | "f" | "F" | "false" | "FALSE" | "False")
}

/// Everything that a stage is told from outside.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the machine runs.
    pub platform: Platform,
    /// Which stage to run.
    pub stage: Stage,
    /// The new root; unused by the stages up to disks.
    pub root: PathBuf,
    /// The merged config, from the fetch stages to the later ones.
    pub config_cache: PathBuf,
    /// Made by fetch-offline when the network is needed.
    pub neednet: PathBuf,
    /// What the stages so far did.
    pub state_file: PathBuf,
    /// Longest time for the user config of the kernel command line.
    pub fetch_timeout: Duration,
    /// Log to standard output instead of the journal.
    pub log_to_stdout: bool,
    /// Directories of base and user configs: run, local, distribution.
    pub config_dirs: [PathBuf; 3],
    /// The kernel command line.
    pub cmdline: PathBuf,
    /// Write SSH keys to authorized_keys.d/ignition rather than to authorized_keys.
    pub ssh_key_fragment: bool,
    /// Refuse configs that only warnings were found in (`PILOTLIGHT_STRICT`).
    pub strict: bool,
}

impl Options {
    /// The standing places, as the environment changes them (names are Ignition's).
    pub fn new(
        platform: Platform,
        stage: Stage,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let path = |name: &str, default: &str| {
            PathBuf::from(variable(name).unwrap_or_else(|| default.into()))
        };
        Self {
            platform,
            stage,
            root: PathBuf::from("/"),
            config_cache: "/run/ignition.json".into(),
            neednet: "/run/ignition/neednet".into(),
            state_file: "/run/ignition/state".into(),
            fetch_timeout: Duration::from_secs(120),
            log_to_stdout: false,
            config_dirs: [
                path("IGNITION_SYSTEM_RUNTIME_CONFIG_DIR", "/run/ignition"),
                path("IGNITION_SYSTEM_LOCAL_CONFIG_DIR", "/etc/ignition"),
                path("IGNITION_SYSTEM_CONFIG_DIR", "/usr/lib/ignition"),
            ],
            cmdline: path("IGNITION_KERNEL_CMDLINE_PATH", "/proc/cmdline"),
            ssh_key_fragment: variable("IGNITION_WRITE_AUTHORIZED_KEYS_FRAGMENT")
                .is_none_or(|text| truth(&text)),
            strict: variable("PILOTLIGHT_STRICT").is_some_and(|text| truth(&text)),
        }
    }
}
