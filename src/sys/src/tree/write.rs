//! Files that appear whole or not at all.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write};
use std::os::fd::AsFd as _;

use pilotlight_core::journal::Begun;
use pilotlight_core::model::SysPath;
use pilotlight_core::op::{Content, ContentSource};
use pilotlight_core::{dataurl, hex};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, XattrFlags, fchmod, fchown, fgetxattr, flistxattr,
    fsetxattr, openat, unlinkat,
};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::batch::Waiting;
use super::{Growing, Work};
use crate::root::{open_file, stat_at};
use crate::temporary;

/// Longest value of an extended attribute (limits.h, `XATTR_SIZE_MAX`).
const MAX_XATTR: usize = 64 << 10;

/// A file to be written under a temporary name.
pub(super) struct NewFile<'a> {
    pub(super) path: &'a SysPath,
    pub(super) attributes: (u32, Option<Uid>, Option<Gid>),
    /// Name in the journal.
    pub(super) once: Option<&'a str>,
}

impl NewFile<'_> {
    /// Writes the old contents and the new ones; the file then waits in the batch.
    pub(super) fn write(
        &self,
        old: Option<File>,
        contents: &[Content],
        work: &mut Work<'_>,
    ) -> io::Result<()> {
        let parent = work.batch.directory(work.root, self.path)?;
        let temporary = temporary::name(self.path.name())?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&parent, &temporary, flags, Mode::from_raw_mode(0o600))?;
        match self.fill(File::from(file), old, contents, work) {
            Ok((bytes, what)) => {
                work.batch.add(Waiting {
                    path: self.path.clone(),
                    temporary,
                    once: self.once.map(|id| (id.to_string(), what)),
                    bytes,
                    is_on_fat: parent.is_fat,
                });
                Ok(())
            }
            Err(error) => {
                // The first error is the one to report.
                let _ = unlinkat(&parent, &temporary, AtFlags::empty());
                Err(error)
            }
        }
    }

    fn fill(
        &self,
        mut file: File,
        old: Option<File>,
        contents: &[Content],
        work: &mut Work<'_>,
    ) -> io::Result<(u64, Begun)> {
        let mut out = Hashed {
            out: &mut file,
            hash: Sha256::new(),
            bytes: 0,
            kept: (Sha256::new(), 0),
        };
        let mut before = None;
        if let Some(old) = &old {
            io::copy(&mut &*old, &mut out)?;
            before = Some(hex::encode(&out.hash.clone().finalize()));
        }
        for content in contents {
            out.kept = (out.hash.clone(), out.bytes);
            match &content.source {
                ContentSource::Inline(bytes) => out.write_all(bytes)?,
                ContentSource::Url(url) => {
                    out.write_all(&dataurl::decode(url).map_err(io::Error::other)?)?;
                }
                ContentSource::Fetched { key } => work.provider.copy(key, &mut out)?,
            }
        }
        let bytes = out.bytes;
        let after = hex::encode(&out.hash.finalize());
        if let [
            Content {
                sha256: Some(expected),
                shown,
                ..
            },
        ] = contents
            && self.once.is_none()
            && **expected != after
        {
            return Err(io::Error::other(format!(
                "the contents from {shown} are not those that were verified"
            )));
        }
        let (mode, uid, gid) = self.attributes;
        // chown before chmod and attributes: chown clears setuid and setgid, and capabilities.
        fchown(&file, uid, gid)?;
        fchmod(&file, Mode::from_raw_mode(mode))?;
        if let Some(old) = &old {
            copy_attributes(old, &file)?;
        }
        let path = self.path.clone();
        Ok((
            bytes,
            Begun::Contents {
                path,
                before,
                after,
            },
        ))
    }
}

struct Hashed<'a> {
    out: &'a mut File,
    hash: Sha256,
    bytes: u64,
    /// Both as they were before the contents that are being copied.
    kept: (Sha256, u64),
}

impl Growing for Hashed<'_> {
    fn begin_again(&mut self) -> io::Result<()> {
        let (hash, bytes) = &self.kept;
        self.out.set_len(*bytes)?;
        self.out.seek(SeekFrom::Start(*bytes))?;
        (self.hash, self.bytes) = (hash.clone(), *bytes);
        Ok(())
    }
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.hash.update(&bytes[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Appends to a file: the old contents and the new ones appear together, with what else the file bears.
pub(super) fn append(
    work: &mut Work<'_>,
    path: &SysPath,
    contents: &[Content],
    once: &str,
) -> io::Result<()> {
    let parent = work.batch.directory(work.root, path)?;
    let stat = stat_at(parent.as_fd(), path.name())?;
    if stat.kind != FileType::RegularFile {
        return Err(io::Error::other("it is not a regular file"));
    }
    let old = open_file(&parent, path.name())?;
    let new = NewFile {
        path,
        attributes: (
            stat.mode,
            Some(Uid::from_raw(stat.uid)),
            Some(Gid::from_raw(stat.gid)),
        ),
        once: Some(once),
    };
    new.write(Some(old), contents, work)
}

/// Access control lists, capabilities and whatever else is kept as extended attributes (xattr(7)).
fn copy_attributes(from: &File, to: &File) -> io::Result<()> {
    let mut names = vec![0; MAX_XATTR];
    let length = match flistxattr(from, names.as_mut_slice()) {
        // The file system has none.
        Err(Errno::OPNOTSUPP) => return Ok(()),
        other => other?,
    };
    let mut value = vec![0; MAX_XATTR];
    let names = names.get(..length).unwrap_or_default();
    for name in names
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let length = fgetxattr(from, name, value.as_mut_slice())?;
        let value = value.get(..length).unwrap_or_default();
        match fsetxattr(to, name, value, XattrFlags::empty()) {
            // The kernel's own business: labels come with the relabelling at the end.
            Err(Errno::OPNOTSUPP | Errno::PERM | Errno::INVAL) => {}
            other => other?,
        }
    }
    Ok(())
}
