//! A metadata service with a text for each key: what most clouds have, and differ in by names alone.

use pilotlight_core::model::metadata::{Metadata, value};
use serde_json::Value;

use crate::UserConfig;
use crate::answer::{at, bounded, config, fetch, text};
use crate::host::{Ask, Host, HostError};

/// The service of a platform.
pub(crate) struct Service<'s> {
    /// Where the user config is.
    pub(crate) user_data: &'s str,
    /// Where the keys are.
    pub(crate) base: &'s str,
    /// The platform in the attributes' names.
    pub(crate) prefix: &'s str,
    /// Keys by their paths below the base.
    pub(crate) keys: &'s [Field],
    /// Where SSH keys are.
    pub(crate) ssh_keys: SshKeys,
}

/// A key of a service or a field of a document: where it is, the attribute that it becomes (none where it is empty),
/// and what it is beside that.
pub(crate) type Field = (&'static str, &'static str, What);

/// What something is that a platform says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// An attribute alone.
    Attribute,
    Hostname,
    Instance,
    Type,
    Region,
    Zone,
}

/// Where a service has SSH keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SshKeys {
    /// A text of one key a line.
    Lines(&'static str),
    /// A list of names, `NAME`, `NAME/` or `NUMBER=NAME`, below each of which a key is `openssh-key`.
    Names(&'static str),
}

impl Service<'_> {
    pub(crate) async fn user_config(
        &self,
        host: &impl Host,
    ) -> Result<Option<UserConfig>, HostError> {
        config(host, &Ask::link(self.user_data)).await
    }

    async fn key(&self, host: &impl Host, path: &str) -> Result<Option<String>, HostError> {
        let ask = bounded(Ask::link(format!("{}/{path}", self.base)));
        let found = fetch(host, &ask).await?.map(text);
        Ok(found.filter(|text| !text.is_empty()))
    }

    pub(crate) async fn metadata(&self, host: &impl Host) -> Result<Option<Metadata>, HostError> {
        let mut said = Metadata::default();
        for (path, name, what) in self.keys {
            if let Some(found) = self.key(host, path).await? {
                take(&mut said, self.prefix, name, *what, &found);
            }
        }
        match self.ssh_keys {
            SshKeys::Lines(path) => {
                let keys = self.key(host, path).await?.unwrap_or_default();
                said.add_keys(None, &keys);
            }
            SshKeys::Names(path) => {
                let names = self
                    .key(host, &format!("{path}/"))
                    .await?
                    .unwrap_or_default();
                for name in names.lines() {
                    let name = name.split(['=', '/']).next().unwrap_or_default().trim();
                    // It becomes part of a URL.
                    let usual = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
                    if name.is_empty() || name.starts_with('.') || !name.chars().all(usual) {
                        continue;
                    }
                    let key = self
                        .key(host, &format!("{path}/{name}/openssh-key"))
                        .await?;
                    said.add_keys(None, &key.unwrap_or_default());
                }
            }
        }
        Ok(Some(said))
    }
}

/// Takes something that is said.
pub(crate) fn take(said: &mut Metadata, prefix: &str, name: &str, what: What, text: &str) {
    if !name.is_empty() {
        said.attribute(format!("{prefix}_{name}"), Some(text));
    }
    let text = Some(text);
    match what {
        What::Attribute => {}
        What::Hostname => said.set_hostname(text),
        What::Instance => said.instance_id = text.and_then(value),
        What::Type => said.instance_type = text.and_then(value),
        What::Region => said.region = text.and_then(value),
        What::Zone => said.zone = text.and_then(value),
    }
}

/// Takes the fields of a document, which are named by JSON pointers (RFC 6901).
pub(crate) fn take_fields(said: &mut Metadata, prefix: &str, all: &Value, fields: &[Field]) {
    for (pointer, name, what) in fields {
        if let Some(text) = at(all, pointer) {
            take(said, prefix, name, *what, &text);
        }
    }
}
