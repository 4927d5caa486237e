//! .xz on all cores, where its blocks say how long they are, as those of `xz -T` do; as a whole otherwise.
//!
//! Each block is unpacked as a stream of its own, by the decoder that reads whole ones. What is read here is what holds
//! blocks together: <https://tukaani.org/xz/xz-file-format.txt>.

use std::io::Read;

use lzma_rust2::XzReader;

use super::feed::Input;
use super::pool::in_order;
use super::{Fault, Output, Owned, read_chunk};

/// The largest block, packed and unpacked, that is unpacked beside others, and the largest dictionary: what is larger
/// would not leave the memory bounded, and is unpacked as it comes.
const LARGEST: u64 = 32 << 20;

/// KiB that a dictionary may need: `xz -9` has 64 MiB.
const DICTIONARY: u32 = 72 << 10;

const HEADER: usize = 12;
const FOOTER: usize = 12;

/// What a block's header says.
struct Block {
    /// Bytes of the whole block without what fills it up to a multiple of four.
    unpadded: u64,
    /// Bytes of the whole block.
    padded: usize,
    unpacked: u64,
}

pub(super) fn unpack(mut input: Input, threads: usize, output: &Output) -> Result<(), Fault> {
    if threads == 1 {
        return whole(input, output);
    }
    in_order(
        threads,
        move |pool| {
            loop {
                let head = input.peek(HEADER + 1024);
                if head.is_empty() {
                    return Ok(());
                }
                let check = stream_header(head)?;
                if head.get(HEADER) != Some(&0) && block(&head[HEADER..], check)?.is_none() {
                    // The rest as it comes, whatever streams it has.
                    let sender = pool.stream()?;
                    let mut reader = XzReader::new_mem_limit(&mut input, true, DICTIONARY);
                    let result = pass(&mut reader, |piece| {
                        sender.send(Ok(vec![piece])).map_err(|_| Fault::Stopped)
                    })
                    .and_then(|()| at_end(&mut input));
                    // In its place among the others.
                    if let Err(Fault::Damaged(what)) = result {
                        let _ = sender.send(Err(Fault::Damaged(what)));
                        return Err(Fault::Stopped);
                    }
                    return result;
                }
                let header = input.exactly(HEADER)?;
                let mut records = Vec::new();
                while input.peek(1).first() != Some(&0) {
                    let head = input.peek(1024);
                    let Some(block) = block(head, check)? else {
                        return Err(damaged(
                            "a block does not say how long it is, and others do",
                        ));
                    };
                    let (unpadded, unpacked) = (block.unpadded, block.unpacked);
                    records.push((unpadded, unpacked));
                    let bytes = input.exactly(block.padded)?;
                    let stream = alone(&header, &bytes, (unpadded, unpacked));
                    pool.give(move || {
                        let mut pieces = Vec::new();
                        let mut reader = XzReader::new_mem_limit(&stream[..], false, DICTIONARY);
                        pass(&mut reader, |piece| {
                            pieces.push(piece);
                            Ok(())
                        })
                        .map(|()| pieces)
                    })?;
                }
                end(&mut input, &header, &records)?;
            }
        },
        |results| output.put_all(results),
    )
}

fn whole(mut input: Input, output: &Output) -> Result<(), Fault> {
    output.copy(&mut XzReader::new_mem_limit(&mut input, true, DICTIONARY))?;
    at_end(&mut input)
}

fn at_end(input: &mut Input) -> Result<(), Fault> {
    if input.peek(1).is_empty() {
        return Ok(());
    }
    Err(damaged("something that is no stream follows"))
}

/// Reads everything, piece by piece.
fn pass(
    reader: &mut impl Read,
    mut take: impl FnMut(Owned) -> Result<(), Fault>,
) -> Result<(), Fault> {
    loop {
        let bytes = read_chunk(reader)?;
        if bytes.is_empty() {
            return Ok(());
        }
        take(Owned::of(bytes))?;
    }
}

