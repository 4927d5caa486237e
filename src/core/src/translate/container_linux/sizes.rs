//! Sizes with units, as the transpiler read them (`ParseBase2Bytes` of alecthomas/units).

use crate::decimal;

/// The units behind their first letter, and the size of the plain one.
const PREFIXES: &str = "KMGTPE";

/// Bytes of a size: numbers with units behind each other, which are added up: `1GiB512MiB`, `1.5GiB`, `10GB`.
///
/// Both spellings of a unit are powers of 1024, but one text keeps to one of them. A number without a unit
/// is no size, but for 0.
pub(super) fn bytes(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned == "0" {
        return Some(0);
    }
    let sum = sum(unsigned, "iB").or_else(|| sum(unsigned, "B"))?;
    // Cut to whole bytes, as the transpiler did.
    let bytes = i128::try_from(sum / decimal::SCALE).ok()?;
    i64::try_from(if text.starts_with('-') { -bytes } else { bytes }).ok()
}

/// The sum in the unit of [`decimal::scaled`].
fn sum(mut text: &str, suffix: &str) -> Option<u128> {
    let is_of_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut sum: Option<u128> = None;
    while !text.is_empty() {
        let unit = text.find(|c: char| !is_of_number(c)).unwrap_or(text.len());
        let (number, rest) = text.split_at(unit);
        let end = rest.find(is_of_number).unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(end);
        let exponent = match unit.strip_suffix(suffix).unwrap_or(unit) {
            // Bytes are B in both spellings.
            "" | "B" if unit == "B" => 0,
            prefix if prefix.len() + suffix.len() == unit.len() && prefix.len() == 1 => {
                PREFIXES.find(prefix)? + 1
            }
            _ => return None,
        };
        let unit = 1024u128.checked_pow(u32::try_from(exponent).ok()?)?;
        let bytes = decimal::scaled(number)?.checked_mul(unit)?;
        sum = Some(sum.unwrap_or(0).checked_add(bytes)?);
        text = rest;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_the_transpilers() {
        const MIB: i64 = 1 << 20;
        for (text, expected) in [
            ("0", Some(0)),
            ("+0", Some(0)),
            ("0B", Some(0)),
            ("10GB", Some(10240 * MIB)),
            ("10GiB", Some(10240 * MIB)),
            ("512MB", Some(512 * MIB)),
            ("134217728B", Some(128 * MIB)),
            ("1.5GiB", Some(1536 * MIB)),
            (".5GiB", Some(512 * MIB)),
            ("1.GiB", Some(1024 * MIB)),
            ("1GiB512MiB", Some(1536 * MIB)),
            ("1GB512MB", Some(1536 * MIB)),
            ("1GiB1048576B", Some(1025 * MIB)),
            ("1KiB", Some(1024)),
            ("1.0001B", Some(1)),
            ("-1MiB", Some(-MIB)),
            ("+1MiB", Some(MIB)),
            ("7EiB", Some(7 << 60)),
            // What it did not read either.
            ("8EiB", None),
            ("", None),
            ("-", None),
            ("5", None),
            ("1024", None),
            ("1GiB512", None),
            ("1GB512MiB", None),
            ("10 GiB", None),
            ("10gib", None),
            ("1kB", None),
            ("10G", None),
            ("10iB", None),
            ("1.5.5GiB", None),
            ("GiB", None),
            (".GiB", None),
            ("1MMiB", None),
            ("1ZiB", None),
            ("1éB", None),
            ("--1B", None),
        ] {
            assert_eq!(bytes(text), expected, "{text:?}");
        }
    }
}
