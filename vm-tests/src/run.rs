//! Runs scenarios and compares what came with what was expected.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::artefacts::{self, Artefacts, Needs};
use crate::command::{output, tail};
use crate::flatcar;
use crate::http;
use crate::progress::Steps;
use crate::qemu::{FIRMWARE_VARIABLES, Machine, Outcome, Start};
use crate::scenario::{Boot, End, Firmware, Image, Scenario};
use crate::table;
use crate::tang::Tang;

/// The same for every boot: few words, no time lost.
const COMMAND_LINE: &str =
    "quiet loglevel=4 systemd.show_status=0 systemd.gpt_auto=0 mitigations=off panic=-1";
const CONSOLE: &str = "console=ttyS0";
const PLAIN_ROOT_ARGUMENTS: &str = "root=LABEL=ROOT rw";
const IGNITION_FW_CFG: &str = "opt/com.coreos/config";

/// What the guest answered.
#[derive(Default)]
pub struct Answers {
    /// `ok …` lines.
    pub good: Vec<String>,
    /// `FAIL …` lines.
    pub bad: Vec<String>,
    /// Stage and its time.
    pub times: Vec<(String, Duration)>,
    /// Where the guest said that it ended.
    pub end: Option<String>,
    /// Everything, as it came.
    pub text: String,
}

impl Answers {
    fn parse(text: String) -> Self {
        let mut answers = Self::default();
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("ok", what)) => answers.good.push(what.to_owned()),
                Some(("FAIL", what)) => answers.bad.push(what.to_owned()),
                Some(("end", place)) => answers.end = Some(place.to_owned()),
                Some(("time", rest)) => {
                    if let Some((stage, micros)) = rest.split_once(' ')
                        && let Ok(micros) = micros.parse()
                    {
                        answers
                            .times
                            .push((stage.to_owned(), Duration::from_micros(micros)));
                    }
                }
                _ => {}
            }
        }
        answers.text = text;
        answers
    }

    /// `fetch-offline 0.21 s, disks 0.01 s`; empty when no stage ran.
    pub fn times(&self) -> String {
        self.times
            .iter()
            .map(|(stage, took)| format!("{stage} {:.2} s", took.as_secs_f32()))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// The disks of one scenario, which live through its boots, and its HTTP server.
pub struct Rig<'a> {
    artefacts: &'a Artefacts,
    scenario: &'a Scenario,
    work: TempDir,
    disks: Vec<(PathBuf, String)>,
    http: Option<u16>,
    tang: Option<Tang>,
}

impl<'a> Rig<'a> {
    /// Copies the boot disk and makes the others.
    pub fn new(artefacts: &'a Artefacts, scenario: &'a Scenario) -> Result<Self> {
        let work = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(&artefacts.scratch)?;
        let boot = work.path().join("boot.img");
        output(
            Command::new("cp")
                .args(["--sparse=always", "--reflink=auto"])
                .arg(artefacts.disk(scenario)?)
                .arg(&boot),
        )?;
        let tang = scenario
            .spec
            .tang
            .then(|| Tang::start(work.path()))
            .transpose()?;
        if scenario.spec.image == Image::Flatcar {
            oem(scenario, tang.as_ref(), &boot, work.path())?;
        }
        if scenario.spec.firmware == Firmware::Uefi {
            let initramfs = artefacts.initramfs(scenario)?;
            flatcar::install_kernel(&boot, &artefacts.kernel, initramfs)?;
            fs::copy(FIRMWARE_VARIABLES, work.path().join("variables"))
                .with_context(|| format!("while copying {FIRMWARE_VARIABLES}"))?;
        }
        let mut disks = vec![(boot, "boot".to_owned())];
        for disk in &scenario.spec.disks {
            let path = work.path().join(format!("{}.img", disk.serial));
            File::create(&path)?.set_len(disk.size_mib * 1024 * 1024)?;
            if let Some(label) = &disk.label {
                let mut mkfs = Command::new("mke2fs");
                mkfs.args(["-q", "-t", "ext4", "-L", label]);
                if let Some(files) = &disk.files {
                    mkfs.arg("-d").arg(scenario.directory.join(files));
                }
                output(mkfs.arg(&path))?;
            }
            disks.push((path, disk.serial.clone()));
        }
        let files = scenario.spec.http.iter();
        let files: std::collections::BTreeMap<_, _> = files
            .map(|(url, file)| (url.clone(), scenario.directory.join(file)))
            .collect();
        let http = if files.is_empty() {
            None
        } else {
            Some(http::serve(files)?)
        };
        Ok(Self {
            artefacts,
            scenario,
            work,
            disks,
            http,
            tang,
        })
    }

