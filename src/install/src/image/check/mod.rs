//! Whether an image is the one that somebody vouches for.

pub mod digests;
pub mod keys;
pub mod refusal;

use std::time::SystemTime;

use digests::Digest;
use keys::{Fingerprint, Keys};
use refusal::Refusal;

/// What vouches for an image; it is fed the packed bytes in order.
#[derive(Debug)]
pub struct Check {
    digest: Option<Digest>,
}

/// Who vouched for an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// The primary key, the key that signed and when, in seconds since 1970; none without a signature.
    pub signer: Option<Signer>,
    /// Whether a digest was compared.
    pub digest: bool,
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The key whose fingerprint is pinned.
    pub primary: Fingerprint,
    /// The key that made the signature: itself or one of its subkeys.
    pub key: Fingerprint,
    /// The first user name of the key.
    pub user: String,
    /// When, in seconds since 1970.
    pub made: u64,
}

impl Check {
    /// Nothing vouches for it: for `--insecure` alone.
    #[must_use]
    pub fn insecure() -> Self {
        Self { digest: None }
    }

    /// One of the detached OpenPGP signatures in `signature`, binary or armored, made by one of `keys`. Everything that
    /// is wrong with signature and key at the time `now` is said here, before an image is fetched.
    ///
    /// # Errors
    ///
    /// A signature that can vouch for no image at all.
    pub fn signature(signature: &[u8], keys: &Keys, now: SystemTime) -> Result<Self, Refusal> {
        let _ = (signature, keys, now);
        Err(Refusal::NoSignature)
    }

    /// The digest of the packed bytes has to be this, too.
    #[must_use]
    pub fn and_digest(mut self, digest: Digest) -> Self {
        self.digest = Some(digest);
        self
    }

    /// Takes the next packed bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }

    /// Tells whether all that vouches for the image vouches for these bytes.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn finish(self) -> Result<Verified, Refusal> {
        Err(Refusal::NoSignature)
    }
}
