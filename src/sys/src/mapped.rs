//! Disks of device mapper, such as multipath makes: the kernel gives them no partitions. Theirs are maps of their own,
//! made and removed as kpartx(8) does it, which the rules of udev call, too.
//!
//! kpartx names a map after the disk, with something between it and the number that each distribution chooses. Here
//! the name is always the one of [`partition_node`], whatever the map is called; [`real`] finds the map.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pilotlight_core::facts::disks::partition_node;
use pilotlight_core::ordered::Arrange as _;
use rustix::io::Errno;

use crate::blockdev::{number, sysfs};
use crate::kernel_table::Known;
use crate::tool;
use crate::uevents::udev_runs;

const CLASS: &str = "/sys/class/block";
/// Where udev's rules are, of which those of the later directories hide the earlier ones'.
const RULES: [&str; 3] = [
    "/usr/lib/udev/rules.d",
    "/run/udev/rules.d",
    "/etc/udev/rules.d",
];
/// Largest file of rules that is read, in bytes.
const MAX_RULES: u64 = 1 << 20;

/// A map that stands for a partition.
struct Map {
    /// Name of the map.
    name: String,
    /// Name of the map that is the disk.
    disk: String,
    /// Its slot.
    number: u32,
    /// In sysfs.
    directory: PathBuf,
}

/// Whether a device is one of device mapper.
pub fn is_mapped(node: &str) -> bool {
    node.starts_with("/dev/mapper/") || sysfs(node).join("dm").exists()
}

/// Whether multipath makes a device.
pub fn is_multipath(node: &str) -> bool {
    word(&sysfs(node).join("dm/uuid")).starts_with("mpath-")
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

/// The partitions of a disk that are there as maps.
pub fn known(disk: &str) -> io::Result<Vec<Known>> {
    let name = word(&sysfs(disk).join("dm/name"));
    let mut list = Vec::new();
    for map in maps(&name) {
        let size = number(map.directory.join("size"))?.saturating_mul(512);
        list.push(Known::new(map.number, map.start()?, size));
    }
    list.arrange_by_key(Known::number);
    Ok(list)
}

/// Makes the maps of a disk be exactly these partitions. Those that are right are not touched.
pub fn tell(disk: &str, wanted: &[Known]) -> io::Result<()> {
    let before = known(disk)?;
    if before == wanted {
        return Ok(());
    }
    let name = word(&sysfs(disk).join("dm/name"));
    let between = between(&name, disk);
    for map in maps(&name) {
        let stays = |known: &Known| {
            known.number() == map.number && before.iter().any(|old| old.begins_with(known))
        };
        if !wanted.iter().any(stays) {
            tool::run("dmsetup", &["remove", "--retry", &map.name], None)
                .map_err(io::Error::other)?;
        }
    }
    // It takes the partitions from the table that was just written.
    if !wanted.is_empty() {
        let arguments = ["-u", "-s", "-p", &between, disk];
        // udev's rules may call it at the same time, and one of the two finds nothing to do.
        if let Err(error) = tool::run("kpartx", &arguments, None)
            && !known(disk).is_ok_and(|now| now == wanted)
        {
            return Err(io::Error::other(error));
        }
    }
    if !udev_runs() {
        tool::run("dmsetup", &["mknodes"], None).map_err(io::Error::other)?;
    }
    Ok(())
}

/// What stands between the name of a disk and a partition's number: as udev's rules have kpartx do it for multipath,
/// which call it at every change and rename what is there; else as in the maps that are there; else as it is nearly
/// everywhere.
fn between(name: &str, disk: &str) -> String {
    let existing = maps(name).into_iter().find_map(|map| {
        let rest = map.name.strip_prefix(name)?;
        Some(rest.strip_suffix(&map.number.to_string())?.to_string())
    });
    let ruled = || match is_multipath(disk) {
        true => rules().iter().find_map(|text| ruled(text, name)),
        false => None,
    };
    ruled().or(existing).unwrap_or_else(|| "-part".into())
}

/// What a file of udev's rules has kpartx put there (kpartx(8), `-p`).
fn ruled(rules: &str, disk: &str) -> Option<String> {
    let mut lines = rules
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let call = lines.find_map(|line| Some(line.split_once("/kpartx ")?.1))?;
    let mut words = call.split(|c: char| c.is_whitespace() || c == '"');
    Some(match words.find(|word| *word == "-p").and(words.next()) {
        Some(between) => between.into(),
        None if disk.ends_with(|c: char| c.is_ascii_digit()) => "p".into(),
        None => String::new(),
    })
}

/// The texts of the files of rules that speak of kpartx.
fn rules() -> Vec<String> {
    let mut files = std::collections::BTreeMap::new();
    for directory in RULES {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            files.insert(entry.file_name(), entry.path());
        }
    }
    let text = |path: PathBuf| crate::read_regular(&path, MAX_RULES).ok()?;
    let texts = files.into_values().filter_map(text);
    let texts = texts.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    texts.filter(|text| text.contains("/kpartx ")).collect()
}

