//! Planning groups and users.
//!
//! The reference runs groups first and users then, each in the order of the config. Two things go
//! elsewhere here, so that a config which makes sense as a whole can be reached: users are removed
//! before anything else (their numbers and groups become free), and a group that is still someone's
//! main group is removed at the end, when that user may have left it. Passwords come last of all: one call of
//! chpasswd(8) sets all of them.

mod numbers;
mod transaction;

pub use transaction::begin;

use std::borrow::Cow;
use std::collections::BTreeSet;

use numbers::Numbers;

use crate::diag::{Diagnostic, Report, Severity, Span, nearest};
use crate::facts::Facts;
use crate::facts::accounts::{Accounts, User as UserFacts};
use crate::model::{Group, ScalarError, User};
use crate::op::{AccountKind, AccountName, AccountOp, AddUser, Field, PasswordHash, UserFields};
use crate::ordered::Gather as _;
use crate::plan::{Plan, Planned};

/// Plans the groups and users of a config. What is already as asked for gives no operation.
pub fn plan(groups: &[Group], users: &[User], facts: &Facts) -> Planned {
    let mut planner = Planner {
        numbers: Numbers::of(&facts.accounts),
        now: facts.accounts.clone(),
        plan: Plan::default(),
        passwords: Plan::default(),
        report: Report::default(),
    };
    planner.restore(users);
    let (kept, removed): (Vec<&User>, Vec<&User>) = users.iter().partition(|u| u.should_exist);
    for user in removed {
        planner.remove_user(user);
    }
    let (kept_groups, removed_groups): (Vec<&Group>, Vec<&Group>) =
        groups.iter().partition(|group| group.should_exist);
    let (used, unused): (Vec<&Group>, Vec<&Group>) = removed_groups
        .iter()
        .partition(|group| planner.now.user_of_main_group(&group.name).is_some());
    for group in unused {
        planner.remove_group(group);
    }
    for group in kept_groups {
        planner.keep_group(group);
    }
    for (index, user) in kept.iter().enumerate() {
        planner.keep_user(user, &kept[index + 1..], &removed_groups);
    }
    for group in used {
        planner.remove_group(group);
    }
    if planner.report.has_errors() {
        return Err(planner.report);
    }
    planner.plan.steps.extend(planner.passwords.steps);
    Ok(planner.plan)
}

/// The plan so far and what it makes of the accounts.
struct Planner {
    now: Accounts,
    numbers: Numbers,
    plan: Plan,
    passwords: Plan,
    report: Report,
}

impl Planner {
    fn push(&mut self, op: AccountOp, why: impl Into<Cow<'static, str>>, at: Option<Span>) {
        op.predict_accounts(&mut self.now);
        if let Some(name) = op.name() {
            self.numbers.note(name.as_str(), &self.now);
        }
        match op {
            AccountOp::SetPassword { .. } => self.passwords.push(op, why, at),
            _ => self.plan.push(op, why, at),
        }
    }

    /// What an earlier run was cut off at is undone before anything else.
    fn restore(&mut self, users: &[User]) {
        if let Some(before) = self.now.unfinished.take() {
            let op = AccountOp::Restore(transaction::restore(before, users, &self.now));
            let why = "an earlier run was cut off while it changed them";
            self.push(op, why, None);
        }
    }

    /// Takes what a rule allows; what it refuses becomes an error at the entry.
    fn checked<T>(
        &mut self,
        what: &str,
        checked: Result<T, ScalarError>,
        at: Option<Span>,
    ) -> Option<T> {
        match checked {
            Ok(value) => Some(value),
            Err(why) => {
                self.report
                    .error(at, format!("{what} cannot be used: {why}"));
                None
            }
        }
    }

    fn name(&mut self, kind: &str, name: &str, at: Option<Span>) -> Option<AccountName> {
        let what = format!("the {kind} name {name:?}");
        self.checked(&what, AccountName::parse(name), at)
    }

