//! What Fedora CoreOS asks of disks and mounts, as Butane checks it for the variant `fcos`.

use crate::diag::{Diagnostic, Report};
use crate::spec::At;
use crate::spec::butane::{self as wire, FCOS_1_6, Filesystem};
use crate::spec::v3::{Disk, Partition};

/// The boot disk, whichever it is: a link that only Fedora CoreOS makes.
const BOOT_DISK: &str = "/dev/disk/by-id/coreos-boot-disk";
/// What the root needs to take in updates, in MiB.
const ROOT_MIB: i64 = 8192;
/// Partitions of the image, which its boot scripts find by their labels.
const NUMBERS: &[(&str, i64)] = &[
    ("BIOS-BOOT", 1),
    ("PowerPC-PReP-boot", 1),
    ("EFI-SYSTEM", 2),
    ("boot", 3),
    ("root", 4),
];

/// Checks what the user wrote; Butane does, too, before it translates.
pub(super) fn check(config: &wire::Config, minor: u8, report: &mut Report) {
    for disk in &config.storage.disks {
        let mirrored = &config.boot_device.mirror.devices;
        let is_mirrored = disk
            .device
            .as_ref()
            .is_some_and(|device| mirrored.iter().any(|one| one.value == device.value));
        if minor >= FCOS_1_6 && !is_mirrored {
            never_reused(disk, report);
        }
        for partition in &disk.partitions {
            image_partition(partition, disk, is_mirrored, report);
        }
    }
    if minor >= FCOS_1_6 {
        for filesystem in &config.storage.filesystems {
            writable(filesystem, report);
        }
    }
}

fn is_true(flag: &Option<At<bool>>) -> bool {
    flag.as_ref().is_some_and(|flag| flag.value)
}

fn number(of: &Option<At<i64>>) -> i64 {
    of.as_ref().map_or(0, |at| at.value)
}

/// Ignition matches existing partitions by their numbers only; the plan here finds them by their labels,
/// too, but a config may be converted.
fn never_reused(disk: &Disk, report: &mut Report) {
    let is_boot_disk = disk
        .device
        .as_ref()
        .is_some_and(|device| device.value == BOOT_DISK);
    if is_boot_disk || is_true(&disk.wipe_table) {
        return;
    }
    let nameless = disk
        .partitions
        .iter()
        .filter(|one| number(&one.number) == 0);
    for label in nameless.filter_map(|one| one.label.as_ref()) {
        report.push(
            Diagnostic::warning(
                label.span,
                "the partition has no number: Ignition would make it anew, only pilotlight finds it by its label",
            )
            .help("say its number, or wipe_table: true if the whole disk may be emptied"),
        );
    }
}

fn image_partition(partition: &Partition, disk: &Disk, is_mirrored: bool, report: &mut Report) {
    let Some(label) = &partition.label else {
        return;
    };
    if label.value == "root" {
        root_size(partition, label, disk, report);
    }
    let expected = NUMBERS.iter().find(|(name, _)| *name == label.value);
    if let Some((name, expected)) = expected
        && number(&partition.number) != *expected
        && !is_true(&disk.wipe_table)
        && !is_mirrored
    {
        let message = format!(
            "the partition {name} of Fedora CoreOS is number {expected}: this one is made beside it"
        );
        report.push(
            Diagnostic::warning(label.span, message)
                .help(format!("say number: {expected}, or use another label")),
        );
    }
}

fn root_size(root: &Partition, label: &At<String>, disk: &Disk, report: &mut Report) {
    let size = root.size_mib.as_ref().filter(|size| size.value != 0);
    if let Some(size) = size {
        if size.value < ROOT_MIB {
            let message = format!(
                "root has {} MiB, Fedora CoreOS needs {ROOT_MIB}",
                size.value
            );
            report.push(
                Diagnostic::warning(size.span, message)
                    .help("with less, updates run out of space after some time"),
            );
        }
        return;
    }
    let mut others = disk.partitions.iter().filter(|one| one.at != root.at);
    let crowding = others.find(|other| number(&other.start_mib) == 0);
    if let Some(crowding) = crowding {
        let found = Diagnostic::warning(
            label.span,
            "root fills its disk, but another partition takes what is free",
        );
        report.push(
            found
                .other(crowding.at, "the other one is at")
                .help(format!(
                    "give root a size_mib ({ROOT_MIB} or more), or the other one a start_mib"
                )),
        );
    }
}

/// All but /etc and /var is part of the image there.
fn writable(filesystem: &Filesystem, report: &mut Report) {
    let Some(path) = &filesystem.path else { return };
    let is_below = |top: &str| {
        path.value
            .strip_prefix(top)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if !is_true(&filesystem.with_mount_unit) || is_below("/etc") || is_below("/var") {
        return;
    }
    let message = format!(
        "{} is neither in /etc nor in /var, where Fedora CoreOS keeps what may change",
        path.value
    );
    report.push(
        Diagnostic::error(path.span, message).help(
            "mount it below /var, or write the mount unit yourself and remove with_mount_unit",
        ),
    );
}
