//! `aws`: the instance metadata service, version 2 (EC2 User Guide, "Use IMDS").
//!
//! The IPv4 address comes first: every instance has it unless its owner switched the service off, while the
//! IPv6 one is there only on request. An instance in a network of IPv6 alone fails the first at once.

use std::cell::RefCell;

use pilotlight_core::http::{Method, Reply};
use pilotlight_core::model::metadata::{Interface, MAX_INTERFACES, Metadata};
use serde_json::Value;

use crate::UserConfig;
use crate::answer::{at, bounded, first_of, json, last_part, present, refused, text};
use crate::evidence::Evidence;
use crate::host::{Ask, Host, HostError};
use crate::said::{Cursor, Said};

const BASES: &[&str] = &["http://169.254.169.254", "http://[fd00:ec2::254]"];
/// Version of the service; every key that is asked for is in it.
const VERSION: &str = "2021-01-03";
/// The version whose user data is what Ignition reads.
const USER_DATA: &str = "2019-10-01/user-data";
/// Life of a token, in seconds: the longest that there is.
const TOKEN_LIFE: &str = "21600";

/// A conversation with the service.
struct Imds<'h, H> {
    host: &'h H,
    base: &'static str,
    /// Absent where the service knows no tokens.
    token: RefCell<Option<String>>,
}

impl<'h, H: Host> Imds<'h, H> {
    async fn open(host: &'h H) -> Result<Self, HostError> {
        let (base, ask, reply) = first_of(host, BASES, token_ask).await?;
        let token = token(&ask, reply.status, reply.body)?;
        Ok(Self {
            host,
            base,
            token: RefCell::new(token),
        })
    }

    /// Asks for something that may be absent. A token that has expired meanwhile is renewed, once.
    async fn get(&self, path: &str, vital: bool) -> Result<Option<Vec<u8>>, HostError> {
        let (ask, reply) = self.ask(path, vital).await?;
        if reply.status != 401 {
            return present(&ask, reply);
        }
        let renewal = Ask {
            direct: true,
            ..token_ask(self.base)
        };
        let answer = self.host.http(&bounded(renewal.clone())).await?;
        *self.token.borrow_mut() = token(&renewal, answer.status, answer.body)?;
        let (ask, reply) = self.ask(path, vital).await?;
        present(&ask, reply)
    }

    async fn ask(&self, path: &str, vital: bool) -> Result<(Ask, Reply), HostError> {
        let mut ask = Ask::link(format!("{}/{path}", self.base));
        if let Some(token) = self.token.borrow().as_deref() {
            ask = ask.header("X-aws-ec2-metadata-token", token);
        }
        if !vital {
            ask = bounded(ask);
        }
        let reply = self.host.http(&ask).await?;
        Ok((ask, reply))
    }

    /// A key of the metadata as text; absent where it is empty.
    async fn key(&self, key: &str) -> Result<Option<String>, HostError> {
        let found = self
            .get(&format!("{VERSION}/meta-data/{key}"), false)
            .await?;
        Ok(found.map(text).filter(|text| !text.is_empty()))
    }
}

fn token_ask(base: &str) -> Ask {
    Ask {
        method: Method::Put,
        ..Ask::link(format!("{base}/latest/api/token"))
    }
    .header("X-aws-ec2-metadata-token-ttl-seconds", TOKEN_LIFE)
}

fn token(ask: &Ask, status: u16, body: Vec<u8>) -> Result<Option<String>, HostError> {
    let why = match status {
        200..=299 => {
            let token = text(body);
            // It becomes a header.
            if !token.is_empty()
                && token.len() <= 4096
                && token.bytes().all(|b| b.is_ascii_graphic())
            {
                return Ok(Some(token));
            }
            "the token is none"
        }
        // Services that only speak version 1, as other clouds have them.
        404 | 405 | 501 => return Ok(None),
        403 => "the instance metadata service is switched off for this instance (HttpEndpoint)",
        status => return Err(refused(ask, status)),
    };
    Err(HostError::Broken(format!("{}: {why}", ask.shown())))
}

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    let imds = Imds::open(host).await?;
    let found = imds.get(USER_DATA, true).await?;
    Ok(found.map(|bytes| UserConfig {
        name: format!("{}/{USER_DATA}", imds.base),
        bytes,
    }))
}

