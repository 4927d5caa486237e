//! What an image is written to, as data; and why it is not.

use pilotlight_core::facts::Usage;
use pilotlight_core::facts::disks::{Block, Disks, Signature, TableState};
use pilotlight_core::op::human;
use pilotlight_sys::holders::{Holder, HolderKind};

/// A disk, or what was named as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As it was named: perhaps a link of /dev/disk.
    pub named: String,
    /// Its node, or the path of the file.
    pub node: String,
    /// What it is.
    pub kind: Kind,
    /// The disk and its partitions; empty for a file that is not there.
    pub disks: Disks,
    /// What stands on it or on its partitions, the topmost first.
    pub holders: Vec<Holder>,
    /// Whether the kernel writes nothing to it.
    pub write_protected: bool,
    /// Whether the kernel knows all partitions of its table: not of every loop device, nor where a table is damaged.
    pub all_known: bool,
}

/// What it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A whole disk.
    Disk,
    /// A partition of this disk.
    Partition(String),
    /// A file, which may not be there yet.
    File,
}

/// Why an image is not written there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is a partition.
    #[error(
        "{named} is a partition of {disk}: an image is written to a whole disk, which has its own partitions"
    )]
    Partition {
        /// As it was named.
        named: String,
        /// Its disk.
        disk: String,
    },
    /// Nothing can be written to it.
    #[error(
        "{node} is write-protected: look for its switch, or for what set it read-only (blockdev --setrw)"
    )]
    WriteProtected {
        /// The disk.
        node: String,
    },
    /// A file system of it is mounted.
    #[error("{node} is {usage}: unmount it, if it may be lost")]
    Mounted {
        /// The partition or disk.
        node: String,
        /// Where.
        usage: Usage,
    },
    /// The running system is on it.
    #[error(
        "{node} is {usage}: the running system is on this disk{through}; start an installer from elsewhere (PXE, ISO, USB) to write to it"
    )]
    RunningSystem {
        /// The partition or disk.
        node: String,
        /// Where it is mounted.
        usage: Usage,
        /// The devices between.
        through: String,
    },
    /// Something stands on it.
    #[error("{holds} is held by {holder}, {kind}; --release takes it down")]
    Held {
        /// The partition or disk.
        holds: String,
        /// What stands on it.
        holder: String,
        /// In words.
        kind: &'static str,
    },
    /// It is one path of several to a disk.
    #[error("{named} is one path of several to a disk: name the multipath device {multipath}")]
    Path {
        /// As it was named.
        named: String,
        /// What has all paths.
        multipath: String,
    },
    /// What stands on it is in use.
    #[error("{node}, {kind} on {holds}, is {usage}: end that first")]
    HolderUsed {
        /// The holder.
        node: String,
        /// In words.
        kind: &'static str,
        /// What it stands on.
        holds: String,
        /// By whom.
        usage: Usage,
    },
    /// The image has no room.
    #[error("{node} has {}, the image {}: choose a larger disk", human(*.room), human(*.image))]
    TooSmall {
        /// The disk.
        node: String,
        /// Its bytes.
        room: u64,
        /// The image's.
        image: u64,
    },
    /// The image is for sectors of another size.
    #[error(
        "{node} has sectors of {disk} bytes, and the image's table counts in sectors of {image}: neither firmware nor kernel would find it; take an image for such disks"
    )]
    Sectors {
        /// The disk.
        node: String,
        /// Its sector size.
        disk: u64,
        /// The image's.
        image: u64,
    },
    /// A saved partition is not there, or cannot be kept.
    #[error("{0}")]
    Saved(String),
    /// A partition of the image is missing that is needed.
    #[error("{0}")]
    Layout(String),
}

/// Where a running system has what it consists of.
const SYSTEM: &[&str] = &[
    "/",
    "/usr",
    "/boot",
    "/oem",
    "/usr/share/oem",
    "/sysroot",
    "/boot/efi",
    "/efi",
    "/etc",
    "/var",
];

impl Target {
    /// The disk as it was observed; `None` for a file that is not there.
    pub fn block(&self) -> Option<&Block> {
        self.disks.blocks.get(&self.node)
    }

