//! Disks: observing them, and performing operations on them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pilotlight_core::facts::disks::{
    Block, Disks, Entry, RAID_MEMBER, Signature, TableState, partition_node,
};
use pilotlight_core::facts::instead::instead;
use pilotlight_core::facts::{Place, Usage};
use pilotlight_core::model::{Format, SysPath};
use pilotlight_core::op::DiskOp;

use crate::blockdev;
use crate::disk_error::during;
use crate::gpt::{self, Found, Geometry};
use crate::kernel_table::{self, Known};
use crate::maps;
use crate::mkfs;
use crate::probe::{self, Area};
use crate::settle::{self, is_passing};
use crate::table_edits::{self, TableError};
use crate::uevents::{Wait, udev_runs};

pub use crate::disk_error::DiskError;

/// Devices of the config for which an image file stands: device path → image.
pub type DeviceMap = BTreeMap<String, PathBuf>;

/// How long a partition may be gone while it is looked at.
const GONE_FOR_A_MOMENT: Duration = Duration::from_secs(10);

/// What is to be observed.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Devices that must appear within the wait.
    pub required: &'a [&'a SysPath],
    /// Devices that may appear only after partitions were made.
    pub optional: &'a [&'a SysPath],
    /// Image files that stand for devices.
    pub images: &'a DeviceMap,
    /// How long to wait for required devices.
    pub wait: Duration,
}

/// Observes devices with their partitions. A device that does not appear is noted in `missing`.
///
/// Who says what a link of /dev/disk leads to: udev where it runs, and looking at all disks where it does
/// not. Where udev runs, its link is waited for even if a look finds a device of that name, for three
/// reasons: udev knows which of several devices with one name is meant (the multipath device rather than
/// its paths), it is done with a device only when the link is there, and whoever comes next finds the link.
pub fn observe(request: Request<'_>) -> Result<Disks, DiskError> {
    let mut disks = Disks::default();
    let looking = Looking {
        images: request.images,
        udev: request.images.is_empty() && udev_runs(),
    };
    let mut wait = Wait::begin(request.wait);
    for path in request.required {
        while !looking.observe_calmly(path.as_str(), &mut disks, request.wait)? {
            if !wait.for_next_look(&format!("the device {path}")) {
                let said = looking.instead(path.as_str(), request.wait);
                disks.missing.insert(path.to_string(), said);
                break;
            }
        }
    }
    for path in request.optional {
        looking.observe_calmly(path.as_str(), &mut disks, request.wait)?;
    }
    Ok(disks)
}

/// The node that a link of /dev/disk stands for, by udev's link or, without one, by looking at all disks.
pub fn find(link: &str) -> Result<Option<String>, DiskError> {
    match fs::canonicalize(link) {
        Ok(node) if blockdev::is_block_device(&node) => {
            Ok(Some(node.to_string_lossy().into_owned()))
        }
        _ => {
            let looking = Looking {
                images: &DeviceMap::new(),
                udev: false,
            };
            looking.search(link)
        }
    }
}

/// What tells where a path of the config leads to.
struct Looking<'a> {
    images: &'a DeviceMap,
    udev: bool,
}

