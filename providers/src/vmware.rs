//! `vmware`: variables that the hypervisor keeps for a guest (`guestinfo.…` of its configuration).

use std::io::Read as _;

use pilotlight_core::model::Metadata;
use pilotlight_core::yaml::boolean;
use serde_json::Value;

use crate::UserConfig;
use crate::answer::{at, decode, parts, yaml, yaml_with};
use crate::evidence::Evidence;
use crate::host::{Ask, Host, HostError};
use crate::vmware_ovf::{Property, properties};

/// Variables with the config in the order in which they count: Ignition's, and the older of Container Linux.
const NAMES: [&str; 2] = ["ignition.config.data", "coreos.config.data"];
/// Variables that name where it is, which count after those that have it.
const URLS: [&str; 2] = ["ignition.config.url", "coreos.config.url"];
/// The variable with the machine's OVF environment, in which variables can be properties.
pub const ENVIRONMENT: &str = "ovfEnv";
/// Largest config after it was inflated, in bytes.
const MAX: u64 = 64 << 20;

/// All variables that hold the config, its encoding or the way to it: what is taken away after the first boot.
pub fn secrets() -> Vec<String> {
    let encodings = NAMES.map(|name| format!("{name}.encoding"));
    let names = NAMES.into_iter().chain(URLS).map(str::to_string);
    names.chain(encodings).collect()
}

/// The variables of a machine: its own, and those of its OVF environment, which is asked for where it matters.
struct Variables<'h, H> {
    host: &'h H,
    environment: Option<Vec<Property>>,
}

impl<'h, H: Host> Variables<'h, H> {
    fn of(host: &'h H) -> Self {
        Self {
            host,
            environment: None,
        }
    }

    /// A variable, and whether it is the machine's own; those count before the environment's.
    fn plain(&mut self, name: &str) -> Result<Option<(Vec<u8>, bool)>, HostError> {
        if let Some(data) = self.host.guestinfo(name)?.filter(|data| !data.is_empty()) {
            return Ok(Some((data, true)));
        }
        let property = self.property(name)?;
        let property = property.filter(|value| !value.trim().is_empty());
        Ok(property.map(|value| (value.into_bytes(), false)))
    }

    /// A variable and that of its encoding, both from the same place.
    fn encoded(&mut self, name: &str) -> Result<Option<(Vec<u8>, String)>, HostError> {
        let Some((data, is_own)) = self.plain(name)? else {
            return Ok(None);
        };
        let name = format!("{name}.encoding");
        let encoding = match is_own {
            true => self.host.guestinfo(&name)?.unwrap_or_default(),
            false => self.property(&name)?.unwrap_or_default().into_bytes(),
        };
        let encoding = String::from_utf8_lossy(&encoding).trim().to_string();
        Ok(Some((data, encoding)))
    }

    fn property(&mut self, name: &str) -> Result<Option<String>, HostError> {
        let key = format!("guestinfo.{name}");
        let mut all = self.environment()?.iter();
        Ok(all.find(|one| one.key == key).map(|one| one.value.clone()))
    }

    fn environment(&mut self) -> Result<&[Property], HostError> {
        if self.environment.is_none() {
            let document = self.host.guestinfo(ENVIRONMENT)?.unwrap_or_default();
            let document = String::from_utf8_lossy(&document).into_owned();
            self.environment = Some(match document.trim() {
                "" => Vec::new(),
                text => properties(text).map_err(|why| {
                    HostError::Broken(format!("guestinfo.{ENVIRONMENT} cannot be read: {why}"))
                })?,
            });
        }
        Ok(self.environment.as_deref().unwrap_or_default())
    }
}

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    let mut variables = Variables::of(host);
    for name in NAMES {
        let Some((data, encoding)) = variables.encoded(name)? else {
            continue;
        };
        let bytes = decoded(data, &encoding)
            .map_err(|why| HostError::Broken(format!("while decoding guestinfo.{name}: {why}")))?;
        return Ok(Some(UserConfig {
            name: format!("guestinfo.{name}"),
            bytes,
        }));
    }
    for name in URLS {
        if let Some((url, _)) = variables.plain(name)? {
            return named(host, name, String::from_utf8_lossy(&url).trim()).await;
        }
    }
    Ok(None)
}

