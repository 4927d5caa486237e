//! Ignition config specification 3.0.0 to 3.7.0-experimental, as one declaration.
//!
//! Later minors only added fields and values, so one set of types with the version of each field stands
//! for all of them, and translating to the newest version is the identity. Values that came later than
//! their fields are the table of `validate::version_rules`. Source: the published schemas of each version.

use super::wire::{At, Concat, Dialect, as_declared, wire};

type Text = Option<At<String>>;
type Flag = Option<At<bool>>;
type Int = Option<At<i64>>;

/// The newest stable minor version.
pub const NEWEST_MINOR: u8 = 6;

/// The experimental minor version: its meaning may change until it is stable.
pub const EXPERIMENTAL_MINOR: u8 = 7;
/// What no version of Ignition has, and the stages of one boot say to one another.
pub const INTERNAL_MINOR: u8 = 8;

/// How a version is written: "3.4.0".
pub fn version_name(minor: u8) -> String {
    let experimental = if minor == EXPERIMENTAL_MINOR {
        "-experimental"
    } else {
        ""
    };
    format!("3.{minor}.0{experimental}")
}

/// How the versions of this specification are called.
pub const DIALECT: Dialect = Dialect {
    version: |minor| format!("version {}", version_name(minor)),
    ask: |minor| format!("set ignition.version to \"{}\"", version_name(minor)),
    any_case: true,
    yaml: false,
    spelling: as_declared,
};

fn text(value: &Text) -> Option<String> {
    value.as_ref().map(|at| at.value.clone())
}

