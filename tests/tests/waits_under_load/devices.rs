//! Waits for disks, partitions and what lies on them.

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pilotlight_core::facts::disks::{Disks, Signature, partition_node};
use pilotlight_core::model::{Format, Guid, SysPath};
use pilotlight_core::op::DiskOp;
use pilotlight_sys::{DeviceMap, apply, disks};
use pilotlight_tests::{FirstBoot, tool};
use rustix::fs::{FlockOperation, flock};

use crate::{Ground, Round, Row, Running, Trouble, beside, check, insist, leads, moment, stage};

/// The rows of a guest.
pub fn rows(udev: bool) -> Vec<Row> {
    let row = |name, disks, begin| Row {
        name,
        disks,
        at_once: 1,
        begin,
    };
    let mut rows = vec![
        row("a late partition, by its node", 0, |ground| {
            late(ground, "")
        }),
        row("a late partition, by its label", 0, |ground| {
            late(ground, "/dev/disk/by-partlabel/")
        }),
        row(
            "a late partition, by its file system's label",
            0,
            |ground| late(ground, "/dev/disk/by-label/"),
        ),
        row("a late config drive", 0, config_drive),
        row("a locked disk that is partitioned", 1, locked_table),
        row(
            "a locked disk that gets a file system",
            1,
            locked_filesystem,
        ),
        row("an open partition that is deleted", 1, open_partition),
        row(
            "a table read again while its disk is looked at",
            1,
            looked_at,
        ),
        row(
            "a table read again while its file systems are made",
            1,
            made,
        ),
    ];
    if udev {
        rows.push(row("a new file system while udev is slow", 1, slow_udev));
    }
    rows
}

/// Keeps udev busy with a disk: it is closed after writing again and again, and so its table read anew.
///
/// In bursts: where udev gets more to do than it can, for ever, each stage waits its four minutes for it and goes on.
pub fn keep_closing(disk: String) {
    for time in 0.. {
        drop(File::options().write(true).open(&disk));
        let _ = File::options().write(true).open(partition_node(&disk, 2));
        let pause = match time % 4 {
            3 => Duration::from_secs(3),
            _ => Duration::ZERO,
        };
        thread::sleep(pause + moment(time, 100));
    }
}

/// Has the kernel read a table again, which takes all partitions away for a moment, unless one of them is open.
fn read_table_again(disk: &str) {
    mod raw {
        // linux/fs.h
        nix::ioctl_none!(blkrrpart, 0x12, 95);
    }
    // Not for writing: udev would have it read once more, and once more for the next row.
    let Ok(file) = File::open(disk) else {
        return;
    };
    // SAFETY: the descriptor is open, and the request takes no argument.
    #[allow(unsafe_code)]
    let _ = unsafe { raw::blkrrpart(file.as_raw_fd()) };
}

/// Has the table of a disk read again so many times at random moments, until the work has ended.
///
/// Not for ever: who has the table read again all the time lets nobody do anything, and leaves udev behind for good.
fn disturbed<T>(
    disk: &str,
    round: usize,
    times: usize,
    most: u64,
    work: Running<T>,
) -> Result<T, Trouble> {
    for time in 0..times {
        thread::sleep(moment(round * times + time, most));
        if let Some(ended) = work.has_ended() {
            return Ok(ended);
        }
        read_table_again(disk);
    }
    work.ends()
}

fn observe(paths: &[String]) -> Result<Disks, String> {
    let paths: Vec<SysPath> = paths
        .iter()
        .map(|path| SysPath::parse(path).unwrap())
        .collect();
    let images = DeviceMap::new();
    disks::observe(disks::Request {
        required: &paths.iter().collect::<Vec<_>>(),
        optional: &[],
        images: &images,
        wait: Duration::from_secs(240),
    })
    .map_err(|error| error.to_string())
}

