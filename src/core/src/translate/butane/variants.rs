//! What one variant has and another has not, as Butane refuses it.

use crate::diag::{Diagnostic, Report, Span};
use crate::grub;
use crate::spec::Wire as _;
use crate::spec::butane::{self as wire, Variant};
use crate::spec::v3;

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
    // Of Flatcar's versions the last one has clevis; images from 2024 on have it anyway.
    if variant == Variant::Flatcar && minor < v3::EXPERIMENTAL_MINOR {
        for place in storage.luks.iter().filter_map(|luks| luks.clevis.said()) {
            report.push(
                Diagnostic::warning(place, "butane refuses clevis for the variant flatcar")
                    .help("images from 2024 on have clevis; on older ones the volume stays closed"),
            );
        }
    }
    if variant == Variant::Flatcar {
        for argument in &config.kernel_arguments.should_exist {
            if let Some(what) = grub::unspeakable_entry(&argument.value) {
                let message = format!(
                    "the kernel argument holds {what}, which GRUB cannot hand on: Flatcar refuses it"
                );
                report.push(
                    Diagnostic::warning(argument.span, message)
                        .help("write the argument without it")
                        .secret(),
                );
            }
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
