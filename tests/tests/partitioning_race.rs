//! Disks are partitioned while udev looks at them: the stages of eight disks at once in one guest, so that udev is
//! behind and has tables read again when it likes.
//!
//! udev notices that a disk was closed after writing, and has the kernel read its table again: all partitions
//! go and come back, at a moment that nobody chose. Half of the disks are loop devices, whose partitions come
//! by another way in the kernel.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use pilotlight_tests::FirstBoot;
use pilotlight_tests::uml::{Guest, loop_device};

/// Disks that are partitioned at the same time.
const DISKS: usize = 8;
/// Longer than every wait of a stage: what runs as long as this hangs.
const HUNG: Duration = Duration::from_secs(600);
const MIB: u64 = 1 << 20;

/// A partition as the test wants it: slot, label, start and size in MiB.
type Wanted = (u32, &'static str, u64, u64);

/// The tables that a disk has one after the other: made new, with one that grows, one that is gone, one that
/// takes its place, and one that is replaced where it is.
const ROUNDS: [&[Wanted]; 4] = [
    &[
        (1, "a", 1, 4),
        (2, "b", 5, 4),
        (3, "c", 9, 4),
        (4, "d", 20, 4),
    ],
    &[(1, "a", 1, 4), (3, "c", 9, 8), (4, "d", 20, 4)],
    &[
        (1, "a", 1, 4),
        (2, "e", 5, 2),
        (3, "c", 9, 6),
        (5, "f", 30, 8),
    ],
    &[
        (2, "e", 5, 2),
        (3, "g", 9, 6),
        (4, "h", 20, 8),
        (5, "f", 30, 8),
        (9, "i", 40, 1),
    ],
];

/// The config that leads from one table to the next.
fn config(disk: &str, round: usize, before: &[Wanted], after: &[Wanted]) -> String {
    let mut partitions = Vec::new();
    for (number, ..) in before {
        if !after.iter().any(|new| new.0 == *number) {
            partitions.push(format!(
                r#"{{"number": {number}, "shouldExist": false, "wipePartitionEntry": true}}"#
            ));
        }
    }
    for (number, label, start, size) in after {
        let same = before.iter().find(|old| old.0 == *number);
        // What has another label is another partition; what has another size is resized.
        let how = match same {
            Some(old) if old.1 == *label => r#""resize": true"#,
            _ => r#""wipePartitionEntry": true"#,
        };
        partitions.push(format!(
            r#"{{"number": {number}, "label": "{label}{}", "startMiB": {start}, "sizeMiB": {size}, {how}}}"#,
            disk.trim_start_matches("/dev/")
        ));
    }
    format!(
        r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{"disks": [{{"device": "{disk}",
        "wipeTable": {}, "partitions": [{}]}}]}}}}"#,
        round == 0,
        partitions.join(", ")
    )
}

/// Number → start and size in bytes, of the partitions of a disk that the kernel shows and that have a node.
fn shown(disk: &str) -> BTreeMap<u32, (u64, u64)> {
    let name = disk.trim_start_matches("/dev/");
    let number =
        |path: &Path| -> Option<u64> { fs::read_to_string(path).ok()?.trim().parse().ok() };
    (fs::read_dir(format!("/sys/class/block/{name}"))
        .unwrap()
        .flatten())
    .filter_map(|entry| {
        let path = entry.path();
        let partition = number(&path.join("partition"))?;
        let node = Path::new("/dev").join(entry.file_name());
        let place = (
            number(&path.join("start"))? * 512,
            number(&path.join("size"))? * 512,
        );
        node.exists()
            .then(|| (u32::try_from(partition).unwrap(), place))
    })
    .collect()
}

/// What went wrong, in words for people: the round, the disk and what was said.
#[derive(Default)]
struct Tally {
    done: usize,
    hung: Vec<String>,
    failed: Vec<String>,
}

/// Runs a stage to its end; `None` when it hung and was killed.
fn bounded(boot: &FirstBoot, stage: &str) -> Option<(Option<i32>, String)> {
    let log = tempfile::tempfile().unwrap();
    let mut command: Command = boot.command(stage);
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap());
    command.stderr(log.try_clone().unwrap()).process_group(0);
    let mut child = command.spawn().unwrap();
    let begun = Instant::now();
    let code = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status.code());
        }
        if begun.elapsed() > HUNG {
            kill_group(&mut child);
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let said = text(log);
    if code.is_none() {
        println!("{stage} hung: {said}");
    }
    Some((code?, said))
}

