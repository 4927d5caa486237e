//! Butane → Ignition: the sections one to one, and the sugar (Butane's own documentation and behaviour).

mod boot_device;
mod contents;
mod fcos;
mod grub;
mod mounts;
mod openshift;
mod trees;
mod variants;

pub use openshift::MachineConfig;

use contents::Contents;

use crate::diag::{Diagnostic, Span, nearest};
use crate::json::{Node, Value};
use crate::merge;
use crate::spec::butane::{self as wire, Variant};
use crate::spec::v3::{self, version_name};
use crate::spec::{At, Decoder, Dialect, Wire as _};
use crate::spelling::nearest_within;
use crate::translate::{Translation, at};

/// A translated config.
pub struct Translated {
    /// The config.
    pub config: v3::Config,
    /// The minor version of Ignition that its version stands for.
    pub minor: u8,
    /// How its versions are called.
    pub dialect: &'static Dialect,
    /// What it says to a cluster (openshift).
    pub machine: Option<MachineConfig>,
}

/// Reads and translates a config; `None` where the report says why not.
pub fn translate(tree: &Node, cx: &mut Translation<'_>) -> Option<Translated> {
    let (variant, version, minor) = match version(tree) {
        Ok(found) => found,
        Err(diagnostic) => {
            cx.report.push(diagnostic);
            return None;
        }
    };
    let mut decoder = Decoder {
        dialect: variant.dialect(),
        minor,
        report: cx.report,
    };
    let config = wire::Config::decode(tree, &mut decoder)?;
    let before = cx.report.items.len();
    // Some checks came to OpenShift with a version that stands for an older one of Ignition.
    let rules = match variant {
        Variant::Openshift if minor >= 4 => minor.max(wire::FCOS_1_6),
        _ => minor,
    };
    variants::check(&config, variant, minor, cx.report);
    if matches!(variant, Variant::Fcos | Variant::Openshift) {
        fcos::check(&config, rules, cx.report);
    }
    if version == "1.2.0"
        && let Some(place) = config.boot_device.said()
    {
        cx.report.push(
            Diagnostic::error(place, "boot_device is not part of fcos 1.2.0")
                .help("set version to 1.3.0"),
        );
    }
    let cluster = (variant == Variant::Openshift)
        .then(|| openshift::Cluster::read(&config, version, minor, cx));
    let mut translated = from_wire(config, minor, rules, cluster.as_ref(), cx);
    if let Some(cluster) = &cluster {
        cluster.check(&mut translated, cx.report);
    }
    if minor == v3::EXPERIMENTAL_MINOR {
        let message = format!("version {version} may change its meaning until it is stable");
        cx.report.push(
            Diagnostic::warning(
                member(tree, "version").map(|version| version.value.span),
                message,
            )
            .help("use an older version unless you need what is new"),
        );
    }
    // What is known to be wrong must not be judged a second time as Ignition.
    let wrong = cx.report.items.get(before..).is_some_and(|new| {
        new.iter()
            .any(|item| item.severity == crate::diag::Severity::Error)
    });
    (!wrong).then(|| Translated {
        config: translated,
        minor,
        dialect: variant.dialect(),
        machine: cluster.map(|cluster| cluster.machine),
    })
}

fn member<'n>(tree: &'n Node, key: &str) -> Option<&'n crate::json::Member> {
    match &tree.value {
        Value::Object(members) => members.iter().find(|member| member.key == key),
        _ => None,
    }
}

/// The variant, the version and the minor version of Ignition that they stand for.
fn version(tree: &Node) -> Result<(Variant, &'static str, u8), Diagnostic> {
    let start = Span {
        end: tree.span.start.saturating_add(1),
        ..tree.span
    };
    let text = |key: &str, help: &str| match member(tree, key) {
        Some(member) => match &member.value.value {
            Value::String(text) | Value::Plain(text) => Ok((text.clone(), member.value.span)),
            other => Err(Diagnostic::error(
                member.value.span,
                format!("{key} is a string, this is {}", other.kind()),
            )),
        },
        None => {
            let members = match &tree.value {
                Value::Object(members) => members.as_slice(),
                _ => &[],
            };
            let near =
                |member: &&crate::json::Member| nearest_within(&member.key, [key], 2).is_some();
            let (place, help) = match members.iter().find(near) {
                Some(near) => (near.key_span, format!("did you mean {key:?}?")),
                None => (start, help.into()),
            };
            Err(Diagnostic::error(place, format!("the config does not say its {key}")).help(help))
        }
    };
    let (variant, place) = text("variant", "add variant: flatcar (or fcos)")?;
    let Some(variant) = Variant::parse(&variant) else {
        let why = match variant == "rhcos" {
            true => "the variant rhcos is over: it became openshift".into(),
            false => format!("unknown variant {variant:?}"),
        };
        let known = Variant::ALL.map(Variant::name);
        let help = match nearest(&variant, &known) {
            Some(meant) => format!("did you mean {meant}?"),
            None => format!("known are {}", known.join(", ")),
        };
        return Err(Diagnostic::error(place, why).help(help));
    };
    let (version, place) = text("version", "add version: 1.1.0")?;
    let known = variant.versions().iter().find(|(name, _)| *name == version);
    match known {
        Some((name, minor)) => Ok((variant, *name, *minor)),
        None => {
            let names: Vec<&str> = variant.versions().iter().map(|(name, _)| *name).collect();
            let stable = version.strip_suffix("-experimental");
            let why = match stable.is_some_and(|stable| names.contains(&stable)) {
                true => format!("the experimental version {version} is over: it became stable"),
                false => format!("unknown version {version:?} of this variant"),
            };
            Err(Diagnostic::error(place, why).help(format!("known are {}", names.join(", "))))
        }
    }
}

