use insta::assert_snapshot;

use super::*;
use crate::diag::Sources;
use crate::facts::disks::TableState;
use crate::facts::disks::{Sectors, Signature, Superblock};

pub(super) const NODE: &str = "/dev/vdb";
pub(super) const MIB: u64 = 2048;

pub(super) fn entry(start_mib: u64, size_mib: u64, label: &str) -> Entry {
    Entry {
        start: start_mib * MIB,
        end: (start_mib + size_mib) * MIB - 1,
        type_guid: LINUX_DATA,
        guid: Some(Guid([7; 16])),
        label: label.into(),
        attributes: 4,
    }
}

/// A disk of 100 MiB with these partitions.
pub(super) fn facts(entries: &[(u32, Entry)]) -> Facts {
    let mut facts = Facts::default();
    let mut table = Table::empty(100 << 20, 512);
    table.guid = Some(Guid([1; 16]));
    let block = |size, table| Block {
        size,
        sector: 512,
        table,
        signature: Signature::Blank,
        used: None,
    };
    for (number, entry) in entries {
        let part = block(entry.sectors() * 512, TableState::None);
        facts
            .disks
            .blocks
            .insert(partition_node(NODE, *number), part);
        table.partitions.insert(*number, entry.clone());
    }
    let disk = block(100 << 20, TableState::Gpt(table));
    facts.disks.blocks.insert(NODE.into(), disk);
    facts
}

pub(super) fn partition(number: u32, label: &str) -> Partition {
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
        own_sectors: false,
    }
}

pub(super) fn disk(partitions: Vec<Partition>) -> Disk {
    Disk {
        at: None,
        device: crate::model::SysPath::parse(NODE).unwrap(),
        wipe_table: false,
        partitions,
    }
}

/// The plan as text, after checking that it leads to a whole table and that it is not planned again.
fn planned(disk: &Disk, facts: &Facts) -> String {
    let plan = match crate::plan::disks::plan(std::slice::from_ref(disk), facts) {
        Ok(plan) => plan,
        Err(report) => return report.render(&Sources::default()),
    };
    let after = plan.predict(facts.clone());
    // A wiped disk without partitions has no table.
    let empty = Table::empty(100 << 20, 512);
    let table = match &after.disks.blocks[NODE].table {
        TableState::Gpt(table) => table,
        _ => &empty,
    };
    let mut places: Vec<_> = table
        .partitions
        .values()
        .map(|e| (e.start, e.end))
        .collect();
    places.sort_unstable();
    assert!(places.iter().all(|(start, end)| {
        start <= end && *start >= table.first_usable && *end <= table.last_usable
    }));
    assert!(
        places.windows(2).all(|pair| pair[0].1 < pair[1].0),
        "{places:?}"
    );
    let again = crate::plan::disks::plan(std::slice::from_ref(disk), &after);
    let again = again.map(|plan| plan.render(&Sources::default()));
    assert_eq!(again, Ok(String::new()), "planned again");
    plan.steps
        .iter()
        .map(|step| format!("{}\n", step.line()))
        .collect()
}

