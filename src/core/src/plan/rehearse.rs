//! The rehearsal: all parts planned one after the other, each on the facts that the ones before it predict,
//! and everything looked at that can be looked at before the first write.
//!
//! The dry run prints what comes out; the real run does it first and goes no further if there is an error. So
//! nothing is written that config and machine show beforehand to be wrong.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::diag::{Diagnostic, Report};
use crate::facts::accounts::Accounts;
use crate::facts::disks::Disks;
use crate::facts::tree::Node;
use crate::facts::{Facts, Look, Place, Refused, Trial};
use crate::model::{Config, SysPath};
use crate::op::{DiskOp, Op, array_node, volume_node};
use crate::plan::{Part, Plan, Stage, Surroundings, contradictions};

/// What is known of the root by the time of the rehearsal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// It is there.
    Known,
    /// It is taken for an empty one.
    Empty,
    /// It is not there yet, and what it will hold cannot be told.
    Unknown,
}

/// Looks at the machine, and puts into the facts what is seen.
pub type Looker<'l> = dyn FnMut(&Look, &mut Facts) -> Result<(), Report> + 'l;

/// A run that nothing spoke against.
#[derive(Debug)]
pub struct Rehearsed {
    /// The disks as they are.
    pub before: Disks,
    /// Everything as it would be afterwards.
    pub after: Facts,
    /// The plans, by stage.
    pub plans: Vec<(Stage, Plan)>,
    /// What a person should know besides.
    pub notes: Report,
}

/// Rehearses parts in their order.
///
/// An error is all that stands against the first part that cannot be; what comes after it was not planned.
pub fn rehearse(
    config: &Config,
    around: &Surroundings,
    parts: &[(Stage, Part)],
    root: Root,
    look: &mut Looker<'_>,
) -> Result<Rehearsed, Report> {
    let mut work = Work {
        config: Cow::Borrowed(config),
        makes_nothing: config.raid.is_empty()
            && config.luks.is_empty()
            && (config.disks.iter()).all(|disk| disk.partitions.is_empty()),
        around,
        root,
        look,
        facts: Facts::default(),
        observed: BTreeSet::new(),
        before: None,
        accounts: false,
        keys: false,
        trials: Vec::new(),
        notes: Report::default(),
    };
    let mut plans: Vec<(Stage, Plan)> = Vec::new();
    for (stage, part) in parts {
        if !work.can_be_planned(*part) {
            continue;
        }
        work.observe(*part)?;
        contradictions::check(&work.config, &work.facts)?;
        let plan = part.plan(&work.config, &work.facts, around)?;
        work.go_through(&plan)?;
        work.notes.extend(plan.notes.clone());
        match plans.last_mut() {
            Some((last, steps)) if last == stage => steps.steps.extend(plan.steps),
            _ => plans.push((*stage, plan)),
        }
    }
    work.try_out()?;
    if root == Root::Unknown {
        contradictions::accounts(config)?;
    }
    Ok(Rehearsed {
        before: work.before.unwrap_or_default(),
        after: work.facts,
        plans,
        notes: work.notes,
    })
}

struct Work<'a, 'l> {
    /// Without what cannot be told before it is done.
    config: Cow<'a, Config>,
    /// Whether no device comes to be by the whole config.
    makes_nothing: bool,
    around: &'a Surroundings,
    root: Root,
    look: &'a mut Looker<'l>,
    facts: Facts,
    /// Nodes that were seen: those of them that the facts do not have any more are gone by then.
    observed: BTreeSet<String>,
    before: Option<Disks>,
    /// Whether the accounts are known; from then on they are predicted.
    accounts: bool,
    /// Whether the generated keys of volumes are.
    keys: bool,
    /// What is to be tried, and by which operation.
    trials: Vec<(Trial, Diagnostic)>,
    notes: Report,
}

impl Work<'_, '_> {
    fn can_be_planned(&self, part: Part) -> bool {
        let of_root = matches!(
            part,
            Part::Policy | Part::Accounts | Part::Tree | Part::Result | Part::Relabel
        );
        !(of_root && self.root == Root::Unknown)
    }

    fn look_now(&mut self, look: &Look) -> Result<(), Report> {
        (self.look)(look, &mut self.facts)
    }

