//! Where blocks begin.

use super::super::Fault;
use super::bits::Bits;

/// What a block begins with.
pub(super) const BLOCK: u64 = 0x3141_5926_5359;

/// What the end of a stream begins with.
pub(super) const END: u64 = 0x1772_4538_5090;

/// More bytes than a packed block can have: 900,000 symbols of at most 20 bits, and its tables.
const LONGEST: usize = 2_300_000;

/// What a part begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What comes before the first pattern.
    Before,
    Block,
    End,
}

/// What stands between two patterns, the first one included.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) kind: Kind,
    pub(super) bits: Bits,
}

/// Splits bytes, as they come, at the patterns.
pub(super) struct Scan {
    /// From the byte that the current part begins in.
    bytes: Vec<u8>,
    /// The first bit of the current part.
    start: usize,
    kind: Kind,
    /// The byte from which on patterns are looked for.
    next: usize,
    /// For each value of a byte: which pattern it may be the second byte of, at which bits. The lower eight are for
    /// blocks, the others for ends.
    second: [u16; 256],
}

impl Default for Scan {
    fn default() -> Self {
        let mut second = [0; 256];
        for (pattern, shift) in [(BLOCK, 0), (END, 8)] {
            for bit in 0..8 {
                // A pattern that begins at this bit of a byte has these bits in the next one.
                let byte = (pattern >> (32 + bit)) & 0xff;
                second[usize::try_from(byte).unwrap_or(0)] |= 1 << (shift + bit);
            }
        }
        Self {
            bytes: Vec::new(),
            start: 0,
            kind: Kind::Before,
            next: 0,
            second,
        }
    }
}

impl Scan {
    /// Takes the next bytes and gives the parts that end in them.
    pub(super) fn more(&mut self, bytes: &[u8]) -> Result<Vec<Part>, Fault> {
        self.bytes.extend_from_slice(bytes);
        let mut parts = Vec::new();
        // A pattern touches seven bytes.
        while self.next + 8 <= self.bytes.len() {
            let mut candidates = self.second[usize::from(self.bytes[self.next + 1])];
            while candidates != 0 {
                let bit = candidates.trailing_zeros() as usize;
                candidates &= candidates - 1;
                let (kind, pattern) = if bit < 8 {
                    (Kind::Block, BLOCK)
                } else {
                    (Kind::End, END)
                };
                if self.window() >> (16 - bit % 8) << 16 == pattern << 16 {
                    parts.push(self.cut(self.next * 8 + bit % 8, kind));
                    // No two begin in the same byte.
                    break;
                }
            }
            self.next += 1;
        }
        // What is done with is let go, once for all parts.
        let done = self.start / 8;
        self.bytes.drain(..done);
        self.start -= done * 8;
        self.next -= done;
        if self.bytes.len() > LONGEST + bytes.len() {
            return Err(Fault::Damaged("no block begins where one should".into()));
        }
        Ok(parts)
    }

    /// The last part.
    pub(super) fn finish(&mut self) -> Vec<Part> {
        // Zeros behind the end make the last bytes a window as well, and are no part of any.
        let mut parts = self.more(&[0; 8]).unwrap_or_default();
        let end = (self.bytes.len().saturating_sub(8) * 8).max(self.start);
        parts.push(Part {
            kind: self.kind,
            bits: Bits::between(&self.bytes, self.start, end),
        });
        parts
    }

    fn cut(&mut self, at: usize, kind: Kind) -> Part {
        let part = Part {
            kind: self.kind,
            bits: Bits::between(&self.bytes, self.start, at),
        };
        self.start = at;
        self.kind = kind;
        part
    }

    fn window(&self) -> u64 {
        self.bytes[self.next..]
            .first_chunk()
            .map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}
