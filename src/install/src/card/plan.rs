//! What has to be done to a card: pure.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::fat::{Medium, Width};
use super::firmware::{Firmware, FirmwareFile};
use super::variables::{self, Store};
use super::{CardError, Esp, Found, config_txt};

/// Where the firmware and its variables are.
const FIRMWARE: &str = "RPI_EFI.fd";
const CONFIG_TXT: &str = "config.txt";
/// Whether the firmware hides what is above 3 GB; 0 is no.
const RAM_LIMIT: &str = "RamLimitTo3GB";
/// What the firmware hands to the system: 0 is ACPI, 1 both, 2 the device tree alone. With both, `acpi=off` makes Linux
/// take the device tree, and whatever else boots still finds ACPI.
const TABLES: &str = "SystemTableMode";
const BOTH_TABLES: u32 = 1;

/// What of a Raspberry Pi 4 can be chosen. What is not chosen stays as the firmware has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rpi4 {
    /// Linux is to take the device tree and not ACPI.
    pub device_tree: bool,
    /// Whether memory above 3 GB is hidden.
    pub ram_limit: Option<bool>,
}

impl Rpi4 {
    /// The kernel arguments that belong to it: the console on the screen, USB that does not fall asleep.
    pub fn arguments(self) -> Vec<&'static str> {
        let mut arguments = vec!["console=tty1", "usbcore.autosuspend=-1"];
        if self.device_tree {
            arguments.push("acpi=off");
        }
        arguments
    }
}

/// One thing that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The file system is made a FAT32.
    MakeFat32 {
        /// What it is now; none where nobody has looked.
        from: Option<Width>,
    },
    /// A file is written.
    Write {
        /// Its path on the partition.
        path: String,
        /// Its bytes.
        size: u64,
        /// The bytes of the one it takes the place of.
        replaces: Option<u64>,
        /// Whether settings that somebody made are in that one, and are lost.
        forgets: bool,
    },
    /// A setting of the firmware is changed in the file that is written.
    Set {
        /// The variable.
        variable: &'static str,
        /// What it is in the firmware; none where its own default holds.
        from: Option<u32>,
        /// What it becomes.
        to: u32,
    },
    /// A line is added to the boot loader's configuration.
    Add {
        /// The line.
        line: &'static str,
    },
    /// A file of the firmware is not taken: the operating system has its own there.
    LeaveOut {
        /// Its path in the firmware.
        path: String,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::MakeFat32 { from: Some(from) } => write!(
                out,
                "make the {from} of the EFI system partition a FAT32, with its contents: the boot ROM reads no other"
            ),
            Step::MakeFat32 { from: None } => write!(
                out,
                "make the EFI system partition a FAT32, with its contents, if it is none: the boot ROM reads no other"
            ),
            Step::Write {
                path,
                size,
                replaces: None,
                ..
            } => write!(
                out,
                "write {path} to the EFI system partition, {size} bytes"
            ),
            Step::Write {
                path,
                size,
                replaces: Some(old),
                forgets,
            } => {
                let settings = if *forgets {
                    "; the settings in it go"
                } else {
                    ""
                };
                write!(
                    out,
                    "replace {path} on the EFI system partition, {old} bytes, by the firmware's, {size} bytes{settings}"
                )
            }
            Step::Set {
                variable,
                from: None,
                to,
            } => write!(out, "set the firmware's {variable} to {to}"),
            Step::Set {
                variable,
                from: Some(from),
                to,
            } => write!(out, "set the firmware's {variable} to {to}; it is {from}"),
            Step::Add { line } => write!(out, "add \"{line}\" to {CONFIG_TXT}"),
            Step::LeaveOut { path } => {
                write!(
                    out,
                    "leave out the firmware's {path}: the operating system's own stays"
                )
            }
        }
    }
}

/// What is done, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What is done, in its order; empty where all of it is so already.
    pub steps: Vec<Step>,
    /// The kernel arguments that the boot loader's configuration is to have.
    pub arguments: Vec<&'static str>,
    /// What is written.
    files: BTreeMap<String, FirmwareFile>,
}

