//! An image onto a disk: nothing that could boot is there before the check has passed.

mod edges;
mod read_back;
mod target;

use std::fs::File;
use std::io::Read;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use self::edges::Held;
use self::target::Target;
use super::unpack::{Piece, unpack};
use super::{Check, DiskImage, ImageError, Packing, Verified};

pub use self::edges::{Change, EDGE, Edges};

/// Between two calls of who shows the progress.
const PACE: Duration = Duration::from_millis(200);

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
    /// Ranges of the disk, in bytes, that are never written, as partitions that are saved. What they have in common with
    /// the first and last [`EDGE`] bytes keeps what it has as well.
    pub keep: Vec<Range<u64>>,
    /// Whether to read everything from the disk again, after it was flushed.
    pub read_back: bool,
    /// How many threads unpack; one for each core where none is named.
    pub threads: Option<NonZeroUsize>,
    /// What the disk's edges hold meanwhile and in the end.
    pub edges: Edges<'a>,
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
    /// Bytes of the unpacked image, as its table tells.
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
    /// Those that were zeros and were not written.
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
/// `progress` is called by this thread, a few times a second at most.
///
/// # Errors
///
/// All of [`ImageError`]; the disk then does not boot, unless it failed while the first sectors of a verified image were
/// being written or read back. [`ImageError::untouched`] tells what is known before anything is changed.
pub fn write(
    source: impl Read + Send,
    how: Writing<'_>,
    disk: &File,
    progress: &mut dyn FnMut(Progress),
) -> Result<Written, ImageError> {
    let packed = AtomicU64::new(0);
    let mut shown = Shown {
        progress,
        packed: &packed,
        last: None,
        unpacked: 0,
        size: 0,
    };
    let Writing {
        check,
        threads,
        edges,
        ..
    } = how;
    let mut target = Target::new(disk, how.room, how.keep, how.reads_zeros, how.read_back);
    let mut stage = Stage::Looking(Vec::new());
    let begin = |head: Vec<u8>, target: &mut Target<'_>| {
        let image = fitting(&head, how.room, how.sector, target)?;
        let mut held = Held::new(how.room);
        held.seal(target, &edges.meanwhile)?;
        held.put(target, Piece::Bytes(&head))?;
        Ok::<_, ImageError>((image, held))
    };

    let unpacked = unpack(source, check, threads, &packed, &mut |piece| {
        shown.unpacked += piece.len();
        match &mut stage {
            Stage::Looking(head) => {
                let rest = look(head, piece);
                if head.len() == EDGE {
                    let (image, mut held) = begin(std::mem::take(head), &mut target)?;
                    shown.size = image.size();
                    held.put(&mut target, rest)?;
                    stage = Stage::Writing(image, held);
                }
            }
            Stage::Writing(image, held) => {
                // What comes behind the end that the table tells of is written as well, but over nothing.
                let behind = image.size()..shown.unpacked;
                if let Some(kept) = (!behind.is_empty()).then(|| target.kept(behind)).flatten() {
                    return Err(ImageError::TooLarge {
                        image: shown.unpacked,
                        least: true,
                        room: kept.start,
                    });
                }
                held.put(&mut target, piece)?;
            }
        }
        shown.now_and_then(Phase::Writing, 0);
        Ok(())
    })?;
    // The check has passed.
    let (image, mut held) = match stage {
        Stage::Looking(head) => begin(head, &mut target)?,
        Stage::Writing(image, held) => (image, held),
    };
    if unpacked.unpacked < image.size() {
        return Err(ImageError::Damaged {
            packing: unpacked.packing,
            at: unpacked.unpacked,
            what: format!("its partition table tells of {} bytes", image.size()),
        });
    }
    held.flush(&mut target)?;
    shown.size = unpacked.unpacked;
    shown.always(Phase::Flushing, 0);
    target.sync()?;
    target.read_back(&mut |done| shown.now_and_then(Phase::ReadingBack, done))?;
    shown.always(Phase::Finishing, 0);
    held.finish(&mut target, edges.change)?;
    Ok(Written {
        packing: unpacked.packing,
        image,
        packed: unpacked.packed,
        unpacked: unpacked.unpacked,
        skipped: target.skipped(),
        verified: unpacked.verified,
    })
}

/// What is known of an image so far.
enum Stage {
    /// Its first MiB is not complete.
    Looking(Vec<u8>),
    /// It is one for this disk.
    Writing(DiskImage, Held),
}

/// Completes the first MiB, and gives what is left of a piece.
fn look<'a>(head: &mut Vec<u8>, piece: Piece<'a>) -> Piece<'a> {
    let wanted = EDGE - head.len();
    match piece {
        Piece::Bytes(bytes) => {
            let (taken, rest) = bytes.split_at(wanted.min(bytes.len()));
            head.extend_from_slice(taken);
            Piece::Bytes(rest)
        }
        Piece::Zeros(count) => {
            let taken = usize::try_from(count).map_or(wanted, |count| count.min(wanted));
            head.resize(head.len() + taken, 0);
            Piece::Zeros(count - taken as u64)
        }
    }
}

/// Whether an image that begins so is one for this disk.
fn fitting(
    head: &[u8],
    room: u64,
    sector: Option<u64>,
    target: &Target<'_>,
) -> Result<DiskImage, ImageError> {
    let image = DiskImage::of(head)?;
    if let (DiskImage::Gpt { sector: image, .. }, Some(disk)) = (image, sector)
        && image != disk
    {
        return Err(ImageError::Sector { image, disk });
    }
    if image.size() > room {
        return Err(ImageError::TooLarge {
            image: image.size(),
            least: false,
            room,
        });
    }
    // The backup table is of no use behind a saved partition: it belongs to the end of the disk.
    let content = match image {
        DiskImage::Gpt { backup, .. } => backup,
        DiskImage::Mbr { size } => size,
    };
    match target.kept(0..content) {
        Some(kept) => Err(ImageError::Overlaps { kept }),
        None => Ok(image),
    }
}

/// Who is told of the progress.
struct Shown<'a> {
    progress: &'a mut dyn FnMut(Progress),
    packed: &'a AtomicU64,
    last: Option<Instant>,
    unpacked: u64,
    size: u64,
}

impl Shown<'_> {
    fn now_and_then(&mut self, phase: Phase, read_back: u64) {
        if self.last.is_none_or(|last| last.elapsed() >= PACE) {
            self.always(phase, read_back);
        }
    }

    fn always(&mut self, phase: Phase, read_back: u64) {
        self.last = Some(Instant::now());
        (self.progress)(Progress {
            phase,
            packed: self.packed.load(Ordering::Relaxed),
            unpacked: self.unpacked,
            size: self.size,
            read_back,
        });
    }
}