/// Detaches a loop device, and waits until nobody has it open any more.
fn detach(node: &str) {
    let attached = format!("/sys/class/block/{}/loop", node.trim_start_matches("/dev/"));
    insist(&format!("{node} cannot be detached"), || {
        if Path::new(&attached).exists() {
            let _ = Command::new("losetup").args(["--detach", node]).output();
        }
        !Path::new(&attached).exists()
    });
}

/// An image with one partition whose label and file system's label are the word of the row.
fn image(ground: &Ground, content: &Path) -> String {
    let image = ground.directory.join("image").display().to_string();
    let word = &ground.word;
    File::create(&image).unwrap().set_len(4 << 20).unwrap();
    tool(&format!(
        "sgdisk --new=1:2048:+2M --change-name=1:{word} {image}"
    ));
    tool(&format!(
        "mkfs.ext4 -q -F -L {word} -d {} -E offset=1048576 {image} 2048k",
        content.display()
    ));
    image
}

/// A disk with a partition appears while its partition is waited for by a name below `links`.
fn late(ground: Ground, links: &'static str) -> Round {
    let empty = ground.directory.join("empty");
    fs::create_dir_all(&empty).unwrap();
    let image = image(&ground, &empty);
    let node = partition_node(&ground.late, 1);
    let link = match links {
        "" => node.clone(),
        links => format!("{links}{}", ground.word),
    };
    Box::new(move |round| {
        detach(&ground.late);
        thread::sleep(moment(round, 400));
        let asked = [link.clone()];
        let waiting = beside(move || observe(&asked));
        thread::sleep(moment(round, 300));
        tool(&format!("losetup --partscan {} {image}", ground.late));
        let seen = waiting.ends()?.map_err(Trouble::Failed)?;
        check(
            seen.missing.is_empty() && seen.links.get(&link) == Some(&node),
            || format!("{:?} is missing, {:?} is there", seen.missing, seen.links),
        )
    })
}

/// A disk with the config appears while the fetch stage waits for it, and its table is read again.
fn config_drive(ground: Ground) -> Round {
    let content = ground.directory.join("content");
    fs::create_dir_all(&content).unwrap();
    let config =
        r#"{"ignition":{"version":"3.4.0"},"storage":{"directories":[{"path":"/etc/there"}]}}"#;
    fs::write(content.join("node.ign"), config).unwrap();
    let image = image(&ground, &content);
    Box::new(move |round| {
        detach(&ground.late);
        let device = match round % 2 {
            0 => partition_node(&ground.late, 1),
            _ => ground.word.clone(),
        };
        let line = format!("ignition.config.device={device} ignition.config.path=/node.ign");
        let boot = ground.boot("").started_with(&line);
        let cached = ground.directory.join("run/ignition.json");
        let _ = fs::remove_file(&cached);
        let waiting = beside(move || stage(&boot, "fetch-offline"));
        thread::sleep(moment(round, 500));
        tool(&format!("losetup --partscan {} {image}", ground.late));
        let said = disturbed(&ground.late, round, 3, 600, waiting)??;
        let text = fs::read_to_string(&cached).unwrap_or_default();
        check(text.contains("/etc/there"), || {
            format!("not this config: {text}; {said}")
        })
    })
}

fn create(disk: &str, label: &str) -> DiskOp {
    DiskOp::CreatePartition {
        disk: disk.into(),
        number: 1,
        start: 2048,
        end: 2048 + 8191,
        sector: 512,
        type_guid: Guid([1; 16]),
        guid: None,
        label: label.into(),
    }
}

fn delete(disk: &str) -> DiskOp {
    DiskOp::DeletePartition {
        disk: disk.into(),
        number: 1,
        label: String::new(),
    }
}

fn edit(disk: &str, edits: Vec<DiskOp>) -> Result<(), Trouble> {
    let disk = disk.to_string();
    let editing = beside(move || {
        let edits: Vec<&DiskOp> = edits.iter().collect();
        apply::on_table(&disk, &edits).map_err(|error| error.to_string())
    });
    editing.ends()?.map_err(Trouble::Failed)
}

