//! What is on a device: superblocks, by the signatures that libblkid knows them by.
//!
//! Reads a bounded number of bytes, and trusts none of them. A file system whose making was cut off
//! (btrfs's temporary magic, XFS's `sb_inprogress`) counts as blank, because it is made again.

use std::io::{self, Read, Seek, SeekFrom};

use pilotlight_core::facts::disks::{
    BEING_MADE, Detail, ENCRYPTED, LuksHeader, RAID_MEMBER, RaidMember, Signature, Superblock,
};

/// A part of a device: a partition, or all of it.
pub struct Area<'d, D> {
    /// The device.
    pub device: &'d mut D,
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub size: u64,
}

impl<D: Read + Seek> Area<'_, D> {
    /// Reads bytes at an offset; what lies beyond the end reads as zeros.
    fn read(&mut self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let there = self.size.saturating_sub(offset).min(length as u64);
        // No more than `length`, which is a usize.
        let there = usize::try_from(there).unwrap_or(length);
        if there == 0 {
            // Block devices refuse to be asked for what lies beyond their end.
            return Ok(bytes);
        }
        self.device
            .seek(SeekFrom::Start(self.start.saturating_add(offset)))?;
        self.device.read_exact(&mut bytes[..there])?;
        Ok(bytes)
    }
}

/// Looks at all known places.
pub fn probe<D: Read + Seek>(area: &mut Area<'_, D>) -> io::Result<Signature> {
    if let Some(member) = raid_at_end(area)? {
        return Ok(Signature::Found(member));
    }
    let head = area.read(0, 0x1_1000)?;
    for recognize in [
        luks,
        xfs,
        ext,
        btrfs,
        swap,
        squashfs,
        erofs,
        iso9660,
        lvm,
        raid_at_start,
        fat,
    ] {
        match recognize(&head) {
            Some(Known::Whole(found)) if found.kind == "vfat" => {
                let label = fat_label(area, &head)?;
                return Ok(Signature::Found(Superblock { label, ..found }));
            }
            Some(Known::Whole(mut found)) if found.kind == ENCRYPTED => {
                if let Detail::Luks(header) = &mut found.detail {
                    header.clevis = header.version == 2 && clevis(area, &head)?;
                }
                return Ok(Signature::Found(found));
            }
            Some(Known::Whole(found)) => return Ok(Signature::Found(found)),
            Some(Known::HalfMade) => return Ok(Signature::Blank),
            None => {}
        }
    }
    if let Some((_, _, kind)) = MAGICS
        .iter()
        .find(|(at, magic, _)| head[*at..].starts_with(magic))
    {
        return Ok(Signature::Found(plain(kind)));
    }
    if zfs(area)? {
        return Ok(Signature::Found(plain("zfs_member")));
    }
    Ok(Signature::Blank)
}

/// A member of an array whose superblock lies at its end. Such a member looks like what the array holds from
/// its beginning on, and is part of the array nevertheless.
fn raid_at_end<D: Read + Seek>(area: &mut Area<'_, D>) -> io::Result<Option<Superblock>> {
    if area.size < 128 << 10 {
        return Ok(None);
    }
    // md metadata 1.0 lies 8 KiB before the end, rounded down to 4 KiB; 0.90 in the last whole 64 KiB
    // but one (kernel drivers/md/md.c). The metadata of firmware RAID lies in the last sectors.
    let sectors = area.size / 512;
    for offset in [(sectors - 16) / 8 * 4096, (sectors / 128 - 1) * 65536] {
        if let Some(Known::Whole(found)) = raid(&area.read(offset, 4096)?) {
            return Ok(Some(found));
        }
    }
    let ends: [(u64, &[u8], &str); 2] = [
        (2, b"Intel Raid ISM Cfg Sig. ", "isw_raid_member"),
        (1, &[0xde, 0x11, 0xde, 0x11], "ddf_raid_member"),
    ];
    for (back, magic, kind) in ends {
        if area.read((sectors - back) * 512, magic.len())? == magic {
            return Ok(Some(plain(kind)));
        }
    }
    Ok(None)
}

