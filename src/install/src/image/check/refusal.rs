//! Why a signature, a key or a digest is not taken.

/// Why nobody vouches for an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No OpenPGP signature is in what was given as one.
    #[error("there is no OpenPGP signature in what was given as one")]
    NoSignature,
}
