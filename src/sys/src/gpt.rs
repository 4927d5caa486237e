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
use pilotlight_core::facts::disks::{Entry, Table};
use pilotlight_core::model::Guid;
use uuid::Uuid;

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
    /// What is wrong with one of its copies.
    pub problem: Option<String>,
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
    if geometry.last_lba() < 67 {
        return Ok(Found::Nothing);
    }
    let primary = read_copy(device, geometry, 1)?;
    let last = geometry.last_lba();
    let backup = read_copy(device, geometry, last)?;
    // On a disk that has grown, the backup is where the disk used to end.
    let old_backup = match &primary {
        Copy::Good(good) if good.other_lba != last && good.other_lba < last => {
            read_copy(device, geometry, good.other_lba)?
        }
        _ => Copy::Absent,
    };
    Ok(match (primary, backup) {
        (Copy::Good(primary), Copy::Good(backup)) if primary.entries == backup.entries => {
            primary.table(None)
        }
        (Copy::Good(primary), Copy::Good(_)) => primary.table(Some(
            "its backup at the end of the disk is out of date".into(),
        )),
        (Copy::Good(primary), Copy::Bad(why)) => {
            primary.table(Some(format!("its backup at the end of the disk {why}")))
        }
        (Copy::Good(primary), Copy::Absent) => {
            let problem = match old_backup {
                Copy::Good(_) => "the disk has grown, the backup is not at its end",
                _ => "there is no backup at the end of the disk",
            };
            primary.table(Some(problem.into()))
        }
        (Copy::Bad(why), Copy::Good(backup)) => backup.table(Some(format!("its first copy {why}"))),
        (Copy::Absent, Copy::Good(backup)) => backup.table(Some("its first copy is gone".into())),
        (Copy::Bad(why), _) => Found::Unusable(format!(
            "a GUID partition table whose first copy {why} and that has no good backup"
        )),
        (Copy::Absent, Copy::Bad(why)) => Found::Unusable(format!(
            "a GUID partition table without its first copy, whose backup {why}"
        )),
        (Copy::Absent, Copy::Absent) => Found::Nothing,
    })
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

