//! Where the journal lies, and how it gets there: each record is on the disk before the next step.
//!
//! The format is the core's ([`pilotlight_core::journal`]); `docs/journal.md` describes both for people.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use pilotlight_core::journal::{self, Begun, MAX_BYTES, Record, VERSION};
use pilotlight_core::model::SysPath;
use pilotlight_core::op::Op;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, fsync, openat, renameat, unlinkat};
use rustix::io::Errno;

use crate::boot;
use crate::digest::digest;
use crate::private_mount::PrivateMount;
use crate::regular::read_bounded;
use crate::root::Sysroot;
use crate::{blockdev, room, temporary};

/// The journal of a root, and of one that has no /etc: the agent makes no directory for its own sake, since the
/// config may want it otherwise.
const IN_ROOT: &str = "/etc/.pilotlight-journal.jsonl";
const AT_TOP: &str = "/.pilotlight-journal.jsonl";
/// The journal beside the first-boot marker.
const BESIDE_MARKER: &str = "/pilotlight-journal.jsonl";

/// How a journal is opened. A named pipe was found when it was read; one that came later is not waited for.
const APPEND: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::APPEND)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

/// Where a journal lies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: what is done needs none, or there is no place.
    #[default]
    Nowhere,
    /// In /etc of the root at this path.
    Root(PathBuf),
    /// On the partition that holds the first-boot marker, by its node.
    Partition(String),
    /// A file of the running system, which does not outlive it.
    Running(PathBuf),
}

impl Place {
    /// The partition that holds the first-boot marker, if there is one.
    pub fn beside_marker() -> Option<Self> {
        boot::marker_partition().map(Self::Partition)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Nowhere => f.write_str("nowhere"),
            Place::Root(root) => write!(f, "of the root {}", root.display()),
            Place::Partition(node) => write!(f, "{BESIDE_MARKER} on {node}"),
            Place::Running(path) => path.display().fmt(f),
        }
    }
}

/// An open journal.
#[derive(Debug, Default)]
pub struct Journal {
    place: Place,
    says: journal::Journal,
    elsewhere: Option<Box<Elsewhere>>,
}

/// A second journal, of files that do not lie on the root's file system.
#[derive(Debug)]
struct Elsewhere {
    journal: Journal,
    /// The beginning of this run, until something follows it.
    run: Option<Record>,
}

impl Journal {
    /// Reads the journal that lies at a place; none is an empty one.
    ///
    /// Errors: what has its name is no regular file, or cannot be read.
    pub fn open(place: Place) -> io::Result<Self> {
        let bytes = match &place {
            Place::Nowhere => None,
            Place::Root(root) => {
                let root = Sysroot::open(root)?;
                read_in(&root, name_in(&root)?)?
            }
            Place::Partition(node) => read_beside_marker(node)?,
            Place::Running(path) => crate::read_beginning(path, MAX_BYTES)?,
        };
        let says = journal::Journal::parse(&bytes.unwrap_or_default());
        Ok(Self {
            place,
            says,
            elsewhere: None,
        })
    }

    /// Of files on other file systems than the root's, also writes into another place, and knows what it says of
    /// contents: a config may have the root made anew in each try, and the root's journal with it.
    pub fn also_in(mut self, place: Place) -> io::Result<Self> {
        let journal = Self::open(place)?;
        self.says.learn_contents(journal.says());
        let run = None;
        self.elsewhere = Some(Box::new(Elsewhere { journal, run }));
        Ok(self)
    }

    /// What it says.
    pub fn says(&self) -> &journal::Journal {
        &self.says
    }

    /// Where it lies.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The partition that it lies on, if it lies on one by itself.
    pub fn partition(&self) -> Option<&str> {
        match &self.place {
            Place::Partition(node) => Some(node),
            _ => None,
        }
    }

    /// Whether it outlives this boot.
    pub fn is_durable(&self) -> bool {
        matches!(self.place, Place::Root(_) | Place::Partition(_))
    }

    /// Goes on in another place.
    pub fn move_to(&mut self, place: Place) {
        self.place = place;
    }

    /// Writes records; they are on the disk when this returns.
    pub fn write(&mut self, records: Vec<Record>) -> io::Result<()> {
        if records.is_empty() || self.place == Place::Nowhere {
            return Ok(());
        }
        let text = text(&records);
        match &self.place {
            Place::Nowhere => {}
            Place::Root(root) => {
                let root = Sysroot::open(root)?;
                let name = name_in(&root)?;
                append_in(&root, name, &text).or_else(|error| explained(&root, name, error))?;
                if let Some(elsewhere) = &mut self.elsewhere
                    && let Err(error) = elsewhere.follow(&root, &records)
                {
                    crate::uevents::tell(&format!(
                        "the journal {} cannot be written ({error}); if power fails now, files outside of the root may be appended to twice",
                        elsewhere.journal.place
                    ));
                    self.elsewhere = None;
                }
            }
            Place::Partition(node) => {
                let mounted = PrivateMount::writable(node)?;
                append_in(mounted.root(), BESIDE_MARKER, &text)?;
                mounted.finish()?;
            }
            Place::Running(path) => append_file(path, &text)?,
        }
        for record in records {
            self.says.note(record);
        }
        Ok(())
    }

