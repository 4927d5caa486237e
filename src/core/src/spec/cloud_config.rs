//! cloud-config: the keys of cloud-init and of coreos-cloudinit that have an effect here.
//!
//! The language has no versions, and its values are written loosely: a boolean as text, a list as text
//! with commas, a user as a name. What has more than one shape is kept as it stands ([`Raw`]) and read
//! by the translation. Keys are spelt with `_`; the translation takes `-` for it. Sources: cloud-init's
//! module reference, coreos-cloudinit's `Documentation/cloud-config.md`.

pub use super::wire::Raw;
use super::wire::{At, Dialect, Scalar, as_declared, wire};
use crate::json::Value;
use crate::yaml;

type Text = Option<At<String>>;
type Flag = Option<At<Switch>>;
type Int = Option<At<Whole>>;

/// How the language is spoken of. It has one version, 0.
pub const DIALECT: Dialect = Dialect {
    version: |_| "cloud-config".into(),
    ask: |_| "remove it".into(),
    any_case: false,
    yaml: true,
    spelling: as_declared,
};

/// A boolean, which may stand in quotes or be a number (cloud-init's `is_true`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Switch(pub bool);

impl Scalar for Switch {
    const NAME: &'static str = "true or false";
    const SCHEMA: &'static str = "boolean";
    fn read(value: &Value) -> Option<Self> {
        let on = match value {
            Value::Bool(on) => *on,
            Value::Number(text) | Value::Plain(text) | Value::String(text) => match text.trim() {
                "1" => true,
                "0" => false,
                text => yaml::boolean(text)?,
            },
            _ => return None,
        };
        Some(Self(on))
    }
    fn as_key(&self) -> String {
        self.0.to_string()
    }
}

/// A whole number, which may stand in quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Whole(pub i64);

impl Scalar for Whole {
    const NAME: &'static str = "a whole number";
    const SCHEMA: &'static str = "integer";
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => text.trim().parse().ok().map(Self),
            other => i64::read(other).map(Self),
        }
    }
    fn as_key(&self) -> String {
        self.0.to_string()
    }
}

