//! ISO 9660 and UDF, which begin at 32 KiB and often share a disc.

use std::io;

use super::{Class, Hit, Reader, text};

const START: u64 = 32 << 10;

/// A volume recognition sequence (ECMA-167, 2/9.1) that names UDF, with an anchor. A disc with both is meant
/// to be read as UDF; its other half may have shortened names.
pub(super) fn udf(reader: &mut Reader<'_>) -> io::Result<Vec<Hit>> {
    let Some(places) = descriptors(reader)? else {
        return Ok(Vec::new());
    };
    let mut class = Class::Suspect;
    for block in [512, 1024, 2048, 4096] {
        for at in [256, 512] {
            // Kind 2, with the number of its own block (ECMA-167, 3/7.2 and 3/10.2).
            let anchor = block * at;
            if reader.le16(anchor)? == 2 && u64::from(reader.le32(anchor + 12)?) == at {
                class = Class::Tolerant;
            }
        }
    }
    Ok(vec![Hit::plain("udf", class, places)])
}

/// The descriptors of UDF in the sequence, which has them every 2048 bytes, or every block if that is larger.
fn descriptors(reader: &mut Reader<'_>) -> io::Result<Option<Vec<(u64, u64)>>> {
    for length in [2048, 4096] {
        let mut places = Vec::new();
        let mut named = false;
        for at in (0..64).map(|n| START + n * length + 1) {
            let name = reader.array::<5>(at)?;
            match &name {
                b"NSR02" | b"NSR03" => named = true,
                b"BEA01" | b"BOOT2" | b"CDW02" | b"TEA01" => {}
                b"CD001" => continue,
                _ => break,
            }
            places.push((at, 5));
        }
        // What begins an extended area alone is half of one.
        if named || reader.is(START + 1, b"BEA01")? {
            return Ok(Some(places));
        }
    }
    Ok(None)
}

/// A volume descriptor of ISO 9660 (ECMA-119, 8.4) or of its predecessor.
pub(super) fn iso9660(reader: &mut Reader<'_>) -> io::Result<Vec<Hit>> {
    let mut hit = Hit::plain("iso9660", Class::Tolerant, Vec::new());
    if reader.is(START + 1, b"CD001")? {
        hit.found.label = text(&reader.bytes(START + 40, 32)?).trim_end().into();
        hit.places.push((START + 1, 5));
    } else if reader.is(START + 9, b"CDROM")? {
        hit.places.push((START + 9, 5));
    } else {
        return Ok(Vec::new());
    }
    Ok(vec![hit])
}
