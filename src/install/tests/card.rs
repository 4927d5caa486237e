//! Firmware onto a card: the file system is looked at by fsck.fat and mtools, the firmware's variables by virt-firmware.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "card/archives.rs"]
mod archives;
#[path = "card/stand_in.rs"]
mod stand_in;
#[path = "card/stores.rs"]
mod stores;

use std::fs;
use std::io::Cursor;
use std::process::Command;

use pilotlight_install::card::variables::{self, Store};
use pilotlight_install::card::{CardError, Firmware, Rpi4, Step, plan, prepare};
use stand_in::{Card, archive, bytes, files, firmware, rpi_efi, run, virt_fw_vars};

const NOTHING: Rpi4 = Rpi4 {
    device_tree: false,
    ram_limit: None,
};
const DEVICE_TREE: Rpi4 = Rpi4 {
    device_tree: true,
    ram_limit: Some(false),
};

/// File systems as images have them, of every width and of clusters of every size, and what fsck.fat calls them after.
#[test]
fn firmware_is_added_and_nothing_else_changes() {
    let rows: [(u64, &[&str]); 7] = [
        (64, &["-F", "16"]),
        (96, &["-F", "16"]),
        (64, &["-F", "16", "-s", "16", "-f", "1", "-R", "5"]),
        (64, &["-F", "16", "-s", "32", "-r", "1024"]),
        (48, &["-F", "12", "-s", "64"]),
        (64, &["-F", "32"]),
        (72, &["-F", "32", "-s", "2", "-f", "1"]),
    ];
    for (mebibytes, options) in rows {
        let card = Card::new(mebibytes, options);
        card.fill();
        let (listing, before) = (card.listing(), card.tree());

        let file = card.open();
        let prepared = prepare(&file, card.range(), &firmware(), DEVICE_TREE).unwrap();
        let said = card.checked();
        assert!(said.contains("FATs, 32 bit entries"), "{options:?}: {said}");

        // Short names, sizes, dates and order are mtools' to judge, by the line.
        let after = card.listing();
        let mut lines = after.iter();
        for line in &listing {
            assert!(
                lines.any(|other| other == line),
                "{options:?}: {line} is not in\n{}",
                after.join("\n")
            );
        }
        let attributes = card.tool("mattrib", &["::flatcar/grub/arm64-efi/linux.mod"]);
        assert!(
            String::from_utf8(attributes).unwrap().contains("HR"),
            "{options:?}"
        );
        let after_tree = card.tree();
        for (path, bytes) in &before {
            assert!(after_tree[path] == *bytes, "{options:?}: {path}");
        }
        for (path, bytes) in files() {
            let there = &after_tree[path];
            match path {
                "RPI_EFI.fd" => assert_eq!(there.len(), bytes.len()),
                "config.txt" => {
                    let text = std::str::from_utf8(there).unwrap();
                    assert_eq!(
                        text,
                        "arm_64bit=1\narmstub=RPI_EFI.fd\ndtoverlay=pcie-32bit-dma\n"
                    );
                }
                _ => assert!(*there == bytes, "{options:?}: {path}"),
            }
        }
        assert_eq!(after_tree.len(), before.len() + files().len());
        assert!(
            after
                .iter()
                .any(|line| line.contains("2024-05-17  13:45") && line.contains("start4.elf"))
        );

        let converts = prepared
            .steps
            .iter()
            .any(|step| matches!(step, Step::MakeFat32 { .. }));
        assert_eq!(converts, options[1] != "32", "{options:?}");
        assert_eq!(
            prepared.arguments,
            ["console=tty1", "usbcore.autosuspend=-1", "acpi=off"]
        );

        // All of it is so already.
        let image = fs::read(card.image()).unwrap();
        let again = prepare(&file, card.range(), &firmware(), DEVICE_TREE).unwrap();
        assert_eq!(again.steps, []);
        assert!(
            fs::read(card.image()).unwrap() == image,
            "{options:?}: written without a need"
        );
    }
}

