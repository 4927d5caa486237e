//! The disk: where bytes go, whether zeros need to, and what must not be touched.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::fs::{Advice, FallocateFlags};

use super::super::ImageError;
use super::super::unpack::{CHUNK, Piece, all_zeros};
use super::read_back::Records;

/// Zeros are looked for in pieces of this size, which begin at its multiples.
const GRAIN: usize = 64 << 10;

/// Zeros are asked of the disk itself where there are so many.
const MANY: u64 = 1 << 20;

/// Written bytes after which the disk is given work, and is waited for where it is so much behind: without it a large
/// memory takes everything in, and all of the disk's work is left for the end.
const BEHIND: u64 = 8 << 20;

static ZEROS: [u8; GRAIN] = [0; GRAIN];

/// A disk that is written from its beginning to its end.
pub(super) struct Target<'a> {
    disk: &'a File,
    keep: Vec<Range<u64>>,
    reads_zeros: bool,
    /// Whether the disk makes zeros itself, which shows when it is asked for the first time.
    makes_zeros: bool,
    records: Option<Records>,
    /// What is written with the next bytes, and where it begins.
    window: Vec<u8>,
    start: u64,
    skipped: u64,
    /// Up to where the disk has been given work.
    begun: u64,
}

impl<'a> Target<'a> {
    pub(super) fn new(
        disk: &'a File,
        room: u64,
        mut keep: Vec<Range<u64>>,
        reads_zeros: bool,
        read_back: bool,
    ) -> Self {
        keep.retain(|range| range.start < range.end.min(room));
        keep.sort_by_key(|range| range.start);
        Self {
            disk,
            keep,
            reads_zeros,
            makes_zeros: true,
            records: read_back.then(Records::default),
            window: Vec::with_capacity(CHUNK),
            start: 0,
            skipped: 0,
            begun: 0,
        }
    }

    /// The first kept range that has something in common with another.
    pub(super) fn kept(&self, range: Range<u64>) -> Option<Range<u64>> {
        let common = |kept: &&Range<u64>| kept.start < range.end && range.start < kept.end;
        self.keep.iter().find(common).cloned()
    }

    /// Bytes that were zeros and were not written.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Takes the bytes from `at` on, which follow those before or leave a gap.
    pub(super) fn put(&mut self, at: u64, piece: &Piece<'_>) -> Result<(), ImageError> {
        if at != self.start + self.window.len() as u64 {
            self.flush()?;
            self.start = at;
        }
        let mut piece = piece.clone();
        while piece.len() > 0 {
            // Windows begin at multiples of their size, so that pages of the cache are written whole.
            let size = CHUNK as u64 - (self.start + self.window.len() as u64) % CHUNK as u64;
            if self.window.is_empty() && piece.len() >= size {
                let whole = match piece {
                    Piece::Bytes(_) => size,
                    Piece::Zeros(count) => size + (count - size) / CHUNK as u64 * CHUNK as u64,
                };
                let (now, rest) = piece.split(whole);
                match now {
                    Piece::Bytes(bytes) => self.write_window(self.start, bytes)?,
                    Piece::Zeros(count) => self.write_zeros(self.start, count)?,
                }
                self.start += whole;
                piece = rest;
                continue;
            }
            let (now, rest) = piece.split(size);
            match now {
                Piece::Bytes(bytes) => self.window.extend_from_slice(bytes),
                // At most a window.
                Piece::Zeros(_) => {
                    let added = usize::try_from(now.len()).unwrap_or(0);
                    self.window.resize(self.window.len() + added, 0);
                }
            }
            if now.len() == size {
                self.flush()?;
            }
            piece = rest;
        }
        Ok(())
    }

    /// Writes what has been put and waits for more.
    pub(super) fn flush(&mut self) -> Result<(), ImageError> {
        let mut window = std::mem::take(&mut self.window);
        self.write_window(self.start, &window)?;
        self.start += window.len() as u64;
        window.clear();
        self.window = window;
        Ok(())
    }

    /// Writes bytes as they are, zeros too.
    pub(super) fn now(&mut self, at: u64, bytes: &[u8]) -> Result<(), ImageError> {
        for part in self.free(at, bytes.len()) {
            let start = at + part.start as u64;
            let bytes = &bytes[part];
            self.disk
                .write_all_at(bytes, start)
                .map_err(|cause| writing(start, cause))?;
            if let Some(records) = &mut self.records {
                records.bytes(start, bytes);
            }
        }
        Ok(())
    }

