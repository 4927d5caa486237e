//! Devices that bring files to a machine: a config drive, a CD-ROM, a stick. They are only read.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use pilotlight_core::facts::disks::Signature;
use pilotlight_core::model::SysPath;
use pilotlight_core::ordered::Arrange as _;
use rustix::io::Errno;

use crate::private_mount::PrivateMount;
use crate::probe::{self, Area};

/// Which device is the right one.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// One whose file system has one of these labels.
    Label(&'a [&'a str]),
    /// A CD-ROM.
    Optical,
    /// The one at this path.
    Path(&'a str),
}

/// Files that are wanted of a device.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The device.
    pub which: Which<'a>,
    /// Formats that are mounted.
    pub formats: &'a [&'a str],
    /// A file without which it is not the right one.
    pub mark: Option<&'a str>,
    /// The files.
    pub files: &'a [&'a str],
    /// Largest size of a file, in bytes.
    pub limit: u64,
}

/// A device and the files that were wanted of it; absent ones are `None`.
pub type Found = (String, Vec<Option<Vec<u8>>>);

/// Looks once at all devices that are there, and reads the files of the first one that is the right one.
///
/// Errors: the right device is there, and cannot be read.
pub fn look(wanted: &Wanted<'_>) -> io::Result<Option<Found>> {
    let candidates = match wanted.which {
        Which::Path(path) => vec![PathBuf::from(path)]
            .into_iter()
            .filter(|path| path.exists())
            .collect(),
        Which::Label(_) => devices(|_| true)?,
        Which::Optical => devices(|name| name.starts_with("sr"))?,
    };
    for path in candidates {
        let device = path.display().to_string();
        let explain =
            |error: io::Error| io::Error::other(format!("while reading {device}: {error}"));
        match is_right(&path, wanted) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(error) if matches!(wanted.which, Which::Path(_)) && !is_gone(&error) => {
                return Err(explain(error));
            }
            // A device that cannot be read, such as a drive without a disc, is not the right one.
            Err(_) => continue,
        }
        let mount = match PrivateMount::read_only_of(&device, wanted.formats) {
            Ok(mount) => mount,
            // Its table is being read again: it comes back.
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(explain(error)),
        };
        if let Some(mark) = wanted.mark
            && read(&mount, mark, wanted.limit).map_err(explain)?.is_none()
        {
            continue;
        }
        let files = wanted
            .files
            .iter()
            .map(|file| read(&mount, file, wanted.limit));
        let files = files.collect::<io::Result<_>>().map_err(explain)?;
        return Ok(Some((device, files)));
    }
    Ok(None)
}

/// Whether a device that was there is not any more.
fn is_gone(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(number, Some(Errno::NOENT | Errno::NXIO))
}

/// Block devices whose kernel name is wanted, by name.
fn devices(wanted: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut list = Vec::new();
    for entry in std::fs::read_dir("/sys/class/block")? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        // Loop devices and drives without anything in them.
        let size = std::fs::read_to_string(entry.path().join("size")).unwrap_or_default();
        if wanted(&name) && size.trim() != "0" {
            // Directories below /dev are exclamation marks in the kernel's names.
            list.push(Path::new("/dev").join(name.replace('!', "/")));
        }
    }
    list.arrange();
    Ok(list)
}

/// Whether format and label are as wanted. Without waiting for a drive, and without closing its tray.
fn is_right(path: &Path, wanted: &Wanted<'_>) -> io::Result<bool> {
    let mut device = open(path)?;
    if let Which::Path(_) = wanted.which {
        // It was named: what is wrong with it is said when it is mounted.
        return Ok(true);
    }
    if matches!(wanted.which, Which::Optical) && !has_disc(&device)? {
        return Ok(false);
    }
    let size = io::Seek::seek(&mut device, io::SeekFrom::End(0))?;
    let area = &mut Area {
        device: &mut device,
        start: 0,
        size,
    };
    let Signature::Found(found) = probe::superblock(area)? else {
        return Ok(false);
    };
    let known = wanted.formats.contains(&found.kind.as_str());
    Ok(match wanted.which {
        Which::Label(labels) => known && labels.contains(&found.label.as_str()),
        Which::Optical | Which::Path(_) => known,
    })
}

fn open(path: &Path) -> io::Result<File> {
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits();
    let flags = i32::try_from(nonblock).map_err(io::Error::other)?;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.file_type().is_block_device() {
        return Err(io::Error::other("it is no block device"));
    }
    Ok(file)
}

/// Whether a drive has a readable disc (Linux include/uapi/linux/cdrom.h).
fn has_disc(drive: &File) -> io::Result<bool> {
    mod raw {
        nix::ioctl_write_int_bad!(cdrom_drive_status, 0x5326);
    }
    const CURRENT_SLOT: i32 = i32::MAX;
    const DISC_OK: i32 = 4;
    #[allow(unsafe_code)]
    // SAFETY: the descriptor is open, and the request takes a number, no address.
    let status = unsafe { raw::cdrom_drive_status(drive.as_raw_fd(), CURRENT_SLOT) }?;
    Ok(status == DISC_OK)
}

/// Reads a file by its name, or by that in lower case, as ISO 9660 without extensions shows it.
fn read(mount: &PrivateMount, file: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let at = |name: &str| {
        let path = SysPath::parse(&format!("/{}", name.trim_start_matches('/')));
        mount.read(&path.map_err(io::Error::other)?, limit)
    };
    let explain = |error: io::Error| io::Error::other(format!("{file}: {error}"));
    match at(file).map_err(explain)? {
        None if file.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            at(&file.to_ascii_lowercase()).map_err(explain)
        }
        found => Ok(found),
    }
}

/// The bytes of a device without file system, up to the NULs at its end; `None` if there is no such device. At
/// most `limit` bytes are read.
pub fn raw(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let device = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut bytes = Vec::new();
    device.take(limit).read_to_end(&mut bytes)?;
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at + 1);
    bytes.truncate(end);
    Ok(Some(bytes))
}