    /// Looks at what the part needs to know and no earlier part changes; everything else is predicted.
    fn observe(&mut self, part: Part) -> Result<(), Report> {
        let mut step = 0;
        while let Some(look) = part.look(step, &self.config, &self.facts, self.around)? {
            step += 1;
            match look {
                Look::Devices { required, optional } if self.before.is_none() => {
                    self.devices(required, optional)?;
                }
                Look::Devices { required, .. } => self.devices_that_are_not_made(required)?,
                Look::CommandLine | Look::BootPartitions | Look::Fresh => self.look_now(&look)?,
                // From then on they are predicted.
                Look::Keys if !self.keys => {
                    self.keys = true;
                    self.look_now(&look)?;
                }
                Look::Selinux if self.root == Root::Known => {
                    self.look_now(&look)?;
                    if let Some(warning) = self
                        .facts
                        .selinux
                        .warning()
                        .filter(|_| part == Part::Policy)
                    {
                        self.notes.warning(None, warning);
                    }
                }
                Look::Accounts if !self.accounts => {
                    self.accounts = true;
                    match self.root {
                        Root::Known => self.look_now(&look)?,
                        _ => self.facts.accounts = Accounts::assumed(&self.config),
                    }
                }
                Look::Texts(_) if self.root == Root::Known => self.look_now(&look)?,
                Look::Tree(_) => self.tree(part, &look)?,
                // Predicted, or made by the run itself.
                Look::Keys
                | Look::Selinux
                | Look::Accounts
                | Look::Texts(_)
                | Look::Mounts
                | Look::Places(_)
                | Look::Trials(_) => {}
            }
        }
        Ok(())
    }

    /// The first look: at all devices of the config, and at those by whose names others will be called.
    fn devices(
        &mut self,
        required: Vec<SysPath>,
        mut optional: Vec<SysPath>,
    ) -> Result<(), Report> {
        let whole = required.iter().chain(&optional).filter_map(disk_of_link);
        optional.extend(whole.collect::<Vec<SysPath>>());
        self.look_now(&Look::Devices { required, optional })?;
        self.observed
            .extend(self.facts.disks.blocks.keys().cloned());
        self.before = Some(self.facts.disks.clone());
        Ok(())
    }

    /// Devices that no operation makes are waited for, as the stage itself will.
    fn devices_that_are_not_made(&mut self, required: Vec<SysPath>) -> Result<(), Report> {
        let open = |work: &Self, path: &SysPath| work.facts.disks.resolve(path.as_str()).is_none();
        let missing: Vec<SysPath> = (required.into_iter())
            .filter(|path| open(self, path))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut seen = Facts::default();
        let request = Look::Devices {
            required: missing.clone(),
            optional: Vec::new(),
        };
        (self.look)(&request, &mut seen)?;
        for (node, block) in seen.disks.blocks {
            if self.observed.insert(node.clone()) {
                self.facts.disks.blocks.insert(node, block);
            }
        }
        for (path, node) in seen.disks.links {
            match self.facts.disks.blocks.contains_key(&node) {
                true => self.facts.disks.links.insert(path, node),
                false => self.facts.disks.missing.insert(
                    path,
                    format!("it is {node} now, which is not there any more by then"),
                ),
            };
        }
        self.facts.disks.missing.extend(seen.disks.missing);
        let unforeseeable: Vec<SysPath> = (missing.into_iter())
            .filter(|path| open(self, path) && !self.is_foreseeable(path))
            .collect();
        for path in unforeseeable {
            self.notes.push(Diagnostic::hint(
                None,
                format!(
                    "whether there will be a device {path} shows only when the disks are changed"
                ),
            ));
            self.leave_out(path);
        }
        Ok(())
    }

    /// Takes out of the config what is made of a device, and what is made of that in turn.
    fn leave_out(&mut self, device: SysPath) {
        let mut devices = vec![device];
        let config = self.config.to_mut();
        while let Some(device) = devices.pop() {
            config.filesystems.retain(|one| one.device != device);
            let of_it = config.luks.iter().filter(|one| one.device == device);
            let volumes = of_it.map(|one| volume_node(&one.name));
            let of_it = (config.raid.iter()).filter(|one| one.devices.contains(&device));
            let arrays = of_it.map(|one| array_node(&one.name));
            let made = volumes.chain(arrays).map(|node| SysPath::parse(&node));
            devices.extend(made.filter_map(Result::ok));
            config.luks.retain(|one| one.device != device);
            config.raid.retain(|one| !one.devices.contains(&device));
        }
    }

