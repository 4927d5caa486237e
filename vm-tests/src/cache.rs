//! Built artefacts, each under a name that holds the hash of everything it was made from.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// How many versions of one artefact are kept; older ones go when a new one is built.
const KEPT: usize = 3;

/// The hash of the inputs of one artefact.
#[derive(Default)]
pub struct Key(Sha256);

impl Key {
    /// Adds a text, such as the commands that build the artefact.
    pub fn text(mut self, text: &str) -> Self {
        self.add(text.as_bytes());
        self
    }

    /// Adds a file's content, or names, contents and modes of a whole directory tree.
    pub fn tree(mut self, path: &Path) -> Result<Self> {
        self.walk(path)
            .with_context(|| format!("while hashing {}", path.display()))?;
        Ok(self)
    }

    fn walk(&mut self, path: &Path) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let kind = fs::symlink_metadata(path)?;
        if kind.is_dir() {
            let mut entries = fs::read_dir(path)?
                .map(|entry| Ok(entry?.path()))
                .collect::<Result<Vec<_>>>()?;
            entries.sort();
            for entry in entries {
                self.add(entry.file_name().unwrap_or_default().as_encoded_bytes());
                self.walk(&entry)?;
            }
        } else if kind.is_symlink() {
            self.add(fs::read_link(path)?.as_os_str().as_encoded_bytes());
        } else {
            self.add(&kind.permissions().mode().to_le_bytes());
            self.add(&fs::read(path)?);
        }
        Ok(())
    }

    /// Lengths keep neighbouring inputs apart.
    fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes.len().to_le_bytes());
        self.0.update(bytes);
    }

    fn short(self) -> String {
        self.0
            .finalize()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// The directory of artefacts.
pub struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// Opens the cache, creating it where it is not there yet.
    pub fn open(directory: PathBuf) -> Result<Self> {
        fs::create_dir_all(&directory)
            .with_context(|| format!("while creating {}", directory.display()))?;
        Ok(Self { directory })
    }

    /// Where the cache lies; also the place for what one run needs.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The artefact's path and whether it is there already.
    pub fn find(&self, name: &str, key: Key) -> (PathBuf, bool) {
        let path = self.directory.join(format!("{name}-{}", key.short()));
        let there = path.exists();
        (path, there)
    }

    /// Lets `build` make the artefact under a temporary name that becomes `path` when it is whole,
    /// and drops the oldest of its kind.
    pub fn fill(&self, path: &Path, build: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let partial = path.with_extension("partial");
        remove(&partial)?;
        build(&partial)?;
        fs::rename(&partial, path)
            .with_context(|| format!("while renaming {}", partial.display()))?;
        self.drop_old(path)
    }

    fn drop_old(&self, path: &Path) -> Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some((kind, _)) = name.rsplit_once('-') else {
            return Ok(());
        };
        let mut same: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let other = entry.file_name().to_string_lossy().into_owned();
            if other.rsplit_once('-').is_some_and(|(k, _)| k == kind) {
                same.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        same.sort();
        same.reverse();
        for (_, old) in same.into_iter().skip(KEPT) {
            if old != path {
                remove(&old)?;
            }
        }
        Ok(())
    }
}

/// Removes a file or a tree; what is not there is removed already.
pub fn remove(path: &Path) -> Result<()> {
    let result = match fs::symlink_metadata(path) {
        Err(_) => return Ok(()),
        Ok(kind) if kind.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    result.with_context(|| format!("while removing {}", path.display()))
}
