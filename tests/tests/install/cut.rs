//! Power that fails at any moment of an installation, proven by replaying what was written.
//!
//! A guest installs onto a disk whose writes dm-log-writes records. For each cut the host makes the disk that a power
//! failure would have left: all writes up to a flush, and of the writes after it none or some. On it is what was there
//! before, or nothing that boots, or the whole image with its config; a saved partition is intact on all of them.
//! From some the installation is run again, and ends as if nothing had been cut.
//!
//! The tests named `sample` take a few cuts, `make crash` takes all flushes and hundreds between them. `PROPTEST_RNG_SEED`
//! takes others by chance.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Cursor, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use gptman::GPTHeader;
use pilotlight_tests::block_log::{Chance, Cut, Log, Piece};
use pilotlight_tests::uml::Guest;
use pilotlight_tests::{seed, tool};

use crate::image::{CONFIG, SIZE, files_of_image, image, numbers, place_of};
use crate::saved::{START, with_data};
use crate::{Disk, install, text};

const MIB: usize = 1 << 20;
const SECTOR: usize = 512;
/// The partition that the config goes to.
const OEM: u32 = 6;

/// An installation whose writes are recorded.
struct Case {
    name: &'static str,
    /// Arguments beside disk, image, key and config.
    arguments: &'static str,
    /// Whether a partition is saved.
    saves: bool,
}

/// How many cuts are looked at.
struct Amount {
    /// At flushes; all where there are fewer.
    flushes: usize,
    torn: usize,
    /// From how many of them the installation is run again.
    again: usize,
}

const SAMPLE: Amount = Amount {
    flushes: 12,
    torn: 24,
    again: 2,
};
const ALL: Amount = Amount {
    flushes: usize::MAX,
    torn: 400,
    again: 24,
};

const SAVED: Case = Case {
    name: "saved",
    arguments: "--save-partlabel my-* --append-karg quiet",
    saves: true,
};
const REPLACED: Case = Case {
    name: "replaced",
    arguments: "--read-back --append-karg quiet",
    saves: false,
};

#[test]
fn sample_of_cuts_with_a_saved_partition() {
    crash(&SAVED, &SAMPLE);
}

#[test]
#[ignore = "all flushes and hundreds of cuts between them: make crash"]
fn all_cuts_with_a_saved_partition() {
    crash(&SAVED, &ALL);
}

#[test]
#[ignore = "all flushes and hundreds of cuts between them: make crash"]
fn all_cuts_where_everything_is_replaced() {
    crash(&REPLACED, &ALL);
}

/// What a cut has left.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Left {
    AsItWas,
    NothingBoots,
    Verified,
}

/// A partition as one copy of a table has it: label, first and last byte.
type Entry = (String, std::ops::Range<usize>);

/// What all cuts of an installation are held against.
struct Expected<'a> {
    before: &'a [u8],
    raw: &'a [u8],
    data: Option<&'a [u8]>,
    config: &'a str,
    /// What was found on OEM, by its bytes.
    seen: BTreeMap<Vec<u8>, Result<(), String>>,
}

fn crash(case: &Case, amount: &Amount) {
    let mut guest = Guest::new().memory(768);
    let mib = SIZE + 40;
    let (target, log, files) = (guest.disk(mib), guest.disk(8 * mib), guest.disk(64));
    let mut before = Vec::new();
    let mut data = Vec::new();
    let directory = tempfile::tempdir().unwrap();
    let line = |disk: &str, directory: &Path| {
        let at = |name: &str| directory.join(name).display().to_string();
        let (image, key, config) = (at("image.bin.bz2"), at("release.asc"), at("node.ign"));
        format!(
            "-d {disk} -f {image} -k {key} -i {config} --yes {}",
            case.arguments
        )
    };
    guest.on_host(|| {
        let (disk, bytes) = with_data();
        tool(&format!(
            "mkfs.ext4 -q -F -L OLD -E offset=1048576 {} 8M",
            disk.node()
        ));
        before = disk.bytes();
        data = bytes;
        fs::write(guest.image(&target), &before).unwrap();
        files_of_image(&guest.image(&files));
        tool(&format!(
            "mount -o ro,loop {} {}",
            guest.image(&files).display(),
            directory.path().display()
        ));
    });
    guest.boot(|| record(&target, &log, &files, &line));
    guest.on_host(|| {
        let log = Log::read(File::open(guest.image(&log)).unwrap()).unwrap();
        let raw = fs::read(&image().raw).unwrap();
        let expected = Expected {
            before: &before,
            raw: &raw,
            data: case.saves.then_some(&data[..]),
            config: CONFIG,
            seen: BTreeMap::new(),
        };
        let saved = expected.data;
        let again = |bytes: &[u8]| again(bytes, &line, directory.path(), saved);
        look(case, amount, &log, expected, &again);
        tool(&format!("umount {}", directory.path().display()));
    });
}

