//! `oraclecloud`: the instance metadata service of Oracle Cloud, version 2 (OCI docs, "Getting Instance Metadata").

use pilotlight_core::model::Metadata;

use crate::UserConfig;
use crate::answer::{at, bounded, encoded_config, fetch, json};
use crate::host::{Ask, Host, HostError};
use crate::service::{Field, What, take_fields};

const BASE: &str = "http://169.254.169.254/opc/v2/instance";
const FIELDS: &[Field] = &[
    ("/availabilityDomain", "AVAILABILITY_DOMAIN", What::Zone),
    ("/compartmentId", "COMPARTMENT_ID", What::Attribute),
    ("/faultDomain", "FAULT_DOMAIN", What::Attribute),
    ("/hostname", "HOSTNAME", What::Hostname),
    ("/id", "INSTANCE_ID", What::Instance),
    ("/shape", "INSTANCE_SHAPE", What::Type),
    ("/canonicalRegionName", "REGION_ID", What::Region),
];

fn ask(path: &str) -> Ask {
    // Without it the service has version 1 alone.
    Ask::link(format!("{BASE}{path}")).header("Authorization", "Bearer Oracle")
}

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    encoded_config(host, &ask("/metadata/user_data")).await
}

pub(crate) async fn metadata(host: &impl Host) -> Result<Option<Metadata>, HostError> {
    let Some(found) = fetch(host, &bounded(ask(""))).await? else {
        return Ok(None);
    };
    let all = json("the instance's metadata", &found)?;
    let mut said = Metadata::default();
    take_fields(&mut said, "ORACLECLOUD", &all, FIELDS);
    let keys = at(&all, "/metadata/ssh_authorized_keys").unwrap_or_default();
    said.add_keys(None, &keys);
    Ok(Some(said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, golden, now};

    #[test]
    fn a_transcript_is_the_platform() {
        let host = Transcript::of(include_str!("../testdata/oraclecloud.txt"));
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        assert_eq!(now(user_config(&host)), Ok(None));
        let why = now(user_config(&host)).unwrap_err().to_string();
        assert!(why.contains("it is not base64"), "{why}");
        let said = now(metadata(&host)).unwrap().unwrap();
        host.is_used_up();
        golden("oraclecloud", &said);
    }
}