impl Looking<'_> {
    /// What there is in place of a missing device.
    fn instead(&self, path: &str, wait: Duration) -> String {
        // What cannot be looked at is not what the message is about.
        let seen = self.all().unwrap_or_default();
        let names = match self.images.is_empty() {
            true => blockdev::disks(),
            false => self.images.keys().cloned().collect(),
        };
        let there = instead(path, &names, &seen, !self.images.is_empty());
        let unlinked = seen.resolve(path).filter(|_| self.udev);
        match (wait.as_secs(), unlinked) {
            (0, _) => format!("{there}; let an image stand for it with --disk IMAGE=DEVICE"),
            (seconds, None) => format!("it did not appear within {seconds} s; {there}"),
            (seconds, Some(node)) => format!(
                "it did not appear within {seconds} s: udev, which runs here, made no such link, though \
                 {node} is of that name; {there}"
            ),
        }
    }

    /// The same as [`Looking::observe_path`], also while the kernel reads a table again and a partition that was
    /// just there is gone for a moment.
    fn observe_calmly(
        &self,
        path: &str,
        disks: &mut Disks,
        limit: Duration,
    ) -> Result<bool, DiskError> {
        let mut wait = Wait::begin(limit.min(GONE_FOR_A_MOMENT));
        loop {
            match self.observe_path(path, disks) {
                Err(DiskError::Io { cause, .. })
                    if is_passing(&cause) && wait.for_next_look(path) => {}
                seen => return seen,
            }
        }
    }

    /// Observes one path of the config; false if its device is not there.
    fn observe_path(&self, path: &str, disks: &mut Disks) -> Result<bool, DiskError> {
        if let Some(image) = self.images.get(path) {
            observe_disk(path, image, false, disks)?;
            return Ok(true);
        }
        // With images given, nothing of this machine is looked at in their place.
        let known = match self.udev {
            true => disks.blocks.contains_key(path),
            false => disks.resolve(path).is_some(),
        };
        if known {
            return Ok(true);
        }
        // One look: a node may go between two.
        let look = fs::canonicalize(path).and_then(|node| Ok((node.metadata()?.file_type(), node)));
        let node = match look {
            Ok((kind, node)) if kind.is_block_device() => Some(blockdev::stable_name(&node)),
            Ok(_) => {
                return Err(DiskError::Io {
                    action: "looking at",
                    device: path.into(),
                    cause: io::Error::other("it is not a block device"),
                });
            }
            // A partition of a disk of device mapper may have another name than the config expects.
            Err(_) if maps::named(path).is_some() => maps::named(path),
            Err(_) if self.udev => None,
            // Without udev there are no links: the disks are searched for what the link names.
            Err(_) => self.search(path)?,
        };
        // A table may name a partition that the kernel has not been told of, or is just reading.
        let there =
            |node: &String| blockdev::is_block_device(Path::new(node)) && blockdev::is_there(node);
        let Some(node) = node.filter(there) else {
            return Ok(false);
        };
        disks.links.insert(path.to_string(), node.clone());
        if !disks.blocks.contains_key(&node) {
            let map = maps::real(&node);
            let path = map.as_deref().unwrap_or(&node);
            observe_disk(&node, Path::new(path), true, disks)?;
        }
        Ok(true)
    }

    /// Finds the device that a link of /dev/disk names by looking at all disks.
    fn search(&self, path: &str) -> Result<Option<String>, DiskError> {
        if !path.starts_with("/dev/disk/by-") {
            return Ok(None);
        }
        Ok(self.all()?.resolve(path))
    }

    /// All images, or all disks.
    fn all(&self) -> Result<Disks, DiskError> {
        let mut all = Disks::default();
        for (device, image) in self.images {
            observe_disk(device, image, false, &mut all)?;
        }
        if self.images.is_empty() {
            for disk in blockdev::disks()
                .into_iter()
                .filter(|disk| !blockdev::is_path(disk))
            {
                // A drive without a medium or a device that is going away is not the one that is searched.
                let _ = observe_disk(&disk, Path::new(&disk), true, &mut all);
            }
        }
        Ok(all)
    }
}

/// Observes a device and the partitions in its table. Partitions without a node (image files, kernels
/// that were not told) are looked at through the disk.
fn observe_disk(node: &str, path: &Path, real: bool, disks: &mut Disks) -> Result<(), DiskError> {
    let fail = |action| during(action, node);
    let geometry = blockdev::geometry(path).map_err(fail("looking at"))?;
    let mut file = File::open(path).map_err(fail("opening"))?;
    let used = |node: &str| if real { blockdev::user(node) } else { None };
    let protected =
        |node: &str| (real && blockdev::is_write_protected(node)).then_some(Usage::WriteProtected);
    let whole = &mut Area {
        device: &mut file,
        start: 0,
        size: geometry.size,
    };
    let mut signature = probe::superblock(whole).map_err(fail("reading"))?;
    let other = probe::table(whole, &signature).map_err(fail("reading"))?;
    let table =
        match gpt::read(&mut file, geometry).map_err(fail("reading the partition table of"))? {
            Found::Table(raw) => TableState::Gpt(raw.facts(geometry)),
            // A file system on the whole disk, made over an earlier table.
            Found::Remains(_) if signature != Signature::Blank => TableState::None,
            Found::Remains(raw) => TableState::Gpt(raw.facts(geometry)),
            Found::Unusable(why) => TableState::Other(why),
            Found::Nothing => match other.as_deref() {
                Some("dos") => TableState::Other("an MBR partition table".into()),
                Some(kind) => TableState::Other(format!("a partition table of the kind {kind}")),
                None => TableState::None,
            },
        };
    if let TableState::Gpt(table) = &table {
        // Signatures beneath a table are remains; the table is what counts.
        signature = Signature::Blank;
        let known = if real {
            kernel_table::known(node).map_err(fail("looking at the partitions of"))?
        } else {
            Vec::new()
        };
        for (number, entry) in &table.partitions {
            let mut block = observe_partition(&mut file, geometry, entry)
                .map_err(fail("reading a partition of"))?;
            let node = partition_node(node, *number);
            // The kernel caches a disk and its partitions apart from each other: what was written to a
            // partition is seen through its own node, and perhaps not through the disk.
            if known.contains(&Known::of(*number, entry, geometry.sector)) {
                block.signature =
                    observe_node(&node, block.size).map_err(during("reading", &node))?;
            }
            let used = used(&node).or_else(|| protected(&node));
            let block = Block { used, ..block };
            note_array(&node, &block, disks);
            disks.blocks.insert(node, block);
        }
    }
    let used = used(node)
        .or_else(|| real.then(|| unlisted_user(node, &table)).flatten())
        .or_else(|| protected(node));
    let block = Block {
        size: geometry.size,
        sector: geometry.sector,
        table,
        signature,
        used,
    };
    note_array(node, &block, disks);
    disks.blocks.insert(node.to_string(), block);
    Ok(())
}

