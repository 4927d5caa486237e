//! Objects of S3: in which region, with which keys, and what its refusals mean.
//!
//! A region is not asked for beforehand. The object is asked for where the machine is, and a bucket that is
//! elsewhere says where; the answer is kept for the bucket's other objects.

use std::time::Duration;

use pilotlight_core::calendar::Utc;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, Url};

use crate::credentials::{AwsKeys, Keyring};
use crate::error::Cause;
use crate::refusal::Refusal;
use crate::s3_place::{Partition, Place, is_region};
use crate::sigv4::{EMPTY_SHA256, Signing};

/// How often a bucket may say that it is elsewhere.
const MOVES: u8 = 3;

/// One object, and what was learned about it so far.
pub(crate) struct Object<'a> {
    place: Place,
    keyring: &'a Keyring,
    http: reqwest::Client,
    /// A server that is not AWS's.
    endpoint: Option<Url>,
    region: Option<String>,
    /// Names with IPv6 addresses come first: they have IPv4 addresses as well, and are all that a machine
    /// without IPv4 can use. A network whose resolver knows only the other names is met with those.
    dualstack: bool,
    moves: u8,
    renewed: bool,
    clock_set: bool,
    /// The refusal of the machine's keys, once the object is asked for without them.
    refused: Option<Cause>,
}

impl<'a> Object<'a> {
    pub(crate) fn new(
        url: &str,
        keyring: &'a Keyring,
        http: reqwest::Client,
        endpoint: Option<Url>,
    ) -> Result<Self, Cause> {
        Ok(Self {
            place: Place::parse(url)?,
            keyring,
            http,
            endpoint,
            region: None,
            dualstack: true,
            moves: 0,
            renewed: false,
            clock_set: false,
            refused: None,
        })
    }

    /// URL and headers of the next attempt.
    pub(crate) async fn dress(&mut self) -> Result<(Url, HeaderMap), Cause> {
        let region = match &self.region {
            Some(region) => region.clone(),
            None => self.first_region().await?,
        };
        let url = self
            .place
            .url(&region, self.dualstack, self.endpoint.as_ref())?;
        let headers = match self.keys().await? {
            Some(keys) => self.signed(&url, &region, &keys)?,
            None => HeaderMap::new(),
        };
        self.region = Some(region);
        Ok((url, headers))
    }

    async fn keys(&self) -> Result<Option<AwsKeys>, Cause> {
        match self.refused {
            Some(_) => Ok(None),
            None => self.keyring.aws(false).await,
        }
    }

    async fn first_region(&self) -> Result<String, Cause> {
        if let Some(region) = &self.place.region {
            return Ok(region.clone());
        }
        if let Some(bucket) = self.place.bucket()
            && let Some(region) = self.keyring.buckets.borrow().get(bucket)
        {
            return Ok(region.clone());
        }
        let near = self.keyring.aws_region().await?;
        let near = near.filter(|region| is_region(region));
        let partition = self.place.partition();
        Ok(match (near, partition) {
            // The machine's region is no place for a bucket of another partition.
            (Some(near), Some(partition))
                if self.endpoint.is_none()
                    && !std::ptr::eq(Partition::of_region(&near), partition) =>
            {
                partition.region.into()
            }
            (Some(near), _) => near,
            (None, Some(partition)) => partition.region.into(),
            (None, None) => Partition::of_region("").region.into(),
        })
    }

