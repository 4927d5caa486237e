//! Ignition config specification 2.0.0 to 2.4.0, as one declaration.
//!
//! `since` is the second number of the version that brought the field. Source: the documents
//! configuration-v2_0 to configuration-v2_4 of Ignition's branch spec2x.

use super::v3;
use super::wire::{At, Dialect, as_declared, wire};

type Text = Option<At<String>>;
type Flag = Option<At<bool>>;
type Int = Option<At<i64>>;

/// The newest minor version.
pub const NEWEST_MINOR: u8 = 4;

/// How the versions of this specification are called.
pub const DIALECT: Dialect = Dialect {
    version: |minor| format!("version 2.{minor}.0"),
    ask: |minor| format!("set ignition.version to \"2.{minor}.0\""),
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
        "networkd" since 0 networkd: Networkd,
        "passwd" since 0 passwd: Passwd,
        "storage" since 0 storage: Storage,
        "systemd" since 0 systemd: Systemd,
    }

    /// Metadata of the config itself.
    struct Ignition "ignition" {
        "version" since 0 version: Text,
        "config" since 0 config: IgnitionConfig,
        "timeouts" since 1 timeouts: Timeouts,
        "security" since 2 security: Security,
        "proxy" since 4 proxy: Proxy,
    }

    /// Other configs that this one builds on.
    struct IgnitionConfig "ignition.config" {
        "append" since 0 append: Vec<Reference>,
        "replace" since 0 replace: Option<Reference>,
    }

    /// A config or certificate authority elsewhere.
    struct Reference "a reference" key(this => text(&this.source)) {
        "source" since 0 source: Text,
        "httpHeaders" since 4 http_headers: Vec<HttpHeader>,
        "verification" since 0 verification: Verification,
    }

    /// A header of the request.
    struct HttpHeader "an HTTP header" key(this => text(&this.name)) {
        "name" since 4 name: Text,
        "value" since 4 value: Text,
    }

    /// How the fetched contents are verified.
    struct Verification "verification" {
        "hash" since 0 hash: Text,
    }

    /// Time limits of HTTP(S) fetches, in seconds.
    struct Timeouts "ignition.timeouts" {
        "httpResponseHeaders" since 1 http_response_headers: Int,
        "httpTotal" since 1 http_total: Int,
    }

    /// Security.
    struct Security "ignition.security" {
        "tls" since 2 tls: Tls,
    }

    /// Certificate authorities.
    struct Tls "ignition.security.tls" {
        "certificateAuthorities" since 2 certificate_authorities: Vec<Reference>,
    }

    /// Proxies.
    struct Proxy "ignition.proxy" {
        "httpProxy" since 4 http_proxy: Text,
        "httpsProxy" since 4 https_proxy: Text,
        "noProxy" since 4 no_proxy: Vec<At<String>>,
    }

    /// systemd-networkd.
    struct Networkd "networkd" {
        "units" since 0 units: Vec<NetworkdUnit>,
    }

    /// A file of systemd-networkd.
    struct NetworkdUnit "a networkd unit" key(this => text(&this.name)) {
        "name" since 0 name: Text,
        "contents" since 0 contents: Text,
        "dropins" since 2 dropins: Vec<v3::Dropin>,
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
        "system" since 0 system: Flag,
    }

    /// A user account.
    struct User "a user" key(this => text(&this.name)) {
        "name" since 0 name: Text,
        "passwordHash" since 0 password_hash: Text,
        "sshAuthorizedKeys" since 0 ssh_authorized_keys: Vec<At<String>>,
        "create" since 0 create: Option<Create>,
        "gecos" since 1 gecos: Text,
        "groups" since 1 groups: Vec<At<String>>,
        "homeDir" since 1 home_dir: Text,
        "noCreateHome" since 1 no_create_home: Flag,
        "noLogInit" since 1 no_log_init: Flag,
        "noUserGroup" since 1 no_user_group: Flag,
        "primaryGroup" since 1 primary_group: Text,
        "shell" since 1 shell: Text,
        "system" since 1 system: Flag,
        "uid" since 1 uid: Int,
    }

    /// The older way to say how a user is made; it counts instead of the fields beside it.
    struct Create "create" {
        "gecos" since 0 gecos: Text,
        "groups" since 0 groups: Vec<At<String>>,
        "homeDir" since 0 home_dir: Text,
        "noCreateHome" since 0 no_create_home: Flag,
        "noLogInit" since 0 no_log_init: Flag,
        "noUserGroup" since 0 no_user_group: Flag,
        "primaryGroup" since 0 primary_group: Text,
        "shell" since 0 shell: Text,
        "system" since 0 system: Flag,
        "uid" since 0 uid: Int,
    }

    /// Everything on disks.
    struct Storage "storage" {
        "directories" since 1 directories: Vec<Directory>,
        "disks" since 0 disks: Vec<Disk>,
        "files" since 0 files: Vec<File>,
        "filesystems" since 0 filesystems: Vec<Filesystem>,
        "links" since 1 links: Vec<Link>,
        "raid" since 0 raid: Vec<Raid>,
    }

    /// A disk and its partitions.
    struct Disk "a disk" key(this => text(&this.device)) {
        "device" since 0 device: Text,
        "partitions" since 0 partitions: Vec<Partition>,
        "wipeTable" since 0 wipe_table: Flag,
    }

    /// A partition. `start` and `size` count sectors of 512 bytes.
    struct Partition "a partition" {
        "number" since 0 number: Int,
        "label" since 0 label: Text,
        "start" since 0 start: Int,
        "size" since 0 size: Int,
        "startMiB" since 3 start_mib: Int,
        "sizeMiB" since 3 size_mib: Int,
        "typeGuid" since 0 type_guid: Text,
        "guid" since 1 guid: Text,
        "wipePartitionEntry" since 3 wipe_partition_entry: Flag,
        "shouldExist" since 3 should_exist: Flag,
    }

    /// A RAID array.
    struct Raid "a RAID array" key(this => text(&this.name)) {
        "name" since 0 name: Text,
        "level" since 0 level: Text,
        "devices" since 0 devices: Vec<At<String>>,
        "spares" since 0 spares: Int,
        "options" since 2 options: Vec<At<String>>,
    }

    /// A file system under a name by which files refer to it.
    struct Filesystem "a file system" key(this => text(&this.name)) {
        "name" since 0 name: Text,
        "mount" since 0 mount: Option<Mount>,
        "path" since 0 path: Text,
    }

    /// How a file system is made and mounted.
    struct Mount "mount" {
        "device" since 0 device: Text,
        "format" since 0 format: Text,
        "label" since 1 label: Text,
        "uuid" since 1 uuid: Text,
        "options" since 1 options: Vec<At<String>>,
        "wipeFilesystem" since 1 wipe_filesystem: Flag,
        "create" since 0 create: Option<MountCreate>,
    }

    /// The older way to ask for a new file system.
    struct MountCreate "create" {
        "force" since 0 force: Flag,
        "options" since 0 options: Vec<At<String>>,
    }

    /// Who owns a file, directory or link.
    struct Owner "an owner" {
        "id" since 0 id: Int,
        "name" since 1 name: Text,
    }

    /// Contents that are fetched from a URL.
    struct Contents "contents" {
        "source" since 0 source: Text,
        "compression" since 0 compression: Text,
        "httpHeaders" since 4 http_headers: Vec<HttpHeader>,
        "verification" since 0 verification: Verification,
    }

    /// A file.
    struct File "a file" {
        "filesystem" since 0 filesystem: Text,
        "path" since 0 path: Text,
        "user" since 0 user: Owner,
        "group" since 0 group: Owner,
        "mode" since 0 mode: Int,
        "overwrite" since 2 overwrite: Flag,
        "append" since 2 append: Flag,
        "contents" since 0 contents: Contents,
    }

    /// A directory.
    struct Directory "a directory" {
        "filesystem" since 1 filesystem: Text,
        "path" since 1 path: Text,
        "user" since 1 user: Owner,
        "group" since 1 group: Owner,
        "mode" since 1 mode: Int,
        "overwrite" since 2 overwrite: Flag,
    }

    /// A symbolic or hard link.
    struct Link "a link" {
        "filesystem" since 1 filesystem: Text,
        "path" since 1 path: Text,
        "user" since 1 user: Owner,
        "group" since 1 group: Owner,
        "overwrite" since 2 overwrite: Flag,
        "target" since 1 target: Text,
        "hard" since 1 hard: Flag,
    }

    /// systemd.
    struct Systemd "systemd" {
        "units" since 0 units: Vec<Unit>,
    }

    /// A unit.
    struct Unit "a unit" key(this => text(&this.name)) {
        "name" since 0 name: Text,
        "contents" since 0 contents: Text,
        "dropins" since 0 dropins: Vec<v3::Dropin>,
        "enable" since 0 enable: Flag,
        "enabled" since 1 enabled: Flag,
        "mask" since 0 mask: Flag,
    }
}