/// Formats that are never made here and never overwritten unasked: offset, magic, libblkid's name.
const MAGICS: &[(usize, &[u8], &str)] = &[
    (3, b"NTFS    ", "ntfs"),
    (3, b"EXFAT   ", "exfat"),
    (3, b"ReFS\0", "ReFS"),
    (3, b"-FVE-FS-", "BitLocker"),
    (0, b"integrt\0", "DM_integrity"),
    (0, b"verity\0\0", "DM_verity_hash"),
    (0, b"dmvdo001", "vdo"),
    (0, b"bluestore block device", "ceph_bluestore"),
    (0, b"-rom1fs-", "romfs"),
    (0, &[0x45, 0x3d, 0xcd, 0x28], "cramfs"),
    (0, b"sqsh", "squashfs3"),
    (32, b"NXSB", "apfs"),
    (516, b"!Stra0tis\x86\xff\x02^\x41rh", "stratis"),
    (1024, &[0x10, 0x20, 0xf5, 0xf2], "f2fs"),
    (1024, b"H+\0\x04", "hfsplus"),
    (1024, b"HX\0\x05", "hfsplus"),
    (1024, b"OCFSV2", "ocfs2"),
    (2048, b"OCFSV2", "ocfs2"),
    (4096, b"OCFSV2", "ocfs2"),
    (8192, b"OCFSV2", "ocfs2"),
    (4120, &BCACHE, "bcache"),
    (4120, &BCACHEFS, "bcachefs"),
    (32768, b"JFS1", "jfs"),
    (32769, b"BEA01", "udf"),
    (65536, &[0x01, 0x16, 0x19, 0x70], "gfs2"),
    (65588, b"ReIsEr", "reiserfs"),
    (4086, b"S1SUSPEND", "swsuspend"),
    (4086, b"S2SUSPEND", "swsuspend"),
    (4086, b"ULSUSPEND", "swsuspend"),
    (4086, b"LINHIB0001", "swsuspend"),
];

const BCACHE: [u8; 16] = [
    0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81,
];
const BCACHEFS: [u8; 16] = [
    0xc6, 0x85, 0x73, 0xf6, 0x66, 0xce, 0x90, 0xa9, 0xd9, 0x6a, 0x60, 0xcf, 0x80, 0x3d, 0xf7, 0xef,
];

/// A vdev label of ZFS: its uberblocks lie in the second half of the first 256 KiB. A few that another
/// format left over do not make a pool, so that four are asked for, as libblkid does.
fn zfs<D: Read + Seek>(area: &mut Area<'_, D>) -> io::Result<bool> {
    const MAGIC: u64 = 0x00ba_b10c;
    let label = area.read(128 << 10, 128 << 10)?;
    let uberblocks = label
        .chunks_exact(1024)
        .filter(|block| {
            block.starts_with(&MAGIC.to_le_bytes()) || block.starts_with(&MAGIC.to_be_bytes())
        })
        .count();
    Ok(uberblocks >= 4)
}

enum Known {
    Whole(Superblock),
    HalfMade,
}

const MD_MAGIC: u32 = 0xa92b_4efc;

