use super::*;
use crate::facts::Usage;
use crate::facts::disks::{Entry, Superblock, Table};
use crate::model::{Format, Guid, Mode};
use crate::op::OwnerRef;

fn device(table: TableState, kind: Option<&str>) -> Block {
    Block {
        size: 64 << 20,
        sector: 512,
        table,
        signature: match kind {
            Some(kind) => Signature::Found(Superblock {
                kind: kind.into(),
                ..Superblock::default()
            }),
            None => Signature::Blank,
        },
        used: None,
    }
}

/// A disk with one partition, at sectors 2048 to 4095, that holds ext4 and is mounted, and a blank disk.
fn facts() -> Facts {
    let mut table = Table::empty(64 << 20, 512);
    let entry = Entry {
        start: 2048,
        end: 4095,
        type_guid: Guid::ZERO,
        guid: None,
        label: "one".into(),
        attributes: 0,
    };
    table.partitions.insert(1, entry);
    let mut facts = Facts::default();
    let mut one = device(TableState::None, Some("ext4"));
    one.used = Some(Usage::MountedAt("/var".into()));
    let blocks = [
        ("/dev/a", device(TableState::Gpt(table), None)),
        ("/dev/a1", one),
        ("/dev/b", device(TableState::None, None)),
        ("/dev/c", device(TableState::None, Some("xfs"))),
    ];
    for (node, block) in blocks {
        facts.disks.blocks.insert(node.into(), block);
    }
    facts
}

fn create(number: u32, start: u64, end: u64) -> DiskOp {
    DiskOp::CreatePartition {
        disk: "/dev/a".into(),
        number,
        start,
        end,
        sector: 512,
        type_guid: Guid::ZERO,
        guid: None,
        label: String::new(),
    }
}

fn format(device: &str) -> DiskOp {
    DiskOp::MakeFilesystem {
        device: device.into(),
        format: Format::Ext4,
        label: None,
        uuid: None,
        options: Vec::new(),
    }
}

#[test]
fn operations_on_disks_say_what_is_in_their_way() {
    let facts = facts();
    let delete = |number| DiskOp::DeletePartition {
        disk: "/dev/a".into(),
        number,
        label: String::new(),
    };
    let table = |destroys: Option<&str>| DiskOp::CreateTable {
        disk: "/dev/c".into(),
        destroys: destroys.map(Into::into),
    };
    for (op, expected) in [
        (create(2, 4096, 8191), Ok(())),
        (create(1, 4096, 8191), Err("partition 1 is there")),
        (create(2, 4095, 8191), Err("partition 1 lies there")),
        (
            create(2, 1, 8191),
            Err("it lies outside of the usable sectors"),
        ),
        (
            create(2, 9000, 8191),
            Err("it lies outside of the usable sectors"),
        ),
        (delete(3), Err("partition 3 is not there")),
        (delete(1), Err("/dev/a1 is mounted at /var")),
        (table(Some("xfs")), Ok(())),
        (
            table(None),
            Err("/dev/c holds something that the line does not name"),
        ),
        (format("/dev/b"), Ok(())),
        (format("/dev/c"), Err("/dev/c holds xfs")),
        (format("/dev/a"), Err("/dev/a has a partition table")),
        (format("/dev/a1"), Err("/dev/a1 is mounted at /var")),
        (format("/dev/d"), Err("there is no device /dev/d")),
    ] {
        let found = Op::Disk(op.clone()).precondition(&facts);
        assert_eq!(found, expected.map_err(String::from), "{op}");
    }
}

#[test]
fn a_device_is_one_thing_at_a_time() {
    let mut facts = facts();
    let raid = |members: &[&str]| {
        Op::Volume(VolumeOp::CreateArray {
            name: "data".into(),
            level: "1".into(),
            number: 1,
            members: members.iter().map(ToString::to_string).collect(),
            spares: 0,
            options: Vec::new(),
        })
    };
    assert_eq!(
        raid(&["/dev/b", "/dev/b"]).precondition(&facts),
        Err("/dev/b would be in it twice".into())
    );
    let made = raid(&["/dev/b"]);
    assert_eq!(made.precondition(&facts), Ok(()));
    made.predict(&mut facts);
    let format = Op::Disk(format("/dev/b"));
    assert_eq!(
        format.precondition(&facts),
        Err("/dev/b is part of md/data".into())
    );
}

#[test]
fn operations_on_the_tree_find_their_directory_and_replace_what_they_name() {
    let mut facts = Facts::default();
    let path = |text: &str| SysPath::parse(text).unwrap();
    let directory = |text: &str| {
        Op::Tree(TreeOp::MakeDirectory {
            path: path(text),
            mode: Mode::DIRECTORY,
            user: OwnerRef::Id(0),
            group: OwnerRef::Id(0),
        })
    };
    let link = |replaces| {
        Op::Tree(TreeOp::MakeSymlink {
            path: path("/etc/a"),
            target: "b".into(),
            user: OwnerRef::Id(0),
            group: OwnerRef::Id(0),
            replaces,
        })
    };
    assert_eq!(
        link(None).precondition(&facts),
        Err("there is no directory /etc".into())
    );
    directory("/etc").predict(&mut facts);
    assert_eq!(
        directory("/etc").precondition(&facts),
        Err("a directory is there".into())
    );
    assert_eq!(link(None).precondition(&facts), Ok(()));
    link(None).predict(&mut facts);
    assert_eq!(
        link(None).precondition(&facts),
        Err("a symbolic link is there".into())
    );
    assert_eq!(link(Some("a symbolic link")).precondition(&facts), Ok(()));
}
