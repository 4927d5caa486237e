//! Devices with signatures, and what blkid and the probe say of them.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pilotlight_core::facts::disks::{Block, Signature, TableState};
use pilotlight_core::model::SysPath;
use pilotlight_core::op::DiskOp;
use pilotlight_sys::probe::{self, Area};
use pilotlight_sys::{DeviceMap, disks};
use pilotlight_tests::tool;

use super::Crafted;

/// Larger than what libblkid takes for too small for any of the formats; no multiple of anything; and large.
pub const SIZES: [u64; 3] = [66 << 20, (66 << 20) + 5 * 512, (5 << 30) + 4096];

/// What `blkid -p` calls what is on a device.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    Nothing,
    Kind(String),
    Ambivalent,
}

pub fn blkid(path: &Path) -> Said {
    let output = Command::new("blkid")
        .args(["-p", "-o", "export"])
        .arg(path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let value = |tag: &str| said.lines().find_map(|line| line.strip_prefix(tag));
    match (output.status.code(), value("TYPE=").or(value("PTTYPE="))) {
        (Some(0), Some(kind)) => Said::Kind(kind.into()),
        (Some(2), None) => Said::Nothing,
        (Some(8), _) => Said::Ambivalent,
        other => panic!("{other:?} {said}"),
    }
}

pub fn sparse(size: u64) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(size).unwrap();
    file
}

/// A device of this size with a signature.
pub fn make(crafted: &Crafted, size: u64) -> tempfile::NamedTempFile {
    let file = sparse(size);
    for (at, bytes) in crafted.pieces(size) {
        // What lies beyond the end of a small device is not there.
        let there = usize::try_from(size.saturating_sub(at))
            .unwrap()
            .min(bytes.len());
        file.as_file().write_all_at(&bytes[..there], at).unwrap();
    }
    file
}

/// What a partition with this content is.
pub fn probed(path: &Path) -> Signature {
    let mut file = File::open(path).unwrap();
    let size = file.seek(SeekFrom::End(0)).unwrap();
    let (device, start) = (&mut file, 0);
    probe::probe(&mut Area {
        device,
        start,
        size,
    })
    .unwrap()
}

/// What a disk with this content is.
pub fn observed(path: &Path) -> Block {
    let name = SysPath::parse("/dev/x").unwrap();
    let images = DeviceMap::from([("/dev/x".to_string(), path.to_path_buf())]);
    let request = disks::Request {
        required: &[&name],
        optional: &[],
        images: &images,
        wait: Duration::ZERO,
    };
    let mut seen = disks::observe(request).unwrap();
    seen.blocks.remove("/dev/x").unwrap()
}

pub fn is_blank(block: &Block) -> bool {
    block.table == TableState::None && block.signature == Signature::Blank
}

pub fn wipe(device: &Path) {
    let device = device.to_str().unwrap().to_string();
    let destroys = "whatever it is".into();
    disks::apply(&DiskOp::WipeSignatures { device, destroys }).unwrap();
}

/// Both ways to look find something, and where blkid says what, the same.
pub fn agrees(what: &str, path: &Path, said: &Said) {
    let (area, disk) = (probed(path), observed(path));
    match said {
        Said::Nothing => {}
        Said::Ambivalent => assert!(matches!(area, Signature::Ambivalent(_)), "{what}: {area:?}"),
        Said::Kind(kind) => {
            let Signature::Found(found) = &area else {
                panic!("{what}: {area:?}")
            };
            // It has no name of its own where its headers are damaged.
            let found = if kind == "PMBR" { "PMBR" } else { &found.kind };
            assert_eq!(found, kind, "{what}");
            assert!(!is_blank(&disk), "{what}: {disk:?}");
        }
    }
}

/// Kinds that the tools of the tests make, with the file at the end of the line.
pub const TOOLS: &[(&str, &str)] = &[
    ("ext2", "mkfs.ext2 -q -F"),
    ("ext3", "mkfs.ext3 -q -F"),
    ("ext4", "mkfs.ext4 -q -F"),
    ("jbd", "mke2fs -q -F -O journal_dev"),
    ("btrfs", "mkfs.btrfs -q -m single"),
    ("xfs", "mkfs.xfs -q --unsupported"),
    ("vfat", "mkfs.fat -F 12 -s 64"),
    ("vfat", "mkfs.fat -F 16"),
    ("vfat", "mkfs.fat -F 32"),
    ("minix", "mkfs.minix -1"),
    ("minix", "mkfs.minix -2"),
    ("minix", "mkfs.minix -3"),
    ("bfs", "mkfs.bfs"),
    ("cramfs", "mkfs.cramfs /etc/udev"),
    ("swap", "mkswap -q"),
    ("swap", "mkswap -q -p 65536"),
    (
        "crypto_LUKS",
        "cryptsetup luksFormat -q --type luks1 --pbkdf-force-iterations 1000 --key-file /etc/debian_version",
    ),
    (
        "crypto_LUKS",
        "cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file /etc/debian_version",
    ),
    ("dos", "sfdisk -q --label dos"),
    ("gpt", "sfdisk -q --label gpt"),
    ("sgi", "sfdisk -q --label sgi"),
    ("sun", "sfdisk -q --label sun"),
];

pub fn by_tool(line: &str, path: &Path) {
    let line = format!("{line} {}", path.display());
    match line.starts_with("sfdisk") {
        true => shell(&format!("echo 2048,8192 | {line}")),
        false => drop(tool(&line)),
    }
}

pub fn shell(line: &str) {
    let done = Command::new("sh").args(["-c", line]).status().unwrap();
    assert!(done.success(), "{line}");
}

/// Nobody finds anything any more.
pub fn is_wiped(what: &str, path: &Path) {
    assert_eq!(probed(path), Signature::Blank, "{what}");
    assert!(is_blank(&observed(path)), "{what}: {:?}", observed(path));
    assert_eq!(blkid(path), Said::Nothing, "{what}");
    assert_eq!(
        tool(&format!("wipefs --no-act {}", path.display())),
        "",
        "{what}"
    );
}