/// Takes the lock of a disk for a while, as programs do that change it.
fn lock_for(disk: &str, time: Duration) {
    let file = File::open(disk).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    thread::spawn(move || {
        thread::sleep(time);
        drop(file);
    });
}

fn new_table(disk: &str) -> DiskOp {
    DiskOp::CreateTable {
        disk: disk.into(),
        destroys: None,
    }
}

fn locked_table(ground: Ground) -> Round {
    let disk = ground.disks[0].clone();
    let node = partition_node(&disk, 1);
    Box::new(move |round| {
        lock_for(&disk, moment(round, 300));
        // A new table each time, so that no round builds on one that went wrong.
        edit(&disk, vec![new_table(&disk), create(&disk, &ground.word)])?;
        let there = Path::new(&node).exists();
        check(there, || format!("{node} is not there"))?;
        let link = format!("/dev/disk/by-partlabel/{}", ground.word);
        check(!ground.udev || leads(&link, &node), || {
            format!("{link} does not lead to {node}")
        })?;
        lock_for(&disk, moment(round + 1, 300));
        edit(&disk, vec![delete(&disk)])?;
        check(!Path::new(&node).exists(), || {
            format!("{node} is still there")
        })
    })
}

fn locked_filesystem(ground: Ground) -> Round {
    let disk = ground.disks[0].clone();
    Box::new(move |round| {
        let label = format!("{}-{round}", ground.word);
        lock_for(&disk, moment(round, 300));
        let steps = [
            DiskOp::WipeSignatures {
                device: disk.clone(),
                destroys: String::new(),
            },
            DiskOp::MakeFilesystem {
                device: disk.clone(),
                format: Format::Swap,
                label: Some(label.clone()),
                uuid: None,
                options: Vec::new(),
            },
        ];
        let making = beside(move || {
            for step in &steps {
                apply::on_disk(step).map_err(|error| error.to_string())?;
            }
            Ok(())
        });
        making.ends()?.map_err(Trouble::Failed)?;
        let asked = [disk.clone()];
        let seen = beside(move || observe(&asked))
            .ends()?
            .map_err(Trouble::Failed)?;
        let there = matches!(&seen.blocks[&disk].signature, Signature::Found(found) if found.label == label);
        check(there, || {
            format!("{:?} is on it", seen.blocks[&disk].signature)
        })
    })
}

/// The partition is open for a while, as when someone looks what is on it.
fn open_partition(ground: Ground) -> Round {
    let disk = ground.disks[0].clone();
    let node = partition_node(&disk, 1);
    Box::new(move |round| {
        edit(&disk, vec![new_table(&disk), create(&disk, &ground.word)])?;
        let file = File::open(&node);
        let file = file.map_err(|error| Trouble::Failed(format!("{node}: {error}")))?;
        thread::spawn(move || {
            thread::sleep(moment(round, 1500));
            drop(file);
        });
        edit(&disk, vec![delete(&disk)])?;
        check(!Path::new(&node).exists(), || {
            format!("{node} is still there")
        })
    })
}

/// A disk with two partitions, whose labels begin with the word of the row.
fn two_partitions(ground: &Ground) -> String {
    let disk = &ground.disks[0];
    let word = &ground.word;
    tool(&format!(
        "sgdisk --new=1:2048:+4M --change-name=1:{word}a --new=2:0:+4M --change-name=2:{word}b {disk}"
    ));
    let second = partition_node(disk, 2);
    insist(&format!("{second} cannot be formatted"), || {
        let made = Command::new("mkswap")
            .args(["-L", &format!("{word}S"), &second])
            .output();
        made.unwrap().status.success()
    });
    disk.clone()
}

