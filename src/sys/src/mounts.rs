//! Mounting the config's file systems below the sysroot, and unmounting them.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use pilotlight_core::model::{Format, SysPath};
use pilotlight_core::op::{AccessTimes, MountAttribute, MountOp, MountOptions, mount_options};
use rustix::fs::{Mode, mkdirat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, unmount,
};

use crate::root::Sysroot;
use crate::{blockdev, fat, maps};

/// Why a mount failed.
#[derive(Debug, thiserror::Error)]
#[error("while {action} {path}: {cause}")]
pub struct MountError {
    action: &'static str,
    path: SysPath,
    cause: io::Error,
}

/// Mounts below a root: mount point inside it → source.
pub fn observe(root: &Path) -> io::Result<BTreeMap<SysPath, String>> {
    let root = std::fs::canonicalize(root)?;
    let text = std::fs::read("/proc/self/mountinfo")?;
    let mut mounts = BTreeMap::new();
    for line in libmount::mountinfo::Parser::new(&text) {
        let line = line.map_err(io::Error::other)?;
        let Ok(inside) = Path::new(&line.mount_point).strip_prefix(&root) else {
            continue;
        };
        let source = source(&line);
        if let Ok(path) = SysPath::parse(&format!("/{}", inside.display())) {
            mounts.insert(path, source);
        }
    }
    Ok(mounts)
}

/// What is mounted, a device by the name by which it is known here.
fn source(line: &libmount::mountinfo::MountPoint<'_>) -> String {
    let text = line.mount_source.to_string_lossy().into_owned();
    if !text.starts_with('/') {
        return text;
    }
    // The kernel says /dev/root of what it mounted itself, which is no node.
    let by_number = || {
        let device = format!("/sys/dev/block/{}:{}", line.major, line.minor);
        let node = Path::new("/dev").join(std::fs::canonicalize(device).ok()?.file_name()?);
        node.exists().then_some(node)
    };
    let node = std::fs::canonicalize(&text).ok().or_else(by_number);
    node.map_or(text, |node| blockdev::stable_name(&node))
}

/// Performs one operation.
pub fn apply(op: &MountOp, root: &Sysroot, root_path: &Path) -> Result<(), MountError> {
    match op {
        MountOp::Mount {
            device,
            path,
            format,
            options,
        } => mount(root, device, path, *format, options).map_err(|cause| MountError {
            action: "mounting a file system at",
            path: path.clone(),
            cause,
        }),
        MountOp::MakeMountPoint { path } => {
            let made = make_directories(root, path).map(|_| ());
            made.map_err(|cause| MountError {
                action: "making the mount point",
                path: path.clone(),
                cause,
            })
        }
        MountOp::Unmount { path } => {
            unmount(root_path.join(path.relative()), UnmountFlags::NOFOLLOW)
                .map_err(io::Error::from)
                .map_err(|cause| MountError {
                    action: "unmounting",
                    path: path.clone(),
                    cause,
                })
        }
    }
}

/// The mount point may lie behind no link: what is mounted in one place must not turn up in another.
fn mount(
    root: &Sysroot,
    device: &str,
    path: &SysPath,
    format: Format,
    options: &[String],
) -> io::Result<()> {
    let target = make_directories(root, path)?;
    let map = maps::real(device);
    let device = map.as_deref().unwrap_or(device);
    if format == Format::Vfat {
        fat::check(device)?;
    }
    let context = fsopen(format.name(), FsOpenFlags::FSOPEN_CLOEXEC)?;
    let set = (|| {
        fsconfig_set_string(&context, "source", device)?;
        let options = mount_options(options);
        configure(&context, &options.of_filesystem)?;
        fsconfig_create(&context)?;
        fsmount(
            &context,
            FsMountFlags::FSMOUNT_CLOEXEC,
            attributes(&options),
        )
    })();
    let mounted = set.map_err(|error| explain(&context, error))?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(&mounted, "", &target, "", flags)?)
}

/// Tells the kernel the options of the file system.
fn configure(context: &OwnedFd, options: &[String]) -> rustix::io::Result<()> {
    options
        .iter()
        .try_for_each(|option| match option.split_once('=') {
            Some((key, value)) => fsconfig_set_string(context, key, value),
            None => fsconfig_set_flag(context, option.as_str()),
        })
}

/// Whether the kernel knows the file system, and takes its options as far as it looks at them without a
/// device: file systems that still parse all of them at the mount itself say nothing yet.
///
/// `Err` says what the kernel says.
pub fn attempt(format: Format, options: &[String]) -> Result<(), String> {
    let context = match fsopen(format.name(), FsOpenFlags::FSOPEN_CLOEXEC) {
        Ok(context) => context,
        Err(rustix::io::Errno::NODEV) => {
            return Err(format!(
                "the kernel knows no file system {}, and no module for it can be loaded: {}",
                format.name(),
                format.row().drivers.join(", ")
            ));
        }
        // Whoever may not mount anything cannot try it out either.
        Err(_) => return Ok(()),
    };
    options.iter().try_for_each(|option| {
        configure(&context, std::slice::from_ref(option)).map_err(|error| {
            format!(
                "the mount option {option:?} is refused: {}",
                explain(&context, error)
            )
        })
    })
}

/// What belongs to the mount rather than to the file system.
fn attributes(options: &MountOptions) -> MountAttrFlags {
    let flags = options.attributes.iter().map(|attribute| match attribute {
        MountAttribute::ReadOnly => MountAttrFlags::MOUNT_ATTR_RDONLY,
        MountAttribute::NoSuid => MountAttrFlags::MOUNT_ATTR_NOSUID,
        MountAttribute::NoDev => MountAttrFlags::MOUNT_ATTR_NODEV,
        MountAttribute::NoExec => MountAttrFlags::MOUNT_ATTR_NOEXEC,
        MountAttribute::NoDirectoryAccessTimes => MountAttrFlags::MOUNT_ATTR_NODIRATIME,
        MountAttribute::NoSymlinks => MountAttrFlags::MOUNT_ATTR_NOSYMFOLLOW,
    });
    let times = match options.access_times {
        Some(AccessTimes::Never) => MountAttrFlags::MOUNT_ATTR_NOATIME,
        Some(AccessTimes::Always) => MountAttrFlags::MOUNT_ATTR_STRICTATIME,
        Some(AccessTimes::Relative) | None => MountAttrFlags::MOUNT_ATTR_RELATIME,
    };
    flags.fold(times, |all, flag| all | flag)
}

/// The kernel's own words, which the file system context holds one message a read.
pub(crate) fn explain(context: &OwnedFd, error: rustix::io::Errno) -> io::Error {
    let mut words = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(n) = rustix::io::read(context, &mut buffer) {
        if n == 0 || words.len() > 8 {
            break;
        }
        words.push(String::from_utf8_lossy(&buffer[..n]).trim().to_string());
    }
    let error = io::Error::from(error);
    if words.is_empty() {
        error
    } else {
        io::Error::other(format!("{error} (the kernel says: {})", words.join("; ")))
    }
}

fn make_directories(root: &Sysroot, path: &SysPath) -> io::Result<OwnedFd> {
    for directory in path.ancestors().iter().chain([path]) {
        match root.directory(directory) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                mkdirat(
                    root.parent(directory)?,
                    directory.name(),
                    Mode::from_raw_mode(0o755),
                )?;
            }
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                return Err(io::Error::other(format!(
                    "{directory} is a symbolic link; name the path through the real directory"
                )));
            }
            Err(error) => return Err(error),
        }
    }
    root.directory(path)
}
