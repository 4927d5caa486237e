//! `azurestack`: Azure Stack Hub, whose provisioning CD-ROM has the config; its metadata service knows the machine's
//! name, and its wireserver is Azure's.

use std::time::Duration;

use pilotlight_core::model::Metadata;

use crate::UserConfig;
use crate::answer::{at, bounded, fetch, json};
use crate::azure_media::Media;
use crate::host::{Ask, Host, HostError};

const IDENTITY: &str = "http://169.254.169.254/Microsoft.Compute/identity?api-version=2019-03-11";
const WAIT: Duration = Duration::from_secs(300);

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    match Media::read(host, WAIT).await? {
        Some(media) => media.user_config(),
        None => Err(HostError::Broken(format!(
            "no provisioning CD-ROM appeared within {} s, on which custom data would be",
            WAIT.as_secs()
        ))),
    }
}

pub(crate) async fn metadata(host: &impl Host) -> Result<Option<Metadata>, HostError> {
    let media = Media::read(host, Duration::ZERO).await?;
    // Keys are here alone: those that the wireserver has are encrypted for a certificate that we have not.
    let mut said = media.map(|media| media.metadata()).unwrap_or_default();
    if said.hostname.is_none() {
        let ask = bounded(Ask::link(IDENTITY).header("Metadata", "true"));
        if let Some(found) = fetch(host, &ask).await? {
            let all = json("the machine's identity", &found)?;
            said.set_hostname(at(&all, "/vmName").as_deref());
        }
    }
    Ok(Some(said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, now};

    #[test]
    fn a_transcript_is_the_platform() {
        let environment = include_str!("../testdata/azure-ovf-env.xml");
        let host = Transcript {
            device: Some((
                "cdrom",
                vec![("ovf-env.xml", environment), ("CustomData.bin", "{}")],
            )),
            offline: true,
            ..Transcript::default()
        };
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        let said = now(metadata(&host)).unwrap().unwrap();
        assert_eq!(said.hostname.as_deref(), Some("vm-a"));
        assert_eq!(said.ssh_keys.len(), 2);
        let host = Transcript::of(
            "> GET http://169.254.169.254/Microsoft.Compute/identity?api-version=2019-03-11\n> Metadata: true\n\
             < 200\n{\"vmName\": \"node-l\", \"subscriptionId\": \"s\"}\n",
        );
        let said = now(metadata(&host)).unwrap().unwrap();
        assert_eq!(said.hostname.as_deref(), Some("node-l"));
        host.is_used_up();
        assert!(now(user_config(&Transcript::default())).is_err());
    }
}
