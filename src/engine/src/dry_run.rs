//! The dry run: the same plans as the real run, on facts that each plan predicts for the next.

use std::path::PathBuf;
use std::time::Duration;

use pilotlight_core::diag::Style;
use pilotlight_core::facts::Facts;
use pilotlight_core::facts::tree::Node;
use pilotlight_core::model::{Config, SysPath};
use pilotlight_core::picture::{self, Picture};
use pilotlight_core::plan::Plan;
use pilotlight_sys::DeviceMap;
use serde_json::{Value, json};

use crate::acquire::{self, Given};
use crate::failure::Failure;
use crate::observe::Observer;
use crate::options::Stage;
use crate::stages::{Part, Surroundings};

/// What a dry run looks at.
#[derive(Debug, Clone, Default)]
pub struct DryRun {
    /// Disk images and the devices of the config that they stand for.
    pub disks: Vec<(PathBuf, String)>,
    /// The root to compare with; `None` is an empty one.
    pub root: Option<PathBuf>,
}

/// The plan of all stages, printed.
#[derive(Debug)]
pub struct Shown {
    /// The operations, for people.
    pub operations: String,
    /// What becomes of the disks.
    pub picture: Picture,
    /// How many operations there are, and how many of them destroy data.
    pub summary: String,
    /// For machines.
    pub json: Value,
    /// Warnings about the config, for standard error.
    pub warnings: String,
}

/// Parts of the stages in boot order.
const PARTS: &[(Stage, Part)] = &[
    (Stage::Kargs, Part::KernelArguments),
    (Stage::Disks, Part::Partitions),
    (Stage::Disks, Part::Raid),
    (Stage::Disks, Part::Luks),
    (Stage::Disks, Part::Filesystems),
    (Stage::Mount, Part::Mounts),
    (Stage::Files, Part::Accounts),
    (Stage::Files, Part::Tree),
    (Stage::Files, Part::Relabel),
    // By a unit of its own, after the first-boot marker is gone.
    (Stage::Files, Part::Finish),
    (Stage::Umount, Part::Unmounts),
];

