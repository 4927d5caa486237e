//! What performs plans: observe a part, plan it, perform its steps one by one.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pilotlight_core::diag::{Diagnostic, Report, Sources};
use pilotlight_core::facts::accounts::Accounts;
use pilotlight_core::facts::unfinished_accounts::Before;
use pilotlight_core::facts::{Facts, Look};
use pilotlight_core::first_boot;
use pilotlight_core::journal::{Begun, digest};
use pilotlight_core::model::{Config, SysPath};
use pilotlight_core::op::{AccountOp, BootOp, DiskOp, Op};
use pilotlight_core::ordered::Gather as _;
use pilotlight_core::plan::accounts::begin;
use pilotlight_core::plan::ssh_keys::key_files;
use pilotlight_core::plan::{Kind, Part, Plan, Run, Step, Surroundings};
use pilotlight_host::log;
use pilotlight_providers::Platform;
use pilotlight_sys::apply::{self, ApplyError, Target};
use pilotlight_sys::lock::Lock;
use pilotlight_sys::root::Sysroot;
use pilotlight_sys::tree::Batch;
use pilotlight_sys::volumes::KeyStore;
use pilotlight_sys::{DeviceMap, room, settle, tree};

use crate::blobs::BlobStore;
use crate::contents::Contents;
use crate::failure::Failure;
use crate::journal::{self, Earlier, Log};
use crate::observe::Observer;
use crate::state::Done;
use crate::work;

/// How long a device of the config may take to appear: what `PILOTLIGHT_DEVICE_WAIT` says in seconds, or 90,
/// which is what systemd gives a device.
pub fn device_wait() -> Duration {
    let given = std::env::var("PILOTLIGHT_DEVICE_WAIT").ok();
    Duration::from_secs(given.and_then(|text| text.parse().ok()).unwrap_or(90))
}

/// Name in the journal of the directories in which temporary names are used.
const DIRECTORIES: &str = "directories";
/// Name in the journal of the changes of groups and users, which are one transaction.
const ACCOUNTS: &str = "accounts";

/// What performs plans on this machine.
pub struct Executor {
    root: PathBuf,
    config: Config,
    sources: Sources,
    blobs: Option<BlobStore>,
    cmdline: Option<PathBuf>,
    keys: KeyStore,
    platform: Option<Platform>,
    journal: RefCell<Log>,
    mounted: BTreeSet<SysPath>,
}

impl Executor {
    /// For the root below a directory.
    pub fn new(root: &Path, config: Config, sources: Sources) -> Self {
        Self {
            root: root.into(),
            config,
            sources,
            blobs: None,
            keys: KeyStore::new("/run/ignition.json.keys"),
            cmdline: None,
            platform: None,
            journal: RefCell::new(Log::none()),
            mounted: BTreeSet::new(),
        }
    }

    /// Writing down what is begun and what is done.
    pub fn writing(mut self, journal: Log) -> Self {
        self.journal = RefCell::new(journal);
        self
    }

    /// Leaves of the journal what a repeated first boot has to know. To be called when everything is done.
    pub fn seal(&self) -> Result<(), Failure> {
        self.journal.borrow().seal()
    }

    /// On a machine whose kernel command line this file holds.
    pub fn started_with(mut self, cmdline: &Path) -> Self {
        self.cmdline = Some(cmdline.into());
        self
    }

    /// On a platform, which may give access to stores.
    pub fn on(mut self, platform: Platform) -> Self {
        self.platform = Some(platform);
        self
    }

    /// After runs of this boot that have mounted something at these places.
    pub fn having_mounted(mut self, mounted: BTreeSet<SysPath>) -> Self {
        self.mounted = mounted;
        self
    }

    /// With the keys of encrypted volumes in this store.
    pub fn with_keys(mut self, keys: KeyStore) -> Self {
        self.keys = keys;
        self
    }

    /// With contents that were fetched before.
    pub fn with_blobs(mut self, blobs: BlobStore) -> Self {
        self.blobs = Some(blobs);
        self
    }

    fn failure(&self, report: Report) -> Failure {
        Failure {
            report,
            sources: self.sources.clone(),
        }
    }

    /// Plans one part on facts observed now.
    pub fn plan(&self, part: Part, around: &Surroundings) -> Result<Plan, Failure> {
        let images = DeviceMap::new();
        let earlier = Earlier::of(&self.journal.borrow());
        let mut facts = pilotlight_core::facts::Facts::default();
        self.observer(&images, &earlier)
            .observe(part, around, &mut facts)
            .and_then(|()| part.plan(&self.config, &facts, around))
            .map_err(|report| self.failure(report))
    }

    /// Runs parts one after the other, each planned on facts observed right before it.
    pub fn run(&self, parts: &[Part], around: &Surroundings) -> Result<Done, Failure> {
        self.run_noting(parts, around).map(|(done, _)| done)
    }

