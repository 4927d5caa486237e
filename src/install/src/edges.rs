//! The beginning and the end of a disk in memory, where its partition table has its two copies.
//!
//! An image's table is changed here before it ever reaches the disk: the backup goes to where this disk ends, and
//! saved partitions get their entries.

use std::io::{self, Read, Seek, SeekFrom, Write};

use pilotlight_core::facts::disks::{Entry, Table};
use pilotlight_sys::gpt::{self, Found, Geometry, Raw};

/// A partition that is kept: its number and its entry.
pub type Saved = (u32, Entry);

/// A disk of which only beginning and end are there; in between it reads as zeros and takes nothing.
#[derive(Debug)]
struct Edges<'e> {
    first: &'e mut [u8],
    last: &'e mut [u8],
    size: u64,
    at: u64,
}

impl Edges<'_> {
    /// The edge that a place is in, and where there.
    fn place(&mut self) -> Option<(&mut [u8], usize)> {
        let first = self.first.len() as u64;
        let last = self.size.saturating_sub(self.last.len() as u64);
        if self.at < first {
            let at = usize::try_from(self.at).ok()?;
            return Some((self.first, at));
        }
        let at = usize::try_from(self.at.checked_sub(last)?).ok()?;
        (at < self.last.len()).then_some((&mut *self.last, at))
    }

    fn step(&mut self, length: usize) -> usize {
        self.at = self.at.saturating_add(length as u64);
        length
    }
}

impl Read for Edges<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size.saturating_sub(self.at);
        let length = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..length];
        let length = match self.place() {
            Some((edge, at)) => {
                let length = length.min(edge.len() - at);
                buffer[..length].copy_from_slice(&edge[at..at + length]);
                length
            }
            None => {
                let last = self.size.saturating_sub(self.last.len() as u64);
                let length = length.min(usize::try_from(last - self.at).unwrap_or(usize::MAX));
                buffer[..length].fill(0);
                length
            }
        };
        Ok(self.step(length))
    }
}

impl Write for Edges<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let at = self.at;
        let Some((edge, at)) = self.place() else {
            return Err(io::Error::other(format!(
                "byte {at} is in the middle of the disk, where no partition table belongs"
            )));
        };
        let length = buffer.len().min(edge.len() - at);
        edge[at..at + length].copy_from_slice(&buffer[..length]);
        Ok(self.step(length))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Edges<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        }
        .ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// The table that an image of `size` bytes has, by its first bytes; `None` if it has none.
pub fn table_of(head: &[u8], size: u64, sector: u64) -> io::Result<Option<Table>> {
    let geometry = Geometry { size, sector };
    let mut head = head.to_vec();
    let mut disk = Edges {
        first: &mut head,
        last: &mut [],
        size,
        at: 0,
    };
    Ok(match gpt::read(&mut disk, geometry)? {
        Found::Table(raw) | Found::Remains(raw) => Some(raw.facts(geometry)),
        Found::Nothing | Found::Unusable(_) => None,
    })
}

/// Makes the edges of an image those of a disk: the backup of its table at the disk's end, entries of saved partitions
/// among its own. An image without a GPT stays as it is.
pub fn finish(
    first: &mut [u8],
    last: &mut [u8],
    geometry: Geometry,
    saved: &[Saved],
) -> Result<(), String> {
    let mut disk = Edges {
        first,
        last,
        size: geometry.size,
        at: 0,
    };
    let found = gpt::read(&mut disk, geometry).map_err(|error| error.to_string())?;
    let mut raw = match found {
        Found::Table(raw) => raw,
        Found::Nothing | Found::Remains(_) | Found::Unusable(_) if saved.is_empty() => {
            return Ok(());
        }
        _ => return Err("the image has no GPT into which saved partitions could be put".into()),
    };
    merge(&mut raw, geometry, saved)?;
    raw.problem = None;
    raw.unseen = false;
    raw.rehearse(geometry).map_err(|error| error.to_string())?;
    raw.write(&mut disk, geometry, |_| Ok(()))
        .map_err(|error| error.to_string())
}

