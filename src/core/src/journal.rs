//! The journal: what an interrupted run has begun and what it has done.
//!
//! Lines of JSON, one [`Record`] each; `docs/journal.md` has the format and the places where it lies. A journal
//! is read from disks that anybody may have written: what is torn, unknown or too much counts as not written,
//! and what is left is believed only where the machine shows what the journal saw ([`Begun`]).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::diag::Diagnostic;
use crate::facts::disks::{Disks, Signature, partition_node};
use crate::facts::unfinished_accounts::Before;
use crate::hex;
use crate::model::{Format, SysPath};
use crate::op::{DiskOp, Op, canonical_uuid};
use crate::ordered::{Arrange as _, Gather as _};

/// Version of the format. A journal of another one is not read.
pub const VERSION: u32 = 1;

/// Largest journal that is read, in bytes.
pub const MAX_BYTES: u64 = 16 << 20;

/// Most slots that a partition table is asked about; the usual number.
const MAX_PARTITIONS: u32 = 128;

/// Most records that are read.
const MAX_RECORDS: usize = 100_000;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A run of the agent begins here.
    Run {
        /// [`VERSION`].
        version: u32,
        /// SHA-256 of the merged config, in hexadecimal digits.
        config: String,
    },
    /// An operation is about to begin.
    Begun {
        /// [`digest`] of it.
        op: String,
        /// Its line in the log.
        line: String,
        /// What has to be known of it if its end is not recorded.
        what: Begun,
    },
    /// It is done, and on the disk.
    Done {
        /// As it was begun.
        op: String,
    },
}

/// What is known of an operation that was begun: by it the next run recognizes what it finds, or does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Its result tells whether it is done.
    Evident,
    /// Contents that may not be written a second time: the file has the one or the other SHA-256.
    Contents {
        /// The file.
        path: SysPath,
        /// Before; `None` where there was no file.
        before: Option<String>,
        /// After.
        after: String,
    },
    /// A file system, which may look whole before it is.
    Filesystem {
        /// Its format.
        format: Format,
        /// Its UUID, which was made up for it or is the config's.
        uuid: String,
    },
    /// Files that are put in place where a rename is no single change on the disk (FAT): each may be there
    /// without its contents.
    Paths {
        /// Real paths.
        paths: Vec<SysPath>,
    },
    /// Temporary names are used in these directories.
    Directories {
        /// Real paths.
        paths: Vec<SysPath>,
    },
    /// The files of groups and users change: what they were.
    Accounts(Before),
}

// Written and read by hand: what serde derives for such enums is 40 KB of the program in the initramfs.
impl Record {
    /// The line, without its end.
    pub fn to_line(&self) -> String {
        match self {
            Record::Run { version, config } => {
                json!({ "record": "run", "version": version, "config": config }).to_string()
            }
            Record::Done { op } => json!({ "record": "done", "op": op }).to_string(),
            Record::Begun { op, line, what } => {
                let mut begun = json!({ "record": "begun", "op": op, "line": line });
                if let (Value::Object(all), Value::Object(more)) = (&mut begun, what.to_value()) {
                    all.extend(more);
                }
                begun.to_string()
            }
        }
    }

    /// Reads a line; `None` where it is none.
    pub fn of_line(line: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(line).ok()?;
        let text = |key: &str| value[key].as_str().map(str::to_string);
        Some(match value["record"].as_str()? {
            "run" => Record::Run {
                version: u32::try_from(value["version"].as_u64()?).ok()?,
                config: text("config")?,
            },
            "begun" => Record::Begun {
                op: text("op")?,
                line: text("line")?,
                what: Begun::of_value(&value)?,
            },
            "done" => Record::Done { op: text("op")? },
            _ => return None,
        })
    }
}

impl Begun {
    fn to_value(&self) -> Value {
        let texts = |paths: &[SysPath]| -> Vec<String> {
            paths.iter().map(|path| path.as_str().into()).collect()
        };
        match self {
            Begun::Evident => json!({ "what": "evident" }),
            Begun::Contents {
                path,
                before,
                after,
            } => {
                json!({ "what": "contents", "path": path.as_str(), "before": before, "after": after })
            }
            Begun::Filesystem { format, uuid } => {
                json!({ "what": "filesystem", "format": format.name(), "uuid": uuid })
            }
            Begun::Paths { paths } => json!({ "what": "paths", "paths": texts(paths) }),
            Begun::Directories { paths } => json!({ "what": "directories", "paths": texts(paths) }),
            Begun::Accounts(before) => {
                let mut value = before.to_value();
                value["what"] = "accounts".into();
                value
            }
        }
    }

