//! Closer looks at formats whose magic alone says too little. Each takes the offset of the magic.

use std::io;

use super::Reader;

type Checked = io::Result<bool>;

/// The superblock says where it lies (drivers/md/bcache/bcache_ondisk.h).
pub(super) fn bcache(reader: &mut Reader<'_>, at: u64) -> Checked {
    Ok(reader.le64(at - 16)? == 8)
}

/// A UUID of hexadecimal digits and the end of the line follow.
pub(super) fn drbdmanage(reader: &mut Reader<'_>, _: u64) -> Checked {
    let line = reader.bytes(11, 33)?;
    Ok(line[..32].iter().all(u8::is_ascii_hexdigit) && line[32] == b'\n')
}

/// The label names its own sector and has a checksum (LVM2 lib/format_text/layout.h).
pub(super) fn lvm2(reader: &mut Reader<'_>, at: u64) -> Checked {
    let label = reader.bytes(at, 512)?;
    let right = reader.le64(at + 8)? == at / 512 && &label[24..32] == b"LVM2 001";
    Ok(right && crc32(0xf597_a6cf, &label[20..]) == reader.le32(at + 16)?)
}

pub(super) fn lvm1(reader: &mut Reader<'_>, _: u64) -> Checked {
    Ok(matches!(reader.le16(2)?, 1 | 2))
}

pub(super) fn verity(reader: &mut Reader<'_>, _: u64) -> Checked {
    Ok(reader.le32(8)? == 1)
}

pub(super) fn integrity(reader: &mut Reader<'_>, _: u64) -> Checked {
    Ok(reader.byte(8)? != 0)
}

/// The checksum stands before the magic and is of the rest of the sector.
pub(super) fn stratis(reader: &mut Reader<'_>, at: u64) -> Checked {
    Ok(reader.le32(at - 4)? == crc32c(&reader.bytes(at, 508)?))
}

/// The boot sectors of Windows 7 and of removable media say where the metadata begin; that of Vista stands
/// for itself.
pub(super) fn bitlocker(reader: &mut Reader<'_>, at: u64) -> Checked {
    let metadata = match (at, reader.is(0, b"\xeb\x58\x90")?) {
        (0, _) => reader.le64(440)?,
        (_, true) => reader.le64(176)?,
        (_, false) => return reader.is(0, b"\xeb\x52\x90"),
    };
    Ok(metadata != 0 && reader.is(metadata, b"-FVE-FS-")?)
}

/// Whether an encrypted volume of Windows begins here, whose boot sector is like that of FAT.
pub(super) fn bitlocker_starts(reader: &mut Reader<'_>) -> Checked {
    let (fixed, removable) = (
        reader.is(3, b"-FVE-FS-")?,
        reader.is(0, b"\xeb\x58\x90MSWIN4.1")?,
    );
    Ok((fixed && bitlocker(reader, 3)?) || (removable && bitlocker(reader, 0)?))
}

/// A superblock in the journal is only a copy.
pub(super) fn reiserfs(reader: &mut Reader<'_>, at: u64) -> Checked {
    let start = if at < 65536 { 8192 } else { 65536 };
    let sectors = u64::from(reader.le16(start + 44)?) / 512;
    let journal = u64::from(reader.le32(start + 12)?);
    Ok(sectors != 0 && start / 1024 / sectors <= journal / 2)
}

/// Sizes of blocks and their logarithms (fs/jfs/jfs_superblock.h).
pub(super) fn jfs(reader: &mut Reader<'_>, at: u64) -> Checked {
    let (size, log) = (reader.le32(at + 16)?, reader.le16(at + 20)?);
    let (physical, physical_log) = (reader.le32(at + 24)?, reader.le16(at + 28)?);
    let factor = reader.le16(at + 22)?;
    Ok(1_u32.checked_shl(log.into()) == Some(size)
        && 1_u32.checked_shl(physical_log.into()) == Some(physical)
        && log.checked_sub(physical_log) == Some(factor))
}

/// A volume header (Apple's TN1150), perhaps of a volume that is embedded in one of HFS.
pub(super) fn hfsplus(reader: &mut Reader<'_>, at: u64) -> Checked {
    if reader.is(at, b"BD")? {
        return embeds_hfsplus(reader, at);
    }
    Ok(reader.be32(at + 40)? >= 512)
}

fn embeds_hfsplus(reader: &mut Reader<'_>, at: u64) -> Checked {
    Ok(reader.is(at + 124, b"H+")? || reader.is(at + 124, b"HX")?)
}

