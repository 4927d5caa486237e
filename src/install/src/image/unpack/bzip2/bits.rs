//! Rows of bits that begin and end anywhere in a byte, the highest bit of a byte first.

/// Some bits.
#[derive(Debug, Clone, Default)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    /// Bits of the first byte that do not belong to it; less than eight.
    skipped: usize,
    /// How many belong to it.
    length: usize,
}

impl Bits {
    /// Whole bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            skipped: 0,
            length: bytes.len() * 8,
        }
    }

    /// The bits from `start` to `end` of some bytes that have them.
    pub(super) fn between(bytes: &[u8], start: usize, end: usize) -> Self {
        Self {
            bytes: bytes[start / 8..end.div_ceil(8)].to_vec(),
            skipped: start % 8,
            length: end - start,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Up to 56 bits as a number; none where there are fewer.
    pub(super) fn number(&self, at: usize, count: usize) -> Option<u64> {
        if at + count > self.length {
            return None;
        }
        let start = self.skipped + at;
        let word = self.word(start / 8) << (start % 8);
        Some(word >> (64 - count))
    }

    /// What follows the first `count` bits.
    pub(super) fn from(&self, count: usize) -> Self {
        let start = (self.skipped + count).min(self.skipped + self.length);
        Self::between(&self.bytes, start, self.skipped + self.length)
    }

    /// What follows from the next byte's beginning on, where a byte is what it was in the file.
    pub(super) fn aligned(&self) -> Self {
        self.from((8 - self.skipped) % 8)
    }

    /// Appends a number's lowest bits, at most 56.
    pub(super) fn push(&mut self, number: u64, count: usize) {
        self.append(number << (64 - count), count);
    }

    /// Appends other bits.
    pub(super) fn join(&mut self, other: &Self) {
        self.bytes.reserve(other.bytes.len());
        let mut at = 0;
        while at < other.length {
            let count = (other.length - at).min(56);
            let start = other.skipped + at;
            self.append(other.word(start / 8) << (start % 8), count);
            at += count;
        }
    }

    /// The bytes of bits that begin with a byte; those that fill the last one are zeros.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Eight bytes, the first one highest; zeros behind the end.
    fn word(&self, byte: usize) -> u64 {
        let rest = self.bytes.get(byte..).unwrap_or_default();
        match rest.first_chunk() {
            Some(whole) => u64::from_be_bytes(*whole),
            None => {
                let mut word = [0; 8];
                word[..rest.len()].copy_from_slice(rest);
                u64::from_be_bytes(word)
            }
        }
    }

    /// Appends the highest `count` bits, at most 56.
    fn append(&mut self, bits: u64, count: usize) {
        let end = self.skipped + self.length;
        let room = self.bytes.len() * 8 - end;
        let bits = bits & !(u64::MAX >> count);
        if room > 0 {
            let last = self.bytes.len() - 1;
            let shown = bits.to_be_bytes()[0] >> (8 - room);
            self.bytes[last] = self.bytes[last] & (0xff << room) | shown;
        }
        if count > room {
            let rest = (bits << room).to_be_bytes();
            self.bytes
                .extend_from_slice(&rest[..(count - room).div_ceil(8)]);
        }
        self.length += count;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(bits: &Bits) -> String {
        (0..bits.len())
            .map(|at| bits.number(at, 1).unwrap().to_string())
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn bits_are_joined_as_their_digits_are(
            bytes in proptest::collection::vec(any::<u8>(), 1..40),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 4),
            number in any::<u64>(),
        ) {
            let all: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(all.len() + 1)).collect();
            cuts.sort_unstable();
            let mut one = Bits::between(&bytes, cuts[0], cuts[1]);
            one.join(&Bits::between(&bytes, cuts[2], cuts[3]));
            one.push(number, 48);
            let last = format!("{:048b}", number & (u64::MAX >> 16));
            prop_assert_eq!(text(&one), format!("{}{}{last}", &all[cuts[0]..cuts[1]], &all[cuts[2]..cuts[3]]));
            let rest = Bits::between(&bytes, cuts[0], cuts[3]).aligned();
            prop_assert_eq!(text(&rest), all.get(cuts[0].div_ceil(8) * 8..cuts[3]).unwrap_or(""));
        }
    }
}
