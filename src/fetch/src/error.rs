//! Why a fetch failed.

use std::error::Error;
use std::io;
use std::time::Duration;

use pilotlight_core::model::Digest;
use pilotlight_core::redact;

/// A failed fetch: which URL, without its secrets, and why.
#[derive(Debug, thiserror::Error)]
#[error("while fetching {url}: {cause}")]
pub struct FetchError {
    /// The URL as it may be shown, with the one it was redirected to.
    pub url: String,
    /// What went wrong.
    #[source]
    pub cause: Cause,
}

impl FetchError {
    /// Whether the same request may succeed later, though nobody changes it.
    pub fn is_retryable(&self) -> bool {
        self.cause.is_retryable()
    }
}

/// What went wrong in a fetch.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The text is no URL that could be fetched.
    #[error("the URL is not valid: {0}")]
    InvalidUrl(String),
    /// No way to fetch this scheme.
    #[error(
        "URLs of scheme \"{0}\" are not supported; supported are http, https, tftp, s3, arn, gs and data"
    )]
    UnsupportedScheme(String),
    /// A header of the request is malformed; only its name is told.
    #[error("the request header \"{0}\" has a malformed name or value")]
    InvalidHeader(String),
    /// A setting of the client (proxy, certificate authority) cannot be used.
    #[error("{0}")]
    InvalidSetting(String),
    /// Status 404.
    #[error("the server answered 404 Not Found")]
    NotFound,
    /// The same of another server than one of HTTP, in its words.
    #[error("{0}")]
    Absent(String),
    /// A server knows what is asked for, but does not give it: why, and what to do.
    #[error("{0}")]
    Refused(String),
    /// What the machine has to show to a store could not be had.
    #[error("{0}")]
    Credentials(String),
    /// A status that is neither success nor redirect.
    #[error("the server answered {}", status_text(*.code))]
    Status {
        /// The status.
        code: u16,
    },
    /// A redirect to a URL that was visited before.
    #[error("the redirects go in a circle")]
    RedirectLoop,
    /// A redirect to where the config's server has no business: where it leads, why not, and what to do.
    #[error("the server's redirect is not followed: {0}")]
    Redirect(String),
    /// More redirects than the client follows.
    #[error("more than {0} redirects")]
    TooManyRedirects(u8),
    /// No connection, or a broken one, before the answer.
    #[error("{0}")]
    Network(String),
    /// The server's certificate is refused.
    #[error("the server's TLS certificate is refused: {0}")]
    Tls(String),
    /// The server's certificate has expired or is not valid yet by this machine's clock.
    #[error("the server's TLS certificate is refused: {0}; is this machine's clock right?")]
    TlsClock(String),
    /// No connection and headers within the client's limit.
    #[error("no answer within {} s", .0.as_secs_f32())]
    NoAnswer(Duration),
    /// The body ended early, or stopped coming, and going on with it did not help.
    #[error("the body broke off after {got} bytes{}: {reason}", of_total(*.expected))]
    Truncated {
        /// Bytes that came, as transferred.
        got: u64,
        /// Bytes that the server announced.
        expected: Option<u64>,
        /// What was seen.
        reason: String,
    },
    /// The bytes are not those that were asked for.
    #[error("the contents have the wrong hash: expected {expected}, got {got}")]
    Digest {
        /// The request's digest.
        expected: Box<Digest>,
        /// The digest of what came.
        got: Box<Digest>,
    },
    /// More bytes than the request allows.
    #[error("the contents are larger than the allowed {limit} bytes")]
    TooLarge {
        /// The bound, in bytes.
        limit: u64,
    },
    /// The body is not what the request's compression says.
    #[error("the contents cannot be decompressed as gzip: {0}")]
    Decompress(String),
    /// The sink refused the bytes.
    #[error("while writing the contents: {0}")]
    Sink(#[source] io::Error),
    /// The client's total time is over.
    #[error("gave up after {} s{}", tenths(*.after), last_text(.last.as_deref()))]
    Timeout {
        /// The limit.
        after: Duration,
        /// Why the last attempt failed.
        last: Option<Box<Cause>>,
    },
}

impl Cause {
    /// Whether the server says that what is asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound | Self::Absent(_))
    }

    /// Whether the same request may succeed later, though nobody changes it.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Status { code } => *code == 429 || *code >= 500,
            Self::Network(_)
            | Self::TlsClock(_)
            | Self::NoAnswer(_)
            | Self::Truncated { .. }
            | Self::Timeout { .. } => true,
            _ => false,
        }
    }

    /// The cause of a failure to get an answer; `proxy` is the one that was asked, if any.
    pub(crate) fn of_connection(error: &reqwest::Error, proxy: Option<&str>) -> Self {
        let refused = chain(error).find_map(|error| match error.downcast_ref() {
            Some(rustls::Error::InvalidCertificate(refused)) => Some(refused),
            _ => None,
        });
        if let Some(refused) = refused {
            use rustls::CertificateError as E;
            return match refused {
                E::Expired
                | E::ExpiredContext { .. }
                | E::NotValidYet
                | E::NotValidYetContext { .. } => Self::TlsClock(refused.to_string()),
                // Said in one word by rustls. A wrong signature is that of another authority of that name.
                E::UnknownIssuer | E::BadSignature => Self::Tls(
                    "no authority that this machine trusts has signed it \
                     (\"ignition.security.tls.certificateAuthorities\" in a config adds one)"
                        .to_owned(),
                ),
                _ => Self::Tls(refused.to_string()),
            };
        }
        let text = describe(error);
        Self::Network(match proxy {
            Some(proxy) => format!("through the proxy {proxy}: {text}"),
            None => text,
        })
    }
}

/// An error and its causes, outermost first.
pub(crate) fn chain<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // An io::Error skips the error that it wraps when it is asked for its source.
        match error.downcast_ref().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    })
}

/// The innermost cause in words. Those above it say little more than that a request failed, and reqwest's
/// own would repeat the URL with its secrets.
pub(crate) fn describe(error: &reqwest::Error) -> String {
    let text = match chain(error).skip(1).last() {
        Some(cause) if error.is_connect() => format!("cannot connect: {cause}"),
        Some(cause) => cause.to_string(),
        None => "the request failed".to_owned(),
    };
    redact::text(&text)
}

fn status_text(code: u16) -> String {
    match reqwest::StatusCode::from_u16(code).map(|code| code.canonical_reason()) {
        Ok(Some(reason)) => format!("{code} {reason}"),
        _ => code.to_string(),
    }
}

pub(crate) fn of_total(total: Option<u64>) -> String {
    total.map_or(String::new(), |total| format!(" of {total}"))
}

/// Seconds, not more exact than anybody wants to know.
fn tenths(time: Duration) -> f32 {
    (time.as_secs_f32() * 10.0).round() / 10.0
}

fn last_text(last: Option<&Cause>) -> String {
    last.map_or(String::new(), |cause| format!("; last: {cause}"))
}
