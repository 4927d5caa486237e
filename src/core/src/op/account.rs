//! Operations on groups and users.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::facts::Facts;
use crate::facts::accounts::{Accounts, Group, User, password_digest};
use crate::facts::unfinished_accounts::Before;
use crate::model::SysPath;
use crate::op::{AccountName, Field, PasswordHash};
use crate::ordered::Gather as _;

/// A change of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum AccountOp {
    /// Puts back what an earlier run was cut off at, so that it can be done as if that run had not been.
    Restore(Restore),
    /// Makes a group.
    AddGroup {
        /// Its name.
        name: AccountName,
        /// Its number; groupadd(8) chooses one where there is none.
        #[serde(skip_serializing_if = "Option::is_none")]
        gid: Option<u32>,
        /// Whether a chosen number is from the system range.
        system: bool,
    },
    /// Copies a user or a group that the image has beside /etc into /etc, where it can be changed.
    Adopt {
        /// Which of the two.
        of: AccountKind,
        /// Its name.
        name: AccountName,
        /// Its line in passwd(5) or group(5).
        #[serde(skip)]
        line: String,
    },
    /// Gives a group another number; the users whose main group it is follow.
    ModifyGroup {
        /// Its name.
        name: AccountName,
        /// The new number.
        gid: u32,
    },
    /// Removes a group.
    DeleteGroup {
        /// Its name.
        name: AccountName,
    },
    /// Makes a user.
    AddUser(AddUser),
    /// Changes fields of a user.
    ModifyUser {
        /// The user.
        name: AccountName,
        /// What changes.
        #[serde(flatten)]
        fields: UserFields,
    },
    /// Removes a user with mail spool and home directory; one that it does not own stays.
    DeleteUser {
        /// The user.
        name: AccountName,
        /// The home directory that goes with it.
        home: String,
    },
    /// Sets the password of a user or group.
    SetPassword {
        /// Which of the two.
        of: AccountKind,
        /// Its name.
        name: AccountName,
        /// The hash.
        hash: PasswordHash,
    },
}

/// What an earlier run has to be undone of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    /// The files as they were; there are password hashes among them.
    #[serde(skip)]
    pub before: Before,
    /// Names of the users and groups that go back.
    pub names: Vec<String>,
    /// Home directories that were not there. What useradd(8) has copied into them goes.
    pub homes: Vec<SysPath>,
    /// Of what new home directories are copies.
    pub skeleton: Option<SysPath>,
    /// Directories above homes that were not there, innermost first. Empty ones go.
    pub above: Vec<SysPath>,
    /// Mailboxes that were not there. Empty ones go.
    pub mailboxes: Vec<SysPath>,
    /// Home directories that were to be moved: from there, to a place where nothing was.
    pub moved: Vec<(SysPath, SysPath)>,
}

/// A user to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddUser {
    /// Its name.
    pub name: AccountName,
    /// What useradd(8) is told; it chooses the rest.
    #[serde(flatten)]
    pub fields: UserFields,
    /// Whether the home directory is made.
    pub create_home: bool,
    /// Whether a group of the user's name is out of the question.
    pub no_user_group: bool,
    /// Whether the user is kept out of lastlog and faillog.
    pub no_log_init: bool,
    /// Whether a chosen number is from the system range.
    pub system: bool,
}

/// Fields of a user that are set; the others stay or are useradd's to choose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserFields {
    /// Number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Main group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_group: Option<AccountName>,
    /// All further groups; none given leaves them as they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<AccountName>,
    /// Home directory; an existing user's is moved there, the directories above are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_dir: Option<Field>,
    /// Login shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<Field>,
    /// Full name and the like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gecos: Option<Field>,
}

/// Users and groups have passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountKind {
    /// A user.
    User,
    /// A group.
    Group,
}

impl AccountOp {
    /// Whether data that is there now is gone afterwards.
    pub fn is_destructive(&self) -> bool {
        matches!(
            self,
            AccountOp::Restore(_) | AccountOp::DeleteUser { .. } | AccountOp::DeleteGroup { .. }
        )
    }

    /// The user or group that it concerns, if it is one; a group of a user's own has the user's name.
    pub fn name(&self) -> Option<&AccountName> {
        Some(match self {
            AccountOp::Restore(_) => return None,
            AccountOp::AddGroup { name, .. }
            | AccountOp::Adopt { name, .. }
            | AccountOp::ModifyGroup { name, .. }
            | AccountOp::DeleteGroup { name }
            | AccountOp::ModifyUser { name, .. }
            | AccountOp::DeleteUser { name, .. }
            | AccountOp::SetPassword { name, .. } => name,
            AccountOp::AddUser(user) => &user.name,
        })
    }

