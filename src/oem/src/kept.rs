//! What the platform said last, for the next start: it may not answer then, or say something else.

use std::io;
use std::path::PathBuf;

use pilotlight_providers::Platform;
use serde::{Deserialize, Serialize};

/// Longest file that is believed, in bytes.
const MAX: u64 = 16 << 20;

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct File {
    /// Version of this form.
    version: u32,
    /// Name of the platform that said it.
    platform: String,
    /// What it said.
    document: String,
}

const VERSION: u32 = 1;

/// A file in which the daemon keeps what it has to know after a restart.
#[derive(Debug, Clone)]
pub struct Kept {
    file: PathBuf,
}

impl Kept {
    /// The one of this path.
    pub fn of(file: PathBuf) -> Self {
        Self { file }
    }

    /// What the platform said last; nothing where it is another platform's, or of another version of the form: an
    /// image may have been made of a machine elsewhere.
    pub fn load(&self, platform: Platform) -> io::Result<Option<String>> {
        let Some(bytes) = pilotlight_sys::read_regular(&self.file, MAX)? else {
            return Ok(None);
        };
        let file: File = serde_json::from_slice(&bytes)?;
        let same = file.version == VERSION && file.platform == platform.name();
        Ok(same.then_some(file.document))
    }

    /// Keeps an answer, for root alone.
    pub fn save(&self, platform: Platform, document: &str) -> io::Result<()> {
        let file = File {
            version: VERSION,
            platform: platform.name().into(),
            document: document.into(),
        };
        pilotlight_sys::replace_file(&self.file, &serde_json::to_vec(&file)?, 0o600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_of_its_platform() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::of(dir.path().join("network.json"));
        assert_eq!(kept.load(Platform::Gcp).unwrap(), None);
        kept.save(Platform::Gcp, "{\"a\": 1}").unwrap();
        let loaded = kept.load(Platform::Gcp).unwrap();
        assert_eq!(loaded.as_deref(), Some("{\"a\": 1}"));
        assert_eq!(kept.load(Platform::Aws).unwrap(), None);
        std::fs::write(&kept.file, "{\"version\": 1").unwrap();
        assert!(kept.load(Platform::Gcp).is_err());
        std::fs::write(
            &kept.file,
            "{\"version\": 2, \"platform\": \"gcp\", \"document\": \"x\"}",
        )
        .unwrap();
        assert_eq!(kept.load(Platform::Gcp).unwrap(), None);
    }
}
