//! FAT file systems of a partition, read and written without mounting them.
//!
//! [`Volume::read`] takes in the whole tree, [`Volume::put`] adds files to it, and [`Volume::layout`] says what to write
//! so that the partition has it as a FAT32: a FAT32 stays the one it is, and a FAT12 or FAT16 becomes one of the same
//! size. Contents stay where they are on the disk, as far as the larger tables let them; directory entries are taken
//! over as they stand, so that short names, attributes and dates are kept to the bit.
//!
//! Why not the crate `fatfs` (0.3.6): the directories that it makes have a long name before `.`, which fsck.fat takes for
//! damage; attributes and short names cannot be kept with it; and what a hostile table makes it read is not bounded.

mod directory;
mod geometry;
mod layout;
mod volume;

pub use directory::Stamp;
pub use geometry::{SECTOR, Width};
pub use layout::Layout;
pub use volume::Volume;

use std::io;

use thiserror::Error;

/// Where a file system is read from: a partition, its first byte being 0.
pub trait Source {
    /// Fills `into` with what is at `at`; an error where the partition ends before.
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()>;
}

/// A [`Source`] that can be written.
pub trait Medium: Source {
    /// Writes all of `bytes` at `at`.
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Returns when all that was written would survive a power cut.
    fn sync(&self) -> io::Result<()>;
}

/// Why a file system was not read, or not changed.
#[derive(Debug, Error)]
pub enum FatError {
    /// It is none, or one that nobody could use.
    #[error("it has no FAT file system that can be used: {0}")]
    NoFat(String),
    /// The boot ROM reads other sectors only.
    #[error(
        "it has sectors of {0} bytes; the Raspberry Pi's boot ROM reads sectors of 512 bytes only"
    )]
    Sector(u64),
    /// It cannot become a FAT32.
    #[error(
        "it has {size} bytes, which is too small for the FAT32 that the boot ROM reads: make the partition at least 34 MiB large"
    )]
    TooSmall {
        /// Bytes of the file system.
        size: u64,
    },
    /// More than is read into memory.
    #[error(
        "it has more than {most} {what}, which is more than an EFI system partition is read with"
    )]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        most: u64,
    },
    /// Its parts contradict each other.
    #[error("{path}: {what}; let fsck.fat repair the file system first")]
    Damaged {
        /// The file or directory.
        path: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// There is no room.
    #[error("it is full: {needed} bytes more are needed and {free} are free")]
    Full {
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// A directory is where a file should be, or the other way round.
    #[error("{path}: it is a {is} there, and should be a {should}")]
    Kind {
        /// The path.
        path: String,
        /// What it is.
        is: &'static str,
        /// What it should be.
        should: &'static str,
    },
    /// The disk answered with an error.
    #[error("reading it: {0}")]
    Read(#[from] io::Error),
}
