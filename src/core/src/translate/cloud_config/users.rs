//! Users, groups, SSH keys and sudo.

use super::node::{span, split, text};
use super::{Build, flag, said, switch};
use crate::diag::Span;
use crate::json::{Node, Value};
use crate::spec::At;
use crate::spec::cloud_config::{Document, User};
use crate::spec::v3;

/// The user of the image, whom keys without a name are for.
const CORE: &str = "core";
const SUDOERS: &str = "/etc/sudoers.d/90-pilotlight-users";

impl Build<'_> {
    pub(super) fn accounts(&mut self, document: &Document) {
        let mut sudo = Sudo::default();
        let default = self.default_user(document, &mut sudo);
        if let Some(users) = &document.users {
            for (node, name) in self.listed_users(&users.0) {
                self.user(&node, name, &default, &mut sudo);
            }
        }
        if let Some(keys) = &document.ssh_authorized_keys {
            let keys = self.ssh_keys(&keys.0);
            if !flag(&document.disable_root, true) {
                self.add_keys("root", keys.clone());
            }
            self.add_keys(&default, keys);
        }
        if let Some(groups) = &document.groups {
            self.groups(&groups.0);
        }
        self.passwords(document, &default);
        if let Some(text) = sudo.text() {
            self.file(SUDOERS, text.as_bytes(), 0o440, sudo.at);
        }
    }

    /// The name that `default` stands for: `user:`, an old way to name it, or the image's.
    fn default_user(&mut self, document: &Document, sudo: &mut Sudo) -> String {
        let Some(user) = &document.user else {
            return CORE.into();
        };
        match &user.0.value {
            Value::Object(members) => {
                let name = members.iter().find(|member| member.key == "name");
                let name = name.and_then(|member| text(&member.value));
                let name = name.map_or(CORE.into(), |name| name.value);
                self.user(&user.0, None, &name, sudo);
                name
            }
            _ => match text(&user.0) {
                Some(name) if !name.value.is_empty() => {
                    self.user_mut(&name);
                    name.value
                }
                _ => {
                    self.error(
                        Some(user.0.span),
                        "user names the default user, this is something else",
                        "write the name, or a mapping with name: and its settings",
                    );
                    CORE.into()
                }
            },
        }
    }

    /// The entries of `users`: mappings, names, or names of mappings.
    fn listed_users(&mut self, users: &Node) -> Vec<(Node, Option<At<String>>)> {
        match &users.value {
            Value::Null => Vec::new(),
            Value::Array(items) => items
                .iter()
                .flat_map(|item| match &item.value {
                    Value::Object(_) | Value::Null => vec![(item.clone(), None)],
                    // cloud-init takes lists of names within the list.
                    _ => self.named(item),
                })
                .collect(),
            Value::Object(members) => {
                let mut found = Vec::new();
                for member in members {
                    let name = At {
                        value: member.key.clone(),
                        span: Some(member.key_span),
                    };
                    // A name with true is a user without settings, with false it is none.
                    match text(&member.value) {
                        Some(on) if crate::yaml::boolean(&on.value) != Some(true) => {}
                        _ => found.push((member.value.clone(), Some(name))),
                    }
                }
                found
            }
            _ => self.named(users),
        }
    }

    fn named(&mut self, node: &Node) -> Vec<(Node, Option<At<String>>)> {
        let names = self.names(node, "the name of a user");
        names
            .into_iter()
            .map(|name| (node.clone(), Some(name)))
            .collect()
    }

    /// One entry of `users`. A name in place of its settings stands for a user without any.
    fn user(&mut self, node: &Node, name: Option<At<String>>, default: &str, sudo: &mut Sudo) {
        let user = match &node.value {
            Value::Object(_) => match self.decode::<User>(node) {
                Some(user) => user,
                None => return,
            },
            Value::Null if name.is_none() => return,
            _ => User {
                at: name.as_ref().and_then(|name| name.span),
                ..User::default()
            },
        };
        let stated = name.or_else(|| said(&user.name).cloned());
        let is_default = |name: &At<String>| name.value == "default";
        let name = match stated {
            // The default user exists: without settings there is nothing to say of it.
            Some(name) if is_default(&name) && user == bare(&user) => return,
            Some(name) if !is_default(&name) => name,
            // cloud-init takes an entry without a name for the default user's.
            Some(_) | None => At {
                value: default.to_owned(),
                span: user.at,
            },
        };
        self.unsupported_settings(&user);
        let groups = match &user.groups {
            Some(groups) => self.names(&groups.0, "the name of a group"),
            None => Vec::new(),
        };
        let keys = match &user.ssh_authorized_keys {
            Some(keys) => self.ssh_keys(&keys.0),
            None => Vec::new(),
        };
        let hash = self.password_hash(&name.value, &user);
        if let Some(rules) = &user.sudo {
            self.sudo(&name, &rules.0, sudo);
        }
        let system = switch(&user.system);
        let is_system = system.as_ref().filter(|on| on.value).cloned();
        let found = v3::User {
            at: user.at,
            name: Some(name.clone()),
            gecos: user.gecos,
            home_dir: user.homedir,
            // A system user has no home directory in either program.
            no_create_home: switch(&user.no_create_home).or(is_system),
            no_log_init: switch(&user.no_log_init),
            no_user_group: switch(&user.no_user_group),
            password_hash: hash,
            primary_group: user.primary_group,
            shell: user.shell,
            system,
            uid: user.uid.map(|uid| At {
                value: uid.value.0,
                span: uid.span,
            }),
            ..v3::User::default()
        };
        let known = self.user_mut(&name);
        // Of two entries of one user the first counts, as when the user exists already.
        let lists = (
            std::mem::take(&mut known.groups),
            std::mem::take(&mut known.ssh_authorized_keys),
        );
        let mut whole = found;
        crate::spec::Wire::merge(&mut whole, std::mem::take(known));
        *known = whole;
        (known.groups, known.ssh_authorized_keys) = lists;
        self.add_groups(&name, groups);
        self.add_keys(&name.value, keys);
    }

    /// The user of a name, made if there is none yet.
    pub(super) fn user_mut(&mut self, name: &At<String>) -> &mut v3::User {
        let users = &mut self.config.passwd.users;
        let same = |user: &v3::User| user.name.as_ref().is_some_and(|n| n.value == name.value);
        let index = users.iter().position(same).unwrap_or(users.len());
        if index == users.len() {
            users.push(v3::User {
                at: name.span,
                name: Some(name.clone()),
                ..v3::User::default()
            });
        }
        &mut users[index]
    }

    fn add_groups(&mut self, name: &At<String>, groups: Vec<At<String>>) {
        let user = self.user_mut(name);
        for group in groups {
            if !user.groups.iter().any(|known| known.value == group.value) {
                user.groups.push(group);
            }
        }
    }

    fn add_keys(&mut self, name: &str, keys: Vec<At<String>>) {
        let Some(first) = keys.first() else { return };
        let user = self.user_mut(&At {
            value: name.to_owned(),
            span: first.span,
        });
        for key in keys {
            let known = &mut user.ssh_authorized_keys;
            if !known.iter().any(|other| other.value == key.value) {
                known.push(key);
            }
        }
    }

    /// Keys, one to a line: a text may hold several.
    fn ssh_keys(&mut self, node: &Node) -> Vec<At<String>> {
        let texts = self.texts(node, "an SSH key");
        let lines = |text: &At<String>| {
            let span = text.span;
            let lines: Vec<At<String>> = text
                .value
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .map(|line| At {
                    value: line.to_owned(),
                    span,
                })
                .collect();
            lines
        };
        texts.iter().flat_map(lines).collect()
    }

    fn unsupported_settings(&mut self, user: &User) {
        const KEYS: &str = "write the keys themselves into ssh_authorized_keys";
        for raw in [
            &user.coreos_ssh_import_github,
            &user.coreos_ssh_import_github_users,
            &user.coreos_ssh_import_url,
            &user.ssh_import_id,
        ] {
            if let Some(at) = span(raw) {
                self.error(
                    Some(at),
                    "SSH keys are not fetched from elsewhere: the user could not log in",
                    KEYS,
                );
            }
        }
        let settings = [
            (
                "create_groups",
                &user.create_groups,
                "list groups that do not exist yet under groups: at the top",
            ),
            ("doas", &user.doas, "use sudo:"),
            (
                "expiredate",
                &user.expiredate,
                "run chage -E DATE NAME in runcmd",
            ),
            (
                "inactive",
                &user.inactive,
                "run chage -I DAYS NAME in runcmd",
            ),
            ("selinux_user", &user.selinux_user, "remove it"),
            ("snapuser", &user.snapuser, "remove it"),
            (
                "ssh_redirect_user",
                &user.ssh_redirect_user,
                "leave the user without SSH keys",
            ),
        ];
        for (key, raw, help) in settings {
            if let Some(at) = span(raw) {
                self.warning(
                    Some(at),
                    format!("{key:?} of a user is not supported: it has no effect"),
                    help,
                );
            }
        }
    }

    /// `groups`: names, with commas or in a list, and members where they are mappings.
    fn groups(&mut self, node: &Node) {
        let mut found: Vec<(At<String>, Vec<At<String>>)> = Vec::new();
        match &node.value {
            Value::Array(items) => {
                for item in items {
                    match &item.value {
                        Value::Object(_) => found.extend(self.groups_with_members(item)),
                        _ => found.extend(
                            self.names(item, "the name of a group")
                                .into_iter()
                                .map(|name| (name, Vec::new())),
                        ),
                    }
                }
            }
            Value::Object(_) => found = self.groups_with_members(node),
            _ => {
                let names = text(node).map(|names| split(&names)).unwrap_or_default();
                found.extend(names.into_iter().map(|name| (name, Vec::new())));
            }
        }
        for (name, members) in found {
            let groups = &mut self.config.passwd.groups;
            let known =
                |group: &v3::Group| group.name.as_ref().is_some_and(|n| n.value == name.value);
            if !groups.iter().any(known) {
                groups.push(v3::Group {
                    at: name.span,
                    name: Some(name.clone()),
                    ..v3::Group::default()
                });
            }
            for member in members {
                let users = &self.config.passwd.users;
                let listed = users
                    .iter()
                    .any(|user| user.name.as_ref().is_some_and(|n| n.value == member.value));
                if listed || [CORE, "root"].contains(&member.value.as_str()) {
                    self.add_groups(&member, vec![name.clone()]);
                } else {
                    self.warning(
                        member.span,
                        format!(
                            "{:?} is not made a member of {:?}: the config has no such user",
                            member.value, name.value
                        ),
                        "add the user to users:",
                    );
                }
            }
        }
    }

    fn groups_with_members(&mut self, node: &Node) -> Vec<(At<String>, Vec<At<String>>)> {
        let Value::Object(members) = &node.value else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for member in members {
            let name = At {
                value: member.key.clone(),
                span: Some(member.key_span),
            };
            found.push((name, self.names(&member.value, "the name of a member")));
        }
        found
    }

    /// What the user may do as root. One wrong line makes sudo refuse everyone.
    fn sudo(&mut self, name: &At<String>, rules: &Node, sudo: &mut Sudo) {
        let none = |node: &Node| {
            node.value == Value::Null
                || text(node).is_some_and(|rule| crate::yaml::boolean(&rule.value) == Some(false))
        };
        if none(rules) {
            return;
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if !name.value.chars().all(plain) {
            let message = format!("{:?} cannot be the name of a user in sudoers", name.value);
            self.error(name.span, message, "use letters, digits, '_', '-' and '.'");
            return;
        }
        for rule in self.texts(rules, "a rule of sudo") {
            let value = rule.value.trim();
            if value.is_empty() {
                continue;
            }
            let why = if value.chars().any(char::is_control) {
                Some("it holds a line break or another control character")
            } else if value.ends_with('\\') {
                Some("it ends in a backslash, which would take in the next line")
            } else if !value.contains('=') {
                Some("it does not say on which hosts, as in ALL=")
            } else {
                None
            };
            match why {
                Some(why) => self.error(
                    rule.span,
                    format!("this is no rule of sudo: {why}"),
                    "a rule is written as ALL=(ALL) NOPASSWD:ALL",
                ),
                None => sudo.add(&name.value, value, rule.span),
            }
        }
    }
}

/// The entry as it would be with a name only.
fn bare(user: &User) -> User {
    User {
        at: user.at,
        name: user.name.clone(),
        ..User::default()
    }
}

/// The lines of the sudoers file, and what first asked for one.
#[derive(Default)]
struct Sudo {
    lines: Vec<String>,
    at: Option<Span>,
}

impl Sudo {
    fn add(&mut self, user: &str, rule: &str, span: Option<Span>) {
        self.at = self.at.or(span);
        self.lines.push(format!("{user} {rule}\n"));
    }

    fn text(&self) -> Option<String> {
        (!self.lines.is_empty()).then(|| self.lines.concat())
    }
}