    /// Why nothing may be written to it, whatever is to be written. With `release`, holders that nobody uses are none.
    pub fn refusals(&self, release: bool) -> Vec<Refusal> {
        let mut out = Vec::new();
        if let Kind::Partition(disk) = &self.kind {
            out.push(Refusal::Partition {
                named: self.named.clone(),
                disk: disk.clone(),
            });
            return out;
        }
        if self.write_protected {
            out.push(Refusal::WriteProtected {
                node: self.node.clone(),
            });
        }
        for (node, block) in &self.disks.blocks {
            match &block.used {
                None | Some(Usage::PartOf(_) | Usage::WriteProtected) => {}
                Some(usage) => out.push(mounted(node, usage, String::new())),
            }
        }
        for holder in &self.holders {
            if holder.kind == HolderKind::Multipath && holder.holds == self.node {
                out.push(Refusal::Path {
                    named: self.named.clone(),
                    multipath: holder.node.clone(),
                });
                continue;
            }
            match &holder.used {
                Some(usage) if is_system(usage) => {
                    let through = format!(" through {}", holder.node);
                    out.push(mounted(&holder.holds, usage, through));
                }
                Some(usage) => out.push(Refusal::HolderUsed {
                    node: holder.node.clone(),
                    kind: holder.kind.words(),
                    holds: holder.holds.clone(),
                    usage: usage.clone(),
                }),
                None if release => {}
                None => out.push(Refusal::Held {
                    holds: holder.holds.clone(),
                    holder: holder.node.clone(),
                    kind: holder.kind.words(),
                }),
            }
        }
        out
    }

    /// What is on it, in words; nothing on a blank disk.
    pub fn holds(&self) -> Option<String> {
        let block = self.block()?;
        match (&block.table, &block.signature) {
            (TableState::Gpt(table), _) => {
                let labels: Vec<String> = (table.partitions.iter())
                    .map(|(number, entry)| format!("{number} {:?}", entry.label))
                    .collect();
                Some(match labels.len() {
                    0 => "an empty GPT".into(),
                    _ => format!("a GPT with the partitions {}", labels.join(", ")),
                })
            }
            (TableState::Other(kind), _) => Some(kind.clone()),
            (TableState::None, signature) => recognized(signature),
        }
    }
}

/// What a device holds, in words; nothing where nothing is recognized.
pub fn recognized(signature: &Signature) -> Option<String> {
    match signature {
        Signature::Blank | Signature::Unknown => None,
        Signature::Found(found) if found.label.is_empty() => Some(found.kind.clone()),
        Signature::Found(found) => Some(format!("{} {:?}", found.kind, found.label)),
        Signature::Ambivalent(kinds) => Some(format!("signatures of {}", kinds.join(" and "))),
    }
}

fn is_system(usage: &Usage) -> bool {
    match usage {
        Usage::MountedAt(place) => SYSTEM.contains(&place.as_str()),
        Usage::Through { usage, .. } => is_system(usage),
        _ => false,
    }
}

fn mounted(node: &str, usage: &Usage, through: String) -> Refusal {
    match is_system(usage) {
        true => Refusal::RunningSystem {
            node: node.into(),
            usage: usage.clone(),
            through,
        },
        false => Refusal::Mounted {
            node: node.into(),
            usage: usage.clone(),
        },
    }
}

/// A disk that could be the smallest one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Node.
    pub node: String,
    /// Major number of the device.
    pub major: u32,
    /// Bytes.
    pub size: u64,
    /// Why it is not taken, if it is not.
    pub busy: Option<String>,
}

/// Disks that are smaller are not looked at for `-s`: 10 GB, as in the script.
pub const LEAST: u64 = 10_000_000_000;