    fn of_value(value: &Value) -> Option<Self> {
        let text = |key: &str| value[key].as_str().map(str::to_string);
        let paths = || -> Option<Vec<SysPath>> {
            let list = value["paths"].as_array()?.iter();
            list.map(|path| SysPath::parse(path.as_str()?).ok())
                .collect()
        };
        Some(match value["what"].as_str()? {
            "evident" => Begun::Evident,
            "contents" => Begun::Contents {
                path: SysPath::parse(value["path"].as_str()?).ok()?,
                before: text("before"),
                after: text("after")?,
            },
            "filesystem" => Begun::Filesystem {
                format: Format::named(value["format"].as_str()?)
                    .filter(|format| format.maker().is_some())?,
                uuid: text("uuid")?,
            },
            "paths" => Begun::Paths { paths: paths()? },
            "directories" => Begun::Directories { paths: paths()? },
            "accounts" => Begun::Accounts(Before::of_value(value)?),
            _ => return None,
        })
    }
}

/// A name for an operation: SHA-256 of its form for machines, in which secrets are hidden.
pub fn digest(op: &Op) -> String {
    // An operation is made of texts, numbers and lists of them: it always has such a form.
    let form = serde_json::to_vec(op).unwrap_or_default();
    hex::encode(&Sha256::digest(&form))
}

/// What a journal says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal {
    /// Digest of the config of the last run that wrote into it.
    pub config: Option<String>,
    entries: BTreeMap<String, Entry>,
    records: usize,
}

/// What it says of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its line in the log.
    pub line: String,
    /// What is known of it.
    pub what: Begun,
    /// Whether its end is recorded.
    pub done: bool,
    /// Its place among all that were begun.
    order: usize,
}

