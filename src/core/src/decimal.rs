//! Decimal numbers, counted in whole numbers only: exact, and without the tables that reading a float needs.

/// A decimal number without a sign: digits with at most one point, and an exponent.
#[derive(Debug, Clone, Copy)]
struct Parts<'t> {
    whole: &'t str,
    fraction: &'t str,
    exponent: i64,
}

fn parts(text: &str) -> Option<Parts<'_>> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, self::exponent(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let any = !whole.is_empty() || !fraction.is_empty();
    (any && is_digits(whole) && is_digits(fraction)).then_some(Parts {
        whole,
        fraction,
        exponent,
    })
}

/// What is beyond an i64 is so far from any number of digits that its bound does as well.
fn exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let bound = if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    };
    Some(text.parse().unwrap_or(bound))
}

/// Whether a text is a number as floats are written: `-1`, `1.5`, `.5`, `1.`, `1e3`, `inf`, `NaN`.
pub fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let named = ["inf", "infinity", "nan"];
    parts(unsigned).is_some() || named.iter().any(|name| unsigned.eq_ignore_ascii_case(name))
}

/// Whether a text is digits with at most one point among them or around them.
pub fn is_decimal(text: &str) -> bool {
    !text.contains(['e', 'E']) && parts(text).is_some()
}

/// The value of a number without a sign, such as `1e3` or `1024.0`, that has no fraction and is below 2⁵³: up to
/// there floats count every number.
pub fn whole(text: &str) -> Option<i64> {
    let parts = parts(text)?;
    let digits = [parts.whole, parts.fraction].concat();
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let behind = digits.len() - significant.len();
    let shift = i128::from(parts.exponent) + i128::try_from(behind).ok()?
        - i128::try_from(parts.fraction.len()).ok()?;
    let ten = 10i64.checked_pow(u32::try_from(shift).ok()?)?;
    let value = significant.parse::<i64>().ok()?.checked_mul(ten)?;
    (value < 1 << 53).then_some(value)
}

/// How often [`scaled`] counts 1.
pub const SCALE: u128 = 1_000_000_000_000_000_000;

/// A decimal number (see [`is_decimal`]) in units of 10⁻¹⁸; smaller parts are cut. `None` also where it is too
/// large for a u128.
pub fn scaled(text: &str) -> Option<u128> {
    if !is_decimal(text) {
        return None;
    }
    let parts = parts(text)?;
    let digits = parts
        .fraction
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(18);
    let mut value: u128 = 0;
    for digit in parts.whole.bytes().chain(digits) {
        let digit = u128::from(digit - b'0');
        value = value.checked_mul(10)?.checked_add(digit)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: &[&str] = &[
        "",
        "0",
        "1",
        "-1",
        "+1",
        "--1",
        "1.5",
        ".5",
        "1.",
        ".",
        "-.5",
        "1.5.5",
        "1e3",
        "1E3",
        "1e+3",
        "1e-3",
        "1.5e1",
        "15e-1",
        "150e-1",
        "0.001e3",
        "1024.0",
        "1e",
        "e3",
        "1e1e1",
        "1e3.0",
        "inf",
        "-Infinity",
        "NAN",
        "infinit",
        "1_000",
        "0x10",
        " 1",
        "1 ",
        "1e400",
        "1e99999999999999999999",
        "0e99999999999999999999",
        "9007199254740991",
        "9007199254740992",
        "9.007199254740991e15",
        "1e15",
        "1e16",
        "00012",
        "0.0",
        "é",
        "100000000000000000000e-18",
        "123456789012345678901234567890",
    ];

    #[test]
    fn floats_are_those_of_the_standard_library() {
        for text in TEXTS {
            let float = text.parse::<f64>();
            assert_eq!(is_float(text), float.is_ok(), "{text:?}");
            let is_plain = text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.');
            assert_eq!(is_decimal(text), is_plain && float.is_ok(), "{text:?}");
            let unsigned = float
                .ok()
                .filter(|_| text.starts_with(|c: char| c.is_ascii_digit() || c == '.'));
            let small = unsigned.filter(|float| float.fract() == 0.0 && *float < 2f64.powi(53));
            assert_eq!(
                whole(text).map(|whole| whole.to_string()),
                small.map(|float| float.to_string()),
                "{text:?}"
            );
        }
    }

    #[test]
    fn scaled_numbers_are_exact() {
        for (text, expected) in [
            ("1", Some(SCALE)),
            ("1.5", Some(SCALE / 2 * 3)),
            (".5", Some(SCALE / 2)),
            ("2.", Some(2 * SCALE)),
            ("0.0000000000000000019", Some(1)),
            ("1e3", None),
            (".", None),
            ("", None),
            ("1000000000000000000000", None),
        ] {
            assert_eq!(scaled(text), expected, "{text:?}");
        }
    }
}
