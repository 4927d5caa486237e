use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::config::{self, Reading};
use crate::dataurl;
use crate::diag::Sources;
use crate::spec;
use crate::translate::{LocalEntry, LocalFiles, LocalKind};

/// Local files: path, contents, whether they are executable; contents that begin with "-> " are links.
struct Files(&'static [(&'static str, &'static str, bool)]);

impl LocalFiles for Files {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let found = self.0.iter().find(|(name, ..)| *name == path);
        found
            .map(|(_, text, _)| text.as_bytes().to_vec())
            .ok_or("no such file".into())
    }
    fn walk(&self, path: &str) -> Result<Vec<LocalEntry>, String> {
        let below = |name: &str| Some(name.strip_prefix(path)?.strip_prefix('/')?.to_string());
        let paths = self.0.iter().filter_map(|(name, ..)| below(name));
        let directories: BTreeSet<String> = paths
            .map(|path| path.rsplit_once('/').unwrap_or_default().0.to_string())
            .chain([String::new()])
            .collect();
        let directories = directories.into_iter().map(|path| LocalEntry {
            path,
            kind: LocalKind::Directory,
        });
        Ok(directories
            .chain(self.0.iter().filter_map(|(name, text, executable)| {
                let kind = match text.strip_prefix("-> ") {
                    Some(target) => LocalKind::Link {
                        target: target.into(),
                    },
                    None => LocalKind::File {
                        executable: *executable,
                    },
                };
                Some(LocalEntry {
                    path: below(name)?,
                    kind,
                })
            }))
            .collect())
    }
}

const FILES: Files = Files(&[
    ("motd", "welcome\n", false),
    (
        "keys",
        "# team\nssh-ed25519 AAAA a\n\nssh-ed25519 BBBB b\n",
        false,
    ),
    ("unit", "[Service]\nExecStart=/bin/true\n", false),
    ("tree/bin/run", "#!/bin/sh\n", true),
    ("tree/etc/app.conf", "x\n", false),
    ("tree/etc/link", "-> app.conf", false),
]);

fn read(header: &str, sections: &str) -> (Value, Vec<String>) {
    let text = format!("{header}\n{sections}");
    let mut sources = Sources::default();
    let reading = Reading {
        files: Some(&FILES),
        ..Reading::default()
    };
    let parsed = config::read_as(&mut sources, "c.bu", text.as_bytes(), reading);
    let said = parsed.report.render(&sources);
    let said = said.lines().filter(|line| line.starts_with("c.bu:"));
    let json = parsed
        .config
        .and_then(|config| spec::tree(&config))
        .unwrap_or_default();
    (json, said.map(Into::into).collect())
}

const FCOS: &str = "variant: fcos\nversion: 1.5.0";
const FLATCAR: &str = "variant: flatcar\nversion: 1.1.0";

fn means(header: &str, sections: &str) -> Value {
    let (json, said) = read(header, sections);
    assert!(!json.is_null(), "{said:?}");
    json
}

/// The first error.
fn refused(header: &str, sections: &str) -> String {
    let (json, said) = read(header, sections);
    assert!(json.is_null(), "{said:?}");
    said.into_iter()
        .find(|line| line.contains(": error: "))
        .unwrap()
}

