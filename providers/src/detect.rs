//! Which platform a machine is of, from what its firmware and its hypervisor say.
//!
//! Pure: whoever calls has read the [`Evidence`]. What each platform is known by stands in its row. What is said about
//! itself by no firmware (Equinix Metal) only kernel arguments can name.

use pilotlight_core::cmdline::last_value;

use crate::evidence::Says;
use crate::rows::Platform;

pub use crate::evidence::Evidence;

/// Kernel arguments that name the platform. The first that is there counts, and of it the last on the line.
pub const ARGUMENTS: [&str; 3] = ["ignition.platform.id", "flatcar.oem.id", "coreos.oem.id"];

/// What a machine is, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detected {
    /// The platform.
    pub platform: Platform,
    /// The piece of evidence, as a person finds it.
    pub because: String,
}

impl Evidence {
    /// What the machine is. One that says nothing is bare metal.
    pub fn platform(&self) -> Detected {
        let found = Says::ORDER.iter().find_map(|says| {
            Platform::ALL.iter().find_map(|platform| {
                let look = platform.sign().filter(|(of, _)| of == says)?.1;
                Some(Detected {
                    platform: *platform,
                    because: look(self)?,
                })
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
                "a dedicated server of Hetzner's",
                dmi(&[
                    ("sys_vendor", "Hetzner"),
                    ("board_vendor", "ASRockRack"),
                    ("product_name", "Dedicated Root Server"),
                ]),
                "metal",
                "Hetzner",
            ),
            (
                "one with a name that is none",
                dmi(&[
                    ("sys_vendor", "Hetzner"),
                    ("product_name", "To Be Filled By O.E.M."),
                ]),
                "metal",
                "Hetzner",
            ),
            (
                "one without any name",
                dmi(&[("sys_vendor", "Hetzner")]),
                "metal",
                "Hetzner",
            ),
            (
                "a vServer of somebody else's",
                kvm(&[("sys_vendor", "QEMU"), ("product_name", "vServer")]),
                "qemu",
                "QEMU",
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
                "Open Telekom Cloud",
                kvm(&[
                    ("sys_vendor", "Xen"),
                    ("chassis_asset_tag", "OpenTelekomCloud"),
                ]),
                "openstack",
                "OpenTelekomCloud",
            ),
            (
                "SAP's cloud, which is VMware underneath",
                Evidence {
                    rpctool: true,
                    ..dmi(&[
                        ("sys_vendor", "VMware, Inc."),
                        ("product_name", "VMware7,1"),
                        ("chassis_asset_tag", "SAP CCloud VM"),
                    ])
                },
                "openstack",
                "SAP CCloud VM",
            ),
            (
                "the same without VMware's tool",
                dmi(&[
                    ("sys_vendor", "VMware, Inc."),
                    ("chassis_asset_tag", "SAP CCloud VM"),
                ]),
                "openstack",
                "SAP CCloud VM",
            ),
            (
                "Huawei",
                kvm(&[("chassis_asset_tag", "HUAWEICLOUD")]),
                "openstack",
                "HUAWEICLOUD",
            ),
            (
                "Samsung",
                kvm(&[("chassis_asset_tag", "Samsung Cloud Platform")]),
                "openstack",
                "Samsung",
            ),
            (
                "Nova by its tag",
                kvm(&[
                    ("sys_vendor", "QEMU"),
                    ("chassis_asset_tag", "OpenStack Nova"),
                ]),
                "openstack",
                "chassis_asset_tag",
            ),
            (
                "a tag that only begins so",
                kvm(&[("chassis_asset_tag", "HUAWEICLOUD2")]),
                "qemu",
                "KVMKVMKVM",
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
            (
                "Akamai",
                kvm(&[("sys_vendor", "Akamai")]),
                "akamai",
                "sys_vendor",
            ),
            (
                "Linode",
                kvm(&[("sys_vendor", "Linode")]),
                "akamai",
                "sys_vendor",
            ),
            (
                "Alibaba",
                kvm(&[("product_name", "Alibaba Cloud ECS")]),
                "aliyun",
                "product_name",
            ),
            (
                "Brightbox",
                kvm(&[("product_serial", "srv-a.gb1.brightbox.com")]),
                "brightbox",
                "product_serial",
            ),
            (
                "CloudStack",
                kvm(&[("product_name", "CloudStack KVM Hypervisor")]),
                "cloudstack",
                "product_name",
            ),
            (
                "Exoscale",
                kvm(&[("product_name", "Exoscale Compute Platform")]),
                "exoscale",
                "product_name",
            ),
            (
                "Nutanix",
                kvm(&[("sys_vendor", "Nutanix"), ("product_name", "AHV")]),
                "nutanix",
                "sys_vendor",
            ),
            (
                "Oracle",
                kvm(&[("chassis_asset_tag", "OracleCloud.com")]),
                "oraclecloud",
                "chassis_asset_tag",
            ),
            (
                "Scaleway",
                kvm(&[("sys_vendor", "Scaleway")]),
                "scaleway",
                "sys_vendor",
            ),
            (
                "UpCloud",
                kvm(&[("sys_vendor", "UpCloud")]),
                "upcloud",
                "sys_vendor",
            ),
            (
                "Vultr",
                kvm(&[("sys_vendor", "Vultr")]),
                "vultr",
                "sys_vendor",
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
