//! The variant openshift: what it refuses, and the MachineConfig that it becomes.

use serde_json::{Value, json};

use super::{FILES, contents, read, refused};
use crate::config::{self, Reading};
use crate::convert::to_machine_config;
use crate::diag::Sources;

/// The least of a config.
pub(super) const HEAD: &str = "variant: openshift
version: 4.18.0
metadata:
  name: 50-storage
  labels:
    machineconfiguration.openshift.io/role: worker";

/// The head of a config of another version.
fn head(version: &str) -> String {
    HEAD.replace("4.18.0", version)
}

/// The MachineConfig, and what is said of the config.
fn machine_config(header: &str, sections: &str) -> (Value, Vec<String>) {
    let mut sources = Sources::default();
    let reading = Reading {
        files: Some(&FILES),
        cluster: true,
        ..Reading::default()
    };
    let text = format!("{header}\n{sections}");
    let parsed = config::read_as(&mut sources, "c.bu", text.as_bytes(), reading);
    let said = parsed.report.render(&sources);
    let json = parsed
        .config
        .zip(parsed.machine)
        .map(|(config, machine)| to_machine_config(&config, &machine).unwrap());
    let lines = said.lines().filter(|line| line.starts_with("c.bu:"));
    (json.unwrap_or_default(), lines.map(Into::into).collect())
}

#[test]
fn a_machine_config_has_everything_and_nothing_is_said() {
    let (json, said) = machine_config(
        HEAD,
        "openshift: {fips: false, kernel_type: realtime, kernel_arguments: [a=b, quiet], extensions: [usbguard]}
storage: {files: [{path: /etc/a, mode: 0644, contents: {inline: a}}]}",
    );
    assert_eq!(said, Vec::<String>::new());
    assert_eq!(
        json,
        json!({
            "apiVersion": "machineconfiguration.openshift.io/v1",
            "kind": "MachineConfig",
            "metadata": {
                "labels": {"machineconfiguration.openshift.io/role": "worker"},
                "name": "50-storage",
            },
            "spec": {
                "config": {
                    "ignition": {"version": "3.4.0"},
                    "storage": {"files": [{
                        "path": "/etc/a",
                        "mode": 420,
                        "contents": {"compression": "", "source": "data:,a"},
                    }]},
                },
                "extensions": ["usbguard"],
                "fips": false,
                "kernelArguments": ["a=b", "quiet"],
                "kernelType": "realtime",
            },
        })
    );
}

#[test]
fn every_version_makes_the_config_of_its_ignition() {
    for (version, expected) in [
        ("4.8.0", "3.2.0"),
        ("4.9.0", "3.2.0"),
        ("4.10.0", "3.2.0"),
        ("4.11.0", "3.2.0"),
        ("4.12.0", "3.2.0"),
        ("4.13.0", "3.2.0"),
        ("4.14.0", "3.4.0"),
        ("4.15.0", "3.4.0"),
        ("4.16.0", "3.4.0"),
        ("4.17.0", "3.4.0"),
        ("4.18.0", "3.4.0"),
        ("4.19.0", "3.5.0"),
        ("4.20.0", "3.5.0"),
        ("4.21.0", "3.5.0"),
        ("4.22.0", "3.5.0"),
        ("5.0.0", "3.5.0"),
        ("5.1.0-experimental", "3.7.0-experimental"),
    ] {
        let (json, said) = machine_config(&head(version), "");
        assert_eq!(json["spec"]["config"]["ignition"]["version"], expected);
        assert_eq!(json["spec"].as_object().unwrap().len(), 1, "{version}");
        assert_eq!(said.is_empty(), !version.ends_with("experimental"));
    }
}

