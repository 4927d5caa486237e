//! Disks that err, by device mapper in a guest: areas that cannot be written or read, and a disk that takes nothing
//! any more from some stage on (Documentation/admin-guide/device-mapper/dm-flakey.rst, `error` of dmsetup(8)).
//!
//! The machine is a whole one: its disk has the first-boot marker on a FAT, and the root. A loop device on the mapped
//! one gives it partitions, past the page cache, so that what errs is the disk.

use std::fs;
use std::path::Path;

use pilotlight_tests::portrait::{Observer, Portrait};
use pilotlight_tests::uml::Guest;
use pilotlight_tests::{Answer, pilotlight, run, tool};
use serde_json::{Value, json};

use crate::node::Node;

const MIB: u64 = 1 << 20;
/// Of the disk: FAT, root, the partition that the config asks for, and what is unused.
const SIZE: u64 = 64;
/// Where everything of one try lies: a file system in memory.
const TRY: &str = "/run/try";
const ROOT: &str = "/run/try/root";
const STAGES: [&str; 7] = [
    "fetch-offline",
    "disks",
    "root",
    "mount",
    "files",
    "marker",
    "finish",
];

fn config() -> Value {
    let large = |text: &str| json!({"source": format!("data:,{}", text.repeat(60_000))});
    json!({
        "ignition": {"version": "3.4.0"},
        "passwd": {"users": [{"name": "core", "groups": ["sudo"]}]},
        "storage": {
            "disks": [{"device": "/dev/loop0", "partitions": [
                {"number": 4, "label": "DATA", "guid": "00000004-0000-4000-8000-000000000000", "sizeMiB": 16}
            ]}],
            "filesystems": [{"device": "/dev/disk/by-partlabel/DATA", "format": "ext4", "label": "DATA",
                "uuid": "00000014-0000-4000-8000-000000000000", "path": "/var/data"}],
            "files": [
                {"path": "/var/data/large", "contents": large("data.")},
                {"path": "/opt/large", "mode": 0o600, "contents": large("root.")},
                {"path": "/etc/motd", "append": [{"source": "data:,appended%0A"}]}
            ],
            "links": [{"path": "/etc/link", "target": "/opt/large"}]
        }
    })
}

