//! Disks of device mapper, such as multipath makes: the kernel gives them no partitions. Theirs are maps of their own,
//! made and removed as kpartx(8) does it, which the rules of udev call, too.

use std::fs;
use std::io;
use std::path::PathBuf;

use pilotlight_core::ordered::Arrange as _;
use rustix::io::Errno;

use crate::blockdev::{is_multipath, number, sysfs};
use crate::known::Known;
use crate::maps::{Map, maps, word};
use crate::tool;
use crate::uevents::udev_runs;

/// Where udev's rules are, of which those of the later directories hide the earlier ones'.
const RULES: [&str; 3] = [
    "/usr/lib/udev/rules.d",
    "/run/udev/rules.d",
    "/etc/udev/rules.d",
];
/// Largest file of rules that is read, in bytes.
const MAX_RULES: u64 = 1 << 20;

/// The partitions of a disk that are there as maps.
pub fn known(disk: &str) -> io::Result<Vec<Known>> {
    let name = word(&sysfs(disk).join("dm/name"));
    let mut list = Vec::new();
    for map in maps(&name) {
        let size = number(map.directory.join("size"))?.saturating_mul(512);
        list.push(Known::new(map.number, start(&map)?, size));
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

/// Where a map begins on its disk, in bytes.
fn start(map: &Map) -> io::Result<u64> {
    // By its numbers: udev may be giving it another name.
    let numbers = fs::read_to_string(map.directory.join("dev"))?;
    let (major, minor) = numbers.trim().split_once(':').unwrap_or_default();
    let said = match tool::run("dmsetup", &["table", "-j", major, "-m", minor], None) {
        Err(_) if !map.directory.exists() => return Err(Errno::NOENT.into()),
        said => said.map_err(io::Error::other)?,
    };
    let said = String::from_utf8_lossy(&said).into_owned();
    let sector = first_sector(&said).ok_or_else(|| {
        let name = &map.name;
        io::Error::other(format!("the map {name} is no partition: {}", said.trim()))
    })?;
    Ok(sector.saturating_mul(512))
}

/// The fifth word of "0 40960 linear 254:0 2048".
fn first_sector(table: &str) -> Option<u64> {
    let words: Vec<&str> = table.split_whitespace().collect();
    match words.as_slice() {
        ["0", _, "linear", _, start] => start.parse().ok(),
        _ => None,
    }
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
}