fn from_wire(
    config: wire::Config,
    minor: u8,
    rules: u8,
    cluster: Option<&openshift::Cluster>,
    cx: &mut Translation<'_>,
) -> v3::Config {
    let packs = cluster.is_none_or(openshift::Cluster::knows_compression);
    let mut contents = Contents { cx, packs };
    let generated = generated(&config, rules, &mut contents);
    let version = config.version.as_ref().and_then(|at| at.span);
    let mut translated = v3::Config {
        at: config.at,
        ignition: ignition(config.ignition, version, minor, &mut contents),
        kernel_arguments: config.kernel_arguments,
        passwd: v3::Passwd {
            at: config.passwd.at,
            groups: config.passwd.groups,
            users: config
                .passwd
                .users
                .into_iter()
                .map(|user| self::user(user, &mut contents))
                .collect(),
        },
        storage: v3::Storage {
            at: config.storage.at,
            directories: config.storage.directories,
            disks: config.storage.disks,
            files: config
                .storage
                .files
                .into_iter()
                .map(|file| self::file(file, &mut contents))
                .collect(),
            filesystems: config
                .storage
                .filesystems
                .into_iter()
                .map(filesystem)
                .collect(),
            links: config.storage.links,
            luks: config
                .storage
                .luks
                .into_iter()
                .map(|luks| self::luks(luks, &mut contents))
                .collect(),
            raid: config.storage.raid,
        },
        systemd: v3::Systemd {
            at: config.systemd.at,
            units: config
                .systemd
                .units
                .into_iter()
                .map(|unit| self::unit(unit, &mut contents))
                .collect(),
        },
    };
    trees::plant(
        &config.storage.trees,
        &mut translated.storage,
        &mut contents,
    );
    // The user's own words count before what the sugar stands for.
    merge::configs(generated, translated)
}

/// What the sugar stands for besides the sections themselves.
fn generated(config: &wire::Config, minor: u8, contents: &mut Contents<'_, '_>) -> v3::Config {
    let boot = boot_device::translate(&config.boot_device, minor, contents.cx);
    let grub = grub::translate(&config.grub, contents);
    let mut generated = merge::configs(grub, boot);
    generated.systemd.units = mounts::units(&config.storage, contents.cx);
    generated
}

fn ignition(
    from: wire::Ignition,
    version: Option<Span>,
    minor: u8,
    contents: &mut Contents<'_, '_>,
) -> v3::Ignition {
    v3::Ignition {
        at: from.at,
        version: at(version_name(minor), version),
        config: v3::IgnitionConfig {
            at: from.config.at,
            merge: contents.resources(from.config.merge),
            replace: from
                .config
                .replace
                .map(|replace| contents.resource(replace)),
        },
        timeouts: from.timeouts,
        security: v3::Security {
            at: from.security.at,
            tls: v3::Tls {
                at: from.security.tls.at,
                certificate_authorities: contents
                    .resources(from.security.tls.certificate_authorities),
            },
        },
        proxy: from.proxy,
    }
}

fn user(from: wire::User, contents: &mut Contents<'_, '_>) -> v3::User {
    let mut keys = from.ssh_authorized_keys;
    for file in &from.ssh_authorized_keys_local {
        let Some(text) = contents.local_text(file) else {
            continue;
        };
        let lines = text.lines().map(str::trim_end);
        keys.extend(
            lines
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .map(|line| At {
                    value: line.to_string(),
                    span: file.span,
                }),
        );
    }
    v3::User {
        at: from.at,
        name: from.name,
        gecos: from.gecos,
        groups: from.groups,
        home_dir: from.home_dir,
        no_create_home: from.no_create_home,
        no_log_init: from.no_log_init,
        no_user_group: from.no_user_group,
        password_hash: from.password_hash,
        primary_group: from.primary_group,
        shell: from.shell,
        should_exist: from.should_exist,
        ssh_authorized_keys: keys,
        system: from.system,
        uid: from.uid,
    }
}

fn file(from: wire::File, contents: &mut Contents<'_, '_>) -> v3::File {
    v3::File {
        at: from.at,
        path: from.path,
        user: from.user,
        group: from.group,
        overwrite: from.overwrite,
        mode: from.mode,
        contents: contents.resource(from.contents),
        append: crate::spec::Concat(contents.resources(from.append)),
    }
}

fn filesystem(from: wire::Filesystem) -> v3::Filesystem {
    v3::Filesystem {
        at: from.at,
        device: from.device,
        format: from.format,
        path: from.path,
        label: from.label,
        uuid: from.uuid,
        options: from.options,
        mount_options: from.mount_options,
        wipe_filesystem: from.wipe_filesystem,
    }
}

fn luks(from: wire::Luks, contents: &mut Contents<'_, '_>) -> v3::Luks {
    v3::Luks {
        at: from.at,
        name: from.name,
        device: from.device,
        key_file: contents.resource(from.key_file),
        label: from.label,
        uuid: from.uuid,
        options: from.options,
        discard: from.discard,
        open_options: from.open_options,
        wipe_volume: from.wipe_volume,
        clevis: from.clevis,
        cex: from.cex,
    }
}

fn unit(from: wire::Unit, contents: &mut Contents<'_, '_>) -> v3::Unit {
    v3::Unit {
        at: from.at,
        name: from.name,
        contents: contents.text(from.contents, from.contents_local),
        dropins: from
            .dropins
            .into_iter()
            .map(|dropin| v3::Dropin {
                at: dropin.at,
                name: dropin.name,
                contents: contents.text(dropin.contents, dropin.contents_local),
            })
            .collect(),
        enabled: from.enabled,
        mask: from.mask,
    }
}

#[cfg(test)]
mod tests;
