//! Partitions and file systems on loop disks: predictions come true, planning again plans nothing, what
//! the config does not name stays bit for bit, and what may not be lost is not lost.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pilotlight_core::facts::Facts;
use pilotlight_core::facts::disks::{Entry, Table, TableState, partition_node};
use pilotlight_core::model::{Disk, Filesystem, Format, Partition, SysPath};
use pilotlight_core::op::Op;
use pilotlight_core::plan::{self, Plan};
use pilotlight_sys::{DeviceMap, disks};
use pilotlight_tests::disk::LoopDisk;
use proptest::prelude::*;

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {} {}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_string()
}

fn observe(paths: &[&SysPath]) -> Facts {
    let images = DeviceMap::new();
    let request = disks::Request {
        required: paths,
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
            panic!("{step:?}")
        };
        disks::apply(op).unwrap_or_else(|error| panic!("{op}: {error}"));
    }
}

fn table(facts: &Facts, node: &str) -> Table {
    match &facts.disks.blocks[node].table {
        TableState::Gpt(table) => table.clone(),
        other => panic!("{other:?}"),
    }
}

fn partition(number: u32) -> Partition {
    Partition {
        at: None,
        number,
        label: None,
        start_mib: None,
        size_mib: None,
        type_guid: None,
        guid: None,
        wipe_partition_entry: false,
        should_exist: true,
        resize: false,
    }
}

fn disk(device: SysPath, partitions: Vec<Partition>) -> Disk {
    Disk {
        at: None,
        device,
        wipe_table: false,
        partitions,
    }
}

fn some_partition() -> impl Strategy<Value = Partition> {
    let mib = |values: &'static [u64]| prop::option::of(prop::sample::select(values));
    let label = prop::option::of(prop::sample::select(vec!["one", "two", "grün"]));
    (
        0u32..7,
        label,
        mib(&[0, 1, 20, 40]),
        mib(&[0, 5, 10, 30]),
        any::<(bool, bool)>(),
        0u8..8,
    )
        .prop_map(
            |(number, label, start_mib, size_mib, (wipe, resize), exists)| {
                let should_exist = exists > 0 || number == 0;
                let fallback = (number == 0).then_some("free");
                Partition {
                    label: label.or(fallback).filter(|_| should_exist).map(Into::into),
                    start_mib: start_mib.filter(|_| should_exist),
                    size_mib: size_mib.filter(|_| should_exist),
                    wipe_partition_entry: wipe,
                    should_exist,
                    resize,
                    ..partition(number)
                }
            },
        )
}