    /// Leaves only what a repeated first boot has to know: contents that may not be written twice. Where there is a
    /// second journal, its beginning at least: it tells [`Journal::remove`] to look for that one.
    pub fn seal(&self) -> io::Result<()> {
        let Place::Root(root) = &self.place else {
            return Ok(());
        };
        let open = Sysroot::open(root)?;
        let name = name_in(&open)?;
        let bytes = read_in(&open, name)?;
        let mut kept = journal::Journal::parse(bytes.as_deref().unwrap_or_default()).sealed();
        if let (true, Some(elsewhere)) = (kept.is_empty(), &self.elsewhere) {
            let config = elsewhere.journal.says.config.clone();
            kept.extend(config.map(|config| Record::Run {
                version: VERSION,
                config,
            }));
        }
        match text(&kept) {
            nothing if nothing.is_empty() => remove_in(&open, name),
            kept => replace_in(&open, name, &kept),
        }
        .or_else(|error| explained(&open, name, error))
    }

    /// From now on writes into a file of the running system if one of the operations may do away with the
    /// partition that the journal lies on.
    pub fn keep_away_from<'o>(&mut self, mut ops: impl Iterator<Item = &'o Op>, running: &Path) {
        if let Place::Partition(node) = &self.place
            && let node = blockdev::stable_name(Path::new(node))
            && ops.any(|op| journal::endangers(op, &node))
        {
            self.place = Place::Running(running.into());
        }
    }

    /// Removes the journal of a root when the first boot is over, and the one beside the marker, which has to be
    /// gone itself: another first boot must not take that journal for its own.
    pub fn remove(root: &Path) -> io::Result<()> {
        let root = Sysroot::open(root)?;
        let name = name_in(&root)?;
        if read_in(&root, name)?.is_none() {
            return Ok(());
        }
        for node in boot::partitions() {
            let removed = remove_beside_marker(&node).or_else(|_| {
                PrivateMount::mended(&node)?;
                remove_beside_marker(&node)
            });
            if let Err(error) = removed {
                crate::uevents::tell(&format!(
                    "the journal of the first boot may be left on {node}: {error}"
                ));
            }
        }
        remove_in(&root, name)
    }
}

/// A FAT that power has cut off may have files whose contents are not there; then nobody knows what they said.
fn read_beside_marker(node: &str) -> io::Result<Option<Vec<u8>>> {
    let is_torn = |error: &io::Error| error.raw_os_error() == Some(Errno::IO.raw_os_error());
    match read_in(PrivateMount::read_only(node)?.root(), BESIDE_MARKER) {
        Err(error) if is_torn(&error) => {}
        other => return other,
    }
    match read_in(PrivateMount::mended(node)?.root(), BESIDE_MARKER) {
        Err(error) if is_torn(&error) => {
            crate::uevents::tell(&format!(
                "the journal {BESIDE_MARKER} on {node} cannot be read ({error}): what an earlier run has begun is not known"
            ));
            Ok(None)
        }
        other => other,
    }
}

fn remove_beside_marker(node: &str) -> io::Result<()> {
    // What power has cut off of an earlier removal shows after a check, if there is a check at all.
    let mounted = PrivateMount::checked(node)?;
    if boot::holds_marker(mounted.root())? {
        return Ok(());
    }
    let left = pieces(mounted.root())?;
    drop(mounted);
    if left.is_empty() {
        return Ok(());
    }
    let mounted = PrivateMount::writable(node)?;
    // Who unmounts a FAT does not wait for the disk: the marker has to be gone for certain, else the next boot
    // repeats the first one without what this journal says.
    fsync(mounted.root().directory(&path("/")?)?)?;
    for name in left {
        remove_in(mounted.root(), &format!("/{name}"))?;
    }
    mounted.finish()
}

/// The journal at the top of a file system, and what a check of a FAT has saved of one (fsck.fat(8)).
fn pieces(root: &Sysroot) -> io::Result<Vec<String>> {
    let is_saved = |name: &str| name.starts_with("FSCK") && name.ends_with(".REC");
    let mut pieces = Vec::new();
    for entry in Dir::read_from(root.directory(&path("/")?)?)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else {
            continue;
        };
        let is_journal = name == &BESIDE_MARKER[1..];
        // Any other file that was saved is its owner's.
        let is_ours = || -> io::Result<bool> {
            let bytes = read_in(root, &format!("/{name}"))?.unwrap_or_default();
            Ok(journal::Journal::parse(&bytes).config.is_some())
        };
        if is_journal || is_saved(name) && is_ours()? {
            pieces.push(name.to_string());
        }
    }
    Ok(pieces)
}

