//! What a key is known by.

use std::fmt;
use std::str::FromStr;

use pgp::types::KeyDetails;
use pilotlight_core::hex;

/// The fingerprint of a key: 20 bytes in version 4, 32 in version 6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(Vec<u8>);

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
        let digits = digits.strip_prefix("0x").unwrap_or(&digits).as_bytes();
        let short = hex::decode::<20>(digits).map(Vec::from);
        let found = short.or_else(|| hex::decode::<32>(digits).map(Vec::from));
        found.map(Self).ok_or_else(|| {
            format!("\"{text}\" is no fingerprint: 40 hexadecimal digits (64 of a version 6 key)")
        })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}
