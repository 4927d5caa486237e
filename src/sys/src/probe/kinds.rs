//! The formats that are known, in the order in which libblkid looks for them.

use std::io;

use super::{Class, Hit, Reader, checks, filesystems, luks, optical, raid, zfs};

/// A format, and how it is found.
struct Kind {
    name: &'static str,
    class: Class,
    find: Find,
}

/// Offset and bytes.
type Magic = (u64, &'static [u8]);
/// Looks closer at a format whose magic stands at this offset.
type Check = fn(&mut Reader<'_>, u64) -> io::Result<bool>;

enum Find {
    /// By any of these.
    Magic(&'static [Magic]),
    /// By any of these that passes a check.
    Checked(&'static [Magic], Check),
    /// By code of its own, which says the name itself.
    By(fn(&mut Reader<'_>) -> io::Result<Vec<Hit>>),
}

/// A magic that is at least so long stands nowhere by chance: it is worth a suspicion without its check.
const LONG: usize = 4;

impl Kind {
    const fn member(name: &'static str, magics: &'static [Magic]) -> Self {
        Self {
            name,
            class: Class::Member,
            find: Find::Magic(magics),
        }
    }

    const fn sole(name: &'static str, magics: &'static [Magic]) -> Self {
        Self {
            name,
            class: Class::Sole,
            find: Find::Magic(magics),
        }
    }

    const fn by(find: fn(&mut Reader<'_>) -> io::Result<Vec<Hit>>) -> Self {
        Self {
            name: "",
            class: Class::Sole,
            find: Find::By(find),
        }
    }

    const fn checked(self, check: Check) -> Self {
        let find = match self.find {
            Find::Magic(magics) => Find::Checked(magics, check),
            other => other,
        };
        Self { find, ..self }
    }

    fn hits(&self, reader: &mut Reader<'_>) -> io::Result<Vec<Hit>> {
        let (magics, check) = match &self.find {
            Find::By(find) => return find(reader),
            Find::Magic(magics) => (magics, None),
            Find::Checked(magics, check) => (magics, Some(check)),
        };
        let mut class = Class::Suspect;
        let mut places = Vec::new();
        for (at, magic) in *magics {
            if !reader.is(*at, magic)? {
                continue;
            }
            let passed = match check {
                Some(check) => check(reader, *at)?,
                None => true,
            };
            if passed {
                class = self.class;
            }
            if passed || magic.len() >= LONG {
                places.push((*at, magic.len() as u64));
            }
        }
        Ok(match places.is_empty() {
            true => Vec::new(),
            false => vec![Hit::plain(self.name, class, places)],
        })
    }
}

/// Everything that is recognized, without partition tables.
pub(super) fn hits(reader: &mut Reader<'_>) -> io::Result<Vec<Hit>> {
    let mut hits = Vec::new();
    for kind in KINDS {
        hits.extend(kind.hits(reader)?);
    }
    Ok(hits)
}

const BCACHE: &[u8] = b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81";
const BCACHEFS: &[u8] = b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef";
const STRATIS: &[u8] = b"!Stra0tis\x86\xff\x02^\x41rh";

/// Sources: the kernel's headers (include/uapi/linux/magic.h and those of each file system), and for what it
/// does not know, what libblkid 2.38 documents and `blkid -p` answers.
const KINDS: &[Kind] = &[
    Kind::by(raid::md),
    Kind::by(raid::firmware),
    Kind::sole("bcache", &[(4120, BCACHE)]).checked(checks::bcache),
    Kind::sole("ceph_bluestore", &[(0, b"bluestore block device")]),
    Kind::by(raid::drbd),
    Kind::sole("drbdmanage_control_volume", &[(0, b"$DRBDmgr=q")]).checked(checks::drbdmanage),
    Kind::sole("drbdproxy_datalog", &[(0, b"DRBDdlh*")]),
    Kind::member(
        "LVM2_member",
        &[
            (0, b"LABELONE"),
            (512, b"LABELONE"),
            (1024, b"LABELONE"),
            (1536, b"LABELONE"),
        ],
    )
    .checked(checks::lvm2),
    Kind::member("LVM1_member", &[(0, b"HM")]).checked(checks::lvm1),
    Kind::sole("DM_snapshot_cow", &[(0, b"SnAp")]),
    Kind::member("DM_verity_hash", &[(0, b"verity\0\0")]).checked(checks::verity),
    Kind::member("DM_integrity", &[(0, b"integrt\0")]).checked(checks::integrity),
    Kind::by(luks::hits),
    Kind::member("VMFS_volume_member", &[(1 << 20, b"\x0d\xd0\x01\xc0")]),
    Kind::member("ubi", &[(0, b"UBI#")]),
    Kind::sole("vdo", &[(0, b"dmvdo001")]),
    Kind::member("stratis", &[(516, STRATIS), (4612, STRATIS)]).checked(checks::stratis),
    Kind::member(
        "BitLocker",
        &[(3, b"-FVE-FS-"), (0, b"\xeb\x58\x90MSWIN4.1")],
    )
    .checked(checks::bitlocker),
    Kind::by(filesystems::fat),
    Kind::sole(
        "swsuspend",
        &[
            (0, b"\xed\xc3\x02\xe9\x98\x56\xe5\x0c"),
            (4086, b"S1SUSPEND"),
            (4086, b"S2SUSPEND"),
            (4086, b"ULSUSPEND"),
            (4086, b"LINHIB0001"),
            (8182, b"S1SUSPEND"),
            (8182, b"S2SUSPEND"),
            (8182, b"ULSUSPEND"),
            (8182, b"LINHIB0001"),
            (16374, b"S1SUSPEND"),
            (16374, b"S2SUSPEND"),
            (16374, b"ULSUSPEND"),
            (16374, b"LINHIB0001"),
            (32758, b"S1SUSPEND"),
            (32758, b"S2SUSPEND"),
            (32758, b"ULSUSPEND"),
            (32758, b"LINHIB0001"),
            (65526, b"S1SUSPEND"),
            (65526, b"S2SUSPEND"),
            (65526, b"ULSUSPEND"),
            (65526, b"LINHIB0001"),
        ],
    ),
    Kind::by(filesystems::swap),
    Kind::by(filesystems::xfs),
    Kind::by(filesystems::xfs_log),
    Kind::sole("exfs", &[(0, b"EXFS")]),
    Kind::by(filesystems::ext),
    Kind::sole(
        "reiserfs",
        &[
            (8192 + 52, b"ReIsErFs"),
            (65536 + 52, b"ReIsEr2Fs"),
            (65536 + 52, b"ReIsEr3Fs"),
            (65536 + 52, b"ReIsErFs"),
            (8192 + 20, b"ReIsErFs"),
        ],
    )
    .checked(checks::reiserfs),
    Kind::sole("reiser4", &[(65536, b"ReIsEr4")]),
    Kind::sole("jfs", &[(32768, b"JFS1")]).checked(checks::jfs),
    Kind::by(optical::udf),
    Kind::by(optical::iso9660),
    Kind::by(zfs::hits),
    Kind::sole("hfsplus", &[(1024, b"BD"), (1024, b"H+"), (1024, b"HX")]).checked(checks::hfsplus),
    Kind::sole("hfs", &[(1024, b"BD")]).checked(checks::hfs),
    Kind::by(filesystems::ufs),
    Kind::sole("hpfs", &[(8192, b"\x49\xe8\x95\xf9")]).checked(checks::hpfs),
    Kind::sole("sysv", SYSV),
    Kind::sole("xenix", &[(2048, b"\x2b\x55\x44"), (2048, b"\x44\x55\x2b")]),
    Kind::sole("ntfs", &[(3, b"NTFS    ")]).checked(checks::ntfs),
    Kind::sole("ReFS", &[(0, b"\0\0\0ReFS\0")]),
    Kind::sole(
        "cramfs",
        &[(0, b"\x45\x3d\xcd\x28"), (0, b"\x28\xcd\x3d\x45")],
    ),
    Kind::sole("romfs", &[(0, b"-rom1fs-")]),
    Kind::by(filesystems::minix),
    Kind::sole("gfs", &[(65536, b"\x01\x16\x19\x70")]).checked(checks::gfs),
    Kind::sole("gfs2", &[(65536, b"\x01\x16\x19\x70")]).checked(checks::gfs2),
    Kind::sole("ocfs", &[(8192, b"OracleCFS")]),
    Kind::sole(
        "ocfs2",
        &[
            (1024, b"OCFSV2"),
            (2048, b"OCFSV2"),
            (4096, b"OCFSV2"),
            (8192, b"OCFSV2"),
        ],
    ),
    Kind::sole("oracleasm", &[(32, b"ORCLDISK")]),
    Kind::sole(
        "vxfs",
        &[(1024, b"\xf5\xfc\x01\xa5"), (8192, b"\xa5\x01\xfc\xf5")],
    ),
    Kind::sole("squashfs", &[(0, b"hsqs")]).checked(checks::squashfs),
    Kind::sole("squashfs3", &[(0, b"hsqs"), (0, b"sqsh")]).checked(checks::squashfs3),
    Kind::sole("nss", &[(4096, b"SPB5")]),
    Kind::by(filesystems::btrfs),
    Kind::sole("ubifs", &[(0, b"\x31\x18\x10\x06")]),
    Kind::sole("bfs", &[(0, b"\xce\xfa\xad\x1b")]),
    Kind::sole("VMFS", &[(2 << 20, b"\x5e\xf1\xab\x2f")]),
    Kind::sole(
        "befs",
        &[(32, b"BFS1"), (32, b"1SFB"), (544, b"BFS1"), (544, b"1SFB")],
    )
    .checked(checks::befs),
    Kind::by(filesystems::nilfs2),
    Kind::sole("exfat", &[(3, b"EXFAT   ")]),
    // Its second copy is what the kernel mounts if the first is damaged; libblkid passes it over.
    Kind::sole(
        "f2fs",
        &[(1024, b"\x10\x20\xf5\xf2"), (5120, b"\x10\x20\xf5\xf2")],
    ),
    Kind::sole("mpool", &[(0, b"mpoolDev")]).checked(checks::mpool),
    Kind::sole("apfs", &[(32, b"NXSB")]).checked(checks::apfs),
    Kind::sole("zonefs", &[(0, b"SFOZ")]),
    Kind::sole("erofs", &[(1024, b"\xe2\xe1\xf5\xe0")]),
    // libblkid knows it since 2.39.
    Kind::sole("bcachefs", &[(4120, BCACHEFS)]),
];

/// In either order of bytes, at the end of the first kilobyte, or of one on a floppy disk.
const SYSV: &[Magic] = &[
    (1016, b"\x20\x7e\x18\xfd"),
    (1016, b"\xfd\x18\x7e\x20"),
    (10232, b"\x20\x7e\x18\xfd"),
    (10232, b"\xfd\x18\x7e\x20"),
    (16376, b"\x20\x7e\x18\xfd"),
    (16376, b"\xfd\x18\x7e\x20"),
    (19448, b"\x20\x7e\x18\xfd"),
    (19448, b"\xfd\x18\x7e\x20"),
];
