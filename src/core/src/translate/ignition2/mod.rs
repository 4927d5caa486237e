//! Ignition 2.0 to 2.4 → 3: what the fields of old configs mean (migrating-configs.md of the branch
//! spec2x; Flatcar's documentation of its 2.x images).
//!
//! Files lie on file systems by name (`names`); files are overwritten unless the config says otherwise;
//! entries may repeat, and the later one counts ([`crate::merge::appended`]).

mod disks;
mod names;
mod networkd;

use std::collections::HashSet;

use crate::diag::{Diagnostic, Severity};
use crate::json::Node;
use crate::merge;
use crate::spec::v2::{self, DIALECT};
use crate::spec::v3::{self, NEWEST_MINOR, version_name};
use crate::spec::{At, Concat, Decoder, Wire as _};
use crate::translate::{Translation, at};
use names::Filesystems;

/// Reads and translates a config of version 2.`minor`.0; `None` where the report says why not.
pub fn translate(tree: &Node, minor: u8, cx: &mut Translation<'_>) -> Option<v3::Config> {
    let mut decoder = Decoder {
        dialect: &DIALECT,
        minor,
        report: cx.report,
    };
    let config = v2::Config::decode(tree, &mut decoder)?;
    Some(from_wire(config, cx))
}

/// A word that says something: empty strings were the same as absent ones.
fn stated(text: Option<At<String>>) -> Option<At<String>> {
    text.filter(|text| !text.value.is_empty())
}

/// Translates a decoded config.
pub fn from_wire(config: v2::Config, cx: &mut Translation<'_>) -> v3::Config {
    let names = Filesystems::new(&config, cx.report);
    let storage = config.storage;
    let mut files: Vec<v3::File> = storage
        .files
        .into_iter()
        .filter_map(|file| self::file(file, &names, cx))
        .collect();
    // Units were written last, over files of the same path.
    let units = config.networkd.units.into_iter();
    files.extend(units.flat_map(|unit| networkd::files(unit, cx)));
    let directories = storage
        .directories
        .into_iter()
        .filter_map(|directory| self::directory(directory, &names, cx))
        .collect();
    let links = storage
        .links
        .into_iter()
        .filter_map(|link| self::link(link, &names, cx))
        .collect();
    let translated = v3::Config {
        at: config.at,
        ignition: ignition(config.ignition, cx),
        passwd: v3::Passwd {
            at: config.passwd.at,
            groups: config.passwd.groups.into_iter().map(group).collect(),
            users: config.passwd.users.into_iter().map(user).collect(),
        },
        storage: v3::Storage {
            at: storage.at,
            directories,
            disks: disks::disks(storage.disks, cx),
            files,
            filesystems: names.into_filesystems(),
            links,
            luks: Vec::new(),
            raid: storage.raid.into_iter().map(raid).collect(),
        },
        systemd: v3::Systemd {
            at: config.systemd.at,
            units: config.systemd.units.into_iter().map(unit).collect(),
        },
        ..v3::Config::default()
    };
    // Of entries that repeat the later one counts, as it does between a config and what it appends.
    merge::appended(v3::Config::default(), translated)
}

fn ignition(old: v2::Ignition, cx: &mut Translation<'_>) -> v3::Ignition {
    let mut references = |list: Vec<v2::Reference>| -> Vec<v3::Resource> {
        list.into_iter()
            .map(|old| {
                let contents = v2::Contents {
                    at: old.at,
                    source: old.source,
                    http_headers: old.http_headers,
                    verification: old.verification,
                    compression: None,
                };
                resource(contents, cx)
            })
            .collect()
    };
    v3::Ignition {
        at: old.at,
        version: at(
            version_name(NEWEST_MINOR),
            old.version.and_then(|at| at.span),
        ),
        config: v3::IgnitionConfig {
            at: old.config.at,
            merge: references(old.config.append),
            replace: references(old.config.replace.into_iter().collect()).pop(),
        },
        security: v3::Security {
            at: old.security.at,
            tls: v3::Tls {
                at: old.security.tls.at,
                certificate_authorities: references(old.security.tls.certificate_authorities),
            },
        },
        timeouts: v3::Timeouts {
            at: old.timeouts.at,
            http_response_headers: old.timeouts.http_response_headers,
            http_total: old.timeouts.http_total,
        },
        proxy: v3::Proxy {
            at: old.proxy.at,
            http_proxy: old.proxy.http_proxy,
            https_proxy: old.proxy.https_proxy,
            no_proxy: old.proxy.no_proxy,
        },
    }
}

fn resource(old: v2::Contents, cx: &mut Translation<'_>) -> v3::Resource {
    if let Some(hash) = &old.verification.hash
        && !hash.value.is_empty()
        && !hash.value.starts_with("sha512-")
    {
        cx.report.push(
            Diagnostic::error(hash.span, "version 2 knows hashes of kind sha512 only")
                .help("write sha512- and the 128 hexadecimal digits of sha512sum"),
        );
    }
    v3::Resource {
        at: old.at,
        source: old.source,
        compression: stated(old.compression),
        http_headers: old
            .http_headers
            .into_iter()
            .map(|header| v3::HttpHeader {
                at: header.at,
                name: header.name,
                value: header.value,
            })
            .collect(),
        verification: v3::Verification {
            at: old.verification.at,
            hash: old.verification.hash,
        },
    }
}

