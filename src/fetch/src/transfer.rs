//! One resource over HTTP: attempts, pauses, and how an interrupted body goes on.

use std::time::Duration;

use pilotlight_core::http::Method;
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_RANGE,
    LAST_MODIFIED, RANGE,
};
use reqwest::{Response, Url};
use tokio::time::{Instant, timeout};

use crate::attempts::{Attempts, BrokenOff, TELL_EVERY, total_timeout};
use crate::backoff::{Backoff, random};
use crate::body::Body;
use crate::error::{Cause, describe, of_total};
use crate::hop::{Answer, Asker};
use crate::patience::Patience;
use crate::progress::Progress;
use crate::request::{Fetched, Request};
use crate::retry_after::retry_after;
use crate::settings::ClientConfig;
use crate::store::Store;

/// Longest `Retry-After` that is obeyed: the boot waits for nothing else.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);

pub(crate) struct Transfer<'a> {
    config: &'a ClientConfig,
    request: &'a Request,
    asker: Asker<'a>,
    store: Store<'a>,
    body: Body<'a>,
    progress: &'a dyn Progress,
    attempts: Attempts<'a>,
    /// Status and headers of the last answer.
    answered: &'a mut Option<(u16, HeaderMap)>,
    patience: Patience<'a>,
    version: Version,
    /// Cleared when resuming did not work out; the rest is fetched in one piece or not at all.
    may_resume: bool,
    resumed: bool,
}

/// What identifies the version of the resource whose bytes the body holds.
#[derive(Default)]
struct Version {
    total: Option<u64>,
    validator: Option<HeaderValue>,
}

/// Why an attempt failed, and how long the server wants to be left alone.
struct Failure {
    cause: Cause,
    again: bool,
    retry_after: Duration,
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self {
            again: cause.is_retryable(),
            cause,
            retry_after: Duration::ZERO,
        }
    }
}

impl<'a> Transfer<'a> {
    pub(crate) fn new(
        config: &'a ClientConfig,
        request: &'a Request,
        asker: Asker<'a>,
        store: Store<'a>,
        body: Body<'a>,
        progress: &'a dyn Progress,
        answered: &'a mut Option<(u16, HeaderMap)>,
    ) -> Self {
        Self {
            config,
            request,
            asker,
            store,
            body,
            progress,
            attempts: Attempts::new(progress),
            answered,
            patience: Patience::new(&request.retry_statuses),
            version: Version::default(),
            may_resume: request.method == Method::Get,
            resumed: false,
        }
    }

    /// Fetches `url` within the total time; keeps `shown` to what an error should name.
    pub(crate) async fn run(mut self, url: &Url, shown: &mut String) -> Result<Fetched, Cause> {
        let Some(after) = total_timeout(self.config, self.request) else {
            return self.attempts(url, shown).await;
        };
        match timeout(after, self.attempts(url, shown)).await {
            Ok(result) => result,
            Err(_) => Err(self.attempts.over(after)),
        }
    }

    async fn attempts(&mut self, url: &Url, shown: &mut String) -> Result<Fetched, Cause> {
        let mut backoff = Backoff::new(self.config.first_pause, self.config.longest_pause);
        loop {
            self.attempts.number = self.attempts.number.saturating_add(1);
            let failure = match self.attempt(url, shown).await {
                Ok(fetched) => return Ok(fetched),
                Err(failure) if failure.again => failure,
                Err(failure) => return Err(failure.cause),
            };
            if matches!(failure.cause, Cause::Truncated { .. }) {
                match self.attempts.broke_off(self.body.received()) {
                    BrokenOff::Further => backoff.reset(),
                    BrokenOff::Fruitless => {}
                    BrokenOff::Enough => return Err(failure.cause),
                }
            }
            let what = format!("{shown}: {}", failure.cause);
            self.attempts.last = Some(failure.cause);
            let pause = backoff.pause(random(), failure.retry_after);
            self.attempts.pause(&what, pause).await;
        }
    }

    async fn attempt(&mut self, url: &Url, shown: &mut String) -> Result<Fetched, Failure> {
        let extra = self.range_headers();
        let waiting = format!("{shown}: waiting for the server's answer");
        let Answer { response, proxy } = self.ask(url, &extra, &waiting, shown).await?;
        let status = response.status().as_u16();
        *self.answered = Some((status, response.headers().clone()));
        let whole = match self.request.method {
            Method::Get => matches!(status, 200 | 204),
            // What was made or taken on is as good.
            Method::Put | Method::Post | Method::Patch => (200..=204).contains(&status),
        };
        match status {
            _ if whole => {
                self.body.restart()?;
                self.resumed = false;
                self.version = Version::of(response.headers());
            }
            206 if !extra.is_empty() && self.continues(response.headers()) => self.resumed = true,
            206 | 416 if !extra.is_empty() => {
                self.may_resume = false;
                return Err(self
                    .truncated("the server does not go on where it broke off")
                    .into());
            }
            code => return Err(self.refused(code, response.headers())),
        }
        let read = self.read(response, shown, proxy.as_deref()).await;
        match read.and_then(|()| self.body.finish()) {
            Ok((bytes, sha256)) => Ok(Fetched {
                bytes,
                sha256,
                status: Some(status),
            }),
            // Perhaps the pieces were of different versions: once more in one piece.
            Err(cause @ (Cause::Digest { .. } | Cause::Decompress(_))) if self.resumed => {
                self.may_resume = false;
                Err(Failure {
                    again: true,
                    ..cause.into()
                })
            }
            Err(cause) => Err(cause.into()),
        }
    }

