//! Azure's provisioning CD-ROM: UDF, or ISO 9660 on Azure Stack, with `ovf-env.xml` and perhaps `CustomData.bin`.

use std::time::Duration;

use pilotlight_core::model::Metadata;

use crate::UserConfig;
use crate::answer::decode;
use crate::host::{DeviceFiles, Host, HostError, Which};
use crate::wireserver::elements;

const ENVIRONMENT: &str = "ovf-env.xml";
const CUSTOM_DATA: &str = "CustomData.bin";

/// What the CD-ROM says.
#[derive(Default)]
pub(crate) struct Media {
    device: String,
    /// What the XML has may not be decoded, which does not matter where the disc has it as a file.
    custom_data: Option<Result<Vec<u8>, String>>,
    hostname: Option<String>,
    user: Option<String>,
    keys: Vec<(Option<String>, String)>,
}

impl Media {
    /// Reads the CD-ROM, once it is there; `None` if it is not within the bound.
    pub(crate) async fn read(host: &impl Host, wait: Duration) -> Result<Option<Self>, HostError> {
        let wanted = DeviceFiles {
            which: Which::Optical,
            formats: &["udf", "iso9660"],
            mark: Some(ENVIRONMENT),
            files: &[ENVIRONMENT, CUSTOM_DATA],
            wait,
            what: "the provisioning CD-ROM",
        };
        let Some(found) = host.device_files(&wanted).await? else {
            return Ok(None);
        };
        let mut files = found.files.into_iter();
        let environment = files.next().flatten().unwrap_or_default();
        let mut media = Self::parse(&environment).map_err(|why| {
            HostError::Broken(format!(
                "{ENVIRONMENT} on {} is not what it should be: {why}",
                found.device
            ))
        })?;
        media.device = found.device;
        // The file is the same as in the XML, already decoded.
        let file = files.next().flatten().filter(|bytes| !bytes.is_empty());
        media.custom_data = file.map(Ok).or(media.custom_data);
        Ok(Some(media))
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        let mut media = Self::default();
        let mut encoded = None;
        let mut path_of_key = None;
        elements(text, |path, text| {
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            match names.as_slice() {
                [.., "LinuxProvisioningConfigurationSet", "HostName"] => {
                    media.hostname = Some(text.into())
                }
                [.., "LinuxProvisioningConfigurationSet", "UserName"] => {
                    media.user = Some(text.into())
                }
                [.., "LinuxProvisioningConfigurationSet", "CustomData"] => {
                    encoded = Some(text.to_string())
                }
                [.., "PublicKey", "Path"] => path_of_key = user_of(text),
                [.., "PublicKey", "Value"] => media.keys.push((path_of_key.take(), text.into())),
                _ => {}
            }
        })?;
        media.custom_data = encoded.map(|text| decode(&text));
        Ok(media)
    }

    pub(crate) fn user_config(self) -> Result<Option<UserConfig>, HostError> {
        let Some(data) = self.custom_data else {
            return Ok(None);
        };
        let bytes = data.map_err(|why| {
            HostError::Broken(format!(
                "the CustomData in {ENVIRONMENT} on {} cannot be read: {why}",
                self.device
            ))
        })?;
        Ok((!bytes.is_empty()).then(|| UserConfig {
            name: format!("{}:{CUSTOM_DATA}", self.device),
            bytes,
        }))
    }

    pub(crate) fn metadata(&self) -> Metadata {
        let mut said = Metadata::default();
        said.set_hostname(self.hostname.as_deref());
        for (user, key) in &self.keys {
            said.add_keys(user.as_deref().or(self.user.as_deref()), &unfold(key));
        }
        said
    }
}

/// The user whose file of keys a path is: `/home/USER/.ssh/authorized_keys`.
pub(crate) fn user_of(path: &str) -> Option<String> {
    let rest = path.trim().strip_prefix("/home/")?;
    let (user, _) = rest.split_once('/')?;
    (!user.is_empty()).then(|| user.to_string())
}

/// A key that was broken into lines, whole again.
pub(crate) fn unfold(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '\r' | '\n')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, now};

    #[test]
    fn the_environment_names_host_user_keys_and_data() {
        let media = Media::parse(include_bytes!("../testdata/azure-ovf-env.xml")).unwrap();
        let said = media.metadata();
        assert_eq!(said.hostname.as_deref(), Some("vm-a"));
        let keys: Vec<_> = said
            .ssh_keys
            .iter()
            .map(|k| (k.user.as_deref(), k.key.as_str()))
            .collect();
        assert_eq!(
            keys,
            [
                (Some("core"), "ssh-rsa AAAAone me"),
                (Some("ann"), "ssh-ed25519 AAAAtwo")
            ]
        );
        assert_eq!(
            media.user_config().unwrap().unwrap().bytes,
            br#"{"ignition":{}}"#
        );
    }

    #[test]
    fn custom_data_that_cannot_be_decoded_matters_where_there_is_no_file() {
        let xml = "<Environment><ns:LinuxProvisioningConfigurationSet><HostName>vm-b</HostName>\
            <CustomData>@</CustomData></ns:LinuxProvisioningConfigurationSet></Environment>";
        // What the XML has, what the file has, and the config that is read.
        for (data, file, expected) in [
            ("?", Some("{}"), Ok(Some("{}"))),
            ("e30", Some("{}"), Ok(Some("{}"))),
            ("$(e30=)", Some("{}"), Ok(Some("{}"))),
            ("", Some("{}"), Ok(Some("{}"))),
            ("bm8=", Some("{}"), Ok(Some("{}"))),
            ("bm8=", None, Ok(Some("no"))),
            ("bm\n8=", None, Ok(Some("no"))),
            ("bm8=", Some(""), Ok(Some("no"))),
            ("", None, Ok(None)),
            ("", Some(""), Ok(None)),
            (
                "?",
                None,
                Err("the CustomData in ovf-env.xml on /dev/cdrom cannot be read: it is not base64"),
            ),
            (
                "?",
                Some(""),
                Err("the CustomData in ovf-env.xml on /dev/cdrom cannot be read: it is not base64"),
            ),
        ] {
            let xml = &*xml.replace('@', data).leak();
            let mut files = vec![(ENVIRONMENT, xml)];
            files.extend(file.map(|text| (CUSTOM_DATA, text)));
            let host = Transcript {
                device: Some(("cdrom", files)),
                ..Transcript::default()
            };
            let media = now(Media::read(&host, Duration::ZERO)).unwrap().unwrap();
            assert_eq!(
                media.metadata().hostname.as_deref(),
                Some("vm-b"),
                "{data:?}"
            );
            match (media.user_config(), expected) {
                (Ok(found), Ok(expected)) => {
                    let bytes = found.map(|found| found.bytes);
                    assert_eq!(bytes.as_deref(), expected.map(str::as_bytes), "{data:?}");
                }
                (Err(why), Err(expected)) => {
                    assert!(why.to_string().starts_with(expected), "{why}")
                }
                (other, _) => panic!("{data:?} with {file:?}: {other:?}"),
            }
        }
    }
}
