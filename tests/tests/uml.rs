//! That guests of user-mode Linux carry what the tests of disks need: md and dm-crypt with and without udev,
//! levels of RAID, partition scanning and its links, vfat, sectors of 4096 bytes, a power cut; and that failures in a guest
//! are readable.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use pilotlight_core::facts::Facts;
use pilotlight_core::model::{Disk, Filesystem, Format, Partition, SysPath};
use pilotlight_core::op::Op;
use pilotlight_core::plan::{self, Plan};
use pilotlight_sys::{DeviceMap, disks};
use pilotlight_tests::tool;
use pilotlight_tests::uml::{Guest, cut_power, in_guest, loop_device};

fn observe(devices: &[&str]) -> Facts {
    let paths: Vec<SysPath> = devices
        .iter()
        .map(|device| SysPath::parse(device).unwrap())
        .collect();
    let paths: Vec<&SysPath> = paths.iter().collect();
    let images = DeviceMap::new();
    let request = disks::Request {
        required: &paths,
        optional: &[],
        images: &images,
        wait: Duration::from_secs(5),
    };
    Facts {
        disks: disks::observe(request).unwrap(),
        ..Facts::default()
    }
}

fn apply(plan: &Plan) {
    for step in &plan.steps {
        let Op::Disk(op) = &step.op else {
            panic!("{} is not for disks", step.op)
        };
        disks::apply(op).unwrap_or_else(|error| panic!("{op}: {error}"));
    }
}

/// A disk with one partition in slot 1, labelled "data".
fn one_partition(device: &str) -> Disk {
    Disk {
        at: None,
        device: SysPath::parse(device).unwrap(),
        wipe_table: false,
        partitions: vec![Partition {
            at: None,
            number: 1,
            label: Some("data".into()),
            start_mib: None,
            size_mib: Some(100),
            type_guid: None,
            guid: None,
            wipe_partition_entry: false,
            should_exist: true,
            resize: false,
            own_sectors: false,
        }],
    }
}

fn filesystem(device: &str, format: Format) -> Filesystem {
    Filesystem {
        at: None,
        device: SysPath::parse(device).unwrap(),
        format: Some(format),
        path: None,
        label: Some("DATA".into()),
        uuid: None,
        options: Vec::new(),
        mount_options: Vec::new(),
        wipe_filesystem: false,
    }
}

#[test]
fn a_program_ends_with_its_exit_code_and_output() {
    let mut guest = Guest::new();
    let script = "echo \"$0\"; id -u; cat /proc/self/mounts >&2; exit 7";
    let answer = guest.run(&["sh", "-c", script, "it's"]);
    assert_eq!(answer.code, Some(7), "{answer:?}");
    assert!(answer.out.starts_with("it's\n0\n"), "{answer:?}");
    assert!(answer.out.contains("\noverlay / overlay rw"), "{answer:?}");
}

#[test]
fn a_panic_in_the_guest_is_one_of_the_test() {
    let outcome = std::panic::catch_unwind(|| {
        Guest::new().boot(|| assert_eq!(fs::read_to_string("/proc/cmdline").unwrap(), "other"));
    });
    // In the guest the test has to fail, as it would without the catch.
    let panic = match outcome {
        Err(panic) if in_guest() => std::panic::resume_unwind(panic),
        Err(panic) => panic,
        Ok(()) => panic!("the closure did not run"),
    };
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("tests/uml.rs:"), "{message}");
    assert!(message.contains("rootfstype=hostfs"), "{message}");
    assert!(message.contains("right: \"other\""), "{message}");
}

#[test]
fn a_guest_that_hangs_is_stopped_and_says_how_far_it_came() {
    let outcome = std::panic::catch_unwind(|| {
        let script = "echo begun; echo last words >/dev/kmsg; exec sleep 1000";
        let patience = Duration::from_secs(15);
        Guest::new().patience(patience).run(&["sh", "-c", script]);
    });
    let panic = outcome.unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("stopped after 15 s"), "{message}");
    assert!(message.contains("begun"), "{message}");
}

