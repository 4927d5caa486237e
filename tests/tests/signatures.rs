//! Whatever blkid calls something is never blank, and once it is wiped, nobody calls it anything: each kind of
//! signature that `blkid -k` lists is made by its own tool or written byte by byte, and compared with what
//! `blkid -p` says.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Cursor, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use pilotlight_core::facts::disks::Signature;
use pilotlight_core::op::DiskOp;
use pilotlight_sys::disks;
use pilotlight_sys::probe::{self, Area};
use pilotlight_tests::disk::LoopDevice;
use pilotlight_tests::{Answer, FirstBoot, cases, tool};
use proptest::prelude::{any, prop, proptest};
use serde_json::json;
use signatures::devices::{
    SIZES, Said, TOOLS, agrees, blkid, by_tool, is_blank, is_wiped, make, observed, probed, shell,
    sparse, wipe,
};

mod signatures {
    pub mod crafted;
    pub mod devices;
    mod filesystems;

    pub use crafted::Crafted;

    pub fn all() -> Vec<Crafted> {
        let mut all = crafted::members();
        all.extend(crafted::others());
        all.extend(filesystems::filesystems());
        all.extend(crafted::tables());
        all
    }
}

#[test]
fn whatever_blkid_calls_something_is_the_same_here() {
    let mut seen = BTreeSet::new();
    for crafted in signatures::all() {
        for size in SIZES {
            let file = make(&crafted, size);
            let said = blkid(file.path());
            let what = format!("{} on {size} bytes", crafted.kind);
            assert_eq!(said, Said::Kind(crafted.kind.into()), "{what}");
            agrees(&what, file.path(), &said);
        }
        seen.insert(crafted.kind);
    }
    for (kind, line) in TOOLS {
        let file = sparse(SIZES[0]);
        by_tool(line, file.path());
        let said = blkid(file.path());
        assert_eq!(said, Said::Kind((*kind).into()), "{line}");
        agrees(line, file.path(), &said);
        seen.insert(kind);
    }
    // All that libblkid knows, and the tables besides, which it has no list of. BSD's and Minix's tables are
    // within partitions; `blkid -p` passes them over.
    assert!(seen.len() >= 60, "{}", seen.len());
    let missing: Vec<String> = (tool("blkid -k").lines())
        .filter(|kind| !seen.contains(kind))
        .map(ToString::to_string)
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn on_small_devices_nothing_is_blank_that_blkid_calls_something() {
    for crafted in signatures::all() {
        for size in [70_000, 300_000, 1 << 20, 1_600_000, 11 << 20] {
            let file = make(&crafted, size);
            if let said @ Said::Kind(_) = blkid(file.path()) {
                agrees(
                    &format!("{} on {size} bytes", crafted.kind),
                    file.path(),
                    &said,
                );
            }
        }
    }
}

#[test]
fn where_blkid_cannot_decide_nobody_does() {
    let all = signatures::all();
    let mut compared = 0;
    for (first, second) in [
        ("ext4", "zfs_member"),
        ("ext4", "f2fs"),
        ("xfs", "reiser4"),
        ("vfat", "zfs_member"),
        ("btrfs", "swap"),
        ("swap", "exfat"),
    ] {
        let (_, line) = TOOLS.iter().find(|(kind, _)| *kind == first).unwrap();
        let other = all.iter().find(|crafted| crafted.kind == second).unwrap();
        let file = sparse(SIZES[0]);
        by_tool(line, file.path());
        for (at, bytes) in other.pieces(SIZES[0]) {
            file.as_file().write_all_at(&bytes, at).unwrap();
        }
        let Signature::Ambivalent(kinds) = probed(file.path()) else {
            panic!("{first}, {second}: {:?}", probed(file.path()))
        };
        let named: BTreeSet<&str> = kinds.iter().map(String::as_str).collect();
        // A file system of f2fs lies where ext4 has its superblock.
        match blkid(file.path()) {
            Said::Ambivalent => assert_eq!(named, BTreeSet::from([first, second])),
            other => panic!("{first}, {second}: {other:?}"),
        }
        compared += 1;
    }
    assert_eq!(compared, 6);
}

#[test]
fn what_is_wiped_is_blank_for_everybody() {
    for crafted in signatures::all() {
        let file = make(&crafted, SIZES[1]);
        wipe(file.path());
        is_wiped(crafted.kind, file.path());
    }
    for (_, line) in TOOLS {
        let file = sparse(SIZES[0]);
        by_tool(line, file.path());
        wipe(file.path());
        is_wiped(line, file.path());
    }
    // Everything at once, one over the other.
    let file = sparse(SIZES[0]);
    for crafted in signatures::all() {
        for (at, bytes) in crafted.pieces(SIZES[0]) {
            file.as_file().write_all_at(&bytes, at).unwrap();
        }
    }
    wipe(file.path());
    is_wiped("all", file.path());
}

#[test]
fn what_wipefs_leaves_is_wiped_as_well() {
    // A GPT that is damaged, which libblkid takes for nothing once its protective MBR is gone.
    let table = sparse(SIZES[0]);
    by_tool("sfdisk -q --label gpt", table.path());
    for header in [512, SIZES[0] - 512] {
        table.as_file().write_all_at(&[0xff], header + 60).unwrap();
    }
    // A pool that has been in use: all uberblocks, and the names in every label.
    let pool = sparse(SIZES[0]);
    for label in [0, 1, SIZES[0] / (256 << 10) - 2, SIZES[0] / (256 << 10) - 1] {
        let start = label * (256 << 10);
        let names = b"\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\0\0\x24\0\0\0\x20\0\0\0\x07version\0";
        pool.as_file()
            .write_all_at(names, start + (16 << 10))
            .unwrap();
        for uberblock in 0..128 {
            let at = start + ((128 + uberblock) << 10);
            let magic = 0x00ba_b10c_u64.to_le_bytes();
            pool.as_file().write_all_at(&magic, at).unwrap();
        }
    }
    // The second superblock of f2fs, which is mounted if the first is damaged.
    let second = sparse(SIZES[0]);
    second
        .as_file()
        .write_all_at(b"\x10\x20\xf5\xf2", 5120)
        .unwrap();
    for file in [table, pool, second] {
        tool(&format!("wipefs --all --force {}", file.path().display()));
        assert_eq!(blkid(file.path()), Said::Nothing);
        assert!(!is_blank(&observed(file.path())));
        wipe(file.path());
        is_wiped("what was left", file.path());
    }
}

#[test]
fn a_new_table_spares_what_lies_in_the_partitions_of_the_old_one() {
    let file = sparse(SIZES[0]);
    // A partition that ends 64 KiB before the disk.
    let partition = format!(
        "echo 2048,{} | sfdisk -q --label gpt",
        SIZES[0] / 512 - 2048 - 128
    );
    shell(&format!("{partition} {}", file.path().display()));
    // A pool in the partition, whose labels are where those of a pool on the whole disk would be.
    let magic = 0x00ba_b10c_u64.to_le_bytes();
    let label = SIZES[0] - (512 << 10);
    for uberblock in 128..140 {
        let at = label + (uberblock << 10);
        file.as_file().write_all_at(&magic, at).unwrap();
    }
    file.as_file()
        .write_all_at(b"LUKS\xba\xbe\0\x02", 0)
        .unwrap();
    let disk = file.path().to_str().unwrap().to_string();
    let destroys = Some("a table".into());
    disks::apply(&DiskOp::CreateTable { disk, destroys }).unwrap();
    let mut there = [0; 8];
    let at = label + (130 << 10);
    file.as_file().read_exact_at(&mut there, at).unwrap();
    assert_eq!(there, magic);
    file.as_file().read_exact_at(&mut there, 0).unwrap();
    assert_eq!(&there[..6], [0; 6]);
}

#[test]
fn devices_with_sectors_of_4096_bytes() {
    let mut isw = 0;
    for crafted in signatures::all() {
        let size = SIZES[0];
        let file = make(&crafted, size);
        if crafted.kind == "isw_raid_member" {
            // It counts in the device's own sectors.
            let magic = b"Intel Raid ISM Cfg Sig. 1.1.00";
            file.as_file().write_all_at(magic, size - 8192).unwrap();
            isw += 1;
        }
        let device = LoopDevice::with_sectors(file.path(), 4096);
        let path = Path::new(&device.node);
        let said = blkid(path);
        // The one that knows sectors of 512 bytes only.
        if crafted.kind != "atari" {
            assert_eq!(said, Said::Kind(crafted.kind.into()));
        }
        agrees(crafted.kind, path, &said);
        wipe(path);
        is_wiped(crafted.kind, path);
    }
    assert_eq!(isw, 1);
}

#[test]
fn what_is_nothing_stays_nothing() {
    for size in [0, 1, 511, 512, 1024, 4096, 70_000, 1 << 20, SIZES[1]] {
        let zeros = sparse(size);
        assert!(is_blank(&observed(zeros.path())), "{size}");
        assert_eq!(probed(zeros.path()), Signature::Blank);
    }
    // A text, as a machine's config on a disk of its own.
    let text = sparse(1 << 20);
    text.as_file()
        .write_all_at(b"#cloud-config\nhostname: me\n", 0)
        .unwrap();
    assert!(is_blank(&observed(text.path())));
    // What somebody wiped is given up, though much is left of it.
    for (kind, line) in TOOLS {
        let file = sparse(SIZES[0]);
        by_tool(line, file.path());
        tool(&format!("wipefs --all --force {}", file.path().display()));
        assert!(is_blank(&observed(file.path())), "{kind}");
    }
}

/// The disks stage of a config with an ext4 on this device.
fn disks_stage(device: &str, wipe: bool) -> Answer {
    let config = json!({
        "ignition": { "version": "3.3.0" },
        "storage": { "filesystems": [
            { "device": device, "format": "ext4", "label": "DATA", "wipeFilesystem": wipe },
        ] },
    });
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    let boot = FirstBoot::new(directory.path(), &root, config.to_string().as_bytes());
    boot.stages(&["fetch-offline", "disks"])
}

#[test]
fn a_young_pool_and_an_undecided_device_are_formatted_only_if_the_config_says_so() {
    let all = signatures::all();
    let young = all.iter().find(|crafted| crafted.kind == "zfs_member");
    let pool = make(young.unwrap(), SIZES[0]);
    let both = sparse(SIZES[0]);
    by_tool("mkfs.ext4 -q -F", both.path());
    for (at, bytes) in young.unwrap().pieces(SIZES[0]) {
        both.as_file().write_all_at(&bytes, at).unwrap();
    }
    for (file, words) in [
        (pool, "holds zfs_member, not ext4"),
        (
            both,
            "holds signatures of ext4 and zfs_member at once, not ext4",
        ),
    ] {
        let device = LoopDevice::with_sectors(file.path(), 512);
        let before = fs::read(&device.node).unwrap();
        let answer = disks_stage(&device.node, false);
        let said = format!("{}{}", answer.out, answer.err);
        assert_ne!(answer.code, Some(0), "{said}");
        assert!(said.contains(words), "{said}");
        assert!(
            fs::read(&device.node).unwrap() == before,
            "it has been changed"
        );

        let answer = disks_stage(&device.node, true);
        assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
        assert_eq!(blkid(Path::new(&device.node)), Said::Kind("ext4".into()));
        let left = tool(&format!(
            "wipefs --noheadings --output TYPE {}",
            device.node
        ));
        assert_eq!(left, "ext4");
    }
}

/// A device on which nothing outside of the area may be read.
struct Fenced {
    bytes: Cursor<Vec<u8>>,
    area: std::ops::Range<u64>,
}

impl std::io::Read for Fenced {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let start = self.bytes.position();
        let end = start + buffer.len() as u64;
        assert!(
            self.area.start <= start && end <= self.area.end,
            "{start} to {end}"
        );
        self.bytes.read(buffer)
    }
}

