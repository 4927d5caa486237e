//! Operations on volumes that are made of other devices: RAID arrays and encrypted volumes.
//!
//! Keys are in no operation: who performs it finds them by the volume's name.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::facts::disks::{
    Block, Detail, ENCRYPTED, LuksHeader, RAID_MEMBER, RaidMember, Signature, Superblock,
    TableState,
};
use crate::facts::{Facts, Usage};

/// Path of an array by its name.
pub fn array_node(name: &str) -> String {
    format!("/dev/md/{name}")
}

/// Path of an open encrypted volume by its name.
pub fn volume_node(name: &str) -> String {
    format!("/dev/mapper/{name}")
}

/// A change of a RAID array or an encrypted volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum VolumeOp {
    /// Stop an array. Nothing is lost by it.
    StopArray {
        /// Node of the array.
        node: String,
        /// Nodes of its members.
        members: Vec<String>,
    },
    /// Start an array that exists.
    AssembleArray {
        /// Name below /dev/md.
        name: String,
        /// UUID of the array.
        uuid: String,
        /// Nodes of its members.
        members: Vec<String>,
        /// Whether some members still say that it is being made.
        finish: bool,
    },
    /// Make an array of devices that hold nothing.
    CreateArray {
        /// Name below /dev/md.
        name: String,
        /// Level as mdadm calls it.
        level: String,
        /// The same as the superblock has it.
        number: i32,
        /// Nodes of its members, spares last.
        members: Vec<String>,
        /// How many of them are spares.
        spares: u32,
        /// The user's options of mdadm.
        options: Vec<String>,
    },
    /// Close an encrypted volume. Nothing is lost by it.
    CloseVolume {
        /// Name below /dev/mapper.
        name: String,
        /// The device that it lies on.
        device: String,
    },
    /// Make an encrypted volume on a device that holds nothing.
    FormatVolume {
        /// Name, by which its key is found.
        name: String,
        /// Node.
        device: String,
        /// Label.
        label: Option<String>,
        /// UUID; `None` is random.
        uuid: Option<String>,
        /// Whether the key is made up here.
        generated: bool,
        /// The user's options of cryptsetup luksFormat.
        options: Vec<String>,
    },
    /// Let clevis unlock an encrypted volume.
    BindVolume {
        /// Name, by which its key is found.
        name: String,
        /// Node.
        device: String,
        /// The clevis pin: sss, or a custom one.
        pin: String,
        /// What the pin consists of, in words.
        shown: String,
        /// The pin's config, which may hold secrets.
        #[serde(skip)]
        config: String,
    },
    /// Open an encrypted volume.
    OpenVolume {
        /// Name below /dev/mapper.
        name: String,
        /// Node.
        device: String,
        /// Whether clevis opens it rather than the key.
        by_clevis: bool,
        /// Pass discards through.
        discard: bool,
        /// The user's options of cryptsetup luksOpen.
        options: Vec<String>,
    },
    /// Take a generated key out of a volume that clevis unlocks.
    RemoveKey {
        /// Name, by which the key is found.
        name: String,
        /// Node.
        device: String,
    },
    /// Take away the mark that the volume is being made.
    FinishVolume {
        /// Node.
        device: String,
        /// The label, which is written along with the mark.
        label: String,
    },
}

impl VolumeOp {
    /// The same operation on the nodes that partitions have by now, which may not be called as it is planned.
    pub fn on_devices(&self, real: impl Fn(&str) -> Option<String>) -> Self {
        let mut op = self.clone();
        let devices = match &mut op {
            VolumeOp::StopArray { members, .. }
            | VolumeOp::AssembleArray { members, .. }
            | VolumeOp::CreateArray { members, .. } => members.as_mut_slice(),
            VolumeOp::CloseVolume { device, .. }
            | VolumeOp::FormatVolume { device, .. }
            | VolumeOp::BindVolume { device, .. }
            | VolumeOp::OpenVolume { device, .. }
            | VolumeOp::RemoveKey { device, .. }
            | VolumeOp::FinishVolume { device, .. } => std::slice::from_mut(device),
        };
        for device in devices {
            if let Some(node) = real(device) {
                *device = node;
            }
        }
        op
    }

