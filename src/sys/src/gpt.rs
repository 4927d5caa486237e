//! GUID partition tables on a device (UEFI 2.10, chapter 5), slot by slot.
//!
//! The crate `gpt` writes headers, checksums, entries and the protective MBR; which slot is written, and
//! which bytes of untouched slots are kept, is decided here, because its own `write()` renumbers slots.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::{self, Read, Seek, SeekFrom, Write};

use gpt::disk::LogicalBlockSize;
use gpt::header::Header;
use gpt::mbr::ProtectiveMBR;
use pilotlight_core::facts::disks::{Entry, Sectors, Table};
use pilotlight_core::model::Guid;
use uuid::Uuid;

use crate::probe::CRC32;

/// Bytes in an entry; other sizes are allowed by the specification and used by nobody.
const ENTRY: usize = 128;
/// Most slots of a table that is read, against headers that lie.
const MAX_SLOTS: u32 = 1024;
/// Slots of a table that is made.
const SLOTS: u32 = 128;

/// Where the entries of the first copy lie, unless the table says otherwise.
const ARRAY_LBA: u64 = 2;

/// A device with a partition table.
pub trait Device: Read + Write + Seek + Debug {}
impl<T: Read + Write + Seek + Debug> Device for T {}

/// What stands where a table would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing that calls itself a table.
    Nothing,
    /// A table, perhaps with a problem that writing it again repairs.
    Table(Raw),
    /// A backup alone, of a disk that nothing protects as one with a table: it counts only where nothing else
    /// is recognized on the disk.
    Remains(Raw),
    /// Something that calls itself a table and cannot be used; the text says why.
    Unusable(String),
}

/// A table with all bytes of its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    guid: [u8; 16],
    first_usable: u64,
    /// Where the first copy's entries lie: not at sector 2 where firmware lies between header and entries.
    array_lba: u64,
    entries: Vec<u8>,
    /// First and last sectors of the partitions that a hybrid MBR names.
    hybrid: Vec<(u64, u64)>,
    /// What is wrong with one of its copies.
    pub problem: Option<String>,
    /// Whether it is the first one.
    pub unseen: bool,
}

/// Geometry of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Size in bytes.
    pub size: u64,
    /// Logical sector size in bytes: 512 or 4096.
    pub sector: u64,
}

impl Geometry {
    fn last_lba(self) -> u64 {
        (self.size / self.sector).saturating_sub(1)
    }

    fn block_size(self) -> LogicalBlockSize {
        match self.sector {
            4096 => LogicalBlockSize::Lb4096,
            _ => LogicalBlockSize::Lb512,
        }
    }
}

