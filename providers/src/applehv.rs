//! `applehv`: what the host of a guest under Apple's hypervisor serves over virtual sockets, without any network.

use crate::UserConfig;
use crate::answer::fetch;
use crate::host::{Ask, Host, HostError, Way};

/// The port that whoever starts such guests serves at (that of Ignition's provider).
const PORT: u32 = 1024;

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    host.load_module("vmw_vsock_virtio_transport");
    let ask = Ask {
        way: Way::Hypervisor(PORT),
        ..Ask::link("http://d/")
    };
    let ask = ask.header("Accept", "application/json");
    let found = fetch(host, &ask).await?;
    Ok(found
        .filter(|bytes| !bytes.is_empty())
        .map(|bytes| UserConfig {
            name: format!("vsock port {PORT} of the host"),
            bytes,
        }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, now};

    #[test]
    fn a_transcript_is_the_platform() {
        let asked = "> GET http://d/\n> Accept: application/json\n";
        let host = Transcript {
            offline: true,
            ..Transcript::of(&format!("{asked}< 200\n{{}}\n{asked}< 404\n{asked}< 403\n"))
        };
        assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, b"{}");
        assert_eq!(now(user_config(&host)), Ok(None));
        assert!(now(user_config(&host)).is_err());
        host.is_used_up();
    }
}
