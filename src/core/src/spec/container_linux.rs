//! Container Linux Config: what people wrote before Butane, as its transpiler read it.
//!
//! It is Ignition 2.x with keys in snake case, and sections of its own. What it adds nothing to is decoded
//! into the types of 2.x. Source: the transpiler's document configuration.md.

use super::butane::snake_case;
use super::v2;
use super::wire::{At, Dialect, Raw, wire};

type Text = Option<At<String>>;
type Flag = Option<At<bool>>;
type Int = Option<At<i64>>;

/// How the language is spoken of. It has one version, for which the newest of 2.x stands. Some keys were
/// documented in camel case.
pub const DIALECT: Dialect = Dialect {
    version: |_| "Container Linux Config".into(),
    ask: |_| "remove it".into(),
    any_case: true,
    yaml: true,
    spelling: snake_case,
};

wire! {
    /// A whole config.
    struct Config "the config" {
        "ignition" since 0 ignition: Ignition,
        "storage" since 0 storage: Storage,
        "systemd" since 0 systemd: v2::Systemd,
        "networkd" since 0 networkd: v2::Networkd,
        "passwd" since 0 passwd: v2::Passwd,
        "update" since 0 update: Update,
        "locksmith" since 0 locksmith: Locksmith,
        "docker" since 0 docker: Docker,
        "etcd" since 0 etcd: Option<Raw>,
        "flannel" since 0 flannel: Option<Raw>,
    }

    /// Metadata of the config itself.
    struct Ignition "ignition" {
        "config" since 0 config: References,
        "timeouts" since 0 timeouts: v2::Timeouts,
        "security" since 0 security: Security,
    }

    /// Other configs that this one builds on.
    struct References "ignition.config" {
        "append" since 0 append: Vec<Reference>,
        "replace" since 0 replace: Option<Reference>,
    }

    /// A config or certificate authority elsewhere.
    struct Reference "a reference" {
        "source" since 0 source: Text,
        "verification" since 0 verification: Verification,
    }

    /// How fetched contents are verified.
    struct Verification "verification" {
        "hash" since 0 hash: Hash,
    }

    /// A hash.
    struct Hash "hash" {
        "function" since 0 function: Text,
        "sum" since 0 sum: Text,
    }

    /// Security.
    struct Security "ignition.security" {
        "tls" since 0 tls: Tls,
    }

    /// Certificate authorities.
    struct Tls "ignition.security.tls" {
        "certificateAuthorities" since 0 certificate_authorities: Vec<Reference>,
    }

    /// Everything on disks.
    struct Storage "storage" {
        "directories" since 0 directories: Vec<v2::Directory>,
        "disks" since 0 disks: Vec<Disk>,
        "files" since 0 files: Vec<File>,
        "filesystems" since 0 filesystems: Vec<v2::Filesystem>,
        "links" since 0 links: Vec<v2::Link>,
        "raid" since 0 raid: Vec<v2::Raid>,
    }

    /// A disk and its partitions.
    struct Disk "a disk" {
        "device" since 0 device: Text,
        "partitions" since 0 partitions: Vec<Partition>,
        "wipeTable" since 0 wipe_table: Flag,
    }

    /// A partition; sizes have units.
    struct Partition "a partition" {
        "number" since 0 number: Int,
        "label" since 0 label: Text,
        "start" since 0 start: Text,
        "size" since 0 size: Text,
        "typeGuid" since 0 type_guid: Text,
        "guid" since 0 guid: Text,
        "wipePartitionEntry" since 0 wipe_partition_entry: Flag,
        "shouldExist" since 0 should_exist: Flag,
    }

    /// A file.
    struct File "a file" {
        "filesystem" since 0 filesystem: Text,
        "path" since 0 path: Text,
        "user" since 0 user: v2::Owner,
        "group" since 0 group: v2::Owner,
        "mode" since 0 mode: Int,
        "overwrite" since 0 overwrite: Flag,
        "append" since 0 append: Flag,
        "contents" since 0 contents: Contents,
    }

    /// Contents from the config itself, from elsewhere or from a local file.
    struct Contents "contents" {
        "inline" since 0 inline: Text,
        "local" since 0 local: Text,
        "remote" since 0 remote: Option<Remote>,
    }

    /// Contents from a URL.
    struct Remote "remote" {
        "url" since 0 url: Text,
        "compression" since 0 compression: Text,
        "verification" since 0 verification: Verification,
    }

    /// Where updates come from.
    struct Update "update" {
        "group" since 0 group: Text,
        "server" since 0 server: Text,
        "pcrPolicyServer" since 0 pcr_policy_server: Text,
        "downloadUser" since 0 download_user: Text,
        "downloadPassword" since 0 download_password: Text,
        "machineAlias" since 0 machine_alias: Text,
    }

    /// When the machine reboots for an update.
    struct Locksmith "locksmith" {
        "rebootStrategy" since 0 reboot_strategy: Text,
        "windowStart" since 0 window_start: Text,
        "windowLength" since 0 window_length: Text,
        "group" since 0 group: Text,
        "etcdEndpoints" since 0 etcd_endpoints: Text,
        "etcdCafile" since 0 etcd_cafile: Text,
        "etcdCertfile" since 0 etcd_certfile: Text,
        "etcdKeyfile" since 0 etcd_keyfile: Text,
    }

    /// Docker.
    struct Docker "docker" {
        "flags" since 0 flags: Vec<At<String>>,
    }
}