/// What somebody set on the machine stays when the same firmware comes again; other firmware brings its own.
#[test]
fn the_same_firmware_keeps_its_settings() {
    let card = Card::new(64, &["-F", "32"]);
    card.fill();
    let file = card.open();
    prepare(&file, card.range(), &firmware(), NOTHING).unwrap();
    let mut set = card.get("RPI_EFI.fd");
    variables::set(&mut set, "FanTemp", 60).unwrap();
    card.tool("mdel", &["::RPI_EFI.fd"]);
    card.put("rpi_efi.FD", &set);

    let prepared = prepare(&file, card.range(), &firmware(), DEVICE_TREE).unwrap();
    let said: Vec<_> = prepared.steps.iter().map(Step::to_string).collect();
    assert_eq!(
        said,
        [
            "replace RPI_EFI.fd on the EFI system partition, 3997696 bytes, by the firmware's, 3997696 bytes",
            "replace config.txt on the EFI system partition, 31 bytes, by the firmware's, 56 bytes",
            "set the firmware's SystemTableMode to 1",
            "set the firmware's RamLimitTo3GB to 0",
            "add \"dtoverlay=pcie-32bit-dma\" to config.txt",
        ]
    );
    card.checked();
    let now = card.get("RPI_EFI.fd");
    let store = Store::read(&now).unwrap();
    for (name, value) in [
        ("FanTemp", 60),
        ("SystemTableMode", 1),
        ("RamLimitTo3GB", 0),
    ] {
        assert_eq!(store.setting(&now, name), Ok(Some(value)), "{name}");
    }

    let mut newer = files();
    newer[0].1[7] ^= 1;
    let newer = Firmware::from_archive(Cursor::new(archive(&newer))).unwrap();
    let prepared = prepare(&file, card.range(), &newer, NOTHING).unwrap();
    assert!(
        prepared.steps[0]
            .to_string()
            .ends_with("; the settings in it go"),
        "{:?}",
        prepared.steps
    );
    let now = card.get("RPI_EFI.fd");
    assert_eq!(Store::read(&now).unwrap().variables, []);
}

/// Before the image is there, the plan says all that will be done; nothing is looked at.
#[test]
fn the_plan_without_a_card() {
    let mut all = files();
    all.push(("EFI/BOOT/BOOTAA64.EFI", b"not the system's".to_vec()));
    let firmware = Firmware::from_archive(Cursor::new(archive(&all))).unwrap();
    let plan = plan(&firmware, DEVICE_TREE, None).unwrap();
    let said: Vec<_> = plan.steps.iter().map(Step::to_string).collect();
    assert_eq!(said.len(), files().len() + 5);
    assert_eq!(
        said[0],
        "make the EFI system partition a FAT32, with its contents, if it is none: the boot ROM reads no other"
    );
    assert_eq!(
        said[1],
        "write RPI_EFI.fd to the EFI system partition, 3997696 bytes"
    );
    assert_eq!(
        said.last().unwrap(),
        "leave out the firmware's EFI/BOOT/BOOTAA64.EFI: the operating system's own stays"
    );
}

/// What is done to a card before.
type Damage<'a> = &'a dyn Fn(&Card);

