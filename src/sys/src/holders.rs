//! What stands on a disk: arrays, encrypted volumes, logical volumes, multipath devices, one on the other.

use std::fs;
use std::path::Path;

use pilotlight_core::facts::Usage;

use crate::blockdev::{self, stable_name, sysfs};
use crate::kernel_table;
use crate::tool::{self, ToolError};

/// How many devices may stand on one another.
const MAX_DEPTH: usize = 16;

/// A device that holds others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its stable name: `/dev/mapper/data`, `/dev/md/root`.
    pub node: String,
    /// The device that it holds: a disk, a partition or another holder.
    pub holds: String,
    /// What it is.
    pub kind: HolderKind,
    /// By whom it is used itself, other holders apart; where a partition of it is used, that is said.
    pub used: Option<Usage>,
}

/// What a device that holds others is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolderKind {
    /// An md array.
    Array,
    /// A logical volume of LVM.
    LogicalVolume,
    /// An encrypted volume.
    Encrypted,
    /// A device with several paths, of which the one that it holds is one.
    Multipath,
    /// dm-verity, as /usr has it.
    Verity,
    /// Something else of the device mapper: a partition of a multipath device, say.
    Mapped,
    /// Nothing that is known here.
    Other,
}

impl HolderKind {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Array => "a RAID array",
            Self::LogicalVolume => "a logical volume",
            Self::Encrypted => "an encrypted volume",
            Self::Multipath => "a multipath device",
            Self::Verity => "a verity device",
            Self::Mapped => "a mapped device",
            Self::Other => "a device",
        }
    }
}

/// Everything that stands on a disk or on the partitions of it that the kernel knows, in the order in which it can be
/// taken down: the topmost first. A device that stands on several others comes once.
pub fn above(disk: &str) -> Vec<Holder> {
    let mut found = Vec::new();
    climb(disk, 0, &mut found);
    for partition in partitions(disk) {
        climb(&partition, 0, &mut found);
    }
    found
}

fn climb(node: &str, depth: usize, found: &mut Vec<Holder>) {
    if depth == MAX_DEPTH {
        return;
    }
    for holder in blockdev::holders(node) {
        climb(&holder, depth + 1, found);
        // Partitions of an array may hold something as well.
        for partition in partitions(&holder) {
            climb(&partition, depth + 1, found);
        }
        if !found.iter().any(|known| known.node == holder) {
            found.push(Holder {
                used: user(&holder),
                kind: kind(&holder),
                holds: node.into(),
                node: holder,
            });
        }
    }
}

fn partitions(node: &str) -> Vec<String> {
    let kernel = fs::canonicalize(node).unwrap_or_else(|_| node.into());
    let directory = fs::read_dir(sysfs(&kernel.to_string_lossy()));
    (directory.into_iter().flatten().flatten())
        .filter(|entry| entry.path().join("partition").exists())
        .map(|entry| stable_name(&Path::new("/dev").join(entry.file_name())))
        .collect()
}

fn user(node: &str) -> Option<Usage> {
    let own = blockdev::user(node).filter(|usage| !matches!(usage, Usage::PartOf(_)));
    own.or_else(|| {
        let kernel = fs::canonicalize(node).unwrap_or_else(|_| node.into());
        let used = kernel_table::used_partitions(&kernel.to_string_lossy());
        used.into_iter()
            .find(|(_, usage)| !matches!(usage, Usage::PartOf(_)))
            .map(|(partition, usage)| Usage::Through {
                partition,
                usage: Box::new(usage),
            })
    })
}

/// By the identifier that each maker of mapped devices gives them (Documentation/ABI/testing/sysfs-block-dm).
fn kind(node: &str) -> HolderKind {
    let directory = sysfs(node);
    if directory.join("md").exists() {
        return HolderKind::Array;
    }
    let Ok(uuid) = fs::read_to_string(directory.join("dm/uuid")) else {
        return HolderKind::Other;
    };
    match uuid.trim() {
        lvm if lvm.starts_with("LVM-") => HolderKind::LogicalVolume,
        verity if verity.starts_with("CRYPT-VERITY-") => HolderKind::Verity,
        crypt if crypt.starts_with("CRYPT-") => HolderKind::Encrypted,
        path if path.starts_with("mpath-") => HolderKind::Multipath,
        _ => HolderKind::Mapped,
    }
}

/// Takes a device down that nobody uses any more; what is below it keeps its contents.
pub fn take_down(holder: &Holder) -> Result<(), ToolError> {
    let node = holder.node.as_str();
    match holder.kind {
        HolderKind::Array => tool::run("mdadm", &["--stop", node], None)?,
        _ => {
            // Without udev it may have no node below /dev/mapper.
            let name = fs::read_to_string(sysfs(node).join("dm/name"));
            let name = name.unwrap_or_else(|_| node.trim_start_matches("/dev/mapper/").into());
            tool::run("dmsetup", &["remove", "--retry", name.trim()], None)?
        }
    };
    Ok(())
}
