//! Signatures written byte by byte: just what it takes for `blkid -p` to name the format.

/// Bytes at an offset.
pub type Piece = (u64, Vec<u8>);

/// A signature for a device of this size.
pub struct Crafted {
    /// What blkid calls it.
    pub kind: &'static str,
    pieces: Box<dyn Fn(u64) -> Vec<Piece>>,
}

impl Crafted {
    pub fn pieces(&self, size: u64) -> Vec<Piece> {
        (self.pieces)(size)
    }
}

pub fn at(kind: &'static str, pieces: &[(u64, &[u8])]) -> Crafted {
    let pieces: Vec<Piece> = pieces.iter().map(|(at, b)| (*at, b.to_vec())).collect();
    Crafted {
        kind,
        pieces: Box::new(move |_| pieces.clone()),
    }
}

pub fn sized(kind: &'static str, pieces: impl Fn(u64) -> Vec<Piece> + 'static) -> Crafted {
    Crafted {
        kind,
        pieces: Box::new(pieces),
    }
}

/// In the sector so far from the end.
fn back(kind: &'static str, sectors: u64, offset: u64, bytes: &'static [u8]) -> Crafted {
    sized(kind, move |size| {
        let sector = (size / 512).checked_sub(sectors);
        (sector.iter())
            .map(|sector| (sector * 512 + offset, bytes.to_vec()))
            .collect()
    })
}

fn crc(polynomial: u32, seed: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(seed, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { polynomial } else { 0 }
        })
    })
}

pub fn crc32(seed: u32, bytes: &[u8]) -> u32 {
    crc(0xedb8_8320, seed, bytes)
}

pub fn crc32c(bytes: &[u8]) -> u32 {
    !crc(0x82f6_3b78, !0, bytes)
}

/// Bytes of a structure, with fields laid over zeros.
pub fn block(length: usize, fields: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; length];
    for (at, field) in fields {
        bytes[*at..at + field.len()].copy_from_slice(field);
    }
    bytes
}