impl Seek for Fenced {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.bytes.seek(to)
    }
}

proptest! {
    #![proptest_config(cases(400))]

    /// Signatures beside each other, over each other, cut off at the end and with any bytes in them.
    #[test]
    fn no_mixture_makes_it_panic_or_read_outside(
        chosen in prop::collection::vec((any::<prop::sample::Index>(), 0_i64..3), 0..5),
        noise in prop::collection::vec((0_u64..300_000, any::<u8>()), 0..60),
        size in 0_u64..600_000,
        start in 0_u64..2000,
    ) {
        let all = signatures::all();
        let mut bytes = vec![0; usize::try_from(start + size).unwrap() + 100];
        let mut put = |at: u64, piece: &[u8]| {
            let from = usize::try_from(start.saturating_add(at)).unwrap_or(usize::MAX);
            for (n, byte) in piece.iter().enumerate() {
                if let Some(place) = bytes.get_mut(from.saturating_add(n)) {
                    *place = *byte;
                }
            }
        };
        for (index, moved) in chosen {
            for (at, piece) in index.get(&all).pieces(size.max(1 << 18)) {
                put(at.saturating_add_signed(moved - 1), &piece);
            }
        }
        for (at, byte) in noise {
            put(at, &[byte]);
        }
        let mut device = Fenced { bytes: Cursor::new(bytes), area: start..start + size };
        let mut area = Area { device: &mut device, start, size };
        let found = probe::probe(&mut area).unwrap();
        let places = probe::places(&mut area).unwrap();
        for place in &places {
            assert!(place.length > 0 && place.start + place.length <= size, "{place:?}");
        }
        // What is something has a place that can be overwritten.
        assert!(found == Signature::Blank || !places.is_empty(), "{found:?}");
    }
}