fn plain(kind: &str) -> Superblock {
    Superblock {
        kind: kind.into(),
        ..Superblock::default()
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

/// Text up to the first NUL.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// A UUID in the order of its bytes; all zeros is none.
fn uuid(bytes: &[u8]) -> Option<String> {
    if bytes.iter().all(|b| *b == 0) {
        return None;
    }
    let hex: String = bytes[..16].iter().map(|b| format!("{b:02x}")).collect();
    Some(format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    ))
}

fn whole(kind: &str, label: String, uuid: Option<String>) -> Option<Known> {
    Some(Known::Whole(Superblock {
        kind: kind.into(),
        label,
        uuid,
        ..Superblock::default()
    }))
}

/// The binary header (LUKS2 On-Disk Format Specification, 2.1); version 1 has the UUID in the same place.
fn luks(head: &[u8]) -> Option<Known> {
    if !head.starts_with(b"LUKS\xba\xbe") {
        return None;
    }
    let version = head[7];
    // Version 2 has a label at 24 and the subsystem at 208; both have the UUID as text at 168.
    let (label, subsystem) = match version {
        2 => (text(&head[24..72]), text(&head[208..256])),
        _ => Default::default(),
    };
    Some(Known::Whole(Superblock {
        kind: ENCRYPTED.into(),
        label,
        uuid: Some(text(&head[168..208])),
        detail: Detail::Luks(LuksHeader {
            version,
            being_made: subsystem == BEING_MADE,
            clevis: false,
        }),
    }))
}

/// Largest header of LUKS2, binary and JSON area (the specification, table 1).
const LUKS_HEADER: u64 = 4 << 20;

/// Whether one of the tokens in the JSON area is clevis's.
fn clevis<D: Read + Seek>(area: &mut Area<'_, D>, head: &[u8]) -> io::Result<bool> {
    let mut size = [0; 8];
    size.copy_from_slice(&head[8..16]);
    let size = u64::from_be_bytes(size).min(LUKS_HEADER);
    // At most LUKS_HEADER, which is an usize everywhere.
    let length = usize::try_from(size.saturating_sub(4096)).unwrap_or(0);
    let json = area.read(4096, length)?;
    let end = json.iter().position(|b| *b == 0).unwrap_or(json.len());
    let header: serde_json::Value = serde_json::from_slice(&json[..end]).unwrap_or_default();
    let tokens = header["tokens"].as_object();
    Ok(tokens.is_some_and(|tokens| tokens.values().any(|token| token["type"] == "clevis")))
}

/// xfs_sb in the first sector (XFS Algorithms & Data Structures, "Superblocks").
fn xfs(head: &[u8]) -> Option<Known> {
    if !head.starts_with(b"XFSB") {
        return None;
    }
    if head[126] != 0 {
        return Some(Known::HalfMade);
    }
    whole("xfs", text(&head[108..120]), uuid(&head[32..48]))
}

/// ext2_super_block at 1024 (kernel Documentation/filesystems/ext4/super.rst).
fn ext(head: &[u8]) -> Option<Known> {
    let sb = &head[1024..2048];
    if sb[56..58] != [0x53, 0xef] {
        return None;
    }
    let (compat, incompat, ro) = (u32_at(sb, 92), u32_at(sb, 96), u32_at(sb, 100));
    // Extents, 64bit and flex_bg, or huge_file and its kin, make it ext4; a journal alone ext3.
    let kind = if incompat & 0x8 != 0 {
        "jbd"
    } else if incompat & !0x16 != 0 || ro & !0x7 != 0 {
        "ext4"
    } else if compat & 0x4 != 0 {
        "ext3"
    } else {
        "ext2"
    };
    whole(kind, text(&sb[120..136]), uuid(&sb[104..120]))
}

/// btrfs_super_block at 64 KiB; the magic is "!BHRfS_M" until mkfs is done.
fn btrfs(head: &[u8]) -> Option<Known> {
    let sb = &head[0x1_0000..];
    match &sb[64..72] {
        b"_BHRfS_M" => whole("btrfs", text(&sb[299..555]), uuid(&sb[32..48])),
        b"!BHRfS_M" => Some(Known::HalfMade),
        _ => None,
    }
}

/// swap_header with pages of 4 KiB to 64 KiB (include/linux/swap.h).
fn swap(head: &[u8]) -> Option<Known> {
    [4096, 8192, 16384, 32768, 65536]
        .iter()
        .any(|page| &head[page - 10..*page] == b"SWAPSPACE2")
        .then(|| whole("swap", text(&head[1052..1068]), uuid(&head[1036..1052])))?
}

fn squashfs(head: &[u8]) -> Option<Known> {
    head.starts_with(b"hsqs")
        .then(|| Known::Whole(plain("squashfs")))
}

fn erofs(head: &[u8]) -> Option<Known> {
    (u32_at(head, 1024) == 0xe0f5_e1e2).then(|| Known::Whole(plain("erofs")))
}

fn iso9660(head: &[u8]) -> Option<Known> {
    (&head[32769..32774] == b"CD001").then(|| {
        let label = text(&head[32808..32840]).trim_end().to_string();
        // A disc with both is meant to be read as UDF, whose descriptors follow in the same sequence of sectors
        // (ECMA-167, 2/9.1); its other half may have shortened names.
        let mut sectors = head[32769..].chunks(2048);
        let udf = sectors.any(|sector| sector.starts_with(b"NSR0"));
        Known::Whole(Superblock {
            label,
            ..plain(if udf { "udf" } else { "iso9660" })
        })
    })
}

fn lvm(head: &[u8]) -> Option<Known> {
    (0..4)
        .any(|sector| &head[sector * 512..sector * 512 + 8] == b"LABELONE")
        .then(|| Known::Whole(plain("LVM2_member")))
}

fn raid_at_start(head: &[u8]) -> Option<Known> {
    [0, 4096].iter().find_map(|at| raid(&head[*at..*at + 4096]))
}

/// A superblock of md, versions 1.x and 0.90 (include/uapi/linux/raid/md_p.h).
fn raid(sb: &[u8]) -> Option<Known> {
    if u32_at(sb, 0) != MD_MAGIC || u32_at(sb, 4) > 1 {
        return None;
    }
    let i32_at = |at: usize| i32::from_ne_bytes(u32_at(sb, at).to_ne_bytes());
    let word = |n: usize| u32_at(sb, 4 * n);
    let (label, id, member) = match word(1) {
        0 => {
            let id: Vec<u8> = [5, 13, 14, 15]
                .iter()
                .flat_map(|n| word(*n).to_be_bytes())
                .collect();
            let member = RaidMember {
                level: i32_at(4 * 7),
                active: word(10),
                spare: None,
            };
            (String::new(), id, member)
        }
        _ => {
            // The role of this device; 0xffff is a spare.
            let number = usize::try_from(u32_at(sb, 160)).unwrap_or(usize::MAX);
            let role = (number < 384).then(|| [sb[256 + 2 * number], sb[257 + 2 * number]]);
            let member = RaidMember {
                level: i32_at(72),
                active: u32_at(sb, 92),
                spare: role.map(|role| role == [0xff, 0xff]),
            };
            (text(&sb[32..64]), sb[16..32].to_vec(), member)
        }
    };
    Some(Known::Whole(Superblock {
        kind: RAID_MEMBER.into(),
        label,
        uuid: uuid(&id),
        detail: Detail::Raid(member),
    }))
}

/// The boot sector of FAT (Microsoft's "FAT: General Overview of On-Disk Format").
fn fat(head: &[u8]) -> Option<Known> {
    if head[510..512] != [0x55, 0xaa] {
        return None;
    }
    let at = if &head[82..87] == b"FAT32" {
        67
    } else if &head[54..57] == b"FAT" {
        39
    } else {
        return None;
    };
    let serial = u32_at(head, at);
    let serial = format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff);
    whole("vfat", String::new(), Some(serial))
}

