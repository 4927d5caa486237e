//! `upcloud`: the metadata service of UpCloud (its API docs, "Metadata service").

use pilotlight_core::model::Metadata;

use crate::UserConfig;
use crate::host::{Host, HostError};
use crate::service::{Service, SshKeys, What};

const SERVICE: Service<'_> = Service {
    user_data: "http://169.254.169.254/metadata/v1/user_data",
    base: "http://169.254.169.254/metadata/v1",
    prefix: "UPCLOUD",
    keys: &[
        ("hostname", "HOSTNAME", What::Hostname),
        ("instance_id", "INSTANCE_ID", What::Instance),
        ("region", "REGION", What::Region),
    ],
    ssh_keys: SshKeys::Lines("public_keys"),
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
        let host = Transcript::of(include_str!("../testdata/upcloud.txt"));
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        assert_eq!(now(user_config(&host)), Ok(None));
        let said = now(metadata(&host)).unwrap().unwrap();
        host.is_used_up();
        golden("upcloud", &said);
    }
}
