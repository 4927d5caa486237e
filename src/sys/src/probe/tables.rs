//! Partition tables of every kind, as far as it takes to know that there is one.

use std::io;

use super::{Class, Hit, Reader, filesystems};

/// The type of the entry that protects a GPT.
const PROTECTIVE: u8 = 0xee;

/// Tables by their first bytes: name, offset, magic.
const MAGICS: &[(&str, u64, &[u8])] = &[
    ("aix", 0, b"\xc9\xc2\xd4\xc1"),
    ("sgi", 0, b"\x0b\xe5\xa9\x41"),
    ("ultrix", 16312, b"\x57\x29\x03\0\x01\0\0\0"),
    ("bsd", 64, b"\x57\x45\x56\x82"),
    ("bsd", 128, b"\x57\x45\x56\x82"),
    ("bsd", 512, b"\x57\x45\x56\x82"),
    ("unixware", 29 * 512 + 4, b"\x0d\x60\xe5\xca"),
    ("solaris", 512 + 12, b"\xee\xde\x0d\x60"),
];

/// All tables, in the order in which libblkid looks for them. Those of one system may lie within those of
/// another.
pub(super) fn hits(reader: &mut Reader<'_>) -> io::Result<Vec<Hit>> {
    let mut hits = Vec::new();
    let mut add = |kind: &str, places: Vec<(u64, u64)>| {
        hits.push(Hit::plain(kind, Class::Tolerant, places));
    };
    for (kind, at, magic) in MAGICS {
        if reader.is(*at, magic)? {
            add(kind, vec![(*at, magic.len() as u64)]);
        }
    }
    if is_sun(reader)? {
        add("sun", vec![(508, 2)]);
    }
    match master_boot_record(reader)? {
        Some(Record::Partitions | Record::Empty) => add("dos", vec![(510, 2)]),
        Some(Record::Protective) => {
            let mut places = vec![(510, 2)];
            // Behind the first sector, whichever size it has.
            for header in [512, 4096] {
                if reader.is(header, b"EFI PART")? {
                    places.push((header, 8));
                }
            }
            add("gpt", places);
        }
        None => {}
    }
    if is_mac(reader)? {
        add("mac", vec![(0, 2)]);
    }
    if let Some(entry) = atari(reader)? {
        add("atari", vec![(entry, 4)]);
    }
    Ok(hits)
}

/// Whether the table is one of the MBR that names partitions.
pub(super) fn names_partitions(reader: &mut Reader<'_>) -> io::Result<bool> {
    Ok(master_boot_record(reader)? == Some(Record::Partitions))
}

/// What the first sector is, if it ends as a boot sector does.
#[derive(Debug, PartialEq, Eq)]
enum Record {
    /// The table of a disk without GPT.
    Partitions,
    /// The same without partitions: a table, or boot code alone.
    Empty,
    /// What keeps old programs from a GPT.
    Protective,
}

fn master_boot_record(reader: &mut Reader<'_>) -> io::Result<Option<Record>> {
    if !reader.is(510, b"\x55\xaa")? {
        return Ok(None);
    }
    // Their first sector ends in the same way. AIX leaves the rest of the sector to others.
    if filesystems::is_fat(reader)?
        || filesystems::names_fat(reader)?
        || reader.is(3, b"NTFS    ")?
        || reader.is(0, b"\xc9\xc2\xd4\xc1")?
    {
        return Ok(None);
    }
    let sector = reader.bytes(446, 64)?;
    let entries = || sector.chunks_exact(16);
    // The first byte of an entry says whether it is booted; anything else is boot code or text.
    let plausible = |entry: &[u8]| entry[0] & 0x7f == 0;
    if entries().any(|entry| entry[4] != 0 && entry[4] != PROTECTIVE && plausible(entry)) {
        return Ok(Some(Record::Partitions));
    }
    if entries().any(|entry| entry[4] == PROTECTIVE) {
        return Ok(Some(Record::Protective));
    }
    Ok(entries().all(plausible).then_some(Record::Empty))
}

/// All 16-bit words of the label add up to nothing by exclusive or (block/partitions/sun.c).
fn is_sun(reader: &mut Reader<'_>) -> io::Result<bool> {
    let label = reader.bytes(0, 512)?;
    let sum = label
        .chunks_exact(2)
        .fold([0; 2], |sum, word| [sum[0] ^ word[0], sum[1] ^ word[1]]);
    Ok(label[508..510] == [0xda, 0xbe] && sum == [0; 2])
}

/// A driver descriptor, and a partition map in the block after it (block/partitions/mac.h).
fn is_mac(reader: &mut Reader<'_>) -> io::Result<bool> {
    let block = u64::from(reader.be16(2)?);
    Ok(reader.is(0, b"ER")?
        && block >= 512
        && (reader.is(block, b"PM")? || reader.is(block, b"TS")?))
}

/// The place of the first partition in a root sector of the Atari, which has no magic: sizes that fit, and a
/// partition whose name is of letters and digits (block/partitions/atari.c).
fn atari(reader: &mut Reader<'_>) -> io::Result<Option<u64>> {
    let sectors = u64::from(reader.be32(0x1c2)?);
    if sectors < 2 || sectors > reader.sectors() {
        return Ok(None);
    }
    let fits = |start: u32, length: u32| {
        let end = start.wrapping_add(length);
        end >= start
            && [start, length, end]
                .iter()
                .all(|n| *n > 0 && u64::from(*n) <= sectors)
    };
    let bad = (reader.be32(0x1f6)?, reader.be32(0x1fa)?);
    if bad != (0, 0) && !fits(bad.0, bad.1) {
        return Ok(None);
    }
    for at in (0..4).map(|n| 0x1c6 + 12 * n) {
        let name = reader.bytes(at + 1, 3)?;
        let active = reader.byte(at)? & 1 != 0;
        // Letters are those of Latin 1, as in the kernel.
        let letters = (name.iter()).all(|c| c.is_ascii_alphanumeric() || *c >= 0xc0);
        if active && letters && fits(reader.be32(at + 4)?, reader.be32(at + 8)?) {
            return Ok(Some(at));
        }
    }
    Ok(None)
}
