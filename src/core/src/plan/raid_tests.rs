use super::*;
use crate::facts::Usage;
use crate::facts::disks::{Disks, Entry, RAID_MEMBER, TableState};
use crate::model::{Disk, Partition, SysPath};

const UUID: &str = "11111111-2222-3333-4444-555555555555";

fn path(text: &str) -> SysPath {
    SysPath::parse(text).unwrap()
}

fn device(signature: Signature) -> Block {
    Block {
        size: 1 << 30,
        sector: 512,
        table: TableState::None,
        signature,
        used: None,
    }
}

fn member(label: &str, level: i32, active: u32, spare: Option<bool>) -> Block {
    device(Signature::Found(Superblock {
        kind: RAID_MEMBER.into(),
        label: label.into(),
        uuid: Some(UUID.into()),
        detail: Detail::Raid(RaidMember {
            level,
            active,
            spare,
        }),
    }))
}

fn machine(devices: &[(&str, Block)]) -> Facts {
    let blocks = devices
        .iter()
        .map(|(node, block)| (node.to_string(), block.clone()));
    Facts {
        disks: Disks {
            blocks: blocks.collect(),
            ..Disks::default()
        },
        ..Facts::default()
    }
}

fn asked(level: &str, devices: &[&str], spares: u32) -> Config {
    Config {
        raid: vec![Raid {
            at: None,
            name: "data".into(),
            level: level.into(),
            devices: devices.iter().map(|device| path(device)).collect(),
            spares,
            options: Vec::new(),
        }],
        ..Config::default()
    }
}

fn shown(config: &Config, facts: &Facts) -> String {
    match plan(config, facts) {
        Ok(plan) => {
            // Every step finds what it needs.
            assert!(
                plan.lint(facts.clone()).is_ok(),
                "{:?}",
                plan.lint(facts.clone())
            );
            plan.steps.iter().map(|step| step.line() + "\n").collect()
        }
        Err(report) => report
            .items
            .iter()
            .map(|item| item.message.clone() + "\n")
            .collect(),
    }
}

#[test]
fn an_array_is_made_of_blank_devices_and_then_kept() {
    let config = asked("raid5", &["/dev/a", "/dev/b", "/dev/c", "/dev/d"], 1);
    let blank = |node| (node, device(Signature::Blank));
    let facts = machine(&["/dev/a", "/dev/b", "/dev/c", "/dev/d"].map(blank));
    assert_eq!(
        shown(&config, &facts),
        "  make the RAID array /dev/md/data, level raid5, of /dev/a, /dev/b, /dev/c, /dev/d, the last one as a spare\n"
    );
    let after = plan(&config, &facts).unwrap().predict(facts);
    assert!(plan(&config, &after).unwrap().is_empty());
}

#[test]
fn what_members_say_decides_whether_an_array_is_kept() {
    let pair = |label: &str, level, active| {
        let one = member(label, level, active, Some(false));
        machine(&[("/dev/a", one.clone()), ("/dev/b", one)])
    };
    let start = format!("  start the RAID array /dev/md/data ({UUID}) of /dev/a, /dev/b\n");
    let mirror = asked("mirror", &["/dev/a", "/dev/b"], 0);
    // The name may come with any host, or alone; superblocks of version 0.90 have none.
    for label in ["any:data", "oldhost:data", "data", ""] {
        assert_eq!(shown(&mirror, &pair(label, 1, 2)), start, "{label}");
    }
    for (label, level, active) in [
        ("any:other", 1, 2),
        ("any:data", 0, 2),
        ("any:data", 1, 3),
        ("data:any", 1, 2),
    ] {
        let words = shown(&mirror, &pair(label, level, active));
        assert!(
            words.starts_with("/dev/a holds linux_raid_member"),
            "{label}: {words}"
        );
    }
    // Members of two arrays of the same name.
    let mut mixed = pair("any:data", 1, 2);
    if let Signature::Found(found) = &mut mixed.disks.blocks.get_mut("/dev/b").unwrap().signature {
        found.uuid = Some("99999999-2222-3333-4444-555555555555".into());
    }
    assert!(shown(&mirror, &mixed).contains("/dev/a holds"));
    // One device was replaced: a new array would destroy what the other one still has.
    let degraded = machine(&[
        ("/dev/a", member("any:data", 1, 2, Some(false))),
        ("/dev/b", device(Signature::Blank)),
    ]);
    assert!(shown(&mirror, &degraded).contains("/dev/a holds"));
    // The number of spares counts where it is known.
    let facts = machine(&[
        ("/dev/a", member("any:data", 1, 1, Some(false))),
        ("/dev/b", member("any:data", 1, 1, Some(true))),
    ]);
    assert_eq!(shown(&asked("1", &["/dev/a", "/dev/b"], 1), &facts), start);
}

#[test]
fn an_array_that_runs_is_left_alone_or_renamed() {
    let config = asked("1", &["/dev/a", "/dev/b"], 0);
    let mut one = member("any:data", 1, 2, Some(false));
    one.used = Some(Usage::PartOf("/dev/md127".into()));
    let mut facts = machine(&[("/dev/a", one.clone()), ("/dev/b", one)]);
    facts
        .disks
        .arrays
        .insert(UUID.into(), "/dev/md/data".into());
    assert_eq!(shown(&config, &facts), "");
    facts.disks.arrays.insert(UUID.into(), "/dev/md127".into());
    assert_eq!(
        shown(&config, &facts),
        format!(
            "  stop the RAID array /dev/md127\n  start the RAID array /dev/md/data ({UUID}) of /dev/a, /dev/b\n"
        )
    );
    let mut array = device(Signature::Blank);
    array.used = Some(Usage::MountedAt("/var".into()));
    facts.disks.blocks.insert("/dev/md127".into(), array);
    assert!(shown(&config, &facts).contains("cannot be stopped: it is mounted at /var"));
}

