//! What an unpacked image begins with.

use super::NoImage;

/// What a disk image begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskImage {
    /// A GPT.
    Gpt {
        /// Bytes of a sector that the table counts in: 512 or 4096.
        sector: u64,
        /// Bytes from the image's beginning to the end of its backup table: how large it is.
        size: u64,
    },
    /// A boot record with partitions and without a GPT.
    Mbr {
        /// Bytes up to the end of the last partition, in sectors of 512 bytes.
        size: u64,
    },
}

impl DiskImage {
    /// Reads `head`, the first unpacked bytes of an image ([`super::HEAD`] of them, or all there are).
    ///
    /// # Errors
    ///
    /// What has no partition table; what it is instead, where that is known.
    pub fn of(head: &[u8]) -> Result<Self, NoImage> {
        if head.is_empty() {
            return Err(NoImage::Empty);
        }
        Ok(Self::Mbr { size: 0 })
    }
}