fn group(old: v2::Group) -> v3::Group {
    v3::Group {
        at: old.at,
        name: old.name,
        gid: old.gid,
        password_hash: old.password_hash,
        system: old.system,
        should_exist: None,
    }
}

fn user(old: v2::User) -> v3::User {
    let fields = old.create.unwrap_or(v2::Create {
        at: old.at,
        gecos: old.gecos,
        groups: old.groups,
        home_dir: old.home_dir,
        no_create_home: old.no_create_home,
        no_log_init: old.no_log_init,
        no_user_group: old.no_user_group,
        primary_group: old.primary_group,
        shell: old.shell,
        system: old.system,
        uid: old.uid,
    });
    v3::User {
        at: old.at,
        name: old.name,
        password_hash: old.password_hash,
        ssh_authorized_keys: once(old.ssh_authorized_keys),
        gecos: stated(fields.gecos),
        groups: once(fields.groups),
        home_dir: stated(fields.home_dir),
        no_create_home: fields.no_create_home,
        no_log_init: fields.no_log_init,
        no_user_group: fields.no_user_group,
        primary_group: stated(fields.primary_group),
        shell: stated(fields.shell),
        system: fields.system,
        uid: fields.uid,
        should_exist: None,
    }
}

/// A list without what it says again: it meant nothing then, and is an error now.
fn once(list: Vec<At<String>>) -> Vec<At<String>> {
    let mut seen = HashSet::new();
    let is_new = |at: &At<String>| seen.insert(at.value.clone());
    list.into_iter().filter(is_new).collect()
}

fn raid(old: v2::Raid) -> v3::Raid {
    v3::Raid {
        at: old.at,
        name: old.name,
        level: old.level,
        devices: old.devices,
        spares: old.spares,
        options: Concat(old.options),
    }
}

fn owner(old: v2::Owner) -> v3::Owner {
    v3::Owner {
        at: old.at,
        id: old.id,
        name: stated(old.name),
    }
}

fn file(old: v2::File, names: &Filesystems, cx: &mut Translation<'_>) -> Option<v3::File> {
    let path = names.path(&old.filesystem, &old.path, old.at, cx.report)?;
    let span = path.span;
    let mut file = v3::File {
        at: old.at,
        path: Some(path),
        user: owner(old.user),
        group: owner(old.group),
        mode: old.mode,
        ..v3::File::default()
    };
    let contents = resource(old.contents, cx);
    if let Some(append) = old.append.filter(|append| append.value) {
        if let Some(overwrite) = old.overwrite.filter(|overwrite| overwrite.value) {
            cx.report.push(
                Diagnostic::error(
                    overwrite.span,
                    "a file is either appended to or overwritten",
                )
                .other(append.span, "append is set at")
                .help("keep one of them"),
            );
        }
        file.append = Concat(vec![contents]);
        return Some(file);
    }
    file.overwrite = old.overwrite.or_else(|| at(true, span));
    // A file without contents was made empty.
    file.contents = v3::Resource {
        at: contents.at.or(span),
        source: contents.source.or_else(|| at(String::new(), span)),
        ..contents
    };
    Some(file)
}

fn directory(
    old: v2::Directory,
    names: &Filesystems,
    cx: &mut Translation<'_>,
) -> Option<v3::Directory> {
    let path = names.path(&old.filesystem, &old.path, old.at, cx.report)?;
    if old.mode.is_none() {
        let message = "the directory has no mode: version 2 made it with mode 0000, 0755 is used";
        let diagnostic = Diagnostic {
            severity: Severity::Hint,
            ..Diagnostic::error(path.span, message)
        };
        cx.report
            .push(diagnostic.help("state the mode: 493 is 0755, 448 is 0700"));
    }
    Some(v3::Directory {
        at: old.at,
        path: Some(path),
        user: owner(old.user),
        group: owner(old.group),
        overwrite: old.overwrite,
        mode: old.mode,
    })
}

fn link(old: v2::Link, names: &Filesystems, cx: &mut Translation<'_>) -> Option<v3::Link> {
    let path = names.path(&old.filesystem, &old.path, old.at, cx.report)?;
    let hard = old.hard.as_ref().is_some_and(|hard| hard.value);
    let target = if hard {
        // The target of a hard link lies on the same file system.
        names.path(&old.filesystem, &old.target, old.at, cx.report)
    } else {
        old.target
    };
    Some(v3::Link {
        at: old.at,
        path: Some(path),
        user: owner(old.user),
        group: owner(old.group),
        overwrite: old.overwrite,
        target,
        hard: old.hard,
    })
}

fn unit(old: v2::Unit) -> v3::Unit {
    // `enable: false` and `mask: false` meant nothing; `enabled` is the newer word and counts first.
    let enabled = old.enabled.or(old.enable.filter(|enable| enable.value));
    v3::Unit {
        at: old.at,
        name: old.name,
        contents: stated(old.contents),
        dropins: old
            .dropins
            .into_iter()
            .map(|dropin| v3::Dropin {
                contents: stated(dropin.contents),
                ..dropin
            })
            .collect(),
        enabled,
        mask: old.mask.filter(|mask| mask.value),
    }
}

#[cfg(test)]
mod tests;
