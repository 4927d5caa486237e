//! `metal`: `config.ign` on the OEM partition, where an installer or a person has put it.
//!
//! The initramfs mounts the partition labelled OEM at /oem; older images and PXE carry /usr/share/oem.

use crate::{Host, HostError, UserConfig};

/// Where the OEM partition's files are, in the order in which they count.
pub const OEM_DIRECTORIES: &[&str] = &["/oem", "/usr/share/oem"];

pub(crate) fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    for directory in OEM_DIRECTORIES {
        let name = format!("{directory}/config.ign");
        if let Some(bytes) = host.read_file(&name)? {
            return Ok(Some(UserConfig { name, bytes }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Transcript;

    #[test]
    fn the_newer_place_counts_before_the_older() {
        let host = Transcript {
            files: vec![
                ("/usr/share/oem/config.ign", "old"),
                ("/oem/config.ign", "new"),
            ],
            ..Transcript::default()
        };
        assert_eq!(user_config(&host).unwrap().unwrap().name, "/oem/config.ign");
        assert_eq!(user_config(&Transcript::default()), Ok(None));
    }
}
