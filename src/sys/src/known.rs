//! Partitions as the kernel knows them.

use pilotlight_core::facts::disks::Entry;

/// A partition as the kernel knows it, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    pub(crate) number: u32,
    pub(crate) start: u64,
    pub(crate) size: u64,
}

impl Known {
    /// The partition that the kernel should know by an entry of a table.
    pub fn of(number: u32, entry: &Entry, sector: u64) -> Self {
        Self {
            number,
            start: entry.start.saturating_mul(sector),
            size: entry.sectors().saturating_mul(sector),
        }
    }

    /// A partition at these bytes.
    pub(crate) fn new(number: u32, start: u64, size: u64) -> Self {
        Self {
            number,
            start,
            size,
        }
    }

    /// Whether it is the same partition as another, perhaps of another size.
    pub(crate) fn begins_with(&self, other: &Self) -> bool {
        (self.number, self.start) == (other.number, other.start)
    }

    /// Its slot.
    pub fn number(&self) -> u32 {
        self.number
    }
}