/// The smallest disk that nobody uses, of those with a major number that is included and not excluded.
///
/// The error lists what there is and why it is not taken.
pub fn smallest(
    candidates: &[Candidate],
    include: &[u32],
    exclude: &[u32],
) -> Result<String, String> {
    let why_not = |disk: &Candidate| {
        if !include.is_empty() && !include.contains(&disk.major) {
            return Some(format!("its major number {} is not included", disk.major));
        }
        if exclude.contains(&disk.major) {
            return Some(format!("its major number {} is excluded", disk.major));
        }
        if disk.size <= LEAST {
            return Some(format!("it has only {}", human(disk.size)));
        }
        disk.busy.clone()
    };
    let free = candidates.iter().filter(|disk| why_not(disk).is_none());
    if let Some(found) = free.min_by_key(|disk| disk.size) {
        return Ok(found.node.clone());
    }
    let mut said = String::from("there is no unused disk of more than 10 GB");
    for disk in candidates {
        let why = why_not(disk).unwrap_or_default();
        said.push_str(&format!("\n  {}: {why}", disk.node));
    }
    Err(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(node: &str, major: u32, gb: u64, busy: Option<&str>) -> Candidate {
        Candidate {
            node: node.into(),
            major,
            size: gb * 1_000_000_000,
            busy: busy.map(Into::into),
        }
    }

    #[test]
    fn the_smallest_is_chosen_among_those_that_may_be() {
        let disks = [
            disk("/dev/sda", 8, 500, None),
            disk("/dev/sdb", 8, 120, Some("/dev/sdb1 is mounted at /")),
            disk("/dev/sdc", 8, 8, None),
            disk("/dev/nvme0n1", 259, 256, None),
            disk("/dev/vda", 254, 20, None),
        ];
        for (include, exclude, expected) in [
            (&[][..], &[][..], Some("/dev/vda")),
            (&[], &[254], Some("/dev/nvme0n1")),
            (&[8], &[], Some("/dev/sda")),
            (&[8, 259], &[259], Some("/dev/sda")),
            (&[7], &[], None),
        ] {
            let chosen = smallest(&disks, include, exclude);
            assert_eq!(chosen.as_deref().ok(), expected, "{include:?} {exclude:?}");
        }
        let said = smallest(&disks[1..3], &[], &[]).unwrap_err();
        assert!(
            said.contains("/dev/sdb: /dev/sdb1 is mounted at /"),
            "{said}"
        );
        assert!(said.contains("/dev/sdc: it has only "), "{said}");
    }

    fn target(used: Option<Usage>, holders: Vec<Holder>) -> Target {
        let block = Block {
            size: 1 << 30,
            sector: 512,
            table: TableState::None,
            signature: Signature::Blank,
            used,
        };
        let mut disks = Disks::default();
        disks.blocks.insert("/dev/sda".into(), block);
        Target {
            named: "/dev/disk/by-id/x".into(),
            node: "/dev/sda".into(),
            kind: Kind::Disk,
            disks,
            holders,
            write_protected: false,
            all_known: true,
        }
    }

    #[test]
    fn refusals_name_who_is_in_the_way() {
        let mounted = |place: &str| Some(Usage::MountedAt(place.into()));
        let holder = |kind, used| Holder {
            node: "/dev/mapper/x".into(),
            holds: "/dev/sda".into(),
            kind,
            used,
        };
        let lvm = HolderKind::LogicalVolume;
        for (target, release, words) in [
            (target(None, vec![]), false, ""),
            (
                target(mounted("/var"), vec![]),
                false,
                "/dev/sda is mounted at /var: the running system",
            ),
            (
                target(mounted("/data"), vec![]),
                true,
                "/dev/sda is mounted at /data: unmount it",
            ),
            (
                target(Some(Usage::Swap), vec![]),
                true,
                "/dev/sda is a swap device in use",
            ),
            (
                target(
                    Some(Usage::PartOf("/dev/mapper/x".into())),
                    vec![holder(lvm, None)],
                ),
                false,
                "/dev/sda is held by /dev/mapper/x, a logical volume; --release",
            ),
            (target(None, vec![holder(lvm, None)]), true, ""),
            (
                target(None, vec![holder(lvm, mounted("/data"))]),
                true,
                "/dev/mapper/x, a logical volume on /dev/sda, is mounted at /data",
            ),
            (
                target(None, vec![holder(HolderKind::Verity, mounted("/usr"))]),
                true,
                "/dev/sda is mounted at /usr: the running system is on this disk through /dev/mapper/x",
            ),
            (
                target(None, vec![holder(HolderKind::Multipath, None)]),
                true,
                "/dev/disk/by-id/x is one path of several to a disk: name the multipath device /dev/mapper/x",
            ),
        ] {
            let said: Vec<String> = (target.refusals(release).iter())
                .map(ToString::to_string)
                .collect();
            let said = said.join("; ");
            assert!(
                said.starts_with(words) && said.is_empty() == words.is_empty(),
                "{said}"
            );
        }
    }
}
