//! The journal: what an interrupted run has begun and done that may not be done twice.
//!
//! JSON lines below the root, each synced before the next step: power may fail between any two. Only
//! operations that cannot be recognized by their result use it (appending), so most roots have none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write as _};

use pilotlight_core::model::SysPath;
use rustix::fs::{FileType, Mode, OFlags, openat};

use crate::digest::digest;
use crate::root::Sysroot;

/// Name of the journal in /etc of the root.
const NAME: &str = ".pilotlight-journal.jsonl";

/// The journal of a root.
#[derive(Debug, Default)]
pub struct Journal {
    begun: BTreeMap<String, (SysPath, String)>,
    done: BTreeSet<String>,
}

fn path() -> io::Result<SysPath> {
    SysPath::parse(&format!("/etc/{NAME}")).map_err(io::Error::other)
}

impl Journal {
    /// Reads the journal. A line that power failure has torn counts as not written.
    pub fn load(root: &Sysroot) -> io::Result<Self> {
        let mut journal = Self::default();
        let bytes = root.read_text(&path()?)?.unwrap_or_default();
        for line in String::from_utf8_lossy(&bytes).lines() {
            let Ok(record) = serde_json::from_str::<serde_json::Value>(line) else {
                continue;
            };
            if let Some(id) = record["done"].as_str() {
                journal.done.insert(id.into());
            } else if let (Some(id), Some(at), Some(after)) = (
                record["begun"].as_str(),
                record["path"].as_str(),
                record["after"].as_str(),
            ) && let Ok(at) = SysPath::parse(at)
            {
                journal.begun.insert(id.into(), (at, after.into()));
            }
        }
        // Power may have failed after the rename and before the record: the result tells.
        for (id, (at, after)) in &journal.begun {
            if !journal.done.contains(id) && sha256(root, at)?.as_ref() == Some(after) {
                journal.done.insert(id.clone());
            }
        }
        Ok(journal)
    }

    /// What is done and may not be done again.
    pub fn finished(&self) -> &BTreeSet<String> {
        &self.done
    }

    pub(crate) fn begun(
        &mut self,
        root: &Sysroot,
        id: &str,
        at: &SysPath,
        after: &str,
    ) -> io::Result<()> {
        let record = serde_json::json!({ "begun": id, "path": at.as_str(), "after": after });
        write(root, &record)
    }

    pub(crate) fn done(&mut self, root: &Sysroot, id: &str) -> io::Result<()> {
        self.done.insert(id.into());
        write(root, &serde_json::json!({ "done": id }))
    }
}

fn sha256(root: &Sysroot, at: &SysPath) -> io::Result<Option<String>> {
    // Whatever took its place since then is not what was written.
    match root.stat(at) {
        Ok(Some(stat)) if stat.kind == FileType::RegularFile => {}
        Err(error) if error.kind() != io::ErrorKind::NotADirectory => return Err(error),
        _ => return Ok(None),
    }
    let Some(mut file) = root.read_file(at)? else {
        return Ok(None);
    };
    Ok(Some(digest(&mut file, &mut io::sink())?))
}

fn write(root: &Sysroot, record: &serde_json::Value) -> io::Result<()> {
    let etc = SysPath::parse("/etc").map_err(io::Error::other)?;
    let directory = match root.directory(&root.resolve(&etc)?) {
        Ok(directory) => directory,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            rustix::fs::mkdirat(root, "etc", Mode::from_raw_mode(0o755))?;
            root.directory(&etc)?
        }
        Err(error) => return Err(error),
    };
    // A named pipe was found when the journal was read; one that came later is not waited for.
    let flags = OFlags::WRONLY
        | OFlags::CREATE
        | OFlags::APPEND
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::CLOEXEC;
    let mut file = File::from(openat(&directory, NAME, flags, Mode::from_raw_mode(0o600))?);
    // A torn line of an earlier run must not swallow this one.
    file.write_all(format!("\n{record}\n").as_bytes())?;
    file.sync_all()?;
    Ok(rustix::fs::fsync(&directory)?)
}