#[test]
fn disks_outlive_a_boot_and_nothing_else_does() {
    let mut guest = Guest::new();
    let disk = guest.disk(1);
    guest.boot(|| {
        fs::write(&disk, "kept").unwrap();
        fs::write("/etc/gone", "").unwrap();
    });
    guest.on_host(|| {
        assert!(fs::read(guest.image(&disk)).unwrap().starts_with(b"kept"));
        assert!(!Path::new("/etc/gone").exists());
    });
    guest.boot(|| {
        assert!(fs::read(&disk).unwrap().starts_with(b"kept"));
        assert!(!Path::new("/etc/gone").exists());
    });
}

#[test]
fn a_power_cut_loses_what_was_not_synced() {
    let mut guest = Guest::new();
    let disk = guest.disk(64);
    guest.boot(|| {
        tool(&format!("mkfs.ext4 -q {disk}"));
        tool(&format!("mount {disk} /mnt"));
        fs::write("/mnt/synced", "kept").unwrap();
        tool("sync");
        fs::write("/mnt/late", "lost").unwrap();
        cut_power();
    });
    guest.boot(|| {
        tool(&format!("mount {disk} /mnt"));
        assert_eq!(fs::read_to_string("/mnt/synced").unwrap(), "kept");
        assert!(fs::read("/mnt/late").unwrap_or_default().is_empty());
    });
}

#[test]
fn vfat_on_a_partition_is_made_used_and_kept() {
    let mut guest = Guest::new();
    let disk = guest.disk(128);
    let part = format!("{disk}1");
    let config = [one_partition(&disk)];
    let filesystems = [filesystem(&part, Format::Vfat)];
    guest.boot(|| {
        let before = observe(&[&disk]);
        let plan = plan::disks::plan(&config, &before).unwrap();
        apply(&plan);
        let before = observe(&[&disk, &part]);
        let plan = plan::filesystems::plan(&filesystems, &before).unwrap();
        assert_eq!(plan.steps.len(), 1, "{plan:?}");
        apply(&plan);
        let after = observe(&[&disk, &part]);
        assert!(after.disks.agrees_with(&plan.predict(before).disks));
        tool(&format!("mount -t vfat {part} /mnt"));
        fs::write("/mnt/file", "precious").unwrap();
        tool("umount /mnt");
    });
    guest.boot(|| {
        // This time the kernel itself found the partition.
        let facts = observe(&[&disk, &part]);
        assert!(plan::disks::plan(&config, &facts).unwrap().is_empty());
        let again = plan::filesystems::plan(&filesystems, &facts).unwrap();
        assert!(again.is_empty(), "{again:?}");
        tool(&format!("mount -t vfat {part} /mnt"));
        assert_eq!(fs::read_to_string("/mnt/file").unwrap(), "precious");
    });
}

#[test]
fn partitions_of_4096_byte_sectors_are_scanned() {
    let mut guest = Guest::new();
    let disk = guest.disk(128);
    let first = |node: &str| {
        let config = [one_partition(node)];
        (config, filesystem(&format!("{node}p1"), Format::Ext4))
    };
    guest.boot(|| {
        let node = loop_device(&disk, 4096);
        assert_eq!(tool(&format!("blockdev --getss {node}")), "4096");
        let (config, wanted) = first(&node);
        apply(&plan::disks::plan(&config, &observe(&[&node])).unwrap());
        let part = format!("{node}p1");
        let before = observe(&[&node, &part]);
        apply(&plan::filesystems::plan(&[wanted], &before).unwrap());
        assert!(tool(&format!("sgdisk --verify {node}")).contains("No problems found"));
        tool(&format!("mount {part} /mnt"));
        fs::write("/mnt/file", "precious").unwrap();
        tool("umount /mnt");
    });
    guest.boot(|| {
        let node = loop_device(&disk, 4096);
        let part = format!("{node}p1");
        let (config, wanted) = first(&node);
        let facts = observe(&[&node, &part]);
        assert!(plan::disks::plan(&config, &facts).unwrap().is_empty());
        assert!(
            plan::filesystems::plan(&[wanted], &facts)
                .unwrap()
                .is_empty()
        );
        tool(&format!("mount {part} /mnt"));
        assert_eq!(fs::read_to_string("/mnt/file").unwrap(), "precious");
    });
}

