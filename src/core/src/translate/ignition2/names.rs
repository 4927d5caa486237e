//! File systems by name, and the paths of what lies on them.
//!
//! Version 3 has paths only: a file lies on whatever is mounted there while the machine is provisioned.
//! So each named file system gets a path: the one at which the config's own mount unit has it later on, or
//! a place of its own that is gone after the boot.

use std::collections::{BTreeMap, HashMap};

use crate::diag::{Diagnostic, Report, Span, nearest};
use crate::spec::v2;
use crate::spec::v3;
use crate::spec::{At, Concat};
use crate::translate::at;

/// Where file systems without a mount unit are mounted while the machine is provisioned.
const OWN_PLACE: &str = "/run/pilotlight/filesystems";
/// The OEM partition, which is known without being named.
const OEM: &str = "oem";
/// Where it is found, and where today's images mount it.
const OEM_DEVICE: &str = "/dev/disk/by-label/OEM";
const OEM_PATH: &str = "/oem";

/// The file systems of a config by their names.
pub(super) struct Filesystems {
    /// Name → path prefix of what lies on it; empty for the root.
    prefixes: BTreeMap<String, String>,
    translated: Vec<v3::Filesystem>,
}

impl Filesystems {
    pub(super) fn new(config: &v2::Config, report: &mut Report) -> Self {
        let mut names = Self {
            prefixes: BTreeMap::from([("root".into(), String::new())]),
            translated: Vec::new(),
        };
        let used = used_names(&config.storage);
        let mount_units = mount_units(config);
        // Of a name that is stated twice the later entry counts.
        let mut last: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, filesystem) in config.storage.filesystems.iter().enumerate() {
            match &filesystem.name {
                Some(name) => drop(last.insert(&name.value, index)),
                None if filesystem.mount.is_none() => {
                    report.error(filesystem.at, "the name of the file system is missing");
                }
                None => {}
            }
        }
        for (index, filesystem) in config.storage.filesystems.iter().enumerate() {
            let name = filesystem.name.as_ref().map(|name| name.value.as_str());
            if name.is_none_or(|name| last.get(name) == Some(&index)) {
                let used = name.is_some_and(|name| used.contains_key(name));
                names.add(filesystem, used, &mount_units, report);
            }
        }
        if let Some(span) = used.get(OEM)
            && !names.prefixes.contains_key(OEM)
        {
            names.add_oem(*span);
        }
        names
    }

    fn add(
        &mut self,
        old: &v2::Filesystem,
        used: bool,
        mount_units: &MountUnits<'_>,
        report: &mut Report,
    ) {
        let name = old.name.as_ref().map_or("", |name| name.value.as_str());
        let span = old.name.as_ref().and_then(|name| name.span).or(old.at);
        let Some(mount) = &old.mount else {
            match old
                .path
                .as_ref()
                .map(|path| (sysroot_prefix(&path.value), path))
            {
                Some((Some(prefix), _)) => drop(self.prefixes.insert(name.into(), prefix)),
                Some((None, path)) => report.push(
                    Diagnostic::error(path.span, "the path of a file system lies below /sysroot")
                        .help("write \"/sysroot\", or describe the file system by \"mount\""),
                ),
                None => report.push(
                    Diagnostic::error(span, "the file system has neither a mount nor a path")
                        .help("add \"mount\": {\"device\": …, \"format\": …}"),
                ),
            }
            return;
        };
        let path = match name {
            "root" => None,
            OEM => Some(OEM_PATH.to_string()),
            _ => match mounted_at(mount, mount_units) {
                Some(place) => Some(place),
                None if used => {
                    let place = format!("{OWN_PLACE}/{}", component(name));
                    report.push(
                        Diagnostic::warning(
                            span,
                            format!("no mount unit of the config mounts the file system {name:?}: its files are written, but the node will not see them"),
                        )
                        .help("add a systemd mount unit whose What= is its device or label"),
                    );
                    Some(place)
                }
                None => None,
            },
        };
        if name != "root" {
            let prefix = path.clone().unwrap_or_default();
            self.prefixes.insert(name.into(), prefix);
        }
        self.translated.push(filesystem(mount, path, span));
    }

    fn add_oem(&mut self, span: Option<Span>) {
        self.prefixes.insert(OEM.into(), OEM_PATH.into());
        self.translated.push(v3::Filesystem {
            at: span,
            device: at(OEM_DEVICE.to_string(), span),
            format: at("btrfs".to_string(), span),
            path: at(OEM_PATH.to_string(), span),
            ..v3::Filesystem::default()
        });
    }

    /// The path in version 3 of something that lies on a named file system.
    pub(super) fn path(
        &self,
        filesystem: &Option<At<String>>,
        path: &Option<At<String>>,
        entry: Option<Span>,
        report: &mut Report,
    ) -> Option<At<String>> {
        let Some(name) = filesystem.as_ref().filter(|name| !name.value.is_empty()) else {
            report.push(
                Diagnostic::error(entry, "the entry does not say which file system it lies on")
                    .help("add \"filesystem\": \"root\""),
            );
            return None;
        };
        let Some(prefix) = self.prefixes.get(&name.value) else {
            let known: Vec<&str> = self
                .prefixes
                .keys()
                .map(String::as_str)
                .chain([OEM])
                .collect();
            let help = match nearest(&name.value, &known) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None => format!("known here are {}", known.join(", ")),
            };
            report.push(
                Diagnostic::error(
                    name.span,
                    format!("there is no file system of the name {:?}", name.value),
                )
                .help(help),
            );
            return None;
        };
        let Some(path) = path else {
            report.error(entry, "the path is missing");
            return None;
        };
        // What is no absolute path is left for validation to say so.
        if prefix.is_empty() || !path.value.starts_with('/') {
            return Some(path.clone());
        }
        let inner = path.value.trim_end_matches('/');
        Some(At {
            value: format!("{prefix}{inner}"),
            span: path.span,
        })
    }

    pub(super) fn into_filesystems(self) -> Vec<v3::Filesystem> {
        self.translated
    }
}