    /// Whether an account is one that the image has beside /etc, which nothing can remove: an error then.
    fn is_images_own(&mut self, kind: &str, name: &str, beside: bool, at: Option<Span>) -> bool {
        if beside {
            let message = format!(
                "the {kind} {name:?} cannot be removed: it is in the image itself, outside of /etc"
            );
            let help =
                "take \"shouldExist\": false out of the config, or the account out of the image";
            self.report.push(Diagnostic::error(at, message).help(help));
        }
        beside
    }

    /// Copies an account that the image has beside /etc: the programs that change accounts know those in /etc alone.
    fn adopt(&mut self, of: AccountKind, name: &AccountName, at: Option<Span>) {
        let (beside, file) = match of {
            AccountKind::User => (&self.now.users_beside, "passwd"),
            AccountKind::Group => (&self.now.groups_beside, "group"),
        };
        if let Some(line) = beside.get(name.as_str()).cloned() {
            let name = name.clone();
            let why = format!("it is to be changed, and is not in /etc/{file}");
            self.push(AccountOp::Adopt { of, name, line }, why, at);
        }
    }

    fn remove_user(&mut self, user: &User) {
        let Some(facts) = self.now.user(&user.name) else {
            return;
        };
        let beside = self.now.users_beside.contains_key(&user.name);
        let home = facts.home.clone();
        if self.is_images_own("user", &user.name, beside, user.at) {
            return;
        }
        if let Some(name) = self.name("user", &user.name, user.at) {
            let op = AccountOp::DeleteUser { name, home };
            self.push(op, "it should not exist", user.at);
        }
    }

    fn remove_group(&mut self, group: &Group) {
        if self.now.group(&group.name).is_none() {
            return;
        }
        let beside = self.now.groups_beside.contains_key(&group.name);
        if self.is_images_own("group", &group.name, beside, group.at) {
            return;
        }
        if let Some(user) = self.now.user_of_main_group(&group.name) {
            let message = format!(
                "the group {:?} cannot be removed: it is the main group of the user {user:?}",
                group.name
            );
            let help = format!(
                "give {user:?} another \"primaryGroup\", or remove it by \"shouldExist\": false"
            );
            self.report
                .push(Diagnostic::error(group.at, message).help(help));
            return;
        }
        if let Some(name) = self.name("group", &group.name, group.at) {
            let op = AccountOp::DeleteGroup { name };
            self.push(op, "it should not exist", group.at);
        }
    }

    fn keep_group(&mut self, group: &Group) {
        let Some(name) = self.name("group", &group.name, group.at) else {
            return;
        };
        let gid = group.gid.map(|gid| gid.0);
        let other = gid
            .and_then(|gid| self.numbers.group(gid, &self.now))
            .filter(|other| *other != group.name);
        if let (Some(gid), Some(other)) = (gid, other) {
            let message = format!(
                "the group {:?} cannot have the number {gid}: the group {other:?} has it",
                group.name
            );
            self.report.error(group.at, message);
            return;
        }
        match self.now.group(&group.name).map(|facts| facts.gid) {
            None => {
                let why = format!("there is no group {name} yet");
                let op = AccountOp::AddGroup {
                    name: name.clone(),
                    gid,
                    system: group.system,
                };
                self.push(op, why, group.at);
            }
            Some(was) => {
                if let Some(gid) = gid.filter(|gid| was != Some(*gid)) {
                    let why = was.map_or("it has no number yet".into(), |was| {
                        format!("its number is {was}")
                    });
                    let name = name.clone();
                    self.adopt(AccountKind::Group, &name, group.at);
                    self.push(AccountOp::ModifyGroup { name, gid }, why, group.at);
                }
            }
        }
        let has = self.now.group(&group.name);
        let has = has.and_then(|facts| facts.password.clone());
        let hash = group.password_hash.as_deref();
        self.password(AccountKind::Group, name, hash, has, group.at);
    }

