//! Mounts below the sysroot while it is being provisioned.

use std::fmt;

use serde::Serialize;

use crate::facts::Facts;
use crate::model::{Format, SysPath};

/// A change of what is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum MountOp {
    /// Mount a file system; missing directories of the mount point are made with mode 0755.
    Mount {
        /// Node.
        device: String,
        /// Mount point below the sysroot.
        path: SysPath,
        /// File system.
        format: Format,
        /// Mount options.
        options: Vec<String>,
    },
    /// Make the missing directories of a mount point with mode 0755, where something is to be done to them
    /// before they are mounted over.
    MakeMountPoint {
        /// Mount point below the sysroot.
        path: SysPath,
    },
    /// Unmount it.
    Unmount {
        /// Mount point below the sysroot.
        path: SysPath,
    },
}

impl MountOp {
    /// Turns the facts into what they will be after the operation.
    pub fn predict(&self, facts: &mut Facts) {
        match self {
            MountOp::Mount { device, path, .. } => {
                facts.disks.mounts.insert(path.clone(), device.clone());
                facts.disks.mounted.insert(path.clone());
            }
            MountOp::MakeMountPoint { .. } => {}
            MountOp::Unmount { path } => {
                facts.disks.mounts.remove(path);
                facts.disks.mounted.remove(path);
            }
        }
    }
}

impl fmt::Display for MountOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MountOp::Mount {
                device,
                path,
                format,
                options,
            } => {
                write!(f, "mount {device} ({}) at {path}", format.name())?;
                if !options.is_empty() {
                    write!(f, " with {}", options.join(","))?;
                }
                Ok(())
            }
            MountOp::MakeMountPoint { path } => write!(f, "make mount point {path}"),
            MountOp::Unmount { path } => write!(f, "unmount {path}"),
        }
    }
}
