//! The boot stages and the parts that they consist of: their order, what surrounds them, and what planning
//! each of them needs to know of the machine.
//!
//! The dry run, the rehearsal and the real run share [`Part::plan`]; they differ in where the facts come from.

use crate::diag::Report;
use crate::facts::{Facts, Look, Sight};
use crate::model::{Config, SysPath};
use crate::op::{array_node, volume_node};
use crate::plan::platform::{self, FromPlatform};
use crate::plan::result::{self, Provisioned};
use crate::plan::want::{self, Blobs, Want};
use crate::plan::{
    Plan, Planned, accounts, crypttab, disks, enabling, filesystems, kargs, luks, mounts, raid,
    selinux, ssh_keys, tree,
};

/// A boot stage. Each runs in a process of its own; the config cache carries the config between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Find and merge the config without a network.
    FetchOffline,
    /// Find and merge the config with the network, and fetch what it refers to.
    Fetch,
    /// Kernel arguments.
    Kargs,
    /// Partitions and file systems.
    Disks,
    /// Mount the config's file systems below the root.
    Mount,
    /// Accounts, files, links, units.
    Files,
    /// Undo the mounts.
    Umount,
}

impl Stage {
    /// All stages in boot order with the names of the command line.
    pub const NAMES: &[(&str, Stage)] = &[
        ("fetch-offline", Stage::FetchOffline),
        ("fetch", Stage::Fetch),
        ("kargs", Stage::Kargs),
        ("disks", Stage::Disks),
        ("mount", Stage::Mount),
        ("files", Stage::Files),
        ("umount", Stage::Umount),
    ];

    /// Finds a stage by name.
    pub fn parse(name: &str) -> Option<Stage> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name)?;
        Some(found.1)
    }

    /// The stage's name.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, stage)| *stage == self)
            .map_or("", |(name, _)| name)
    }

    /// The parts of a stage, in the order in which they are planned and performed.
    pub fn parts(self) -> impl Iterator<Item = Part> {
        let of_stage = PARTS.iter().filter(move |(stage, _)| *stage == self);
        of_stage.map(|(_, part)| *part)
    }
}

/// A part of a stage: planned and applied as one, on facts observed right before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Kernel arguments.
    KernelArguments,
    /// Partition tables.
    Partitions,
    /// RAID arrays.
    Raid,
    /// Encrypted volumes.
    Luks,
    /// File systems.
    Filesystems,
    /// Mounts below the root.
    Mounts,
    /// Undoing the mounts.
    Unmounts,
    /// Whether what will be written can be labelled, where the root has an SELinux policy.
    Policy,
    /// Groups and users.
    Accounts,
    /// Files, directories, links, units, SSH keys.
    Tree,
    /// The file that says what provisioned the root.
    Result,
    /// Labelling what was written.
    Relabel,
    /// Taking the marks of being made away from encrypted volumes, when the first boot is done.
    Finish,
}

/// All parts of a first boot, in its order.
pub const PARTS: &[(Stage, Part)] = &[
    (Stage::Kargs, Part::KernelArguments),
    (Stage::Disks, Part::Partitions),
    (Stage::Disks, Part::Raid),
    (Stage::Disks, Part::Luks),
    (Stage::Disks, Part::Filesystems),
    (Stage::Mount, Part::Mounts),
    (Stage::Files, Part::Policy),
    (Stage::Files, Part::Accounts),
    (Stage::Files, Part::Tree),
    (Stage::Files, Part::Result),
    (Stage::Files, Part::Relabel),
    (Stage::Umount, Part::Unmounts),
];

/// What planning needs besides config and facts.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// What was fetched.
    pub blobs: Blobs,
    /// Write SSH keys to authorized_keys.d/ignition.
    pub ssh_key_fragment: bool,
    /// What the platform gives the machine.
    pub platform: Option<FromPlatform>,
    /// What the result file says; `None` writes none.
    pub result: Option<Provisioned>,
}

