//! Encrypted volumes (LUKS2 On-Disk Format Specification).

use std::io;

use pilotlight_core::facts::disks::{BEING_MADE, Detail, ENCRYPTED, LuksHeader, Superblock};

use super::{Class, Hit, Reader, text};

/// Largest header of LUKS2, binary and JSON area (the specification, table 1).
const LARGEST: u64 = 4 << 20;

/// Where the second header lies: behind the first, whose sizes are these (table 1).
const SECOND: [u64; 9] = [
    0x4000, 0x8000, 0x1_0000, 0x2_0000, 0x4_0000, 0x8_0000, 0x10_0000, 0x20_0000, 0x40_0000,
];

/// The first header, and second ones. A second one alone does not say enough of a volume to keep it, but
/// `cryptsetup repair` opens it again.
pub(super) fn hits(reader: &mut Reader<'_>) -> io::Result<Vec<Hit>> {
    let mut places = Vec::new();
    for at in SECOND {
        if reader.is(at, b"SKUL\xba\xbe")? {
            places.push((at, 6));
        }
    }
    if reader.is(0, b"LUKS\xba\xbe")? {
        places.push((0, 6));
        let found = first(reader)?;
        return Ok(vec![Hit {
            found,
            class: Class::Member,
            places,
        }]);
    }
    Ok(match places.is_empty() {
        true => Vec::new(),
        false => vec![Hit::plain(ENCRYPTED, Class::Member, places)],
    })
}

/// The binary header (the specification, 2.1); version 1 has the UUID in the same place.
fn first(reader: &mut Reader<'_>) -> io::Result<Superblock> {
    let version = reader.byte(7)?;
    // Version 2 has a label at 24 and the subsystem at 208; both have the UUID as text at 168.
    let (label, subsystem) = match version {
        2 => (text(&reader.bytes(24, 48)?), text(&reader.bytes(208, 48)?)),
        _ => Default::default(),
    };
    Ok(Superblock {
        kind: ENCRYPTED.into(),
        label,
        uuid: Some(text(&reader.bytes(168, 40)?)),
        detail: Detail::Luks(LuksHeader {
            version,
            being_made: subsystem == BEING_MADE,
            clevis: version == 2 && clevis(reader)?,
        }),
    })
}

/// Whether one of the tokens in the JSON area is clevis's.
fn clevis(reader: &mut Reader<'_>) -> io::Result<bool> {
    let size = u64::from_be_bytes(reader.array(8)?).min(LARGEST);
    // At most LARGEST, which is an usize everywhere.
    let length = usize::try_from(size.saturating_sub(4096)).unwrap_or(0);
    let json = reader.bytes(4096, length)?;
    let end = json.iter().position(|b| *b == 0).unwrap_or(json.len());
    let header: serde_json::Value = serde_json::from_slice(&json[..end]).unwrap_or_default();
    let tokens = header["tokens"].as_object();
    Ok(tokens.is_some_and(|tokens| tokens.values().any(|token| token["type"] == "clevis")))
}
