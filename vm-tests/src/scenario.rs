//! What one scenario boots and what it expects: `scenario.toml` in its directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::cdrom::Cdrom;
use crate::initramfs::Contents;
use crate::network;
use crate::servers;
use crate::smbios::Smbios;

/// A scenario, read from its directory.
pub struct Scenario {
    /// The directory's name.
    pub name: String,
    /// Paths in the scenario are relative to it.
    pub directory: PathBuf,
    /// The declaration.
    pub spec: Spec,
}

/// The declaration of a scenario.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Spec {
    /// One sentence: what is proven.
    pub about: String,
    /// Why it is not in the sample that `make test` takes: where the same is shown there. `make vm-test-all` runs it.
    pub not_in_sample: Option<String>,
    /// Name of the fw_cfg item that carries config.ign.
    #[serde(default = "flatcar_fw_cfg")]
    pub fw_cfg: String,
    /// The boot disk.
    #[serde(default)]
    pub image: Image,
    /// How its system is started.
    #[serde(default)]
    pub firmware: Firmware,
    /// What Flatcar's OEM partition holds.
    pub oem: Option<PathBuf>,
    /// Laid over the initramfs.
    pub initramfs: Option<PathBuf>,
    /// The initramfs is made by dracut in a tree in which our Debian package is installed, of that alone.
    #[serde(default)]
    pub package: bool,
    /// The initramfs knows arrays, encryption, TPM and tang.
    #[serde(default)]
    pub storage: bool,
    /// The machine has a TPM 2.0, which keeps its state between the boots; implies storage.
    #[serde(default)]
    pub tpm: bool,
    /// A tang server at http://10.0.2.100:7500; implies storage and a network. @TANG_THUMBPRINT@ in
    /// configs and checks stands for its key.
    #[serde(default)]
    pub tang: bool,
    /// Disks beside the boot disk.
    #[serde(default)]
    pub disks: Vec<Disk>,
    /// URL path → file, or @PILOTLIGHT@ for the installed program, served at `http://10.0.2.100` and
    /// `http://[fd00:7::100]`; implies a network.
    #[serde(default)]
    pub http: BTreeMap<String, PathBuf>,
    /// What the machine's only card is connected to; without one the machine has none.
    network: Option<network::Spec>,
    /// The platform's servers; implies a network.
    pub platform: Option<servers::Spec>,
    /// The firmware's strings.
    #[serde(default)]
    pub smbios: Smbios,
    /// The processor tells that it is a virtual one, and drivers of QEMU's own devices are loaded by themselves;
    /// a boot without ends in the initramfs.
    #[serde(default = "yes")]
    pub hypervisor: bool,
    /// How many processors it has. Emulated ones cost a fifth more of the host's time in a machine of two.
    #[serde(default = "one")]
    pub processors: u32,
    /// Boots of the same machine, one after the other.
    pub boot: Vec<Boot>,
}

impl Spec {
    /// What the machine's card is connected to.
    pub fn network(&self) -> Option<network::Spec> {
        let implied = self.tang
            || !self.http.is_empty()
            || self.platform.is_some()
            || self.image == Image::Installed;
        self.network
            .clone()
            .or(implied.then(network::Spec::default))
    }

    /// Its machine has disks, or partitions, that a config may make anew.
    pub fn changes_disks(&self) -> bool {
        self.image.is_flatcar() || !self.disks.is_empty()
    }

    /// How long it takes, in boots that end in the initramfs. To be begun in the order of it: what takes long
    /// and comes last has the machine for itself.
    pub fn length(&self) -> u32 {
        let boot = |boot: &Boot| {
            let ends = if boot.ends == End::Running { 2 } else { 1 };
            (1 + boot.reboots) * ends
        };
        let boots: u32 = self.boot.iter().map(boot).sum();
        // Arrays are filled and keys derived; firmware and boot loader take time as well.
        let is_slow = self.contents() == Contents::Storage || self.firmware != Firmware::None;
        boots * if is_slow { 2 } else { 1 }
    }

    /// The initramfs that it takes.
    pub fn contents(&self) -> Contents {
        if self.package {
            Contents::Package
        } else if self.storage || self.tpm || self.tang {
            Contents::Storage
        } else {
            Contents::Plain
        }
    }
}

/// A boot disk.
#[derive(Deserialize, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Image {
    /// An ESP, and the whole system in ROOT: small, quick to copy.
    #[default]
    Plain,
    /// Flatcar's table, the system in USR-A, an OEM partition, a ROOT that may be made again.
    Flatcar,
    /// The example of the repository, as it is made for anybody: kernel, initramfs and boot loader are its own, and what
    /// asks the node comes with the config.
    AbUsr,
    /// A blank disk. The first boot, a live one, installs onto it: a small image of Flatcar's layout, signed, is served
    /// at /image.bin.zst, and the live initramfs has the installed program and the key that signed.
    Installed,
}

impl Image {
    /// GRUB and an OEM partition come with it.
    pub fn is_flatcar(self) -> bool {
        matches!(self, Self::Flatcar | Self::Installed)
    }
}

