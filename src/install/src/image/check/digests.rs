//! Digests of images, and the DIGESTS files that list them.

use pilotlight_core::hex;
pub use pilotlight_core::model::Digest;
use sha2::{Digest as _, Sha256, Sha512};

use super::refusal::Refusal;

/// A digest that is being computed, and what it must be.
#[derive(Debug)]
pub(super) enum Hashing {
    Sha256(Sha256, [u8; 32]),
    Sha512(Box<Sha512>, [u8; 64]),
}

impl Hashing {
    pub(super) fn new(wanted: Digest) -> Self {
        match wanted {
            Digest::Sha256(wanted) => Self::Sha256(Sha256::new(), wanted),
            Digest::Sha512(wanted) => Self::Sha512(Box::default(), wanted),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash, _) => hash.update(bytes),
            Self::Sha512(hash, _) => hash.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Result<(), Refusal> {
        let (hash, found, wanted) = match self {
            Self::Sha256(hash, wanted) => ("SHA256", hash.finalize().to_vec(), wanted.to_vec()),
            Self::Sha512(hash, wanted) => ("SHA512", hash.finalize().to_vec(), wanted.to_vec()),
        };
        if found == wanted {
            return Ok(());
        }
        Err(Refusal::Digest {
            hash,
            found: hex::encode(&found),
            wanted: hex::encode(&wanted),
        })
    }
}

/// Finds the SHA512 of the file `name` in a DIGESTS file: a line `# SHA512 HASH`, and below it lines `digits  name`.
/// Those of other hashes are passed over.
///
/// # Errors
///
/// It is not there, it is no SHA512, or it is there twice with different values.
pub fn digest_of(digests: &str, name: &str) -> Result<Digest, Refusal> {
    let refused = |why| Refusal::NoDigest {
        name: name.into(),
        why,
    };
    let mut section = "";
    let mut found = None;
    for line in digests.lines().map(str::trim) {
        if let Some(title) = line.strip_prefix('#') {
            section = title.trim();
            continue;
        }
        // A star before the name says that the file was read as it is.
        let Some((digits, file)) = line.split_once([' ', '\t']) else {
            continue;
        };
        let file = file.trim_start();
        if file.strip_prefix('*').unwrap_or(file) != name || !section.starts_with("SHA512") {
            continue;
        }
        let Some(digest) = hex::decode(digits.as_bytes()).map(Digest::Sha512) else {
            return Err(refused("what stands there is no SHA512"));
        };
        if found.as_ref().is_some_and(|found| *found != digest) {
            return Err(refused("it is listed twice, with different values"));
        }
        found = Some(digest);
    }
    found.ok_or_else(|| refused("no SHA512 is listed for this name"))
}
