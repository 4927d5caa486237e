//! How an image is packed, by its first bytes and never by its name.

use std::fmt;

/// How an image is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// The disk's bytes as they are.
    Raw,
    /// RFC 1952, several members.
    Gzip,
    /// bzip2, several streams.
    Bzip2,
    /// The .xz format, several streams.
    Xz,
    /// RFC 8878, several frames.
    Zstd,
}

/// What was given instead of a disk image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoImage {
    /// Not a single byte.
    #[error("it is empty")]
    Empty,
    /// Something that is known by its first bytes.
    #[error("it is {what}; {instead}")]
    Other {
        /// What it is.
        what: &'static str,
        /// What to do about it.
        instead: &'static str,
    },
    /// Zeros, as far as it was looked at.
    #[error("it begins with {0} zeros and has no partition table")]
    Zeros(usize),
    /// It has no partition table, and is nothing that is known.
    #[error("it has no partition table: neither a GPT nor a boot record with partitions")]
    NoTable,
    /// It has a partition table that nothing would boot from.
    #[error("its partition table is damaged: {0}")]
    BadTable(&'static str),
}

const TAKE_RAW: &str = "convert it with \"qemu-img convert -O raw\"";
const TAKE_IMAGE: &str = "take the image that is made for disks";
const UNPACK: &str = "unpack it and give the disk image that is in it";
const LINK: &str = "look at what the address answers, it is no image";

/// What is told from a disk image by its bytes at an offset; the first that fits counts.
const OTHERS: &[(usize, &[u8], &str, &str)] = &[
    (32_769, b"CD001", "an ISO 9660 image", TAKE_IMAGE),
    (0, b"QFI\xfb", "a qcow2 image", TAKE_RAW),
    (0, b"KDMV", "a VMDK image", TAKE_RAW),
    (0, b"COWD", "a VMDK image", TAKE_RAW),
    (
        0,
        b"# Disk DescriptorFile",
        "the description of a VMDK image",
        TAKE_RAW,
    ),
    (
        0x40,
        b"\x7f\x10\xda\xbe",
        "a VirtualBox image (VDI)",
        TAKE_RAW,
    ),
    (0, b"vhdxfile", "a VHDX image", TAKE_RAW),
    (0, b"conectix", "a VHD image", TAKE_RAW),
    (0, b"MSWIM\0\0\0", "a Windows image (WIM)", TAKE_IMAGE),
    (257, b"ustar", "a tar archive", UNPACK),
    (0, b"PK\x03\x04", "a zip archive", UNPACK),
    (0, b"PK\x05\x06", "an empty zip archive", UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (
        0,
        b"!<arch>\n",
        "an ar archive or Debian package",
        TAKE_IMAGE,
    ),
    (0, b"\xed\xab\xee\xdb", "an RPM package", TAKE_IMAGE),
    (
        0,
        b"070701",
        "a cpio archive, as an initramfs is",
        TAKE_IMAGE,
    ),
    (0, b"\x04\x22\x4d\x18", "packed with lz4", UNPACK),
    (0, b"LZIP", "packed with lzip", UNPACK),
    (0, b"\x89LZO\0\r\n\x1a\n", "packed with lzop", UNPACK),
    (0, b"\x1f\x9d", "packed with compress", UNPACK),
    (0, b"\x5d\0\0", "packed as .lzma", UNPACK),
    (0, b"\x7fELF", "an ELF program", TAKE_IMAGE),
    (0x202, b"HdrS", "a Linux kernel", TAKE_IMAGE),
    (0, b"MZ", "a program for Windows or UEFI", TAKE_IMAGE),
    (0, b"hsqs", "a squashfs", TAKE_IMAGE),
    (
        0,
        b"XFSB",
        "an XFS file system without a partition table",
        TAKE_IMAGE,
    ),
    (
        0,
        b"LUKS\xba\xbe",
        "a LUKS volume without a partition table",
        TAKE_IMAGE,
    ),
    (0, b"CrAU", "an update payload", TAKE_IMAGE),
    (
        0,
        b"-----BEGIN PGP SIGNATURE",
        "an OpenPGP signature",
        "give the image and its signature beside it",
    ),
    (
        0,
        b"-----BEGIN PGP SIGNED",
        "a signed text",
        "give the image itself",
    ),
    (
        0,
        b"-----BEGIN PGP PUBLIC",
        "an OpenPGP key",
        "give the image itself",
    ),
    (0, b"<!DOCTYPE", "a web page", LINK),
    (0, b"<!doctype", "a web page", LINK),
    (0, b"<html", "a web page", LINK),
    (0, b"<HTML", "a web page", LINK),
    (0, b"<?xml", "an XML document", LINK),
    (0, b"{\"", "a JSON document", LINK),
    (0, b"#!", "a script", TAKE_IMAGE),
    (0, b"%PDF-", "a PDF document", LINK),
];

/// File systems that may follow a boot record of their own: told only where there is no partition table.
const FILE_SYSTEMS: &[(usize, &[u8], &str, &str)] = &[
    (
        0x438,
        b"\x53\xef",
        "an ext4 file system without a partition table",
        TAKE_IMAGE,
    ),
    (
        0x36,
        b"FAT1",
        "a FAT file system without a partition table",
        TAKE_IMAGE,
    ),
    (
        0x52,
        b"FAT32",
        "a FAT file system without a partition table",
        TAKE_IMAGE,
    ),
    (
        3,
        b"NTFS",
        "an NTFS file system without a partition table",
        TAKE_IMAGE,
    ),
];

/// What packed bytes begin with.
const PACKED: &[(&[u8], Packing)] = &[
    (b"\x1f\x8b", Packing::Gzip),
    (b"BZh", Packing::Bzip2),
    (b"\xfd7zXZ\0", Packing::Xz),
    (b"\x28\xb5\x2f\xfd", Packing::Zstd),
];

impl Packing {
    /// Reads `head`, the first bytes of an image ([`super::HEAD`] of them, or all there are). Whether what is not packed
    /// begins as a disk does is for [`super::DiskImage::of`] to say, once it is unpacked.
    ///
    /// # Errors
    ///
    /// What is known to be something else.
    pub fn of(head: &[u8]) -> Result<Self, NoImage> {
        if head.is_empty() {
            return Err(NoImage::Empty);
        }
        if let Some((_, packing)) = PACKED.iter().find(|(magic, _)| head.starts_with(magic)) {
            return Ok(*packing);
        }
        // A frame that is to be skipped may come first.
        if let [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] = head {
            return Ok(Self::Zstd);
        }
        other(head).map_or(Ok(Self::Raw), Err)
    }
}

/// What is known to be no disk image, whatever else it has.
pub(super) fn other(head: &[u8]) -> Option<NoImage> {
    among(OTHERS, head)
}

/// What a disk without a partition table may hold.
pub(super) fn file_system(head: &[u8]) -> Option<NoImage> {
    among(FILE_SYSTEMS, head)
}

/// Whether an unpacked image is packed once more.
pub(super) fn packed_again(head: &[u8]) -> Option<NoImage> {
    PACKED
        .iter()
        .any(|(magic, _)| head.starts_with(magic))
        .then_some(NoImage::Other {
            what: "packed twice",
            instead: UNPACK,
        })
}

fn among(table: &[(usize, &[u8], &'static str, &'static str)], head: &[u8]) -> Option<NoImage> {
    let (_, _, what, instead) = table.iter().find(|(offset, magic, _, _)| {
        head.get(*offset..)
            .is_some_and(|rest| rest.starts_with(magic))
    })?;
    Some(NoImage::Other { what, instead })
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        })
    }
}
