//! What one variant has and another has not, as Butane refuses it.

use crate::diag::{Diagnostic, Report, Span};
use crate::json::{Node, Value};
use crate::spec::butane::{self as wire, Variant};
use crate::spec::cloud_config::Raw;
use crate::spec::v3;
use crate::spec::{At, Wire as _};
use crate::translate::at;

type Said = Option<Option<Span>>;

/// Checks that every section is one of the variant's.
pub(super) fn check(config: &wire::Config, variant: Variant, minor: u8, report: &mut Report) {
    let storage = &config.storage;
    let own_layout = "the image brings its disks as they are: mount further ones by systemd units";
    let sections: &[(&str, Said, &[Variant], &str)] = &[
        (
            "boot_device",
            config.boot_device.said(),
            &[Variant::Fcos, Variant::Openshift],
            match variant {
                Variant::Flatcar => {
                    "flatcar has disks, raid, luks and filesystems under storage: describe them there"
                }
                _ => own_layout,
            },
        ),
        (
            "grub",
            config.grub.said(),
            &[Variant::Fcos, Variant::Openshift],
            match variant {
                Variant::Flatcar => {
                    "flatcar reads /oem/grub.cfg: write that file under storage.files"
                }
                _ => "remove it",
            },
        ),
        (
            "kernel_arguments",
            config.kernel_arguments.said(),
            &[Variant::Fcos, Variant::Flatcar],
            match variant {
                Variant::Openshift => "write them below openshift: as kernel_arguments",
                _ => "set them when the image is built",
            },
        ),
        (
            "disks under storage",
            storage.disks.said(),
            NOT_EDGE,
            own_layout,
        ),
        (
            "filesystems under storage",
            storage.filesystems.said(),
            NOT_EDGE,
            own_layout,
        ),
        (
            "luks under storage",
            storage.luks.said(),
            NOT_EDGE,
            own_layout,
        ),
        (
            "raid under storage",
            storage.raid.said(),
            NOT_EDGE,
            own_layout,
        ),
        (
            "metadata",
            config.metadata.said(),
            &[Variant::Openshift],
            "it is part of the variant openshift: remove it",
        ),
        (
            "openshift section",
            config.openshift.said(),
            &[Variant::Openshift],
            "it is part of the variant openshift: remove it",
        ),
    ];
    for (name, said, variants, help) in sections {
        if let Some(place) = said
            && !variants.contains(&variant)
        {
            let message = format!("the variant {} has no {name}", variant.name());
            report.push(Diagnostic::error(*place, message).help(*help));
        }
    }
    if variant == Variant::Openshift {
        metadata(config, report);
    }
    // Of Flatcar's versions the last one has clevis; images from 2024 on have it anyway.
    if variant == Variant::Flatcar && minor < v3::EXPERIMENTAL_MINOR {
        for place in storage.luks.iter().filter_map(|luks| luks.clevis.said()) {
            report.push(
                Diagnostic::warning(place, "butane refuses clevis for the variant flatcar")
                    .help("images from 2024 on have clevis; on older ones the volume stays closed"),
            );
        }
    }
    if minor == 0 {
        let references = &config.ignition.config;
        let authorities = &config.ignition.security.tls.certificate_authorities;
        let list = references.merge.iter().chain(&references.replace);
        for inline in list
            .chain(authorities)
            .filter_map(|one| one.inline.as_ref())
        {
            let message = "configs and certificate authorities cannot be inline in fcos 1.0.0";
            report.push(Diagnostic::error(inline.span, message).help("set version to 1.1.0"));
        }
    }
}

const NOT_EDGE: &[Variant] = &[Variant::Flatcar, Variant::Fcos, Variant::Openshift];

fn field<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    match &node.value {
        Value::Object(members) => members.iter().find(|member| member.key == key),
        _ => None,
    }
    .map(|member| &member.value)
}

