//! `boot_device`: the disks of Fedora CoreOS.
//!
//! Sizes and labels are those of Fedora CoreOS's own images, which its boot scripts rely on.

use crate::diag::{Diagnostic, Report, Severity, Span};
use crate::spec::butane::{BootDevice, BootLuks, FCOS_1_6, FCOS_1_7, Variant};
use crate::spec::v3;
use crate::spec::{At, Concat, Wire as _};
use crate::translate::{Translation, at};

const RESERVED: &str = "8DA63339-0007-60C0-C436-083AC8230908";
const BIOS_BOOT: &str = "21686148-6449-6E6F-744E-656564454649";
const PREP: &str = "9E1A2D38-C612-4316-AA26-8B49521E5A8B";
const ESP: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";

/// What stands before /boot on a disk of each layout: label, MiB, type.
type First = [(&'static str, i64, &'static str); 2];

/// The first two partitions of a layout; `None` for layouts that cannot be mirrored.
fn first_partitions(layout: &str) -> Option<First> {
    match layout {
        "x86_64" => Some([("bios", 1, BIOS_BOOT), ("esp", 127, ESP)]),
        "aarch64" => Some([("reserved", 1, RESERVED), ("esp", 127, ESP)]),
        "ppc64le" => Some([("prep", 4, PREP), ("reserved", 1, RESERVED)]),
        _ => None,
    }
}

const LAYOUTS: &[&str] = &[
    "x86_64",
    "aarch64",
    "ppc64le",
    "s390x-eckd",
    "s390x-virt",
    "s390x-zfcp",
];

/// Disks, arrays, volumes and file systems that `boot_device` stands for.
pub(super) fn translate(from: &BootDevice, minor: u8, cx: &mut Translation<'_>) -> v3::Config {
    let mut config = v3::Config::default();
    let luks = &from.luks;
    let encrypted = by_clevis(luks) || is_set(&luks.cex.enabled);
    let mirrored = !from.mirror.devices.is_empty();
    let layout = from
        .layout
        .as_ref()
        .map_or("x86_64", |layout| &layout.value);
    if !check(from, layout, minor, cx.report) || !(encrypted || mirrored) {
        return config;
    }
    if mirrored && let Some(first) = first_partitions(layout) {
        mirror(
            &from.mirror.devices,
            &first,
            from.mirror.at,
            &mut config.storage,
        );
    }
    let span = from.at;
    let mut device = mirrored.then_some("/dev/md/md-root");
    if encrypted {
        config.storage.luks.push(volume(luks, layout, mirrored));
        device = Some("/dev/mapper/root");
    }
    if let Some(device) = device {
        config
            .storage
            .filesystems
            .push(filesystem(device, "xfs", "root", span));
    }
    config
}

/// Whether the section makes sense.
fn check(from: &BootDevice, layout: &str, minor: u8, report: &mut Report) -> bool {
    let errors = |report: &Report| {
        let items = report.items.iter();
        items
            .filter(|item| item.severity == Severity::Error)
            .count()
    };
    let before = errors(report);
    let layout_at = from.layout.as_ref().and_then(|layout| layout.span);
    let is_z = layout.starts_with("s390x");
    if !LAYOUTS.contains(&layout) {
        report.push(
            Diagnostic::error(layout_at, format!("unknown layout {layout:?}"))
                .help(format!("known are {}", LAYOUTS.join(", "))),
        );
    } else if is_z && minor < FCOS_1_6 {
        let dialect = Variant::Fcos.dialect();
        let message = format!(
            "the layout {layout} is not part of {}",
            (dialect.version)(minor)
        );
        report.push(Diagnostic::error(layout_at, message).help((dialect.ask)(FCOS_1_6)));
    }
    match from.mirror.devices.as_slice() {
        [] => {}
        _ if is_z => report.push(
            Diagnostic::error(
                from.mirror.at,
                format!("the layout {layout} cannot be mirrored"),
            )
            .help("remove mirror: from boot_device"),
        ),
        [only] => report.push(
            Diagnostic::error(only.span, "a mirror of one device")
                .help("name at least two devices"),
        ),
        _ if from.layout.is_none() => report.push(
            by_age(
                minor,
                from.mirror.at,
                "the mirror does not say the layout of its disks",
            )
            .help("add layout: x86_64 to boot_device, or aarch64 or ppc64le"),
        ),
        _ => {}
    }
    encryption(from, layout, minor, report);
    let whole_disk = |start: &str| {
        let device = from.luks.device.as_ref()?.value.strip_prefix(start)?;
        (device.len() == 1 && device.bytes().all(|byte| byte.is_ascii_lowercase())).then_some(())
    };
    let needed = match layout {
        "s390x-eckd" => Some("/dev/dasd"),
        "s390x-zfcp" => Some("/dev/sd"),
        _ => None,
    };
    if let Some(start) = needed.filter(|start| whole_disk(start).is_none()) {
        report.push(
            Diagnostic::error(
                from.luks.at.or(layout_at),
                format!("the layout {layout} needs luks.device, a whole disk"),
            )
            .help(format!("write device: {start}a")),
        );
    }
    errors(report) == before
}

/// An error since fcos 1.7.0; before it was let pass, and what it meant is known.
fn by_age(minor: u8, span: Option<Span>, message: &str) -> Diagnostic {
    match minor >= FCOS_1_7 {
        true => Diagnostic::error(span, message),
        false => Diagnostic::warning(span, message),
    }
}

