//! RAID and LUKS (types/raid.go, luks.go, clevis.go, tang.go).

use super::check::{Check, Seen, flag, text};
use crate::model::{Clevis, Luks, Pin, Raid, SysPath, Tang};
use crate::spec::{At, v3};

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

/// Bytes of an array's name in its superblock (include/uapi/linux/raid/md_p.h, `set_name`).
const LONGEST_ARRAY: usize = 32;
/// Bytes of a volume's name without the closing zero (include/uapi/linux/dm-ioctl.h, `DM_NAME_LEN`).
const LONGEST_VOLUME: usize = 127;

impl Check<'_> {
    /// A name becomes an argument, a file in /dev and one in the keys' directory, and a field of a table.
    fn device_name(&mut self, name: &At<String>, what: &str, longest: usize) {
        let text = name.value.as_str();
        let odd = |c: char| c.is_whitespace() || c.is_control();
        if matches!(text, "." | ".." | "control") || text.starts_with(['-', '#', '%']) {
            self.report
                .error(name.span, format!("{what} may not be {text:?}"));
        } else if text.contains(odd) {
            self.report
                .error(name.span, format!("{what} may not hold blanks"));
        } else if text.len() > longest {
            let length = text.len();
            self.report.error(
                name.span,
                format!("{what} has {length} bytes, {longest} fit"),
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
                self.device_name(name, "the name of a RAID array", LONGEST_ARRAY);
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
            self.unique_strings(&wire.devices, "the RAID device", "devices");
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
                self.device_name(name, "the name of a LUKS volume", LONGEST_VOLUME);
            }
            let device = self.path(&wire.device, wire.at, "the device of the LUKS volume");
            if let Some(label) = wire.label.as_ref().filter(|label| label.value.len() > 47) {
                self.report.error(
                    label.span,
                    format!("the label has {} bytes, 47 fit", label.value.len()),
                );
            }
            let open_options = self.unique_strings(&wire.open_options, "the option", "openOptions");
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
                tang.push(Tang {
                    url: url.value,
                    thumbprint: thumbprint.value,
                    advertisement: text(&server.advertisement),
                });
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

    fn clevis_custom(&mut self, wire: &v3::ClevisCustom) -> Option<Pin> {
        let needs_network = flag(&wire.needs_network, false);
        if text(&wire.pin).is_none() && text(&wire.config).is_none() && !needs_network {
            return None;
        }
        let pin = self.required(&wire.pin, wire.at, "the pin of clevis.custom")?;
        let config = self.required(&wire.config, wire.at, "the config of clevis.custom")?;
        // It is an argument of clevis, which finds the program clevis-encrypt-PIN by it.
        if pin.value.starts_with('-') || pin.value.contains(['/', '\0']) {
            self.report.error(
                pin.span,
                format!("{:?} cannot be the name of a clevis pin", pin.value),
            );
        }
        Some(Pin {
            name: pin.value,
            config: config.value,
            needs_network,
        })
    }
}
