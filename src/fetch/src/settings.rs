//! How a client fetches.

use std::rc::Rc;
use std::time::Duration;

use crate::USER_AGENT;
use crate::credentials::Credentials;
use crate::proxy::Proxy;

/// Settings of a [`Client`](crate::Client). It has no `Debug`: proxies may hold passwords.
#[derive(Clone)]
pub struct ClientConfig {
    /// Longest time from the request to the headers of its answer, the connection included.
    pub response_header_timeout: Duration,
    /// Longest silence within a body before the transfer is broken off and resumed.
    pub body_idle_timeout: Duration,
    /// Longest time of one fetch with all its attempts; `None` is for ever.
    pub total_timeout: Option<Duration>,
    /// Bound of the first pause between attempts; each one is twice as long as the one before.
    pub first_pause: Duration,
    /// Bound of all pauses, but for those that a server asks for.
    pub longest_pause: Duration,
    /// Proxies; the environment's are ignored.
    pub proxy: Proxy,
    /// PEM texts of authorities to trust besides the public ones, each with one certificate or more.
    pub extra_ca_pem: Vec<Vec<u8>>,
    /// Whether the authorities of the system's bundle are trusted, too. Reading them takes 0.4 MB.
    pub system_authorities: bool,
    /// Value of `User-Agent`.
    pub user_agent: String,
    /// Redirects that one attempt follows.
    pub max_redirects: u8,
    /// What stores are shown; without it, everything is asked for as anybody would.
    pub credentials: Option<Rc<dyn Credentials>>,
    /// URL of a server that speaks S3 and is not AWS's; buckets are the first part of its paths.
    pub s3_endpoint: Option<String>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            response_header_timeout: Duration::from_secs(10),
            body_idle_timeout: Duration::from_secs(30),
            total_timeout: None,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(5),
            proxy: Proxy::default(),
            extra_ca_pem: Vec::new(),
            system_authorities: true,
            user_agent: USER_AGENT.to_owned(),
            max_redirects: 10,
            credentials: None,
            s3_endpoint: None,
        }
    }
}
