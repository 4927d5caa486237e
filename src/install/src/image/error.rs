//! Why an image is not on the disk.

use std::io;
use std::ops::Range;

use super::{NoImage, Packing, Refusal};

/// Why an image was not unpacked or not written. What [`ImageError::untouched`] tells apart: whether the disk still
/// is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The source cannot be read.
    #[error("while reading the image at byte {at}: {cause}")]
    Read {
        /// Packed bytes that had come until then.
        at: u64,
        /// What the source said.
        cause: io::Error,
    },
    /// What was given is no image of a disk.
    #[error("this is no disk image: {0}")]
    NoImage(#[from] NoImage),
    /// The packed bytes cannot be unpacked, or they end too early.
    #[error("the {packing} image is damaged after {at} unpacked bytes: {what}; fetch it again")]
    Damaged {
        /// How it is packed.
        packing: Packing,
        /// Unpacked bytes before the fault.
        at: u64,
        /// What is wrong.
        what: String,
    },
    /// Nobody vouches for the image, or not for this one.
    #[error("the image is not verified: {0}")]
    Refused(#[from] Refusal),
    /// The image has no room on the disk.
    #[error("the image has {} {image} bytes, and there is room for {room}: use a larger disk", if *least { "at least" } else { "exactly" })]
    TooLarge {
        /// Bytes of the unpacked image, as far as they are known.
        image: u64,
        /// Whether its table told of less: then more came than there is room for, and what was before is written.
        least: bool,
        /// Bytes of the disk, or up to what is kept.
        room: u64,
    },
    /// A table for sectors of another size: firmware and kernel would not find it.
    #[error(
        "the image is made for sectors of {image} bytes, the disk has sectors of {disk}: take the image for {disk}-byte sectors"
    )]
    Sector {
        /// Bytes of a sector that the image's table counts in.
        image: u64,
        /// Bytes of a logical sector of the disk.
        disk: u64,
    },
    /// The image reaches into what has to be kept.
    #[error("the image reaches into the bytes {} to {} of the disk, which are to be kept: save partitions that lie further back, or none", .kept.start, .kept.end)]
    Overlaps {
        /// The kept range, in bytes.
        kept: Range<u64>,
    },
    /// What the caller adds to the beginning and the end of the disk was not to be had.
    #[error("while preparing the partition table: {0}")]
    Edges(String),
    /// The disk cannot be read or written.
    #[error("while {doing} the disk at byte {at}: {cause}")]
    Disk {
        /// What was done: `writing`, `reading back`.
        doing: &'static str,
        /// The place on the disk.
        at: u64,
        /// What the kernel said.
        cause: io::Error,
    },
    /// The disk does not give back what was written.
    #[error(
        "the disk gives back something else than what was written, first within {length} bytes from byte {at}: it is faulty, or smaller than it says; replace it"
    )]
    Differs {
        /// Where the first piece that differs begins.
        at: u64,
        /// Its length.
        length: u64,
    },
    /// A thread ended by a fault of this program.
    #[error("a fault of this program, which said more on standard error: report it")]
    Bug,
}

impl ImageError {
    /// Whether the disk is as it was: what is found in the first MiB of an image is found before anything is written.
    #[must_use]
    pub fn untouched(&self) -> bool {
        matches!(
            self,
            Self::NoImage(_)
                | Self::Sector { .. }
                | Self::Overlaps { .. }
                | Self::TooLarge { least: false, .. }
        )
    }
}
