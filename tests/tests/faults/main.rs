//! The program against networks and servers that fail, each with what an operator reads about it.
//!
//! Every test has namespaces of its own, in which the real addresses are its servers'.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod http;
mod names;
mod platforms;
mod prefetch;
mod redirects;
mod secrets;
mod stores;
mod tls;

use std::path::PathBuf;

use pilotlight_tests::FirstBoot;
use pilotlight_tests::faults::Running;
use tempfile::TempDir;

/// Where most servers are.
pub const SERVER: &str = "192.0.2.1/32";

/// A machine that boots with a config, in a directory that is gone afterwards.
pub struct Node {
    pub directory: TempDir,
    pub boot: FirstBoot,
}

impl Node {
    pub fn new(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        let boot = FirstBoot::new(directory.path(), &root, config.as_bytes());
        Self { directory, boot }
    }

    /// A machine whose kernel line is all that it has.
    pub fn started_with(line: &str) -> Self {
        let Self { directory, boot } = Self::new("");
        let boot = boot.started_with(line);
        Self { directory, boot }
    }

    /// A machine on a platform, with a kernel line.
    pub fn on(platform: &str, line: &str) -> Self {
        let Self { directory, boot } = Self::started_with(line);
        let boot = boot.on(platform);
        Self { directory, boot }
    }

    /// Starts the fetch stage.
    pub fn fetch(&self) -> Running {
        Running::start(&mut self.boot.command("fetch"))
    }

    /// The config that the later stages get.
    pub fn cached(&self) -> String {
        std::fs::read_to_string(self.path("run/ignition.json")).unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Whether the fetch stage left a config for the later stages, which are what changes disks.
    pub fn has_config(&self) -> bool {
        self.path("run/ignition.json").exists()
    }
}

/// A config with a file that says where it comes from.
pub fn config(word: &str) -> String {
    format!(
        r#"{{"ignition":{{"version":"3.4.0"}},"storage":{{"files":[{{"path":"/etc/{word}","contents":{{"source":"data:,x"}}}}]}}}}"#
    )
}

/// A config with one file from elsewhere; `ignition` is put into that section, with a comma in front.
pub fn remote(url: &str, ignition: &str) -> String {
    format!(
        "{{\"ignition\":{{\"version\":\"3.4.0\"{ignition}}},\n\"storage\":{{\"files\":[\n\
         {{\"path\":\"/etc/f\",\"contents\":{{\"source\":\"{url}\"}}}}]}}}}"
    )
}

/// Seconds for headers and for all of a fetch, where tests should not wait for the defaults.
pub fn timeouts(headers: u32, total: u32) -> String {
    format!(r#","timeouts":{{"httpResponseHeaders":{headers},"httpTotal":{total}}}"#)
}