    /// Turns the facts into what they will be after the operation.
    pub fn predict(&self, facts: &mut Facts) {
        self.predict_accounts(&mut facts.accounts);
    }

    /// [`Self::predict`] on the only facts that it concerns.
    pub fn predict_accounts(&self, accounts: &mut Accounts) {
        match self {
            // The facts have the accounts as they will be.
            AccountOp::Restore(_) => accounts.unfinished = None,
            AccountOp::AddGroup { name, gid, .. } => {
                let group = Group {
                    gid: *gid,
                    // What groupadd(8) writes by itself, which depends on whether there is a gshadow.
                    password: None,
                    ..Group::default()
                };
                accounts.groups.insert(name.as_str().into(), group);
            }
            AccountOp::Adopt { of, name, .. } => {
                let beside = match of {
                    AccountKind::User => &mut accounts.users_beside,
                    AccountKind::Group => &mut accounts.groups_beside,
                };
                beside.remove(name.as_str());
            }
            AccountOp::ModifyGroup { name, gid } => {
                let Some(group) = accounts.groups.get_mut(name.as_str()) else {
                    return;
                };
                let was = group.gid.replace(*gid);
                for user in accounts.users.values_mut() {
                    if was.is_some() && user.gid == was {
                        user.gid = Some(*gid);
                    }
                }
            }
            AccountOp::DeleteGroup { name } => {
                accounts.groups.remove(name.as_str());
            }
            AccountOp::AddUser(user) => user.predict(accounts),
            AccountOp::ModifyUser { name, fields } => fields.predict(name, accounts),
            AccountOp::DeleteUser { name, .. } => delete_user(name, accounts),
            AccountOp::SetPassword { of, name, hash } => {
                let password = match of {
                    AccountKind::User => {
                        let user = accounts.users.get_mut(name.as_str());
                        user.map(|user| &mut user.password)
                    }
                    AccountKind::Group => {
                        let group = accounts.groups.get_mut(name.as_str());
                        group.map(|group| &mut group.password)
                    }
                };
                if let Some(password) = password {
                    *password = Some(hash.digest());
                }
            }
        }
    }
}

impl AddUser {
    /// Whether useradd(8) makes a group of the user's name too.
    pub fn makes_group(&self, accounts: &Accounts) -> bool {
        accounts.defaults.user_groups && !self.no_user_group && self.fields.primary_group.is_none()
    }

    fn predict(&self, accounts: &mut Accounts) {
        let name = self.name.as_str();
        let defaults = &accounts.defaults;
        let mut user = User {
            home: format!("{}/{name}", defaults.home_base),
            shell: defaults.shell.clone(),
            password: Some(password_digest("*")),
            ..User::default()
        };
        if self.makes_group(accounts) {
            user.group = Some(name.into());
            accounts.groups.insert(name.into(), Group::default());
        } else if let Some(group) = &accounts.defaults.group {
            let group = accounts.group_named_or_numbered(group);
            user.gid = group.and_then(|(_, group)| group.gid);
        }
        accounts.users.insert(name.into(), user);
        self.fields.predict_own(&self.name, accounts);
        // useradd(8) adds only: groups that list the name already keep it.
        for group in &self.fields.groups {
            if let Some(facts) = accounts.groups.get_mut(group.as_str()) {
                facts.members.insert(name.into());
            }
        }
    }
}

impl UserFields {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn predict(&self, name: &AccountName, accounts: &mut Accounts) {
        if !accounts.users.contains_key(name.as_str()) {
            return;
        }
        self.predict_own(name, accounts);
        if self.groups.is_empty() {
            return;
        }
        let wanted: BTreeSet<&str> = self.groups.iter().map(AccountName::as_str).gather();
        for (group, facts) in &mut accounts.groups {
            if wanted.contains(group.as_str()) {
                facts.members.insert(name.as_str().into());
            } else {
                facts.members.remove(name.as_str());
            }
        }
    }

