//! Zstandard: frames that say how much is in them, as those of `pzstd` do, on all cores; a single large one as it comes.
//!
//! What is read here is what tells where a frame ends (RFC 8878, section 3.1.1).

use std::io::{self, Read};

use ruzstd::decoding::StreamingDecoder;

use super::feed::Input;
use super::pool::in_order;
use super::{Fault, Output, Owned, read_chunk};

/// The largest frame, packed and unpacked, that is unpacked beside others.
const LARGEST: usize = 32 << 20;

/// The largest window: `zstd --ultra -22` has 128 MiB.
const WINDOW: u64 = 128 << 20;

/// The longest header of a frame.
const HEADER: usize = 18;

const MAGIC: &[u8] = b"\x28\xb5\x2f\xfd";

/// What a frame's header says.
struct Header {
    bytes: usize,
    /// Whether four bytes of a checksum stand behind the last block.
    sum: bool,
    unpacked: Option<u64>,
}

pub(super) fn unpack(mut input: Input, threads: usize, output: &Output) -> Result<(), Fault> {
    in_order(
        threads,
        move |pool| {
            loop {
                let head = input.peek(HEADER);
                if head.is_empty() {
                    return Ok(());
                }
                if let [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d, ..] = *head {
                    skip(&mut input, u64::from(u32::from_le_bytes([a, b, c, d])))?;
                    continue;
                }
                let header = header(head)?;
                let small = header.unpacked.is_some_and(|size| size <= LARGEST as u64);
                let frame = if small && threads > 1 {
                    frame(&mut input, &header)?
                } else {
                    None
                };
                match frame {
                    Some(frame) => pool.give(move || {
                        let mut pieces = Vec::new();
                        decode(&mut &frame[..], |piece| {
                            pieces.push(piece);
                            Ok(())
                        })
                        .map(|()| pieces)
                    })?,
                    None => {
                        let sender = pool.stream()?;
                        let result = decode(&mut input, |piece| {
                            sender.send(Ok(vec![piece])).map_err(|_| Fault::Stopped)
                        });
                        // In its place among the others.
                        if let Err(Fault::Damaged(what)) = result {
                            let _ = sender.send(Err(Fault::Damaged(what)));
                            return Err(Fault::Stopped);
                        }
                        result?;
                    }
                }
            }
        },
        |results| output.put_all(results),
    )
}

/// Unpacks the frame that comes next, and compares its checksum.
fn decode(
    packed: &mut impl Read,
    mut take: impl FnMut(Owned) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut frame = StreamingDecoder::new_with_max_window_size(packed, WINDOW)
        .map_err(|cause| Fault::Damaged(cause.to_string()))?;
    loop {
        let bytes = read_chunk(&mut frame)?;
        if bytes.is_empty() {
            break;
        }
        take(Owned::of(bytes))?;
    }
    let decoder = frame.into_frame_decoder();
    match decoder.get_checksum_from_data() {
        told @ Some(_) if told != decoder.get_calculated_checksum() => {
            Err(damaged("the checksum of a frame is wrong"))
        }
        _ => Ok(()),
    }
}

fn skip(input: &mut Input, length: u64) -> Result<(), Fault> {
    let skipped = io::copy(&mut input.take(8 + length), &mut io::sink())?;
    if skipped < 8 + length {
        return Err(damaged("it ends too early"));
    }
    Ok(())
}

fn header(head: &[u8]) -> Result<Header, Fault> {
    if !head.starts_with(MAGIC) {
        return Err(damaged("something that is no frame follows"));
    }
    let descriptor = *head.get(4).ok_or_else(|| damaged("it ends too early"))?;
    let single = descriptor & 0x20 != 0;
    let before = 5 + usize::from(!single) + [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size = match (descriptor >> 6, single) {
        (0, false) => 0,
        (log, _) => 1 << log,
    };
    let unpacked = match head.get(before..before + size) {
        None => return Err(damaged("it ends too early")),
        Some([]) => None,
        Some(field) => {
            let mut number = [0; 8];
            number[..field.len()].copy_from_slice(field);
            let offset = if size == 2 { 256 } else { 0 };
            Some(u64::from_le_bytes(number).saturating_add(offset))
        }
    };
    Ok(Header {
        bytes: before + size,
        sum: descriptor & 4 != 0,
        unpacked,
    })
}

/// The bytes of the frame that comes next; none, and nothing taken, where it is too large.
fn frame(input: &mut Input, header: &Header) -> Result<Option<Vec<u8>>, Fault> {
    let mut length = header.bytes;
    loop {
        if length > LARGEST {
            return Ok(None);
        }
        let head = input.peek(length + 3);
        let Some([a, b, c]) = head.get(length..length + 3) else {
            return Err(damaged("it ends too early"));
        };
        let block = u32::from_le_bytes([*a, *b, *c, 0]);
        // A byte that is repeated is one byte.
        length += 3 + match block >> 1 & 3 {
            1 => 1,
            _ => (block >> 3) as usize,
        };
        if block & 1 != 0 {
            break;
        }
    }
    length += if header.sum { 4 } else { 0 };
    Ok(Some(input.exactly(length)?))
}

fn damaged(what: &str) -> Fault {
    Fault::Damaged(what.into())
}
