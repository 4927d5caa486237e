//! The file that the daemon remembers users in, and the list of Google's guest agent.

use std::io;
use std::path::Path;

use pilotlight_core::keys::{MAX_STATE, State};
use pilotlight_core::model::SysPath;

use crate::regular::read_regular;
use crate::root::Sysroot;
use crate::runtime_dir::{private_directory, replace_file};

/// Name of the file in the directory of states.
const NAME: &str = "ssh-keys.json";
/// Where Google's guest agent lists the users that it has made.
const GOOGLE_USERS: &str = "/var/lib/google/google_users";

/// Reads what is remembered in a directory; `None` where nothing is.
///
/// Errors: the file cannot be read, or is none. Then the caller goes on without: see [`State`].
pub fn read(directory: &Path) -> io::Result<Option<State>> {
    let Some(bytes) = read_regular(&directory.join(NAME), MAX_STATE)? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes);
    State::parse(&text).map(Some).map_err(io::Error::other)
}

/// The users that Google's guest agent has made, as it lists them; `None` where it has never run.
pub(super) fn google_users(root: &Sysroot) -> io::Result<Option<String>> {
    let path = SysPath::parse(GOOGLE_USERS).map_err(io::Error::other)?;
    let bytes = root.read_text(&path)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Puts what is to be remembered in place, whole, for root alone.
pub fn write(directory: &Path, state: &State) -> io::Result<()> {
    private_directory(directory)?;
    replace_file(&directory.join(NAME), state.text().as_bytes(), 0o600)
}