    fn observer<'a>(&'a self, images: &'a DeviceMap, earlier: &'a Earlier) -> Observer<'a> {
        Observer {
            config: &self.config,
            images,
            root: Some(&self.root),
            cmdline: self.cmdline.as_deref(),
            wait: device_wait(),
            keys: Some(&self.keys),
            journal: Some(earlier),
            mounted: &self.mounted,
        }
    }

    /// The same, with what a person should know besides.
    pub fn run_noting(
        &self,
        parts: &[Part],
        around: &Surroundings,
    ) -> Result<(Done, Report), Failure> {
        let images = DeviceMap::new();
        let earlier = Earlier::of(&self.journal.borrow());
        let observer = self.observer(&images, &earlier);
        let mut done = Done::default();
        let mut notes = Report::default();
        // Once a boot: the disks stage follows, with the same journal.
        if *parts != [Part::KernelArguments]
            && let Some(notice) = self.journal.borrow().notice()
        {
            notes.push(notice);
        }
        let mut facts = pilotlight_core::facts::Facts::default();
        for part in parts {
            observer
                .observe(*part, around, &mut facts)
                .map_err(|report| self.failure(report))?;
            if let Some(warning) = facts.selinux.warning().filter(|_| *part == Part::Policy) {
                notes.warning(None, warning);
            }
            let plan = part
                .plan(&self.config, &facts, around)
                .map_err(|report| self.failure(report))?;
            self.perform(&plan, &facts.accounts)?;
            done.operations += plan.steps.len();
            notes.extend(plan.notes);
        }
        Ok((done, notes))
    }

    /// Performs a plan that needs no accounts.
    pub fn perform_plan(&self, plan: &Plan) -> Result<Done, Failure> {
        self.perform(plan, &Accounts::default())?;
        Ok(Done {
            operations: plan.steps.len(),
        })
    }

    fn perform(&self, plan: &Plan, accounts: &Accounts) -> Result<(), Failure> {
        if plan.is_empty() {
            return Ok(());
        }
        let needs_root = plan
            .steps
            .iter()
            .any(|step| !matches!(step.op, Op::Boot(_) | Op::Disk(_) | Op::Volume(_)));
        let mut contents = Contents {
            config: &self.config,
            platform: self.platform,
            blobs: self.blobs.as_ref(),
            keys: &self.keys,
            accounts,
        };
        let mut target = Target {
            root_path: &self.root,
            keys: &self.keys,
            provider: &mut contents,
            root: needs_root
                .then(|| Sysroot::open(&self.root))
                .transpose()
                .map_err(|error| {
                    Failure::new(format!(
                        "while opening the root {}: {error}",
                        self.root.display()
                    ))
                })?,
            batch: Batch::default(),
        };
        let mut log = self.journal.borrow_mut();
        let directories = journal::directories(plan);
        if let Some(root) = &target.root {
            let mut all = directories.clone();
            all.extend(log.says().directories().into_iter().cloned());
            self.take_away_leftovers(root, &all)?;
        }
        log.prepare(plan);
        let writes = !directories.is_empty();
        if writes {
            let paths = directories.into_iter().collect();
            let line = "put files in place".to_string();
            log.begin(vec![(
                DIRECTORIES.into(),
                line,
                Begun::Directories { paths },
            )])?;
        }
        let mut accounts_begun = None;
        let mut performed = Ok(());
        for run in plan.runs() {
            let changes_accounts = run
                .steps
                .iter()
                .any(|step| journal::changes_accounts(&step.op));
            if changes_accounts && accounts_begun.is_none() {
                // What an earlier run was cut off at is put back by now.
                accounts_begun = Some(self.begin_accounts(plan, accounts, &mut log)?);
            }
            performed = self.perform_run(run, plan, &mut target, &mut log);
            if performed.is_err() {
                break;
            }
        }
        // What was done before an operation that failed is done.
        let finished = apply::finish(&mut target, log.journal())
            .map_err(|cause| Failure::new(format!("could not put everything in place: {cause}")));
        performed.and(finished)?;
        self.end_accounts(accounts_begun, &mut log)?;
        if writes {
            log.done([DIRECTORIES.to_string()].into_iter())?;
        }
        show_to_udev(plan);
        Ok(())
    }

    /// Notes what the accounts are before they are changed.
    fn begin_accounts(
        &self,
        plan: &Plan,
        accounts: &Accounts,
        log: &mut Log,
    ) -> Result<Before, Failure> {
        let ops = plan.steps.iter().filter_map(|step| match &step.op {
            Op::Account(op) => Some(op),
            _ => None,
        });
        let before = begin(ops, accounts);
        let before = pilotlight_sys::accounts::observe(before, &self.root).map_err(|error| {
            Failure::new(format!(
                "while noting the groups and users of the root {} before they are changed: {error}",
                self.root.display()
            ))
        })?;
        // Tried again and again, the same record is not written each time.
        if log.says().accounts() != Some(&before) {
            let line = "change groups and users".to_string();
            let what = Begun::Accounts(before.clone());
            log.begin(vec![(ACCOUNTS.into(), line, what)])?;
        }
        Ok(before)
    }

    /// Notes that the accounts are as they should be, and on the disk; or that those of an earlier run are put back.
    fn end_accounts(&self, begun: Option<Before>, log: &mut Log) -> Result<(), Failure> {
        let unfinished = log.says().accounts().cloned();
        let Some(before) = begun.or(unfinished) else {
            return Ok(());
        };
        pilotlight_sys::accounts::sync(&before, &self.root).map_err(|error| {
            Failure::new(format!(
                "while bringing the groups and users of the root {} to the disk: {error}",
                self.root.display()
            ))
        })?;
        log.done([ACCOUNTS.to_string()].into_iter())
    }

    fn perform_run(
        &self,
        run: Run<'_>,
        plan: &Plan,
        target: &mut Target<'_>,
        log: &mut Log,
    ) -> Result<(), Failure> {
        // Before the work, in the order of the dry run.
        for step in run.steps {
            self.log(step);
        }
        // Files, of which there may be thousands with their contents, are not copied for it.
        let steps = match run.kind {
            Kind::Filesystems => Cow::Owned(named(run.steps)?),
            _ => Cow::Borrowed(run.steps),
        };
        let run = Run {
            steps: &steps,
            ..run
        };
        log.begin(journal::entries(&steps))?;
        if let [step] = run.steps
            && matches!(step.op, Op::Boot(BootOp::Reboot { .. }))
        {
            log.has_to_be_durable(plan)?;
            // Whoever comes after it has seen the end of it.
            log.done([digest(&step.op)].into_iter())?;
        }
        let begun = work::begin(first_boot::Kind::Operation);
        match run.kind {
            Kind::Tables => self.edit_tables(run)?,
            Kind::Filesystems => self.make_filesystems(run)?,
            Kind::Passwords => self.set_passwords(run)?,
            Kind::Single => {
                for step in run.steps {
                    apply::apply(&step.op, target, log.journal()).map_err(|cause| {
                        let failure = step_failed(&self.sources, step, &cause);
                        match cause {
                            ApplyError::Account(_) => self.with_room(failure),
                            _ => failure,
                        }
                    })?;
                }
            }
        }
        if let Some(first) = steps.first() {
            begun.end(|| first.op.to_string(), steps.len(), None);
        }
        let kept = steps.iter().filter(|step| journal::is_kept(&step.op));
        log.done(kept.map(|step| digest(&step.op)))
    }

    /// Takes away the temporary names of an earlier run, which lie where this one uses some or that one did.
    fn take_away_leftovers(
        &self,
        root: &Sysroot,
        directories: &BTreeSet<SysPath>,
    ) -> Result<(), Failure> {
        let gone = tree::take_away_leftovers(root, directories)
            .map_err(|error| Failure::new(error.to_string()))?;
        if gone > 0 {
            tracing::info!("took away {gone} temporary files of an interrupted run");
        }
        Ok(())
    }

    /// The line of the dry run, and why.
    fn log(&self, step: &Step) {
        let at = step
            .place(&self.sources)
            .map(|at| format!("  [{at}]"))
            .unwrap_or_default();
        if let Op::Boot(BootOp::Reboot { .. }) = step.op {
            log::console(&format!("pilotlight: {}", step.op));
        }
        tracing::info!("{}", step.line());
        tracing::info!("      because {}{at}", step.why);
    }

    /// The table of each disk is written once.
    fn edit_tables(&self, run: Run<'_>) -> Result<(), Failure> {
        for (disk, chain) in run.by_device() {
            let edits: Vec<&DiskOp> = chain.iter().map(|(_, op)| *op).collect();
            apply::on_table(disk, &edits).map_err(|error| {
                let to_blame = error.edit.and_then(|edit| chain.get(edit));
                match (to_blame, chain.as_slice()) {
                    (Some((step, _)), _) | (None, [(step, _)]) => {
                        step_failed(&self.sources, step, &error.cause)
                    }
                    (None, all) => {
                        let at = all.first().and_then(|(step, _)| step.at);
                        let text = format!(
                            "could not make the {} changes of the partition table of {disk}: {}",
                            all.len(),
                            error.cause
                        );
                        Failure::diagnostic(Diagnostic::error(at, text), self.sources.clone())
                    }
                }
            })?;
        }
        Ok(())
    }

    /// Passwords are set by one call for all of them.
    fn set_passwords(&self, run: Run<'_>) -> Result<(), Failure> {
        let ops = run.steps.iter().filter_map(|step| match &step.op {
            Op::Account(op) => Some(op),
            _ => None,
        });
        let ops: Vec<&AccountOp> = ops.collect();
        let set = apply::on_passwords(&ops, &self.root).map_err(|cause| match run.steps {
            [step] => step_failed(&self.sources, step, &cause),
            steps => {
                let at = steps.first().and_then(|step| step.at);
                let text = format!("could not set {} passwords: {cause}", steps.len());
                Failure::diagnostic(Diagnostic::error(at, text), self.sources.clone())
            }
        });
        set.map_err(|failure| self.with_room(failure))
    }

    /// The tools of the shadow suite say that they cannot write, or only that they cannot lock, and not why.
    fn with_room(&self, mut failure: Failure) -> Failure {
        if let (Some(said), [only]) = (
            room::scarce(&self.root),
            failure.report.items.as_mut_slice(),
        ) {
            only.message = format!("{}; {said}", only.message);
        }
        failure
    }

    /// Devices are wiped and formatted side by side, each one's steps in their order.
    fn make_filesystems(&self, run: Run<'_>) -> Result<(), Failure> {
        let chains = run.by_device();
        let sources = &self.sources;
        let work = |chain: &[(&Step, &DiskOp)]| -> Result<(), Failure> {
            for (step, op) in chain {
                apply::on_disk(op).map_err(|cause| step_failed(sources, step, &cause))?;
            }
            Ok(())
        };
        let outcomes: Vec<Result<(), Failure>> = std::thread::scope(|scope| {
            let running: Vec<_> = chains
                .iter()
                .map(|(_, chain)| scope.spawn(|| work(chain)))
                .collect();
            running
                .into_iter()
                .map(|thread| {
                    let ended = || Err(Failure::new("formatting ended unexpectedly"));
                    thread.join().unwrap_or_else(|_| ended())
                })
                .collect()
        });
        outcomes.into_iter().collect()
    }

    /// Notes in the log whose SSH keys were written, and where (Ignition's catalogue of messages).
    pub fn announce_keys(&self, around: &Surroundings) {
        let images = DeviceMap::new();
        let earlier = Earlier::of(&self.journal.borrow());
        let mut facts = Facts::default();
        let observed = self
            .observer(&images, &earlier)
            .look(&Look::Accounts, &mut facts);
        let users = &self.config.users;
        let files =
            observed.and_then(|()| key_files(users, &facts.accounts, around.ssh_key_fragment));
        // They were planned by the same accounts.
        for file in files.unwrap_or_default() {
            tracing::info!(
                MESSAGE_ID = log::SSH_KEYS_WRITTEN,
                IGNITION_USER_NAME = file.user.as_str(),
                IGNITION_PATH = file.path.as_str(),
                "wrote the SSH keys of {}",
                file.user
            );
        }
    }
}