pub(crate) async fn metadata(host: &impl Host) -> Result<Option<Metadata>, HostError> {
    let imds = Imds::open(host).await?;
    let mut said = Metadata {
        instance_id: imds.key("instance-id").await?,
        instance_type: imds.key("instance-type").await?,
        zone: imds.key("placement/availability-zone").await?,
        region: region_of(&imds).await?,
        ..Metadata::default()
    };
    let hostname = imds.key("hostname").await?;
    said.set_hostname(hostname.as_deref());
    // Only the interface with this address is the primary one: others may say that they are, for a while.
    let primary = imds.key("mac").await?.unwrap_or_default();
    let macs = imds
        .key("network/interfaces/macs/")
        .await?
        .unwrap_or_default();
    for line in macs.lines().take(MAX_INTERFACES) {
        let Some(mut interface) = Interface::of_mac(line) else {
            continue;
        };
        let name = interface.mac.clone();
        let at = |key: &str| format!("network/interfaces/macs/{name}/{key}");
        let subnet = imds.key(&at("subnet-ipv4-cidr-block")).await?;
        let prefix = subnet
            .as_deref()
            .and_then(|block| last_part(block).parse().ok());
        for (key, prefix, public) in [
            ("local-ipv4s", prefix, false),
            ("public-ipv4s", None, true),
            ("ipv6s", Some(128), true),
        ] {
            let list = imds.key(&at(key)).await?.unwrap_or_default();
            list.lines()
                .for_each(|line| interface.add(line, prefix, public));
        }
        interface.name = imds.key(&at("interface-id")).await?;
        let first =
            pilotlight_core::model::metadata::mac(&primary).is_some_and(|mac| mac == interface.mac);
        said.interfaces
            .insert(if first { 0 } else { said.interfaces.len() }, interface);
    }
    let keys = imds.key("public-keys").await?.unwrap_or_default();
    for line in keys.lines().take(MAX_INTERFACES) {
        if let Some(number) = line.split('=').next().filter(|n| n.parse::<u16>().is_ok()) {
            let key = imds
                .key(&format!("public-keys/{number}/openssh-key"))
                .await?;
            said.add_keys(None, &key.unwrap_or_default());
        }
    }
    let tags = imds.key("tags/instance").await?.unwrap_or_default();
    for tag in tags.lines().take(MAX_INTERFACES) {
        // Names that would mean another key of the service are left out.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:=+@/ ".contains(c);
        if !tag.is_empty() && !tag.contains("..") && tag.chars().all(plain) {
            let path = format!("tags/instance/{}", tag.replace(' ', "%20"));
            let text = imds.key(&path).await?.unwrap_or_default();
            said.add_tag(tag, &text);
        }
    }
    for (name, key) in [
        ("PUBLIC_HOSTNAME", "public-hostname"),
        ("IPV4_LOCAL", "local-ipv4"),
        ("IPV4_PUBLIC", "public-ipv4"),
        ("IPV6", "ipv6"),
        ("AVAILABILITY_ZONE_ID", "placement/availability-zone-id"),
    ] {
        let text = imds.key(key).await?;
        said.attribute(format!("AWS_{name}"), text.as_deref());
    }
    for (name, text) in [
        ("HOSTNAME", hostname),
        ("INSTANCE_ID", said.instance_id.clone()),
        ("INSTANCE_TYPE", said.instance_type.clone()),
        ("AVAILABILITY_ZONE", said.zone.clone()),
        ("REGION", said.region.clone()),
    ] {
        said.attribute(format!("AWS_{name}"), text.as_deref());
    }
    Ok(Some(said))
}

/// The keys of an interface that its network is made of.
const NETWORK_KEYS: [&str; 9] = [
    "interface-id",
    "device-number",
    "network-card",
    "subnet-ipv4-cidr-block",
    "local-ipv4s",
    "ipv4-prefix",
    "subnet-ipv6-cidr-blocks",
    "ipv6s",
    "ipv6-prefix",
];