/// Reads the table of a device.
pub fn read<D: Read + Seek>(device: &mut D, geometry: Geometry) -> io::Result<Found> {
    let last = geometry.last_lba();
    if last < 67 {
        return Ok(Found::Nothing);
    }
    let mbr = Mbr::read(device)?;
    let (primary, claim) = read_copy(device, geometry, 1)?;
    let (backup, _) = read_copy(device, geometry, last)?;
    // On a disk that has grown, the backup is where the disk used to end.
    let old_backup = match &primary {
        Copy::Good(good) if good.other_lba < last => read_copy(device, geometry, good.other_lba)?.0,
        Copy::Good(_) => Copy::Absent,
        _ => read_old_backup(device, geometry, &claim, &mbr)?,
    };
    if !mbr.protective && !mbr.partitions.is_empty() {
        // Who partitions a disk by MBR alone leaves such remains; kernels and firmware pass them over.
        return Ok(match (&primary, &backup) {
            (Copy::Absent, Copy::Absent) => Found::Nothing,
            _ => Found::Unusable(
                "an MBR partition table, beside remains of a GUID partition table".into(),
            ),
        });
    }
    let from_backup = |mut backup: Good, problem: String| {
        let array = (backup.entries.len() as u64).div_ceil(geometry.sector);
        let end = claim.array_lba.saturating_add(array);
        // The backup itself does not say where the first copy's entries were.
        if claim.guid.is_some() && claim.array_lba >= ARRAY_LBA && end <= backup.first_usable {
            backup.array_lba = claim.array_lba;
        }
        match backup.table(&mbr, Some(problem)) {
            Found::Table(raw) => Found::Table(Raw {
                unseen: true,
                ..raw
            }),
            other => other,
        }
    };
    let why = match &primary {
        Copy::Good(_) => String::new(),
        Copy::Bad(why) => why.clone(),
        Copy::Absent => "is gone".into(),
    };
    Ok(match (primary, backup, old_backup) {
        (Copy::Good(primary), Copy::Good(backup), _) => {
            let same = primary.other_lba == last
                && primary.entries == backup.entries
                && (primary.guid, primary.first_usable) == (backup.guid, backup.first_usable);
            let problem = match (same, mbr.protective) {
                (false, _) => Some("its backup at the end of the disk is out of date"),
                (true, false) => Some("the protective MBR before it is gone"),
                (true, true) => None,
            };
            primary.table(&mbr, problem.map(Into::into))
        }
        (Copy::Good(primary), Copy::Bad(why), _) => primary.table(
            &mbr,
            Some(format!("its backup at the end of the disk {why}")),
        ),
        (Copy::Good(primary), Copy::Absent, old_backup) => {
            let problem = match old_backup {
                Copy::Good(_) => "the disk has grown, the backup is not at its end",
                _ => "there is no backup at the end of the disk",
            };
            primary.table(&mbr, Some(problem.into()))
        }
        // Before what is at the end now, which then is of an earlier table.
        (_, _, Copy::Good(backup)) => from_backup(
            backup,
            format!("its first copy {why}, and the disk has grown since its backup was written"),
        ),
        (Copy::Bad(_), Copy::Good(backup), _)
            if claim.guid.is_some_and(|guid| guid != backup.guid) && claim.other_lba != last =>
        {
            Found::Unusable(format!(
                "a GUID partition table whose first copy {why}, with the backup of another table at the end of the disk"
            ))
        }
        (first, Copy::Good(backup), _) => {
            let found = from_backup(backup, format!("its first copy {why}"));
            match (first, found) {
                // Whatever was put on the disk since may have taken both.
                (Copy::Absent | Copy::Bad(_), Found::Table(raw)) if !mbr.protective => {
                    Found::Remains(raw)
                }
                (_, found) => found,
            }
        }
        (Copy::Bad(_), _, _) => Found::Unusable(format!(
            "a GUID partition table whose first copy {why} and that has no good backup"
        )),
        (Copy::Absent, Copy::Bad(why), _) => Found::Unusable(format!(
            "a GUID partition table without its first copy, whose backup {why}"
        )),
        (Copy::Absent, Copy::Absent, _) if mbr.protective => Found::Unusable(
            "a GUID partition table of which neither the first copy nor a backup at the end of the disk is there".into(),
        ),
        (Copy::Absent, Copy::Absent, _) => Found::Nothing,
    })
}

/// The backup of a disk that has grown, without the first copy's entries. Its place is known by a header
/// whose checksum is right, or by a damaged one where the protective MBR says the same.
fn read_old_backup<D: Read + Seek>(
    device: &mut D,
    geometry: Geometry,
    claim: &Claim,
    mbr: &Mbr,
) -> io::Result<Copy> {
    let at = claim.other_lba;
    let believed = claim.guid.is_some() || mbr.protected_to == Some(at);
    if !believed || at <= 1 || at >= geometry.last_lba() {
        return Ok(Copy::Absent);
    }
    Ok(match read_copy(device, geometry, at)?.0 {
        Copy::Good(found)
            if found.other_lba == 1 && claim.guid.is_none_or(|guid| guid == found.guid) =>
        {
            Copy::Good(found)
        }
        _ => Copy::Absent,
    })
}

/// What the first sector says.
#[derive(Debug, Default)]
struct Mbr {
    /// It keeps programs that know no GUID partition tables away.
    protective: bool,
    /// The last sector that it protects, where it can say so.
    protected_to: Option<u64>,
    /// First and last sectors of partitions of its own.
    partitions: Vec<(u64, u64)>,
}

