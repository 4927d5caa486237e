//! Block devices as the kernel shows them: sysfs, and the BLKPG ioctl by which it is told of partitions.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pilotlight_core::facts::Usage;
use pilotlight_core::facts::disks::{Entry, Table, partition_node};

use crate::gpt::Geometry;
use crate::tool;
use crate::uevents::{Wait, udev_runs};

/// Layout of the ioctl's arguments (include/uapi/linux/blkpg.h).
mod sys {
    /// struct blkpg_ioctl_arg
    #[repr(C)]
    pub struct Arg {
        pub op: i32,
        pub flags: i32,
        pub datalen: i32,
        pub data: *mut Partition,
    }
    /// struct blkpg_partition: bytes, a number, two names that nobody reads.
    #[repr(C)]
    pub struct Partition {
        pub start: i64,
        pub length: i64,
        pub pno: i32,
        pub devname: [u8; 64],
        pub volname: [u8; 64],
    }
    pub const ADD: i32 = 1;
    pub const DELETE: i32 = 2;
    pub const RESIZE: i32 = 3;

    nix::ioctl_write_ptr_bad!(blkpg, nix::request_code_none!(0x12, 105), Arg);
}

/// A partition as the kernel knows it, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    number: u32,
    start: u64,
    size: u64,
}

impl Known {
    /// The partition that the kernel should know by an entry of a table.
    pub fn of(number: u32, entry: &Entry, sector: u64) -> Self {
        Self {
            number,
            start: entry.start.saturating_mul(sector),
            size: entry.sectors().saturating_mul(sector),
        }
    }
}

fn sysfs(node: &str) -> PathBuf {
    // Arrays and volumes have names of their own: links to the kernel's nodes, or nodes beside them.
    if (node.starts_with("/dev/md/") || node.starts_with("/dev/mapper/"))
        && let Some((major, minor)) = numbers(Path::new(node))
    {
        return format!("/sys/dev/block/{major}:{minor}").into();
    }
    let name = node.strip_prefix("/dev/").unwrap_or(node);
    Path::new("/sys/class/block").join(name.replace('/', "!"))
}

/// Device numbers of a block device.
fn numbers(node: &Path) -> Option<(u32, u32)> {
    let metadata = fs::metadata(node).ok()?;
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
        links.sort();
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

/// The devices on top of a device, by their stable names.
fn holders(node: &str) -> Vec<String> {
    let directory = fs::read_dir(sysfs(node).join("holders"));
    (directory.into_iter().flatten().flatten())
        .map(|entry| stable_name(&Path::new("/dev").join(entry.file_name())))
        .collect()
}

fn number(path: PathBuf) -> io::Result<u64> {
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
    is_block_device(Path::new(node)) && !sysfs(node).join("partition").exists()
}

/// All disks of the machine, without partitions and without empty drives.
pub fn disks() -> Vec<String> {
    let mut list: Vec<String> = fs::read_dir("/sys/class/block")
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| !entry.path().join("partition").exists())
        .filter(|entry| number(entry.path().join("size")).is_ok_and(|size| size > 0))
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().replace('!', "/");
            stable_name(&Path::new("/dev").join(name))
        })
        .collect();
    list.sort();
    list
}

/// The drives of this machine: disks behind which the kernel has a device of some bus, and that can be
/// written. Loop devices, arrays and volumes have none; CD drives and floppy disks are passed over.
pub fn drives() -> Vec<String> {
    let is_drive = |node: &String| {
        let name = node.strip_prefix("/dev/").unwrap_or(node);
        let removable_medium = ["sr", "fd"].iter().any(|kind| {
            name.strip_prefix(kind)
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        });
        let directory = sysfs(node);
        directory.join("device").exists()
            && !removable_medium
            && number(directory.join("ro")).is_ok_and(|read_only| read_only == 0)
    };
    disks().into_iter().filter(is_drive).collect()
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
    let kernel = fs::canonicalize(node).unwrap_or_else(|_| node.into());
    (swaps.lines())
        .filter_map(|line| line.split_whitespace().next())
        .any(|used| used == node || Path::new(used) == kernel)
        .then_some(Usage::Swap)
}

/// Partitions of a disk that the kernel knows and that are used, and by whom.
pub fn used_partitions(node: &str) -> Vec<(u32, Usage)> {
    known(node)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|known| {
            user(&partition_node(node, known.number)).map(|user| (known.number, user))
        })
        .collect()
}

/// The partitions of a disk that the kernel knows.
pub fn known(node: &str) -> io::Result<Vec<Known>> {
    let mut list = Vec::new();
    for entry in fs::read_dir(sysfs(node))? {
        let path = entry?.path();
        if !path.join("partition").exists() {
            continue;
        }
        let partition = number(path.join("partition"))?;
        list.push(Known {
            number: u32::try_from(partition).map_err(io::Error::other)?,
            start: number(path.join("start"))?.saturating_mul(512),
            size: number(path.join("size"))?.saturating_mul(512),
        });
    }
    Ok(list)
}

