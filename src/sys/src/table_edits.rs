//! Edits of a partition table: read once, changed in memory, rehearsed, written once.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::Path;

use pilotlight_core::facts::disks::{Entry, partition_node};
use pilotlight_core::op::DiskOp;

use crate::disk_error::{DiskError, during};
use crate::gpt::{self, Found, Geometry, Raw};
use crate::kernel_table::{self, Known};
use crate::{blockdev, maps, settle, wipe};

/// Why the edits of a table were not made, or not to their end.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct TableError {
    /// Which edit is to blame, counted from 0; `None` where it is what they have in common: reading, writing,
    /// telling the kernel.
    pub edit: Option<usize>,
    /// The reason.
    pub cause: DiskError,
}

impl From<DiskError> for TableError {
    fn from(cause: DiskError) -> Self {
        Self { edit: None, cause }
    }
}

/// Makes edits of one disk's table, in their order, by one write: before it nothing has changed.
///
/// Each edit is checked against the table that the ones before it leave, so that a disk that is not any more what
/// it was when the plan was made is left alone.
pub fn edit(disk: &str, edits: &[&DiskOp]) -> Result<(), TableError> {
    let geometry = blockdev::geometry(Path::new(disk)).map_err(during("looking at", disk))?;
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(disk)
        .map_err(during("opening", disk))?;
    settle::lock(&file, disk).map_err(during("locking", disk))?;
    let before = match gpt::read(&mut file, geometry)
        .map_err(during("reading the partition table of", disk))?
    {
        Found::Table(raw) | Found::Remains(raw) => Some(raw),
        Found::Nothing | Found::Unusable(_) => None,
    };
    let old = before.as_ref().map(|raw| raw.facts(geometry).partitions);
    let mut table = before;
    for (place, op) in edits.iter().enumerate() {
        let edited = changed(table, op, disk, geometry).map_err(|found| TableError {
            edit: Some(place),
            cause: DiskError::Changed {
                device: disk.into(),
                found,
            },
        })?;
        table = Some(edited);
    }
    let Some(mut raw) = table else {
        // No edits.
        return Ok(());
    };
    raw.problem = None;
    raw.rehearse(geometry)
        .map_err(during("rehearsing the new partition table of", disk))?;
    let destroys = |op: &&DiskOp| {
        matches!(
            op,
            DiskOp::CreateTable {
                destroys: Some(_),
                ..
            }
        )
    };
    if let Some(place) = edits.iter().position(destroys) {
        wipe::signatures_of_table(disk).map_err(|cause| TableError {
            edit: Some(place),
            cause,
        })?;
    }
    raw.write(&mut file, geometry, |file| file.sync_all())
        .map_err(during("writing the partition table of", disk))?;
    if !blockdev::is_block_device(Path::new(disk)) {
        return Ok(());
    }
    let new = raw.facts(geometry);
    let known = kernel_table::wanted(&new, geometry.sector);
    kernel_table::tell(&file, disk, &known)
        .map_err(during("telling the kernel about the partitions of", disk))?;
    drop(file);
    let silent = without_event(disk, &old.unwrap_or_default(), &new.partitions);
    show(disk, &known, silent)?;
    Ok(())
}

/// Has the kernel know these partitions of a disk that is being written and has no table yet, and waits for their
/// nodes. Who writes it has its lock, so that udev does not look at it: udev is not waited for.
pub fn know(
    file: &File,
    disk: &str,
    partitions: &[(u32, Entry)],
    sector: u64,
) -> Result<(), DiskError> {
    let known: Vec<Known> = (partitions.iter())
        .map(|(number, entry)| Known::of(*number, entry, sector))
        .collect();
    kernel_table::tell(file, disk, &known)
        .map_err(during("telling the kernel about the partitions of", disk))?;
    for (number, _) in partitions {
        let node = partition_node(disk, *number);
        settle::hold(&node).map_err(during("waiting for", &node))?;
    }
    Ok(())
}

/// Has the kernel know the partitions of the table that a disk has, whoever wrote it, and waits until udev has
/// finished with them.
pub fn refresh(disk: &str) -> Result<(), DiskError> {
    let geometry = blockdev::geometry(Path::new(disk)).map_err(during("looking at", disk))?;
    let mut file = File::open(disk).map_err(during("opening", disk))?;
    settle::lock(&file, disk).map_err(during("locking", disk))?;
    let found =
        gpt::read(&mut file, geometry).map_err(during("reading the partition table of", disk))?;
    let Found::Table(raw) = found else {
        return Ok(());
    };
    let known = kernel_table::wanted(&raw.facts(geometry), geometry.sector);
    kernel_table::tell(&file, disk, &known)
        .map_err(during("telling the kernel about the partitions of", disk))?;
    drop(file);
    show(disk, &known, Vec::new())
}