impl Mbr {
    fn read<D: Read + Seek>(device: &mut D) -> io::Result<Self> {
        let mut sector = [0; 512];
        device.seek(SeekFrom::Start(0))?;
        device.read_exact(&mut sector)?;
        let mut mbr = Self::default();
        if sector[510..] != [0x55, 0xaa] {
            return Ok(mbr);
        }
        for entry in sector[446..510].chunks_exact(16) {
            let start = u64::from(u32_at(entry, 8));
            let sectors = u32_at(entry, 12);
            let end = start.saturating_add(u64::from(sectors)).saturating_sub(1);
            mbr.partitions.extend(own_partition(entry));
            match entry[4] {
                0 => {}
                0xee => {
                    mbr.protective = true;
                    mbr.protected_to = (sectors != u32::MAX && start == 1).then_some(end);
                }
                _ => {}
            }
        }
        Ok(mbr)
    }
}

enum Copy {
    Absent,
    Bad(String),
    Good(Good),
}

struct Good {
    guid: [u8; 16],
    first_usable: u64,
    array_lba: u64,
    other_lba: u64,
    entries: Vec<u8>,
}

/// What a header says besides its entries, whether or not the copy is a good one.
struct Claim {
    other_lba: u64,
    array_lba: u64,
    /// GUID of the disk; `None` when the header's checksum is wrong, so that all of this may be.
    guid: Option<[u8; 16]>,
}

impl Good {
    fn table(self, mbr: &Mbr, problem: Option<String>) -> Found {
        Found::Table(Raw {
            guid: self.guid,
            first_usable: self.first_usable,
            array_lba: self.array_lba,
            entries: self.entries,
            hybrid: mbr.partitions.clone(),
            problem,
            unseen: false,
        })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}

fn guid_at(bytes: &[u8], at: usize) -> [u8; 16] {
    let mut guid = [0; 16];
    guid.copy_from_slice(&bytes[at..at + 16]);
    guid
}

/// Reads and checks the copy whose header is at `lba`.
fn read_copy<D: Read + Seek>(
    device: &mut D,
    geometry: Geometry,
    lba: u64,
) -> io::Result<(Copy, Claim)> {
    let sector = usize::try_from(geometry.sector).map_err(io::Error::other)?;
    let mut header = vec![0; sector];
    device.seek(SeekFrom::Start(lba.saturating_mul(geometry.sector)))?;
    device.read_exact(&mut header)?;
    let mut claim = Claim {
        other_lba: u64_at(&header, 32),
        array_lba: u64_at(&header, 72),
        guid: None,
    };
    let copy = check_copy(device, geometry, lba, &header, &mut claim)?;
    Ok((copy, claim))
}

fn check_copy<D: Read + Seek>(
    device: &mut D,
    geometry: Geometry,
    lba: u64,
    header: &[u8],
    claim: &mut Claim,
) -> io::Result<Copy> {
    if !header.starts_with(b"EFI PART") {
        return Ok(Copy::Absent);
    }
    let bad = |why: &str| Ok(Copy::Bad(why.into()));
    let length = u32_at(header, 12) as usize;
    if !(92..=header.len()).contains(&length) {
        return bad("has a header of impossible length");
    }
    let checksum = u32_at(header, 16);
    let mut zeroed = header[..length].to_vec();
    zeroed[16..20].fill(0);
    if CRC32.checksum(&zeroed) != checksum {
        return bad("has a header with a wrong checksum");
    }
    let slots = u32_at(header, 80);
    if u32_at(header, 84) as usize != ENTRY
        || !(1..=MAX_SLOTS).contains(&slots)
        || u64_at(header, 24) != lba
    {
        return bad("has a header that cannot be true");
    }
    let guid = guid_at(header, 56);
    claim.guid = Some(guid);
    let start = u64_at(header, 72);
    let mut entries = vec![0; slots as usize * ENTRY];
    let bytes = start.saturating_mul(geometry.sector);
    if bytes.saturating_add(entries.len() as u64) > geometry.size {
        return bad("has its entries beyond the end of the disk");
    }
    device.seek(SeekFrom::Start(bytes))?;
    device.read_exact(&mut entries)?;
    if CRC32.checksum(&entries) != u32_at(header, 88) {
        return bad("has entries with a wrong checksum");
    }
    let first_usable = u64_at(header, 40);
    // The backup does not know where the first copy's entries were; the specification wants them here.
    let array_lba = if lba == 1 { start } else { ARRAY_LBA };
    let array = (entries.len() as u64).div_ceil(geometry.sector);
    if array_lba < ARRAY_LBA
        || array_lba.saturating_add(array) > first_usable
        || first_usable > geometry.last_lba()
    {
        return bad("has its entries where partitions may lie");
    }
    Ok(Copy::Good(Good {
        guid,
        first_usable,
        array_lba,
        other_lba: u64_at(header, 32),
        entries,
    }))
}

/// GPT stores the first three groups of a GUID in little-endian order.
fn guid_from_disk(bytes: &[u8]) -> Guid {
    let mut order = [0; 16];
    order.copy_from_slice(&bytes[..16]);
    Guid(*Uuid::from_bytes_le(order).as_bytes())
}

impl Raw {
    /// An empty table with a random GUID.
    pub fn empty(geometry: Geometry) -> Self {
        let array = u64::from(SLOTS) * ENTRY as u64;
        Self {
            guid: Uuid::new_v4().to_bytes_le(),
            first_usable: ARRAY_LBA + array.div_ceil(geometry.sector),
            array_lba: ARRAY_LBA,
            entries: vec![0; SLOTS as usize * ENTRY],
            hybrid: Vec::new(),
            problem: None,
            unseen: false,
        }
    }

