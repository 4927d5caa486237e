//! The two agents, and one boot of one of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bus::Bus;
use crate::case::Case;
use crate::disk::{self, LoopDisk};
use crate::tree::{self, Snapshot};

/// A program that takes Ignition's command line.
pub struct Agent {
    /// Name in the report.
    pub name: &'static str,
    program: PathBuf,
    /// The oracle's crutches: stand-ins for systemd, udev and setfiles. pilotlight gets none of them.
    crutches: Option<(PathBuf, Bus)>,
}

/// How a boot ended.
pub struct Outcome {
    /// The stage that failed and its exit code.
    pub failed: Option<(String, i32)>,
    /// Everything the agent printed.
    pub log: String,
    /// What is there afterwards.
    pub result: Snapshot,
    /// What `NN-name.check.sh` said, if it was not content.
    pub complaint: Option<String>,
}

impl Agent {
    /// Ignition 2.14 out of Debian's package `ignition`, wherever its dracut module is; `scratch` outlives it.
    pub fn oracle(differential: &Path, scratch: &Path) -> Result<Agent, String> {
        let modules = Path::new("/usr/lib/dracut/modules.d");
        let program = fs::read_dir(modules)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().ends_with("ignition"))
            .map(|entry| entry.path().join("ignition"))
            .find(|path| path.is_file())
            .ok_or("the oracle is missing: install Debian's package `ignition` (`make deps`)")?;
        let bus = Bus::start(scratch).map_err(|e| format!("the oracle's bus: {e}"))?;
        Ok(Agent {
            name: "oracle",
            program,
            crutches: Some((differential.join("stubs/oracle"), bus)),
        })
    }

    /// `$PILOTLIGHT_BIN`, else the binary that Cargo builds beside this test, by its drop-in name.
    pub fn pilotlight(scratch: &Path) -> Result<Agent, String> {
        let built = || {
            Some(
                std::env::current_exe()
                    .ok()?
                    .parent()?
                    .parent()?
                    .join("pilotlight"),
            )
        };
        let binary = std::env::var_os("PILOTLIGHT_BIN")
            .map(PathBuf::from)
            .or_else(built);
        let binary = binary.filter(|path| path.is_file()).ok_or(
            "no pilotlight binary: build the whole workspace first (`cargo build --workspace`) or set PILOTLIGHT_BIN",
        )?;
        let program = scratch.join("ignition");
        symlink(binary, &program).map_err(|e| format!("linking {}: {e}", program.display()))?;
        Ok(Agent {
            name: "ours",
            program,
            crutches: None,
        })
    }

    /// Boots a fresh machine with the case's config inside the empty directory `work`.
    pub fn boot(&self, case: &Case, differential: &Path, work: &Path) -> Outcome {
        let (root, system) = (work.join("root"), work.join("system"));
        for dir in [&root, &system] {
            fs::create_dir(dir).unwrap();
        }
        let disk = case.has_disk().then(|| LoopDisk::attach(work));
        let disk_path = disk.as_ref().map_or("", |disk| &disk.path);
        let targets = [root.to_string_lossy().into_owned(), disk_path.to_string()];
        let system_dirs = ["RUNTIME_CONFIG", "LOCAL_CONFIG", "CONFIG"].map(|which| {
            (
                format!("IGNITION_SYSTEM_{which}_DIR"),
                system.join(which.to_lowercase()),
            )
        });

        disk::run(
            &differential.join("base-root.sh").to_string_lossy(),
            &[&targets[0]],
        );
        if let Some(seed) = &case.seed {
            let mut command = Command::new("sh");
            command
                .arg("-eu")
                .arg(seed)
                .args(&targets)
                .envs(system_dirs.clone());
            let output = command.output().unwrap();
            assert!(
                output.status.success(),
                "{}: {}",
                seed.display(),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let config = work.join("config.ign");
        fs::write(&config, case.config.replace("@DISK@", disk_path)).unwrap();

        let mut boot = Command::new("unshare");
        boot.args(["--mount", "--propagation", "private", "sh"])
            .arg(differential.join("runner/boot.sh"));
        boot.arg(&self.program).arg(work).arg(&root);
        boot.args(match disk {
            Some(_) => &[
                "fetch-offline",
                "fetch",
                "disks",
                "mount",
                "files",
                "umount",
            ][..],
            None => &["fetch-offline", "fetch", "files"][..],
        });
        boot.env("IGNITION_CONFIG_FILE", &config)
            .envs(system_dirs)
            .envs(case.env.iter().cloned());
        if let Some((stubs, bus)) = &self.crutches {
            boot.env("BUS", &bus.socket);
            boot.env(
                "PATH",
                format!(
                    "{}:{}",
                    stubs.display(),
                    std::env::var("PATH").unwrap_or_default()
                ),
            );
        }
        let output = boot.output().unwrap();
        let read = |name: &str| {
            String::from_utf8_lossy(&fs::read(work.join(name)).unwrap_or_default()).into_owned()
        };
        let log = format!("{}{}", read("log"), String::from_utf8_lossy(&output.stderr));

        let failed = read("stages").lines().find_map(|line| {
            let (stage, code) = line.split_once(' ')?;
            (code != "0").then(|| (stage.to_string(), code.parse().unwrap_or(-1)))
        });
        let failed = failed.or((!output.status.success()).then(|| ("the sandbox".into(), -1)));
        let complaint = case
            .check
            .as_ref()
            .filter(|_| failed.is_none())
            .and_then(|check| {
                let output = Command::new("sh")
                    .arg("-eux")
                    .arg(check)
                    .args(&targets)
                    .output()
                    .unwrap();
                (!output.status.success())
                    .then(|| String::from_utf8_lossy(&output.stderr).into_owned())
            });
        let mut result = tree::snapshot(&root, "");
        if let Some(disk) = disk {
            // Identifiers that nobody chose are random; all others are named in the config or its seed.
            let seed = case
                .seed
                .as_ref()
                .map_or_else(String::new, |seed| fs::read_to_string(seed).unwrap());
            result.extend(disk.snapshot(work, &(case.config.clone() + &seed).to_lowercase()));
        }
        Outcome {
            failed,
            log,
            result,
            complaint,
        }
    }
}