    fn signed(&self, url: &Url, region: &str, keys: &AwsKeys) -> Result<HeaderMap, Cause> {
        let time = Utc::of_unix(self.keyring.now()).basic();
        let host = url.host_str().unwrap_or_default();
        let host = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let mut headers = vec![
            ("host", host.as_str()),
            ("x-amz-content-sha256", EMPTY_SHA256),
            ("x-amz-date", &time),
        ];
        headers.extend(
            keys.token
                .as_deref()
                .map(|token| ("x-amz-security-token", token)),
        );
        let authorization = Signing {
            method: "GET",
            path: url.path(),
            query: &self.place.query(),
            headers: &headers,
            payload: EMPTY_SHA256,
            time: &time,
            region,
            service: "s3",
        }
        .authorization(keys);
        let mut sent = HeaderMap::new();
        let more = [(AUTHORIZATION.as_str(), authorization.as_str())];
        for (name, text) in headers.iter().skip(1).chain(&more) {
            let malformed = || Cause::Credentials("the keys for S3 are malformed".to_owned());
            let mut value = HeaderValue::from_str(text).map_err(|_| malformed())?;
            value.set_sensitive(true);
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed())?;
            sent.insert(name, value);
        }
        Ok(sent)
    }

    /// No connection to the server: its other name may do.
    pub(crate) fn unreachable(&mut self) {
        self.dualstack = !self.dualstack;
    }

    /// Whether what a refusal tells is worth asking again at once.
    pub(crate) async fn refused(&mut self, response: &mut Response) -> Result<bool, Cause> {
        let refusal = Refusal::read(response).await;
        if self.endpoint.is_none() && self.goes_elsewhere(&refusal).await {
            return Ok(true);
        }
        let keys = self.keys().await?;
        match (refusal.code(), &keys) {
            ("RequestTimeTooSkewed", Some(_)) if !self.clock_set => {
                if let Some(time) = refusal.time() {
                    self.clock_set = true;
                    self.keyring.set_clock(time);
                    return Ok(true);
                }
            }
            ("ExpiredToken" | "TokenRefreshRequired" | "InvalidToken", Some(_))
                if !self.renewed =>
            {
                self.renewed = true;
                self.keyring.aws(true).await?;
                return Ok(true);
            }
            // A role without rights must not keep a machine from what everybody may read.
            ("AccessDenied", Some(_)) => {
                self.refused = Some(words(&refusal, true));
                return Ok(true);
            }
            _ => {}
        }
        Err(match self.refused.take() {
            Some(refused) => refused,
            None => words(&refusal, keys.is_some()),
        })
    }

    /// Follows a bucket to its region.
    async fn goes_elsewhere(&mut self, refusal: &Refusal) -> bool {
        let Some(bucket) = self.place.bucket() else {
            return false;
        };
        let told = match refusal.region() {
            Some(region) => Some(region.to_owned()),
            None if matches!(refusal.code(), "PermanentRedirect" | "TemporaryRedirect")
                || refusal.code().starts_with("IllegalLocationConstraint")
                || refusal.status == 301 =>
            {
                self.ask_region(bucket).await
            }
            None => None,
        };
        match told.filter(|region| is_region(region)) {
            Some(region) if Some(&region) != self.region.as_ref() && self.moves < MOVES => {
                self.moves += 1;
                let mut known = self.keyring.buckets.borrow_mut();
                known.insert(bucket.to_owned(), region.clone());
                self.region = Some(region);
                true
            }
            _ => false,
        }
    }

    /// The region in the headers of the bucket itself, which are told to everybody.
    async fn ask_region(&self, bucket: &str) -> Option<String> {
        let mut url = self
            .place
            .url(self.region.as_deref()?, self.dualstack, None)
            .ok()?;
        url.set_query(None);
        let is_path = url.path().starts_with(&format!("/{bucket}/"));
        url.set_path(if is_path { bucket } else { "" });
        let asked = self.http.head(url).send();
        let answer = tokio::time::timeout(Duration::from_secs(10), asked).await;
        let region = answer
            .ok()?
            .ok()?
            .headers()
            .get("x-amz-bucket-region")?
            .to_str()
            .ok()?
            .to_owned();
        Some(region)
    }
}

/// A refusal in words: what may be done about it.
fn words(refusal: &Refusal, signed: bool) -> Cause {
    let name = refusal.name();
    let code = refusal.code();
    let who = match signed {
        true => "the machine's keys",
        false => "a request without keys (the machine has none)",
    };
    match (refusal.status, code) {
        (_, "NoSuchBucket") => Cause::Absent(format!("S3 has no such bucket ({name})")),
        (_, "NoSuchVersion") => {
            Cause::Absent(format!("the object has no such version in S3 ({name})"))
        }
        (404, _) => Cause::Absent(format!("S3 has no such object ({name})")),
        (_, "RequestTimeTooSkewed") => Cause::Refused(format!(
            "S3 refuses the request ({name}): is this machine's clock right?"
        )),
        (_, "ExpiredToken" | "TokenRefreshRequired" | "InvalidToken") => Cause::Refused(format!(
            "S3 refuses {who} ({name}), newly fetched ones as well"
        )),
        (_, "SignatureDoesNotMatch" | "InvalidAccessKeyId") => {
            Cause::Refused(format!("S3 refuses {who} ({name}): are they right?"))
        }
        (401 | 403, _) if signed => Cause::Refused(format!(
            "S3 refuses {who} ({name}): the IAM role needs s3:GetObject for the object (s3:GetObjectVersion \
             for a version of it); without s3:ListBucket a missing object is refused in the same way"
        )),
        (401 | 403, _) => Cause::Refused(format!(
            "S3 refuses {who} ({name}): give the machine an IAM role, or let everybody read the object"
        )),
        _ => Cause::Refused(format!("S3 refuses the request ({name})")),
    }
}
