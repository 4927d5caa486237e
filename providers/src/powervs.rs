//! `powervs`: the config drive of IBM Power Virtual Server, which is OpenStack's.

use pilotlight_core::model::Metadata;

use crate::UserConfig;
use crate::config_drive;
use crate::host::{Host, HostError};
use crate::service::{Field, What};

/// The host name is the short one: that which OpenStack calls so is whole.
const FIELDS: &[Field] = &[
    ("/name", "LOCAL_HOSTNAME", What::Hostname),
    ("/uuid", "INSTANCE_ID", What::Instance),
];

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    config_drive::user_config(host).await
}

pub(crate) async fn metadata(host: &impl Host) -> Result<Option<Metadata>, HostError> {
    config_drive::metadata(host, "POWERVS", FIELDS).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_drive::{META_DATA, USER_DATA};
    use crate::transcript::{Transcript, now};

    #[test]
    fn the_drive_is_the_platform() {
        let meta = r#"{"hostname": "node-i.example.cloud", "name": "node-i", "uuid": "u-2",
            "public_keys": {"me": "ssh-ed25519 AAAAone me"}}"#;
        let host = Transcript {
            device: Some(("CONFIG-2", vec![(META_DATA, meta), (USER_DATA, "{}")])),
            offline: true,
            ..Transcript::default()
        };
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        let said = now(metadata(&host)).unwrap().unwrap();
        assert_eq!(said.hostname.as_deref(), Some("node-i"));
        assert_eq!(said.ssh_keys.len(), 1);
        assert_eq!(
            said.attribute_lines(),
            "AFTERBURN_POWERVS_INSTANCE_ID=u-2\nAFTERBURN_POWERVS_LOCAL_HOSTNAME=node-i\n"
        );
    }
}
