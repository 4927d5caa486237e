//! A disk's GPT as bytes: what was changed, slot by slot, independent of any other reader.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, ensure};

const SECTOR: u64 = 512;
/// Header fields (UEFI specification 2.10, table 5-5): disk GUID, first sector of the entries, their
/// number and size.
const DISK_GUID: usize = 56;
const ENTRIES: usize = 72;
const COUNT: usize = 80;
const SIZE: usize = 84;

/// The entries of a primary table in their order.
pub struct Slots(Vec<Vec<u8>>);

impl Slots {
    /// The numbers, counted from 1, of the slots that are not the same in both, bit for bit.
    pub fn changed(&self, other: &Self) -> Vec<u32> {
        let longest = self.0.len().max(other.0.len());
        (0..longest)
            .filter(|index| self.0.get(*index) != other.0.get(*index))
            .filter_map(|index| u32::try_from(index + 1).ok())
            .collect()
    }
}

fn header(disk: &Path) -> Result<(File, [u8; 512])> {
    let mut file = File::open(disk).with_context(|| format!("while opening {}", disk.display()))?;
    let mut header = [0; 512];
    file.seek(SeekFrom::Start(SECTOR))?;
    file.read_exact(&mut header)?;
    ensure!(
        header.starts_with(b"EFI PART"),
        "{} has no GPT",
        disk.display()
    );
    Ok((file, header))
}

/// Reads the primary table.
pub fn read(disk: &Path) -> Result<Slots> {
    let (mut file, header) = header(disk)?;
    let number = |at: usize, length: usize| {
        let bytes = &header[at..at + length];
        bytes
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte))
    };
    let (count, size) = (number(COUNT, 4), number(SIZE, 4));
    ensure!(
        count <= 1024 && (128..=4096).contains(&size),
        "{} has {count} slots of {size} bytes",
        disk.display()
    );
    file.seek(SeekFrom::Start(number(ENTRIES, 8) * SECTOR))?;
    let mut slots = Vec::new();
    for _ in 0..count {
        let mut slot = vec![0; usize::try_from(size)?];
        file.read_exact(&mut slot)?;
        slots.push(slot);
    }
    Ok(Slots(slots))
}

/// The disk still has the GUID that all of Flatcar's images have, …0001.
pub fn has_fresh_guid(disk: &Path) -> Result<bool> {
    let (_, header) = header(disk)?;
    let mut fresh = [0; 16];
    // Only the first three groups of a GUID are little-endian.
    fresh[15] = 1;
    Ok(header[DISK_GUID..DISK_GUID + 16] == fresh)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::{has_fresh_guid, read};
    use crate::command::output;

    fn sgdisk(disk: &Path, arguments: &[&str]) {
        output(
            std::process::Command::new("sgdisk")
                .args(arguments)
                .arg(disk),
        )
        .unwrap();
    }

    #[test]
    fn every_change_of_a_slot_is_seen() {
        let disk = tempfile::NamedTempFile::new().unwrap();
        disk.as_file().set_len(16 << 20).unwrap();
        let disk = disk.path();
        sgdisk(
            disk,
            &[
                "--disk-guid=00000000-0000-0000-0000-000000000001",
                "--new=1:2048:4095",
                "--new=3:4096:8191",
            ],
        );
        let before = read(disk).unwrap();
        assert!(has_fresh_guid(disk).unwrap());
        sgdisk(disk, &["--disk-guid=R"]);
        assert!(before.changed(&read(disk).unwrap()).is_empty());
        assert!(!has_fresh_guid(disk).unwrap());
        sgdisk(
            disk,
            &["--attributes=3:set:48", "--new=128:8192:0", "--delete=1"],
        );
        assert_eq!(before.changed(&read(disk).unwrap()), [1, 3, 128]);
    }
}
