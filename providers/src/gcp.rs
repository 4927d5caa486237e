//! `gcp`: Google Compute Engine's metadata server (Compute Engine docs, "About VM metadata").

use std::net::Ipv6Addr;
use std::time::Duration;

use pilotlight_core::calendar::rfc3339;
use pilotlight_core::http::{Method, Reply};
use pilotlight_core::model::metadata::{Interface, Metadata, prefix_of};
use serde_json::Value;

use crate::UserConfig;
use crate::answer::{at, boolean, each, first_of, json, last_part, present, refused, texts};
use crate::host::{Ask, Host, HostError, Patience};
use crate::said::{Cursor, Said};

/// By number: the name would need a name server, which is the same machine. Both kinds of network have IPv4
/// unless the machine was made without.
const BASES: &[&str] = &["http://169.254.169.254", "http://[fd20:ce::254]"];

/// Everything that the server has, instance and project, of one moment.
const EVERYTHING: &str = "?recursive=true&alt=json";
/// How long the server keeps a request that waits for a change, and how long it may take to answer then.
const KEPT: Duration = Duration::from_secs(60);
const ANSWERED: Duration = Duration::from_secs(75);

fn request(base: &str, path: &str) -> Ask {
    Ask::link(format!("{base}/computeMetadata/v1/{path}")).header("Metadata-Flavor", "Google")
}

/// Fails unless it is Google's server that answered: another one has not this header.
fn believed(ask: &Ask, reply: &Reply) -> Result<(), HostError> {
    if reply.header("metadata-flavor") == Some("Google") {
        return Ok(());
    }
    Err(HostError::Broken(format!(
        "{} answers {} without \"Metadata-Flavor: Google\": it is not Google's metadata server",
        ask.shown(),
        reply.status
    )))
}

/// Asks the server.
async fn ask(host: &impl Host, path: &str) -> Result<Option<UserConfig>, HostError> {
    let (_, ask, reply) = first_of(host, BASES, |base| request(base, path)).await?;
    believed(&ask, &reply)?;
    let found = present(&ask, reply)?;
    Ok(found.map(|bytes| UserConfig {
        name: ask.shown(),
        bytes,
    }))
}

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    ask(host, "instance/attributes/user-data").await
}

/// Everything at once, or once it is not what it was at the cursor: the server keeps the request until then, at
/// most for a minute (Compute Engine docs, "Wait for metadata changes").
pub(crate) async fn everything(
    host: &impl Host,
    after: Option<&Cursor>,
) -> Result<Option<Said>, HostError> {
    let (base, ask, reply) = match after {
        None => first_of(host, BASES, |base| request(base, EVERYTHING)).await?,
        Some(Cursor { base, etag }) => {
            let path = format!(
                "{EVERYTHING}&wait_for_change=true&timeout_sec={}&last_etag={etag}",
                KEPT.as_secs()
            );
            let ask = request(base, &path).patient(Patience {
                bound: Some(ANSWERED),
                ..Patience::default()
            });
            let reply = host.http(&ask).await?;
            (*base, ask, reply)
        }
    };
    believed(&ask, &reply)?;
    // It becomes part of a URL.
    let usable = |etag: &&str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !etag.is_empty() && etag.len() <= 64 && etag.bytes().all(plain)
    };
    let etag = reply.header("etag").filter(usable).map(str::to_string);
    let said = Said::of(&ask.shown(), present(&ask, reply)?)?;
    Ok(said.map(|said| Said {
        cursor: etag.map(|etag| Cursor { base, etag }),
        ..said
    }))
}

/// Whether the machine's public host keys are wanted: the owner has switched guest attributes on (Compute Engine
/// docs, "Store host keys by enabling guest attributes"). The instance's word counts before the project's.
pub(crate) fn wants_host_keys(document: &str) -> bool {
    const KEY: &str = "enable-guest-attributes";
    let Ok(all) = serde_json::from_slice::<Value>(document.as_bytes()) else {
        return false;
    };
    let said = |of: &str| at(&all, &format!("/{of}/attributes/{KEY}"));
    truth(said("instance").or_else(|| said("project")))
}