impl Map {
    fn node(&self) -> String {
        partition_node(&format!("/dev/mapper/{}", self.disk), self.number)
    }

    /// Where it begins on its disk, in bytes.
    fn start(&self) -> io::Result<u64> {
        // By its numbers: udev may be giving it another name.
        let numbers = fs::read_to_string(self.directory.join("dev"))?;
        let (major, minor) = numbers.trim().split_once(':').unwrap_or_default();
        let said = match tool::run("dmsetup", &["table", "-j", major, "-m", minor], None) {
            Err(_) if !self.directory.exists() => return Err(Errno::NOENT.into()),
            said => said.map_err(io::Error::other)?,
        };
        let said = String::from_utf8_lossy(&said).into_owned();
        let sector = first_sector(&said).ok_or_else(|| {
            let name = &self.name;
            io::Error::other(format!("the map {name} is no partition: {}", said.trim()))
        })?;
        Ok(sector.saturating_mul(512))
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
fn maps(disk: &str) -> Vec<Map> {
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

/// The fifth word of "0 40960 linear 254:0 2048".
fn first_sector(table: &str) -> Option<u64> {
    let words: Vec<&str> = table.split_whitespace().collect();
    match words.as_slice() {
        ["0", _, "linear", _, start] => start.parse().ok(),
        _ => None,
    }
}

/// The text of a file in sysfs; empty where there is none.
fn word(path: &Path) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn udevs_rules_say_what_stands_between_a_disk_and_a_number() {
        let table = [
            (
                r#"RUN+="/sbin/kpartx -un -p -part /dev/$name""#,
                "mpatha",
                Some("-part"),
            ),
            (
                r#"RUN+="/sbin/kpartx -un -p -part /dev/$name""#,
                "mpath0",
                Some("-part"),
            ),
            (
                r#"RUN+="/usr/sbin/kpartx -u -n -p p /dev/$name""#,
                "mpatha",
                Some("p"),
            ),
            (r#"RUN+="/sbin/kpartx -un /dev/$name""#, "mpatha", Some("")),
            (r#"RUN+="/sbin/kpartx -un /dev/$name""#, "mpath0", Some("p")),
            (
                r#"ENV{X}=="1", RUN+="/sbin/kpartx -un -p _part /dev/$name""#,
                "a",
                Some("_part"),
            ),
            (r#"# RUN+="/sbin/kpartx -un -p -old /dev/$name""#, "a", None),
            (
                "#/sbin/kpartx -p x\nRUN+=\"/sbin/kpartx -un -p y /dev/$name\"\n",
                "a",
                Some("y"),
            ),
            (r#"IMPORT{program}=="kpartx_id %M %m""#, "a", None),
            (r#"RUN+="/sbin/kpartx -p""#, "a", Some("")),
            ("", "a", None),
        ];
        for (rules, disk, expected) in table {
            assert_eq!(ruled(rules, disk).as_deref(), expected, "{rules}");
        }
    }

    #[test]
    fn a_partition_is_one_linear_piece() {
        let table = [
            ("0 40960 linear 254:0 2048\n", Some(2048)),
            ("0 40960 linear /dev/sda 0", Some(0)),
            ("0 8 linear 254:0 2048\n8 8 linear 254:0 9000\n", None),
            ("0 40960 striped 2 128 8:0 0 8:16 0", None),
            ("0 40960 crypt aes-xts-plain64 :64:logon:x 0 8:0 4096", None),
            ("0 40960 linear 254:0 -1", None),
            ("0 40960 linear 254:0", None),
            ("8 40960 linear 254:0 1", None),
            ("", None),
            ("\u{0}", None),
        ];
        for (said, expected) in table {
            assert_eq!(first_sector(said), expected, "{said:?}");
        }
    }

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
