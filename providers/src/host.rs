//! What a provider may ask of the machine.

use std::future::Future;
use std::time::Duration;

/// Why the machine did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The answer lies behind a network that is not up yet.
    #[error("the network is needed to fetch {0}")]
    NeedsNetwork(String),
    /// The answer exists or should exist, but could not be had.
    #[error("{0}")]
    Broken(String),
}

/// The machine as providers see it. `Ok(None)` means absent.
pub trait Host {
    /// A variable of the agent's environment.
    fn variable(&self, name: &str) -> Option<String>;
    /// A file of the initramfs; missing is `None`. Reading is bounded.
    fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>, HostError>;
    /// An item of QEMU's firmware configuration (docs/specs/fw_cfg of QEMU).
    fn fw_cfg(&self, name: &str) -> Result<Option<Vec<u8>>, HostError>;
    /// Asks a server and gives its answer, whatever its status, once asking again is of no use
    /// (see [`Ask::patience`]); 5xx, 429 and a broken connection never come back as an answer.
    fn http(&self, ask: &Ask) -> impl Future<Output = Result<Reply, HostError>>;
}

/// Method of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Method {
    /// GET
    #[default]
    Get,
    /// PUT
    Put,
    /// POST
    Post,
}

/// One request to a platform's server. It has no `Debug`: headers hold tokens.
#[derive(Clone, Default)]
pub struct Ask {
    /// Method.
    pub method: Method,
    /// URL.
    pub url: String,
    /// Headers; where there is no `Accept`, that of configs is sent.
    pub headers: Vec<(&'static str, String)>,
    /// Body; empty is none.
    pub body: Vec<u8>,
    /// Which answers are worth asking again after, and for how long.
    pub patience: Patience,
    /// Never through a proxy: an address of the machine's own link.
    pub direct: bool,
}

impl Ask {
    /// A GET without headers.
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ..Self::default()
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// How long a platform's answers are worth asking again after.
///
/// 5xx, 429 and a missing or broken connection are asked again after in any case, for as long as the
/// caller waits: for ever on a first boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Patience {
    /// Further statuses, each with the time since its first appearance after which it is an answer.
    pub statuses: &'static [(u16, Duration)],
    /// Bound of the whole request where the answer is not vital; `None` is the caller's.
    pub bound: Option<Duration>,
}

/// A server's answer.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body; empty unless the status is 2xx.
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }
}

/// A machine made of what a test wrote down.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct Transcript {
    pub(crate) variables: Vec<(&'static str, &'static str)>,
    pub(crate) files: Vec<(&'static str, &'static str)>,
    pub(crate) fw_cfg: Vec<(&'static str, &'static str)>,
    pub(crate) http: Vec<(&'static str, &'static str)>,
}

#[cfg(test)]
impl Transcript {
    fn find(list: &[(&'static str, &'static str)], name: &str) -> Option<Vec<u8>> {
        let found = list.iter().find(|(known, _)| *known == name)?;
        Some(found.1.as_bytes().to_vec())
    }
}

#[cfg(test)]
impl Host for Transcript {
    fn variable(&self, name: &str) -> Option<String> {
        let found = self.variables.iter().find(|(known, _)| *known == name)?;
        Some(found.1.to_string())
    }
    fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(Self::find(&self.files, path))
    }
    fn fw_cfg(&self, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(Self::find(&self.fw_cfg, name))
    }
    async fn http(&self, ask: &Ask) -> Result<Reply, HostError> {
        let body = Self::find(&self.http, &ask.url);
        Ok(Reply {
            status: if body.is_some() { 200 } else { 404 },
            body: body.unwrap_or_default(),
            ..Reply::default()
        })
    }
}
