//! Work with a user's rights.

use std::io;

use rustix::fs::{Gid, Uid};
use rustix::process::geteuid;
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// Does something on a thread that has the rights of a user and of its main group, and no others.
///
/// Identities are those of threads on Linux (credentials(7)), whatever the C library makes of it: nothing else in the
/// process changes, and the thread ends with the work. For root, and where this process is not root, nothing changes
/// at all.
pub(super) fn as_user<T: Send>(
    uid: u32,
    gid: u32,
    work: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    if uid == 0 || !geteuid().is_root() {
        return work();
    }
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    let (root, root_group) = (Uid::ROOT, Gid::ROOT);
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            set_thread_groups(&[])?;
            // Only the effective ones, which decide on files: with the others the user could send signals to the thread
            // (kill(2)) and end the whole process. What root may do beyond all users goes with them
            // (capabilities(7)).
            set_thread_res_gid(root_group, gid, root_group)?;
            set_thread_res_uid(root, uid, root)?;
            work()
        });
        let ended = thread.join();
        ended.map_err(|_| io::Error::other("the work with the user's rights broke off"))?
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_rights_are_the_users_and_this_thread_keeps_its_own() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o711)).unwrap();
        let (secret, shared) = (dir.path().join("secret"), dir.path().join("shared"));
        std::fs::write(&secret, "s").unwrap();
        std::fs::write(&shared, "s").unwrap();
        std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::set_permissions(&shared, PermissionsExt::from_mode(0o640)).unwrap();
        std::os::unix::fs::chown(&shared, None, Some(4321)).unwrap();
        let read = |path: &std::path::Path| as_user(1234, 4321, || std::fs::read(path));
        let denied = read(&secret).unwrap_err();
        assert_eq!(denied.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(read(&shared).unwrap(), b"s");
        assert_eq!(std::fs::read(&secret).unwrap(), b"s");
        let read = as_user(1234, 99, || std::fs::read(&shared));
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(as_user(0, 0, || std::fs::read(&secret)).unwrap(), b"s");
    }

    #[test]
    fn the_user_has_no_power_over_the_thread() {
        let id = |line: &str| {
            line.split_whitespace()
                .skip(1)
                .map(String::from)
                .collect::<Vec<_>>()
        };
        let status = as_user(1234, 4321, || {
            std::fs::read_to_string("/proc/thread-self/status")
        });
        let status = status.unwrap();
        let of = |name: &str| id(status.lines().find(|line| line.starts_with(name)).unwrap());
        assert_eq!(of("Uid:"), ["0", "1234", "0", "1234"]);
        assert_eq!(of("Gid:"), ["0", "4321", "0", "4321"]);
        assert_eq!(of("Groups:"), [] as [&str; 0]);
        assert_eq!(of("CapEff:"), ["0000000000000000"]);
    }
}