fn blkpg(disk: &File, op: i32, partition: Known) -> io::Result<()> {
    let signed = |n: u64| i64::try_from(n).map_err(io::Error::other);
    let mut data = sys::Partition {
        start: signed(partition.start)?,
        length: signed(partition.size)?,
        pno: i32::try_from(partition.number).map_err(io::Error::other)?,
        devname: [0; 64],
        volname: [0; 64],
    };
    let argument = sys::Arg {
        op,
        flags: 0,
        datalen: i32::try_from(size_of::<sys::Partition>()).map_err(io::Error::other)?,
        data: &mut data,
    };
    #[allow(unsafe_code)]
    // SAFETY: the argument and the partition it points at have the layout of linux/blkpg.h and live
    // until the call returns; the kernel only reads them.
    unsafe { sys::blkpg(disk.as_raw_fd(), &raw const argument) }?;
    Ok(())
}

/// How long someone may keep a partition open that goes away.
const READERS_WAIT: Duration = Duration::from_secs(10);

/// Has the kernel forget a partition, which it does not as long as anyone has it open. Those who use it were
/// seen before the plan was made: what is left are programs that look at every device, for a moment.
fn delete(disk: &File, node: &str, partition: Known) -> io::Result<()> {
    let mut wait = Wait::begin(READERS_WAIT);
    loop {
        match blkpg(disk, sys::DELETE, partition) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                let name = partition_node(node, partition.number);
                if !wait.for_next_look(&format!("whoever has {name} open")) {
                    return Err(error);
                }
            }
            done => return done,
        }
    }
}

/// Makes the kernel know exactly the partitions of the table. Partitions that are right are not touched,
/// so that mounted ones stay.
pub fn tell_kernel(disk: &File, node: &str, table: &Table, sector: u64) -> io::Result<()> {
    let wanted: Vec<Known> = table
        .partitions
        .iter()
        .map(|(number, entry)| Known::of(*number, entry, sector))
        .collect();
    let known = known(node)?;
    for old in known.iter().filter(|old| !wanted.contains(old)) {
        let same_start = wanted
            .iter()
            .find(|new| new.number == old.number && new.start == old.start);
        match same_start {
            // Growing waits until the space behind it is free.
            Some(new) if new.size < old.size => blkpg(disk, sys::RESIZE, *new)?,
            Some(_) => {}
            None => delete(disk, node, *old)?,
        }
    }
    for new in wanted.iter().filter(|new| !known.contains(new)) {
        let old = known
            .iter()
            .find(|old| old.number == new.number && old.start == new.start);
        match old {
            Some(old) if new.size > old.size => blkpg(disk, sys::RESIZE, *new)?,
            Some(_) => {}
            None => blkpg(disk, sys::ADD, *new)?,
        }
    }
    Ok(())
}

/// How long udev may take to finish with a disk.
const NODES_WAIT: Duration = Duration::from_secs(30);

/// Waits until the kernel shows exactly the table and the nodes are there.
///
/// Where udev runs, it has noticed that the disk was written, and may itself read the table again;
/// `udevadm trigger --settle` waits until it is done with that.
pub fn settle(node: &str, table: &Table, sector: u64) -> io::Result<()> {
    if udev_runs() {
        let arguments = ["trigger", "--settle", node];
        tool::run("udevadm", &arguments, None).map_err(io::Error::other)?;
    }
    let mut wait = Wait::begin(NODES_WAIT);
    loop {
        let known = known(node)?;
        let shown = |number: &u32, start: u64, sectors: u64| {
            let (start, size) = (start.saturating_mul(sector), sectors.saturating_mul(sector));
            known
                .iter()
                .any(|k| (k.number, k.start, k.size) == (*number, start, size))
                && Path::new(&partition_node(node, *number)).exists()
        };
        let whole = known.len() == table.partitions.len()
            && (table.partitions.iter())
                .all(|(number, entry)| shown(number, entry.start, entry.sectors()));
        if whole {
            return Ok(());
        }
        if !wait.for_next_look(&format!("the partitions of {node}")) {
            return Err(io::Error::other(format!(
                "the kernel does not show the new partitions of {node} after {} s: it knows {known:?}",
                NODES_WAIT.as_secs()
            )));
        }
    }
}

/// How long udev may take to look at devices again, in seconds; what `udevadm settle` has without being told.
const LOOK_WAIT: &str = "--timeout=120";

/// Has udev look again at devices whose content has changed, and waits until it is done.
///
/// udev notices by itself when someone closes a device that was open for writing, except while it handles an
/// earlier event of that device (systemd, `udev-watch.c`): the link by the label of a file system that was wiped
/// and made again may then be gone for good. And systemd starts nothing that is bound to a device whose last
/// event said that the link is gone, such as the root's `systemd-fsck-root.service`. It takes the events that
/// have come before it starts anything (`manager.c`: jobs have the priority "idle"), so they need only be out.
pub fn look_again<'a>(nodes: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
    if !udev_runs() {
        return Ok(());
    }
    for node in nodes {
        // A link leads to the node, whose name sysfs has. What is gone needs no look.
        if let Ok(node) = fs::canonicalize(node)
            && let Some(name) = node.file_name()
        {
            let uevent = Path::new("/sys/class/block").join(name).join("uevent");
            match fs::write(uevent, "change") {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    tool::run("udevadm", &["settle", LOOK_WAIT], None).map_err(io::Error::other)?;
    Ok(())
}