fn is_set(flag: &Option<At<bool>>) -> bool {
    flag.as_ref().is_some_and(|flag| flag.value)
}

fn by_clevis(luks: &BootLuks) -> bool {
    is_set(&luks.tpm2) || !luks.tang.is_empty()
}

/// Whether what shall open the volume can.
fn encryption(from: &BootDevice, layout: &str, minor: u8, report: &mut Report) {
    let luks = &from.luks;
    let by_cex = is_set(&luks.cex.enabled);
    if by_cex && !layout.starts_with("s390x") {
        report.push(
            Diagnostic::error(
                luks.cex.at,
                format!("only s390x has CEX cards, the layout is {layout}"),
            )
            .help("use tpm2 or tang, or say layout: s390x-eckd, s390x-zfcp or s390x-virt"),
        );
    }
    if by_cex && by_clevis(luks) {
        report.push(
            Diagnostic::error(luks.at, "a CEX card and Clevis cannot open the same volume")
                .help("keep either cex or tpm2 and tang"),
        );
    }
    // Whoever writes "tpm2: false" says that there is no encryption.
    let is_refused = luks.tpm2.is_some() || luks.cex.enabled.is_some();
    if luks.said().is_some() && !by_cex && !by_clevis(luks) && !is_refused {
        let message = "luks names nothing that opens the volume: the root is not encrypted";
        let found = match luks.device {
            Some(_) => by_age(minor, luks.at, message),
            None => Diagnostic::warning(luks.at, message),
        };
        report.push(found.help("add tpm2: true, tang: or (on s390x) cex: to boot_device.luks"));
    }
}

fn partition(
    label: String,
    mib: Option<i64>,
    kind: Option<&str>,
    span: Option<Span>,
) -> v3::Partition {
    v3::Partition {
        at: span,
        label: at(label, span),
        size_mib: mib.and_then(|mib| at(mib, span)),
        type_guid: kind.and_then(|kind| at(kind.to_string(), span)),
        ..v3::Partition::default()
    }
}

fn filesystem(device: &str, format: &str, label: &str, span: Option<Span>) -> v3::Filesystem {
    v3::Filesystem {
        at: span,
        device: at(device.to_string(), span),
        format: at(format.to_string(), span),
        label: at(label.to_string(), span),
        wipe_filesystem: at(true, span),
        ..v3::Filesystem::default()
    }
}

/// Every partition on every device, /boot and the root as mirrors over them.
fn mirror(devices: &[At<String>], first: &First, span: Option<Span>, storage: &mut v3::Storage) {
    for (index, device) in devices.iter().enumerate() {
        let (number, here) = (index + 1, device.span);
        let mut partitions: Vec<v3::Partition> = first
            .iter()
            .map(|(label, mib, kind)| {
                partition(format!("{label}-{number}"), Some(*mib), Some(kind), here)
            })
            .collect();
        partitions.push(partition(format!("boot-{number}"), Some(384), None, here));
        partitions.push(partition(format!("root-{number}"), None, None, here));
        storage.disks.push(v3::Disk {
            at: here,
            device: Some(device.clone()),
            wipe_table: at(true, here),
            partitions,
        });
        if first.iter().any(|(label, ..)| *label == "esp") {
            let device = format!("/dev/disk/by-partlabel/esp-{number}");
            let label = format!("esp-{number}");
            storage
                .filesystems
                .push(filesystem(&device, "vfat", &label, here));
        }
    }
    let array = |label: &str, options: &[&str]| v3::Raid {
        at: span,
        name: at(format!("md-{label}"), span),
        level: at("raid1".to_string(), span),
        devices: devices
            .iter()
            .enumerate()
            .map(|(index, device)| At {
                value: format!("/dev/disk/by-partlabel/{label}-{}", index + 1),
                span: device.span,
            })
            .collect(),
        options: Concat(
            options
                .iter()
                .map(|option| At {
                    value: option.to_string(),
                    span,
                })
                .collect(),
        ),
        spares: None,
    };
    // With the superblock at its end the boot loader reads a member as if it were no array.
    storage.raid.push(array("boot", &["--metadata=1.0"]));
    storage.raid.push(array("root", &[]));
    storage
        .filesystems
        .push(filesystem("/dev/md/md-boot", "ext4", "boot", span));
}

fn volume(luks: &BootLuks, layout: &str, mirrored: bool) -> v3::Luks {
    let given = luks.device.as_ref().map_or("", |device| &device.value);
    let device = match layout {
        "s390x-eckd" => format!("{given}2"),
        "s390x-zfcp" => format!("{given}4"),
        _ if mirrored => "/dev/md/md-root".into(),
        _ => "/dev/disk/by-partlabel/root".into(),
    };
    let by_cex = is_set(&luks.cex.enabled);
    let clevis = v3::Clevis {
        at: luks.at,
        tang: luks.tang.clone(),
        tpm2: luks.tpm2.clone(),
        threshold: luks.threshold.clone(),
        ..v3::Clevis::default()
    };
    v3::Luks {
        at: luks.at,
        name: at("root".to_string(), luks.at),
        device: at(device, luks.at),
        label: at("luks-root".to_string(), luks.at),
        discard: luks.discard.clone(),
        wipe_volume: at(true, luks.at),
        clevis: if by_cex {
            v3::Clevis::default()
        } else {
            clevis
        },
        cex: if by_cex {
            luks.cex.clone()
        } else {
            v3::Cex::default()
        },
        ..v3::Luks::default()
    }
}
