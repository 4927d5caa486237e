//! `packet`: Equinix Metal, once Packet (Equinix Metal docs, "Metadata" and "Server events"). The service ended
//! in June 2026; clouds with its interface remain.

use std::net::IpAddr;

use pilotlight_core::http::Method;
use pilotlight_core::model::metadata::{
    Interface, MAX_INTERFACES, Metadata, interface_name, prefix_of, value,
};
use serde_json::{Value, json};

use crate::UserConfig;
use crate::answer::{address, at, bounded, config, each, fetch, json as parse, texts};
use crate::host::{Ask, Host, HostError};
use crate::said::{Cursor, Said};
use crate::status::{Status, Told, bounded_text};

const BASE: &str = "https://metadata.packet.net";

/// The service refuses the `Accept` that configs are asked for with (406).
fn ask(path: &str) -> Ask {
    Ask::get(format!("{BASE}/{path}")).header("Accept", "*/*")
}

/// A machine without user data has 404 here: that is no config, as on other platforms. (Ignition takes it for an
/// error, which only machines that were ordered without user data ever saw.)
pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    config(host, &ask("userdata")).await
}

async fn document(host: &impl Host) -> Result<Option<Value>, HostError> {
    let found = fetch(host, &bounded(ask("metadata"))).await?;
    found
        .map(|bytes| parse("the machine's metadata", &bytes))
        .transpose()
}

/// All that the service says: the network is a part of it.
pub(crate) async fn network(
    host: &impl Host,
    _: Option<&Cursor>,
) -> Result<Option<Said>, HostError> {
    let ask = bounded(ask("metadata"));
    Said::of(&ask.shown(), fetch(host, &ask).await?)
}

pub(crate) async fn metadata(host: &impl Host) -> Result<Option<Metadata>, HostError> {
    let Some(all) = document(host).await? else {
        return Ok(None);
    };
    let mut said = Metadata {
        instance_id: at(&all, "/id"),
        instance_type: at(&all, "/plan"),
        region: at(&all, "/metro"),
        zone: at(&all, "/facility"),
        ..Metadata::default()
    };
    let hostname = at(&all, "/hostname");
    said.set_hostname(hostname.as_deref());
    texts(&all, "/tags").for_each(|tag| said.add_tag(tag, ""));
    texts(&all, "/ssh_keys").for_each(|key| said.add_keys(None, key));
    for port in each(&all, "/network/interfaces").take(MAX_INTERFACES) {
        if let Some(mut interface) = at(port, "/mac").as_deref().and_then(Interface::of_mac) {
            interface.name = at(port, "/name").as_deref().and_then(value);
            interface.bond = at(port, "/bond")
                .as_deref()
                .and_then(interface_name)
                .map(str::to_string);
            said.interfaces.push(interface);
        }
    }
    said.bond_mode = at(&all, "/network/bonding/mode")
        .and_then(|mode| mode.parse().ok())
        .filter(|mode| *mode <= 6);
    let mut counts = [0; 4];
    for entry in each(&all, "/network/addresses").take(MAX_INTERFACES) {
        let ip = |name: &str| at(entry, name).as_deref().and_then(address);
        let Some(address) = ip("/address") else {
            continue;
        };
        let truth = |pointer: &str| entry.pointer(pointer).and_then(Value::as_bool);
        let public = truth("/public").unwrap_or(false);
        let v6 = address.contains(':');
        let gateway = ip("/gateway");
        let count = &mut counts[usize::from(public) + 2 * usize::from(v6)];
        let kind = if public { "PUBLIC" } else { "PRIVATE" };
        let name = format!("PACKET_IPV{}_{kind}", if v6 { 6 } else { 4 });
        said.attribute(format!("{name}_{count}"), Some(&address));
        said.attribute(format!("{name}_GATEWAY_{count}"), gateway.as_deref());
        *count += 1;
        // All addresses are those of the first bond, for which the first port stands.
        let Some(first) = said.interfaces.first_mut() else {
            continue;
        };
        if truth("/enabled") == Some(false) {
            continue;
        }
        if truth("/management") == Some(false) {
            // An elastic address is the machine's alone, and comes by the routers of the others.
            first.add(&address, Some(if v6 { 128 } else { 32 }), public);
            continue;
        }
        let mask = at(entry, "/netmask").as_deref().and_then(prefix_of);
        let prefix = at(entry, "/cidr").and_then(|bits| bits.parse().ok());
        first.add_routed(&address, prefix.or(mask), public, gateway.as_deref());
        first.add_gateway(gateway.as_deref());
    }
    if let Some(first) = said.interfaces.first_mut() {
        servers_in_use(host).for_each(|server| first.add_dns(Some(&server)));
    }
    for (name, text) in [
        ("HOSTNAME", hostname),
        ("PLAN", said.instance_type.clone()),
        ("PHONE_HOME_URL", at(&all, "/phone_home_url")),
    ] {
        said.attribute(format!("PACKET_{name}"), text.as_deref());
    }
    Ok(Some(said))
}

