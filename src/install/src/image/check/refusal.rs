//! Why a signature, a key or a digest is not taken.

use std::fmt;

use pilotlight_core::calendar::Utc;

use super::fingerprint::Fingerprint;

/// Seconds since 1970, shown as a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Utc::of_unix(self.0).fmt(f)
    }
}

/// Why nobody vouches for an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No OpenPGP signature is in what was given as one.
    #[error("there is no OpenPGP signature in what was given as one: {0}")]
    NoSignature(String),
    /// A signature of another kind, as one for text.
    #[error("the signature is not one of a file's bytes ({0}): make it with \"gpg --detach-sign\"")]
    WrongKind(String),
    /// A hash for which other bytes with the same value can be made.
    #[error("the signature of {what} uses {hash}, which can be forged: sign with SHA256 or better")]
    WeakHash {
        /// What was signed: the image, a key.
        what: String,
        /// The name of the hash.
        hash: String,
    },
    /// Nothing is known of the key.
    #[error(
        "it is signed by the key {key}, which is not among the keys that were given: give its file, if you trust it"
    )]
    UnknownKey {
        /// Fingerprint or key ID, as the signature says.
        key: String,
    },
    /// The key was given, and is not one of those that are trusted.
    #[error(
        "it is signed by the key {key}, whose primary key is not pinned: pin {primary}, if you trust it"
    )]
    NotPinned {
        /// The key that signed.
        key: Fingerprint,
        /// Its primary key.
        primary: Fingerprint,
    },
    /// No file had a key that is pinned.
    #[error("none of the keys that were given is pinned: they are {}, the pins {}", listed(.keys), listed(.pins))]
    NoPinnedKey {
        /// The primary keys in the files.
        keys: Vec<Fingerprint>,
        /// The pins.
        pins: Vec<Fingerprint>,
    },
    /// A file that was given for keys has none.
    #[error("while reading keys from {file}: {why}")]
    NoKeys {
        /// What the file is called.
        file: String,
        /// Why it has none.
        why: String,
    },
    /// The key is not valid any more.
    #[error(
        "the key {key} expired on {on}: take a newer image, or a file with the key that was extended"
    )]
    KeyExpired {
        /// The key.
        key: Fingerprint,
        /// When.
        on: Moment,
    },
    /// The key's owner took it back.
    #[error("the key {key} is revoked{}: take an image signed by another key", reason(.why))]
    KeyRevoked {
        /// The key.
        key: Fingerprint,
        /// The owner's words, if there are any.
        why: String,
    },
    /// The key is not for signing.
    #[error("the key {key} is not meant for signing files")]
    WrongUsage {
        /// The key.
        key: Fingerprint,
    },
    /// Nothing shows that key and owner belong together.
    #[error("nothing valid binds the key {key} to its owner: {why}")]
    NotBound {
        /// The key.
        key: Fingerprint,
        /// What is missing.
        why: String,
    },
    /// The signature was for some time only.
    #[error("the signature expired on {on}")]
    SignatureExpired {
        /// When.
        on: Moment,
    },
    /// The signature or its key is from the future: one of two clocks is wrong.
    #[error(
        "the signature or its key was made on {made}, and this machine's clock says {now}: set the clock"
    )]
    NotYet {
        /// When it was made.
        made: Moment,
        /// What the clock says.
        now: Moment,
    },
    /// The signature is for other bytes.
    #[error(
        "the signature of the key {key} is not for these bytes: the image is damaged or was changed; fetch both again"
    )]
    BadSignature {
        /// The key that is said to have signed.
        key: Fingerprint,
    },
    /// The digest is another one.
    #[error(
        "its {hash} is {found}, and {wanted} was told: the image is damaged or was changed; fetch it again"
    )]
    Digest {
        /// The name of the hash.
        hash: &'static str,
        /// In hexadecimal digits.
        found: String,
        /// In hexadecimal digits.
        wanted: String,
    },
    /// A file of digests does not tell this one.
    #[error("while looking for {name} among the digests: {why}")]
    NoDigest {
        /// The name of the image.
        name: String,
        /// Why there is none.
        why: &'static str,
    },
}

fn listed(keys: &[Fingerprint]) -> String {
    keys.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn reason(why: &str) -> String {
    if why.is_empty() {
        String::new()
    } else {
        format!(" (\"{why}\")")
    }
}
