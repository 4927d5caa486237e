//! An entry of the firmware's boot menu, by the kernel's own interface: files of efivarfs
//! (Documentation/filesystems/efivarfs.rst; UEFI 2.10, sections 3.1.3 and 10.3).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use pilotlight_core::facts::disks::Entry;
use pilotlight_sys::blockdev;
use pilotlight_sys::gpt::{self, Found};

use crate::op::Partition;

/// Where the firmware's variables are.
const VARIABLES: &str = "/sys/firmware/efi/efivars";
/// EFI_GLOBAL_VARIABLE.
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// Kept without power, seen by the boot services and the running system.
const ATTRIBUTES: u32 = 7;
/// LOAD_OPTION_ACTIVE.
const ACTIVE: u32 = 1;
/// Largest variable that is read, in bytes.
const LIMIT: u64 = 64 << 10;

/// Why the firmware was not told.
#[derive(Debug, thiserror::Error)]
pub enum BootEntryError {
    /// It has no variables.
    #[error(
        "this machine was not started by UEFI, or {VARIABLES} is not mounted: there is no boot menu to put an entry into"
    )]
    NoFirmware,
    /// Reading or writing failed.
    #[error("while {action} {what}: {cause}")]
    Io {
        /// What was done.
        action: &'static str,
        /// To what.
        what: String,
        /// The reason.
        cause: io::Error,
    },
    /// The partition is not in the table.
    #[error("{0} is not in the disk's table any more")]
    Gone(String),
}

/// The program that UEFI starts of a disk without being told (UEFI 2.10, section 3.5.1.1), by the image's board.
pub fn loader(architecture: &str) -> &'static str {
    match architecture {
        "aarch64" => r"\EFI\BOOT\BOOTAA64.EFI",
        _ => r"\EFI\BOOT\BOOTX64.EFI",
    }
}

/// The value of a variable `Boot####`: EFI_LOAD_OPTION.
pub fn load_option(label: &str, number: u32, entry: &Entry, loader: &str) -> Vec<u8> {
    let utf16 = |text: &str| -> Vec<u8> {
        let units = text.encode_utf16().chain([0]);
        units.flat_map(u16::to_le_bytes).collect()
    };
    let node = |kind: [u8; 2], body: &[u8]| -> Vec<u8> {
        let length = u16::try_from(body.len() + 4).unwrap_or(u16::MAX);
        [&kind[..], &length.to_le_bytes(), body].concat()
    };
    // Hard Drive Media Device Path: a partition by its GUID, in a GPT.
    let mut drive = Vec::new();
    drive.extend(number.to_le_bytes());
    drive.extend(entry.start.to_le_bytes());
    drive.extend(entry.sectors().to_le_bytes());
    drive.extend(entry.guid.map_or([0; 16], |guid| mixed(guid.0)));
    drive.extend([2, 2]);
    let path = [
        node([4, 1], &drive),
        node([4, 4], &utf16(loader)),
        node([0x7f, 0xff], &[]),
    ]
    .concat();
    let mut out = Vec::new();
    out.extend(ACTIVE.to_le_bytes());
    out.extend(u16::try_from(path.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend(utf16(label));
    out.extend(path);
    out
}

/// A GUID as UEFI stores it: its first three groups in little-endian order.
fn mixed(guid: [u8; 16]) -> [u8; 16] {
    let mut out = guid;
    out[..4].reverse();
    out[4..6].reverse();
    out[6..8].reverse();
    out
}

/// The numbers of a variable `BootOrder` with one at its beginning.
pub fn first_in_order(order: &[u8], number: u16) -> Vec<u8> {
    let others = (order.chunks_exact(2))
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .filter(|other| *other != number);
    std::iter::once(number)
        .chain(others)
        .flat_map(u16::to_le_bytes)
        .collect()
}

/// Has the firmware start a partition's boot loader first. An entry of ours for the same label is replaced.
pub fn make(label: &str, partition: &Partition) -> Result<(), BootEntryError> {
    let variables = Path::new(VARIABLES);
    if !fs::read_dir(variables).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(BootEntryError::NoFirmware);
    }
    let entry = entry(partition)?;
    let value = load_option(
        label,
        partition.number,
        &entry,
        loader(std::env::consts::ARCH),
    );
    let mut number = None;
    let mut free = 0;
    for candidate in 0..=u16::MAX {
        let Some(there) = read(&variable(variables, &format!("Boot{candidate:04X}")))? else {
            free = candidate;
            break;
        };
        if says(&there, label) {
            number = Some(candidate);
            break;
        }
    }
    let number = number.unwrap_or(free);
    write(&variable(variables, &format!("Boot{number:04X}")), &value)?;
    let order = variable(variables, "BootOrder");
    let before = read(&order)?.unwrap_or_default();
    write(&order, &first_in_order(&before, number))
}

/// Whether the value of a variable `Boot####` has this label.
fn says(value: &[u8], label: &str) -> bool {
    let units: Vec<u8> = label
        .encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect();
    value.get(6..).is_some_and(|rest| rest.starts_with(&units))
}

fn variable(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}-{GLOBAL}"))
}

