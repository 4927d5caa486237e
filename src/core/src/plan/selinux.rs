//! Labels for what the stages write, where the root has an SELinux policy (ignition's relabelling).
//!
//! The list follows from what the config names and not from what this run changed: a run after a power cut
//! finds everything in place and must label it all the same. So this plan is never empty where there is a
//! policy; labelling twice changes nothing.

use std::collections::BTreeSet;

use crate::diag::{Diagnostic, Report};
use crate::facts::Facts;
use crate::facts::selinux::{PROGRAM, Selinux};
use crate::model::{Config, SysPath};
use crate::op::RelabelOp;
use crate::ordered::Gather as _;
use crate::plan::want::{self, Want};
use crate::plan::{Plan, Planned, crypttab, mounted, units};

/// What changing accounts writes in /etc, besides the databases the agent knows: the tools' copies and locks.
const ACCOUNTS: &[&str] = &["passwd", "group", "shadow", "gshadow", "subuid", "subgid"];
/// The result of the run, the journal of an interrupted one, and the lock of the account tools (lckpwdf(3)).
const OTHERS: &[&str] = &[
    "/etc/.ignition-result.json",
    "/etc/.pwd.lock",
    "/etc/.pilotlight-journal.jsonl",
    "/.pilotlight-journal.jsonl",
];

/// Directories of every system: a user whose home is one of them does not have all of it labelled.
const SHARED: &[&str] = &[
    "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "media", "mnt", "opt", "proc",
    "run", "sbin", "srv", "sys", "sysroot", "tmp", "usr", "var",
];

/// An error if what will be written could not be labelled: to be asked before anything is touched.
pub fn check(facts: &Facts) -> Result<(), Report> {
    let Selinux::Policy {
        name,
        program: false,
        ..
    } = &facts.selinux
    else {
        return Ok(());
    };
    let mut report = Report::default();
    report.push(
        Diagnostic::error(
            None,
            format!(
                "the root has the SELinux policy {name:?}, but the program {PROGRAM:?} that gives files its labels is missing"
            ),
        )
        .help(format!(
            "add {PROGRAM} (package policycoreutils) to the initramfs, or set SELINUX=disabled in the root's /etc/selinux/config"
        )),
    );
    Err(report)
}

/// Plans the labels of all that the files stage writes. `extra` are wants that are not the config's files.
pub fn plan(config: &Config, extra: &[Want], facts: &Facts) -> Planned {
    check(facts)?;
    let mut plan = Plan::default();
    let Selinux::Policy { name, contexts, .. } = &facts.selinux else {
        return Ok(plan);
    };
    let mut paths: BTreeSet<SysPath> = want::of_config(config, &want::unread)
        .into_iter()
        .chain(extra.iter().cloned())
        .map(|want| want.path)
        .gather();
    paths.extend(units::paths(&config.units));
    if !config.users.is_empty() || !config.groups.is_empty() {
        let names = ACCOUNTS
            .iter()
            .flat_map(|name| [format!("/etc/{name}"), format!("/etc/{name}-")]);
        // useradd may make an empty mailbox.
        let boxes = (config.users.iter()).flat_map(|user| {
            ["mail", "spool/mail"].map(|place| format!("/var/{place}/{}", user.name))
        });
        paths.extend(
            names
                .chain(boxes)
                .filter_map(|path| SysPath::parse(&path).ok()),
        );
    }
    if !config.luks.is_empty() {
        // A key that an earlier run wrote is wanted no more, because nobody has it but the root.
        let keys = (config.luks.iter()).map(|luks| format!("{}/{}", crypttab::KEYS, luks.name));
        let tables = [crypttab::KEYS, crypttab::PATH, crypttab::UNFINISHED].map(Into::into);
        paths.extend(
            keys.chain(tables)
                .filter_map(|path| SysPath::parse(&path).ok()),
        );
    }
    paths.extend(OTHERS.iter().filter_map(|path| SysPath::parse(path).ok()));
    let trees: BTreeSet<SysPath> = config
        .users
        .iter()
        .filter(|user| user.should_exist && !user.no_create_home)
        .filter_map(|user| SysPath::parse(&facts.accounts.user(&user.name)?.home).ok())
        .filter(|home| {
            let shared = home.depth() == 1 && SHARED.contains(&home.name());
            home.depth() > 0 && !shared
        })
        .gather();
    // The mount stage has labelled what it mounted, unless it failed between the two.
    let mut directories = above(paths.iter().chain(&trees));
    directories.extend(mounted::points(config).cloned());
    let op = RelabelOp {
        policy: name.clone(),
        contexts: contexts.clone(),
        paths: paths.into_iter().collect(),
        directories,
        trees: trees.into_iter().collect(),
    };
    plan.push(
        op,
        "the root has this policy, and what was written has no labels of it",
        None,
    );
    Ok(plan)
}

/// The directories above paths, outermost first.
fn above<'a>(paths: impl Iterator<Item = &'a SysPath>) -> Vec<SysPath> {
    let list: BTreeSet<SysPath> = paths.flat_map(SysPath::ancestors).gather();
    list.into_iter().collect()
}