    /// Whether it can be told by now that a device will not be there: nothing is made on this machine, or
    /// the name is one of those that are predicted.
    fn is_foreseeable(&self, path: &SysPath) -> bool {
        let text = path.as_str();
        let named_by = ["label", "uuid", "partlabel", "partuuid"]
            .map(|by| format!("/dev/disk/by-{by}/"))
            .iter()
            .any(|by| text.starts_with(by));
        let of_known_disk = disk_of_link(path)
            .is_some_and(|disk| self.facts.disks.resolve(disk.as_str()).is_some());
        // The kernel's own names: only arrays and volumes get theirs by being made. Rules of udev may name a
        // partition after a link of its disk.
        let of_kernel = text.strip_prefix("/dev/").is_some_and(|name| {
            let digits = text.trim_end_matches(|c: char| c.is_ascii_digit());
            let disk = digits.strip_suffix('p').unwrap_or(digits);
            let links = &self.facts.disks.links;
            let is_link = |disk: &&str| links.get(*disk).is_some_and(|node| node != disk);
            let after_link = [disk, digits].iter().any(is_link);
            !name.contains('/')
                && !name.starts_with("md")
                && !name.starts_with("dm-")
                && !after_link
        });
        let volume = text.starts_with("/dev/mapper/") || text.starts_with("/dev/md/");
        self.makes_nothing || named_by || of_known_disk || of_kernel || volume
    }

    fn tree(&mut self, part: Part, look: &Look) -> Result<(), Report> {
        if self.root == Root::Known {
            let mut seen = self.facts.clone();
            (self.look)(look, &mut seen)?;
            // What an earlier part puts into the tree is predicted.
            for (path, node) in seen.tree.entries {
                self.facts.tree.entries.entry(path).or_insert(node);
            }
            self.facts.tree.aliases.extend(seen.tree.aliases);
            self.facts.tree.links.extend(seen.tree.links);
            if part == Part::Tree {
                self.facts.tree.preset = seen.tree.preset;
                self.facts.tree.enablement = seen.tree.enablement;
                self.facts.done = seen.done;
                self.facts.half_there = seen.half_there;
            }
        }
        if part == Part::Tree {
            assume_mounts(&mut self.facts);
            assume_homes(&self.config, &mut self.facts);
        }
        Ok(())
    }

    /// Checks every step on the facts that the ones before it make, and notes what can be tried of it.
    fn go_through(&mut self, plan: &Plan) -> Result<(), Report> {
        let mut places = Vec::new();
        for step in &plan.steps {
            if let Err(why) = step.op.precondition(&self.facts) {
                let message = format!("the plan is at fault: it would {}, but {why}", step.op);
                let mut report = Report::default();
                let help = "nothing of it is done; please report this as a bug of pilotlight";
                report.push(Diagnostic::error(step.at, message).help(help));
                return Err(report);
            }
            let blocks = &self.facts.disks.blocks;
            let size = |node: &str| blocks.get(node).map_or(0, |block| block.size);
            for trial in step.op.trials(size) {
                let failed = Diagnostic::error(step.at, format!("could not {}", step.op));
                self.trials.push((trial, failed));
            }
            step.op.predict(&mut self.facts);
            if let Op::Disk(DiskOp::CreatePartition {
                disk,
                number,
                start,
                end,
                sector,
                ..
            }) = &step.op
            {
                places.push(Place {
                    disk: disk.clone(),
                    node: crate::facts::disks::partition_node(disk, *number),
                    start: start.saturating_mul(*sector),
                    size: (end - start + 1).saturating_mul(*sector),
                });
            }
        }
        // What an old disk holds where a new partition begins is there to be seen.
        match places.is_empty() {
            true => Ok(()),
            false => self.look_now(&Look::Places(places)),
        }
    }