/// What changes when the machine was moved to another host (Google's guest agents, `virtual-clock/drift-token`).
pub(crate) fn clock_token(document: &str) -> Option<String> {
    let all = serde_json::from_slice::<Value>(document.as_bytes()).ok()?;
    at(&all, "/instance/virtualClock/driftToken")
}

/// Gives the server a public host key, by which `gcloud compute ssh` knows the machine.
pub(crate) async fn publish_host_key(
    host: &impl Host,
    kind: &str,
    key: &str,
) -> Result<(), HostError> {
    let path = format!("instance/guest-attributes/hostkeys/{kind}");
    let put = |base: &str| Ask {
        method: Method::Put,
        body: key.as_bytes().to_vec(),
        ..request(base, &path)
    };
    let (_, ask, reply) = first_of(host, BASES, put).await?;
    match reply.status {
        200..=299 => Ok(()),
        status => Err(refused(&ask, status)),
    }
}

/// A token of the machine's own service account, for `gs` URLs; `None` where it has none.
pub async fn access_token(host: &impl Host) -> Result<Option<String>, HostError> {
    let Some(found) = ask(host, "instance/service-accounts/default/token").await? else {
        return Ok(None);
    };
    Ok(at(
        &json("the access token", &found.bytes)?,
        "/access_token",
    ))
}

pub(crate) async fn metadata(host: &impl Host) -> Result<Option<Metadata>, HostError> {
    let mut all = serde_json::Map::new();
    // Of the project only what machines of it share: the rest is of no use here.
    for (name, place) in [("instance", "instance"), ("project", "project/attributes")] {
        if let Some(found) = ask(host, &format!("{place}/?recursive=true&alt=json")).await? {
            let found = json("Google's metadata", &found.bytes)?;
            let attributes = || serde_json::json!({ "attributes": found });
            all.insert(
                name.into(),
                if name == "project" {
                    attributes()
                } else {
                    found.clone()
                },
            );
        }
    }
    let all = Value::Object(all);
    let mut said = Metadata {
        instance_id: at(&all, "/instance/id"),
        instance_type: at(&all, "/instance/machineType").map(|path| last_part(&path).into()),
        zone: at(&all, "/instance/zone").map(|path| last_part(&path).into()),
        ..Metadata::default()
    };
    // A zone is its region with a letter behind it.
    let region = said.zone.as_deref().and_then(|zone| zone.rsplit_once('-'));
    said.region = region.map(|(region, _)| region.to_string());
    let hostname = at(&all, "/instance/hostname");
    said.set_hostname(hostname.as_deref());
    texts(&all, "/instance/tags").for_each(|tag| said.add_tag(tag, ""));
    for nic in each(&all, "/instance/networkInterfaces") {
        let Some(mut interface) = at(nic, "/mac").as_deref().and_then(Interface::of_mac) else {
            continue;
        };
        let prefix = at(nic, "/subnetmask").as_deref().and_then(prefix_of);
        if let Some(ip) = at(nic, "/ip") {
            interface.add(&ip, prefix, false);
        }
        // Of those for the inside only (fd20::/20) the internet knows nothing (Compute Engine docs, "IPv6 subnet ranges").
        texts(nic, "/ipv6s").for_each(|ip| interface.add(ip, None, !is_unique_local(ip)));
        for config in each(nic, "/accessConfigs") {
            if let Some(ip) = at(config, "/externalIp") {
                interface.add(&ip, None, true);
            }
        }
        interface.add_gateway(at(nic, "/gateway").as_deref());
        interface.add_gateway(at(nic, "/gatewayIpv6").as_deref());
        texts(nic, "/dnsServers").for_each(|ip| interface.add_dns(Some(ip)));
        interface.mtu = at(nic, "/mtu").and_then(|mtu| mtu.parse().ok());
        said.interfaces.push(interface);
    }
    keys(&all, host.seconds(), &mut said);
    // As the server writes them: the machine's type is a whole path.
    for (name, place) in [
        ("HOSTNAME", "hostname"),
        ("MACHINE_TYPE", "machineType"),
        ("IP_LOCAL_0", "networkInterfaces/0/ip"),
        (
            "IP_EXTERNAL_0",
            "networkInterfaces/0/accessConfigs/0/externalIp",
        ),
    ] {
        let text = at(&all, &format!("/instance/{place}"));
        said.attribute(format!("GCP_{name}"), text.as_deref());
    }
    Ok(Some(said))
}

