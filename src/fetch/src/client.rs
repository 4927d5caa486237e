//! The client: one pool of connections, and the choice by scheme.

use std::io;
use std::pin::Pin;
use std::sync::OnceLock;

use pilotlight_core::dataurl;
use pilotlight_core::http::Reply;
use pilotlight_core::redact;
use reqwest::Url;
use reqwest::header::HeaderMap;

use crate::bearer::Bearer;
use crate::body::Body;
use crate::credentials::Keyring;
use crate::error::{Cause, FetchError};
use crate::hop::{Asker, Headers};
use crate::network::Network;
use crate::progress::Progress;
use crate::proxy::Proxy;
use crate::request::{Fetched, Request};
use crate::s3::Object;
use crate::settings::ClientConfig;
use crate::sink::Sink;
use crate::store::Store;
use crate::tftp::Tftp;
use crate::transfer::Transfer;

/// Fetches URLs with one set of settings; connections are kept and used again.
pub struct Client {
    keyring: Keyring,
    config: ClientConfig,
    network: OnceLock<Network>,
    /// The same without proxies.
    direct: OnceLock<Network>,
}

impl Client {
    /// A client with these settings, which are first looked at when a network is needed.
    pub fn new(config: ClientConfig) -> Self {
        Self {
            keyring: Keyring::new(config.credentials.clone()),
            config,
            network: OnceLock::new(),
            direct: OnceLock::new(),
        }
    }

    /// Fetches `request` into `sink`, retrying what may heal; must run in a tokio runtime with I/O and time.
    ///
    /// When it fails, the sink may hold a part of the contents; unverified contents are to be thrown away.
    pub async fn fetch(
        &self,
        request: &Request,
        sink: &mut dyn Sink,
        progress: &dyn Progress,
    ) -> Result<Fetched, FetchError> {
        let mut shown = redact::url(&request.url);
        self.fetch_any(request, sink, progress, &mut shown, &mut None)
            .await
            .map_err(|cause| FetchError { url: shown, cause })
    }

    /// Asks a server and gives its answer, whatever its status, once asking again is of no use; the body is
    /// at most `limit` bytes. 5xx and 429 are no answers: they are retried like a broken connection.
    pub async fn ask(
        &self,
        request: &Request,
        limit: u64,
        progress: &dyn Progress,
    ) -> Result<Reply, FetchError> {
        let request = request.at_most(limit);
        let mut shown = redact::url(&request.url);
        let (mut body, mut answered) = (Vec::new(), None);
        let result = self
            .fetch_any(&request, &mut body, progress, &mut shown, &mut answered)
            .await;
        match (result, answered) {
            (Ok(_), answered) => Ok(Reply {
                body,
                ..reply(answered)
            }),
            (Err(Cause::Status { .. } | Cause::NotFound), answered @ Some(_)) => {
                Ok(reply(answered))
            }
            (Err(cause), _) => Err(FetchError { url: shown, cause }),
        }
    }

    /// Fetches `request` into memory, at most `limit` bytes.
    pub async fn fetch_to_vec(
        &self,
        request: &Request,
        limit: u64,
        progress: &dyn Progress,
    ) -> Result<(Vec<u8>, Fetched), FetchError> {
        let request = request.at_most(limit);
        let mut contents = Vec::new();
        let fetched = self.fetch(&request, &mut contents, progress).await?;
        Ok((contents, fetched))
    }

