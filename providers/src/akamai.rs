//! `akamai`: the metadata service of Akamai Connected Cloud, once Linode (its docs, "Overview of the Metadata
//! Service").

use pilotlight_core::http::Method;
use pilotlight_core::model::Metadata;
use serde_json::Value;

use crate::UserConfig;
use crate::answer::{bounded, encoded_config, fetch, first_of, json, refused, text, texts};
use crate::host::{Ask, Host, HostError};
use crate::service::{Field, What, take_fields};

const BASES: &[&str] = &["http://169.254.169.254", "http://[fd00:a9fe:a9fe::1]"];
/// Life of a token, in seconds.
const TOKEN_LIFE: &str = "300";
const INSTANCE: &[Field] = &[
    ("/host_uuid", "INSTANCE_HOST_UUID", What::Attribute),
    ("/id", "INSTANCE_ID", What::Instance),
    ("/label", "INSTANCE_LABEL", What::Hostname),
    ("/region", "INSTANCE_REGION", What::Region),
    ("/type", "INSTANCE_TYPE", What::Type),
];
const NETWORK: &[Field] = &[
    ("/ipv6/slaac", "IPV6_SLAAC", What::Attribute),
    ("/ipv6/link_local", "IPV6_LINK_LOCAL", What::Attribute),
];
/// Lists of addresses, and the attribute that each of them has.
const LISTS: [(&str, &str); 5] = [
    ("/ipv4/public", "PUBLIC_IPV4"),
    ("/ipv4/private", "PRIVATE_IPV4"),
    ("/ipv4/shared", "SHARED_IPV4"),
    ("/ipv6/ranges", "IPV6_RANGE"),
    ("/ipv6/shared_ranges", "IPV6_SHARED_RANGE"),
];

/// A conversation with the service.
struct Open {
    base: &'static str,
    token: String,
}

impl Open {
    async fn begin(host: &impl Host) -> Result<Self, HostError> {
        let put = |base: &str| {
            Ask {
                method: Method::Put,
                ..Ask::link(format!("{base}/v1/token"))
            }
            .header("Metadata-Token-Expiry-Seconds", TOKEN_LIFE)
            .header("Accept", "text/plain")
        };
        let (base, ask, reply) = first_of(host, BASES, put).await?;
        let token = match reply.status {
            200..=299 => text(reply.body),
            status => return Err(refused(&ask, status)),
        };
        // It becomes a header.
        if token.is_empty() || token.len() > 4096 || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(HostError::Broken(format!(
                "{}: the token is none",
                ask.shown()
            )));
        }
        Ok(Self { base, token })
    }

    fn ask(&self, key: &str, accept: &str) -> Ask {
        Ask::link(format!("{}/v1/{key}", self.base))
            .header("Metadata-Token", self.token.as_str())
            .header("Accept", accept)
    }

    async fn document(&self, host: &impl Host, key: &str) -> Result<Value, HostError> {
        let ask = bounded(self.ask(key, "application/json"));
        match fetch(host, &ask).await? {
            Some(found) => json(&ask.shown(), &found),
            None => Ok(Value::Null),
        }
    }
}

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    let open = Open::begin(host).await?;
    encoded_config(host, &open.ask("user-data", "*/*")).await
}

pub(crate) async fn metadata(host: &impl Host) -> Result<Option<Metadata>, HostError> {
    let open = Open::begin(host).await?;
    let mut said = Metadata::default();
    let instance = open.document(host, "instance").await?;
    take_fields(&mut said, "AKAMAI", &instance, INSTANCE);
    let tags: Vec<&str> = texts(&instance, "/tags").collect();
    tags.iter().for_each(|tag| said.add_tag(tag, ""));
    said.attribute("AKAMAI_INSTANCE_TAGS", Some(&tags.join(":")));
    let network = open.document(host, "network").await?;
    take_fields(&mut said, "AKAMAI", &network, NETWORK);
    for (pointer, name) in LISTS {
        for (count, address) in texts(&network, pointer).enumerate() {
            said.attribute(format!("AKAMAI_{name}_{count}"), Some(address));
        }
    }
    let keys = open.document(host, "ssh-keys").await?;
    let users = keys.pointer("/users").and_then(Value::as_object);
    // They are given for root, whom images of this kind let nobody be: as with Afterburn, whose they are is not said.
    for list in users.into_iter().flat_map(|users| users.values()) {
        texts(list, "").for_each(|key| said.add_keys(None, key));
    }
    Ok(Some(said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, golden, now};

    #[test]
    fn a_transcript_is_the_platform() {
        let host = Transcript::of(include_str!("../testdata/akamai.txt"));
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        assert_eq!(now(user_config(&host)), Ok(None));
        let said = now(metadata(&host)).unwrap().unwrap();
        host.is_used_up();
        golden("akamai", &said);
    }

    #[test]
    fn a_token_is_one_line() {
        let asked = "> PUT http://169.254.169.254/v1/token\n";
        for answer in ["< 200\na b", "< 200", "< 401"] {
            let host = Transcript::of(&format!("{asked}{answer}\n"));
            assert!(now(user_config(&host)).is_err(), "{answer}");
        }
    }
}
