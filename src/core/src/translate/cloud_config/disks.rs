//! `disk_setup` and `fs_setup`: partitions and file systems, as far as they can be said without knowing
//! the disk. Shares of a disk cannot: Ignition speaks of MiB.

use super::node::{span, text};
use super::{Build, flag, said};
use crate::json::{Node, Value};
use crate::spec::cloud_config::{DiskSetup, Document, FsSetup, Raw};
use crate::spec::v3;
use crate::spec::{At, Concat};
use crate::translate::at;

/// Names that only a cloud's metadata can tell the device of.
const OF_CLOUD: &[&str] = &["ami", "root", "swap", "ephemeral", "ebs"];

/// Partition types by their numbers in MBR tables and as sgdisk(8) calls them.
const TYPES: &[(&[&str], &str)] = &[
    (&["83", "8300"], "0FC63DAF-8483-4772-8E79-3D69D8477DE4"),
    (&["82", "8200"], "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"),
    (&["fd", "fd00"], "A19D880F-05FC-4D3B-A006-743F0F84911E"),
    (&["8e", "8e00"], "E6D6D379-F507-44C2-A23C-238F2A3DF928"),
    (&["ef", "ef00"], "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"),
    (
        &["7", "07", "c", "0c", "700", "0700"],
        "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
    ),
];

/// A device by its path, and the partition that its name meant.
pub(super) struct Device {
    pub(super) path: String,
    pub(super) partition: Option<u32>,
}

impl Device {
    /// The path of the partition, or of the device itself.
    pub(super) fn node(&self) -> String {
        let path = &self.path;
        match self.partition {
            None | Some(0) => path.clone(),
            Some(n) if path.starts_with("/dev/disk/") => format!("{path}-part{n}"),
            Some(n) if path.ends_with(|c: char| c.is_ascii_digit()) => format!("{path}p{n}"),
            Some(n) => format!("{path}{n}"),
        }
    }
}