/// Labels a mount point: its directory before something is mounted there, or the root of what is.
pub(super) fn mount_point(path: &SysPath, facts: &Facts) -> Option<RelabelOp> {
    let Selinux::Policy { name, contexts, .. } = &facts.selinux else {
        return None;
    };
    let mut directories = path.ancestors();
    directories.push(path.clone());
    Some(RelabelOp {
        policy: name.clone(),
        contexts: contexts.clone(),
        paths: Vec::new(),
        directories,
        trees: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::accounts::{Accounts, Texts};
    use crate::model::{Filesystem, Format, User};

    fn path(text: &str) -> SysPath {
        SysPath::parse(text).unwrap()
    }

    fn with_policy(program: bool) -> Facts {
        let passwd = "core:x:1000:1000::/var/home/core:/bin/sh\nweb:x:999:999::/:/bin/sh\n\
                      ftp:x:998:998::/srv:/bin/sh\nodd:x:997:997::odd/../home:/bin/sh\n";
        Facts {
            selinux: Selinux::Policy {
                name: "mcs".into(),
                contexts: path("/usr/lib/selinux/mcs/contexts/files/file_contexts"),
                program,
            },
            accounts: Accounts::parse(&Texts {
                passwd: Some(passwd.as_bytes()),
                group: None,
                shadow: None,
                gshadow: None,
                login_defs: None,
                useradd: None,
                ..Texts::default()
            }),
            ..Facts::default()
        }
    }

    fn user(name: &str) -> User {
        User {
            name: name.into(),
            should_exist: true,
            at: None,
            gecos: None,
            groups: Vec::new(),
            home_dir: None,
            no_create_home: false,
            no_log_init: false,
            no_user_group: false,
            password_hash: None,
            primary_group: None,
            shell: None,
            ssh_authorized_keys: Vec::new(),
            system: false,
            uid: None,
        }
    }

    fn filesystem(point: &str) -> Filesystem {
        Filesystem {
            at: None,
            device: path("/dev/vdb"),
            format: Some(Format::Ext4),
            path: Some(path(point)),
            label: None,
            uuid: None,
            options: Vec::new(),
            mount_options: Vec::new(),
            wipe_filesystem: false,
        }
    }

    fn op(config: &Config) -> RelabelOp {
        let planned = plan(config, &[], &with_policy(true)).unwrap();
        match planned.steps.as_slice() {
            [step] => match &step.op {
                crate::op::Op::Relabel(op) => op.clone(),
                other => panic!("{other}"),
            },
            other => panic!("{other:?}"),
        }
    }

    fn has(list: &[SysPath], text: &str) -> bool {
        list.contains(&path(text))
    }

    #[test]
    fn without_a_policy_nothing_is_planned() {
        let config = Config {
            users: vec![user("core")],
            ..Config::default()
        };
        for selinux in [Selinux::None, Selinux::Unusable("odd".into())] {
            let facts = Facts {
                selinux,
                ..Facts::default()
            };
            assert!(plan(&config, &[], &facts).unwrap().is_empty());
            assert!(check(&facts).is_ok());
        }
    }

    #[test]
    fn without_the_program_there_is_no_plan() {
        let report = plan(&Config::default(), &[], &with_policy(false)).unwrap_err();
        let text = report.render(&crate::diag::Sources::default());
        assert!(
            text.contains("\"mcs\"") && text.contains("\"setfiles\""),
            "{text}"
        );
        assert!(crate::plan::mounts::plan(&Config::default(), &with_policy(false)).is_err());
    }

    #[test]
    fn a_config_without_accounts_leaves_their_databases_alone() {
        let op = op(&Config::default());
        assert!(has(&op.paths, "/etc/.ignition-result.json"));
        assert!(!has(&op.paths, "/etc/passwd") && op.trees.is_empty());
        let preset = ["/etc", "/etc/systemd", "/etc/systemd/system-preset"];
        assert_eq!(op.directories, preset.map(path));
    }

    #[test]
    fn homes_are_labelled_whole_unless_they_are_everybodys() {
        let op = op(&Config {
            users: ["core", "web", "ftp", "odd", "unknown"].map(user).into(),
            filesystems: vec![filesystem("/var"), filesystem("/data")],
            ..Config::default()
        });
        assert_eq!(op.trees, [path("/var/home/core")]);
        for file in [
            "/etc/passwd",
            "/etc/shadow-",
            "/etc/subgid",
            "/var/mail/core",
        ] {
            assert!(has(&op.paths, file), "{file}");
        }
        for directory in ["/var", "/var/home", "/var/spool", "/data"] {
            assert!(has(&op.directories, directory), "{directory}");
        }
    }

    #[test]
    fn a_mount_point_is_labelled_before_and_after() {
        let op = mount_point(&path("/var/lib"), &with_policy(true)).unwrap();
        assert_eq!(op.directories, [path("/var"), path("/var/lib")]);
        assert_eq!(
            op.to_string(),
            "label for SELinux, by the policy mcs, 2 directories that may be new"
        );
        assert!(mount_point(&path("/var"), &Facts::default()).is_none());
    }
}
