//! Waits for RAID arrays and encrypted volumes.

use std::path::Path;
use std::process::Command;

use pilotlight_tests::tool;

use crate::{Ground, Round, Row, check, insist, leads, stage};

/// The rows of a guest, with udev or without.
pub fn rows() -> Vec<Row> {
    let row = |name, disks, begin| Row {
        name,
        disks,
        at_once: 1,
        begin,
    };
    vec![
        row("an array that is made and found again", 2, array),
        row("a volume that is made and opened again", 1, volume),
    ]
}

fn succeeds(line: &str) -> bool {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words).output().unwrap().status.success()
}

fn array(ground: Ground) -> Round {
    let word = ground.word.clone();
    let members = ground.disks.clone();
    let config = format!(
        r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{"raid": [{{"name": "{word}", "level": "raid1",
        "devices": ["{}", "{}"], "options": ["--assume-clean"]}}]}}}}"#,
        members[0], members[1]
    );
    let node = format!("/dev/md/{word}");
    let boot = ground.fetched(&[config]).remove(0);
    Box::new(move |round| {
        // udev assembles what it recognizes, also what is about to be taken apart.
        for member in &members {
            insist(&format!("{member} stays a member"), || {
                if Path::new(&node).exists() {
                    succeeds(&format!("mdadm --stop {node}"));
                }
                succeeds("mdadm --stop --scan");
                succeeds(&format!("wipefs --all {member}"))
            });
        }
        let said = stage(&boot, "disks")?;
        let is_there = |said: &str| {
            check(Path::new(&node).exists(), || {
                format!("{node} is not there; {said}")
            })?;
            let link = format!("/dev/disk/by-id/md-name-any:{word}");
            check(!ground.udev || leads(&link, &node), || {
                format!("{link} does not lead to {node}; {said}")
            })
        };
        is_there(&said)?;
        if round % 2 == 1 {
            insist(&format!("{node} cannot be stopped"), || {
                succeeds(&format!("mdadm --stop {node}"))
            });
        }
        let said = stage(&boot, "disks")?;
        is_there(&said)?;
        check(!said.contains("make "), || {
            format!("it is made again; {said}")
        })
    })
}

fn volume(ground: Ground) -> Round {
    let word = ground.word.clone();
    let disk = ground.disks[0].clone();
    let config = format!(
        r#"{{"ignition": {{"version": "3.4.0"}}, "storage": {{"luks": [{{"name": "{word}", "device": "{disk}",
        "keyFile": {{"source": "data:,key"}}, "options": ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
        "--luks2-metadata-size", "16k", "--luks2-keyslots-size", "256k"]}}]}}}}"#
    );
    let node = format!("/dev/mapper/{word}");
    let boot = ground.fetched(&[config]).remove(0);
    let close = move || {
        insist(&format!("{word} cannot be closed"), || {
            succeeds(&format!("cryptsetup close {word}"))
                || !Path::new(&format!("/dev/mapper/{word}")).exists()
        });
    };
    Box::new(move |round| {
        close();
        insist(&format!("{disk} stays a volume"), || {
            succeeds(&format!("wipefs --all {disk}"))
        });
        let said = stage(&boot, "disks")?;
        let is_there = |said: &str| {
            check(Path::new(&node).exists(), || {
                format!("{node} is not there; {said}")
            })?;
            let link = format!("/dev/disk/by-id/dm-name-{}", ground.word);
            check(!ground.udev || leads(&link, &node), || {
                format!("{link} does not lead to {node}; {said}")
            })
        };
        is_there(&said)?;
        if round % 2 == 1 {
            close();
        }
        let uuid = tool(&format!("cryptsetup luksUUID {disk}"));
        let said = stage(&boot, "disks")?;
        is_there(&said)?;
        let same = tool(&format!("cryptsetup luksUUID {disk}")) == uuid;
        check(same, || format!("it is made again; {said}"))
    })
}