impl Journal {
    /// Reads a journal. Nothing that is in it is an error.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut journal = Self::default();
        // What stands before a run's beginning is nobody's.
        let mut known = false;
        let bound = usize::try_from(MAX_BYTES).unwrap_or(usize::MAX);
        let bytes = bytes.get(..bound).unwrap_or(bytes);
        for line in bytes.split(|byte| *byte == b'\n').take(MAX_RECORDS) {
            match Record::of_line(line) {
                // From here on it is another version's.
                Some(Record::Run { version, .. }) if version != VERSION => known = false,
                Some(record) => {
                    known |= matches!(record, Record::Run { .. });
                    if known {
                        journal.note(record);
                    }
                }
                // Torn by a power cut, or another version's.
                None => {}
            }
        }
        journal
    }

    /// Takes in a record that was written.
    pub fn note(&mut self, record: Record) {
        match record {
            Record::Run { config, .. } => self.config = Some(config),
            Record::Begun { op, line, what } => {
                let order = self.records;
                let entry = Entry {
                    line,
                    what,
                    done: false,
                    order,
                };
                self.records += 1;
                self.entries.insert(op, entry);
            }
            Record::Done { op } => {
                if let Some(entry) = self.entries.get_mut(&op) {
                    entry.done = true;
                }
            }
        }
    }

    /// Takes over what another journal says of contents that may not be written twice.
    pub fn learn_contents(&mut self, other: &Journal) {
        for (op, entry) in &other.entries {
            if matches!(entry.what, Begun::Contents { .. }) && !self.entries.contains_key(op) {
                let order = self.records;
                self.records += 1;
                let entry = entry.clone();
                self.entries.insert(op.clone(), Entry { order, ..entry });
            }
        }
    }

    /// All operations by their digests.
    pub fn entries(&self) -> impl Iterator<Item = (&String, &Entry)> {
        self.entries.iter()
    }

    /// Whether it says anything of an operation.
    pub fn has(&self, op: &str) -> bool {
        self.entries.contains_key(op)
    }

    /// Lines of what was begun and whose end is not recorded, in their order.
    pub fn interrupted(&self) -> Vec<&str> {
        let mut open: Vec<&Entry> = self.entries.values().filter(|entry| !entry.done).collect();
        open.arrange_by_key(|entry| entry.order);
        open.into_iter().map(|entry| entry.line.as_str()).collect()
    }

    /// Directories in which temporary names may have been left.
    pub fn directories(&self) -> Vec<&SysPath> {
        let directories = self.entries.values().filter_map(|entry| match &entry.what {
            Begun::Directories { paths } if !entry.done => Some(paths),
            _ => None,
        });
        directories.flatten().collect()
    }

    /// Files that may be there without their contents.
    pub fn half_there(&self) -> BTreeSet<SysPath> {
        let paths = self.entries.values().filter_map(|entry| match &entry.what {
            Begun::Paths { paths } if !entry.done => Some(paths),
            _ => None,
        });
        paths.flatten().cloned().gather()
    }

    /// The files of groups and users as they were before the run that was cut off.
    pub fn accounts(&self) -> Option<&Before> {
        self.entries.values().find_map(|entry| match &entry.what {
            Begun::Accounts(before) if !entry.done => Some(before),
            _ => None,
        })
    }

    /// Files whose contents may not be written twice.
    pub fn contents(&self) -> impl Iterator<Item = &SysPath> {
        self.entries.values().filter_map(|entry| match &entry.what {
            Begun::Contents { path, .. } => Some(path),
            _ => None,
        })
    }

    /// Operations that are done: the files have the contents that the journal saw, by SHA-256. Whether their end
    /// is recorded makes no difference: power may have failed in between, and what was changed since is not done.
    pub fn finished(&self, digests: &[(SysPath, String)]) -> BTreeSet<String> {
        let entries = self.entries.iter();
        let done = entries.filter(|(_, entry)| match &entry.what {
            Begun::Contents { path, after, .. } => {
                let mut there = digests.iter();
                there.any(|(at, sha256)| at == path && sha256 == after)
            }
            _ => false,
        });
        done.map(|(op, _)| op.clone()).gather()
    }

    /// What a journal has to say when a run has come to its end: the contents that may not be written twice if
    /// the first boot is repeated. Empty where there are none.
    pub fn sealed(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for (op, entry) in &self.entries {
            if matches!(entry.what, Begun::Contents { .. }) {
                records.push(Record::Begun {
                    op: op.clone(),
                    line: entry.line.clone(),
                    what: entry.what.clone(),
                });
                records.push(Record::Done { op: op.clone() });
            }
        }
        if let (false, Some(config)) = (records.is_empty(), &self.config) {
            let config = config.clone();
            records.insert(
                0,
                Record::Run {
                    version: VERSION,
                    config,
                },
            );
        }
        records
    }

    /// Takes file systems whose making was cut off for what they are: nothing.
    ///
    /// Only those that bear the very UUID that was given to one of them, which no other file system has.
    pub fn forget_unfinished(&self, disks: &mut Disks) {
        let unfinished: Vec<(Format, &str)> = (self.entries.values())
            .filter(|entry| !entry.done)
            .filter_map(|entry| match &entry.what {
                Begun::Filesystem { format, uuid } => Some((*format, uuid.as_str())),
                _ => None,
            })
            .collect();
        for block in disks.blocks.values_mut() {
            let Signature::Found(found) = &block.signature else {
                continue;
            };
            let cut_off = unfinished.iter().any(|(format, uuid)| {
                let there = found
                    .uuid
                    .as_deref()
                    .map(|uuid| canonical_uuid(*format, uuid));
                found.kind == format.name() && there == Some(canonical_uuid(*format, uuid))
            });
            if cut_off {
                block.signature = Signature::Blank;
            }
        }
    }
}

/// Whether an operation may do away with what lies on a partition.
pub fn endangers(op: &Op, partition: &str) -> bool {
    match op {
        Op::Disk(DiskOp::CreateTable { disk, .. }) => {
            (1..=MAX_PARTITIONS).any(|number| partition_node(disk, number) == partition)
        }
        Op::Disk(
            DiskOp::DeletePartition { disk, number, .. }
            | DiskOp::ResizePartition { disk, number, .. },
        ) => partition_node(disk, *number) == partition,
        other => other.devices().iter().any(|device| device == partition),
    }
}

/// What a person should know of an earlier run that was cut off, before the next one goes on with `config`;
/// `None` where there was none.
pub fn notice(journal: &Journal, config: &str) -> Option<Diagnostic> {
    let interrupted = journal.interrupted();
    let earlier = journal.config.as_deref()?;
    let what = match interrupted.as_slice() {
        [] => "an earlier run of this first boot did not come to its end".to_string(),
        [one] => format!("an earlier run of this first boot was cut off while it was to {one}"),
        [one, rest @ ..] => format!(
            "an earlier run of this first boot was cut off while it was to {one} (and {} more)",
            rest.len()
        ),
    };
    if earlier == config {
        let hint = || Diagnostic::hint(None, format!("{what}; it goes on from there"));
        return (!interrupted.is_empty()).then(hint);
    }
    let message = format!(
        "{what}, with another config (SHA-256 {earlier}) than the one of now ({config}): what the earlier one made \
         and this one does not name stays as it is. To be rid of it, let this config remove or overwrite it, or \
         install the machine anew"
    );
    Some(Diagnostic::warning(None, message))
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
