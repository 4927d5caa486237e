//! What becomes of entries once the machine has booted: they may lie below something that is mounted
//! over them, or on something that is not there any more.

use std::collections::{BTreeMap, HashSet};

use super::check::Check;
use super::files::inodes;
use super::unit_text;
use crate::diag::{Diagnostic, Span};
use crate::model::{Config, Filesystem, SysPath, Unit, UnitName};

/// Directories whose contents are made anew at each boot.
const VOLATILE: &[&str] = &["/proc", "/sys", "/dev", "/run", "/var/run", "/tmp"];
/// Directories that image-based systems keep read-only, and what in them is writable on some.
const READ_ONLY: &[&str] = &["/usr", "/bin", "/sbin", "/lib", "/lib64"];
const WRITABLE: &[&str] = &["/usr/local", "/usr/share/oem"];
/// Mount points for which the machine has units of its own.
const MOUNTED_ANYWAY: &[&str] = &[
    "/",
    "/boot",
    "/boot/efi",
    "/efi",
    "/usr",
    "/usr/share/oem",
    "/oem",
];
/// File systems that show what lies below their mount point.
const SHOWING: &[&str] = &["overlay", "autofs"];

/// Something mounted at a path.
#[derive(Clone, Copy)]
enum Mounted<'a> {
    /// A file system that is mounted while files are written.
    Already,
    /// What a unit mounts once the machine has booted.
    Later(&'a Unit),
}

impl Check<'_> {
    /// Entries below the mount point of a unit whose file system is not mounted while they are written.
    pub(super) fn hidden_entries(&mut self, config: &Config) {
        let mut mounted: BTreeMap<String, Mounted<'_>> = BTreeMap::new();
        for unit in config.units.iter().filter(|unit| unit.mask != Some(true)) {
            if let Some(path) = mount_point(unit) {
                mounted.insert(path, Mounted::Later(unit));
            }
        }
        if mounted.is_empty() {
            return;
        }
        for path in mounted_now(config) {
            mounted.insert(path.to_string(), Mounted::Already);
        }
        let entries = inodes(config).map(|inode| (inode.at, inode.path.to_string(), None));
        let homes = config
            .users
            .iter()
            .filter(|user| user.should_exist && !user.ssh_authorized_keys.is_empty());
        let homes = homes.map(|user| {
            let home = user.home_dir.as_ref().map(SysPath::to_string);
            let home = home.unwrap_or_else(|| format!("/home/{}", user.name));
            (user.at, format!("{home}/.ssh"), Some(user.name.as_str()))
        });
        for (at, path, keys_of) in entries.chain(homes) {
            let above = above(&path).find_map(|above| mounted.get_key_value(above));
            let Some((point, Mounted::Later(unit))) = above else {
                continue;
            };
            let what = match keys_of {
                Some(name) => format!("the SSH keys of {name} in {path}"),
                None => path,
            };
            self.report.push(
                Diagnostic::warning(
                    at,
                    format!("{what} will be hidden: {} mounts over {point} after it was written", unit.name),
                )
                .other(unit.at, "the unit is stated at")
                .help(format!("add the file system to the config with the path {point}, so that this is written into it")),
            );
        }
    }

    /// Entries that no booted machine has, and file systems that it will not mount.
    pub(super) fn lost_entries(&mut self, config: &Config) {
        let covered: HashSet<&str> = mounted_now(config).map(SysPath::as_str).collect();
        for inode in inodes(config) {
            let path = inode.path.as_str();
            let below = |list: &[&'static str]| {
                above(path).find_map(|above| list.iter().copied().find(|known| *known == above))
            };
            let place = match (below(VOLATILE), below(READ_ONLY), below(WRITABLE)) {
                (Some(top), _, _) => Some((
                    top,
                    format!("{path} will not be there: {top} is empty when the system starts"),
                    "let systemd-tmpfiles make it (tmpfiles.d(5)), or choose another directory",
                )),
                (_, Some(top), None) => Some((
                    top,
                    format!(
                        "{top} is read-only on Flatcar and systems like it, {path} cannot be written"
                    ),
                    "use a directory below /opt, /etc or /var",
                )),
                _ => None,
            };
            let Some((top, message, help)) = place else {
                continue;
            };
            // Some directory from the top of that tree down to the entry is mounted by the config itself.
            let on_own = above(path)
                .take_while(|above| above.len() >= top.len())
                .any(|above| covered.contains(above));
            if !on_own {
                self.report
                    .push(Diagnostic::warning(inode.at, message).help(help));
            }
        }
        self.unmounted(config);
    }

    /// Ignition mounts file systems while it provisions and makes no unit that mounts them later.
    fn unmounted(&mut self, config: &Config) {
        let paths: Vec<&str> = inodes(config).map(|inode| inode.path.as_str()).collect();
        if paths.contains(&"/etc/fstab") {
            return;
        }
        let units = config.units.iter().map(|unit| unit.name.as_str());
        let files = paths.iter().filter_map(|path| path.rsplit('/').next());
        let names: HashSet<&str> = units.chain(files).collect();
        for (filesystem, path) in config.filesystems.iter().filter_map(with_path) {
            let name = UnitName::of_path(path.as_str(), "mount");
            let has_unit = names.contains(name.as_str());
            // Below /run it is mounted for provisioning only, and meant to be.
            let for_now = above(path.as_str()).any(|above| VOLATILE.contains(&above));
            if has_unit || for_now || MOUNTED_ANYWAY.contains(&path.as_str()) {
                continue;
            }
            let at: Option<Span> = filesystem.at;
            self.report.push(
                Diagnostic::hint(
                    at,
                    format!("{path} will not be mounted after the first boot: the config has no unit {name}"),
                )
                .help(format!(
                    "add a unit {name} with What={} and Where={path} (with_mount_unit in Butane)",
                    filesystem.device
                )),
            );
        }
    }
}

/// File systems that are mounted while files are written, with their paths.
fn with_path(filesystem: &Filesystem) -> Option<(&Filesystem, &SysPath)> {
    let mounted = filesystem
        .format
        .is_some_and(|format| format.row().is_mounted);
    let path = filesystem.path.as_ref().filter(|_| mounted)?;
    Some((filesystem, path))
}

fn mounted_now(config: &Config) -> impl Iterator<Item = &SysPath> {
    config
        .filesystems
        .iter()
        .filter_map(with_path)
        .map(|(_, path)| path)
}

/// The directories above a path, innermost first, without the root.
fn above(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(parent(path), |path| parent(path))
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/')
        .map(|(parent, _)| parent)
        .filter(|parent| !parent.is_empty())
}

/// Where a unit mounts something that hides what lies there.
fn mount_point(unit: &Unit) -> Option<String> {
    let text = unit
        .contents
        .as_deref()
        .filter(|_| unit.name.kind() == "mount")?;
    let text = unit_text::parse(text).ok()?;
    let value = |key| text.value("Mount", key).map(|set| set.value.as_ref());
    let place = value("Where").filter(|place| !place.contains('%'))?;
    let place = place.trim_end_matches('/');
    let shows =
        value("Type").is_some_and(|kind| SHOWING.contains(&kind) || kind.starts_with("fuse"));
    let itself = value("What").is_some_and(|what| what.trim_end_matches('/') == place);
    (place.starts_with('/') && !shows && !itself).then(|| place.to_string())
}