/// Names that files, directories and links refer to.
/// The names that entries lie on, and where each is used first.
fn used_names(storage: &v2::Storage) -> BTreeMap<&str, Option<Span>> {
    let files = storage.files.iter().map(|file| &file.filesystem);
    let directories = storage.directories.iter().map(|dir| &dir.filesystem);
    let links = storage.links.iter().map(|link| &link.filesystem);
    let mut names = BTreeMap::new();
    for name in files.chain(directories).chain(links).flatten() {
        names.entry(name.value.as_str()).or_insert(name.span);
    }
    names
}

fn filesystem(mount: &v2::Mount, path: Option<String>, span: Option<Span>) -> v3::Filesystem {
    let create = mount.create.clone().unwrap_or_default();
    let options = [&mount.options, &create.options]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    v3::Filesystem {
        at: mount.at,
        device: mount.device.clone(),
        format: mount.format.clone(),
        path: path.and_then(|path| at(path, span)),
        label: mount.label.clone(),
        uuid: mount.uuid.clone(),
        options: Concat(options),
        wipe_filesystem: create
            .force
            .filter(|force| force.value)
            .or_else(|| mount.wipe_filesystem.clone()),
        ..v3::Filesystem::default()
    }
}

/// What the mount units of a config mount → where, and the number of the unit: the first one counts.
type MountUnits<'c> = HashMap<&'c str, (usize, &'c str)>;

fn mount_units(config: &v2::Config) -> MountUnits<'_> {
    let mut found = MountUnits::new();
    for (number, unit) in config.systemd.units.iter().enumerate() {
        let (Some(name), Some(contents)) = (&unit.name, &unit.contents) else {
            continue;
        };
        let setting = |key: &str| {
            contents.value.lines().find_map(|line| {
                let (name, value) = line.split_once('=')?;
                (name.trim() == key).then_some(value.trim())
            })
        };
        if name.value.ends_with(".mount")
            && let (Some(what), Some(place)) = (setting("What"), setting("Where"))
            && place.starts_with('/')
            && !place.trim_end_matches('/').is_empty()
        {
            let place = place.trim_end_matches('/');
            found.entry(what).or_insert((number, place));
        }
    }
    found
}

/// Where a mount unit of the config mounts this file system.
fn mounted_at(mount: &v2::Mount, units: &MountUnits<'_>) -> Option<String> {
    let device = mount.device.as_ref()?.value.clone();
    let by = |start: &str, value: &Option<At<String>>| {
        let value = value.as_ref()?;
        Some(format!("{start}{}", value.value))
    };
    let spellings = [
        Some(device),
        by("/dev/disk/by-label/", &mount.label),
        by("LABEL=", &mount.label),
        by("/dev/disk/by-uuid/", &mount.uuid),
        by("UUID=", &mount.uuid),
    ];
    let units = spellings
        .iter()
        .flatten()
        .filter_map(|what| units.get(what.as_str()));
    units.min().map(|(_, place)| (*place).to_owned())
}

/// The prefix that a path below /sysroot stands for.
fn sysroot_prefix(path: &str) -> Option<String> {
    let rest = path.strip_prefix("/sysroot")?;
    if !(rest.is_empty() || rest.starts_with('/')) {
        return None;
    }
    let rest = rest.trim_end_matches('/');
    // Today's images have a read-only /usr and the OEM partition at /oem.
    Some(match rest.strip_prefix("/usr/share/oem") {
        Some(below) if below.is_empty() || below.starts_with('/') => format!("{OEM_PATH}{below}"),
        _ => rest.to_string(),
    })
}

/// A name as one component of a path.
fn component(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') {
                c
            } else {
                '_'
            }
        })
        .collect()
}