    /// The boot disk.
    pub fn boot_disk(&self) -> PathBuf {
        self.work.path().join("boot.img")
    }

    /// The machine of one boot; `extra` joins the kernel command line.
    pub fn machine(&self, boot: &Boot, config: Option<&Path>, extra: &str) -> Result<Machine<'_>> {
        let mut fw_cfg = Vec::new();
        if let Some(config) = config {
            let mut config = config.to_owned();
            if let Some(tang) = &self.tang {
                let signed = self.work.path().join("config");
                tang.sign(&config, &signed)?;
                config = signed;
            }
            let name = if self.artefacts.is_ignition {
                IGNITION_FW_CFG
            } else {
                &self.scenario.spec.fw_cfg
            };
            fw_cfg.push((name.to_owned(), config));
        }
        if !boot.check.is_empty() {
            let mut script = String::from(include_str!("../guest/check-lib.sh"));
            for check in &boot.check {
                let path = self.scenario.directory.join(check);
                let part = fs::read_to_string(&path)
                    .with_context(|| format!("while reading {}", path.display()))?;
                script.push('\n');
                script.push_str(&part);
            }
            if let Some(tang) = &self.tang {
                script = tang.sign_text(&script);
            }
            let whole = self.work.path().join("check.sh");
            fs::write(&whole, script)?;
            fw_cfg.push(("opt/vm-test/check".to_owned(), whole));
        }
        let mut command_line = format!("{COMMAND_LINE} {extra}");
        if boot.ends == End::Initramfs {
            command_line.push_str(" vm-test.end=initramfs");
        }
        for argument in &boot.kernel {
            command_line.push(' ');
            command_line.push_str(argument);
        }
        let spec = &self.scenario.spec;
        let start = match spec.firmware {
            Firmware::None => {
                let root = match spec.image {
                    Image::Plain => PLAIN_ROOT_ARGUMENTS,
                    Image::Flatcar => flatcar::ROOT_ARGUMENTS,
                };
                Start::Kernel {
                    kernel: &self.artefacts.kernel,
                    initramfs: self.artefacts.initramfs(self.scenario)?,
                    command_line: format!("{root} {CONSOLE} {command_line}"),
                }
            }
            // GRUB knows the root and the console by itself.
            Firmware::Uefi => {
                flatcar::set_arguments(&self.boot_disk(), &command_line, self.work.path())?;
                Start::Uefi {
                    variables: self.work.path().join("variables"),
                }
            }
        };
        File::create(self.answers_file())?;
        Ok(Machine {
            start,
            reboots: boot.reboots,
            tpm: spec.tpm.then(|| self.work.path().join("tpm")),
            tang: self.tang.as_ref().map(|tang| tang.port),
            disks: self.disks.clone(),
            fw_cfg,
            http: self.http,
            answers: self.answers_file(),
        })
    }

    fn answers_file(&self) -> PathBuf {
        self.work.path().join("answers")
    }

    /// What the guest answered in the last boot.
    pub fn answers(&self) -> Result<Answers> {
        let bytes = fs::read(self.answers_file()).context("while reading the guest's answers")?;
        Ok(Answers::parse(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// Fills the OEM partition with the scenario's files, or with none.
fn oem(scenario: &Scenario, tang: Option<&Tang>, disk: &Path, work: &Path) -> Result<()> {
    let files = work.join("oem");
    fs::create_dir(&files)?;
    if let Some(directory) = &scenario.spec.oem {
        output(
            Command::new("cp")
                .args(["-a", "--no-preserve=ownership"])
                .arg(scenario.directory.join(directory).join("."))
                .arg(&files),
        )?;
    }
    if let Some(tang) = tang {
        tang.sign_tree(&files)?;
    }
    flatcar::oem(disk, &files, work)
}

/// Finds or builds what the named scenarios boot from, or all of them.
pub fn prepare(
    repository: &Path,
    agent: &Path,
    names: &[String],
) -> Result<(Vec<Scenario>, Artefacts)> {
    let scenarios = Scenario::read_all(&repository.join("vm-tests/scenarios"), names)?;
    let needs = Needs::of(&scenarios);
    let mut steps = Steps::new(needs.steps());
    let artefacts = artefacts::prepare(repository, agent, &needs, &mut steps)?;
    Ok((scenarios, artefacts))
}

/// Runs scenarios and reports on each; true when all passed.
pub fn test(repository: &Path, agent: &Path, names: &[String]) -> Result<bool> {
    let (scenarios, artefacts) = prepare(repository, agent, names)?;
    let begun = Instant::now();
    let mut passed = 0;
    let mut failed = 0;
    for scenario in &scenarios {
        println!("{}: {}", scenario.name, scenario.spec.about);
        let problems = run(&artefacts, scenario).unwrap_or_else(|error| vec![format!("{error:#}")]);
        if problems.is_empty() {
            passed += 1;
        } else {
            failed += 1;
            for problem in problems {
                println!("  FAIL {}", problem.replace('\n', "\n       "));
            }
        }
    }
    println!("{:.0} s in QEMU", begun.elapsed().as_secs_f32());
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

fn run(artefacts: &Artefacts, scenario: &Scenario) -> Result<Vec<String>> {
    let rig = Rig::new(artefacts, scenario)?;
    let mut problems = Vec::new();
    for (index, boot) in scenario.spec.boot.iter().enumerate() {
        let config = boot
            .config
            .as_ref()
            .map(|path| scenario.directory.join(path));
        let machine = rig.machine(boot, config.as_deref(), "systemd.getty_auto=0")?;
        let table = table::read(&rig.boot_disk())?;
        let outcome = machine.run(|_| {})?;
        let answers = rig.answers()?;
        let mut found = compare(boot, &outcome, &answers);
        found.extend(flatcar::compare_table(boot, &rig.boot_disk(), &table)?);
        println!(
            "  boot {} {} in {:.1} s, {} checks; {}",
            index + 1,
            if found.is_empty() { "passed" } else { "failed" },
            outcome.took.as_secs_f32(),
            answers.good.len() + answers.bad.len(),
            answers.times()
        );
        if !found.is_empty() {
            problems.extend(found);
            problems.push(format!(
                "the end of the console:\n{}",
                tail(&outcome.console.join("\n"), 40)
            ));
            problems.push(format!(
                "the end of the answers:\n{}",
                tail(&answers.text, 40)
            ));
            // The next boot expects what this one should have left.
            break;
        }
    }
    Ok(problems)
}

/// Everything in which a boot differs from its expectations.
pub fn compare(boot: &Boot, outcome: &Outcome, answers: &Answers) -> Vec<String> {
    let mut problems = Vec::new();
    if outcome.timed_out {
        problems.push(format!("no end after {:.0} s", outcome.took.as_secs_f32()));
    }
    if outcome.resets != boot.reboots {
        problems.push(format!(
            "the machine was reset {} times, not {}",
            outcome.resets, boot.reboots
        ));
    }
    let end = answers.end.as_deref().unwrap_or("nowhere");
    if end != boot.ends.word() {
        problems.push(format!("ended in {end}, not in {}", boot.ends.word()));
    }
    problems.extend(answers.bad.iter().cloned());
    if !boot.check.is_empty() && answers.good.is_empty() {
        problems.push("no check came out well".to_owned());
    }
    let console = outcome.console.join("\n");
    for text in &boot.console {
        if !console.contains(text) {
            problems.push(format!("the console does not show “{text}”"));
        }
    }
    for text in &boot.not_console {
        if console.contains(text) {
            problems.push(format!("the console shows “{text}”"));
        }
    }
    problems
}
