//! What a config has mounted while the machine is provisioned.

use crate::diag::Span;
use crate::model::{Config, Filesystem, Format, SysPath};
use crate::ordered::Arrange as _;

/// Something that is mounted while the machine is provisioned.
pub(super) struct Mounted<'c> {
    pub(super) at: Option<Span>,
    pub(super) path: &'c SysPath,
    /// A device, or the tag of a share.
    pub(super) source: &'c str,
    pub(super) format: Format,
    pub(super) options: &'c [String],
    /// The file system; `None` for a share.
    pub(super) filesystem: Option<&'c Filesystem>,
}

/// Where something is mounted, sorted by depth.
pub(super) fn points(config: &Config) -> impl Iterator<Item = &SysPath> {
    mounted(config).into_iter().map(|mounted| mounted.path)
}

/// What is mounted: file systems and shares with a path, sorted by depth. What has the path `/` is not among them:
/// by then that is the root's own file system, which the initramfs has mounted ([`of_root`]).
pub(super) fn mounted(config: &Config) -> Vec<Mounted<'_>> {
    let mut list = with_path(config);
    list.retain(|mounted| *mounted.path != SysPath::root());
    list.arrange_by_key(|mounted| mounted.path.depth());
    list
}

/// What the config names as the root's own file system.
pub(super) fn of_root(config: &Config) -> Option<Mounted<'_>> {
    let mut list = with_path(config).into_iter();
    list.find(|mounted| *mounted.path == SysPath::root())
}

fn with_path(config: &Config) -> Vec<Mounted<'_>> {
    let filesystems = config.filesystems.iter().filter_map(|filesystem| {
        let format = filesystem.format.filter(|format| format.row().is_mounted)?;
        Some(Mounted {
            at: filesystem.at,
            path: filesystem.path.as_ref()?,
            source: filesystem.device.as_str(),
            format,
            options: &filesystem.mount_options,
            filesystem: Some(filesystem),
        })
    });
    let shares = config.shares.iter().filter_map(|share| {
        Some(Mounted {
            at: share.at,
            path: share.path.as_ref()?,
            source: &share.tag,
            format: Format::Virtiofs,
            options: &share.mount_options,
            filesystem: None,
        })
    });
    filesystems.chain(shares).collect()
}
