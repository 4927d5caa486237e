//! The changes of one plan as a transaction: what has to be known before them, and what undoes those of a run that
//! was cut off.

use std::collections::BTreeSet;

use crate::facts::accounts::{Accounts, Defaults};
use crate::facts::unfinished_accounts::Before;
use crate::model::{SysPath, User};
use crate::op::{AccountOp, Restore};
use crate::ordered::{Arrange as _, Gather as _};

/// Where programs of shadow-utils make mailboxes if login.defs says nothing.
const MAIL: [&str; 2] = ["/var/mail", "/var/spool/mail"];

/// Whose lines the operations change, on accounts as they are now, and all paths that they may make. The files,
/// and which of the paths are there, is to be looked at.
pub fn begin<'o>(ops: impl Iterator<Item = &'o AccountOp>, accounts: &Accounts) -> Before {
    let mut now = accounts.clone();
    let mut before = Before::default();
    let mut paths = BTreeSet::new();
    for op in ops {
        match op {
            AccountOp::Restore(_) => {}
            AccountOp::AddGroup { name, .. } | AccountOp::DeleteGroup { name } => {
                before.groups.insert(name.as_str().into());
            }
            AccountOp::ModifyGroup { name, .. } => {
                before.groups.insert(name.as_str().into());
                // Users whose main group it is follow.
                let users = now.users.keys();
                let of_group = users.filter(|user| now.is_main_group(name.as_str(), user));
                before.users.extend(of_group.cloned());
            }
            // A group of the user's own comes and goes with it.
            AccountOp::AddUser(_) | AccountOp::DeleteUser { .. } => {
                let name = op.name().map(|name| name.as_str().to_string());
                before.users.extend(name.clone());
                before.groups.extend(name);
            }
            AccountOp::ModifyUser { name, .. } => {
                before.users.insert(name.as_str().into());
            }
            AccountOp::SetPassword { of, name, .. } | AccountOp::Adopt { of, name, .. } => {
                let names = match of {
                    crate::op::AccountKind::User => &mut before.users,
                    crate::op::AccountKind::Group => &mut before.groups,
                };
                names.insert(name.as_str().into());
            }
        }
        op.predict_accounts(&mut now);
        let (name, home) = match op {
            AccountOp::AddUser(user) => (
                Some(user.name.as_str()),
                user.create_home
                    .then(|| now.user(user.name.as_str()))
                    .flatten(),
            ),
            AccountOp::ModifyUser { name, fields } if fields.home_dir.is_some() => {
                (None, now.user(name.as_str()))
            }
            _ => (None, None),
        };
        if let Some(home) = home.and_then(|user| directory(&user.home)) {
            paths.extend(home.ancestors());
            paths.insert(home);
        }
        paths.extend(name.iter().flat_map(|name| mailboxes(name, &now.defaults)));
    }
    before.absent = paths.into_iter().map(String::from).collect();
    before
}

/// What undoes a run that was cut off, where accounts were as they are in `now`.
///
/// The journal may be anybody's: of the paths that it names only those count that the config's own users have or
/// get as homes and mailboxes.
pub(super) fn restore(before: Before, users: &[User], now: &Accounts) -> Restore {
    let absent: BTreeSet<SysPath> = (before.absent.iter())
        .filter_map(|path| SysPath::parse(path).ok())
        .gather();
    let names: BTreeSet<&String> = before.users.iter().chain(&before.groups).gather();
    let mut restore = Restore {
        names: names.into_iter().cloned().collect(),
        skeleton: SysPath::parse(&now.defaults.skeleton).ok(),
        ..Restore::default()
    };
    let mut above = BTreeSet::new();
    for user in users.iter().filter(|user| user.should_exist) {
        let wanted = user.home_dir.as_ref().map(|home| home.as_str());
        let has = now.user(&user.name);
        let home = match (wanted.filter(|home| !home.is_empty()), has) {
            (Some(home), _) => directory(home),
            (None, None) => directory(&format!("{}/{}", now.defaults.home_base, user.name)),
            (None, Some(_)) => None,
        };
        let home = home.filter(|home| absent.contains(home));
        if let Some(home) = &home {
            above.extend(
                home.ancestors()
                    .into_iter()
                    .filter(|path| absent.contains(path)),
            );
        }
        match has.map(|user| directory(&user.home)) {
            Some(Some(from)) => {
                let place = home.filter(|to| *to != from && before.users.contains(&user.name));
                restore.moved.extend(place.map(|to| (from, to)));
            }
            Some(None) => {}
            None => {
                restore.homes.extend(home);
                let boxes = mailboxes(&user.name, &now.defaults);
                restore
                    .mailboxes
                    .extend(boxes.filter(|path| absent.contains(path)));
            }
        }
    }
    // A home of one may lie above another's.
    above.retain(|path| !restore.homes.contains(path));
    restore.homes.arrange();
    restore.homes.dedup();
    restore.homes.reverse();
    restore.above = above.into_iter().rev().collect();
    restore.before = before;
    restore
}

/// A home directory as passwd has it; the root itself is none.
fn directory(home: &str) -> Option<SysPath> {
    let path = SysPath::parse(home.trim_end_matches('/')).ok();
    path.filter(|path| path.depth() > 0)
}