fn looked_at(ground: Ground) -> Round {
    let disk = two_partitions(&ground);
    let word = ground.word;
    let (first, second) = (partition_node(&disk, 1), partition_node(&disk, 2));
    let asked = [
        second.clone(),
        format!("/dev/disk/by-partlabel/{word}a"),
        format!("/dev/disk/by-label/{word}S"),
        disk.clone(),
    ];
    let leads = [&second, &first, &second, &disk].map(String::clone);
    Box::new(move |round| {
        read_table_again(&disk);
        let paths = asked.clone();
        let looking = beside(move || observe(&paths));
        let seen = disturbed(&disk, round, 3, 60, looking)?;
        let seen = seen.map_err(Trouble::Failed)?;
        let linked = (asked.iter().zip(&leads))
            .all(|(link, node)| seen.resolve(link).as_ref() == Some(node));
        let label = match &seen.blocks[&second].signature {
            Signature::Found(found) => found.label.clone(),
            other => format!("{other:?}"),
        };
        check(
            linked && seen.missing.is_empty() && label == format!("{word}S"),
            || {
                format!(
                    "{:?} is missing, {:?} is there; {label}",
                    seen.missing, seen.links
                )
            },
        )
    })
}

/// The stages make file systems on both partitions of a disk whose table someone has read again meanwhile.
fn made(ground: Ground) -> Round {
    let disk = two_partitions(&ground);
    let word = ground.word.clone();
    let config = |time: usize| {
        let filesystem = |part: &str, format: &str| {
            format!(
                r#"{{"device": "/dev/disk/by-partlabel/{word}{part}", "format": "{format}",
                "label": "{word}{part}{time}", "wipeFilesystem": true}}"#
            )
        };
        let both = [filesystem("a", "ext4"), filesystem("b", "swap")].join(", ");
        format!(r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{"filesystems": [{both}]}}}}"#)
    };
    let boots: Vec<Arc<FirstBoot>> = (ground.fetched(&[config(0), config(1)]).into_iter())
        .map(Arc::new)
        .collect();
    let nodes = [partition_node(&disk, 1), partition_node(&disk, 2)];
    Box::new(move |round| {
        let boot = Arc::clone(&boots[round % 2]);
        let running = beside(move || stage(&boot, "disks"));
        let said = disturbed(&disk, round, 12, 800, running)??;
        let paths = nodes.clone();
        let seen = beside(move || observe(&paths))
            .ends()?
            .map_err(Trouble::Failed)?;
        for (node, part) in nodes.iter().zip(["a", "b"]) {
            let label = format!("{word}{part}{}", round % 2);
            let signature = &seen.blocks[node].signature;
            let there = matches!(signature, Signature::Found(found) if found.label == label);
            check(there, || format!("{node} has {signature:?}; {said}"))?;
        }
        Ok(())
    })
}

/// udev takes its time with an event of the disk, and does not notice meanwhile that it is written.
fn slow_udev(ground: Ground) -> Round {
    let disk = ground.disks[0].clone();
    let name = disk.trim_start_matches("/dev/");
    let rule = format!(
        r#"ACTION=="change", SUBSYSTEM=="block", KERNEL=="{name}", PROGRAM=="/bin/sleep 0.4""#
    );
    fs::create_dir_all("/run/udev/rules.d").unwrap();
    fs::write(format!("/run/udev/rules.d/99-{}.rules", ground.word), rule).unwrap();
    tool("udevadm control --reload");
    let configs = ["ext4", "swap"].map(|format| {
        format!(
            r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{"filesystems": [{{"device": "{disk}",
            "format": "{format}", "label": "{}-{format}", "wipeFilesystem": true}}]}}}}"#,
            ground.word
        )
    });
    let boots = ground.fetched(&configs);
    Box::new(move |round| {
        drop(File::options().write(true).open(&disk));
        thread::sleep(moment(round, 300));
        let said = stage(&boots[round % 2], "disks")?;
        let format = ["ext4", "swap"][round % 2];
        let link = format!("/dev/disk/by-label/{}-{format}", ground.word);
        check(leads(&link, &disk), || {
            format!("{link} does not lead to {disk}; {said}")
        })
    })
}