/// The table after an edit, or why it is not as it was when the plan was made.
fn changed(table: Option<Raw>, op: &DiskOp, disk: &str, geometry: Geometry) -> Result<Raw, String> {
    if op.device() != disk {
        return Err(format!("an edit of {} is no edit of it", op.device()));
    }
    let filled = |raw: &Raw, number: u32| raw.facts(geometry).partitions.contains_key(&number);
    let there = |raw: &Raw, number: u32| match filled(raw, number) {
        true => Ok(()),
        false => Err(format!("partition {number} is gone")),
    };
    let text = |error: std::io::Error| error.to_string();
    let some = |table: Option<Raw>| table.ok_or_else(|| "it has no partition table".to_string());
    match op {
        DiskOp::CreateTable { .. } => Ok(Raw::empty(geometry)),
        DiskOp::RepairTable { .. } => some(table),
        DiskOp::ReplaceDiskGuid { from, .. } => {
            let mut raw = some(table)?;
            raw.replace_guid(*from).map_err(text)?;
            Ok(raw)
        }
        DiskOp::DeletePartition { number, .. } => {
            let mut raw = some(table)?;
            there(&raw, *number)?;
            raw.delete(*number);
            Ok(raw)
        }
        DiskOp::CreatePartition {
            number,
            start,
            end,
            type_guid,
            guid,
            label,
            ..
        } => {
            let mut raw = some(table)?;
            if filled(&raw, *number) {
                return Err(format!("partition {number} exists"));
            }
            let entry = Entry {
                start: *start,
                end: *end,
                type_guid: *type_guid,
                guid: *guid,
                label: label.clone(),
                attributes: 0,
            };
            raw.create(*number, &entry).map_err(text)?;
            Ok(raw)
        }
        DiskOp::ResizePartition {
            number, from, to, ..
        } => {
            let mut raw = some(table)?;
            there(&raw, *number)?;
            raw.resize(*number, *from, *to).map_err(text)?;
            Ok(raw)
        }
        DiskOp::WipeSignatures { .. } | DiskOp::MakeFilesystem { .. } => {
            Err("this is no edit of a partition table".into())
        }
    }
}

/// Partitions of which the kernel sends no event though their entries are others: those that begin where they
/// began, which keep their device.
fn without_event(
    disk: &str,
    old: &BTreeMap<u32, Entry>,
    new: &BTreeMap<u32, Entry>,
) -> Vec<String> {
    (new.iter())
        .filter(|(number, new)| {
            (old.get(number)).is_some_and(|old| old.start == new.start && old != *new)
        })
        .map(|(number, _)| partition_node(disk, *number))
        .collect()
}

/// Waits until the kernel shows exactly these partitions, their nodes are there and udev has finished with the disk.
fn show(disk: &str, wanted: &[Known], silent: Vec<String>) -> Result<(), DiskError> {
    let changed = std::iter::once(disk).chain(silent.iter().map(String::as_str));
    let what = format!("the {} partitions of {disk}", wanted.len());
    let what = if wanted.is_empty() {
        format!("the kernel to forget the partitions of {disk}")
    } else {
        what
    };
    let partitions: Vec<String> = (wanted.iter())
        .map(|known| partition_node(disk, known.number()))
        .collect();
    // By the nodes that udev has.
    let real = |node: &String| maps::real(node).unwrap_or_else(|| node.clone());
    let partitions: Vec<String> = partitions.iter().map(real).collect();
    let ours: Vec<&str> = std::iter::once(disk)
        .chain(partitions.iter().map(String::as_str))
        .collect();
    settle::settle(changed, &ours, &what, || {
        let shown = kernel_table::known(disk)? == wanted;
        if !shown {
            // Who has the kernel read a table for which it has no parser leaves nothing.
            let file = File::open(disk)?;
            if settle::try_lock(&file)? {
                kernel_table::tell(&file, disk, wanted)?;
            }
        }
        Ok(shown
            && partitions
                .iter()
                .all(|node| blockdev::is_block_device(Path::new(node))))
    })
    .map_err(during("waiting for the partitions of", disk))
}

