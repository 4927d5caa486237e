//! Digests of what is read.

use std::io::{self, Read, Write};

use pilotlight_core::hex;
use sha2::{Digest as _, Sha256};

/// Copies and answers the SHA-256 of what was copied.
pub(crate) fn digest(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(hex::encode(&hash.finalize())),
            n => {
                hash.update(&buffer[..n]);
                to.write_all(&buffer[..n])?;
            }
        }
    }
}
