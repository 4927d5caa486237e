//! Members of a ZFS pool (OpenZFS include/sys/vdev_impl.h, "ZFS On-Disk Specification", chapter 1).

use pilotlight_core::ordered::Arrange as _;
use std::io;

use super::{Class, Hit, Reader};

/// A label: 16 KiB of other things, 112 KiB of names and values, and a ring of 128 KiB of uberblocks.
const LABEL: u64 = 256 << 10;
const MAGIC: u64 = 0x00ba_b10c;

/// All four labels, two at either end. A pool writes one uberblock with each of its transactions, and each in
/// another label, so that a young one has few in any single label. A few that another format left over do not
/// make a pool: four are asked for, as libblkid does, or a label with its names and values.
pub(super) fn hits(reader: &mut Reader<'_>) -> io::Result<Vec<Hit>> {
    let end = reader.size() / LABEL * LABEL;
    let mut labels = vec![0, LABEL];
    labels.extend(end.checked_sub(2 * LABEL));
    labels.extend(end.checked_sub(LABEL));
    labels.arrange();
    labels.dedup();
    let mut uberblocks = 0;
    let mut named = false;
    let mut places = Vec::new();
    for label in labels {
        // No more than LABEL, which is a usize everywhere.
        let bytes = reader.bytes(label, usize::try_from(LABEL).unwrap_or(0))?;
        let (head, ring) = bytes.split_at(bytes.len() / 2);
        let found = (ring.chunks_exact(1024))
            .filter(|block| {
                block.starts_with(&MAGIC.to_le_bytes()) || block.starts_with(&MAGIC.to_be_bytes())
            })
            .count();
        let names = names(head);
        if found > 0 || names {
            places.push((label, LABEL.min(reader.size() - label)));
        }
        uberblocks += found;
        named |= names;
    }
    let class = match (uberblocks >= 4, named) {
        (true, _) => Class::Sole,
        (false, true) => Class::Suspect,
        (false, false) => return Ok(Vec::new()),
    };
    Ok(vec![Hit::plain("zfs_member", class, places)])
}

/// Whether names and values stand behind the boot header: a list in XDR whose first name is "version".
fn names(head: &[u8]) -> bool {
    // Encoding and order of bytes, version and flags of the list, sizes of the pair, length of its name.
    const NAME: usize = 4 + 8 + 8 + 4;
    head.get(16 << 10..)
        .is_some_and(|list| list.starts_with(&[1]) && list[NAME..].starts_with(b"version\0"))
}
