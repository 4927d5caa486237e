//! FAT file systems that were not unmounted.
//!
//! Linux marks one that it mounts for writing, and takes the mark away when it unmounts it, unless it was there before:
//! only a check does that (fs/fat/inode.c, `fat_set_state`). Whoever mounts it after a power cut checks it first, as
//! systemd does on a machine that runs.

use std::fs::File;
use std::io::{self, Read as _};

use crate::tool::{self, ToolError};

/// The program.
const CHECK: &str = "fsck.fat";
/// Where the first sector says what kind it is, and where it has the mark (fatgen103, "BS_Reserved1").
const FAT32: usize = 82;
const MARKS: [usize; 2] = [37, 65];
/// The mark.
const DIRTY: u8 = 1;

/// Checks a device, if it holds a FAT that was not unmounted and the program is there. What cannot be mended is left
/// to the one who mounts it.
pub(crate) fn check(device: &str) -> io::Result<()> {
    if is_dirty(&first_sector(device)?) {
        run(device, "was not unmounted");
    }
    Ok(())
}

/// Checks a device on which something could not be read, if it holds a FAT: power may have failed before the mark
/// was on the disk.
pub(crate) fn mend(device: &str) -> io::Result<()> {
    if kind(&first_sector(device)?).is_some() {
        run(device, "cannot be read in all its parts");
    }
    Ok(())
}

fn first_sector(device: &str) -> io::Result<[u8; 512]> {
    let mut sector = [0; 512];
    File::open(device)?.read_exact(&mut sector)?;
    Ok(sector)
}

fn run(device: &str, why: &str) {
    if !tool::is_there(CHECK) {
        return;
    }
    crate::uevents::tell(&format!("checking {device}, which {why}"));
    match tool::run(CHECK, &["-a", device], None) {
        Ok(_) => {}
        // 1: it has mended something (fsck.fat(8)).
        Err(ToolError::Failed { status, .. }) if status.code() == Some(1) => {}
        Err(error) => crate::uevents::tell(&error.to_string()),
    }
}

/// Where the mark is, if this is the first sector of a FAT.
fn kind(sector: &[u8; 512]) -> Option<usize> {
    let [short, long] = MARKS;
    if sector[510..] != [0x55, 0xaa] {
        None
    } else if sector[FAT32..].starts_with(b"FAT32") {
        Some(long)
    } else if sector[54..].starts_with(b"FAT1") {
        Some(short)
    } else {
        None
    }
}

fn is_dirty(sector: &[u8; 512]) -> bool {
    kind(sector).is_some_and(|mark| sector[mark] & DIRTY != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_where_the_kind_has_it() {
        let sector = |kind: &[u8], kind_at: usize, mark: usize| {
            let mut sector = [0; 512];
            sector[kind_at..kind_at + kind.len()].copy_from_slice(kind);
            sector[mark] = DIRTY;
            sector[510..].copy_from_slice(&[0x55, 0xaa]);
            sector
        };
        assert!(is_dirty(&sector(b"FAT32   ", 82, 65)));
        assert!(is_dirty(&sector(b"FAT16   ", 54, 37)));
        assert!(is_dirty(&sector(b"FAT12   ", 54, 37)));
        assert!(!is_dirty(&sector(b"FAT32   ", 82, 37)));
        assert!(!is_dirty(&sector(b"FAT16   ", 54, 65)));
        assert!(!is_dirty(&sector(b"NTFS    ", 3, 65)));
    }

    #[test]
    fn what_was_not_unmounted_is_checked_and_clean_then() {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("fat");
        File::create(&image).unwrap().set_len(8 << 20).unwrap();
        let image = image.to_str().unwrap();
        tool::run("mkfs.fat", &[image], None).unwrap();
        let mut bytes = std::fs::read(image).unwrap();
        bytes[37] |= DIRTY;
        std::fs::write(image, &bytes).unwrap();
        assert!(tool::run(CHECK, &["-n", image], None).is_err());
        check(image).unwrap();
        tool::run(CHECK, &["-n", image], None).unwrap();
    }
}
