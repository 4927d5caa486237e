//! `nutanix`: the config drive of Nutanix AHV, which is OpenStack's.

use pilotlight_core::model::Metadata;

use crate::UserConfig;
use crate::config_drive;
use crate::host::{Host, HostError};
use crate::service::{Field, What};

/// Afterburn has no attributes of this platform: the names are ours.
const FIELDS: &[Field] = &[
    ("/hostname", "HOSTNAME", What::Hostname),
    ("/uuid", "INSTANCE_ID", What::Instance),
];

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    config_drive::user_config(host).await
}

pub(crate) async fn metadata(host: &impl Host) -> Result<Option<Metadata>, HostError> {
    config_drive::metadata(host, "NUTANIX", FIELDS).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_drive::{META_DATA, USER_DATA};
    use crate::transcript::{Transcript, now};

    #[test]
    fn the_drive_is_the_platform() {
        let meta = r#"{"uuid": "u-1", "hostname": "node-h", "public_keys": {"me": "ssh-ed25519 AAAAone me"}}"#;
        let host = Transcript {
            device: Some(("config-2", vec![(META_DATA, meta), (USER_DATA, "{}")])),
            offline: true,
            ..Transcript::default()
        };
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        let said = now(metadata(&host)).unwrap().unwrap();
        assert_eq!(said.hostname.as_deref(), Some("node-h"));
        assert_eq!(said.ssh_keys.len(), 1);
        assert_eq!(
            said.attribute_lines(),
            "AFTERBURN_NUTANIX_HOSTNAME=node-h\nAFTERBURN_NUTANIX_INSTANCE_ID=u-1\n"
        );
        let without = Transcript {
            device: Some(("config-2", vec![(META_DATA, meta)])),
            ..Transcript::default()
        };
        assert_eq!(now(user_config(&without)), Ok(None));
        let why = now(user_config(&Transcript::default())).unwrap_err();
        assert!(why.to_string().contains("no config drive"), "{why}");
    }
}
