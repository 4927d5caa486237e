//! What a caller asks for and what it gets.

use std::time::Duration;

use pilotlight_core::http::Method;
use pilotlight_core::model::{Compression, Digest};

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
