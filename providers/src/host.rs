//! What a provider may ask of the machine.

use std::future::Future;

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
    /// The body behind a URL; 404 is `None`.
    fn http(&self, url: &str) -> impl Future<Output = Result<Option<Vec<u8>>, HostError>>;
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
    async fn http(&self, url: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(Self::find(&self.http, url))
    }
}
