//! Variants besides flatcar and fcos, and what one has and another has not.

use super::openshift::HEAD as OPENSHIFT;
use super::{means, read, refused};

#[test]
fn every_variant_is_read() {
    for (header, expected) in [
        ("variant: r4e\nversion: 1.0.0", "3.3.0"),
        ("variant: r4e\nversion: 1.1.0", "3.4.0"),
        ("variant: fiot\nversion: 1.0.0", "3.4.0"),
        (OPENSHIFT, "3.4.0"),
        (&OPENSHIFT.replace("4.18", "4.8"), "3.2.0"),
        (&OPENSHIFT.replace("4.18", "4.13"), "3.2.0"),
        (&OPENSHIFT.replace("4.18", "4.21"), "3.5.0"),
        (&OPENSHIFT.replace("4.18", "4.22"), "3.5.0"),
        (&OPENSHIFT.replace("4.18", "5.0"), "3.5.0"),
    ] {
        let json = means(header, "");
        assert_eq!(json["ignition"]["version"], expected, "{header}");
    }
    for header in [
        "variant: flatcar\nversion: 1.2.0-experimental",
        "variant: fcos\nversion: 1.8.0-experimental",
        "variant: r4e\nversion: 1.2.0-experimental",
        "variant: fiot\nversion: 1.1.0-experimental",
        &OPENSHIFT.replace("4.18.0", "5.1.0-experimental"),
    ] {
        let (json, said) = read(header, "");
        assert_eq!(
            json["ignition"]["version"], "3.7.0-experimental",
            "{header}"
        );
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("2:10: warning: version "), "{said:?}");
    }
}

#[test]
fn sections_of_others_are_refused() {
    for (header, section, expected) in [
        (
            "variant: flatcar\nversion: 1.1.0",
            "boot_device: {luks: {tpm2: true}}",
            "c.bu:3:14: error: the variant flatcar has no boot_device",
        ),
        (
            "variant: flatcar\nversion: 1.1.0",
            "grub: {users: [{name: a, password_hash: b}]}",
            "c.bu:3:7: error: the variant flatcar has no grub",
        ),
        (
            "variant: r4e\nversion: 1.1.0",
            "storage: {filesystems: [{device: /dev/sdb, format: xfs}]}",
            "c.bu:3:25: error: the variant r4e has no filesystems under storage",
        ),
        (
            "variant: fiot\nversion: 1.0.0",
            "kernel_arguments: {should_exist: [quiet]}",
            "c.bu:3:19: error: the variant fiot has no kernel_arguments",
        ),
        (
            "variant: fcos\nversion: 1.5.0",
            "metadata: {name: a}",
            "c.bu:3:11: error: the variant fcos has no metadata",
        ),
        (
            "variant: fcos\nversion: 1.0.0",
            "ignition: {config: {merge: [{inline: '{}'}]}}",
            "c.bu:3:38: error: configs and certificate authorities cannot be inline in fcos 1.0.0",
        ),
        (
            "variant: fcos\nversion: 1.0.0",
            "ignition: {security: {tls: {certificate_authorities: [{inline: x}]}}}",
            "c.bu:3:64: error: configs and certificate authorities cannot be inline in fcos 1.0.0",
        ),
    ] {
        assert_eq!(refused(header, section), expected);
    }
}

#[test]
fn flatcar_says_which_kernel_arguments_grub_cannot_hand_on() {
    for (argument, expected) in [
        ("'dyndbg=\"file x +p\"'", Some("a blank")),
        ("'a=\"b c\" d'", Some("a blank")),
        ("'a\\b'", Some("a backslash")),
        ("\"it's\"", Some("a quotation mark")),
        ("é", Some("a character that is not printable ASCII")),
        ("'a\"b\"c'", Some("a quotation mark")),
        ("quiet", None),
        ("'console=tty0 console=ttyS0,115200n8'", None),
        ("'a=\"b\"'", None),
        ("'a$b;c'", None),
        ("'  quiet  '", None),
    ] {
        let section = format!("kernel_arguments: {{should_exist: [{argument}]}}");
        let (json, said) = read("variant: flatcar\nversion: 1.0.0", &section);
        assert!(!json.is_null(), "{said:?}");
        let about = said
            .iter()
            .find(|line| line.contains("GRUB cannot hand on"));
        match expected {
            Some(what) => {
                let about = about.unwrap_or_else(|| panic!("{argument}: {said:?}"));
                assert!(
                    about.contains(&format!("warning: the kernel argument holds {what}, ")),
                    "{about}"
                );
            }
            None => assert_eq!(about, None, "{argument}"),
        }
        let (_, said) = read("variant: fcos\nversion: 1.4.0", &section);
        assert!(!said.iter().any(|line| line.contains("GRUB")), "{said:?}");
    }
}

#[test]
fn a_section_at_the_wrong_level_is_told_where_it_belongs() {
    for (section, expected) in [
        ("units: []", "it belongs into systemd"),
        ("luks: []", "it belongs into storage"),
        ("files: []", "it belongs into storage"),
        ("users: []", "it belongs into passwd"),
        ("merge: []", "it belongs into ignition.config"),
        (
            "storage: {passwd: {}}",
            "it belongs at the top of the config",
        ),
        (
            "storage: {systemd: {}}",
            "it belongs at the top of the config",
        ),
        (
            "passwd: {storage: {}}",
            "it belongs at the top of the config",
        ),
        (
            "systemd: {kernel_arguments: {}}",
            "it belongs at the top of the config",
        ),
        ("storage: {units: []}", "it belongs into systemd"),
        ("systemd: {files: []}", "it belongs into storage"),
        (
            "passwd: {users: [{name: a, units: []}]}",
            "it belongs into systemd",
        ),
        (
            "storage: {files: [{path: /a, inline: a}]}",
            "it belongs into contents",
        ),
        (
            "ignition: {passwd: {}}",
            "it belongs at the top of the config",
        ),
    ] {
        let text = format!("variant: flatcar\nversion: 1.1.0\n{section}\n");
        let mut sources = crate::diag::Sources::default();
        let parsed = crate::config::read(&mut sources, "c", text.as_bytes());
        let said = parsed.report.render(&sources);
        assert!(
            said.contains(&format!("help: {expected}\n")),
            "{section}: {said}"
        );
    }
}
