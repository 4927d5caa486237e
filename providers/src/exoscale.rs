//! `exoscale`: the metadata service of Exoscale (its docs, "Querying the user-data and meta-data").

use pilotlight_core::model::Metadata;

use crate::UserConfig;
use crate::host::{Host, HostError};
use crate::service::{Service, SshKeys, What};

const SERVICE: Service<'_> = Service {
    user_data: "http://169.254.169.254/1.0/user-data",
    base: "http://169.254.169.254/1.0/meta-data",
    prefix: "EXOSCALE",
    keys: &[
        ("availability-zone", "AVAILABILITY_ZONE", What::Zone),
        ("cloud-identifier", "CLOUD_IDENTIFIER", What::Attribute),
        ("instance-id", "INSTANCE_ID", What::Instance),
        ("local-hostname", "LOCAL_HOSTNAME", What::Hostname),
        ("local-ipv4", "LOCAL_IPV4", What::Attribute),
        ("public-hostname", "PUBLIC_HOSTNAME", What::Attribute),
        ("public-ipv4", "PUBLIC_IPV4", What::Attribute),
        ("service-offering", "SERVICE_OFFERING", What::Type),
        ("vm-id", "VM_ID", What::Attribute),
    ],
    ssh_keys: SshKeys::Lines("public-keys"),
};

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    SERVICE.user_config(host).await
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
        let host = Transcript::of(include_str!("../testdata/exoscale.txt"));
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        assert_eq!(now(user_config(&host)), Ok(None));
        let said = now(metadata(&host)).unwrap().unwrap();
        host.is_used_up();
        golden("exoscale", &said);
    }
}
