//! Superblocks: pieces of the input laid over a blank device at the offsets that they name.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use pilotlight_core::facts::disks::Signature;
use pilotlight_sys::probe::{Area, places, probe, table};

/// Room for all places that are looked at, those at the end included.
const SIZE: usize = 512 << 10;

fuzz_target!(|bytes: &[u8]| {
    let mut device = vec![0; SIZE];
    let mut rest = bytes;
    // Offset (three bytes, big-endian), length (one byte), data.
    while let Some(([a, b, c, length], tail)) = rest.split_first_chunk() {
        let (piece, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        let offset = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let start = offset % SIZE;
        let end = (start + piece.len()).min(SIZE);
        device[start..end].copy_from_slice(&piece[..end - start]);
        rest = tail;
    }
    // Devices of any length: what lies beyond the end must read as nothing.
    for size in [SIZE, 128 << 10, 100_000, 1536, 0] {
        let mut device = Cursor::new(&device[..size]);
        let mut area = Area {
            device: &mut device,
            start: 0,
            size: size as u64,
        };
        let found = probe(&mut area).expect("a device in memory is read");
        if let Signature::Found(found) = found {
            assert!(!found.kind.is_empty() && found.label.len() < 4096);
        }
        table(&mut area, &Signature::Blank).expect("a device in memory is read");
        for place in places(&mut area).expect("a device in memory is read") {
            assert!(place.length > 0 && place.start + place.length <= size as u64);
        }
    }
});