/// Bytes of the check behind each block, as a stream's header tells.
fn stream_header(head: &[u8]) -> Result<u64, Fault> {
    let Some(header) = head.first_chunk::<HEADER>() else {
        return Err(damaged("it ends too early"));
    };
    if !header.starts_with(b"\xfd7zXZ\0")
        || crc32fast::hash(&header[6..8]).to_le_bytes() != header[8..]
    {
        return Err(damaged("something that is no stream follows"));
    }
    match header[6..8] {
        [0, 0] => Ok(0),
        [0, 1] => Ok(4),
        [0, 4] => Ok(8),
        [0, 10] => Ok(32),
        _ => Err(damaged("its checks are of a kind that is not known")),
    }
}

/// What the header of the block that `head` begins with says; none where it does not tell sizes, or such that it is
/// better unpacked as it comes.
fn block(head: &[u8], check: u64) -> Result<Option<Block>, Fault> {
    let short = || damaged("it ends too early");
    let header = (usize::from(*head.first().ok_or_else(short)?) + 1) * 4;
    let fields = head.get(1..header).ok_or_else(short)?;
    let (fields, sum) = fields.split_at(fields.len() - 4);
    if crc32fast::hash(&head[..header - 4]).to_le_bytes() != sum {
        return Err(damaged("the header of a block is damaged"));
    }
    let (Some(flags), mut fields) = (fields.first().copied(), fields.get(1..).unwrap_or_default())
    else {
        return Err(short());
    };
    if flags & 0xc0 != 0xc0 {
        return Ok(None);
    }
    let (Some(packed), Some(unpacked)) = (number(&mut fields), number(&mut fields)) else {
        return Err(damaged("the header of a block is damaged"));
    };
    if packed > LARGEST || unpacked > LARGEST {
        return Ok(None);
    }
    let unpadded = header as u64 + packed + check;
    let padded = usize::try_from(header as u64 + packed.next_multiple_of(4) + check);
    Ok(Some(Block {
        unpadded,
        padded: padded.map_err(|_| short())?,
        unpacked,
    }))
}

/// Compares the index and the footer of a stream with its blocks, and takes the zeros that may follow.
fn end(input: &mut Input, header: &[u8], records: &[(u64, u64)]) -> Result<(), Fault> {
    let index = index(records);
    if input.exactly(index.len())? != index {
        return Err(damaged("its index does not tell what its blocks are"));
    }
    if input.exactly(FOOTER)? != footer(header, index.len()) {
        return Err(damaged("the end of a stream is damaged"));
    }
    while input.peek(4).first() == Some(&0) {
        if input.exactly(4)? != [0; 4] {
            return Err(damaged("something that is no stream follows"));
        }
    }
    Ok(())
}

/// A stream that has one block and nothing else.
fn alone(header: &[u8], block: &[u8], record: (u64, u64)) -> Vec<u8> {
    let index = index(&[record]);
    let footer = footer(header, index.len());
    [header, block, &index, &footer].concat()
}

/// The index of blocks: how long each is, packed and unpacked.
fn index(records: &[(u64, u64)]) -> Vec<u8> {
    let mut bytes = vec![0];
    push(&mut bytes, records.len() as u64);
    for (unpadded, unpacked) in records {
        push(&mut bytes, *unpadded);
        push(&mut bytes, *unpacked);
    }
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let sum = crc32fast::hash(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

fn footer(header: &[u8], index: usize) -> Vec<u8> {
    // An index is at most some bytes for each block: far below what four bytes say.
    let size = u32::try_from(index / 4 - 1).unwrap_or(u32::MAX);
    let told = [&size.to_le_bytes()[..], &header[6..8]].concat();
    [&crc32fast::hash(&told).to_le_bytes()[..], &told, b"YZ"].concat()
}

/// A number of seven bits a byte, the lowest first.
fn number(fields: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in 0..9 {
        let (byte, rest) = fields.split_first()?;
        *fields = rest;
        number |= u64::from(byte & 0x7f) << (shift * 7);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn damaged(what: &str) -> Fault {
    Fault::Damaged(what.into())
}
