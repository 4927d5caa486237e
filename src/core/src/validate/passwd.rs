//! Groups and users. Names are stricter than Ignition's: they end up in files whose fields are
//! separated by ':' and on the command lines of useradd and groupadd.

use super::check::{Check, Seen, flag, text};
use crate::diag::{Diagnostic, Span};
use crate::model::{Gid, Group, Uid, User, account_number};
use crate::spec::At;
use crate::spec::v3;

/// Longest name that useradd takes (LOGIN_NAME_MAX of shadow).
const NAME_MAX: usize = 32;

impl Check<'_> {
    pub(super) fn groups(&mut self, list: &[v3::Group]) -> Vec<Group> {
        let mut seen = Seen::default();
        let mut parsed = Vec::new();
        for wire in list {
            let name = self.account_name(&wire.name, wire.at, "the group", &mut seen);
            let gid = self.account_id(&wire.gid).map(Gid);
            self.field(&wire.password_hash, "the password hash");
            if let Some(name) = name {
                parsed.push(Group {
                    at: wire.name.as_ref().and_then(|at| at.span).or(wire.at),
                    name,
                    gid,
                    password_hash: wire.password_hash.as_ref().map(|at| at.value.clone()),
                    should_exist: flag(&wire.should_exist, true),
                    system: flag(&wire.system, false),
                });
            }
        }
        parsed
    }

    pub(super) fn users(&mut self, list: &[v3::User]) -> Vec<User> {
        let mut seen = Seen::default();
        let mut parsed = Vec::new();
        for wire in list {
            let name = self.account_name(&wire.name, wire.at, "the user", &mut seen);
            let uid = self.account_id(&wire.uid).map(Uid);
            let home_dir = self.optional_path(&wire.home_dir);
            for (value, what) in [
                (&wire.gecos, "the full name"),
                (&wire.home_dir, "the home directory"),
                (&wire.shell, "the shell"),
                (&wire.primary_group, "the primary group"),
                (&wire.password_hash, "the password hash"),
            ] {
                self.field(value, what);
            }
            for group in &wire.groups {
                if group.value.contains([':', ',', '\n', '\0']) || group.value.starts_with('-') {
                    self.report.error(
                        group.span,
                        format!("{:?} cannot be the name of a group", group.value),
                    );
                }
            }
            let groups = self.unique_strings(&wire.groups, "the group");
            let keys = self.ssh_keys(&wire.ssh_authorized_keys);
            if let Some(name) = name {
                parsed.push(User {
                    at: wire.name.as_ref().and_then(|at| at.span).or(wire.at),
                    name,
                    gecos: text(&wire.gecos),
                    groups,
                    home_dir,
                    no_create_home: flag(&wire.no_create_home, false),
                    no_log_init: flag(&wire.no_log_init, false),
                    no_user_group: flag(&wire.no_user_group, false),
                    password_hash: wire.password_hash.as_ref().map(|at| at.value.clone()),
                    primary_group: text(&wire.primary_group),
                    shell: text(&wire.shell),
                    should_exist: flag(&wire.should_exist, true),
                    ssh_authorized_keys: keys,
                    system: flag(&wire.system, false),
                    uid,
                });
            }
        }
        parsed
    }

    fn account_name(
        &mut self,
        wire: &Option<At<String>>,
        at: Option<Span>,
        what: &str,
        seen: &mut Seen,
    ) -> Option<String> {
        let found = self.required(wire, at, &format!("the name of {what}"))?;
        self.unique(seen, &found.value, found.span, what);
        let name = found.value.as_str();
        let why = if name.len() > NAME_MAX {
            Some(format!("it is longer than {NAME_MAX} bytes"))
        } else if name.starts_with('-') {
            Some("it begins with '-'".to_string())
        } else if name == "." || name == ".." {
            Some("it names a directory".to_string())
        } else {
            name.chars()
                .find(|c| c.is_whitespace() || c.is_control() || ":/,\\".contains(*c))
                .map(|c| format!("it holds the character {c:?}"))
        };
        match why {
            Some(why) => {
                self.report.error(
                    found.span,
                    format!("{name:?} cannot be the name of {what}: {why}"),
                );
                None
            }
            None => Some(found.value),
        }
    }

    fn account_id(&mut self, wire: &Option<At<i64>>) -> Option<u32> {
        let found = wire.as_ref()?;
        self.scalar(
            account_number(found.value),
            found.span,
            &found.value.to_string(),
        )
    }

    /// A field of the passwd database: one line, no separator.
    fn field(&mut self, wire: &Option<At<String>>, what: &str) {
        if let Some(found) = wire
            .as_ref()
            .filter(|at| at.value.contains([':', '\n', '\0']))
        {
            self.report.error(
                found.span,
                format!("{what} holds a character that ends a field of /etc/passwd"),
            );
        }
    }

    /// Keys are lines of authorized_keys (sshd(8)): a line break would add a key that no one listed.
    fn ssh_keys(&mut self, list: &[At<String>]) -> Vec<String> {
        for key in list {
            let text = key.value.trim();
            if text.contains(['\n', '\r', '\0']) {
                self.report.push(
                    Diagnostic::error(key.span, "an SSH key is one line, this one has several")
                        .help("write each key as an entry of its own"),
                );
            } else if !text.starts_with('#') && !text.split([' ', '\t', '"', ',']).any(is_key_type)
            {
                self.report.push(
                    Diagnostic::warning(
                        key.span,
                        "this does not look like an SSH key: it names no key type",
                    )
                    .help("a key is written as \"ssh-ed25519 AAAA… comment\""),
                );
            }
        }
        self.unique_strings(list, "the SSH key")
    }
}

fn is_key_type(word: &str) -> bool {
    [
        "ssh-",
        "ecdsa-sha2-",
        "sk-ssh-",
        "sk-ecdsa-",
        "webauthn-sk-",
        "cert-authority",
    ]
    .iter()
    .any(|start| word.starts_with(start))
}
