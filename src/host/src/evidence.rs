//! What the machine shows of itself, read from below a directory (`/` on the machine that is meant).

use std::path::Path;

use pilotlight_providers::detect::Evidence;
use pilotlight_sys::{cpu, tool};

use crate::devices::RPC;

/// Files of SMBIOS that say who made the machine (Documentation/ABI/testing/sysfs-devices-... /class/dmi/id).
const DMI: &[&str] = &[
    "sys_vendor",
    "product_name",
    "product_version",
    "product_serial",
    "product_uuid",
    "board_vendor",
    "bios_vendor",
    "bios_version",
    "chassis_asset_tag",
];
/// Longest file that is believed, in bytes.
const MAX: u64 = 4096;

/// Reads all evidence. What cannot be read is absent: only root may read serial numbers.
pub fn observe(top: &Path) -> Evidence {
    let bytes = |path: &str| {
        let read = pilotlight_sys::read_beginning(&top.join(path), MAX);
        read.ok().flatten().unwrap_or_default()
    };
    let text = |path: &str| String::from_utf8_lossy(&bytes(path)).trim().to_string();
    let dmi = DMI.iter().filter_map(|name| {
        let said = text(&format!("sys/class/dmi/id/{name}"));
        (!said.is_empty()).then(|| (name.to_string(), said))
    });
    let compatible = bytes("proc/device-tree/compatible");
    let names = compatible
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    let nodes = std::fs::read_dir(top.join("proc/device-tree"));
    let nodes = nodes.into_iter().flatten().flatten();
    Evidence {
        dmi: dmi.collect(),
        compatible: names
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect(),
        nodes: nodes
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect(),
        hypervisor: (text("sys/hypervisor/type"), text("sys/hypervisor/uuid")),
        // The processor is this machine's, whoever's files are looked at.
        cpuid: match top == Path::new("/") {
            true => cpu::hypervisor_signature(),
            false => String::new(),
        },
        rpctool: match top == Path::new("/") {
            true => tool::is_there(RPC),
            false => top.join("usr/bin").join(RPC).exists(),
        },
        fw_cfg: top.join("sys/firmware/qemu_fw_cfg").exists(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_machines_files_are_evidence() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        assert_eq!(observe(dir.path()), Evidence::default());
        write("sys/class/dmi/id/sys_vendor", "Amazon EC2\n");
        write("sys/hypervisor/type", "xen\n");
        write(
            "proc/device-tree/compatible",
            "raspberrypi,4-model-b\0brcm,bcm2711\0",
        );
        let seen = observe(dir.path());
        assert_eq!(seen.dmi["sys_vendor"], "Amazon EC2");
        assert_eq!(seen.hypervisor.0, "xen");
        assert_eq!(seen.compatible, ["raspberrypi,4-model-b", "brcm,bcm2711"]);
        assert_eq!(seen.nodes, ["compatible"]);
    }
}