#[test]
fn the_matrix_of_the_operator_notes() {
    let there = facts(&[(1, entry(1, 10, "a"))]);
    let none = facts(&[]);
    let rows = [
        (&none, false, false),
        (&none, false, true),
        (&none, true, false),
        (&none, true, true),
        (&there, false, false),
        (&there, false, true),
        (&there, true, false),
        (&there, true, true),
    ];
    let mut out = String::new();
    for (facts, should_exist, wipe) in rows {
        let asked = Partition {
            should_exist,
            wipe_partition_entry: wipe,
            ..partition(1, if should_exist { "b" } else { "" })
        };
        let present = facts.disks.blocks.len() > 1;
        out += &format!("present {present}, shouldExist {should_exist}, wipe {wipe}:\n");
        out += &planned(&disk(vec![asked]), facts);
    }
    assert_snapshot!(out, @r#"
    present false, shouldExist false, wipe false:
    present false, shouldExist false, wipe true:
    present false, shouldExist true, wipe false:
      create partition 1 "b" on /dev/vdb: 98.9 MiB from 1 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
    present false, shouldExist true, wipe true:
      create partition 1 "b" on /dev/vdb: 98.9 MiB from 1 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
    present true, shouldExist false, wipe false:
    error: partition 1 ("a") of /dev/vdb exists, but should not
      help: set wipePartitionEntry to true if it may be deleted
    present true, shouldExist false, wipe true:
    ! delete partition 1 "a" from /dev/vdb
    present true, shouldExist true, wipe false:
    error: partition 1 of /dev/vdb exists, but differs: its label is "a", not "b"
      help: set wipePartitionEntry to true if its data may be lost
    present true, shouldExist true, wipe true:
    ! delete partition 1 "a" from /dev/vdb
      create partition 1 "b" on /dev/vdb: 98.9 MiB from 1 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
    "#);
}

#[test]
fn what_matches_is_kept_and_what_differs_is_named() {
    let there = facts(&[(3, entry(1, 10, "a")), (4, entry(20, 10, "b"))]);
    type Change = fn(&mut Partition);
    let asks: [(&str, Change); 8] = [
        ("nothing more", |_| {}),
        ("the same", |p| {
            (p.start_mib, p.size_mib) = (Some(1), Some(10))
        }),
        ("another start", |p| p.start_mib = Some(40)),
        ("another size", |p| p.size_mib = Some(12)),
        ("a size with resize", |p| {
            (p.size_mib, p.resize) = (Some(12), true)
        }),
        ("smaller with resize", |p| {
            (p.size_mib, p.resize) = (Some(5), true)
        }),
        ("the rest with resize", |p| {
            (p.size_mib, p.resize) = (Some(0), true)
        }),
        ("type and GUID", |p| {
            (p.type_guid, p.guid) = (Some(Guid([9; 16])), Some(Guid([8; 16])));
        }),
    ];
    let mut out = String::new();
    for (what, change) in asks {
        let mut asked = partition(3, "a");
        change(&mut asked);
        out += &format!("{what}:\n{}", planned(&disk(vec![asked]), &there));
    }
    assert_snapshot!(out, @r#"
    nothing more:
    the same:
    another start:
    error: partition 3 of /dev/vdb exists, but differs: it begins at 1 MiB, not at 40 MiB
      help: set wipePartitionEntry to true if its data may be lost
    another size:
    error: partition 3 of /dev/vdb exists, but differs: it has 10 MiB, not 12 MiB
      help: set wipePartitionEntry to true if its data may be lost, or resize to true to keep them
    a size with resize:
      grow partition 3 on /dev/vdb by 2 MiB
    smaller with resize:
    ! shrink partition 3 on /dev/vdb by 5 MiB
    the rest with resize:
      grow partition 3 on /dev/vdb by 9 MiB
    type and GUID:
    error: partition 3 of /dev/vdb exists, but differs: its type is 0fc63daf-8483-4772-8e79-3d69d8477de4, not 09090909-0909-0909-0909-090909090909; its GUID is 07070707-0707-0707-0707-070707070707, not 08080808-0808-0808-0808-080808080808
      help: set wipePartitionEntry to true if its data may be lost
    "#);
}

/// Partition 1 matches and stays at its place; the others must not be placed as if it had moved.
#[test]
fn a_kept_partition_is_not_built_over() {
    let there = facts(&[(1, entry(50, 10, "a"))]);
    let kept = Partition {
        size_mib: Some(10),
        wipe_partition_entry: true,
        resize: true,
        ..partition(1, "a")
    };
    let rest = partition(0, "rest");
    let first = planned(&disk(vec![kept.clone(), rest.clone()]), &there);
    // With another size it is replaced, as in Ignition, though it might also be resized.
    let other = Partition {
        size_mib: Some(20),
        ..kept
    };
    let second = planned(&disk(vec![other, rest]), &there);
    assert_snapshot!(format!("{first}--\n{second}"), @r#"
      create partition 2 "rest" on /dev/vdb: 49 MiB from 1 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
    --
    ! delete partition 1 "a" from /dev/vdb
      create partition 1 "a" on /dev/vdb: 20 MiB from 1 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
      create partition 2 "rest" on /dev/vdb: 78.9 MiB from 21 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
    "#);
}

/// A partition to the end of its block differs once its neighbour is gone.
#[test]
fn replacing_one_partition_is_seen_by_the_others() {
    let there = facts(&[
        (1, entry(1, 10, "a")),
        (2, entry(11, 9, "old")),
        (3, entry(20, 10, "x")),
    ]);
    let fills = Partition {
        start_mib: Some(1),
        size_mib: Some(0),
        resize: true,
        ..partition(1, "a")
    };
    let moves = Partition {
        start_mib: Some(40),
        size_mib: Some(9),
        wipe_partition_entry: true,
        ..partition(2, "new")
    };
    assert_snapshot!(planned(&disk(vec![fills, moves]), &there), @r#"
    ! delete partition 2 "old" from /dev/vdb
      grow partition 1 on /dev/vdb by 9 MiB
      create partition 2 "new" on /dev/vdb: 9 MiB from 40 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
    "#);
}

#[test]
fn a_wiped_disk_is_not_wiped_again() {
    let there = facts(&[(1, entry(1, 10, "a")), (2, entry(11, 9, ""))]);
    let sized = |number, label, size| Partition {
        size_mib: Some(size),
        type_guid: Some(Guid::ZERO),
        ..partition(number, label)
    };
    // Those without a number come last, wherever the config has them.
    let disk = Disk {
        wipe_table: true,
        ..disk(vec![
            sized(0, "z", 0),
            sized(1, "one", 10),
            sized(3, "three", 20),
        ])
    };
    assert_snapshot!(planned(&disk, &there), @r#"
    ! replace the partition table with 2 partitions on /dev/vdb by an empty partition table
      create partition 1 "one" on /dev/vdb: 10 MiB from 1 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
      create partition 3 "three" on /dev/vdb: 20 MiB from 11 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
      create partition 2 "z" on /dev/vdb: 68.9 MiB from 31 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
    "#);
}

#[test]
fn number_0_takes_the_partition_of_its_label_or_a_free_slot() {
    let there = facts(&[(1, entry(1, 10, "a")), (2, entry(11, 9, ""))]);
    let mut out = planned(&disk(vec![partition(0, "a")]), &there);
    out += "--\n";
    out += &planned(&disk(vec![partition(0, "b")]), &there);
    out += "--\n";
    // An empty label does not mean partition 2.
    let unnamed = Partition {
        label: Some(String::new()),
        wipe_partition_entry: true,
        type_guid: Some(Guid([9; 16])),
        ..partition(0, "")
    };
    let plan = crate::plan::disks::plan(&[disk(vec![unnamed])], &there).unwrap();
    out += &plan.render(&Sources::default());
    assert_snapshot!(out, @r#"
    --
      create partition 3 "b" on /dev/vdb: 79.9 MiB from 20 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
    --
      create partition 3 "" on /dev/vdb: 79.9 MiB from 20 MiB, type 09090909-0909-0909-0909-090909090909, random GUID
          because the config asks for it and it does not exist
    "#);
}

#[test]
fn what_is_in_use_or_not_ours_is_refused() {
    let mut used = facts(&[(1, entry(1, 10, "a")), (2, entry(11, 10, "b"))]);
    used.disks.blocks.get_mut("/dev/vdb1").unwrap().used = Some(Usage::MountedAt("/".into()));
    let change = |number| Partition {
        wipe_partition_entry: true,
        ..partition(number, "new")
    };
    let mut out = planned(&disk(vec![change(1)]), &used);
    out += &planned(&disk(vec![change(2)]), &used);
    let wiped = Disk {
        wipe_table: true,
        ..disk(vec![partition(1, "x")])
    };
    out += &planned(&wiped, &used);
    let mut other = facts(&[]);
    let block = other.disks.blocks.get_mut(NODE).unwrap();
    block.table = TableState::Other("an MBR partition table".into());
    out += &planned(&disk(vec![partition(1, "x")]), &other);
    out += &planned(&wiped, &other);
    let block = other.disks.blocks.get_mut(NODE).unwrap();
    block.table = TableState::None;
    block.signature = Signature::Found(Superblock {
        kind: "xfs".into(),
        label: String::new(),
        uuid: None,
        ..Superblock::default()
    });
    out += &planned(&disk(vec![partition(1, "x")]), &other);
    assert_snapshot!(out, @r#"
    error: partition 1 of /dev/vdb would be changed, but it is mounted at /
    ! delete partition 2 "b" from /dev/vdb
      create partition 2 "new" on /dev/vdb: 88.9 MiB from 11 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
    error: /dev/vdb cannot be wiped: partition 1 is mounted at /
    error: /dev/vdb holds an MBR partition table, which partitions would destroy
      help: set wipeTable to true if it may be lost
    ! replace an MBR partition table on /dev/vdb by an empty partition table
      create partition 1 "x" on /dev/vdb: 98.9 MiB from 1 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
    error: /dev/vdb holds xfs without partitions, which partitions would destroy
      help: set wipeTable to true if it may be lost
    "#);
}

#[test]
fn links_of_partitions_resolve_before_there_are_any() {
    let mut facts = facts(&[]);
    let link = "/dev/disk/by-id/virtio-data";
    facts.disks.links.insert(link.into(), NODE.into());
    let asked = Disk {
        device: crate::model::SysPath::parse(link).unwrap(),
        ..disk(vec![Partition {
            guid: Some(Guid([5; 16])),
            ..partition(2, "my data")
        }])
    };
    let after = crate::plan::disks::plan(&[asked], &facts)
        .unwrap()
        .predict(facts);
    for path in [
        "/dev/vdb2",
        "/dev/disk/by-id/virtio-data-part2",
        "/dev/disk/by-partlabel/my\\x20data",
        "/dev/disk/by-partuuid/05050505-0505-0505-0505-050505050505",
    ] {
        assert_eq!(
            after.disks.resolve(path).as_deref(),
            Some("/dev/vdb2"),
            "{path}"
        );
    }
    assert_eq!(
        after.disks.resolve("/dev/disk/by-id/virtio-data-part1"),
        None
    );
}

proptest::proptest! {
    /// Whatever is there and is asked: a plan leads to a whole table, and is not planned again.
    #[test]
    fn plans_are_whole_and_final(
        there in proptest::collection::vec((1u64..90, 1u64..30, 0usize..4), 0..5),
        asked in proptest::collection::vec(
            (0u32..6, 0usize..4, proptest::option::of(0u64..90), proptest::option::of(0u64..30),
             proptest::bool::ANY, proptest::bool::ANY, 0u8..8), 1..5),
        wipe_table in proptest::bool::weighted(0.2),
    ) {
        const LABELS: [&str; 4] = ["", "a", "b", "c"];
        let mut entries: Vec<(u32, Entry)> = Vec::new();
        for (number, (start, size, label)) in (1..).zip(there) {
            let new = entry(start, size, LABELS[label]);
            let free = |e: &Entry| new.end < e.start || e.end < new.start;
            if new.end <= Table::empty(100 << 20, 512).last_usable && entries.iter().all(|(_, e)| free(e)) {
                entries.push((number, new));
            }
        }
        let mut partitions: Vec<Partition> = Vec::new();
        for (at, (number, label, start, size, wipe, resize, exists)) in asked.into_iter().enumerate() {
            // As the validation wants it: no number twice, number 0 with labels of their own.
            let label = if number == 0 { ["k", "l", "m", "n"][at] } else { LABELS[label] };
            if number != 0 && partitions.iter().any(|p| p.number == number) {
                continue;
            }
            partitions.push(if exists == 0 && number != 0 {
                Partition { should_exist: false, wipe_partition_entry: wipe, ..partition(number, "") }
            } else {
                Partition { start_mib: start, size_mib: size, wipe_partition_entry: wipe, resize, ..partition(number, label) }
            });
        }
        let asked = Disk { wipe_table, ..disk(partitions) };
        planned(&asked, &facts(&entries));
    }
}

/// Since 3.7.0-experimental a config may do both. Planned again, it means the same.
#[test]
fn a_new_partition_takes_the_room_and_the_number_of_a_removed_one() {
    let removed = |number| Partition {
        should_exist: false,
        wipe_partition_entry: true,
        ..partition(number, "")
    };
    let there = facts(&[(1, entry(1, 10, "a")), (2, entry(11, 80, "b"))]);
    let sized = Partition {
        size_mib: Some(40),
        ..partition(0, "b")
    };
    let asked = disk(vec![sized, removed(2), partition(0, "c")]);
    assert_snapshot!(planned(&asked, &there), @r#"
    ! delete partition 2 "b" from /dev/vdb
      create partition 2 "b" on /dev/vdb: 40 MiB from 11 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
      create partition 3 "c" on /dev/vdb: 48.9 MiB from 51 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
    "#);
}

#[test]
fn what_the_table_cannot_hold_is_refused_before_anything_is_done() {
    let change = |change: &dyn Fn(&mut Table)| {
        let mut there = facts(&[(1, entry(1, 10, "a")), (2, entry(11, 10, "b"))]);
        if let Some(block) = there.disks.blocks.get_mut(NODE)
            && let TableState::Gpt(table) = &mut block.table
        {
            change(table);
        }
        there
    };
    let few = change(&|table| table.slots = 4);
    let full = change(&|table| table.slots = 2);
    let sectors = |first, last| Sectors { first, last };
    let hybrid = change(&|table| table.hybrid = vec![sectors(MIB, 11 * MIB - 1)]);
    let beyond = change(&|table| table.hybrid = vec![sectors(60 * MIB, 61 * MIB)]);
    let faulty = change(&|table| {
        if let Some(entry) = table.partitions.get_mut(&2) {
            entry.start -= 1;
        }
    });
    let new = |number, size| Partition {
        size_mib: Some(size),
        ..partition(number, "new")
    };
    let again = |number| Partition {
        wipe_partition_entry: true,
        ..new(number, 5)
    };
    let gone = |number, label: &str, wipe| Partition {
        should_exist: false,
        wipe_partition_entry: wipe,
        label: Some(label.to_string()).filter(|label| !label.is_empty()),
        ..partition(number, "")
    };
    let asks = [
        ("slot 4 of 4", &few, new(4, 5)),
        ("slot 5 of 4", &few, new(5, 5)),
        ("slot 129", &facts(&[]), new(129, 5)),
        ("no slot is free", &full, new(0, 5)),
        ("beside a hybrid MBR's", &hybrid, new(0, 5)),
        ("another than a hybrid MBR's", &hybrid, again(2)),
        ("a hybrid MBR's", &hybrid, again(1)),
        ("a hybrid MBR's is deleted", &hybrid, gone(1, "", true)),
        ("a hybrid MBR's alone", &beyond, new(0, 60)),
        ("overlapping ones stay", &faulty, new(0, 5)),
        ("one of those that overlap goes", &faulty, again(2)),
        ("nothing new", &faulty, partition(1, "a")),
    ];
    let mut out = String::new();
    for (what, there, asked) in asks {
        out += &format!("{what}:\n{}", planned(&disk(vec![asked]), there));
    }
    let wiped = Disk {
        wipe_table: true,
        ..disk(vec![new(1, 5)])
    };
    out += &format!("wipeTable:\n{}", planned(&wiped, &hybrid));
    assert_snapshot!(out, @r#"
    slot 4 of 4:
      create partition 4 "new" on /dev/vdb: 5 MiB from 21 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
    slot 5 of 4:
    error: there is no partition 5 on /dev/vdb: its table has 4 slots
    slot 129:
    error: there is no partition 129 on /dev/vdb: its table has 128 slots
    no slot is free:
    error: the table of /dev/vdb has no free slot
    beside a hybrid MBR's:
      create partition 3 "new" on /dev/vdb: 5 MiB from 21 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
    another than a hybrid MBR's:
    ! delete partition 2 "b" from /dev/vdb
      create partition 2 "new" on /dev/vdb: 5 MiB from 11 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
    a hybrid MBR's:
    ! delete partition 1 "a" from /dev/vdb
      create partition 1 "new" on /dev/vdb: 5 MiB from 21 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
    a hybrid MBR's is deleted:
    ! delete partition 1 "a" from /dev/vdb
    a hybrid MBR's alone:
    error: /dev/vdb cannot be changed: it has a hybrid MBR, which names the sectors 122880 to 124928; set wipeTable to true if all may be lost
    overlapping ones stay:
    error: /dev/vdb cannot be changed: its partition table is at fault, partitions 1 and 2 overlap
    one of those that overlap goes:
    ! delete partition 2 "b" from /dev/vdb
      create partition 2 "new" on /dev/vdb: 5 MiB from 11 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
    nothing new:
    error: partition 1 ("a") does not fit on /dev/vdb: it needs 20480 sectors from sector 2048, there are 20479 free
    wipeTable:
    ! replace the partition table with 2 partitions on /dev/vdb by an empty partition table
      create partition 1 "new" on /dev/vdb: 5 MiB from 1 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
    "#);
}

#[test]
fn a_disk_of_several_signatures_is_partitioned_only_when_it_is_wiped() {
    let mut undecided = facts(&[]);
    let block = undecided.disks.blocks.get_mut(NODE).unwrap();
    block.table = TableState::None;
    block.signature = Signature::Ambivalent(["xfs", "reiser4"].map(String::from).to_vec());
    let asked = disk(vec![partition(1, "x")]);
    let wiped = Disk {
        wipe_table: true,
        ..asked.clone()
    };
    let out = planned(&asked, &undecided) + &planned(&wiped, &undecided);
    assert_snapshot!(out, @r#"
    error: /dev/vdb holds signatures of xfs and reiser4 at once, which partitions would destroy
      help: set wipeTable to true if it may be lost
    ! replace signatures of xfs and reiser4 at once on /dev/vdb by an empty partition table
      create partition 1 "x" on /dev/vdb: 98.9 MiB from 1 MiB, type 0fc63daf-8483-4772-8e79-3d69d8477de4, random GUID
    "#);
}

#[test]
fn number_0_takes_the_lowest_slot_that_is_free_when_deletions_are_done() {
    let gone = |number: u32, label: &str| Partition {
        should_exist: false,
        wipe_partition_entry: true,
        label: Some(label.to_string()).filter(|label| !label.is_empty()),
        ..partition(number, "")
    };
    let absent = |number: u32, label: &str| Partition {
        wipe_partition_entry: false,
        ..gone(number, label)
    };
    let new = |number: u32, label: &str| Partition {
        size_mib: Some(5),
        ..partition(number, label)
    };
    let full = || {
        let mut there = facts(&[(1, entry(1, 10, "a")), (2, entry(11, 10, "b"))]);
        if let Some(block) = there.disks.blocks.get_mut(NODE)
            && let TableState::Gpt(table) = &mut block.table
        {
            table.slots = 2;
        }
        there
    };
    let two = || facts(&[(1, entry(1, 10, "a")), (2, entry(11, 10, "b"))]);
    let table: Vec<(Facts, Vec<Partition>, &str)> = vec![
        (two(), vec![gone(1, ""), new(0, "n")], "delete 1, create 1"),
        (two(), vec![new(0, "n"), gone(1, "")], "delete 1, create 1"),
        (two(), vec![gone(2, ""), new(0, "n")], "delete 2, create 2"),
        (two(), vec![gone(0, "a"), new(0, "n")], "delete 1, create 1"),
        (
            two(),
            vec![gone(0, "b"), new(0, "n"), new(0, "m")],
            "delete 2, create 2, create 3",
        ),
        (
            two(),
            vec![gone(1, ""), gone(2, ""), new(0, "n")],
            "delete 1, delete 2, create 1",
        ),
        (two(), vec![gone(1, ""), new(0, "a")], "delete 1, create 1"),
        // It is as asked already, by an earlier run.
        (
            two(),
            vec![
                gone(1, ""),
                Partition {
                    size_mib: Some(10),
                    ..new(0, "a")
                },
            ],
            "",
        ),
        (two(), vec![gone(1, ""), partition(0, "a")], ""),
        // The number is somebody's.
        (
            two(),
            vec![gone(1, ""), new(3, "m"), new(0, "n")],
            "delete 1, create 3, create 1",
        ),
        // What is not there need not be deleted, and takes no slot.
        (two(), vec![gone(7, "")], ""),
        (two(), vec![gone(200, "")], ""),
        (two(), vec![gone(0, "none")], ""),
        (two(), vec![absent(7, "")], ""),
        (two(), vec![absent(0, "none")], ""),
        (two(), vec![gone(0, "none"), new(0, "n")], "create 3"),
        (two(), vec![gone(3, ""), new(0, "n")], "create 3"),
        (full(), vec![gone(0, "none")], ""),
        (full(), vec![gone(2, ""), new(0, "n")], "delete 2, create 2"),
        (facts(&[]), vec![gone(1, "")], ""),
        (facts(&[]), vec![gone(1, ""), new(0, "n")], "create 1"),
        (
            two(),
            vec![absent(1, "")],
            "partition 1 (\"a\") of /dev/vdb exists, but should not",
        ),
    ];
    for (there, partitions, expected) in table {
        let said = match crate::plan::disks::plan(&[disk(partitions.clone())], &there) {
            Ok(planned) => {
                let steps = planned.steps.iter().filter_map(|step| match &step.op {
                    crate::op::Op::Disk(DiskOp::DeletePartition { number, .. }) => {
                        Some(format!("delete {number}"))
                    }
                    crate::op::Op::Disk(DiskOp::CreatePartition { number, .. }) => {
                        Some(format!("create {number}"))
                    }
                    _ => None,
                });
                let again = planned.predict(there.clone());
                let again = crate::plan::disks::plan(&[disk(partitions.clone())], &again);
                assert!(
                    again.unwrap().is_empty(),
                    "{partitions:?} means another thing then"
                );
                steps.collect::<Vec<String>>().join(", ")
            }
            Err(report) => report.items[0].message.clone(),
        };
        assert_eq!(said, expected, "{partitions:?}");
    }
}

#[test]
fn sectors_of_version_2_are_those_of_the_disk() {
    for (sector, own, start, size, expected) in [
        (512, false, Some(1), Some(2), (2048, 6143)),
        (512, true, Some(1), Some(2), (2048, 6143)),
        (4096, false, Some(1), Some(2), (256, 767)),
        (4096, true, Some(1), Some(2), (2048, 6143)),
        (4096, true, Some(4), Some(8), (8192, 24575)),
        (4096, true, None, Some(1), (256, 2303)),
        (4096, false, None, Some(1), (256, 511)),
    ] {
        let mut facts = facts(&[]);
        let block = Block {
            size: 1 << 30,
            sector,
            table: TableState::None,
            signature: Signature::Blank,
            used: None,
        };
        facts.disks.blocks.insert(NODE.into(), block);
        let disk = disk(vec![Partition {
            start_mib: start,
            size_mib: size,
            own_sectors: own,
            ..partition(1, "a")
        }]);
        let plan = crate::plan::disks::plan(std::slice::from_ref(&disk), &facts).unwrap();
        let after = plan.predict(facts);
        let TableState::Gpt(table) = &after.disks.blocks[NODE].table else {
            panic!("no table");
        };
        let entry = &table.partitions[&1];
        assert_eq!((entry.start, entry.end), expected, "{sector} {own}");
        // It is kept when it is there.
        let again = crate::plan::disks::plan(&[disk], &after).unwrap();
        assert!(again.steps.is_empty(), "{sector} {own}");
    }
}