    /// Tries out what the operations need of the machine.
    fn try_out(&mut self) -> Result<(), Report> {
        let mut all: Vec<Trial> = Vec::new();
        for (trial, _) in &self.trials {
            if !all.contains(trial) {
                all.push(trial.clone());
            }
        }
        if all.is_empty() {
            return Ok(());
        }
        self.look_now(&Look::Trials(all))?;
        let mut report = Report::default();
        let mut said: Vec<&Trial> = Vec::new();
        for (trial, failed) in &self.trials {
            let refused = self
                .facts
                .refused
                .iter()
                .find(|refused| refused.trial == *trial);
            if let Some(Refused { why, .. }) = refused
                && !said.contains(&trial)
            {
                said.push(trial);
                let mut error = failed.clone();
                error.message.push_str(&format!(": {why}"));
                report.push(match trial {
                    Trial::Program(name) => match package(name) {
                        Some(package) => error.help(format!(
                            "add {name} to the initramfs; Debian has it in the package {package}"
                        )),
                        None => error,
                    },
                    Trial::Mount { format, .. } if why.starts_with("the kernel knows no") => error
                        .help(format!(
                            "add the drivers to the initramfs: dracut --add-drivers \"{}\"",
                            format.row().drivers.join(" ")
                        )),
                    _ => error.help("correct the options, or leave them out"),
                });
            }
        }
        match report.has_errors() {
            true => Err(report),
            false => Ok(()),
        }
    }
}

/// The disk by whose link udev names a partition: `/dev/disk/by-id/x-part1` is a partition of
/// `/dev/disk/by-id/x`.
fn disk_of_link(path: &SysPath) -> Option<SysPath> {
    let (disk, number) = path.as_str().rsplit_once("-part")?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| SysPath::parse(disk).ok())?
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

/// The Debian package of a program that operations need; other distributions call theirs alike.
fn package(program: &str) -> Option<&'static str> {
    Some(match program {
        "mkfs.ext4" => "e2fsprogs",
        "mkfs.xfs" => "xfsprogs",
        "mkfs.btrfs" => "btrfs-progs",
        "mkfs.fat" => "dosfstools",
        "mkswap" | "wipefs" => "util-linux",
        "mdadm" => "mdadm",
        "dmsetup" => "dmsetup",
        "kpartx" => "kpartx",
        "cryptsetup" => "cryptsetup-bin",
        "clevis" => "clevis-luks",
        "setfiles" => "policycoreutils",
        "useradd" | "usermod" | "userdel" | "groupadd" | "groupmod" | "groupdel" | "chpasswd"
        | "chgpasswd" => "passwd",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Sources;
    use crate::facts::disks::{Block, Signature, TableState};
    use crate::{config, validate};

    #[test]
    fn what_lies_on_a_device_that_only_rules_of_udev_name_is_not_refused() {
        let text = r#"{"ignition":{"version":"3.4.0"},"storage":{
            "disks":[{"device":"/dev/a","partitions":[{"label":"x"}]}],
            "luks":[{"name":"v","device":"/dev/by-rule/x","keyFile":{"source":"data:,k"}}],
            "filesystems":[{"device":"/dev/mapper/v","format":"ext4"}]}}"#;
        let mut sources = Sources::default();
        let read = config::read_as(
            &mut sources,
            "c",
            text.as_bytes(),
            config::Reading::default(),
        );
        let wire = read.config.unwrap();
        let config =
            validate::lower(&wire, validate::Stage::Merged, &mut Report::default()).unwrap();
        let disk = Block {
            size: 64 << 20,
            sector: 512,
            table: TableState::None,
            signature: Signature::Blank,
            used: None,
        };
        let mut look = |look: &Look, facts: &mut Facts| {
            if matches!(look, Look::Devices { .. }) {
                facts.disks.blocks.insert("/dev/a".into(), disk.clone());
            }
            Ok(())
        };
        let around = Surroundings::default();
        let parts = crate::plan::PARTS;
        let rehearsed = rehearse(&config, &around, parts, Root::Unknown, &mut look)
            .unwrap_or_else(|report| panic!("{}", report.render(&sources)));
        let notes = rehearsed.notes.render(&sources);
        assert!(
            notes.contains("whether there will be a device /dev/by-rule/x"),
            "{notes}"
        );
    }
}
