//! Operations of an installation. What is not here is not done; their lines are those of the dry run.

use std::fmt;

use pilotlight_core::diag::on_one_line;
use pilotlight_core::op::{DiskOp, human};
use pilotlight_sys::holders::Holder;
use serde::Serialize;
use serde::ser::SerializeMap as _;

use crate::boot_arguments::BootArguments;
use crate::card::Rpi4;
use crate::edges::Saved;

/// One change of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstallOp {
    /// Take a device down that stands on the disk.
    Release(Holder),
    /// Wipe what a disk or its partitions are known by, or remove partitions.
    Disk(DiskOp),
    /// Make a file that stands for a disk.
    MakeFile {
        /// Where.
        path: String,
        /// Bytes.
        size: u64,
        /// What it held before, in words.
        destroys: Option<String>,
    },
    /// Write all of the image but what makes a disk of it: its first and last MiB come with [`InstallOp::Finish`].
    WriteImage {
        /// Node of the disk, or the file.
        disk: String,
        /// The image as its place is shown.
        image: String,
        /// Bytes of it, unpacked.
        size: u64,
        /// Partitions that stay.
        saved: Vec<Saved>,
        /// Whether all of it is read again.
        read_back: bool,
    },
    /// Have the kernel know partitions of the disk, whatever its table says.
    TellKernel {
        /// Node of the disk.
        disk: String,
        /// The partitions.
        partitions: Vec<Saved>,
        /// Bytes of a sector.
        sector: u64,
    },
    /// Write the partition table and what else makes the disk boot.
    Finish {
        /// Node of the disk, or the file.
        disk: String,
        /// Partitions that stay.
        saved: Vec<Saved>,
    },
    /// Put a file into a partition.
    PutFile {
        /// Where.
        partition: Partition,
        /// Path there.
        path: String,
        /// What it is, in words.
        what: String,
        /// Permission bits.
        mode: u32,
        /// Which of the plan's contents.
        content: usize,
    },
    /// Change the arguments that the boot loader gives the kernel.
    ChangeArguments {
        /// Where the boot loader's text is.
        partition: Partition,
        /// Which text.
        text: BootText,
        /// What is changed.
        arguments: BootArguments,
    },
    /// Make a card that a Raspberry Pi 4 boots from: with the plan's firmware on the EFI system partition.
    PutFirmware {
        /// The EFI system partition.
        partition: Partition,
        /// Where the firmware comes from.
        from: String,
        /// What of it is chosen.
        options: Rpi4,
    },
    /// Have the firmware start the disk.
    BootEntry {
        /// What the firmware shows.
        label: String,
        /// The EFI system partition.
        partition: Partition,
    },
}

/// A partition of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Partition {
    /// Node of the disk, or the file.
    pub disk: String,
    /// Node of the partition; `None` in a file.
    pub node: Option<String>,
    /// Its number.
    pub number: u32,
    /// Its label.
    pub label: String,
    /// First byte.
    pub start: u64,
    /// Bytes.
    pub size: u64,
}

/// A text of a boot loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootText {
    /// `grub.cfg` on Flatcar's OEM partition.
    GrubCfg,
    /// All entries in `loader/entries`, as on Fedora CoreOS.
    Entries,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Some(node) => write!(f, "{} ({node})", self.label),
            None => write!(
                f,
                "{} (partition {} of {})",
                self.label, self.number, self.disk
            ),
        }
    }
}

impl InstallOp {
    /// Whether data that is there now is gone afterwards.
    pub fn is_destructive(&self) -> bool {
        match self {
            InstallOp::Disk(op) => op.is_destructive(),
            InstallOp::MakeFile { destroys, .. } => destroys.is_some(),
            // What is on the disk is wiped by operations before it.
            _ => false,
        }
    }
}

impl fmt::Display for InstallOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            InstallOp::Release(holder) => format!(
                "take down {}, {} that holds {}",
                holder.node,
                holder.kind.words(),
                holder.holds
            ),
            InstallOp::Disk(op) => op.to_string(),
            InstallOp::MakeFile {
                path,
                size,
                destroys,
            } => match destroys {
                None => format!("make the file {path}, {}", human(*size)),
                Some(what) => format!(
                    "make the file {path} anew, {}, which holds {what}",
                    human(*size)
                ),
            },
            InstallOp::WriteImage {
                disk,
                image,
                size,
                saved,
                read_back,
            } => {
                let mut line = format!("write {image} to {disk}, {}", human(*size));
                if !saved.is_empty() {
                    line.push_str(", around the saved");
                    for (place, (number, entry)) in saved.iter().enumerate() {
                        let comma = if place == 0 { "" } else { "," };
                        line.push_str(&format!("{comma} partition {number} {:?}", entry.label));
                    }
                }
                if *read_back {
                    line.push_str(", and read it back");
                }
                line.push_str("; nothing of it boots yet");
                line
            }
            InstallOp::TellKernel {
                disk, partitions, ..
            } => {
                let numbers: Vec<String> = (partitions.iter())
                    .map(|(number, _)| number.to_string())
                    .collect();
                format!(
                    "have the kernel know the partitions {} of {disk}",
                    numbers.join(", ")
                )
            }
            InstallOp::Finish { disk, saved } => {
                let more = match saved.len() {
                    0 => "",
                    _ => " with the saved partitions",
                };
                format!(
                    "write the partition table of {disk}{more}, its backup at the end: from here on it boots"
                )
            }
            InstallOp::PutFile {
                partition,
                path,
                what,
                ..
            } => format!("write {what} to {path} on {partition}"),
            InstallOp::ChangeArguments {
                partition,
                text,
                arguments,
            } => {
                let mut line = format!(
                    "change kernel arguments in {} on {partition}:",
                    text.words()
                );
                for word in &arguments.delete {
                    line.push_str(&format!(" without {word}"));
                }
                for word in &arguments.append {
                    line.push_str(&format!(" +{word}"));
                }
                for word in &arguments.console {
                    line.push_str(&format!(" console={word}"));
                }
                line
            }
            InstallOp::PutFirmware {
                partition,
                from,
                options,
            } => {
                let tables = if options.device_tree {
                    ", with the device tree"
                } else {
                    ""
                };
                let limit = match options.ram_limit {
                    None => "",
                    Some(true) => ", memory above 3 GB hidden",
                    Some(false) => ", with all of its memory",
                };
                format!(
                    "make {partition} a FAT32 with the firmware of a Raspberry Pi 4 from {from}{tables}{limit}"
                )
            }
            InstallOp::BootEntry { label, partition } => {
                format!("have the firmware start {label:?} from {partition} first")
            }
        };
        f.write_str(&on_one_line(&text))
    }
}

impl BootText {
    fn words(self) -> &'static str {
        match self {
            Self::GrubCfg => "grub.cfg",
            Self::Entries => "the entries in /loader/entries",
        }
    }
}

/// The line, and whether it destroys: what a program wants to know of a plan.
impl Serialize for InstallOp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("line", &self.to_string())?;
        map.serialize_entry("destroys", &self.is_destructive())?;
        map.end()
    }
}
