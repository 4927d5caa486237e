//! `stackit`: the metadata service of STACKIT, which is OpenStack's (Nova docs, "Metadata").

use pilotlight_core::model::Metadata;

use crate::UserConfig;
use crate::answer::{bounded, config, fetch};
use crate::config_drive::{META_DATA, NETWORK_DATA, USER_DATA, interfaces, machine};
use crate::host::{Ask, Host, HostError};
use crate::service::{Field, What};

const BASE: &str = "http://169.254.169.254";
const FIELDS: &[Field] = &[
    ("/availability_zone", "AVAILABILITY_ZONE", What::Zone),
    ("/hostname", "HOSTNAME", What::Hostname),
    ("/uuid", "INSTANCE_ID", What::Instance),
];

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    config(host, &Ask::link(format!("{BASE}/{USER_DATA}"))).await
}

pub(crate) async fn metadata(host: &impl Host) -> Result<Option<Metadata>, HostError> {
    let of = |path: &str| bounded(Ask::link(format!("{BASE}/{path}")));
    let Some(meta) = fetch(host, &of(META_DATA)).await? else {
        return Ok(None);
    };
    let mut said = Metadata::default();
    machine(&mut said, "STACKIT", &meta, FIELDS)?;
    if let Some(network) = fetch(host, &of(NETWORK_DATA)).await? {
        interfaces(&mut said, &network)?;
    }
    Ok(Some(said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, golden, now};

    #[test]
    fn a_transcript_is_the_platform() {
        let host = Transcript::of(include_str!("../testdata/stackit.txt"));
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        assert_eq!(now(user_config(&host)), Ok(None));
        let said = now(metadata(&host)).unwrap().unwrap();
        host.is_used_up();
        golden("stackit", &said);
    }
}
