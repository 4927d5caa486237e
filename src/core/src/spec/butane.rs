//! Butane configs: all variants and versions, as one declaration.
//!
//! Butane has Ignition's sections with keys in snake case, and sugar. What it adds nothing to is decoded
//! into Ignition's own types. `since` is the minor version of Ignition that the Butane version stands for.
//! Source: the specifications config-* of Butane (docs/specs.md).

use std::borrow::Cow;

use super::v3;
use super::wire::{At, Concat, Dialect, Raw, wire};

type Text = Option<At<String>>;
type Flag = Option<At<bool>>;
type Int = Option<At<i64>>;

/// The minor version of Ignition that `fcos` 1.6.0 stands for, which checks more than those before.
pub const FCOS_1_6: u8 = 5;
/// The minor version of Ignition that `fcos` 1.7.0 stands for.
pub const FCOS_1_7: u8 = 6;

/// A variant: a family of versions for one distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// Flatcar Container Linux.
    Flatcar,
    /// Fedora CoreOS.
    Fcos,
    /// Red Hat CoreOS below OpenShift.
    Openshift,
    /// RHEL for Edge.
    R4e,
    /// Fedora IoT.
    Fiot,
}

impl Variant {
    /// All variants.
    pub const ALL: [Variant; 5] = [
        Variant::Flatcar,
        Variant::Fcos,
        Variant::Openshift,
        Variant::R4e,
        Variant::Fiot,
    ];

    /// How a config names it.
    pub fn name(self) -> &'static str {
        match self {
            Variant::Flatcar => "flatcar",
            Variant::Fcos => "fcos",
            Variant::Openshift => "openshift",
            Variant::R4e => "r4e",
            Variant::Fiot => "fiot",
        }
    }

    /// The variant of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variant| variant.name() == name)
    }

    /// Versions and the minor version of Ignition that each stands for.
    pub fn versions(self) -> &'static [(&'static str, u8)] {
        match self {
            Variant::Flatcar => &[("1.0.0", 3), ("1.1.0", 4), ("1.2.0-experimental", 7)],
            Variant::Fcos => &[
                ("1.0.0", 0),
                ("1.1.0", 1),
                ("1.2.0", 2),
                ("1.3.0", 2),
                ("1.4.0", 3),
                ("1.5.0", 4),
                ("1.6.0", 5),
                ("1.7.0", 6),
                ("1.8.0-experimental", 7),
            ],
            Variant::Openshift => &[
                ("4.8.0", 2),
                ("4.9.0", 2),
                ("4.10.0", 2),
                ("4.11.0", 2),
                ("4.12.0", 2),
                ("4.13.0", 2),
                ("4.14.0", 4),
                ("4.15.0", 4),
                ("4.16.0", 4),
                ("4.17.0", 4),
                ("4.18.0", 4),
                ("4.19.0", 5),
                ("4.20.0", 5),
                ("4.21.0", 5),
                ("4.22.0", 5),
                ("5.0.0", 5),
                ("5.1.0-experimental", 7),
            ],
            Variant::R4e => &[("1.0.0", 3), ("1.1.0", 4), ("1.2.0-experimental", 7)],
            Variant::Fiot => &[("1.0.0", 4), ("1.1.0-experimental", 7)],
        }
    }

    /// How its versions are called.
    pub fn dialect(self) -> &'static Dialect {
        match self {
            Variant::Flatcar => &FLATCAR,
            Variant::Fcos => &FCOS,
            Variant::Openshift => &OPENSHIFT,
            Variant::R4e => &R4E,
            Variant::Fiot => &FIOT,
        }
    }
}

macro_rules! dialects {
    ($($name:ident $variant:ident),*) => {$(
        const $name: Dialect = Dialect {
            version: |minor| named(Variant::$variant, minor),
            ask: |minor| ask(Variant::$variant, minor),
            any_case: false,
            yaml: true,
            spelling: snake_case,
        };
    )*};
}

dialects!(FLATCAR Flatcar, FCOS Fcos, OPENSHIFT Openshift, R4E R4e, FIOT Fiot);

fn version_for(variant: Variant, minor: u8) -> Option<&'static str> {
    let versions = variant.versions();
    versions
        .iter()
        .find(|(_, of)| *of >= minor)
        .map(|(name, _)| *name)
}

fn named(variant: Variant, minor: u8) -> String {
    let name = variant.name();
    // Several versions may stand for one of Ignition.
    let versions = variant.versions().iter().filter(|(_, of)| *of == minor);
    let versions: Vec<&str> = versions.map(|(version, _)| *version).collect();
    match versions.as_slice() {
        [first, .., last] if versions.len() > 2 => format!("{name} {first} to {last}"),
        _ => format!("{name} {}", versions.join(" or ")),
    }
}

