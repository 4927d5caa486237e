//! One boot in QEMU, from power-on to power-off.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::monitor;
use crate::resets::Ending;
use crate::tpm::Tpm;

/// The upper limit from power-on or reset to the end. Even without KVM a boot by UEFI takes a twentieth of
/// it; beside the guests of others it takes a third.
const LIMIT: Duration = Duration::from_secs(600);
/// The upper limit from power-on or reset to the guest's init. Without KVM, one boot in some hundred stays
/// silent for good between boot loader and init.
const INIT_LIMIT: Duration = Duration::from_secs(200);
/// What the guest says as soon as its init runs (guest/initramfs). Nothing under test has run before.
pub const INIT_RUNS: &str = "vm-test: init runs";
/// What systemd says as early, where nothing of the tests is in the initramfs.
pub const EXAMPLES_INIT_RUNS: &str = "running in system mode";
/// What the guest says where power is to fail; it goes no further by itself.
const CUT_HERE: &str = "vm-test: cut here";
/// How often a machine is started again that never came to its init.
const FRESH_STARTS: u32 = 2;
/// Debian's UEFI firmware, and its variables as they are before the first start.
const FIRMWARE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
pub const FIRMWARE_VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// What is started.
pub enum Start<'a> {
    /// A Linux kernel, loaded by QEMU.
    Kernel {
        /// Kernel image.
        kernel: &'a Path,
        /// Initramfs.
        initramfs: &'a Path,
        /// Kernel command line.
        command_line: String,
    },
    /// UEFI or BIOS, which looks for a boot loader on the first disk, or as its own boot menu has it.
    Disk {
        /// Whether it is found by its place, and not by what the firmware remembers.
        by_place: bool,
    },
}

/// Everything that one boot needs.
pub struct Machine<'a> {
    /// What is started.
    pub start: Start<'a>,
    /// The machine's own copy of the variables of UEFI, where that is its firmware.
    pub variables: Option<PathBuf>,
    /// How many resets are expected; one more ends the run.
    pub reboots: u32,
    /// Power fails when the console shows [`CUT_HERE`].
    pub may_be_cut: bool,
    /// The directory of the TPM's state, when the machine has a TPM.
    pub tpm: Option<PathBuf>,
    /// Raw disks in their order, each with a serial.
    pub disks: Vec<(PathBuf, String)>,
    /// fw_cfg items: name and file.
    pub fw_cfg: Vec<(String, PathBuf)>,
    /// The image in the CD-ROM drive, when there is one.
    pub cdrom: Option<PathBuf>,
    /// Arguments for the firmware's strings.
    pub smbios: Vec<String>,
    /// The processor tells that it is a virtual one.
    pub hypervisor: bool,
    /// How many processors the machine has.
    pub processors: u32,
    /// Arguments for its network card.
    pub network: Vec<String>,
    /// What its console shows as soon as its init runs.
    pub says_init: &'static str,
    /// The file that receives what the guest answers, in addition to what it holds.
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
    /// How often the machine was reset.
    pub resets: u32,
    /// Power was cut.
    pub was_cut: bool,
    /// How often it was started again because it never came to its init.
    pub fresh_starts: u32,
}

/// How one run of QEMU ended.
enum End {
    /// The guest asked for a reset.
    Reset,
    /// The guest switched the machine off, or QEMU failed.
    Off,
    /// The limit was reached.
    TimedOut,
    /// The guest's init did not run within its limit.
    NoInit,
    /// Power was cut.
    Cut,
}

/// What runs beside QEMU; sockets have short paths, as the kernel demands.
struct Beside {
    sockets: TempDir,
    tpm: Option<Tpm>,
    ending: Ending,
}

impl Beside {
    /// Where QEMU takes questions.
    fn monitor(&self) -> PathBuf {
        self.sockets.path().join("monitor")
    }

    /// After QEMU's end: true when it was a reset.
    fn end(self) -> Result<bool> {
        let was_reset = self.ending.was_reset();
        self.tpm.map_or(Ok(()), Tpm::end)?;
        Ok(was_reset)
    }
}