/// The config at the URL that a variable has.
async fn named(host: &impl Host, name: &str, url: &str) -> Result<Option<UserConfig>, HostError> {
    let ask = Ask::get(url);
    let reply = host.http(&ask).await?;
    match reply.status {
        200..=299 => Ok(Some(UserConfig {
            name: ask.shown(),
            bytes: reply.body,
        })),
        status => Err(HostError::Broken(format!(
            "guestinfo.{name} names the config {}, but the server answers {status}",
            ask.shown()
        ))),
    }
}

/// The bytes of a variable of this encoding.
pub(crate) fn decoded(data: Vec<u8>, encoding: &str) -> Result<Vec<u8>, String> {
    let packed = match encoding {
        "" => return Ok(data),
        "base64" | "b64" => return decode(&String::from_utf8_lossy(&data)),
        "gzip+base64" | "gz+base64" | "gzip+b64" | "gz+b64" => {
            decode(&String::from_utf8_lossy(&data))?
        }
        other => {
            return Err(format!(
                "{other:?} is no known encoding; known are \"base64\" and \"gzip+base64\""
            ));
        }
    };
    let mut bytes = Vec::new();
    let reader = flate2::read::MultiGzDecoder::new(packed.as_slice());
    reader
        .take(MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX {
        return Err(format!("it is larger than {} MiB", MAX >> 20));
    }
    Ok(bytes)
}

pub(crate) async fn metadata(host: &impl Host) -> Result<Option<Metadata>, HostError> {
    let mut said = Metadata::default();
    let mut variables = Variables::of(host);
    // A document of cloud-init's for this platform, with its network.
    if let Some((data, encoding)) = variables.encoded("metadata")? {
        let bytes = decoded(data, &encoding).map_err(|why| {
            HostError::Broken(format!("while decoding guestinfo.metadata: {why}"))
        })?;
        const WHAT: &str = "guestinfo.metadata";
        let all = yaml(WHAT, &bytes)?;
        said.instance_id = at(&all, "/instance-id");
        said.set_hostname(at(&all, "/local-hostname").as_deref());
        if all.get("network").is_some_and(|network| !network.is_null()) {
            // JSON, as which it is kept, has no other words for a boolean. The rest is not for us to keep.
            let plain = |text: String| match boolean(&text) {
                Some(truth) => Value::Bool(truth),
                None => Value::String(text),
            };
            let all = yaml_with(WHAT, &bytes, plain)?;
            said.network = Some(parts(&all, &["/network", "/network.encoding"]).to_string());
        }
    }
    if let Some((name, _)) = variables.plain("hostname")? {
        said.set_hostname(Some(&String::from_utf8_lossy(&name)));
    }
    Ok(Some(said))
}

/// Arguments for the network of the initramfs that the owner of the guest wants.
pub(crate) fn network_kargs(host: &impl Host) -> Result<Option<String>, HostError> {
    let found = Variables::of(host).plain("afterburn.initrd.network-kargs")?;
    Ok(found.map(|(text, _)| String::from_utf8_lossy(&text).trim().to_string()))
}

/// What VMware's board and processor say.
pub(crate) fn board(seen: &Evidence) -> Option<String> {
    seen.begins("sys_vendor", "VMware")
        .or_else(|| seen.signed(&["VMwareVMware"]))
}

/// The same where the image can ask it.
pub(crate) fn sign(seen: &Evidence) -> Option<String> {
    board(seen).filter(|_| seen.rpctool)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, now};

    /// An OVF environment of these properties.
    fn environment(properties: &[(&str, &str)]) -> &'static str {
        let properties = properties.iter();
        let properties = properties
            .map(|(key, value)| format!("<Property oe:key=\"{key}\" oe:value=\"{value}\"/>"));
        let properties: String = properties.collect();
        let head = "<?xml version=\"1.0\"?><Environment xmlns:oe=\"e\"><PropertySection>";
        format!("{head}{properties}</PropertySection></Environment>").leak()
    }

    #[test]
    fn properties_of_the_vapp_are_variables() {
        const DATA: &str = "guestinfo.ignition.config.data";
        const ENCODING: &str = "guestinfo.ignition.config.data.encoding";
        const OLD: &str = "guestinfo.coreos.config.data";
        // Variables of the machine's own, properties, and what is read; an error by its words.
        for (own, properties, expected) in [
            (
                vec![],
                vec![(DATA, "e30="), (ENCODING, "base64")],
                Ok(Some("{}")),
            ),
            (vec![], vec![(DATA, "{}")], Ok(Some("{}"))),
            (
                vec![],
                vec![(DATA, "{&quot;a&quot;: 1}")],
                Ok(Some("{\"a\": 1}")),
            ),
            (vec![], vec![(OLD, "old")], Ok(Some("old"))),
            (vec![], vec![(OLD, "old"), (DATA, "new")], Ok(Some("new"))),
            (
                vec![("ignition.config.data", "own")],
                vec![(DATA, "e30="), (ENCODING, "base64")],
                Ok(Some("own")),
            ),
            (
                vec![("ignition.config.data", "")],
                vec![(DATA, "{}")],
                Ok(Some("{}")),
            ),
            (
                vec![("coreos.config.data", "own")],
                vec![(DATA, "vapp")],
                Ok(Some("vapp")),
            ),
            // An encoding belongs to the data beside it.
            (
                vec![("ignition.config.data.encoding", "base64")],
                vec![(DATA, "{}")],
                Ok(Some("{}")),
            ),
            (vec![], vec![(DATA, "")], Ok(None)),
            (
                vec![],
                vec![("guestinfo.other", "{}"), ("ignition.config.data", "{}")],
                Ok(None),
            ),
            (vec![], vec![], Ok(None)),
            (
                vec![],
                vec![(DATA, "{}"), (ENCODING, "rot13")],
                Err("no known encoding"),
            ),
        ] {
            let mut guestinfo = own.clone();
            guestinfo.push(("ovfEnv", environment(&properties)));
            let host = Transcript {
                guestinfo,
                offline: true,
                ..Transcript::default()
            };
            match (now(user_config(&host)), expected) {
                (Ok(found), Ok(expected)) => {
                    let found = found.map(|found| String::from_utf8(found.bytes).unwrap());
                    assert_eq!(found.as_deref(), expected, "{own:?} {properties:?}");
                }
                (Err(why), Err(words)) => assert!(why.to_string().contains(words), "{why}"),
                (other, _) => panic!("{own:?} {properties:?}: {other:?}"),
            }
        }
        let broken = |own| Transcript {
            guestinfo: [own, vec![("ovfEnv", "<Environment>")]].concat(),
            ..Transcript::default()
        };
        let why = now(user_config(&broken(vec![]))).unwrap_err().to_string();
        assert!(why.starts_with("guestinfo.ovfEnv cannot be read"), "{why}");
        // Nobody has to read it where the machine has the config itself.
        let own = now(user_config(&broken(vec![("ignition.config.data", "{}")])));
        assert_eq!(own.unwrap().unwrap().bytes, b"{}");
        let url = Transcript {
            guestinfo: vec![(
                "ovfEnv",
                environment(&[("guestinfo.coreos.config.url", "http://configs.example/")]),
            )],
            offline: true,
            ..Transcript::default()
        };
        assert!(matches!(
            now(user_config(&url)),
            Err(HostError::NeedsNetwork(_))
        ));
        let kargs = Transcript {
            guestinfo: vec![(
                "ovfEnv",
                environment(&[("guestinfo.afterburn.initrd.network-kargs", "ip=dhcp")]),
            )],
            ..Transcript::default()
        };
        assert_eq!(network_kargs(&kargs), Ok(Some("ip=dhcp".into())));
    }

    #[test]
    fn metadata_name_the_machine_and_its_network() {
        let document = "instance-id: i-1\nlocal-hostname: node-q\nnetwork:\n  version: 2\n  ethernets:\n    a:\n      \
            match: {macaddress: '02:00:00:00:00:01'}\n      addresses: [192.0.2.5/24]\n";
        let host = |more| Transcript {
            guestinfo: [vec![("metadata", document)], more].concat(),
            ..Transcript::default()
        };
        let said = now(metadata(&host(vec![]))).unwrap().unwrap();
        assert_eq!(said.hostname.as_deref(), Some("node-q"));
        assert_eq!(said.instance_id.as_deref(), Some("i-1"));
        let (units, left_out) = crate::Platform::VmWare.networkd_units(&said);
        assert_eq!(left_out, []);
        assert!(units[0].1.contains("Address=192.0.2.5/24\n"), "{units:?}");
        let named = now(metadata(&host(vec![("hostname", "own")]))).unwrap();
        assert_eq!(named.unwrap().hostname.as_deref(), Some("own"));
    }

    #[test]
    fn variables_are_the_platform() {
        let run = |guestinfo| {
            let host = Transcript {
                guestinfo,
                ..Transcript::default()
            };
            now(user_config(&host))
        };
        let data = |text, encoding| {
            vec![
                ("coreos.config.data", "old"),
                ("ignition.config.data", text),
                ("ignition.config.data.encoding", encoding),
            ]
        };
        for (text, encoding) in [
            ("{}", ""),
            ("e30=", "base64"),
            ("e30=\n", "b64"),
            ("H4sIAAAAAAACA6uuBQBDv6ajAgAAAA==", "gzip+base64"),
            ("H4sIAAAAAAACA6uuBQBDv6ajAgAAAA==", "gz+b64"),
        ] {
            let found = run(data(text, encoding)).unwrap().unwrap();
            assert_eq!(found.bytes, b"{}", "{encoding}");
            assert_eq!(found.name, "guestinfo.ignition.config.data");
        }
        assert_eq!(
            run(vec![("coreos.config.data", "old")])
                .unwrap()
                .unwrap()
                .bytes,
            b"old"
        );
        assert_eq!(run(vec![]), Ok(None));
        for (text, encoding, expected) in [
            ("e30=", "rot13", "no known encoding"),
            ("?", "base64", "not base64"),
            (
                "e30=",
                "gzip+base64",
                "while decoding guestinfo.ignition.config.data",
            ),
        ] {
            let why = run(data(text, encoding)).unwrap_err().to_string();
            assert!(why.contains(expected), "{why}");
        }
        // A server, and what a variable that names it makes of the answer.
        let asked = "> GET http://configs.example/node?token=t\n";
        for (answer, expected) in [("< 200\n{}", Ok(b"{}")), ("< 404", Err("answers 404"))] {
            let host = Transcript {
                guestinfo: vec![(
                    "ignition.config.url",
                    "http://configs.example/node?token=t\n",
                )],
                ..Transcript::of(&format!("{asked}{answer}\n"))
            };
            match (now(user_config(&host)), expected) {
                (Ok(found), Ok(bytes)) => assert_eq!(found.unwrap().bytes, bytes),
                (Err(why), Err(words)) => {
                    let why = why.to_string();
                    assert!(why.contains(words) && !why.contains("token=t"), "{why}");
                }
                (other, _) => panic!("{other:?}"),
            }
        }
        let wants = Transcript {
            guestinfo: vec![("afterburn.initrd.network-kargs", "ip=dhcp rd.neednet=1\n")],
            ..Transcript::default()
        };
        assert_eq!(
            network_kargs(&wants),
            Ok(Some("ip=dhcp rd.neednet=1".into()))
        );
        assert_eq!(network_kargs(&Transcript::default()), Ok(None));
        let named = Transcript {
            guestinfo: vec![("hostname", "vm-3\n")],
            ..Transcript::default()
        };
        assert_eq!(
            now(metadata(&named)).unwrap().unwrap().hostname.as_deref(),
            Some("vm-3")
        );
    }
}
