//! `virtualbox`: the guest property `/Ignition/Config` (VirtualBox manual, "Guest Properties").

use crate::UserConfig;
use crate::host::{Host, HostError};

/// The property, which is taken away after the first boot.
pub const PROPERTY: &str = "/Ignition/Config";

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    host.load_module("vboxguest");
    let found = host.guest_property(PROPERTY)?;
    Ok(found
        .filter(|bytes| !bytes.is_empty())
        .map(|bytes| UserConfig {
            name: format!("guest property {PROPERTY}"),
            bytes,
        }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, now};

    #[test]
    fn the_property_is_the_platform() {
        for (properties, expected) in [
            (vec![(PROPERTY, "{}")], Some(&b"{}"[..])),
            (vec![(PROPERTY, "")], None),
            (vec![("/Ignition/Other", "{}")], None),
        ] {
            let host = Transcript {
                properties,
                offline: true,
                ..Transcript::default()
            };
            let found = now(user_config(&host)).unwrap().map(|found| found.bytes);
            assert_eq!(found.as_deref(), expected);
        }
    }
}