#[test]
fn what_differs_between_versions() {
    let long = "a".repeat(500);
    let file = format!("storage: {{files: [{{path: /etc/a, contents: {{inline: {long}}}}}]}}");
    for (version, compression) in [
        ("4.8.0", ""),
        ("4.9.0", ""),
        ("4.10.0", "gzip"),
        ("4.21.0", "gzip"),
    ] {
        let (json, _) = machine_config(&head(version), &file);
        let file = &json["spec"]["config"]["storage"]["files"][0];
        assert_eq!(file["contents"]["compression"], compression, "{version}");
    }
    let luks = "openshift: {fips: true}
storage:
  luks:
    - {name: a, device: /dev/sdb, clevis: {tpm2: true}}
    - {name: b, device: /dev/sdc, clevis: {tpm2: true}, options: [--cipher=x]}
    - {name: c, device: /dev/sdd, clevis: {tpm2: true}, options: [-c, x]}";
    let cbc = json!(["--cipher", "aes-cbc-essiv:sha256"]);
    for (version, first) in [
        ("4.8.0", &cbc),
        ("4.19.0", &cbc),
        ("4.20.0", &Value::Null),
        ("5.0.0", &Value::Null),
    ] {
        let (json, said) = machine_config(&head(version), luks);
        assert_eq!(json["spec"]["fips"], true, "{said:?}");
        let volumes = &json["spec"]["config"]["storage"]["luks"];
        assert_eq!(&volumes[0]["options"], first, "{version}");
        assert_eq!(volumes[1]["options"], json!(["--cipher=x"]), "{version}");
        assert_eq!(volumes[2]["options"], json!(["-c", "x"]), "{version}");
    }
    let users = "grub: {users: [{name: root, password_hash: grub.pbkdf2.x}]}";
    for version in ["4.19.0", "4.21.0", "5.0.0"] {
        let (json, said) = machine_config(&head(version), users);
        let file = &json["spec"]["config"]["storage"]["files"][0];
        assert!(
            contents(&file["contents"]).contains("superusers"),
            "{said:?}"
        );
        assert_eq!(file["append"], Value::Null, "{version}");
    }
}

#[test]
fn what_the_operator_does_not_take_is_refused() {
    let says = |what: &str| format!("error: the variant openshift has no {what}");
    for (version, section, place, what) in [
        (
            "4.18.0",
            "kernel_arguments: {should_exist: [quiet]}",
            "7:19",
            "kernel_arguments",
        ),
        (
            "4.18.0",
            "storage: {directories: [{path: /a}]}",
            "7:25",
            "directories",
        ),
        (
            "4.8.0",
            "storage: {directories: [{path: /a}]}",
            "7:25",
            "directories",
        ),
        (
            "4.18.0",
            "storage: {links: [{path: /a, target: /b}]}",
            "7:19",
            "links",
        ),
        (
            "4.18.0",
            "storage: {trees: [{local: tree}]}",
            "7:27",
            "links",
        ),
        ("4.18.0", "passwd: {groups: [{name: a}]}", "7:19", "groups"),
        (
            "4.18.0",
            "storage: {files: [{path: /a, contents: {source: 'http://h/'}}]}",
            "7:49",
            "files from URLs",
        ),
        (
            "4.18.0",
            "storage: {files: [{path: /a, append: [{inline: a}]}]}",
            "7:39",
            "append to files",
        ),
        (
            "4.18.0",
            "storage: {files: [{path: /a, mode: 04755, contents: {inline: a}}]}",
            "7:36",
            "special bits in modes",
        ),
        (
            "4.9.0",
            "storage: {files: [{path: /a, contents: {compression: gzip, source: 'data:,a'}}]}",
            "7:54",
            "compressed files before 4.10.0",
        ),
        (
            "4.18.0",
            "storage: {filesystems: [{device: /dev/sdb, format: btrfs}]}",
            "7:52",
            "btrfs",
        ),
        (
            "4.18.0",
            "storage: {filesystems: [{device: /dev/sdb, format: none}]}",
            "7:52",
            "format none",
        ),
        (
            "4.18.0",
            "passwd: {users: [{name: admin}]}",
            "7:25",
            "user but core",
        ),
        (
            "4.18.0",
            "passwd: {users: [{name: core, uid: 7}]}",
            "7:18",
            "fields of core but password_hash and ssh_authorized_keys",
        ),
        (
            "4.18.0",
            "passwd: {users: [{name: core, groups: [wheel]}]}",
            "7:18",
            "fields of core but password_hash and ssh_authorized_keys",
        ),
        (
            "4.12.0",
            "passwd: {users: [{name: core, password_hash: $6$a$b}]}",
            "7:46",
            "password_hash before 4.13.0",
        ),
        (
            "4.18.0",
            "grub: {users: [{name: root, password_hash: grub.pbkdf2.x}]}",
            "7:7",
            "users of GRUB before 4.19.0",
        ),
    ] {
        let expected = format!("c.bu:{place}: {}", says(what));
        assert_eq!(
            refused(&head(version), section),
            expected,
            "{version} {section}"
        );
    }
}