/// Members of arrays and of volumes, and what is encrypted.
pub fn members() -> Vec<Crafted> {
    let md1 = |sector: u64| {
        block(
            256,
            &[
                (0, b"\xfc\x4e\x2b\xa9\x01"),
                (144, &sector.to_le_bytes()),
                (16, b"array's own UUID"),
            ],
        )
    };
    let md0 = |foreign: bool| {
        sized("linux_raid_member", move |size| {
            let words = [0xa92b_4efc_u32, 0, 90].map(|word| match foreign {
                false => word.to_le_bytes(),
                true => word.to_be_bytes(),
            });
            vec![(size / 65536 * 65536 - 65536, words.concat())]
        })
    };
    let ddf = |sectors: u64, bytes: &'static [u8]| back("ddf_raid_member", sectors, 0, bytes);
    let silicon = || {
        let mut sector = block(512, &[(0x60, &[0, 0, 0, 0x2f]), (0x116, &[1])]);
        let sum = sector.chunks(2).take(0x13e / 2).fold(0_u16, |sum, word| {
            sum.wrapping_add(u16::from_le_bytes([word[0], word[1]]))
        });
        sector[0x13e..0x140].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
        sector
    };
    let lvm2 = |sector: u64| {
        let mut label = block(
            512,
            &[
                (0, b"LABELONE"),
                (8, &sector.to_le_bytes()),
                (20, &32_u32.to_le_bytes()),
                (24, b"LVM2 001"),
            ],
        );
        let sum = crc32(0xf597_a6cf, &label[20..]);
        label[16..20].copy_from_slice(&sum.to_le_bytes());
        at("LVM2_member", &[(sector * 512, &label)])
    };
    let stratis = |sector: u64| {
        let mut block = block(512, &[(4, b"!Stra0tis\x86\xff\x02^\x41rh")]);
        let sum = crc32c(&block[4..]);
        block[..4].copy_from_slice(&sum.to_le_bytes());
        at("stratis", &[(sector * 512, &block)])
    };
    vec![
        md0(false),
        md0(true),
        sized("linux_raid_member", move |size| {
            let start = size / 4096 * 4096 - 8192;
            vec![(start, md1(start / 512))]
        }),
        sized("linux_raid_member", move |_| vec![(0, md1(0))]),
        sized("linux_raid_member", move |_| vec![(4096, md1(8))]),
        ddf(1, b"\xde\x11\xde\x11"),
        ddf(257, b"\x11\xde\x11\xde"),
        back("isw_raid_member", 2, 0, b"Intel Raid ISM Cfg Sig. 1.1.00"),
        back("lsi_mega_raid_member", 1, 0, b"$XIDE$"),
        sized("via_raid_member", |size| {
            let sum = 0x55_u8.wrapping_add(0xaa).wrapping_add(7);
            let block = block(51, &[(0, b"\x55\xaa"), (9, &[7]), (50, &[sum])]);
            vec![((size / 512 - 1) * 512, block)]
        }),
        sized("silicon_medley_raid_member", move |size| {
            vec![((size / 512 - 1) * 512, silicon())]
        }),
        back("nvidia_raid_member", 2, 0, b"NVIDIA"),
        back(
            "promise_fasttrack_raid_member",
            63,
            0,
            b"Promise Technology, Inc.",
        ),
        back(
            "promise_fasttrack_raid_member",
            3087,
            0,
            b"Promise Technology, Inc.",
        ),
        back("hpt45x_raid_member", 11, 0, b"\xf3\x16\x78\x5a"),
        back("hpt45x_raid_member", 11, 0, b"\xfd\x16\x78\x5a"),
        at("hpt37x_raid_member", &[(4640, b"\xf0\x16\x78\x5a")]),
        sized("adaptec_raid_member", |size| {
            let start = (size / 512 - 1) * 512;
            vec![
                (start, vec![0x37, 0xfc, 0x4d, 0x1e]),
                (start + 256, b"DPTM".to_vec()),
            ]
        }),
        back("jmicron_raid_member", 1, 0, b"JM\x01\x00"),
        sized("drbd", |size| {
            vec![(size - 4096 + 60, vec![0x83, 0x74, 0x02, 0x6b])]
        }),
        sized("drbd", |size| {
            vec![(size - 4096 + 60, vec![0x83, 0x74, 0x02, 0x6d])]
        }),
        lvm2(0),
        lvm2(1),
        lvm2(3),
        at("LVM1_member", &[(0, b"HM\x01\0")]),
        at("DM_verity_hash", &[(0, b"verity\0\0\x01")]),
        at("DM_integrity", &[(0, b"integrt\0\x03")]),
        at("crypto_LUKS", &[(0, b"LUKS\xba\xbe\0\x01")]),
        at("crypto_LUKS", &[(0, b"LUKS\xba\xbe\0\x02")]),
        at("crypto_LUKS", &[(0x4000, b"SKUL\xba\xbe\0\x02")]),
        at("crypto_LUKS", &[(0x40_0000, b"SKUL\xba\xbe\0\x02")]),
        at("VMFS_volume_member", &[(1 << 20, b"\x0d\xd0\x01\xc0")]),
        at("ubi", &[(0, b"UBI#\x01")]),
        stratis(1),
        stratis(9),
        at("BitLocker", &[(0, b"\xeb\x52\x90-FVE-FS-")]),
        at(
            "BitLocker",
            &[
                (0, b"\xeb\x58\x90-FVE-FS-"),
                (176, &[0, 0, 1]),
                (65536, b"-FVE-FS-"),
            ],
        ),
        at(
            "BitLocker",
            &[
                (0, b"\xeb\x58\x90MSWIN4.1"),
                (440, &[0, 0, 1]),
                (65536, b"-FVE-FS-"),
            ],
        ),
    ]
}

