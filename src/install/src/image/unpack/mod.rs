//! Packed bytes in, unpacked ones out, in order; checked, and on all cores.
//!
//! One thread reads, one feeds the check, one finds what can be unpacked apart, one for each core unpacks, and the
//! caller's takes what comes out. All queues are bounded, so that the slowest sets the pace.

mod bzip2;
mod feed;
mod pool;
mod xz;
mod zstd;

use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use self::feed::{Chunk, Input, read_all};
use super::{Check, HEAD, ImageError, Packing, Verified};

pub(super) use self::feed::CHUNK;

/// Chunks that wait between two threads.
const AHEAD: usize = 4;

/// A piece of an unpacked image; pieces come without gaps, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Some bytes.
    Bytes(&'a [u8]),
    /// So many zeros. Zeros may come as bytes as well.
    Zeros(u64),
}

impl Piece<'_> {
    /// How many bytes it stands for.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Zeros(count) => *count,
        }
    }

    /// The first `count` bytes, or all where there are fewer, and the others.
    pub(super) fn split(self, count: u64) -> (Self, Self) {
        match self {
            Self::Bytes(bytes) => {
                let at = usize::try_from(count).map_or(bytes.len(), |at| at.min(bytes.len()));
                let (first, rest) = bytes.split_at(at);
                (Self::Bytes(first), Self::Bytes(rest))
            }
            Self::Zeros(all) => (
                Self::Zeros(count.min(all)),
                Self::Zeros(all - count.min(all)),
            ),
        }
    }
}

/// What was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// How the image was packed.
    pub packing: Packing,
    /// Packed bytes.
    pub packed: u64,
    /// Unpacked bytes.
    pub unpacked: u64,
    /// Who vouched for the packed ones.
    pub verified: Verified,
}

/// A piece on its way between threads.
#[derive(Debug)]
enum Owned {
    Bytes(Vec<u8>),
    /// As it was read.
    Raw(Chunk),
    Zeros(u64),
}

impl Owned {
    fn of(bytes: Vec<u8>) -> Self {
        if all_zeros(&bytes) {
            Self::Zeros(bytes.len() as u64)
        } else {
            Self::Bytes(bytes)
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Raw(chunk) => chunk.len() as u64,
            Self::Zeros(count) => *count,
        }
    }
}

/// Why a thread ends early.
#[derive(Debug)]
enum Fault {
    /// Nobody takes what it makes any more; whoever stopped knows why.
    Stopped,
    /// What is wrong with the packed bytes.
    Damaged(String),
}

impl From<io::Error> for Fault {
    fn from(cause: io::Error) -> Self {
        Self::Damaged(match cause.kind() {
            io::ErrorKind::UnexpectedEof => "it ends too early".into(),
            _ => cause.to_string(),
        })
    }
}

/// Where unpacked pieces go, in order.
struct Output(SyncSender<Owned>);

impl Output {
    fn put(&self, piece: Owned) -> Result<(), Fault> {
        if piece.len() == 0 {
            return Ok(());
        }
        self.0.send(piece).map_err(|_| Fault::Stopped)
    }

    /// The pieces of each part that was unpacked, in their order.
    fn put_all(&self, parts: impl Iterator<Item = Result<Vec<Owned>, Fault>>) -> Result<(), Fault> {
        for pieces in parts {
            pieces?.into_iter().try_for_each(|piece| self.put(piece))?;
        }
        Ok(())
    }

    /// All that a reader has.
    fn copy(&self, reader: &mut impl Read) -> Result<(), Fault> {
        loop {
            let bytes = read_chunk(reader)?;
            if bytes.is_empty() {
                return Ok(());
            }
            self.put(Owned::of(bytes))?;
        }
    }
}

