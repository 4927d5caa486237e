//! From a URL to the headers of an answer, over redirects.

use pilotlight_core::http::Method;
use pilotlight_core::redact;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, LOCATION,
    USER_AGENT,
};
use reqwest::{Response, StatusCode, Url};

use crate::error::Cause;
use crate::network::Network;
use crate::redirect;
use crate::request::Request;
use crate::settings::ClientConfig;
use crate::store::Dressed;

/// The headers of a request, read once.
pub(crate) struct Headers {
    /// Sent with every request.
    default: HeaderMap,
    /// Sent to the first URL's origin: the defaults as the user's headers change them.
    user: HeaderMap,
}

impl Headers {
    pub(crate) fn new(request: &Request, user_agent: &str) -> Result<Self, Cause> {
        let value = |name: &HeaderName, value: &str| {
            HeaderValue::from_str(value).map_err(|_| Cause::InvalidHeader(name.to_string()))
        };
        let mut default = HeaderMap::new();
        default.insert(USER_AGENT, value(&USER_AGENT, user_agent)?);
        // A server that compresses on its own would change the bytes that are verified.
        default.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(accept) = &request.accept {
            default.insert(ACCEPT, value(&ACCEPT, accept)?);
        }
        if request.method != Method::Get && request.body.is_empty() {
            // Nobody else says so, and some servers answer 411 to silence about it.
            default.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let mut user = HeaderMap::new();
        for (name, text) in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| Cause::InvalidHeader(name.clone()))?;
            let mut text = value(&name, text)?;
            text.set_sensitive(true);
            user.append(name, text);
        }
        let mut merged = default.clone();
        for name in user.keys() {
            merged.remove(name);
        }
        merged.extend(user);
        Ok(Self {
            default,
            user: merged,
        })
    }
}

/// An answer and where it came from.
pub(crate) struct Answer {
    pub(crate) response: Response,
    /// The proxy that passed it on, for errors.
    pub(crate) proxy: Option<String>,
}

/// Asks for URLs; one per client and request.
pub(crate) struct Asker<'a> {
    pub(crate) network: &'a Network,
    pub(crate) config: &'a ClientConfig,
    pub(crate) request: &'a Request,
    pub(crate) headers: &'a Headers,
}

impl Asker<'_> {
    /// Follows redirects from the first URL to an answer that is none. `extra` goes to every hop; `shown` is
    /// kept to what an error should name.
    pub(crate) async fn ask(
        &self,
        dressed: &Dressed,
        extra: &HeaderMap,
        shown: &mut String,
    ) -> Result<Answer, Cause> {
        let first = &dressed.url;
        let mut url = first.clone();
        let mut visited = vec![first.clone()];
        *shown = redact::url(first.as_str());
        let mut is_internal = redirect::names_internal(first);
        loop {
            let redirected = visited.len() > 1;
            let outward = redirected && !is_internal;
            let answer = self
                .hop(&url, dressed, (redirected, outward), extra)
                .await?;
            if !redirected && answer.proxy.is_none() {
                let server = answer.response.remote_addr();
                is_internal |= server.is_some_and(|at| redirect::is_internal(at.ip()));
            }
            // What was sent may not be for another place.
            if self.request.method != Method::Get || !dressed.follows {
                return Ok(answer);
            }
            let Some(next) = redirect_target(&url, &answer.response)? else {
                return Ok(answer);
            };
            *shown = format!(
                "{} (redirected to {})",
                redact::url(first.as_str()),
                redact::url(next.as_str())
            );
            if !matches!(next.scheme(), "http" | "https") {
                return Err(Cause::UnsupportedScheme(next.scheme().to_owned()));
            }
            if visited.contains(&next) {
                return Err(Cause::RedirectLoop);
            }
            redirect::check(first, &next, is_internal)?;
            let most = self.config.max_redirects;
            if visited.len() > usize::from(most) {
                return Err(Cause::TooManyRedirects(most));
            }
            visited.push(next.clone());
            url = next;
        }
    }

    async fn hop(
        &self,
        url: &Url,
        dressed: &Dressed,
        (redirected, outward): (bool, bool),
        extra: &HeaderMap,
    ) -> Result<Answer, Cause> {
        // A config's own headers are for the URL that it names, and for no other.
        let mut headers = self.headers.default.clone();
        if !redirected {
            headers = self.headers.user.clone();
            headers.extend(dressed.headers.clone());
        }
        headers.extend(extra.clone());
        let proxy = self.network.rules.proxy_for(url).map(host_and_port);
        let http = self.network.http(url, outward, self.config)?;
        let sent = match self.request.method {
            Method::Get => http.get(url.clone()),
            Method::Put => http.put(url.clone()).body(self.request.body.clone()),
            Method::Post => http.post(url.clone()).body(self.request.body.clone()),
            Method::Patch => http.patch(url.clone()).body(self.request.body.clone()),
        };
        let sent = sent.headers(headers).send();
        let limit = self.config.response_header_timeout;
        match tokio::time::timeout(limit, sent).await {
            Ok(Ok(response)) => Ok(Answer { response, proxy }),
            Ok(Err(error)) if error.is_builder() => {
                Err(Cause::InvalidUrl(crate::error::describe(&error)))
            }
            Ok(Err(error)) => Err(redirect::refusal(&error)
                .unwrap_or_else(|| Cause::of_connection(&error, proxy.as_deref()))),
            Err(_) => Err(Cause::NoAnswer(limit)),
        }
    }
}

/// Where a redirect leads; `None` when the answer is none.
fn redirect_target(url: &Url, response: &Response) -> Result<Option<Url>, Cause> {
    let is_redirect = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let Some(location) = response.headers().get(LOCATION).filter(|_| is_redirect) else {
        return Ok(None);
    };
    let target = location.to_str().ok().and_then(|text| url.join(text).ok());
    let mut target = target.ok_or_else(|| {
        Cause::InvalidUrl("the server redirects to something that is no URL".to_owned())
    })?;
    target.set_fragment(None);
    Ok(Some(target))
}

fn host_and_port(proxy: &Url) -> String {
    let host = proxy.host_str().unwrap_or_default();
    match proxy.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
