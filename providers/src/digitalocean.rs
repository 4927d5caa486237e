//! `digitalocean`: the droplet metadata service (DigitalOcean docs, "Metadata API").

use pilotlight_core::model::metadata::{Interface, Metadata, prefix_of};

use crate::UserConfig;
use crate::answer::{address, at, bounded, config, each, fetch, json, parts, texts};
use crate::host::{Ask, Host, HostError};
use crate::said::{Cursor, Said};

const BASE: &str = "http://169.254.169.254/metadata";

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    config(host, &Ask::link(format!("{BASE}/v1/user-data"))).await
}

/// The parts of an answer that are about the network.
pub(crate) const OF_NETWORK: &[&str] = &["/interfaces", "/dns"];

/// All that the service says: the network is a part of it.
pub(crate) async fn network(
    host: &impl Host,
    _: Option<&Cursor>,
) -> Result<Option<Said>, HostError> {
    let ask = bounded(Ask::link(format!("{BASE}/v1.json")));
    Said::of(&ask.shown(), fetch(host, &ask).await?)
}

pub(crate) async fn metadata(host: &impl Host) -> Result<Option<Metadata>, HostError> {
    let ask = bounded(Ask::link(format!("{BASE}/v1.json")));
    let Some(found) = fetch(host, &ask).await? else {
        return Ok(None);
    };
    let all = json("the droplet's metadata", &found)?;
    let mut said = Metadata {
        instance_id: at(&all, "/droplet_id"),
        region: at(&all, "/region"),
        ..Metadata::default()
    };
    // The rest is no part of the network, and may be secret.
    said.network = Some(parts(&all, OF_NETWORK).to_string());
    let hostname = at(&all, "/hostname");
    said.set_hostname(hostname.as_deref());
    texts(&all, "/tags").for_each(|tag| said.add_tag(tag, ""));
    // A single key may stand without its list.
    let single = at(&all, "/public_keys");
    let keys = texts(&all, "/public_keys").chain(single.as_deref());
    keys.for_each(|key| said.add_keys(None, key));
    for (kind, public, upper) in [("public", true, "PUBLIC"), ("private", false, "PRIVATE")] {
        for (count, nic) in each(&all, &format!("/interfaces/{kind}")).enumerate() {
            let mut interface = at(nic, "/mac")
                .as_deref()
                .and_then(Interface::of_mac)
                .unwrap_or_default();
            for (family, name) in [
                ("ipv4", "IPV4"),
                ("ipv6", "IPV6"),
                ("anchor_ipv4", "IPV4_ANCHOR"),
            ] {
                let field = |key: &str| at(nic, &format!("/{family}/{key}"));
                let Some(address) = field("ip_address").as_deref().and_then(address) else {
                    continue;
                };
                let mask = field("netmask").as_deref().and_then(prefix_of);
                let prefix = field("cidr").and_then(|bits| bits.parse().ok());
                let anchor = family == "anchor_ipv4";
                interface.add(&address, mask.or(prefix), public && !anchor);
                let attribute = match anchor {
                    true => format!("DIGITALOCEAN_{name}_{count}"),
                    false => format!("DIGITALOCEAN_{name}_{upper}_{count}"),
                };
                said.attribute(attribute, Some(&address));
                if !anchor {
                    interface.add_gateway(field("gateway").as_deref());
                }
            }
            texts(&all, "/dns/nameservers").for_each(|ip| interface.add_dns(Some(ip)));
            if !interface.mac.is_empty() {
                said.interfaces.push(interface);
            }
        }
    }
    said.attribute("DIGITALOCEAN_HOSTNAME", hostname.as_deref());
    let region = said.region.clone();
    said.attribute("DIGITALOCEAN_REGION", region.as_deref());
    Ok(Some(said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, golden, now};

    #[test]
    fn a_transcript_is_the_platform() {
        let host = Transcript::of(include_str!("../testdata/digitalocean.txt"));
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        let said = now(metadata(&host)).unwrap().unwrap();
        host.is_used_up();
        golden("digitalocean", &said);
    }

    #[test]
    fn a_single_key_needs_no_list() {
        let asked = "> GET http://169.254.169.254/metadata/v1.json\n< 200\n";
        let host = Transcript::of(&format!(
            "{asked}{{\"public_keys\": \"ssh-ed25519 AAAAone me\"}}"
        ));
        let said = now(metadata(&host)).unwrap().unwrap();
        assert_eq!(said.ssh_keys.len(), 1);
        assert_eq!(said.ssh_keys[0].key, "ssh-ed25519 AAAAone me");
    }
}
