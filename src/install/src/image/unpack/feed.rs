//! The source's bytes on their way to the check and to what unpacks them.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};

/// How many bytes are passed on at once.
pub(in crate::image) const CHUNK: usize = 512 << 10;

/// Bytes that two threads read.
pub(super) type Chunk = Arc<Vec<u8>>;

/// Reads a source to its end and passes each chunk to both; `first` was read before.
pub(super) fn read_all(
    first: Vec<u8>,
    mut source: impl Read,
    to: [SyncSender<Chunk>; 2],
    packed: &AtomicU64,
) -> io::Result<()> {
    let mut bytes = first;
    while !bytes.is_empty() {
        packed.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let chunk = Arc::new(bytes);
        // Whoever is gone has failed and says so itself.
        for to in &to {
            if to.send(Arc::clone(&chunk)).is_err() {
                return Ok(());
            }
        }
        bytes = super::read_chunk(&mut source)?;
    }
    Ok(())
}

/// What is to be unpacked, as a reader.
pub(super) struct Input {
    from: Receiver<Chunk>,
    chunk: Chunk,
    at: usize,
}

impl Input {
    pub(super) fn new(from: Receiver<Chunk>) -> Self {
        Self {
            from,
            chunk: Chunk::default(),
            at: 0,
        }
    }

    /// The next chunk as it was read; none at the end.
    pub(super) fn chunk(&mut self) -> Option<Chunk> {
        self.from.recv().ok()
    }

    /// The bytes that come next, without taking them, at least so many unless the source ends before.
    pub(super) fn peek(&mut self, count: usize) -> &[u8] {
        while self.chunk.len() - self.at < count {
            let Ok(next) = self.from.recv() else {
                break;
            };
            if self.at == self.chunk.len() {
                self.chunk = next;
            } else {
                self.chunk = Arc::new([&self.chunk[self.at..], &next].concat());
            }
            self.at = 0;
        }
        &self.chunk[self.at..]
    }

    /// Exactly so many bytes.
    pub(super) fn exactly(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // Grows with what really comes, whatever a header promised.
        self.take(count as u64).read_to_end(&mut bytes)?;
        if bytes.len() < count {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut available = self.fill_buf()?;
        let count = available.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.peek(1))
    }

    fn consume(&mut self, count: usize) {
        self.at = (self.at + count).min(self.chunk.len());
    }
}
