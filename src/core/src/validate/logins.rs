//! Whether anybody will be able to log in.

use super::check::Check;
use super::ssh_key;
use crate::diag::Diagnostic;
use crate::model::{Config, User};

impl Check<'_> {
    pub(super) fn logins(&mut self, config: &Config) {
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
        let person = users
            .iter()
            .find(|user| !user.system && user.name != "root" && !bars(user.shell.as_deref()));
        let Some(person) = person else { return };
        if users.iter().any(|user| can_prove_itself(user)) {
            return;
        }
        self.report.push(
            Diagnostic::hint(
                person.at,
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
