//! Groups and users. Names are stricter than Ignition's: they end up in files whose fields are
//! separated by ':' and on the command lines of useradd and groupadd.

use super::check::{Check, Seen, flag, text};
use super::{password, ssh_key};
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
            self.password_hash(&wire.password_hash);
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
            ] {
                if let Some(broken) = field(value, what) {
                    self.report.push(broken);
                }
            }
            self.password_hash(&wire.password_hash);
            for group in &wire.groups {
                if group.value.contains([':', ',', '\n', '\0']) || group.value.starts_with('-') {
                    self.report.error(
                        group.span,
                        format!("{:?} cannot be the name of a group", group.value),
                    );
                }
            }
            let groups = self.unique_strings(&wire.groups, "the group", "groups");
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
                self.report.push(
                    Diagnostic::error(
                        found.span,
                        format!("{name:?} cannot be the name of {what}: {why}"),
                    )
                    .help("use letters, digits, - and _"),
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

    fn ssh_keys(&mut self, list: &[At<String>]) -> Vec<String> {
        for key in list.iter().filter(|key| !key.value.is_empty()) {
            if let Some(fault) = ssh_key::fault(&key.value) {
                self.report.push(Diagnostic {
                    severity: fault.severity,
                    secret: fault.secret,
                    ..Diagnostic::error(key.span, fault.message).help(fault.help)
                });
            }
        }
        self.unique_words(list, "the SSH key", "sshAuthorizedKeys")
    }

    fn password_hash(&mut self, wire: &Option<At<String>>) {
        let broken = field(wire, "the password hash").or_else(|| {
            let found = wire.as_ref()?;
            let (message, help) = password::fault(&found.value)?;
            Some(Diagnostic::warning(found.span, message).help(help))
        });
        if let Some(broken) = broken {
            self.report.push(broken.secret());
        }
    }
}

/// What makes a value no field of the passwd database: it is one line without separator.
fn field(wire: &Option<At<String>>, what: &str) -> Option<Diagnostic> {
    let found = wire.as_ref()?;
    let breaks = found
        .value
        .chars()
        .find(|c| matches!(c, ':' | '\n' | '\0'))?;
    let message = format!("{what} holds {breaks:?}, which ends a field of /etc/passwd");
    Some(Diagnostic::error(found.span, message).help("remove this character"))
}
