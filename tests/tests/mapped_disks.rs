//! Disks of device mapper, as multipath makes them, through the program's own stages in guests with real maps: their
//! partitions are maps, by the names that kpartx gives them.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::Path;

use pilotlight_tests::uml::Guest;
use pilotlight_tests::{Answer, FirstBoot, run, tool};
use serde_json::{Value, json};

fn sh(script: &str) -> Answer {
    let output = std::process::Command::new("sh")
        .args(["-ec", script])
        .output();
    output.unwrap().into()
}

/// A map over a whole disk, as multipath makes one.
fn map(name: &str, disk: &str, uuid: &str) {
    let sectors = tool(&format!("blockdev --getsz {disk}"));
    let uuid = if uuid.is_empty() {
        String::new()
    } else {
        format!("--uuid {uuid}")
    };
    let made = sh(&format!(
        "dmsetup create {name} {uuid} --table '0 {sectors} linear {disk} 0'; dmsetup mknodes; udevadm settle"
    ));
    assert_eq!(made.code, Some(0), "{made:?}");
}

fn boot(config: &Value) -> FirstBoot {
    let config = json!({ "ignition": { "version": "3.5.0" }, "storage": config });
    let root = Path::new("/run/newroot");
    fs::create_dir_all(root.join("etc")).unwrap();
    FirstBoot::new(Path::new("/run/boot"), root, config.to_string().as_bytes())
        .with("PILOTLIGHT_DEVICE_WAIT", "5")
}

fn good(answer: Answer) -> Answer {
    assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
    answer
}

fn provision(config: &Value) -> Answer {
    good(boot(config).stages(&["fetch-offline", "disks", "mount", "files", "umount"]))
}

/// Names of the maps on a disk with first sector and number of sectors, sorted.
fn maps(disk: &str) -> Vec<String> {
    let number = tool(&format!(
        "dmsetup info -c --noheadings -o major,minor --separator : {disk}"
    ));
    let all = tool("dmsetup table");
    let mut list: Vec<String> = (all.lines())
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let on_it = words.get(4) == Some(&number.as_str());
            on_it.then(|| {
                format!(
                    "{} {} {}",
                    words[0].trim_end_matches(':'),
                    words[5],
                    words[2]
                )
            })
        })
        .collect();
    list.sort();
    list
}

fn kind(node: &str) -> String {
    run(&format!("blkid -p -o value -s TYPE {node}"))
        .out
        .trim()
        .to_string()
}

fn partitions(disk: &str, partitions: Value, filesystems: Value) -> Value {
    json!({
        "disks": [{ "device": disk, "wipeTable": true, "partitions": partitions }],
        "filesystems": filesystems,
    })
}

#[test]
fn a_blank_mapped_disk_is_partitioned_with_udev() {
    let mut guest = Guest::with_udev();
    let disk = guest.disk(256);
    guest.boot(|| {
        map("mpa", &disk, "");
        let config = partitions(
            "/dev/mapper/mpa",
            json!([{ "number": 1, "label": "a", "sizeMiB": 100 }, { "number": 2, "label": "b", "sizeMiB": 0 }]),
            json!([{ "device": "/dev/disk/by-partlabel/b", "format": "ext4", "wipeFilesystem": true, "path": "/b" }]),
        );
        provision(&config);
        assert_eq!(maps("mpa"), ["mpa-part1 2048 204800", "mpa-part2 206848 317407"]);
        assert_eq!(kind("/dev/mapper/mpa-part2"), "ext4");
        assert_eq!(fs::canonicalize("/dev/disk/by-partlabel/b").unwrap(), fs::canonicalize("/dev/mapper/mpa-part2").unwrap());
        tool("sgdisk --verify /dev/mapper/mpa");
        // Nothing is left to do.
        let answer = provision(&json!({
            "disks": [{ "device": "/dev/mapper/mpa", "partitions": [
                { "number": 1, "label": "a", "sizeMiB": 100 }, { "number": 2, "label": "b" }] }],
            "filesystems": [{ "device": "/dev/mapper/mpap2", "format": "ext4" }],
        }));
        assert!(!answer.out.contains("partition"), "{}", answer.out);
    });
}

