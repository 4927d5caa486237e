//! How the running kernel was started, and what decides about the next start.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The command line of the running kernel, and what may change the next one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// Arguments of the running kernel, as [`words`](crate::cmdline::words) splits them.
    pub cmdline: Vec<String>,
    /// Whether the distribution brings the program that changes kernel arguments.
    pub helper: bool,
    /// Whether this is a live image, which no boot loader of a disk has started.
    pub live: bool,
    /// The partition labelled OEM, from which GRUB reads more configuration.
    pub oem: Option<Oem>,
    /// The EFI system partition, which holds the first-boot marker.
    pub esp: Option<Esp>,
    /// Operations that an earlier run of this first boot began, by their digests in the journal; `None` where the
    /// journal does not outlive a restart.
    #[serde(default)]
    pub begun: Option<BTreeSet<String>>,
    /// Whether nothing was looked at, because the machine is another one: a dry run.
    pub assumed: bool,
}

/// The OEM partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Oem {
    /// Its node.
    pub device: String,
    /// What its grub.cfg says; `None` when there is no such file.
    pub grub_cfg: Option<String>,
}

/// The EFI system partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Esp {
    /// Its node.
    pub device: String,
    /// Whether a first-boot marker is on it.
    pub marker: bool,
}

impl Boot {
    /// A machine of which nothing is known: its OEM partition has no grub.cfg yet.
    pub fn assumed() -> Self {
        Self {
            oem: Some(Oem {
                device: "/dev/disk/by-label/OEM".into(),
                grub_cfg: None,
            }),
            esp: Some(Esp {
                device: "/dev/disk/by-label/EFI-SYSTEM".into(),
                marker: true,
            }),
            assumed: true,
            ..Self::default()
        }
    }
}
