//! Whether a disk gives back what was written to it.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::fs::Advice;
use sha2::{Digest, Sha256};

use super::super::ImageError;
use super::super::unpack::{CHUNK, all_zeros};

/// What was written where: 40 bytes for some hundred thousand of the disk.
#[derive(Debug, Default)]
pub(super) struct Records(Vec<(Range<u64>, Option<[u8; 32]>)>);

impl Records {
    pub(super) fn bytes(&mut self, at: u64, bytes: &[u8]) {
        for (number, piece) in bytes.chunks(CHUNK).enumerate() {
            let start = at + (number * CHUNK) as u64;
            let range = start..start + piece.len() as u64;
            self.0.push((range, Some(Sha256::digest(piece).into())));
        }
    }

    pub(super) fn zeros(&mut self, range: Range<u64>) {
        match self.0.last_mut() {
            Some((last, None)) if last.end == range.start => last.end = range.end,
            _ => self.0.push((range, None)),
        }
    }

    /// Reads everything from the disk itself.
    pub(super) fn compare(self, disk: &File, done: &mut dyn FnMut(u64)) -> Result<(), ImageError> {
        // What is in memory is let go, so that it is the disk that answers.
        let _ = rustix::fs::fadvise(disk, 0, None, Advice::DontNeed);
        let mut buffer = vec![0; CHUNK];
        let mut read = 0;
        for (range, digest) in self.0 {
            let mut at = range.start;
            while at < range.end {
                let count = usize::try_from(range.end - at).map_or(CHUNK, |left| left.min(CHUNK));
                let bytes = &mut buffer[..count];
                disk.read_exact_at(bytes, at)
                    .map_err(|cause| ImageError::Disk {
                        doing: "reading back",
                        at,
                        cause,
                    })?;
                let same = match digest {
                    Some(digest) => digest[..] == Sha256::digest(&*bytes)[..],
                    None => all_zeros(bytes),
                };
                if !same {
                    return Err(ImageError::Differs {
                        at,
                        length: count as u64,
                    });
                }
                at += count as u64;
                read += count as u64;
                done(read);
            }
        }
        Ok(())
    }
}
