use insta::assert_snapshot;

use super::*;
use crate::diag::Sources;
use crate::facts::disks::{Entry, Superblock, Table};
use crate::facts::{Facts, Usage};

const NODE: &str = "/dev/vda";

fn table(guid: Guid, labels: &[&str]) -> Table {
    let mut table = Table::empty(100 << 20, 512);
    table.guid = Some(guid);
    for (number, label) in (1..).zip(labels) {
        let start = 2048 * u64::from(number);
        let entry = Entry {
            start,
            end: start + 2047,
            type_guid: Guid([9; 16]),
            guid: Some(Guid([8; 16])),
            label: (*label).into(),
            attributes: 1 << 48,
        };
        table.partitions.insert(number, entry);
    }
    table
}

fn block(table: Table) -> Block {
    Block {
        size: 100 << 20,
        sector: 512,
        table: TableState::Gpt(table),
        signature: Signature::Blank,
        used: None,
    }
}

fn words(block: Block) -> String {
    let mut disks = Disks::default();
    disks.fresh.insert(NODE.into(), block);
    let plan = plan(&disks);
    assert!(plan.steps.iter().all(|step| !step.op.is_destructive()));
    plan.render(&Sources::default()) + &plan.notes.render(&Sources::default())
}

#[test]
fn the_command_line_names_another_guid() {
    let other = Guid::parse("11111111-2222-3333-4444-555555555555").unwrap();
    for (line, expected) in [
        ("", IMAGE),
        ("quiet flatcar.randomize_disk_guid", IMAGE),
        ("flatcar.randomize_disk_guid=", IMAGE),
        ("flatcar.randomize_disk_guid=1", IMAGE),
        (
            "other.randomize_disk_guid=11111111-2222-3333-4444-555555555555",
            IMAGE,
        ),
        (
            "flatcar.randomize_disk_guid=11111111-2222-3333-4444-555555555555",
            other,
        ),
        (
            "coreos.randomize_disk_guid=11111111-2222-3333-4444-555555555555 ro",
            other,
        ),
        (
            "flatcar.randomize_disk_guid=11111111-2222-3333-4444-555555555555 flatcar.randomize_disk_guid=00000000-0000-0000-0000-000000000001",
            IMAGE,
        ),
        (
            "flatcar.randomize_disk_guid=11111111-2222-3333-4444-555555555555 flatcar.randomize_disk_guid=x",
            other,
        ),
    ] {
        assert_eq!(image_guid(&crate::cmdline::words(line)), expected, "{line}");
    }
    assert_eq!(IMAGE.to_string(), "00000000-0000-0000-0000-000000000001");
}

#[test]
fn only_a_disk_that_is_surely_an_image_gets_a_guid() {
    let mut out = String::new();
    for labels in [
        &["EFI-SYSTEM", "BIOS-BOOT", "ROOT"] as &[&str],
        &["x", "OEM"],
        &["root", "oem", "ROOT2", ""],
        &[],
    ] {
        out += &format!("{labels:?}:\n{}", words(block(table(IMAGE, labels))));
    }
    let good = || table(IMAGE, &["ROOT", "b"]);
    let grown = Table {
        repair: Some("the disk has grown, the backup is not at its end".into()),
        ..good()
    };
    out += &format!("grown:\n{}", words(block(grown)));
    let used = Block {
        used: Some(Usage::PartOf("/dev/mapper/mpatha".into())),
        ..block(good())
    };
    out += &format!("multipath:\n{}", words(used));
    let member = Block {
        signature: Signature::Found(Superblock {
            kind: "isw_raid_member".into(),
            ..Superblock::default()
        }),
        ..block(good())
    };
    out += &format!("firmware RAID:\n{}", words(member));
    let mut overlapping = good();
    if let Some(entry) = overlapping.partitions.get_mut(&1) {
        entry.end += 1;
    }
    out += &format!("overlapping:\n{}", words(block(overlapping)));
    assert_snapshot!(out, @r#"
    ["EFI-SYSTEM", "BIOS-BOOT", "ROOT"]:
      replace the disk GUID 00000000-0000-0000-0000-000000000001 of /dev/vda by a random one
          because every disk with a copy of the image has this GUID, and a partition labelled ROOT
    ["x", "OEM"]:
      replace the disk GUID 00000000-0000-0000-0000-000000000001 of /dev/vda by a random one
          because every disk with a copy of the image has this GUID, and a partition labelled OEM
    ["root", "oem", "ROOT2", ""]:
    []:
    grown:
      replace the disk GUID 00000000-0000-0000-0000-000000000001 of /dev/vda by a random one, and repair the partition table: the disk has grown, the backup is not at its end
          because every disk with a copy of the image has this GUID, and a partition labelled ROOT
    multipath:
    warning: /dev/vda keeps the disk GUID 00000000-0000-0000-0000-000000000001 of its image: it is part of mapper/mpatha
    firmware RAID:
    warning: /dev/vda keeps the disk GUID 00000000-0000-0000-0000-000000000001 of its image: it is a part of an array (isw_raid_member)
    overlapping:
    warning: /dev/vda keeps the disk GUID 00000000-0000-0000-0000-000000000001 of its image: partitions 1 and 2 overlap
    "#);
}

/// A disk that the config names as well: its table is repaired once, and then changed.
#[test]
fn the_disks_of_the_config_are_planned_on_the_new_guid() {
    let there = Table {
        repair: Some("the disk has grown, the backup is not at its end".into()),
        ..table(IMAGE, &["ROOT"])
    };
    let mut facts = Facts::default();
    facts.disks.blocks.insert(NODE.into(), block(there.clone()));
    facts.disks.fresh.insert(NODE.into(), block(there));
    let asked = crate::model::Disk {
        at: None,
        device: crate::model::SysPath::parse(NODE).unwrap(),
        wipe_table: false,
        partitions: vec![crate::model::Partition {
            at: None,
            number: 0,
            label: Some("data".into()),
            start_mib: None,
            size_mib: Some(10),
            type_guid: None,
            guid: None,
            wipe_partition_entry: false,
            should_exist: true,
            resize: false,
            own_sectors: false,
        }],
    };
    let disks = [asked];
    let planned = crate::plan::disks::plan(&disks, &facts).unwrap();
    assert_snapshot!(planned.render(&Sources::default()), @r#"
      replace the disk GUID 00000000-0000-0000-0000-000000000001 of /dev/vda by a random one, and repair the partition table: the disk has grown, the backup is not at its end
          because every disk with a copy of the image has this GUID, and a partition labelled ROOT
      create partition 2 "data" on /dev/vda: 10 MiB from 2 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
          because the config asks for it and it does not exist
    "#);
    let after = planned.predict(facts);
    assert!(after.disks.fresh.is_empty());
    let TableState::Gpt(table) = &after.disks.blocks[NODE].table else {
        panic!()
    };
    assert_eq!((table.guid, &table.repair), (None, &None));
    assert!(crate::plan::disks::plan(&disks, &after).unwrap().is_empty());
}