fn contents(resource: &Value) -> String {
    let bytes = dataurl::decode(resource["source"].as_str().unwrap()).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn every_variant_stands_for_its_version_of_ignition() {
    for (header, expected) in [
        ("variant: flatcar\nversion: 1.0.0", "3.3.0"),
        ("variant: flatcar\nversion: 1.1.0", "3.4.0"),
        ("variant: fcos\nversion: 1.0.0", "3.0.0"),
        ("variant: fcos\nversion: 1.3.0", "3.2.0"),
        ("variant: fcos\nversion: 1.7.0", "3.6.0"),
        ("{\"variant\": \"fcos\", \"version\": \"1.5.0\"}", "3.4.0"),
    ] {
        assert_eq!(
            means(header, "")["ignition"]["version"],
            expected,
            "{header}"
        );
    }
    for (header, expected) in [
        (
            "variant: flatcar",
            "c.bu:1:1: error: the config does not say its version",
        ),
        (
            "variant: flatcra\nversion: 1.1.0",
            "c.bu:1:10: error: unknown variant \"flatcra\"",
        ),
        (
            "variant: rhcos\nversion: 0.1.0",
            "c.bu:1:10: error: the variant rhcos is over: it became openshift",
        ),
        (
            "variant: fcos\nverison: 1.4.0",
            "c.bu:2:1: error: the config does not say its version",
        ),
        (
            "variant: fcos\nversion: 9.0.0",
            "c.bu:2:10: error: unknown version \"9.0.0\" of this variant",
        ),
        (
            "variant: fcos\nversion: 1.6.0-experimental",
            "c.bu:2:10: error: the experimental version 1.6.0-experimental is over: it became stable",
        ),
        (
            "variant: fcos\nversion: 1.9.0-experimental",
            "c.bu:2:10: error: unknown version \"1.9.0-experimental\" of this variant",
        ),
        (
            "variant: fcos\nversion: 1.5",
            "c.bu:2:10: error: unknown version \"1.5\" of this variant",
        ),
    ] {
        assert_eq!(refused(header, ""), expected);
    }
}

#[test]
fn sections_are_ignitions_in_snake_case() {
    let json = means(
        FCOS,
        "kernel_arguments: {should_exist: [quiet]}
storage:
  disks:
    - device: /dev/vdb
      wipe_table: yes
      partitions: [{number: 1, label: a, size_mib: 64, start_mib: 0, type_guid: 0FC63DAF-8483-4772-8E79-3D69D8477DE4}]
  directories: [{path: /srv/d, mode: 0750, user: {name: core}}]
  links: [{path: /srv/l, target: d}]
passwd: {users: [{name: core, no_create_home: true, uid: 1234}]}
systemd: {units: [{name: a.service, mask: true}]}",
    );
    assert_eq!(json["kernelArguments"], json!({"shouldExist": ["quiet"]}));
    assert_eq!(json["storage"]["disks"][0]["wipeTable"], true);
    assert_eq!(json["storage"]["disks"][0]["partitions"][0]["sizeMiB"], 64);
    assert_eq!(json["storage"]["directories"][0]["mode"], 0o750);
    assert_eq!(
        json["passwd"]["users"][0],
        json!({"name": "core", "noCreateHome": true, "uid": 1234})
    );
    assert_eq!(json["systemd"]["units"][0]["mask"], true);
}

#[test]
fn keys_are_those_of_the_version_and_of_yaml() {
    let (_, said) = read(
        "variant: fcos\nversion: 1.3.0",
        "kernel_arguments: {should_exist: [quiet]}",
    );
    assert_eq!(
        said,
        [
            "c.bu:3:1: warning: key \"kernel_arguments\" is not part of fcos 1.2.0 or 1.3.0: it has no effect"
        ]
    );
    let (_, said) = read(FLATCAR, "Storage: {}");
    assert_eq!(
        said,
        ["c.bu:3:1: warning: unknown key \"Storage\" in the config: it has no effect"]
    );
    let (_, said) = read(FLATCAR, "storage: {files: [{path: /a, overwrit: true}]}");
    assert_eq!(
        said,
        ["c.bu:3:30: warning: unknown key \"overwrit\" in a file: it has no effect"]
    );
}

#[test]
fn contents_stand_in_the_config_or_in_local_files() {
    let json = means(
        FLATCAR,
        "storage:
  files:
    - path: /a
      contents: {inline: \"hello world\\n\"}
      append: [{local: motd}]
    - path: /b
      contents: {local: motd, compression: gzip}",
    );
    let files = &json["storage"]["files"];
    assert_eq!(
        files[0]["contents"],
        json!({"source": "data:,hello%20world%0A", "compression": ""})
    );
    assert_eq!(contents(&files[0]["append"][0]), "welcome\n");
    assert_eq!(files[1]["contents"]["compression"], "gzip");
    assert_eq!(contents(&files[1]["contents"]), "welcome\n");
    assert_eq!(
        refused(
            FLATCAR,
            "storage: {files: [{path: /a, contents: {inline: a, local: motd}}]}"
        ),
        "c.bu:3:59: error: local is stated beside inline"
    );
    assert_eq!(
        refused(
            FLATCAR,
            "storage: {files: [{path: /a, contents: {local: nothing}}]}"
        ),
        "c.bu:3:48: error: while reading the local file \"nothing\": no such file"
    );
}

#[test]
fn long_contents_are_compressed_and_the_same_every_time() {
    let sections = format!(
        "storage: {{files: [{{path: /a, contents: {{inline: \"{}\"}}}}]}}",
        "log line, again and again. ".repeat(100)
    );
    let file = |json: Value| json["storage"]["files"][0]["contents"].clone();
    let packed = file(means(FLATCAR, &sections));
    assert_eq!(packed["compression"], "gzip");
    assert!(packed["source"].as_str().unwrap().len() < 300);
    assert_eq!(packed, file(means(FLATCAR, &sections)));
}

#[test]
fn keys_and_units_come_from_local_files() {
    let json = means(
        FLATCAR,
        "passwd: {users: [{name: core, ssh_authorized_keys_local: [keys]}]}
systemd: {units: [{name: a.service, contents_local: unit}]}",
    );
    assert_eq!(
        json["passwd"]["users"][0]["sshAuthorizedKeys"],
        json!(["ssh-ed25519 AAAA a", "ssh-ed25519 BBBB b"])
    );
    assert_eq!(
        json["systemd"]["units"][0]["contents"],
        "[Service]\nExecStart=/bin/true\n"
    );
    let said = refused(
        FLATCAR,
        "systemd: {units: [{name: a.service, contents: \"[Unit]\", contents_local: unit}]}",
    );
    assert_eq!(
        said,
        "c.bu:3:73: error: contents_local is stated beside contents"
    );
}

#[test]
fn trees_are_planted_and_entries_say_owner_and_mode() {
    let json = means(
        FLATCAR,
        "storage:
  trees: [{local: tree, path: /opt}]
  files: [{path: /opt/etc/app.conf, mode: 0600, user: {id: 5}}]",
    );
    let files = &json["storage"]["files"];
    assert_eq!(files[0]["path"], "/opt/etc/app.conf");
    assert_eq!(
        (&files[0]["mode"], &files[0]["user"]["id"]),
        (&json!(0o600), &json!(5))
    );
    assert_eq!(contents(&files[0]["contents"]), "x\n");
    assert_eq!(files[1]["path"], "/opt/bin/run");
    assert_eq!(files[1]["mode"], 0o755);
    assert_eq!(
        json["storage"]["links"][0],
        json!({"path": "/opt/etc/link", "target": "app.conf"})
    );
    let said = refused(
        FLATCAR,
        "storage:
  trees: [{local: tree}]
  links: [{path: /etc/app.conf, target: /x}]",
    );
    assert_eq!(
        said,
        "c.bu:4:19: error: the tree holds /etc/app.conf, which the config asks for, too"
    );
}

#[test]
fn mount_units_are_made_and_the_users_own_count_first() {
    let json = means(
        FLATCAR,
        "storage:
  luks: [{name: data, device: /dev/vdb, clevis: {tang: [{url: http://t, thumbprint: x}]}}]
  filesystems:
    - {device: /dev/mapper/data, format: xfs, path: /var/lib/my-data, mount_options: [noatime], with_mount_unit: true}
    - {device: /dev/vdc, format: swap, with_mount_unit: true}
    - {device: /dev/vdd, format: ext4, path: /srv, with_mount_unit: true}
systemd: {units: [{name: srv.mount, enabled: false}]}",
    );
    let units = &json["systemd"]["units"];
    assert_eq!(units[0]["name"], "var-lib-my\\x2ddata.mount");
    assert_eq!(
        units[0]["contents"],
        "# Generated by pilotlight\n[Unit]\nRequires=systemd-fsck@dev-mapper-data.service\n\
         After=systemd-fsck@dev-mapper-data.service\n\n[Mount]\nWhere=/var/lib/my-data\n\
         What=/dev/mapper/data\nType=xfs\nOptions=noatime,_netdev\n\n[Install]\nRequiredBy=remote-fs.target\n"
    );
    assert_eq!(units[1]["name"], "dev-vdc.swap");
    assert_eq!(
        units[1]["contents"],
        "# Generated by pilotlight\n[Swap]\nWhat=/dev/vdc\n\n[Install]\nRequiredBy=swap.target\n"
    );
    assert_eq!(
        (&units[2]["name"], &units[2]["enabled"]),
        (&json!("srv.mount"), &json!(false))
    );
    assert_eq!(
        refused(
            FLATCAR,
            "storage: {filesystems: [{device: /dev/vdd, format: ext4, with_mount_unit: true}]}"
        ),
        "c.bu:3:75: error: a mount unit needs a path"
    );
}

#[test]
fn the_boot_device_is_mirrored_and_encrypted() {
    let json = means(
        FCOS,
        "boot_device:
  mirror: {devices: [/dev/sda, /dev/sdb]}
  luks: {tpm2: true, discard: true}",
    );
    let storage = &json["storage"];
    let labels = |disk: usize| -> Vec<String> {
        let list = storage["disks"][disk]["partitions"].as_array().unwrap();
        list.iter()
            .map(|p| p["label"].as_str().unwrap().into())
            .collect()
    };
    assert_eq!(labels(1), ["bios-2", "esp-2", "boot-2", "root-2"]);
    assert_eq!(
        storage["raid"],
        json!([
            {"name": "md-boot", "level": "raid1", "options": ["--metadata=1.0"],
             "devices": ["/dev/disk/by-partlabel/boot-1", "/dev/disk/by-partlabel/boot-2"]},
            {"name": "md-root", "level": "raid1",
             "devices": ["/dev/disk/by-partlabel/root-1", "/dev/disk/by-partlabel/root-2"]}])
    );
    assert_eq!(
        storage["luks"],
        json!([{"name": "root", "label": "luks-root", "device": "/dev/md/md-root", "wipeVolume": true,
                "discard": true, "clevis": {"tpm2": true}}])
    );
    let made: Vec<&str> = storage["filesystems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fs| fs["device"].as_str().unwrap())
        .collect();
    assert_eq!(
        made,
        [
            "/dev/disk/by-partlabel/esp-1",
            "/dev/disk/by-partlabel/esp-2",
            "/dev/md/md-boot",
            "/dev/mapper/root"
        ]
    );
    let root = means(FCOS, "boot_device: {luks: {tpm2: true}}");
    assert_eq!(
        root["storage"]["luks"][0]["device"],
        "/dev/disk/by-partlabel/root"
    );
}

#[test]
fn what_boot_devices_cannot_be() {
    for (header, sections, expected) in [
        (
            FCOS,
            "boot_device: {mirror: {devices: [/dev/sda]}}",
            "c.bu:3:34: error: a mirror of one device",
        ),
        (
            FCOS,
            "boot_device: {layout: vax}",
            "c.bu:3:23: error: unknown layout \"vax\"",
        ),
        (
            FLATCAR,
            "boot_device: {layout: x86_64}",
            "c.bu:3:14: error: the variant flatcar has no boot_device",
        ),
        (
            "variant: fcos\nversion: 1.2.0",
            "boot_device: {layout: x86_64}",
            "c.bu:3:14: error: boot_device is not part of fcos 1.2.0",
        ),
        (
            "variant: fcos\nversion: 1.6.0",
            "boot_device: {layout: s390x-eckd, luks: {tpm2: true}}",
            "c.bu:3:41: error: the layout s390x-eckd needs luks.device, a whole disk",
        ),
    ] {
        assert_eq!(refused(header, sections), expected);
    }
}

#[test]
fn grub_asks_for_a_password() {
    let json = means(
        FCOS,
        "grub: {users: [{name: root, password_hash: grub.pbkdf2.sha512.1.A}]}",
    );
    let file = &json["storage"]["files"][0];
    assert_eq!(file["path"], "/boot/grub2/user.cfg");
    assert_eq!(
        contents(&file["append"][0]),
        "# Generated by pilotlight\n\nset superusers=\"root\"\npassword_pbkdf2 root grub.pbkdf2.sha512.1.A\n"
    );
    assert_eq!(json["storage"]["filesystems"][0]["path"], "/boot");
    assert_eq!(
        refused(FCOS, "grub: {users: [{name: \"a b\", password_hash: x}]}"),
        "c.bu:3:23: error: the name of a GRUB user is one plain word"
    );
}

/// Disks and the boot device of Fedora CoreOS.
mod fcos;
mod openshift;
/// Owners and modes of trees.
mod trees;
mod variants;
