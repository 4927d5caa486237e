//! The platform's keys for a user.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use pilotlight_core::keys::{Customs, Heard, Layout, Wishes};
use pilotlight_core::model::Metadata;

use crate::keys::Keys;

/// Where Afterburn writes them, below the home directory.
const FILE: &str = ".ssh/authorized_keys.d/afterburn";

/// Gives a user the keys, in the file that Afterburn writes, and answers what was done. The error is for a person.
///
/// All keys are this user's, whoever the platform names, as it is with Afterburn: the name of Azure's administrator
/// is seldom the one of the image. No key at all is no error, and no reason to shut anybody out: it cannot be told
/// from an answer that is not there yet.
pub fn write_keys(
    user: &str,
    said: &Metadata,
    root: &Path,
    state: &Path,
) -> Result<String, String> {
    let mut wishes = Wishes::new(Customs::Afterburn);
    for known in &said.ssh_keys {
        wishes.text(user, &known.key, "the metadata's SSH keys");
    }
    let heard = match said.ssh_keys.is_empty() {
        true => Heard::Partly,
        false => Heard::Whole,
    };
    let (desired, left_out) = wishes.end(heard);
    let desired = desired.only(user);
    let count = desired.keys_of(user).len();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    let mut keys = Keys::of(root, state).laid_out(Layout::AFTERBURN);
    let outcome = keys.put_right(&desired, &left_out, now)?;
    match (outcome.failed + outcome.unmet, count) {
        (0, 0) => Ok(format!(
            "the platform names no SSH key: ~{user}/{FILE} stays as it was"
        )),
        (0, count) => Ok(format!(
            "{count} SSH keys of the platform are in ~{user}/{FILE}"
        )),
        _ => Err(format!("the SSH keys of {user} could not be written")),
    }
}
