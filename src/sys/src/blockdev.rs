//! Block devices as the kernel shows them in sysfs.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use pilotlight_core::facts::Usage;
use pilotlight_core::facts::disks::partition_node;
use pilotlight_core::ordered::Arrange as _;

use crate::gpt::Geometry;
use crate::maps;

pub(crate) fn sysfs(node: &str) -> PathBuf {
    // Arrays and volumes have names of their own: links to the kernel's nodes, or nodes beside them.
    if (node.starts_with("/dev/md/") || node.starts_with("/dev/mapper/"))
        && let Some((major, minor)) = numbers(Path::new(node))
    {
        return format!("/sys/dev/block/{major}:{minor}").into();
    }
    let name = node.strip_prefix("/dev/").unwrap_or(node);
    Path::new("/sys/class/block").join(name.replace('/', "!"))
}

/// Whether a device is one of device mapper.
pub fn is_mapped(node: &str) -> bool {
    node.starts_with("/dev/mapper/") || sysfs(node).join("dm").exists()
}

/// Whether multipath makes a device.
pub fn is_multipath(node: &str) -> bool {
    maps::word(&sysfs(node).join("dm/uuid")).starts_with("mpath-")
}

/// Device numbers of a block device.
fn numbers(node: &Path) -> Option<(u32, u32)> {
    let map = node.to_str().and_then(maps::real);
    let metadata = fs::metadata(map.as_deref().map_or(node, Path::new)).ok()?;
    let device = metadata.rdev();
    let is_block = metadata.file_type().is_block_device();
    is_block.then(|| (rustix::fs::major(device), rustix::fs::minor(device)))
}

/// The name by which a node is known here: that of an array or a volume rather than the number that the
/// kernel gave it, which is another one on the next boot.
pub fn stable_name(node: &Path) -> String {
    let kernel = node.to_string_lossy().into_owned();
    let Some(name) = kernel.strip_prefix("/dev/") else {
        return kernel;
    };
    if name.starts_with("dm-") {
        if let Some((disk, number)) = maps::partition(name) {
            return partition_node(&disk, number);
        }
        let name = fs::read_to_string(sysfs(&kernel).join("dm/name")).unwrap_or_default();
        let mapped = format!("/dev/mapper/{}", name.trim());
        if numbers(Path::new(&mapped)).is_some_and(|found| Some(found) == numbers(node)) {
            return mapped;
        }
    }
    if name.starts_with("md") {
        let mut links: Vec<PathBuf> = (fs::read_dir("/dev/md").into_iter().flatten().flatten())
            .map(|entry| entry.path())
            .filter(|link| numbers(link).is_some_and(|found| Some(found) == numbers(node)))
            .collect();
        links.arrange();
        if let Some(link) = links.first() {
            return link.to_string_lossy().into_owned();
        }
    }
    kernel
}

/// The array that holds a device, by its stable name.
pub fn array_of(node: &str) -> Option<String> {
    holders(node)
        .into_iter()
        .find(|holder| holder.starts_with("/dev/md"))
}

/// The devices on top of a device, by their stable names. Its own partitions do not count, which of a disk of device
/// mapper are maps.
pub(crate) fn holders(node: &str) -> Vec<String> {
    let directory = fs::read_dir(sysfs(node).join("holders"));
    let names = directory.into_iter().flatten().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .filter(|name| maps::partition(name).is_none())
        .map(|name| stable_name(&Path::new("/dev").join(name)))
        .collect()
}

/// Whether a disk is a path of a multipath device: what is on it is what that shows.
pub fn is_path(node: &str) -> bool {
    let mut holders = holders(node).into_iter();
    holders.any(|holder| is_multipath(&holder))
}

pub(crate) fn number(path: PathBuf) -> io::Result<u64> {
    let text = fs::read_to_string(&path)?;
    text.trim().parse().map_err(|_| {
        io::Error::other(format!(
            "{} holds {:?}, which is no number",
            path.display(),
            text.trim()
        ))
    })
}

/// Size and sector size of a block device, or of an image file (512-byte sectors).
pub fn geometry(path: &Path) -> io::Result<Geometry> {
    let metadata = fs::metadata(path)?;
    if metadata.file_type().is_file() {
        return Ok(Geometry {
            size: metadata.len(),
            sector: 512,
        });
    }
    let directory = sysfs(&path.to_string_lossy());
    // sysfs counts in 512 bytes, whatever the sector size (Documentation/ABI/stable/sysfs-block).
    let size = number(directory.join("size"))?.saturating_mul(512);
    let own = directory.join("queue/logical_block_size");
    let sector = match number(own) {
        Ok(sector) => sector,
        // A partition has its disk's queue.
        Err(_) => number(fs::canonicalize(&directory)?.join("../queue/logical_block_size"))?,
    };
    Ok(Geometry { size, sector })
}

