//! `vmware`: variables that the hypervisor keeps for a guest (`guestinfo.…` of its configuration).

use std::io::Read as _;

use pilotlight_core::model::Metadata;

use crate::evidence::Evidence;
use crate::UserConfig;
use crate::azure_media::decode;
use crate::host::{Host, HostError};

/// Names in the order in which they count: Ignition's, and the older of Container Linux.
pub const NAMES: &[&str] = &["ignition.config.data", "coreos.config.data"];
/// Largest config after it was inflated, in bytes.
const MAX: u64 = 64 << 20;

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    for name in NAMES {
        let Some(data) = host.guestinfo(name)?.filter(|data| !data.is_empty()) else {
            continue;
        };
        let encoding = host
            .guestinfo(&format!("{name}.encoding"))?
            .unwrap_or_default();
        let encoding = String::from_utf8_lossy(&encoding).trim().to_string();
        let bytes = decoded(data, &encoding)
            .map_err(|why| HostError::Broken(format!("while decoding guestinfo.{name}: {why}")))?;
        return Ok(Some(UserConfig {
            name: format!("guestinfo.{name}"),
            bytes,
        }));
    }
    Ok(None)
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
    let name = host.guestinfo("hostname")?.unwrap_or_default();
    said.set_hostname(Some(&String::from_utf8_lossy(&name)));
    Ok(Some(said))
}

/// Arguments for the network of the initramfs that the owner of the guest wants.
pub(crate) fn network_kargs(host: &impl Host) -> Result<Option<String>, HostError> {
    let found = host.guestinfo("afterburn.initrd.network-kargs")?;
    Ok(found.map(|text| String::from_utf8_lossy(&text).trim().to_string()))
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