impl Elsewhere {
    /// Writes those of the records that are of files on other file systems than the root's.
    fn follow(&mut self, root: &Sysroot, records: &[Record]) -> io::Result<()> {
        let mut ours = Vec::new();
        for record in records {
            let is_ours = match record {
                Record::Run { .. } => {
                    self.run = Some(record.clone());
                    false
                }
                Record::Begun { what, .. } => match what {
                    Begun::Contents { path, .. } => !is_on_root(root, path)?,
                    _ => false,
                },
                Record::Done { op } => self.journal.says.has(op),
            };
            if is_ours {
                ours.extend(self.run.take());
                ours.push(record.clone());
            }
        }
        self.journal.write(ours)
    }
}

/// Whether a file lies, or will lie, on the file system of the root itself.
fn is_on_root(root: &Sysroot, at: &SysPath) -> io::Result<bool> {
    let device = |directory: &SysPath| -> io::Result<Option<u64>> {
        match root.directory(directory) {
            Ok(directory) => Ok(Some(fstat(&directory)?.st_dev)),
            // It is about to be made.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    };
    let of_root = device(&path("/")?)?;
    let mut directory = root.resolve(at)?.parent();
    while let Some(at) = directory {
        if let Some(found) = device(&at)? {
            return Ok(Some(found) == of_root);
        }
        directory = at.parent();
    }
    Ok(true)
}

/// Digests of the files of which the journal says that they may not be written twice, as far as they are there.
pub fn digests(root: &Sysroot, says: &journal::Journal) -> io::Result<Vec<(SysPath, String)>> {
    let mut digests = Vec::new();
    for path in says.contents() {
        if let Some(sha256) = sha256(root, path)? {
            digests.push((path.clone(), sha256));
        }
    }
    Ok(digests)
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

fn text(records: &[Record]) -> Vec<u8> {
    let mut text = Vec::new();
    for record in records {
        // A torn line of an earlier run must not swallow this one.
        text.push(b'\n');
        text.extend(record.to_line().into_bytes());
        text.push(b'\n');
    }
    text
}

fn path(text: &str) -> io::Result<SysPath> {
    SysPath::parse(text).map_err(io::Error::other)
}

/// The name of the journal of a root: where there is one, its own, as long as it is there.
fn name_in(root: &Sysroot) -> io::Result<&'static str> {
    let own = root.stat(&root.resolve(&path(IN_ROOT)?)?)?;
    let own = own.is_some_and(|stat| stat.kind == FileType::RegularFile);
    let there = root.stat(&path(AT_TOP)?)?.is_some();
    // A link in place of /etc is followed as it is for everything else.
    let etc = root.resolve(&path("/etc/x")?)?.parent();
    let etc = etc
        .map(|etc| root.directory(&etc))
        .is_some_and(|etc| etc.is_ok());
    Ok(match !own && (there || !etc) {
        true => AT_TOP,
        false => IN_ROOT,
    })
}

fn read_in(root: &Sysroot, at: &str) -> io::Result<Option<Vec<u8>>> {
    match root.read_file(&path(at)?)? {
        // What is longer than any journal is none; its beginning may be.
        Some(file) => read_bounded(file, MAX_BYTES).map(Some),
        None => Ok(None),
    }
}

/// The error of what was done to a journal in a root, with what is full if something is.
fn explained(root: &Sysroot, at: &str, error: io::Error) -> io::Result<()> {
    let real = root.resolve(&path(at)?)?;
    Err(room::explained(root, &real, error))
}

fn append_in(root: &Sysroot, at: &str, text: &[u8]) -> io::Result<()> {
    let at = path(at)?;
    let directory = root.parent(&root.resolve(&at)?)?;
    let file = openat(&directory, at.name(), APPEND, Mode::from_raw_mode(0o600))?;
    append(File::from(file), text)?;
    Ok(fsync(&directory)?)
}

fn append_file(path: &Path, text: &[u8]) -> io::Result<()> {
    let file = rustix::fs::open(path, APPEND, Mode::from_raw_mode(0o600))?;
    append(File::from(file), text)
}

fn append(mut file: File, text: &[u8]) -> io::Result<()> {
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    file.write_all(text)?;
    file.sync_all()
}

fn replace_in(root: &Sysroot, at: &str, text: &[u8]) -> io::Result<()> {
    let real = root.resolve(&path(at)?)?;
    let directory = root.parent(&real)?;
    let temporary = temporary::name(real.name())?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&directory, &temporary, flags, Mode::from_raw_mode(0o600))?;
    let written = append(File::from(file), text)
        .and_then(|()| Ok(renameat(&directory, &temporary, &directory, real.name())?));
    if written.is_err() {
        // The first error is the one to report.
        let _ = unlinkat(&directory, &temporary, AtFlags::empty());
    }
    written?;
    Ok(fsync(&directory)?)
}

fn remove_in(root: &Sysroot, at: &str) -> io::Result<()> {
    let real = root.resolve(&path(at)?)?;
    let directory = match root.parent(&real) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    match unlinkat(&directory, real.name(), AtFlags::empty()) {
        Ok(()) => Ok(fsync(&directory)?),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
