//! Disks that still have the disk GUID of the image that was written to them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use pilotlight_core::facts::disks::{Block, TableState};
use pilotlight_core::model::Guid;
use pilotlight_core::ordered::Gather as _;

use crate::blockdev;
use crate::disks::{DeviceMap, unlisted_user};
use crate::gpt::{self, Found};
use crate::probe::{self, Area};

/// The disks whose GUID this is, node → what is on them. With images only those are looked at, else the
/// drives of this machine: not what is stacked on them (loop devices, arrays, volumes).
pub fn observe(guid: Guid, images: &DeviceMap) -> BTreeMap<String, Block> {
    let drives: DeviceMap;
    let devices = if images.is_empty() {
        let nodes = blockdev::drives().into_iter();
        drives = nodes.map(|node| (node.clone(), node.into())).gather();
        &drives
    } else {
        images
    };
    // A drive that cannot be read is none that this machine was started from.
    (devices.iter())
        .filter_map(|(node, path)| Some((node.clone(), block_of_guid(guid, node, path).ok()??)))
        .gather()
}

fn block_of_guid(guid: Guid, node: &str, path: &Path) -> io::Result<Option<Block>> {
    let geometry = blockdev::geometry(path)?;
    let mut file = File::open(path)?;
    let Found::Table(raw) = gpt::read(&mut file, geometry)? else {
        return Ok(None);
    };
    let table = raw.facts(geometry);
    if table.guid != Some(guid) {
        return Ok(None);
    }
    let signature = probe::superblock(&mut Area {
        device: &mut file,
        start: 0,
        size: geometry.size,
    })?;
    let table = TableState::Gpt(table);
    let used = || blockdev::user(node).or_else(|| unlisted_user(node, &table));
    let used = (path == Path::new(node)).then(used).flatten();
    Ok(Some(Block {
        size: geometry.size,
        sector: geometry.sector,
        table,
        signature,
        used,
    }))
}