/// Installs, in the guest, and records.
fn record(target: &str, log: &str, files: &str, line: &dyn Fn(&str, &Path) -> String) {
    for module in ["dm-log-writes", "loop"] {
        let _ = std::process::Command::new("modprobe").arg(module).status();
    }
    let sectors = tool(&format!("blockdev --getsz {target}"));
    let table = format!("0 {sectors} log-writes {target} {log}");
    let made = std::process::Command::new("dmsetup")
        .args(["create", "recorded", "--table", &table])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    tool("dmsetup mknodes recorded");
    let node = tool("losetup --find --show --partscan --direct-io=on /dev/mapper/recorded");
    fs::create_dir_all("/run/files").unwrap();
    tool(&format!("mount -o ro {files} /run/files"));
    let answer = install(&line(&node, Path::new("/run/files")));
    assert_eq!(answer.code, Some(0), "{}", text(&answer));
    tool(&format!("losetup --detach {node}"));
    tool("dmsetup remove --retry recorded");
}

/// Looks at the cuts, in their order.
fn look(
    case: &Case,
    amount: &Amount,
    log: &Log,
    mut expected: Expected<'_>,
    again: &dyn Fn(&[u8]) -> Result<(), String>,
) {
    let mut chance = Chance::of_run();
    let cuts = cuts(log, amount, &mut chance);
    let turns = chance.spread(cuts.len(), amount.again);
    let (mut figures, mut failures, mut ran) = (BTreeMap::new(), Vec::new(), 0);
    let memory = tempfile::tempfile_in("/dev/shm").unwrap();
    memory.write_all_at(expected.before, 0).unwrap();
    let mut current = expected.before.to_vec();
    let mut torn = Vec::new();
    let mut reached = 0;
    for (turn, cut) in cuts.iter().enumerate() {
        if cut.prefix > reached {
            log.replay(reached..cut.prefix, &memory).unwrap();
            memory.read_exact_at(&mut current, 0).unwrap();
            reached = cut.prefix;
        }
        let bytes = match cut.pieces.is_empty() {
            true => &current,
            // What comes after the flush is taken back again.
            false => {
                log.put(&cut.pieces, &memory).unwrap();
                torn.resize(current.len(), 0);
                memory.read_exact_at(&mut torn, 0).unwrap();
                for place in cut.pieces.iter().map(Piece::place) {
                    let at = usize::try_from(place.start).unwrap();
                    let end = usize::try_from(place.end).unwrap();
                    memory.write_all_at(&current[at..end], place.start).unwrap();
                }
                &torn
            }
        };
        match left(bytes, &mut expected) {
            Ok(left) => *figures.entry(left).or_insert(0) += 1,
            Err(why) => failures.push(format!("{}: {why}", cut.name)),
        }
        if turns.contains(&turn) {
            ran += 1;
            if let Err(why) = again(bytes) {
                failures.push(format!("{}: again: {why}", cut.name));
            }
        }
    }
    println!(
        "{}: seed {}, {} flushes, {} cuts ({} at flushes), {figures:?}, {ran} installed again, {} failures",
        case.name,
        seed(),
        log.flushes(),
        cuts.len(),
        cuts.iter()
            .filter(|cut| cut.name.starts_with("flush"))
            .count(),
        failures.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    for kind in [Left::AsItWas, Left::NothingBoots, Left::Verified] {
        assert!(figures.contains_key(&kind), "no cut left {kind:?}");
    }
}

/// The first flush, the last and some between them; and cuts between flushes, in the order of the log.
fn cuts(log: &Log, amount: &Amount, chance: &mut Chance) -> Vec<Cut> {
    let all = log.at_flushes();
    let mut numbers = chance.spread(all.len(), amount.flushes);
    numbers.extend([0, all.len() - 1]);
    numbers.sort_unstable();
    numbers.dedup();
    let mut chosen: Vec<Cut> = numbers.into_iter().map(|n| all[n].clone()).collect();
    chosen.extend(log.torn_cuts(amount.torn, chance));
    chosen.sort_by_key(|cut| cut.prefix);
    chosen
}

/// One copy of a partition table, if it is whole: `at` is its header's place in bytes.
fn copy_of_table(disk: &[u8], at: usize) -> Option<Vec<Entry>> {
    let mut reader = Cursor::new(disk);
    reader.seek(SeekFrom::Start(at as u64)).unwrap();
    let header = GPTHeader::read_from(&mut reader).ok()?;
    if usize::try_from(header.primary_lba).ok()? * SECTOR != at {
        return None;
    }
    let entries = header.read_partitions(&mut reader, SECTOR as u64).ok()?;
    if header.generate_partition_entry_array_crc32(&entries) != header.partition_entry_array_crc32 {
        return None;
    }
    let bytes = |lba: u64| usize::try_from(lba).unwrap() * SECTOR;
    let used = entries.iter().filter(|entry| entry.is_used());
    Some(
        used.map(|entry| {
            let range = bytes(entry.starting_lba)..bytes(entry.ending_lba + 1);
            (entry.partition_name.as_str().to_string(), range)
        })
        .collect(),
    )
}

/// What a disk is, or why it may not be so.
fn left(disk: &[u8], expected: &mut Expected<'_>) -> Result<Left, String> {
    let copies: Vec<Vec<Entry>> = [SECTOR, disk.len() - SECTOR]
        .into_iter()
        .filter_map(|at| copy_of_table(disk, at))
        .collect();
    if let Some(data) = expected.data {
        let start = usize::try_from(START).unwrap() * MIB;
        if disk[start..start + data.len()] != *data {
            return Err("the saved data are others".into());
        }
        let entry = ("my-data".to_string(), start..start + data.len());
        if !copies.iter().any(|entries| entries.contains(&entry)) {
            return Err(format!(
                "no copy of the table has the saved partition: {copies:?}"
            ));
        }
    }
    let lists = |label: &str| {
        let mut entries = copies.iter().flatten();
        entries.any(|(name, _)| name == label)
    };
    if lists("old") {
        // A system of which a part is another's is none: as long as it is named, only its signature may be gone.
        let old = MIB..9 * MIB;
        let image = usize::try_from(SIZE).unwrap() * MIB;
        let signature = 64 << 10;
        let kept = [old.start + signature..old.end - signature, old.end..image];
        return match kept
            .into_iter()
            .all(|range| disk[range.clone()] == expected.before[range])
        {
            true if !lists("USR-A") => Ok(Left::AsItWas),
            _ => Err("the old table is there, and the image begun".into()),
        };
    }
    let boots = disk[..440].iter().any(|byte| *byte != 0)
        || ["EFI-SYSTEM", "USR-A", "ROOT", "OEM"]
            .into_iter()
            .any(lists);
    if !boots {
        return Ok(Left::NothingBoots);
    }
    for number in numbers().filter(|number| *number != OEM) {
        let place = place_of(number);
        if disk[place.clone()] != expected.raw[place] {
            return Err(format!(
                "it boots, and partition {number} is not the image's"
            ));
        }
    }
    let oem = disk[place_of(OEM)].to_vec();
    let config = expected.config;
    let seen = expected
        .seen
        .entry(oem)
        .or_insert_with_key(|oem| configured(oem, config));
    seen.clone().map(|()| Left::Verified)
}

/// Whether an OEM partition has the config and the kernel argument: for GRUB, which replays no log, and for Linux.
fn configured(oem: &[u8], config: &str) -> Result<(), String> {
    let file = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
    fs::write(file.path(), oem).unwrap();
    let at = tempfile::tempdir().unwrap();
    // What is only read is mounted from a device that can be written to.
    let node = tool(&format!("losetup --find --show {}", file.path().display()));
    let mut seen = Vec::new();
    for options in ["ro,rescue=nologreplay", "ro"] {
        let line = format!("mount -o {options} {node} {}", at.path().display());
        let mounted = pilotlight_tests::run(&line);
        if mounted.code != Some(0) {
            seen.push(Err(format!("{options}: {}", mounted.err)));
            continue;
        }
        let read = |name: &str| fs::read_to_string(at.path().join(name)).unwrap_or_default();
        let (found, grub) = (read("config.ign"), read("grub.cfg"));
        tool(&format!("umount {}", at.path().display()));
        seen.push(match found == config && grub.contains("quiet") {
            true => Ok(()),
            false => Err(format!(
                "{options}: the config {found:?}, the arguments {grub:?}"
            )),
        });
    }
    tool(&format!("losetup --detach {node}"));
    let seen: Result<(), String> = seen.into_iter().collect();
    seen.map_err(|why| format!("it boots, and OEM is not as it has to be: {why}"))
}

/// Runs the installation again on what a cut has left.
fn again(
    bytes: &[u8],
    line: &dyn Fn(&str, &Path) -> String,
    directory: &Path,
    data: Option<&[u8]>,
) -> Result<(), String> {
    let disk = Disk::new(bytes.len() as u64 >> 20);
    let file = File::options().write(true).open(disk.node()).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.sync_all().unwrap();
    drop(file);
    // The kernel of a machine that starts finds what is there.
    let _ = pilotlight_tests::run(&format!("partx --update {}", disk.node()));
    let answer = install(&line(disk.node(), directory));
    if !matches!(answer.code, Some(0 | 77)) {
        return Err(text(&answer));
    }
    let bytes = disk.bytes();
    let start = usize::try_from(START).unwrap() * MIB;
    if data.is_some_and(|data| bytes[start..start + data.len()] != *data) {
        return Err("the saved data are others".into());
    }
    let said = tool(&format!("sgdisk --verify {}", disk.node()));
    let labels = tool(&format!("sgdisk --print {}", disk.node()));
    match said.contains("No problems found") && labels.contains("USR-A") {
        true => Ok(()),
        false => Err(format!("{said}\n{labels}")),
    }
}