impl Good {
    fn table(self, problem: Option<String>) -> Found {
        Found::Table(Raw {
            guid: self.guid,
            first_usable: self.first_usable,
            array_lba: self.array_lba,
            entries: self.entries,
            problem,
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

/// Reads and checks the copy whose header is at `lba`.
fn read_copy<D: Read + Seek>(device: &mut D, geometry: Geometry, lba: u64) -> io::Result<Copy> {
    let sector = usize::try_from(geometry.sector).map_err(io::Error::other)?;
    let mut header = vec![0; sector];
    device.seek(SeekFrom::Start(lba.saturating_mul(geometry.sector)))?;
    device.read_exact(&mut header)?;
    if !header.starts_with(b"EFI PART") {
        return Ok(Copy::Absent);
    }
    let bad = |why: &str| Ok(Copy::Bad(why.into()));
    let length = u32_at(&header, 12) as usize;
    if !(92..=sector).contains(&length) {
        return bad("has a header of impossible length");
    }
    let checksum = u32_at(&header, 16);
    let mut zeroed = header[..length].to_vec();
    zeroed[16..20].fill(0);
    if crc32fast::hash(&zeroed) != checksum {
        return bad("has a header with a wrong checksum");
    }
    let slots = u32_at(&header, 80);
    if u32_at(&header, 84) as usize != ENTRY
        || !(1..=MAX_SLOTS).contains(&slots)
        || u64_at(&header, 24) != lba
    {
        return bad("has a header that cannot be true");
    }
    let start = u64_at(&header, 72);
    let mut entries = vec![0; slots as usize * ENTRY];
    let bytes = start.saturating_mul(geometry.sector);
    if bytes.saturating_add(entries.len() as u64) > geometry.size {
        return bad("has its entries beyond the end of the disk");
    }
    device.seek(SeekFrom::Start(bytes))?;
    device.read_exact(&mut entries)?;
    if crc32fast::hash(&entries) != u32_at(&header, 88) {
        return bad("has entries with a wrong checksum");
    }
    let first_usable = u64_at(&header, 40);
    // The backup does not know where the first copy's entries were; the specification wants them here.
    let array_lba = if lba == 1 { start } else { ARRAY_LBA };
    let array = (entries.len() as u64).div_ceil(geometry.sector);
    if array_lba < ARRAY_LBA
        || array_lba.saturating_add(array) > first_usable
        || first_usable > geometry.last_lba()
    {
        return bad("has its entries where partitions may lie");
    }
    let mut guid = [0; 16];
    guid.copy_from_slice(&header[56..72]);
    Ok(Copy::Good(Good {
        guid,
        first_usable,
        array_lba,
        other_lba: u64_at(&header, 32),
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
            problem: None,
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
    pub fn delete(&mut self, number: u32) {
        if let Some(slot) = self.slot(number) {
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
            repair: self.problem.clone(),
        }
    }

    /// Writes both copies and the protective MBR, the backup first: at every moment one copy is whole.
    ///
    /// `sync` is called between the copies and at the end.
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
        put(device, last - array)?;
        header(last, 1, last - array)?
            .write_backup(device, geometry.block_size())
            .map_err(io::Error::other)?;
        sync(device)?;
        put(device, self.array_lba)?;
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
mod tests {
    use super::*;

    const GEOMETRY: Geometry = Geometry {
        size: 8 << 20,
        sector: 512,
    };

    fn disk() -> io::Cursor<Vec<u8>> {
        io::Cursor::new(vec![0; 8 << 20])
    }

    fn entry(start: u64) -> Entry {
        Entry {
            start,
            end: start + 99,
            type_guid: Guid::parse("0fc63daf-8483-4772-8e79-3d69d8477de4").unwrap(),
            guid: Some(Guid::parse("11111111-2222-3333-4444-555555555555").unwrap()),
            label: "grün".into(),
            attributes: 1 << 60,
        }
    }

    #[test]
    fn what_is_written_is_read_in_its_slots() {
        for sector in [512, 4096] {
            let geometry = Geometry { sector, ..GEOMETRY };
            let mut raw = Raw::empty(geometry);
            raw.create(1, &entry(1500)).unwrap();
            raw.create(9, &entry(1000)).unwrap();
            raw.rehearse(geometry).unwrap();
            let mut disk = disk();
            raw.write(&mut disk, geometry, |_| Ok(())).unwrap();
            let Found::Table(read) = read(&mut disk, geometry).unwrap() else {
                panic!()
            };
            assert_eq!(read, raw);
            let facts = read.facts(geometry);
            assert_eq!(facts.partitions.keys().copied().collect::<Vec<_>>(), [1, 9]);
            assert_eq!(facts.partitions[&9], entry(1000));
            assert_eq!(
                facts.first_usable,
                Table::empty(geometry.size, sector).first_usable
            );
            assert_eq!(
                facts.last_usable,
                Table::empty(geometry.size, sector).last_usable
            );
        }
    }

    #[test]
    fn one_good_copy_is_enough_and_the_problem_is_named() {
        let mut raw = Raw::empty(GEOMETRY);
        raw.create(3, &entry(2048)).unwrap();
        let mut good = disk();
        raw.write(&mut good, GEOMETRY, |_| Ok(())).unwrap();
        for (at, words) in [
            (600, "first copy"),
            (1024 + 300, "first copy"),
            ((8 << 20) - 500, "backup"),
        ] {
            let mut damaged = good.clone();
            damaged.get_mut()[at] ^= 0xff;
            let Found::Table(found) = read(&mut damaged, GEOMETRY).unwrap() else {
                panic!("{at}")
            };
            assert_eq!(found.entries, raw.entries, "{at}");
            assert!(
                found.problem.as_deref().unwrap().contains(words),
                "{:?}",
                found.problem
            );
        }
        let mut both = good.clone();
        both.get_mut()[600] ^= 0xff;
        both.get_mut()[(8 << 20) - 500] ^= 0xff;
        assert!(matches!(
            read(&mut both, GEOMETRY).unwrap(),
            Found::Unusable(_)
        ));
    }

    #[test]
    fn a_grown_disk_is_recognized() {
        let mut disk = disk();
        Raw::empty(GEOMETRY)
            .write(&mut disk, GEOMETRY, |_| Ok(()))
            .unwrap();
        disk.get_mut().resize(16 << 20, 0);
        let grown = Geometry {
            size: 16 << 20,
            ..GEOMETRY
        };
        let Found::Table(found) = read(&mut disk, grown).unwrap() else {
            panic!()
        };
        assert!(found.problem.as_deref().unwrap().contains("has grown"));
        assert_eq!(
            found.facts(grown).last_usable,
            Table::empty(16 << 20, 512).last_usable
        );
    }

    #[test]
    fn an_mbr_that_is_there_keeps_its_boot_flag_and_its_hybrid_entries() {
        let mut disk = disk();
        let raw = Raw::empty(GEOMETRY);
        raw.write(&mut disk, GEOMETRY, |_| Ok(())).unwrap();
        disk.get_mut()[446] = 0x80;
        disk.get_mut()[458..462].fill(0xff);
        raw.write(&mut disk, GEOMETRY, |_| Ok(())).unwrap();
        assert_eq!(disk.get_ref()[446], 0x80);
        assert_eq!(disk.get_ref()[458..462], 16383u32.to_le_bytes());
        disk.get_mut()[462 + 4] = 0x0c;
        let hybrid = disk.get_ref()[..512].to_vec();
        raw.write(&mut disk, GEOMETRY, |_| Ok(())).unwrap();
        assert_eq!(disk.get_ref()[..512], hybrid);
    }

    #[test]
    fn firmware_between_header_and_entries_stays() {
        let mut raw = Raw::empty(GEOMETRY);
        (raw.array_lba, raw.first_usable) = (100, 132);
        raw.create(1, &entry(2048)).unwrap();
        let mut disk = disk();
        disk.get_mut()[1024..8192].fill(0xa5);
        raw.write(&mut disk, GEOMETRY, |_| Ok(())).unwrap();
        let Found::Table(mut read) = read(&mut disk, GEOMETRY).unwrap() else {
            panic!()
        };
        assert_eq!(read, raw);
        read.create(2, &entry(3000)).unwrap();
        read.write(&mut disk, GEOMETRY, |_| Ok(())).unwrap();
        assert!(disk.get_ref()[1024..8192].iter().all(|b| *b == 0xa5));
    }

    #[test]
    fn what_overlaps_or_leaves_the_disk_is_not_written() {
        for (start, end) in [(2100, 2200), (10, 20), (16000, 16383), (3000, 2999)] {
            let mut raw = Raw::empty(GEOMETRY);
            raw.create(1, &entry(2048)).unwrap();
            raw.rehearse(GEOMETRY).unwrap();
            raw.create(
                2,
                &Entry {
                    end,
                    ..entry(start)
                },
            )
            .unwrap();
            assert!(raw.rehearse(GEOMETRY).is_err(), "{start}");
        }
        let mut raw = Raw::empty(GEOMETRY);
        raw.create(1, &entry(2048)).unwrap();
        assert!(raw.resize(1, 5, 3000).is_err());
        raw.resize(1, 2147, 3000).unwrap();
        assert_eq!(raw.facts(GEOMETRY).partitions[&1].end, 3000);
    }

    proptest::proptest! {
        /// A table of arbitrary bytes is read without a panic.
        #[test]
        fn hostile_headers_never_panic(patch in proptest::collection::vec((512usize..1100, proptest::num::u8::ANY), 1..12), fix: bool) {
            let mut disk = disk();
            Raw::empty(GEOMETRY).write(&mut disk, GEOMETRY, |_| Ok(())).unwrap();
            for (at, byte) in patch {
                disk.get_mut()[at] = byte;
            }
            if fix {
                // With a right checksum, the other fields are believed only as far as they can be true.
                let header = &mut disk.get_mut()[512..1024];
                header[12..16].copy_from_slice(&92u32.to_le_bytes());
                header[16..20].fill(0);
                let sum = crc32fast::hash(&header[..92]);
                header[16..20].copy_from_slice(&sum.to_le_bytes());
            }
            if let Found::Table(raw) = read(&mut disk, GEOMETRY).unwrap() {
                raw.facts(GEOMETRY);
            }
        }
    }
}
