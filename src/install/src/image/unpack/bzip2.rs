//! bzip2 on all cores: blocks do not depend on each other, and each begins with a pattern of 48 bits.
//!
//! A block begins at any bit and does not say how long it is; where the next one begins is found by its pattern. The
//! same bits may stand within a block by chance. Then the first part cannot be unpacked (its checksum sees to that) and
//! is joined with the next one. No byte is passed on before the checksum of its block was found right.

mod bits;
mod scan;

use ::bzip2::{Decompress, Status};

use self::bits::Bits;
use self::scan::{Kind, Part, Scan};
use super::feed::Input;
use super::pool::{Pool, in_order};
use super::{Fault, Output, Owned, all_zeros};

/// How much of an unpacked block is held until it is its turn; one that is larger (900,000 bytes are packed into it, but
/// runs of a byte count for less) is unpacked a second time then.
const HELD: usize = 4 << 20;

/// How much is unpacked at once.
const STEP: usize = 256 << 10;

/// False beginnings that are looked for within a block. One is a chance of 1 to 2^25; an input made to have more is not
/// worth the time.
const JOINED: usize = 4;

/// What became of a part that was taken for a whole block.
enum Outcome {
    /// Its bytes, and its checksum is right.
    Held(Vec<Owned>),
    /// It can be unpacked, and has more bytes than are held.
    Large,
    /// It is no whole block.
    Broken,
    /// It is an end of a stream, or what stands before the first block.
    Other,
}

pub(super) fn unpack(mut input: Input, threads: usize, output: &Output) -> Result<(), Fault> {
    in_order(
        threads,
        move |pool: &Pool<(Part, Outcome)>| {
            let mut scan = Scan::default();
            loop {
                let bytes = input.peek(1);
                let last = bytes.is_empty();
                let parts = if last {
                    scan.finish()
                } else {
                    scan.more(bytes)?
                };
                let read = bytes.len();
                std::io::BufRead::consume(&mut input, read);
                for part in parts {
                    pool.give(move || {
                        let outcome = match part.kind {
                            Kind::Block => try_block(&part.bits),
                            Kind::Before | Kind::End => Outcome::Other,
                        };
                        (part, outcome)
                    })?;
                }
                if last {
                    return Ok(());
                }
            }
        },
        |parts| assemble(parts, output),
    )
}

/// Puts blocks and ends of streams together as the format wants them.
fn assemble(
    parts: &mut dyn Iterator<Item = (Part, Outcome)>,
    output: &Output,
) -> Result<(), Fault> {
    let mut parts = parts.peekable();
    match parts.next() {
        Some((part, _)) if part.kind == Kind::Before && header(&part.bits) => {}
        _ => return Err(damaged("it does not begin as a bzip2 stream does")),
    }
    // Whether a stream is open, and what its blocks' checksums make together.
    let mut open = Some(0u32);
    while let Some((part, outcome)) = parts.next() {
        let Some(sum) = open else {
            return Err(damaged("something follows its end"));
        };
        if part.kind == Kind::End {
            if part.bits.number(48, 32) != Some(u64::from(sum)) {
                return Err(damaged("the checksum of the whole stream is wrong"));
            }
            open = after_end(&part.bits)?.then_some(0);
            continue;
        }
        let (bits, outcome) = whole(part, outcome, &mut parts)?;
        match outcome {
            Outcome::Held(pieces) => pieces.into_iter().try_for_each(|piece| output.put(piece))?,
            _ => unpack_block(&bits, &mut |bytes| output.put(Owned::of(bytes.to_vec())))?,
        }
        // A block has its checksum behind its pattern; it was compared while it was unpacked.
        let own = bits
            .number(48, 32)
            .and_then(|sum| u32::try_from(sum).ok())
            .unwrap_or(0);
        open = Some(sum.rotate_left(1) ^ own);
    }
    match open {
        None => Ok(()),
        Some(_) => Err(damaged("it ends too early")),
    }
}

/// A block that can be unpacked: a part, joined with the following ones while it cannot.
fn whole(
    part: Part,
    outcome: Outcome,
    following: &mut std::iter::Peekable<&mut dyn Iterator<Item = (Part, Outcome)>>,
) -> Result<(Bits, Outcome), Fault> {
    let (mut bits, mut outcome) = (part.bits, outcome);
    for _ in 0..JOINED {
        if !matches!(outcome, Outcome::Broken) {
            break;
        }
        // The end of the input is an end of a stream: what does not end so is joined with nothing.
        let Some((next, _)) = following.next() else {
            break;
        };
        bits.join(&next.bits);
        outcome = try_block(&bits);
    }
    match outcome {
        Outcome::Broken => Err(damaged(
            "a block cannot be unpacked: its checksum is wrong, or it is cut off",
        )),
        found => Ok((bits, found)),
    }
}

/// Whether there is a header of a stream: `BZh` and the size of blocks.
fn header(bits: &Bits) -> bool {
    bits.len() == 32
        && bits.number(0, 24) == Some(0x42_5a68)
        && matches!(bits.number(24, 8), Some(0x31..=0x39))
}

/// Whether another stream follows an end: it begins with the next byte.
fn after_end(bits: &Bits) -> Result<bool, Fault> {
    let rest = bits.from(80).aligned();
    if rest.len() == 0 {
        Ok(false)
    } else if header(&rest) {
        Ok(true)
    } else {
        Err(damaged("something follows its end"))
    }
}

fn damaged(what: &str) -> Fault {
    Fault::Damaged(what.into())
}