/// Whether an address is of a private network (RFC 4193).
fn is_unique_local(text: &str) -> bool {
    let bare = text.split('/').next().unwrap_or_default();
    let parsed = bare.trim().parse::<Ipv6Addr>();
    parsed.is_ok_and(|address| address.is_unique_local())
}

/// A switch, as the platform's own agent reads it: what is no boolean switches nothing on.
fn truth(text: Option<String>) -> bool {
    text.as_deref().and_then(boolean).unwrap_or_default()
}

/// The keys that count, by the rules of the platform's guest agent.
fn keys(all: &Value, now: u64, said: &mut Metadata) {
    let attribute = |of: &str, name: &str| at(all, &format!("/{of}/attributes/{name}"));
    let own = attribute("instance", "enable-oslogin");
    if truth(own.or_else(|| attribute("project", "enable-oslogin"))) {
        // Accounts and keys come from the directory then, at each login.
        return;
    }
    let old = attribute("instance", "sshKeys");
    let alone = old.is_some() || truth(attribute("instance", "block-project-ssh-keys"));
    let mut lists = vec![attribute("instance", "ssh-keys"), old];
    if !alone {
        lists.extend(["ssh-keys", "sshKeys"].map(|name| attribute("project", name)));
    }
    for line in lists.iter().flatten().flat_map(|list| list.lines()) {
        let Some((user, key)) = line.trim().split_once(':') else {
            continue;
        };
        if let Some(key) = current(key.trim(), now) {
            said.add_keys(Some(user), key);
        }
    }
}

