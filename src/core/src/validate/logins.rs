//! Whether anybody will be able to log in.

use super::check::Check;
use super::ssh_key;
use crate::diag::{Diagnostic, Span};
use crate::model::{Config, User};
use crate::spec::v3;

impl Check<'_> {
    pub(super) fn logins(&mut self, wire: &v3::Config, config: &Config) {
        let users: Vec<&User> = config
            .users
            .iter()
            .filter(|user| user.should_exist)
            .collect();
        // What stands there may rule logins in ways that are not known here: keys from elsewhere,
        // users who transfer files only.
        let by_files = config.files.iter().any(|file| {
            let path = file.inode.path.as_str();
            path.starts_with("/etc/ssh/") || path.contains("/.ssh/")
        });
        if by_files {
            return;
        }
        self.keys_without_shell(&users);
        if users.iter().any(|user| can_prove_itself(user)) {
            return;
        }
        // Users that services run as are not meant to log in; a config without any user is a part of one
        // unless it says which node this is.
        let person = match config.users.is_empty() {
            true => is_whole_node(config).then(|| {
                let version = wire.ignition.version.as_ref().and_then(|at| at.span);
                version.or_else(|| {
                    wire.at.map(|at| Span {
                        end: at.start.saturating_add(1),
                        ..at
                    })
                })
            }),
            false => users
                .iter()
                .find(|user| is_person(user))
                .map(|user| user.at),
        };
        let Some(at) = person else { return };
        if config.users.is_empty() {
            self.report.push(
                Diagnostic::hint(
                    at,
                    "the config has no user with an SSH key or a password: nobody can log in, unless the platform brings keys",
                )
                .help("give the user core an SSH key"),
            );
            return;
        }
        self.report.push(
            Diagnostic::hint(
                at,
                "no user of this config has an SSH key or a password: nobody can log in, unless the platform brings keys",
            )
            .help("give this user an SSH key"),
        );
    }

    fn keys_without_shell(&mut self, users: &[&User]) {
        for user in users.iter().filter(|user| bars(user.shell.as_deref())) {
            let mut keys = user.ssh_authorized_keys.iter();
            // A key with options may be one for forwarding only.
            if user.ssh_authorized_keys.is_empty() || keys.any(|key| ssh_key::has_options(key)) {
                continue;
            }
            let shell = user.shell.as_deref().unwrap_or_default();
            self.report.push(
                Diagnostic::warning(
                    user.at,
                    format!(
                        "{} has SSH keys, but the shell {shell} ends every login at once",
                        user.name
                    ),
                )
                .help("set another shell, such as /bin/bash, or remove the keys"),
            );
        }
    }
}

/// Whether somebody is meant to log in as the user.
fn is_person(user: &User) -> bool {
    let is_locked = user
        .password_hash
        .as_deref()
        .is_some_and(|hash| hash.starts_with(['*', '!']));
    !(user.system
        || user.no_create_home
        || is_locked
        || user.name == "root"
        || bars(user.shell.as_deref()))
}

/// Whether the config seems to be all that a node gets: its name or its disks, files and units.
fn is_whole_node(config: &Config) -> bool {
    let mut files = config.files.iter();
    let is_named = files.any(|file| file.inode.path.as_str() == "/etc/hostname");
    let has_disks = !(config.disks.is_empty() && config.luks.is_empty());
    (is_named || has_disks) && !config.files.is_empty() && !config.units.is_empty()
}

/// Whether a shell only says that there are no logins.
fn bars(shell: Option<&str>) -> bool {
    let name = shell.and_then(|shell| shell.rsplit('/').next());
    matches!(name, Some("nologin" | "false"))
}

fn can_prove_itself(user: &User) -> bool {
    let password = user.password_hash.as_deref().unwrap_or_default();
    !user.ssh_authorized_keys.is_empty()
        || !(password.is_empty() || password.starts_with(['*', '!']))
}
