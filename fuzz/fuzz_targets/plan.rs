//! Planning: every part of every stage for a config, on a blank machine that has what it names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilotlight_core::diag::Sources;
use pilotlight_core::facts::Facts;
use pilotlight_core::facts::accounts::{Accounts, Texts};
use pilotlight_core::facts::disks::{Block, Signature, TableState};
use pilotlight_core::model::{Config, SysPath};
use pilotlight_core::plan::{
    Blobs, Plan, Planned, accounts, disks, filesystems, mounts, ssh_keys, tree, want,
};
use pilotlight_fuzz::{lowered, read, told};

fuzz_target!(|bytes: &[u8]| {
    let mut sources = Sources::default();
    let Some(config) = read(&mut sources, None, bytes).config else {
        return;
    };
    let Some(config) = lowered(&config, &sources) else {
        return;
    };
    let config = &config;
    let mut facts = Facts::default();
    for disk in &config.disks {
        blank(&mut facts, &disk.device);
    }
    let wipes = config.filesystems.iter().any(|fs| fs.wipe_filesystem);
    let part = |facts: &mut Facts, settles: bool, plan: &dyn Fn(&Facts) -> Planned| {
        let planned = match plan(facts) {
            Ok(planned) => planned,
            Err(report) => {
                assert!(report.has_errors());
                told(&report, &sources);
                return false;
            }
        };
        told_plan(&planned, &sources);
        *facts = planned.predict(std::mem::take(facts));
        if settles {
            match plan(facts) {
                Ok(again) => assert_eq!(again, Plan::default()),
                Err(report) => panic!("{}", report.render(&sources)),
            }
        }
        true
    };
    if !part(&mut facts, true, &|facts| disks::plan(&config.disks, facts)) {
        return;
    }
    for filesystem in &config.filesystems {
        if facts.disks.resolve(filesystem.device.as_str()).is_none() {
            blank(&mut facts, &filesystem.device);
        }
    }
    let whole = part(&mut facts, !wipes, &|facts| {
        filesystems::plan(&config.filesystems, facts)
    }) && part(&mut facts, true, &|facts| mounts::plan(config, facts));
    if !whole {
        return;
    }
    facts.accounts = image_accounts();
    if !part(&mut facts, true, &|facts| {
        accounts::plan(&config.groups, &config.users, facts)
    }) {
        return;
    }
    part(&mut facts, true, &|facts| plan_tree(config, facts));
    part(&mut facts, true, &|facts| mounts::unmount(config, facts));
});

fn told_plan(plan: &Plan, sources: &Sources) {
    plan.render(sources);
    for step in &plan.steps {
        assert!(!step.line().contains('\n'), "{}", step.line());
        assert!(step.json(sources).is_object());
    }
}

/// Files, links, units and SSH keys, as the files stage plans them.
fn plan_tree(config: &Config, facts: &Facts) -> Planned {
    let keys = ssh_keys::key_files(&config.users, &facts.accounts, true)?;
    let mut wants = want::of_homes(config, &facts.accounts);
    wants.extend(keys.iter().flat_map(want::of_key_file));
    tree::plan(config, &wants, facts, &Blobs::default())
}

/// A disk of 64 GiB with nothing on it.
fn blank(facts: &mut Facts, device: &SysPath) {
    let block = Block {
        size: 64 << 30,
        sector: 512,
        table: TableState::None,
        signature: Signature::Blank,
        used: None,
    };
    facts.disks.blocks.insert(device.as_str().into(), block);
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
        useradd: None,
    })
}
