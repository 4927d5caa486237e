//! The keys that may vouch for an image.

use pgp::composed::{Deserializable, SignedPublicKey};

use super::fingerprint::Fingerprint;
use super::refusal::Refusal;

/// The primary key of Flatcar's releases: the default pin.
pub const FLATCAR: &str = "F88CFEDEFF29A5B4D9523864E25D9AED0593B34A";

/// Certificates that are read from one file.
const CERTIFICATES: usize = 1000;

/// Bytes of a file of keys that are read.
const LONGEST: usize = 4 << 20;

/// Which of the keys that were given are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pins {
    /// Primary keys with these fingerprints alone.
    Only(Vec<Fingerprint>),
    /// All of them: who names a file trusts what is in it.
    AsGiven,
}

/// Keys that may vouch for an image.
#[derive(Debug)]
pub struct Keys {
    pub(super) trusted: Vec<SignedPublicKey>,
    /// Those that are not pinned: to say so, rather than that they are unknown.
    pub(super) others: Vec<SignedPublicKey>,
}

impl Keys {
    /// Reads all certificates of `files` (what each is called in errors, and its bytes: binary or armored).
    ///
    /// # Errors
    ///
    /// A file that is no OpenPGP certificate; no pinned key in any of them.
    pub fn read(files: &[(&str, &[u8])], pins: &Pins) -> Result<Self, Refusal> {
        let mut keys = Self {
            trusted: Vec::new(),
            others: Vec::new(),
        };
        for (file, bytes) in files {
            let refused = |why: String| Refusal::NoKeys {
                file: (*file).into(),
                why,
            };
            if bytes.len() > LONGEST {
                return Err(refused(format!("it has more than {LONGEST} bytes")));
            }
            let (found, _) = SignedPublicKey::from_reader_many(*bytes)
                .map_err(|cause| refused(format!("it is no file of OpenPGP keys: {cause}")))?;
            let mut count = 0;
            for key in found.take(CERTIFICATES) {
                let key = key.map_err(|cause| refused(cause.to_string()))?;
                let taken = match pins {
                    Pins::AsGiven => true,
                    Pins::Only(pins) => pins.contains(&Fingerprint::of(&key.primary_key)),
                };
                if taken {
                    &mut keys.trusted
                } else {
                    &mut keys.others
                }
                .push(key);
                count += 1;
            }
            if count == 0 {
                return Err(refused("there is no OpenPGP public key in it".into()));
            }
        }
        if let (true, Pins::Only(pins)) = (keys.trusted.is_empty(), pins) {
            let others = keys
                .others
                .iter()
                .map(|key| Fingerprint::of(&key.primary_key));
            return Err(Refusal::NoPinnedKey {
                keys: others.collect(),
                pins: pins.clone(),
            });
        }
        Ok(keys)
    }
}
