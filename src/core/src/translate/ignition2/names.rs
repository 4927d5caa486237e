//! File systems by name, and the paths of what lies on them.
//!
//! Version 3 has paths only: a file lies on whatever is mounted there while the machine is provisioned.
//! So each named file system gets a path: the one at which the config's own mount unit has it later on, or
//! a place of its own that is gone after the boot.

use std::collections::{BTreeMap, HashMap};

use super::stated;
use crate::diag::{Diagnostic, Report, Severity, Span, nearest};
use crate::spec::v2;
use crate::spec::v3;
use crate::spec::{At, Concat};
use crate::translate::at;

/// Where file systems without a mount unit are mounted while the machine is provisioned.
const OWN_PLACE: &str = "/run/pilotlight/filesystems";
/// The root and the OEM partition, which are known without being named.
const ROOT: &str = "root";
const OEM: &str = "oem";
/// Where the images have them: labels of file systems and of partitions.
const ROOT_DEVICES: &[&str] = &["/dev/disk/by-label/ROOT", "/dev/disk/by-partlabel/ROOT"];
const OEM_DEVICE: &str = "/dev/disk/by-label/OEM";
const OEM_DEVICES: &[&str] = &[OEM_DEVICE, "/dev/disk/by-partlabel/OEM"];
/// Where today's images mount the OEM partition.
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
            prefixes: BTreeMap::from([(ROOT.into(), String::new())]),
            translated: Vec::new(),
        };
        let used = used_names(&config.storage);
        let mount_units = mount_units(config);
        // Of a name that is stated twice the later entry counts.
        let mut last: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, filesystem) in config.storage.filesystems.iter().enumerate() {
            match name_of(filesystem) {
                Some(name) => drop(last.insert(name, index)),
                None if filesystem.mount.is_none() => {
                    report.error(filesystem.at, "the name of the file system is missing");
                }
                None => {}
            }
        }
        for (index, filesystem) in config.storage.filesystems.iter().enumerate() {
            let name = name_of(filesystem);
            if name.is_none_or(|name| last.get(name) == Some(&index)) {
                let used = name.is_some_and(|name| used.contains_key(name));
                names.add(filesystem, used, &mount_units, report);
            }
        }
        names
            .prefixes
            .entry(OEM.into())
            .or_insert_with(|| OEM_PATH.into());
        if let Some((_, span)) = used.iter().find(|(name, _)| names.lies_on_oem(name)) {
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
        let name = name_of(old).unwrap_or_default();
        let span = old.name.as_ref().and_then(|name| name.span).or(old.at);
        let Some(mount) = &old.mount else {
            match old
                .path
                .as_ref()
                .map(|path| (sysroot_prefix(&path.value), path))
            {
                Some((Some(prefix), _)) => drop(self.prefixes.insert(name.into(), prefix)),
                Some((None, path)) => report.push(
                    Diagnostic::error(
                        path.span,
                        "the path of a file system has to lie below /sysroot",
                    )
                    .help("write \"/sysroot\", or describe the file system by \"mount\""),
                ),
                None => report.push(
                    Diagnostic::error(span, "the file system has neither a mount nor a path")
                        .help("add \"mount\": {\"device\": …, \"format\": …}"),
                ),
            }
            return;
        };
        if let Some(path) = stated(old.path.clone()) {
            report.push(
                Diagnostic::error(path.span, "the file system has both a path and a mount")
                    .help("keep the mount: a path stands for what is mounted already"),
            );
        }
        let path = place(name, mount, mount_units).or_else(|| {
            if !used || is_root(name, mount) {
                return None;
            }
            let message = format!(
                "no mount unit of the config mounts the file system {name:?}: its files are written, but the node will not see them"
            );
            report.push(
                Diagnostic::warning(span, message)
                    .help("add a systemd mount unit whose What= is its device or label"),
            );
            Some(format!("{OWN_PLACE}/{}", component(name)))
        });
        if name != ROOT {
            let prefix = path.clone().unwrap_or_default();
            self.prefixes.insert(name.into(), prefix);
        }
        self.translated.push(filesystem(mount, path, span));
    }

    fn lies_on_oem(&self, name: &str) -> bool {
        let prefix = self.prefixes.get(name);
        let below = prefix.and_then(|prefix| prefix.strip_prefix(OEM_PATH));
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Has the OEM partition mounted while its files are written, unless the config says how.
    fn add_oem(&mut self, span: Option<Span>) {
        let mut paths = self.translated.iter().filter_map(|one| one.path.as_ref());
        if paths.any(|path| path.value == OEM_PATH) {
            return;
        }
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
            if report.is_full(Severity::Error) {
                return None;
            }
            let known: Vec<&str> = self.prefixes.keys().map(String::as_str).collect();
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
            report.push(
                Diagnostic::error(entry, "the path is missing")
                    .help("add \"path\": where it lies on that file system"),
            );
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

fn name_of(filesystem: &v2::Filesystem) -> Option<&str> {
    let name = filesystem.name.as_ref().map(|name| name.value.as_str());
    name.filter(|name| !name.is_empty())
}

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

fn is_root(name: &str, mount: &v2::Mount) -> bool {
    name == ROOT || is_one_of(ROOT_DEVICES, mount)
}

fn is_one_of(devices: &[&str], mount: &v2::Mount) -> bool {
    let device = mount.device.as_ref().map(|device| device.value.as_str());
    device.is_some_and(|device| devices.contains(&device))
}

/// Where the running node has this file system, as far as the config and the images say; the root lies
/// nowhere else.
fn place(name: &str, mount: &v2::Mount, mount_units: &MountUnits<'_>) -> Option<String> {
    if is_root(name, mount) {
        return None;
    }
    if name == OEM || is_one_of(OEM_DEVICES, mount) {
        return Some(OEM_PATH.into());
    }
    mounted_at(mount, mount_units)
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
