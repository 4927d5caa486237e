//! Observing what a part of a stage has to know.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use pilotlight_core::diag::Report;
use pilotlight_core::facts::Facts;
use pilotlight_core::facts::accounts::{Accounts, Texts};
use pilotlight_core::facts::boot::Boot;
use pilotlight_core::facts::disks::Block;
use pilotlight_core::facts::selinux::PROGRAM;
use pilotlight_core::model::{Config, SysPath};
use pilotlight_core::op::{array_node, volume_node};
use pilotlight_core::plan::kargs::needs_partitions;
use pilotlight_core::plan::{crypttab, fresh as plan_fresh, tree as plan_tree};
use pilotlight_sys::journal::Journal;
use pilotlight_sys::root::Sysroot;
use pilotlight_sys::volumes::KeyStore;
use pilotlight_sys::{DeviceMap, boot, disks, fresh, mounts, selinux, tool, tree};

use crate::stages::{self, Part, Surroundings};

/// What is looked at.
pub struct Observer<'a> {
    /// The config that says what matters.
    pub config: &'a Config,
    /// Image files that stand for devices.
    pub images: &'a DeviceMap,
    /// The root; `None` is an empty one.
    pub root: Option<&'a Path>,
    /// The kernel command line; `None` if this is not the machine that is planned for.
    pub cmdline: Option<&'a Path>,
    /// How long to wait for devices.
    pub wait: Duration,
    /// The generated keys of this boot's encrypted volumes; `None` in a dry run, which predicts them.
    pub keys: Option<&'a KeyStore>,
}

fn broken(error: &dyn std::fmt::Display) -> Report {
    let mut report = Report::default();
    report.error(None, error.to_string());
    report
}

