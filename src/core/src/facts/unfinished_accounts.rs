//! The files of groups and users before a run that changed them and did not come to its end.
//!
//! The changes of one run are a transaction. Each tool replaces one file after the other, so a run that was cut
//! off leaves users without a group, groups without members and homes without an owner, all of which look like
//! something that somebody wanted. The next run takes the accounts that the earlier one was to change as they
//! were before it, and changes them again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use crate::hex;
use crate::ordered::{Arrange as _, Gather as _};

/// The files in /etc that hold groups and users.
pub const FILES: [&str; 6] = ["passwd", "group", "shadow", "gshadow", "subuid", "subgid"];

/// The files, whose lines are changed, and what was not there.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Before {
    /// Name in /etc, one of [`FILES`] → contents as hexadecimal digits; `None` where there was no file.
    pub files: BTreeMap<String, Option<String>>,
    /// Users whose lines are changed.
    pub users: BTreeSet<String>,
    /// Groups whose lines are changed. In those of others only the named users come and go.
    pub groups: BTreeSet<String>,
    /// Paths (home directories, the directories above them, mailboxes) at which there was nothing.
    pub absent: Vec<String>,
}

impl std::fmt::Debug for Before {
    /// Without the contents: there are password hashes among them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&String> = self.files.keys().collect();
        write!(
            f,
            "Before {{ {names:?}, users: {:?}, groups: {:?}, absent: {:?} }}",
            self.users, self.groups, self.absent
        )
    }
}

impl Before {
    /// For the journal.
    pub(crate) fn to_value(&self) -> Value {
        json!({ "files": self.files, "users": self.users, "groups": self.groups, "absent": self.absent })
    }

    /// From a journal; `None` where it is none.
    pub(crate) fn of_value(value: &Value) -> Option<Self> {
        let list = |key: &str| -> Option<Vec<String>> {
            let list = value[key].as_array()?.iter();
            list.map(|text| text.as_str().map(str::to_string)).collect()
        };
        let files = value["files"].as_object()?.iter().map(|(name, text)| {
            let text = match text {
                Value::Null => None,
                Value::String(digits) => Some(digits.clone()),
                _ => return None,
            };
            Some((name.clone(), text))
        });
        Some(Self {
            files: files.collect::<Option<_>>()?,
            users: list("users")?.into_iter().gather(),
            groups: list("groups")?.into_iter().gather(),
            absent: list("absent")?,
        })
    }

    /// Notes a file of [`FILES`].
    pub fn note(&mut self, name: &str, text: Option<&[u8]>) {
        self.files.insert(name.into(), text.map(hex::encode));
    }

    /// The file as it has to be before the changes are made again: the lines that the run was to change as they
    /// were before it, all others as they are now. `None` is no file.
    pub fn restored(&self, name: &str, now: Option<&[u8]>) -> Option<Vec<u8>> {
        let unchanged = || now.map(<[u8]>::to_vec);
        let before = match self.files.get(name) {
            // No run has noted it, or what is noted is no text: nothing is known.
            None => return unchanged(),
            Some(None) => None,
            Some(Some(digits)) => match bytes(digits) {
                Some(text) => Some(text),
                None => return unchanged(),
            },
        };
        let Some(now) = now else {
            // The tools never remove a file.
            return before;
        };
        let is_of_groups = match name {
            "passwd" | "shadow" | "subuid" | "subgid" => false,
            "group" | "gshadow" => true,
            _ => return unchanged(),
        };
        let old = lines(before.as_deref().unwrap_or_default());
        let new = match is_of_groups {
            false => merged(&old, &lines(now), &self.users, |_, now| now.to_vec()),
            true => merged(&old, &lines(now), &self.groups, |old, now| {
                self.with_members_of(old, now)
            }),
        };
        if new == old {
            return before;
        }
        if new.is_empty() && before.is_none() {
            return None;
        }
        let mut text = new.join(&b'\n');
        text.push(b'\n');
        Some(text)
    }

    /// A group's line of now in which the named users are where they were: among members, and in gshadow among
    /// administrators.
    fn with_members_of(&self, old: &[u8], now: &[u8]) -> Vec<u8> {
        let split = |line: &[u8]| -> Vec<Vec<u8>> {
            line.split(|byte| *byte == b':')
                .map(<[u8]>::to_vec)
                .collect()
        };
        let (old, mut now) = (split(old), split(now));
        // The third field of group is a number, which neither list holds, so it stays.
        for (old, now) in old.iter().zip(&mut now).skip(2) {
            *now = self.list(old, now);
        }
        now.join(&b':')
    }

    fn list(&self, old: &[u8], now: &[u8]) -> Vec<u8> {
        let split = |list: &[u8]| -> Vec<Vec<u8>> {
            let parts = list.split(|byte| *byte == b',').map(<[u8]>::to_vec);
            parts.filter(|part| !part.is_empty()).collect()
        };
        let (was, is) = (split(old), split(now));
        let (before, since): (BTreeSet<_>, BTreeSet<_>) = (was.iter().gather(), is.iter().gather());
        let kept = was
            .iter()
            .filter(|member| names(&self.users, member) || since.contains(member));
        let added = is
            .iter()
            .filter(|member| !names(&self.users, member) && !before.contains(member));
        let list: Vec<&[u8]> = kept.chain(added).map(Vec::as_slice).collect();
        match list.iter().eq(was.iter()) {
            true => old.to_vec(),
            false => list.join(&b','),
        }
    }
}

/// The lines of a file that go back and those that stay, in the order of before; what came since is at the end.
fn merged(
    old: &[&[u8]],
    now: &[&[u8]],
    named: &BTreeSet<String>,
    amend: impl Fn(&[u8], &[u8]) -> Vec<u8>,
) -> Vec<Vec<u8>> {
    let mut others: BTreeMap<&[u8], VecDeque<usize>> = BTreeMap::new();
    for (index, line) in now.iter().enumerate() {
        if !names(named, name(line)) {
            others.entry(name(line)).or_default().push_back(index);
        }
    }
    let mut result = Vec::new();
    for line in old {
        if names(named, name(line)) {
            result.push(line.to_vec());
        } else if let Some(index) = others.get_mut(name(line)).and_then(VecDeque::pop_front)
            && let Some(now) = now.get(index)
        {
            result.push(amend(line, now));
        }
    }
    let mut since: Vec<usize> = others.into_values().flatten().collect();
    since.arrange();
    result.extend(
        since
            .iter()
            .filter_map(|index| now.get(*index))
            .map(|line| line.to_vec()),
    );
    result
}

/// The first field; of a line that has no fields all of it.
fn name(line: &[u8]) -> &[u8] {
    line.split(|byte| *byte == b':').next().unwrap_or_default()
}

fn names(named: &BTreeSet<String>, name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| named.contains(name))
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    match text.strip_suffix(b"\n").unwrap_or(text) {
        [] => Vec::new(),
        text => text.split(|byte| *byte == b'\n').collect(),
    }
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| hex::byte(*high, *low))
        .collect()
}

#[cfg(test)]
#[path = "unfinished_accounts_tests.rs"]
mod tests;
