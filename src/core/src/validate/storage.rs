//! File systems, RAID and LUKS (types/filesystem.go, raid.go, luks.go, clevis.go, tang.go).

use std::collections::BTreeMap;

use super::check::{Check, Seen, flag, text};
use crate::diag::{Diagnostic, Span};
use crate::model::{Clevis, Filesystem, Format, Luks, Raid, SysPath};
use crate::spec::v3;

/// Formats with the length of their labels in bytes.
const FORMATS: &[(Format, usize)] = &[
    (Format::Ext4, 16),
    (Format::Btrfs, 256),
    (Format::Xfs, 12),
    (Format::Swap, 15),
    (Format::Vfat, 11),
    (Format::None, 0),
];

/// RAID levels as mdadm calls them, and whether they may have spares.
const LEVELS: &[(&str, bool)] = &[
    ("linear", false),
    ("raid0", false),
    ("0", false),
    ("stripe", false),
    ("raid1", true),
    ("1", true),
    ("mirror", true),
    ("raid4", true),
    ("4", true),
    ("raid5", true),
    ("5", true),
    ("raid6", true),
    ("6", true),
    ("raid10", true),
    ("10", true),
];

impl Check<'_> {
    pub(super) fn filesystems(&mut self, list: &[v3::Filesystem]) -> Vec<Filesystem> {
        let (mut devices, mut paths) = (Seen::default(), BTreeMap::new());
        let mut parsed = Vec::new();
        for wire in list {
            if let Some(device) = &wire.device {
                self.unique(
                    &mut devices,
                    &device.value,
                    device.span,
                    "the file system's device",
                );
            }
            let mounted = !matches!(text(&wire.format).as_deref(), Some("swap" | "none"));
            let path = wire.path.as_ref().filter(|path| !path.value.is_empty());
            // Two on one path hide one another, whether in one config or after merging.
            if let Some(path) = path.filter(|_| mounted)
                && let Some(first) = paths.insert(path.value.as_str(), path.span)
            {
                let message = format!("two file systems have the path {:?}", path.value);
                self.report.push(
                    Diagnostic::error(path.span, message)
                        .other(first, "the first is stated at")
                        .help("give one of them another path"),
                );
            }
            parsed.extend(self.filesystem(wire));
        }
        parsed
    }

    fn filesystem(&mut self, wire: &v3::Filesystem) -> Option<Filesystem> {
        let device = self.path(&wire.device, wire.at, "the device of the file system");
        let format = match wire
            .format
            .as_ref()
            .filter(|format| !format.value.is_empty())
        {
            None => None,
            Some(given) => match FORMATS
                .iter()
                .find(|(format, _)| format.name() == given.value)
            {
                Some((format, longest)) => {
                    let label = wire
                        .label
                        .as_ref()
                        .filter(|label| label.value.len() > *longest);
                    if let Some(label) = label.filter(|_| *format != Format::None) {
                        self.report.error(
                            label.span,
                            format!(
                                "the label has {} bytes, {} of {} fit",
                                label.value.len(),
                                longest,
                                format.name()
                            ),
                        );
                    }
                    Some(*format)
                }
                None => {
                    self.report.push(
                        Diagnostic::error(
                            given.span,
                            format!("unknown file system format {:?}", given.value),
                        )
                        .help("known are ext4, btrfs, xfs, vfat, swap and none"),
                    );
                    return None;
                }
            },
        };
        if format.is_none() {
            let described = [
                wire.label.as_ref().and_then(|at| at.span),
                wire.uuid.as_ref().and_then(|at| at.span),
                wire.path.as_ref().and_then(|at| at.span),
                wire.options.0.first().and_then(|at| at.span),
                wire.mount_options.0.first().and_then(|at| at.span),
                wire.wipe_filesystem
                    .as_ref()
                    .filter(|at| at.value)
                    .and_then(|at| at.span),
            ];
            if let Some(span) = described.into_iter().flatten().next() {
                self.report.push(
                    Diagnostic::error(span, "the file system has this, but no format")
                        .help("add \"format\": \"ext4\" (or btrfs, xfs, vfat, swap)"),
                );
            }
        }
        if format == Some(Format::None) {
            let described = [&wire.label, &wire.uuid, &wire.path]
                .into_iter()
                .flatten()
                .find(|at| !at.value.is_empty());
            if let Some(given) = described {
                self.report.error(
                    given.span,
                    "format \"none\" makes no file system that could have this",
                );
            }
        }
        let uuid = text(&wire.uuid);
        if let (Some(format), Some(uuid)) = (format, &uuid) {
            self.filesystem_uuid(format, uuid, wire.uuid.as_ref().and_then(|at| at.span));
        }
        Some(Filesystem {
            at: wire.device.as_ref().and_then(|at| at.span).or(wire.at),
            device: device?,
            format,
            path: self.optional_path(&wire.path),
            label: text(&wire.label),
            uuid,
            options: self.strings(&wire.options.0, "options"),
            mount_options: self.strings(&wire.mount_options.0, "mountOptions"),
            wipe_filesystem: flag(&wire.wipe_filesystem, false),
        })
    }

    fn filesystem_uuid(&mut self, format: Format, uuid: &str, span: Option<Span>) {
        let good = match format {
            // FAT has a serial number of 32 bits, with or without the dash in the middle.
            Format::Vfat => {
                let digits = uuid.replace('-', "");
                digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_hexdigit())
            }
            _ => crate::model::Guid::parse(uuid).is_ok(),
        };
        if !good {
            let help = match format {
                Format::Vfat => "the UUID of a vfat file system is written as 1234-ABCD",
                _ => "a UUID is written as xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
            };
            self.report.push(
                Diagnostic::error(span, format!("{uuid:?} is no UUID of {}", format.name()))
                    .help(help),
            );
        }
    }

    pub(super) fn raid(&mut self, list: &[v3::Raid]) -> Vec<Raid> {
        let mut seen = Seen::default();
        let mut parsed = Vec::new();
        for wire in list {
            let name = self.required(&wire.name, wire.at, "the name of the RAID array");
            if let Some(name) = &name {
                self.unique(&mut seen, &name.value, name.span, "the RAID array");
                if name.value.contains('/') {
                    self.report
                        .error(name.span, "the name of a RAID array may not hold '/'");
                }
            }
            let level = self.required(&wire.level, wire.at, "the level of the RAID array");
            let devices: Vec<SysPath> = wire
                .devices
                .iter()
                .filter_map(|device| {
                    self.path(&Some(device.clone()), wire.at, "a device of the RAID array")
                })
                .collect();
            if wire.devices.is_empty() {
                self.report.error(wire.at, "the RAID array has no devices");
            }
            self.unique_strings(&wire.devices, "the RAID device");
            let spares = self
                .natural(&wire.spares, "the number of spares")
                .unwrap_or(0);
            let spares_at = wire.spares.as_ref().and_then(|at| at.span);
            if let Some(level) = &level {
                match LEVELS.iter().find(|(known, _)| *known == level.value) {
                    None => self
                        .report
                        .error(level.span, format!("unknown RAID level {:?}", level.value)),
                    Some((_, false)) if spares > 0 => self.report.error(
                        spares_at,
                        format!("RAID level {} cannot have spares", level.value),
                    ),
                    Some(_) => {}
                }
            }
            if spares > 0 && spares >= wire.devices.len() as u64 {
                self.report.error(
                    spares_at,
                    format!(
                        "{spares} spares of {} devices leave none for the array",
                        wire.devices.len()
                    ),
                );
            }
            if let (Some(name), Some(level)) = (name, level) {
                parsed.push(Raid {
                    at: wire.at,
                    name: name.value,
                    level: level.value,
                    devices,
                    spares: u32::try_from(spares).unwrap_or(u32::MAX),
                    options: self.strings(&wire.options.0, "options"),
                });
            }
        }
        parsed
    }

    pub(super) fn luks(&mut self, list: &[v3::Luks]) -> Vec<Luks> {
        let mut seen = Seen::default();
        let mut parsed = Vec::new();
        for wire in list {
            let name = self.required(&wire.name, wire.at, "the name of the LUKS volume");
            if let Some(name) = &name {
                self.unique(&mut seen, &name.value, name.span, "the LUKS volume");
                if name.value.contains('/') {
                    self.report
                        .error(name.span, "the name of a LUKS volume may not hold '/'");
                }
            }
            let device = self.path(&wire.device, wire.at, "the device of the LUKS volume");
            if let Some(label) = wire.label.as_ref().filter(|label| label.value.len() > 47) {
                self.report.error(
                    label.span,
                    format!("the label has {} bytes, 47 fit", label.value.len()),
                );
            }
            let open_options = self.unique_strings(&wire.open_options, "the option");
            let key_file = self.resource(&wire.key_file);
            let clevis = self.clevis(&wire.clevis);
            let cex = flag(&wire.cex.enabled, false);
            if cex && (clevis.is_some() || key_file.is_some()) {
                self.report
                    .error(wire.cex.at, "cex excludes clevis and keyFile");
            }
            if let (Some(name), Some(device)) = (name, device) {
                parsed.push(Luks {
                    at: wire.at,
                    name: name.value,
                    device,
                    key_file,
                    label: text(&wire.label),
                    uuid: text(&wire.uuid),
                    options: self.strings(&wire.options.0, "options"),
                    open_options,
                    discard: flag(&wire.discard, false),
                    wipe_volume: flag(&wire.wipe_volume, false),
                    clevis,
                    cex,
                });
            }
        }
        parsed
    }

    fn clevis(&mut self, wire: &v3::Clevis) -> Option<Clevis> {
        let mut seen = Seen::default();
        let mut tang = Vec::new();
        for server in &wire.tang {
            let url = self.required(&server.url, server.at, "the URL of the tang server");
            let thumbprint = self.required(
                &server.thumbprint,
                server.at,
                "the thumbprint of the tang server",
            );
            if let Some(url) = &url {
                self.unique(&mut seen, &url.value, url.span, "the tang server");
                self.tang_url(url);
            }
            if let (Some(url), Some(thumbprint)) = (url, thumbprint) {
                tang.push((url.value, thumbprint.value, text(&server.advertisement)));
            }
        }
        let tpm2 = flag(&wire.tpm2, false);
        let threshold = self.natural(&wire.threshold, "the threshold");
        let custom = self.clevis_custom(&wire.custom);
        if custom.is_some() && (!tang.is_empty() || tpm2 || threshold.is_some_and(|t| t > 0)) {
            self.report.error(
                wire.custom.at,
                "a custom clevis pin excludes tang, tpm2 and threshold",
            );
        }
        if tang.is_empty() && !tpm2 && custom.is_none() {
            return None;
        }
        let pins = tang.len() as u64 + u64::from(tpm2);
        if threshold.is_some_and(|t| custom.is_none() && t > pins) {
            let span = wire.threshold.as_ref().and_then(|at| at.span);
            self.report.error(
                span,
                format!("the threshold is larger than the number of pins ({pins})"),
            );
        }
        Some(Clevis {
            tang,
            tpm2,
            threshold: u32::try_from(threshold.unwrap_or(1).max(1)).unwrap_or(u32::MAX),
            custom,
        })
    }

    fn clevis_custom(&mut self, wire: &v3::ClevisCustom) -> Option<(String, String, bool)> {
        let needs_network = flag(&wire.needs_network, false);
        if text(&wire.pin).is_none() && text(&wire.config).is_none() && !needs_network {
            return None;
        }
        let pin = self.required(&wire.pin, wire.at, "the pin of clevis.custom")?;
        let config = self.required(&wire.config, wire.at, "the config of clevis.custom")?;
        if !matches!(pin.value.as_str(), "tpm2" | "tang" | "sss") {
            self.report.push(
                Diagnostic::error(pin.span, format!("unknown clevis pin {:?}", pin.value))
                    .help("known are tpm2, tang and sss"),
            );
        }
        Some((pin.value, config.value, needs_network))
    }
}
