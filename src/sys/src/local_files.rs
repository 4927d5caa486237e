//! The directory whose files a config takes in (`--files-dir`): nothing above it is ever read.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use pilotlight_core::ordered::Arrange as _;
use pilotlight_core::translate::{LocalEntry, LocalFiles, LocalKind};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, openat2, statat};
use rustix::io::Errno;

/// Largest file that is taken in, in bytes: it becomes part of the config.
const MAX_FILE: u64 = 64 << 20;
/// How many entries a tree may have.
const MAX_ENTRIES: usize = 10_000;
/// How deep a tree may be.
const MAX_DEPTH: usize = 64;

/// An open directory of local files.
#[derive(Debug)]
pub struct LocalDirectory {
    fd: OwnedFd,
}

impl LocalDirectory {
    /// Opens the directory.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            fd: rustix::fs::openat(CWD, path, flags, Mode::empty())?,
        })
    }

    /// Opens a path below the directory; links may be followed as long as they stay below it.
    fn open_below(&self, path: &str, flags: OFlags) -> Result<OwnedFd, String> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        openat2(
            &self.fd,
            path,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            resolve,
        )
        .map_err(|error| match error {
            Errno::XDEV => "it leads out of the directory of local files".into(),
            other => other.to_string(),
        })
    }

    fn collect(
        &self,
        directory: &str,
        below: &str,
        depth: usize,
        found: &mut Vec<LocalEntry>,
    ) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("it is more than {MAX_DEPTH} directories deep"));
        }
        let fd = self.open_below(directory, OFlags::RDONLY | OFlags::DIRECTORY)?;
        found.push(LocalEntry {
            path: below.trim_end_matches('/').into(),
            kind: LocalKind::Directory,
        });
        let entries = Dir::read_from(&fd).map_err(|error| error.to_string())?;
        for entry in entries {
            let entry = entry.map_err(|error| error.to_string())?;
            let name = entry
                .file_name()
                .to_str()
                .map_err(|_| "it holds a file whose name is not UTF-8".to_string())?;
            if matches!(name, "." | "..") {
                continue;
            }
            if found.len() >= MAX_ENTRIES {
                return Err(format!("it holds more than {MAX_ENTRIES} files"));
            }
            let path = format!("{below}{name}");
            let stat = statat(fd.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| format!("{path}: {error}"))?;
            let kind = match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    let inner = format!("{directory}/{name}");
                    self.collect(&inner, &format!("{path}/"), depth + 1, found)?;
                    continue;
                }
                FileType::Symlink => {
                    let target = rustix::fs::readlinkat(fd.as_fd(), name, Vec::new())
                        .map_err(|error| format!("{path}: {error}"))?;
                    let target = target
                        .into_string()
                        .map_err(|_| format!("{path} points at a name that is not UTF-8"))?;
                    LocalKind::Link { target }
                }
                FileType::RegularFile => LocalKind::File {
                    executable: stat.st_mode & 0o111 != 0,
                },
                _ => return Err(format!("{path} is neither a file nor a link")),
            };
            found.push(LocalEntry { path, kind });
        }
        Ok(())
    }
}

impl LocalFiles for LocalDirectory {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        // Without NONBLOCK a named pipe would hold up the program before it is seen to be one.
        let fd = self.open_below(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        let file = File::from(fd);
        let metadata = file.metadata().map_err(|error| error.to_string())?;
        if !metadata.is_file() {
            return Err("it is not a regular file".into());
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| error.to_string())?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(format!("it is larger than {} MiB", MAX_FILE >> 20));
        }
        Ok(bytes)
    }

    fn walk(&self, path: &str) -> Result<Vec<LocalEntry>, String> {
        let mut found = Vec::new();
        self.collect(path, "", 0, &mut found)?;
        found.arrange_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn nothing_outside_the_directory_is_read() {
        let top = tempfile::tempdir().unwrap();
        let below = top.path().join("files");
        std::fs::create_dir_all(below.join("tree/sub")).unwrap();
        std::fs::write(top.path().join("secret"), "s").unwrap();
        std::fs::write(below.join("tree/run"), "r").unwrap();
        std::fs::write(below.join("tree/sub/plain"), "p").unwrap();
        std::fs::set_permissions(
            below.join("tree/run"),
            std::fs::Permissions::from_mode(0o755),
        )
        .unwrap();
        symlink("../../secret", below.join("tree/out")).unwrap();
        symlink("run", below.join("tree/in")).unwrap();
        let files = LocalDirectory::open(&below).unwrap();
        assert_eq!(files.read("tree/sub/plain").unwrap(), b"p");
        assert_eq!(files.read("tree/in").unwrap(), b"r");
        for path in ["../secret", "tree/out", "/etc/passwd", "tree/../../secret"] {
            let why = files.read(path).unwrap_err();
            assert!(why.contains("leads out"), "{path}: {why}");
        }
        assert!(files.read("tree").unwrap_err().contains("regular file"));
        assert!(files.read("none").unwrap_err().contains("No such file"));
        let listed: Vec<String> = files
            .walk("tree")
            .unwrap()
            .into_iter()
            .map(|entry| format!("{} {:?}", entry.path, entry.kind))
            .collect();
        assert_eq!(
            listed,
            [
                " Directory",
                "in Link { target: \"run\" }",
                "out Link { target: \"../../secret\" }",
                "run File { executable: true }",
                "sub Directory",
                "sub/plain File { executable: false }",
            ]
        );
        assert!(files.walk("..").unwrap_err().contains("leads out"));
    }
}
