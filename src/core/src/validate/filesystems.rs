//! File systems and shares of the host (types/filesystem.go).

use std::collections::BTreeMap;

use super::check::{Check, Seen, Text, flag, text};
use crate::diag::{Diagnostic, Span};
use crate::model::format::NAMES;
use crate::model::{Filesystem, Format, Share};
use crate::spec::v3;

/// Longest tag of a share in bytes (virtio specification 1.2, section 5.11.4).
const TAG_BYTES: usize = 36;

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
            let format = text(&wire.format).and_then(|name| Format::named(&name));
            let mounted = format.is_none_or(|format| format.row().is_mounted);
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
            if !is_share(wire) {
                parsed.extend(self.filesystem(wire));
            }
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
            Some(given) => {
                let Some(format) = Format::named(&given.value) else {
                    let message = format!("unknown file system format {:?}", given.value);
                    self.report.push(
                        Diagnostic::error(given.span, message).help(format!("known are {NAMES}")),
                    );
                    return None;
                };
                let longest = format.row().label_bytes;
                let label = wire.label.as_ref();
                if let Some(label) = label.filter(|label| label.value.len() > longest)
                    && format != Format::None
                {
                    self.report.error(
                        label.span,
                        format!(
                            "the label has {} bytes, {longest} of {} fit",
                            label.value.len(),
                            format.name()
                        ),
                    );
                }
                Some(format)
            }
        };
        if format.is_none() {
            let wipe = wire.wipe_filesystem.as_ref().filter(|wipe| wipe.value);
            let described = [
                given(&wire.label),
                given(&wire.uuid),
                given(&wire.path),
                wire.options.0.first().map(|option| option.span),
                wire.mount_options.0.first().map(|option| option.span),
                wipe.map(|wipe| wipe.span),
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
                self.report.push(
                    Diagnostic::warning(
                        given.span,
                        "format \"none\" makes no file system: this has no effect",
                    )
                    .help("remove it, or choose another format"),
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
            mount_options: self.words(&wire.mount_options.0, "mountOptions"),
            wipe_filesystem: flag(&wire.wipe_filesystem, false),
        })
    }

    /// Directories of the host. They stand among the file systems, but no device holds them.
    pub(super) fn shares(&mut self, list: &[v3::Filesystem]) -> Vec<Share> {
        let mut parsed = Vec::new();
        for wire in list.iter().filter(|wire| is_share(wire)) {
            let tag = self.required(&wire.device, wire.at, "the tag of the share");
            if let Some(tag) = tag.as_ref().filter(|tag| tag.value.len() > TAG_BYTES) {
                let length = tag.value.len();
                self.report.error(
                    tag.span,
                    format!("the tag of the share has {length} bytes, {TAG_BYTES} fit"),
                );
            }
            let wipe = wire.wipe_filesystem.as_ref().filter(|wipe| wipe.value);
            let made = [
                given(&wire.label),
                given(&wire.uuid),
                wire.options.0.first().map(|option| option.span),
                wipe.map(|wipe| wipe.span),
            ];
            for span in made.into_iter().flatten() {
                self.report.push(
                    Diagnostic::error(
                        span,
                        "a virtiofs share is the host's: it is not made or wiped here",
                    )
                    .help("leave label, uuid, options and wipeFilesystem out"),
                );
            }
            parsed.extend(tag.map(|tag| Share {
                at: tag.span.or(wire.at),
                tag: tag.value,
                path: self.optional_path(&wire.path),
                mount_options: self.words(&wire.mount_options.0, "mountOptions"),
            }));
        }
        parsed
    }

    fn filesystem_uuid(&mut self, format: Format, uuid: &str, span: Option<Span>) {
        // With or without the dash in the middle.
        let good = match format.has_serial() {
            true => {
                let digits = uuid.replace('-', "");
                digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_hexdigit())
            }
            false => crate::model::Guid::parse(uuid).is_ok(),
        };
        if !good {
            let help = match format.has_serial() {
                true => "the UUID of a vfat file system is written as 1234-ABCD",
                false => "a UUID is written as xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
            };
            self.report.push(
                Diagnostic::error(span, format!("{uuid:?} is no UUID of {}", format.name()))
                    .help(help),
            );
        }
    }
}

fn is_share(wire: &v3::Filesystem) -> bool {
    let format = wire.format.as_ref().map(|format| format.value.as_str());
    format == Some(Format::Virtiofs.name())
}

/// Where a text stands that says something.
fn given(text: &Text) -> Option<Option<Span>> {
    let found = text.as_ref().filter(|at| !at.value.is_empty())?;
    Some(found.span)
}