fn merge(raw: &mut Raw, geometry: Geometry, saved: &[Saved]) -> Result<(), String> {
    for (number, entry) in saved {
        if raw.facts(geometry).partitions.contains_key(number) {
            return Err(format!("the image has a partition {number} itself"));
        }
        raw.create(*number, entry)
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Which numbers saved partitions have in the table of an image: their own where they are free, else the first free
/// ones behind all others; and why they cannot be in it.
///
/// The image takes the sectors before `end`.
pub fn numbered(image: &Table, end: u64, saved: &[Saved]) -> Result<Vec<Saved>, String> {
    let own = |number: &u32| *number <= image.slots && !image.partitions.contains_key(number);
    let mut out: Vec<Saved> = Vec::new();
    for (number, entry) in saved {
        let number = if own(number) {
            *number
        } else {
            let taken = (image.partitions.keys().copied())
                .chain(saved.iter().map(|(number, _)| *number))
                .chain(out.iter().map(|(number, _)| *number));
            taken.max().unwrap_or(0) + 1
        };
        if number > image.slots {
            return Err(format!(
                "the image's table has {} slots, and none is left for the saved partition {:?}",
                image.slots, entry.label
            ));
        }
        if entry.start < end {
            return Err(format!(
                "the partition {:?} begins at sector {}, and the image takes the sectors before {end}: it cannot be saved",
                entry.label, entry.start
            ));
        }
        out.push((number, entry.clone()));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotlight_core::model::Guid;

    const EDGE: usize = 1 << 20;

    fn entry(start: u64, end: u64) -> Entry {
        Entry {
            start,
            end,
            type_guid: Guid([1; 16]),
            guid: Some(Guid([2; 16])),
            label: "x".into(),
            attributes: 1 << 60,
        }
    }

    /// The edges of a disk whose image of 8 MiB had a partition 3 and its backup in the middle.
    fn edges(size: u64, sector: u64) -> (Vec<u8>, Vec<u8>) {
        let small = Geometry {
            size: 8 << 20,
            sector,
        };
        let (mut first, mut last) = (vec![0; EDGE], vec![0; EDGE]);
        let mut raw = Raw::empty(small);
        raw.create(3, &entry((2 << 20) / sector, (3 << 20) / sector - 1))
            .unwrap();
        let mut disk = Edges {
            first: &mut first,
            last: &mut last,
            size: small.size,
            at: 0,
        };
        raw.write(&mut disk, small, |_| Ok(())).unwrap();
        (
            first,
            if size == small.size {
                last
            } else {
                vec![0; EDGE]
            },
        )
    }

    #[test]
    fn the_backup_goes_to_the_end_with_the_saved_partitions() {
        for sector in [512, 4096] {
            for size in [8 << 20, 64 << 20] {
                let geometry = Geometry { size, sector };
                let (mut first, mut last) = edges(size, sector);
                let kept = entry((4 << 20) / sector, (5 << 20) / sector);
                finish(&mut first, &mut last, geometry, &[(7, kept.clone())]).unwrap();
                let mut disk = Edges {
                    first: &mut first,
                    last: &mut last,
                    size,
                    at: 0,
                };
                let Found::Table(raw) = gpt::read(&mut disk, geometry).unwrap() else {
                    panic!()
                };
                assert_eq!(raw.problem, None, "{sector} {size}");
                let table = raw.facts(geometry);
                assert_eq!(table.partitions.keys().copied().collect::<Vec<_>>(), [3, 7]);
                assert_eq!(table.partitions[&7], kept);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let size = 64 << 20;
        let geometry = Geometry { size, sector: 512 };
        for (number, start, end) in [(3, 40_000, 40_001), (4, 4096, 5000), (4, 40_000, 1 << 40)] {
            let (mut first, mut last) = edges(size, 512);
            let saved = [(number, entry(start, end))];
            assert!(
                finish(&mut first, &mut last, geometry, &saved).is_err(),
                "{start}"
            );
        }
        let (mut first, mut last) = (vec![0; EDGE], vec![0; EDGE]);
        assert!(finish(&mut first, &mut last, geometry, &[]).is_ok());
        assert!(first.iter().all(|byte| *byte == 0));
        assert!(finish(&mut first, &mut last, geometry, &[(1, entry(9000, 9001))]).is_err());
    }

    #[test]
    fn a_table_is_read_from_the_beginning_of_an_image() {
        let (first, _) = edges(64 << 20, 512);
        let table = table_of(&first[..36 << 10], 8 << 20, 512).unwrap().unwrap();
        assert_eq!(table.partitions.len(), 1);
        assert_eq!(table_of(&[0; 4096], 8 << 20, 512).unwrap(), None);
    }
}
