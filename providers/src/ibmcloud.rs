//! `ibmcloud`: the medium labelled `cidata` of IBM Cloud's virtual servers for VPC.

use std::time::Duration;

use pilotlight_core::model::Metadata;

use crate::UserConfig;
use crate::answer::{texts, yaml};
use crate::config_drive::not_here;
use crate::host::{Host, HostError};
use crate::nocloud::{Medium, VENDOR_DATA};
use crate::service::{Field, What};

/// Ignition boots without a config where there is no medium by then.
const WAIT: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(5);
const FIELDS: &[Field] = &[
    ("/instance-id", "INSTANCE_ID", What::Instance),
    ("/local-hostname", "LOCAL_HOSTNAME", What::Hostname),
];

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    Ok(Medium::read(host, WAIT)
        .await?
        .and_then(Medium::user_config))
}

pub(crate) async fn metadata(host: &impl Host) -> Result<Option<Metadata>, HostError> {
    let Some(medium) = Medium::read(host, SOON).await? else {
        return Err(not_here("cidata"));
    };
    let mut said = medium.metadata("IBMCLOUD", FIELDS)?;
    let vendor = medium.vendor_data.as_deref().unwrap_or_default();
    for part in parts(&String::from_utf8_lossy(vendor)) {
        let all = yaml(VENDOR_DATA, part.as_bytes())?;
        texts(&all, "/ssh_authorized_keys").for_each(|key| said.add_keys(None, key));
    }
    Ok(Some(said))
}

/// The bodies of a MIME message's parts (RFC 2046) that give keys; of a text that is none, itself. The platform
/// encodes none of them.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for line in text.lines() {
        // Documents of YAML begin with three of them, and one is in each part.
        if line.starts_with("--") && line.trim_end() != "---" {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    let bodies = parts.into_iter().map(|part| match part.split_once("\n\n") {
        Some((head, body)) if head.contains("Content-Type:") => body.to_string(),
        _ => part,
    });
    bodies
        .filter(|body| body.contains("ssh_authorized_keys"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nocloud::{META_DATA, USER_DATA};
    use crate::transcript::{Transcript, now};

    #[test]
    fn the_medium_is_the_platform() {
        let vendor = "Content-Type: multipart/mixed; boundary=\"==x==\"\nMIME-Version: 1.0\n\n--==x==\n\
            Content-Type: text/cloud-config; charset=\"us-ascii\"\nMIME-Version: 1.0\n\n\
            #cloud-config\nssh_authorized_keys:\n  - ssh-ed25519 AAAAone me\n  - ssh-ed25519 AAAAtwo you\n\n\
            --==x==\nContent-Type: text/x-shellscript\n\n#!/bin/sh\necho\n--==x==--\n";
        let host = Transcript {
            device: Some((
                "cidata",
                vec![
                    (USER_DATA, "{}"),
                    (
                        META_DATA,
                        "instance-id: 0001_aa\nlocal-hostname: node-m\nfoo:      ba:r\n",
                    ),
                    (VENDOR_DATA, vendor),
                ],
            )),
            offline: true,
            ..Transcript::default()
        };
        let found = now(user_config(&host)).unwrap().unwrap();
        assert_eq!(
            (found.name.as_str(), found.bytes.as_slice()),
            ("/dev/cidata:user-data", &b"{}"[..])
        );
        let said = now(metadata(&host)).unwrap().unwrap();
        assert_eq!(said.hostname.as_deref(), Some("node-m"));
        assert_eq!(said.ssh_keys.len(), 2);
        assert_eq!(
            said.attribute_lines(),
            "AFTERBURN_IBMCLOUD_INSTANCE_ID=0001_aa\nAFTERBURN_IBMCLOUD_LOCAL_HOSTNAME=node-m\n"
        );
        assert_eq!(now(user_config(&Transcript::default())), Ok(None));
    }
}
