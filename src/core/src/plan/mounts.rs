//! Mounts below the sysroot for the files stage, outermost first.

use crate::diag::Report;
use crate::facts::Facts;
use crate::model::{Filesystem, Format, SysPath};
use crate::op::MountOp;
use crate::plan::disks::find;
use crate::plan::filesystems::kept_as;
use crate::plan::{Plan, Planned};

/// What is mounted: file systems with a path, sorted by depth.
fn mounted(filesystems: &[Filesystem]) -> Vec<(&Filesystem, Format, &SysPath)> {
    let mut list: Vec<_> = filesystems
        .iter()
        .filter_map(|filesystem| match (filesystem.format, &filesystem.path) {
            (None | Some(Format::Swap | Format::None), _) | (_, None) => None,
            (Some(format), Some(path)) => Some((filesystem, format, path)),
        })
        .collect();
    list.sort_by_key(|(_, _, path)| path.depth());
    list
}

/// Plans the mounts that are not there yet.
pub fn plan(filesystems: &[Filesystem], facts: &Facts) -> Planned {
    let mut plan = Plan::default();
    let mut report = Report::default();
    for (filesystem, format, path) in mounted(filesystems) {
        if facts.disks.mounts.contains_key(path) {
            continue;
        }
        match find(filesystem.device.as_str(), filesystem.at, facts) {
            Ok((node, block)) => plan.push(
                MountOp::Mount {
                    device: node,
                    path: path.clone(),
                    format: kept_as(filesystem, format, block).unwrap_or(format),
                    options: filesystem.mount_options.clone(),
                },
                "files of the config may lie on it",
                filesystem.at,
            ),
            Err(diagnostic) => report.push(diagnostic),
        }
    }
    if report.has_errors() {
        Err(report)
    } else {
        Ok(plan)
    }
}

/// Plans to undo the mounts, innermost first.
pub fn unmount(filesystems: &[Filesystem], facts: &Facts) -> Planned {
    let mut plan = Plan::default();
    for (filesystem, _, path) in mounted(filesystems).into_iter().rev() {
        if facts.disks.mounts.contains_key(path) {
            let op = MountOp::Unmount { path: path.clone() };
            plan.push(
                op,
                "provisioning is done; the node mounts what it needs",
                filesystem.at,
            );
        }
    }
    Ok(plan)
}
