//! Files on their way into the tree, a batch at a time: written under temporary names, synced together, renamed.
//!
//! A rename may reach the disk before the contents do, so the contents are synced first; but what makes an
//! fsync dear is that each waits for the disk, and one syncfs waits as long as one of them. Directories, links
//! and permissions need no sync before: file systems with a journal keep the order of such changes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use pilotlight_core::journal::{Begun, Record};
use pilotlight_core::model::SysPath;
use rustix::fs::{AtFlags, fstat, fstatfs, renameat, syncfs, unlinkat};

use super::{TreeError, during};
use crate::journal::Journal;
use crate::root::Sysroot;

/// Name in the journal of the files of a batch that go to FAT.
const PATHS: &str = "files on FAT";

/// Most files of a batch, and most bytes: what a power cut undoes at most.
const MOST_FILES: usize = 4096;
const MOST_BYTES: u64 = 256 << 20;

/// What has been written and is not in place, and what has to be synced in the end.
#[derive(Debug, Default)]
pub struct Batch {
    waiting: Vec<Waiting>,
    paths: BTreeSet<SysPath>,
    bytes: u64,
    /// File systems that were written to, by their device numbers: a directory of each.
    written_to: BTreeMap<u64, Rc<Directory>>,
    /// The directory of the last operation, for the next one's.
    last: Option<Rc<Directory>>,
}

/// An open directory.
#[derive(Debug)]
pub(super) struct Directory {
    path: SysPath,
    fd: OwnedFd,
    /// Whether a rename in it is more than one change on the disk, in any order: a new entry is there before it
    /// says where the contents are (fs/fat/namei_vfat.c).
    pub(super) is_fat: bool,
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What statfs(2) calls FAT.
const FAT: u64 = 0x4d44;

/// A file under its temporary name.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) path: SysPath,
    pub(super) temporary: String,
    /// For contents that may not be written twice: what the journal has to know, by the operation's name there.
    pub(super) once: Option<(String, Begun)>,
    pub(super) bytes: u64,
    pub(super) is_on_fat: bool,
}

impl Batch {
    /// The directory that holds a path, which is about to be changed.
    pub(super) fn directory(
        &mut self,
        root: &Sysroot,
        path: &SysPath,
    ) -> io::Result<Rc<Directory>> {
        let above = path
            .parent()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the root has no parent"))?;
        if let Some(last) = self.last.as_ref().filter(|last| last.path == above) {
            return Ok(Rc::clone(last));
        }
        let fd = root.directory(&above)?;
        let device = fstat(&fd)?.st_dev;
        let directory = Rc::new(Directory {
            path: above,
            is_fat: u64::try_from(fstatfs(&fd)?.f_type).is_ok_and(|kind| kind == FAT),
            fd,
        });
        (self.written_to.entry(device)).or_insert_with(|| Rc::clone(&directory));
        self.last = Some(Rc::clone(&directory));
        Ok(directory)
    }

    /// Whether a file waits to be put at a path or below it.
    pub(super) fn holds(&self, path: &SysPath) -> bool {
        // Paths below one begin with it, and stand together.
        let mut below = (self.paths.range(path..))
            .take_while(|waiting| waiting.as_str().starts_with(path.as_str()));
        below.any(|waiting| waiting.is_below(path))
    }

    pub(super) fn add(&mut self, waiting: Waiting) {
        self.paths.insert(waiting.path.clone());
        self.bytes += waiting.bytes;
        self.waiting.push(waiting);
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST_FILES || self.bytes >= MOST_BYTES
    }

    /// What an open directory leads to may be another one by now.
    pub(super) fn forget_directory(&mut self) {
        self.last = None;
    }

    /// Puts everything that waits in place.
    pub fn commit(&mut self, root: &Sysroot, journal: &mut Journal) -> Result<(), TreeError> {
        let waiting = std::mem::take(&mut self.waiting);
        self.paths.clear();
        self.bytes = 0;
        if waiting.is_empty() {
            return Ok(());
        }
        let mut rest = waiting.as_slice();
        let put = self.put(root, journal, &mut rest);
        if put.is_err() {
            // The first error is the one to report.
            for left in rest {
                let gone =
                    |directory: OwnedFd| unlinkat(directory, &left.temporary, AtFlags::empty());
                let _ = root.parent(&left.path).map(gone);
            }
        }
        put
    }

    fn put(
        &mut self,
        root: &Sysroot,
        journal: &mut Journal,
        rest: &mut &[Waiting],
    ) -> Result<(), TreeError> {
        self.sync()?;
        let (mut begun, mut done) = (Vec::new(), Vec::new());
        let unsure: Vec<SysPath> = (rest.iter().filter(|file| file.is_on_fat))
            .map(|file| file.path.clone())
            .collect();
        if !unsure.is_empty() {
            begun.push(Record::Begun {
                op: PATHS.into(),
                line: format!("put {} files in place on FAT", unsure.len()),
                what: Begun::Paths { paths: unsure },
            });
            done.push(Record::Done { op: PATHS.into() });
        }
        for file in rest.iter() {
            if let Some((op, what)) = &file.once {
                begun.push(Record::Begun {
                    op: op.clone(),
                    line: format!("write {}", file.path),
                    what: what.clone(),
                });
                done.push(Record::Done { op: op.clone() });
            }
        }
        if let [first, ..] = rest {
            (journal.write(begun)).map_err(during("writing the journal before", &first.path))?;
        }
        self.last = None;
        while let [file, after @ ..] = *rest {
            (self.directory(root, &file.path))
                .and_then(|at| Ok(renameat(&at, &file.temporary, &at, file.path.name())?))
                .map_err(during("putting in place", &file.path))?;
            *rest = after;
        }
        if !done.is_empty() {
            let path = self.sync()?;
            (journal.write(done)).map_err(during("writing the journal after", &path))?;
        }
        Ok(())
    }

    /// Everything that was written is on the disks when this returns; answers one of the directories.
    fn sync(&mut self) -> Result<SysPath, TreeError> {
        let mut path = SysPath::root();
        for directory in self.written_to.values() {
            let at = &directory.path;
            syncfs(directory)
                .map_err(|error| during("syncing the file system of", at)(error.into()))?;
            path = at.clone();
        }
        Ok(path)
    }

    /// Puts everything that waits in place, and everything on the disks.
    pub fn finish(&mut self, root: &Sysroot, journal: &mut Journal) -> Result<(), TreeError> {
        let committed = self.commit(root, journal).and_then(|()| self.sync());
        committed.map_err(|error| error.explained(root))?;
        self.written_to.clear();
        self.last = None;
        Ok(())
    }
}
