//! What a caller asks for and what it gets.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// One resource to fetch.
///
/// It has no `Debug`: its URL and headers may hold secrets (see [`redact`](crate::redact)).
#[derive(Clone, Default)]
pub struct Request {
    /// The URL; an empty one stands for empty contents, as in the config specification.
    pub url: String,
    /// Method.
    pub method: Method,
    /// Body, sent again with each attempt; empty is none.
    pub body: Vec<u8>,
    /// The user's headers: they replace default ones, and do not leave the first URL's origin.
    pub headers: Vec<(String, String)>,
    /// Value of the `Accept` header; [`ACCEPT_CONFIG`](crate::ACCEPT_CONFIG) for configs.
    pub accept: Option<String>,
    /// How the resource is compressed; what is written and verified is the inflated form.
    pub compression: Compression,
    /// Digest that the written bytes must have.
    pub verify: Option<Digest>,
    /// Most bytes that may be written, after inflating; `None` leaves the bound to the sink.
    pub max_bytes: Option<u64>,
    /// Statuses to retry besides 429 and 5xx, for servers that answer early (say 404 while starting), each
    /// for so long since it was first seen; [`Duration::MAX`] is for as long as the client waits.
    pub retry_statuses: Vec<(u16, Duration)>,
    /// Longest time of this fetch with all its attempts, where that is less than the client's.
    pub total_timeout: Option<Duration>,
    /// Never through a proxy: an address of the machine's own link.
    pub direct: bool,
}

/// Method of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// GET: redirects are followed, and a body that breaks off is resumed.
    #[default]
    Get,
    /// PUT
    Put,
    /// POST
    Post,
}

impl Request {
    /// A plain request for `url`: no headers, no compression, nothing to verify, no bound.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ..Self::default()
        }
    }

    /// The same for at most `limit` bytes.
    pub(crate) fn at_most(&self, limit: u64) -> Self {
        Self {
            max_bytes: Some(self.max_bytes.map_or(limit, |bound| bound.min(limit))),
            ..self.clone()
        }
    }
}

/// Compression of a resource, by the names of the config specification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    #[default]
    None,
    /// RFC 1952, one or more members.
    Gzip,
}

/// A digest to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256.
    Sha256([u8; 32]),
    /// SHA-512.
    Sha512([u8; 64]),
}

/// Why a text is no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Neither `sha256-` nor `sha512-` in front.
    #[error("the hash function must be sha256 or sha512, written as \"sha512-<hex>\"")]
    Function,
    /// Too few or too many digits, or others than hexadecimal ones.
    #[error("the hash sum must be {0} hexadecimal digits")]
    Sum(usize),
}

impl Digest {
    /// Reads `sha256-<hex>` or `sha512-<hex>`, the specification's form of a hash; digits of either case.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        if let Some(hex) = text.strip_prefix("sha256-") {
            unhex(hex).map(Self::Sha256).ok_or(DigestError::Sum(64))
        } else if let Some(hex) = text.strip_prefix("sha512-") {
            unhex(hex).map(Self::Sha512).ok_or(DigestError::Sum(128))
        } else {
            Err(DigestError::Function)
        }
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        Self::parse(text)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, sum): (_, &[u8]) = match self {
            Self::Sha256(sum) => ("sha256", sum),
            Self::Sha512(sum) => ("sha512", sum),
        };
        write!(f, "{name}-")?;
        sum.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn unhex<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let hex = hex.as_bytes();
    if hex.len() != 2 * N {
        return None;
    }
    let mut sum = [0; N];
    for (byte, pair) in sum.iter_mut().zip(hex.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(sum)
}

/// What a finished fetch wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Bytes written, after inflating.
    pub bytes: u64,
    /// SHA-256 of the written bytes.
    pub sha256: [u8; 32],
    /// Status of the answer; `None` when no server was asked.
    pub status: Option<u16>,
}

/// A server's answer to [`Client::ask`](crate::Client::ask). It has no `Debug`: it may hold secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Headers, names in lower case; one whose value is not text is left out.
    pub headers: Vec<(String, String)>,
    /// Body; empty unless the status is 2xx.
    pub body: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_what_it_prints() {
        for text in [
            format!("sha256-{}", "0f".repeat(32)),
            format!("sha512-{}", "a9".repeat(64)),
        ] {
            assert_eq!(Digest::parse(&text).unwrap().to_string(), text);
            let upper = text.to_uppercase().replace("SHA", "sha");
            assert_eq!(Digest::parse(&upper), Digest::parse(&text));
        }
    }

    #[test]
    fn other_texts_are_no_digest() {
        for (text, error) in [
            ("", DigestError::Function),
            ("md5-00", DigestError::Function),
            ("SHA256-00", DigestError::Function),
            ("sha256-", DigestError::Sum(64)),
            (&format!("sha256-{}", "0".repeat(63)), DigestError::Sum(64)),
            (&format!("sha256-{}", "0".repeat(65)), DigestError::Sum(64)),
            (&format!("sha256-{}", "+0".repeat(32)), DigestError::Sum(64)),
            (&format!("sha256-{}", "é".repeat(32)), DigestError::Sum(64)),
            (&format!("sha512-{}", "0".repeat(64)), DigestError::Sum(128)),
        ] {
            assert_eq!(Digest::parse(text), Err(error), "{text}");
        }
    }
}
