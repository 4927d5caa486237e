//! Looking at the machine as the plan says, and at what stands for it in a dry run.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::journal::Earlier;
use pilotlight_core::diag::Report;
use pilotlight_core::facts::accounts::{self, Accounts, Texts};
use pilotlight_core::facts::boot::Boot;
use pilotlight_core::facts::selinux::PROGRAM;
use pilotlight_core::facts::{self, Facts, Look, Refused, Sight, Trial};
use pilotlight_core::model::{Config, SysPath};
use pilotlight_core::plan::fresh as plan_fresh;
use pilotlight_core::plan::{Part, Surroundings};
use pilotlight_sys::journal::{Journal, Place, digests};
use pilotlight_sys::root::Sysroot;
use pilotlight_sys::volumes::KeyStore;
use pilotlight_sys::{DeviceMap, boot, disks, fresh, mounts, selinux, tool, tree, trial};

/// What is looked at.
pub struct Observer<'a> {
    /// The config, which says whose keys are its own.
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
    /// What an earlier run has begun on the disks; `None` where none can have run.
    pub journal: Option<&'a Earlier>,
    /// Where this boot has mounted something below the root.
    pub mounted: &'a BTreeSet<SysPath>,
}

fn broken(error: impl std::fmt::Display) -> Report {
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
        let mut step = 0;
        while let Some(look) = part.look(step, self.config, facts, around)? {
            self.look(&look, facts)?;
            step += 1;
        }
        Ok(())
    }

    /// Looks at one thing.
    pub fn look(&self, look: &Look, facts: &mut Facts) -> Result<(), Report> {
        match look {
            Look::CommandLine => self.command_line(facts),
            Look::BootPartitions => self.boot_partitions(facts),
            Look::Devices { required, optional } => self.devices(required, optional, facts),
            Look::Fresh => self.fresh(facts),
            Look::Keys => {
                self.generated_keys(facts);
                Ok(())
            }
            Look::Places(places) => {
                self.places(places, facts);
                Ok(())
            }
            Look::Mounts => self.mounts(facts),
            Look::Selinux => self.selinux(facts),
            Look::Accounts => self.accounts(facts),
            Look::Tree(paths) => self.tree(paths, facts),
            Look::Texts(paths) => self.texts(paths, facts),
            Look::Trials(trials) => {
                self.try_out(trials, facts);
                Ok(())
            }
        }
    }

    fn command_line(&self, facts: &mut Facts) -> Result<(), Report> {
        facts.boot = match self.cmdline {
            None => Boot::assumed(),
            Some(cmdline) => boot::observe(cmdline).map_err(broken)?,
        };
        Ok(())
    }

    fn boot_partitions(&self, facts: &mut Facts) -> Result<(), Report> {
        match self.cmdline {
            None => Ok(()),
            Some(_) => {
                facts.boot.begun = self.journal.and_then(|journal| journal.begun.clone());
                boot::observe_partitions(&mut facts.boot, self.wait).map_err(broken)
            }
        }
    }

    fn devices(
        &self,
        required: &[SysPath],
        optional: &[SysPath],
        facts: &mut Facts,
    ) -> Result<(), Report> {
        let (required, optional): (Vec<_>, Vec<_>) =
            (required.iter().collect(), optional.iter().collect());
        let before = std::mem::take(&mut facts.disks);
        facts.disks = disks::observe(disks::Request {
            required: &required,
            optional: &optional,
            images: self.images,
            wait: self.wait,
        })
        .map_err(broken)?;
        if let Some(journal) = self.journal {
            journal.says.forget_unfinished(&mut facts.disks);
        }
        facts.disks.mounts = before.mounts;
        facts.disks.mounted = before.mounted;
        Ok(())
    }

    fn generated_keys(&self, facts: &mut Facts) {
        let Some(keys) = self.keys else { return };
        // The config's own keys are no generated ones.
        let given = |name: &String| {
            let mut volumes = self.config.luks.iter();
            volumes.any(|luks| luks.name == *name && luks.key_file.is_some())
        };
        let digests = keys.digests().into_iter();
        facts.keys = digests
            .filter(|(name, _)| !given(name))
            .map(|(name, digest)| (name, Some(digest)))
            .collect();
    }

    /// Disks of a fresh image on the machine that this runs on, or among the images that stand for its disks.
    fn fresh(&self, facts: &mut Facts) -> Result<(), Report> {
        let cmdline = match self.cmdline {
            Some(path) => boot::command_line(path).map_err(broken)?,
            None if self.images.is_empty() => return Ok(()),
            None => Vec::new(),
        };
        facts.disks.fresh = fresh::observe(plan_fresh::image_guid(&cmdline), self.images);
        Ok(())
    }

    fn places(&self, places: &[facts::Place], facts: &mut Facts) {
        for place in places {
            if let Some(block) = facts.disks.blocks.get_mut(&place.node) {
                block.signature = disks::observe_place(place, self.images);
            }
        }
    }

    fn mounts(&self, facts: &mut Facts) -> Result<(), Report> {
        if let Some(root) = self.root {
            facts.disks.mounts = mounts::observe(root).map_err(|error| {
                broken(format!(
                    "while looking at the mounts below {}: {error}",
                    root.display()
                ))
            })?;
            facts.disks.mounted = self.mounted.clone();
        }
        Ok(())
    }

    /// The root's policy. A dry run is not where the program for it has to be.
    fn selinux(&self, facts: &mut Facts) -> Result<(), Report> {
        if let Some(root) = self.root {
            let program = self.keys.is_none() || tool::is_there(PROGRAM);
            facts.selinux = selinux::observe(&self.open(root)?, program);
        }
        Ok(())
    }

    fn open(&self, root: &Path) -> Result<Sysroot, Report> {
        Sysroot::open(root).map_err(|error| {
            broken(format!(
                "while opening the root {}: {error}",
                root.display()
            ))
        })
    }

    fn accounts(&self, facts: &mut Facts) -> Result<(), Report> {
        let Some(root) = self.root else {
            facts.accounts = Accounts::assumed(self.config);
            return Ok(());
        };
        // Read each time: what an earlier run was cut off at is put back in the course of this one.
        let journal = Journal::open(Place::Root(root.into()))
            .map_err(|error| broken(format!("while reading the journal: {error}")))?;
        let before = journal.says().accounts();
        let root = self.open(root)?;
        let read = |path: &str| read(&root, &SysPath::parse(path).map_err(broken)?);
        let account_file = |name: &str| -> Result<Option<Vec<u8>>, Report> {
            let now = read(&format!("/etc/{name}"))?;
            Ok(match before {
                Some(before) => before.restored(name, now.as_deref()),
                None => now,
            })
        };
        let (passwd, group) = (account_file("passwd")?, account_file("group")?);
        let (shadow, gshadow) = (account_file("shadow")?, account_file("gshadow")?);
        let (login_defs, useradd) = (read("/etc/login.defs")?, read("/etc/default/useradd")?);
        let nsswitch = read("/etc/nsswitch.conf")?;
        let beside = |database: &str| -> Result<Vec<Vec<u8>>, Report> {
            let paths = accounts::beside(database, nsswitch.as_deref()).into_iter();
            let texts: Vec<Option<Vec<u8>>> = paths.map(&read).collect::<Result<_, _>>()?;
            Ok(texts.into_iter().flatten().collect())
        };
        let (users_beside, groups_beside) = (beside("passwd")?, beside("group")?);
        facts.accounts = Accounts::parse(&Texts {
            users_beside: &users_beside,
            groups_beside: &groups_beside,
            passwd: passwd.as_deref(),
            group: group.as_deref(),
            shadow: shadow.as_deref(),
            gshadow: gshadow.as_deref(),
            login_defs: login_defs.as_deref(),
            useradd: useradd.as_deref(),
        });
        facts.accounts.unfinished = before.cloned();
        Ok(())
    }

    fn tree(&self, sights: &[Sight], facts: &mut Facts) -> Result<(), Report> {
        let Some(root) = self.root else {
            return Ok(());
        };
        let open = self.open(root)?;
        facts.tree = tree::observe(&open, sights).map_err(broken)?;
        let read = || {
            let mut says = Journal::open(Place::Root(root.into()))?.says().clone();
            if let Some(earlier) = self.journal {
                says.learn_contents(&earlier.says);
            }
            let digests = digests(&open, &says)?;
            Ok::<_, std::io::Error>((says.finished(&digests), says.half_there()))
        };
        (facts.done, facts.half_there) =
            read().map_err(|error| broken(format!("while reading the journal: {error}")))?;
        Ok(())
    }

    fn texts(&self, paths: &[SysPath], facts: &mut Facts) -> Result<(), Report> {
        let (Some(root), false) = (self.root, paths.is_empty()) else {
            return Ok(());
        };
        let root = self.open(root)?;
        for path in paths {
            if let Some(text) = read(&root, path)? {
                let text = String::from_utf8_lossy(&text).into_owned();
                facts.texts.insert(path.clone(), text);
            }
        }
        Ok(())
    }

    /// Only the machine itself can be asked.
    fn try_out(&self, trials: &[Trial], facts: &mut Facts) {
        if self.keys.is_none() {
            return;
        }
        for trial in trials {
            if let Err(why) = trial::attempt(trial) {
                facts.refused.push(Refused {
                    trial: trial.clone(),
                    why,
                });
            }
        }
    }
}

/// A file of the root, of bounded length; `None` where there is none.
fn read(root: &Sysroot, path: &SysPath) -> Result<Option<Vec<u8>>, Report> {
    root.read_text(path)
        .map_err(|error| broken(format!("while reading {path} of the root: {error}")))
}