impl Observer<'_> {
    /// Brings the facts that a part plans on up to date.
    pub fn observe(
        &self,
        part: Part,
        around: &Surroundings,
        facts: &mut Facts,
    ) -> Result<(), Report> {
        match part {
            Part::KernelArguments => self.boot(facts),
            Part::Partitions | Part::Raid | Part::Luks | Part::Filesystems | Part::Finish => {
                self.disks(part, facts)
            }
            Part::Mounts | Part::Unmounts => {
                self.disks(part, facts)?;
                self.selinux(facts)?;
                self.mounts(facts)
            }
            Part::Policy => self.selinux(facts),
            Part::Relabel => {
                self.accounts(facts)?;
                self.selinux(facts)
            }
            Part::Accounts => self.accounts(facts),
            Part::Tree => {
                // Accounts have just been made; their numbers are known only now.
                self.accounts(facts)?;
                if !self.config.luks.is_empty() {
                    self.disks(part, facts)?;
                }
                self.observe_tree(around, facts)
            }
        }
    }

    fn boot(&self, facts: &mut Facts) -> Result<(), Report> {
        let Some(cmdline) = self.cmdline else {
            facts.boot = Boot::assumed();
            return Ok(());
        };
        facts.boot = boot::observe(cmdline).map_err(|error| broken(&error))?;
        // Boot partitions are looked at only by whoever has to change them.
        if needs_partitions(&self.config.kernel_arguments, &facts.boot) {
            boot::observe_partitions(&mut facts.boot, self.wait).map_err(|error| broken(&error))?;
        }
        Ok(())
    }

    /// What a part is about has to be there, and what lies below it; what lies above it may be.
    fn disks(&self, part: Part, facts: &mut Facts) -> Result<(), Report> {
        let config = self.config;
        let made = |path: String| SysPath::parse(&path).ok();
        let arrays: Vec<SysPath> = (config.raid.iter())
            .filter_map(|raid| made(array_node(&raid.name)))
            .collect();
        let volumes: Vec<SysPath> = (config.luks.iter())
            .filter_map(|luks| made(volume_node(&luks.name)))
            .collect();
        let formatted = (config.filesystems.iter()).filter(|made| made.format.is_some());
        let layers: [(Part, Vec<&SysPath>); 6] = [
            (
                Part::Partitions,
                config.disks.iter().map(|disk| &disk.device).collect(),
            ),
            (
                Part::Raid,
                config.raid.iter().flat_map(|raid| &raid.devices).collect(),
            ),
            (Part::Luks, arrays.iter().collect()),
            (
                Part::Luks,
                config.luks.iter().map(|luks| &luks.device).collect(),
            ),
            (Part::Filesystems, volumes.iter().collect()),
            (
                Part::Filesystems,
                formatted.map(|made| &made.device).collect(),
            ),
        ];
        // Parts after the file systems find all layers made.
        let order = [Part::Partitions, Part::Raid, Part::Luks];
        let height = |part: Part| {
            order
                .iter()
                .position(|known| *known == part)
                .unwrap_or(order.len())
        };
        let (mut required, mut optional) = (Vec::new(), Vec::new());
        for (layer, devices) in layers {
            match height(layer) <= height(part) {
                true => required.extend(devices),
                false => optional.extend(devices),
            }
        }
        let mounted = std::mem::take(&mut facts.disks.mounts);
        facts.disks = disks::observe(disks::Request {
            required: &required,
            optional: &optional,
            images: self.images,
            wait: self.wait,
        })
        .map_err(|error| broken(&error))?;
        facts.disks.mounts = mounted;
        if part == Part::Partitions {
            facts.disks.fresh = self.fresh()?;
        }
        if let Some(keys) = self.keys {
            // The config's own keys are no generated ones.
            let given = |name: &String| {
                let mut volumes = config.luks.iter();
                volumes.any(|luks| luks.name == *name && luks.key_file.is_some())
            };
            let digests = keys.digests().into_iter();
            facts.keys = digests
                .filter(|(name, _)| !given(name))
                .map(|(name, digest)| (name, Some(digest)))
                .collect();
        }
        Ok(())
    }

    /// Disks of a fresh image on the machine that this runs on, or among the images that stand for its disks.
    fn fresh(&self) -> Result<BTreeMap<String, Block>, Report> {
        let cmdline = match self.cmdline {
            Some(path) => boot::command_line(path).map_err(|error| broken(&error))?,
            None if self.images.is_empty() => return Ok(BTreeMap::new()),
            None => Vec::new(),
        };
        Ok(fresh::observe(
            plan_fresh::image_guid(&cmdline),
            self.images,
        ))
    }

    fn mounts(&self, facts: &mut Facts) -> Result<(), Report> {
        if let Some(root) = self.root {
            facts.disks.mounts = mounts::observe(root).map_err(|error| {
                broken(&format!(
                    "while looking at the mounts below {}: {error}",
                    root.display()
                ))
            })?;
        }
        Ok(())
    }

    /// The root's policy. A dry run is not where the program for it has to be.
    pub fn selinux(&self, facts: &mut Facts) -> Result<(), Report> {
        if let Some(root) = self.root {
            let program = self.keys.is_none() || tool::is_there(PROGRAM);
            facts.selinux = selinux::observe(&self.open(root)?, program);
        }
        Ok(())
    }

    fn open(&self, root: &Path) -> Result<Sysroot, Report> {
        Sysroot::open(root).map_err(|error| {
            broken(&format!(
                "while opening the root {}: {error}",
                root.display()
            ))
        })
    }

    fn accounts(&self, facts: &mut Facts) -> Result<(), Report> {
        let Some(root) = self.root else {
            facts.accounts = assumed_accounts(self.config);
            return Ok(());
        };
        let root = self.open(root)?;
        let read = |path: &str| -> Result<Option<Vec<u8>>, Report> {
            let path = SysPath::parse(path).map_err(|error| broken(&error))?;
            root.read_text(&path)
                .map_err(|error| broken(&format!("while reading {path} of the root: {error}")))
        };
        let (passwd, group) = (read("/etc/passwd")?, read("/etc/group")?);
        let (shadow, gshadow) = (read("/etc/shadow")?, read("/etc/gshadow")?);
        let (login_defs, useradd) = (read("/etc/login.defs")?, read("/etc/default/useradd")?);
        facts.accounts = Accounts::parse(&Texts {
            passwd: passwd.as_deref(),
            group: group.as_deref(),
            shadow: shadow.as_deref(),
            gshadow: gshadow.as_deref(),
            login_defs: login_defs.as_deref(),
            useradd: useradd.as_deref(),
        });
        Ok(())
    }

    /// The tree alone, on accounts that are known or predicted.
    pub fn observe_tree(&self, around: &Surroundings, facts: &mut Facts) -> Result<(), Report> {
        let Some(root) = self.root else {
            return Ok(());
        };
        let root = self.open(root)?;
        let wants = stages::extra_wants(self.config, facts, around)?;
        let paths = plan_tree::paths(self.config, &wants);
        facts.tree = tree::observe(&root, &paths).map_err(|error| broken(&error))?;
        let journal = Journal::load(&root)
            .map_err(|error| broken(&format!("while reading the journal: {error}")))?;
        facts.done = journal.finished().clone();
        if !self.config.luks.is_empty() {
            let path = SysPath::parse(crypttab::PATH).map_err(|error| broken(&error))?;
            let text = root
                .read_text(&path)
                .map_err(|error| broken(&format!("while reading {path} of the root: {error}")))?;
            facts.crypttab = text.map(|text| String::from_utf8_lossy(&text).into_owned());
        }
        Ok(())
    }
}

/// Accounts of a root that is not there: root, and every group that the config adds users to without
/// making it, because an image brings such groups.
fn assumed_accounts(config: &Config) -> Accounts {
    let mut passwd = String::from("root:x:0:0:root:/root:/bin/sh\n");
    let mut group = String::from("root:x:0:\n");
    let made = |name: &str| config.groups.iter().any(|group| group.name == name);
    let named = config
        .users
        .iter()
        .flat_map(|user| user.groups.iter().chain(&user.primary_group));
    let mut assumed: Vec<&String> = named
        .filter(|name| !made(name) && *name != "root")
        .collect();
    assumed.sort();
    assumed.dedup();
    for (name, gid) in assumed.into_iter().zip(100..) {
        group.push_str(&format!("{name}:x:{gid}:\n"));
    }
    let owners = config
        .files
        .iter()
        .filter_map(|file| file.inode.user.as_ref());
    for (owner, uid) in owners.zip(100..) {
        if let pilotlight_core::model::Owner::Name(name) = owner
            && !config.users.iter().any(|user| user.name == *name)
            && name != "root"
        {
            passwd.push_str(&format!("{name}:x:{uid}:0::/:/bin/sh\n"));
        }
    }
    Accounts::parse(&Texts {
        passwd: Some(passwd.as_bytes()),
        group: Some(group.as_bytes()),
        shadow: None,
        gshadow: None,
        login_defs: Some(b"USERGROUPS_ENAB yes\n"),
        useradd: None,
    })
}
