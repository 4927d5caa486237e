//! The bytes of an image: found by what they are, checked, unpacked on all cores, and written, all at the same time and
//! in bounded memory.
//!
//! [`Packing::of`] tells how an image is packed and [`DiskImage::of`] what an unpacked one begins with; [`Check`] tells
//! whether it is the one that somebody vouches for; [`write()`] brings it to a disk in such a way that no unverified image
//! can ever boot, and [`unpack`] to whatever else takes bytes.

mod check;
mod error;
mod layout;
mod packing;
mod unpack;
mod write;

pub use check::digests::{Digest, digest_of};
pub use check::fingerprint::Fingerprint;
pub use check::keys::{FLATCAR, Keys, Pins};
pub use check::refusal::{Moment, Refusal};
pub use check::{Check, Signer, Verified};
pub use error::ImageError;
pub use layout::DiskImage;
pub use packing::{NoImage, Packing};
pub use unpack::{Piece, Unpacked, unpack};
pub use write::{Change, EDGE, Edges, Phase, Progress, Writing, Written, write};

/// How much of an image's beginning [`Packing::of`] and [`DiskImage::of`] want to see, in bytes: what an ISO 9660 is
/// known by lies behind 32 KiB.
pub const HEAD: usize = 36 << 10;
