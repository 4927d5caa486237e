//! Planning: the rehearsal of every stage for a config, on a blank machine that has what it names.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use pilotlight_core::diag::{Report, Sources};
use pilotlight_core::facts::accounts::{Accounts, Texts};
use pilotlight_core::facts::disks::{Block, Disks, Signature, TableState};
use pilotlight_core::facts::{Facts, Look, Sight};
use pilotlight_core::model::Config;
use pilotlight_core::plan::rehearse::{Rehearsed, Root, rehearse};
use pilotlight_core::plan::{PARTS, Part, Surroundings};
use pilotlight_fuzz::{lowered, read, told};

fuzz_target!(|bytes: &[u8]| {
    let mut sources = Sources::default();
    let Some(config) = read(&mut sources, None, bytes).config else {
        return;
    };
    let Some(config) = lowered(&config, &sources) else {
        return;
    };
    let around = Surroundings {
        ssh_key_fragment: true,
        ..Surroundings::default()
    };
    for root in [Root::Known, Root::Empty, Root::Unknown] {
        let mut machine = Machine::of(&config);
        let rehearsed = rehearse(&config, &around, PARTS, root, &mut |look, facts| {
            machine.look(look, facts)
        });
        match rehearsed {
            Ok(rehearsed) => {
                told_plans(&rehearsed, &sources);
                if root == Root::Empty {
                    settles(&config, &rehearsed.after, &around, &sources);
                }
            }
            Err(report) => {
                assert!(report.has_errors());
                told(&report, &sources);
                // Its own steps may contradict no precondition, whatever the config says.
                let text = report.render(&sources);
                assert!(!text.contains("the plan is at fault"), "{text}");
            }
        }
    }
});

/// Planning again on what a run leaves plans nothing, but for what the config wants to be wiped each time.
fn settles(config: &Config, after: &Facts, around: &Surroundings, sources: &Sources) {
    let layered = !config.raid.is_empty() || !config.luks.is_empty();
    let wipes = config.filesystems.iter().any(|one| one.wipe_filesystem);
    let parts = [
        (Part::Partitions, !layered && !wipes),
        (Part::Filesystems, !layered && !wipes),
        (Part::Accounts, true),
        (Part::Tree, !layered),
    ];
    for (part, _) in parts.iter().filter(|(_, settles)| *settles) {
        match part.plan(config, after, around) {
            Ok(again) => assert!(again.is_empty(), "{part:?}: {}", again.render(sources)),
            Err(report) => panic!("{part:?}: {}", report.render(sources)),
        }
    }
}

fn told_plans(rehearsed: &Rehearsed, sources: &Sources) {
    told(&rehearsed.notes, sources);
    for (_, plan) in &rehearsed.plans {
        plan.render(sources);
        for step in &plan.steps {
            assert!(!step.line().contains('\n'), "{}", step.line());
            assert!(step.json(sources).is_object());
        }
    }
}

/// A machine whose devices are those that the config does not make: disks of 64 GiB with nothing on them.
struct Machine {
    disks: Disks,
    made: BTreeSet<String>,
}

impl Machine {
    fn of(config: &Config) -> Self {
        let made = config
            .raid
            .iter()
            .map(|raid| format!("/dev/md/{}", raid.name));
        let volumes = config
            .luks
            .iter()
            .map(|luks| format!("/dev/mapper/{}", luks.name));
        Self {
            disks: Disks::default(),
            made: made.chain(volumes).collect(),
        }
    }

    fn look(&mut self, look: &Look, facts: &mut Facts) -> Result<(), Report> {
        match look {
            Look::Devices { required, .. } => {
                for device in required {
                    if !self.made.contains(device.as_str()) {
                        self.disks.blocks.insert(device.to_string(), blank());
                    }
                }
                facts.disks = self.disks.clone();
            }
            Look::Accounts => facts.accounts = image_accounts(),
            Look::Places(places) => {
                for place in places {
                    if let Some(block) = facts.disks.blocks.get_mut(&place.node) {
                        block.signature = Signature::Blank;
                    }
                }
            }
            Look::Tree(paths) => {
                let _: &Vec<Sight> = paths;
            }
            _ => {}
        }
        Ok(())
    }
}

fn blank() -> Block {
    Block {
        size: 64 << 30,
        sector: 512,
        table: TableState::None,
        signature: Signature::Blank,
        used: None,
    }
}

/// The accounts of a usual image.
fn image_accounts() -> Accounts {
    Accounts::parse(&Texts {
        passwd: Some(
            b"root:x:0:0:root:/root:/bin/bash\ncore:x:500:500:Admin:/home/core:/bin/bash\n",
        ),
        group: Some(
            b"root:x:0:\nwheel:x:10:core\ndocker:x:233:core\nsudo:x:150:core\ncore:x:500:\n",
        ),
        shadow: Some(b"root:*:1::::::\ncore:*:1::::::\n"),
        gshadow: None,
        login_defs: Some(b"USERGROUPS_ENAB yes\n"),
        ..Texts::default()
    })
}