/// A key without the note of its expiry, unless it has expired or the note cannot be read.
fn current(key: &str, now: u64) -> Option<&str> {
    let Some((bare, note)) = key.split_once(" google-ssh") else {
        return Some(key);
    };
    let note = serde_json::from_slice::<Value>(note.trim().as_bytes()).ok()?;
    let end = rfc3339(&at(&note, "/expireOn")?)?;
    (now < end).then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, golden, now};

    #[test]
    fn addresses_of_the_inside_are_not_public() {
        for (ip, inside) in [
            ("fd20:0:0:1::5", true),
            ("fd20:ce::254", true),
            ("fd20:7e0:5f4c::", true),
            ("FD20:1::1", true),
            ("fd20:1::/96", true),
            ("fd21::1", true),
            ("fd00::1", true),
            ("2600:1900:4000::1", false),
            ("2001:db8:9::1", false),
            ("fe80::1", false),
            ("fc", false),
            ("", false),
        ] {
            assert_eq!(is_unique_local(ip), inside, "{ip}");
        }
    }

    #[test]
    fn the_user_data_is_an_attribute() {
        let host = Transcript::of(
            "> GET http://169.254.169.254/computeMetadata/v1/instance/attributes/user-data\n\
             > Metadata-Flavor: Google\n< 200\n< metadata-flavor: Google\n{}\n",
        );
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        let host = Transcript::of(
            "> GET http://169.254.169.254/computeMetadata/v1/instance/attributes/user-data\n< silence\n\
             > GET http://[fd20:ce::254]/computeMetadata/v1/instance/attributes/user-data\n\
             < 404\n< metadata-flavor: Google\n",
        );
        assert_eq!(now(user_config(&host)), Ok(None));
        host.is_used_up();
        // A machine whose network takes long waits for as long.
        let at = |base: &str| {
            format!("> GET http://{base}/computeMetadata/v1/instance/attributes/user-data\n")
        };
        let round = format!(
            "{}< silence\n{}< silence\n",
            at("169.254.169.254"),
            at("[fd20:ce::254]")
        );
        let late = "< 200\n< metadata-flavor: Google\n{}\n";
        let host = Transcript::of(&(round.repeat(1000) + &at("169.254.169.254") + late));
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
    }

    #[test]
    fn another_server_is_not_believed() {
        for answer in [
            "< 404\n",
            "< 200\nuser-data",
            "< 200\n< metadata-flavor: other\n{}",
        ] {
            let host = Transcript::of(&format!(
                "> GET http://169.254.169.254/computeMetadata/v1/instance/attributes/user-data\n{answer}"
            ));
            let why = now(user_config(&host)).unwrap_err().to_string();
            assert!(why.contains("not Google's metadata server"), "{why}");
        }
    }

    #[test]
    fn moves_have_a_mark() {
        for (document, expected) in [
            (
                r#"{"instance": {"virtualClock": {"driftToken": "-7"}}}"#,
                Some("-7"),
            ),
            (
                r#"{"instance": {"virtualClock": {"driftToken": 7}}}"#,
                Some("7"),
            ),
            (r#"{"instance": {}}"#, None),
            ("{", None),
        ] {
            assert_eq!(clock_token(document).as_deref(), expected, "{document}");
        }
    }

    #[test]
    fn metadata_is_typed() {
        let host = Transcript::of(include_str!("../testdata/gcp-metadata.txt"));
        let said = now(metadata(&host)).unwrap().unwrap();
        golden("gcp-metadata", &said);
    }

    #[test]
    fn keys_follow_the_rules_of_the_agent() {
        let one =
            |key: &str| serde_json::json!({ "instance": { "attributes": { "ssh-keys": key } } });
        let of = |all: Value| {
            let mut said = Metadata::default();
            keys(&all, 1_900_000_000, &mut said);
            let list = said.ssh_keys.into_iter();
            list.map(|key| format!("{}={}", key.user.unwrap_or_default(), key.key))
                .collect::<Vec<String>>()
        };
        for (line, expected) in [
            ("a:ssh-rsa K c", Some("a=ssh-rsa K c")),
            ("a:no-pty ssh-rsa K", Some("a=no-pty ssh-rsa K")),
            ("ssh-rsa K c", None),
            (
                r#"a:ssh-rsa K google-ssh {"userName":"a","expireOn":"2031-01-02T03:04:05+0000"}"#,
                Some("a=ssh-rsa K"),
            ),
            (
                r#"a:ssh-rsa K google-ssh {"expireOn":"2021-01-02T03:04:05Z"}"#,
                None,
            ),
            (r#"a:ssh-rsa K google-ssh {"expireOn":"soon"}"#, None),
            ("a:ssh-rsa K google-ssh", None),
            ("../a:ssh-rsa K", None),
        ] {
            assert_eq!(
                of(one(line)).first().map(String::as_str),
                expected,
                "{line}"
            );
        }
        let project = serde_json::json!({ "attributes": { "ssh-keys": "p:ssh-rsa P" } });
        for (instance, expected) in [
            (
                serde_json::json!({ "ssh-keys": "i:ssh-rsa I" }),
                vec!["i=ssh-rsa I", "p=ssh-rsa P"],
            ),
            (
                serde_json::json!({ "sshKeys": "i:ssh-rsa I" }),
                vec!["i=ssh-rsa I"],
            ),
            (
                serde_json::json!({ "block-project-ssh-keys": "TRUE" }),
                vec![],
            ),
            (
                serde_json::json!({ "block-project-ssh-keys": "false" }),
                vec!["p=ssh-rsa P"],
            ),
            (serde_json::json!({ "enable-oslogin": "TRUE" }), vec![]),
        ] {
            let all =
                serde_json::json!({ "instance": { "attributes": instance }, "project": project });
            assert_eq!(of(all.clone()), expected, "{all}");
        }
    }
}
