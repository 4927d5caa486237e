//! `qemu`: firmware configuration items, as given by `-fw_cfg name=…,file=…`; where the machine has none, a
//! device whose bytes are the config (`-device virtio-blk,serial=ignition,…`).

use std::time::Duration;

use crate::UserConfig;
use crate::evidence::Evidence;
use crate::host::{FwCfg, Host, HostError};
use crate::nocloud::Medium;

/// Items in the order in which they count. The distribution's own name comes first: who sets both has
/// a generic config and one for this image.
const ITEMS: &[&str] = &["opt/org.flatcar-linux/config", "opt/com.coreos/config"];
const DEVICE: &str = "/dev/disk/by-id/virtio-ignition";

pub(crate) async fn user_config(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    // Where no machine has firmware items, the device is the only way to give a config and is waited for.
    // Elsewhere a guest without them is of another hypervisor, and most often without a config.
    let (wait, vital) = match host.has_fw_cfg() {
        FwCfg::Present => {
            return match item(host)? {
                Some(found) => Ok(Some(found)),
                None => medium(host).await,
            };
        }
        FwCfg::Absent => (Duration::from_secs(5), false),
        FwCfg::Never => (Duration::from_secs(300), true),
    };
    match host.raw_device(DEVICE, wait).await? {
        Some(bytes) => Ok(Some(UserConfig {
            name: DEVICE.into(),
            bytes,
        })),
        None if vital => Err(HostError::Broken(format!(
            "the device {DEVICE} with the config did not appear within {} s; give the guest a virtio disk \
             with the serial number \"ignition\", or name the platform \"metal\" if there is no config",
            wait.as_secs()
        ))),
        None => medium(host).await,
    }
}

/// What other tools give guests: looked for once, for most guests have none.
async fn medium(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    let medium = Medium::read(host, Duration::ZERO).await?;
    Ok(medium.and_then(Medium::user_config))
}

fn item(host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    for item in ITEMS {
        if let Some(bytes) = host.fw_cfg(item)? {
            return Ok(Some(UserConfig {
                name: format!("fw_cfg:{item}"),
                bytes,
            }));
        }
    }
    Ok(None)
}

/// QEMU's own name, and KVM's.
pub(crate) fn sign(seen: &Evidence) -> Option<String> {
    // It shows KVM's signature to its guests, and has nothing else of it.
    if seen.dmi("product_name") == "VirtualBox" {
        return None;
    }
    let fields = [
        "product_name",
        "sys_vendor",
        "board_vendor",
        "bios_vendor",
        "product_version",
    ];
    let mut vendors = ["QEMU", "KVM"].into_iter().flat_map(|name| {
        let fields = fields.into_iter();
        fields.filter_map(move |field| seen.begins(field, name))
    });
    vendors
        .next()
        .or_else(|| seen.signed(&["TCGTCGTCGTCG", "KVMKVMKVM"]))
        .or_else(|| {
            let node = seen.nodes.iter().find(|node| node.contains("fw-cfg"))?;
            Some(format!("the device tree has the node {node:?}"))
        })
        .or_else(|| {
            seen.fw_cfg
                .then(|| "/sys/firmware/qemu_fw_cfg is there".to_string())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Transcript, now};

    #[test]
    fn the_distributions_item_counts_first_and_none_is_no_config() {
        let both = Transcript {
            fw_cfg: vec![
                ("opt/com.coreos/config", "b"),
                ("opt/org.flatcar-linux/config", "a"),
            ],
            ..Transcript::default()
        };
        assert_eq!(now(user_config(&both)).unwrap().unwrap().bytes, b"a");
        let cidata = Some(("cidata", vec![("user-data", "c")]));
        for (has_fw_cfg, fw_cfg, expected) in [
            (
                FwCfg::Present,
                vec![("opt/com.coreos/config", "b")],
                &b"b"[..],
            ),
            (FwCfg::Present, vec![], b"c"),
            (FwCfg::Absent, vec![], b"c"),
        ] {
            let host = Transcript {
                has_fw_cfg,
                fw_cfg,
                device: cidata.clone(),
                ..Transcript::default()
            };
            assert_eq!(now(user_config(&host)).unwrap().unwrap().bytes, expected);
        }
        let one = Transcript {
            fw_cfg: vec![("opt/com.coreos/config", "b")],
            raw: Some("not looked at"),
            ..Transcript::default()
        };
        assert_eq!(
            now(user_config(&one)).unwrap().unwrap().name,
            "fw_cfg:opt/com.coreos/config"
        );
        assert_eq!(now(user_config(&Transcript::default())), Ok(None));
    }

    #[test]
    fn without_firmware_items_the_config_is_a_device() {
        let device = |has_fw_cfg, raw| Transcript {
            has_fw_cfg,
            raw,
            ..Transcript::default()
        };
        let found = now(user_config(&device(FwCfg::Never, Some("{}")))).unwrap();
        assert_eq!(found.unwrap().name, DEVICE);
        assert_eq!(now(user_config(&device(FwCfg::Absent, None))), Ok(None));
        let why = now(user_config(&device(FwCfg::Never, None))).unwrap_err();
        assert!(why.to_string().contains("did not appear within 300 s"));
    }
}
