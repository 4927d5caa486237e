//! Mounts below the sysroot for the files stage, outermost first.
//!
//! What is there already is left to whoever mounted it; only what a run of ours has mounted is unmounted.

use crate::diag::{Diagnostic, Report};
use crate::facts::Facts;
use crate::model::{Config, SysPath};
use crate::op::MountOp;
use crate::plan::devices::find;
use crate::plan::filesystems::kept_as;
use crate::plan::mounted::{mounted, of_root};
use crate::plan::{Plan, Planned, selinux};

/// Plans the mounts that are not there yet.
pub fn plan(config: &Config, facts: &Facts) -> Planned {
    selinux::check(facts)?;
    let mut plan = Plan::default();
    let mut report = Report::default();
    plan.notes.items.extend(other_root(config, facts));
    for mounted in mounted(config) {
        // A share is no device: only the kernel knows whether there is one of that tag.
        let found = match mounted.filesystem {
            None => Ok((mounted.source.to_string(), mounted.format)),
            Some(filesystem) => find(mounted.source, mounted.at, facts).map(|(node, block)| {
                let kept = kept_as(filesystem, mounted.format, block);
                (node, kept.unwrap_or(mounted.format))
            }),
        };
        match found {
            // Another device there is covered: the files of the config belong on this one.
            Ok((device, _)) if facts.disks.mounts.get(mounted.path) == Some(&device) => {}
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

/// The path `/` names the root's own file system, which the kernel command line chooses. What a person should know
/// where it has chosen another one.
fn other_root(config: &Config, facts: &Facts) -> Option<Diagnostic> {
    let named = of_root(config)?;
    let mounted = facts.disks.mounts.get(&SysPath::root())?;
    let (node, _) = find(named.source, named.at, facts).ok()?;
    (node != *mounted).then(|| {
        Diagnostic::warning(
            named.at,
            format!(
                "the root is mounted from {mounted}, not from {}: files go there",
                named.source
            ),
        )
        .help("name the same device by root= on the kernel command line")
    })
}

/// Plans to undo the mounts that a run has made, innermost first.
pub fn unmount(config: &Config, facts: &Facts) -> Planned {
    let mut plan = Plan::default();
    for mounted in mounted(config).into_iter().rev() {
        let disks = &facts.disks;
        if disks.mounts.contains_key(mounted.path) && disks.mounted.contains(mounted.path) {
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
