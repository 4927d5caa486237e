//! How an image is packed, by its first bytes and never by its name.

use std::fmt;

/// How an image is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// The disk's bytes as they are.
    Raw,
    /// RFC 1952, several members.
    Gzip,
    /// bzip2, several streams.
    Bzip2,
    /// The .xz format, several streams.
    Xz,
    /// RFC 8878, several frames.
    Zstd,
}

/// What was given instead of a disk image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoImage {
    /// Not a single byte.
    #[error("it is empty")]
    Empty,
}

impl Packing {
    /// Reads `head`, the first bytes of an image ([`super::HEAD`] of them, or all there are). Whether what is not packed
    /// begins as a disk does is for [`super::DiskImage::of`] to say, once it is unpacked.
    ///
    /// # Errors
    ///
    /// What is known to be something else.
    pub fn of(head: &[u8]) -> Result<Self, NoImage> {
        if head.is_empty() {
            return Err(NoImage::Empty);
        }
        Ok(match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            _ => Self::Raw,
        })
    }
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        })
    }
}
