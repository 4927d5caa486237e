//! An image's beginning, looked at before anything is written.

use std::io::Read;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicU64;

use crate::edges;
use crate::error::{InstallError, reading};
use crate::image::{Check, DiskImage, HEAD, ImageError, NoImage, Piece, unpack};
use crate::plan::Image;
use crate::source::Rewindable;

/// Looks at an image's beginning; answers what it is, and all of its packed bytes.
pub fn peeked<R: Read + Send>(
    shown: &str,
    bytes: R,
) -> Result<(Image, impl Read + Send + use<R>), InstallError> {
    let mut source = Rewindable::new(bytes);
    let mut head = Vec::new();
    let unpacked = unpack(
        &mut source,
        Check::insecure(),
        NonZeroUsize::new(1),
        &AtomicU64::new(0),
        &mut |piece| {
            match piece {
                Piece::Bytes(bytes) => head.extend_from_slice(bytes),
                Piece::Zeros(zeros) => {
                    let room = HEAD.saturating_sub(head.len());
                    let zeros = usize::try_from(zeros).unwrap_or(room).min(room);
                    head.resize(head.len() + zeros, 0);
                }
            }
            match head.len() >= HEAD {
                // Enough is known; any error ends it.
                true => Err(ImageError::Bug),
                false => Ok(()),
            }
        },
    );
    match unpacked {
        Err(ImageError::Bug) if head.len() >= HEAD => {}
        Err(error) => return Err(InstallError::Image(error)),
        Ok(_) => {}
    }
    let wrong = |why: NoImage| InstallError::Image(ImageError::NoImage(why));
    let image = match DiskImage::of(&head).map_err(wrong)? {
        DiskImage::Gpt {
            sector,
            size,
            backup,
        } => Image {
            shown: shown.into(),
            size,
            content: backup,
            sector,
            table: edges::table_of(&head, size, sector).map_err(reading(shown))?,
        },
        DiskImage::Mbr { size } => Image {
            shown: shown.into(),
            size,
            content: size,
            sector: 512,
            table: None,
        },
    };
    Ok((image, source.rewind()))
}
