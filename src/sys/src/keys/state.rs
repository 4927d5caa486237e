//! The file that the daemon remembers users in, and the list of Google's guest agent.

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use pilotlight_core::keys::{MAX_STATE, State};
use pilotlight_core::model::SysPath;
use rustix::process::geteuid;

use crate::regular::read_regular;
use crate::root::Sysroot;
use crate::runtime_dir::replace_file;

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
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    // Others may look at the names in it, and put nothing there.
    let there = std::fs::metadata(directory)?;
    if there.uid() != geteuid().as_raw() || there.mode() & 0o022 != 0 {
        return Err(io::Error::other(format!(
            "others may write to {}",
            directory.display()
        )));
    }
    replace_file(&directory.join(NAME), state.text().as_bytes(), 0o600)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_directory_is_one_that_others_do_not_write_to() {
        let dir = tempfile::tempdir().unwrap();
        let made = dir.path().join("a/b");
        let mut state = State::default();
        state.known.insert("ann".into());
        write(&made, &state).unwrap();
        assert_eq!(std::fs::metadata(&made).unwrap().mode() & 0o777, 0o700);
        assert_eq!(read(&made).unwrap(), Some(state.clone()));
        let mode = |mode| std::fs::set_permissions(&made, PermissionsExt::from_mode(mode)).unwrap();
        mode(0o755);
        write(&made, &state).unwrap();
        mode(0o775);
        let why = write(&made, &State::default()).unwrap_err().to_string();
        assert!(why.starts_with("others may write to "), "{why}");
        assert_eq!(read(&made).unwrap(), Some(state));
    }
}