/// Unpacks `source` into `take`, which gets every piece before the check has passed: what it makes of them must be of
/// no use until this returns. A raw source is passed on as it is. Whether it is a disk's image is not asked.
///
/// `packed` tells other threads, and `take` itself, how many packed bytes were read.
///
/// # Errors
///
/// A source that cannot be read or is damaged, a refused one, and what `take` says. A source that waits for something is
/// waited for: it has to have an end of its own.
pub fn unpack(
    mut source: impl Read + Send,
    mut check: Check,
    threads: Option<NonZeroUsize>,
    packed: &AtomicU64,
    take: &mut dyn FnMut(Piece<'_>) -> Result<(), ImageError>,
) -> Result<Unpacked, ImageError> {
    let threads = threads
        .or_else(|| thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get);
    let first = read_chunk(&mut source).map_err(|cause| ImageError::Read { at: 0, cause })?;
    let packing = Packing::of(&first[..first.len().min(HEAD)])?;

    let (to_check, for_check) = sync_channel(AHEAD);
    let (to_unpack, for_unpack) = sync_channel(AHEAD);
    let (output, pieces) = sync_channel(AHEAD);
    thread::scope(|scope| {
        let reading = scope.spawn(move || read_all(first, source, [to_check, to_unpack], packed));
        let checking = scope.spawn(move || {
            for chunk in for_check {
                check.update(&chunk);
            }
            check
        });
        let unpacking = scope
            .spawn(move || unpack_all(packing, Input::new(for_unpack), threads, &Output(output)));
        let taken = take_all(pieces, take);
        let unpacked = unpacking.join();
        let read = reading.join();
        let check = checking.join();
        // The first cause counts: what comes of it is said by the threads behind.
        let taken = taken?;
        joined(read)?.map_err(|cause| ImageError::Read {
            at: packed.load(Ordering::Relaxed),
            cause,
        })?;
        if let Err(Fault::Damaged(what)) = joined(unpacked)? {
            return Err(ImageError::Damaged {
                packing,
                at: taken,
                what,
            });
        }
        let verified = joined(check)?.finish()?;
        Ok(Unpacked {
            packing,
            packed: packed.load(Ordering::Relaxed),
            unpacked: taken,
            verified,
        })
    })
}

/// What a thread returned; one that panicked has been reported on standard error and is no reason to go on.
fn joined<T>(result: thread::Result<T>) -> Result<T, ImageError> {
    result.map_err(|_| ImageError::Bug)
}

fn take_all(
    pieces: Receiver<Owned>,
    take: &mut dyn FnMut(Piece<'_>) -> Result<(), ImageError>,
) -> Result<u64, ImageError> {
    let mut taken = 0;
    for piece in pieces {
        match &piece {
            Owned::Bytes(bytes) => take(Piece::Bytes(bytes))?,
            Owned::Raw(chunk) => take(Piece::Bytes(chunk))?,
            Owned::Zeros(count) => take(Piece::Zeros(*count))?,
        }
        taken += piece.len();
    }
    Ok(taken)
}

fn unpack_all(
    packing: Packing,
    mut input: Input,
    threads: usize,
    output: &Output,
) -> Result<(), Fault> {
    match packing {
        // Whether a chunk is zeros is asked once, by who writes.
        Packing::Raw => {
            while let Some(chunk) = input.chunk() {
                output.put(Owned::Raw(chunk))?;
            }
            Ok(())
        }
        Packing::Gzip => {
            output.copy(&mut flate2::bufread::MultiGzDecoder::new(&mut input))?;
            if input.peek(1).is_empty() {
                return Ok(());
            }
            Err(Fault::Damaged("something follows its end".into()))
        }
        Packing::Bzip2 => bzip2::unpack(input, threads, output),
        Packing::Xz => xz::unpack(input, threads, output),
        Packing::Zstd => zstd::unpack(input, threads, output),
    }
}

/// The next bytes of a reader: a whole chunk, unless it ends.
fn read_chunk(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(CHUNK);
    reader.take(CHUNK as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether there is nothing but zeros.
pub(super) fn all_zeros(bytes: &[u8]) -> bool {
    // Sixteen at a time, which the compiler makes wide instructions of; most that is no zero shows at once.
    let (blocks, rest) = bytes.as_chunks::<64>();
    blocks
        .iter()
        .all(|block| block.iter().fold(0, |all, byte| all | byte) == 0)
        && rest.iter().all(|byte| *byte == 0)
}