    fn password(
        &mut self,
        of: AccountKind,
        name: AccountName,
        hash: Option<&str>,
        has: Option<String>,
        at: Option<Span>,
    ) {
        let Some(hash) = hash else { return };
        let what = format!("the password hash of {name}");
        let Some(hash) = self.checked(&what, PasswordHash::parse(hash), at) else {
            return;
        };
        if has != Some(hash.digest()) {
            self.adopt(of, &name, at);
            let op = AccountOp::SetPassword { of, name, hash };
            self.push(op, "the config gives another password hash", at);
        }
    }

    fn keep_user(&mut self, user: &User, later: &[&User], removed_groups: &[&Group]) {
        let Some(name) = self.name("user", &user.name, user.at) else {
            return;
        };
        let Some(fields) = self.wanted(user, &name, later) else {
            return;
        };
        match self.now.user(&user.name) {
            Some(facts) => {
                let (fields, why) = difference(fields, &user.name, facts, &self.now);
                if !fields.is_empty() {
                    self.adopt(AccountKind::User, &name, user.at);
                    self.adopt_groups(&fields, user.at);
                    let name = name.clone();
                    self.push(AccountOp::ModifyUser { name, fields }, why, user.at);
                }
            }
            None => {
                let op = AddUser {
                    name: name.clone(),
                    fields,
                    create_home: !user.no_create_home,
                    no_user_group: user.no_user_group,
                    no_log_init: user.no_log_init,
                    system: user.system,
                };
                if op.makes_group(&self.now) && !self.own_group_is_free(user, removed_groups) {
                    return;
                }
                self.adopt_groups(&op.fields, user.at);
                let why = format!("there is no user {name} yet");
                self.push(AccountOp::AddUser(op), why, user.at);
            }
        }
        let has = self.now.user(&user.name);
        let has = has.and_then(|facts| facts.password.clone());
        let hash = user.password_hash.as_deref();
        self.password(AccountKind::User, name, hash, has, user.at);
    }

    /// The groups that a user is put into.
    fn adopt_groups(&mut self, fields: &UserFields, at: Option<Span>) {
        let groups: Vec<AccountName> = (fields.groups.iter().chain(&fields.primary_group))
            .cloned()
            .collect();
        for group in groups {
            self.adopt(AccountKind::Group, &group, at);
        }
    }

    /// useradd(8) refuses to make the user's own group where a group has its name.
    fn own_group_is_free(&mut self, user: &User, removed_groups: &[&Group]) -> bool {
        let removed = removed_groups.iter().any(|group| group.name == user.name);
        let (message, help) = if self.now.group(&user.name).is_some() {
            (
                format!(
                    "the user {:?} cannot be made with a group of its own: there is a group of that name",
                    user.name
                ),
                format!(
                    "set \"primaryGroup\": {:?} to use it, or \"noUserGroup\": true",
                    user.name
                ),
            )
        } else if removed {
            (
                format!(
                    "the user {0:?} is made with a group of its own, but the config says that no group {0:?} should exist",
                    user.name
                ),
                "set \"primaryGroup\" or \"noUserGroup\": true".into(),
            )
        } else {
            return true;
        };
        self.report
            .push(Diagnostic::error(user.at, message).help(help));
        false
    }

    /// What the config says about a user, checked against the accounts; `None` after an error.
    fn wanted(&mut self, user: &User, name: &AccountName, later: &[&User]) -> Option<UserFields> {
        let errors = self.report.items.len();
        let uid = user.uid.map(|uid| uid.0);
        let other = uid
            .and_then(|uid| self.numbers.user(uid, &self.now))
            .filter(|other| *other != user.name);
        if let (Some(uid), Some(other)) = (uid, other) {
            let message =
                format!("the user {name} cannot have the number {uid}: the user {other:?} has it");
            self.report.error(user.at, message);
        }
        // As with the reference, an empty text says nothing.
        let mut field = |what: &str, text: Option<&str>| {
            let text = text.filter(|text| !text.is_empty())?;
            self.checked(
                &format!("the {what} of {name}"),
                Field::parse(text),
                user.at,
            )
        };
        let home_dir = user.home_dir.as_ref().map(|home| home.as_str());
        let home_dir = field("home directory", home_dir);
        let shell = field("shell", user.shell.as_deref());
        let gecos = field("full name", user.gecos.as_deref());
        let primary_group = user.primary_group.as_deref().filter(|g| !g.is_empty());
        let primary_group = primary_group.and_then(|group| self.group(group, user, later));
        let groups: BTreeSet<AccountName> = user
            .groups
            .iter()
            .filter_map(|group| self.group(group, user, later))
            .gather();
        let fields = UserFields {
            uid,
            primary_group,
            groups: groups.into_iter().collect(),
            home_dir,
            shell,
            gecos,
        };
        (self.report.items.len() == errors).then_some(fields)
    }

