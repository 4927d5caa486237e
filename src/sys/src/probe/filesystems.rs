//! File systems whose labels and UUIDs are facts, and those that are known by more than a few magics.

use std::io;

use pilotlight_core::facts::disks::Superblock;

use super::checks::crc32;
use super::{Class, Hit, Reader, checks, text, uuid};

type Hits = io::Result<Vec<Hit>>;

fn named(
    kind: &str,
    class: Class,
    label: String,
    uuid: Option<String>,
    places: Vec<(u64, u64)>,
) -> Hit {
    let mut hit = Hit::plain(kind, class, places);
    hit.found = Superblock {
        label,
        uuid,
        ..hit.found
    };
    hit
}

/// xfs_sb in the first sector (XFS Algorithms & Data Structures, "Superblocks"). One that is being made is none.
pub(super) fn xfs(reader: &mut Reader<'_>) -> Hits {
    if !reader.is(0, b"XFSB")? || reader.byte(126)? != 0 {
        return Ok(Vec::new());
    }
    let size = |log: u8| 1_u32.checked_shl(log.into());
    let block = (reader.be32(4)?, size(reader.byte(120)?));
    let sector = (u32::from(reader.be16(102)?), size(reader.byte(121)?));
    let right = Some(block.0) == block.1 && Some(sector.0) == sector.1 && reader.be32(88)? != 0;
    let label = text(&reader.bytes(108, 12)?);
    let uuid = uuid(reader.array(32)?);
    let class = if right { Class::Sole } else { Class::Suspect };
    Ok(vec![named("xfs", class, label, uuid, vec![(0, 4)])])
}

/// A record of a log that lies on a device of its own, in one of the first sectors. Where a superblock of XFS
/// stands before it, the log belongs to that.
pub(super) fn xfs_log(reader: &mut Reader<'_>) -> Hits {
    for at in (0..512).map(|sector| sector * 512) {
        if reader.is(at, b"XFSB")? {
            break;
        }
        if !reader.is(at, b"\xfe\xed\xba\xbe")? {
            continue;
        }
        let (version, length, format) = (
            reader.be32(at + 8)?,
            reader.be32(at + 12)?,
            reader.be32(at + 300)?,
        );
        if matches!(version, 1..=3)
            && (1..=0x7fff_ffff).contains(&length)
            && matches!(format, 1..=3)
        {
            return Ok(vec![Hit::plain(
                "xfs_external_log",
                Class::Sole,
                vec![(at, 4)],
            )]);
        }
    }
    Ok(Vec::new())
}

/// ext2_super_block at 1024 (kernel Documentation/filesystems/ext4/super.rst).
pub(super) fn ext(reader: &mut Reader<'_>) -> Hits {
    const SB: u64 = 1024;
    if !reader.is(SB + 56, b"\x53\xef")? {
        return Ok(Vec::new());
    }
    let compat = reader.le32(SB + 92)?;
    let incompat = reader.le32(SB + 96)?;
    let ro = reader.le32(SB + 100)?;
    let for_tests = reader.le32(SB + 352)? & 0x4 != 0;
    // Extents, 64bit and flex_bg, or huge_file and its kin, make it ext4; a journal alone ext3.
    let kind = if incompat & 0x8 != 0 {
        "jbd"
    } else if for_tests {
        "ext4dev"
    } else if incompat & !0x16 != 0 || ro & !0x7 != 0 {
        "ext4"
    } else if compat & 0x4 != 0 {
        "ext3"
    } else {
        "ext2"
    };
    let label = text(&reader.bytes(SB + 120, 16)?);
    let uuid = uuid(reader.array(SB + 104)?);
    let places = vec![(SB + 56, 2)];
    Ok(vec![named(kind, Class::Sole, label, uuid, places)])
}

/// btrfs_super_block at 64 KiB; the magic is "!BHRfS_M" until mkfs is done.
pub(super) fn btrfs(reader: &mut Reader<'_>) -> Hits {
    const SB: u64 = 64 << 10;
    if !reader.is(SB + 64, b"_BHRfS_M")? {
        return Ok(Vec::new());
    }
    let label = text(&reader.bytes(SB + 299, 256)?);
    let uuid = uuid(reader.array(SB + 32)?);
    let places = vec![(SB + 64, 8)];
    Ok(vec![named("btrfs", Class::Sole, label, uuid, places)])
}

