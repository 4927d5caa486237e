//! Whether an image is the one that somebody vouches for.

pub mod digests;
pub mod fingerprint;
pub mod keys;
pub mod refusal;
mod signature;
mod trust;

use std::time::{SystemTime, UNIX_EPOCH};

use self::digests::{Digest, Hashing};
use self::fingerprint::Fingerprint;
use self::keys::Keys;
use self::refusal::Refusal;
use self::signature::Signatures;

/// What vouches for an image; it is fed the packed bytes in order.
#[derive(Debug)]
pub struct Check {
    signatures: Option<Signatures>,
    digest: Option<Hashing>,
}

/// Who vouched for an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Who signed; none without a signature.
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
        Self {
            signatures: None,
            digest: None,
        }
    }

    /// One of the detached OpenPGP signatures in `signature`, binary or armored, made by one of `keys`. Everything that
    /// is wrong with signature and key at the time `now` is said here, before an image is fetched.
    ///
    /// # Errors
    ///
    /// A signature that can vouch for no image at all.
    pub fn signature(signature: &[u8], keys: &Keys, now: SystemTime) -> Result<Self, Refusal> {
        // A clock before 1970 is one that says nothing: every key is from the future then.
        let now = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let signatures = Some(Signatures::read(signature, keys, now)?);
        Ok(Self {
            signatures,
            digest: None,
        })
    }

    /// The digest of the packed bytes has to be this, too.
    #[must_use]
    pub fn and_digest(mut self, digest: Digest) -> Self {
        self.digest = Some(Hashing::new(digest));
        self
    }

    /// Takes the next packed bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        if let Some(signatures) = &mut self.signatures {
            signatures.update(bytes);
        }
        if let Some(digest) = &mut self.digest {
            digest.update(bytes);
        }
    }

    /// Tells whether all that vouches for the image vouches for these bytes.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn finish(self) -> Result<Verified, Refusal> {
        let digest = self.digest.is_some();
        self.digest.map_or(Ok(()), Hashing::finish)?;
        let signer = self.signatures.map(Signatures::finish).transpose()?;
        Ok(Verified { signer, digest })
    }
}
