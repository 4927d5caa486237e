//! AWS Signature Version 4 in the `Authorization` header.
//!
//! What is signed, and in which form, is AWS's "Create a signed AWS API request" (IAM user guide).

use pilotlight_core::hex;
use pilotlight_core::ordered::Arrange as _;
use ring::hmac;
use sha2::{Digest as _, Sha256};

use crate::credentials::AwsKeys;

/// SHA-256 of an empty body, which is that of every GET.
pub(crate) const EMPTY_SHA256: &str =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A request as it is signed.
pub(crate) struct Signing<'a> {
    pub(crate) method: &'a str,
    /// Path, escaped as it is sent.
    pub(crate) path: &'a str,
    /// Names and values of the query, escaped; in any order.
    pub(crate) query: &'a [(String, String)],
    /// Headers to sign, names in lower case; in any order. `host` must be among them.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// SHA-256 of the body, in hexadecimal digits.
    pub(crate) payload: &'a str,
    /// Time of the request, `20130524T000000Z`; also in the header `x-amz-date`.
    pub(crate) time: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

impl Signing<'_> {
    /// Value of the `Authorization` header.
    pub(crate) fn authorization(&self, keys: &AwsKeys) -> String {
        let mut headers = self.headers.to_vec();
        // Values of one name stay in their order, as the headers are.
        headers.arrange_by_key(|(name, _)| *name);
        let mut names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        names.dedup();
        let names = names.join(";");
        let scope = format!(
            "{}/{}/{}/aws4_request",
            self.time.get(..8).unwrap_or_default(),
            self.region,
            self.service
        );
        let canonical = self.canonical(&headers, &names);
        let hash = hex::encode(&Sha256::digest(canonical));
        let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{hash}", self.time);
        let mut key = format!("AWS4{}", keys.secret).into_bytes();
        for part in scope.split('/').chain([to_sign.as_str()]) {
            let with = hmac::Key::new(hmac::HMAC_SHA256, &key);
            key = hmac::sign(&with, part.as_bytes()).as_ref().to_vec();
        }
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={}",
            keys.id,
            hex::encode(&key)
        )
    }

    /// The request in the one form of which both sides take the hash.
    fn canonical(&self, headers: &[(&str, &str)], names: &str) -> String {
        let mut query = self.query.to_vec();
        query.arrange();
        let query: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut text = format!("{}\n{}\n{}\n", self.method, self.path, query.join("&"));
        let mut last = None;
        for (name, value) in headers {
            // Headers of one name are one line.
            if last == Some(name) {
                text.pop();
                text.push(',');
            } else {
                text.push_str(name);
                text.push(':');
            }
            let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
            text.push_str(&words.join(" "));
            text.push('\n');
            last = Some(name);
        }
        text + "\n" + names + "\n" + self.payload
    }
}

/// Escapes all but the unreserved characters of RFC 3986; slashes only where `keep_slashes` is not set.
pub(crate) fn escape(bytes: &[u8], keep_slashes: bool) -> String {
    let mut escaped = String::with_capacity(bytes.len());
    for &byte in bytes {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if plain || byte == b'/' && keep_slashes {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            for digit in [byte >> 4, byte & 15] {
                escaped.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
    escaped
}

#[cfg(test)]
#[path = "sigv4_tests.rs"]
mod tests;