    /// Waits until the disk has everything.
    pub(super) fn sync(&mut self) -> Result<(), ImageError> {
        self.disk.sync_data().map_err(|cause| ImageError::Disk {
            doing: "flushing",
            at: self.start,
            cause,
        })
    }

    /// Compares what was written since the last time with what the disk has.
    pub(super) fn read_back(&mut self, done: &mut dyn FnMut(u64)) -> Result<(), ImageError> {
        match &mut self.records {
            Some(records) => std::mem::take(records).compare(self.disk, done),
            None => Ok(()),
        }
    }

    /// Writes what is no zeros, and what has to be.
    fn write_window(&mut self, at: u64, window: &[u8]) -> Result<(), ImageError> {
        let mut from = 0;
        while from < window.len() {
            let first = grain(at, window, from);
            let zeros = all_zeros(first);
            let mut to = from + first.len();
            while to < window.len() && all_zeros(grain(at, window, to)) == zeros {
                to += grain(at, window, to).len();
            }
            let start = at + from as u64;
            if zeros {
                self.write_zeros(start, (to - from) as u64)?;
            } else {
                self.now(start, &window[from..to])?;
            }
            from = to;
        }
        let end = at + window.len() as u64;
        if end >= self.begun + 2 * BEHIND {
            // Begins to write these, and lets go those that are written: both without waiting. Where it cannot, the
            // kernel does it in its own time.
            for (start, count) in [
                (self.begun, BEHIND),
                (self.begun.saturating_sub(8 * BEHIND), BEHIND),
            ] {
                let _ = rustix::fs::fadvise(
                    self.disk,
                    start,
                    std::num::NonZeroU64::new(count),
                    Advice::DontNeed,
                );
            }
            self.begun += BEHIND;
        }
        Ok(())
    }

    fn write_zeros(&mut self, at: u64, count: u64) -> Result<(), ImageError> {
        let mut from = at;
        let end = at + count;
        while from < end {
            let kept = self.kept(from..end);
            let to = kept.as_ref().map_or(end, |kept| kept.start.max(from));
            self.write_free_zeros(from..to)?;
            from = kept.map_or(end, |kept| kept.end.min(end));
        }
        Ok(())
    }

    fn write_free_zeros(&mut self, range: Range<u64>) -> Result<(), ImageError> {
        let count = range.end - range.start;
        if count == 0 {
            return Ok(());
        }
        if let Some(records) = &mut self.records {
            records.zeros(range.clone());
        }
        if self.reads_zeros || self.make_zeros(range.start, count) {
            self.skipped += count;
            return Ok(());
        }
        let mut from = range.start;
        while from < range.end {
            let bytes = usize::try_from(range.end - from).map_or(GRAIN, |left| left.min(GRAIN));
            self.disk
                .write_all_at(&ZEROS[..bytes], from)
                .map_err(|cause| writing(from, cause))?;
            from += bytes as u64;
        }
        Ok(())
    }

    /// Asks the disk for zeros without sending them; it says when it has no such thing.
    fn make_zeros(&mut self, at: u64, count: u64) -> bool {
        if !self.makes_zeros || count < MANY {
            return false;
        }
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        self.makes_zeros = rustix::fs::fallocate(self.disk, flags, at, count).is_ok();
        self.makes_zeros
    }

    /// The parts of some bytes at `at` that are not kept.
    fn free(&self, at: u64, length: usize) -> Vec<Range<usize>> {
        let mut parts = Vec::new();
        let end = at + length as u64;
        let mut from = at;
        while from < end {
            let kept = self.kept(from..end);
            let to = kept.as_ref().map_or(end, |kept| kept.start.max(from));
            if let (Ok(start), Ok(stop)) = (usize::try_from(from - at), usize::try_from(to - at))
                && start < stop
            {
                parts.push(start..stop);
            }
            from = kept.map_or(end, |kept| kept.end.min(end));
        }
        parts
    }
}

/// The bytes from `from` on up to the next multiple of a grain on the disk.
fn grain(at: u64, window: &[u8], from: usize) -> &[u8] {
    let over = usize::try_from((at + from as u64) % GRAIN as u64).unwrap_or(0);
    let end = (from + GRAIN - over).min(window.len());
    &window[from..end]
}

fn writing(at: u64, cause: io::Error) -> ImageError {
    ImageError::Disk {
        doing: "writing",
        at,
        cause,
    }
}