pub(super) fn hfs(reader: &mut Reader<'_>, at: u64) -> Checked {
    let block = reader.be32(at + 20)?;
    Ok(block != 0 && block.is_multiple_of(512) && !embeds_hfsplus(reader, at)?)
}

/// The spare superblock follows.
pub(super) fn hpfs(reader: &mut Reader<'_>, at: u64) -> Checked {
    reader.is(at + 512, b"\x49\x18\x91\xf9")
}

/// The parameter block has only what NTFS uses, and the files $MFT and $Volume are where it says.
pub(super) fn ntfs(reader: &mut Reader<'_>, _: u64) -> Checked {
    let sector = u64::from(reader.le16(11)?);
    let cluster = match reader.byte(13)? {
        power @ 240..=249 => 1 << (256 - u32::from(power)),
        count if count.is_power_of_two() => u64::from(count),
        _ => return Ok(false),
    };
    let unused = [14, 17, 19, 22]
        .iter()
        .try_fold(0, |all, at| Ok::<_, io::Error>(all | reader.le16(*at)?))?;
    if !(256..=4096).contains(&sector)
        || unused != 0
        || reader.byte(16)? != 0
        || reader.le32(32)? != 0
    {
        return Ok(false);
    }
    let record = match reader.byte(64)? {
        power @ 0xe1..=0xf7 => 1 << (256 - u32::from(power)),
        count if count.is_power_of_two() && count <= 64 => u64::from(count) * cluster * sector,
        _ => return Ok(false),
    };
    let table = (reader.le64(48)?)
        .saturating_mul(sector)
        .saturating_mul(cluster);
    // $Volume is the third file after $MFT.
    Ok(reader.is(table, b"FILE")? && reader.is(table.saturating_add(3 * record), b"FILE")?)
}

/// fs/gfs2: format and the format that several hosts agree on.
pub(super) fn gfs(reader: &mut Reader<'_>, at: u64) -> Checked {
    Ok((reader.be32(at + 24)?, reader.be32(at + 28)?) == (1309, 1401))
}

pub(super) fn gfs2(reader: &mut Reader<'_>, at: u64) -> Checked {
    let formats = (reader.be32(at + 24)?, reader.be32(at + 28)?);
    Ok((1800..1900).contains(&formats.0) && (1900..2000).contains(&formats.1))
}

pub(super) fn squashfs(reader: &mut Reader<'_>, _: u64) -> Checked {
    Ok(reader.le16(28)? >= 4)
}

/// Versions before 4 had the order of bytes of the machine that made them.
pub(super) fn squashfs3(reader: &mut Reader<'_>, _: u64) -> Checked {
    let version = match reader.is(0, b"sqsh")? {
        true => reader.be16(28)?,
        false => reader.le16(28)?,
    };
    Ok(version <= 3)
}

/// Two more magics, in the order of bytes of the first.
pub(super) fn befs(reader: &mut Reader<'_>, at: u64) -> Checked {
    let (second, third) = (reader.array(at + 36)?, reader.array(at + 80)?);
    let read = match reader.is(at, b"1SFB")? {
        true => u32::from_le_bytes,
        false => u32::from_be_bytes,
    };
    Ok((read(second), read(third)) == (0xdd12_1031, 0x15b6_830e))
}

pub(super) fn mpool(reader: &mut Reader<'_>, _: u64) -> Checked {
    // Magic, name, UUID, version and generation.
    const COVERED: usize = 8 + 32 + 16 + 2 + 4;
    Ok(reader.le32(COVERED as u64)? == crc32c(&reader.bytes(0, COVERED)?))
}

/// The superblock of a container (Apple File System Reference, "Container").
pub(super) fn apfs(reader: &mut Reader<'_>, at: u64) -> Checked {
    Ok(reader.le16(at - 8)? == 1 && reader.le32(at + 4)? == 4096)
}

/// CRC-32 as GPT has it (UEFI specification, 5.3.2). By the library that the crate gpt has brought already: a faster one
/// is 16 KB of tables for some kilobytes of headers.
pub(crate) static CRC32: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// CRC-32 without the usual inversions before and after, which formats seed as they like.
pub(super) fn crc32(seed: u32, bytes: &[u8]) -> u32 {
    // The library turns the bits of what it begins with.
    let mut digest = CRC32.digest_with_initial(seed.reverse_bits());
    digest.update(bytes);
    !digest.finalize()
}

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4).
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| match crc & 1 {
            0 => crc >> 1,
            _ => crc >> 1 ^ 0x82f6_3b78,
        })
    })
}
