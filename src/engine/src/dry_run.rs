//! The dry run: the rehearsal of all stages, printed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use pilotlight_core::diag::{Diagnostic, Sources, Style};
use pilotlight_core::model::{Metadata, SysPath};
use pilotlight_core::op::{Op, TreeOp};
use pilotlight_core::picture::{self, Picture};
use pilotlight_core::plan::rehearse::{Root, rehearse};
use pilotlight_core::plan::result::{self, Provisioned};
use pilotlight_core::plan::{PARTS, Part, Plan, Stage, Step, Surroundings};
use pilotlight_providers::Platform;
use pilotlight_sys::DeviceMap;
use serde_json::{Value, json};

use crate::acquire::{self, GivenConfig};
use crate::failure::Failure;
use crate::observe::Observer;
use crate::platform;

/// What a dry run looks at.
#[derive(Debug, Clone, Default)]
pub struct DryRun {
    /// Disk images and the devices of the config that they stand for.
    pub disks: Vec<(PathBuf, String)>,
    /// The root to compare with; `None` is an empty one.
    pub root: Option<PathBuf>,
    /// The platform, and what it says of the machine.
    pub platform: Option<(Platform, Metadata)>,
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

/// Plans all stages of a config without touching anything.
pub fn dry_run(given: GivenConfig<'_>, run: &DryRun) -> Result<Shown, Failure> {
    let acquired = acquire::given_config(given)?;
    let said = run.platform.clone();
    let around = Surroundings {
        ssh_key_fragment: true,
        platform: said.map(|(platform, said)| platform::given(platform, said)),
        result: Some(some_run()),
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
        journal: None,
        mounted: &BTreeSet::new(),
    };
    let root = match run.root {
        Some(_) => Root::Known,
        None => Root::Empty,
    };
    // By a unit of its own, after the first-boot marker is gone.
    let finish = [(Stage::Files, Part::Finish)];
    let (before, after) =
        PARTS.split_at(PARTS.partition_point(|(stage, _)| *stage != Stage::Umount));
    let parts = [before, &finish, after].concat();
    let rehearsed = rehearse(
        &acquired.config,
        &around,
        &parts,
        root,
        &mut |look, facts| observer.look(look, facts),
    )
    .map_err(|report| Failure {
        report,
        sources: acquired.sources.clone(),
    })?;
    let mut notes = acquired.report.clone();
    notes.extend(rehearsed.notes);
    let mut plans = rehearsed.plans;
    plans.retain(|(_, plan)| !plan.is_empty());
    if plans
        .iter()
        .flat_map(|(_, plan)| &plan.steps)
        .all(writes_the_result)
    {
        // Every run writes when it was; that alone is nothing to do.
        plans.clear();
    }
    let of_root = (plans.iter().filter(|(stage, _)| *stage == Stage::Files))
        .flat_map(|(_, plan)| &plan.steps)
        .any(|step| !writes_the_result(step));
    if run.root.is_none() && of_root {
        notes.push(
            Diagnostic::hint(
                None,
                "the root is taken for an empty one: what its users, files and links change in this shows with --root",
            ),
        );
    }
    let operations = plans.iter().flat_map(|(_, plan)| &plan.steps);
    let picture = Picture::new(
        &rehearsed.before,
        operations.map(|step| &step.op),
        &rehearsed.after.disks,
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

/// A run at no time: what the result file says of a real one is as long.
fn some_run() -> Provisioned {
    Provisioned {
        boot_id: "00000000-0000-0000-0000-000000000000".into(),
        date: "1970-01-01T00:00:00Z".into(),
        user_config: true,
        warnings: Vec::new(),
    }
}

/// Whether a step writes the result file, or makes the directory that it lies in.
fn writes_the_result(step: &Step) -> bool {
    let Ok(result) = SysPath::parse(result::PATH) else {
        return false;
    };
    match &step.op {
        Op::Tree(TreeOp::WriteFile { path, .. }) => *path == result,
        Op::Tree(TreeOp::MakeDirectory { path, .. }) => result.parent().as_ref() == Some(path),
        _ => false,
    }
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

fn text(plans: &[(Stage, Plan)], sources: &Sources) -> String {
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