/// Unpacks a part as if it were a whole block.
fn try_block(bits: &Bits) -> Outcome {
    let mut held = Some((Vec::<Owned>::new(), 0));
    let done = unpack_block(bits, &mut |bytes| {
        if let Some((pieces, size)) = &mut held {
            match (pieces.last_mut(), all_zeros(bytes)) {
                (Some(Owned::Zeros(count)), true) => *count += bytes.len() as u64,
                (_, true) => pieces.push(Owned::Zeros(bytes.len() as u64)),
                (_, false) => {
                    *size += bytes.len();
                    pieces.push(Owned::Bytes(bytes.to_vec()));
                }
            }
            if *size > HELD {
                held = None;
            }
        }
        Ok(())
    });
    match (done, held) {
        (Err(_), _) => Outcome::Broken,
        (Ok(()), Some((pieces, _))) => Outcome::Held(pieces),
        (Ok(()), None) => Outcome::Large,
    }
}

/// Unpacks one block, as a stream of its own that begins at a byte and ends after it. It is over only when its checksum
/// was right and nothing was left of its bits.
fn unpack_block(
    bits: &Bits,
    take: &mut dyn FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let wrong = || damaged("a block cannot be unpacked");
    let sum = bits.number(48, 32).ok_or_else(wrong)?;
    let mut stream = Bits::of(b"BZh9");
    stream.join(bits);
    stream.push(scan::END, 48);
    // Of a single block, its own checksum is the stream's.
    stream.push(sum, 32);
    let mut rest = stream.bytes();

    let mut block = Decompress::new(false);
    let mut buffer = vec![0; STEP];
    loop {
        let (read, made) = (block.total_in(), block.total_out());
        let status = block.decompress(rest, &mut buffer).map_err(|_| wrong())?;
        let made = usize::try_from(block.total_out() - made).map_err(|_| wrong())?;
        let read = usize::try_from(block.total_in() - read).map_err(|_| wrong())?;
        rest = &rest[read..];
        take(&buffer[..made])?;
        match status {
            Status::StreamEnd if rest.is_empty() => return Ok(()),
            Status::StreamEnd => return Err(wrong()),
            _ if read == 0 && made == 0 => return Err(wrong()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::mpsc::sync_channel;

    use super::*;

    fn parts(packed: &[u8]) -> Vec<Part> {
        let mut scan = Scan::default();
        let mut parts = Vec::new();
        // A pattern may be cut anywhere.
        for piece in packed.chunks(5) {
            parts.extend(scan.more(piece).unwrap());
        }
        parts.extend(scan.finish());
        parts
    }

    fn assembled(parts: Vec<Part>) -> Result<Vec<u8>, String> {
        let (sender, receiver) = sync_channel(1000);
        let mut tried = parts.into_iter().map(|part| {
            let outcome = match part.kind {
                Kind::Block => try_block(&part.bits),
                _ => Outcome::Other,
            };
            (part, outcome)
        });
        let done = assemble(&mut tried, &Output(sender));
        match done {
            Ok(()) => Ok(receiver
                .into_iter()
                .flat_map(|piece| match piece {
                    Owned::Bytes(bytes) => bytes,
                    Owned::Raw(chunk) => chunk.to_vec(),
                    Owned::Zeros(count) => vec![0; usize::try_from(count).unwrap()],
                })
                .collect()),
            Err(Fault::Damaged(what)) => Err(what),
            Err(Fault::Stopped) => panic!("stopped"),
        }
    }

    fn packed(seed: u32) -> (Vec<u8>, Vec<u8>) {
        let numbers = (0..300_000_u32).map(|at| at.wrapping_mul(seed) >> 13);
        let original: Vec<u8> = numbers
            .flat_map(|number| number.to_le_bytes()[..1].to_vec())
            .collect();
        let mut packed = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::new(1));
        packed.write_all(&original).unwrap();
        (original, packed.finish().unwrap())
    }

    /// What stands within a block and looks like the beginning of another, or like an end.
    #[test]
    fn a_pattern_within_a_block_is_no_beginning() {
        let (original, packed) = packed(2_654_435_761);
        let parts = parts(&packed);
        assert!(parts.len() > 4, "{} parts", parts.len());
        assert_eq!(assembled(parts.clone()).unwrap(), original);
        for kind in [Kind::Block, Kind::End] {
            for (which, cuts) in [(1, vec![100]), (2, vec![48, 49, 3001]), (3, vec![81])] {
                let mut cut = Vec::new();
                for (number, part) in parts.iter().enumerate() {
                    let (mut from, mut part) = (0, part.clone());
                    for at in cuts.iter().filter(|_| number == which) {
                        let rest = part.bits.from(at - from);
                        let whole = part.bits.from(0);
                        let mut first = Bits::default();
                        for bit in 0..at - from {
                            first.push(whole.number(bit, 1).unwrap(), 1);
                        }
                        cut.push(Part {
                            kind: part.kind,
                            bits: first,
                        });
                        part = Part { kind, bits: rest };
                        from = *at;
                    }
                    cut.push(part);
                }
                assert_eq!(cut.len(), parts.len() + cuts.len());
                assert_eq!(
                    assembled(cut).unwrap(),
                    original,
                    "{kind:?} within block {which}"
                );
            }
        }
    }

    #[test]
    fn blocks_that_are_missing_or_in_another_order_are_found() {
        let (_, packed) = packed(40_503);
        let parts = parts(&packed);
        for change in 0..3 {
            let mut parts = parts.clone();
            match change {
                0 => drop(parts.remove(1)),
                1 => parts.swap(1, 2),
                _ => parts.insert(1, parts[1].clone()),
            }
            let why = assembled(parts).unwrap_err();
            assert_eq!(why, "the checksum of the whole stream is wrong");
        }
    }
}
