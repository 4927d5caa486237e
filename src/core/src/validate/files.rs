//! Files, directories and links (types/file.go, node.go, storage.go).

use std::collections::BTreeMap;

use super::check::{Check, Seen, flag, octal_slip};
use crate::diag::{Diagnostic, Span};
use crate::model::{Config, Directory, File, Inode, Link, Owner, SysPath, account_number};
use crate::ordered::Gather as _;
use crate::spec::At;
use crate::spec::v3;

/// What files, directories and links have in common on the wire.
struct Common<'a> {
    at: Option<Span>,
    path: &'a Option<At<String>>,
    user: &'a v3::Owner,
    group: &'a v3::Owner,
    overwrite: bool,
}

macro_rules! common {
    ($wire:expr) => {
        Common {
            at: $wire.at,
            path: &$wire.path,
            user: &$wire.user,
            group: &$wire.group,
            overwrite: flag(&$wire.overwrite, false),
        }
    };
}

impl Check<'_> {
    fn inode(&mut self, wire: &Common<'_>) -> Option<Inode> {
        let path = self.path(wire.path, wire.at, "the path")?;
        Some(Inode {
            at: wire.path.as_ref().and_then(|at| at.span).or(wire.at),
            path,
            user: self.owner(wire.user),
            group: self.owner(wire.group),
            overwrite: wire.overwrite,
        })
    }

    fn owner(&mut self, wire: &v3::Owner) -> Option<Owner> {
        let name = wire.name.as_ref().filter(|name| !name.value.is_empty());
        match (&wire.id, name) {
            (Some(_), Some(name)) => {
                self.report.push(
                    Diagnostic::error(name.span, "an owner has an id or a name, not both")
                        .help("remove one of them"),
                );
                None
            }
            (Some(id), None) => self
                .scalar(
                    account_number(id.value),
                    id.span,
                    &format!("id {}", id.value),
                )
                .map(Owner::Id),
            (None, Some(name)) => Some(Owner::Name(name.value.clone())),
            (None, None) => None,
        }
    }

    pub(super) fn files(&mut self, list: &[v3::File]) -> Vec<File> {
        let mut parsed = Vec::with_capacity(list.len());
        for wire in list {
            let inode = self.inode(&common!(wire));
            let mode = self.mode(&wire.mode);
            let contents = self.resource(&wire.contents);
            if flag(&wire.overwrite, false) && wire.contents.source.is_none() {
                let span = wire.overwrite.as_ref().and_then(|at| at.span);
                self.report.push(
                    Diagnostic::error(
                        span,
                        "overwrite removes the file, but there are no contents to write",
                    )
                    .help("add contents (\"source\": \"\" for an empty file), or remove overwrite"),
                );
            }
            let append = wire
                .append
                .0
                .iter()
                .filter_map(|resource| self.resource(resource))
                .collect();
            if let Some(inode) = inode {
                if inode.path == SysPath::root() {
                    self.report.error(inode.at, "the root cannot be a file");
                }
                parsed.push(File {
                    inode,
                    mode,
                    contents,
                    append,
                });
            }
        }
        parsed
    }

    pub(super) fn directories(&mut self, list: &[v3::Directory]) -> Vec<Directory> {
        let mut parsed = Vec::new();
        for wire in list {
            let inode = self.inode(&common!(wire));
            let mode = self.mode(&wire.mode);
            self.enterable(&wire.mode);
            if let Some(inode) = inode {
                if inode.path == SysPath::root() && inode.overwrite {
                    self.report
                        .error(inode.at, "the root cannot be overwritten");
                }
                parsed.push(Directory { inode, mode });
            }
        }
        parsed
    }

    /// A directory that may be read, but has no x, is not entered. One without any bit is closed on
    /// purpose.
    fn enterable(&mut self, mode: &Option<At<i64>>) {
        let Some(mode) = mode else { return };
        let bits = mode.value;
        if bits & 0o400 == 0 || bits & 0o111 != 0 || octal_slip(bits).is_some() {
            return;
        }
        let entered = bits | (bits & 0o444) >> 2;
        self.report.push(
            Diagnostic::warning(
                mode.span,
                format!("mode {bits:04o} of a directory has no x: only root can enter it"),
            )
            .help(format!("use {entered:04o}, which is {entered} in decimal")),
        );
    }

    pub(super) fn links(&mut self, list: &[v3::Link]) -> Vec<Link> {
        let mut parsed = Vec::new();
        for wire in list {
            let inode = self.inode(&common!(wire));
            let target = self.required(&wire.target, wire.at, "the target of the link");
            let hard = flag(&wire.hard, false);
            if let Some(target) = &target {
                if target.value.contains('\0') || target.value.len() > 4095 {
                    self.report
                        .error(target.span, "the target of the link is not a path");
                }
                if hard {
                    let shown = format!("the target {:?} of a hard link", target.value);
                    self.clean_path(target, &shown);
                }
            }
            if hard && (wire.user != v3::Owner::default() || wire.group != v3::Owner::default()) {
                self.report.push(
                    Diagnostic::warning(
                        wire.user.at.or(wire.group.at),
                        "the owner of a hard link has no effect",
                    )
                    .help("set the owner of the file that it points at"),
                );
            }
            if let (Some(inode), Some(target)) = (inode, target) {
                if inode.path == SysPath::root() {
                    self.report.error(inode.at, "the root cannot be a link");
                }
                parsed.push(Link {
                    inode,
                    target: target.value,
                    hard,
                });
            }
        }
        parsed
    }

    /// Whether there is room for the paths: each directory on the way to each entry is looked at, and
    /// planned, with its whole path.
    pub(super) fn paths_fit(&mut self, config: &Config) -> bool {
        const ROOM: usize = 128 << 20;
        let mut taken = 0_usize;
        for inode in inodes(config) {
            taken = taken.saturating_add(inode.path.as_str().len() * inode.path.depth());
            if taken > ROOM {
                self.report.push(
                    Diagnostic::error(
                        inode.at,
                        "the paths of the config are too many and too deep",
                    )
                    .help("put deep trees into an archive that a unit unpacks"),
                );
                return false;
            }
        }
        true
    }

    /// Entries may not collide: two at one path, something below a link or a file, a unit's own path.
    pub(super) fn tree_conflicts(&mut self, config: &Config) {
        let mut seen = Seen::default();
        let inodes: Vec<&Inode> = inodes(config).collect();
        for inode in &inodes {
            self.unique(&mut seen, inode.path.as_str(), inode.at, "the path");
        }
        let no_directory: BTreeMap<&SysPath, (&str, Option<Span>)> = (config.files.iter())
            .map(|file| (&file.inode.path, ("a file", file.inode.at)))
            .chain(
                config
                    .links
                    .iter()
                    .map(|link| (&link.inode.path, ("a link", link.inode.at))),
            )
            .gather();
        for inode in &inodes {
            for above in inode.path.ancestors() {
                if let Some((what, at)) = no_directory.get(&above) {
                    self.report.push(
                        Diagnostic::error(
                            inode.at,
                            format!(
                                "{} lies below {above}, which the config makes {what}",
                                inode.path
                            ),
                        )
                        .other(*at, "stated at")
                        .help(match *what {
                            "a link" => "name the path through the real directory",
                            _ => "a path is a file or a directory: change one of the two",
                        }),
                    );
                }
            }
        }
        let directories: BTreeMap<&str, Option<Span>> = (config.directories.iter())
            .map(|directory| (directory.inode.path.as_str(), directory.inode.at))
            .gather();
        for link in config.links.iter().filter(|link| link.hard) {
            if let Some(at) = directories.get(link.target.as_str()) {
                self.report.push(
                    Diagnostic::error(
                        link.inode.at,
                        format!("a hard link cannot point at the directory {}", link.target),
                    )
                    .other(*at, "stated at"),
                );
            }
        }
        self.unit_paths(config, &inodes);
    }

    fn unit_paths(&mut self, config: &Config, inodes: &[&Inode]) {
        let mut owned: BTreeMap<String, Option<Span>> = BTreeMap::new();
        for unit in &config.units {
            let path = format!("/etc/systemd/system/{}", unit.name);
            for dropin in unit
                .dropins
                .iter()
                .filter(|dropin| dropin.contents.is_some())
            {
                owned.insert(format!("{path}.d/{}", dropin.name), dropin.at);
            }
            if unit
                .contents
                .as_deref()
                .is_some_and(|text| !text.is_empty())
            {
                owned.insert(path, unit.at);
            }
        }
        for inode in inodes {
            if let Some(at) = owned.get(inode.path.as_str()) {
                self.report.push(
                    Diagnostic::error(
                        inode.at,
                        format!("{} is also written by a unit of the config", inode.path),
                    )
                    .other(*at, "stated at")
                    .help("keep one of the two"),
                );
            }
        }
    }
}

/// Everything of the config that has a path of its own in the tree, but for units.
pub(super) fn inodes(config: &Config) -> impl Iterator<Item = &Inode> {
    (config.files.iter().map(|file| &file.inode))
        .chain(config.directories.iter().map(|directory| &directory.inode))
        .chain(config.links.iter().map(|link| &link.inode))
}
