//! Which platform a machine is of, from what its firmware and its hypervisor say.
//!
//! Pure: whoever calls has read the [`Evidence`]. Clouds are told before hypervisors, because most of them are
//! KVM underneath. What is said about itself by no firmware (Equinix Metal) only kernel arguments can name.

use pilotlight_core::cmdline::last_value;
use serde::Serialize;

use crate::Platform;

/// Kernel arguments that name the platform. The first that is there counts, and of it the last on the line.
pub const ARGUMENTS: [&str; 3] = ["ignition.platform.id", "flatcar.oem.id", "coreos.oem.id"];

/// What a machine shows of itself. Empty is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Files of `/sys/class/dmi/id` (SMBIOS types 0 to 3), by name.
    pub dmi: std::collections::BTreeMap<String, String>,
    /// `/proc/device-tree/compatible`, one after the other.
    pub compatible: Vec<String>,
    /// Names of the nodes at the top of the device tree.
    pub nodes: Vec<String>,
    /// `/sys/hypervisor/type` and `uuid`.
    pub hypervisor: (String, String),
    /// The hypervisor's signature by CPUID (leaf 0x4000_0000).
    pub cpuid: String,
    /// Whether the firmware configuration of QEMU is there.
    pub fw_cfg: bool,
    /// Whether vmware-rpctool is there, without which VMware cannot be asked.
    pub rpctool: bool,
}

/// What a machine is, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detected {
    /// The platform.
    pub platform: Platform,
    /// The piece of evidence, as a person finds it.
    pub because: String,
}

impl Evidence {
    fn dmi(&self, name: &str) -> &str {
        self.dmi.get(name).map_or("", |text| text.trim())
    }

    /// What the machine is. One that says nothing is bare metal.
    pub fn platform(&self) -> Detected {
        let found = CLOUDS
            .iter()
            .chain(HYPERVISORS)
            .find_map(|(platform, look)| {
                let because = look(self)?;
                Some(Detected {
                    platform: *platform,
                    because,
                })
            });
        found.unwrap_or_else(|| {
            let vendor = self.dmi("sys_vendor");
            let because = match (vendor, self.cpuid.as_str()) {
                ("", "") => "nothing here says otherwise".to_string(),
                (vendor, "") => format!("no known platform has sys_vendor {vendor:?}"),
                (_, signature) => {
                    format!("no known platform has the hypervisor signature {signature:?}")
                }
            };
            Detected {
                platform: Platform::Metal,
                because,
            }
        })
    }
}

type Look = fn(&Evidence) -> Option<String>;

const CLOUDS: &[(Platform, Look)] = &[
    (Platform::Aws, aws),
    (Platform::Azure, |seen| {
        // Its tag, because Hyper-V in anybody's cellar has the same vendor and product.
        is(
            seen,
            "chassis_asset_tag",
            "7783-7084-3265-9085-8269-3286-77",
        )
    }),
    (Platform::Gcp, |seen| {
        is(seen, "product_name", "Google Compute Engine")
            .or_else(|| begins(seen, "product_serial", "GoogleCloud-"))
    }),
    (Platform::DigitalOcean, |seen| {
        is(seen, "sys_vendor", "DigitalOcean")
    }),
    (Platform::Hetzner, |seen| is(seen, "sys_vendor", "Hetzner")),
    (Platform::OpenStack, |seen| {
        begins(seen, "product_name", "OpenStack ")
            .or_else(|| begins(seen, "chassis_asset_tag", "OpenStack "))
    }),
    // Images without its tool are made for metal, and keep booting as such.
    (Platform::VmWare, |seen| {
        vmware(seen).filter(|_| seen.rpctool)
    }),
    (Platform::Metal, |seen| {
        let seen = vmware(seen)?;
        Some(format!(
            "{seen}, and vmware-rpctool is not here, which would ask VMware"
        ))
    }),
    (Platform::Metal, raspberry),
];