#[test]
fn a_half_made_array_is_made_again_and_a_made_one_is_finished() {
    let config = asked("0", &["/dev/a", "/dev/b"], 0);
    let new = member("%new:data", 0, 2, Some(false));
    let made = member("any:data", 0, 2, Some(false));
    let blank = device(Signature::Blank);
    let again = |other: &Block| {
        let facts = machine(&[("/dev/a", new.clone()), ("/dev/b", other.clone())]);
        shown(&config, &facts)
    };
    assert!(again(&blank).ends_with("of /dev/a, /dev/b\n") && again(&blank).contains("make the"));
    assert!(again(&new).contains("make the RAID array"));
    // All members were written, and one of them was already told that the array is made.
    assert!(again(&made).contains("start the RAID array") && !again(&made).contains("make"));
    let facts = machine(&[("/dev/a", new.clone()), ("/dev/b", made)]);
    let after = plan(&config, &facts).unwrap().predict(facts);
    assert_eq!(shown(&config, &after), "");
    // Of another array of the config.
    let other = member("%new:other", 0, 2, Some(false));
    let facts = machine(&[("/dev/a", other), ("/dev/b", blank)]);
    assert!(shown(&config, &facts).starts_with("/dev/a holds"));
}

#[test]
fn the_config_says_what_may_be_lost() {
    let mut config = asked("raid1", &["/dev/a1", "/dev/b1"], 0);
    let xfs = device(Signature::Found(Superblock {
        kind: "xfs".into(),
        ..Superblock::default()
    }));
    let mut table = crate::facts::disks::Table::empty(1 << 30, 512);
    let entry = Entry {
        start: 2048,
        end: 4095,
        type_guid: crate::plan::partitions::LINUX_DATA,
        guid: None,
        label: "part".into(),
        attributes: 0,
    };
    table.partitions.insert(1, entry);
    let disk = Block {
        table: TableState::Gpt(table),
        ..device(Signature::Blank)
    };
    let facts = machine(&[
        ("/dev/a", disk),
        ("/dev/a1", xfs),
        ("/dev/b1", device(Signature::Blank)),
    ]);
    assert!(shown(&config, &facts).starts_with("/dev/a1 holds xfs; it is no member"));
    let partition = |number: u32, wipe: bool| Partition {
        at: None,
        number,
        label: Some("part".into()),
        start_mib: None,
        size_mib: None,
        type_guid: None,
        guid: None,
        wipe_partition_entry: wipe,
        should_exist: true,
        resize: false,
        own_sectors: false,
    };
    let disk = |wipe_table, partition| Disk {
        at: None,
        device: path("/dev/a"),
        wipe_table,
        partitions: vec![partition],
    };
    for (disk, may) in [
        (disk(false, partition(1, false)), false),
        (disk(false, partition(2, true)), false),
        (disk(true, partition(1, false)), true),
        (disk(false, partition(1, true)), true),
        (disk(false, partition(0, true)), true),
    ] {
        config.disks = vec![disk];
        let words = shown(&config, &facts);
        assert_eq!(
            words.starts_with("! wipe xfs from /dev/a1\n"),
            may,
            "{words}"
        );
    }
}

#[test]
fn members_are_different_devices_that_are_there_and_free() {
    let mut facts = machine(&[
        ("/dev/a", device(Signature::Blank)),
        ("/dev/b", device(Signature::Blank)),
    ]);
    facts
        .disks
        .links
        .insert("/dev/disk/by-id/x".into(), "/dev/a".into());
    let twice = asked("1", &["/dev/a", "/dev/disk/by-id/x"], 0);
    assert!(
        shown(&twice, &facts)
            .contains("is /dev/a, which is a member of the array \"data\" already")
    );
    let missing = asked("1", &["/dev/a", "/dev/z"], 0);
    assert!(shown(&missing, &facts).contains("the device /dev/z does not exist"));
    facts.disks.blocks.get_mut("/dev/b").unwrap().used = Some(Usage::MountedAt("/srv".into()));
    let busy = asked("1", &["/dev/a", "/dev/b"], 0);
    assert!(
        shown(&busy, &facts)
            .contains("/dev/b cannot become a member of an array: it is mounted at /srv")
    );
    facts.disks.blocks.get_mut("/dev/b").unwrap().used = None;
    facts
        .disks
        .blocks
        .insert("/dev/md/data".into(), device(Signature::Blank));
    assert!(shown(&busy, &facts).contains("/dev/md/data is another array"));
}

#[test]
fn too_few_members_are_said_before_anything_is_partitioned() {
    let devices = ["/dev/a", "/dev/b", "/dev/c", "/dev/d"];
    for (level, count, spares, enough) in [
        ("raid0", 1, 0, true),
        ("raid1", 2, 1, true),
        ("raid5", 2, 0, true),
        ("raid5", 2, 1, false),
        ("10", 1, 0, false),
        ("raid6", 3, 0, false),
        ("6", 4, 0, true),
        ("6", 4, 1, false),
    ] {
        let checked = check(&asked(level, &devices[..count], spares));
        assert_eq!(
            checked.is_ok(),
            enough,
            "{level} of {count} with {spares} spares"
        );
    }
}