fn word(node: &Node) -> Option<&str> {
    match &node.value {
        Value::String(text) | Value::Plain(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

const ROLE: &str = "machineconfiguration.openshift.io/role";

/// A MachineConfig has a name and a role; what else it says does not concern the node's first boot.
fn metadata(config: &wire::Config, report: &mut Report) {
    let metadata = config.metadata.as_ref().map(|raw| &raw.0);
    let place = metadata.map(|node| node.span).or(config.at);
    let named = metadata.and_then(|node| field(node, "name")).and_then(word);
    if named.is_none() {
        report.push(
            Diagnostic::error(place, "the metadata has no name")
                .help("add metadata: with name: and labels:"),
        );
    }
    let labels = metadata.and_then(|node| field(node, "labels"));
    if labels
        .and_then(|labels| field(labels, ROLE))
        .and_then(word)
        .is_none()
    {
        report.push(
            Diagnostic::error(place, format!("the metadata has no label {ROLE}"))
                .help(format!("add labels: with {ROLE}: worker")),
        );
    }
    let Some(openshift) = config.openshift.as_ref().map(|raw| &raw.0) else {
        return;
    };
    let Value::Object(members) = &openshift.value else {
        let message = format!(
            "expected an object (openshift), found {}",
            openshift.value.kind()
        );
        report.error(openshift.span, message);
        return;
    };
    for member in members {
        let key = member.key.as_str();
        if !["kernel_type", "kernel_arguments", "extensions", "fips"].contains(&key) {
            let message = format!(
                "unknown key {} in openshift: it has no effect",
                crate::diag::key(key)
            );
            report.push(
                Diagnostic::warning(member.key_span, message)
                    .help("openshift knows: kernel_type, kernel_arguments, extensions, fips"),
            );
        } else if member.value.value != Value::Null {
            let message =
                format!("openshift.{key} is for the cluster: an Ignition config cannot say it");
            report.push(
                Diagnostic::warning(member.key_span, message)
                    .help("apply it as a MachineConfig, which butane makes of this config"),
            );
        }
    }
}

/// Where FIPS is asked for.
pub(super) fn fips(openshift: &Raw) -> Option<Span> {
    let wish = field(&openshift.0, "fips")?;
    let on = match &wish.value {
        Value::Bool(on) => *on,
        Value::Plain(text) => crate::yaml::boolean(text)?,
        _ => false,
    };
    on.then_some(wish.span)
}

/// What the cluster's operator takes of a node's config, and the cipher that FIPS asks for.
pub(super) fn openshift(
    config: &mut v3::Config,
    fips: Option<Span>,
    minor: u8,
    report: &mut Report,
) {
    if let Some(place) = fips {
        for luks in &mut config.storage.luks {
            let options = &mut luks.options.0;
            let is_cipher = |option: &At<String>| {
                let option = option.value.as_str();
                option == "-c" || option == "--cipher" || option.starts_with("--cipher=")
            };
            if !options.iter().any(is_cipher) {
                // FIPS 140-2 does not have the mode XTS.
                options.extend(at("--cipher".to_string(), place));
                options.extend(at("aes-cbc-essiv:sha256".to_string(), place));
            }
        }
    }
    let mut refuse = |place: Option<Span>, what: &str, help: &str| {
        let message = format!("the variant openshift has no {what}");
        report.push(Diagnostic::error(place, message).help(help));
    };
    let storage = &config.storage;
    for directory in &storage.directories {
        refuse(
            directory.at,
            "directories",
            "write the files that lie in it: their directories are made",
        );
    }
    for link in &storage.links {
        refuse(link.at, "links", "write a file instead");
    }
    for group in &config.passwd.groups {
        refuse(group.at, "groups", "remove it");
    }
    for filesystem in &storage.filesystems {
        if let Some(format) = filesystem
            .format
            .as_ref()
            .filter(|format| format.value == "btrfs")
        {
            refuse(format.span, "btrfs", "use xfs or ext4");
        }
    }
    for file in &storage.files {
        let by_grub = file
            .path
            .as_ref()
            .is_some_and(|path| path.value == super::grub::USERS);
        if let Some(append) = file.append.0.first().filter(|_| !by_grub) {
            refuse(append.at, "append to files", "write the whole file");
        }
        let source = file.contents.source.as_ref();
        if let Some(source) = source.filter(|source| !source.value.is_empty())
            && !source
                .value
                .get(..5)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
        {
            refuse(source.span, "files from URLs", "use inline: or local:");
        }
        if let Some(mode) = file.mode.as_ref().filter(|mode| mode.value & !0o777 != 0) {
            refuse(mode.span, "special bits in modes", "write it as in 0644");
        }
    }
    for user in &config.passwd.users {
        let name = user.name.as_ref();
        if name.is_none_or(|name| name.value != "core") {
            refuse(
                name.and_then(|name| name.span).or(user.at),
                "user but core",
                "remove it",
            );
        }
        let plain = v3::User {
            at: user.at,
            name: user.name.clone(),
            ssh_authorized_keys: user.ssh_authorized_keys.clone(),
            // Managed from 4.13.0 on, which stands for the same version of Ignition as those before.
            password_hash: user.password_hash.clone().filter(|_| minor >= 2),
            ..v3::User::default()
        };
        if *user != plain {
            refuse(
                user.at,
                "fields of core but password_hash and ssh_authorized_keys",
                "remove the others",
            );
        }
    }
}