wire! {
    /// A whole config.
    struct Config "the config" {
        "ignition" since 0 ignition: Ignition,
        "kernelArguments" since 3 kernel_arguments: KernelArguments,
        "passwd" since 0 passwd: Passwd,
        "storage" since 0 storage: Storage,
        "systemd" since 0 systemd: Systemd,
    }

    /// Metadata of the config itself.
    struct Ignition "ignition" {
        "version" since 0 version: Text,
        "config" since 0 config: IgnitionConfig,
        "timeouts" since 0 timeouts: Timeouts,
        "security" since 0 security: Security,
        "proxy" since 1 proxy: Proxy,
    }

    /// Other configs that this one builds on.
    struct IgnitionConfig "ignition.config" {
        "merge" since 0 merge: Vec<Resource>,
        "replace" since 0 replace: Option<Resource>,
    }

    /// Time limits of HTTP(S) fetches, in seconds.
    struct Timeouts "ignition.timeouts" {
        "httpResponseHeaders" since 0 http_response_headers: Int,
        "httpTotal" since 0 http_total: Int,
    }

    /// Security.
    struct Security "ignition.security" {
        "tls" since 0 tls: Tls,
    }

    /// Certificate authorities.
    struct Tls "ignition.security.tls" {
        "certificateAuthorities" since 0 certificate_authorities: Vec<Resource>,
    }

    /// Proxies.
    struct Proxy "ignition.proxy" {
        "httpProxy" since 1 http_proxy: Text,
        "httpsProxy" since 1 https_proxy: Text,
        "noProxy" since 1 no_proxy: Vec<At<String>>,
    }

    /// Contents that are fetched from a URL.
    struct Resource "a resource" key(this => text(&this.source)) {
        "source" since 0 source: Text,
        "compression" since 0 compression: Text,
        "httpHeaders" since 1 http_headers: Vec<HttpHeader>,
        "verification" since 0 verification: Verification,
    }

    /// A header of the request. Without a value it removes the parent config's.
    struct HttpHeader "an HTTP header" key(this => text(&this.name)) removes(this => this.value.is_none()) {
        "name" since 1 name: Text,
        "value" since 1 value: Text,
    }

    /// How the fetched contents are verified.
    struct Verification "verification" {
        "hash" since 0 hash: Text,
    }

    /// Kernel arguments.
    struct KernelArguments "kernelArguments" {
        "shouldExist" since 3 should_exist: Vec<At<String>>,
        "shouldNotExist" since 3 should_not_exist: Vec<At<String>>,
    }

    /// Accounts.
    struct Passwd "passwd" {
        "groups" since 0 groups: Vec<Group>,
        "users" since 0 users: Vec<User>,
    }

    /// A group account.
    struct Group "a group" key(this => text(&this.name)) {
        "name" since 0 name: Text,
        "gid" since 0 gid: Int,
        "passwordHash" since 0 password_hash: Text,
        "shouldExist" since 2 should_exist: Flag,
        "system" since 0 system: Flag,
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
        "system" since 0 system: Flag,
        "uid" since 0 uid: Int,
    }

    /// Everything on disks.
    struct Storage "storage" {
        "directories" since 0 directories: Vec<Directory>,
        "disks" since 0 disks: Vec<Disk>,
        "files" since 0 files: Vec<File>,
        "filesystems" since 0 filesystems: Vec<Filesystem>,
        "links" since 0 links: Vec<Link>,
        "luks" since 2 luks: Vec<Luks>,
        "raid" since 0 raid: Vec<Raid>,
    }

    /// A disk and its partitions.
    struct Disk "a disk" key(this => text(&this.device)) {
        "device" since 0 device: Text,
        "partitions" since 0 partitions: Vec<Partition>,
        "wipeTable" since 0 wipe_table: Flag,
    }

    /// A partition. Its key is its number, or its label where the number is 0.
    struct Partition "a partition" key(this => Some(match &this.number {
        Some(number) if number.value != 0 => format!("number:{}", number.value),
        _ => text(&this.label).map(|label| format!("label:{label}")).unwrap_or_default(),
    })) {
        "number" since 0 number: Int,
        "label" since 0 label: Text,
        "startMiB" since 0 start_mib: Int,
        "sizeMiB" since 0 size_mib: Int,
        "typeGuid" since 0 type_guid: Text,
        "guid" since 0 guid: Text,
        "wipePartitionEntry" since 0 wipe_partition_entry: Flag,
        "shouldExist" since 0 should_exist: Flag,
        "resize" since 2 resize: Flag,
        // Not Ignition's: start and size of a config of version 2 were 2048 of the disk's own sectors for each MiB here.
        "ownSectors" since 8 own_sectors: Flag,
    }

    /// A RAID array.
    struct Raid "a RAID array" key(this => text(&this.name)) {
        "name" since 0 name: Text,
        "level" since 0 level: Text,
        "devices" since 0 devices: Vec<At<String>>,
        "spares" since 0 spares: Int,
        "options" since 0 options: Concat<At<String>>,
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
        "clevis" since 2 clevis: Clevis,
        "cex" since 5 cex: Cex,
    }

    /// Network- or TPM-bound unlocking of a LUKS volume.
    struct Clevis "clevis" {
        "tang" since 2 tang: Vec<Tang>,
        "tpm2" since 2 tpm2: Flag,
        "threshold" since 2 threshold: Int,
        "custom" since 2 custom: ClevisCustom,
    }

    /// A Tang server.
    struct Tang "a tang server" key(this => text(&this.url)) {
        "url" since 2 url: Text,
        "thumbprint" since 2 thumbprint: Text,
        "advertisement" since 4 advertisement: Text,
    }

    /// A clevis pin as it stands.
    struct ClevisCustom "clevis.custom" {
        "pin" since 2 pin: Text,
        "config" since 2 config: Text,
        "needsNetwork" since 2 needs_network: Flag,
    }

    /// IBM CEX secure keys.
    struct Cex "cex" {
        "enabled" since 5 enabled: Flag,
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
    }

    /// Who owns a file, directory or link.
    struct Owner "an owner" {
        "id" since 0 id: Int,
        "name" since 0 name: Text,
    }

    /// A file.
    struct File "a file" key(this => text(&this.path)) {
        "path" since 0 path: Text,
        "user" since 0 user: Owner,
        "group" since 0 group: Owner,
        "overwrite" since 0 overwrite: Flag,
        "mode" since 0 mode: Int,
        "contents" since 0 contents: Resource,
        "append" since 0 append: Concat<Resource>,
    }

    /// A directory.
    struct Directory "a directory" key(this => text(&this.path)) {
        "path" since 0 path: Text,
        "user" since 0 user: Owner,
        "group" since 0 group: Owner,
        "overwrite" since 0 overwrite: Flag,
        "mode" since 0 mode: Int,
    }

    /// A symbolic or hard link.
    struct Link "a link" key(this => text(&this.path)) {
        "path" since 0 path: Text,
        "user" since 0 user: Owner,
        "group" since 0 group: Owner,
        "overwrite" since 0 overwrite: Flag,
        "target" since 0 target: Text,
        "hard" since 0 hard: Flag,
    }

    /// systemd.
    struct Systemd "systemd" {
        "units" since 0 units: Vec<Unit>,
    }

    /// A unit.
    struct Unit "a unit" key(this => text(&this.name)) {
        "name" since 0 name: Text,
        "contents" since 0 contents: Text,
        "dropins" since 0 dropins: Vec<Dropin>,
        "enabled" since 0 enabled: Flag,
        "mask" since 0 mask: Flag,
    }

    /// A drop-in of a unit.
    struct Dropin "a drop-in" key(this => text(&this.name)) {
        "name" since 0 name: Text,
        "contents" since 0 contents: Text,
    }
}
