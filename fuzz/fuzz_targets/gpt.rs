//! Partition tables: the input is the beginning and the end of a small disk.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use pilotlight_sys::gpt::{Found, Geometry, read};

const SECTORS: usize = 128;

fuzz_target!(|bytes: &[u8]| {
    let Some((flags, bytes)) = bytes.split_first() else {
        return;
    };
    let sector = if flags & 1 == 0 { 512 } else { 4096 };
    let geometry = Geometry {
        size: (SECTORS * sector) as u64,
        sector: sector as u64,
    };
    let mut disk = vec![0; SECTORS * sector];
    let head = bytes.len().min(SECTORS * sector - sector);
    disk[sector..sector + head].copy_from_slice(&bytes[..head]);
    if flags & 2 == 0 {
        // With right checksums the other fields are believed as far as they can be true.
        seal(&mut disk, sector, 1);
    }
    if flags & 4 != 0 {
        disk.copy_within(sector..2 * sector, (SECTORS - 1) * sector);
        disk[(SECTORS - 1) * sector + 24..][..8]
            .copy_from_slice(&(SECTORS as u64 - 1).to_le_bytes());
        seal(&mut disk, sector, SECTORS - 1);
    }

    let mut device = Cursor::new(disk);
    let found = read(&mut device, geometry).expect("a disk in memory is read");
    let (Found::Table(mut table) | Found::Remains(mut table)) = found else {
        return;
    };
    table.facts(geometry);
    table.delete(1);
    if table.rehearse(geometry).is_ok() {
        table
            .write(&mut device, geometry, |_| Ok(()))
            .expect("a disk in memory is written");
        let again = read(&mut device, geometry).expect("a disk in memory is read");
        // Writing repaired what was wrong with it.
        table.problem = None;
        table.unseen = false;
        assert_eq!(again, Found::Table(table));
    }
});

/// Corrects the checksums of a header, and of its entries where they lie on the disk.
fn seal(disk: &mut [u8], sector: usize, lba: usize) {
    let number = |disk: &[u8], at: usize| {
        u32::from_le_bytes([disk[at], disk[at + 1], disk[at + 2], disk[at + 3]]) as usize
    };
    let header = lba * sector;
    let start = number(disk, header + 72).saturating_mul(sector);
    let length = number(disk, header + 80).saturating_mul(128);
    if let Some(entries) = disk.get(start..start.saturating_add(length)) {
        let sum = crc32fast::hash(entries).to_le_bytes();
        disk[header + 88..header + 92].copy_from_slice(&sum);
    }
    let length = number(disk, header + 12);
    if (92..=sector).contains(&length) {
        disk[header + 16..header + 20].fill(0);
        let sum = crc32fast::hash(&disk[header..header + length]).to_le_bytes();
        disk[header + 16..header + 20].copy_from_slice(&sum);
    }
}
