//! What goes wrong with disks elsewhere, on loop devices: sectors of 4096 bytes, caches that do not know
//! of each other, mounted partitions of a table that is no GPT, damaged and misplaced copies.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use pilotlight_core::diag::Sources;
use pilotlight_core::facts::Facts;
use pilotlight_core::facts::disks::TableState;
use pilotlight_core::model::{Disk, Filesystem, Format, Guid, Partition, SysPath};
use pilotlight_core::op::Op;
use pilotlight_core::plan::{self, Plan, Planned};
use pilotlight_sys::disks;
use pilotlight_tests::disk::LoopDisk;
use pilotlight_tests::tool_with;
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};

/// Performs a plan made on these facts and compares the outcome with the prediction.
fn perform(disk: &LoopDisk, plan: &Plan, before: Facts) -> Facts {
    for step in &plan.steps {
        let Op::Disk(op) = &step.op else {
            panic!("{} is not for disks", step.op)
        };
        disks::apply(op).unwrap_or_else(|error| panic!("{op}: {error}"));
    }
    let predicted = plan.predict(before);
    let seen = disk.observe();
    assert!(
        seen.disks.agrees_with(&predicted.disks),
        "observed {:#?}\npredicted {:#?}",
        seen.disks,
        predicted.disks
    );
    seen
}

/// The bytes of a slot in the first copy.
fn slot(disk: &LoopDisk, number: u32, sector: u64) -> [u8; 128] {
    let mut bytes = [0; 128];
    let at = 2 * sector + u64::from(number - 1) * 128;
    let device = File::open(disk.node()).unwrap();
    device.read_exact_at(&mut bytes, at).unwrap();
    bytes
}

fn partition(number: u32, label: &str) -> Partition {
    Partition {
        at: None,
        number,
        label: (!label.is_empty()).then(|| label.into()),
        start_mib: None,
        size_mib: None,
        type_guid: None,
        guid: None,
        wipe_partition_entry: false,
        should_exist: true,
        resize: false,
    }
}

fn filesystem(device: &str, format: Format, label: &str) -> Filesystem {
    Filesystem {
        at: None,
        device: SysPath::parse(device).unwrap(),
        format: Some(format),
        path: None,
        label: Some(label.into()),
        uuid: None,
        options: Vec::new(),
        mount_options: Vec::new(),
        wipe_filesystem: false,
    }
}

fn words(planned: Planned) -> String {
    match planned {
        Ok(plan) => plan.render(&Sources::default()),
        Err(report) => report.render(&Sources::default()),
    }
}

/// Partitions that are there: slot, gap before it and size in MiB, label.
type There = Vec<(u32, u64, u64, String)>;

fn there() -> impl Strategy<Value = There> {
    let label = prop_oneof![Just(String::new()), Just("a".into()), Just("grün".into())];
    let one = (0u64..20, 1u64..30, label);
    (
        prop::sample::subsequence(vec![1u32, 2, 3, 7, 20], 0..5),
        prop::collection::vec(one, 5),
    )
        .prop_map(|(numbers, rest)| {
            let list = numbers.into_iter().zip(rest);
            list.map(|(number, (gap, size, label))| (number, gap, size, label))
                .collect()
        })
}

fn asked() -> impl Strategy<Value = Vec<Partition>> {
    let mib = || prop::option::of(0u64..60);
    let one = (
        any::<[bool; 3]>(),
        mib(),
        mib(),
        prop::option::of(any::<[u8; 16]>()),
    );
    (
        prop::sample::subsequence(vec![0u32, 1, 2, 3, 9], 1..5),
        prop::collection::vec(one, 5),
    )
        .prop_map(|(numbers, rest)| {
            let list = numbers.into_iter().zip(rest);
            list.map(
                |(number, ([wipe, resize, delete], start_mib, size_mib, guid))| {
                    let plain = Partition {
                        wipe_partition_entry: wipe,
                        ..partition(number, "")
                    };
                    if delete && number != 0 {
                        return Partition {
                            should_exist: false,
                            ..plain
                        };
                    }
                    Partition {
                        label: (number == 0 || resize).then(|| format!("new-{number}-\u{1f600}")),
                        start_mib,
                        size_mib,
                        resize,
                        guid: guid.map(Guid),
                        ..plain
                    }
                },
            )
            .collect()
        })
}