/// swap_header with pages of 4 KiB to 64 KiB (include/linux/swap.h). Version 0, "SWAP-SPACE", has no label.
pub(super) fn swap(reader: &mut Reader<'_>) -> Hits {
    // TuxOnIce leaves the signature of the swap space where it is while an image is in it.
    if reader.is(0, b"\xed\xc3\x02\xe9\x98\x56\xe5\x0c")? {
        return Ok(Vec::new());
    }
    let mut places = Vec::new();
    let mut old = true;
    for page in [4096, 8192, 16384, 32768, 65536] {
        for magic in [b"SWAP-SPACE", b"SWAPSPACE2"] {
            if reader.is(page - 10, magic)? {
                old &= magic == b"SWAP-SPACE";
                places.push((page - 10, 10));
            }
        }
    }
    if places.is_empty() {
        return Ok(Vec::new());
    }
    if old {
        return Ok(vec![Hit::plain("swap", Class::Sole, places)]);
    }
    let version: [u8; 4] = reader.array(1024)?;
    let right = matches!(version, [1, 0, 0, 0] | [0, 0, 0, 1]) && reader.le32(1028)? != 0;
    let label = text(&reader.bytes(1052, 16)?);
    let uuid = uuid(reader.array(1036)?);
    let class = if right { Class::Sole } else { Class::Suspect };
    Ok(vec![named("swap", class, label, uuid, places)])
}

/// The boot sector of FAT (Microsoft's "FAT: General Overview of On-Disk Format").
pub(super) fn fat(reader: &mut Reader<'_>) -> Hits {
    let class = match (is_fat(reader)?, names_fat(reader)?) {
        (true, _) => Class::Sole,
        (false, true) => Class::Suspect,
        (false, false) => return Ok(Vec::new()),
    };
    // The large one has no count of sectors where the small ones have it.
    let large = reader.le16(22)? == 0;
    let serial = match (large, reader.byte(38)?) {
        (true, _) => reader.le32(67)?,
        (false, 0x28 | 0x29) => reader.le32(39)?,
        (false, _) => 0,
    };
    let serial = (serial != 0).then(|| format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff));
    let label = fat_label(reader)?;
    // The jump, the names of the format, and the end of the boot sector.
    let places = vec![(0, 1), (54, 8), (82, 8), (510, 2)];
    Ok(vec![named("vfat", class, label, serial, places)])
}

/// Whether the sector calls itself one of FAT.
pub(super) fn names_fat(reader: &mut Reader<'_>) -> io::Result<bool> {
    Ok(reader.is(510, b"\x55\xaa")? && (reader.is(82, b"FAT32")? || reader.is(54, b"FAT")?))
}

/// Whether the parameter block is one of FAT.
pub(super) fn is_fat(reader: &mut Reader<'_>) -> io::Result<bool> {
    let mut named = false;
    for (at, name) in [
        (82, b"MSWIN".as_slice()),
        (82, b"FAT32   "),
        (54, b"MSDOS"),
        (54, b"FAT16   "),
        (54, b"FAT12   "),
        (54, b"FAT     "),
    ] {
        named |= reader.is(at, name)?;
    }
    // OS/2 put a parameter block before its JFS and HPFS.
    let foreign = reader.is(54, b"JFS     ")? || reader.is(54, b"HPFS    ")?;
    if !named && (!reader.is(510, b"\x55\xaa")? || foreign) {
        return Ok(false);
    }
    let media = reader.byte(21)?;
    let (sector, cluster) = (reader.le16(11)?, reader.byte(13)?);
    let (reserved, copies) = (u64::from(reader.le16(14)?), u64::from(reader.byte(16)?));
    if reserved == 0
        || copies == 0
        || !(media == 0xf0 || media >= 0xf8)
        || !cluster.is_power_of_two()
        || !sector.is_power_of_two()
        || !(512..=4096).contains(&sector)
    {
        return Ok(false);
    }
    let either = |small: u16, large: u32| match small {
        0 => u64::from(large),
        small => u64::from(small),
    };
    let small_table = reader.le16(22)?;
    let table = either(small_table, reader.le32(36)?);
    let sectors = either(reader.le16(19)?, reader.le32(32)?);
    let root = (u64::from(reader.le16(17)?) * 32).div_ceil(sector.into());
    // As in 32 bits: a difference below zero is a huge one.
    let data = (sectors.wrapping_sub(reserved + table * copies + root)) & u64::from(u32::MAX);
    let clusters = data / u64::from(cluster);
    let most = match small_table {
        0 if table != 0 => 0x0fff_fff6,
        _ => 0xfff4,
    };
    Ok(clusters <= most && !checks::bitlocker_starts(reader)?)
}

