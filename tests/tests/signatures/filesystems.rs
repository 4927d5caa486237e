//! File systems that no tool of the tests makes, written byte by byte.

use super::crafted::{Crafted, at, block, crc32, crc32c, sized};

pub fn filesystems() -> Vec<Crafted> {
    let mut all = of_disks();
    all.extend(of_servers());
    all.extend(read_only());
    all
}

/// Of desktops, of Windows, of the Mac, of old Unix.
fn of_disks() -> Vec<Crafted> {
    let fat = |names: bool, large: bool| {
        let mut boot = block(
            512,
            &[
                (0, b"\xeb\x3c\x90"),
                (11, &[0, 2, 1, 1, 0, 2, 0, 2, 0, 16, 0xf8, 9, 0]),
                (510, b"\x55\xaa"),
            ],
        );
        if large {
            // No root directory, and a table whose length stands where FAT32 has it.
            boot[17..24].copy_from_slice(&[0, 0, 0, 16, 0xf8, 0, 0]);
            boot[36] = 9;
        }
        if names {
            boot[54..62].copy_from_slice(b"FAT     ");
            boot[510..].fill(0);
        }
        at("vfat", &[(0, &boot)])
    };
    let ntfs = |record: u8| {
        let boot = block(
            512,
            &[
                (3, b"NTFS    "),
                (11, &[0, 2, 8]),
                (21, &[0xf8]),
                (40, &[0, 0, 1]),
                (48, &[4]),
                (64, &[record]),
            ],
        );
        // Clusters of 4 KiB; a record is 1 KiB in one form, a cluster in the other.
        let length = if record == 1 { 4096 } else { 1024 };
        at(
            "ntfs",
            &[(0, &boot), (16384, b"FILE"), (16384 + 3 * length, b"FILE")],
        )
    };
    let ufs = |start: u64, magic: u32| at("ufs", &[(start + 1372, &magic.to_le_bytes())]);
    let minix = |fields: &[(u64, &[u8])]| {
        let fields: Vec<(u64, &[u8])> = fields.iter().map(|(at, f)| (1024 + at, *f)).collect();
        at("minix", &fields)
    };
    let befs = |little: bool| {
        let words = [
            (544, 0x4246_5331_u32),
            (548, 0x4249_4745),
            (552, 1024),
            (556, 10),
            (580, 0xdd12_1031),
            (624, 0x15b6_830e),
            (2048, 0x3bbe_0ad9),
        ];
        let order = |word: u32| match little {
            true => word.to_le_bytes(),
            false => word.to_be_bytes(),
        };
        let mut pieces: Vec<_> = words
            .iter()
            .map(|(at, word)| (*at, order(*word).to_vec()))
            .collect();
        // The root directory: one block, the third.
        let short = |n: u16| match little {
            true => n.to_le_bytes(),
            false => n.to_be_bytes(),
        };
        pieces.push((632, [short(2), short(1)].concat()));
        sized("befs", move |_| pieces.clone())
    };
    vec![
        fat(false, false),
        fat(true, false),
        fat(false, true),
        ntfs(0xf6),
        ntfs(1),
        at("ReFS", &[(0, b"\0\0\0ReFS\0")]),
        at("exfat", &[(3, b"EXFAT   "), (108, &[9, 3])]),
        at(
            "hpfs",
            &[(8192, b"\x49\xe8\x95\xf9"), (8704, b"\x49\x18\x91\xf9")],
        ),
        at("hfs", &[(1024, b"BD"), (1044, &[0, 0, 2, 0])]),
        at("hfsplus", &[(1024, b"H+\0\x04"), (1064, &[0, 0, 0x10, 0])]),
        at("hfsplus", &[(1024, b"HX\0\x05"), (1064, &[0, 0, 0x10, 0])]),
        at(
            "hfsplus",
            &[
                (1024, b"BD"),
                (1044, &[0, 0, 2, 0]),
                (1024 + 124, b"H+"),
                (1024 + 28, &[0, 8]),
                (4096 + 1024, b"H+\0\x04"),
                (4096 + 1064, &[0, 0, 0x10, 0]),
            ],
        ),
        at("apfs", &[(24, &[1]), (32, b"NXSB\0\x10")]),
        ufs(0, 0x1954_0119),
        ufs(8192, 0x0001_1954_u32.swap_bytes()),
        ufs(65536, 0x0523_1994),
        ufs(262_144, 0x0009_5014),
        at("sysv", &[(1016, b"\x20\x7e\x18\xfd")]),
        at("sysv", &[(10232, b"\xfd\x18\x7e\x20")]),
        at("xenix", &[(2048, b"\x2b\x55\x44")]),
        at("xenix", &[(2048, b"\x44\x55\x2b")]),
        at("bfs", &[(0, b"\xce\xfa\xad\x1b")]),
        befs(true),
        befs(false),
        at("vxfs", &[(1024, b"\xf5\xfc\x01\xa5")]),
        at("vxfs", &[(8192, b"\xa5\x01\xfc\xf5")]),
        // Version 2 with the order of bytes of a big machine, and version 3.
        minix(&[
            (0, &[0, 64, 0, 0, 0, 1, 0, 1, 0, 8]),
            (16, &[0x24, 0x68, 0, 1, 0, 0, 4, 0]),
        ]),
        minix(&[
            (0, &[64]),
            (6, &[1, 0, 1, 0, 8, 0]),
            (20, &[0, 4]),
            (24, &[0x5a, 0x4d, 0, 0, 0, 4]),
        ]),
    ]
}

