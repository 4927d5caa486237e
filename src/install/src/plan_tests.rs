use std::collections::BTreeMap;

use pilotlight_core::facts::disks::{
    Block, Disks, Entry, Signature, Superblock, Table, TableState,
};
use pilotlight_core::model::Guid;

use super::*;
use crate::target::Kind;

const MIB: u64 = 2048;

fn entry(start: u64, mib: u64, label: &str) -> Entry {
    Entry {
        start: start * MIB,
        end: (start + mib) * MIB - 1,
        type_guid: Guid([1; 16]),
        guid: Some(Guid([2; 16])),
        label: label.into(),
        attributes: 0,
    }
}

fn table(size: u64, entries: &[(u32, u64, u64, &str)]) -> Table {
    let entries = entries
        .iter()
        .map(|(number, start, mib, label)| (*number, entry(*start, *mib, label)));
    Table {
        guid: Some(Guid([3; 16])),
        first_usable: 34,
        last_usable: size * MIB - 34,
        partitions: entries.collect(),
        slots: 128,
        hybrid: Vec::new(),
        repair: None,
        unseen: false,
    }
}

fn block(mib: u64, table: TableState, signature: Signature) -> Block {
    Block {
        size: mib << 20,
        sector: 512,
        table,
        signature,
        used: None,
    }
}

/// A disk of 400 MiB with these partitions; those with a format have a file system of it.
fn target(entries: &[(u32, u64, u64, &str)], formats: &[(u32, &str)]) -> Target {
    let mut blocks = BTreeMap::new();
    for (number, _, mib, label) in entries {
        let format = formats.iter().find(|(found, _)| found == number);
        let signature = format.map_or(Signature::Blank, |(_, kind)| {
            Signature::Found(Superblock {
                kind: (*kind).into(),
                label: (*label).into(),
                ..Superblock::default()
            })
        });
        blocks.insert(
            format!("/dev/sda{number}"),
            block(*mib, TableState::None, signature),
        );
    }
    let state = match entries.is_empty() {
        true => TableState::None,
        false => TableState::Gpt(table(400, entries)),
    };
    blocks.insert("/dev/sda".into(), block(400, state, Signature::Blank));
    Target {
        named: "/dev/sda".into(),
        node: "/dev/sda".into(),
        kind: Kind::Disk,
        disks: Disks {
            blocks,
            ..Disks::default()
        },
        holders: Vec::new(),
        write_protected: false,
        all_known: true,
    }
}

fn image(entries: &[(u32, u64, u64, &str)], mib: u64) -> Image {
    Image {
        shown: "image.bin.bz2".into(),
        size: mib << 20,
        content: (mib << 20) - 33 * 512,
        sector: 512,
        table: Some(table(mib, entries)),
    }
}

fn flatcar() -> Image {
    image(
        &[
            (1, 2, 10, "EFI-SYSTEM"),
            (6, 20, 10, "OEM"),
            (9, 40, 59, "ROOT"),
        ],
        100,
    )
}

fn content(what: &str) -> Content {
    Content {
        what: what.into(),
        bytes: Vec::new(),
    }
}

fn lines(plan: &Plan) -> Vec<String> {
    let line = |op: &InstallOp| format!("{}{op}", if op.is_destructive() { "! " } else { "" });
    plan.ops.iter().map(line).collect()
}

