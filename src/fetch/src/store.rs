//! How a server is asked: as it is, or as a store that wants to know who asks.

use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode, Url};

use crate::bearer::Bearer;
use crate::error::Cause;
use crate::s3::Object;

/// The next attempt.
pub(crate) struct Dressed {
    pub(crate) url: Url,
    /// For this URL alone: a redirect does not carry them on.
    pub(crate) headers: HeaderMap,
    /// Whether redirects are followed: S3's lead to other regions, for which a request is signed anew.
    pub(crate) follows: bool,
}

/// What a transfer asks for.
pub(crate) enum Store<'a> {
    /// A URL, as it is.
    Plain,
    /// An object of S3.
    S3(Box<Object<'a>>),
    /// An object that a token opens.
    Bearer(Box<Bearer<'a>>),
}

impl Store<'_> {
    /// What the next attempt asks.
    pub(crate) async fn dress(&mut self, url: &Url) -> Result<Dressed, Cause> {
        let follows = !matches!(self, Self::S3(_));
        let (url, headers) = match self {
            Self::Plain => (url.clone(), HeaderMap::new()),
            Self::S3(object) => object.dress().await?,
            Self::Bearer(object) => object.dress().await?,
        };
        Ok(Dressed {
            url,
            headers,
            follows,
        })
    }

    /// Whether an answer is a refusal that taught how to ask again at once. The error is what a store's
    /// refusal means; others are the caller's, as what may heal by itself is.
    pub(crate) async fn refused(&mut self, response: &mut Response) -> Result<bool, Cause> {
        let status = response.status();
        if status.is_success()
            || status.is_server_error()
            || matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::RANGE_NOT_SATISFIABLE
            )
        {
            return Ok(false);
        }
        match self {
            Self::Plain => Ok(false),
            Self::S3(object) => object.refused(response).await,
            Self::Bearer(object) => object.refused(response).await,
        }
    }

    /// Told when the server could not be reached.
    pub(crate) fn unreachable(&mut self) {
        if let Self::S3(object) = self {
            object.unreachable();
        }
    }

    /// Whether the caller's URL says more than that of the server.
    pub(crate) fn is_named(&self) -> bool {
        !matches!(self, Self::Plain)
    }
}