/// Whether a path leads to a block device.
pub fn is_block_device(path: &Path) -> bool {
    numbers(path).is_some()
}

/// Whether there is a device behind a node. mdadm and device mapper leave nodes behind where no udev
/// takes them away, and an array that was not started has no size.
pub fn is_there(node: &str) -> bool {
    let stacked = node.starts_with("/dev/md") || node.starts_with("/dev/mapper/");
    !stacked || number(sysfs(node).join("size")).is_ok_and(|size| size > 0)
}

/// Whether a node is a whole disk, which may have partitions.
pub fn is_disk(node: &str) -> bool {
    is_block_device(Path::new(node)) && !is_partition(&sysfs(node))
}

fn is_partition(directory: &Path) -> bool {
    let kernel = fs::canonicalize(directory).unwrap_or_else(|_| directory.into());
    let name = kernel.file_name().unwrap_or_default().to_string_lossy();
    directory.join("partition").exists() || maps::partition(&name).is_some()
}

/// All disks of the machine, without partitions and without empty drives.
pub fn disks() -> Vec<String> {
    let mut list: Vec<String> = fs::read_dir("/sys/class/block")
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| !is_partition(&entry.path()))
        .filter(|entry| number(entry.path().join("size")).is_ok_and(|size| size > 0))
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().replace('!', "/");
            stable_name(&Path::new("/dev").join(name))
        })
        .collect();
    list.arrange();
    list
}

/// The drives of this machine: disks behind which the kernel has a device of some bus, and that can be
/// written, and what multipath makes of them. Loop devices, arrays and volumes have none; CD drives and floppy disks
/// are passed over.
pub fn drives() -> Vec<String> {
    let is_drive = |node: &String| {
        let name = node.strip_prefix("/dev/").unwrap_or(node);
        let removable_medium = ["sr", "fd"].iter().any(|kind| {
            name.strip_prefix(kind)
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        });
        let directory = sysfs(node);
        (directory.join("device").exists() && !is_path(node) || is_multipath(node))
            && !removable_medium
            && number(directory.join("ro")).is_ok_and(|read_only| read_only == 0)
    };
    disks().into_iter().filter(is_drive).collect()
}

/// Whether the kernel writes nothing to a device (`ro` in sysfs; blockdev(8), `--setro`).
pub fn is_write_protected(node: &str) -> bool {
    number(sysfs(node).join("ro")).is_ok_and(|read_only| read_only != 0)
}

/// Has a device read as zeros in a range of bytes, where it does that by itself: by discarding. Answers whether it does.
/// Whether it rotates is no question: virtual disks say so as well.
pub fn discard(file: &fs::File, node: &str, range: std::ops::Range<u64>) -> bool {
    use rustix::fs::FallocateFlags;
    let queue = sysfs(node).join("queue");
    if number(queue.join("discard_max_bytes")).unwrap_or(0) == 0 {
        return false;
    }
    // Of a device this is write-zeroes with unmapping, which zeros or fails (block/fops.c, blkdev_fallocate).
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(file, flags, range.start, range.end - range.start).is_ok()
}

/// By whom a device is used: mounts, swap, devices on top of it. Its own partitions do not count.
pub fn user(node: &str) -> Option<Usage> {
    if let Some(holder) = holders(node).into_iter().next() {
        return Some(Usage::PartOf(holder));
    }
    let (major, minor) = numbers(Path::new(node))?;
    let id = format!("{major}:{minor}");
    // Sources that cannot be resolved (overlay, tmpfs) are simply not this device.
    for line in fs::read_to_string("/proc/self/mountinfo").ok()?.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let source = line
            .split(" - ")
            .nth(1)
            .and_then(|rest| rest.split(' ').nth(1));
        if fields.get(2) == Some(&id.as_str()) || source == Some(node) {
            let place = fields.get(4).unwrap_or(&"?").to_string();
            return Some(Usage::MountedAt(place));
        }
    }
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    let map = maps::real(node);
    let kernel = fs::canonicalize(map.as_deref().unwrap_or(node)).unwrap_or_else(|_| node.into());
    (swaps.lines())
        .filter_map(|line| line.split_whitespace().next())
        .any(|used| used == node || Path::new(used) == kernel)
        .then_some(Usage::Swap)
}