/// How a system is started.
#[derive(Deserialize, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Firmware {
    /// QEMU loads kernel and initramfs; the quickest.
    #[default]
    None,
    /// UEFI starts GRUB, which finds the first-boot marker and OEM's grub.cfg by itself; Flatcar's disk only.
    Uefi,
    /// BIOS starts it; the installed disk only.
    Bios,
}

/// A disk beside the boot disk, blank or holding one file system.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Disk {
    /// /dev/disk/by-id/virtio-SERIAL in the guest.
    pub serial: String,
    /// Size in MiB.
    pub size_mib: u64,
    /// Makes the whole disk an ext4 file system of this label, …
    pub label: Option<String>,
    /// … filled from this directory.
    pub files: Option<PathBuf>,
}

/// One boot and its expectations.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Boot {
    /// A live system: kernel and initramfs come from QEMU, as by PXE, and nothing of the disks is mounted.
    #[serde(default)]
    pub live: bool,
    /// Added to the kernel command line.
    #[serde(default)]
    pub kernel: Vec<String>,
    /// The user config for fw_cfg, none when absent.
    pub config: Option<PathBuf>,
    /// The disc in the CD-ROM drive; without one there is no drive.
    pub cd_rom: Option<Cdrom>,
    /// Where the boot ends.
    pub ends: End,
    /// How often the machine resets before, exactly.
    #[serde(default)]
    pub reboots: u32,
    /// The slots of the boot disk's partition table that this boot changes in any bit, exactly; not looked
    /// at when absent. A changed table also has to be whole, its backup at the disk's end.
    pub changed_slots: Option<Vec<u32>>,
    /// Scripts that the guest runs, as one, when it gets there.
    #[serde(default, deserialize_with = "one_or_many")]
    pub check: Vec<PathBuf>,
    /// What was asked of servers, in this order among others: `METHOD TARGET: STATUS BODY`, of which parts may
    /// be left out by a … in their place.
    #[serde(default)]
    pub asked: Vec<String>,
    /// What no request to a server holds.
    #[serde(default)]
    pub not_asked: Vec<String>,
    /// How many addresses the DHCP server has given since the first boot; not looked at when absent.
    pub leases: Option<usize>,
    /// Texts that the console must show.
    #[serde(default)]
    pub console: Vec<String>,
    /// Texts that the console must not show.
    #[serde(default)]
    pub not_console: Vec<String>,
}

/// Where a boot ends.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// In the initramfs, after the last stage; the quickest.
    Initramfs,
    /// On the running node.
    Running,
    /// In the emergency target.
    Emergency,
    /// When the console shows `vm-test: cut here`: QEMU is killed, as when power fails.
    Cut,
}

impl End {
    /// The word by which guest and runner name it; the guest cannot tell of a cut.
    pub fn word(self) -> &'static str {
        match self {
            Self::Initramfs => "initramfs",
            Self::Running => "running",
            Self::Emergency => "emergency",
            Self::Cut => "nowhere",
        }
    }
}

/// A path, or a list of them.
fn one_or_many<'de, D: serde::Deserializer<'de>>(given: D) -> Result<Vec<PathBuf>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        One(PathBuf),
        Many(Vec<PathBuf>),
    }
    Ok(match Given::deserialize(given)? {
        Given::One(path) => vec![path],
        Given::Many(paths) => paths,
    })
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

fn flatcar_fw_cfg() -> String {
    "opt/org.flatcar-linux/config".to_owned()
}

impl Scenario {
    /// Reads the scenario in a directory.
    pub fn read(directory: &Path) -> Result<Self> {
        let file = directory.join("scenario.toml");
        let text = fs::read_to_string(&file)
            .with_context(|| format!("while reading {}", file.display()))?;
        let spec: Spec = toml::from_str(&text)
            .with_context(|| format!("while understanding {}", file.display()))?;
        ensure!(
            match spec.image {
                Image::Plain => spec.firmware == Firmware::None && spec.oem.is_none(),
                Image::Flatcar | Image::Installed => true,
                Image::AbUsr => spec.firmware == Firmware::Uefi && spec.oem.is_none(),
            },
            "{}: only Flatcar's images have an OEM partition to fill; they and ab-usr have a boot loader",
            file.display()
        );
        ensure!(
            (spec.image == Image::Installed) == spec.boot.first().is_some_and(|boot| boot.live),
            "{}: the image installed comes by a first boot that is live, and no other image does",
            file.display()
        );
        Ok(Self {
            name: directory
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            directory: directory.to_owned(),
            spec,
        })
    }

    /// Reads the named scenarios below a directory, or all of them in the order of their names.
    pub fn read_all(below: &Path, names: &[String]) -> Result<Vec<Self>> {
        let mut names = names.to_vec();
        if names.is_empty() {
            for entry in fs::read_dir(below)? {
                names.push(entry?.file_name().to_string_lossy().into_owned());
            }
            names.sort();
        }
        names
            .iter()
            .map(|name| Self::read(&below.join(name)))
            .collect()
    }
}