impl Build<'_> {
    pub(super) fn disks(&mut self, document: &Document) {
        if let Some(Raw(node)) = &document.disk_setup {
            match &node.value {
                Value::Null => {}
                Value::Object(members) => {
                    for member in members {
                        let name = At {
                            value: member.key.clone(),
                            span: Some(member.key_span),
                        };
                        self.disk(&name, &member.value, &document.device_aliases);
                    }
                }
                other => {
                    let message = format!("disk_setup names disks, this is {}", other.kind());
                    self.error(
                        Some(node.span),
                        message,
                        "write /dev/DISK: and its settings below",
                    );
                }
            }
        }
        for entry in &document.fs_setup {
            self.filesystem(entry, &document.device_aliases);
        }
    }

    /// The device of a name; `None`, with an error, for one that only the cloud knows.
    fn known_device(&mut self, name: &At<String>, aliases: &Option<Raw>) -> Option<Device> {
        let found = device(&name.value, aliases);
        if found.is_none() {
            self.error(
                name.span,
                format!("no device is known by the name {:?}", name.value),
                "write the device's path, as /dev/disk/by-id/…, or add the name to device_aliases",
            );
        }
        found
    }

    fn disk(&mut self, name: &At<String>, node: &Node, aliases: &Option<Raw>) {
        let Some(setup) = self.decode::<DiskSetup>(node) else {
            return;
        };
        let Some(device) = self.known_device(name, aliases) else {
            return;
        };
        let Some(partition) = self.layout(&setup) else {
            return;
        };
        let partitions: Vec<v3::Partition> = partition.into_iter().collect();
        if !partitions.is_empty() && said(&setup.table_type).is_none_or(|kind| kind.value != "gpt")
        {
            self.error(
                setup
                    .table_type
                    .as_ref()
                    .map_or(name.span, |kind| kind.span),
                "only GPT partition tables are written, an MBR one is asked for",
                "write table_type: gpt",
            );
            return;
        }
        let wipes = flag(&setup.overwrite, false) || is_remove(&setup.layout);
        if partitions.is_empty() && !is_remove(&setup.layout) {
            return;
        }
        let wipe_at = setup
            .overwrite
            .as_ref()
            .map_or(span(&setup.layout), |on| on.span);
        self.config.storage.disks.push(v3::Disk {
            at: Some(node.span),
            device: at(device.path, name.span),
            wipe_table: wipes.then_some(At {
                value: true,
                span: wipe_at,
            }),
            partitions,
        });
    }

    /// The one partition of a layout, none for a table without partitions or a disk that is left
    /// alone; `None` where it cannot be said.
    fn layout(&mut self, setup: &DiskSetup) -> Option<Option<v3::Partition>> {
        const HELP: &str = "write layout: true for one partition over the whole disk, or give sizes in MiB in Butane";
        let Some(Raw(layout)) = &setup.layout else {
            return Some(None);
        };
        let whole = |guid: Option<At<String>>| v3::Partition {
            at: Some(layout.span),
            number: at(1, layout.span),
            type_guid: guid,
            ..v3::Partition::default()
        };
        let items = match &layout.value {
            Value::Array(items) => items,
            Value::Null => return Some(None),
            _ if is_remove(&setup.layout) => return Some(None),
            _ => match text(layout).and_then(|text| crate::yaml::boolean(&text.value)) {
                Some(true) => return Some(Some(whole(None))),
                Some(false) => return Some(None),
                None => {
                    self.error(Some(layout.span), "this is no layout of partitions", HELP);
                    return None;
                }
            },
        };
        let [item] = items.as_slice() else {
            self.error(
                Some(layout.span),
                format!(
                    "a layout of {} shares of the disk needs the size of the disk, which is not known here",
                    items.len()
                ),
                HELP,
            );
            return None;
        };
        let (share, kind) = match &item.value {
            Value::Array(pair) => (pair.first().and_then(text), pair.get(1).and_then(text)),
            _ => (text(item), None),
        };
        if share.is_none_or(|share| share.value.trim_end_matches('%') != "100") {
            self.error(
                Some(item.span),
                "a share of the disk needs the size of the disk, which is not known here",
                HELP,
            );
            return None;
        }
        match kind {
            None => Some(Some(whole(None))),
            Some(kind) => {
                let guid = self.type_guid(&kind)?;
                Some(Some(whole(Some(guid))))
            }
        }
    }

    fn type_guid(&mut self, kind: &At<String>) -> Option<At<String>> {
        let name = kind.value.to_ascii_lowercase();
        let known = TYPES
            .iter()
            .find(|(names, _)| names.contains(&name.as_str()));
        let guid = match known {
            Some((_, guid)) => (*guid).to_owned(),
            None if crate::model::Guid::parse(&name).is_ok() => kind.value.clone(),
            None => {
                let message = format!("the partition type {:?} is not known", kind.value);
                self.error(
                    kind.span,
                    message,
                    "known are 83 (Linux), 82 (swap), fd (RAID), 8e (LVM), ef (EFI), and GUIDs",
                );
                return None;
            }
        };
        at(guid, kind.span)
    }

    fn filesystem(&mut self, entry: &FsSetup, aliases: &Option<Raw>) {
        let Some(name) = said(&entry.device) else {
            self.error(
                entry.at,
                "the file system has no device",
                "add device: /dev/…",
            );
            return;
        };
        let Some(format) = said(&entry.filesystem) else {
            self.error(
                entry.at,
                "the file system has no type",
                "add filesystem: ext4",
            );
            return;
        };
        if let Some(at) = span(&entry.cmd) {
            self.error(
                Some(at),
                "file systems are not made by a command of the config",
                "remove cmd: and give options of mkfs as extra_opts",
            );
        }
        if let Some(replaced) = said(&entry.replace_fs) {
            self.warning(
                replaced.span,
                "\"replace_fs\" of fs_setup is not supported: it has no effect",
                "set overwrite: true if what is on the device may be lost",
            );
        }
        let Some(mut device) = self.known_device(name, aliases) else {
            return;
        };
        if device.partition.is_none() {
            let Some(partition) = self.partition_of(entry, &device.path) else {
                return;
            };
            device.partition = partition;
        }
        let options = match entry.extra_opts.as_ref().map(|raw| &raw.0) {
            None => Vec::new(),
            Some(node) => match (&node.value, text(node)) {
                // One text is what a command line would hold.
                (_, Some(line)) => line
                    .value
                    .split_whitespace()
                    .filter_map(|word| at(word.to_owned(), line.span))
                    .collect(),
                _ => self.texts(node, "an option of mkfs"),
            },
        };
        let label = said(&entry.label).filter(|label| label.value != "None");
        self.config.storage.filesystems.push(v3::Filesystem {
            at: entry.at,
            device: at(device.node(), name.span),
            format: Some(format.clone()),
            label: label.cloned(),
            options: Concat(options),
            wipe_filesystem: super::switch(&entry.overwrite).filter(|on| on.value),
            ..v3::Filesystem::default()
        });
    }

    /// The partition that `partition` means; the inner `None` is the device itself.
    fn partition_of(&mut self, entry: &FsSetup, disk: &str) -> Option<Option<u32>> {
        let Some(wish) = said(&entry.partition) else {
            return Some(None);
        };
        match wish.value.as_str() {
            "none" | "None" => Some(None),
            // The first free partition: certain where this config makes the only one.
            "auto" | "any" if self.is_partitioned(disk) => Some(Some(1)),
            "auto" | "any" => {
                self.error(
                    wish.span,
                    format!(
                        "partition: {} depends on what is on the disk, which is not known here",
                        wish.value
                    ),
                    "write the number of the partition, or none for the whole disk",
                );
                None
            }
            number => match number.parse::<u32>() {
                Ok(number) if number <= 128 => Some(Some(number)),
                _ => {
                    self.error(
                        wish.span,
                        format!("{number:?} is no partition"),
                        "write the number of the partition, or none for the whole disk",
                    );
                    None
                }
            },
        }
    }

    /// Whether this config makes a partition on the disk, which is then the first.
    pub(super) fn is_partitioned(&self, disk: &str) -> bool {
        self.config.storage.disks.iter().any(|known| {
            !known.partitions.is_empty()
                && known
                    .device
                    .as_ref()
                    .is_some_and(|device| device.value == disk)
        })
    }
}

