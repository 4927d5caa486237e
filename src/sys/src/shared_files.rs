//! What everybody on the machine may read: directories for such files, and links between them.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, renameat, symlinkat, unlinkat};

use crate::temporary;

/// Makes a directory that everybody may enter, with all directories above it; those that exist stay as they are.
pub fn shared_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)
}

/// Puts a link in place whole or not at all. What has the name is replaced, unless it is a directory.
pub fn replace_link(directory: &Path, name: &str, target: &str) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(CWD, directory, flags, Mode::empty())?;
    let temporary = temporary::name(name)?;
    symlinkat(target, &directory, &temporary)?;
    if let Err(error) = renameat(&directory, &temporary, &directory, name) {
        // The first error is the one to report.
        let _ = unlinkat(&directory, &temporary, AtFlags::empty());
        return Err(error.into());
    }
    Ok(rustix::fs::fsync(&directory)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_link_takes_the_place_of_what_is_no_directory() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("coreos");
        for _ in 0..2 {
            replace_link(dir.path(), "coreos", "flatcar").unwrap();
            assert_eq!(std::fs::read_link(&at).unwrap(), Path::new("flatcar"));
        }
        std::fs::remove_file(&at).unwrap();
        std::fs::write(&at, "old").unwrap();
        replace_link(dir.path(), "coreos", "flatcar").unwrap();
        assert_eq!(std::fs::read_link(&at).unwrap(), Path::new("flatcar"));
        std::fs::remove_file(&at).unwrap();
        std::fs::create_dir(&at).unwrap();
        assert!(replace_link(dir.path(), "coreos", "flatcar").is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_shared_directory_is_for_everybody_to_enter() {
        let dir = tempfile::tempdir().unwrap();
        shared_directory(&dir.path().join("a/b")).unwrap();
        shared_directory(&dir.path().join("a/b")).unwrap();
        for path in ["a", "a/b"] {
            let stat = std::fs::metadata(dir.path().join(path)).unwrap();
            assert_eq!(stat.permissions().mode() & 0o777, 0o755, "{path}");
        }
    }
}