    /// What stands in the user's own entry.
    fn predict_own(&self, name: &AccountName, accounts: &mut Accounts) {
        let main_gid = self
            .primary_group
            .as_ref()
            .map(|group| accounts.group(group.as_str()).and_then(|group| group.gid));
        let Some(user) = accounts.users.get_mut(name.as_str()) else {
            return;
        };
        if let (Some(group), Some(gid)) = (&self.primary_group, main_gid) {
            user.gid = gid;
            user.group = gid.is_none().then(|| group.as_str().into());
        }
        user.uid = self.uid.or(user.uid);
        if let Some(home) = &self.home_dir {
            user.home = home.as_str().into();
        }
        if let Some(shell) = &self.shell {
            user.shell = Some(shell.as_str().into());
        }
        if let Some(gecos) = &self.gecos {
            user.gecos = gecos.as_str().into();
        }
    }
}

/// userdel(8) takes the group of the user's name along, unless someone else is in it.
fn delete_user(name: &AccountName, accounts: &mut Accounts) {
    let name = name.as_str();
    let own_group = accounts.defaults.user_groups && accounts.is_main_group(name, name);
    accounts.users.remove(name);
    for group in accounts.groups.values_mut() {
        group.members.remove(name);
    }
    let unused = accounts
        .group(name)
        .is_some_and(|group| group.members.is_empty())
        && accounts.user_of_main_group(name).is_none();
    if own_group && unused {
        accounts.groups.remove(name);
    }
}

impl fmt::Display for AccountOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccountOp::Restore(restore) => {
                f.write_str(
                    "put groups and users back as they were before a run that was cut off",
                )?;
                list(f, &restore.words())
            }
            AccountOp::AddGroup { name, gid, system } => {
                let kind = if *system { "system group" } else { "group" };
                write!(f, "add {kind} {name}")?;
                gid.map_or(Ok(()), |gid| write!(f, ": number {gid}"))
            }
            AccountOp::Adopt { of, name, .. } => {
                let (kind, file) = match of {
                    AccountKind::User => ("user", "passwd"),
                    AccountKind::Group => ("group", "group"),
                };
                write!(f, "copy the image's {kind} {name} to /etc/{file}")
            }
            AccountOp::ModifyGroup { name, gid } => {
                write!(f, "change group {name}: number {gid}")
            }
            AccountOp::DeleteGroup { name } => write!(f, "delete group {name}"),
            AccountOp::AddUser(user) => {
                let kind = if user.system { "system user" } else { "user" };
                write!(f, "add {kind} {}", user.name)?;
                let mut words = user.fields.words();
                if !user.create_home {
                    words.push("no home directory made".into());
                }
                if user.no_user_group {
                    words.push("no group of its name".into());
                }
                if user.no_log_init {
                    words.push("not in lastlog".into());
                }
                list(f, &words)
            }
            AccountOp::ModifyUser { name, fields } => {
                write!(f, "change user {name}")?;
                list(f, &fields.words())
            }
            AccountOp::DeleteUser { name, home } => {
                write!(f, "delete user {name}, and {home:?} if it owns it")
            }
            AccountOp::SetPassword { of, name, hash } => {
                let kind = match of {
                    AccountKind::User => "user",
                    AccountKind::Group => "group",
                };
                let verb = if hash.is_none() { "disable" } else { "set" };
                write!(f, "{verb} the password of {kind} {name}")
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, words: &[String]) -> fmt::Result {
    if words.is_empty() {
        return Ok(());
    }
    write!(f, ": {}", words.join(", "))
}

/// Most names that the line of an operation lists.
const LISTED: usize = 5;

impl Restore {
    fn words(&self) -> Vec<String> {
        let names = self.names.iter().take(LISTED);
        let mut words: Vec<String> = names.map(|name| format!("{name:?}")).collect();
        if let Some(more @ 1..) = self.names.len().checked_sub(LISTED) {
            words.push(format!("{more} more"));
        }
        words
    }
}