fn during(action: &'static str, what: &Path) -> impl FnOnce(io::Error) -> BootEntryError {
    let what = what.display().to_string();
    move |cause| BootEntryError::Io {
        action,
        what,
        cause,
    }
}

/// A variable's value, without its attributes.
fn read(path: &Path) -> Result<Option<Vec<u8>>, BootEntryError> {
    let bytes = pilotlight_sys::read_regular(path, LIMIT).map_err(during("reading", path))?;
    Ok(bytes.map(|bytes| bytes.get(4..).unwrap_or_default().to_vec()))
}

/// Attributes and value have to come in one write.
fn write(path: &Path, value: &[u8]) -> Result<(), BootEntryError> {
    let bytes = [&ATTRIBUTES.to_le_bytes(), value].concat();
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .and_then(|mut file| file.write_all(&bytes))
        .map_err(during("writing", path))
}

fn entry(partition: &Partition) -> Result<Entry, BootEntryError> {
    let disk = Path::new(&partition.disk);
    let read = || {
        let geometry = blockdev::geometry(disk)?;
        Ok(match gpt::read(&mut File::open(disk)?, geometry)? {
            Found::Table(raw) => raw.facts(geometry).partitions.remove(&partition.number),
            _ => None,
        })
    };
    let found: io::Result<Option<Entry>> = read();
    found
        .map_err(during("reading the partition table of", disk))?
        .ok_or_else(|| BootEntryError::Gone(partition.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotlight_core::model::Guid;

    #[test]
    fn the_option_is_as_efibootmgr_writes_it() {
        let entry = Entry {
            start: 4096,
            end: 2_101_247,
            type_guid: Guid([0; 16]),
            guid: Some(Guid(std::array::from_fn(|place| {
                u8::try_from(place).unwrap()
            }))),
            label: "EFI-SYSTEM".into(),
            attributes: 0,
        };
        let option = load_option("F", 1, &entry, r"\E");
        let expected: Vec<u8> = [
            &[1, 0, 0, 0, 56, 0][..],
            &[b'F', 0, 0, 0],
            &[4, 1, 42, 0, 1, 0, 0, 0],
            &[0, 16, 0, 0, 0, 0, 0, 0],
            &[0, 0, 32, 0, 0, 0, 0, 0],
            &[3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15, 2, 2],
            &[4, 4, 10, 0, b'\\', 0, b'E', 0, 0, 0],
            &[0x7f, 0xff, 4, 0],
        ]
        .concat();
        assert_eq!(option, expected);
        assert!(says(&option, "F"));
        assert!(!says(&option, "FF") && !says(&option, "") && !says(&[1, 0], "F"));
    }

    #[test]
    fn an_entry_comes_first_once() {
        for (order, expected) in [
            (&[][..], &[3, 0][..]),
            (&[1, 0, 3, 0, 2, 0], &[3, 0, 1, 0, 2, 0]),
            (&[3, 0], &[3, 0]),
            (&[1, 0, 9], &[3, 0, 1, 0]),
        ] {
            assert_eq!(first_in_order(order, 3), expected);
        }
    }
}