    /// Gives the disk a random GUID in place of the one that it is expected to have.
    pub fn replace_guid(&mut self, from: Guid) -> io::Result<()> {
        let found = guid_from_disk(&self.guid);
        if found != from {
            return Err(io::Error::other(format!("its GUID is {found}, not {from}")));
        }
        self.guid = Uuid::new_v4().to_bytes_le();
        Ok(())
    }

    fn slot(&self, number: u32) -> Option<std::ops::Range<usize>> {
        let start = usize::try_from(number).ok()?.checked_sub(1)? * ENTRY;
        (start + ENTRY <= self.entries.len()).then_some(start..start + ENTRY)
    }

    /// Empties a slot.
    ///
    /// A hybrid MBR that names the partition does so no more.
    pub fn delete(&mut self, number: u32) {
        if let Some(slot) = self.slot(number) {
            let bytes = &self.entries[slot.clone()];
            let (first, last) = (u64_at(bytes, 32), u64_at(bytes, 40));
            self.hybrid.retain(|(from, to)| *to < first || last < *from);
            self.entries[slot].fill(0);
        }
    }

    /// Fills a slot; a missing GUID is random.
    pub fn create(&mut self, number: u32, entry: &Entry) -> io::Result<()> {
        let slot = self
            .slot(number)
            .ok_or_else(|| io::Error::other(format!("the table has no slot {number}")))?;
        let guid = entry
            .guid
            .map_or_else(Uuid::new_v4, |guid| Uuid::from_bytes(guid.0));
        let bytes = &mut self.entries[slot];
        bytes.fill(0);
        bytes[..16].copy_from_slice(&Uuid::from_bytes(entry.type_guid.0).to_bytes_le());
        bytes[16..32].copy_from_slice(&guid.to_bytes_le());
        bytes[32..40].copy_from_slice(&entry.start.to_le_bytes());
        bytes[40..48].copy_from_slice(&entry.end.to_le_bytes());
        bytes[48..56].copy_from_slice(&entry.attributes.to_le_bytes());
        for (unit, place) in entry
            .label
            .encode_utf16()
            .zip(bytes[56..].chunks_exact_mut(2))
        {
            place.copy_from_slice(&unit.to_le_bytes());
        }
        Ok(())
    }

