//! Mounts below the sysroot for the files stage, outermost first.

use crate::diag::Report;
use crate::facts::Facts;
use crate::model::Config;
use crate::op::MountOp;
use crate::plan::devices::find;
use crate::plan::filesystems::kept_as;
use crate::plan::mounted::mounted;
use crate::plan::{Plan, Planned, selinux};

/// Plans the mounts that are not there yet.
pub fn plan(config: &Config, facts: &Facts) -> Planned {
    selinux::check(facts)?;
    let mut plan = Plan::default();
    let mut report = Report::default();
    for mounted in mounted(config) {
        if facts.disks.mounts.contains_key(mounted.path) {
            continue;
        }
        // A share is no device: only the kernel knows whether there is one of that tag.
        let found = match mounted.filesystem {
            None => Ok((mounted.source.to_string(), mounted.format)),
            Some(filesystem) => find(mounted.source, mounted.at, facts).map(|(node, block)| {
                let kept = kept_as(filesystem, mounted.format, block);
                (node, kept.unwrap_or(mounted.format))
            }),
        };
        match found {
            Ok((device, format)) => {
                let path = mounted.path.clone();
                let label = selinux::mount_point(&path, facts);
                if let Some(label) = &label {
                    let make = MountOp::MakeMountPoint { path: path.clone() };
                    let why = "it has to be labelled before it is mounted over";
                    plan.push(make, why, mounted.at);
                    let why = "the root has this SELinux policy";
                    plan.push(label.clone(), why, mounted.at);
                }
                let mount = MountOp::Mount {
                    device,
                    path,
                    format,
                    options: mounted.options.to_vec(),
                };
                plan.push(mount, "files of the config may lie on it", mounted.at);
                if let Some(label) = label {
                    let why = "a new file system has a root directory without a label";
                    plan.push(label, why, mounted.at);
                }
            }
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
pub fn unmount(config: &Config, facts: &Facts) -> Planned {
    let mut plan = Plan::default();
    for mounted in mounted(config).into_iter().rev() {
        if facts.disks.mounts.contains_key(mounted.path) {
            let path = mounted.path.clone();
            plan.push(
                MountOp::Unmount { path },
                "provisioning is done; the node mounts what it needs",
                mounted.at,
            );
        }
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Share, SysPath};

    #[test]
    fn a_share_needs_no_device_and_is_unmounted_again() {
        let config = Config {
            shares: vec![Share {
                at: None,
                tag: "home of the host".into(),
                path: SysPath::parse("/home").ok(),
                mount_options: vec!["ro".into()],
            }],
            ..Config::default()
        };
        let facts = Facts::default();
        let planned = plan(&config, &facts).unwrap();
        assert_eq!(
            planned.steps[0].line(),
            "  mount home of the host (virtiofs) at /home with ro"
        );
        let facts = planned.predict(facts);
        assert!(plan(&config, &facts).unwrap().is_empty());
        let undone = unmount(&config, &facts).unwrap();
        assert_eq!(undone.steps[0].line(), "  unmount /home");
    }
}