    /// The group that an entry means; an error naming the nearest where there is none.
    fn group(&mut self, text: &str, user: &User, later: &[&User]) -> Option<AccountName> {
        if let Some((name, _)) = self.now.group_named_or_numbered(text) {
            let name = name.to_string();
            return self.name("group", &name, user.at);
        }
        if text.parse::<u32>().is_err() {
            self.name("group", text, user.at)?;
        }
        if self.report.is_full(Severity::Error) {
            return None;
        }
        let known: Vec<&str> = self.now.groups.keys().map(String::as_str).collect();
        let help = if later.iter().any(|other| other.name == text) {
            format!("the user {text:?}, whose group it may be, comes later: list it first")
        } else if let Some(near) = nearest(text, &known) {
            format!("did you mean {near:?}?")
        } else {
            "add it to the config's \"groups\"".into()
        };
        let message = format!(
            "the user {:?} is to be in the group {text:?}, which does not exist",
            user.name
        );
        self.report
            .push(Diagnostic::error(user.at, message).help(help));
        None
    }
}

/// What of the wanted fields is not so yet, and how it is instead.
fn difference(
    mut wanted: UserFields,
    name: &str,
    user: &UserFacts,
    now: &Accounts,
) -> (UserFields, String) {
    let mut is = Vec::new();
    if wanted.uid.is_some() && wanted.uid != user.uid {
        is.extend(user.uid.map(|uid| format!("its number is {uid}")));
    } else {
        wanted.uid = None;
    }
    match &wanted.primary_group {
        Some(group) if !now.is_main_group(group.as_str(), name) => {
            let group = user.gid.map(|gid| match now.group_by_gid(gid) {
                Some(group) => format!("{group:?}"),
                None => gid.to_string(),
            });
            is.extend(group.map(|group| format!("its main group is {group}")));
        }
        _ => wanted.primary_group = None,
    }
    let groups = now.groups_of(name);
    if !wanted.groups.is_empty()
        && !wanted
            .groups
            .iter()
            .map(AccountName::as_str)
            .eq(groups.iter().copied())
    {
        let listed: Vec<String> = groups.iter().map(|group| format!("{group:?}")).collect();
        is.push(match listed.is_empty() {
            true => "it is in no further group".into(),
            false => format!("its further groups are {}", listed.join(" ")),
        });
    } else {
        wanted.groups.clear();
    }
    let mut differs = |what: &str, wanted: &mut Option<Field>, has: &str| {
        let same = |text: &Field| text.as_str() == has;
        if wanted.as_ref().is_none_or(same) {
            *wanted = None;
        } else {
            is.push(format!("its {what} is {has:?}"));
        }
    };
    // A final slash makes no other directory, but usermod(8) would try to move it.
    let home = match user.home.trim_end_matches('/') {
        "" => "/",
        home => home,
    };
    differs("home directory", &mut wanted.home_dir, home);
    differs(
        "shell",
        &mut wanted.shell,
        user.shell.as_deref().unwrap_or_default(),
    );
    differs("full name", &mut wanted.gecos, &user.gecos);
    (wanted, is.join(", "))
}

#[cfg(test)]
#[path = "accounts_tests.rs"]
mod tests;