/// Name servers that the network of now has, for the metadata name none: systemd-networkd's of all links (the
/// `DNS=` of its state file, which sd-network reads as well), else those of resolv.conf(5).
fn servers_in_use(host: &impl Host) -> impl Iterator<Item = String> {
    let read = |path: &str, begin: &str| -> Vec<String> {
        let bytes = host.read_file(path).ok().flatten().unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines = text.lines().filter_map(|line| line.strip_prefix(begin));
        let words = lines.flat_map(str::split_ascii_whitespace);
        // One on the machine itself is a cache in front of the others.
        let foreign = |word: &&str| {
            let parsed = word.parse::<IpAddr>();
            parsed.is_ok_and(|server| !server.is_loopback())
        };
        words.filter(foreign).map(str::to_string).collect()
    };
    let mut found = read("/run/systemd/netif/state", "DNS=");
    if found.is_empty() {
        found = read("/etc/resolv.conf", "nameserver ");
    }
    found.into_iter()
}

/// Tells the platform how a stage ended, and at the end of the first boot that the machine is in use.
pub(crate) async fn report(host: &impl Host, status: &Status<'_>) -> Result<Told, HostError> {
    let Some(all) = document(host).await? else {
        return Ok(Told::Nobody);
    };
    let home = at(&all, "/phone_home_url").filter(|url| is_web(url));
    let events = at(&all, "/user_state_url")
        .filter(|url| is_web(url))
        .or_else(|| {
            let top = home.as_deref()?.strip_suffix("/phone-home")?;
            Some(format!("{top}/events"))
        });
    let (state, code, message) = match status {
        Status::Stage(stage) => ("running", 1000, format!("[{stage}] finished")),
        Status::Ready => ("succeeded", 1001, "the first boot is done".to_string()),
        Status::Failed { stage, why } => ("failed", 1099, format!("[{stage}] {why}")),
    };
    if let Some(url) = &events {
        let event = json!({ "state": state, "code": code, "message": bounded_text(&message) });
        post(host, url, event.to_string().into_bytes()).await?;
    }
    if let (Status::Ready, Some(url)) = (status, &home) {
        post(host, url, Vec::new()).await?;
    }
    Ok(if events.is_some() || home.is_some() {
        Told::Platform
    } else {
        Told::Nobody
    })
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

async fn post(host: &impl Host, url: &str, body: Vec<u8>) -> Result<(), HostError> {
    let ask = Ask {
        method: Method::Post,
        body,
        ..Ask::get(url)
    }
    .header("Accept", "*/*")
    .header("Content-Type", "application/json");
    let ask = bounded(ask);
    match host.http(&ask).await?.status {
        200..=299 => Ok(()),
        status => Err(crate::answer::refused(&ask, status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, golden, now};

    #[test]
    fn the_user_data_is_asked_for_with_any_type() {
        let asked = "> GET https://metadata.packet.net/userdata\n> Accept: */*\n";
        let host = Transcript::of(&format!("{asked}< 200\n{{}}"));
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        let host = Transcript::of(&format!("{asked}< 404"));
        assert_eq!(now(user_config(&host)), Ok(None));
        let host = Transcript::of(&format!("{asked}< 406"));
        let why = now(user_config(&host)).unwrap_err().to_string();
        assert_eq!(why, "https://metadata.packet.net/userdata answers 406");
    }

    #[test]
    fn metadata_is_typed() {
        let host = Transcript::of(include_str!("../testdata/packet-metadata.txt"));
        let said = now(metadata(&host)).unwrap().unwrap();
        golden("packet-metadata", &said);
    }

    #[test]
    fn stages_are_events_and_the_end_is_a_call_home() {
        let asked = include_str!("../testdata/packet-metadata.txt");
        for (status, told) in [
            (
                Status::Ready,
                "> POST http://events.example/events\n> Content-Type: application/json\n\
                 >> {\"code\":1001,\"message\":\"the first boot is done\",\"state\":\"succeeded\"}\n< 200\n\
                 > POST http://events.example/phone-home\n< 200\n",
            ),
            (
                Status::Failed {
                    stage: "disks",
                    why: "no disk",
                },
                "> POST http://events.example/events\n\
                 >> {\"code\":1099,\"message\":\"[disks] no disk\",\"state\":\"failed\"}\n< 204\n",
            ),
            (
                Status::Stage("fetch"),
                "> POST http://events.example/events\n\
                 >> {\"code\":1000,\"message\":\"[fetch] finished\",\"state\":\"running\"}\n< 200\n",
            ),
        ] {
            let host = Transcript::of(&format!("{asked}{told}"));
            assert_eq!(now(report(&host, &status)), Ok(Told::Platform));
            host.is_used_up();
        }
    }
}