/// The label of FAT is an entry of the root directory; its copy in the boot sector may be out of date.
/// Only the directory's first cluster is read, which is where tools put it.
fn fat_label<D: Read + Seek>(area: &mut Area<'_, D>, head: &[u8]) -> io::Result<String> {
    let u16_at = |at: usize| u64::from(u16::from_le_bytes([head[at], head[at + 1]]));
    let sector = u16_at(11);
    let (reserved, copies, root_entries) = (u16_at(14), u64::from(head[16]), u16_at(17));
    let (root, length) = match u16_at(22) {
        0 => {
            let cluster = u64::from(u32_at(head, 44)).saturating_sub(2);
            let per_cluster = u64::from(head[13]);
            let first = reserved + copies * u64::from(u32_at(head, 36));
            (first + cluster * per_cluster, per_cluster * sector)
        }
        fat_sectors => (reserved + copies * fat_sectors, root_entries * 32),
    };
    // 64 KiB is the largest cluster, and more than any root directory of FAT16.
    let length = usize::try_from(length).unwrap_or(0).min(64 << 10);
    let directory = area.read(root.saturating_mul(sector), length)?;
    for entry in directory.chunks_exact(32) {
        // The first entry that was never used ends the directory; 0xe5 marks a deleted one; a part of a
        // long name has the label's bit as well (0x0f).
        match (entry[0], entry[11]) {
            (0, _) => break,
            (0xe5, _) => {}
            (_, kind) if kind & 0x18 == 0x08 && kind != 0x0f => {
                return Ok(String::from_utf8_lossy(&entry[..11]).trim_end().into());
            }
            _ => {}
        }
    }
    Ok(String::new())
}

