//! The maps that stand for partitions of disks of device mapper, as they are there (kpartx(8)).
//!
//! kpartx names a map after the disk, with something between it and the number that each distribution chooses. Here
//! the name is always the one of [`partition_node`], whatever the map is called; [`real`] finds the map.

use std::fs;
use std::path::{Path, PathBuf};

use pilotlight_core::facts::disks::partition_node;
use pilotlight_core::ordered::Arrange as _;

const CLASS: &str = "/sys/class/block";

/// A map that stands for a partition.
pub(crate) struct Map {
    /// Name of the map.
    pub(crate) name: String,
    /// Name of the map that is the disk.
    pub(crate) disk: String,
    /// Its slot.
    pub(crate) number: u32,
    /// In sysfs.
    pub(crate) directory: PathBuf,
}

/// The disk of a partition that is a map, and its number: both by names in sysfs.
pub fn partition(kernel_name: &str) -> Option<(String, u32)> {
    let map = map(&Path::new(CLASS).join(kernel_name))?;
    Some((format!("/dev/mapper/{}", map.disk), map.number))
}

/// The node of a map by the name that its partition has here; `None` for what is no such map.
pub fn real(node: &str) -> Option<String> {
    let disk = node.strip_prefix("/dev/mapper/")?.rsplit_once("-part")?.0;
    let map = maps(disk).into_iter().find(|map| map.node() == node)?;
    Some(map.real())
}

/// The name here of a partition by any name that its map may have or get: `/dev/mapper/mpathap1`, or udev's link of
/// that.
pub fn named(path: &str) -> Option<String> {
    let name = (path.strip_prefix("/dev/mapper/"))
        .or_else(|| path.strip_prefix("/dev/disk/by-id/dm-name-"))?;
    let disk = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number: u32 = name.strip_prefix(disk)?.parse().ok()?;
    let disks = ["-part", "p", ""].map(|between| disk.strip_suffix(between));
    let mut maps = disks.into_iter().flatten().flat_map(maps);
    Some(maps.find(|map| map.number == number)?.node())
}

impl Map {
    pub(crate) fn node(&self) -> String {
        partition_node(&format!("/dev/mapper/{}", self.disk), self.number)
    }

    fn real(&self) -> String {
        let node = format!("/dev/mapper/{}", self.name);
        match Path::new(&node).exists() {
            true => node,
            false => {
                let kernel = self.directory.file_name().unwrap_or_default();
                format!("/dev/{}", kernel.to_string_lossy())
            }
        }
    }
}

/// The maps that are partitions of a disk.
pub(crate) fn maps(disk: &str) -> Vec<Map> {
    let entries = fs::read_dir(CLASS).into_iter().flatten().flatten();
    let of_mapper = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("dm-"));
    let maps = of_mapper.filter_map(|entry| map(&entry.path()));
    let mut list: Vec<Map> = maps.filter(|map| map.disk == disk).collect();
    list.arrange_by_key(|map| map.number);
    list
}

/// A partition by kpartx's mark in its UUID ("part2-mpath-…"). The disk below it is another map.
fn map(directory: &Path) -> Option<Map> {
    let uuid = word(&directory.join("dm/uuid"));
    let (number, _) = uuid.strip_prefix("part")?.split_once('-')?;
    let mut below = fs::read_dir(directory.join("slaves")).ok()?.flatten();
    let disk = word(&below.next()?.path().join("dm/name"));
    (!disk.is_empty()).then_some(())?;
    Some(Map {
        name: word(&directory.join("dm/name")),
        disk,
        number: number.parse().ok()?,
        directory: directory.into(),
    })
}

/// The text of a file in sysfs; empty where there is none.
pub(crate) fn word(path: &Path) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_has_no_map() {
        for path in [
            "/dev/mapper/none-part1",
            "/dev/mapper/-part1",
            "/dev/mapper/none1",
            "/dev/mapper/nonep1",
            "/dev/mapper/1",
            "/dev/mapper/",
            "/dev/mapper/none-part99999999999",
            "/dev/disk/by-id/dm-name-none-part1",
            "/dev/sda1",
            "",
        ] {
            assert_eq!((real(path), named(path)), (None, None), "{path}");
        }
    }
}