wire! {
    /// A whole cloud-config.
    struct Document "cloud-config" {
        "bootcmd" since 0 bootcmd: Option<Raw>,
        "ca_certs" since 0 ca_certs: CaCerts,
        "chpasswd" since 0 chpasswd: Option<Chpasswd>,
        "coreos" since 0 coreos: Coreos,
        "device_aliases" since 0 device_aliases: Option<Raw>,
        "disable_root" since 0 disable_root: Flag,
        "disk_setup" since 0 disk_setup: Option<Raw>,
        "fqdn" since 0 fqdn: Text,
        "fs_setup" since 0 fs_setup: Vec<FsSetup>,
        "groups" since 0 groups: Option<Raw>,
        "hostname" since 0 hostname: Text,
        "locale" since 0 locale: Text,
        "manage_etc_hosts" since 0 manage_etc_hosts: Text,
        "mount_default_fields" since 0 mount_default_fields: Option<Raw>,
        "mounts" since 0 mounts: Option<Raw>,
        "ntp" since 0 ntp: Ntp,
        "password" since 0 password: Text,
        "prefer_fqdn_over_hostname" since 0 prefer_fqdn_over_hostname: Flag,
        "preserve_hostname" since 0 preserve_hostname: Flag,
        "runcmd" since 0 runcmd: Option<Raw>,
        "ssh_authorized_keys" since 0 ssh_authorized_keys: Option<Raw>,
        "ssh_keys" since 0 ssh_keys: SshKeys,
        "ssh_pwauth" since 0 ssh_pwauth: Text,
        "swap" since 0 swap: Swap,
        "timezone" since 0 timezone: Text,
        "user" since 0 user: Option<Raw>,
        "users" since 0 users: Option<Raw>,
        "write_files" since 0 write_files: Vec<WriteFile>,
    }

    /// A user.
    struct User "a user" {
        "name" since 0 name: Text,
        "coreos_ssh_import_github" since 0 coreos_ssh_import_github: Option<Raw>,
        "coreos_ssh_import_github_users" since 0 coreos_ssh_import_github_users: Option<Raw>,
        "coreos_ssh_import_url" since 0 coreos_ssh_import_url: Option<Raw>,
        "create_groups" since 0 create_groups: Option<Raw>,
        "doas" since 0 doas: Option<Raw>,
        "expiredate" since 0 expiredate: Option<Raw>,
        "gecos" since 0 gecos: Text,
        "groups" since 0 groups: Option<Raw>,
        "hashed_passwd" since 0 hashed_passwd: Text,
        "homedir" since 0 homedir: Text,
        "inactive" since 0 inactive: Option<Raw>,
        "lock_passwd" since 0 lock_passwd: Flag,
        "no_create_home" since 0 no_create_home: Flag,
        "no_log_init" since 0 no_log_init: Flag,
        "no_user_group" since 0 no_user_group: Flag,
        "passwd" since 0 passwd: Text,
        "plain_text_passwd" since 0 plain_text_passwd: Text,
        "primary_group" since 0 primary_group: Text,
        "selinux_user" since 0 selinux_user: Option<Raw>,
        "shell" since 0 shell: Text,
        "snapuser" since 0 snapuser: Option<Raw>,
        "ssh_authorized_keys" since 0 ssh_authorized_keys: Option<Raw>,
        "ssh_import_id" since 0 ssh_import_id: Option<Raw>,
        "ssh_redirect_user" since 0 ssh_redirect_user: Option<Raw>,
        "sudo" since 0 sudo: Option<Raw>,
        "system" since 0 system: Flag,
        "uid" since 0 uid: Int,
    }

    /// Passwords of users that may be stated elsewhere.
    struct Chpasswd "chpasswd" {
        "expire" since 0 expire: Flag,
        "list" since 0 list: Option<Raw>,
        "users" since 0 users: Vec<ChpasswdUser>,
    }

    /// The password of one user.
    struct ChpasswdUser "a user of chpasswd" {
        "name" since 0 name: Text,
        "password" since 0 password: Text,
        "type" since 0 kind: Text,
    }

    /// A file.
    struct WriteFile "an entry of write_files" {
        "path" since 0 path: Text,
        "append" since 0 append: Flag,
        "content" since 0 content: Option<Raw>,
        "defer" since 0 defer: Flag,
        "encoding" since 0 encoding: Text,
        "owner" since 0 owner: Text,
        "permissions" since 0 permissions: Option<Raw>,
        "source" since 0 source: Source,
    }

    /// Contents of a file that are fetched.
    struct Source "source" {
        "uri" since 0 uri: Text,
        "headers" since 0 headers: Option<Raw>,
    }

    /// Time servers.
    struct Ntp "ntp" {
        "enabled" since 0 enabled: Flag,
        "servers" since 0 servers: Option<Raw>,
        "pools" since 0 pools: Option<Raw>,
        "peers" since 0 peers: Option<Raw>,
        "allow" since 0 allow: Option<Raw>,
        "ntp_client" since 0 ntp_client: Text,
        "config" since 0 config: Option<Raw>,
    }

    /// Certificate authorities.
    struct CaCerts "ca_certs" {
        "trusted" since 0 trusted: Option<Raw>,
        "remove_defaults" since 0 remove_defaults: Flag,
    }

    /// The host's own SSH keys.
    struct SshKeys "ssh_keys" {
        "rsa_private" since 0 rsa_private: Text,
        "rsa_public" since 0 rsa_public: Text,
        "rsa_certificate" since 0 rsa_certificate: Text,
        "ecdsa_private" since 0 ecdsa_private: Text,
        "ecdsa_public" since 0 ecdsa_public: Text,
        "ecdsa_certificate" since 0 ecdsa_certificate: Text,
        "ed25519_private" since 0 ed25519_private: Text,
        "ed25519_public" since 0 ed25519_public: Text,
        "ed25519_certificate" since 0 ed25519_certificate: Text,
    }

    /// A swap file.
    struct Swap "swap" {
        "filename" since 0 filename: Text,
        "size" since 0 size: Text,
        "maxsize" since 0 maxsize: Text,
    }

    /// The partition table of one disk.
    struct DiskSetup "a disk of disk_setup" {
        "table_type" since 0 table_type: Text,
        "layout" since 0 layout: Option<Raw>,
        "overwrite" since 0 overwrite: Flag,
    }

    /// A file system.
    struct FsSetup "an entry of fs_setup" {
        "device" since 0 device: Text,
        "filesystem" since 0 filesystem: Text,
        "label" since 0 label: Text,
        "partition" since 0 partition: Text,
        "overwrite" since 0 overwrite: Flag,
        "replace_fs" since 0 replace_fs: Text,
        "cmd" since 0 cmd: Option<Raw>,
        "extra_opts" since 0 extra_opts: Option<Raw>,
    }

    /// What coreos-cloudinit added.
    struct Coreos "coreos" {
        "units" since 0 units: Vec<Unit>,
        "update" since 0 update: Update,
        "locksmith" since 0 locksmith: Locksmith,
        "flannel" since 0 flannel: Flannel,
        "etcd" since 0 etcd: Option<Raw>,
        "etcd2" since 0 etcd2: Option<Raw>,
        "fleet" since 0 fleet: Option<Raw>,
        "oem" since 0 oem: Option<Raw>,
    }

    /// A systemd unit.
    struct Unit "a unit" {
        "name" since 0 name: Text,
        "command" since 0 command: Text,
        "content" since 0 content: Text,
        "drop_ins" since 0 drop_ins: Vec<DropIn>,
        "enable" since 0 enable: Flag,
        "mask" since 0 mask: Flag,
        "runtime" since 0 runtime: Flag,
    }

    /// A drop-in of a unit.
    struct DropIn "a drop-in" {
        "name" since 0 name: Text,
        "content" since 0 content: Text,
    }

    /// Updates of the operating system.
    struct Update "coreos.update" {
        "group" since 0 group: Text,
        "server" since 0 server: Text,
        "reboot_strategy" since 0 reboot_strategy: Text,
    }

    /// The reboot manager.
    struct Locksmith "coreos.locksmith" {
        "endpoint" since 0 endpoint: Text,
        "etcd_cafile" since 0 etcd_cafile: Text,
        "etcd_certfile" since 0 etcd_certfile: Text,
        "etcd_keyfile" since 0 etcd_keyfile: Text,
        "etcd_username" since 0 etcd_username: Text,
        "etcd_password" since 0 etcd_password: Text,
        "group" since 0 group: Text,
        "window_start" since 0 window_start: Text,
        "window_length" since 0 window_length: Text,
    }

    /// The overlay network.
    struct Flannel "coreos.flannel" {
        "etcd_endpoints" since 0 etcd_endpoints: Text,
        "etcd_cafile" since 0 etcd_cafile: Text,
        "etcd_certfile" since 0 etcd_certfile: Text,
        "etcd_keyfile" since 0 etcd_keyfile: Text,
        "etcd_prefix" since 0 etcd_prefix: Text,
        "etcd_username" since 0 etcd_username: Text,
        "etcd_password" since 0 etcd_password: Text,
        "interface" since 0 interface: Text,
        "ip_masq" since 0 ip_masq: Text,
        "public_ip" since 0 public_ip: Text,
        "subnet_file" since 0 subnet_file: Text,
    }
}