impl Machine<'_> {
    fn beside(&self) -> Result<Beside> {
        let sockets = tempfile::tempdir()?;
        let state = self.tpm.as_ref();
        let tpm = state
            .map(|state| Tpm::start(state, sockets.path()))
            .transpose()?;
        let ending = Ending::listen(&sockets.path().join("qmp"))?;
        Ok(Beside {
            sockets,
            tpm,
            ending,
        })
    }

    fn command(&self, beside: &Beside) -> Result<Command> {
        // Ends with its thread, whatever ends that.
        let mut qemu = Command::new("setpriv");
        qemu.args(["--pdeathsig", "KILL", "qemu-system-x86_64"]);
        // Nehalem boots a quarter faster than the newest model when there is no KVM; without rdrand
        // everything that wants a UUID would wait for entropy.
        let mut processor = "Nehalem,+rdrand,+aes,+pclmulqdq".to_owned();
        if !self.hypervisor {
            processor.push_str(",-hypervisor,tcg-cpuid=off");
        }
        let (accelerator, processors) = match self.processors {
            1 => ("tcg,thread=single", "1".to_owned()),
            more => ("tcg,thread=multi", more.to_string()),
        };
        qemu.args(["-accel", accelerator, "-machine", "q35"])
            .args(["-cpu", &processor, "-smp", &processors, "-m", "1024"])
            .args(["-nodefaults", "-display", "none", "-no-reboot"])
            .args(["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"])
            .arg("-chardev")
            .arg(format!(
                "file,id=answers,append=on,path={}",
                self.answers.display()
            ))
            .args(["-device", "virtserialport,chardev=answers,name=vm-test"]);
        match &self.start {
            Start::Kernel {
                kernel,
                initramfs,
                command_line,
            } => {
                qemu.arg("-kernel").arg(kernel);
                qemu.arg("-initrd").arg(initramfs);
                qemu.args(["-append", command_line]);
            }
            Start::Disk { .. } => {}
        }
        if let Some(variables) = &self.variables {
            qemu.arg("-drive").arg(format!(
                "if=pflash,unit=0,format=raw,readonly=on,file={FIRMWARE}"
            ));
            qemu.arg("-drive").arg(format!(
                "if=pflash,unit=1,format=raw,file={}",
                variables.display()
            ));
            // Else the firmware asks every network card for a system first, for a minute.
            for version in ["4", "6"] {
                qemu.arg("-fw_cfg").arg(format!(
                    "name=opt/org.tianocore/IPv{version}PXESupport,string=n"
                ));
            }
        }
        let socket = beside.sockets.path().join("qmp");
        qemu.arg("-chardev")
            .arg(format!("socket,id=qmp,path={}", socket.display()))
            .args(["-mon", "chardev=qmp,mode=control"])
            .arg("-chardev")
            .arg(format!(
                "socket,id=monitor,server=on,wait=off,path={}",
                beside.monitor().display()
            ))
            .args(["-mon", "chardev=monitor,mode=readline"]);
        if let Some(tpm) = &beside.tpm {
            qemu.arg("-chardev")
                .arg(format!("socket,id=tpm,path={}", tpm.socket.display()))
                .args(["-tpmdev", "emulator,id=tpm,chardev=tpm"])
                .args(["-device", "tpm-tis,tpmdev=tpm"]);
        }
        for (index, (path, serial)) in self.disks.iter().enumerate() {
            let mut device = format!("virtio-blk-pci,drive=disk{index},serial={serial}");
            // A kernel that QEMU loads is a boot device of its own.
            if matches!(self.start, Start::Disk { by_place: true }) {
                device.push_str(&format!(",bootindex={index}"));
            }
            qemu.arg("-drive")
                .arg(format!(
                    "if=none,id=disk{index},format=raw,cache=unsafe,discard=unmap,file={}",
                    path.display()
                ))
                .args(["-device", &device]);
        }
        for (name, path) in &self.fw_cfg {
            qemu.arg("-fw_cfg")
                .arg(format!("name={name},file={}", path.display()));
        }
        if let Some(image) = &self.cdrom {
            qemu.args([
                "-device",
                "virtio-scsi-pci",
                "-device",
                "scsi-cd,drive=disc",
            ])
            .arg("-drive")
            .arg(format!(
                "if=none,id=disc,format=raw,media=cdrom,readonly=on,file={}",
                image.display()
            ));
        }
        qemu.args(&self.smbios);
        qemu.args(&self.network);
        Ok(qemu)
    }

    /// Boots without a person, and again after each expected reset, until the machine switches itself off;
    /// `line` sees every line of the console as it comes.
    pub fn run(&self, mut line: impl FnMut(&str)) -> Result<Outcome> {
        let begun = Instant::now();
        let mut outcome = Outcome {
            console: Vec::new(),
            took: Duration::ZERO,
            timed_out: false,
            resets: 0,
            was_cut: false,
            fresh_starts: 0,
        };
        // QEMU ends at each reset and is started again: so resets are counted for certain.
        while outcome.resets <= self.reboots {
            match self.run_to_reset(&mut outcome, &mut line)? {
                End::Reset => outcome.resets += 1,
                End::NoInit if outcome.fresh_starts < FRESH_STARTS => outcome.fresh_starts += 1,
                End::NoInit | End::TimedOut => {
                    outcome.timed_out = true;
                    break;
                }
                End::Off => break,
                End::Cut => {
                    outcome.was_cut = true;
                    break;
                }
            }
        }
        outcome.took = begun.elapsed();
        Ok(outcome)
    }

    /// One run of QEMU.
    fn run_to_reset(&self, outcome: &mut Outcome, line: &mut impl FnMut(&str)) -> Result<End> {
        let begun = Instant::now();
        let beside = self.beside()?;
        let mut child = self
            .command(&beside)?
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
        let mut init_runs = false;
        let mut stopped = None;
        loop {
            let (limit, end) = match init_runs {
                true => (LIMIT, End::TimedOut),
                false => (INIT_LIMIT, End::NoInit),
            };
            match receiver.recv_timeout(limit.saturating_sub(begun.elapsed())) {
                Ok(text) => {
                    if text.contains(self.says_init) {
                        init_runs = true;
                    } else {
                        line(&text);
                        let is_here = self.may_be_cut && text.contains(CUT_HERE);
                        outcome.console.push(text);
                        if is_here {
                            stopped = Some(End::Cut);
                            child.kill()?;
                            break;
                        }
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    stopped = Some(end);
                    outcome
                        .console
                        .extend(monitor::where_it_is(&beside.monitor()));
                    child.kill()?;
                    break;
                }
            }
        }
        child.wait()?;
        let was_reset = beside.end()?;
        Ok(stopped.unwrap_or(if was_reset { End::Reset } else { End::Off }))
    }

    /// Boots with this process's terminal as the serial console; true when QEMU ended well.
    pub fn interactive(&self) -> Result<bool> {
        let beside = self.beside()?;
        let status = self
            .command(&beside)?
            .args(["-chardev", "stdio,id=console,mux=on,signal=off"])
            .args(["-serial", "chardev:console", "-mon", "chardev=console"])
            .status()
            .context("while starting qemu-system-x86_64")?;
        beside.end()?;
        Ok(status.success())
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
