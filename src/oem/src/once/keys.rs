//! The platform's keys for a user.

use pilotlight_core::model::Metadata;
use pilotlight_sys::key_fragment::{self, Owner};

/// Name of the file in `~/.ssh/authorized_keys.d`.
const NAME: &str = "afterburn";

/// Writes the keys, and answers what was done. The error is for a person.
///
/// All keys are this user's, whoever the platform names, as it is with Afterburn: the name of Azure's administrator
/// is seldom the one of the image. No key at all is no error, and no reason to shut anybody out: it cannot be told
/// from an answer that is not there yet.
pub fn write_keys(user: &str, said: &Metadata) -> Result<String, String> {
    let owner = Owner::find(user)
        .map_err(|error| format!("while looking for the user {user:?}: {error}"))?
        .ok_or_else(|| format!("there is no user {user:?} to give SSH keys to"))?;
    let path = owner.place(NAME);
    let mut keys: Vec<&str> = Vec::new();
    for known in &said.ssh_keys {
        if !keys.contains(&known.key.as_str()) {
            keys.push(&known.key);
        }
    }
    if keys.is_empty() {
        return Ok(match path.exists() {
            true => format!(
                "the platform names no SSH key: {} stays as it was",
                path.display()
            ),
            false => format!("the platform names no SSH key for {user}"),
        });
    }
    let text: String = keys.iter().map(|key| format!("{key}\n")).collect();
    key_fragment::write(&owner, NAME, &text)
        .map_err(|error| format!("while writing {}: {error}", path.display()))?;
    Ok(format!(
        "wrote {} SSH keys of {user} to {}",
        keys.len(),
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_user_is_told() {
        let why = write_keys("no-such-user", &Metadata::default()).unwrap_err();
        assert_eq!(why, "there is no user \"no-such-user\" to give SSH keys to");
    }

    #[test]
    fn no_key_is_no_error() {
        let done = write_keys("root", &Metadata::default()).unwrap();
        assert!(done.starts_with("the platform names no SSH key"), "{done}");
    }
}
