//! What the platform says of the machine, from the fetch stage to the files stage, and what is done with it.
//!
//! Nothing of it is worth a boot: what cannot be had is a warning. What the config says counts more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pilotlight_core::facts::accounts::Accounts;
use pilotlight_core::model::{Config, Metadata, Mode, SysPath};
use pilotlight_core::op::{Content, OwnerRef};
use pilotlight_core::plan::ssh_keys::{self, KeyFile};
use pilotlight_core::plan::want::{self, Kind, Want};
use pilotlight_providers::{HostError, Naming, Platform};

use crate::machine::{Machine, read_bounded};

/// Longest time that a boot waits for metadata.
const BOUND: Duration = Duration::from_secs(120);
/// Whose keys are those that the platform names no user for.
const STANDARD_USER: &str = "core";
/// The fragment's name: the one that coreos-metadata writes later, so that it replaces this one.
const FRAGMENT: &str = "afterburn";
const HOSTNAME: &str = "/etc/hostname";
const NETWORK_UNITS: &str = "/etc/systemd/network/";

/// Asks the platform, within bounds.
pub async fn ask(platform: Platform, machine: &Machine) -> Result<Option<Metadata>, HostError> {
    let answer = tokio::time::timeout(BOUND, platform.metadata(machine)).await;
    answer.unwrap_or_else(|_| {
        let why = format!("the platform has not answered within {} s", BOUND.as_secs());
        Err(HostError::Broken(why))
    })
}

fn place(config_cache: &Path) -> PathBuf {
    let mut name = config_cache.as_os_str().to_owned();
    name.push(".metadata");
    name.into()
}

/// Keeps metadata for the stages after the fetch stages, for root alone.
pub fn keep(config_cache: &Path, said: &Metadata) -> std::io::Result<()> {
    let text = serde_json::to_vec(said).map_err(std::io::Error::other)?;
    pilotlight_sys::replace_file(&place(config_cache), &text, 0o600)
}

/// What was kept; nothing where the platform said nothing.
pub fn kept(config_cache: &Path) -> std::io::Result<Option<Metadata>> {
    let bytes = read_bounded(&place(config_cache))?;
    let parsed = bytes
        .map(|bytes| serde_json::from_slice(&bytes))
        .transpose();
    parsed.map_err(std::io::Error::other)
}

/// What of the metadata ends up below the root.
#[derive(Debug, Default)]
pub struct Said {
    hostname: Option<String>,
    /// Units of systemd-networkd, name and text. What the config writes there under other names, it sorts in by
    /// its own numbers.
    units: Vec<(String, String)>,
    /// User → keys, for users that there are.
    keys: BTreeMap<String, Vec<String>>,
    /// Files of keys that are there already, where keys are merged into them.
    present: BTreeMap<SysPath, String>,
}

impl Said {
    /// Takes what is used: a host name where the network gives none, keys of users that exist. `read` reads a
    /// file below the root.
    pub fn new(
        platform: Platform,
        said: &Metadata,
        accounts: &Accounts,
        fragment: bool,
        read: impl Fn(&SysPath) -> std::io::Result<Option<Vec<u8>>>,
    ) -> std::io::Result<Self> {
        let own_name = said.hostname.clone();
        let mut this = Self {
            hostname: own_name.filter(|_| platform.naming() == Naming::Metadata),
            units: platform.networkd_units(said),
            ..Self::default()
        };
        for known in &said.ssh_keys {
            let user = known.user.as_deref().unwrap_or(STANDARD_USER);
            match accounts.user(user) {
                Some(_) => this
                    .keys
                    .entry(user.into())
                    .or_default()
                    .push(known.key.clone()),
                None => tracing::info!(
                    "the platform has an SSH key for {user:?}, whom this system has not"
                ),
            }
        }
        if !fragment {
            for file in this.files(accounts, false) {
                if let Some(bytes) = read(&file.path)? {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    this.present.insert(file.path, text);
                }
            }
        }
        Ok(this)
    }

    fn files(&self, accounts: &Accounts, fragment: bool) -> Vec<KeyFile> {
        let name = fragment.then_some(FRAGMENT);
        let files = self.keys.iter().filter_map(|(user, keys)| {
            let facts = accounts.user(user)?;
            match ssh_keys::file_of(user, keys, facts, accounts, name) {
                Ok(file) => Some(file),
                Err(why) => {
                    tracing::warn!(
                        "the platform's SSH keys of {user:?} have no place: of the home, {why}"
                    );
                    None
                }
            }
        });
        files.collect()
    }

    /// Adds the files to those that the config wants. Where the config has something at their place, it wins; in
    /// its file of authorized keys the platform's stand below its own.
    pub fn add_to(
        &self,
        wants: &mut Vec<Want>,
        config_keys: &[KeyFile],
        config: &Config,
        accounts: &Accounts,
        fragment: bool,
    ) {
        let name = self.hostname.iter().map(|name| {
            let why = "the platform names the machine, and its network does not";
            (HOSTNAME.into(), format!("{name}\n"), why)
        });
        let units = self.units.iter().map(|(name, text)| {
            let why = "the platform describes the network, which does not do it itself";
            (format!("{NETWORK_UNITS}{name}"), text.clone(), why)
        });
        for (path, text, why) in name.chain(units) {
            // Of constants, and of names that a platform's module makes: they are paths.
            if let Ok(path) = SysPath::parse(&path) {
                if is_taken(&path, config) {
                    tracing::info!("{path} is the config's: the platform's is left out");
                } else {
                    wants.push(file(path, text, why));
                }
            }
        }
        for mut file in self.files(accounts, fragment) {
            if is_taken(&file.path, config) {
                tracing::info!(
                    "{} is the config's: the platform's keys are left out",
                    file.path
                );
                continue;
            }
            if !fragment {
                let own = config_keys.iter().find(|own| own.path == file.path);
                let present = self.present.get(&file.path);
                let base = own.map(|own| &own.text).or(present);
                file.text = merged(base.map_or("", String::as_str), &file.text);
                file.at = own.and_then(|own| own.at);
                if own.is_some() {
                    wants.retain(|want| want.path != file.path);
                }
            }
            let mut added = want::of_key_file(&file);
            for want in &mut added {
                want.why = format!("the platform lists SSH keys of {}", file.user);
            }
            // The config's keys may have asked for the directories as well.
            added.retain(|new| !wants.iter().any(|old| old.path == new.path));
            wants.extend(added);
        }
    }
}

fn file(path: SysPath, text: String, why: &str) -> Want {
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