/// What errs, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// From the beginning a MiB of the disk can neither be read nor written.
    Area(u64),
    /// From this of the stages on the disk takes no writes.
    From(&'static str),
    /// The same, and the machine goes on without a restart when the disk is mended.
    During(&'static str),
}

/// Makes the mapped device another one, or for the first time.
fn map(lines: &[(u64, u64, &str)]) {
    let mut table = String::new();
    for (start, end, target) in lines.iter().filter(|(start, end, _)| start < end) {
        let (start, length) = (start * MIB / 512, (end - start) * MIB / 512);
        table += &match *target {
            "error" => format!("{start} {length} error\n"),
            "linear" => format!("{start} {length} linear /dev/ubdb {start}\n"),
            // Never up, always down; reading is possible.
            _ => format!("{start} {length} flakey /dev/ubdb {start} 0 3600 1 error_writes\n"),
        };
    }
    let file = "/run/table";
    fs::write(file, table).unwrap();
    match Path::new("/dev/mapper/disk").exists() {
        false => {
            tool(&format!("dmsetup create disk {file}"));
            // Nobody but udev makes it otherwise.
            tool("dmsetup mknodes disk");
        }
        true => {
            tool(&format!("dmsetup load disk {file}"));
            // What is on its way errs as well.
            tool("dmsetup suspend --noflush --nolockfs disk");
            tool("dmsetup resume disk");
        }
    }
}

/// The image of the machine, on /dev/ubda.
fn make_image() {
    tool(
        "sgdisk --new=1:1M:+8M --typecode=1:ef00 --change-name=1:EFI-SYSTEM --new=3:9M:+32M --change-name=3:ROOT /dev/ubda",
    );
    let node = tool("losetup --find --show --partscan /dev/ubda");
    tool(&format!("mkfs.fat -n EFI-SYSTEM {node}p1"));
    tool(&format!("mkfs.ext4 -q -L ROOT {node}p3"));
    tool(&format!("mount {node}p1 /mnt"));
    fs::create_dir(Path::new("/mnt/flatcar")).unwrap();
    fs::write("/mnt/flatcar/first_boot", "").unwrap();
    tool("umount /mnt");
    tool(&format!("mount {node}p3 /mnt"));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/differential/base-root.sh");
    tool(&format!("sh {script} /mnt"));
    fs::write("/mnt/etc/motd", "image\n").unwrap();
    tool("umount /mnt");
    tool(&format!("losetup --detach {node}"));
}

/// How a boot ended: at which stage it failed, and the answer of that.
type Ended = Result<(), (&'static str, Answer)>;

fn power_on() -> Node {
    assert_eq!(
        tool("losetup --find --show --partscan --direct-io=on /dev/mapper/disk"),
        "/dev/loop0"
    );
    tool(&format!("mount -t tmpfs try {TRY}"));
    fs::create_dir(ROOT).unwrap();
    let node = Node::new(Path::new(TRY), Path::new(ROOT), &config());
    fs::write(
        Path::new(TRY).join("cmdline"),
        "ro flatcar.first_boot=detected",
    )
    .unwrap();
    node
}

fn power_off() {
    run("umount --recursive /run/try");
    tool("losetup --detach /dev/loop0");
}

/// The initramfs of a first boot.
fn provision(node: &Node, fault: Option<Fault>) -> Ended {
    run_stages(node, &STAGES, fault)
}

fn run_stages(node: &Node, stages: &[&'static str], fault: Option<Fault>) -> Ended {
    for stage in stages.iter().copied() {
        if [Some(Fault::From(stage)), Some(Fault::During(stage))].contains(&fault) {
            map(&[(0, SIZE, "flakey")]);
        }
        let answer = match stage {
            "root" => {
                // As systemd-fsck-root.service: what an earlier boot has left in the superblock goes.
                run("e2fsck -p /dev/loop0p3");
                run(&format!("mount /dev/loop0p3 {ROOT}"))
            }
            "marker" => remove_marker(),
            "finish" => pilotlight(&["finish", "--root", ROOT]),
            stage => node.boot.stage(stage),
        };
        if answer.code != Some(0) {
            return Err((stage, answer));
        }
    }
    Ok(())
}

/// Runs what the initramfs runs, with the marker on the first partition of /dev/loop0.
pub fn remove_marker() -> Answer {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../dracut/30pilotlight/first-boot-marker.sh"
    );
    fs::create_dir_all("/dev/disk/by-partlabel").unwrap();
    let link = Path::new("/dev/disk/by-partlabel/EFI-SYSTEM");
    std::os::unix::fs::symlink("/dev/loop0p1", link).unwrap();
    let answer = run(&format!("sh {script}"));
    fs::remove_file(link).unwrap();
    fs::remove_dir("/dev/disk/by-partlabel").unwrap();
    let _ = run("umount /run/ignition/boot");
    answer
}

/// The machine that is off, when its disk is mended.
fn portrait() -> (bool, Portrait) {
    map(&[(0, SIZE, "linear")]);
    let disk = tool("losetup --find --show --partscan --direct-io=on /dev/mapper/disk");
    tool(&format!("mount -t tmpfs try {TRY}"));
    run("fsck.fat -a /dev/loop0p1");
    tool("mount -o ro /dev/loop0p1 /mnt");
    let marker = Path::new("/mnt/flatcar/first_boot").exists();
    tool("umount /mnt");
    // As at the next boot.
    for partition in [3, 4] {
        run(&format!("e2fsck -p {disk}p{partition}"));
    }
    let portrait = Observer::new(&[&config().to_string()], Path::new(TRY)).observe(&[disk]);
    power_off();
    (marker, portrait)
}

/// Whether a boot on a disk that errs, and the one on the mended disk, are as they must be; whether the first failed.
fn tried(expected: &Portrait, fault: Fault) -> Result<Option<&'static str>, String> {
    tool(&format!(
        "dd if=/dev/ubda of=/dev/ubdb bs=1M count={SIZE} conv=fsync status=none"
    ));
    match fault {
        Fault::Area(at) => map(&[
            (0, at, "linear"),
            (at, at + 1, "error"),
            (at + 1, SIZE, "linear"),
        ]),
        Fault::From(_) | Fault::During(_) => map(&[(0, SIZE, "linear")]),
    }
    let node = power_on();
    // As by whoever has another partition mounted: what the kernel has of the disk in memory outlives the stage.
    let held = fs::File::open("/dev/loop0").unwrap();
    let ended = provision(&node, Some(fault));
    let mut failed = None;
    if let Err((stage, answer)) = &ended {
        failed = Some(*stage);
        if !["root", "marker", "finish"].contains(stage) {
            // Which of the kernel's words it is, the file system and the tool decide.
            node.failed(stage, answer, &["while "])?;
        }
    }
    if let (Fault::During(_), Some(_)) = (fault, failed) {
        map(&[(0, SIZE, "linear")]);
        // The kernel tells whoever asks next of the error that the FAT has had, so the marker would stay.
        let again = run_stages(&node, &["disks", "root", "mount", "files", "finish"], None);
        drop(held);
        power_off();
        if let Err(again) = again {
            return Err(format!("on the mended disk {again:?}\nafter {ended:?}"));
        }
        let elsewhere = |portrait: &Portrait| {
            let all = portrait.0.clone().into_iter();
            Portrait(
                all.filter(|(what, _)| {
                    !what.contains("partition 1") && !what.contains("boot loader")
                })
                .collect(),
            )
        };
        let differences = elsewhere(expected).differences(&elsewhere(&portrait().1));
        return match differences.is_empty() {
            true => Ok(failed),
            false => Err(format!("{}\n{ended:?}", differences.join("\n"))),
        };
    }
    drop(held);
    power_off();
    let (marker, seen) = portrait();
    let same = |seen: &Portrait, what: &str| match expected.differences(seen) {
        differences if differences.is_empty() => Ok(()),
        differences => Err(format!("{what}:\n{}\n{ended:?}", differences.join("\n"))),
    };
    let Some(stage) = failed else {
        if marker {
            return Err("nothing failed, and the marker is still there".into());
        }
        same(&seen, "it says that it is done")?;
        return Ok(None);
    };
    if !marker {
        // What removes it fails as well where it may not be gone for certain.
        if !["marker", "finish"].contains(&stage) {
            return Err(format!("the marker is gone: {ended:?}"));
        }
        let node = power_on();
        let later = run_stages(&node, &["root", "finish"], None);
        power_off();
        if let Err(later) = later {
            return Err(format!("the next boot {later:?}\nafter {ended:?}"));
        }
        same(&portrait().1, "the marker is gone")?;
        return Ok(failed);
    }
    let node = power_on();
    let again = provision(&node, None);
    power_off();
    if let Err(again) = again {
        return Err(format!("on the mended disk {again:?}\nafter {ended:?}"));
    }
    let (marker, seen) = portrait();
    if marker {
        return Err("the marker is there again".into());
    }
    same(&seen, "the mended machine is another one")?;
    Ok(failed)
}

fn every_fault() -> Vec<Fault> {
    let stages = STAGES.into_iter().map(Fault::From);
    let areas = (0..SIZE).map(Fault::Area);
    stages
        .chain([Fault::During("disks")])
        .chain(areas)
        .collect()
}

fn whole(guest: &mut Guest, faults: &[Fault]) {
    guest.boot(|| {
        tool("modprobe -a dm-flakey");
        fs::create_dir(TRY).unwrap();
        make_image();
        tool(&format!(
            "dd if=/dev/ubda of=/dev/ubdb bs=1M count={SIZE} conv=fsync status=none"
        ));
        map(&[(0, SIZE, "linear")]);
        let node = power_on();
        provision(&node, None).unwrap();
        power_off();
        let (marker, expected) = portrait();
        assert!(!marker && expected.0.len() > 50, "{expected:?}");
        let (mut failed, mut passed, mut wrong) = (Vec::new(), 0, Vec::new());
        for fault in faults {
            match tried(&expected, *fault) {
                Ok(Some(stage)) => failed.push(format!("{fault:?} in {stage}")),
                Ok(None) => passed += 1,
                Err(why) => wrong.push(format!("{fault:?}: {why}")),
            }
        }
        println!(
            "{} faults: {} failed and converged ({}), {passed} were not met, {} are wrong",
            faults.len(),
            failed.len(),
            failed.join(", "),
            wrong.len()
        );
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
        assert!(failed.len() > 3, "{failed:?}");
    });
}

fn guest() -> Guest {
    let mut guest = Guest::new().patience(std::time::Duration::from_secs(3600));
    for _ in 0..2 {
        guest.disk(SIZE);
    }
    guest
}

#[test]
fn a_disk_that_errs_at_some_places() {
    // Where the file system is made that the config asks for, and where the backup of the table is.
    let areas = [Fault::Area(41), Fault::Area(SIZE - 1)];
    let stages = [
        Fault::From("disks"),
        Fault::From("files"),
        Fault::During("disks"),
    ];
    whole(&mut guest(), &[areas.as_slice(), &stages].concat());
}

#[test]
#[ignore = "every MiB of a disk: half an hour (make crash)"]
fn a_disk_that_errs_at_every_place() {
    whole(&mut guest(), &every_fault());
}