const HYPERVISORS: &[(Platform, Look)] = &[(Platform::Qemu, |seen| {
    let names = ["QEMU", "KVM"];
    let mut vendors = names.iter().flat_map(|name| {
        let fields = [
            "product_name",
            "sys_vendor",
            "board_vendor",
            "bios_vendor",
            "product_version",
        ];
        fields
            .into_iter()
            .filter_map(|field| begins(seen, field, name))
    });
    // It shows KVM's signature to its guests, and has nothing else of it.
    if seen.dmi("product_name") == "VirtualBox" {
        return None;
    }
    vendors
        .next()
        .or_else(|| signature(seen, &["TCGTCGTCGTCG", "KVMKVMKVM"]))
        .or_else(|| {
            let node = seen.nodes.iter().find(|node| node.contains("fw-cfg"))?;
            Some(format!("the device tree has the node {node:?}"))
        })
        .or_else(|| {
            seen.fw_cfg
                .then(|| "/sys/firmware/qemu_fw_cfg is there".to_string())
        })
})];

fn is(seen: &Evidence, field: &str, text: &str) -> Option<String> {
    (seen.dmi(field) == text).then(|| format!("DMI {field} is {text:?}"))
}

fn begins(seen: &Evidence, field: &str, text: &str) -> Option<String> {
    let said = seen.dmi(field);
    said.starts_with(text)
        .then(|| format!("DMI {field} is {said:?}"))
}

fn signature(seen: &Evidence, known: &[&str]) -> Option<String> {
    let said = seen.cpuid.as_str();
    known
        .contains(&said)
        .then(|| format!("the hypervisor's signature is {said:?}"))
}

fn vmware(seen: &Evidence) -> Option<String> {
    begins(seen, "sys_vendor", "VMware").or_else(|| signature(seen, &["VMwareVMware"]))
}

/// Virtual machines and metal alike, by vendor; the old ones on Xen by the beginning of their UUID.
fn aws(seen: &Evidence) -> Option<String> {
    let vendor = begins(seen, "sys_vendor", "Amazon EC2");
    let vendor = vendor.or_else(|| begins(seen, "bios_vendor", "Amazon EC2"));
    let uuid = seen.dmi("product_uuid").to_ascii_lowercase();
    // A UUID's first group may be shown with its bytes swapped: 45e12aec for ec2ae145.
    let swapped = uuid
        .get(..8)
        .is_some_and(|group| group.ends_with("ec") && group.get(4..5) == Some("2"));
    // The swapped form is two characters and a half: it counts only with a sign of Xen or of a hypervisor of theirs.
    let amazon = seen.hypervisor.0 == "xen"
        || seen.cpuid == "XenVMMXenVMM"
        || seen.dmi("bios_version").contains("amazon");
    vendor
        .or_else(|| {
            (uuid.starts_with("ec2") && amazon_like(seen))
                .then(|| format!("DMI product_uuid is {uuid:?}"))
        })
        .or_else(|| {
            (swapped && amazon).then(|| format!("DMI product_uuid is {uuid:?}, bytes swapped"))
        })
        .or_else(|| {
            let uuid = seen.hypervisor.1.to_ascii_lowercase();
            uuid.starts_with("ec2")
                .then(|| format!("/sys/hypervisor/uuid is {uuid:?}"))
        })
}

/// One random UUID in four thousand begins with `ec2` too. Firmware that names another vendor is believed.
fn amazon_like(seen: &Evidence) -> bool {
    let vendor = seen.dmi("sys_vendor");
    vendor.is_empty() || vendor == "Xen" || vendor.starts_with("Amazon")
}

/// By device tree, or by DMI where the firmware shows ACPI alone.
fn raspberry(seen: &Evidence) -> Option<String> {
    let mut all = seen.compatible.iter();
    let tree = all.find(|name| name.starts_with("raspberrypi,"));
    let tree = tree.map(|name| format!("the device tree is compatible with {name:?}"));
    tree.or_else(|| begins(seen, "product_name", "Raspberry Pi"))
        .or_else(|| is(seen, "sys_vendor", "Raspberry Pi Foundation"))
}