    /// The devices that it writes to, or that are others afterwards.
    pub fn devices(&self) -> &[String] {
        match self {
            VolumeOp::StopArray { members, .. }
            | VolumeOp::AssembleArray { members, .. }
            | VolumeOp::CreateArray { members, .. } => members,
            VolumeOp::CloseVolume { device, .. }
            | VolumeOp::FormatVolume { device, .. }
            | VolumeOp::BindVolume { device, .. }
            | VolumeOp::OpenVolume { device, .. }
            | VolumeOp::RemoveKey { device, .. }
            | VolumeOp::FinishVolume { device, .. } => std::slice::from_ref(device),
        }
    }

    /// Turns the facts into what they will be after the operation.
    pub fn predict(&self, facts: &mut Facts) {
        let blocks = &mut facts.disks.blocks;
        match self {
            VolumeOp::StopArray { node, members } => {
                blocks.remove(node);
                facts.disks.arrays.retain(|_, array| array != node);
                set_used(blocks, members, None);
                for block in blocks.values_mut() {
                    if block.used == Some(Usage::PartOf(node.clone())) {
                        block.used = None;
                    }
                }
            }
            VolumeOp::AssembleArray {
                name,
                uuid,
                members,
                finish,
            } => {
                for member in members.iter().filter(|_| *finish) {
                    if let Some(Block {
                        signature: Signature::Found(found),
                        ..
                    }) = blocks.get_mut(member)
                    {
                        found.label = format!("any:{name}");
                    }
                }
                let node = array_node(name);
                set_used(blocks, members, Some(&Usage::PartOf(node.clone())));
                blocks.insert(node.clone(), volume(Signature::Unknown));
                facts.disks.arrays.insert(uuid.clone(), node);
            }
            VolumeOp::CreateArray {
                name,
                number,
                members,
                spares,
                ..
            } => {
                let spares = usize::try_from(*spares).unwrap_or(usize::MAX);
                let active = members.len().saturating_sub(spares);
                for (at, member) in members.iter().enumerate() {
                    if let Some(block) = blocks.get_mut(member) {
                        block.signature = Signature::Found(Superblock {
                            kind: RAID_MEMBER.into(),
                            label: format!("any:{name}"),
                            uuid: None,
                            detail: Detail::Raid(RaidMember {
                                level: *number,
                                active: u32::try_from(active).unwrap_or(u32::MAX),
                                spare: Some(at >= active),
                            }),
                        });
                        block.used = Some(Usage::PartOf(array_node(name)));
                    }
                }
                blocks.insert(array_node(name), volume(Signature::Blank));
            }
            VolumeOp::CloseVolume { name, device } => {
                blocks.remove(&volume_node(name));
                set_used(blocks, std::slice::from_ref(device), None);
            }
            VolumeOp::FormatVolume {
                name,
                device,
                label,
                uuid,
                generated,
                ..
            } => {
                if let Some(block) = blocks.get_mut(device) {
                    block.signature = Signature::Found(Superblock {
                        kind: ENCRYPTED.into(),
                        label: label.clone().unwrap_or_default(),
                        uuid: uuid.as_ref().map(|uuid| uuid.to_lowercase()),
                        detail: Detail::Luks(LuksHeader {
                            version: 2,
                            being_made: true,
                            clevis: false,
                        }),
                    });
                }
                if *generated {
                    facts.keys.insert(name.clone(), None);
                }
            }
            VolumeOp::BindVolume { device, .. } => {
                if let Some(header) = header(blocks, device) {
                    header.clevis = true;
                }
            }
            VolumeOp::OpenVolume { name, device, .. } => {
                // What lies in a volume that was there before is seen only when it is open.
                let fresh = header(blocks, device).is_some_and(|header| header.being_made);
                let signature = match fresh {
                    true => Signature::Blank,
                    false => Signature::Unknown,
                };
                blocks.insert(volume_node(name), volume(signature));
                let used = Usage::PartOf(volume_node(name));
                set_used(blocks, std::slice::from_ref(device), Some(&used));
            }
            VolumeOp::RemoveKey { name, .. } => {
                facts.keys.remove(name);
            }
            VolumeOp::FinishVolume { device, .. } => {
                if let Some(header) = header(blocks, device) {
                    header.being_made = false;
                }
            }
        }
    }
}

