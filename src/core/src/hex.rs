//! Bytes as hexadecimal digits: the one place that writes and reads them.

use std::fmt;

const DIGITS: [u8; 16] = *b"0123456789abcdef";

fn digits(byte: u8) -> [char; 2] {
    [byte >> 4, byte & 0xf].map(|digit| char::from(DIGITS[usize::from(digit)]))
}

/// Bytes as lower-case digits, two each.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.extend(digits(*byte));
    }
    text
}

/// The same for a text that goes on.
#[derive(Debug, Clone, Copy)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(self.0))
    }
}

/// The value of one digit of either case, 0 to 15.
pub fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The byte that two digits stand for. Signs and blanks are no digits, other than to
/// [`u8::from_str_radix`].
pub fn byte(high: u8, low: u8) -> Option<u8> {
    Some(digit(high)? << 4 | digit(low)?)
}

/// Exactly `N` bytes from their digits of either case; `None` where there are more, fewer or others.
pub fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (to, [high, low]) in bytes.iter_mut().zip(pairs) {
        *to = byte(*high, *low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    #[test]
    fn known_values() {
        // RFC 4648, section 10, in lower case.
        for (bytes, text) in [
            ("", ""),
            ("f", "66"),
            ("fo", "666f"),
            ("foobar", "666f6f626172"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
        }
        assert_eq!(decode(b"666F6f626172"), Some(*b"foobar"));
        assert_eq!(decode(b""), Some([]));
        for wrong in [
            "", "6", "66", "666f6f", "+a0b", "0x01", "66 6", "66g0", "é6",
        ] {
            assert_eq!(decode::<2>(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes in any::<[u8; 32]>(), upper in any::<bool>()) {
            let mut text = encode(&bytes);
            if upper {
                text.make_ascii_uppercase();
            }
            prop_assert_eq!(decode(text.as_bytes()), Some(bytes));
        }

        #[test]
        fn a_digit_is_what_char_calls_one(code in any::<u8>()) {
            let expected = char::from(code).to_digit(16).map(u64::from);
            prop_assert_eq!(digit(code).map(u64::from), expected);
        }
    }
}
