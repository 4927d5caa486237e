use super::*;
use crate::diag::Sources;
use crate::facts::disks::{Block, Entry, Signature, Table};
use crate::model::Guid;
use crate::{config, validate};

fn parsed(text: &str) -> (Config, Sources) {
    let mut sources = Sources::default();
    let read = config::read_as(
        &mut sources,
        "c",
        text.as_bytes(),
        config::Reading::default(),
    );
    let wire = read.config.unwrap();
    let model = validate::lower(&wire, validate::Stage::Merged, &mut Report::default());
    (model.unwrap(), sources)
}

/// A disk /dev/a with the partition 1 labelled "data", and a disk /dev/b that is also /dev/link.
fn facts() -> Facts {
    let mut table = Table::empty(64 << 20, 512);
    let entry = Entry {
        start: 2048,
        end: 4095,
        type_guid: Guid::ZERO,
        guid: None,
        label: "data".into(),
        attributes: 0,
    };
    table.partitions.insert(1, entry);
    let device = |table| Block {
        size: 64 << 20,
        sector: 512,
        table,
        signature: Signature::Blank,
        used: None,
    };
    let mut facts = Facts::default();
    for (node, table) in [
        ("/dev/a", TableState::Gpt(table)),
        ("/dev/a1", TableState::None),
        ("/dev/b", TableState::None),
    ] {
        facts.disks.blocks.insert(node.into(), device(table));
    }
    facts
        .disks
        .links
        .insert("/dev/link".into(), "/dev/b".into());
    facts
}

/// What is said of the storage section, or nothing.
fn said(storage: &str) -> String {
    let text = format!(r#"{{"ignition":{{"version":"3.3.0"}},"storage":{{{storage}}}}}"#);
    let (config, sources) = parsed(&text);
    match check(&config, &facts()) {
        Ok(()) => String::new(),
        Err(report) => report.render(&sources),
    }
}

const LUKS: &str = r#""luks":[{"name":"v","device":"/dev/disk/by-partlabel/data","keyFile":{"source":"data:,x"}}]"#;

#[test]
fn one_device_is_not_two_things() {
    let on_data = r#""filesystems":[{"device":"/dev/disk/by-partlabel/data","format":"ext4"}]"#;
    let both = said(&format!("{LUKS},{on_data}"));
    assert!(
        both.contains("/dev/a1 cannot be a file system and an encrypted volume at once")
            && both.contains("did you mean /dev/mapper/v?")
            && both.contains("the other entry is at"),
        "{both}"
    );
    // By another name.
    let raid = r#""raid":[{"name":"r","level":"raid0","devices":["/dev/a1"]}]"#;
    let both = said(&format!("{LUKS},{raid}"));
    assert!(
        both.contains("/dev/disk/by-partlabel/data (/dev/a1) cannot be an encrypted volume and a member of a RAID array")
            && both.contains("did you mean /dev/md/r?"),
        "{both}"
    );
    let disk = r#""disks":[{"device":"/dev/b","partitions":[{"label":"x"}]}],"filesystems":[{"device":"/dev/b","format":"xfs"}]"#;
    let both = said(disk);
    assert!(
        both.contains("/dev/b cannot be a file system and a disk with partitions at once")
            && both.contains("name one of its partitions"),
        "{both}"
    );
}

#[test]
fn one_device_has_one_name() {
    let twice = said(
        r#""disks":[{"device":"/dev/b","partitions":[{"number":1}]},{"device":"/dev/link","wipeTable":true}]"#,
    );
    assert!(
        twice.contains("/dev/b and /dev/link are one device, /dev/b"),
        "{twice}"
    );
    let twice = said(
        r#""filesystems":[{"device":"/dev/link","format":"ext4"},{"device":"/dev/b","format":"xfs"}]"#,
    );
    assert!(
        twice.contains("/dev/link and /dev/b are one device"),
        "{twice}"
    );
}

#[test]
fn a_device_and_its_partitions_are_not_used_both() {
    let both = said(
        r#""filesystems":[{"device":"/dev/a1","format":"ext4"},{"device":"/dev/a","format":"xfs","wipeFilesystem":true}]"#,
    );
    assert!(
        both.contains("/dev/a1 is a partition of /dev/a, of which the config makes a file system"),
        "{both}"
    );
}

#[test]
fn what_goes_together_is_left_alone() {
    for storage in [
        r#""disks":[{"device":"/dev/a","partitions":[{"number":1}]}],"filesystems":[{"device":"/dev/a1","format":"ext4"}]"#,
        r#""disks":[{"device":"/dev/b","wipeTable":true}],"filesystems":[{"device":"/dev/link","format":"ext4"}]"#,
        r#""filesystems":[{"device":"/dev/b"},{"device":"/dev/mapper/v","format":"ext4"}]"#,
        LUKS,
    ] {
        assert_eq!(said(storage), "", "{storage}");
    }
}

#[test]
fn users_and_groups_are_wrong_only_if_no_root_makes_them_right() {
    let check = |passwd: &str| {
        let text = format!(r#"{{"ignition":{{"version":"3.3.0"}},"passwd":{{{passwd}}}}}"#);
        let (config, sources) = parsed(&text);
        accounts(&config).map_err(|report| report.render(&sources))
    };
    // A root that has the user already, as images have "core", does not mind.
    assert_eq!(
        check(r#""groups":[{"name":"core"}],"users":[{"name":"core"}]"#),
        Ok(())
    );
    assert_eq!(
        check(r#""users":[{"name":"a","groups":["wheel"]}]"#),
        Ok(())
    );
    let gone = check(
        r#""groups":[{"name":"g","shouldExist":false}],"users":[{"name":"a","groups":["g"]}]"#,
    );
    assert!(
        gone.unwrap_err()
            .contains("is to be in the group \"g\", which does not exist")
    );
}
