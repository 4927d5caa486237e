//! The platforms: a row each, from which everything follows that is known of one before it is asked.
//!
//! What a row leaves out, the platform has not: without `metadata` it is asked for none, without `network` the daemon
//! has nothing to do there, without `report` nobody is told how a boot goes. The README's table is compared with the
//! rows by a test.

use std::time::Duration;

use pilotlight_core::model::Metadata;
use pilotlight_core::net::{Actual, Desired, Heard, Invalid, Owner, Wishes};

use crate::UserConfig;
use crate::answer::{parts_of, shown};
use crate::evidence::{Look, Says};
use crate::host::{Host, HostError};
use crate::said::{Cursor, Rhythm, Said};
use crate::static_units::{self, Units};
use crate::status::{Status, Told};
use crate::switches::Switches;
use crate::{
    akamai, aliyun, applehv, aws, aws_network, azure, azure_network, azurestack, brightbox,
    cloudstack, digitalocean, digitalocean_network, exoscale, file, gcp, gcp_network, hetzner,
    hetzner_network, hyperv, ibmcloud, keys, kubevirt, metal, network_config, networkd, nutanix,
    nvidiabluefield, openstack, openstack_network, oraclecloud, packet, packet_network, powervs,
    proxmoxve, qemu, qemu_network, scaleway, stackit, upcloud, virtualbox, vmware, vmware_network,
    vultr, wireserver,
};

/// How a machine comes to its host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// The network gives it, or nobody does.
    Network,
    /// The platform's metadata is the only place that has it.
    Metadata,
}

/// What makes units of metadata.
type Made = fn(&Metadata) -> (Units, Vec<Invalid>);

/// What is data in a row.
struct Row {
    /// The platform's own name, which is also that of its directory in `base.platform.d`, and those by which kernel
    /// arguments and other tools call it.
    names: &'static [&'static str],
    /// Where the user config is, for people: what the README says.
    place: &'static str,
    /// What its machines are known by; without it the platform has to be named.
    sign: Option<(Says, Look)>,
    naming: Naming,
    /// How the daemon asks it for the network.
    rhythm: Rhythm,
    /// Whether it is asked over TLS, and not on the machine's own link alone.
    tls: bool,
    /// Whose number what the daemon adds carries.
    owner: Owner,
    /// What of an answer about the network is kept, as JSON pointers (RFC 6901); empty is all.
    kept: &'static [&'static str],
}

/// Where most services have it.
const SERVICE: &str = "user data of the metadata service";

/// A platform of which nothing else is said.
const PLAIN: Row = Row {
    names: &[],
    place: SERVICE,
    sign: None,
    naming: Naming::Network,
    rhythm: Rhythm::Every(Duration::from_secs(60)),
    tls: false,
    owner: Owner::PILOTLIGHT,
    kept: &[],
};

/// The first of two expressions that is there.
macro_rules! first {
    (($($there:tt)+) $($otherwise:tt)+) => { $($there)+ };
    (() $($otherwise:tt)+) => { $($otherwise)+ };
}

