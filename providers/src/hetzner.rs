//! `hetzner`: the metadata service of Hetzner Cloud (its docs, "Server metadata").

use pilotlight_core::model::Metadata;

use crate::UserConfig;
use crate::answer::{bounded, config, fetch, json, text, texts};
use crate::host::{Ask, Host, HostError};
use crate::network::Said;

const BASE: &str = "http://169.254.169.254/hetzner/v1";

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    config(host, &Ask::link(format!("{BASE}/userdata"))).await
}

/// Both texts of the network, by their keys; one that was not there is absent.
pub(crate) async fn network(host: &impl Host) -> Result<Option<Said>, HostError> {
    let mut all = serde_json::Map::new();
    for key in ["network-config", "private-networks"] {
        let ask = bounded(Ask::link(format!("{BASE}/metadata/{key}")));
        if let Some(found) = fetch(host, &ask).await? {
            all.insert(key.into(), text(found).into());
        }
    }
    Ok((!all.is_empty()).then(|| Said {
        document: serde_json::Value::Object(all).to_string(),
        cursor: None,
    }))
}

pub(crate) async fn metadata(host: &impl Host) -> Result<Option<Metadata>, HostError> {
    let mut said = Metadata::default();
    for key in [
        "hostname",
        "instance-id",
        "public-ipv4",
        "region",
        "availability-zone",
    ] {
        let found = fetch(host, &bounded(Ask::link(format!("{BASE}/metadata/{key}")))).await?;
        let Some(found) = found.map(text).filter(|found| !found.is_empty()) else {
            continue;
        };
        let name = key.to_ascii_uppercase().replace('-', "_");
        said.attribute(format!("HETZNER_{name}"), Some(&found));
        match key {
            "hostname" => said.set_hostname(Some(&found)),
            "instance-id" => said.instance_id = Some(found),
            "region" => said.region = Some(found),
            "availability-zone" => said.zone = Some(found),
            _ => {}
        }
    }
    let keys = bounded(Ask::link(format!("{BASE}/metadata/public-keys")));
    if let Some(found) = fetch(host, &keys).await? {
        let list = json("the list of public keys", &found)?;
        texts(&list, "").for_each(|key| said.add_keys(None, key));
    }
    Ok(Some(said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, golden, now};

    #[test]
    fn a_transcript_is_the_platform() {
        let host = Transcript::of(include_str!("../testdata/hetzner.txt"));
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        let said = now(metadata(&host)).unwrap().unwrap();
        host.is_used_up();
        golden("hetzner", &said);
    }
}
