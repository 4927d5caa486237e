//! What is recognized of file systems whose facts count, and what a device of several signatures is.

use std::fs::File;
use std::process::Command;

use super::*;
use pilotlight_core::facts::disks::RAID_MEMBER;

const MD_MAGIC: [u8; 4] = [0xfc, 0x4e, 0x2b, 0xa9];

fn probe_file(path: &std::path::Path) -> Signature {
    let mut file = File::open(path).unwrap();
    let size = file.metadata().unwrap().len();
    probe(&mut Area {
        device: &mut file,
        start: 0,
        size,
    })
    .unwrap()
}

/// Runs a real mkfs on a file and compares with what blkid says.
fn agrees_with_blkid(kind: &str, size: u64, mkfs: &[&str]) {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(size).unwrap();
    let done = Command::new(mkfs[0])
        .args(&mkfs[1..])
        .arg(file.path())
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{mkfs:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    let Signature::Found(found) = probe_file(file.path()) else {
        panic!("{kind} is not recognized")
    };
    let value = |tag: &str| {
        let out = Command::new("blkid")
            .args(["-p", "-s", tag, "-o", "value"])
            .arg(file.path())
            .output()
            .unwrap();
        String::from_utf8_lossy(&out.stdout).trim().to_string()
    };
    assert_eq!(found.kind, value("TYPE"));
    assert_eq!(found.label, value("LABEL"));
    assert_eq!(found.uuid.unwrap_or_default(), value("UUID"));
    assert_eq!(found.kind, kind);
}

#[test]
fn real_file_systems_are_recognized_as_blkid_recognizes_them() {
    agrees_with_blkid(
        "ext4",
        16 << 20,
        &["mkfs.ext4", "-q", "-F", "-L", "some label"],
    );
    agrees_with_blkid("ext2", 16 << 20, &["mkfs.ext2", "-q", "-F"]);
    agrees_with_blkid("ext3", 16 << 20, &["mkfs.ext3", "-q", "-F"]);
    agrees_with_blkid("xfs", 320 << 20, &["mkfs.xfs", "-q", "-L", "x"]);
    agrees_with_blkid("btrfs", 128 << 20, &["mkfs.btrfs", "-q", "-L", "a b"]);
    agrees_with_blkid(
        "vfat",
        16 << 20,
        &["mkfs.fat", "-n", "ESP", "-i", "12AB34CD"],
    );
    agrees_with_blkid("vfat", 64 << 20, &["mkfs.fat", "-F", "32", "-n", "BIG ONE"]);
    agrees_with_blkid("vfat", 64 << 20, &["mkfs.fat", "-F", "32"]);
    agrees_with_blkid("swap", 16 << 20, &["mkswap", "-L", "sw"]);
}

#[test]
fn a_member_of_an_array_is_more_than_what_it_looks_like() {
    // md 0.90 of a member whose size is no multiple of 64 KiB.
    let mut member = vec![0; (1 << 20) + 5 * 512];
    member[(15 << 16)..][..4].copy_from_slice(&MD_MAGIC);
    assert_eq!(kind_of(member), RAID_MEMBER);
    // A mirror with its superblock at the end begins as the file system on it does.
    let mut mirror = vec![0; 1 << 20];
    mirror[1024 + 56..][..2].copy_from_slice(&[0x53, 0xef]);
    assert_eq!(kind_of(mirror.clone()), "ext2");
    mirror[(2048 - 16) * 512..][..5].copy_from_slice(&[0xfc, 0x4e, 0x2b, 0xa9, 1]);
    assert_eq!(kind_of(mirror), RAID_MEMBER);
}

#[test]
fn uberblocks_count_in_all_labels_of_a_pool() {
    const LABEL: usize = 256 << 10;
    // Three that another format left over, and a young pool: one in each label.
    let mut remains = vec![0; 4 * LABEL];
    let mut young = remains.clone();
    for label in 0..4 {
        let at = (label % 3 + 128) << 10;
        remains[at..at + 4].copy_from_slice(&[0x0c, 0xb1, 0xba, 0]);
        let at = label * LABEL + ((132 + label) << 10);
        young[at..at + 4].copy_from_slice(&[0x0c, 0xb1, 0xba, 0]);
    }
    assert_eq!(probe_bytes(remains), Signature::Blank);
    assert_eq!(kind_of(young), "zfs_member");
    // A label whose names and values were written, and no uberblock yet.
    let mut named = vec![0; 4 * LABEL];
    named[3 * LABEL + (16 << 10)] = 1;
    named[3 * LABEL + (16 << 10) + 24..][..7].copy_from_slice(b"version");
    assert_eq!(kind_of(named), "zfs_member");
}

#[test]
fn a_suspicion_says_nothing_about_what_is_certain() {
    // A container of APFS with blocks of a size that there is not, and swap space.
    let mut bytes = vec![0; 2 << 20];
    bytes[32..36].copy_from_slice(b"NXSB");
    assert_eq!(kind_of(bytes.clone()), "apfs");
    bytes[4086..4096].copy_from_slice(b"SWAPSPACE2");
    bytes[1024] = 1;
    bytes[1028] = 9;
    assert_eq!(kind_of(bytes.clone()), "swap");
    // Both for certain: nobody can say.
    bytes[24] = 1;
    bytes[36..40].copy_from_slice(&4096_u32.to_le_bytes());
    let both = ["swap", "apfs"].map(String::from).to_vec();
    assert_eq!(probe_bytes(bytes.clone()), Signature::Ambivalent(both));
    // On a floppy disk the first one is meant.
    bytes.truncate(1 << 20);
    assert_eq!(kind_of(bytes), "swap");
}

proptest::proptest! {
    /// Superblocks that lie about places and lengths are read without a panic.
    #[test]
    fn hostile_fat_never_panics(patch in proptest::collection::vec((0usize..90, proptest::num::u8::ANY), 0..20)) {
        let mut bytes = vec![0; 4096];
        bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
        for (at, byte) in patch {
            bytes[at] = byte;
        }
        bytes[54..57].copy_from_slice(b"FAT");
        probe_bytes(bytes);
    }
}

fn kind_of(bytes: Vec<u8>) -> String {
    match probe_bytes(bytes) {
        Signature::Found(found) => found.kind,
        other => panic!("{other:?}"),
    }
}

fn probe_bytes(bytes: Vec<u8>) -> Signature {
    let size = bytes.len() as u64;
    probe(&mut Area {
        device: &mut io::Cursor::new(bytes),
        start: 0,
        size,
    })
    .unwrap()
}

#[test]
fn blank_half_made_and_hostile_areas() {
    let mut blank = io::Cursor::new(vec![0; 300_000]);
    let mut area = Area {
        device: &mut blank,
        start: 0,
        size: 300_000,
    };
    assert_eq!(probe(&mut area).unwrap(), Signature::Blank);
    assert_eq!(table(&mut area, &Signature::Blank).unwrap(), None);
    assert_eq!(places(&mut area).unwrap(), []);

    let mut half = vec![0; 1 << 20];
    half[..4].copy_from_slice(b"XFSB");
    half[126] = 1;
    let mut half = io::Cursor::new(half);
    assert_eq!(
        probe(&mut Area {
            device: &mut half,
            start: 0,
            size: 1 << 20
        })
        .unwrap(),
        Signature::Blank
    );

    // An area of a few bytes, all set, at the end of a device.
    let mut tiny = io::Cursor::new(vec![0xff; 100]);
    assert_eq!(
        probe(&mut Area {
            device: &mut tiny,
            start: 40,
            size: 60
        })
        .unwrap(),
        Signature::Blank
    );
}