/// Nothing is written where it cannot be done: every row leaves the image as it was.
#[test]
fn refusals_change_nothing() {
    let rows: [(&str, u64, &[&str], Damage<'_>); 8] = [
        (
            "which is too small for the FAT32",
            32,
            &["-F", "16"],
            &|card| card.fill(),
        ),
        (
            "no EFI/BOOT/BOOTAA64.EFI: the image is not for arm64",
            64,
            &["-F", "16"],
            &|card| {
                card.put("EFI/BOOT/BOOTX64.EFI", b"MZ");
            },
        ),
        ("it is full: ", 40, &["-F", "32"], &|card| {
            card.fill();
            card.put("full", &bytes(20, 34_000_000));
        }),
        (
            "sectors of 4096 bytes",
            300,
            &["-F", "32", "-S", "4096"],
            &|_| {},
        ),
        (
            "it is a directory there, and should be a file",
            64,
            &["-F", "32"],
            &|card| {
                card.fill();
                card.put("start4.elf/x", b"");
            },
        ),
        (
            "it is a file there, and should be a directory",
            64,
            &["-F", "32"],
            &|card| {
                card.fill();
                card.put("overlays", b"");
            },
        ),
        (
            "no FAT file system that can be used",
            64,
            &["-F", "32"],
            &|card| {
                std::os::unix::fs::FileExt::write_all_at(&card.open(), &[0; 512], stand_in::BEGIN)
                    .unwrap();
            },
        ),
        (
            ": its chain of clusters breaks off; let fsck.fat repair",
            64,
            &["-F", "32"],
            &|card| {
                card.fill();
                // Every entry of the table but the root's.
                let table = stand_in::BEGIN + 32 * 512;
                std::os::unix::fs::FileExt::write_all_at(&card.open(), &[0; 4096], table + 12)
                    .unwrap();
            },
        ),
    ];
    for (expected, mebibytes, options, fill) in rows {
        let card = Card::new(mebibytes, options);
        fill(&card);
        let before = fs::read(card.image()).unwrap();
        let error =
            prepare(&card.open(), card.range(), &firmware(), DEVICE_TREE).expect_err(expected);
        assert!(error.to_string().contains(expected), "{expected}: {error}");
        assert!(
            fs::read(card.image()).unwrap() == before,
            "{expected}: written"
        );
    }
    let card = Card::new(64, &["-F", "16"]);
    let outside = stand_in::BEGIN..stand_in::BEGIN + (63 << 20);
    let error = prepare(&card.open(), outside, &firmware(), NOTHING).unwrap_err();
    assert!(matches!(error, CardError::Partition(_)), "{error}");
}

/// A full directory of files whose names differ late: short names of six letters and a number each.
#[test]
fn many_files_of_like_names() {
    let mut all = files();
    let names: Vec<String> = (0..400)
        .map(|number| format!("overlays/an overlay number {number}.dtbo"))
        .collect();
    all.extend(
        names
            .iter()
            .map(|name| (name.as_str(), name.as_bytes().to_vec())),
    );
    let firmware = Firmware::from_archive(Cursor::new(archive(&all))).unwrap();
    let card = Card::new(64, &["-F", "16"]);
    card.fill();
    prepare(&card.open(), card.range(), &firmware, NOTHING).unwrap();
    card.checked();
    for name in names.iter().step_by(57) {
        assert_eq!(card.get(name), name.as_bytes());
    }
}

/// What virt-firmware reads after ours wrote: the same but for what was set. What it wrote, ours reads.
#[test]
fn variables_by_virt_firmware() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("RPI_EFI.fd");
    let dump = |path: &std::path::Path| -> Vec<(String, String, String)> {
        let json = directory.path().join("dump.json");
        run(Command::new(virt_fw_vars())
            .arg("-i")
            .arg(path)
            .arg("--output-json")
            .arg(&json));
        let text = fs::read_to_string(json).unwrap();
        let dump: serde_json::Value = serde_json::from_str(&text).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let variables = dump["variables"].as_array().unwrap();
        let mut all: Vec<_> = variables
            .iter()
            .map(|variable| {
                let name = format!("{} {}", text(&variable["name"]), text(&variable["guid"]));
                (name, variable["attr"].to_string(), text(&variable["data"]))
            })
            .collect();
        all.sort();
        all
    };
    let ours = |name: &str, value: &str| {
        (
            format!("{name} cd7cc258-31db-22e6-9f22-63b0b8eed6b5"),
            "7".to_owned(),
            value.to_owned(),
        )
    };
    // An empty store, edk2's of a machine that never ran, and one with keys and boot entries.
    let stores = [
        rpi_efi(),
        fs::read("/usr/share/OVMF/OVMF_VARS.fd").unwrap(),
        fs::read("/usr/share/OVMF/OVMF_VARS_4M.ms.fd").unwrap(),
    ];
    for store in stores {
        fs::write(&path, &store).unwrap();
        let before = dump(&path);
        let read = Store::read(&store).unwrap();
        let names: Vec<_> = read
            .variables
            .iter()
            .map(|variable| variable.name.as_str())
            .collect();
        assert_eq!(names.len(), before.len(), "{names:?}");
        for (variable, (name, attributes, data)) in {
            let mut all = read.variables.clone();
            all.sort_by(|a, b| a.name.cmp(&b.name));
            all.into_iter().zip(&before)
        } {
            assert_eq!(name.split(' ').next(), variable.name.split(' ').next());
            assert_eq!(*attributes, variable.attributes.to_string());
            let value: String = store[variable.value]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(value, *data);
        }

        let mut changed = store.clone();
        variables::set(&mut changed, "RamLimitTo3GB", 0).unwrap();
        variables::set(&mut changed, "SystemTableMode", 2).unwrap();
        variables::set(&mut changed, "SystemTableMode", 1).unwrap();
        let same = store.iter().zip(&changed).filter(|(a, b)| a != b).count();
        assert!(
            changed.len() == store.len() && same < 250,
            "{same} bytes differ"
        );
        fs::write(&path, &changed).unwrap();
        let mut expected = before.clone();
        expected.extend([
            ours("RamLimitTo3GB", "00000000"),
            ours("SystemTableMode", "01000000"),
        ]);
        expected.sort();
        assert_eq!(dump(&path), expected);

        let json = directory.path().join("set.json");
        let theirs = serde_json::json!({"version": 2, "variables": [
            {"name": "RamLimitTo3GB", "guid": "cd7cc258-31db-22e6-9f22-63b0b8eed6b5", "attr": 7, "data": "01000000"},
            {"name": "FanOnGpio", "guid": "cd7cc258-31db-22e6-9f22-63b0b8eed6b5", "attr": 7, "data": "13000000"},
        ]});
        fs::write(&json, theirs.to_string()).unwrap();
        run(Command::new(virt_fw_vars())
            .arg("-i")
            .arg(&path)
            .arg("-o")
            .arg(&path)
            .arg("--set-json")
            .arg(&json));
        let written = fs::read(&path).unwrap();
        let read = Store::read(&written).unwrap();
        for (name, value) in [
            ("RamLimitTo3GB", 1),
            ("FanOnGpio", 19),
            ("SystemTableMode", 1),
        ] {
            assert_eq!(read.setting(&written, name), Ok(Some(value)), "{name}");
        }
    }
}
