//! The keys that a platform wants.
//!
//! [`Wishes`] takes a platform's texts. What cannot be meant is left out and told with its place, and the rest
//! stands. A [`Desired`] cannot be made in another way.
//!
//! Unlike an address that cannot be read, a key that cannot does not keep others from being removed: the mistyped
//! line of one person would else keep the lost key of another valid for ever. A line that was left out is only
//! not removed itself: a newer sshd may know it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::line::Key;
use crate::diag::on_one_line;
use crate::model::metadata::SshKey;
use crate::net::Heard;
use crate::op::AccountName;

/// How many keys are taken.
const MAX_KEYS: usize = 1024;
/// Longest name of a user, in bytes (useradd(8)).
const MAX_USER: usize = 32;

/// By whose customs the keys were written before, and are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Customs {
    /// Afterburn's: keys of users that there are.
    #[default]
    Afterburn,
    /// Those of Google's guest agent: users are made, and its lines in `~/.ssh/authorized_keys` are taken over.
    GuestAgent,
}

/// What a platform wants of the users' keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    pub(super) users: BTreeMap<String, UserKeys>,
    pub(super) heard: Heard,
    pub(super) customs: Customs,
    pub(super) left_to: Option<&'static str>,
    /// The only user that it is about.
    pub(super) only: Option<String>,
}

/// What a platform wants of a user's keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserKeys {
    pub(super) keys: Vec<WantedKey>,
    /// Lines that cannot be read: they are not added, and not removed.
    pub(super) unread: BTreeSet<String>,
}

/// A key that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedKey {
    /// The key.
    pub key: Key,
    /// When it ends, in seconds since 1970.
    pub expires: Option<u64>,
}

impl WantedKey {
    /// Whether it is not wanted any more, at this second since 1970.
    pub fn is_over(&self, now: u64) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }
}

impl Desired {
    /// Users that the platform names.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(String::as_str)
    }

    /// The keys of a user, in the platform's order, those that are over among them.
    pub fn keys_of(&self, user: &str) -> &[WantedKey] {
        self.users.get(user).map_or(&[], |user| &user.keys)
    }

    /// Whether what is not wanted may be removed.
    pub fn may_remove(&self) -> bool {
        self.heard == Heard::Whole
    }

    /// By whose customs.
    pub fn customs(&self) -> Customs {
        self.customs
    }

    /// Why the keys are another program's business, where they are: nothing is added then, and nothing removed.
    pub fn left_to(&self) -> Option<&'static str> {
        self.left_to
    }

    /// When the next key ends, in seconds since 1970.
    pub fn next_expiry(&self, now: u64) -> Option<u64> {
        let keys = self.users.values().flat_map(|user| &user.keys);
        keys.filter_map(|key| key.expires)
            .filter(|end| *end > now)
            .min()
    }

    /// The same for one user alone: of the others nothing is wanted, and nothing is concluded.
    pub fn only(mut self, user: &str) -> Self {
        self.users.retain(|name, _| name == user);
        self.only = Some(user.into());
        self
    }

    /// Whether it is about a user.
    pub(super) fn is_about(&self, user: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == user)
    }
}

/// A line that was left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// Where the platform says it.
    pub place: String,
    /// Which line of that, from 1.
    pub line: usize,
    /// Whose key it would be.
    pub user: Option<String>,
    /// Type and comment, as far as there are.
    pub shown: String,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{}, line {}", self.place, self.line);
        if let Some(user) = &self.user {
            text += &format!(", for {user:?}");
        }
        if !self.shown.is_empty() {
            text += &format!(", {}", self.shown);
        }
        f.write_str(&on_one_line(&format!("{text}: left out: {}", self.why)))
    }
}

/// Where something is said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    pub(super) name: &'p str,
    pub(super) line: usize,
}

/// Collects what a platform says.
#[derive(Debug, Default)]
pub struct Wishes {
    users: BTreeMap<String, UserKeys>,
    customs: Customs,
    left_to: Option<&'static str>,
    left_out: Vec<LeftOut>,
    count: usize,
    cut: bool,
}

impl Wishes {
    /// No wishes.
    pub fn new(customs: Customs) -> Self {
        Self {
            customs,
            ..Self::default()
        }
    }

    /// Takes the keys of a platform's metadata; those without a user are for `standard`.
    pub fn metadata(&mut self, keys: &[SshKey], standard: &str) {
        for (key, line) in keys.iter().zip(1..) {
            let user = key.user.as_deref().unwrap_or(standard);
            let place = Place {
                name: "the metadata's SSH keys",
                line,
            };
            if !self.line(user, &key.key, place) {
                return;
            }
        }
    }

    /// Takes the keys of a text, one a line; comments and empty lines are passed over.
    pub fn text(&mut self, user: &str, text: &str, place: &str) {
        for (line, number) in text.lines().zip(1..) {
            let place = Place {
                name: place,
                line: number,
            };
            if !is_blank(line) && !self.line(user, line, place) {
                return;
            }
        }
    }

    /// Leaves the keys to another program, whatever is wanted of them.
    pub fn leave_to(&mut self, whom: &'static str) {
        self.left_to = Some(whom);
    }