impl Part {
    /// Plans the part: pure.
    pub fn plan(self, config: &Config, facts: &Facts, around: &Surroundings) -> Planned {
        match self {
            Part::KernelArguments => kargs::plan(&config.kernel_arguments, facts),
            Part::Partitions => {
                raid::check(config).and_then(|()| disks::plan(&config.disks, facts))
            }
            Part::Raid => raid::plan(config, facts),
            Part::Luks => luks::plan(config, facts),
            Part::Filesystems => filesystems::plan(&config.filesystems, facts),
            Part::Mounts => mounts::plan(config, facts),
            Part::Unmounts => mounts::unmount(config, facts),
            Part::Policy => selinux::check(facts).map(|()| Plan::default()),
            Part::Accounts => accounts::plan(&config.groups, &config.users, facts),
            Part::Tree => {
                let (wants, notes) = extra_wants(config, facts, around)?;
                crypttab::keys_are_there(config, facts)?;
                let amended = crypttab::amended(config, facts);
                let config = amended.as_ref().unwrap_or(config);
                let mut plan = tree::plan(config, &wants, facts, &around.blobs)?;
                plan.notes.extend(notes);
                Ok(plan)
            }
            Part::Result => {
                let want: Vec<Want> = result::want(around.result.as_ref(), facts)
                    .into_iter()
                    .collect();
                let mut plan = tree::plan(&Config::default(), &want, facts, &Blobs::default())?;
                if let Some(earlier) = facts
                    .texts
                    .keys()
                    .find(|path| path.as_str() == result::PATH)
                {
                    let message = format!("{earlier} exists: this root was provisioned before");
                    plan.notes.warning(None, message);
                }
                Ok(plan)
            }
            Part::Relabel => {
                let (mut wants, _) = extra_wants(config, facts, around)?;
                wants.extend(result::want(around.result.as_ref(), facts));
                selinux::plan(config, &wants, facts)
            }
            Part::Finish => Ok(luks::finish(facts)),
        }
    }

    /// What has to be looked at before the part is planned: one thing after the other, because which paths
    /// matter depends on the accounts, say. `step` counts from 0; `None` is the end.
    pub fn look(
        self,
        step: usize,
        config: &Config,
        facts: &Facts,
        around: &Surroundings,
    ) -> Result<Option<Look>, Report> {
        let encrypted = !config.luks.is_empty();
        Ok(match (self, step) {
            (Part::KernelArguments, 0) => Some(Look::CommandLine),
            (Part::KernelArguments, 1) => {
                let needed = kargs::needs_partitions(&config.kernel_arguments, &facts.boot);
                needed.then_some(Look::BootPartitions)
            }
            (Part::Partitions | Part::Raid | Part::Luks | Part::Filesystems | Part::Mounts, 0) => {
                Some(self.devices(config))
            }
            (Part::Partitions, 1) => Some(Look::Fresh),
            (Part::Partitions, 2) | (Part::Raid | Part::Luks | Part::Filesystems, 1) => {
                Some(Look::Keys)
            }
            (Part::Mounts, 1) | (Part::Policy, 0) | (Part::Relabel, 1) => Some(Look::Selinux),
            (Part::Mounts, 2) | (Part::Unmounts, 0) => Some(Look::Mounts),
            // Accounts have just been made; their numbers are known only now.
            (Part::Accounts | Part::Tree | Part::Result | Part::Relabel, 0) => Some(Look::Accounts),
            (Part::Tree, 1) => Some(match encrypted {
                true => self.devices(config),
                false => Look::Texts(texts(config, around, facts)),
            }),
            (Part::Tree, 2) => Some(match encrypted {
                true => Look::Keys,
                false => Look::Tree(sights(config, facts, around)?),
            }),
            (Part::Tree, 3) if encrypted => {
                let mut texts = texts(config, around, facts);
                texts.extend(SysPath::parse(crypttab::PATH));
                Some(Look::Texts(texts))
            }
            (Part::Tree, 4) if encrypted => Some(Look::Tree(sights(config, facts, around)?)),
            (Part::Result, 1) => Some(Look::Texts(
                SysPath::parse(result::PATH).into_iter().collect(),
            )),
            (Part::Result, 2) => {
                let path = SysPath::parse(result::PATH).into_iter();
                let sight = |path| Sight {
                    path,
                    contents: true,
                };
                Some(Look::Tree(path.map(sight).collect()))
            }
            _ => None,
        })
    }

