//! The config as parsed types: what cannot be said here cannot be asked of the machine.
//!
//! [`crate::validate`] makes it from the wire types. Every entry knows the place in the user's config
//! that asked for it (`at`), so that an error in a late stage still points at a line.

pub mod format;
pub mod metadata;
mod scalar;
mod unit_name;

pub use format::Format;
pub use metadata::Metadata;
pub use scalar::{Digest, Gid, Guid, Mode, ScalarError, SysPath, Uid, account_number};
pub use unit_name::UnitName;

use std::sync::Arc;

use crate::diag::Span;
use crate::redact;

/// A whole, merged and validated config.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Configs to merge, in order. Empty after merging.
    pub merge: Vec<Resource>,
    /// The config to use instead. `None` after merging.
    pub replace: Option<Resource>,
    /// How resources are fetched.
    pub fetch: FetchOptions,
    /// Kernel arguments.
    pub kernel_arguments: KernelArguments,
    /// Groups.
    pub groups: Vec<Group>,
    /// Users.
    pub users: Vec<User>,
    /// Disks with their partitions.
    pub disks: Vec<Disk>,
    /// RAID arrays.
    pub raid: Vec<Raid>,
    /// LUKS volumes.
    pub luks: Vec<Luks>,
    /// File systems on block devices.
    pub filesystems: Vec<Filesystem>,
    /// Directories of the host that a virtual machine mounts.
    pub shares: Vec<Share>,
    /// Directories.
    pub directories: Vec<Directory>,
    /// Files.
    pub files: Vec<File>,
    /// Links.
    pub links: Vec<Link>,
    /// systemd units.
    pub units: Vec<Unit>,
}

impl Config {
    /// Everything that comes from a URL.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        let files = self.files.iter();
        let keys = self.luks.iter().filter_map(|luks| luks.key_file.as_ref());
        files
            .flat_map(|file| file.contents.iter().chain(&file.append))
            .chain(keys)
            .chain(&self.merge)
            .chain(&self.replace)
            .chain(&self.fetch.certificate_authorities)
    }
}

/// How resources are fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FetchOptions {
    /// Seconds to wait for the head of an HTTP reply; 0 is for ever.
    pub response_header_timeout: Option<u64>,
    /// Seconds that one fetch may take in all; 0 is for ever.
    pub total_timeout: Option<u64>,
    /// Proxy for http.
    pub http_proxy: Option<String>,
    /// Proxy for https.
    pub https_proxy: Option<String>,
    /// Hosts reached without a proxy.
    pub no_proxy: Vec<String>,
    /// PEM bundles that count besides the system's.
    pub certificate_authorities: Vec<Resource>,
}

/// URL scheme of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// The empty source: nothing is fetched, the contents are empty.
    Empty,
    /// Contents within the URL (RFC 2397).
    Data,
    /// HTTP
    Http,
    /// HTTP over TLS
    Https,
    /// A file on the OEM partition (Flatcar)
    Oem,
    /// TFTP
    Tftp,
    /// Amazon S3 by bucket
    S3,
    /// Amazon S3 by resource name
    Arn,
    /// Google Cloud Storage
    Gs,
}

impl Scheme {
    /// Whether fetching needs the network.
    pub fn needs_network(self) -> bool {
        !matches!(self, Scheme::Empty | Scheme::Data | Scheme::Oem)
    }
}

/// Compression of fetched contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// gzip
    Gzip,
}

/// Contents that come from a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Where it stands in the config.
    pub at: Option<Span>,
    /// The URL. May hold secrets: print [`Resource::shown`] instead. Shared, since a `data:` URL is all of the contents.
    pub url: Arc<str>,
    /// Its scheme.
    pub scheme: Scheme,
    /// Compression.
    pub compression: Compression,
    /// Extra request headers.
    pub headers: Vec<(String, String)>,
    /// What the decompressed contents must hash to.
    pub digest: Option<Digest>,
}