#[test]
fn udev_links_partitions_by_label_as_they_come() {
    let mut guest = Guest::with_udev();
    let disk = guest.disk(128);
    let link = "/dev/disk/by-partlabel/data";
    guest.boot(|| {
        assert!(!Path::new(link).exists());
        apply(&plan::disks::plan(&[one_partition(&disk)], &observe(&[&disk])).unwrap());
        tool("udevadm settle");
        let target = fs::canonicalize(link).unwrap();
        assert_eq!(target.to_str().unwrap(), format!("{disk}1"));
    });
    guest.boot(|| {
        let target = fs::canonicalize(link).unwrap();
        assert_eq!(target.to_str().unwrap(), format!("{disk}1"));
        let sysfs = format!("/sys/class/block/{}1", disk.trim_start_matches("/dev/"));
        let sectors = fs::read_to_string(format!("{sysfs}/size")).unwrap();
        assert_eq!(sectors.trim(), (100 * 2048).to_string());
    });
}

#[test]
fn all_levels_of_raid_and_file_systems_are_there() {
    let mut guest = Guest::new();
    let disks = [(); 4].map(|()| guest.disk(32)).join(" ");
    guest.boot(|| {
        for level in ["linear", "0", "1", "4", "5", "6", "10"] {
            tool(&format!(
                "mdadm --create /dev/md/level{level} --run --level={level} --raid-devices=4 {disks}"
            ));
            let detail = tool(&format!("mdadm --detail /dev/md/level{level}"));
            let kind = match level {
                "linear" => level.to_string(),
                number => format!("raid{number}"),
            };
            assert!(
                detail.contains(&format!("Raid Level : {kind}\n")),
                "{detail}"
            );
            tool(&format!("mdadm --stop /dev/md/level{level}"));
            tool(&format!("mdadm --zero-superblock {disks}"));
        }
        let known = fs::read_to_string("/proc/filesystems").unwrap();
        for name in ["ext4", "xfs", "btrfs"] {
            assert!(known.lines().any(|line| line.trim() == name), "{known}");
        }
    });
}

/// A mirror, encrypted, with a file in it: made in one boot, assembled and opened in the next.
fn encrypted_mirror(mut guest: Guest) {
    let disks = [guest.disk(64), guest.disk(64)].join(" ");
    let open = || {
        fs::write("/run/key", "a key of its own").unwrap();
        let array = fs::canonicalize("/dev/md/mirror").unwrap();
        array.to_str().unwrap().to_string()
    };
    guest.boot(|| {
        tool(&format!(
            "mdadm --create /dev/md/mirror --run --homehost=any --level=1 --raid-devices=2 {disks}"
        ));
        let array = open();
        tool(&format!(
            "cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file /run/key {array}"
        ));
        tool(&format!("cryptsetup open --key-file /run/key {array} secret"));
        tool("mkfs.ext4 -q /dev/mapper/secret");
        tool("mount /dev/mapper/secret /mnt");
        fs::write("/mnt/file", "precious").unwrap();
        tool("umount /mnt");
        tool("cryptsetup close secret");
        tool("mdadm --stop /dev/md/mirror");
    });
    guest.boot(|| {
        if !Path::new("/dev/md/mirror").exists() {
            tool(&format!("mdadm --assemble /dev/md/mirror {disks}"));
        }
        let array = open();
        assert!(tool(&format!("mdadm --detail {array}")).contains("raid1"));
        tool(&format!(
            "cryptsetup open --key-file /run/key {array} secret"
        ));
        tool("mount /dev/mapper/secret /mnt");
        assert_eq!(fs::read_to_string("/mnt/file").unwrap(), "precious");
    });
}

#[test]
fn an_encrypted_mirror_without_udev() {
    encrypted_mirror(Guest::new());
}

#[test]
fn an_encrypted_mirror_with_udev() {
    encrypted_mirror(Guest::with_udev());
}