/// Who uses partitions that the kernel knows from another table than the one that was read.
pub(crate) fn unlisted_user(node: &str, table: &TableState) -> Option<Usage> {
    let listed = |number: &u32| match table {
        TableState::Gpt(table) => table.partitions.contains_key(number),
        _ => false,
    };
    kernel_table::used_partitions(node)
        .into_iter()
        .find(|(number, _)| !listed(number))
        .map(|(partition, usage)| Usage::Through {
            partition,
            usage: Box::new(usage),
        })
}

/// Remembers the running array that a device is a member of.
fn note_array(node: &str, block: &Block, disks: &mut Disks) {
    if let Signature::Found(found) = &block.signature
        && found.kind == RAID_MEMBER
        && block.used.is_some()
        && let (Some(uuid), Some(array)) = (&found.uuid, blockdev::array_of(node))
    {
        disks.arrays.insert(uuid.clone(), array);
    }
}

fn observe_partition(file: &mut File, geometry: Geometry, entry: &Entry) -> io::Result<Block> {
    let start = entry.start.saturating_mul(geometry.sector);
    let size = entry.sectors().saturating_mul(geometry.sector);
    // A table may say anything; what lies beyond the disk is not read.
    let there = geometry.size.saturating_sub(start).min(size);
    let signature = probe::probe(&mut Area {
        device: file,
        start,
        size: there,
    })?;
    Ok(Block {
        size,
        sector: geometry.sector,
        table: TableState::None,
        signature,
        used: None,
    })
}

/// What begins at a place of a disk that is no partition yet. What cannot be read there is not known.
pub fn observe_place(place: &Place, images: &DeviceMap) -> Signature {
    let path = images
        .get(&place.disk)
        .map_or(Path::new(&place.disk), PathBuf::as_path);
    let look = || {
        let there = blockdev::geometry(path)?.size.saturating_sub(place.start);
        probe::probe(&mut Area {
            device: &mut File::open(path)?,
            start: place.start,
            size: there.min(place.size),
        })
    };
    look().unwrap_or(Signature::Unknown)
}

fn observe_node(node: &str, size: u64) -> io::Result<Signature> {
    let map = maps::real(node);
    probe::probe(&mut Area {
        device: &mut File::open(map.as_deref().unwrap_or(node))?,
        start: 0,
        size,
    })
}

/// The label of what is on a device.
pub(crate) fn label(node: &str) -> Result<String, DiskError> {
    let geometry = blockdev::geometry(Path::new(node)).map_err(during("looking at", node))?;
    match observe_node(node, geometry.size).map_err(during("reading", node))? {
        Signature::Found(found) => Ok(found.label),
        _ => Ok(String::new()),
    }
}

/// Performs one operation.
pub fn apply(op: &DiskOp) -> Result<(), DiskError> {
    match &op.on_device(maps::real) {
        DiskOp::WipeSignatures { device, .. } => table_edits::wipe(device),
        DiskOp::MakeFilesystem {
            device,
            format,
            label,
            uuid,
            options,
        } => make_filesystem(device, *format, label.as_deref(), uuid.as_deref(), options),
        edit => apply_table(edit.device(), &[edit]).map_err(|error| error.cause),
    }
}

/// Performs operations on the partition table of one disk, in their order and by one write.
pub fn apply_table(disk: &str, edits: &[&DiskOp]) -> Result<(), TableError> {
    table_edits::edit(disk, edits)
}

fn make_filesystem(
    device: &str,
    format: Format,
    label: Option<&str>,
    uuid: Option<&str>,
    options: &[String],
) -> Result<(), DiskError> {
    let Some(call) = mkfs::Call::new(format, label, uuid, options) else {
        return Ok(());
    };
    let held = settle::hold(device).map_err(during("opening", device))?;
    call.run(device)?;
    held.sync_all().map_err(during("syncing", device))
}
