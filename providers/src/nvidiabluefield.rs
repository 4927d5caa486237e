//! `nvidiabluefield`: the boot FIFO of NVIDIA's BlueField, which the driver shows (Linux
//! Documentation/ABI/testing/sysfs-platform-mellanox-bootctl).

use crate::UserConfig;
use crate::host::{Host, HostError};

const FIFO: &str = "/sys/bus/platform/devices/MLNXBF04:00/bootfifo";

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    host.load_module("mlxbf_bootctl");
    let Some(bytes) = host.read_file(FIFO)? else {
        return Err(HostError::Broken(format!(
            "{FIFO} is not there: the kernel of this image has no mlxbf_bootctl, or this is no BlueField; name the \
             platform \"metal\" if there is no config"
        )));
    };
    // It comes in whole words.
    let end = bytes.iter().rposition(|byte| *byte != 0);
    let start = bytes.iter().position(|byte| *byte != 0);
    let (Some(start), Some(end)) = (start, end) else {
        return Ok(None);
    };
    Ok(Some(UserConfig {
        name: FIFO.into(),
        bytes: bytes[start..=end].to_vec(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, now};

    #[test]
    fn the_fifo_is_the_platform() {
        let with = |text| {
            let host = Transcript {
                files: vec![(FIFO, text)],
                ..Transcript::default()
            };
            now(user_config(&host))
        };
        assert_eq!(with("{}\0\0\0").unwrap().unwrap().bytes, b"{}");
        assert_eq!(with("\0{}").unwrap().unwrap().bytes, b"{}");
        assert_eq!(with(""), Ok(None));
        assert_eq!(with("\0\0"), Ok(None));
        let why = now(user_config(&Transcript::default())).unwrap_err();
        assert!(why.to_string().contains("is not there"), "{why}");
    }
}
