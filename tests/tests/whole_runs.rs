//! Whole runs of random configs on random disks: what the dry run shows of the disks is what the real run leaves,
//! each of its lines is logged in its order, and a second plan on the result finds nothing left to do.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use pilotlight_tests::{Answer, FirstBoot, pilotlight, tool};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

/// Two disks, as loop devices, and a root in a directory.
struct Machine {
    directory: tempfile::TempDir,
    disks: Vec<String>,
}

impl Machine {
    fn new(old: &[Vec<Old>; 2]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut disks = Vec::new();
        for (number, old) in old.iter().enumerate() {
            let image = directory.path().join(format!("{number}.img"));
            File::create(&image).unwrap().set_len(260 << 20).unwrap();
            let name = image.to_str().unwrap();
            if !old.is_empty() {
                let mut line = String::from("sgdisk");
                let mut next = 1;
                for part in old {
                    let number = part.number;
                    line += &format!(
                        " --new={number}:{next}M:+{}M --change-name={number}:old{number}",
                        part.mib
                    );
                    next += part.mib + part.gap;
                }
                tool(&format!("{line} {name}"));
                let mut next = 1;
                for part in old {
                    if part.formatted {
                        let at = next << 20;
                        tool(&format!(
                            "mkfs.ext4 -q -F -L OLD{} -E offset={at} {name} {}M",
                            part.number, part.mib
                        ));
                    }
                    next += part.mib + part.gap;
                }
            }
            disks.push(tool(&format!("losetup --find --show {name}")));
        }
        std::fs::create_dir_all(directory.path().join("root/etc")).unwrap();
        std::fs::write(directory.path().join("root/etc/motd"), "of the image\n").unwrap();
        Self { directory, disks }
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    /// The dry run, for machines.
    fn plan(&self) -> Result<Value, Answer> {
        let config = self.directory.path().join("config.ign");
        let mut arguments = vec![
            "plan".to_string(),
            config.display().to_string(),
            "--json".into(),
        ];
        arguments.extend(["--root".into(), self.root().display().to_string()]);
        let answer = pilotlight(&arguments);
        match answer.code {
            Some(0) => Ok(serde_json::from_str(&answer.out).unwrap()),
            _ => Err(answer),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for node in &self.disks {
            for line in ["partx --delete", "losetup --detach"] {
                let words: Vec<&str> = line.split(' ').chain([node.as_str()]).collect();
                let _ = Command::new(words[0]).args(&words[1..]).output();
            }
        }
    }
}

/// A partition that is there, in slots that rise with the place.
#[derive(Debug, Clone)]
struct Old {
    number: u32,
    mib: u64,
    gap: u64,
    formatted: bool,
}

fn old() -> impl Strategy<Value = Vec<Old>> {
    let one = (8u64..40, 0u64..20, any::<bool>());
    (
        prop::sample::subsequence(vec![1u32, 2, 3, 5], 0..4),
        prop::collection::vec(one, 4),
    )
        .prop_map(|(numbers, rest)| {
            let list = numbers.into_iter().zip(rest);
            list.map(|(number, (mib, gap, formatted))| Old {
                number,
                mib,
                gap,
                formatted,
            })
            .collect()
        })
}

/// A partition that is asked for, and what is to be on it.
type Asked = (u32, u64, bool, Option<&'static str>, bool);

fn asked() -> impl Strategy<Value = Vec<Asked>> {
    let format = prop_oneof![Just(None), Just(Some("ext4")), Just(Some("swap"))];
    let one = (16u64..60, any::<bool>(), format, any::<bool>());
    (
        prop::sample::subsequence(vec![1u32, 2, 3, 4], 0..4),
        prop::collection::vec(one, 4),
    )
        .prop_map(|(numbers, rest)| {
            let list = numbers.into_iter().zip(rest);
            list.map(|(number, (mib, wipe, format, named))| (number, mib, wipe, format, named))
                .collect()
        })
}

/// The config of these wishes for the machine's disks.
fn config(
    machine: &Machine,
    asked: &[Vec<Asked>; 2],
    wipe_tables: [bool; 2],
    files: usize,
) -> Value {
    let mut disks = Vec::new();
    let mut filesystems = Vec::new();
    for ((node, asked), wipe_table) in machine.disks.iter().zip(asked).zip(wipe_tables) {
        let id = node.trim_start_matches("/dev/");
        let mut partitions = Vec::new();
        for (number, mib, wipe, format, named) in asked {
            let label = format!("new{number}-{id}");
            partitions.push(json!({"number": number, "label": label, "sizeMiB": mib, "wipePartitionEntry": wipe}));
            let device = match named {
                true => format!("/dev/disk/by-partlabel/{label}"),
                false => format!("{node}p{number}"),
            };
            if let Some(format) = format {
                filesystems.push(
                    json!({"device": device, "format": format, "label": format!("L{number}")}),
                );
            }
        }
        if !partitions.is_empty() || wipe_table {
            disks.push(json!({"device": node, "wipeTable": wipe_table, "partitions": partitions}));
        }
    }
    let files: Vec<Value> = (0..files)
        .map(|number| json!({"path": format!("/etc/f/{number}"), "mode": 384, "contents": {"source": format!("data:,{number}")}}))
        .collect();
    json!({
        "ignition": {"version": "3.4.0"},
        "storage": {
            "disks": disks, "filesystems": filesystems, "files": files,
            "directories": [{"path": "/srv/data", "mode": 448}],
            "links": [{"path": "/etc/link", "target": "motd"}],
        },
        "systemd": {"units": [{"name": "a.service", "enabled": true, "contents": "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"}]},
    })
}

/// What a plan shows of the disks, before or after: of each segment what stays the same whoever looks when.
fn disks(plan: &Value, side: &str) -> BTreeMap<String, Vec<Value>> {
    let list = plan["disks"].as_array().unwrap().iter();
    list.map(|disk| {
        let segments = disk[side]["segments"].as_array().unwrap().iter();
        let segments = segments.map(|segment| {
            let content = &segment["content"];
            json!([
                segment["number"],
                segment["label"],
                segment["start"],
                segment["size"],
                content["kind"],
                content["format"],
                content["label"],
            ])
        });
        (
            disk["node"].as_str().unwrap().to_string(),
            segments.collect(),
        )
    })
    .collect()
}

fn lines(plan: &Value) -> Vec<String> {
    let stages = plan["stages"].as_array().unwrap().iter();
    stages
        .flat_map(|stage| stage["operations"].as_array().unwrap())
        .map(|operation| operation["line"].as_str().unwrap().to_string())
        .collect()
}

/// Runs a config, if the dry run takes it; answers whether it did.
fn the_dry_run_is_what_happens(machine: &Machine, text: &str) -> bool {
    let boot = FirstBoot::new(machine.directory.path(), &machine.root(), text.as_bytes())
        .with("PILOTLIGHT_DEVICE_WAIT", "0");
    let contents = || {
        for node in &machine.disks {
            tool(&format!("blockdev --flushbufs {node}"));
        }
        [0, 1].map(|number| {
            std::fs::read(machine.directory.path().join(format!("{number}.img"))).unwrap()
        })
    };
    let before = contents();
    let stages = [
        "fetch-offline",
        "kargs",
        "disks",
        "mount",
        "files",
        "umount",
    ];
    let plan = match machine.plan() {
        Ok(plan) => plan,
        Err(refused) => {
            // What the dry run refuses the real run refuses, and touches nothing.
            let answer = boot.stages(&stages);
            assert_eq!(answer.code, Some(1), "{refused:?}\n{}", answer.out);
            assert!(
                answer.out.contains("nothing has been changed"),
                "{}",
                answer.out
            );
            assert!(contents() == before, "{}", answer.out);
            return false;
        }
    };
    let mut log = String::new();
    for stage in stages {
        let answer = boot.stage(stage);
        assert_eq!(answer.code, Some(0), "{text}\n{}", answer.out);
        log += &answer.out;
    }
    let mut logged = log.lines().map(|line| line.trim_start_matches(['!', ' ']));
    for line in lines(&plan) {
        assert!(
            logged.any(|other| other == line),
            "{line:?} is not in its place in:\n{log}"
        );
    }
    let again = machine
        .plan()
        .unwrap_or_else(|refused| panic!("{text}\n{refused:?}"));
    assert_eq!(lines(&again), Vec::<String>::new(), "{text}");
    assert_eq!(disks(&again, "before"), disks(&plan, "after"), "{text}");
    true
}

#[test]
fn dry_runs_are_what_happens() {
    let cases = (
        [old(), old()],
        [asked(), asked()],
        any::<[bool; 2]>(),
        0usize..3,
    );
    let (ran, refused) = (Cell::new(0), Cell::new(0));
    TestRunner::new(pilotlight_tests::cases(10))
        .run(&cases, |(old, asked, wipe_tables, files)| {
            let machine = Machine::new(&old);
            let text = config(&machine, &asked, wipe_tables, files).to_string();
            let counted = match the_dry_run_is_what_happens(&machine, &text) {
                true => &ran,
                false => &refused,
            };
            counted.set(counted.get() + 1);
            Ok(())
        })
        .unwrap();
    println!("{} runs, {} refusals", ran.get(), refused.get());
    assert!(ran.get() >= 4 && refused.get() >= 2, "{ran:?} {refused:?}");
}
