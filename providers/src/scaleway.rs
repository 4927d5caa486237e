//! `scaleway`: the metadata service of Scaleway (its API docs, "User data", "Metadata").
//!
//! User data are given only to who asks from a port that root alone may have.

use pilotlight_core::http::Method;
use pilotlight_core::model::Metadata;

use crate::UserConfig;
use crate::answer::{at, bounded, each, first_of, json, present, refused};
use crate::host::{Ask, Host, HostError, Way};
use crate::service::{Field, What, take_fields};
use crate::status::{Status, Told};

const BASES: &[&str] = &["http://169.254.42.42", "http://[fd00:42::42]"];
const FIELDS: &[Field] = &[
    ("/hostname", "HOSTNAME", What::Hostname),
    ("/id", "INSTANCE_ID", What::Instance),
    ("/commercial_type", "INSTANCE_TYPE", What::Type),
    ("/location/zone_id", "ZONE_ID", What::Zone),
    ("/private_ip", "IPV4_PRIVATE", What::Attribute),
    ("/public_ip/address", "IPV4_PUBLIC", What::Attribute),
    ("/ipv6/address", "IPV6_PUBLIC", What::Attribute),
];

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    let (_, ask, reply) = first_of(host, BASES, |base| Ask {
        way: Way::LowPort,
        ..Ask::link(format!("{base}/user_data/cloud-init"))
    })
    .await?;
    let found = present(&ask, reply)?;
    Ok(found.map(|bytes| UserConfig {
        name: ask.shown(),
        bytes,
    }))
}

pub(crate) async fn metadata(host: &impl Host) -> Result<Option<Metadata>, HostError> {
    let (_, ask, reply) = first_of(host, BASES, |base| {
        Ask::link(format!("{base}/conf?format=json"))
    })
    .await?;
    let Some(found) = present(&ask, reply)? else {
        return Ok(None);
    };
    let all = json("the instance's metadata", &found)?;
    let mut said = Metadata::default();
    take_fields(&mut said, "SCALEWAY", &all, FIELDS);
    for tag in each(&all, "/tags").filter_map(|tag| tag.as_str()) {
        said.add_tag(tag, "");
    }
    for key in each(&all, "/ssh_public_keys") {
        said.add_keys(None, &at(key, "/key").unwrap_or_default());
    }
    Ok(Some(said))
}

/// Tells the platform that the machine is up. How it fails has no word there.
pub(crate) async fn report(host: &impl Host, status: &Status<'_>) -> Result<Told, HostError> {
    if *status != Status::Ready {
        return Ok(Told::Nobody);
    }
    let ask = Ask {
        method: Method::Patch,
        body: br#"{"state_detail":"booted"}"#.to_vec(),
        ..Ask::link(format!("{}/state", BASES[0]))
    };
    let ask = bounded(ask.header("Content-Type", "application/json"));
    match host.http(&ask).await?.status {
        200..=299 => Ok(Told::Platform),
        status => Err(refused(&ask, status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, golden, now};

    #[test]
    fn a_transcript_is_the_platform() {
        let host = Transcript::of(include_str!("../testdata/scaleway.txt"));
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        assert_eq!(now(user_config(&host)), Ok(None));
        let said = now(metadata(&host)).unwrap().unwrap();
        assert_eq!(now(report(&host, &Status::Ready)), Ok(Told::Platform));
        host.is_used_up();
        golden("scaleway", &said);
        let stage = Status::Stage("fetch");
        assert_eq!(
            now(report(&Transcript::default(), &stage)),
            Ok(Told::Nobody)
        );
    }
}