/// Wipes all signatures; the kernel forgets the partitions of a table that is gone.
pub(crate) fn wipe(device: &str) -> Result<(), DiskError> {
    if !blockdev::is_disk(device) {
        let _held = settle::hold(device).map_err(during("opening", device))?;
        return wipe::signatures(device);
    }
    let file = File::open(device).map_err(during("opening", device))?;
    settle::lock(&file, device).map_err(during("locking", device))?;
    wipe::signatures(device)?;
    kernel_table::tell(&file, device, &[])
        .map_err(during("telling the kernel about the partitions of", device))?;
    drop(file);
    show(device, &[], Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotlight_core::model::Guid;
    use std::os::unix::fs::FileExt as _;

    const GEOMETRY: Geometry = Geometry {
        size: 64 << 20,
        sector: 512,
    };

    fn create(disk: &str, number: u32, start: u64, end: u64) -> DiskOp {
        DiskOp::CreatePartition {
            disk: disk.into(),
            number,
            start,
            end,
            sector: 512,
            type_guid: Guid([1; 16]),
            guid: None,
            label: format!("p{number}"),
        }
    }

    fn delete(disk: &str, number: u32) -> DiskOp {
        DiskOp::DeletePartition {
            disk: disk.into(),
            number,
            label: String::new(),
        }
    }

    struct Image(tempfile::NamedTempFile);

    impl Image {
        fn new() -> Self {
            let image = tempfile::NamedTempFile::new().unwrap();
            image.as_file().set_len(GEOMETRY.size).unwrap();
            Self(image)
        }

        fn path(&self) -> &str {
            self.0.path().to_str().unwrap()
        }

        fn edit(&self, edits: &[DiskOp]) -> Result<(), TableError> {
            edit(self.path(), &edits.iter().collect::<Vec<_>>())
        }

        /// Slots with their first and last sectors.
        fn slots(&self) -> Vec<(u32, u64, u64)> {
            match gpt::read(&mut self.0.reopen().unwrap(), GEOMETRY).unwrap() {
                Found::Table(raw) => (raw.facts(GEOMETRY).partitions.iter())
                    .map(|(number, entry)| (*number, entry.start, entry.end))
                    .collect(),
                other => panic!("{other:?}"),
            }
        }

        fn bytes(&self) -> Vec<u8> {
            let mut bytes = vec![0; usize::try_from(GEOMETRY.size).unwrap()];
            self.0.as_file().read_exact_at(&mut bytes, 0).unwrap();
            bytes
        }
    }

    fn table(disk: &str) -> DiskOp {
        DiskOp::CreateTable {
            disk: disk.into(),
            destroys: None,
        }
    }

    #[test]
    fn edits_see_what_the_ones_before_them_leave() {
        let image = Image::new();
        let disk = image.path();
        let resize = DiskOp::ResizePartition {
            disk: disk.into(),
            number: 2,
            from: 8191,
            to: 9000,
            sector: 512,
        };
        let edits = [
            table(disk),
            create(disk, 1, 2048, 4095),
            create(disk, 2, 4096, 8191),
            delete(disk, 1),
            resize,
            create(disk, 1, 10_000, 12_000),
        ];
        image.edit(&edits).unwrap();
        assert_eq!(image.slots(), [(1, 10_000, 12_000), (2, 4096, 9000)]);
    }

    #[test]
    fn an_edit_that_does_not_fit_is_named_and_nothing_is_written() {
        let image = Image::new();
        let disk = image.path();
        image
            .edit(&[table(disk), create(disk, 1, 2048, 4095)])
            .unwrap();
        let before = image.bytes();
        let destroying = DiskOp::CreateTable {
            disk: disk.into(),
            destroys: Some("a table".into()),
        };
        let cases = [
            (
                vec![delete(disk, 1), delete(disk, 1)],
                Some(1),
                "partition 1 is gone",
            ),
            (
                vec![create(disk, 2, 5000, 6000), create(disk, 1, 7000, 8000)],
                Some(1),
                "partition 1 exists",
            ),
            (
                vec![create("/dev/other", 2, 5000, 6000)],
                Some(0),
                "an edit of /dev/other is no edit of it",
            ),
            // What only the whole shows: the rehearsal comes before the wiping.
            (
                vec![
                    destroying,
                    create(disk, 1, 5000, 6000),
                    create(disk, 2, 5500, 7000),
                ],
                None,
                "while rehearsing",
            ),
        ];
        for (edits, edit, said) in cases {
            let error = image.edit(&edits).unwrap_err();
            assert_eq!(error.edit, edit, "{error}");
            assert!(error.to_string().contains(said), "{error}");
            assert!(image.bytes() == before, "{edits:?}");
        }
    }

    #[test]
    fn a_partition_that_keeps_its_place_has_no_event_of_its_own() {
        let entry = |start, end, label: &str| Entry {
            start,
            end,
            type_guid: Guid([1; 16]),
            guid: None,
            label: label.into(),
            attributes: 0,
        };
        let old = BTreeMap::from([
            (1, entry(1, 2, "same")),
            (2, entry(3, 4, "old")),
            (3, entry(5, 6, "grows")),
            (4, entry(8, 9, "moves")),
        ]);
        let new = BTreeMap::from([
            (1, entry(1, 2, "same")),
            (2, entry(3, 4, "new")),
            (3, entry(5, 7, "grows")),
            (4, entry(9, 9, "moves")),
            (5, entry(10, 11, "new")),
        ]);
        assert_eq!(
            without_event("/dev/vda", &old, &new),
            ["/dev/vda2", "/dev/vda3"]
        );
    }
}
