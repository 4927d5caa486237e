//! The keys that may vouch for an image.

use std::fmt;
use std::str::FromStr;

use pgp::composed::{Deserializable, SignedPublicKey};
use pgp::types::KeyDetails;

use super::digests::unhex;
use super::refusal::Refusal;

/// The primary key of Flatcar's releases: the default pin.
pub const FLATCAR: &str = "F88CFEDEFF29A5B4D9523864E25D9AED0593B34A";

/// Certificates that are read from one file.
const CERTIFICATES: usize = 1000;

/// Bytes of a file of keys that are read.
const LONGEST: usize = 4 << 20;

/// The fingerprint of a key: 20 bytes in version 4, 32 in version 6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(Vec<u8>);

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

impl Fingerprint {
    pub(super) fn of(key: &impl KeyDetails) -> Self {
        Self(key.fingerprint().as_bytes().to_vec())
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    /// Hexadecimal digits, spaces between them as gpg prints them, `0x` before them.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits: String = text.split_whitespace().collect();
        match unhex(digits.strip_prefix("0x").unwrap_or(&digits)) {
            Some(bytes) if matches!(bytes.len(), 20 | 32) => Ok(Self(bytes)),
            _ => Err(format!(
                "\"{text}\" is no fingerprint: 40 hexadecimal digits (64 of a version 6 key)"
            )),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}