#[test]
fn partitions_of_a_mapped_disk_keep_their_names_and_grow() {
    let mut guest = Guest::with_udev();
    let disk = guest.disk(512);
    guest.boot(|| {
        let made = sh(&format!("sgdisk -n 4:2048:+200M -c 4:root -n 7:0:+10M -c 7:old {disk}"));
        assert_eq!(made.code, Some(0), "{made:?}");
        map("mpa", &disk, "");
        tool("kpartx -a -s -p p /dev/mapper/mpa");
        tool("mkfs.ext4 -q -L kept /dev/mapper/mpap4");
        // A partition in use is left alone while others change.
        fs::create_dir_all("/run/used").unwrap();
        tool("mount /dev/mapper/mpap4 /run/used");
        fs::write("/run/used/precious", "yes").unwrap();
        let config = json!({
            "disks": [{ "device": "/dev/disk/by-id/dm-name-mpa", "partitions": [
                { "number": 7, "shouldExist": false, "wipePartitionEntry": true },
                { "number": 5, "label": "var", "startMiB": 320, "sizeMiB": 0 },
            ] }],
            "filesystems": [{ "path": "/var", "device": "/dev/disk/by-partlabel/var", "format": "ext4", "wipeFilesystem": true }],
            "files": [{ "path": "/var/x", "contents": { "source": "data:,x" } }],
        });
        provision(&config);
        assert_eq!(maps("mpa"), ["mpap4 2048 409600", "mpap5 655360 393183"]);
        tool("umount /run/used");
        let config = json!({ "disks": [{ "device": "/dev/mapper/mpa", "partitions": [
            { "number": 4, "label": "root", "sizeMiB": 300, "resize": true }] }] });
        provision(&config);
        assert_eq!(maps("mpa"), ["mpap4 2048 614400", "mpap5 655360 393183"]);
        tool("mount /dev/mapper/mpap4 /run/used");
        assert_eq!(fs::read_to_string("/run/used/precious").unwrap(), "yes");
        // In use, it is refused.
        let config = json!({ "disks": [{ "device": "/dev/mapper/mpa", "wipeTable": true, "partitions": [{ "number": 1, "label": "x" }] }] });
        let refused = boot(&config).stages(&["fetch-offline", "disks"]);
        assert_eq!(refused.code, Some(1), "{}", refused.out);
        assert!(refused.out.contains("mounted at /run/used"), "{}", refused.out);
        // So are its paths.
        let config = json!({ "disks": [{ "device": disk, "wipeTable": true }] });
        let refused = boot(&config).stages(&["fetch-offline", "disks"]);
        assert!(refused.out.contains("part of mapper/mpa"), "{}", refused.out);
        assert_eq!(maps("mpa"), ["mpap4 2048 614400", "mpap5 655360 393183"]);
        tool("umount /run/used");
        // A wiped disk has no maps.
        provision(&json!({ "disks": [{ "device": "/dev/mapper/mpa", "wipeTable": true }] }));
        assert!(maps("mpa").is_empty());
    });
}

#[test]
fn multipath_disks_under_udevs_rules_and_volumes_on_them() {
    let mut guest = Guest::with_udev();
    let (one, two) = (guest.disk(128), guest.disk(128));
    guest.boot(|| {
        map("mpath0", &one, "mpath-zero");
        map("mpath1", &two, "mpath-one");
        let disk = |name: &str| {
            json!({ "device": format!("/dev/mapper/{name}"), "wipeTable": true, "partitions": [
                { "number": 3, "label": format!("raid-{name}"), "sizeMiB": 32 },
                { "label": format!("rest-{name}") },
            ] })
        };
        let config = json!({
            "disks": [disk("mpath0"), disk("mpath1")],
            "raid": [{ "name": "r", "level": "raid1", "devices": [
                "/dev/disk/by-partlabel/raid-mpath0", "/dev/mapper/mpath1-part3"] }],
            "filesystems": [
                { "device": "/dev/md/r", "format": "ext4", "path": "/r" },
                { "device": "/dev/mapper/mpath0p1", "format": "xfs", "path": "/rest", "wipeFilesystem": true, "options": ["-f"] },
            ],
        });
        // xfs wants more room than there is: the smallest is 300 MiB.
        let config = config.to_string().replace("\"xfs\"", "\"ext4\"").replace("\"-f\"", "\"-F\"");
        provision(&serde_json::from_str(&config).unwrap());
        for name in ["mpath0", "mpath1"] {
            let names: Vec<String> = maps(name).iter().map(|map| map.split(' ').next().unwrap().into()).collect();
            assert_eq!(names, [format!("{name}-part1"), format!("{name}-part3")]);
        }
        assert_eq!(kind("/dev/mapper/mpath0-part1"), "ext4");
        assert_eq!(kind("/dev/mapper/mpath1-part3"), "linux_raid_member");
        assert_eq!(kind("/dev/md/r"), "ext4");
    });
}

#[test]
fn a_mapped_disk_is_partitioned_without_udev() {
    let mut guest = Guest::new();
    let disk = guest.disk(256);
    guest.boot(|| {
        map("mpa", &disk, "mpath-x");
        let config = partitions(
            "/dev/mapper/mpa",
            json!([{ "number": 1, "label": "a", "sizeMiB": 100 }, { "number": 2, "label": "b", "sizeMiB": 0 }]),
            json!([{ "device": "/dev/disk/by-partlabel/b", "format": "ext4", "wipeFilesystem": true, "path": "/b" }]),
        );
        provision(&config);
        assert_eq!(maps("mpa"), ["mpa-part1 2048 204800", "mpa-part2 206848 317407"]);
        assert_eq!(kind("/dev/mapper/mpa-part2"), "ext4");
        provision(&json!({ "disks": [{ "device": "/dev/mapper/mpa", "partitions": [
            { "number": 1, "shouldExist": false, "wipePartitionEntry": true }] }] }));
        assert_eq!(maps("mpa"), ["mpa-part2 206848 317407"]);
        assert!(!Path::new("/dev/mapper/mpa-part1").exists());
    });
}
