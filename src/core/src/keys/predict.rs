//! What is there after an operation.

use super::google::SUDOERS_GROUP;
use super::observed::{Contents, File, Observed};
use super::op::{Change, KeyOp};
use crate::facts::accounts::{Group, User};
use crate::op::AccountName;

impl KeyOp {
    /// Changes what was observed as the operation changes the machine.
    pub fn predict(&self, observed: &mut Observed) {
        match &self.change {
            Change::MakeSudoers => {
                observed.has_sudoers = true;
                let groups = &mut observed.accounts.groups;
                groups.entry(SUDOERS_GROUP.into()).or_default();
            }
            Change::CreateUser { user, groups } => {
                let base = &observed.accounts.defaults.home_base;
                let new = User {
                    home: format!("{base}/{}", user.as_str()),
                    ..User::default()
                };
                let users = &mut observed.accounts.users;
                users.insert(user.as_str().into(), new);
                observed.state.made.insert(user.as_str().into());
                for group in groups {
                    members(observed, group.as_str(), |group| {
                        group.members.insert(user.as_str().into());
                    });
                }
            }
            Change::GrantSudo { user } => members(observed, SUDOERS_GROUP, |group| {
                group.members.insert(user.as_str().into());
            }),
            Change::RevokeSudo { user } => members(observed, SUDOERS_GROUP, |group| {
                group.members.remove(user.as_str());
            }),
            Change::WriteFile { user, text, .. } => {
                put(observed, user, File::Text(Contents(text.bytes().into())));
            }
            Change::RemoveFile { user, .. } => put(observed, user, File::Absent),
            Change::SetFragment { user, text, .. } => {
                put(observed, user, File::Text(Contents(text.bytes().into())));
            }
            Change::RemoveFragment { user, name, .. } => {
                let is_own = observed.layout.file().last() == Some(name);
                if is_own {
                    put(observed, user, File::Absent);
                } else {
                    let files = observed.files.entry(user.as_str().into()).or_default();
                    files.former = File::Absent;
                }
            }
        }
    }
}

fn members(observed: &mut Observed, group: &str, change: impl FnOnce(&mut Group)) {
    if let Some(group) = observed.accounts.groups.get_mut(group) {
        change(group);
    }
}

fn put(observed: &mut Observed, user: &AccountName, file: File) {
    let name = user.as_str();
    observed.files.entry(name.into()).or_default().file = file;
    observed.state.known.insert(name.into());
}
