//! The machine of one scenario: disks, servers and network, which live through its boots.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::answers::Answers;
use crate::artefacts::Artefacts;
use crate::cdrom;
use crate::command::output;
use crate::flatcar::{self, Sizes};
use crate::initramfs;
use crate::network::{Family, Network};
use crate::qemu::{EXAMPLES_INIT_RUNS, FIRMWARE_VARIABLES, INIT_RUNS, Machine, Start};
use crate::release::Release;
use crate::scenario::{Boot, End, Firmware, Image, Scenario};
use crate::servers::{self, Record, Servers};
use crate::tang::Tang;

/// The same for every boot: few words, no time lost.
const COMMAND_LINE: &str =
    "quiet loglevel=4 systemd.show_status=0 systemd.gpt_auto=0 mitigations=off panic=-1";
const CONSOLE: &str = "console=ttyS0";
const PLAIN_ROOT_ARGUMENTS: &str = "root=LABEL=ROOT rw";
/// Size of a disk that an image is installed to, larger than the image.
const BLANK_MIB: u64 = 1536;
const IGNITION_FW_CFG: &str = "opt/com.coreos/config";

/// The disks of one scenario, its network and servers, which live through its boots.
pub struct Rig<'a> {
    artefacts: &'a Artefacts,
    scenario: &'a Scenario,
    work: TempDir,
    disks: Vec<(PathBuf, String)>,
    /// None where the image has its own.
    initramfs: Option<PathBuf>,
    network: Option<Network>,
    record: Record,
    tang: Option<Tang>,
}

