//! Looking at what an image is to be written to.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pilotlight_core::facts::disks::Disks;
use pilotlight_core::model::SysPath;
use pilotlight_sys::disks::{self, DiskError, Request};
use pilotlight_sys::{DeviceMap, blockdev, holders};

use crate::target::{Candidate, Kind, Target};

/// Why it could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// Nothing is there.
    #[error("{named}: {said}")]
    Missing {
        /// As it was named.
        named: String,
        /// What is there instead.
        said: String,
    },
    /// It could not be read.
    #[error("while looking at {named}: {cause}")]
    Io {
        /// As it was named.
        named: String,
        /// The reason.
        cause: io::Error,
    },
    /// The same of a disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// How long a disk may take to appear that was just plugged in.
const WAIT: Duration = Duration::from_secs(3);

/// Looks at a disk, or at a file that stands for one.
pub fn target(named: &Path) -> Result<Target, SurveyError> {
    let shown = named.display().to_string();
    let io = |cause| SurveyError::Io {
        named: shown.clone(),
        cause,
    };
    let found =
        fs::canonicalize(named).and_then(|real| Ok((fs::metadata(&real)?.file_type(), real)));
    let (kind, real) = match found {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return match named.starts_with("/dev") {
                true => appearing(named, &shown),
                false => new_file(named, &shown),
            };
        }
        Err(error) => return Err(io(error)),
    };
    if kind.is_block_device() {
        return disk(&real, &shown);
    }
    if !kind.is_file() {
        let what = io::Error::other("it is neither a disk nor a file");
        return Err(io(what));
    }
    let node = real.to_string_lossy().into_owned();
    let images = DeviceMap::from([(node.clone(), real.clone())]);
    let path = SysPath::parse(&node).map_err(|error| io(io::Error::other(error)))?;
    let disks = disks::observe(Request {
        required: &[&path],
        optional: &[],
        images: &images,
        wait: Duration::ZERO,
    })?;
    Ok(Target {
        named: shown,
        node,
        kind: Kind::File,
        disks,
        holders: Vec::new(),
        all_known: true,
        write_protected: fs::metadata(&real).is_ok_and(|file| file.permissions().readonly()),
    })
}

/// A disk that is not there yet, or not any more.
fn appearing(named: &Path, shown: &str) -> Result<Target, SurveyError> {
    let path = SysPath::parse(shown).map_err(|error| SurveyError::Missing {
        named: shown.into(),
        said: error.to_string(),
    })?;
    let node =
        (observed(&path, shown)?.resolve(shown)).unwrap_or_else(|| named.display().to_string());
    disk(Path::new(&node), shown)
}

/// What is seen of a device, once it is there.
fn observed(path: &SysPath, shown: &str) -> Result<Disks, SurveyError> {
    let mut seen = disks::observe(Request {
        required: &[path],
        optional: &[],
        images: &DeviceMap::new(),
        wait: WAIT,
    })?;
    match seen.missing.remove(path.as_str()) {
        Some(said) => Err(SurveyError::Missing {
            named: shown.into(),
            said,
        }),
        None => Ok(seen),
    }
}

fn new_file(named: &Path, shown: &str) -> Result<Target, SurveyError> {
    let name = named.file_name();
    let parent = named.parent().filter(|parent| *parent != Path::new(""));
    let directory = fs::canonicalize(parent.unwrap_or(Path::new(".")));
    let path = (|| Ok(directory?.join(name.ok_or(io::ErrorKind::InvalidInput)?)))();
    let path: PathBuf = path.map_err(|cause| SurveyError::Io {
        named: shown.into(),
        cause,
    })?;
    Ok(Target {
        named: shown.into(),
        node: path.to_string_lossy().into_owned(),
        kind: Kind::File,
        disks: Disks::default(),
        holders: Vec::new(),
        all_known: true,
        write_protected: false,
    })
}

fn disk(real: &Path, shown: &str) -> Result<Target, SurveyError> {
    let node = blockdev::stable_name(real);
    let kind = match blockdev::is_disk(&real.to_string_lossy()) {
        true => Kind::Disk,
        false => Kind::Partition(disk_of(real)),
    };
    let path = SysPath::parse(&node).map_err(|error| SurveyError::Io {
        named: shown.into(),
        cause: io::Error::other(error),
    })?;
    let seen = observed(&path, shown)?;
    Ok(Target {
        named: shown.into(),
        write_protected: blockdev::is_write_protected(&node),
        holders: holders::above(&node),
        all_known: (seen.blocks.keys()).all(|node| blockdev::is_block_device(Path::new(node))),
        node,
        kind,
        disks: seen,
    })
}

/// The disk that a partition is of.
fn disk_of(partition: &Path) -> String {
    let name = partition.file_name().unwrap_or_default();
    let directory = fs::canonicalize(Path::new("/sys/class/block").join(name));
    let disk = directory.ok().and_then(|directory| {
        let name = directory
            .parent()?
            .file_name()?
            .to_string_lossy()
            .replace('!', "/");
        Some(format!("/dev/{name}"))
    });
    disk.unwrap_or_else(|| "a disk".into())
}

/// All drives of the machine, for the choice of the smallest.
pub fn candidates() -> Vec<Candidate> {
    let candidate = |node: String| {
        let device = fs::metadata(&node).ok()?;
        let seen = target(Path::new(&node));
        let (size, busy) = match seen {
            Ok(target) => {
                let size = target.block().map_or(0, |block| block.size);
                let why = target.refusals(false).into_iter().next();
                (size, why.map(|why| why.to_string()))
            }
            Err(error) => (u64::MAX, Some(error.to_string())),
        };
        Some(Candidate {
            major: rustix::fs::major(device.rdev()),
            node,
            size,
            busy,
        })
    };
    blockdev::drives()
        .into_iter()
        .filter_map(candidate)
        .collect()
}