fn mailboxes(name: &str, defaults: &Defaults) -> impl Iterator<Item = SysPath> {
    let places = MAIL.into_iter().chain(defaults.mail.as_deref());
    let boxes: Vec<SysPath> = places
        .filter_map(|place| SysPath::parse(place.trim_end_matches('/')).ok())
        .filter_map(|place| place.join(name).ok())
        .collect();
    boxes.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::accounts::Texts;
    use crate::op::{AccountKind, AccountName, AddUser, Field, PasswordHash, UserFields};
    use crate::plan::accounts::tests::user;

    fn accounts() -> Accounts {
        Accounts::parse(&Texts {
            passwd: Some(
                b"a:x:1:5::/home/a/:/bin/sh\nb:x:2:5::/home/b:\nc:x:3:6::/home/c:\nr:x:4:6::/:\n",
            ),
            group: Some(b"g:x:5:\nh:x:6:\n"),
            login_defs: Some(b"MAIL_DIR /mail/\n"),
            ..Texts::default()
        })
    }

    fn name(text: &str) -> AccountName {
        AccountName::parse(text).unwrap()
    }

    fn moved(of: &str, to: &str) -> AccountOp {
        AccountOp::ModifyUser {
            name: name(of),
            fields: UserFields {
                home_dir: Some(Field::parse(to).unwrap()),
                ..UserFields::default()
            },
        }
    }

    fn added(of: &str, home: Option<&str>, create_home: bool) -> AccountOp {
        AccountOp::AddUser(AddUser {
            name: name(of),
            fields: UserFields {
                home_dir: home.map(|home| Field::parse(home).unwrap()),
                ..UserFields::default()
            },
            create_home,
            no_user_group: false,
            no_log_init: false,
            system: false,
        })
    }

    /// "users; groups; paths" of one operation.
    fn begun(op: &AccountOp) -> String {
        let before = begin([op].into_iter(), &accounts());
        let join = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(" ");
        format!(
            "{}; {}; {}",
            join(before.users),
            join(before.groups),
            before.absent.join(" ")
        )
    }

    #[test]
    fn an_operation_names_all_whose_lines_it_changes_and_all_that_it_may_make() {
        let hash = PasswordHash::parse("*").unwrap();
        let table = [
            (
                AccountOp::AddGroup {
                    name: name("n"),
                    gid: None,
                    system: false,
                },
                "; n; ",
            ),
            (
                AccountOp::ModifyGroup {
                    name: name("g"),
                    gid: 7,
                },
                "a b; g; ",
            ),
            (AccountOp::DeleteGroup { name: name("g") }, "; g; "),
            (
                added("n", Some("/srv/deep/n"), true),
                "n; n; /mail/n /srv /srv/deep /srv/deep/n /var/mail/n /var/spool/mail/n",
            ),
            (
                added("n", None, true),
                "n; n; /home /home/n /mail/n /var/mail/n /var/spool/mail/n",
            ),
            (
                added("n", None, false),
                "n; n; /mail/n /var/mail/n /var/spool/mail/n",
            ),
            (moved("a", "/srv/a"), "a; ; /srv /srv/a"),
            (
                AccountOp::DeleteUser {
                    name: name("a"),
                    home: "/home/a".into(),
                },
                "a; a; ",
            ),
            (
                AccountOp::SetPassword {
                    of: AccountKind::Group,
                    name: name("g"),
                    hash,
                },
                "; g; ",
            ),
        ];
        for (op, expected) in table {
            assert_eq!(begun(&op), expected, "{op}");
        }
    }

    #[test]
    fn a_hostile_journal_names_no_path_but_those_of_the_configs_own_users() {
        let user = |name: &str, home: Option<&str>| User {
            home_dir: home.map(|home| SysPath::parse(home).unwrap()),
            ..user(name)
        };
        let users = [
            user("new", None),
            user("deep", Some("/srv/x/deep")),
            user("a", Some("/var/home/a")),
            user("b", Some("/home/b")),
            user("c", None),
            user("r", Some("/var/home/r")),
            User {
                should_exist: false,
                ..user("gone", None)
            },
        ];
        let hostile = [
            "/",
            "/etc",
            "/etc/passwd",
            "/home/new",
            "/home",
            "/home/new/..",
            "../../home/new",
            "",
            "/srv/x",
            "/srv/x/deep",
            "/srv",
            "/usr/bin",
            "/var/home/a",
            "/var",
            "/home/a",
            "/home/b",
            "/home/c",
            "/home/gone",
            "/var/home/r",
            "/var/mail/new",
            "/var/mail/c",
            "/mail/new",
            "/mail/../etc",
            "/srv/x/deep/below",
            "/home/new\0",
        ];
        let before = Before {
            users: ["a", "b", "r", "root"].map(String::from).into(),
            absent: hostile.map(String::from).to_vec(),
            ..Before::default()
        };
        let restore = restore(before, &users, &accounts());
        let path = |text: &str| SysPath::parse(text).unwrap();
        assert_eq!(restore.homes, ["/srv/x/deep", "/home/new"].map(path));
        assert_eq!(restore.mailboxes, ["/var/mail/new", "/mail/new"].map(path));
        assert_eq!(restore.moved, [(path("/home/a"), path("/var/home/a"))]);
        // They go where they are empty.
        assert_eq!(restore.above, ["/var", "/srv/x", "/srv", "/home"].map(path));
        assert_eq!(restore.names, ["a", "b", "r", "root"]);
    }
}
