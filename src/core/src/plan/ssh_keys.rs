//! SSH keys of users, as files below their home directories.

use std::fmt;

use crate::diag::{Diagnostic, Report, Span, nearest};
use crate::facts::accounts::{Accounts, User as UserFacts};
use crate::model::{Mode, ScalarError, SysPath, User};
use crate::op::OwnerRef;

/// Mode of the key file: sshd(8) refuses files that others may write, and nobody else need read it.
pub const FILE_MODE: u32 = 0o600;
/// Mode of the directories made for it.
pub const DIRECTORY_MODE: u32 = 0o700;

/// A file of authorized keys, written whole.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// Whose keys they are.
    pub user: String,
    /// The file.
    pub path: SysPath,
    /// One key per line.
    pub text: String,
    /// Permissions of the file.
    pub mode: Mode,
    /// Directories that the file needs, outermost first, with the permissions that they get where
    /// they are made. The home directory is not among them.
    pub directories: Vec<(SysPath, Mode)>,
    /// Owner of the file and the directories.
    pub owner: OwnerRef,
    /// Group of the file and the directories.
    pub group: OwnerRef,
    /// The user's entry in the config.
    pub at: Option<Span>,
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile")
            .field("user", &self.user)
            .field("path", &self.path)
            .field("text", &format_args!("{} bytes", self.text.len()))
            .field("directories", &self.directories)
            .field("owner", &self.owner)
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

/// The key files that a config asks for.
///
/// `accounts` are those after [`crate::plan::accounts::plan`] was performed, or its prediction.
/// With `fragment` the keys go to `~/.ssh/authorized_keys.d/ignition`, which sshd must be told to
/// read and which leaves the user's own keys alone; else they are `~/.ssh/authorized_keys`.
pub fn key_files(
    users: &[User],
    accounts: &Accounts,
    fragment: bool,
) -> Result<Vec<KeyFile>, Report> {
    let mut report = Report::default();
    let mut files = Vec::new();
    for user in users {
        if !user.should_exist || user.ssh_authorized_keys.is_empty() {
            continue;
        }
        match accounts.user(&user.name) {
            Some(facts) => match key_file(user, facts, accounts, fragment) {
                Ok(file) => files.push(file),
                Err(why) => report.error(
                    user.at,
                    format!(
                        "the SSH keys of {:?} have no place: of its home directory {:?}, {why}",
                        user.name, facts.home
                    ),
                ),
            },
            None => {
                let message = format!("there is no user {:?} to give SSH keys to", user.name);
                let known: Vec<&str> = accounts.users.keys().map(String::as_str).collect();
                let mut error = Diagnostic::error(user.at, message);
                if let Some(near) = nearest(&user.name, &known) {
                    error = error.help(format!("did you mean {near:?}?"));
                }
                report.push(error);
            }
        }
    }
    if report.has_errors() {
        return Err(report);
    }
    Ok(files)
}

fn key_file(
    user: &User,
    facts: &UserFacts,
    accounts: &Accounts,
    fragment: bool,
) -> Result<KeyFile, ScalarError> {
    let keys = &user.ssh_authorized_keys;
    let file = file_of(
        &user.name,
        keys,
        facts,
        accounts,
        fragment.then_some("ignition"),
    )?;
    Ok(KeyFile {
        at: user.at,
        ..file
    })
}

/// The file of a user's keys: the fragment of this name, else `~/.ssh/authorized_keys`.
///
/// Errors: the user's home directory is no place.
pub fn file_of(
    user: &str,
    keys: &[String],
    facts: &UserFacts,
    accounts: &Accounts,
    fragment: Option<&str>,
) -> Result<KeyFile, ScalarError> {
    let home = home(&facts.home)?;
    let ssh = home.join(".ssh")?;
    let mut directories = vec![ssh.clone()];
    let path = if let Some(name) = fragment {
        let fragments = ssh.join("authorized_keys.d")?;
        directories.push(fragments.clone());
        fragments.join(name)?
    } else {
        ssh.join("authorized_keys")?
    };
    let mode = |bits: u32| Mode::new(bits.into());
    let directories = directories
        .into_iter()
        .map(|path| Ok((path, mode(DIRECTORY_MODE)?)))
        .collect::<Result<_, ScalarError>>()?;
    let mut text = keys.join("\n");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(KeyFile {
        user: user.into(),
        path,
        text,
        mode: mode(FILE_MODE)?,
        directories,
        owner: OwnerRef::Name(user.into()),
        group: main_group(facts, accounts),
        at: None,
    })
}