proptest! {
    #![proptest_config(pilotlight_tests::cases(32))]

    #[test]
    fn untouched_partitions_stay_predictions_come_true_and_nothing_is_left_to_do(
        there in prop::collection::btree_map(prop::sample::select(vec![1u32, 2, 3, 5]), 4u64..20, 0..4),
        partitions in prop::collection::vec(some_partition(), 1..4),
        wipe_table in prop::bool::weighted(0.15),
    ) {
        let mut numbers: Vec<u32> = partitions.iter().map(|p| p.number).filter(|n| *n != 0).collect();
        numbers.sort_unstable();
        numbers.dedup();
        prop_assume!(numbers.len() == partitions.iter().filter(|p| p.number != 0).count());
        let mut labels: Vec<_> = partitions.iter().filter_map(|p| p.label.clone()).collect();
        labels.sort();
        labels.dedup();
        prop_assume!(labels.len() == partitions.iter().filter(|p| p.label.is_some()).count());

        let device = LoopDisk::new(128, 512);
        // One call: sgdisk waits a second each time it has written.
        let mut arguments: Vec<String> = Vec::new();
        for (number, size) in &there {
            arguments.push(format!("--new={number}:0:+{size}M"));
            arguments.push(format!("--change-name={number}:old{number}"));
            // Attributes as a distribution's own boot loader sets them.
            arguments.push(format!("--attributes={number}:set:48"));
        }
        if !there.is_empty() {
            arguments.push(device.node().to_string());
            run("sgdisk", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let path = device.path();
        let config = [Disk { wipe_table, ..disk(path.clone(), partitions.clone()) }];
        let before = observe(&[&path]);
        let bytes = device.bytes();
        let Ok(plan) = plan::disks::plan(&config, &before) else {
            prop_assert!(device.bytes() == bytes, "a refused config changed the disk");
            return Ok(());
        };
        apply(&plan);
        let after = observe(&[&path]);
        let predicted = plan.predict(before.clone());
        prop_assert!(after.disks.agrees_with(&predicted.disks), "{:#?}\npredicted {:#?}\nobserved {:#?}", plan, predicted.disks, after.disks);
        let again = plan::disks::plan(&config, &after).map_err(|report| TestCaseError::fail(format!("{report:?}")))?;
        prop_assert!(again.is_empty(), "{:#?}", again);
        if matches!(after.disks.blocks[device.node()].table, TableState::None) {
            return Ok(());
        }
        let verdict = run("sgdisk", &["--verify", device.node()]);
        prop_assert!(verdict.contains("No problems found"), "{}", verdict);
        let now = table(&after, device.node());
        if !wipe_table && !there.is_empty() {
            let touched = |number: &u32| plan.steps.iter().any(|step| match &step.op {
                Op::Disk(op) => serde_json::to_value(op).unwrap()["number"] == *number,
                _ => false,
            });
            let kept: BTreeMap<u32, Entry> = table(&before, device.node()).partitions.into_iter().filter(|(n, _)| !touched(n)).collect();
            for (number, entry) in kept {
                prop_assert_eq!(now.partitions.get(&number), Some(&entry));
            }
        }
        let mut ranges: Vec<(u64, u64)> = now.partitions.values().map(|entry| (entry.start, entry.end)).collect();
        ranges.sort_unstable();
        for pair in ranges.windows(2) {
            prop_assert!(pair[0].1 < pair[1].0, "{:?}", ranges);
        }
        // Where nothing changed, nobody told the kernel: it has no partition parser here.
        for (number, entry) in now.partitions.iter().filter(|_| !plan.is_empty()) {
            let name = partition_node(device.node(), *number);
            let sysfs = Path::new("/sys/class/block").join(name.trim_start_matches("/dev/"));
            let read = |file: &str| fs::read_to_string(sysfs.join(file)).unwrap().trim().parse::<u64>().unwrap();
            prop_assert_eq!((read("start"), read("size")), (entry.start, entry.sectors()), "the kernel's view of {}", name);
        }
    }
}

fn filesystem(device: &str, format: Format) -> Filesystem {
    Filesystem {
        at: None,
        device: SysPath::parse(device).unwrap(),
        format: Some(format),
        path: None,
        label: None,
        uuid: None,
        options: Vec::new(),
        mount_options: Vec::new(),
        wipe_filesystem: false,
    }
}

#[test]
fn file_systems_are_made_found_again_and_agree_with_blkid() {
    let device = LoopDisk::new(1200, 512);
    let uuid = "11111111-2222-3333-4444-555555555555";
    let mut parts: Vec<Partition> = (1..=5)
        .map(|number| Partition {
            size_mib: Some(200),
            ..partition(number)
        })
        .collect();
    parts[1].size_mib = Some(320);
    let path = device.path();
    apply(&plan::disks::plan(&[disk(path.clone(), parts)], &observe(&[&path])).unwrap());
    let formats = [
        Format::Ext4,
        Format::Xfs,
        Format::Btrfs,
        Format::Vfat,
        Format::Swap,
    ];
    let wanted: Vec<Filesystem> = (1..)
        .zip(formats)
        .map(|(number, format)| Filesystem {
            label: Some(format!("L{number}")),
            uuid: Some(if format == Format::Vfat {
                "1234-abcd".into()
            } else {
                uuid.replace('1', &number.to_string())
            }),
            ..filesystem(&partition_node(device.node(), number), format)
        })
        .collect();
    let paths: Vec<&SysPath> = std::iter::once(&path)
        .chain(wanted.iter().map(|fs| &fs.device))
        .collect();
    let before = observe(&paths);
    let plan = plan::filesystems::plan(&wanted, &before).unwrap();
    assert_eq!(plan.steps.len(), 5);
    apply(&plan);
    let after = observe(&paths);
    assert!(after.disks.agrees_with(&plan.predict(before).disks));
    assert!(plan::filesystems::plan(&wanted, &after).unwrap().is_empty());
    for fs in &wanted {
        let node = fs.device.as_str();
        let value = |tag: &str| run("blkid", &["-p", "-s", tag, "-o", "value", node]);
        assert_eq!(value("TYPE"), fs.format.unwrap().name());
        assert_eq!(value("LABEL"), fs.label.clone().unwrap());
        assert_eq!(value("UUID").to_lowercase(), fs.uuid.clone().unwrap());
    }
}

#[test]
fn data_survives_what_does_not_allow_to_destroy_it() {
    let device = LoopDisk::new(64, 512);
    let path = device.path();
    run("mkfs.ext4", &["-q", "-L", "DATA", device.node()]);
    let mount = tempfile::tempdir().unwrap();
    let at = mount.path().to_str().unwrap();
    run("mount", &[device.node(), at]);
    fs::write(mount.path().join("file"), "precious").unwrap();

    // In use: not even with permission to destroy.
    let forced = Filesystem {
        wipe_filesystem: true,
        ..filesystem(device.node(), Format::Xfs)
    };
    let report = plan::filesystems::plan(&[forced], &observe(&[&path])).unwrap_err();
    assert!(report.items[0].message.contains("mounted at"), "{report:?}");
    let parts = [disk(path.clone(), vec![partition(1)])];
    let report = plan::disks::plan(&parts, &observe(&[&path])).unwrap_err();
    assert!(report.items[0].message.contains("in use"), "{report:?}");
    run("umount", &[at]);

    let other = filesystem(device.node(), Format::Xfs);
    let report = plan::filesystems::plan(&[other], &observe(&[&path])).unwrap_err();
    assert!(
        report.items[0]
            .message
            .contains("holds ext4 with the label \"DATA\""),
        "{report:?}"
    );
    let report = plan::disks::plan(&parts, &observe(&[&path])).unwrap_err();
    assert!(
        report.items[0].message.contains("partitions would destroy"),
        "{report:?}"
    );
    let same = Filesystem {
        label: Some("DATA".into()),
        ..filesystem(device.node(), Format::Ext4)
    };
    assert!(
        plan::filesystems::plan(std::slice::from_ref(&same), &observe(&[&path]))
            .unwrap()
            .is_empty()
    );
    run("mount", &[device.node(), at]);
    assert_eq!(
        fs::read_to_string(mount.path().join("file")).unwrap(),
        "precious"
    );
    run("umount", &[at]);

    let wiped = Filesystem {
        wipe_filesystem: true,
        ..same
    };
    let plan = plan::filesystems::plan(&[wiped], &observe(&[&path])).unwrap();
    assert!(plan.steps[0].op.is_destructive());
    apply(&plan);
    run("mount", &[device.node(), at]);
    assert!(!mount.path().join("file").exists());
    run("umount", &[at]);
}

#[test]
fn a_grown_disk_and_a_damaged_table_are_repaired_before_they_are_changed() {
    let image = tempfile::NamedTempFile::new().unwrap();
    image.as_file().set_len(64 << 20).unwrap();
    let name = image.path().to_str().unwrap().to_string();
    run(
        "sgdisk",
        &[
            "--new=1:0:+8M",
            "--change-name=1:one",
            "--new=4:0:+8M",
            "--change-name=4:four",
            &name,
        ],
    );
    let entries = |name: &str| ["1", "4"].map(|number| run("sgdisk", &["--info", number, name]));
    let before = entries(&name);
    image.as_file().set_len(128 << 20).unwrap();
    // One byte of the first copy's entries.
    let mut bytes = fs::read(&name).unwrap();
    bytes[1024 + 60] ^= 0xff;
    fs::write(&name, bytes).unwrap();
    let broken = File::open(&name).unwrap().metadata().unwrap().len();
    assert_eq!(broken, 128 << 20);

    let node = run("losetup", &["--find", "--show", &name]);
    let path = SysPath::parse(&node).unwrap();
    let add = [disk(
        path.clone(),
        vec![Partition {
            label: Some("new".into()),
            ..partition(0)
        }],
    )];
    let plan = plan::disks::plan(&add, &observe(&[&path])).unwrap();
    assert!(
        plan.steps[0]
            .op
            .to_string()
            .contains("its first copy has entries with a wrong checksum, and the disk has grown"),
        "{plan:?}"
    );
    apply(&plan);
    assert!(run("sgdisk", &["--verify", &node]).contains("No problems found"));
    assert_eq!(entries(&node), before);
    assert!(run("sgdisk", &["--info", "2", &node]).contains("'new'"));
    let _ = Command::new("partx").args(["--delete", &node]).output();
    run("losetup", &["--detach", &node]);
}
