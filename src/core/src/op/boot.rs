//! Changes of how the machine boots: kernel arguments, the first-boot marker, the reboot.

use std::fmt;

use serde::Serialize;

use crate::cmdline::{sequence, words};
use crate::facts::Facts;
use crate::grub;

/// The distribution's program that changes kernel arguments, by Ignition's name.
pub const KARGS_HELPER: &str = "ignition-kargs-helper";

/// The marker that makes GRUB say `first_boot=detected`, below the EFI system partition.
pub const FIRST_BOOT_MARKER: &str = "/flatcar/first_boot";

/// A change of the next boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum BootOp {
    /// Let the distribution's program change the kernel arguments. It sees to the reboot itself.
    RunKargsHelper {
        /// Entries of the config that must be there.
        should_exist: Vec<String>,
        /// Entries that must not be there.
        should_not_exist: Vec<String>,
    },
    /// Make the next boot a first boot.
    MakeFirstBootMarker {
        /// The EFI system partition's node.
        device: String,
    },
    /// Put our block at the end of the OEM partition's grub.cfg, in place of an earlier one.
    WriteGrubBlock {
        /// The OEM partition's node.
        device: String,
        /// The block's statement; empty for no block.
        statement: String,
    },
    /// Restart the machine.
    Reboot {
        /// Arguments that the kernel has afterwards.
        with: Vec<String>,
        /// Arguments that it does not have any more.
        without: Vec<String>,
    },
}

impl BootOp {
    /// Turns the facts into what they will be after the operation.
    pub fn predict(&self, facts: &mut Facts) {
        let boot = &mut facts.boot;
        let mut change = |with: &[Vec<String>], without: &[String]| {
            boot.cmdline.retain(|word| !without.contains(word));
            for entry in with {
                if sequence(&boot.cmdline, entry).is_none() {
                    boot.cmdline.extend(entry.iter().cloned());
                }
            }
        };
        match self {
            BootOp::RunKargsHelper {
                should_exist,
                should_not_exist,
            } => {
                let entries: Vec<Vec<String>> =
                    should_exist.iter().map(|entry| words(entry)).collect();
                change(&entries, &split(should_not_exist));
            }
            // What is missing is appended as it stands.
            BootOp::Reboot { with, without } => change(std::slice::from_ref(with), without),
            BootOp::MakeFirstBootMarker { .. } => {
                if let Some(esp) = &mut boot.esp {
                    esp.marker = true;
                }
            }
            BootOp::WriteGrubBlock { statement, .. } => {
                if let Some(oem) = &mut boot.oem {
                    let text = oem.grub_cfg.take().unwrap_or_default();
                    // Planned only on a text whose block could be told from the rest.
                    oem.grub_cfg = Some(grub::with_block(&text, statement).unwrap_or(text));
                }
            }
        }
    }
}

/// The arguments in entries of the config, of which one may hold several.
pub fn split(entries: &[String]) -> Vec<String> {
    entries.iter().flat_map(|entry| words(entry)).collect()
}

impl fmt::Display for BootOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BootOp::RunKargsHelper {
                should_exist,
                should_not_exist,
            } => {
                write!(f, "run {KARGS_HELPER} for the next boot")?;
                changes(f, should_exist, should_not_exist)
            }
            BootOp::MakeFirstBootMarker { device } => {
                write!(f, "make the marker {FIRST_BOOT_MARKER} on {device}")
            }
            BootOp::WriteGrubBlock { device, statement } if statement.is_empty() => {
                write!(f, "remove pilotlight's block from /grub.cfg on {device}")
            }
            BootOp::WriteGrubBlock { device, statement } => {
                write!(
                    f,
                    "write pilotlight's block in /grub.cfg on {device}: {statement}"
                )
            }
            BootOp::Reboot { with, without } => {
                write!(f, "reboot once")?;
                changes(f, with, without)
            }
        }
    }
}

fn changes(f: &mut fmt::Formatter<'_>, with: &[String], without: &[String]) -> fmt::Result {
    for (word, list) in [("with", with), ("without", without)] {
        if !list.is_empty() {
            write!(f, ", {word} {}", list.join(" "))?;
        }
    }
    Ok(())
}