impl Resource {
    /// The URL without what may be secret.
    pub fn shown(&self) -> String {
        if self.scheme == Scheme::Empty {
            return "empty contents".into();
        }
        redact::url(&self.url)
    }
}

/// Kernel arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelArguments {
    /// Where they stand.
    pub at: Option<Span>,
    /// Must be there.
    pub should_exist: Vec<String>,
    /// Must not be there.
    pub should_not_exist: Vec<String>,
}

/// A group account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Where it stands.
    pub at: Option<Span>,
    /// Name.
    pub name: String,
    /// Number.
    pub gid: Option<Gid>,
    /// Hash of its password, `*` for none.
    pub password_hash: Option<String>,
    /// Whether it is made or removed.
    pub should_exist: bool,
    /// Whether its number comes from the system range.
    pub system: bool,
}

/// A user account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Where it stands.
    pub at: Option<Span>,
    /// Name.
    pub name: String,
    /// Full name.
    pub gecos: Option<String>,
    /// Further groups.
    pub groups: Vec<String>,
    /// Home directory.
    pub home_dir: Option<SysPath>,
    /// Do not make the home directory.
    pub no_create_home: bool,
    /// Do not add the user to lastlog and faillog.
    pub no_log_init: bool,
    /// Do not make a group of the user's name.
    pub no_user_group: bool,
    /// Hash of the password. `Some("")` means no password, written `*`.
    pub password_hash: Option<String>,
    /// Name or number of the main group.
    pub primary_group: Option<String>,
    /// Login shell.
    pub shell: Option<String>,
    /// Whether the user is made or removed.
    pub should_exist: bool,
    /// SSH keys.
    pub ssh_authorized_keys: Vec<String>,
    /// Whether the number comes from the system range.
    pub system: bool,
    /// Number.
    pub uid: Option<Uid>,
}

/// A disk and its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Where it stands.
    pub at: Option<Span>,
    /// Path of the device node, or a link to it.
    pub device: SysPath,
    /// Destroy the whole table first.
    pub wipe_table: bool,
    /// Partitions in the config's order.
    pub partitions: Vec<Partition>,
}

/// A partition. `None` is "do not care".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Where it stands.
    pub at: Option<Span>,
    /// Slot number from 1; 0 is the next free one.
    pub number: u32,
    /// Label; `Some("")` is an empty label.
    pub label: Option<String>,
    /// Start in MiB; 0 is the start of the largest free block.
    pub start_mib: Option<u64>,
    /// Size in MiB; 0 is to the end of the free block.
    pub size_mib: Option<u64>,
    /// Partition type.
    pub type_guid: Option<Guid>,
    /// Partition's own GUID.
    pub guid: Option<Guid>,
    /// May be destroyed if it does not match.
    pub wipe_partition_entry: bool,
    /// Whether it is made or removed.
    pub should_exist: bool,
    /// May be resized if only its size does not match.
    pub resize: bool,
    /// Whether a MiB of start and size stands for 2048 sectors of the disk, however large they are.
    pub own_sectors: bool,
}

/// A RAID array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raid {
    /// Where it stands.
    pub at: Option<Span>,
    /// Name below /dev/md.
    pub name: String,
    /// Level as mdadm calls it.
    pub level: String,
    /// Members, spares included.
    pub devices: Vec<SysPath>,
    /// How many of the members are spares.
    pub spares: u32,
    /// Further options of mdadm.
    pub options: Vec<String>,
}

/// A LUKS volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Luks {
    /// Where it stands.
    pub at: Option<Span>,
    /// Name below /dev/mapper.
    pub name: String,
    /// Device.
    pub device: SysPath,
    /// Key.
    pub key_file: Option<Resource>,
    /// Label.
    pub label: Option<String>,
    /// UUID.
    pub uuid: Option<String>,
    /// Options of cryptsetup luksFormat.
    pub options: Vec<String>,
    /// Options of cryptsetup luksOpen.
    pub open_options: Vec<String>,
    /// Pass discards through.
    pub discard: bool,
    /// Destroy what is there.
    pub wipe_volume: bool,
    /// Clevis pins.
    pub clevis: Option<Clevis>,
    /// Use an IBM CEX key.
    pub cex: bool,
}

