//! Users' SSH keys on the machine: looking at them, and performing operations on them.
//!
//! A home directory belongs to somebody who is not trusted, and who may put a link in the place of any directory
//! while root is at work there. So all of that work is done with the rights of the user (`as_user`): what the user
//! may not read is not read, and what the user may not write is not written, wherever a path leads. Beside that, no
//! link below the home directory is followed.

mod apply;
mod as_user;
mod files;
mod label;
mod layout;
mod state;

#[cfg(test)]
mod account_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use pilotlight_core::facts::accounts::{Accounts, Texts};
use pilotlight_core::keys::{
    Customs, Desired, File, Found, Layout, Observed, SUDOERS_PATH, State, looked_at,
};
use pilotlight_core::model::SysPath;

pub use apply::{KeysError, Target, UPDATE_SSH_KEYS, apply};
pub use layout::facts as layout_facts;
pub use state::{read as read_state, write as write_state};

use crate::root::Sysroot;
use files::Place;

/// Looks at the accounts below `root`, and at the keys of those users whom it is about.
///
/// `state` is what is remembered, `None` where nothing is or it cannot be read. A file that is not as it should be
/// is told by what is observed of it; errors are those of the account files.
pub fn observe(
    root: &Path,
    desired: &Desired,
    layout: Layout,
    state: Option<&State>,
) -> io::Result<Observed> {
    let open = Sysroot::open(root)?;
    let accounts = accounts(&open)?;
    let mut remembered = state.cloned().unwrap_or_default();
    if desired.customs() == Customs::GuestAgent
        && let Some(list) = state::google_users(&open)?
    {
        remembered.take_over(&list);
    }
    let mut files = BTreeMap::new();
    for user in looked_at(desired, state.map(|_| &remembered), &accounts) {
        let found = match Place::of(root, &accounts, &user) {
            Ok(place) => Found {
                file: look(&place, layout.file()),
                former: layout
                    .former()
                    .map_or(File::Absent, |path| look(&place, path)),
            },
            Err(why) => Found {
                file: File::Refused(why),
                former: File::Absent,
            },
        };
        files.insert(user, found);
    }
    let sudoers = SysPath::parse(SUDOERS_PATH).map_err(io::Error::other)?;
    let has_sudoers = open.stat(&open.resolve(&sudoers)?)?.is_some();
    Ok(Observed {
        layout,
        accounts,
        files,
        state: remembered,
        has_sudoers,
    })
}

fn look(place: &Place, path: Vec<&'static str>) -> File {
    match place.read(&path) {
        Ok(None) => File::Absent,
        Ok(Some(contents)) => File::Text(contents),
        Err(error) => File::Refused(format!("while reading ~/{}: {error}", path.join("/"))),
    }
}

/// Users and groups of a root. Passwords are nobody's business here, and shadow files are not read.
fn accounts(root: &Sysroot) -> io::Result<Accounts> {
    let read = |path: &str| root.read_text(&SysPath::parse(path).map_err(io::Error::other)?);
    let (passwd, group) = (read("/etc/passwd")?, read("/etc/group")?);
    let (login_defs, useradd) = (read("/etc/login.defs")?, read("/etc/default/useradd")?);
    Ok(Accounts::parse(&Texts {
        passwd: passwd.as_deref(),
        group: group.as_deref(),
        login_defs: login_defs.as_deref(),
        useradd: useradd.as_deref(),
        ..Texts::default()
    }))
}
