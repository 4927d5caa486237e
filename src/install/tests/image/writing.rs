//! What is on a disk afterwards, and above all what is not.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::process::Command;

use pilotlight_install::image::{
    Check, Digest, EDGE, Edges, ImageError, NoImage, Packing, Phase, Refusal, Writing, Written,
    write,
};
use sha2::{Digest as _, Sha256};

use crate::samples::{Numbers, content, image, piped};

const MIB: usize = 1 << 20;
const OLD: u8 = 0xa5;

fn disk(room: usize, filled: bool) -> File {
    let file = tempfile::tempfile().unwrap();
    file.set_len(room as u64).unwrap();
    if filled {
        file.write_all_at(&vec![OLD; room], 0).unwrap();
    }
    file
}

fn bytes(disk: &File, room: usize) -> Vec<u8> {
    let mut bytes = vec![0; room];
    disk.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn how<'a>(packed: &[u8], room: usize) -> Writing<'a> {
    Writing {
        check: Check::insecure().and_digest(Digest::Sha256(Sha256::digest(packed).into())),
        room: room as u64,
        sector: Some(512),
        reads_zeros: false,
        keep: Vec::new(),
        read_back: true,
        threads: None,
        edges: Edges::default(),
    }
}

fn written(packed: &[u8], how: Writing<'_>, disk: &File) -> Result<Written, ImageError> {
    write(packed, how, disk, &mut |_| {})
}

fn boots_not(disk: &File, room: usize, what: &str) {
    let all = bytes(disk, room);
    assert!(
        all[..EDGE].iter().all(|byte| *byte == 0),
        "{what}: the first MiB is not empty"
    );
    assert!(
        all[room - EDGE..].iter().all(|byte| *byte == 0),
        "{what}: the last MiB is not empty"
    );
}

#[test]
fn the_image_is_on_the_disk_and_nothing_of_the_old_table() {
    let room = 12 * MIB;
    // Ends in the middle of the disk, in its last MiB, and with it.
    for length in [7 * MIB, room - MIB / 2, room] {
        let image = image(1, 512, length);
        for packer in [
            "cat",
            "gzip -1",
            "bzip2",
            "xz -1 -T2 --block-size=1MiB",
            "zstd",
        ] {
            let packed = piped(packer, &image);
            for reads_zeros in [false, true] {
                let disk = disk(room, !reads_zeros);
                let how = Writing {
                    reads_zeros,
                    ..how(&packed, room)
                };
                let done = written(&packed, how, &disk).unwrap();
                let all = bytes(&disk, room);
                assert!(all[..length] == image, "{packer}, {length}: other bytes");
                let (between, last) = all[length..].split_at((room - length).saturating_sub(EDGE));
                let rest = if reads_zeros { 0 } else { OLD };
                assert!(
                    between.iter().all(|byte| *byte == rest),
                    "{packer}, {length}: written beyond"
                );
                assert!(
                    last.iter().all(|byte| *byte == 0),
                    "{packer}, {length}: an old backup table"
                );
                assert!(done.verified.digest && done.unpacked == length as u64);
                assert!(
                    !reads_zeros || done.skipped > 0,
                    "{packer}: no zeros were skipped"
                );
            }
        }
    }
}

#[test]
fn zeros_are_not_written_where_the_disk_has_them() {
    let room = 64 * MIB;
    let mut image = image(2, 512, room);
    image[4 * MIB..60 * MIB].fill(0);
    let packed = piped("bzip2 -1", &image);
    let disk = disk(room, false);
    let done = written(
        &packed,
        Writing {
            reads_zeros: true,
            ..how(&packed, room)
        },
        &disk,
    )
    .unwrap();
    assert!(bytes(&disk, room) == image);
    assert!(done.skipped >= 55 * MIB as u64, "{done:?}");
    let blocks = std::os::unix::fs::MetadataExt::blocks(&disk.metadata().unwrap());
    assert!(
        blocks * 512 < 12 * MIB as u64,
        "{blocks} blocks of a sparse file"
    );
}

#[test]
fn a_loop_device_has_the_image() {
    let room = 16 * MIB;
    let image = image(3, 512, 9 * MIB);
    let packed = piped("lbzip2", &image);
    let backing = tempfile::NamedTempFile::new().unwrap();
    backing.as_file().write_all_at(&vec![OLD; room], 0).unwrap();
    let output = Command::new("losetup")
        .args(["-f", "--show"])
        .arg(backing.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let name = String::from_utf8(output.stdout).unwrap();
    let device = OpenOptions::new()
        .read(true)
        .write(true)
        .open(name.trim())
        .unwrap();
    let done = written(&packed, how(&packed, room), &device);
    let all = bytes(&device, room);
    drop(device);
    assert!(
        Command::new("losetup")
            .args(["-d", name.trim()])
            .status()
            .unwrap()
            .success()
    );
    done.unwrap();
    assert!(all[..9 * MIB] == image);
    assert!(all[9 * MIB..15 * MIB].iter().all(|byte| *byte == OLD));
}

/// What cannot be a disk's image for this disk is refused before a byte is changed.
#[test]
fn what_does_not_fit_leaves_the_disk_as_it_was() {
    let room = 6 * MIB;
    let large = image(4, 512, 8 * MIB);
    let large_sectors = image(5, 4096, 5 * MIB);
    let noise = [vec![7; 4096], content(6, 3 * MIB)].concat();
    let iso = {
        let mut iso = image(7, 512, 3 * MIB);
        iso[32_769..32_774].copy_from_slice(b"CD001");
        iso
    };
    type Expected = fn(&ImageError) -> bool;
    let cases: [(&str, &[u8], Expected); 7] = [
        ("too large", &large, |why| {
            matches!(
                why,
                ImageError::TooLarge {
                    image: 8_388_608,
                    ..
                }
            )
        }),
        ("sectors", &large_sectors, |why| {
            matches!(
                why,
                ImageError::Sector {
                    image: 4096,
                    disk: 512
                }
            )
        }),
        ("noise", &noise, |why| {
            matches!(why, ImageError::NoImage(NoImage::NoTable))
        }),
        ("ISO", &iso, |why| {
            matches!(
                why,
                ImageError::NoImage(NoImage::Other {
                    what: "an ISO 9660 image",
                    ..
                })
            )
        }),
        ("zeros", &[0; 2 * MIB], |why| {
            matches!(why, ImageError::NoImage(NoImage::Zeros(_)))
        }),
        ("empty", &[], |why| {
            matches!(why, ImageError::NoImage(NoImage::Empty))
        }),
        ("page", b"<html>404</html>", |why| {
            matches!(
                why,
                ImageError::NoImage(NoImage::Other {
                    what: "a web page",
                    ..
                })
            )
        }),
    ];
    for (name, image, expected) in cases {
        for packer in ["cat", "bzip2", "zstd"] {
            let packed = piped(packer, image);
            let disk = disk(room, true);
            let why = written(&packed, how(&packed, room), &disk).unwrap_err();
            assert!(expected(&why) && why.untouched(), "{name}, {packer}: {why}");
            assert!(
                bytes(&disk, room).iter().all(|byte| *byte == OLD),
                "{name}, {packer}: touched"
            );
        }
    }
    // Its table tells of less than it has: only seen at the end, and nothing boots then.
    let mut longer = image(8, 512, 4 * MIB);
    longer.extend(content(9, 3 * MIB));
    let disk = disk(room, true);
    let why = written(&longer, how(&longer, room), &disk).unwrap_err();
    assert!(
        matches!(why, ImageError::TooLarge { least: true, .. }),
        "{why}"
    );
    boots_not(&disk, room, "longer than its table tells");
    // A table for other sectors is nobody's concern in a file.
    let file = tempfile::tempfile().unwrap();
    file.set_len(room as u64).unwrap();
    written(
        &large_sectors,
        Writing {
            sector: None,
            ..how(&large_sectors, room)
        },
        &file,
    )
    .unwrap();
}

/// Cut off and changed at many places, in every packing: the disk does not boot, and success is never said.
#[test]
fn an_image_that_is_not_the_one_that_was_meant_never_boots() {
    let room = 5 * MIB;
    let image = image(10, 512, 4 * MIB);
    let mut numbers = Numbers(11);
    for packer in [
        "cat",
        "gzip -1",
        "bzip2 -1",
        "xz -0 -T2 --block-size=500000",
        "zstd -1",
    ] {
        let packed = piped(packer, &image);
        for number in 0..16 {
            let at = numbers.below(packed.len());
            let (bad, what) = if number % 2 == 0 {
                (packed[..at].to_vec(), "cut")
            } else {
                let mut bad = packed.clone();
                bad[at] ^= 1 << numbers.below(8);
                (bad, "changed")
            };
            let what = format!("{packer} {what} at {at}");
            let disk = disk(room, true);
            let why = written(&bad, how(&packed, room), &disk).expect_err(&what);
            if why.untouched() {
                assert!(
                    bytes(&disk, room).iter().all(|byte| *byte == OLD),
                    "{what}: touched"
                );
            } else {
                let first = &bytes(&disk, room)[..EDGE];
                let sealed = first.iter().all(|byte| *byte == 0);
                assert!(
                    sealed || first.iter().all(|byte| *byte == OLD),
                    "{what}: {why}"
                );
            }
        }
    }
    // The digest is of another image, and all else is right.
    let disk = disk(room, true);
    let why = written(&image, how(b"another", room), &disk).unwrap_err();
    assert!(
        matches!(
            &why,
            ImageError::Refused(Refusal::Digest { hash: "SHA256", .. })
        ),
        "{why}"
    );
    boots_not(&disk, room, "another digest");
}

/// A raw image without any check: its table tells that something is missing.
#[test]
fn a_raw_image_that_is_cut_off_does_not_boot() {
    let room = 6 * MIB;
    let image = image(12, 512, 4 * MIB);
    let disk = disk(room, true);
    let how = Writing {
        check: Check::insecure(),
        ..how(&[], room)
    };
    let why = written(&image[..4 * MIB - 512], how, &disk).unwrap_err();
    assert!(
        matches!(
            why,
            ImageError::Damaged {
                packing: Packing::Raw,
                at: 4_193_792,
                ..
            }
        ),
        "{why}"
    );
    boots_not(&disk, room, "cut off");
}

/// A source that does something before each of its reads.
struct Watched<'a, F: FnMut(usize) -> io::Result<()>>(&'a [u8], usize, F);

impl<F: FnMut(usize) -> io::Result<()>> Read for Watched<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.2(self.1)?;
        let most = buffer.len().min(32_768);
        let count = (&self.0[self.1..]).read(&mut buffer[..most])?;
        self.1 += count;
        Ok(count)
    }
}