/// Clevis pins of a LUKS volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clevis {
    /// Tang servers.
    pub tang: Vec<Tang>,
    /// Bind to the TPM.
    pub tpm2: bool,
    /// How many pins are needed.
    pub threshold: u32,
    /// A pin as it stands.
    pub custom: Option<Pin>,
}

/// A tang server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tang {
    /// Its URL.
    pub url: String,
    /// Thumbprint of its signing key.
    pub thumbprint: String,
    /// What it says of itself, where the config has that: then it need not be asked.
    pub advertisement: Option<String>,
}

/// A clevis pin that the config names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Its name, by which clevis finds its programs.
    pub name: String,
    /// Its config, which may hold secrets.
    pub config: String,
    /// Whether it opens the volume only with the network.
    pub needs_network: bool,
}

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filesystem {
    /// Where it stands.
    pub at: Option<Span>,
    /// Device.
    pub device: SysPath,
    /// Format; `None` leaves the device alone (it is only mounted).
    pub format: Option<Format>,
    /// Mount point below the root while provisioning.
    pub path: Option<SysPath>,
    /// Label.
    pub label: Option<String>,
    /// UUID as written.
    pub uuid: Option<String>,
    /// Options of mkfs.
    pub options: Vec<String>,
    /// Options of the mount while provisioning.
    pub mount_options: Vec<String>,
    /// Destroy what is there.
    pub wipe_filesystem: bool,
}

/// A directory of the host, which the virtual machine knows by a tag (virtiofs).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Where it stands.
    pub at: Option<Span>,
    /// The tag.
    pub tag: String,
    /// Mount point below the root while provisioning.
    pub path: Option<SysPath>,
    /// Options of the mount while provisioning.
    pub mount_options: Vec<String>,
}

/// An owner by number or by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    /// By number.
    Id(u32),
    /// By name in the sysroot's own database.
    Name(String),
}

/// What files, directories and links have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inode {
    /// Where the entry stands.
    pub at: Option<Span>,
    /// Path below the root.
    pub path: SysPath,
    /// Owning user.
    pub user: Option<Owner>,
    /// Owning group.
    pub group: Option<Owner>,
    /// Remove what is there, directories with their contents.
    pub overwrite: bool,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path and owner.
    pub inode: Inode,
    /// Permission bits; default 0644 for a new file.
    pub mode: Option<Mode>,
    /// Contents; `None` keeps an existing file's.
    pub contents: Option<Resource>,
    /// What is appended, in order.
    pub append: Vec<Resource>,
}

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Path and owner.
    pub inode: Inode,
    /// Permission bits; default 0755 for a new directory.
    pub mode: Option<Mode>,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Path and owner.
    pub inode: Inode,
    /// What it points at, as written; of a hard link a path below the root.
    pub target: String,
    /// Whether it is a hard link.
    pub hard: bool,
}

/// A systemd unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Where it stands.
    pub at: Option<Span>,
    /// Name.
    pub name: UnitName,
    /// Text of the unit.
    pub contents: Option<String>,
    /// Drop-ins: file name, text (`None`: not written).
    pub dropins: Vec<Dropin>,
    /// Enable or disable it.
    pub enabled: Option<bool>,
    /// Mask or unmask it.
    pub mask: Option<bool>,
}

/// A drop-in of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropin {
    /// Where it stands.
    pub at: Option<Span>,
    /// File name, ends in `.conf`.
    pub name: String,
    /// Text; `None` writes nothing.
    pub contents: Option<String>,
}