/// Whether the first sector holds an MBR with partitions of its own (not a protective one).
pub fn is_mbr<D: Read + Seek>(area: &mut Area<'_, D>) -> io::Result<bool> {
    let sector = area.read(0, 512)?;
    if sector[510..512] != [0x55, 0xaa] || fat(&area.read(0, 0x1000)?).is_some() {
        return Ok(false);
    }
    // Boot code may stand there without partitions; entries have a type and a plausible boot flag.
    let entries = sector[446..510].chunks_exact(16);
    Ok(entries
        .filter(|entry| entry[4] != 0 && entry[4] != 0xee)
        .any(|entry| entry[0] & 0x7f == 0))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::process::Command;

    use super::*;

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
    fn what_is_never_made_here_is_recognized_nevertheless() {
        for (at, magic, kind) in MAGICS {
            let mut bytes = vec![0; 1 << 20];
            bytes[*at..*at + magic.len()].copy_from_slice(magic);
            let Signature::Found(found) = probe_bytes(bytes) else {
                panic!("{kind}")
            };
            assert_eq!(found.kind, *kind);
        }
        let mut pool = vec![0; 1 << 20];
        for slot in 0..3 {
            let at = (128 + slot) << 10;
            pool[at..at + 4].copy_from_slice(&[0x0c, 0xb1, 0xba, 0]);
        }
        assert_eq!(probe_bytes(pool.clone()), Signature::Blank);
        pool[200 << 10..][..4].copy_from_slice(&[0x0c, 0xb1, 0xba, 0]);
        assert_eq!(probe_bytes(pool), Signature::Found(plain("zfs_member")));
        // md 0.90 of a member whose size is no multiple of 64 KiB.
        let mut member = vec![0; (1 << 20) + 5 * 512];
        member[(15 << 16)..][..4].copy_from_slice(&MD_MAGIC.to_le_bytes());
        let Signature::Found(found) = probe_bytes(member) else {
            panic!("no member")
        };
        assert_eq!(found.kind, RAID_MEMBER);
        // A mirror with its superblock at the end begins as the file system on it does.
        let mut mirror = vec![0; 1 << 20];
        mirror[1024 + 56..][..2].copy_from_slice(&[0x53, 0xef]);
        let Signature::Found(found) = probe_bytes(mirror.clone()) else {
            panic!("no file system")
        };
        assert_eq!(found.kind, "ext2");
        mirror[(2048 - 16) * 512..][..5].copy_from_slice(&[0xfc, 0x4e, 0x2b, 0xa9, 1]);
        let Signature::Found(found) = probe_bytes(mirror) else {
            panic!("no member")
        };
        assert_eq!(found.kind, RAID_MEMBER);
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
        assert!(!is_mbr(&mut area).unwrap());

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
}
