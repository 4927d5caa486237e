//! `metal`: `config.ign` on the OEM partition, where an installer or a person has put it; else
//! `ignition/config.ign` on a medium labelled `ignition`, such as a USB stick or an SD card's partition; else `user-data`
//! on one labelled `cidata`, as other tools make it.
//!
//! The initramfs mounts the partition labelled OEM at /oem; older images and PXE carry /usr/share/oem.

use std::time::Duration;

use crate::evidence::Evidence;
use crate::nocloud::Medium;
use crate::vmware;
use crate::{DeviceFiles, Host, HostError, UserConfig, Which};

/// Where the OEM partition's files are, in the order in which they count.
pub const OEM_DIRECTORIES: &[&str] = &["/oem", "/usr/share/oem"];

/// The label in the spellings that file systems keep.
const LABELS: &[&str] = &["ignition", "IGNITION"];
const FILE: &str = "ignition/config.ign";

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    for directory in OEM_DIRECTORIES {
        let name = format!("{directory}/config.ign");
        if let Some(bytes) = host.read_file(&name)? {
            return Ok(Some(UserConfig { name, bytes }));
        }
    }
    // Looked for once: the OEM partition has been waited for before, and most machines have neither.
    let wanted = DeviceFiles {
        which: Which::Label(LABELS),
        formats: &["vfat", "iso9660", "udf", "ext4", "ext3", "ext2"],
        mark: None,
        files: &[FILE],
        wait: Duration::ZERO,
        what: "a medium labelled ignition",
    };
    let Some(mut found) = host.device_files(&wanted).await? else {
        let medium = Medium::read(host, Duration::ZERO).await?;
        return Ok(medium.and_then(Medium::user_config));
    };
    let Some(bytes) = found.files.pop().flatten() else {
        return Err(HostError::Broken(format!(
            "{} is labelled \"ignition\", but has no file {FILE}; put the config there, or change the label",
            found.device
        )));
    };
    Ok(Some(UserConfig {
        name: format!("{}:{FILE}", found.device),
        bytes,
    }))
}

/// A board that is a computer's own, or a machine of VMware's whose image cannot ask it: such images are made for
/// metal, and keep booting as such.
pub(crate) fn sign(seen: &Evidence) -> Option<String> {
    let board = vmware::board(seen)
        .map(|seen| format!("{seen}, and vmware-rpctool is not here, which would ask VMware"));
    board.filter(|_| !seen.rpctool).or_else(|| raspberry(seen))
}

/// By device tree, or by DMI where the firmware shows ACPI alone.
fn raspberry(seen: &Evidence) -> Option<String> {
    let mut all = seen.compatible.iter();
    let tree = all.find(|name| name.starts_with("raspberrypi,"));
    let tree = tree.map(|name| format!("the device tree is compatible with {name:?}"));
    tree.or_else(|| seen.begins("product_name", "Raspberry Pi"))
        .or_else(|| seen.is("sys_vendor", &["Raspberry Pi Foundation"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, now};

    #[test]
    fn the_newer_place_counts_before_the_older() {
        let host = Transcript {
            files: vec![
                ("/usr/share/oem/config.ign", "old"),
                ("/oem/config.ign", "new"),
            ],
            ..Transcript::default()
        };
        assert_eq!(
            now(user_config(&host)).unwrap().unwrap().name,
            "/oem/config.ign"
        );
        assert_eq!(now(user_config(&Transcript::default())), Ok(None));
    }

    #[test]
    fn a_medium_of_no_cloud_is_looked_at_last() {
        let host = Transcript {
            device: Some(("cidata", vec![("user-data", "{}"), ("meta-data", "")])),
            ..Transcript::default()
        };
        let found = now(user_config(&host)).unwrap().unwrap();
        assert_eq!(found.name, "/dev/cidata:user-data");
    }

    #[test]
    fn a_medium_has_the_config_or_the_wrong_label() {
        let host = |files| Transcript {
            device: Some(("IGNITION", files)),
            ..Transcript::default()
        };
        let found = now(user_config(&host(vec![(FILE, "{}")])))
            .unwrap()
            .unwrap();
        assert_eq!(found.name, "/dev/IGNITION:ignition/config.ign");
        let why = now(user_config(&host(vec![]))).unwrap_err().to_string();
        assert!(why.contains("no file ignition/config.ign"), "{why}");
    }
}
