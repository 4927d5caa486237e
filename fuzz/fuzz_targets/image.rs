//! Images: what they begin with, and what comes out of packed ones, on one thread and on several.
#![no_main]

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicU64;

use libfuzzer_sys::fuzz_target;
use pilotlight_install::image::{Check, DiskImage, ImageError, Packing, Piece, unpack};

/// More is not looked at: a few bytes can stand for gigabytes.
const ENOUGH: u64 = 16 << 20;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(image) = DiskImage::of(bytes) {
        assert!(image.size() > 0);
    }
    let Ok(packing) = Packing::of(bytes) else {
        return;
    };
    let outcomes = [1, 2].map(|threads| {
        let (mut length, mut sum, mut enough) = (0, crc32fast::Hasher::new(), false);
        let done = unpack(
            bytes,
            Check::insecure(),
            NonZeroUsize::new(threads),
            &AtomicU64::new(0),
            &mut |piece| {
                length += piece.len();
                if let Piece::Bytes(bytes) = &piece {
                    sum.update(bytes);
                }
                if length > ENOUGH {
                    enough = true;
                    return Err(ImageError::Bug);
                }
                Ok(())
            },
        );
        match done {
            Ok(done) => {
                assert_eq!((done.packing, done.unpacked), (packing, length));
                Some(Ok(length))
            }
            Err(ImageError::Bug) => {
                assert!(enough, "a thread has panicked");
                None
            }
            Err(_) => Some(Err(())),
        }
    });
    // A single thread has its own way through some packings: both take the same images.
    if let [Some(one), Some(two)] = outcomes {
        assert!(
            one == two || packing == Packing::Xz,
            "{packing}: {one:?} and {two:?}"
        );
    }
});