proptest! {
    #![proptest_config(pilotlight_tests::cases(8))]

    #[test]
    fn plans_come_true_with_large_sectors(there in there(), asked in asked()) {
        let sector = 4096;
        let disk = LoopDisk::new(300, sector);
        let mut next = 1;
        let mut line = vec!["sgdisk".to_string()];
        for (number, gap, size, label) in &there {
            line.push(format!("--new={number}:{}M:+{size}M", next + gap));
            line.push(format!("--attributes={number}:set:2"));
            line.push(format!("--change-name={number}:{label}"));
            next += gap + size;
        }
        // sgdisk sleeps a second whenever it writes, so that it is called once.
        if !there.is_empty() {
            line.push(disk.node().to_string());
            tool_with(&line.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let before = disk.observe();
        let config = [disk.with(asked.clone())];
        // A config that does not fit is refused before anything is done: nothing to see here.
        let Ok(plan) = plan::disks::plan(&config, &before) else { return Ok(()) };
        let untouched: Vec<_> = there.iter()
            .filter(|(number, ..)| asked.iter().all(|partition| partition.number != *number))
            .map(|(number, ..)| (*number, slot(&disk, *number, sector)))
            .collect();
        let after = perform(&disk, &plan, before);
        assert_eq!(words(plan::disks::plan(&config, &after)), "", "planned again");
        for (number, bytes) in untouched {
            assert_eq!(slot(&disk, number, sector), bytes, "slot {number}");
        }
        if let TableState::Gpt(table) = &after.disks.blocks[disk.node()].table {
            let said = tool_with(&["sgdisk", "--verify", disk.node()]);
            assert!(said.contains("No problems found"), "{said}");
            // A second reader finds the same in the same slots.
            let other = gptman::GPT::read_from(&mut File::open(disk.node()).unwrap(), sector).unwrap();
            let others: Vec<_> = other.iter().filter(|(_, entry)| entry.is_used())
                .map(|(number, entry)| (number, entry.starting_lba, entry.ending_lba, entry.partition_name.to_string()))
                .collect();
            let ours: Vec<_> = table.partitions.iter()
                .map(|(number, entry)| (*number, entry.start, entry.end, entry.label.clone()))
                .collect();
            assert_eq!(ours, others);
        }
    }
}

#[test]
fn all_file_systems_are_made_on_partitions_that_their_links_name() {
    let disk = LoopDisk::new(700, 512);
    let all = [
        (Format::Ext4, "ext", 32),
        (Format::Btrfs, "b", 130),
        (Format::Xfs, "x", 320),
        (Format::Swap, "s", 16),
        (Format::Vfat, "V", 40),
    ];
    let sized = |(_, label, size): &(Format, &str, u64)| Partition {
        size_mib: Some(*size),
        ..partition(0, label)
    };
    let config = [disk.with(all.iter().map(sized).collect())];
    let before = disk.observe();
    let plan = plan::disks::plan(&config, &before).unwrap();
    let facts = perform(&disk, &plan, before);
    let link = |label: &str| format!("/dev/disk/by-partlabel/{label}");
    let filesystems: Vec<Filesystem> = (all.iter())
        .map(|(format, label, _)| filesystem(&link(label), *format, label))
        .collect();
    let plan = plan::filesystems::plan(&filesystems, &facts).unwrap();
    assert_eq!(plan.steps.len(), all.len());
    let facts = perform(&disk, &plan, facts);
    assert_eq!(words(plan::filesystems::plan(&filesystems, &facts)), "");
    for (number, (format, label, _)) in (1..).zip(all) {
        let node = format!("{}p{number}", disk.node());
        let said = tool_with(&["blkid", "-p", "-o", "export", &node]);
        let has = |line: String| said.lines().any(|other| other == line);
        assert!(has(format!("TYPE={}", format.name())), "{said}");
        assert!(has(format!("LABEL={label}")), "{said}");
    }
}

#[test]
fn a_disk_whose_partition_is_mounted_is_not_wiped() {
    let disk = LoopDisk::new(64, 512);
    // An MBR with one partition, which the kernel is told of as a partition parser would.
    let mut mbr = [0; 512];
    mbr[446 + 4] = 0x83;
    mbr[446 + 8..446 + 12].copy_from_slice(&2048u32.to_le_bytes());
    mbr[446 + 12..446 + 16].copy_from_slice(&65536u32.to_le_bytes());
    mbr[510..].copy_from_slice(&[0x55, 0xaa]);
    let device = File::options().write(true).open(disk.node()).unwrap();
    device.write_all_at(&mbr, 0).unwrap();
    device.sync_all().unwrap();
    let node = format!("{}p1", disk.node());
    if !std::path::Path::new(&node).exists() {
        tool_with(&["partx", "--add", "--nr", "1", disk.node()]);
    }
    tool_with(&["mkfs.ext4", "-q", &node]);
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().to_str().unwrap();
    tool_with(&["mount", &node, target]);
    let config = [Disk {
        wipe_table: true,
        ..disk.with(vec![partition(1, "x")])
    }];
    let mounted = words(plan::disks::plan(&config, &disk.observe()));
    tool_with(&["umount", target]);
    assert!(
        mounted.contains("is in use") && mounted.contains("partition 1"),
        "{mounted}"
    );
    let facts = disk.observe();
    let plan = plan::disks::plan(&config, &facts).unwrap();
    perform(&disk, &plan, facts);
}

#[test]
fn damaged_and_misplaced_copies_are_repaired_before_a_change() {
    let damages: [fn(&LoopDisk); 3] = [
        |disk| {
            let device = File::options().write(true).open(disk.node()).unwrap();
            device.write_all_at(&[0xff; 64], 512).unwrap();
        },
        |disk| {
            let device = File::options().write(true).open(disk.node()).unwrap();
            device.write_all_at(&[0xff; 64], (64 << 20) - 512).unwrap();
        },
        |disk| {
            disk.image.as_file().set_len(96 << 20).unwrap();
            tool_with(&["losetup", "--set-capacity", disk.node()]);
        },
    ];
    for damage in damages {
        let disk = LoopDisk::new(64, 512);
        tool_with(&[
            "sgdisk",
            "--new=3:0:+10M",
            "--change-name=3:kept",
            disk.node(),
        ]);
        let kept = slot(&disk, 3, 512);
        damage(&disk);
        let config = [disk.with(vec![partition(0, "rest")])];
        let before = disk.observe();
        let plan = plan::disks::plan(&config, &before).unwrap();
        assert!(words(Ok(plan.clone())).contains("repair the partition table"));
        perform(&disk, &plan, before);
        assert_eq!(slot(&disk, 3, 512), kept);
        let said = tool_with(&["sgdisk", "--verify", disk.node()]);
        assert!(said.contains("No problems found"), "{said}");
    }
}