/// What the service says of the network, as an object with the keys by the service's own names, interface by
/// interface, and `whole`: whether each of them was answered.
pub(crate) async fn network(
    host: &impl Host,
    _: Option<&Cursor>,
) -> Result<Option<Said>, HostError> {
    let imds = Imds::open(host).await?;
    let primary = imds.key("mac").await?;
    let Some(macs) = imds.key("network/interfaces/macs/").await? else {
        return Ok(None);
    };
    let mut whole = true;
    let mut interfaces = Vec::new();
    // One more than are taken, so that it is told that there are too many.
    for line in macs.lines().take(MAX_INTERFACES + 1) {
        let mut found = serde_json::Map::new();
        found.insert("mac".into(), line.trim_end_matches('/').into());
        if Interface::of_mac(line).is_some() {
            for key in NETWORK_KEYS {
                let path = format!(
                    "network/interfaces/macs/{}/{key}",
                    line.trim_end_matches('/')
                );
                match imds.key(&path).await {
                    Ok(Some(text)) => {
                        found.insert(key.into(), text.into());
                    }
                    Ok(None) => {}
                    // The others may be good enough to add what is missing.
                    Err(HostError::Broken(_)) => whole = false,
                    Err(error) => return Err(error),
                }
            }
        }
        interfaces.push(Value::Object(found));
    }
    let document = serde_json::json!({
        "mac": primary,
        "whole": whole,
        "interfaces": interfaces,
    });
    Ok(Some(Said {
        document: document.to_string(),
        cursor: None,
    }))
}

/// From the key, which old services have not, else from the identity document.
async fn region_of<H: Host>(imds: &Imds<'_, H>) -> Result<Option<String>, HostError> {
    if let Some(region) = imds.key("placement/region").await? {
        return Ok(Some(region));
    }
    let path = format!("{VERSION}/dynamic/instance-identity/document");
    let Some(document) = imds.get(&path, false).await? else {
        return Ok(None);
    };
    Ok(at(&json("the identity document", &document)?, "/region"))
}

/// The region that the instance is in.
pub async fn region(host: &impl Host) -> Result<Option<String>, HostError> {
    region_of(&Imds::open(host).await?).await
}

/// Short-lived credentials of a role. It has no `Debug`: they are secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Id of the access key.
    pub access_key: String,
    /// The secret that requests are signed with.
    pub secret_key: String,
    /// What proves that the key is of this session.
    pub token: String,
    /// When they end, as the service says it (RFC 3339).
    pub expires: Option<String>,
}

/// The credentials of the role that the instance has; `None` where it has none.
pub async fn role_credentials(host: &impl Host) -> Result<Option<Credentials>, HostError> {
    const PLACE: &str = "iam/security-credentials/";
    let imds = Imds::open(host).await?;
    let Some(roles) = imds.key(PLACE).await? else {
        return Ok(None);
    };
    // An instance has one role at most.
    let role = roles.lines().next().unwrap_or_default().trim();
    // Characters of role names (IAM API Reference, CreateRole).
    let usual = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if role.is_empty() || !role.chars().all(usual) {
        return Err(HostError::Broken(
            "the instance's role has no usable name".into(),
        ));
    }
    let path = format!("{VERSION}/meta-data/{PLACE}{role}");
    let Some(found) = imds.get(&path, false).await? else {
        return Ok(None);
    };
    let found = json("the answer with the role's credentials", &found)?;
    let field = |name: &str| {
        let missing = || HostError::Broken(format!("the role's credentials have no {name}"));
        at(&found, &format!("/{name}")).ok_or_else(missing)
    };
    Ok(Some(Credentials {
        access_key: field("AccessKeyId")?,
        secret_key: field("SecretAccessKey")?,
        token: field("Token")?,
        expires: at(&found, "/Expiration"),
    }))
}

