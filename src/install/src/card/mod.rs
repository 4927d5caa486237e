//! What makes a card with an OS image on it one that a Raspberry Pi 4 boots from: the UEFI firmware in the EFI system
//! partition, which has to be a FAT32.
//!
//! [`Esp::observe`] looks, [`plan()`] decides, [`Plan::apply`] writes; [`prepare`] is all three. Nothing is mounted: an image
//! in a file needs no root.

pub mod config_txt;
pub mod fat;
pub mod firmware;
pub mod plan;
pub mod variables;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use thiserror::Error;

use fat::{FatError, Medium, Source, Volume};
pub use firmware::{Firmware, FirmwareError};
pub use plan::{Plan, Rpi4, Step, plan};
use variables::VariablesError;

/// Where a 64-bit ARM looks for a boot loader on a medium that it does not know.
const BOOT_LOADER: &str = "EFI/BOOT/BOOTAA64.EFI";

/// Why a card was not prepared. Nothing was written, but where it says so.
#[derive(Debug, Error)]
pub enum CardError {
    /// The firmware is not taken.
    #[error(transparent)]
    Firmware(#[from] FirmwareError),
    /// The EFI system partition is not read, or has no room.
    #[error("looking at the EFI system partition: {0}")]
    Partition(#[from] FatError),
    /// The firmware's variables.
    #[error("the firmware's RPI_EFI.fd: {0}")]
    Variables(#[from] VariablesError),
    /// A file of the boot loader that is none.
    #[error(
        "the firmware's config.txt is no text of at most 64 KiB: take the archive as it is handed out"
    )]
    ConfigTxt,
    /// The image is for other machines.
    #[error(
        "the EFI system partition has no {BOOT_LOADER}: the image is not for arm64, and no Raspberry Pi boots it"
    )]
    NotArm64,
    /// Writing failed: the partition is to be made again.
    #[error(
        "writing the EFI system partition: {0}; what is on it now does not boot: install again"
    )]
    Write(io::Error),
    /// The disk does not give back what was written.
    #[error(
        "the EFI system partition does not read back as it was written ({0}): the card or its reader is faulty"
    )]
    ReadBack(String),
}

/// The bytes of a disk, or of an image in a file, that are a partition.
#[derive(Debug)]
pub struct Partition<'a> {
    disk: &'a File,
    range: Range<u64>,
}

impl<'a> Partition<'a> {
    /// A partition of a disk that is open; for writing, if it is to be written.
    pub fn new(disk: &'a File, range: Range<u64>) -> Partition<'a> {
        Partition { disk, range }
    }

    fn size(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// Where on the disk a place of the partition is.
    fn place(&self, at: u64, length: usize) -> io::Result<u64> {
        let end = at.checked_add(length as u64);
        match end.is_some_and(|end| end <= self.size()) {
            true => Ok(self.range.start + at),
            false => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("byte {at} is behind the partition's end"),
            )),
        }
    }
}

impl Source for Partition<'_> {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.disk.read_exact_at(into, self.place(at, into.len())?)
    }
}

impl Medium for Partition<'_> {
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.write_all_at(bytes, self.place(at, bytes.len())?)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.sync_data()
    }
}

/// An EFI system partition as it is now, as far as firmware concerns it.
#[derive(Debug, Clone)]
pub struct Esp {
    volume: Volume,
    /// The firmware's paths that are files there already: their bytes, or how many they are where they are others.
    there: BTreeMap<String, Found>,
    boots: bool,
}

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// As long as the firmware's.
    Bytes(Vec<u8>),
    /// Of another length, in bytes.
    Other(u64),
}

impl Esp {
    /// Reads the file system, and those files of it that the firmware has, too.
    pub fn observe(source: &impl Source, size: u64, firmware: &Firmware) -> Result<Esp, FatError> {
        let volume = Volume::read(source, size)?;
        let mut there = BTreeMap::new();
        let files = volume.files();
        let find = |name: &str| {
            files
                .iter()
                .find(|(path, _)| path.eq_ignore_ascii_case(name))
        };
        for (path, file) in &firmware.files {
            let Some((_, size)) = find(path) else {
                continue;
            };
            let found = match volume.contents(source, path, file.bytes.len() as u64) {
                Ok(Some(bytes)) if bytes.len() == file.bytes.len() => Found::Bytes(bytes),
                Err(FatError::Read(error)) => return Err(error.into()),
                // `config.txt` becomes longer: by itself it is compared where it is decided.
                _ => match volume.contents(source, path, config_txt::MOST as u64) {
                    Ok(Some(bytes)) => Found::Bytes(bytes),
                    _ => Found::Other(*size),
                },
            };
            there.insert(path.clone(), found);
        }
        let boots = find(BOOT_LOADER).is_some();
        Ok(Esp {
            volume,
            there,
            boots,
        })
    }
}

/// What was done to a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// What was changed, in words; empty where all of it was so already.
    pub steps: Vec<Step>,
    /// The kernel arguments that the boot loader's configuration is to have.
    pub arguments: Vec<&'static str>,
}

/// Puts firmware onto the EFI system partition that lies in these bytes of a disk, or of an image in a file.
///
/// Errors: everything is read, checked and decided before the first write. What is written is read back.
pub fn prepare(
    disk: &File,
    esp: Range<u64>,
    firmware: &Firmware,
    options: Rpi4,
) -> Result<Prepared, CardError> {
    let partition = Partition::new(disk, esp);
    let size = partition.size();
    let before = Esp::observe(&partition, size, firmware)?;
    let plan = plan(firmware, options, Some(&before))?;
    plan.apply(&before, &partition)?;
    if !plan.steps.is_empty() {
        let after = Esp::observe(&partition, size, firmware)?;
        let again = plan::plan(firmware, options, Some(&after))?;
        if let Some(step) = again.steps.first() {
            return Err(CardError::ReadBack(step.to_string()));
        }
    }
    Ok(Prepared {
        steps: plan.steps,
        arguments: plan.arguments,
    })
}
