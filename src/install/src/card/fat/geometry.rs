//! What the boot sector says of a FAT file system: where its parts lie, and how a FAT32 of the same size is laid out.

use std::ops::Range;

use super::FatError;

/// The only size of sectors that the Raspberry Pi's boot ROM reads.
pub const SECTOR: u64 = 512;
/// How many clusters a FAT32 has at least: with fewer, every reader takes it for a FAT16.
pub const FAT32_CLUSTERS: u64 = 65_525;
/// The first cluster that is data: two numbers are taken for other purposes.
pub const FIRST_CLUSTER: u32 = 2;
/// More clusters than this no FAT32 can number.
const MOST_CLUSTERS: u64 = 0x0fff_fff5;
/// What `mkfs.fat` and Windows keep before the first table of a FAT32.
const RESERVED: u64 = 32;

/// How wide the entries of the table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// 12 bits.
    Fat12,
    /// 16 bits.
    Fat16,
    /// 32 bits, 28 of them used.
    Fat32,
}

impl std::fmt::Display for Width {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Width::Fat12 => "FAT12",
            Width::Fat16 => "FAT16",
            Width::Fat32 => "FAT32",
        })
    }
}

/// Where the root directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// In a place of its own before the data, of FAT12 and FAT16; bytes of the volume.
    Fixed(Range<u64>),
    /// A chain of clusters like any other directory, of FAT32.
    Cluster(u32),
}

/// Where the parts of a file system lie, in bytes from its first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// The width of the table's entries.
    pub width: Width,
    /// Bytes of a cluster.
    pub cluster: u64,
    /// Where the first table begins.
    pub tables_at: u64,
    /// Bytes of one table.
    pub table: u64,
    /// How many tables there are; they say the same.
    pub tables: u64,
    /// Which of them is meant where they need not say the same.
    pub active: u64,
    /// The root directory.
    pub root: Root,
    /// Where cluster 2 begins.
    pub data: u64,
    /// How many clusters there are.
    pub clusters: u32,
    /// The sectors of the whole file system.
    pub sectors: u32,
    /// The sector with the count of free clusters (FAT32), if there is one.
    pub information: Option<u64>,
    /// The copy of the boot sector (FAT32), if there is one.
    pub copy: Option<u64>,
    /// What a FAT32 that takes its place keeps.
    pub identity: Identity,
}

/// By what others know the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The number that `/dev/disk/by-uuid` shows, as it is on the disk.
    pub serial: [u8; 4],
    /// The label, padded with spaces.
    pub label: [u8; 11],
    /// The kind of medium.
    pub medium: u8,
    /// What BIOS takes for the disk's geometry: sectors of a track, heads; and the sectors before the partition.
    pub disk: [u8; 8],
}

impl Geometry {
    /// Reads the boot sector of a file system that has `size` bytes to lie in.
    ///
    /// Errors say what in it cannot be true. Source: Microsoft's FAT specification of 2000, section "Boot Sector and BPB".
    pub fn read(boot: &[u8; 512], size: u64) -> Result<Geometry, FatError> {
        let damaged = |what: String| Err(FatError::NoFat(what));
        let short = |at: usize| u64::from(u16::from_le_bytes([boot[at], boot[at + 1]]));
        let long =
            |at: usize| u32::from_le_bytes([boot[at], boot[at + 1], boot[at + 2], boot[at + 3]]);
        if boot[510..] != [0x55, 0xaa] {
            return damaged("its first sector does not end as a boot sector does".into());
        }
        if short(11) != SECTOR {
            return Err(FatError::Sector(short(11)));
        }
        let per_cluster = u64::from(boot[13]);
        if !per_cluster.is_power_of_two() {
            return damaged(format!("it has {per_cluster} sectors in a cluster"));
        }
        let (reserved, tables, root_entries) = (short(14), u64::from(boot[16]), short(17));
        if reserved == 0 || !(1..=2).contains(&tables) {
            return damaged(format!("it has {reserved} sectors before {tables} tables"));
        }
        let sectors = match short(19) {
            0 => u64::from(long(32)),
            sectors => sectors,
        };
        let old = short(22) != 0;
        let table = if old { short(22) } else { u64::from(long(36)) };
        let root_sectors = (root_entries * 32).div_ceil(SECTOR);
        let data = reserved + tables * table + root_sectors;
        if table == 0 || sectors <= data || sectors * SECTOR > size {
            return damaged(format!(
                "it says it has {sectors} sectors, {data} of them before its data, and has {}",
                size / SECTOR
            ));
        }
        let cluster = per_cluster * SECTOR;
        let clusters = (sectors - data) / per_cluster;
        // Not what stands in it as text: the number of clusters decides.
        let width = match clusters {
            0..4085 => Width::Fat12,
            4085..FAT32_CLUSTERS => Width::Fat16,
            FAT32_CLUSTERS..MOST_CLUSTERS => Width::Fat32,
            _ => return damaged(format!("it says it has {clusters} clusters")),
        };
        if old == (width == Width::Fat32) || old == (root_entries == 0) {
            return damaged(format!(
                "it has {clusters} clusters as a {width} has, and a head of another kind"
            ));
        }
        let bits = match width {
            Width::Fat12 => 12,
            Width::Fat16 => 16,
            Width::Fat32 => 32,
        };
        if ((clusters + 2) * bits).div_ceil(8) > table * SECTOR {
            return damaged(format!("its table is too small for {clusters} clusters"));
        }
        let at = if old { 36 } else { 64 };
        let mut identity = Identity {
            serial: [0; 4],
            label: *b"NO NAME    ",
            medium: boot[21],
            disk: [0; 8],
        };
        identity.disk.copy_from_slice(&boot[24..32]);
        if boot[at + 2] == 0x29 {
            identity.serial.copy_from_slice(&boot[at + 3..at + 7]);
            identity.label.copy_from_slice(&boot[at + 7..at + 18]);
        }
        let within = |sector: u64| (1..reserved).contains(&sector).then_some(sector * SECTOR);
        let flags = short(40);
        let (root, active) = if old {
            let end = data * SECTOR;
            (Root::Fixed(end - root_sectors * SECTOR..end), 0)
        } else if flags & 0x80 != 0 {
            (Root::Cluster(long(44)), flags & 0xf)
        } else {
            (Root::Cluster(long(44)), 0)
        };
        if active >= tables {
            return damaged(format!("it reads table {active} of {tables}"));
        }
        // In range: fewer than 2^28 clusters, and sectors were given in 32 bits.
        let (Ok(clusters), Ok(sectors)) = (u32::try_from(clusters), u32::try_from(sectors)) else {
            return damaged("it is larger than it can be".into());
        };
        Ok(Geometry {
            width,
            cluster,
            tables_at: reserved * SECTOR,
            table: table * SECTOR,
            tables,
            active,
            root,
            data: data * SECTOR,
            clusters,
            sectors,
            information: (!old).then(|| within(short(48))).flatten(),
            copy: (!old).then(|| within(short(50))).flatten(),
            identity,
        })
    }