impl<'a> Rig<'a> {
    /// Copies the boot disk and makes the others. A scenario with a network moves the calling thread to a
    /// namespace of its own.
    pub fn new(artefacts: &'a Artefacts, scenario: &'a Scenario) -> Result<Self> {
        let work = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(&artefacts.scratch)?;
        let boot = work.path().join("boot.img");
        let release = match scenario.spec.image {
            Image::Installed => {
                File::create(&boot)?.set_len(BLANK_MIB * 1024 * 1024)?;
                Some(release(artefacts, scenario, work.path())?)
            }
            Image::Plain | Image::Flatcar | Image::AbUsr => {
                copy(artefacts.disk(scenario)?, &boot)?;
                None
            }
        };
        let files = release.as_ref().map(|release| release.files.clone());
        let (network, record, authority) =
            connect(scenario, files.unwrap_or_default(), work.path())?;
        let tang = scenario
            .spec
            .tang
            .then(|| Tang::start(work.path()))
            .transpose()?;
        if scenario.spec.image == Image::Flatcar {
            oem(
                scenario,
                tang.as_ref(),
                Sizes::Published,
                &boot,
                work.path(),
            )?;
        }
        let mut initramfs = match scenario.spec.image {
            Image::AbUsr => None,
            _ => Some(artefacts.initramfs(scenario)?.to_owned()),
        };
        let mut overlays = Vec::new();
        if let Some(directory) = &scenario.spec.initramfs {
            overlays.push(scenario.directory.join(directory));
        }
        if let Some(pem) = authority {
            overlays.push(trusting(&pem, work.path())?);
        }
        overlays.extend(release.map(|release| release.overlay));
        if let Some(built) = initramfs.as_ref().filter(|_| !overlays.is_empty()) {
            let own = work.path().join("initramfs");
            fs::copy(built, &own)?;
            for overlay in &overlays {
                initramfs::append(&own, overlay)?;
            }
            initramfs = Some(own);
        }
        if scenario.spec.firmware == Firmware::Uefi
            && scenario.spec.image == Image::Flatcar
            && let Some(initramfs) = &initramfs
        {
            flatcar::install_kernel(&boot, &artefacts.kernel, initramfs)?;
        }
        if scenario.spec.firmware == Firmware::Uefi {
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
        Ok(Self {
            artefacts,
            scenario,
            work,
            disks,
            initramfs,
            network,
            record,
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
        if !spec.hypervisor {
            command_line.push_str(" modprobe.blacklist=qemu_fw_cfg");
        }
        let by_place = spec.image != Image::Installed;
        let start = match spec.firmware {
            // GRUB knows the root and the console by itself.
            Firmware::Uefi | Firmware::Bios if !boot.live => {
                if spec.image != Image::AbUsr {
                    flatcar::set_arguments(&self.boot_disk(), &command_line, self.work.path())?;
                }
                Start::Disk { by_place }
            }
            _ => {
                let root = match spec.image {
                    Image::Plain => PLAIN_ROOT_ARGUMENTS,
                    Image::Flatcar => flatcar::ROOT_ARGUMENTS,
                    Image::AbUsr => bail!("the example starts by its boot loader alone"),
                    // A live system has no root on a disk.
                    Image::Installed => "",
                };
                Start::Kernel {
                    kernel: &self.artefacts.kernel,
                    initramfs: self.initramfs.as_deref().context("there is no initramfs")?,
                    command_line: format!("{root} {CONSOLE} {command_line}"),
                }
            }
        };
        let cdrom = boot.cd_rom.as_ref().map(|disc| {
            let image = self.work.path().join("disc");
            let files = self.scenario.directory.join(&disc.files);
            cdrom::make(&files, disc.format, &disc.label, &image).map(|()| image)
        });
        let cdrom = cdrom.transpose()?;
        File::create(self.answers_file())?;
        Ok(Machine {
            start,
            variables: (spec.firmware == Firmware::Uefi)
                .then(|| self.work.path().join("variables")),
            reboots: boot.reboots,
            says_init: match spec.image {
                Image::AbUsr => EXAMPLES_INIT_RUNS,
                _ => INIT_RUNS,
            },
            may_be_cut: boot.ends == End::Cut,
            tpm: spec.tpm.then(|| self.work.path().join("tpm")),
            disks: self.disks.clone(),
            cdrom,
            fw_cfg,
            smbios: spec.smbios.arguments(),
            hypervisor: spec.hypervisor,
            processors: spec.processors,
            network: self
                .network
                .as_ref()
                .map_or_else(Vec::new, Network::arguments),
            answers: self.answers_file(),
        })
    }

    /// What the guest asked of servers since the last call.
    pub fn asked(&self) -> Vec<String> {
        self.record.take()
    }

    /// The leases that it got so far, one line each; none without a network.
    pub fn leases(&self) -> Result<Vec<String>> {
        self.network
            .as_ref()
            .map_or(Ok(Vec::new()), Network::leases)
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

/// Starts network and servers of a scenario that has any; the third is the authority that the servers'
/// certificates are signed by, as PEM.
fn connect(
    scenario: &Scenario,
    files: BTreeMap<String, PathBuf>,
    work: &Path,
) -> Result<(Option<Network>, Record, Option<String>)> {
    let Some(spec) = scenario.spec.network() else {
        return Ok((None, Record::default(), None));
    };
    let servers = Servers::new(scenario, files)?;
    let v6 = spec.family == Family::Ipv6;
    let network = Network::start(&spec, &servers.addresses(v6), &servers.names, work)?;
    let authority = servers.authority().map(str::to_owned);
    let record = servers.serve(v6, network.leases_file())?;
    Ok((Some(network), record, authority))
}

/// Copies a disk; holes stay holes.
fn copy(from: &Path, to: &Path) -> Result<()> {
    output(
        Command::new("cp")
            .args(["--sparse=always", "--reflink=auto"])
            .args([from, to]),
    )
    .map(|_| ())
}

/// The image of a scenario that installs one, with kernel, initramfs and OEM partition as its maker puts them there.
fn release(artefacts: &Artefacts, scenario: &Scenario, work: &Path) -> Result<Release> {
    let image = work.join("image.bin");
    copy(artefacts.disk(scenario)?, &image)?;
    oem(scenario, None, Sizes::Small, &image, work)?;
    flatcar::install_kernel(&image, &artefacts.kernel, artefacts.initramfs(scenario)?)?;
    Release::make(&image, &servers::installed(), work)
}

/// What makes this the initramfs's bundle of public authorities.
fn trusting(pem: &str, work: &Path) -> Result<PathBuf> {
    let overlay = work.join("authority");
    let certificates = overlay.join("etc/ssl/certs");
    fs::create_dir_all(&certificates)?;
    fs::write(certificates.join("ca-certificates.crt"), pem)?;
    Ok(overlay)
}

/// Fills the OEM partition with the scenario's files, or with none.
fn oem(
    scenario: &Scenario,
    tang: Option<&Tang>,
    sizes: Sizes,
    disk: &Path,
    work: &Path,
) -> Result<()> {
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
    flatcar::oem(disk, sizes, &files, work)
}
