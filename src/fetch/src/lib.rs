//! URLs to verified byte streams.
//!
//! A [`Client`] fetches `http`, `https`, `tftp`, `s3`, `arn`, `gs` and `data` URLs into a [`Sink`] in
//! constant memory: bytes are inflated, bounded, hashed and written as they arrive, and an interrupted
//! transfer is resumed or begun again. It retries what may heal for as long as its caller allows, and tells a [`Progress`] what it
//! waits for, so that a boot that cannot go on says why.
//!
//! Errors and progress never show a secret: no password and no query value of a URL, no header's value.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod attempts;
mod backoff;
mod bearer;
mod body;
mod client;
mod credentials;
mod error;
mod hop;
mod network;
mod patience;
mod progress;
mod proxy;
mod redirect;
mod refusal;
mod refusal_text;
mod request;
mod retry_after;
mod s3;
mod s3_place;
mod settings;
mod sigv4;
mod sink;
mod store;
mod tftp;
mod tftp_packet;
mod tls;
mod transfer;

pub use backoff::Backoff;
pub use client::{Client, blocking};
pub use credentials::{Asked, AwsKeys, Credentials, Token};
pub use error::{Cause, FetchError};
pub use progress::{Progress, Silent};
pub use proxy::Proxy;
pub use request::{Fetched, Request};
pub use settings::ClientConfig;
pub use sink::Sink;

/// `User-Agent` of every request: servers that tell configs apart look for the product `Ignition/`.
pub const USER_AGENT: &str = concat!("Ignition/2.26.0 pilotlight/", env!("CARGO_PKG_VERSION"));

/// `Accept` of a request for a config, as the reference sends it; for [`Request::accept`].
pub const ACCEPT_CONFIG: &str = "application/vnd.coreos.ignition+json;version=3.6.0, */*;q=0.1";

/// A bound for configs and other documents held in memory: 64 MiB.
pub const CONFIG_LIMIT: u64 = 64 << 20;