fn volume(signature: Signature) -> Block {
    Block {
        size: 0,
        sector: 512,
        table: TableState::None,
        signature,
        used: None,
    }
}

fn set_used(blocks: &mut BTreeMap<String, Block>, nodes: &[String], used: Option<&Usage>) {
    for node in nodes {
        if let Some(block) = blocks.get_mut(node) {
            block.used = used.cloned();
        }
    }
}

fn header<'b>(blocks: &'b mut BTreeMap<String, Block>, device: &str) -> Option<&'b mut LuksHeader> {
    match &mut blocks.get_mut(device)?.signature {
        Signature::Found(Superblock {
            detail: Detail::Luks(header),
            ..
        }) => Some(header),
        _ => None,
    }
}

impl fmt::Display for VolumeOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VolumeOp::StopArray { node, .. } => write!(f, "stop the RAID array {node}"),
            VolumeOp::AssembleArray {
                name,
                uuid,
                members,
                ..
            } => write!(
                f,
                "start the RAID array {} ({uuid}) of {}",
                array_node(name),
                members.join(", ")
            ),
            VolumeOp::CreateArray {
                name,
                level,
                members,
                spares,
                options,
                ..
            } => {
                write!(
                    f,
                    "make the RAID array {}, level {level}, of {}",
                    array_node(name),
                    members.join(", ")
                )?;
                match spares {
                    0 => {}
                    1 => f.write_str(", the last one as a spare")?,
                    n => write!(f, ", the last {n} as spares")?,
                }
                with_options(f, options)
            }
            VolumeOp::CloseVolume { name, .. } => {
                write!(f, "close the encrypted volume {}", volume_node(name))
            }
            VolumeOp::FormatVolume {
                device,
                label,
                uuid,
                generated,
                options,
                ..
            } => {
                let key = match generated {
                    true => "a generated key",
                    false => "the config's key",
                };
                write!(f, "make an encrypted volume (LUKS2) on {device} with {key}")?;
                if let Some(label) = label {
                    write!(f, ", label {label:?}")?;
                }
                if let Some(uuid) = uuid {
                    write!(f, ", UUID {uuid}")?;
                }
                with_options(f, options)
            }
            VolumeOp::BindVolume { device, shown, .. } => {
                write!(f, "let {shown} unlock {device} (clevis)")
            }
            VolumeOp::OpenVolume {
                name,
                device,
                by_clevis,
                discard,
                options,
            } => {
                let by = if *by_clevis { " by clevis" } else { "" };
                write!(
                    f,
                    "open the encrypted volume {device} as {}{by}",
                    volume_node(name)
                )?;
                if *discard {
                    f.write_str(", passing discards through")?;
                }
                with_options(f, options)
            }
            VolumeOp::RemoveKey { device, .. } => {
                write!(f, "remove the generated key from {device}")
            }
            VolumeOp::FinishVolume { device, .. } => {
                write!(f, "mark the encrypted volume {device} as finished")
            }
        }
    }
}

fn with_options(f: &mut fmt::Formatter<'_>, options: &[String]) -> fmt::Result {
    match options.is_empty() {
        true => Ok(()),
        false => write!(f, ", options {}", options.join(" ")),
    }
}