/// Decides what has to be done so that the partition has the firmware with these options. Without a look at the partition,
/// as before an image is there at all, everything has to.
pub fn plan(firmware: &Firmware, options: Rpi4, esp: Option<&Esp>) -> Result<Plan, CardError> {
    if esp.is_some_and(|esp| !esp.boots) {
        return Err(CardError::NotArm64);
    }
    let mut wanted = firmware.files.clone();
    let mut changes = Vec::new();
    let mut kept = false;
    if let Some((path, file)) = find(&mut wanted, FIRMWARE) {
        kept = keep_variables(file, esp.and_then(|esp| esp.there.get(path)));
        let mut bytes = file.bytes.to_vec();
        let tables = options.device_tree.then_some((TABLES, BOTH_TABLES));
        let limit = options.ram_limit.map(|limit| (RAM_LIMIT, u32::from(limit)));
        // Read in any case: what is not known is not written either.
        let store = Store::read(&bytes)?;
        for (variable, to) in tables.into_iter().chain(limit) {
            let from = store.setting(&bytes, variable)?;
            if from != Some(to) {
                variables::set(&mut bytes, variable, to)?;
                changes.push(Step::Set { variable, from, to });
            }
        }
        file.bytes = bytes.into();
    }
    if options.device_tree
        && let Some((_, file)) = find(&mut wanted, CONFIG_TXT)
    {
        let with = config_txt::with_device_tree(&file.bytes).ok_or(CardError::ConfigTxt)?;
        if with[..] != file.bytes[..] {
            file.bytes = with.into();
            changes.push(Step::Add {
                line: config_txt::PCIE,
            });
        }
    }

    let mut steps = Vec::new();
    let width = esp.map(|esp| esp.volume.width());
    if width != Some(Width::Fat32) {
        steps.push(Step::MakeFat32 { from: width });
    }
    wanted.retain(|path, file| {
        let found = esp.and_then(|esp| esp.there.get(path));
        if let Some(Found::Bytes(bytes)) = found
            && bytes[..] == file.bytes[..]
        {
            return false;
        }
        steps.push(Step::Write {
            path: path.clone(),
            size: file.bytes.len() as u64,
            replaces: found.map(|found| match found {
                Found::Bytes(bytes) => bytes.len() as u64,
                Found::Other(size) => *size,
            }),
            forgets: found.is_some() && !kept && path.eq_ignore_ascii_case(FIRMWARE),
        });
        true
    });
    // A change of a file that is so already is none.
    let written = |name: &str| wanted.keys().any(|path| path.eq_ignore_ascii_case(name));
    steps.extend(changes.into_iter().filter(|change| match change {
        Step::Add { .. } => written(CONFIG_TXT),
        _ => written(FIRMWARE),
    }));
    if !steps.is_empty() {
        let left_out = firmware.left_out.iter().cloned();
        steps.extend(left_out.map(|path| Step::LeaveOut { path }));
    }
    Ok(Plan {
        steps,
        arguments: options.arguments(),
        files: wanted,
    })
}

/// The file of a name, whatever its case.
fn find<'a>(
    files: &'a mut BTreeMap<String, FirmwareFile>,
    name: &str,
) -> Option<(&'a String, &'a mut FirmwareFile)> {
    files
        .iter_mut()
        .find(|(path, _)| path.eq_ignore_ascii_case(name))
}

/// Where the same firmware is there already, its variables stay: what somebody set on the machine itself.
fn keep_variables(file: &mut FirmwareFile, there: Option<&Found>) -> bool {
    let Some(Found::Bytes(old)) = there else {
        return false;
    };
    let (Ok(ours), Ok(theirs)) = (Store::read(&file.bytes), Store::read(old)) else {
        return false;
    };
    let volume = ours.volume;
    let same = volume == theirs.volume
        && old.len() == file.bytes.len()
        && old[..volume.start] == file.bytes[..volume.start]
        && old[volume.end..] == file.bytes[volume.end..];
    if same {
        file.bytes = old.as_slice().into();
    }
    same
}

impl Plan {
    /// Writes it to the partition that it was made for.
    pub fn apply(&self, esp: &Esp, to: &impl Medium) -> Result<(), CardError> {
        if self.steps.is_empty() {
            return Ok(());
        }
        let mut volume = esp.volume.clone();
        for (path, file) in &self.files {
            volume.put(path, Arc::clone(&file.bytes), file.stamp)?;
        }
        volume.layout()?.write(to).map_err(CardError::Write)
    }
}
