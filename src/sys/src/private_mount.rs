//! A file system that is mounted for this process alone, at no path, and unmounted when it is dropped.
//!
//! Others may have it mounted at the same time: they share its superblock, read-only or not
//! (Documentation/filesystems/mount_api.rst). It is made writable for as long as it is written.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;

use pilotlight_core::facts::disks::Signature;
use pilotlight_core::model::SysPath;
use pilotlight_core::ordered::Arrange as _;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, FsPickFlags, MountAttrFlags, fsconfig_create, fsconfig_reconfigure,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, fspick,
};

use crate::mounts::explain;
use crate::probe::{self, Area};
use crate::root::{Stat, Sysroot};
use crate::temporary;
use crate::{blockdev, fat};

/// File systems that boot partitions have. Others are not mounted: whatever parses a foreign disk can err.
const FORMATS: &[&str] = &["vfat", "ext4", "ext3", "ext2", "btrfs", "xfs"];

/// A mounted file system.
#[derive(Debug)]
pub struct PrivateMount {
    mount: OwnedFd,
    root: Sysroot,
    /// Whether others have it read-only, so that it has to become so again.
    lent: bool,
}

impl PrivateMount {
    /// Mounts a device for reading.
    pub fn read_only(device: &str) -> io::Result<Self> {
        Self::read_only_of(device, FORMATS)
    }

    /// Mounts a device that has one of these formats for reading.
    pub fn read_only_of(device: &str, formats: &[&str]) -> io::Result<Self> {
        match Self::mount(device, formats, true) {
            // The superblock is in use and writable; this mount of it is not.
            Err(error) if is_busy(&error) => Self::mount(device, formats, false),
            other => other,
        }
    }

    /// Mounts a device for reading; a FAT that was not unmounted is checked before.
    pub fn checked(device: &str) -> io::Result<Self> {
        if !is_mounted(device) {
            fat::check(device)?;
        }
        Self::read_only(device)
    }

    /// Mounts a device for reading; a FAT of which something could not be read is checked before.
    pub fn mended(device: &str) -> io::Result<Self> {
        if !is_mounted(device) {
            fat::mend(device)?;
        }
        Self::read_only(device)
    }

    /// Mounts a device for writing; a FAT that was not unmounted is checked before.
    pub fn writable(device: &str) -> io::Result<Self> {
        if !is_mounted(device) {
            fat::check(device)?;
        }
        let mut mounted = match Self::mount(device, FORMATS, false) {
            Err(error) if is_busy(&error) => Self::mount(device, FORMATS, true)?,
            other => return other,
        };
        mounted.reconfigure("rw")?;
        mounted.lent = true;
        Ok(mounted)
    }

    fn mount(device: &str, formats: &[&str], read_only: bool) -> io::Result<Self> {
        let format = format(device, formats)?;
        let context = fsopen(format.as_str(), FsOpenFlags::FSOPEN_CLOEXEC)?;
        let mount = (|| {
            fsconfig_set_string(&context, "source", device)?;
            if read_only {
                fsconfig_set_flag(&context, "ro")?;
            }
            fsconfig_create(&context)?;
            let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
                | MountAttrFlags::MOUNT_ATTR_NODEV
                | MountAttrFlags::MOUNT_ATTR_NOEXEC;
            fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        })()
        .map_err(|errno: Errno| match errno {
            // The caller decides by the number.
            Errno::BUSY | Errno::NOENT | Errno::NXIO => errno.into(),
            other => explain(&context, other),
        })?;
        Ok(Self {
            root: Sysroot::of(mount.try_clone()?),
            mount,
            lent: false,
        })
    }

    fn reconfigure(&self, flag: &str) -> io::Result<()> {
        let flags = FsPickFlags::FSPICK_CLOEXEC | FsPickFlags::FSPICK_EMPTY_PATH;
        let context = fspick(&self.mount, "", flags)?;
        fsconfig_set_flag(&context, flag)
            .and_then(|()| fsconfig_reconfigure(&context))
            .map_err(|error| explain(&context, error))
    }

    /// The file system as a root, in which every path stays.
    pub fn root(&self) -> &Sysroot {
        &self.root
    }

    /// Reads a regular file of bounded length; `None` if there is none.
    ///
    /// Errors: something else has the name, a symbolic link too; it is longer than the limit, in bytes.
    pub fn read(&self, path: &SysPath, limit: u64) -> io::Result<Option<Vec<u8>>> {
        match self.root.stat(path)? {
            None => return Ok(None),
            Some(stat) if stat.kind != FileType::RegularFile => {
                return Err(io::Error::other("it is not a regular file"));
            }
            Some(stat) if stat.len > limit => {
                return Err(io::Error::other(format!("it is larger than {limit} bytes")));
            }
            Some(_) => {}
        }
        let bytes = self.root.read_text(path)?.unwrap_or_default();
        if bytes.len() as u64 > limit {
            return Err(io::Error::other(format!("it is larger than {limit} bytes")));
        }
        Ok(Some(bytes))
    }

    /// Puts a file in place whole or not at all, with owner and mode of the one before it, else 0644.
    pub fn replace(&self, path: &SysPath, contents: &[u8]) -> io::Result<()> {
        let before = self.root.stat(path)?;
        self.put_as(path, contents, before)
    }

