//! Container Linux Config → Ignition, by way of 2.x ([`crate::translate::ignition2`]).

mod options;
mod services;
mod sizes;
pub(super) mod text;

use crate::dataurl;
use crate::diag::Diagnostic;
use crate::json::{Node, Value};
use crate::spec::container_linux::{self as wire, DIALECT};
use crate::spec::v2;
use crate::spec::v3;
use crate::spec::{At, Decoder, Wire as _};
use crate::translate::{Translation, at, ignition2};

/// Reads and translates a config; `None` where the report says why not.
pub fn translate(tree: &Node, cx: &mut Translation<'_>) -> Option<v3::Config> {
    let mut decoder = Decoder {
        dialect: &DIALECT,
        minor: v2::NEWEST_MINOR,
        report: cx.report,
    };
    let config = wire::Config::decode(tree, &mut decoder)?;
    let mut old = v2::Config {
        at: config.at,
        ignition: ignition(config.ignition, cx),
        networkd: config.networkd,
        passwd: config.passwd,
        storage: storage(config.storage, cx),
        systemd: config.systemd,
    };
    let services = services::Sections {
        update: config.update,
        locksmith: config.locksmith,
        docker: config.docker,
        etcd: section(tree, "etcd"),
        flannel: section(tree, "flannel"),
    };
    services.add_to(&mut old, cx);
    Some(ignition2::from_wire(old, cx))
}

/// A section with options of any name. `etcd:` without anything asks for the service, too.
fn section<'n>(tree: &'n Node, key: &str) -> Option<options::Options<'n>> {
    let Value::Object(members) = &tree.value else {
        return None;
    };
    let found = members.iter().find(|member| member.key == key)?;
    Some(options::Options {
        place: found.key_span,
        value: &found.value,
    })
}

fn ignition(from: wire::Ignition, cx: &mut Translation<'_>) -> v2::Ignition {
    let mut references = |list: Vec<wire::Reference>| -> Vec<v2::Reference> {
        list.into_iter()
            .map(|reference| v2::Reference {
                at: reference.at,
                source: reference.source,
                verification: verification(reference.verification, cx),
                http_headers: Vec::new(),
            })
            .collect()
    };
    v2::Ignition {
        at: from.at,
        config: v2::IgnitionConfig {
            at: from.config.at,
            append: references(from.config.append),
            replace: references(from.config.replace.into_iter().collect()).pop(),
        },
        timeouts: from.timeouts,
        security: v2::Security {
            at: from.security.at,
            tls: v2::Tls {
                at: from.security.tls.at,
                certificate_authorities: references(from.security.tls.certificate_authorities),
            },
        },
        ..v2::Ignition::default()
    }
}

fn verification(from: wire::Verification, cx: &mut Translation<'_>) -> v2::Verification {
    let hash = match (from.hash.function, from.hash.sum) {
        (Some(function), Some(sum)) => Some(At {
            value: format!("{}-{}", function.value, sum.value),
            span: sum.span,
        }),
        (None, None) => None,
        _ => {
            cx.report.push(
                Diagnostic::error(from.hash.at, "a hash has a function and a sum")
                    .help("write function: sha512 and sum: with 128 hexadecimal digits"),
            );
            None
        }
    };
    v2::Verification { at: from.at, hash }
}

fn storage(from: wire::Storage, cx: &mut Translation<'_>) -> v2::Storage {
    let links = from.links.into_iter();
    let links = links.map(|link| v2::Link {
        filesystem: or_root(link.filesystem, &link.path),
        ..link
    });
    v2::Storage {
        at: from.at,
        disks: from
            .disks
            .into_iter()
            .map(|disk| self::disk(disk, cx))
            .collect(),
        files: from
            .files
            .into_iter()
            .map(|file| self::file(file, cx))
            .collect(),
        filesystems: from.filesystems,
        links: links.collect(),
        raid: from.raid,
        // Without a mode they were made with 0755, unlike those of plain 2.x.
        directories: from
            .directories
            .into_iter()
            .map(|directory| v2::Directory {
                filesystem: or_root(directory.filesystem, &directory.path),
                mode: directory
                    .mode
                    .or_else(|| at(0o755, directory.path.as_ref().and_then(|path| path.span))),
                ..directory
            })
            .collect(),
    }
}

