//! What the platform gives the machine: a host name, SSH keys, units of systemd-networkd.
//!
//! Nothing of it is worth a boot: what has no place is a note. What the config says counts more.

use std::collections::BTreeMap;

use crate::diag::{Diagnostic, Report};
use crate::facts::Facts;
use crate::facts::accounts::Accounts;
use crate::model::metadata::SshKey;
use crate::model::{Config, Mode, SysPath};
use crate::op::{Content, OwnerRef};
use crate::plan::ssh_keys::{self, KeyFile};
use crate::plan::want::{self, Kind, Want};

/// Whose keys are those that the platform names no user for.
const STANDARD_USER: &str = "core";
/// The fragment's name: the one that coreos-metadata writes later, so that it replaces this one.
const FRAGMENT: &str = "afterburn";
const HOSTNAME: &str = "/etc/hostname";
const NETWORK_UNITS: &str = "/etc/systemd/network/";

/// What of the metadata ends up below the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FromPlatform {
    /// The host name, where the network gives none.
    pub hostname: Option<String>,
    /// Units of systemd-networkd, name and text. What the config writes there under other names, it sorts in by
    /// its own numbers.
    pub units: Vec<(String, String)>,
    /// What the platform says of the network and is in no unit, in words.
    pub left_out: Vec<String>,
    /// SSH keys; those of users that there are not are passed over.
    pub ssh_keys: Vec<SshKey>,
}

/// User → keys, for users that there are.
fn keys(
    given: &FromPlatform,
    accounts: &Accounts,
    notes: &mut Report,
) -> BTreeMap<String, Vec<String>> {
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for known in &given.ssh_keys {
        let user = known.user.as_deref().unwrap_or(STANDARD_USER);
        match accounts.user(user) {
            Some(_) => keys.entry(user.into()).or_default().push(known.key.clone()),
            None => notes.push(Diagnostic::hint(
                None,
                format!("the platform has an SSH key for {user:?}, whom this system has not"),
            )),
        }
    }
    keys
}

fn files(
    keys: &BTreeMap<String, Vec<String>>,
    accounts: &Accounts,
    fragment: bool,
    notes: &mut Report,
) -> Vec<KeyFile> {
    let name = fragment.then_some(FRAGMENT);
    let mut files = Vec::new();
    for (user, keys) in keys {
        let Some(facts) = accounts.user(user) else {
            continue;
        };
        match ssh_keys::file_of(user, keys, facts, accounts, name) {
            Ok(file) => files.push(file),
            Err(why) => notes.push(Diagnostic::hint(
                None,
                format!("the platform's SSH keys of {user:?} have no place: of the home, {why}"),
            )),
        }
    }
    files
}

/// Files of the root whose texts planning has to know: those that keys are merged into.
pub(super) fn texts(given: Option<&FromPlatform>, fragment: bool, facts: &Facts) -> Vec<SysPath> {
    let Some(given) = given.filter(|_| !fragment) else {
        return Vec::new();
    };
    let mut unsaid = Report::default();
    let keys = keys(given, &facts.accounts, &mut unsaid);
    let files = files(&keys, &facts.accounts, false, &mut unsaid);
    files.into_iter().map(|file| file.path).collect()
}

/// Adds the files to those that the config wants. Where the config has something at their place, it wins; in
/// its file of authorized keys the platform's stand below its own. Answers what a person may want to know.
pub(super) fn add_to(
    wants: &mut Vec<Want>,
    config_keys: &[KeyFile],
    config: &Config,
    facts: &Facts,
    given: &FromPlatform,
    fragment: bool,
) -> Report {
    let mut notes = Report::default();
    for what in &given.left_out {
        let what = format!("of the platform's network, {what}");
        notes.push(Diagnostic::warning(None, what));
    }
    let accounts = &facts.accounts;
    let name = given.hostname.iter().map(|name| {
        let why = "the platform names the machine, and its network does not";
        (HOSTNAME.into(), format!("{name}\n"), why)
    });
    let units = given.units.iter().map(|(name, text)| {
        let why = "the platform tells it of the network, which does not tell it itself";
        (format!("{NETWORK_UNITS}{name}"), text.clone(), why)
    });
    for (path, text, why) in name.chain(units) {
        // Of constants, and of names that a platform's module makes: they are paths.
        if let Ok(path) = SysPath::parse(&path) {
            if is_taken(&path, config) {
                notes.push(left_out(&format!(
                    "{path} is the config's: the platform's is left out"
                )));
            } else {
                wants.push(file(path, text, why));
            }
        }
    }
    let keys = keys(given, accounts, &mut notes);
    for mut file in files(&keys, accounts, fragment, &mut notes) {
        if is_taken(&file.path, config) {
            notes.push(left_out(&format!(
                "{} is the config's: the platform's keys are left out",
                file.path
            )));
            continue;
        }
        if !fragment {
            let own = config_keys.iter().find(|own| own.path == file.path);
            let present = facts.texts.get(&file.path);
            let base = own.map(|own| &own.text).or(present);
            file.text = merged(base.map_or("", String::as_str), &file.text);
            file.at = own.and_then(|own| own.at);
            if own.is_some() {
                wants.retain(|want| want.path != file.path);
            }
        }
        let mut added = want::of_key_file(&file);
        for want in &mut added {
            want.why = format!("the platform lists SSH keys of {}", file.user).into();
        }
        // The config's keys may have asked for the directories as well.
        added.retain(|new| !wants.iter().any(|old| old.path == new.path));
        wants.extend(added);
    }
    notes
}

fn left_out(what: &str) -> Diagnostic {
    Diagnostic::hint(None, what)
}

fn file(path: SysPath, text: String, why: &'static str) -> Want {
    let name = path.as_str().rsplit('/').next().unwrap_or_default();
    let contents = Content::inline(format!("the platform's {name}"), text.into_bytes());
    Want {
        path,
        kind: Kind::File {
            contents: Some(contents),
            append: Vec::new(),
            mode: Mode::new(0o644).ok(),
        },
        user: Some(OwnerRef::Id(0)),
        group: Some(OwnerRef::Id(0)),
        overwrite: true,
        keep_attributes: false,
        at: None,
        why: why.into(),
    }
}

/// Whether the config has something at a path, or something other than a directory on the way to it.
fn is_taken(path: &SysPath, config: &Config) -> bool {
    let others = config.files.iter().map(|file| &file.inode.path);
    let mut others = others.chain(config.links.iter().map(|link| &link.inode.path));
    let mut directories = config.directories.iter();
    others.any(|other| other == path || path.is_below(other))
        || directories.any(|directory| directory.inode.path == *path)
}

/// A text of keys with the lines of another that it does not have.
fn merged(base: &str, new: &str) -> String {
    let mut text = base.to_string();
    for line in new.lines() {
        if !base.lines().any(|known| known.trim() == line) {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
#[path = "platform_tests.rs"]
mod tests;
