//! `azure`: the instance metadata service, then the provisioning CD-ROM (Azure docs, "Azure Instance Metadata
//! Service"). The service has IPv4 alone, on the machine's own link, never through a proxy.

use std::time::Duration;

use pilotlight_core::model::metadata::{Interface, MAX_INTERFACES, Metadata};
use serde_json::Value;

use crate::UserConfig;
use crate::answer::{at, bounded, decode, each, fetch, json, present, text};
use crate::azure_media::{Media, unfold, user_of};
use crate::host::{Ask, Host, HostError, Patience};
use crate::said::{Cursor, Said};

const BASE: &str = "http://169.254.169.254/metadata";
const USER_DATA: &str = "instance/compute/userData?api-version=2021-01-01&format=text";
/// The newest version that is used, and one that Azure Stack knows.
const VERSIONS: [&str; 2] = ["2021-12-13", "2019-06-01"];
/// The service is being updated: 404 for a while, 410 for at most 70 s by its documentation.
const AGAIN: &[(u16, Duration)] = &[
    (404, Duration::from_secs(30)),
    (410, Duration::from_secs(70)),
];
/// How long the service may keep silent before the CD-ROM is looked at, and that may take to appear.
const PATIENCE: Duration = Duration::from_secs(300);

fn ask(path: &str) -> Ask {
    let patience = Patience {
        statuses: AGAIN,
        bound: None,
    };
    Ask::link(format!("{BASE}/{path}"))
        .patient(patience)
        .header("Metadata", "true")
}

/// User data first: the older custom data exists only on the CD-ROM. While the service is silent and the CD-ROM
/// has nothing, nobody knows what the machine should be, and both are asked again.
pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    loop {
        match once(host).await {
            Err(HostError::Silent(_)) => {}
            known => return known,
        }
    }
}

async fn once(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    let mut ask = ask(USER_DATA);
    ask.patience.bound = Some(PATIENCE);
    let silence = match fetch(host, &ask).await {
        Ok(found) => {
            let encoded = text(found.unwrap_or_default());
            if !encoded.is_empty() {
                let broken = |why| {
                    HostError::Broken(format!(
                        "while reading the user data of {}: {why}",
                        ask.shown()
                    ))
                };
                let bytes = decode(&encoded).map_err(broken)?;
                return Ok(Some(UserConfig {
                    name: ask.shown(),
                    bytes,
                }));
            }
            None
        }
        Err(HostError::NeedsNetwork(what)) => return Err(HostError::NeedsNetwork(what)),
        Err(error) => Some(error),
    };
    let wait = if silence.is_some() {
        Duration::from_secs(10)
    } else {
        PATIENCE
    };
    let media = Media::read(host, wait).await?;
    match (media.map(Media::user_config).transpose()?, silence) {
        (Some(Some(config)), _) => Ok(Some(config)),
        // A service that cannot be asked may have what the CD-ROM has not.
        (_, Some(silence)) => Err(silence),
        (Some(None), None) => Ok(None),
        (None, None) => Err(HostError::Broken(format!(
            "the machine has no user data, and no provisioning CD-ROM appeared within {} s, on which custom data \
             would be",
            PATIENCE.as_secs()
        ))),
    }
}

/// A token of the machine's own identity for a resource such as `https://storage.azure.com/`; `None` where the
/// machine has no identity.
pub async fn access_token(host: &impl Host, resource: &str) -> Result<Option<String>, HostError> {
    let resource = resource.replace(':', "%3A").replace('/', "%2F");
    let ask = ask(&format!(
        "identity/oauth2/token?api-version=2018-02-01&resource={resource}"
    ));
    let reply = host.http(&ask).await?;
    // "Identity not found" is a bad request.
    if reply.status == 400 {
        return Ok(None);
    }
    match present(&ask, reply)? {
        Some(found) => Ok(at(&json("the access token", &found)?, "/access_token")),
        None => Ok(None),
    }
}

async fn document(host: &impl Host) -> Result<Option<Value>, HostError> {
    for version in VERSIONS {
        let ask = bounded(ask(&format!("instance?api-version={version}&format=json")));
        let reply = host.http(&ask).await?;
        if reply.status != 400 {
            let found = present(&ask, reply)?;
            return found
                .map(|found| json("Azure's metadata", &found))
                .transpose();
        }
    }
    Ok(None)
}

/// The interfaces as the service lists them.
pub(crate) async fn network(
    host: &impl Host,
    _: Option<&Cursor>,
) -> Result<Option<Said>, HostError> {
    for version in VERSIONS {
        let path = format!("instance/network/interface?api-version={version}&format=json");
        let ask = bounded(ask(&path));
        let reply = host.http(&ask).await?;
        if reply.status != 400 {
            return Said::of(&ask.shown(), present(&ask, reply)?);
        }
    }
    Ok(None)
}

