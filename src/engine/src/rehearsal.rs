//! The rehearsal on the machine: what the core plans ahead, with this machine to look at.

use std::collections::BTreeSet;
use std::path::Path;

use pilotlight_core::diag::Sources;
use pilotlight_core::facts::{Facts, Look, Usage};
use pilotlight_core::model::Config;
use pilotlight_core::plan::rehearse::{Root, rehearse};
use pilotlight_core::plan::{PARTS, Part, Stage, Surroundings};
use pilotlight_providers::metal;
use pilotlight_sys::DeviceMap;
use pilotlight_sys::volumes::KeyStore;

use crate::executor::device_wait;
use crate::failure::Failure;
use crate::journal::Earlier;
use crate::observe::Observer;
use crate::options::Options;
use crate::volumes;

/// A rehearsal of stages that have not run yet.
pub struct Rehearsal<'a> {
    options: &'a Options,
    config: &'a Config,
    sources: &'a Sources,
    keys: KeyStore,
    images: DeviceMap,
    journal: Option<&'a Earlier>,
}

impl<'a> Rehearsal<'a> {
    /// For a config on this machine.
    pub fn of(options: &'a Options, config: &'a Config, sources: &'a Sources) -> Self {
        Self {
            options,
            config,
            sources,
            keys: volumes::keys(options),
            images: DeviceMap::new(),
            journal: None,
        }
    }

    /// After earlier runs that have written this.
    pub fn after(mut self, journal: &'a Earlier) -> Self {
        self.journal = Some(journal);
        self
    }

    /// All stages.
    pub fn all(&self, around: &Surroundings) -> Result<(), Failure> {
        // Before the disks are changed the units give the OEM partition back.
        self.run(PARTS, around, root_at(&self.options.root), true)
    }

    /// Stages without the root.
    pub fn stages(&self, stages: &[Stage]) -> Result<(), Failure> {
        let parts: Vec<(Stage, Part)> = (PARTS.iter().copied())
            .filter(|(stage, _)| stages.contains(stage))
            .collect();
        self.run(&parts, &Surroundings::default(), Root::Unknown, false)
    }

    /// The files stage, on the root that is there.
    pub fn files(&self, around: &Surroundings) -> Result<(), Failure> {
        let parts: Vec<(Stage, Part)> = (Stage::Files.parts())
            .map(|part| (Stage::Files, part))
            .collect();
        self.run(&parts, around, Root::Known, false)
    }

    fn run(
        &self,
        parts: &[(Stage, Part)],
        around: &Surroundings,
        root: Root,
        gives_back: bool,
    ) -> Result<(), Failure> {
        let known = (root == Root::Known).then_some(self.options.root.as_path());
        let observer = Observer {
            config: self.config,
            images: &self.images,
            root: known,
            cmdline: Some(&self.options.cmdline),
            wait: device_wait(),
            keys: Some(&self.keys),
            journal: self.journal,
            mounted: &BTreeSet::new(),
        };
        let mut look = |look: &Look, facts: &mut Facts| {
            observer.look(look, facts)?;
            if gives_back && matches!(look, Look::Devices { .. }) {
                give_back(facts);
            }
            Ok(())
        };
        match rehearse(self.config, around, parts, root, &mut look) {
            // What a person should know besides, the real run says.
            Ok(_) => Ok(()),
            Err(report) => Err(Failure {
                report,
                sources: self.sources.clone(),
            }),
        }
    }
}

/// The OEM partition is mounted for reading by our own unit, which unmounts it before the disks stage.
fn give_back(facts: &mut Facts) {
    for block in facts.disks.blocks.values_mut() {
        let ours = matches!(&block.used, Some(Usage::MountedAt(place)) if metal::OEM_DIRECTORIES.contains(&place.as_str()));
        if ours {
            block.used = None;
        }
    }
}

/// Whether the root is there yet: in an initramfs its directory is empty until it is mounted.
fn root_at(path: &Path) -> Root {
    let holds = |name: &str| path.join(name).is_dir();
    match !path.as_os_str().is_empty() && (holds("etc") || holds("usr")) {
        true => Root::Known,
        false => Root::Unknown,
    }
}
