//! The beginning and the end of a disk, which hold nothing that boots until everything else is there.

use super::super::ImageError;
use super::super::unpack::Piece;
use super::target::Target;

/// How much of a disk's beginning and end is held back until the check has passed, in bytes: both partition tables and
/// boot code.
pub const EDGE: usize = 1 << 20;

/// How much of it is written as the last of all: boot code and the header of the table, whatever its sectors are.
const LAST: usize = 8 << 10;

/// The first and the last [`EDGE`] bytes of the disk.
#[derive(Default)]
pub struct Edges<'a> {
    /// What they hold before the check has passed; zeros where this is empty. For the table of saved partitions alone,
    /// which must not be lost if the power is; nothing in it may boot. Each is at most [`EDGE`] bytes, laid at the
    /// disk's beginning and against its end.
    pub meanwhile: (Vec<u8>, Vec<u8>),
    /// Changes the image's own edges before they are written as the last of all: the backup table that belongs to the
    /// end of this disk, the entries of saved partitions. The second slice is what the image itself has there, zeros
    /// where it is smaller than the disk. On a disk of less than two edges, the second one has what the first leaves.
    pub change: Option<Change<'a>>,
}

/// Changes both edges, or says why it cannot.
pub type Change<'a> = Box<dyn FnOnce(&mut [u8], &mut [u8]) -> Result<(), String> + Send + 'a>;

impl std::fmt::Debug for Edges<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edges").finish_non_exhaustive()
    }
}

/// What the image has at the edges, and everything else on its way to the disk.
pub(super) struct Held {
    first: Vec<u8>,
    last: Vec<u8>,
    room: u64,
    /// Bytes of the image that have come.
    at: u64,
}

impl Held {
    pub(super) fn new(room: u64) -> Self {
        let edge = |room: u64| usize::try_from(room).map_or(EDGE, |room| room.min(EDGE));
        let first = edge(room);
        Self {
            first: vec![0; first],
            last: vec![0; edge(room - first as u64)],
            room,
            at: 0,
        }
    }

    /// Makes the disk one that does not boot, whatever was on it, and waits until it is.
    pub(super) fn seal(
        &self,
        target: &mut Target<'_>,
        meanwhile: &(Vec<u8>, Vec<u8>),
    ) -> Result<(), ImageError> {
        let (mut first, mut last) = (vec![0; self.first.len()], vec![0; self.last.len()]);
        let (front, back) = meanwhile;
        let start = last.len().checked_sub(back.len());
        let (Some(head), Some(tail)) = (
            first.get_mut(..front.len()),
            start.map(|start| &mut last[start..]),
        ) else {
            return Err(ImageError::Edges(
                "what is to be kept there has more than a MiB".into(),
            ));
        };
        head.copy_from_slice(front);
        tail.copy_from_slice(back);
        target.now(0, &first)?;
        target.now(self.end(), &last)?;
        target.sync()
    }

    /// Takes the next piece of the image.
    pub(super) fn put(
        &mut self,
        target: &mut Target<'_>,
        piece: Piece<'_>,
    ) -> Result<(), ImageError> {
        let mut piece = piece;
        while piece.len() > 0 {
            if self.at == self.room {
                let image = self.room + piece.len();
                return Err(ImageError::TooLarge {
                    image,
                    least: true,
                    room: self.room,
                });
            }
            let (start, end) = (self.first.len() as u64, self.end());
            let bound = [start, end, self.room]
                .into_iter()
                .find(|bound| self.at < *bound);
            let (now, rest) = piece.split(bound.unwrap_or(self.room) - self.at);
            if self.at < start {
                lay(&mut self.first, self.at, &now);
            } else if self.at < end {
                target.put(self.at, &now)?;
            } else {
                lay(&mut self.last, self.at - end, &now);
            }
            self.at += now.len();
            piece = rest;
        }
        Ok(())
    }

    /// Everything but the edges.
    pub(super) fn flush(&mut self, target: &mut Target<'_>) -> Result<(), ImageError> {
        target.flush()
    }

    /// Makes the disk one that boots.
    pub(super) fn finish(
        mut self,
        target: &mut Target<'_>,
        change: Option<Change<'_>>,
    ) -> Result<(), ImageError> {
        if let Some(change) = change {
            change(&mut self.first, &mut self.last).map_err(ImageError::Edges)?;
        }
        let (last_of_all, first) = self.first.split_at(LAST.min(self.first.len()));
        target.now(last_of_all.len() as u64, first)?;
        target.now(self.end(), &self.last)?;
        target.sync()?;
        target.read_back(&mut |_| {})?;
        target.now(0, last_of_all)?;
        target.sync()?;
        target.read_back(&mut |_| {})
    }

    /// Where the last edge begins.
    fn end(&self) -> u64 {
        self.room - self.last.len() as u64
    }
}

/// Lays a piece into an edge that is zeros there.
fn lay(edge: &mut [u8], at: u64, piece: &Piece<'_>) {
    if let (Piece::Bytes(bytes), Ok(at)) = (piece, usize::try_from(at)) {
        edge[at..at + bytes.len()].copy_from_slice(bytes);
    }
}