/// Virtual machines and metal alike, by vendor; the old ones on Xen by the beginning of their UUID.
pub(crate) fn sign(seen: &Evidence) -> Option<String> {
    let vendor = seen.begins("sys_vendor", "Amazon EC2");
    let vendor = vendor.or_else(|| seen.begins("bios_vendor", "Amazon EC2"));
    let uuid = seen.dmi("product_uuid").to_ascii_lowercase();
    // A UUID's first group may be shown with its bytes swapped: 45e12aec for ec2ae145.
    let swapped = uuid
        .get(..8)
        .is_some_and(|group| group.ends_with("ec") && group.get(4..5) == Some("2"));
    // The swapped form is two characters and a half: it counts only with a sign of Xen or of a hypervisor of theirs.
    let amazon = seen.hypervisor.0 == "xen"
        || seen.cpuid == "XenVMMXenVMM"
        || seen.dmi("bios_version").contains("amazon");
    vendor
        .or_else(|| {
            (uuid.starts_with("ec2") && amazon_like(seen))
                .then(|| format!("DMI product_uuid is {uuid:?}"))
        })
        .or_else(|| {
            (swapped && amazon).then(|| format!("DMI product_uuid is {uuid:?}, bytes swapped"))
        })
        .or_else(|| {
            let uuid = seen.hypervisor.1.to_ascii_lowercase();
            uuid.starts_with("ec2")
                .then(|| format!("/sys/hypervisor/uuid is {uuid:?}"))
        })
}

/// One random UUID in four thousand begins with `ec2` too. Firmware that names another vendor is believed.
fn amazon_like(seen: &Evidence) -> bool {
    let vendor = seen.dmi("sys_vendor");
    vendor.is_empty() || vendor == "Xen" || vendor.starts_with("Amazon")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, golden, now};

    #[test]
    fn the_user_data_comes_with_a_token() {
        let host = Transcript::of(include_str!("../testdata/aws-user-data.txt"));
        let found = now(user_config(&host)).unwrap().unwrap();
        assert_eq!(found.name, "http://169.254.169.254/2019-10-01/user-data");
        assert_eq!(found.bytes, br#"{"ignition":{"version":"3.4.0"}}"#);
        host.is_used_up();
    }

    #[test]
    fn a_silent_ipv4_address_gives_way_to_ipv6_and_an_expired_token_is_renewed() {
        let host = Transcript::of(include_str!("../testdata/aws-ipv6.txt"));
        let found = now(user_config(&host)).unwrap().unwrap();
        assert_eq!(found.name, "http://[fd00:ec2::254]/2019-10-01/user-data");
        host.is_used_up();
    }

    #[test]
    fn no_user_data_is_absent_and_no_service_is_broken() {
        let none = "> PUT http://169.254.169.254/latest/api/token\n< 405\n\
            > GET http://169.254.169.254/2019-10-01/user-data\n< 404\n";
        assert_eq!(now(user_config(&Transcript::of(none))), Ok(None));
        let off = "> PUT http://169.254.169.254/latest/api/token\n< 403\n";
        let why = now(user_config(&Transcript::of(off)))
            .unwrap_err()
            .to_string();
        assert!(why.contains("switched off"), "{why}");
        let twice = "> PUT http://169.254.169.254/latest/api/token\n< 200\na\n\
            > GET http://169.254.169.254/2019-10-01/user-data\n< 401\n\
            > PUT http://169.254.169.254/latest/api/token\n< 200\nb\n\
            > GET http://169.254.169.254/2019-10-01/user-data\n< 401\n";
        let why = now(user_config(&Transcript::of(twice)))
            .unwrap_err()
            .to_string();
        assert_eq!(
            why,
            "http://169.254.169.254/2019-10-01/user-data answers 401"
        );
        let offline = Transcript {
            offline: true,
            ..Transcript::default()
        };
        let why = now(user_config(&offline)).unwrap_err();
        assert!(matches!(why, HostError::NeedsNetwork(_)));
    }

    #[test]
    fn metadata_is_typed() {
        let host = Transcript::of(include_str!("../testdata/aws-metadata.txt"));
        let said = now(metadata(&host)).unwrap().unwrap();
        host.is_used_up();
        golden("aws-metadata", &said);
    }

    #[test]
    fn a_role_has_credentials() {
        let host = Transcript::of(include_str!("../testdata/aws-role.txt"));
        let found = now(role_credentials(&host)).unwrap().unwrap();
        assert_eq!(found.access_key, "ASIAEXAMPLE");
        assert_eq!(found.secret_key, "secret/example");
        assert_eq!(found.token, "session-example");
        host.is_used_up();
    }
}