    /// Answers whether there is room for more.
    fn line(&mut self, user: &str, line: &str, place: Place<'_>) -> bool {
        let Some(user) = self.user(user, place) else {
            return true;
        };
        match Key::parse(line) {
            Ok(key) => self.key(&user, WantedKey { key, expires: None }, place),
            Err(bad) => {
                self.unread(&user, line);
                self.leave_out(place, Some(&user), &bad.shown, &bad.why);
                true
            }
        }
    }

    /// Keeps a line where it is, which cannot be read.
    pub(super) fn unread(&mut self, user: &str, line: &str) {
        let line = line.trim_matches([' ', '\t', '\r', '\n']);
        if self.count == MAX_KEYS || line.len() > super::MAX_LINE {
            // What is not remembered could not be told from what is not wanted.
            self.cut = true;
            return;
        }
        self.count += 1;
        let keys = self.users.entry(user.into()).or_default();
        keys.unread.insert(line.into());
    }

    /// Checks a name; what is none is left out.
    pub(super) fn user(&mut self, name: &str, place: Place<'_>) -> Option<String> {
        let usual = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let is_name = name.len() <= MAX_USER
            && !name.starts_with('.')
            && name.chars().all(usual)
            && AccountName::parse(name).is_ok();
        if !is_name {
            // It may be a part of a key.
            self.leave_out(place, None, "", "no user can have the name before the key");
        }
        is_name.then(|| name.into())
    }

    /// Adds a key; of two that are the same the one stays that lasts longer. Answers whether there is room for more.
    pub(super) fn key(&mut self, user: &str, wanted: WantedKey, place: Place<'_>) -> bool {
        let keys = &mut self.users.entry(user.into()).or_default().keys;
        let same = keys
            .iter_mut()
            .find(|known| known.key.identity() == wanted.key.identity());
        if let Some(known) = same {
            let ends = known.expires.zip(wanted.expires);
            known.expires = ends.map(|(one, other)| one.max(other));
            return true;
        }
        if self.count == MAX_KEYS {
            self.cut = true;
            let why = format!("there are more than {MAX_KEYS} keys, and this one and all after it");
            self.leave_out(
                place,
                None,
                "",
                &format!("{why} are not looked at; nothing is removed"),
            );
            return false;
        }
        self.count += 1;
        keys.push(wanted);
        true
    }

    pub(super) fn leave_out(
        &mut self,
        place: Place<'_>,
        user: Option<&str>,
        shown: &str,
        why: &str,
    ) {
        if self.left_out.len() < MAX_KEYS {
            self.left_out.push(LeftOut {
                place: place.name.into(),
                line: place.line,
                user: user.map(Into::into),
                shown: shown.into(),
                why: why.into(),
            });
        }
    }

    /// The wishes, and what was left out. With more keys than are taken, the answer counts as heard in part.
    pub fn end(self, heard: Heard) -> (Desired, Vec<LeftOut>) {
        let desired = Desired {
            users: self.users,
            heard: if self.cut { Heard::Partly } else { heard },
            customs: self.customs,
            left_to: self.left_to,
            only: None,
        };
        (desired, self.left_out)
    }
}

/// Whether a line says nothing.
pub(super) fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::super::line::tests::{ED25519, numbered};
    use super::*;

    #[test]
    fn a_bad_line_spoils_no_other() {
        let mut wishes = Wishes::new(Customs::Afterburn);
        let text = format!("# team\n\n{ED25519} me\r\nssh-rsa AAAA\n{}\n", numbered(1));
        wishes.text("ann", &text, "keys");
        wishes.text("../x", ED25519, "keys");
        wishes.text("12", ED25519, "keys");
        let (desired, left_out) = wishes.end(Heard::Whole);
        let keys: Vec<&str> = desired
            .keys_of("ann")
            .iter()
            .map(|key| key.key.as_str())
            .collect();
        assert_eq!(keys, [&format!("{ED25519} me"), &numbered(1)]);
        assert_eq!(desired.users().collect::<Vec<_>>(), ["ann"]);
        assert!(desired.may_remove());
        let told: Vec<String> = left_out.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "keys, line 4, for \"ann\", ssh-rsa …: left out: the key was cut off",
                "keys, line 1: left out: no user can have the name before the key",
                "keys, line 1: left out: no user can have the name before the key",
            ]
        );
    }

    #[test]
    fn of_too_many_keys_nothing_is_concluded() {
        let many = |count: u32| {
            let mut wishes = Wishes::new(Customs::Afterburn);
            let lines: Vec<String> = (0..count)
                .map(|number| {
                    let mut bytes = [0; 32];
                    bytes[..4].copy_from_slice(&number.to_be_bytes());
                    super::super::line::tests::of("ssh-ed25519", &[&bytes])
                })
                .collect();
            wishes.text("ann", &lines.join("\n"), "keys");
            wishes.end(Heard::Whole)
        };
        let (desired, left_out) = many(1024);
        assert_eq!((desired.may_remove(), left_out.len()), (true, 0));
        let (desired, left_out) = many(1030);
        assert_eq!((desired.may_remove(), left_out.len()), (false, 1));
        assert_eq!(desired.keys_of("ann").len(), 1024);
        assert_eq!(left_out[0].line, 1025);
    }
}
