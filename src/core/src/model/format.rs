//! Kinds of file systems: one row each, which validation, schema, plans, mkfs and mounts read.

/// A kind of file system.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// ext4
    Ext4,
    /// btrfs
    Btrfs,
    /// XFS
    Xfs,
    /// FAT
    Vfat,
    /// Swap space
    Swap,
    /// A directory of the host of a virtual machine: it is mounted, never made.
    Virtiofs,
    /// No file system: nothing recognizable is left on the device.
    None,
}

/// All that is known of a kind.
#[derive(Debug)]
pub struct Row {
    /// The kind.
    pub format: Format,
    /// The name in configs and in the kernel.
    pub name: &'static str,
    /// Minor version of Ignition's specification 3 that has it first.
    pub since: u8,
    /// Longest label, in bytes.
    pub label_bytes: usize,
    /// How it is made; some are not.
    pub maker: Option<Maker>,
    /// The kernel's drivers, which an initramfs has to have where they are modules.
    pub drivers: &'static [&'static str],
    /// Whether it is mounted at a path.
    pub is_mounted: bool,
}

/// The program that makes a file system, and its flags.
#[derive(Debug)]
pub struct Maker {
    /// The program.
    pub program: &'static str,
    /// Works without questions, on a whole disk as well.
    pub force: &'static str,
    /// The flag before a UUID, and what stands before the UUID itself.
    pub uuid: (&'static str, &'static str),
    /// The UUID is a serial number of 32 bits, as FAT has it.
    pub has_serial: bool,
    /// Whether an option of the user's gives a UUID already.
    pub gives_uuid: fn(&str) -> bool,
    /// The flag before a label.
    pub label: &'static str,
    /// Says what it would do and writes nothing, if it can.
    pub dry_run: Option<&'static str>,
}

/// As libuuid is asked by most.
const fn maker(program: &'static str, force: &'static str) -> Maker {
    Maker {
        program,
        force,
        uuid: ("-U", ""),
        has_serial: false,
        gives_uuid: |word| word.starts_with("-U") || word.starts_with("--uuid"),
        label: "-L",
        dry_run: None,
    }
}

/// In the order of [`Format`]. Sources: mkfs.ext4(8), mkfs.btrfs(8), mkfs.xfs(8), mkfs.fat(8), mkswap(8).
const ROWS: [Row; 7] = [
    Row {
        format: Format::Ext4,
        name: "ext4",
        since: 0,
        label_bytes: 16,
        maker: Some(Maker {
            dry_run: Some("-n"),
            ..maker("mkfs.ext4", "-F")
        }),
        drivers: &["ext4"],
        is_mounted: true,
    },
    Row {
        format: Format::Btrfs,
        name: "btrfs",
        since: 0,
        label_bytes: 256,
        maker: Some(maker("mkfs.btrfs", "--force")),
        drivers: &["btrfs"],
        is_mounted: true,
    },
    Row {
        format: Format::Xfs,
        name: "xfs",
        since: 0,
        label_bytes: 12,
        maker: Some(Maker {
            uuid: ("-m", "uuid="),
            gives_uuid: |word| word.contains("uuid="),
            dry_run: Some("-N"),
            ..maker("mkfs.xfs", "-f")
        }),
        drivers: &["xfs"],
        is_mounted: true,
    },
    Row {
        format: Format::Vfat,
        name: "vfat",
        since: 0,
        label_bytes: 11,
        maker: Some(Maker {
            uuid: ("-i", ""),
            has_serial: true,
            gives_uuid: |word| word.starts_with("-i"),
            label: "-n",
            ..maker("mkfs.fat", "-I")
        }),
        // With the tables of its names.
        drivers: &["vfat", "nls_cp437", "nls_iso8859-1"],
        is_mounted: true,
    },
    Row {
        format: Format::Swap,
        name: "swap",
        since: 0,
        label_bytes: 15,
        maker: Some(maker("mkswap", "-f")),
        drivers: &[],
        is_mounted: false,
    },
    Row {
        format: Format::Virtiofs,
        name: "virtiofs",
        since: 7,
        label_bytes: 0,
        maker: None,
        drivers: &["virtiofs"],
        is_mounted: true,
    },
    Row {
        format: Format::None,
        name: "none",
        since: 3,
        label_bytes: 0,
        maker: None,
        drivers: &[],
        is_mounted: false,
    },
];

/// The names of all kinds, for people.
pub const NAMES: &str = "ext4, btrfs, xfs, vfat, swap, virtiofs and none";

impl Row {
    /// All kinds.
    pub const ALL: &'static [Row] = &ROWS;
}

impl Format {
    /// What is known of it.
    pub fn row(self) -> &'static Row {
        // A variant without a row does not pass the test below.
        &Row::ALL[self as usize]
    }

    /// The kind that configs and the kernel call so.
    pub fn named(name: &str) -> Option<Self> {
        let row = Row::ALL.iter().find(|row| row.name == name)?;
        Some(row.format)
    }

    /// The name in configs and in the kernel.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The program that makes it; none for what is not made.
    pub fn maker(self) -> Option<&'static Maker> {
        self.row().maker.as_ref()
    }

    /// Whether its UUID is a serial number of 32 bits.
    pub fn has_serial(self) -> bool {
        self.maker().is_some_and(|maker| maker.has_serial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_row() {
        for (place, row) in Row::ALL.iter().enumerate() {
            assert_eq!(row.format as usize, place, "{}", row.name);
            assert_eq!(row.format.row().name, row.name);
            assert_eq!(Format::named(row.name), Some(row.format));
            // As it stands in the journal.
            let written = serde_json::to_string(&row.format).unwrap();
            assert_eq!(written, format!("\"{}\"", row.name));
        }
        // The last one: what comes after it would have no row.
        assert_eq!(Format::None as usize + 1, Row::ALL.len());
        assert_eq!(Format::named("ntfs"), None);
        let names: Vec<&str> = Row::ALL.iter().map(|row| row.name).collect();
        assert_eq!(NAMES.replace(" and ", ", "), names.join(", "));
    }

    /// What an initramfs has to have is named by the module that makes one.
    #[test]
    fn dracut_brings_what_makes_and_mounts_it() {
        let module = include_str!("../../../../dracut/30pilotlight/module-setup.sh");
        let words: Vec<&str> = module.split_whitespace().collect();
        for row in Row::ALL {
            let program = row.maker.iter().map(|maker| maker.program);
            for wanted in program.chain(row.drivers.iter().copied()) {
                assert!(words.contains(&wanted), "{}: {wanted}", row.name);
            }
        }
    }
}
