use super::*;
use crate::facts::disks::Disks;
use crate::model::{Config, SysPath};
use crate::op::{MountOp, Op};
use crate::plan::mounts;

/// A machine with one device that holds a file system of this kind and label, also found by label.
fn machine(kind: &str, label: &str) -> Facts {
    let found = Superblock {
        kind: kind.into(),
        label: label.into(),
        uuid: None,
        ..Superblock::default()
    };
    let block = Block {
        size: 1 << 30,
        sector: 512,
        table: TableState::None,
        signature: Signature::Found(found),
        used: None,
    };
    let mut disks = Disks::default();
    disks.blocks.insert("/dev/vdb".into(), block);
    disks
        .links
        .insert(format!("/dev/disk/by-label/{label}"), "/dev/vdb".into());
    Facts {
        disks,
        ..Facts::default()
    }
}

fn asked_for(label: &str, format: Format, wipe: bool) -> Vec<Filesystem> {
    vec![Filesystem {
        at: None,
        device: SysPath::parse(&format!("/dev/disk/by-label/{label}")).unwrap(),
        format: Some(format),
        path: Some(SysPath::parse("/oem").unwrap()),
        label: None,
        uuid: None,
        options: Vec::new(),
        mount_options: Vec::new(),
        wipe_filesystem: wipe,
    }]
}

#[test]
fn the_oem_partition_is_kept_in_either_format_and_mounted_as_what_it_is() {
    for (there, asked) in [("btrfs", Format::Ext4), ("ext4", Format::Btrfs)] {
        let facts = machine(there, "OEM");
        let filesystems = asked_for("OEM", asked, false);
        assert_eq!(plan(&filesystems, &facts).unwrap(), Plan::default());
        let config = Config {
            filesystems,
            ..Config::default()
        };
        let mounts = mounts::plan(&config, &facts).unwrap();
        let Op::Mount(MountOp::Mount { format, .. }) = &mounts.steps[0].op else {
            panic!("{mounts:?}")
        };
        assert_eq!(format.name(), there);
    }
}

#[test]
fn no_other_format_and_no_other_partition_is_taken_for_what_it_is_not() {
    let refused = |facts: &Facts, filesystems: &[Filesystem]| {
        let report = plan(filesystems, facts).unwrap_err();
        assert!(report.items[0].message.contains("holds"), "{report:?}");
    };
    refused(
        &machine("xfs", "OEM"),
        &asked_for("OEM", Format::Ext4, false),
    );
    refused(
        &machine("btrfs", "OEM"),
        &asked_for("OEM", Format::Xfs, false),
    );
    refused(
        &machine("btrfs", "DATA"),
        &asked_for("DATA", Format::Ext4, false),
    );
}

#[test]
fn the_oem_partition_is_made_anew_when_the_config_says_so() {
    let made = plan(
        &asked_for("OEM", Format::Ext4, true),
        &machine("btrfs", "OEM"),
    )
    .unwrap();
    let lines: Vec<String> = made.steps.iter().map(|step| step.op.to_string()).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].contains("ext4"), "{lines:?}");
}

#[test]
fn a_device_of_several_signatures_is_refused_or_wiped_first() {
    let mut facts = machine("ext4", "DATA");
    let kinds = ["ext4", "zfs_member"].map(String::from).to_vec();
    let block = facts.disks.blocks.get_mut("/dev/vdb").unwrap();
    block.signature = Signature::Ambivalent(kinds);
    let report = plan(&asked_for("DATA", Format::Ext4, false), &facts).unwrap_err();
    assert_eq!(
        report.items[0].message,
        "/dev/vdb holds signatures of ext4 and zfs_member at once, not ext4"
    );
    let plan = plan(&asked_for("DATA", Format::Ext4, true), &facts).unwrap();
    let ops: Vec<String> = plan.steps.iter().map(|step| step.op.to_string()).collect();
    assert_eq!(ops.len(), 2, "{ops:?}");
    assert!(plan.steps[0].op.is_destructive(), "{ops:?}");
    assert!(matches!(
        &plan.steps[0].op,
        Op::Disk(DiskOp::WipeSignatures { .. })
    ));
}
