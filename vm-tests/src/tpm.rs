//! A TPM 2.0 in software: swtpm, whose state outlives the boots of a scenario.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long swtpm has to open its socket, and to end after its machine.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(10);

/// A running swtpm, for one run of QEMU.
pub struct Tpm {
    child: Child,
    /// What QEMU connects to.
    pub socket: PathBuf,
}

impl Tpm {
    /// Starts swtpm with its state in one directory and its socket in another, whose path has to be short.
    pub fn start(state: &Path, sockets: &Path) -> Result<Self> {
        fs::create_dir_all(state)?;
        let socket = sockets.join("tpm");
        let child = Command::new("swtpm")
            .args(["socket", "--tpm2", "--terminate", "--tpmstate"])
            .arg(format!("dir={}", state.display()))
            .arg("--ctrl")
            .arg(format!("type=unixio,path={}", socket.display()))
            .stdin(Stdio::null())
            .spawn()
            .context("while starting swtpm")?;
        let mut tpm = Self { child, socket };
        let begun = Instant::now();
        while !tpm.socket.exists() {
            if let Some(status) = tpm.child.try_wait()? {
                bail!("swtpm ended at once: {status}");
            }
            if begun.elapsed() > PATIENCE {
                tpm.child.kill()?;
                tpm.child.wait()?;
                bail!("swtpm opened no socket in {} s", PATIENCE.as_secs());
            }
            thread::sleep(PAUSE);
        }
        Ok(tpm)
    }

    /// Waits until swtpm has seen that the machine is gone; one that never had a machine is stopped.
    pub fn end(mut self) -> Result<()> {
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > PATIENCE {
                self.child.kill()?;
                self.child.wait()?;
                break;
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }
}
