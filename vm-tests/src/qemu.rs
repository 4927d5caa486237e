//! One run of QEMU, from power-on to power-off.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The upper limit of one boot; a good one takes a tenth of it, even without KVM.
const LIMIT: Duration = Duration::from_secs(240);

/// Everything that one boot needs.
pub struct Machine<'a> {
    /// Kernel image.
    pub kernel: &'a Path,
    /// Initramfs.
    pub initramfs: &'a Path,
    /// Kernel command line.
    pub command_line: String,
    /// Raw disks in their order, each with a serial.
    pub disks: Vec<(PathBuf, String)>,
    /// fw_cfg items: name and file.
    pub fw_cfg: Vec<(String, PathBuf)>,
    /// Port of the local HTTP server, when the machine has a network card.
    pub http: Option<u16>,
    /// The file that receives what the guest answers.
    pub answers: PathBuf,
}

/// How a run ended.
pub struct Outcome {
    /// All lines of the serial console, without terminal control sequences.
    pub console: Vec<String>,
    /// Seconds from start to end.
    pub took: Duration,
    /// The limit was reached and the machine was stopped.
    pub timed_out: bool,
}

impl Machine<'_> {
    fn command(&self) -> Result<Command> {
        let mut qemu = Command::new("qemu-system-x86_64");
        // Nehalem boots a quarter faster than the newest model when there is no KVM; without rdrand
        // everything that wants a UUID would wait for entropy.
        qemu.args(["-accel", "tcg,thread=multi", "-machine", "q35"])
            .args([
                "-cpu",
                "Nehalem,+rdrand,+aes,+pclmulqdq",
                "-smp",
                "2",
                "-m",
                "1024",
            ])
            .args(["-nodefaults", "-display", "none", "-no-reboot"])
            .args(["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"])
            .arg("-kernel")
            .arg(self.kernel)
            .arg("-initrd")
            .arg(self.initramfs)
            .args(["-append", &self.command_line])
            .arg("-chardev")
            .arg(format!("file,id=answers,path={}", self.answers.display()))
            .args(["-device", "virtserialport,chardev=answers,name=vm-test"]);
        for (index, (path, serial)) in self.disks.iter().enumerate() {
            qemu.arg("-drive")
                .arg(format!(
                    "if=none,id=disk{index},format=raw,cache=unsafe,discard=unmap,file={}",
                    path.display()
                ))
                .arg("-device")
                .arg(format!("virtio-blk-pci,drive=disk{index},serial={serial}"));
        }
        for (name, path) in &self.fw_cfg {
            qemu.arg("-fw_cfg")
                .arg(format!("name={name},file={}", path.display()));
        }
        if let Some(port) = self.http {
            let relay = std::env::current_exe().context("while looking for this program")?;
            qemu.args(["-device", "virtio-net-pci,netdev=net"])
                .arg("-netdev")
                .arg(format!(
                    "user,id=net,restrict=on,guestfwd=tcp:10.0.2.100:80-cmd:{} relay {port}",
                    relay.display()
                ));
        }
        Ok(qemu)
    }

    /// Boots without a person; `line` sees every line of the console as it comes.
    pub fn run(&self, mut line: impl FnMut(&str)) -> Result<Outcome> {
        let begun = Instant::now();
        let mut child = self
            .command()?
            .args(["-serial", "stdio"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("while starting qemu-system-x86_64")?;
        let output = child.stdout.take().context("QEMU has no output")?;
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for bytes in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                if sender
                    .send(plain(&String::from_utf8_lossy(&bytes)))
                    .is_err()
                {
                    break;
                }
            }
        });
        let mut console = Vec::new();
        let timed_out = loop {
            match receiver.recv_timeout(LIMIT.saturating_sub(begun.elapsed())) {
                Ok(text) => {
                    line(&text);
                    console.push(text);
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break false,
                Err(mpsc::RecvTimeoutError::Timeout) => break true,
            }
        };
        if timed_out {
            child.kill()?;
        }
        child.wait()?;
        Ok(Outcome {
            console,
            took: begun.elapsed(),
            timed_out,
        })
    }

    /// Boots with this process's terminal as the serial console.
    pub fn interactive(&self) -> Result<Child> {
        self.command()?
            .args(["-chardev", "stdio,id=console,mux=on,signal=off"])
            .args(["-serial", "chardev:console", "-mon", "chardev=console"])
            .spawn()
            .context("while starting qemu-system-x86_64")
    }
}

/// Drops carriage returns and escape sequences.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => {
                // A control sequence (CSI) ends with a letter; others are two characters long.
                if characters.next() == Some('[') {
                    characters.by_ref().find(|end| ('@'..='~').contains(end));
                }
            }
            '\r' => {}
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn escape_sequences_are_dropped() {
        assert_eq!(
            plain("\u{1b}[0;1;31mred\u{1b}[0m [x] \u{1b}7end\r"),
            "red [x] end"
        );
    }
}
