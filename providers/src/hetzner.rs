//! `hetzner`: the metadata service of Hetzner Cloud (its docs, "Server metadata").

use pilotlight_core::model::Metadata;
use serde_json::Value;

use crate::UserConfig;
use crate::answer::{address, at, bounded, config, each, fetch, json, text, texts, yaml};
use crate::host::{Ask, Host, HostError};
use crate::said::{Cursor, Said};

const BASE: &str = "http://169.254.169.254/hetzner/v1";

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    config(host, &Ask::link(format!("{BASE}/userdata"))).await
}

/// Both texts of the network, by their keys; one that was not there is absent.
pub(crate) async fn network(
    host: &impl Host,
    _: Option<&Cursor>,
) -> Result<Option<Said>, HostError> {
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
    let of = |key: &str| bounded(Ask::link(format!("{BASE}/metadata/{key}")));
    for key in [
        "hostname",
        "instance-id",
        "public-ipv4",
        "region",
        "availability-zone",
    ] {
        let found = fetch(host, &of(key)).await?;
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
    let mut networks = serde_json::Map::new();
    if let Some(found) = fetch(host, &of("network-config")).await? {
        networks.insert("network-config".into(), text(found.clone()).into());
        let all = yaml("the network's config", &found)?;
        let port = each(&all, "/config").find(|port| is(port, "/type", "physical"));
        let nets = port.into_iter().flat_map(|port| each(port, "/subnets"));
        let ip = nets
            .filter(|net| is(net, "/ipv6", "true"))
            .find_map(|net| address(&at(net, "/address")?));
        said.attribute("HETZNER_PUBLIC_IPV6", ip.as_deref());
    }
    if let Some(found) = fetch(host, &of("private-networks")).await? {
        networks.insert("private-networks".into(), text(found.clone()).into());
        let all = yaml("the list of private networks", &found)?;
        for (count, net) in each(&all, "").enumerate() {
            let ip = at(net, "/ip");
            said.attribute(format!("HETZNER_PRIVATE_IPV4_{count}"), ip.as_deref());
        }
    }
    said.network = (!networks.is_empty()).then(|| Value::Object(networks).to_string());
    if let Some(found) = fetch(host, &of("public-keys")).await? {
        let list = json("the list of public keys", &found)?;
        texts(&list, "").for_each(|key| said.add_keys(None, key));
    }
    Ok(Some(said))
}

fn is(value: &Value, pointer: &str, text: &str) -> bool {
    at(value, pointer).as_deref() == Some(text)
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

    #[test]
    fn a_network_that_is_no_yaml_is_broken() {
        let nothing =
            |key: &str| format!("> GET http://169.254.169.254/hetzner/v1/metadata/{key}\n< 404\n");
        let first = [
            "hostname",
            "instance-id",
            "public-ipv4",
            "region",
            "availability-zone",
        ];
        let first: String = first.iter().map(|key| nothing(key)).collect();
        let last = nothing("private-networks") + &nothing("public-keys");
        let asked = "> GET http://169.254.169.254/hetzner/v1/metadata/network-config\n< 200\n";
        let run = |text: &str| {
            let host = Transcript::of(&format!("{first}{asked}{text}\n{last}"));
            now(metadata(&host)).map(|said| said.unwrap().attributes)
        };
        for text in [
            "config: 7",
            "config:\n- type: bond\n  subnets:\n  - {ipv6: true, address: \"::1\"}",
            "config:\n- type: physical\n  subnets:\n  - {ipv6: true, address: none}",
            "config:\n- type: physical\n  subnets:\n  - {ipv4: true, address: \"::1\"}",
        ] {
            assert!(run(text).unwrap().is_empty(), "{text}");
        }
        let why = run("config: [").unwrap_err().to_string();
        assert_eq!(
            why,
            "the network's config is not the YAML that it should be"
        );
    }
}