fn ask(variant: Variant, minor: u8) -> String {
    match version_for(variant, minor) {
        Some(version) => format!("set version to {version}"),
        None => "no version of this variant has it: write the config as Ignition JSON".into(),
    }
}

/// `sizeMiB` → `size_mib`, `httpTotal` → `http_total`.
pub fn snake_case(key: &'static str) -> Cow<'static, str> {
    if !key.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(key);
    }
    let mut snake = String::with_capacity(key.len() + 4);
    for c in key.replace("MiB", "Mib").chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    Cow::Owned(snake)
}

fn text(value: &Text) -> Option<String> {
    value.as_ref().map(|at| at.value.clone())
}

wire! {
    /// A whole config.
    struct Config "the config" {
        "variant" since 0 variant: Text,
        "version" since 0 version: Text,
        "ignition" since 0 ignition: Ignition,
        "kernelArguments" since 3 kernel_arguments: v3::KernelArguments,
        "passwd" since 0 passwd: Passwd,
        "storage" since 0 storage: Storage,
        "systemd" since 0 systemd: Systemd,
        "bootDevice" since 2 boot_device: BootDevice,
        "grub" since 4 grub: Grub,
        "metadata" since 0 metadata: Metadata,
        "openshift" since 0 openshift: Openshift,
    }

    /// What a MachineConfig is called, and for which nodes it is (openshift).
    struct Metadata "metadata" {
        "name" since 0 name: Text,
        "labels" since 0 labels: Option<Raw>,
    }

    /// What a MachineConfig says besides the config of Ignition (openshift).
    struct Openshift "openshift" {
        "kernelArguments" since 0 kernel_arguments: Vec<At<String>>,
        "extensions" since 0 extensions: Vec<At<String>>,
        "fips" since 0 fips: Flag,
        "kernelType" since 0 kernel_type: Text,
    }

    /// Metadata of the config itself.
    struct Ignition "ignition" {
        "config" since 0 config: References,
        "timeouts" since 0 timeouts: v3::Timeouts,
        "security" since 0 security: Security,
        "proxy" since 1 proxy: v3::Proxy,
    }

    /// Other configs that this one builds on.
    struct References "ignition.config" {
        "merge" since 0 merge: Vec<Resource>,
        "replace" since 0 replace: Option<Resource>,
    }

    /// Security.
    struct Security "ignition.security" {
        "tls" since 0 tls: Tls,
    }

    /// Certificate authorities.
    struct Tls "ignition.security.tls" {
        "certificateAuthorities" since 0 certificate_authorities: Vec<Resource>,
    }

    /// Contents from a URL, from the config itself or from a local file.
    struct Resource "a resource" {
        "source" since 0 source: Text,
        "inline" since 0 inline: Text,
        "local" since 1 local: Text,
        "compression" since 0 compression: Text,
        "httpHeaders" since 1 http_headers: Vec<v3::HttpHeader>,
        "verification" since 0 verification: v3::Verification,
    }

    /// Accounts.
    struct Passwd "passwd" {
        "groups" since 0 groups: Vec<v3::Group>,
        "users" since 0 users: Vec<User>,
    }

    /// A user account.
    struct User "a user" key(this => text(&this.name)) {
        "name" since 0 name: Text,
        "gecos" since 0 gecos: Text,
        "groups" since 0 groups: Vec<At<String>>,
        "homeDir" since 0 home_dir: Text,
        "noCreateHome" since 0 no_create_home: Flag,
        "noLogInit" since 0 no_log_init: Flag,
        "noUserGroup" since 0 no_user_group: Flag,
        "passwordHash" since 0 password_hash: Text,
        "primaryGroup" since 0 primary_group: Text,
        "shell" since 0 shell: Text,
        "shouldExist" since 2 should_exist: Flag,
        "sshAuthorizedKeys" since 0 ssh_authorized_keys: Vec<At<String>>,
        "sshAuthorizedKeysLocal" since 4 ssh_authorized_keys_local: Vec<At<String>>,
        "system" since 0 system: Flag,
        "uid" since 0 uid: Int,
    }

    /// Everything on disks.
    struct Storage "storage" {
        "directories" since 0 directories: Vec<v3::Directory>,
        "disks" since 0 disks: Vec<v3::Disk>,
        "files" since 0 files: Vec<File>,
        "filesystems" since 0 filesystems: Vec<Filesystem>,
        "links" since 0 links: Vec<v3::Link>,
        "luks" since 2 luks: Vec<Luks>,
        "raid" since 0 raid: Vec<v3::Raid>,
        "trees" since 1 trees: Vec<Tree>,
    }

    /// A file.
    struct File "a file" key(this => text(&this.path)) {
        "path" since 0 path: Text,
        "user" since 0 user: v3::Owner,
        "group" since 0 group: v3::Owner,
        "overwrite" since 0 overwrite: Flag,
        "mode" since 0 mode: Int,
        "contents" since 0 contents: Resource,
        "append" since 0 append: Vec<Resource>,
    }

    /// A file system.
    struct Filesystem "a file system" key(this => text(&this.device)) {
        "device" since 0 device: Text,
        "format" since 0 format: Text,
        "path" since 0 path: Text,
        "label" since 0 label: Text,
        "uuid" since 0 uuid: Text,
        "options" since 0 options: Concat<At<String>>,
        "mountOptions" since 1 mount_options: Concat<At<String>>,
        "wipeFilesystem" since 0 wipe_filesystem: Flag,
        "withMountUnit" since 1 with_mount_unit: Flag,
    }

    /// A LUKS volume.
    struct Luks "a LUKS volume" key(this => text(&this.name)) {
        "name" since 2 name: Text,
        "device" since 2 device: Text,
        "keyFile" since 2 key_file: Resource,
        "label" since 2 label: Text,
        "uuid" since 2 uuid: Text,
        "options" since 2 options: Concat<At<String>>,
        "discard" since 4 discard: Flag,
        "openOptions" since 4 open_options: Vec<At<String>>,
        "wipeVolume" since 2 wipe_volume: Flag,
        "clevis" since 2 clevis: v3::Clevis,
        "cex" since 5 cex: v3::Cex,
    }

    /// A directory of local files that are written below a path.
    struct Tree "a tree" {
        "local" since 1 local: Text,
        "path" since 1 path: Text,
        "user" since 6 user: v3::Owner,
        "group" since 6 group: v3::Owner,
        "fileMode" since 6 file_mode: Int,
        "dirMode" since 6 dir_mode: Int,
    }

    /// systemd.
    struct Systemd "systemd" {
        "units" since 0 units: Vec<Unit>,
    }

    /// A unit.
    struct Unit "a unit" key(this => text(&this.name)) {
        "name" since 0 name: Text,
        "contents" since 0 contents: Text,
        "contentsLocal" since 4 contents_local: Text,
        "dropins" since 0 dropins: Vec<Dropin>,
        "enabled" since 0 enabled: Flag,
        "mask" since 0 mask: Flag,
    }

    /// A drop-in of a unit.
    struct Dropin "a drop-in" key(this => text(&this.name)) {
        "name" since 0 name: Text,
        "contents" since 0 contents: Text,
        "contentsLocal" since 4 contents_local: Text,
    }

    /// The disk that the machine boots from (fcos, from version 1.3.0 on).
    struct BootDevice "boot_device" {
        "layout" since 2 layout: Text,
        "luks" since 2 luks: BootLuks,
        "mirror" since 2 mirror: Mirror,
    }

    /// Encryption of the root file system.
    struct BootLuks "boot_device.luks" {
        "cex" since 5 cex: v3::Cex,
        "device" since 5 device: Text,
        "discard" since 4 discard: Flag,
        "tang" since 2 tang: Vec<v3::Tang>,
        "threshold" since 2 threshold: Int,
        "tpm2" since 2 tpm2: Flag,
    }

    /// Disks that mirror one another.
    struct Mirror "boot_device.mirror" {
        "devices" since 2 devices: Vec<At<String>>,
    }

    /// The boot loader (fcos).
    struct Grub "grub" {
        "users" since 4 users: Vec<GrubUser>,
    }

    /// Who may change what is booted.
    struct GrubUser "a user of GRUB" key(this => text(&this.name)) {
        "name" since 4 name: Text,
        "passwordHash" since 4 password_hash: Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_snake_case() {
        for (key, expected) in [
            ("sizeMiB", "size_mib"),
            ("typeGuid", "type_guid"),
            ("httpResponseHeaders", "http_response_headers"),
            ("sshAuthorizedKeysLocal", "ssh_authorized_keys_local"),
            ("tpm2", "tpm2"),
            ("noProxy", "no_proxy"),
        ] {
            assert_eq!(snake_case(key), expected);
        }
    }
}
