//! The partitions that the kernel knows, and the BLKPG ioctl by which it is told of others.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use pilotlight_core::facts::Usage;
use pilotlight_core::facts::disks::{Table, partition_node};
use pilotlight_core::ordered::Arrange as _;

use crate::blockdev::{is_mapped, number, sysfs, user};
pub use crate::known::Known;
use crate::mapped;
use crate::settle::is_passing;
use crate::uevents::Wait;

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

/// The partitions of a disk that the kernel knows. While it reads the table again they go and come back: an
/// error that [`is_passing`] then.
pub fn known(node: &str) -> io::Result<Vec<Known>> {
    if is_mapped(node) {
        return mapped::known(node);
    }
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
    list.arrange_by_key(|known| known.number);
    Ok(list)
}

/// Partitions of a disk that the kernel knows and that are used, and by whom.
pub fn used_partitions(node: &str) -> Vec<(u32, Usage)> {
    known(node)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|known| {
            user(&partition_node(node, known.number())).map(|user| (known.number(), user))
        })
        .collect()
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

/// The partitions that the kernel should know by a table, in the order of their numbers.
pub fn wanted(table: &Table, sector: u64) -> Vec<Known> {
    (table.partitions.iter())
        .map(|(number, entry)| Known::of(*number, entry, sector))
        .collect()
}

/// How long others may be in the way of a change of the kernel's partitions.
const OTHERS_WAIT: Duration = Duration::from_secs(10);

/// Makes the kernel know exactly these partitions. Those that are right are not touched, so that mounted ones
/// stay.
///
/// Who uses a partition was seen before the plan was made. What is in the way now are programs that look at
/// every device and have it open for a moment, and whoever has the kernel read the table again: each is a
/// reason to look anew at what there is, and to go on from there.
pub fn tell(disk: &File, node: &str, wanted: &[Known]) -> io::Result<()> {
    let mut wait = Wait::begin(OTHERS_WAIT);
    loop {
        match tell_once(disk, node, wanted) {
            Err(error) if is_passing(&error) => {
                let what = format!("others to leave the partitions of {node} alone ({error})");
                if !wait.for_next_look(&what) {
                    let seconds = OTHERS_WAIT.as_secs();
                    let said = format!("others are in the way for {seconds} s: {error}");
                    return Err(io::Error::new(error.kind(), said));
                }
            }
            done => return done,
        }
    }
}

fn tell_once(disk: &File, node: &str, wanted: &[Known]) -> io::Result<()> {
    if is_mapped(node) {
        return mapped::tell(node, wanted);
    }
    let known = known(node)?;
    for old in known.iter().filter(|old| !wanted.contains(old)) {
        let same_start = wanted
            .iter()
            .find(|new| new.number == old.number && new.start == old.start);
        match same_start {
            // Growing waits until the space behind it is free.
            Some(new) if new.size < old.size => blkpg(disk, sys::RESIZE, *new)?,
            Some(_) => {}
            None => blkpg(disk, sys::DELETE, *old)?,
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