fn step_failed(sources: &Sources, step: &Step, cause: &dyn std::fmt::Display) -> Failure {
    let diagnostic = Diagnostic::error(step.at, format!("could not {}: {cause}", step.op));
    Failure::diagnostic(diagnostic, sources.clone())
}

/// Keeps other runs out of a root: from before its journal is read, by which is planned, until that is sealed.
pub fn lock_root(root: &Path) -> Result<Lock, Failure> {
    pilotlight_sys::lock::of_directory(root).map_err(|error| {
        Failure::new(format!(
            "while locking the root {}: {error}",
            root.display()
        ))
    })
}

/// The same steps, with a name for each file system that needs one to be known again.
fn named(steps: &[Step]) -> Result<Vec<Step>, Failure> {
    let named = steps.iter().map(|step| {
        let mut step = step.clone();
        if let Op::Disk(op) = &step.op {
            let made_up = pilotlight_sys::random::<16>().map_err(|error| {
                Failure::new(format!("while making up a UUID for a file system: {error}"))
            })?;
            step.op = op.with_uuid(made_up).map_or(step.op.clone(), Op::Disk);
        }
        Ok(step)
    });
    named.collect()
}

/// What comes next, in this program and outside, finds devices by their new names.
fn show_to_udev(plan: &Plan) {
    // An edited table was shown at once.
    let edits_table = |step: &&Step| matches!(&step.op, Op::Disk(op) if op.edits_table());
    let changed: BTreeSet<&str> = (plan.steps.iter())
        .filter(|step| !edits_table(step))
        .flat_map(|step| step.op.devices())
        .map(String::as_str)
        .gather();
    if changed.is_empty() {
        return;
    }
    // Whoever misses a name then says so; the disks are as they should be.
    let ours: Vec<&str> = changed.iter().copied().collect();
    let what = "udev to look at the changed devices";
    if let Err(error) = settle::settle(changed, &ours, what, || Ok(true)) {
        tracing::warn!("while waiting until udev has looked at the changed devices: {error}");
    }
}