/// The name that the kernel command line gives the platform, as it is written there. One that could be no
/// platform's, because of its characters, is passed over: it ends up in unit files.
pub fn named(line: &str) -> Option<(&'static str, String)> {
    ARGUMENTS.iter().find_map(|key| {
        let value = last_value(line, &[*key])?;
        let usual = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        value.chars().all(usual).then_some((*key, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dmi(fields: &[(&str, &str)]) -> Evidence {
        let fields = fields.iter();
        Evidence {
            dmi: fields
                .map(|(name, text)| (name.to_string(), format!("{text}\n")))
                .collect(),
            ..Evidence::default()
        }
    }

    fn kvm(fields: &[(&str, &str)]) -> Evidence {
        Evidence {
            cpuid: "KVMKVMKVM".into(),
            ..dmi(fields)
        }
    }

    #[test]
    fn machines_are_told_apart() {
        let hyper_v = [
            ("sys_vendor", "Microsoft Corporation"),
            ("product_name", "Virtual Machine"),
        ];
        let mut azure = hyper_v.to_vec();
        azure.push(("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77"));
        let signed = |signature: &str, fields: &[(&str, &str)]| Evidence {
            cpuid: signature.into(),
            ..dmi(fields)
        };
        let tree = |names: &[&str], nodes: &[&str]| Evidence {
            compatible: names.iter().map(ToString::to_string).collect(),
            nodes: nodes.iter().map(ToString::to_string).collect(),
            ..Evidence::default()
        };
        let xen = |uuid: &str| Evidence {
            hypervisor: ("xen".into(), uuid.into()),
            ..dmi(&[("sys_vendor", "Xen"), ("product_name", "HVM domU")])
        };
        for (what, seen, expected, because) in [
            (
                "Nitro",
                kvm(&[("sys_vendor", "Amazon EC2"), ("product_name", "m9.large")]),
                "aws",
                "sys_vendor",
            ),
            (
                "EC2 metal",
                dmi(&[("sys_vendor", "Amazon EC2"), ("product_name", "m9.metal")]),
                "aws",
                "sys_vendor",
            ),
            (
                "EC2 by its BIOS",
                kvm(&[("bios_vendor", "Amazon EC2")]),
                "aws",
                "bios_vendor",
            ),
            (
                "EC2 on Xen",
                xen("ec2ae145-d1d7-0000-0000-000000000000"),
                "aws",
                "/sys/hypervisor/uuid",
            ),
            (
                "EC2 on Xen by DMI",
                dmi(&[
                    ("sys_vendor", "Xen"),
                    ("product_uuid", "EC2AE145-D1D7-0000-0000-000000000000"),
                ]),
                "aws",
                "product_uuid",
            ),
            (
                "EC2 on Xen, swapped",
                Evidence {
                    hypervisor: ("xen".into(), String::new()),
                    ..dmi(&[
                        ("sys_vendor", "Xen"),
                        ("product_uuid", "45E12AEC-D1D7-0000-0000-000000000000"),
                    ])
                },
                "aws",
                "bytes swapped",
            ),
            (
                "another Xen",
                xen("00000000-1111-0000-0000-000000000000"),
                "metal",
                "sys_vendor",
            ),
            (
                "a server whose UUID begins so",
                dmi(&[
                    ("sys_vendor", "Example Corp"),
                    ("product_uuid", "ec2ae145-d1d7-0000-0000-000000000000"),
                ]),
                "metal",
                "Example Corp",
            ),
            (
                "QEMU whose UUID looks swapped",
                kvm(&[
                    ("sys_vendor", "QEMU"),
                    ("product_uuid", "45e12aec-d1d7-0000-0000-000000000000"),
                ]),
                "qemu",
                "QEMU",
            ),
            (
                "Azure",
                signed("Microsoft Hv", &azure),
                "azure",
                "chassis_asset_tag",
            ),
            (
                "Hyper-V",
                signed("Microsoft Hv", &hyper_v),
                "metal",
                "Microsoft Hv",
            ),
            (
                "GCE",
                kvm(&[
                    ("sys_vendor", "Google"),
                    ("product_name", "Google Compute Engine"),
                ]),
                "gcp",
                "product_name",
            ),
            (
                "GCE by serial",
                kvm(&[("product_serial", "GoogleCloud-0123")]),
                "gcp",
                "product_serial",
            ),
            (
                "DigitalOcean",
                kvm(&[("sys_vendor", "DigitalOcean")]),
                "digitalocean",
                "sys_vendor",
            ),
            (
                "Hetzner",
                kvm(&[("sys_vendor", "Hetzner"), ("product_name", "vServer")]),
                "hetzner",
                "sys_vendor",
            ),
            (
                "OpenStack",
                kvm(&[("product_name", "OpenStack Nova")]),
                "openstack",
                "product_name",
            ),
            (
                "OpenStack's tag",
                kvm(&[("chassis_asset_tag", "OpenStack Compute")]),
                "openstack",
                "chassis_asset_tag",
            ),
            (
                "VMware",
                Evidence {
                    rpctool: true,
                    ..dmi(&[("sys_vendor", "VMware, Inc.")])
                },
                "vmware",
                "sys_vendor",
            ),
            (
                "VMware without its tool",
                signed("VMwareVMware", &[("sys_vendor", "VMware, Inc.")]),
                "metal",
                "vmware-rpctool is not here",
            ),
            (
                "VirtualBox",
                kvm(&[
                    ("sys_vendor", "innotek GmbH"),
                    ("product_name", "VirtualBox"),
                ]),
                "metal",
                "KVMKVMKVM",
            ),
            (
                "QEMU",
                kvm(&[("sys_vendor", "QEMU"), ("product_name", "Standard PC")]),
                "qemu",
                "sys_vendor",
            ),
            (
                "QEMU without KVM",
                signed("TCGTCGTCGTCG", &[]),
                "qemu",
                "TCGTCGTCGTCG",
            ),
            ("KVM of others", kvm(&[]), "qemu", "KVMKVMKVM"),
            (
                "QEMU on arm64",
                tree(
                    &["linux,dummy-virt"],
                    &["memory@40000000", "fw-cfg@9020000"],
                ),
                "qemu",
                "fw-cfg",
            ),
            (
                "Raspberry Pi 4",
                tree(&["raspberrypi,4-model-b", "brcm,bcm2711"], &[]),
                "metal",
                "raspberrypi",
            ),
            (
                "Raspberry Pi 4, ACPI alone",
                dmi(&[
                    ("sys_vendor", "Raspberry Pi Foundation"),
                    ("product_name", "Raspberry Pi 4 Model B"),
                ]),
                "metal",
                "Raspberry Pi 4 Model B",
            ),
            (
                "a server",
                dmi(&[("sys_vendor", "Example Corp")]),
                "metal",
                "Example Corp",
            ),
            (
                "nothing at all",
                Evidence::default(),
                "metal",
                "nothing here",
            ),
        ] {
            let found = seen.platform();
            assert_eq!(found.platform.name(), expected, "{what}: {}", found.because);
            assert!(found.because.contains(because), "{what}: {}", found.because);
        }
    }

    #[test]
    fn the_command_line_names_the_platform() {
        for (line, expected) in [
            ("quiet", None),
            ("flatcar.oem.id=ec2", Some("ec2")),
            (
                "flatcar.oem.id=azure ignition.platform.id=metal",
                Some("metal"),
            ),
            ("coreos.oem.id=a flatcar.oem.id=b", Some("b")),
            ("flatcar.oem.id=a flatcar.oem.id=b", Some("b")),
            (
                "ignition.platform.id=$(reboot) flatcar.oem.id=packet",
                Some("packet"),
            ),
            ("ignition.platform.id=metal.packet", Some("metal.packet")),
            ("ignition.platform.id=", None),
        ] {
            let found = named(line);
            assert_eq!(
                found.as_ref().map(|(_, name)| name.as_str()),
                expected,
                "{line}"
            );
        }
    }
}
