//! Keys and users by the customs of Google's guest agent: the texts of Compute Engine's metadata attributes
//! (Compute Engine docs, "Add SSH keys to VMs"), and the list of users that the agent has made.

use std::collections::BTreeSet;

use serde_json::Value;

use super::desired::{Customs, Desired, LeftOut, Place, WantedKey, Wishes, is_blank};
use super::line::{BadKey, Key};
use crate::calendar::rfc3339;
use crate::net::Heard;
use crate::op::AccountName;

/// The group whose members may do everything.
pub const SUDOERS_GROUP: &str = "google-sudoers";
/// Where sudo(8) reads that.
pub const SUDOERS_PATH: &str = "/etc/sudoers.d/google_sudoers";
/// How sudoers(5) says that.
pub const SUDOERS_TEXT: &str = "%google-sudoers ALL=(ALL:ALL) NOPASSWD:ALL\n";
/// Groups of new users, those of them that there are.
pub(super) const GROUPS: [&str; 6] = ["adm", "dip", "docker", "lxd", "plugdev", "video"];
/// The line before each key that the guest agent has written.
pub(super) const ADDED: &[u8] = b"# Added by Google";
/// First word of the comment of a key that ends.
const EXPIRING: &str = "google-ssh";
/// Most users that are taken from the agent's list.
const MAX_USERS: usize = 4096;

/// The attributes of an instance or of a project that decide on keys; `None` where there is none.
#[derive(Clone, Copy, Default)]
pub struct Attributes<'t> {
    /// `ssh-keys`: lines `USER:KEY`.
    pub ssh_keys: Option<&'t str>,
    /// `sshKeys`, the old name of the same; an instance that has it takes none of the project's.
    pub old_ssh_keys: Option<&'t str>,
    /// `block-project-ssh-keys`: whether an instance takes none of the project's.
    pub block_project: Option<&'t str>,
    /// `enable-oslogin`: whether accounts and keys come from the directory, at each login.
    pub os_login: Option<&'t str>,
    /// `disable-account-manager`: whether accounts and keys are nobody's business.
    pub disabled: Option<&'t str>,
}

impl<'t> Attributes<'t> {
    /// Takes them out of the JSON object `attributes`.
    pub fn of_json(attributes: &'t Value) -> Self {
        let text = |name: &str| attributes.get(name).and_then(Value::as_str);
        Self {
            ssh_keys: text("ssh-keys"),
            old_ssh_keys: text("sshKeys"),
            block_project: text("block-project-ssh-keys"),
            os_login: text("enable-oslogin"),
            disabled: text("disable-account-manager"),
        }
    }
}

/// What the attributes want. Lines that are left out are told with the name of their attribute and their number.
pub fn of_attributes(
    instance: &Attributes<'_>,
    project: &Attributes<'_>,
    heard: Heard,
) -> (Desired, Vec<LeftOut>) {
    let mut wishes = Wishes::new(Customs::GuestAgent);
    // What is no boolean says nothing: the project's counts then.
    let either = |of: fn(&Attributes<'_>) -> Option<bool>| of(instance).or_else(|| of(project));
    if either(|all| boolean(all.os_login)) == Some(true) {
        wishes.leave_to("OS Login, which the metadata switch on");
    } else if either(|all| boolean(all.disabled)) == Some(true) {
        wishes.leave_to("others: the metadata switch the account manager off");
    }
    let old = instance.old_ssh_keys.filter(|text| !text.is_empty());
    let alone = old.is_some() || boolean(instance.block_project) == Some(true);
    let own = [
        ("instance/attributes/ssh-keys", instance.ssh_keys),
        ("instance/attributes/sshKeys", old),
    ];
    let shared = [
        ("project/attributes/ssh-keys", project.ssh_keys),
        ("project/attributes/sshKeys", project.old_ssh_keys),
    ];
    let lists = own.into_iter().chain(shared.into_iter().filter(|_| !alone));
    'all: for (name, list) in lists {
        for (line, number) in list.unwrap_or_default().lines().zip(1..) {
            let place = Place { name, line: number };
            if !is_blank(line) && !add(&mut wishes, line, place) {
                break 'all;
            }
        }
    }
    wishes.end(heard)
}

/// Adds a line; answers whether there is room for more.
fn add(wishes: &mut Wishes, line: &str, place: Place<'_>) -> bool {
    let Some((user, text)) = line.trim().split_once(':') else {
        wishes.leave_out(place, None, "", "no user stands before the key");
        return true;
    };
    let Some(user) = wishes.user(user, place) else {
        return true;
    };
    match Key::parse(text) {
        Ok(key) => match ending(key) {
            Ok(wanted) => wishes.key(&user, wanted, place),
            Err(bad) => {
                wishes.leave_out(place, Some(&user), &bad.shown, &bad.why);
                true
            }
        },
        Err(bad) => {
            // One that might have to be over is not kept where it is.
            if !text.contains(EXPIRING) {
                wishes.unread(&user, text);
            }
            wishes.leave_out(place, Some(&user), &bad.shown, &bad.why);
            true
        }
    }
}

/// A key without the note of its end, and that end: `google-ssh {"userName":"ann","expireOn":"2030-01-02T03:04:05+0000"}`.
fn ending(key: Key) -> Result<WantedKey, BadKey> {
    let (first, note) = key
        .comment()
        .split_once([' ', '\t'])
        .unwrap_or((key.comment(), ""));
    if first != EXPIRING {
        return Ok(WantedKey { key, expires: None });
    }
    let bare = key.without_comment();
    let note = serde_json::from_str::<Value>(note.trim()).ok();
    let end = note.and_then(|note| rfc3339(note.get("expireOn")?.as_str()?));
    match end {
        Some(end) => Ok(WantedKey {
            key: bare,
            expires: Some(end),
        }),
        None => Err(BadKey {
            shown: format!("{bare} {EXPIRING}"),
            why: "when it ends cannot be read".into(),
        }),
    }
}

/// A boolean as Go's strconv.ParseBool takes it; `None` where it is none.
fn boolean(text: Option<&str>) -> Option<bool> {
    match text? {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// The users of the agent's list of those that it made (`/var/lib/google/google_users`), one a line; what is no name
/// is passed over.
pub fn users(list: &str) -> BTreeSet<String> {
    let lines = list.lines().map(str::trim).take(MAX_USERS);
    lines
        .filter(|line| AccountName::parse(line).is_ok() && !line.starts_with('#'))
        .map(Into::into)
        .collect()
}

#[cfg(test)]
#[path = "google_tests.rs"]
mod tests;