/// The label of FAT is an entry of the root directory; its copy in the boot sector may be out of date.
/// Only the directory's first cluster is read, which is where tools put it.
fn fat_label(reader: &mut Reader<'_>) -> io::Result<String> {
    let sector = u64::from(reader.le16(11)?);
    let reserved = u64::from(reader.le16(14)?);
    let copies = u64::from(reader.byte(16)?);
    let (root, length) = match u64::from(reader.le16(22)?) {
        0 => {
            let cluster = u64::from(reader.le32(44)?).saturating_sub(2);
            let per_cluster = u64::from(reader.byte(13)?);
            let first = reserved + copies * u64::from(reader.le32(36)?);
            (first + cluster * per_cluster, per_cluster * sector)
        }
        sectors => (
            reserved + copies * sectors,
            u64::from(reader.le16(17)?) * 32,
        ),
    };
    // 64 KiB is the largest cluster, and more than any root directory of FAT16.
    let length = usize::try_from(length).unwrap_or(0).min(64 << 10);
    let directory = reader.bytes(root.saturating_mul(sector), length)?;
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

/// fs/ufs/ufs_fs.h: six magics in either order of bytes, at four places.
pub(super) fn ufs(reader: &mut Reader<'_>) -> Hits {
    const MAGICS: [u32; 6] = [
        0x1954_0119,
        0x0001_1954,
        0x0019_5612,
        0x0009_5014,
        0x0061_2195,
        0x0523_1994,
    ];
    let mut places = Vec::new();
    for at in [0, 8 << 10, 64 << 10, 256 << 10].map(|start| start + 1372) {
        let magic = reader.le32(at)?;
        if MAGICS.contains(&magic) || MAGICS.contains(&magic.swap_bytes()) {
            places.push((at, 4));
        }
    }
    Ok(match places.is_empty() {
        true => Vec::new(),
        false => vec![Hit::plain("ufs", Class::Sole, places)],
    })
}

/// include/uapi/linux/minix_fs.h, in either order of bytes. Its magics are short and stand where ext4 may have
/// them, so that the numbers beside them have to make sense.
pub(super) fn minix(reader: &mut Reader<'_>) -> Hits {
    const SB: u64 = 1024;
    if reader.is(SB + 56, b"\x53\xef")? {
        return Ok(Vec::new());
    }
    let sb = reader.bytes(SB, 32)?;
    let found = [u16::from_le_bytes, u16::from_be_bytes]
        .into_iter()
        .zip([u32::from_le_bytes, u32::from_be_bytes])
        .find_map(|(narrow, wide)| {
            let narrow = |at: usize| narrow([sb[at], sb[at + 1]]);
            let wide = |at: usize| wide([sb[at], sb[at + 1], sb[at + 2], sb[at + 3]]);
            minix_magic(narrow, wide)
        });
    Ok(match found {
        Some(at) => vec![Hit::plain("minix", Class::Sole, vec![(SB + at, 2)])],
        None => Vec::new(),
    })
}

/// The place of a magic of which the rest of the superblock is worthy.
fn minix_magic(narrow: impl Fn(usize) -> u16, wide: impl Fn(usize) -> u32) -> Option<u64> {
    // Version 3 has wider numbers, and the others behind them.
    let (magic, maps, inodes, zones, state) = match (narrow(16), narrow(24)) {
        (0x137f | 0x138f, _) => (16, 4, narrow(0).into(), narrow(2).into(), narrow(18)),
        (0x2468 | 0x2478, _) => (16, 4, narrow(0).into(), wide(20), narrow(18)),
        (_, 0x4d5a) => (24, 6, wide(0), wide(20), 0),
        _ => return None,
    };
    let [inode_map, zone_map, first, scale] = [0, 2, 4, 6].map(|at| u32::from(narrow(maps + at)));
    let bits = |blocks: u32| u64::from(blocks) * 8192;
    let right = state & !0x3 == 0
        && scale == 0
        && inodes != 0
        && inodes != u32::MAX
        && bits(inode_map) > inodes.into()
        && first <= zones
        && bits(zone_map) > u64::from(zones - first);
    right.then_some(magic)
}

/// nilfs_super_block and its copy near the end (include/uapi/linux/nilfs2_ondisk.h).
pub(super) fn nilfs2(reader: &mut Reader<'_>) -> Hits {
    let copy = reader
        .sectors()
        .checked_sub(8)
        .map(|sector| (sector * 512, true));
    let mut places = Vec::new();
    let mut class = Class::Suspect;
    for (at, backup) in [(1024, false)].into_iter().chain(copy) {
        let length = usize::from(reader.le16(at + 8)?);
        if reader.le16(at + 6)? != 0x3434 || !(20..=1024).contains(&length) {
            continue;
        }
        let sb = reader.bytes(at, length)?;
        let sum = crc32(reader.le32(at + 12)?, &sb[..16]);
        let sum = crc32(crc32(sum, &[0; 4]), &sb[20..]);
        if sum != reader.le32(at + 16)? {
            continue;
        }
        places.push((at + 6, 2));
        // The copy at the end of a disk may be that of its last partition.
        if !backup || reader.le64(at + 32)? == reader.size() {
            class = Class::Sole;
        }
    }
    Ok(match places.is_empty() {
        true => Vec::new(),
        false => vec![Hit::plain("nilfs2", class, places)],
    })
}