#[test]
fn the_first_mib_is_empty_until_all_has_come() {
    let room = 20 * MIB;
    let image = image(13, 512, 18 * MIB);
    let disk = disk(room, true);
    let watching = disk.try_clone().unwrap();
    let (mut old, mut empty) = (0, 0);
    let source = Watched(&image, 0, |_| {
        let first = bytes(&watching, EDGE);
        match first.iter().find(|byte| **byte != OLD) {
            None => old += 1,
            Some(_) if first.iter().all(|byte| *byte == 0) => empty += 1,
            // Between: it is being zeroed.
            Some(_) => assert!(
                first.iter().all(|byte| matches!(*byte, 0 | OLD)),
                "something of the image"
            ),
        }
        Ok(())
    });
    let phases = Cell::new(Vec::new());
    write(source, how(&image, room), &disk, &mut |progress| {
        let mut seen = phases.take();
        if seen.last() != Some(&progress.phase) {
            seen.push(progress.phase);
        }
        phases.set(seen);
    })
    .unwrap();
    assert!(old > 0 && empty > 100, "{old} old, {empty} empty");
    let expected = [
        Phase::Writing,
        Phase::Flushing,
        Phase::ReadingBack,
        Phase::Finishing,
    ];
    let phases: Vec<_> = phases
        .take()
        .into_iter()
        .filter(|phase| *phase != Phase::ReadingBack)
        .collect();
    assert_eq!(
        phases,
        expected
            .into_iter()
            .filter(|phase| *phase != Phase::ReadingBack)
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_source_that_fails_leaves_a_disk_that_does_not_boot() {
    let room = 12 * MIB;
    let image = image(14, 512, 10 * MIB);
    let disk = disk(room, true);
    let source = Watched(&image, 0, |at| match at {
        8_000_000.. => Err(io::Error::new(
            io::ErrorKind::ConnectionReset,
            "reset by peer",
        )),
        _ => Ok(()),
    });
    let why = write(source, how(&image, room), &disk, &mut |_| {}).unwrap_err();
    assert!(
        matches!(
            why,
            ImageError::Read {
                at: 7_000_000..,
                ..
            }
        ),
        "{why}"
    );
    boots_not(&disk, room, "reset");
}

/// A disk that has something else in the end than what was written to it.
#[test]
fn reading_back_finds_what_the_disk_has_lost() {
    let room = 12 * MIB;
    let mut image = image(15, 512, 10 * MIB);
    image[5 * MIB..7 * MIB].fill(0);
    for at in [3 * MIB + 5, 6 * MIB + 9] {
        let disk = disk(room, true);
        let other = disk.try_clone().unwrap();
        let mut done = false;
        let source = Watched(&image, 0, move |read| {
            if read >= 10 * MIB - 100_000 && !done {
                done = true;
                // By now it has been written.
                std::thread::sleep(std::time::Duration::from_millis(200));
                other.write_all_at(b"lost", at as u64)?;
            }
            Ok(())
        });
        let why = write(source, how(&image, room), &disk, &mut |_| {}).unwrap_err();
        let found = |range: Range<u64>| range.contains(&(at as u64));
        assert!(
            matches!(why, ImageError::Differs { at, length } if found(at..at + length)),
            "{why}"
        );
        boots_not(&disk, room, "lost");
    }
}

#[test]
fn a_disk_that_cannot_be_written_is_said_to_be_so() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let image = image(16, 512, 2 * MIB);
    let why = written(&image, how(&image, 4 * MIB), &full).unwrap_err();
    assert!(
        why.to_string()
            .starts_with("while writing the disk at byte 0: No space left"),
        "{why}"
    );
}

#[test]
fn kept_ranges_are_never_written() {
    let room = 16 * MIB;
    let image = image(17, 512, 6 * MIB);
    // One behind the image, one that goes on in the last MiB.
    let keep = vec![
        (8 * MIB) as u64..(9 * MIB) as u64,
        (14 * MIB + 7) as u64..(15 * MIB + 99) as u64,
    ];
    let disk = disk(room, true);
    let how_kept = |keep: &[Range<u64>]| Writing {
        keep: keep.to_vec(),
        ..how(&image, room)
    };
    written(&image, how_kept(&keep), &disk).unwrap();
    let all = bytes(&disk, room);
    assert!(all[..6 * MIB] == image);
    for range in keep {
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        assert!(all[range].iter().all(|byte| *byte == OLD));
    }
    // The image's backup table alone reaches into it: of no use there, and not written.
    let last = (6 * MIB - 10_000) as u64..(7 * MIB) as u64;
    written(&image, how_kept(std::slice::from_ref(&last)), &disk).unwrap();
    assert!(bytes(&disk, room)[6 * MIB - 10_000..7 * MIB] == all[6 * MIB - 10_000..7 * MIB]);
    // Its partitions do.
    let before = bytes(&disk, room);
    let within = 5_000_000..5_000_512;
    let why = written(&image, how_kept(std::slice::from_ref(&within)), &disk).unwrap_err();
    assert!(
        matches!(&why, ImageError::Overlaps { kept } if *kept == within),
        "{why}"
    );
    assert!(bytes(&disk, room) == before);
}

#[test]
fn the_edges_are_what_the_caller_makes_of_them() {
    let room = 8 * MIB;
    let image = image(18, 512, 5 * MIB);
    let edges = || Edges {
        meanwhile: (b"saved".to_vec(), b"and its backup".to_vec()),
        change: Some(Box::new(|first, last| {
            first[600] = 42;
            let end = last.len() - 1;
            last[end] = 43;
            Ok(())
        })),
    };
    let disk = disk(room, true);
    let why = written(
        &image,
        Writing {
            edges: edges(),
            ..how(b"another", room)
        },
        &disk,
    )
    .unwrap_err();
    assert!(matches!(why, ImageError::Refused(_)));
    let all = bytes(&disk, room);
    assert!(all.starts_with(b"saved") && all.ends_with(b"and its backup"));
    assert!(all[5..EDGE].iter().all(|byte| *byte == 0));

    written(
        &image,
        Writing {
            edges: edges(),
            ..how(&image, room)
        },
        &disk,
    )
    .unwrap();
    let all = bytes(&disk, room);
    assert!(all[..600] == image[..600] && all[600] == 42 && all[601..5 * MIB] == image[601..]);
    assert!(all[room - EDGE..room - 1].iter().all(|byte| *byte == 0) && all[room - 1] == 43);
}
