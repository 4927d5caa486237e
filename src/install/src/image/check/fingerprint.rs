//! What a key is known by.

use std::fmt;
use std::str::FromStr;

use pgp::types::KeyDetails;

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

/// Bytes by their hexadecimal digits.
pub(super) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}