pub(crate) async fn metadata(host: &impl Host) -> Result<Option<Metadata>, HostError> {
    let all = match document(host).await {
        Err(silence @ (HostError::Broken(_) | HostError::Silent(_))) => {
            // The CD-ROM knows the host name and the keys as well.
            let media = Media::read(host, Duration::ZERO).await?;
            return Ok(Some(media.ok_or(silence)?.metadata()));
        }
        other => other?,
    };
    let Some(all) = all else {
        return Ok(Media::read(host, Duration::ZERO)
            .await?
            .map(|media| media.metadata()));
    };
    let compute = |key: &str| at(&all, &format!("/compute/{key}"));
    let mut said = Metadata {
        instance_id: compute("vmId"),
        instance_type: compute("vmSize"),
        region: compute("location"),
        zone: compute("zone"),
        ..Metadata::default()
    };
    let name = compute("osProfile/computerName").or_else(|| compute("name"));
    said.set_hostname(name.as_deref());
    for tag in each(&all, "/compute/tagsList") {
        if let Some(name) = at(tag, "/name") {
            said.add_tag(&name, &at(tag, "/value").unwrap_or_default());
        }
    }
    let admin = compute("osProfile/adminUsername");
    for key in each(&all, "/compute/publicKeys") {
        let user = at(key, "/path").as_deref().and_then(user_of);
        if let Some(data) = at(key, "/keyData") {
            said.add_keys(user.as_deref().or(admin.as_deref()), &unfold(&data));
        }
    }
    for nic in each(&all, "/network/interface").take(MAX_INTERFACES) {
        let Some(mut interface) = at(nic, "/macAddress")
            .as_deref()
            .and_then(Interface::of_mac)
        else {
            continue;
        };
        for family in ["ipv4", "ipv6"] {
            let prefix =
                at(nic, &format!("/{family}/subnet/0/prefix")).and_then(|bits| bits.parse().ok());
            for address in each(nic, &format!("/{family}/ipAddress")) {
                for (key, prefix, public) in [("private", prefix, false), ("public", None, true)] {
                    if let Some(ip) = at(address, &format!("/{key}IpAddress")) {
                        interface.add(&ip, prefix, public);
                    }
                }
            }
        }
        said.interfaces.push(interface);
    }
    // The names are of the time when each machine was behind a virtual address of its cloud service.
    for (name, text) in [
        ("IPV4_DYNAMIC", said.address(true, false)),
        ("IPV4_VIRTUAL", said.address(true, true)),
        ("VMSIZE", said.instance_type.clone()),
    ] {
        said.attribute(format!("AZURE_{name}"), text.as_deref());
    }
    Ok(Some(said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, golden, now};

    const ASKED: &str = "> GET http://169.254.169.254/metadata/instance/compute/userData?api-version=2021-01-01&format=text\n\
        > Metadata: true\n";
    const ENVIRONMENT: &str = include_str!("../testdata/azure-ovf-env.xml");

    fn with(answer: &str, device: Option<Vec<(&'static str, &'static str)>>) -> Transcript {
        Transcript {
            device: device.map(|files| ("cdrom", files)),
            ..Transcript::of(&format!("{ASKED}{answer}\n"))
        }
    }

    #[test]
    fn user_data_counts_before_the_cd_rom() {
        let media = || {
            Some(vec![
                ("ovf-env.xml", ENVIRONMENT),
                ("CustomData.bin", "custom"),
            ])
        };
        let found = now(user_config(&with("< 200\ne30=", media())))
            .unwrap()
            .unwrap();
        assert_eq!(found.bytes, b"{}");
        for answer in ["< 200", "< 404", "< silence"] {
            let found = now(user_config(&with(answer, media()))).unwrap().unwrap();
            assert_eq!(found.bytes, b"custom", "{answer}");
            assert_eq!(found.name, "/dev/cdrom:CustomData.bin");
        }
        let only = now(user_config(&with(
            "< 200",
            Some(vec![("ovf-env.xml", ENVIRONMENT)]),
        )));
        assert_eq!(only.unwrap().unwrap().bytes, br#"{"ignition":{}}"#);
        let why = now(user_config(&with("< 200\nnot base64!", None)))
            .unwrap_err()
            .to_string();
        assert!(why.contains("not base64"), "{why}");
    }

    #[test]
    fn absent_and_unknown_are_different_answers() {
        let plain = "<Environment><HostName>x</HostName></Environment>";
        let media = || Some(vec![("ovf-env.xml", plain)]);
        assert_eq!(now(user_config(&with("< 200", media()))), Ok(None));
        // Nothing is known for as long as the service says nothing.
        let late = format!("< silence\n{ASKED}< silence\n{ASKED}< 200\ne30=");
        let host = with(&late, media());
        let found = now(user_config(&host)).unwrap().unwrap();
        assert_eq!(found.bytes, b"{}");
        host.is_used_up();
        let why = now(user_config(&with("< given up", media())))
            .unwrap_err()
            .to_string();
        assert!(why.contains("does not answer"), "{why}");
        let why = now(user_config(&with("< 200", None)))
            .unwrap_err()
            .to_string();
        assert!(why.contains("no provisioning CD-ROM appeared"), "{why}");
        let why = now(user_config(&with(
            "< 200",
            Some(vec![("ovf-env.xml", "<E")]),
        )))
        .unwrap_err();
        assert!(
            why.to_string().contains("ovf-env.xml on /dev/cdrom"),
            "{why}"
        );
    }

    #[test]
    fn metadata_is_typed() {
        let host = Transcript::of(include_str!("../testdata/azure-metadata.txt"));
        let said = now(metadata(&host)).unwrap().unwrap();
        host.is_used_up();
        golden("azure-metadata", &said);
    }

    #[test]
    fn an_identity_has_tokens_and_no_identity_has_none() {
        let asked = "> GET http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01\
            &resource=https%3A%2F%2Fstorage.azure.com%2F\n> Metadata: true\n";
        let resource = "https://storage.azure.com/";
        let host = Transcript::of(&format!("{asked}< 200\n{{\"access_token\":\"t\"}}"));
        assert_eq!(now(access_token(&host, resource)), Ok(Some("t".into())));
        let host = Transcript::of(&format!("{asked}< 400"));
        assert_eq!(now(access_token(&host, resource)), Ok(None));
    }
}
