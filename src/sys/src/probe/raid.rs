//! Members of arrays: of md, of the RAID that firmware makes, and of DRBD. Most have their superblock at the
//! end: such a member looks like what the array holds from its beginning on, and is part of the array
//! nevertheless.

use std::io;

use pilotlight_core::facts::disks::{Detail, RAID_MEMBER, RaidMember, Superblock};

use super::{Class, Hit, Reader, text, uuid};

const MD_MAGIC: u32 = 0xa92b_4efc;

/// md metadata 1.0 lies 8 KiB before the end, rounded down to 4 KiB; 0.90 in the last whole 64 KiB but one;
/// 1.1 at the beginning and 1.2 at 4 KiB (kernel drivers/md/md.c).
pub(super) fn md(reader: &mut Reader<'_>) -> io::Result<Vec<Hit>> {
    let mut hits: Vec<Hit> = Vec::new();
    let size = reader.size();
    let ends = [
        (size / 65536 * 65536).checked_sub(65536),
        (size / 4096 * 4096).checked_sub(8192),
    ];
    for at in ends.into_iter().flatten().chain([0, 4096]) {
        let sb = reader.bytes(at, 4096)?;
        let magic = u32_at(&sb, 0);
        // Version 0.90 has the order of bytes of the machine that made the array.
        let foreign = magic == MD_MAGIC.swap_bytes() && u32_at(&sb, 4) == 0;
        if !foreign && (magic != MD_MAGIC || u32_at(&sb, 4) > 1) {
            continue;
        }
        let found = match foreign {
            true => Superblock {
                kind: RAID_MEMBER.into(),
                ..Superblock::default()
            },
            false => member(&sb),
        };
        match hits.first_mut() {
            Some(hit) => hit.places.push((at, 4)),
            None => hits.push(Hit {
                found,
                class: Class::Member,
                places: vec![(at, 4)],
            }),
        }
    }
    Ok(hits)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

/// A superblock of md, versions 1.x and 0.90 (include/uapi/linux/raid/md_p.h).
fn member(sb: &[u8]) -> Superblock {
    let i32_at = |at: usize| i32::from_ne_bytes(u32_at(sb, at).to_ne_bytes());
    let word = |n: usize| u32_at(sb, 4 * n);
    let mut id = [0; 16];
    let (label, member) = match word(1) {
        0 => {
            for (bytes, n) in id.chunks_exact_mut(4).zip([5, 13, 14, 15]) {
                bytes.copy_from_slice(&word(n).to_be_bytes());
            }
            let member = RaidMember {
                level: i32_at(4 * 7),
                active: word(10),
                spare: None,
            };
            (String::new(), member)
        }
        _ => {
            id.copy_from_slice(&sb[16..32]);
            // The role of this device; 0xffff is a spare.
            let number = usize::try_from(u32_at(sb, 160)).unwrap_or(usize::MAX);
            let role = (number < 384).then(|| [sb[256 + 2 * number], sb[257 + 2 * number]]);
            let member = RaidMember {
                level: i32_at(72),
                active: u32_at(sb, 92),
                spare: role.map(|role| role == [0xff, 0xff]),
            };
            (text(&sb[32..64]), member)
        }
    };
    Superblock {
        kind: RAID_MEMBER.into(),
        label,
        uuid: uuid(id),
        detail: Detail::Raid(member),
    }
}

/// How many sectors before the end metadata lie, by what they begin with (offset within the sector), and
/// libblkid's name.
type End = (&'static [u64], u64, &'static [u8], &'static str);

/// The metadata of firmware RAID, by the drivers of dmraid and the DDF specification (SNIA, 4.2).
const ENDS: &[End] = &[
    (&[1, 257], 0, b"\xde\x11\xde\x11", "ddf_raid_member"),
    (&[1, 257], 0, b"\x11\xde\x11\xde", "ddf_raid_member"),
    (&[2], 0, b"Intel Raid ISM Cfg Sig. ", "isw_raid_member"),
    // The same in sectors of 4096 bytes.
    (&[16], 0, b"Intel Raid ISM Cfg Sig. ", "isw_raid_member"),
    (&[1], 0, b"$XIDE$", "lsi_mega_raid_member"),
    (&[2], 0, b"NVIDIA", "nvidia_raid_member"),
    (
        PROMISE,
        0,
        b"Promise Technology, Inc.",
        "promise_fasttrack_raid_member",
    ),
    (&[11], 0, b"\xf3\x16\x78\x5a", "hpt45x_raid_member"),
    (&[11], 0, b"\xfd\x16\x78\x5a", "hpt45x_raid_member"),
    (&[1], 256, b"DPTM", "adaptec_raid_member"),
];

const PROMISE: &[u64] = &[
    63, 255, 256, 16, 399, 591, 675, 735, 911, 974, 991, 951, 3087,
];

/// HighPoint's 37x has its metadata in the ninth sector.
const HPT37X: u64 = 9 * 512 + 32;

pub(super) fn firmware(reader: &mut Reader<'_>) -> io::Result<Vec<Hit>> {
    let mut hits: Vec<Hit> = Vec::new();
    let sectors = reader.sectors();
    // A device that is smaller holds no array, and a few bytes at its end say little.
    if sectors < 128 {
        return Ok(hits);
    }
    let mut add = |kind: &str, class: Class, place: (u64, u64)| {
        let known = hits.iter_mut().find(|hit| hit.found.kind == kind);
        match known {
            Some(hit) => hit.places.push(place),
            None => hits.push(Hit::plain(kind, class, vec![place])),
        }
    };
    for (backs, offset, magic, kind) in ENDS {
        for back in backs.iter().filter(|back| **back <= sectors) {
            let at = (sectors - back) * 512 + offset;
            if reader.is(at, magic)? {
                add(kind, Class::Member, (at, magic.len() as u64));
            }
        }
    }
    for magic in [b"\xf0\x16\x78\x5a", b"\xfd\x16\x78\x5a"] {
        if reader.is(HPT37X, magic)? {
            add("hpt37x_raid_member", Class::Member, (HPT37X, 4));
        }
    }
    let at = (sectors - 1) * 512;
    let last = reader.bytes(at, 512)?;
    if is_silicon(&last) {
        add("silicon_medley_raid_member", Class::Member, (at + 0x60, 4));
    }
    if is_via(&last) {
        add("via_raid_member", Class::Member, (at, 2));
    }
    if last.starts_with(b"JM") {
        // Two letters may stand there by chance; libblkid asks for no more, drivers for the checksum.
        let class = match is_jmicron(&last) {
            true => Class::Member,
            false => Class::Suspect,
        };
        add("jmicron_raid_member", class, (at, 2));
    }
    Ok(hits)
}

/// Number of a disk, and a checksum of what stands before it.
fn is_silicon(sector: &[u8]) -> bool {
    const SUM: usize = 0x13e;
    let words = sector[..SUM].chunks_exact(2);
    let sum = words.fold(0_u16, |sum, word| {
        sum.wrapping_add(u16::from_le_bytes([word[0], word[1]]))
    });
    u32_at(sector, 0x60) == 0x2f00_0000
        && sector[0x116] < 8
        && sum.wrapping_neg() == u16::from_le_bytes([sector[SUM], sector[SUM + 1]])
}

/// Version, and a checksum of the first 50 bytes. The end of a boot sector reads as the same magic, but not at
/// the beginning of a sector.
fn is_via(sector: &[u8]) -> bool {
    let sum = (sector[..50].iter()).fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    sector.starts_with(b"\x55\xaa") && sector[2] <= 2 && sum == sector[50]
}

/// The 16-bit words of the metadata add up to nothing, or to one.
fn is_jmicron(sector: &[u8]) -> bool {
    let words = sector[..128].chunks_exact(2);
    words.fold(0_u16, |sum, word| {
        sum.wrapping_add(u16::from_le_bytes([word[0], word[1]]))
    }) <= 1
}

/// Metadata of DRBD 8 and 9 within the last 4 KiB (drbd_meta_data.h).
pub(super) fn drbd(reader: &mut Reader<'_>) -> io::Result<Vec<Hit>> {
    let Some(at) = reader.size().checked_sub(4096).map(|at| at + 60) else {
        return Ok(Vec::new());
    };
    Ok(match reader.be32(at)? {
        0x8374_026b..=0x8374_026d => vec![Hit::plain("drbd", Class::Member, vec![(at, 4)])],
        _ => Vec::new(),
    })
}