    /// The devices that a part is about and those below have to be there; those above may be.
    fn devices(self, config: &Config) -> Look {
        let nodes = |names: Vec<String>| -> Vec<SysPath> {
            let paths = names.into_iter().map(|node| SysPath::parse(&node));
            paths.filter_map(Result::ok).collect()
        };
        let formatted = (config.filesystems.iter()).filter(|made| made.format.is_some());
        let layers: [(Part, Vec<SysPath>); 6] = [
            (
                Part::Partitions,
                config
                    .disks
                    .iter()
                    .map(|disk| disk.device.clone())
                    .collect(),
            ),
            (
                Part::Raid,
                (config.raid.iter())
                    .flat_map(|raid| raid.devices.clone())
                    .collect(),
            ),
            (
                Part::Luks,
                nodes(
                    config
                        .raid
                        .iter()
                        .map(|raid| array_node(&raid.name))
                        .collect(),
                ),
            ),
            (
                Part::Luks,
                config.luks.iter().map(|luks| luks.device.clone()).collect(),
            ),
            (
                Part::Filesystems,
                nodes(
                    config
                        .luks
                        .iter()
                        .map(|luks| volume_node(&luks.name))
                        .collect(),
                ),
            ),
            (
                Part::Filesystems,
                formatted.map(|made| made.device.clone()).collect(),
            ),
        ];
        // Parts after the file systems find all layers made.
        let order = [Part::Partitions, Part::Raid, Part::Luks];
        let height = |part: Part| {
            let mut known = order.iter();
            known
                .position(|known| *known == part)
                .unwrap_or(order.len())
        };
        let (mut required, mut optional) = (Vec::new(), Vec::new());
        for (layer, devices) in layers {
            match height(layer) <= height(self) {
                true => required.extend(devices),
                false => optional.extend(devices),
            }
        }
        Look::Devices { required, optional }
    }
}

/// Files of the root whose texts planning has to know.
fn texts(config: &Config, around: &Surroundings, facts: &Facts) -> Vec<SysPath> {
    let mut texts = platform::texts(around.platform.as_ref(), around.ssh_key_fragment, facts);
    texts.extend(enabling::texts(&config.units));
    texts
}

/// What the tree has to be looked at for.
fn sights(config: &Config, facts: &Facts, around: &Surroundings) -> Result<Vec<Sight>, Report> {
    let mut sights = tree::sights(config, &extra_wants(config, facts, around)?.0);
    sights.extend(
        want::of_home_mounts(config, &facts.accounts).map(|path| Sight {
            path,
            contents: false,
        }),
    );
    sights.extend(crypttab::key_files(config).map(|path| Sight {
        path,
        contents: false,
    }));
    Ok(sights)
}

/// Wants that are not files of the config: SSH keys, keys of volumes, what the platform gives. With them notes
/// for a person.
fn extra_wants(
    config: &Config,
    facts: &Facts,
    around: &Surroundings,
) -> Result<(Vec<Want>, Report), Report> {
    let keys = ssh_keys::key_files(&config.users, &facts.accounts, around.ssh_key_fragment)?;
    let mut wants = want::of_homes(config, facts);
    wants.extend(keys.iter().flat_map(want::of_key_file));
    wants.extend(crypttab::wants(config, facts, &around.blobs));
    let (links, mut said) = enabling::wants(&config.units, facts);
    wants.extend(links);
    let fragment = around.ssh_key_fragment;
    let notes = around
        .platform
        .as_ref()
        .map(|given| platform::add_to(&mut wants, &keys, config, facts, given, fragment));
    said.extend(notes.unwrap_or_default());
    Ok((wants, said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_that_changes_something_has_parts_in_boot_order() {
        let order: Vec<Stage> = Stage::NAMES.iter().map(|(_, stage)| *stage).collect();
        let place = |stage: Stage| order.iter().position(|known| *known == stage);
        assert!(PARTS.is_sorted_by_key(|(stage, _)| place(*stage)));
        assert_eq!(Stage::Fetch.parts().count(), 0);
        assert_eq!(
            Stage::Disks.parts().collect::<Vec<_>>(),
            [Part::Partitions, Part::Raid, Part::Luks, Part::Filesystems]
        );
        for (name, stage) in Stage::NAMES {
            assert_eq!(Stage::parse(name), Some(*stage));
            assert_eq!(stage.name(), *name);
        }
        assert_eq!(Stage::parse("boot"), None);
    }

    #[test]
    fn what_a_part_looks_at_comes_to_an_end() {
        let (config, facts, around) =
            (Config::default(), Facts::default(), Surroundings::default());
        for (_, part) in PARTS {
            let looks = (0..10).map(|step| part.look(step, &config, &facts, &around));
            let looks: Vec<Option<Look>> = looks.map(Result::unwrap).collect();
            let end = looks.iter().position(Option::is_none).unwrap();
            assert!(looks[end..].iter().all(Option::is_none), "{part:?}");
        }
    }
}
