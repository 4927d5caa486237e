//! What comes out is what went in, or nothing is said to be done.

use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicU64;

use pilotlight_install::image::{Check, ImageError, Packing, Piece, Unpacked, unpack};
use proptest::prelude::*;

use crate::samples::{Numbers, content, piped};

fn unpacked(packed: &[u8], threads: usize) -> Result<(Vec<u8>, Unpacked), ImageError> {
    let mut bytes = Vec::new();
    let done = unpack(
        packed,
        Check::insecure(),
        NonZeroUsize::new(threads),
        &AtomicU64::new(0),
        &mut |piece| {
            match piece {
                Piece::Bytes(piece) => bytes.extend_from_slice(piece),
                Piece::Zeros(count) => {
                    bytes.resize(bytes.len() + usize::try_from(count).unwrap(), 0)
                }
            }
            Ok(())
        },
    )?;
    Ok((bytes, done))
}

fn same(command: &str, packing: Packing, packed: &[u8], original: &[u8]) {
    for threads in [1, 3] {
        let (bytes, done) =
            unpacked(packed, threads).unwrap_or_else(|why| panic!("{command}: {why}"));
        assert!(
            bytes == original,
            "{command}, {threads} threads: other bytes come out"
        );
        assert_eq!(
            (done.packing, done.packed),
            (packing, packed.len() as u64),
            "{command}"
        );
        assert_eq!(done.unpacked, original.len() as u64, "{command}");
    }
}

const PACKERS: &[(&str, Packing)] = &[
    ("cat", Packing::Raw),
    ("gzip -1", Packing::Gzip),
    ("bzip2 -9", Packing::Bzip2),
    ("bzip2 -1", Packing::Bzip2),
    ("lbzip2 -9", Packing::Bzip2),
    ("xz -1 -T1", Packing::Xz),
    ("xz -1 -T2 --block-size=1MiB", Packing::Xz),
    ("xz -1 -T2 --block-size=700000 --check=sha256", Packing::Xz),
    ("xz -1 -T2 --block-size=500000 --check=none", Packing::Xz),
    (
        "xz -T2 --block-size=1MiB --check=crc32 --x86 --lzma2=preset=1",
        Packing::Xz,
    ),
    ("zstd -3", Packing::Zstd),
    ("zstd -3 --no-check", Packing::Zstd),
    ("zstd --ultra -20 --long=27", Packing::Zstd),
];

#[test]
fn what_the_tools_pack_is_unpacked() {
    for (seed, length) in [(1, 4_700_001), (2, 1)] {
        let original = content(seed, length);
        for (command, packing) in PACKERS {
            same(command, *packing, &piped(command, &original), &original);
        }
    }
}

#[test]
fn several_streams_one_after_the_other_are_one_image() {
    let parts: Vec<_> = (3..7)
        .map(|seed| content(seed, 600_000 * seed_size(seed)))
        .collect();
    let original = parts.concat();
    for (command, packing) in PACKERS
        .iter()
        .filter(|(_, packing)| *packing != Packing::Raw)
    {
        let packed: Vec<_> = parts.iter().map(|part| piped(command, part)).collect();
        same(command, *packing, &packed.concat(), &original);
        // The format allows zeros between streams, and frames that say nothing.
        if *packing == Packing::Xz {
            same(command, *packing, &packed.join(&[0; 8][..]), &original);
        }
        if *packing == Packing::Zstd {
            let skipped = [&b"\x50\x2a\x4d\x18\x05\0\0\0hello"[..], &packed.concat()].concat();
            same(command, *packing, &skipped, &original);
        }
    }
    // Streams made on one core and on several.
    let mixed = [
        piped("xz -1 -T2 --block-size=300000", &parts[0]),
        piped("xz -0 -T1", &parts[1]),
    ];
    same(
        "xz, both ways",
        Packing::Xz,
        &mixed.concat(),
        &parts[..2].concat(),
    );
}

fn seed_size(seed: u64) -> usize {
    // The third is empty: a stream of nothing.
    [1, 2, 0, 1][usize::try_from(seed - 3).unwrap()]
}

