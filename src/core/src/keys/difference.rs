//! What leads from the keys that are there to those that are wanted.

use std::collections::BTreeSet;
use std::fmt;

use super::desired::{Customs, Desired, UserKeys};
use super::google::{GROUPS, SUDOERS_GROUP};
use super::layout::Layout;
use super::line::Key;
use super::observed::{Contents, File, Found, Observed};
use super::op::{Change, Counts, KeyOp, Text};
use super::text::{Choice, Parts, Takes, fragment, keys};
use crate::diag::on_one_line;
use crate::op::AccountName;

/// What is to be done, and what cannot be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// The operations, in their order. Those of one user do not depend on those of another.
    pub ops: Vec<KeyOp>,
    /// What is wanted and has no place.
    pub unmet: Vec<Unmet>,
    /// When the next key ends, in seconds since 1970: the difference is another one then.
    pub next_expiry: Option<u64>,
}

/// Keys of a user that cannot be as they are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// The user.
    pub user: String,
    /// Why.
    pub why: String,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!(
            "the SSH keys of {:?} stay as they are: {}",
            self.user, self.why
        );
        f.write_str(&on_one_line(&text))
    }
}

/// What leads from what is there to what is wanted, at this second since 1970.
pub fn difference(desired: &Desired, observed: &Observed, now: u64) -> Difference {
    let mut all = Difference::default();
    if desired.left_to.is_some() {
        return all;
    }
    all.next_expiry = desired.next_expiry(now);
    accounts(desired, observed, now, &mut all);
    let mut users: BTreeSet<&str> = observed.files.keys().map(String::as_str).collect();
    users.extend(desired.users());
    users.extend(desired.only.as_deref());
    for name in users {
        // Names of accounts and of the platform; what is none was never made.
        let Ok(user) = AccountName::parse(name) else {
            continue;
        };
        if !desired.is_about(name) {
            continue;
        }
        let one = One {
            user,
            wanted: desired.users.get(name),
            desired,
            now,
        };
        let exists = observed.accounts.user(name).is_some();
        if !exists && desired.customs == Customs::Afterburn {
            // Who asks for one user by name is told, with keys and without.
            if one.wants_any() || desired.only.is_some() {
                one.unmet("there is no such user", &mut all);
            }
            continue;
        }
        let found = observed.files.get(name).cloned().unwrap_or_default();
        one.files(&found, observed, &mut all);
    }
    if desired.customs == Customs::GuestAgent && desired.may_remove() {
        for user in &observed.state.made {
            let members = observed.accounts.group(SUDOERS_GROUP);
            let is_member = members.is_some_and(|group| group.members.contains(user));
            if !is_member || wants_any(desired.users.get(user), now) || !desired.is_about(user) {
                continue;
            }
            if let Ok(user) = AccountName::parse(user) {
                let change = Change::RevokeSudo { user };
                let reason = "the platform does not name the user any more";
                all.ops.push(KeyOp { change, reason });
            }
        }
    }
    all
}

fn wants_any(wanted: Option<&UserKeys>, now: u64) -> bool {
    wanted.is_some_and(|wanted| {
        !wanted.unread.is_empty() || wanted.keys.iter().any(|key| !key.is_over(now))
    })
}

/// Users that are to be made, and what they may do.
fn accounts(desired: &Desired, observed: &Observed, now: u64, all: &mut Difference) {
    if desired.customs != Customs::GuestAgent {
        return;
    }
    let mut changes = Vec::new();
    for (name, wanted) in &desired.users {
        let Ok(user) = AccountName::parse(name) else {
            continue;
        };
        if wanted.keys.iter().all(|key| key.is_over(now)) {
            continue;
        }
        let sudoers = observed.accounts.group(SUDOERS_GROUP);
        let is_member = sudoers.is_some_and(|group| group.members.contains(name));
        if observed.accounts.user(name).is_none() {
            let there = GROUPS.into_iter();
            let there = there.filter(|group| observed.accounts.group(group).is_some());
            let groups = there.chain([SUDOERS_GROUP]);
            let groups = groups.filter_map(|group| AccountName::parse(group).ok());
            let change = Change::CreateUser {
                user,
                groups: groups.collect(),
            };
            changes.push((change, "the platform names a user that there is not"));
        } else if observed.state.made.contains(name) && !is_member {
            changes.push((Change::GrantSudo { user }, "the platform names the user"));
        }
    }
    let is_made = observed.has_sudoers && observed.accounts.group(SUDOERS_GROUP).is_some();
    if !changes.is_empty() && !is_made {
        let reason = "users that the platform names are its administrators";
        changes.insert(0, (Change::MakeSudoers, reason));
    }
    let ops = changes.into_iter();
    all.ops
        .extend(ops.map(|(change, reason)| KeyOp { change, reason }));
}

