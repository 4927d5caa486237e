//! `aliyun`: the instance metadata of Alibaba Cloud (ECS docs, "Instance metadata").

use pilotlight_core::model::Metadata;

use crate::UserConfig;
use crate::host::{Host, HostError};
use crate::service::{Service, SshKeys, What};

const SERVICE: Service<'_> = Service {
    user_data: "http://100.100.100.200/latest/user-data",
    base: "http://100.100.100.200/latest/meta-data",
    prefix: "ALIYUN",
    keys: &[
        ("eipv4", "EIPV4", What::Attribute),
        ("hostname", "HOSTNAME", What::Hostname),
        ("image-id", "IMAGE_ID", What::Attribute),
        ("instance-id", "INSTANCE_ID", What::Instance),
        ("instance/instance-type", "INSTANCE_TYPE", What::Type),
        ("private-ipv4", "IPV4_PRIVATE", What::Attribute),
        ("public-ipv4", "IPV4_PUBLIC", What::Attribute),
        ("region-id", "REGION_ID", What::Region),
        ("vpc-id", "VPC_ID", What::Attribute),
        ("zone-id", "ZONE_ID", What::Zone),
    ],
    ssh_keys: SshKeys::Names("public-keys"),
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
        let host = Transcript::of(include_str!("../testdata/aliyun.txt"));
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        assert_eq!(now(user_config(&host)), Ok(None));
        let said = now(metadata(&host)).unwrap().unwrap();
        host.is_used_up();
        golden("aliyun", &said);
    }
}