/// The file system that an entry lies on: the root, unless it says another one.
fn or_root(stated: Option<At<String>>, path: &Option<At<String>>) -> Option<At<String>> {
    let stated = stated.filter(|name| !name.value.is_empty());
    stated.or_else(|| at("root".into(), path.as_ref().and_then(|path| path.span)))
}

/// Names that the transpiler had for partition types.
const TYPES: &[(&str, &str)] = &[
    (
        "linux_filesystem_data",
        "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
    ),
    ("raid_partition", "A19D880F-05FC-4D3B-A006-743F0F84911E"),
    (
        "raid_containing_root",
        "BE9067B9-EA49-4F15-B4F6-F36F8C9E1818",
    ),
    ("swap_partition", "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"),
];

fn disk(from: wire::Disk, cx: &mut Translation<'_>) -> v2::Disk {
    let mut partition = |from: wire::Partition| v2::Partition {
        at: from.at,
        number: from.number,
        label: from.label,
        start: None,
        size: None,
        start_mib: mib(from.start, cx),
        size_mib: mib(from.size, cx),
        type_guid: from.type_guid.map(|kind| {
            let known = TYPES.iter().find(|(name, _)| *name == kind.value);
            At {
                value: known.map_or(kind.value, |(_, guid)| guid.to_string()),
                span: kind.span,
            }
        }),
        guid: from.guid,
        wipe_partition_entry: from.wipe_partition_entry,
        should_exist: from.should_exist,
    };
    v2::Disk {
        at: from.at,
        device: from.device,
        partitions: from.partitions.into_iter().map(&mut partition).collect(),
        wipe_table: from.wipe_table,
    }
}

/// A size with units, in MiB.
fn mib(size: Option<At<String>>, cx: &mut Translation<'_>) -> Option<At<i64>> {
    const MIB: i64 = 1 << 20;
    // An empty word said nothing.
    let size = size.filter(|size| !size.value.is_empty())?;
    let text = &size.value;
    let message = match sizes::bytes(text) {
        Some(bytes) if bytes < 0 => format!("a size may not be negative, this is {text:?}"),
        Some(bytes) if bytes % MIB == 0 => return at(bytes / MIB, size.span),
        Some(_) => format!("{text:?} is no whole number of MiB"),
        None => format!("{text:?} is no size with a unit"),
    };
    cx.report.push(Diagnostic::error(size.span, message).help(
        "write it as in 512MiB, 10GB or 1GiB512MiB (K, M, G … are powers of 1024); 0 is all that is free",
    ));
    None
}

fn file(from: wire::File, cx: &mut Translation<'_>) -> v2::File {
    let contents = match (
        from.contents.inline,
        from.contents.local,
        from.contents.remote,
    ) {
        (Some(text), None, None) => v2::Contents {
            at: from.contents.at,
            source: at(dataurl::shortest(text.value.as_bytes()), text.span),
            ..v2::Contents::default()
        },
        (None, Some(name), None) => v2::Contents {
            at: from.contents.at,
            source: cx
                .local(&name)
                .and_then(|bytes| at(dataurl::shortest(&bytes), name.span)),
            ..v2::Contents::default()
        },
        (None, None, Some(remote)) => v2::Contents {
            at: remote.at,
            source: remote.url,
            compression: remote.compression,
            verification: verification(remote.verification, cx),
            http_headers: Vec::new(),
        },
        (None, None, None) => v2::Contents::default(),
        _ => {
            cx.report.push(
                Diagnostic::error(
                    from.contents.at,
                    "contents come from one of inline, local and remote, not from several",
                )
                .help("keep one of them"),
            );
            v2::Contents::default()
        }
    };
    v2::File {
        at: from.at,
        filesystem: or_root(from.filesystem, &from.path),
        path: from.path,
        user: from.user,
        group: from.group,
        mode: from.mode,
        overwrite: from.overwrite,
        append: from.append,
        contents,
    }
}

#[cfg(test)]
mod tests;