    /// Moves the end of a partition that ends where it is expected to; everything else in its slot stays
    /// as it is.
    pub fn resize(&mut self, number: u32, from: u64, to: u64) -> io::Result<()> {
        let slot = self
            .slot(number)
            .ok_or_else(|| io::Error::other(format!("the table has no slot {number}")))?;
        let end = &mut self.entries[slot][40..48];
        if *end != from.to_le_bytes() {
            return Err(io::Error::other(format!(
                "partition {number} no longer ends at sector {from}"
            )));
        }
        end.copy_from_slice(&to.to_le_bytes());
        Ok(())
    }

    /// The table as facts of a device of this size.
    pub fn facts(&self, geometry: Geometry) -> Table {
        let array = (self.entries.len() as u64).div_ceil(geometry.sector);
        let mut partitions = BTreeMap::new();
        for (number, bytes) in (1..).zip(self.entries.chunks_exact(ENTRY)) {
            if bytes[..16].iter().all(|b| *b == 0) {
                continue;
            }
            let units: Vec<u16> = bytes[56..]
                .chunks_exact(2)
                .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
                .take_while(|unit| *unit != 0)
                .collect();
            partitions.insert(
                number,
                Entry {
                    start: u64_at(bytes, 32),
                    end: u64_at(bytes, 40),
                    type_guid: guid_from_disk(bytes),
                    guid: Some(guid_from_disk(&bytes[16..])),
                    label: String::from_utf16_lossy(&units),
                    attributes: u64_at(bytes, 48),
                },
            );
        }
        Table {
            guid: Some(guid_from_disk(&self.guid)),
            first_usable: self.first_usable,
            last_usable: geometry.last_lba().saturating_sub(array + 1),
            partitions,
            slots: u32::try_from(self.entries.len() / ENTRY).unwrap_or(MAX_SLOTS),
            hybrid: (self.hybrid.iter())
                .map(|(first, last)| Sectors {
                    first: *first,
                    last: *last,
                })
                .collect(),
            repair: self.problem.clone(),
            unseen: self.unseen,
        }
    }

    /// Writes both copies and the protective MBR, the backup first: at every moment one copy is whole. Entries are
    /// on the disk before the header that speaks of them: a disk without a table has none until it has all of it.
    ///
    /// `sync` is called between the four parts and at the end.
    pub fn write<D: Device>(
        &self,
        device: &mut D,
        geometry: Geometry,
        sync: impl Fn(&mut D) -> io::Result<()>,
    ) -> io::Result<()> {
        let array = (self.entries.len() as u64).div_ceil(geometry.sector);
        let last = geometry.last_lba();
        let header = |current_lba, backup_lba, part_start| -> io::Result<Header> {
            Ok(Header {
                signature: "EFI PART".into(),
                revision: (1, 0),
                header_size_le: 92,
                crc32: 0,
                reserved: 0,
                current_lba,
                backup_lba,
                first_usable: self.first_usable,
                last_usable: last.saturating_sub(array + 1),
                disk_guid: Uuid::from_bytes_le(self.guid),
                part_start,
                num_parts: u32::try_from(self.entries.len() / ENTRY).map_err(io::Error::other)?,
                part_size: 128,
                crc32_parts: 0,
            })
        };
        let mut padded = self.entries.clone();
        padded.resize(
            usize::try_from(array * geometry.sector).map_err(io::Error::other)?,
            0,
        );
        let put = |device: &mut D, lba: u64| -> io::Result<()> {
            device.seek(SeekFrom::Start(lba.saturating_mul(geometry.sector)))?;
            device.write_all(&padded)
        };
        // What the table still has and the MBR does not is deleted by the next run; the other way round nobody would.
        forget_in_mbr(device, &self.hybrid)?;
        put(device, last - array)?;
        sync(device)?;
        header(last, 1, last - array)?
            .write_backup(device, geometry.block_size())
            .map_err(io::Error::other)?;
        sync(device)?;
        put(device, self.array_lba)?;
        sync(device)?;
        header(1, last, self.array_lba)?
            .write_primary(device, geometry.block_size())
            .map_err(io::Error::other)?;
        protect(device, u32::try_from(last).unwrap_or(u32::MAX))?;
        sync(device)
    }