fn is_remove(layout: &Option<Raw>) -> bool {
    layout
        .as_ref()
        .and_then(|raw| text(&raw.0))
        .is_some_and(|text| text.value == "remove")
}

/// The device of a path, an alias, or a kernel name; the last two may end in the number of a partition.
pub(super) fn device(name: &str, aliases: &Option<Raw>) -> Option<Device> {
    if name.starts_with('/') {
        return Some(Device {
            path: super::files::clean(name),
            partition: None,
        });
    }
    let (base, partition) = match name.rsplit_once('.') {
        Some((base, digits)) => match digits.parse() {
            Ok(number) => (base, Some(number)),
            Err(_) => (name, None),
        },
        None => (name, None),
    };
    let alias = match aliases.as_ref().map(|raw| &raw.0.value) {
        Some(Value::Object(members)) => members
            .iter()
            .find(|member| member.key == base)
            .and_then(|member| text(&member.value)),
        _ => None,
    };
    let path = match alias {
        Some(alias) if alias.value.starts_with('/') => super::files::clean(&alias.value),
        Some(alias) if is_kernel_name(&alias.value) => format!("/dev/{}", alias.value),
        None if is_kernel_name(base) => format!("/dev/{base}"),
        _ => return None,
    };
    Some(Device { path, partition })
}

/// Whether a name is one that the kernel gives to disks.
fn is_kernel_name(name: &str) -> bool {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric());
    let starts = ["sd", "vd", "hd", "xvd", "nvme", "mmcblk", "sr", "dm-", "md"];
    plain
        && starts
            .iter()
            .any(|start| name.len() > start.len() && name.starts_with(start))
}

/// Whether only a cloud's metadata tells which device a name means.
pub(super) fn is_of_cloud(name: &str) -> bool {
    let base = name.split('.').next().unwrap_or(name);
    let base = base.trim_end_matches(|c: char| c.is_ascii_digit());
    OF_CLOUD.contains(&base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_paths() {
        for (name, expected) in [
            ("/dev/sdb", Some("/dev/sdb")),
            (
                "/dev/disk/by-path/pci-0000:00:1f.2",
                Some("/dev/disk/by-path/pci-0000:00:1f.2"),
            ),
            ("sdb", Some("/dev/sdb")),
            ("vdb1", Some("/dev/vdb1")),
            ("sdb.2", Some("/dev/sdb2")),
            ("nvme0n1.2", Some("/dev/nvme0n1p2")),
            ("ephemeral0", None),
            ("data", None),
            ("sd", None),
        ] {
            let found = device(name, &None).map(|device| device.node());
            assert_eq!(found.as_deref(), expected, "{name}");
        }
        assert!(is_of_cloud("ephemeral0.1") && is_of_cloud("swap") && !is_of_cloud("sdb"));
    }
}