/// One user's keys.
struct One<'d> {
    user: AccountName,
    wanted: Option<&'d UserKeys>,
    desired: &'d Desired,
    now: u64,
}

/// Our lines as they are to be.
struct Merged {
    lines: Vec<Vec<u8>>,
    counts: Counts,
    /// Whether all that go are over.
    only_over: bool,
}

impl Merged {
    fn reason(&self) -> &'static str {
        match (self.counts.added, self.counts.removed) {
            (0, 0) => "they are the platform's",
            (0, _) if self.only_over => "their time is over",
            (0, _) => "the platform does not list them any more",
            (_, 0) => "the platform lists them",
            _ => "the platform lists others",
        }
    }
}

impl One<'_> {
    fn wants_any(&self) -> bool {
        wants_any(self.wanted, self.now)
    }

    fn unmet(&self, why: &str, all: &mut Difference) {
        all.unmet.push(Unmet {
            user: self.user.as_str().into(),
            why: why.into(),
        });
    }

    fn files(&self, found: &Found, observed: &Observed, all: &mut Difference) {
        for file in [&found.file, &found.former] {
            if let File::Refused(why) = file {
                // Of users who have no keys of the platform, what they have is their own affair.
                if self.wants_any() || observed.state.known.contains(self.user.as_str()) {
                    self.unmet(why, all);
                }
                return;
            }
        }
        match observed.layout {
            Layout::Fragment { .. } => self.fragment(found, observed.layout, all),
            Layout::FlatcarFragments => self.flatcar(found, observed.layout, all),
            Layout::Block => self.block(found, observed, all),
        }
    }

    /// A file that is all ours.
    fn fragment(&self, found: &Found, layout: Layout, all: &mut Difference) {
        let ours = keys(found.file.bytes());
        let merged = self.merge(&ours, &|_| false);
        if merged.lines == ours && !(ours.is_empty() && self.is_left_over(&found.file)) {
            return;
        }
        let text = fragment(&merged.lines);
        self.replace(found, layout, text, &merged, all);
    }

    /// Whether a file of ours that holds no key is to go.
    fn is_left_over(&self, file: &File) -> bool {
        file.text().is_some() && self.desired.may_remove()
    }

    /// A file that is partly ours.
    fn block(&self, found: &Found, observed: &Observed, all: &mut Difference) {
        let text = found.file.bytes();
        let wanted = |line: &[u8]| self.wants(line);
        let nothing = |_: &[u8]| false;
        let mut takes = Takes {
            google: self.desired.customs == Customs::GuestAgent,
            first_boot: None,
            unclosed: &wanted,
        };
        let mut parts = Parts::of(text, takes);
        // The first boot makes no marks. Later, what stands outside of them is a person's.
        if !parts.has_block && !observed.state.known.contains(self.user.as_str()) {
            takes.first_boot = Some(&wanted);
            takes.unclosed = &nothing;
            parts = Parts::of(text, takes);
        }
        let mut merged = self.merge(&parts.ours, &|line| parts.others_have(line));
        merged.counts.taken = parts.taken.min(merged.lines.len());
        if merged.lines == parts.ours
            && !parts.is_odd
            && (parts.has_block != merged.lines.is_empty())
        {
            return;
        }
        let new = parts.with(&merged.lines);
        if new != text || found.file.text().is_some() && new.is_empty() {
            self.replace(found, observed.layout, new, &merged, all);
        }
    }

    /// Writes a file, or removes it where nothing would be in it.
    fn replace(
        &self,
        found: &Found,
        layout: Layout,
        text: Vec<u8>,
        merged: &Merged,
        all: &mut Difference,
    ) {
        let before = found.file.text().map(Contents::digest);
        let (user, path, counts) = (self.user.clone(), layout.file(), merged.counts);
        let change = match (text.is_empty(), before) {
            (true, None) => return,
            (true, Some(before)) => Change::RemoveFile {
                user,
                path,
                before,
                counts,
            },
            (false, _) if text.len() as u64 > super::MAX_FILE => {
                return self.unmet("the file would be larger than files of keys are", all);
            }
            (false, before) => Change::WriteFile {
                user,
                path,
                text: Text::new(text),
                before,
                counts,
            },
        };
        let reason = merged.reason();
        all.ops.push(KeyOp { change, reason });
    }

    /// Fragments of update-ssh-keys(1), which writes keys in its own manner: what counts is which keys there are.
    fn flatcar(&self, found: &Found, layout: Layout, all: &mut Difference) {
        let path = layout.file();
        let Some(name) = path.last().copied() else {
            return;
        };
        let of_former = keys(found.former.bytes());
        let mut ours = keys(found.file.bytes());
        // That is how `update-ssh-keys -D` keeps a set of keys away.
        if found.file.text().is_some() && ours.is_empty() {
            if self.wants_any() {
                self.unmet("this set of keys is disabled by update-ssh-keys", all);
            }
            return;
        }
        let count = ours.len();
        ours.extend(of_former.iter().cloned());
        let mut merged = self.merge(&ours, &|_| false);
        let identities = |lines: &[Vec<u8>]| -> BTreeSet<Vec<u8>> {
            lines.iter().map(|line| identity(line)).collect()
        };
        let (present, future) = (identities(&ours[..count]), identities(&merged.lines));
        let given = identities(&ours);
        merged.counts = Counts {
            added: future.difference(&given).count(),
            removed: given.difference(&future).count(),
            taken: future.intersection(&identities(&of_former)).count(),
        };
        let (user, counts, reason) = (self.user.clone(), merged.counts, merged.reason());
        let mut push = |change| all.ops.push(KeyOp { change, reason });
        if present != future {
            push(match merged.lines.is_empty() {
                true => Change::RemoveFragment {
                    user: user.clone(),
                    name,
                    counts,
                },
                false => Change::SetFragment {
                    user: user.clone(),
                    name,
                    text: Text::new(fragment(&merged.lines)),
                    counts,
                },
            });
        }
        // After ours: at no time is there neither. An empty one keeps Afterburn's away, as somebody wants.
        if let Some(name) = layout.former().and_then(|path| path.last().copied())
            && !of_former.is_empty()
        {
            let counts = Counts::default();
            push(Change::RemoveFragment { user, name, counts });
        }
    }

    /// Whether a line is a key that is wanted now.
    fn wants(&self, line: &[u8]) -> bool {
        let wanted = self.wanted.iter().flat_map(|user| &user.keys);
        let mut wanted = wanted.filter(|key| !key.is_over(self.now));
        wanted.any(|key| key.key.as_str().as_bytes() == line)
    }

    /// Our lines as they are to be: those that stay in their order, and then those that come in the platform's.
    fn merge(&self, ours: &[Vec<u8>], others_have: Choice<'_>) -> Merged {
        let none = UserKeys::default();
        let user = self.wanted.unwrap_or(&none);
        let ids = |over: bool| -> BTreeSet<Vec<u8>> {
            let keys = user.keys.iter().filter(|key| key.is_over(self.now) == over);
            keys.map(|key| identity(key.key.as_str().as_bytes()))
                .collect()
        };
        let (wanted, over) = (ids(false), ids(true));
        let is_unread = |line: &[u8]| user.unread.iter().any(|known| known.as_bytes() == line);
        let stays = |line: &[u8]| {
            let id = identity(line);
            // What was not heard of may be wanted all the same; what comes again with another comment is replaced.
            let unheard = !self.desired.may_remove() && !wanted.contains(&id);
            self.wants(line) || is_unread(line) || unheard && !over.contains(&id)
        };
        let mut lines: Vec<Vec<u8>> = Vec::new();
        for line in ours {
            if stays(line) && !lines.contains(line) {
                lines.push(line.clone());
            }
        }
        let mut counts = Counts {
            removed: ours.len() - lines.len(),
            ..Counts::default()
        };
        let mut gone = ours.iter().filter(|line| !lines.contains(line)).peekable();
        let only_over = gone.peek().is_some() && gone.all(|line| over.contains(&identity(line)));
        for key in user.keys.iter().filter(|key| !key.is_over(self.now)) {
            let line = key.key.as_str().as_bytes().to_vec();
            if !lines.contains(&line) && !others_have(&line) {
                lines.push(line);
                counts.added += 1;
            }
        }
        Merged {
            lines,
            counts,
            only_over,
        }
    }
}

/// What two lines have in common that are the same key.
fn identity(line: &[u8]) -> Vec<u8> {
    let key = std::str::from_utf8(line)
        .ok()
        .and_then(|line| Key::parse(line).ok());
    match key {
        Some(key) => {
            let (options, kind, blob) = key.identity();
            format!("{options} {kind} {blob}").into_bytes()
        }
        None => line.to_vec(),
    }
}