/// Plans all stages of a config without touching anything.
pub fn dry_run(given: Given<'_>, run: &DryRun) -> Result<Shown, Failure> {
    let acquired = acquire::given_config(given)?;
    let around = Surroundings {
        ssh_key_fragment: true,
        ..Surroundings::default()
    };
    let images: DeviceMap = run
        .disks
        .iter()
        .map(|(image, device)| (device.clone(), image.clone()))
        .collect();
    let observer = Observer {
        config: &acquired.config,
        images: &images,
        root: run.root.as_deref(),
        // The machine that is provisioned boots in its own way.
        cmdline: None,
        wait: Duration::ZERO,
        keys: None,
    };
    let fail = |report| Failure {
        report,
        sources: acquired.sources.clone(),
    };
    let mut facts = Facts::default();
    let mut before = None;
    let mut notes = acquired.report.clone();
    observer.selinux(&mut facts).map_err(fail)?;
    if let Some(warning) = facts.selinux.warning() {
        notes.warning(None, warning);
    }
    let mut plans: Vec<(Stage, Plan)> = Vec::new();
    for (stage, part) in PARTS {
        // Only what no earlier part changes is looked at; everything else is predicted.
        if matches!(
            part,
            Part::KernelArguments | Part::Partitions | Part::Accounts
        ) {
            observer.observe(*part, &around, &mut facts).map_err(fail)?;
        }
        if *part == Part::Partitions {
            before = Some(facts.disks.clone());
        }
        if *part == Part::Tree {
            observer.observe_tree(&around, &mut facts).map_err(fail)?;
            assume_mounts(&mut facts);
            assume_homes(&acquired.config, &mut facts);
        }
        let plan = part.plan(&acquired.config, &facts, &around).map_err(fail)?;
        facts = plan.predict(facts);
        notes.extend(plan.notes.clone());
        match plans.last_mut() {
            Some((last, steps)) if last == stage => steps.steps.extend(plan.steps),
            _ => plans.push((*stage, plan)),
        }
    }
    plans.retain(|(_, plan)| !plan.is_empty());
    let operations = plans.iter().flat_map(|(_, plan)| &plan.steps);
    let picture = Picture::new(
        &before.unwrap_or_default(),
        operations.map(|step| &step.op),
        &facts.disks,
    );
    Ok(Shown {
        warnings: notes.render(&acquired.sources),
        operations: text(&plans, &acquired.sources),
        summary: summary(&plans),
        json: json!({
            "disks": picture.disks,
            "volumes": picture.volumes,
            "stages": plans.iter().map(|(stage, plan)| json!({
                "stage": stage.name(),
                "operations": plan.steps.iter().map(|step| step.json(&acquired.sources)).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
        }),
        picture,
    })
}

impl Shown {
    /// The plan for people: the operations, the disks, and how much is at stake.
    pub fn text(&self, style: Style) -> String {
        let disks = picture::table(&self.picture, style);
        let heading = match disks.is_empty() {
            true => "",
            false => "disks before and after\n",
        };
        format!("{}{heading}{disks}{}", self.operations, self.summary)
    }

    /// The disks as an SVG document.
    pub fn svg(&self) -> String {
        picture::svg(&self.picture)
    }
}

/// What the root holds below a mount point is hidden by the time the tree is planned, and the file system
/// there is taken for an empty one.
fn assume_mounts(facts: &mut Facts) {
    let mounts: Vec<SysPath> = facts.disks.mounts.keys().cloned().collect();
    for path in mounts {
        facts.tree.clear(&path);
        for directory in path.ancestors().iter().chain([&path]) {
            if *facts.tree.node(directory) == Node::Absent {
                let node = Node::Directory {
                    mode: 0o755,
                    uid: Some(0),
                    gid: Some(0),
                    empty: true,
                };
                facts.tree.put(directory, node);
            }
        }
    }
}

/// The homes that useradd would have made by the time the tree is planned.
fn assume_homes(config: &Config, facts: &mut Facts) {
    let directory = |uid, gid| Node::Directory {
        mode: 0o755,
        uid,
        gid,
        empty: false,
    };
    let users = config
        .users
        .iter()
        .filter(|user| user.should_exist && !user.no_create_home);
    for user in users {
        // System users get a home only when the config names one, as in useradd(8).
        let Some(account) = facts
            .accounts
            .user(&user.name)
            .filter(|_| !user.system || user.home_dir.is_some())
        else {
            continue;
        };
        let Ok(home) = SysPath::parse(&account.home) else {
            continue;
        };
        let (uid, gid) = (account.uid, account.gid);
        for above in home.ancestors() {
            if *facts.tree.node(&above) == Node::Absent {
                facts.tree.put(&above, directory(Some(0), Some(0)));
            }
        }
        if *facts.tree.node(&home) == Node::Absent {
            facts.tree.put(&home, directory(uid, gid));
        }
    }
}

fn text(plans: &[(Stage, Plan)], sources: &pilotlight_core::diag::Sources) -> String {
    let mut out = String::new();
    for (stage, plan) in plans {
        out.push_str(&format!("stage {}\n{}", stage.name(), plan.render(sources)));
    }
    out
}

fn summary(plans: &[(Stage, Plan)]) -> String {
    let steps = || plans.iter().flat_map(|(_, plan)| &plan.steps);
    let destructive = steps().filter(|step| step.op.is_destructive()).count();
    match (steps().count(), destructive) {
        (0, _) => "Nothing to do.\n".to_string(),
        (n, 0) => {
            format!("{n} operations, none of which destroys data. Nothing has been touched.\n")
        }
        (n, d) => format!(
            "{n} operations, {d} of which destroy data (marked !). Nothing has been touched.\n"
        ),
    }
}