#[test]
fn everything_is_in_its_place_before_the_table_is() {
    let wanted = Wanted {
        config: Some(content("c.ign")),
        network: vec![("a.network".into(), content("a.network"))],
        arguments: BootArguments {
            append: vec!["quiet".into()],
            ..BootArguments::default()
        },
        record: Some(content("a record")),
        boot_entry: true,
        ..Wanted::default()
    };
    let old = [(1, 1, 100, "old"), (2, 101, 50, "data")];
    let plan = plan(&target(&old, &[(2, "xfs")]), &flatcar(), &wanted).unwrap();
    assert_eq!(
        lines(&plan),
        [
            "! wipe xfs \"data\" from /dev/sda2",
            "! wipe a GPT with the partitions 1 \"old\", 2 \"data\" from /dev/sda",
            "write image.bin.bz2 to /dev/sda, 100 MiB; nothing of it boots yet",
            "have the kernel know the partitions 1, 6, 9 of /dev/sda",
            "write c.ign to /config.ign on OEM (/dev/sda6)",
            "write a.network to /etc/systemd/network/a.network on ROOT (/dev/sda9)",
            "change kernel arguments in grub.cfg on OEM (/dev/sda6): +quiet",
            "write the partition table of /dev/sda, its backup at the end: from here on it boots",
            "have the firmware start \"Flatcar Container Linux\" from EFI-SYSTEM (/dev/sda1) first",
            "write a record to /pilotlight-install.json on OEM (/dev/sda6)",
        ]
    );
}

#[test]
fn what_is_saved_is_neither_wiped_nor_deleted() {
    let wanted = Wanted {
        save: vec![Save::Label("data*".into())],
        ..Wanted::default()
    };
    let old = [(1, 1, 100, "old"), (9, 150, 100, "data")];
    let plan = plan(
        &target(&old, &[(1, "ext4"), (9, "xfs")]),
        &flatcar(),
        &wanted,
    )
    .unwrap();
    assert_eq!(
        lines(&plan),
        [
            "! wipe ext4 \"old\" from /dev/sda1",
            "! delete partition 1 \"old\" from /dev/sda",
            "write image.bin.bz2 to /dev/sda, 100 MiB, around the saved partition 10 \"data\"; nothing of it boots yet",
            "write the partition table of /dev/sda with the saved partitions, its backup at the end: from here on it boots",
        ]
    );
}

#[test]
fn reasons_against_it_are_named_together() {
    let save = |save: &str| Wanted {
        save: vec![Save::Label(save.into())],
        ..Wanted::default()
    };
    let config = Wanted {
        config: Some(content("c.ign")),
        ..Wanted::default()
    };
    let old = [(1, 1, 100, "old")];
    let plain = image(&[(1, 2, 10, "x")], 100);
    let large = Image {
        size: 500 << 20,
        sector: 4096,
        ..flatcar()
    };
    for (image, wanted, words) in [
        (&flatcar(), &save("old"), "\"old\" begins at sector 2048"),
        (
            &plain,
            &config,
            "neither a partition OEM nor one named boot",
        ),
        (
            &large,
            &Wanted::default(),
            "choose a larger disk; /dev/sda has sectors of 512 bytes",
        ),
    ] {
        let refusals = plan(&target(&old, &[]), image, wanted).unwrap_err();
        let said: Vec<String> = refusals.iter().map(ToString::to_string).collect();
        let said = said.join("; ");
        assert!(said.contains(words), "{said}");
    }
    let nothing = plan(&target(&old, &[]), &flatcar(), &save("data")).unwrap();
    assert!(
        nothing.notes[0].contains("no partition of those"),
        "{:?}",
        nothing.notes
    );
}

#[test]
fn coreos_has_everything_on_boot() {
    let image = image(
        &[
            (2, 2, 10, "EFI-SYSTEM"),
            (3, 20, 10, "boot"),
            (4, 40, 50, "root"),
        ],
        100,
    );
    let wanted = Wanted {
        config: Some(content("c.ign")),
        network: vec![("a.nmconnection".into(), content("a"))],
        arguments: BootArguments {
            console: vec!["ttyS0".into()],
            ..BootArguments::default()
        },
        ..Wanted::default()
    };
    let plan = plan(&target(&[], &[]), &image, &wanted).unwrap();
    let lines = lines(&plan);
    for expected in [
        "write c.ign to /ignition/config.ign on boot (/dev/sda3)",
        "write a to /coreos-firstboot-network/a.nmconnection on boot (/dev/sda3)",
        "change kernel arguments in the entries in /loader/entries on boot (/dev/sda3): console=ttyS0",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{lines:#?}");
    }
    assert!(
        !lines[0].starts_with('!'),
        "a blank disk has nothing to lose: {lines:#?}"
    );
}
