//! The kernel's own host name (uname(2), sethostname(2)): the one that a machine goes by until it is shut down.

use std::io;

/// The name of this UTS namespace.
pub fn current() -> String {
    let names = rustix::system::uname();
    names.nodename().to_string_lossy().into_owned()
}

/// Gives it another one, at most 64 bytes. Needs CAP_SYS_ADMIN.
pub fn set(name: &str) -> io::Result<()> {
    Ok(rustix::system::sethostname(name.as_bytes())?)
}