/// A user's main group, by name where it has one: a dry run knows names before it knows numbers.
pub(super) fn main_group(user: &UserFacts, accounts: &Accounts) -> OwnerRef {
    let known = user.gid.and_then(|gid| accounts.group_by_gid(gid));
    match (known, user.gid, &user.group) {
        (Some(name), _, _) => OwnerRef::Name(name.to_string()),
        (None, Some(gid), _) => OwnerRef::Id(gid),
        (None, None, Some(name)) => OwnerRef::Name(name.clone()),
        // Nobody knows it yet: the modes leave a group nothing to say anyway.
        (None, None, None) => OwnerRef::Id(0),
    }
}

/// The home directory as a clean path: passwd(5) may have it with doubled or final slashes.
fn home(text: &str) -> Result<SysPath, ScalarError> {
    let start = if text.starts_with('/') { "/" } else { "" };
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    SysPath::parse(&format!("{start}{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::accounts::Texts;

    fn accounts() -> Accounts {
        let passwd = b"root:x:0:0::/root:/bin/sh\ncore:x:500:501::/home/core/:/bin/sh\n\
            odd:x:1:1::relative:/bin/sh\nup:x:1:1::/a/../b:/bin/sh\nnone:x:1:1:::/bin/sh\n\
            top:x:1:1::/:/bin/sh\n";
        Accounts::parse(&Texts {
            passwd: Some(passwd),
            ..Texts::default()
        })
    }

    fn user(name: &str) -> User {
        User {
            at: None,
            name: name.into(),
            gecos: None,
            groups: Vec::new(),
            home_dir: None,
            no_create_home: false,
            no_log_init: false,
            no_user_group: false,
            password_hash: None,
            primary_group: None,
            shell: None,
            should_exist: true,
            ssh_authorized_keys: vec!["ssh-ed25519 AAAA one".into(), "ssh-rsa BBBB two".into()],
            system: false,
            uid: None,
        }
    }

    #[test]
    fn the_fragment_stands_in_directories_of_the_user() {
        let files = key_files(&[user("core")], &accounts(), true).unwrap();
        insta::assert_debug_snapshot!(files, @r#"
        [
            KeyFile {
                user: "core",
                path: SysPath(
                    "/home/core/.ssh/authorized_keys.d/ignition",
                ),
                text: 38 bytes,
                directories: [
                    (
                        SysPath(
                            "/home/core/.ssh",
                        ),
                        Mode(
                            448,
                        ),
                    ),
                    (
                        SysPath(
                            "/home/core/.ssh/authorized_keys.d",
                        ),
                        Mode(
                            448,
                        ),
                    ),
                ],
                owner: Name(
                    "core",
                ),
                group: Id(
                    501,
                ),
                ..
            },
        ]
        "#);
        assert_eq!(files[0].text, "ssh-ed25519 AAAA one\nssh-rsa BBBB two\n");
        assert_eq!(files[0].mode.bits(), 0o600);
    }

    #[test]
    fn without_fragments_it_is_the_file_itself() {
        let files = key_files(&[user("top")], &accounts(), false).unwrap();
        assert_eq!(files[0].path.as_str(), "/.ssh/authorized_keys");
        assert_eq!(files[0].directories.len(), 1);
    }

    #[test]
    fn users_without_keys_and_removed_users_have_none() {
        let mut silent = user("core");
        silent.ssh_authorized_keys.clear();
        let mut removed = user("root");
        removed.should_exist = false;
        assert_eq!(
            key_files(&[silent, removed], &accounts(), true),
            Ok(Vec::new())
        );
    }

    #[test]
    fn a_home_that_is_no_place_is_an_error() {
        let users = [user("odd"), user("up"), user("none"), user("cor")];
        let report = key_files(&users, &accounts(), true).unwrap_err();
        insta::assert_snapshot!(report.render(&crate::diag::Sources::default()), @r#"
        error: the SSH keys of "odd" have no place: of its home directory "relative", the path is not absolute
        error: the SSH keys of "up" have no place: of its home directory "/a/../b", the path has the component ".."
        error: the SSH keys of "none" have no place: of its home directory "", the path is empty
        error: there is no user "cor" to give SSH keys to
          help: did you mean "core"?
        "#);
    }
}
