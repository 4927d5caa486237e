//! Who has which number, so that thousands of accounts need not all be looked at for each of them.

use std::collections::BTreeMap;

use crate::facts::accounts::Accounts;

/// The names that had a number when they were last noted; the accounts decide whether they still have it.
pub(super) struct Numbers {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

impl Numbers {
    /// The numbers of these accounts.
    pub(super) fn of(accounts: &Accounts) -> Self {
        let mut numbers = Self {
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
        };
        for name in accounts.users.keys().chain(accounts.groups.keys()) {
            numbers.note(name, accounts);
        }
        numbers
    }

    /// Notes the numbers of the user and the group of a name after each change of either.
    pub(super) fn note(&mut self, name: &str, accounts: &Accounts) {
        if let Some(uid) = accounts.user(name).and_then(|user| user.uid) {
            self.users.entry(uid).or_insert_with(|| name.into());
        }
        if let Some(gid) = accounts.group(name).and_then(|group| group.gid) {
            self.groups.entry(gid).or_insert_with(|| name.into());
        }
    }

    /// The user that has a number.
    pub(super) fn user<'a>(&self, uid: u32, accounts: &'a Accounts) -> Option<&'a str> {
        let noted = self.users.get(&uid)?;
        match accounts.users.get_key_value(noted) {
            Some((name, user)) if user.uid == Some(uid) => Some(name),
            // It has another by now; someone else may have had the same, or have it since.
            _ => accounts.user_by_uid(uid),
        }
    }

    /// The group that has a number.
    pub(super) fn group<'a>(&self, gid: u32, accounts: &'a Accounts) -> Option<&'a str> {
        let noted = self.groups.get(&gid)?;
        match accounts.groups.get_key_value(noted) {
            Some((name, group)) if group.gid == Some(gid) => Some(name),
            _ => accounts.group_by_gid(gid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Numbers;
    use crate::facts::accounts::{Accounts, Texts};

    #[test]
    fn numbers_are_found_after_changes() {
        let mut accounts = Accounts::parse(&Texts {
            passwd: Some(b"a:x:1:1::/:/bin/sh\nb:x:1:1::/:/bin/sh\nc:x:3:3::/:/bin/sh\n"),
            group: Some(b"a:x:1:\nc:x:3:\n"),
            ..Texts::default()
        });
        let mut numbers = Numbers::of(&accounts);
        assert_eq!(numbers.user(1, &accounts), Some("a"));
        assert_eq!(numbers.group(1, &accounts), Some("a"));
        assert_eq!(numbers.user(2, &accounts), None);

        accounts.users.remove("a");
        accounts.groups.remove("a");
        assert_eq!(numbers.user(1, &accounts), Some("b"));
        assert_eq!(numbers.group(1, &accounts), None);
        if let Some(user) = accounts.users.get_mut("c") {
            user.uid = Some(2);
        }
        numbers.note("c", &accounts);
        assert_eq!(numbers.user(2, &accounts), Some("c"));
        assert_eq!(numbers.user(3, &accounts), None);
    }
}