fn kill_group(child: &mut Child) {
    // What it waits for is in its group.
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    let _ = child.wait();
}

fn text(mut log: File) -> String {
    let mut said = String::new();
    log.rewind().unwrap();
    log.read_to_string(&mut said).unwrap();
    said
}

/// Partitions one disk so many times; answers early when the agent hung there, as the disk is not as it should be.
fn partition(disk: &str, times: usize, tally: &Mutex<Tally>) {
    let name = disk.trim_start_matches("/dev/");
    let mut before: &[Wanted] = &[];
    for time in 0..times {
        let round = time % ROUNDS.len();
        let after = ROUNDS[round];
        let text = config(disk, round, before, after);
        let directory = format!("/run/boots/{name}");
        let _ = fs::remove_dir_all(&directory);
        let boot = FirstBoot::new(
            Path::new(&directory),
            &Path::new(&directory).join("root"),
            text.as_bytes(),
        );
        let what = format!("{disk}, time {time} (table {round})");
        let fetched = boot.stage("fetch-offline");
        assert_eq!(fetched.code, Some(0), "{fetched:?}");
        let outcome = bounded(&boot, "disks");
        let mut tally = tally.lock().unwrap();
        tally.done += 1;
        if tally.done.is_multiple_of(100) {
            let (hung, failed) = (tally.hung.len(), tally.failed.len());
            println!(
                "so far {} partitionings: {hung} hung, {failed} failed",
                tally.done
            );
        }
        match outcome {
            None => tally.hung.push(what),
            Some((Some(0), said)) => {
                let wanted: BTreeMap<u32, (u64, u64)> = (after.iter())
                    .map(|(number, _, start, size)| (*number, (start * MIB, size * MIB)))
                    .collect();
                let seen = shown(disk);
                let labels: Vec<String> = (after.iter())
                    .map(|(_, label, ..)| format!("/dev/disk/by-partlabel/{label}{name}"))
                    .filter(|link| !Path::new(link).exists())
                    .collect();
                if seen != wanted || !labels.is_empty() {
                    tally.failed.push(format!(
                        "{what}: the kernel shows {seen:?}, wanted {wanted:?}; without a link: {labels:?}; {said}"
                    ));
                }
            }
            Some((code, said)) => tally
                .failed
                .push(format!("{what}: exit code {code:?}: {said}")),
        }
        if tally
            .hung
            .iter()
            .chain(&tally.failed)
            .any(|what| what.starts_with(disk))
            && round != 3
        {
            // The next table builds on this one.
            before = &[];
            let rest = Command::new("wipefs")
                .args(["--all", "--force", disk])
                .output();
            assert!(rest.unwrap().status.success());
            continue;
        }
        before = after;
    }
}

/// Partitions all disks at once, each so many times.
fn race(mut guest: Guest, times: usize) {
    let disks: Vec<String> = (0..DISKS).map(|_| guest.disk(64)).collect();
    guest.boot(|| {
        let disks: Vec<String> = (disks.iter().enumerate())
            .map(|(place, disk)| match place % 2 {
                0 => disk.clone(),
                _ => loop_device(disk, 512),
            })
            .collect();
        let tally = Mutex::new(Tally::default());
        std::thread::scope(|scope| {
            for disk in &disks {
                scope.spawn(|| partition(disk, times, &tally));
            }
        });
        let tally = tally.into_inner().unwrap();
        let (hung, failed) = (tally.hung.len(), tally.failed.len());
        println!("{} partitionings: {hung} hung, {failed} failed", tally.done);
        assert!(
            hung + failed == 0,
            "hung: {:#?}\nfailed: {:#?}",
            tally.hung,
            tally.failed
        );
        assert_eq!(tally.done, times * DISKS);
    });
}

#[test]
fn disks_that_udev_looks_at_are_partitioned_eight_at_once() {
    // A stage that hangs is to be seen as that, not as a guest that did not end.
    race(Guest::with_udev().patience(HUNG * 2), ROUNDS.len());
}

#[test]
#[ignore = "takes half an hour of processor time: make soak"]
fn two_thousand_partitionings_eight_at_once() {
    let patience = Duration::from_secs(6 * 3600);
    race(Guest::with_udev().patience(patience), 2000 / DISKS);
}
