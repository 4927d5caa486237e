//! Google's and Azure's storage: HTTP servers that take a token of the machine.

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, Url};

use crate::credentials::{Keyring, Token};
use crate::error::Cause;
use crate::refusal::Refusal;
use crate::s3_place::unescape;
use crate::sigv4::escape;

/// Version of Azure's interface: the first that takes tokens is 2017-11-09 ("Versioning for Azure Storage").
const AZURE_VERSION: &str = "2020-10-02";

/// Names below which Azure gives accounts their own, one for each of its clouds.
const BLOB_DOMAINS: [&str; 4] = [
    ".blob.core.windows.net",
    ".blob.core.chinacloudapi.cn",
    ".blob.core.usgovcloudapi.net",
    ".blob.storage.azure.net",
];

/// Whose storage it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cloud {
    Google,
    Azure,
}

/// An object that a token opens.
pub(crate) struct Bearer<'a> {
    cloud: Cloud,
    url: Url,
    keyring: &'a Keyring,
    token: Option<Token>,
    renewed: bool,
    stage: Stage,
}

/// What was tried so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing.
    New,
    /// A request with a token, or without one where there is none; the other way is left.
    First,
    /// Both ways.
    Last,
}

impl<'a> Bearer<'a> {
    /// `gs://BUCKET/OBJECT`, by the XML interface of Google's storage, which serves both.
    pub(crate) fn google(url: &str, keyring: &'a Keyring) -> Result<Self, Cause> {
        let invalid = |why: &str| Cause::InvalidUrl(why.to_owned());
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let (_, path) = path.split_once("://").unwrap_or_default();
        let (bucket, object) = path.split_once('/').unwrap_or((path, ""));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if !(1..=222).contains(&bucket.len())
            || !bucket.bytes().all(plain)
            || bucket.bytes().all(|byte| byte == b'.')
        {
            return Err(invalid("it names no bucket of Google Cloud Storage"));
        }
        let object = escape(&unescape(object), true);
        if object.is_empty() {
            return Err(invalid("it names a bucket, but no object in it"));
        }
        if object.split('/').any(|part| part == "." || part == "..") {
            return Err(invalid(
                "a part of the object's name is \".\" or \"..\", which is resolved before it is sent",
            ));
        }
        let url = Url::parse(&format!("https://storage.googleapis.com/{bucket}/{object}"))
            .map_err(|error| invalid(&error.to_string()))?;
        Ok(Self::new(Cloud::Google, url, keyring))
    }

    /// A blob of Azure; `None` for other URLs, and for those that say themselves what opens them.
    pub(crate) fn azure(url: &Url, keyring: &'a Keyring) -> Option<Self> {
        let host = url.host_str()?;
        let is_blob = BLOB_DOMAINS.iter().any(|domain| host.ends_with(domain));
        let is_signed = url.query_pairs().any(|(name, _)| name == "sig");
        // A token is not sent over a connection that everybody can read.
        (is_blob && !is_signed && url.scheme() == "https")
            .then(|| Self::new(Cloud::Azure, url.clone(), keyring))
    }

    fn new(cloud: Cloud, url: Url, keyring: &'a Keyring) -> Self {
        Self {
            cloud,
            url,
            keyring,
            token: None,
            renewed: false,
            stage: Stage::New,
        }
    }

    /// URL and headers of the next attempt.
    ///
    /// Google is shown the token at once, where the machine has one. Azure is first asked without: public
    /// blobs are refused to tokens of other tenants, and few machines have a managed identity.
    pub(crate) async fn dress(&mut self) -> Result<(Url, HeaderMap), Cause> {
        if self.stage == Stage::New {
            self.stage = Stage::First;
            if self.cloud == Cloud::Google {
                self.token = self.keyring.gcp(false).await?;
            }
        }
        let mut headers = HeaderMap::new();
        if let Some(Token(token)) = &self.token {
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            let mut value = value
                .map_err(|_| Cause::Credentials("the machine's token is malformed".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
            if self.cloud == Cloud::Azure {
                headers.insert(
                    HeaderName::from_static("x-ms-version"),
                    HeaderValue::from_static(AZURE_VERSION),
                );
            }
        }
        Ok((self.url.clone(), headers))
    }

    /// Whether what a refusal tells is worth asking again at once.
    pub(crate) async fn refused(&mut self, response: &mut Response) -> Result<bool, Cause> {
        let refusal = Refusal::read(response).await;
        // Azure says of what is not public that it does not exist, or that there is a conflict.
        let closed = match self.cloud {
            Cloud::Google => matches!(refusal.status, 401 | 403),
            Cloud::Azure => matches!(refusal.status, 401 | 403 | 404 | 409),
        };
        if closed && self.token.is_some() && refusal.status == 401 && !self.renewed {
            self.renewed = true;
            self.token = match self.cloud {
                Cloud::Google => self.keyring.gcp(true).await?,
                Cloud::Azure => self.keyring.azure(true).await?,
            };
            return Ok(true);
        }
        if closed && self.stage == Stage::First {
            self.stage = Stage::Last;
            if self.cloud == Cloud::Google {
                // A token without rights must not keep a machine from what everybody may read.
                if self.token.take().is_some() {
                    return Ok(true);
                }
            } else {
                self.token = self.keyring.azure(false).await?;
                if self.token.is_some() {
                    return Ok(true);
                }
            }
        }
        Err(self.words(&refusal))
    }

    fn words(&self, refusal: &Refusal) -> Cause {
        let name = refusal.name();
        let (store, what, role) = match self.cloud {
            Cloud::Google => (
                "Google Cloud Storage",
                "service account",
                "storage.objects.get",
            ),
            Cloud::Azure => (
                "Azure Blob Storage",
                "managed identity",
                "the role Storage Blob Data Reader",
            ),
        };
        match refusal.status {
            404 => Cause::Absent(format!("{store} has no such object ({name})")),
            401 | 403 | 409 => Cause::Refused(format!(
                "{store} refuses access ({name}): give the machine a {what} with {role} on it, or let \
                 everybody read it"
            )),
            _ => Cause::Refused(format!("{store} refuses the request ({name})")),
        }
    }
}