    /// The same with this mode, root's. Directories that are missing are made; links of those that are there are
    /// followed within the file system.
    pub fn put(&self, path: &SysPath, contents: &[u8], mode: u32) -> io::Result<()> {
        let path = self.root.resolve(path)?;
        let mut missing = Vec::new();
        let mut parent = path.parent();
        while let Some(directory) = parent.filter(|directory| directory.parent().is_some()) {
            if self.root.stat(&directory)?.is_some() {
                break;
            }
            parent = directory.parent();
            missing.push(directory);
        }
        for directory in missing.iter().rev() {
            let above = self.root.parent(directory)?;
            mkdirat(&above, directory.name(), Mode::from_raw_mode(0o755))?;
            rustix::fs::fsync(&above)?;
        }
        let as_root = Stat {
            kind: FileType::RegularFile,
            mode,
            uid: 0,
            gid: 0,
            len: 0,
            inode: String::new(),
        };
        self.put_as(&path, contents, Some(as_root))
    }

    /// Names of what is in a directory; none if it is not there.
    ///
    /// Errors: there are more than `limit`.
    pub fn list(&self, path: &SysPath, limit: usize) -> io::Result<Vec<String>> {
        let directory = match self.root.directory(&self.root.resolve(path)?) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&directory)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
            if names.len() > limit {
                return Err(io::Error::other(format!(
                    "it holds more than {limit} files"
                )));
            }
        }
        names.arrange();
        Ok(names)
    }

    fn put_as(&self, path: &SysPath, contents: &[u8], before: Option<Stat>) -> io::Result<()> {
        let directory = self.root.parent(path)?;
        temporary::take_away(&directory)?;
        let temporary = temporary::name(path.name())?;
        let mode = before.as_ref().map_or(0o644, |stat| stat.mode);
        let written: io::Result<()> = (|| {
            let flags =
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mode = Mode::from_raw_mode(mode);
            let mut file = File::from(openat(&directory, &temporary, flags, mode)?);
            if let Some(stat) = &before {
                let ids = (Uid::from_raw(stat.uid), Gid::from_raw(stat.gid));
                rustix::fs::fchown(&file, Some(ids.0), Some(ids.1))?;
            }
            file.write_all(contents)?;
            file.sync_all()?;
            Ok(renameat(&directory, &temporary, &directory, path.name())?)
        })();
        if written.is_err() {
            // The first error is the one to report.
            let _ = unlinkat(&directory, &temporary, AtFlags::empty());
        }
        written?;
        Ok(rustix::fs::fsync(&directory)?)
    }

    /// Makes an empty file and the directory that it lies in, unless they exist.
    pub fn touch(&self, path: &SysPath) -> io::Result<()> {
        if let Some(parent) = path.parent().filter(|parent| parent.parent().is_some()) {
            let above = self.root.parent(&parent)?;
            match mkdirat(&above, parent.name(), Mode::from_raw_mode(0o755)) {
                Ok(()) => rustix::fs::fsync(&above)?,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let directory = self.root.parent(path)?;
        // Without NONBLOCK a named pipe in its place would be waited for.
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&directory, path.name(), flags, Mode::from_raw_mode(0o644))?;
        rustix::fs::fsync(&file)?;
        Ok(rustix::fs::fsync(&directory)?)
    }

    /// Unmounts, with everything on the disk and in its place: what is only in a journal is not there for a
    /// boot loader, which replays none, and others may keep the file system mounted.
    pub fn finish(mut self) -> io::Result<()> {
        let top = SysPath::parse("/").map_err(io::Error::other)?;
        rustix::fs::syncfs(self.root.directory(&top)?)?;
        if self.lent {
            self.lent = false;
            self.reconfigure("ro")?;
        }
        Ok(())
    }
}

impl Drop for PrivateMount {
    fn drop(&mut self) {
        if self.lent {
            // Only after an error, which is the one to report.
            let _ = self.reconfigure("ro");
        }
    }
}

/// Whether somebody has it mounted: then it is marked, and no check is needed or possible.
fn is_mounted(device: &str) -> bool {
    blockdev::user(device).is_some()
}

fn is_busy(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::BUSY.raw_os_error())
}

fn format(device: &str, formats: &[&str]) -> io::Result<String> {
    let path = std::path::Path::new(device);
    let size = blockdev::geometry(path)?.size;
    let signature = probe::superblock(&mut Area {
        device: &mut File::open(path)?,
        start: 0,
        size,
    })?;
    match signature {
        Signature::Found(found) if formats.contains(&found.kind.as_str()) => Ok(found.kind),
        Signature::Found(found) => Err(io::Error::other(format!(
            "it holds {}, and only {} is looked at there",
            found.kind,
            formats.join(", ")
        ))),
        Signature::Ambivalent(kinds) => Err(io::Error::other(format!(
            "it has signatures of {} at once, so that nobody can say what it holds",
            kinds.join(" and ")
        ))),
        Signature::Blank | Signature::Unknown => Err(io::Error::other("it holds no file system")),
    }
}