    /// In a box: so all of it is made once in a program, by this crate, whoever waits for it.
    fn fetch_any<'a>(
        &'a self,
        request: &'a Request,
        sink: &'a mut dyn Sink,
        progress: &'a dyn Progress,
        shown: &'a mut String,
        answered: &'a mut Option<(u16, HeaderMap)>,
    ) -> Pin<Box<dyn Future<Output = Result<Fetched, Cause>> + 'a>> {
        Box::pin(self.fetch_one(request, sink, progress, shown, answered))
    }

    async fn fetch_one(
        &self,
        request: &Request,
        sink: &mut dyn Sink,
        progress: &dyn Progress,
        shown: &mut String,
        answered: &mut Option<(u16, HeaderMap)>,
    ) -> Result<Fetched, Cause> {
        let mut body = Body::new(request, sink);
        let local = if request.url.is_empty() {
            Some(Vec::new())
        } else if dataurl::is_data_url(&request.url) {
            Some(dataurl::decode(&request.url).map_err(Cause::InvalidUrl)?)
        } else {
            None
        };
        if let Some(contents) = local {
            // No source is no contents, whatever its compression.
            if !request.url.is_empty() {
                body.feed(&contents)?;
            }
            let (bytes, sha256) = body.finish()?;
            return Ok(Fetched {
                bytes,
                sha256,
                status: None,
            });
        }
        let url = Url::parse(&request.url).map_err(|error| Cause::InvalidUrl(error.to_string()))?;
        if url.scheme() == "tftp" {
            let file = Tftp::new(&url, &self.config, request, body, progress, shown)?;
            return file.run().await;
        }
        if !matches!(url.scheme(), "http" | "https" | "s3" | "arn" | "gs") {
            return Err(Cause::UnsupportedScheme(url.scheme().to_owned()));
        }
        let network = self.network(request.direct)?;
        let store = self.store(&url, request, network)?;
        let headers = Headers::new(request, &self.config.user_agent)?;
        let asker = Asker {
            network,
            config: &self.config,
            request,
            headers: &headers,
        };
        Transfer::new(
            &self.config,
            request,
            asker,
            store,
            body,
            progress,
            answered,
        )
        .run(&url, shown)
        .await
    }

    /// How a URL's server is asked.
    fn store(&self, url: &Url, request: &Request, network: &Network) -> Result<Store<'_>, Cause> {
        Ok(match url.scheme() {
            "s3" | "arn" => {
                let endpoint = match &self.config.s3_endpoint {
                    Some(text) => Some(endpoint(text)?),
                    None => None,
                };
                let http = network.http.clone();
                let object = Object::new(&request.url, &self.keyring, http, endpoint)?;
                Store::S3(Box::new(object))
            }
            "gs" => Store::Bearer(Box::new(Bearer::google(&request.url, &self.keyring)?)),
            // Who brings headers of his own knows how to ask.
            _ if self.config.credentials.is_none() || !request.headers.is_empty() => Store::Plain,
            _ => match Bearer::azure(url, &self.keyring) {
                Some(blob) => Store::Bearer(Box::new(blob)),
                None => Store::Plain,
            },
        })
    }

    fn network(&self, direct: bool) -> Result<&Network, Cause> {
        let (place, proxy) = if direct {
            (&self.direct, &Proxy::default())
        } else {
            (&self.network, &self.config.proxy)
        };
        if let Some(network) = place.get() {
            return Ok(network);
        }
        let network = Network::new(&self.config, proxy)?;
        Ok(place.get_or_init(|| network))
    }
}

fn reply(answered: Option<(u16, HeaderMap)>) -> Reply {
    let (status, headers) = answered.unwrap_or((200, HeaderMap::new()));
    let headers = headers.iter().filter_map(|(name, value)| {
        let value = value.to_str().ok()?;
        Some((name.to_string(), value.to_owned()))
    });
    Reply {
        status,
        headers: headers.collect(),
        body: Vec::new(),
    }
}

fn endpoint(text: &str) -> Result<Url, Cause> {
    let url = Url::parse(text).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none())
        .ok_or_else(|| {
            let why = "the endpoint of the S3 server is no http or https URL";
            Cause::InvalidSetting(why.to_owned())
        })
}

/// Runs `future` to its end on a runtime of its own, for callers that have none.
///
/// Connections do not outlive the call. The error is the system's refusal of a runtime.
pub fn blocking<F: Future>(future: F) -> io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let output = runtime.block_on(future);
    // A name lookup that nobody waits for any more must not hold up the caller.
    runtime.shutdown_background();
    Ok(output)
}
