//! `brightbox`: a metadata service of both forms, that of EC2 and that of OpenStack (Brightbox docs, "Metadata").
//!
//! Ignition reads the latter alone there; who has put the config in the former has put it nowhere else.

use pilotlight_core::model::Metadata;

use crate::UserConfig;
use crate::answer::config;
use crate::host::{Ask, Host, HostError};
use crate::service::{Service, SshKeys, What};

const OPENSTACK: &str = "http://169.254.169.254/openstack/latest/user_data";
const SERVICE: Service<'_> = Service {
    user_data: "http://169.254.169.254/latest/user-data",
    base: "http://169.254.169.254/latest/meta-data",
    prefix: "BRIGHTBOX",
    // Afterburn has no attributes of this platform: the names are ours.
    keys: &[
        ("hostname", "HOSTNAME", What::Hostname),
        ("instance-id", "INSTANCE_ID", What::Instance),
        ("instance-type", "INSTANCE_TYPE", What::Type),
        ("local-ipv4", "IPV4_LOCAL", What::Attribute),
        ("public-ipv4", "IPV4_PUBLIC", What::Attribute),
        (
            "placement/availability-zone",
            "AVAILABILITY_ZONE",
            What::Zone,
        ),
    ],
    ssh_keys: SshKeys::Names("public-keys"),
};

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    match config(host, &Ask::link(OPENSTACK)).await? {
        Some(found) => Ok(Some(found)),
        None => SERVICE.user_config(host).await,
    }
}

pub(crate) async fn metadata(host: &impl Host) -> Result<Option<Metadata>, HostError> {
    SERVICE.metadata(host).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, golden, now};

    #[test]
    fn a_transcript_is_the_platform() {
        let host = Transcript::of(include_str!("../testdata/brightbox.txt"));
        // OpenStack's form, then that of EC2, then neither.
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{} ");
        assert_eq!(now(user_config(&host)), Ok(None));
        let said = now(metadata(&host)).unwrap().unwrap();
        host.is_used_up();
        golden("brightbox", &said);
    }
}
