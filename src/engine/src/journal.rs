//! The journal of a run: opened where it outlives the run, written around each run of steps.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pilotlight_core::cmdline::FirstBoot;
use pilotlight_core::diag::Diagnostic;
use pilotlight_core::journal::{Begun, Record, VERSION, digest, notice};
use pilotlight_core::model::SysPath;
use pilotlight_core::op::{AccountOp, BootOp, DiskOp, Op, TreeOp};
use pilotlight_core::ordered::Gather as _;
use pilotlight_core::plan::{Plan, Step};
use pilotlight_sys::journal::{Journal, Place};

use crate::failure::Failure;
use crate::options::Options;

/// The journal while steps are performed.
#[derive(Debug)]
pub struct Log {
    journal: Journal,
    /// SHA-256 of the merged config.
    config: String,
    /// Where it goes if the place that it has cannot be written to.
    running: PathBuf,
    /// Whether this run's beginning is written.
    begun: bool,
}

impl Log {
    /// None at all, for what shows by its result.
    pub fn none() -> Self {
        Self::of(Journal::default(), "", PathBuf::new())
    }

    fn of(journal: Journal, config: &str, running: PathBuf) -> Self {
        Self {
            journal,
            config: config.into(),
            running,
            begun: false,
        }
    }

    /// While there is no root: beside the first-boot marker, or on a machine without one in memory.
    pub fn before_root(options: &Options, config: &str) -> Result<Self, Failure> {
        let running = running(options);
        let place = beside_marker(options).unwrap_or_else(|| Place::Running(running.clone()));
        Ok(Self::of(open(place)?, config, running))
    }

    /// In the root of a first boot; beside its marker for what lies on other file systems.
    pub fn with_root(options: &Options, config: &str) -> Result<Self, Failure> {
        let mut journal = open(Place::Root(options.root.clone()))?;
        if let Some(place) = beside_marker(options) {
            let shown = place.to_string();
            journal = journal.also_in(place).map_err(|error| {
                Failure::new(format!("while reading the journal {shown}: {error}"))
            })?;
        }
        Ok(Self::of(journal, config, PathBuf::new()))
    }

    /// In the root.
    pub fn in_root(root: &Path, config: &str) -> Result<Self, Failure> {
        let journal = open(Place::Root(root.into()))?;
        Ok(Self::of(journal, config, PathBuf::new()))
    }

    /// What earlier runs have written.
    pub fn says(&self) -> &pilotlight_core::journal::Journal {
        self.journal.says()
    }

    /// The journal itself, for operations that write into it.
    pub fn journal(&mut self) -> &mut Journal {
        &mut self.journal
    }

    /// What earlier runs have begun, if what is written now will be there at the next boot.
    pub fn begun(&self) -> Option<BTreeSet<String>> {
        let entries = self.journal.says().entries();
        (self.journal.is_durable()).then(|| entries.map(|(op, _)| op.clone()).gather())
    }

    /// An error if the restart of a plan, which is to be made once, could be made for ever, because nothing of it
    /// can be noted. After a text that was written it is not: the next plan finds the text.
    pub fn has_to_be_durable(&self, plan: &Plan) -> Result<(), Failure> {
        let writes = (plan.steps.iter())
            .any(|step| matches!(step.op, Op::Boot(BootOp::WriteGrubBlock { .. })));
        match !writes && !self.journal.is_durable() {
            true => Err(Failure::new(
                "the machine has to restart for its kernel arguments, but that it did cannot be noted beside the first-boot marker, so that it might restart for ever",
            )),
            false => Ok(()),
        }
    }

    /// What a person should know of an earlier run that was cut off.
    pub fn notice(&self) -> Option<Diagnostic> {
        notice(self.journal.says(), &self.config)
    }

    /// To be called before a plan is performed.
    pub fn prepare(&mut self, plan: &Plan) {
        let mut ops = plan.steps.iter().map(|step| &step.op);
        // There will be one.
        let marker = ops.find_map(|op| match op {
            Op::Boot(BootOp::MakeFirstBootMarker { device }) => Some(device.clone()),
            _ => None,
        });
        if let (Some(device), false) = (marker, self.journal.is_durable()) {
            self.journal.move_to(Place::Partition(device));
        }
        let ops = plan.steps.iter().map(|step| &step.op);
        self.journal.keep_away_from(ops, &self.running);
    }