impl UserFields {
    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        words.extend(self.uid.map(|uid| format!("number {uid}")));
        words.extend(
            self.primary_group
                .as_ref()
                .map(|group| format!("main group {group}")),
        );
        if !self.groups.is_empty() {
            let groups: Vec<String> = self.groups.iter().map(ToString::to_string).collect();
            words.push(format!("further groups {}", groups.join(" ")));
        }
        let texts = [
            ("home directory", &self.home_dir),
            ("shell", &self.shell),
            ("full name", &self.gecos),
        ];
        for (what, text) in texts {
            words.extend(
                text.as_ref()
                    .map(|text| format!("{what} {:?}", text.as_str())),
            );
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_never_shown() {
        let op = AccountOp::SetPassword {
            of: AccountKind::User,
            name: AccountName::parse("core").unwrap(),
            hash: PasswordHash::parse("$6$secret").unwrap(),
        };
        let json = serde_json::to_string(&op).unwrap();
        for shown in [op.to_string(), format!("{op:?}"), json] {
            assert!(!shown.contains("secret"), "{shown}");
        }
        assert_eq!(PasswordHash::parse("").unwrap().reveal(), "*");
    }

    #[test]
    fn putting_back_names_a_few_and_shows_no_contents() {
        let mut restore = Restore {
            names: ["a", "b"].map(String::from).to_vec(),
            ..Restore::default()
        };
        restore.before.note("shadow", Some(b"a:$6$secret:"));
        let op = AccountOp::Restore(restore.clone());
        let line = "put groups and users back as they were before a run that was cut off";
        assert_eq!(op.to_string(), format!("{line}: \"a\", \"b\""));
        let json = serde_json::to_string(&op).unwrap();
        for shown in [format!("{op:?}"), json] {
            assert!(!shown.contains(&crate::hex::encode(b"secret")), "{shown}");
        }
        restore.names = (0..7).map(|index| format!("u{index}")).collect();
        let op = AccountOp::Restore(restore);
        assert!(op.to_string().ends_with("\"u4\", 2 more"), "{op}");
    }

    #[test]
    fn a_group_that_changes_its_number_takes_its_users_along() {
        let mut accounts = Accounts::default();
        for (name, gid) in [("a", 5), ("b", 6)] {
            let group = Group {
                gid: Some(gid),
                ..Group::default()
            };
            accounts.groups.insert(name.into(), group);
            let user = User {
                gid: Some(gid),
                ..User::default()
            };
            accounts.users.insert(name.into(), user);
        }
        let name = AccountName::parse("a").unwrap();
        AccountOp::ModifyGroup { name, gid: 7 }.predict_accounts(&mut accounts);
        assert_eq!(accounts.user("a").unwrap().gid, Some(7));
        assert_eq!(accounts.user("b").unwrap().gid, Some(6));
    }

    #[test]
    fn a_new_user_joins_groups_and_an_old_one_leaves_others() {
        let name = |name: &str| AccountName::parse(name).unwrap();
        let fields = |group: &str| UserFields {
            groups: vec![name(group)],
            ..UserFields::default()
        };
        let mut accounts = Accounts::default();
        for group in ["a", "b", "c"] {
            let members = [String::from("u")].into_iter().filter(|_| group == "a");
            let group_facts = Group {
                members: members.collect(),
                ..Group::default()
            };
            accounts.groups.insert(group.into(), group_facts);
        }
        let user = AddUser {
            name: name("u"),
            fields: fields("b"),
            create_home: false,
            no_user_group: true,
            no_log_init: false,
            system: false,
        };
        AccountOp::AddUser(user).predict_accounts(&mut accounts);
        assert_eq!(accounts.groups_of("u"), ["a", "b"].into());
        let op = AccountOp::ModifyUser {
            name: name("u"),
            fields: fields("c"),
        };
        op.predict_accounts(&mut accounts);
        assert_eq!(accounts.groups_of("u"), ["c"].into());
    }

    #[test]
    fn a_deleted_user_takes_its_own_group_along_unless_it_is_used() {
        let user = |gid| User {
            gid: Some(gid),
            ..User::default()
        };
        let group = |gid, members: &[&str]| Group {
            gid: Some(gid),
            members: members.iter().map(ToString::to_string).collect(),
            password: None,
        };
        // Own group; enabled; members; main group of another → gone.
        let cases: [(&str, bool, &[&str], bool, bool); 5] = [
            ("u", true, &[], false, true),
            ("u", true, &["u"], false, true),
            ("u", false, &[], false, false),
            ("u", true, &["other"], false, false),
            ("u", true, &[], true, false),
        ];
        for (name, enabled, members, shared, gone) in cases {
            let mut accounts = Accounts::default();
            accounts.defaults.user_groups = enabled;
            accounts.users.insert(name.into(), user(5));
            accounts
                .users
                .insert("other".into(), user(if shared { 5 } else { 6 }));
            accounts.groups.insert(name.into(), group(5, members));
            accounts.groups.insert("further".into(), group(9, &[name]));
            delete_user(&AccountName::parse(name).unwrap(), &mut accounts);
            assert_eq!(
                accounts.group(name).is_none(),
                gone,
                "{enabled} {members:?} {shared}"
            );
            assert!(accounts.group("further").unwrap().members.is_empty());
        }
    }
}