/// Of clusters and of large servers.
fn of_servers() -> Vec<Crafted> {
    // One uberblock in each label: a pool of a few seconds.
    let zfs = |magic: [u8; 8]| {
        sized("zfs_member", move |size| {
            let label = 256 << 10;
            let end = size / label * label;
            let starts = [
                0,
                label,
                end.wrapping_sub(2 * label),
                end.wrapping_sub(label),
            ];
            (0..4)
                .zip(starts)
                .map(|(n, start)| (start.wrapping_add((132 + n) << 10), magic.to_vec()))
                .collect()
        })
    };
    let nilfs2 = |copy: bool| {
        sized("nilfs2", move |size| {
            let start = if copy { (size / 512 - 8) * 512 } else { 1024 };
            let mut sb = block(
                280,
                &[
                    (6, &[0x34, 0x34, 0x18, 1]),
                    (12, &[1, 2, 3, 4]),
                    (32, &size.to_le_bytes()),
                ],
            );
            let sum = crc32(0x0403_0201, &sb);
            sb[16..20].copy_from_slice(&sum.to_le_bytes());
            vec![(start, sb)]
        })
    };
    let reiserfs = |start: u64, magic_at: u64, magic: &'static [u8]| {
        at(
            "reiserfs",
            &[
                (start + 12, &[18]),
                (start + 44, &[0, 16]),
                (start + magic_at, magic),
            ],
        )
    };
    let mpool = {
        let mut sb = block(66, &[(0, b"mpoolDev"), (8, b"pool")]);
        let sum = crc32c(&sb[..62]);
        sb[62..].copy_from_slice(&sum.to_le_bytes());
        at("mpool", &[(0, &sb)])
    };
    let exfs = block(
        128,
        &[
            (0, b"EXFS\0\0\x10\0\0\0\0\0\0\0\x10\0"),
            (80, &[0, 0, 0, 1, 0, 0, 16, 0, 0, 0, 0, 1]),
            (102, &[2, 0, 2, 0]),
            (120, &[12, 9, 9, 3]),
        ],
    );
    let gfs = |kind, formats: [u16; 2]| {
        let [a, b] = formats.map(u16::to_be_bytes);
        at(
            kind,
            &[(65536, b"\x01\x16\x19\x70"), (65562, &a), (65566, &b)],
        )
    };
    vec![
        zfs(0x00ba_b10c_u64.to_le_bytes()),
        zfs(0x00ba_b10c_u64.to_be_bytes()),
        nilfs2(false),
        nilfs2(true),
        reiserfs(65536, 52, b"ReIsEr2Fs"),
        reiserfs(65536, 52, b"ReIsEr3Fs"),
        reiserfs(8192, 52, b"ReIsErFs"),
        reiserfs(8192, 20, b"ReIsErFs"),
        at("reiser4", &[(65536, b"ReIsEr4")]),
        at(
            "jfs",
            &[
                (32768, b"JFS1"),
                (32784, &[0, 16, 0, 0, 12, 0, 3, 0, 0, 2, 0, 0, 9, 0]),
            ],
        ),
        gfs("gfs", [1309, 1401]),
        gfs("gfs2", [1801, 1900]),
        at("ocfs", &[(8192, b"OracleCFS")]),
        at("ocfs2", &[(1024, b"OCFSV2")]),
        at("ocfs2", &[(8192, b"OCFSV2")]),
        at("oracleasm", &[(32, b"ORCLDISK")]),
        at("nss", &[(4096, b"SPB5")]),
        at("VMFS", &[(2 << 20, b"\x5e\xf1\xab\x2f")]),
        at("exfs", &[(0, &exfs)]),
        mpool,
        at("zonefs", &[(0, b"SFOZ")]),
        at("f2fs", &[(1024, b"\x10\x20\xf5\xf2\x01")]),
        at(
            "ext4dev",
            &[(1080, b"\x53\xef"), (1120, &[0x40]), (1376, &[4])],
        ),
    ]
}

/// Of discs, of flash and of images.
fn read_only() -> Vec<Crafted> {
    let descriptor = |kind: u8, name: &[u8]| [&[kind], name, &[1]].concat();
    let udf = |block: u64, length: u64| {
        let (begin, name) = (descriptor(0, b"BEA01"), descriptor(0, b"NSR03"));
        at(
            "udf",
            &[
                (32768, &begin),
                (32768 + length, &name),
                (256 * block, &[2, 0]),
                (256 * block + 12, &[0, 1]),
            ],
        )
    };
    vec![
        udf(512, 2048),
        udf(2048, 2048),
        udf(4096, 4096),
        at("iso9660", &[(32768, &descriptor(1, b"CD001"))]),
        at("iso9660", &[(32776, &descriptor(1, b"CDROM"))]),
        at("cramfs", &[(0, b"\x45\x3d\xcd\x28")]),
        at("cramfs", &[(0, b"\x28\xcd\x3d\x45")]),
        at("romfs", &[(0, b"-rom1fs-")]),
        at("squashfs", &[(0, b"hsqs"), (28, &[4])]),
        at("squashfs3", &[(0, b"hsqs"), (28, &[3])]),
        at("squashfs3", &[(0, b"sqsh"), (28, &[0, 3])]),
        at("erofs", &[(1024, b"\xe2\xe1\xf5\xe0")]),
        at("ubifs", &[(0, b"\x31\x18\x10\x06")]),
    ]
}