    /// Writes that operations begin. What cannot be written where a boot loader's files are is written in memory.
    pub fn begin(&mut self, entries: Vec<(String, String, Begun)>) -> Result<(), Failure> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut records = Vec::new();
        if !self.begun {
            records.push(Record::Run {
                version: VERSION,
                config: self.config.clone(),
            });
        }
        let begun = entries.into_iter();
        records.extend(begun.map(|(op, line, what)| Record::Begun { op, line, what }));
        self.begun = true;
        self.write(records)
    }

    /// Writes that they are done.
    pub fn done(&mut self, ops: impl Iterator<Item = String>) -> Result<(), Failure> {
        self.write(ops.map(|op| Record::Done { op }).collect())
    }

    /// To be called when everything is done in a root.
    pub fn seal(&self) -> Result<(), Failure> {
        let sealed = self.journal.seal();
        let place = self.journal.place();
        sealed.map_err(|error| Failure::new(format!("while sealing the journal {place}: {error}")))
    }

    fn write(&mut self, records: Vec<Record>) -> Result<(), Failure> {
        let Err(error) = self.journal.write(records.clone()) else {
            return Ok(());
        };
        let Some(node) = self.journal.partition() else {
            let place = self.journal.place();
            return Err(Failure::new(format!(
                "while writing what is begun into the journal {place}: {error}"
            )));
        };
        tracing::warn!(
            "the journal cannot be written on {node}: {error}; if power fails now, the next boot will not know what was begun"
        );
        self.journal.move_to(Place::Running(self.running.clone()));
        self.write(records)
    }
}

/// What earlier runs of this first boot have written, for who looks at the machine.
#[derive(Debug, Clone)]
pub struct Earlier {
    /// All of it.
    pub says: pilotlight_core::journal::Journal,
    /// [`Log::begun`].
    pub begun: Option<BTreeSet<String>>,
}

impl Earlier {
    /// By a journal that is open.
    pub fn of(log: &Log) -> Self {
        Self {
            says: log.says().clone(),
            begun: log.begun(),
        }
    }
}

/// Where nobody speaks of a first boot there is no marker, and no disk is looked at for one.
fn beside_marker(options: &Options) -> Option<Place> {
    let line = pilotlight_sys::read_beginning(&options.cmdline, 1 << 20);
    let line = String::from_utf8_lossy(&line.ok().flatten().unwrap_or_default()).into_owned();
    match FirstBoot::of(&line) {
        FirstBoot::No => None,
        FirstBoot::Asked | FirstBoot::Detected => Place::beside_marker(),
    }
}

fn running(options: &Options) -> PathBuf {
    let mut name = options.config_cache.as_os_str().to_owned();
    name.push(".journal");
    name.into()
}

fn open(place: Place) -> Result<Journal, Failure> {
    let shown = place.to_string();
    Journal::open(place)
        .map_err(|error| Failure::new(format!("while reading the journal {shown}: {error}")))
}

/// What the journal has to know of steps of which a cut could be taken for their end.
pub fn entries(steps: &[Step]) -> Vec<(String, String, Begun)> {
    let kept = steps.iter().filter(|step| is_kept(&step.op));
    kept.map(|step| (digest(&step.op), step.op.to_string(), what(&step.op)))
        .collect()
}

/// Whether an operation is written down by itself: those on disks and for the next boot. Accounts are as a whole,
/// and what is put into the tree appears whole.
pub fn is_kept(op: &Op) -> bool {
    matches!(op, Op::Boot(_) | Op::Disk(_) | Op::Volume(_))
}

/// Whether an operation is part of what is written down of accounts as a whole.
pub fn changes_accounts(op: &Op) -> bool {
    matches!(op, Op::Account(op) if !matches!(op, AccountOp::Restore(_)))
}

fn what(op: &Op) -> Begun {
    match op {
        Op::Disk(DiskOp::MakeFilesystem {
            format,
            uuid: Some(uuid),
            ..
        }) => Begun::Filesystem {
            format: *format,
            uuid: uuid.clone(),
        },
        _ => Begun::Evident,
    }
}

/// The directories in which a plan uses temporary names.
pub fn directories(plan: &Plan) -> BTreeSet<SysPath> {
    let ops = plan.steps.iter().filter_map(|step| match &step.op {
        Op::Tree(TreeOp::Remove { .. } | TreeOp::SetAttributes { .. }) => None,
        Op::Tree(op) => Some(op),
        _ => None,
    });
    ops.filter_map(|op| op.path().parent()).gather()
}
