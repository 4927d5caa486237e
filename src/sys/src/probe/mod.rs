//! What is on a device: superblocks and partition tables, by the signatures that libblkid knows them by.
//!
//! Whatever libblkid calls something is something here as well. Where libblkid checks more than is checked
//! here, what fails its checks is at most a suspicion: it keeps a device from being blank, and changes nothing
//! about what else is recognized there.
//!
//! Reads a bounded number of bytes, and trusts none of them. A file system whose making was cut off
//! (btrfs's temporary magic, XFS's `sb_inprogress`) counts as blank, because it is made again.

mod checks;
mod filesystems;
mod kinds;
mod luks;
mod optical;
mod raid;
mod tables;
#[cfg(test)]
mod tests;
mod zfs;

pub(crate) use checks::CRC32;

use std::io::{self, Read, Seek, SeekFrom};

use pilotlight_core::facts::disks::{Signature, Superblock};

/// A part of a device: a partition, or all of it.
pub struct Area<'d, D> {
    /// The device.
    pub device: &'d mut D,
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub size: u64,
}

/// What an area gives to read, whatever its device is.
trait Source {
    fn size(&self) -> u64;
    /// Reads bytes at an offset; what lies beyond the end reads as zeros.
    fn read(&mut self, offset: u64, length: usize) -> io::Result<Vec<u8>>;
}

impl<D: Read + Seek> Source for Area<'_, D> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&mut self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let there = self.size.saturating_sub(offset).min(length as u64);
        // No more than `length`, which is a usize.
        let there = usize::try_from(there).unwrap_or(length);
        if there == 0 {
            // Block devices refuse to be asked for what lies beyond their end.
            return Ok(bytes);
        }
        self.device
            .seek(SeekFrom::Start(self.start.saturating_add(offset)))?;
        self.device.read_exact(&mut bytes[..there])?;
        Ok(bytes)
    }
}

/// How much is read at once of the beginning, where most signatures lie.
const HEAD: usize = 256 << 10;

/// An area whose beginning is in memory.
struct Reader<'s> {
    source: &'s mut dyn Source,
    head: Vec<u8>,
}

impl<'s> Reader<'s> {
    fn new(source: &'s mut dyn Source) -> io::Result<Self> {
        let head = source.read(0, HEAD)?;
        Ok(Self { source, head })
    }

    fn size(&self) -> u64 {
        self.source.size()
    }

    /// Number of whole sectors of 512 bytes, in which most formats count.
    fn sectors(&self) -> u64 {
        self.size() / 512
    }

    fn bytes(&mut self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        match self.head.get(start..start.saturating_add(length)) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => self.source.read(at, length),
        }
    }

    fn array<const N: usize>(&mut self, at: u64) -> io::Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes(at, N)?);
        Ok(array)
    }

    fn is(&mut self, at: u64, bytes: &[u8]) -> io::Result<bool> {
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        match self.head.get(start..start.saturating_add(bytes.len())) {
            Some(there) => Ok(there == bytes),
            None => Ok(self.source.read(at, bytes.len())? == bytes),
        }
    }

    fn byte(&mut self, at: u64) -> io::Result<u8> {
        Ok(self.array::<1>(at)?[0])
    }

    fn le16(&mut self, at: u64) -> io::Result<u16> {
        Ok(u16::from_le_bytes(self.array(at)?))
    }

    fn be16(&mut self, at: u64) -> io::Result<u16> {
        Ok(u16::from_be_bytes(self.array(at)?))
    }

    fn le32(&mut self, at: u64) -> io::Result<u32> {
        Ok(u32::from_le_bytes(self.array(at)?))
    }

    fn be32(&mut self, at: u64) -> io::Result<u32> {
        Ok(u32::from_be_bytes(self.array(at)?))
    }

    fn le64(&mut self, at: u64) -> io::Result<u64> {
        Ok(u64::from_le_bytes(self.array(at)?))
    }
}

/// How much a signature says about the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// The device is a part of something else, or encrypted: what lies beneath may look like anything.
    Member,
    /// The device has this format and no other.
    Sole,
    /// A format that is meant to stand beside others (ISO 9660 beside UDF or HFS).
    Tolerant,
    /// It looks like this format, and may be its remains.
    Suspect,
}