/// 46 MB are packed into a block of bzip2 where they are the same byte; what is not held is unpacked again.
#[test]
fn blocks_of_many_bytes_are_unpacked() {
    for byte in [0, 0xaa] {
        let original = [
            content(9, 300_000),
            vec![byte; 30_000_000],
            content(10, 300_000),
        ]
        .concat();
        same(
            "bzip2",
            Packing::Bzip2,
            &piped("bzip2 -9", &original),
            &original,
        );
    }
}

/// Every packing, cut off and changed at many places: it is refused, or what was changed says nothing (as the name in a
/// header does) and the bytes are right.
#[test]
fn what_is_damaged_is_not_unpacked() {
    let original = content(11, 500_000);
    let mut numbers = Numbers(12);
    let mut refused = 0;
    for (command, packing) in PACKERS
        .iter()
        .filter(|(_, packing)| *packing != Packing::Raw)
    {
        let packed = piped(command, &original);
        // Ends of everything, and places between.
        let near: Vec<usize> = (0..16).chain(packed.len() - 24..packed.len()).collect();
        let far: Vec<usize> = (0..24).map(|_| numbers.below(packed.len())).collect();
        for at in near.iter().chain(&far).copied() {
            let cut = unpacked(&packed[..at], 2);
            // A few bytes are no beginning of anything, and thus a raw image, which has no checksums.
            let told = matches!(
                &cut,
                Err(ImageError::NoImage(_) | ImageError::Damaged { .. })
            );
            let raw = matches!(&cut, Ok((_, done)) if done.packing == Packing::Raw && at < 6);
            assert!(told || raw, "{command} cut at {at} of {}", packed.len());

            let mut changed = packed.clone();
            changed[at] ^= 1 << numbers.below(8);
            match unpacked(&changed, 2) {
                Ok((_, done)) if done.packing != *packing => assert!(at < 6, "{command} at {at}"),
                Ok((bytes, _)) => {
                    let checked = !command.contains("no-check") && !command.contains("none");
                    assert!(bytes == original || !checked, "{command} changed at {at}");
                }
                Err(ImageError::Damaged { .. } | ImageError::NoImage(_)) => refused += 1,
                Err(other) => panic!("{command} changed at {at}: {other}"),
            }
        }
        let followed = [&packed[..], b"and something else"].concat();
        assert!(
            matches!(unpacked(&followed, 2), Err(ImageError::Damaged { .. })),
            "{command}, followed"
        );
    }
    assert!(refused > 500, "only {refused} changes were found");
}

/// As the reference packs it.
fn by_reference(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut packed = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(level));
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn bzip2_is_what_the_reference_makes_of_it(
        streams in proptest::collection::vec((any::<u64>(), 0..400_000_usize, 1..=9_u32), 1..4),
        threads in 1..4_usize,
        change in proptest::option::of((any::<prop::sample::Index>(), 0..8_u32)),
    ) {
        let parts: Vec<_> = streams.iter().map(|(seed, length, _)| content(*seed, *length)).collect();
        let packed: Vec<_> = parts.iter().zip(&streams).map(|(part, (_, _, level))| by_reference(part, *level)).collect();
        let mut packed = packed.concat();
        if let Some((at, bit)) = change {
            let at = at.index(packed.len());
            packed[at] ^= 1_u8 << bit;
        }
        let mut reference = Vec::new();
        let read = std::io::Read::read_to_end(&mut bzip2::read::MultiBzDecoder::new(&packed[..]), &mut reference);
        match (read, unpacked(&packed, threads)) {
            (Ok(_), Ok((bytes, done))) if done.packing == Packing::Bzip2 => prop_assert!(bytes == reference),
            (Err(_), Ok((_, done))) => prop_assert!(done.packing != Packing::Bzip2),
            // What follows the last stream is passed over by the reference, and refused here.
            (Ok(_), Err(_)) => prop_assert!(change.is_some()),
            _ => {}
        }
    }
}