/// Caches and the like, which are no file systems.
pub fn others() -> Vec<Crafted> {
    const BCACHE: &[u8] = b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81";
    vec![
        at("bcache", &[(4104, &[8]), (4120, BCACHE)]),
        at("ceph_bluestore", &[(0, b"bluestore block device\n")]),
        at(
            "drbdmanage_control_volume",
            &[(0, b"$DRBDmgr=q\n0123456789abcdef0123456789ABCDEF\n")],
        ),
        at("drbdproxy_datalog", &[(0, b"DRBDdlh*")]),
        at("DM_snapshot_cow", &[(0, b"SnAp")]),
        at("vdo", &[(0, b"dmvdo001")]),
        at(
            "swsuspend",
            &[
                (0, b"\xed\xc3\x02\xe9\x98\x56\xe5\x0c"),
                (4086, b"SWAPSPACE2"),
            ],
        ),
        at("swsuspend", &[(4086, b"S1SUSPEND")]),
        at("swsuspend", &[(8182, b"S2SUSPEND")]),
        at("swsuspend", &[(32758, b"ULSUSPEND")]),
        at("swsuspend", &[(65526, b"LINHIB0001")]),
        at("swap", &[(4086, b"SWAP-SPACE")]),
        at("swap", &[(1024, &[1, 0, 0, 0, 9]), (65526, b"SWAPSPACE2")]),
        at(
            "swap",
            &[(1024, &[0, 0, 0, 1, 0, 0, 0, 9]), (16374, b"SWAPSPACE2")],
        ),
        at(
            "xfs_external_log",
            &[
                (51200, b"\xfe\xed\xba\xbe\0\0\0\x01\0\0\0\x02\0\0\x02\0"),
                (51500, b"\0\0\0\x01"),
            ],
        ),
        at("jbd", &[(1024 + 56, b"\x53\xef"), (1024 + 96, &[0x08])]),
    ]
}

/// Partition tables.
pub fn tables() -> Vec<Crafted> {
    const MBR: &[u8] = b"\x55\xaa";
    vec![
        at("aix", &[(0, b"\xc9\xc2\xd4\xc1")]),
        at(
            "sgi",
            &[
                (0, b"\x0b\xe5\xa9\x41"),
                (504, &0x0be5_a941_u32.wrapping_neg().to_be_bytes()),
            ],
        ),
        at("sun", &[(508, b"\xda\xbe\xda\xbe")]),
        at("dos", &[(510, MBR)]),
        at(
            "dos",
            &[
                (446, b"\x80\0\0\0\x83\0\0\0\0\x08\0\0\0\x08\0\0"),
                (510, MBR),
            ],
        ),
        at("PMBR", &[(450, &[0xee]), (510, MBR)]),
        at("mac", &[(0, b"ER\x02\0"), (512, b"PM")]),
        at("mac", &[(0, b"ER\x08\0"), (2048, b"TS")]),
        at("ultrix", &[(16312, b"\x57\x29\x03\0\x01\0\0\0")]),
        at("solaris", &[(524, b"\xee\xde\x0d\x60\x01\0\0\0")]),
        // libblkid looks for the magic somewhere else besides, which no tool writes.
        at(
            "unixware",
            &[
                (14852, b"\x0d\x60\xe5\xca"),
                (29174, b"\x0d\x60\xe5\xca"),
                (14848 + 156, b"\xee\xde\x0d\x60"),
            ],
        ),
        at(
            "atari",
            &[
                (0x1c2, &[0, 1, 0, 0]),
                (0x1c6, b"\x01GEM\0\0\0\x02\0\0\x10\0"),
            ],
        ),
        at(
            "atari",
            &[
                (0x1c2, &[0, 1, 0, 0]),
                (0x1ea, b"\x81\xc4\xd6\xdc\0\0\0\x02\0\0\x10\0"),
            ],
        ),
    ]
}