    /// Asks until the store has nothing more to say about how it wants to be asked.
    async fn ask(
        &mut self,
        url: &Url,
        extra: &HeaderMap,
        waiting: &str,
        shown: &mut String,
    ) -> Result<Answer, Cause> {
        // A store's object is known by its own URL, not by those of the servers that have it.
        let mut elsewhere = String::new();
        loop {
            let dressed = self.store.dress(url).await?;
            let shown = match self.store.is_named() {
                true => &mut elsewhere,
                false => &mut *shown,
            };
            let asked = self.asker.ask(&dressed, extra, shown);
            let asked = self.attempts.telling(waiting, asked).await;
            if matches!(asked, Err(Cause::Network(_) | Cause::NoAnswer(_))) {
                self.store.unreachable();
            }
            let mut answer = asked?;
            if !self.store.refused(&mut answer.response).await? {
                return Ok(answer);
            }
        }
    }

    /// Passes the response's bytes on until the resource is complete.
    async fn read(
        &mut self,
        mut response: Response,
        shown: &str,
        proxy: Option<&str>,
    ) -> Result<(), Cause> {
        let waiting = format!("{shown}: waiting for the rest of the contents");
        let idle = self.config.body_idle_timeout;
        let mut told = Instant::now();
        loop {
            // Chunks may come often and yet so slowly that it takes hours.
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                let what = format!(
                    "{shown}: {}{} bytes have come",
                    self.body.received(),
                    of_total(self.version.total)
                );
                self.attempts.tell(&what, None);
            }
            self.progress
                .bytes(self.body.received(), self.version.total);
            let next = timeout(idle, self.attempts.telling(&waiting, response.chunk())).await;
            match next {
                Ok(Ok(Some(chunk))) => self.body.feed(&chunk)?,
                Ok(Ok(None)) => break,
                Ok(Err(error)) => {
                    let through = proxy.map_or(String::new(), |proxy| {
                        format!(" (through the proxy {proxy})")
                    });
                    return Err(self.truncated(&(describe(&error) + &through)));
                }
                Err(_) => {
                    let reason = format!("nothing came for {} s", idle.as_secs_f32());
                    return Err(self.truncated(&reason));
                }
            }
        }
        match self.version.total {
            Some(total) if self.body.received() < total => {
                Err(self.truncated("the server closed the connection"))
            }
            Some(total) if self.body.received() > total => {
                self.may_resume = false;
                Err(self.truncated("the server sent more than it announced"))
            }
            _ => Ok(()),
        }
    }

    /// Headers that ask for the rest of an interrupted body, or none to ask for all of it.
    ///
    /// Without a validator, only a digest could tell whether the rest is that of the same version.
    fn range_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let validator = self.version.validator.as_ref();
        let received = self.body.received();
        if received == 0 || !self.may_resume || validator.is_none() && !self.body.is_verified() {
            return headers;
        }
        if let Ok(range) = HeaderValue::from_str(&format!("bytes={received}-")) {
            headers.insert(RANGE, range);
            if let Some(validator) = validator {
                headers.insert(IF_RANGE, validator.clone());
            }
        }
        headers
    }

    /// Whether a partial answer begins where the body broke off and belongs to the same version.
    fn continues(&mut self, headers: &HeaderMap) -> bool {
        let Some((first, total)) = text(headers, &CONTENT_RANGE).and_then(read_content_range)
        else {
            return false;
        };
        let same_total = match (self.version.total, total) {
            (Some(known), Some(told)) => known == told,
            (None, told) => {
                self.version.total = told;
                true
            }
            (Some(_), None) => true,
        };
        first == self.body.received() && same_total
    }

    fn refused(&mut self, code: u16, headers: &HeaderMap) -> Failure {
        let mut failure = Failure::from(if code == 404 {
            Cause::NotFound
        } else {
            Cause::Status { code }
        });
        failure.again |= self.patience.allows(code, self.attempts.since());
        if let Some(pause) = retry_after(headers) {
            failure.retry_after = pause.min(LONGEST_RETRY_AFTER);
        }
        failure
    }

    fn truncated(&self, reason: &str) -> Cause {
        Cause::Truncated {
            got: self.body.received(),
            expected: self.version.total,
            reason: reason.to_owned(),
        }
    }
}

impl Version {
    fn of(headers: &HeaderMap) -> Self {
        // A weak tag allows other bytes, which must not be appended.
        let strong = headers
            .get(ETAG)
            .filter(|tag| !tag.as_bytes().starts_with(b"W/"));
        Self {
            total: text(headers, &CONTENT_LENGTH).and_then(|text| text.parse().ok()),
            validator: strong.or_else(|| headers.get(LAST_MODIFIED)).cloned(),
        }
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// First byte and total length of `bytes 7-99/100` (RFC 9110, section 14.4).
fn read_content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    let total = match total {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    Some((first.parse().ok()?, total))
}