macro_rules! platforms {
    ($(
        $(#[$doc:meta])*
        $variant:ident {
            row: $row:expr,
            user_config: $user_config:path,
            $(metadata: $metadata:path,)?
            $(network: $network:path,)?
            $(desired: $desired:expr,)?
            $(units: $units:expr,)?
            $(keys: $keys:path,)?
            $(clock: $clock:path,)?
            $(host_keys: ($wants_host_keys:path, $publish_host_key:path),)?
            $(report: $report:path,)?
            $(network_kargs: $network_kargs:path,)?
        }
    )*) => {
        /// A platform that pilotlight knows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Platform {
            $($(#[$doc])* $variant,)*
        }

        impl Platform {
            /// All platforms, by name.
            pub const ALL: &[Platform] = &[$(Platform::$variant),*];

            const fn row(self) -> &'static Row {
                match self { $(Platform::$variant => { const ROW: &Row = &$row; ROW })* }
            }

            /// Asks the platform for the user config.
            pub async fn user_config(self, host: &impl Host) -> Result<Option<UserConfig>, HostError> {
                match self { $(Platform::$variant => $user_config(host).await,)* }
            }

            /// Asks the platform what it knows of the machine; `None` where it has no such service.
            pub async fn metadata(self, host: &impl Host) -> Result<Option<Metadata>, HostError> {
                match self {
                    $(Platform::$variant => first!(($($metadata(host).await)?) Ok(None)),)*
                }
            }

            /// Whether machines of the platform can ask it what it knows of them: attributes, keys, names.
            pub fn has_metadata(self) -> bool {
                match self {
                    $(Platform::$variant => first!(($({ let _ = stringify!($metadata); true })?) false),)*
                }
            }

            /// How the platform is asked for the network; `None` where it says nothing of it that DHCP does not, or
            /// nothing that changes while the machine runs.
            pub fn rhythm(self) -> Option<Rhythm> {
                match self {
                    $(Platform::$variant => first!(
                        ($({ let _ = stringify!($network); Some(self.row().rhythm) })?) None
                    ),)*
                }
            }

            /// Asks for the network; with a cursor, once it is another one or the platform's patience is over. `None`
            /// where the platform says nothing.
            pub async fn network(
                self,
                host: &impl Host,
                after: Option<&Cursor>,
            ) -> Result<Option<Said>, HostError> {
                match self {
                    $(Platform::$variant => first!(($($network(host, after).await)?) Ok(None)),)*
                }
            }

            /// What a document wants, and what of it was left out. `actual` tells what platforms do not say: routers
            /// that advertise themselves, and whether another program has the network.
            pub fn desired(
                self,
                document: &str,
                switches: &Switches,
                actual: &Actual,
            ) -> (Desired, Vec<Invalid>) {
                type Wanted = fn(&str, &Switches, &Actual) -> (Desired, Vec<Invalid>);
                let wanted: Option<Wanted> = match self {
                    $(Platform::$variant => first!(($(Some($desired))?) None),)*
                };
                let (desired, invalid) = match wanted {
                    Some(wanted) => wanted(document, switches, actual),
                    None => self.unknown(document),
                };
                let names = switches.left_alone.iter();
                let macs = names.filter_map(|name| name.parse().ok());
                (desired.leaving_alone(macs), invalid)
            }

            /// Units of systemd-networkd for a network of which the metadata tell what DHCP does not, and what of the
            /// metadata was left out. None where the network tells addresses and routes itself.
            pub fn networkd_units(self, said: &Metadata) -> (Units, Vec<Invalid>) {
                self.units().map(|made| made(said)).unwrap_or_default()
            }

            fn units(self) -> Option<Made> {
                match self { $(Platform::$variant => first!(($(Some($units))?) None),)* }
            }

            /// Whether users' keys change while a machine runs, as [`Platform::keys`] tells.
            pub fn tells_keys(self) -> bool {
                match self {
                    $(Platform::$variant => first!(($({ let _ = stringify!($keys); true })?) false),)*
                }
            }

            /// The keys that a document of [`Platform::network`] wants, and what of them was left out; `None` where
            /// keys do not change while a machine runs, or the document is none.
            pub fn keys(self, document: &str) -> Option<keys::Wanted> {
                match self { $(Platform::$variant => first!(($($keys(document))?) None),)* }
            }

            /// Whether the platform tells of moves after which a machine's time of day is behind.
            pub fn tells_clock(self) -> bool {
                match self {
                    $(Platform::$variant => first!(($({ let _ = stringify!($clock); true })?) false),)*
                }
            }

            /// The platform's mark of what the machine's clock has gone through, in a document of
            /// [`Platform::network`]: another one after the machine was moved.
            pub fn clock_token(self, document: &str) -> Option<String> {
                match self { $(Platform::$variant => first!(($($clock(document))?) None),)* }
            }

            /// Whether the platform takes the machine's public host keys, by a document of this boot.
            pub fn wants_host_keys(self, document: &str) -> bool {
                match self { $(Platform::$variant => first!(($($wants_host_keys(document))?) false),)* }
            }

            /// Gives the platform a public host key: its type and its base64, as they stand in a `.pub` file.
            pub async fn publish_host_key(
                self,
                host: &impl Host,
                kind: &str,
                key: &str,
            ) -> Result<(), HostError> {
                match self {
                    $(Platform::$variant => first!(($($publish_host_key(host, kind, key).await)?) Ok(())),)*
                }
            }

            /// Whether the platform wants to know how stages and the first boot end.
            pub fn wants_status(self) -> bool {
                match self {
                    $(Platform::$variant => first!(($({ let _ = stringify!($report); true })?) false),)*
                }
            }

            /// Tells the platform, within bounds. The boot goes on whatever the answer is.
            pub async fn report(self, host: &impl Host, status: &Status<'_>) -> Result<Told, HostError> {
                match self {
                    $(Platform::$variant => first!(($($report(host, status).await)?) Ok(Told::Nobody)),)*
                }
            }

            /// Kernel arguments by which the platform's owner of a machine wants its network configured in the
            /// initramfs; they are asked for without any network.
            pub fn network_kargs(self, host: &impl Host) -> Result<Option<String>, HostError> {
                match self { $(Platform::$variant => first!(($($network_kargs(host))?) Ok(None)),)* }
            }
        }
    };
}

platforms! {
    /// Akamai Connected Cloud, once Linode.
    Akamai {
        row: Row {
            names: &["akamai"],
            sign: Some((Says::Cloud, |seen| seen.is("sys_vendor", &["Akamai", "Linode"]))),
            ..PLAIN
        },
        user_config: akamai::user_config,
        metadata: akamai::metadata,
    }
    /// Alibaba Cloud.
    Aliyun {
        row: Row {
            names: &["aliyun"],
            sign: Some((Says::Cloud, |seen| seen.is("product_name", &["Alibaba Cloud ECS"]))),
            naming: Naming::Metadata,
            ..PLAIN
        },
        user_config: aliyun::user_config,
        metadata: aliyun::metadata,
    }
    /// A guest under Apple's hypervisor.
    AppleHv {
        row: Row {
            names: &["applehv"],
            place: "what the host serves on port 1024 of its virtual socket",
            ..PLAIN
        },
        user_config: applehv::user_config,
    }
    /// Amazon EC2.
    Aws {
        row: Row {
            names: &["aws", "ec2"],
            place: "user data of the metadata service, version 2, over IPv4 or IPv6",
            sign: Some((Says::Cloud, aws::sign)),
            ..PLAIN
        },
        user_config: aws::user_config,
        metadata: aws::metadata,
        network: aws::network,
        desired: |document, switches, actual| {
            aws_network::of_document(document, &switches.aws, &switches.left_alone, actual)
        },
    }
    /// Microsoft Azure.
    Azure {
        row: Row {
            names: &["azure"],
            place: "user data of the metadata service; else custom data on the provisioning CD-ROM (UDF or ISO 9660)",
            // Its tag, because Hyper-V in anybody's cellar has the same vendor and product.
            sign: Some((Says::Cloud, |seen| {
                seen.is("chassis_asset_tag", &["7783-7084-3265-9085-8269-3286-77"])
            })),
            naming: Naming::Metadata,
            ..PLAIN
        },
        user_config: azure::user_config,
        metadata: azure::metadata,
        network: azure::network,
        desired: |document, switches, actual| {
            azure_network::of_document(document, &switches.azure, actual)
        },
        units: |said| (azure_network::networkd_units(said), Vec::new()),
        report: wireserver::report,
    }
    /// Azure Stack Hub.
    AzureStack {
        row: Row {
            names: &["azurestack"],
            place: "custom data on the provisioning CD-ROM (UDF or ISO 9660)",
            naming: Naming::Metadata,
            ..PLAIN
        },
        user_config: azurestack::user_config,
        metadata: azurestack::metadata,
        report: wireserver::report,
    }
    /// Brightbox.
    Brightbox {
        row: Row {
            names: &["brightbox"],
            place: "user data of the metadata service, in OpenStack's form or in that of EC2",
            sign: Some((Says::Cloud, |seen| seen.ends("product_serial", ".brightbox.com"))),
            ..PLAIN
        },
        user_config: brightbox::user_config,
        metadata: brightbox::metadata,
    }
    /// Apache CloudStack: config drive, else the metadata of the virtual router.
    CloudStack {
        row: Row {
            names: &["cloudstack", "cloudstack-configdrive", "cloudstack-metadata"],
            place: "the config drive (labelled `config-2`), else user data of the server that answers by DHCP",
            sign: Some((Says::Cloud, |seen| seen.begins("product_name", "CloudStack"))),
            ..PLAIN
        },
        user_config: cloudstack::user_config,
        metadata: cloudstack::metadata,
    }
    /// DigitalOcean.
    DigitalOcean {
        row: Row {
            names: &["digitalocean"],
            sign: Some((Says::Cloud, |seen| seen.is("sys_vendor", &["DigitalOcean"]))),
            naming: Naming::Metadata,
            kept: digitalocean::OF_NETWORK,
            ..PLAIN
        },
        user_config: digitalocean::user_config,
        metadata: digitalocean::metadata,
        network: digitalocean::network,
        desired: |document, switches, _| digitalocean_network::desired(document, &switches.fixed),
        units: |said| static_units::of(said, digitalocean_network::networkd_units),
    }
    /// Exoscale.
    Exoscale {
        row: Row {
            names: &["exoscale"],
            sign: Some((Says::Cloud, |seen| seen.begins("product_name", "Exoscale"))),
            naming: Naming::Metadata,
            ..PLAIN
        },
        user_config: exoscale::user_config,
        metadata: exoscale::metadata,
    }
    /// A config named by the environment; for tests and image builds.
    File {
        row: Row {
            names: &["file"],
            place: "the file that `IGNITION_CONFIG_FILE` names",
            ..PLAIN
        },
        user_config: file::user_config,
    }
    /// Google Compute Engine.
    Gcp {
        row: Row {
            names: &["gcp", "gce"],
            place: "the attribute `user-data`",
            sign: Some((Says::Cloud, |seen| {
                seen.is("product_name", &["Google Compute Engine"])
                    .or_else(|| seen.begins("product_serial", "GoogleCloud-"))
            })),
            rhythm: Rhythm::Waiting(Duration::from_secs(60)),
            owner: Owner::GOOGLE,
            kept: gcp_network::OF_NETWORK,
            ..PLAIN
        },
        user_config: gcp::user_config,
        metadata: gcp::metadata,
        network: gcp::everything,
        desired: |document, switches, _| gcp_network::desired(document, &switches.gcp),
        keys: keys::of_compute_engine,
        clock: gcp::clock_token,
        host_keys: (gcp::wants_host_keys, gcp::publish_host_key),
    }
    /// Hetzner Cloud.
    Hetzner {
        row: Row {
            names: &["hetzner"],
            // The vendor alone is that of their dedicated servers as well, which have no such service.
            sign: Some((Says::Cloud, |seen| {
                seen.is("product_name", &["vServer"])?;
                seen.is("sys_vendor", &["Hetzner"])
            })),
            naming: Naming::Metadata,
            ..PLAIN
        },
        user_config: hetzner::user_config,
        metadata: hetzner::metadata,
        network: hetzner::network,
        desired: |document, switches, _| hetzner_network::of_document(document, &switches.fixed),
        units: |said| static_units::of(said, hetzner_network::units_of_document),
    }
    /// A guest of Hyper-V.
    HyperV {
        row: Row {
            names: &["hyperv"],
            place: "the key-value pair `ignition.config`, or its pieces `ignition.config.0`, `.1` and so on",
            ..PLAIN
        },
        user_config: hyperv::user_config,
    }
    /// IBM Cloud, virtual servers for VPC.
    IbmCloud {
        row: Row {
            names: &["ibmcloud"],
            place: "`user-data` on a medium labelled `cidata`",
            naming: Naming::Metadata,
            ..PLAIN
        },
        user_config: ibmcloud::user_config,
        metadata: ibmcloud::metadata,
    }
    /// KubeVirt: config drive, or a medium of NoCloud.
    KubeVirt {
        row: Row {
            names: &["kubevirt"],
            place: "the config drive (labelled `config-2`), or `user-data` on a medium labelled `cidata`",
            naming: Naming::Metadata,
            ..PLAIN
        },
        user_config: kubevirt::user_config,
        metadata: kubevirt::metadata,
        units: |said| static_units::of(said, kubevirt::networkd_units),
    }
    /// Bare metal: the OEM partition, or a medium labelled `ignition`.
    Metal {
        row: Row {
            names: &["metal", "pxe", "baremetal", "rpi4", "raspberrypi"],
            place: "`config.ign` on the partition labelled `OEM` (`base/base.ign` there is merged below it on every \
                    platform), else `ignition/config.ign` on a medium labelled `ignition`, else `user-data` \
                    on one labelled `cidata`",
            sign: Some((Says::Machine, metal::sign)),
            ..PLAIN
        },
        user_config: metal::user_config,
    }
    /// Nutanix AHV.
    Nutanix {
        row: Row {
            names: &["nutanix"],
            place: "the config drive (labelled `config-2`)",
            sign: Some((Says::Cloud, |seen| {
                seen.is("product_name", &["AHV"])?;
                seen.is("sys_vendor", &["Nutanix"])
            })),
            naming: Naming::Metadata,
            ..PLAIN
        },
        user_config: nutanix::user_config,
        metadata: nutanix::metadata,
        units: |said| static_units::of(said, openstack_network::networkd_units),
    }
    /// NVIDIA BlueField.
    NvidiaBlueField {
        row: Row {
            names: &["nvidiabluefield"],
            place: "the boot FIFO",
            ..PLAIN
        },
        user_config: nvidiabluefield::user_config,
    }
    /// OpenStack: config drive, else metadata service.
    OpenStack {
        row: Row {
            names: &["openstack"],
            place: "the config drive (labelled `config-2`), else the metadata service",
            sign: Some((Says::Cloud, openstack::sign)),
            naming: Naming::Metadata,
            ..PLAIN
        },
        user_config: openstack::user_config,
        metadata: openstack::metadata,
        network: openstack::network,
        desired: |document, switches, _| openstack_network::desired(document, &switches.fixed),
        units: |said| static_units::of(said, openstack_network::networkd_units),
    }
    /// Oracle Cloud.
    OracleCloud {
        row: Row {
            names: &["oraclecloud"],
            sign: Some((Says::Cloud, |seen| seen.is("chassis_asset_tag", &["OracleCloud.com"]))),
            naming: Naming::Metadata,
            ..PLAIN
        },
        user_config: oraclecloud::user_config,
        metadata: oraclecloud::metadata,
    }
    /// Equinix Metal, once Packet.
    Packet {
        row: Row {
            names: &["packet", "equinixmetal", "equinix", "metal.packet"],
            place: "user data of Equinix Metal",
            naming: Naming::Metadata,
            // Over TLS, and it seldom changes.
            rhythm: Rhythm::Every(Duration::from_secs(300)),
            tls: true,
            kept: &["/network", "/bgp_neighbors"],
            ..PLAIN
        },
        user_config: packet::user_config,
        metadata: packet::metadata,
        network: packet::network,
        desired: |document, switches, _| packet_network::desired(document, &switches.packet),
        units: |said| (networkd::networkd_units(said), Vec::new()),
        report: packet::report,
    }
    /// IBM Power Virtual Server.
    PowerVs {
        row: Row {
            names: &["powervs"],
            place: "the config drive (labelled `config-2`)",
            naming: Naming::Metadata,
            ..PLAIN
        },
        user_config: powervs::user_config,
        metadata: powervs::metadata,
        units: |said| static_units::of(said, openstack_network::networkd_units),
    }
    /// Proxmox VE.
    ProxmoxVe {
        row: Row {
            names: &["proxmoxve"],
            place: "`user-data`, else `vendor-data`, on a medium labelled `cidata`; a cloud-config of Proxmox's own last",
            naming: Naming::Metadata,
            ..PLAIN
        },
        user_config: proxmoxve::user_config,
        metadata: proxmoxve::metadata,
        units: |said| static_units::of(said, network_config::networkd_units),
    }
    /// QEMU and KVM: firmware configuration items.
    Qemu {
        row: Row {
            names: &["qemu"],
            place: "`-fw_cfg name=opt/org.flatcar-linux/config,file=node.ign`, else `opt/com.coreos/config`; without \
                    fw_cfg the bytes of a virtio disk with the serial number `ignition`; else \
                    `user-data` on a medium labelled `cidata`",
            sign: Some((Says::Hypervisor, qemu::sign)),
            rhythm: Rhythm::Once,
            ..PLAIN
        },
        user_config: qemu::user_config,
        network: qemu_network::network,
        desired: |document, switches, _| qemu_network::desired(document, &switches.left_alone),
    }
    /// Scaleway.
    Scaleway {
        row: Row {
            names: &["scaleway"],
            sign: Some((Says::Cloud, |seen| seen.is("sys_vendor", &["Scaleway"]))),
            naming: Naming::Metadata,
            ..PLAIN
        },
        user_config: scaleway::user_config,
        metadata: scaleway::metadata,
        report: scaleway::report,
    }
    /// STACKIT, an OpenStack that is named.
    StackIt {
        row: Row {
            names: &["stackit"],
            naming: Naming::Metadata,
            ..PLAIN
        },
        user_config: stackit::user_config,
        metadata: stackit::metadata,
        network: openstack::network,
        desired: |document, switches, _| openstack_network::desired(document, &switches.fixed),
        units: |said| static_units::of(said, openstack_network::networkd_units),
    }
    /// UpCloud.
    UpCloud {
        row: Row {
            names: &["upcloud"],
            sign: Some((Says::Cloud, |seen| seen.is("sys_vendor", &["UpCloud"]))),
            naming: Naming::Metadata,
            ..PLAIN
        },
        user_config: upcloud::user_config,
        metadata: upcloud::metadata,
    }
    /// A guest of VirtualBox.
    VirtualBox {
        row: Row {
            names: &["virtualbox"],
            place: "the guest property `/Ignition/Config`",
            ..PLAIN
        },
        user_config: virtualbox::user_config,
    }
    /// VMware: guestinfo.
    VmWare {
        row: Row {
            names: &["vmware"],
            place: "`guestinfo.ignition.config.data` or `guestinfo.coreos.config.data`, with `.encoding` `base64` or \
                    `gzip+base64`, else what `guestinfo.ignition.config.url` or `guestinfo.coreos.config.url` names; \
                    each of them as a vApp property, too; the initramfs needs `vmware-rpctool`",
            sign: Some((Says::Machine, vmware::sign)),
            naming: Naming::Metadata,
            ..PLAIN
        },
        user_config: vmware::user_config,
        metadata: vmware::metadata,
        // Its variables are asked for by a program, and are read by the first boot: the daemon has nothing to ask.
        desired: |document, switches, _| vmware_network::desired(document, &switches.fixed),
        units: |said| static_units::of(said, vmware_network::networkd_units),
        network_kargs: vmware::network_kargs,
    }
    /// Vultr.
    Vultr {
        row: Row {
            names: &["vultr"],
            sign: Some((Says::Cloud, |seen| seen.is("sys_vendor", &["Vultr"]))),
            naming: Naming::Metadata,
            ..PLAIN
        },
        user_config: vultr::user_config,
        metadata: vultr::metadata,
    }
}

/// Platforms that Ignition has and pilotlight has not, and why.
const ABSENT: &[(&str, &str)] = &[(
    "zvm",
    "nobody here reads the card reader of z/VM; give the config by ignition.config.url= and name the platform metal",
)];

impl Platform {
    /// The platform's own name, which is also that of its directory in `base.platform.d`.
    pub fn name(self) -> &'static str {
        self.row().names.first().unwrap_or(&"")
    }

    /// All names by which kernel arguments and today's tools call it, its own first.
    pub fn names(self) -> &'static [&'static str] {
        self.row().names
    }

    /// Where the user config is, for people.
    pub fn place(self) -> &'static str {
        self.row().place
    }

    /// Where the machine's host name comes from.
    pub fn naming(self) -> Naming {
        self.row().naming
    }

    /// Whether the platform is asked over TLS, and not on the machine's own link alone.
    pub fn speaks_tls(self) -> bool {
        self.row().tls
    }

    /// Whose number what is added carries.
    pub fn owner(self) -> Owner {
        self.row().owner
    }

    /// Whether its machines show whose they are; of the others the kernel command line has to name the platform.
    pub fn is_detected(self) -> bool {
        self.row().sign.is_some()
    }

    /// What its machines are known by.
    pub(crate) fn sign(self) -> Option<(Says, Look)> {
        self.row().sign
    }

    /// What of an answer is kept for the time when the platform does not answer: the network alone. `None` where it
    /// is no JSON.
    pub fn kept(self, document: &str) -> Option<String> {
        match self.row().kept {
            [] => Some(document.into()),
            pointers => parts_of(document, pointers),
        }
    }

    fn unknown(self, document: &str) -> (Desired, Vec<Invalid>) {
        let mut wishes = Wishes::new();
        let why = "nothing is known of this platform's network";
        wishes.unreadable(self.name(), shown(document), why);
        wishes.end(Heard::Partly)
    }

    /// Finds a platform by name or alias. The error names the known ones.
    pub fn parse(name: &str) -> Result<Platform, String> {
        let mut all = Self::ALL.iter();
        all.find(|platform| platform.names().contains(&name))
            .copied()
            .ok_or_else(|| match ABSENT.iter().find(|(absent, _)| *absent == name) {
                Some((_, why)) => format!("the platform {name} is not supported: {why}"),
                None => format!("unknown platform {name:?}; known are {}", Self::known()),
            })
    }

    /// All names, aliases in parentheses behind the name that they stand for.
    pub fn known() -> String {
        let shown = Self::ALL.iter().map(|platform| match platform.names() {
            [name, aliases @ ..] if !aliases.is_empty() => {
                format!("{name} ({})", aliases.join(", "))
            }
            _ => platform.name().to_string(),
        });
        shown.collect::<Vec<String>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = include_str!("../../README.md");

    /// A list of names in words.
    fn listed(which: impl Fn(&Platform) -> bool) -> String {
        let names = Platform::ALL.iter().filter(|one| which(one));
        names.map(|one| one.name()).collect::<Vec<_>>().join(", ")
    }

    /// What the README says of where configs are: platforms that say the same have one line.
    fn table() -> String {
        let mut table = String::from("| platform | where the user config is |\n|---|---|\n");
        let mut told: Vec<&str> = Vec::new();
        for platform in Platform::ALL {
            let place = platform.place();
            if !told.contains(&place) {
                told.push(place);
                let names = listed(|other| other.place() == place);
                table.push_str(&format!("| {names} | {place} |\n"));
            }
        }
        table
    }

    #[test]
    fn the_readme_has_a_line_for_each_row() {
        let table = table();
        assert!(README.contains(&table), "the README should have\n{table}");
        // Lines are broken where they become too long.
        let readme = README.split_whitespace().collect::<Vec<_>>().join(" ");
        for (words, list) in [
            (
                "where DHCP does not tell it",
                listed(|one| one.naming() == Naming::Metadata),
            ),
            (
                "Only the kernel command line names",
                listed(|one| !one.is_detected()),
            ),
            (
                "are told how the first boot goes",
                listed(|one| one.wants_status()),
            ),
            (
                "the first boot writes units of its network",
                listed(|one| one.units().is_some()),
            ),
        ] {
            assert!(
                readme.contains(&format!("{words} ({list})"))
                    || readme.contains(&format!("({list}) {words}")),
                "the README should have {words:?} and ({list})"
            );
        }
    }

    #[test]
    fn each_row_is_whole() {
        let mut names: Vec<&str> = Platform::ALL.iter().map(|one| one.name()).collect();
        assert!(names.is_sorted(), "{names:?}");
        names = Platform::ALL
            .iter()
            .flat_map(|one| one.names())
            .copied()
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "a name stands twice");
        for platform in Platform::ALL {
            assert!(!platform.place().is_empty(), "{platform:?}");
            // Who is named by its metadata has some.
            let named = platform.naming() == Naming::Metadata;
            assert!(!named || platform.has_metadata(), "{platform:?}");
            assert!(
                !platform.tells_keys() || platform.rhythm().is_some(),
                "{platform:?}"
            );
        }
    }
}