    /// The FAT32 of the same size that leaves this one's clusters where they are: its own are as large or smaller, and
    /// every old one begins where a new one does.
    ///
    /// Errors: the volume is too small for the clusters that make a FAT32.
    pub fn as_fat32(&self) -> Result<Geometry, FatError> {
        let sectors = u64::from(self.sectors);
        // Windows' and mkfs.fat's clusters are 4 KiB; a smaller volume has smaller ones, to have enough.
        let mut cluster = self.cluster.min(8 * SECTOR);
        loop {
            let per_cluster = cluster / SECTOR;
            // Enough for every cluster there could be.
            let table = ((sectors / per_cluster + 2) * 4).div_ceil(SECTOR);
            let least = RESERVED + 2 * table;
            let data =
                least + (self.data / SECTOR + per_cluster - least % per_cluster) % per_cluster;
            let clusters = sectors.saturating_sub(data) / per_cluster;
            if clusters >= FAT32_CLUSTERS
                && let Ok(clusters) = u32::try_from(clusters)
            {
                return Ok(Geometry {
                    width: Width::Fat32,
                    cluster,
                    tables_at: (data - 2 * table) * SECTOR,
                    table: table * SECTOR,
                    tables: 2,
                    active: 0,
                    root: Root::Cluster(FIRST_CLUSTER),
                    data: data * SECTOR,
                    clusters,
                    sectors: self.sectors,
                    information: Some(SECTOR),
                    copy: Some(6 * SECTOR),
                    identity: self.identity.clone(),
                });
            }
            if cluster == SECTOR {
                return Err(FatError::TooSmall {
                    size: sectors * SECTOR,
                });
            }
            cluster /= 2;
        }
    }

    /// Where a cluster lies; there has to be one of the number.
    pub fn place(&self, cluster: u32) -> Range<u64> {
        let at = self.data + u64::from(cluster - FIRST_CLUSTER) * self.cluster;
        at..at + self.cluster
    }

    /// The numbers of all clusters.
    pub fn numbers(&self) -> Range<u32> {
        FIRST_CLUSTER..FIRST_CLUSTER + self.clusters
    }

    /// The boot sector of a FAT32 with this geometry whose root directory begins at `root`.
    pub fn boot_sector(&self, root: u32) -> [u8; 512] {
        let mut boot = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| boot[at..at + bytes.len()].copy_from_slice(bytes);
        let sector = |at: u64| u16::try_from(at / SECTOR).unwrap_or(u16::MAX).to_le_bytes();
        put(0, &[0xeb, 0x58, 0x90]);
        put(3, b"MSWIN4.1");
        put(11, &[0, 2]);
        put(13, &[u8::try_from(self.cluster / SECTOR).unwrap_or(0x80)]);
        put(14, &sector(self.tables_at));
        put(16, &[2]);
        put(21, &[self.identity.medium]);
        put(24, &self.identity.disk);
        put(32, &self.sectors.to_le_bytes());
        put(
            36,
            &u32::try_from(self.table / SECTOR)
                .unwrap_or(u32::MAX)
                .to_le_bytes(),
        );
        put(44, &root.to_le_bytes());
        put(48, &sector(self.information.unwrap_or(0)));
        put(50, &sector(self.copy.unwrap_or(0)));
        put(64, &[0x80, 0, 0x29]);
        put(67, &self.identity.serial);
        put(71, &self.identity.label);
        put(82, b"FAT32   ");
        put(510, &[0x55, 0xaa]);
        boot
    }
}