#[test]
fn what_the_metadata_lack_is_said() {
    const VERSION: &str = "variant: openshift\nversion: 4.18.0";
    const LABEL: &str = "machineconfiguration.openshift.io/role";
    let no_label = format!("error: the metadata has no label {LABEL}");
    for (sections, place, expected) in [
        (String::new(), "1:1", "error: the metadata has no name"),
        ("metadata:".into(), "3:9", "error: the metadata has no name"),
        (
            format!("metadata: {{labels: {{{LABEL}: worker}}}}"),
            "3:11",
            "error: the metadata has no name",
        ),
        (
            format!("metadata: {{name: '', labels: {{{LABEL}: worker}}}}"),
            "3:11",
            "error: the metadata has no name",
        ),
        ("metadata: {name: a}".into(), "3:11", &no_label),
        (
            "metadata: {name: a, labels: {role: worker}}".into(),
            "3:11",
            &no_label,
        ),
        (
            format!("metadata: {{name: a, labels: {{{LABEL}: }}}}"),
            "3:11",
            &no_label,
        ),
        (
            "metadata: {name: a, labels: [worker]}".into(),
            "3:29",
            "error: expected an object (labels), found an array",
        ),
        (
            format!("metadata: {{name: a, labels: {{{LABEL}: [worker]}}}}"),
            "3:70",
            "error: the value of a label is a text, this is an array",
        ),
        (
            "metadata: worker".into(),
            "3:11",
            "error: expected an object (metadata), found a string",
        ),
    ] {
        let said = refused(VERSION, &sections);
        assert_eq!(said, format!("c.bu:{place}: {expected}"), "{sections}");
    }
    let (_, said) = machine_config(
        VERSION,
        &format!("metadata: {{name: a, annotations: {{}}, labels: {{{LABEL}: infra}}}}"),
    );
    assert_eq!(
        said,
        ["c.bu:3:21: warning: unknown key \"annotations\" in metadata: it has no effect"]
    );
}

#[test]
fn the_section_for_the_cluster_is_checked() {
    for (section, expected) in [
        (
            "openshift: {kernel_type: fast}",
            "7:26: error: unknown kernel_type \"fast\"",
        ),
        (
            "openshift: {kernel_arguments: quiet}",
            "7:31: error: expected an array, found a string",
        ),
        (
            "openshift: {fips: maybe}",
            "7:19: error: expected true or false, found a string",
        ),
        (
            "openshift: [fips]",
            "7:12: error: expected an object (openshift), found an array",
        ),
    ] {
        assert_eq!(refused(HEAD, section), format!("c.bu:{expected}"));
    }
    let cex = "boot_device: {layout: s390x-zfcp, luks: {device: /dev/sda, cex: {enabled: true}}}\n";
    assert_eq!(
        refused(&head("4.19.0"), cex),
        "c.bu:7:75: error: the root's key of the Crypto Express card is not found without a kernel argument"
    );
    let (json, said) = machine_config(
        &head("4.19.0"),
        &format!("{cex}openshift: {{kernel_arguments: [rd.luks.key=/etc/luks/cex.key]}}"),
    );
    assert!(!json.is_null(), "{said:?}");
}

#[test]
fn a_node_that_boots_with_it_is_told_what_ignition_cannot_say() {
    let (json, said) = read(
        HEAD,
        "openshift: {fips: true, kernel_type: realtime, knel: x, kernel_arguments: [a], extensions: []}
storage: {files: [{path: /etc/a, mode: 0644, contents: {inline: a}}]}",
    );
    assert_eq!(json["ignition"]["version"], "3.4.0");
    let cannot =
        |key: &str| format!("openshift.{key} is for the cluster: an Ignition config cannot say it");
    assert_eq!(
        said,
        [
            "c.bu:7:48: warning: unknown key \"knel\" in openshift: it has no effect".to_owned(),
            format!("c.bu:7:76: warning: {}", cannot("kernel_arguments")),
            format!("c.bu:7:19: warning: {}", cannot("fips")),
            format!("c.bu:7:38: warning: {}", cannot("kernel_type")),
        ]
    );
}