    /// Writes the table to a sparse image in memory, reads it back and compares: what would not come
    /// back as it was meant never reaches the disk.
    pub fn rehearse(&self, geometry: Geometry) -> io::Result<()> {
        let image =
            rustix::fs::memfd_create("pilotlight-rehearsal", rustix::fs::MemfdFlags::CLOEXEC)?;
        let mut image = std::fs::File::from(image);
        image.set_len(geometry.size)?;
        if let Some(fault) = self.facts(geometry).fault() {
            return Err(io::Error::other(fault));
        }
        self.write(&mut image, geometry, |_| Ok(()))?;
        let expected = Raw {
            problem: None,
            unseen: false,
            hybrid: Vec::new(),
            ..self.clone()
        };
        match read(&mut image, geometry)? {
            Found::Table(found) if found == expected => Ok(()),
            other => Err(io::Error::other(format!(
                "the rehearsal of the new partition table failed (found {other:?}); the disk was not touched"
            ))),
        }
    }
}

/// First and last sector of an entry of an MBR that is a partition of its own. Boot code may stand there without
/// partitions, whose flag has two values.
fn own_partition(entry: &[u8]) -> Option<(u64, u64)> {
    let start = u64::from(u32_at(entry, 8));
    let sectors = u64::from(u32_at(entry, 12));
    let is_one = !matches!(entry[4], 0 | 0xee) && entry[0] & 0x7f == 0 && sectors != 0;
    is_one.then(|| (start, start.saturating_add(sectors).saturating_sub(1)))
}

/// Takes out of a hybrid MBR all partitions but these. Without any it protects the whole disk again.
fn forget_in_mbr<D: Device>(device: &mut D, keep: &[(u64, u64)]) -> io::Result<()> {
    let mut sector = [0; 512];
    device.seek(SeekFrom::Start(0))?;
    device.read_exact(&mut sector)?;
    if sector[510..] != [0x55, 0xaa] {
        return Ok(());
    }
    let before = sector;
    for entry in sector[446..510].chunks_exact_mut(16) {
        if own_partition(entry).is_some_and(|place| !keep.contains(&place)) {
            entry.fill(0);
        }
    }
    if sector == before {
        return Ok(());
    }
    let protective = |entry: &&mut [u8]| entry[4] == 0xee;
    if keep.is_empty()
        && let Some(entry) = sector[446..510].chunks_exact_mut(16).find(protective)
    {
        // From the table's own header on; how far is set with the rest.
        entry[8..12].copy_from_slice(&1_u32.to_le_bytes());
    }
    device.seek(SeekFrom::Start(0))?;
    device.write_all(&sector)
}

/// Writes the protective MBR where there is none. One that is there keeps its boot flag (some firmware
/// starts no disk without it) and learns the size; a hybrid one, by which a Raspberry Pi finds its
/// firmware, stays as it is.
fn protect<D: Device>(device: &mut D, size: u32) -> io::Result<()> {
    let mut sector = [0; 512];
    device.seek(SeekFrom::Start(0))?;
    device.read_exact(&mut sector)?;
    let protective = |entry: &[u8]| entry[4] == 0xee;
    let entries = || sector[446..510].chunks_exact(16);
    if sector[510..] != [0x55, 0xaa] || !entries().any(protective) {
        ProtectiveMBR::with_lb_size(size)
            .update_conservative(device)
            .map_err(io::Error::other)?;
        return Ok(());
    }
    if entries().any(|entry| entry[4] != 0 && !protective(entry)) {
        return Ok(());
    }
    if let Some(entry) = sector[446..510]
        .chunks_exact_mut(16)
        .find(|e| protective(e))
    {
        entry[12..16].copy_from_slice(&size.to_le_bytes());
    }
    device.seek(SeekFrom::Start(0))?;
    device.write_all(&sector)
}

#[cfg(test)]
#[path = "gpt_tests.rs"]
mod tests;
