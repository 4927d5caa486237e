//! Making a device blank: nothing that anybody would recognize is left.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::Path;

use crate::blockdev;
use crate::disk_error::{DiskError, during};
use crate::gpt::{self, Found, Geometry};
use crate::probe::{self, Area, Place};
use crate::tool;

/// How often what is left is looked for. What shows only when something else is gone shows in the second round.
const ROUNDS: usize = 8;

/// Wipes all signatures of a device.
pub(crate) fn signatures(device: &str) -> Result<(), DiskError> {
    tool::run("wipefs", &["--all", "--force", device], None)?;
    clear(device, &[])
}

/// The same before another table is made, which may have partitions in the old places: what is on those is
/// decided when their turn comes.
pub(crate) fn signatures_of_table(disk: &str) -> Result<(), DiskError> {
    let partitions = partitions(disk).map_err(during("reading the partition table of", disk))?;
    tool::run("wipefs", &["--all", "--force", disk], None)?;
    clear(disk, &partitions)
}

/// Overwrites what wipefs leaves: it takes what libblkid needs for an answer, which leaves three uberblocks of
/// ZFS with all names of its pool, second copies of superblocks, and headers of a GPT that are damaged.
fn clear(device: &str, spared: &[Range<u64>]) -> Result<(), DiskError> {
    let geometry = blockdev::geometry(Path::new(device)).map_err(during("looking at", device))?;
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(device)
        .map_err(during("opening", device))?;
    let mut left = Vec::new();
    for _ in 0..ROUNDS {
        left = places(&mut file, geometry).map_err(during("reading", device))?;
        left.retain(|place| !overlaps(place, spared));
        if left.is_empty() {
            return file.sync_all().map_err(during("syncing", device));
        }
        for place in &left {
            zero(&mut file, place).map_err(during("wiping", device))?;
        }
    }
    let kinds: Vec<&str> = left.iter().map(|place| place.kind.as_str()).collect();
    let cause = format!(
        "{} can still be recognized on it after {ROUNDS} tries; is it written to by something else, or failing?",
        kinds.join(" and ")
    );
    Err(during("wiping", device)(io::Error::other(cause)))
}

fn overlaps(place: &Place, spared: &[Range<u64>]) -> bool {
    let end = place.start.saturating_add(place.length);
    (spared.iter()).any(|range| place.start < range.end && range.start < end)
}

fn zero(file: &mut File, place: &Place) -> io::Result<()> {
    file.seek(SeekFrom::Start(place.start))?;
    io::copy(&mut io::repeat(0).take(place.length), file)?;
    file.flush()
}

/// What is to be overwritten: all that is recognized, and both headers of a GPT, whether or not they are whole
/// and protected by an MBR.
fn places(file: &mut File, geometry: Geometry) -> io::Result<Vec<Place>> {
    let mut places = probe::places(&mut Area {
        device: file,
        start: 0,
        size: geometry.size,
    })?;
    let sectors = geometry.size / geometry.sector;
    for sector in [1, sectors.saturating_sub(1)] {
        if sectors < 2 {
            break;
        }
        let mut magic = [0; 8];
        let start = sector * geometry.sector;
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut magic)?;
        if &magic == b"EFI PART" {
            places.push(Place {
                kind: "gpt".into(),
                start,
                length: 8,
            });
        }
    }
    Ok(places)
}

/// Where the partitions of a disk lie, in bytes: those of its GPT, or those that its MBR names.
fn partitions(disk: &str) -> io::Result<Vec<Range<u64>>> {
    let geometry = blockdev::geometry(Path::new(disk))?;
    let mut file = File::open(disk)?;
    let bytes = |first: u64, sectors: u64| {
        let start = first.saturating_mul(geometry.sector);
        start..start.saturating_add(sectors.saturating_mul(geometry.sector))
    };
    if let Found::Table(raw) | Found::Remains(raw) = gpt::read(&mut file, geometry)? {
        let table = raw.facts(geometry);
        let entries = table.partitions.values();
        return Ok(entries
            .map(|entry| bytes(entry.start, entry.sectors()))
            .collect());
    }
    let mut sector = [0; 512];
    if geometry.size < 512 {
        return Ok(Vec::new());
    }
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut sector)?;
    if sector[510..] != [0x55, 0xaa] {
        return Ok(Vec::new());
    }
    let number = |entry: &[u8], at: usize| {
        let bytes = entry[at..at + 4].iter().rev();
        bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
    };
    Ok((sector[446..510].chunks_exact(16))
        .filter(|entry| entry[4] != 0)
        .map(|entry| bytes(number(entry, 8), number(entry, 12)))
        .collect())
}
