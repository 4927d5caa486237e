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
    let mut label = String::new();
    for block in [512, 1024, 2048, 4096] {
        for at in [256, 512] {
            // Kind 2, with the number of its own block (ECMA-167, 3/7.2 and 3/10.2).
            let anchor = block * at;
            if reader.le16(anchor)? == 2 && u64::from(reader.le32(anchor + 12)?) == at {
                class = Class::Tolerant;
                if label.is_empty() {
                    label = volume_name(reader, block, anchor)?;
                }
            }
        }
    }
    // A disc with both may have its name only in the other half.
    if label.is_empty() && reader.is(START + 1, b"CD001")? {
        label = iso_label(reader)?;
    }
    let mut hit = Hit::plain("udf", class, places);
    hit.found.label = label;
    Ok(vec![hit])
}

/// Most descriptors of a volume that are looked at; there are six kinds.
const MAX_DESCRIPTORS: u64 = 64;

/// The name of the logical volume (ECMA-167, 3/10.6), which is the label, by the sequence of descriptors that the
/// anchor names.
fn volume_name(reader: &mut Reader<'_>, block: u64, anchor: u64) -> io::Result<String> {
    let length = u64::from(reader.le32(anchor + 16)?);
    let first = u64::from(reader.le32(anchor + 20)?);
    for at in first..first + (length / block).min(MAX_DESCRIPTORS) {
        match reader.le16(at * block)? {
            6 => return Ok(dstring(&reader.bytes(at * block + 84, 128)?)),
            // The end of the sequence.
            0 | 8 => break,
            _ => {}
        }
    }
    Ok(String::new())
}

/// A text of fixed length (OSTA UDF 2.1.3): how it is written, the text, and in its last byte how long it is.
fn dstring(bytes: &[u8]) -> String {
    let Some((length, bytes)) = bytes.split_last() else {
        return String::new();
    };
    let used = bytes.get(..usize::from(*length)).unwrap_or(bytes);
    let text: String = match used.split_first() {
        Some((8, latin)) => latin.iter().map(|byte| char::from(*byte)).collect(),
        Some((16, wide)) => {
            let units = wide.chunks_exact(2);
            let units = units.map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units)
                .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        _ => String::new(),
    };
    text.trim_end_matches([' ', '\0']).into()
}

fn iso_label(reader: &mut Reader<'_>) -> io::Result<String> {
    Ok(text(&reader.bytes(START + 40, 32)?).trim_end().into())
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
        hit.found.label = iso_label(reader)?;
        hit.places.push((START + 1, 5));
    } else if reader.is(START + 9, b"CDROM")? {
        hit.places.push((START + 9, 5));
    } else {
        return Ok(Vec::new());
    }
    Ok(vec![hit])
}

#[cfg(test)]
mod tests {
    use super::dstring;

    /// A text of 128 bytes.
    fn of(begin: &[u8], length: u8) -> Vec<u8> {
        let mut bytes = begin.to_vec();
        bytes.resize(127, 0);
        bytes.push(length);
        bytes
    }

    #[test]
    fn texts_of_udf_say_how_they_are_written_and_how_long_they_are() {
        let table: [(Vec<u8>, &str); 13] = [
            (of(b"\x08config-2", 9), "config-2"),
            (of(b"\x08config-2more", 9), "config-2"),
            (of(b"\x08gr\xfcn", 5), "grün"),
            (of(b"\x10\0g\0r\0\xfc\0n", 9), "grün"),
            (of(b"\x10\xd8\x3d\xde\x00", 5), "😀"),
            (of(b"\x10\xd8\x3d", 3), "\u{fffd}"),
            (of(b"\x10\0a\0", 4), "a"),
            (of(b"\x08padded  ", 9), "padded"),
            (of(b"\x08", 1), ""),
            (of(b"", 0), ""),
            (of(b"\x20what", 5), ""),
            (of(b"\x08a", 255), "a"),
            (Vec::new(), ""),
        ];
        for (bytes, expected) in table {
            assert_eq!(dstring(&bytes), expected, "{bytes:?}");
        }
    }
}
