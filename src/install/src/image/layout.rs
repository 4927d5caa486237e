//! What an unpacked image begins with.

use super::NoImage;
use super::packing::{file_system, other, packed_again};

/// What a disk image begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskImage {
    /// A GPT.
    Gpt {
        /// Bytes of a sector that the table counts in: 512 or 4096.
        sector: u64,
        /// Bytes from the image's beginning to the end of its backup table: how large it is.
        size: u64,
        /// Where its backup table begins, in bytes: behind the last byte that a partition can have.
        backup: u64,
    },
    /// A boot record with partitions and without a GPT.
    Mbr {
        /// Bytes up to the end of the last partition, in sectors of 512 bytes.
        size: u64,
    },
}

/// The signature of a GPT's header.
const EFI_PART: &[u8] = b"EFI PART";

/// The partition type that says that the disk has a GPT.
const PROTECTIVE: u8 = 0xee;

impl DiskImage {
    /// Reads `head`, the first unpacked bytes of an image ([`super::HEAD`] of them, or all there are).
    ///
    /// # Errors
    ///
    /// What has no partition table; what it is instead, where that is known.
    pub fn of(head: &[u8]) -> Result<Self, NoImage> {
        if head.is_empty() {
            return Err(NoImage::Empty);
        }
        if let Some(known) = packed_again(head).or_else(|| other_than_loader(head)) {
            return Err(known);
        }
        for sector in [512, 4096] {
            if let Some(header) = head.get(sector..).filter(|rest| rest.starts_with(EFI_PART)) {
                return gpt(header, sector as u64);
            }
        }
        if head.iter().all(|byte| *byte == 0) {
            return Err(NoImage::Zeros(head.len()));
        }
        let partitions = partitions(head);
        if partitions.iter().any(|(kind, _)| *kind == PROTECTIVE) {
            return Err(NoImage::BadTable(
                "the boot record tells of a GPT, and there is none at 512 or 4096 bytes",
            ));
        }
        if let Some(known) = file_system(head).filter(|_| partitions.is_empty()) {
            return Err(known);
        }
        let size = partitions.iter().map(|(_, end)| *end).max();
        size.map(|size| Self::Mbr { size }).ok_or(NoImage::NoTable)
    }

    /// Bytes that the image must have for its table to be true.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Gpt { size, .. } | Self::Mbr { size } => *size,
        }
    }
}

/// Boot code may begin as a program does, and a boot record behind it makes it a disk all the same.
fn other_than_loader(head: &[u8]) -> Option<NoImage> {
    other(head).filter(|_| !head.starts_with(b"MZ") || head.get(512..520) != Some(EFI_PART))
}

/// Reads the fields that tell how large a disk is; whether its checksums are right is for firmware to say, and for who
/// reads the whole table.
fn gpt(header: &[u8], sector: u64) -> Result<DiskImage, NoImage> {
    let field = |at: usize| {
        let bytes = header.get(at..at + 8)?.try_into().ok()?;
        Some(u64::from_le_bytes(bytes))
    };
    let (Some(own), Some(alternate), Some(last)) = (field(24), field(32), field(48)) else {
        return Err(NoImage::BadTable("it ends within the header of its GPT"));
    };
    if own != 1 {
        return Err(NoImage::BadTable(
            "the GPT's header is not made for its place",
        ));
    }
    let bytes = |sectors: u64| {
        sectors
            .checked_add(1)
            .and_then(|sectors| sectors.checked_mul(sector))
    };
    match (bytes(alternate), bytes(last)) {
        (Some(size), Some(backup)) if backup < size => Ok(DiskImage::Gpt {
            sector,
            size,
            backup,
        }),
        _ => Err(NoImage::BadTable(
            "the GPT tells of no end of the disk that could be",
        )),
    }
}

/// The type and the end, in bytes, of each partition in a boot record.
fn partitions(head: &[u8]) -> Vec<(u8, u64)> {
    let Some((record, _)) = head.split_first_chunk::<512>() else {
        return Vec::new();
    };
    if !record.ends_with(&[0x55, 0xaa]) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for entry in record[446..510].chunks_exact(16) {
        let number = |at: usize| {
            u64::from(u32::from_le_bytes([
                entry[at],
                entry[at + 1],
                entry[at + 2],
                entry[at + 3],
            ]))
        };
        let (start, sectors) = (number(8), number(12));
        // Anything else in the first byte is no entry of a table, but code or a file system's own.
        if !matches!(entry[0], 0 | 0x80) {
            return Vec::new();
        }
        if entry[4] != 0 && sectors != 0 {
            found.push((entry[4], (start + sectors) * 512));
        }
    }
    found
}