/// A signature.
#[derive(Debug)]
struct Hit {
    found: Superblock,
    class: Class,
    /// The bytes that it is recognized by: offset and length.
    places: Vec<(u64, u64)>,
}

impl Hit {
    fn plain(kind: &str, class: Class, places: Vec<(u64, u64)>) -> Self {
        let found = Superblock {
            kind: kind.into(),
            ..Superblock::default()
        };
        Self {
            found,
            class,
            places,
        }
    }
}

/// A place that a format is recognized by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The format, by libblkid's name.
    pub kind: String,
    /// First byte within the area.
    pub start: u64,
    /// Length in bytes.
    pub length: u64,
}

/// Up to here libblkid takes a device for a floppy disk, and the first thing that it finds for all.
const FLOPPY: u64 = 1440 << 10;

/// Looks for superblocks at all known places.
pub fn superblock<D: Read + Seek>(area: &mut Area<'_, D>) -> io::Result<Signature> {
    let size = area.size;
    Ok(verdict(kinds::hits(&mut Reader::new(area)?)?, size))
}

/// Looks for superblocks and, where there are none, for partition tables of any kind.
pub fn probe<D: Read + Seek>(area: &mut Area<'_, D>) -> io::Result<Signature> {
    let size = area.size;
    let reader = &mut Reader::new(area)?;
    match verdict(kinds::hits(reader)?, size) {
        Signature::Blank => Ok(verdict(tables::hits(reader)?, size)),
        found => Ok(found),
    }
}

/// The kind of partition table on a device, GPT aside, by libblkid's name, unless what was recognized
/// besides it makes it remains. Only a table that names partitions counts more than a superblock.
pub fn table<D: Read + Seek>(
    area: &mut Area<'_, D>,
    besides: &Signature,
) -> io::Result<Option<String>> {
    let reader = &mut Reader::new(area)?;
    if *besides != Signature::Blank && !tables::names_partitions(reader)? {
        return Ok(None);
    }
    let hits = tables::hits(reader)?;
    Ok(hits.into_iter().next().map(|hit| hit.found.kind))
}

/// All places that anything is recognized by: what has to go to make the area blank.
pub fn places<D: Read + Seek>(area: &mut Area<'_, D>) -> io::Result<Vec<Place>> {
    let size = area.size;
    let reader = &mut Reader::new(area)?;
    let mut hits = kinds::hits(reader)?;
    hits.extend(tables::hits(reader)?);
    let places = hits.into_iter().flat_map(|hit| {
        let kind = hit.found.kind;
        (hit.places.into_iter()).map(move |(start, length)| Place {
            kind: kind.clone(),
            start,
            length: length.min(size.saturating_sub(start)),
        })
    });
    Ok(places.filter(|place| place.length > 0).collect())
}

/// What the hits say together, in the order in which libblkid looks.
fn verdict(hits: Vec<Hit>, size: u64) -> Signature {
    let (mut certain, suspects): (Vec<Hit>, Vec<Hit>) =
        (hits.into_iter()).partition(|hit| hit.class != Class::Suspect);
    if let Some(member) = certain.iter().position(|hit| hit.class == Class::Member) {
        certain.truncate(member + 1);
    }
    let sole = certain.iter().any(|hit| hit.class == Class::Sole);
    if certain.len() > 1 && sole && size > FLOPPY {
        return Signature::Ambivalent(certain.into_iter().map(|hit| hit.found.kind).collect());
    }
    match certain.into_iter().chain(suspects).next() {
        Some(hit) => Signature::Found(hit.found),
        None => Signature::Blank,
    }
}

/// Text up to the first NUL.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// A UUID in the order of its bytes; all zeros is none.
fn uuid(bytes: [u8; 16]) -> Option<String> {
    match uuid::Uuid::from_bytes(bytes) {
        uuid if uuid.is_nil() => None,
        uuid => Some(uuid.hyphenated().to_string()),
    }
}
