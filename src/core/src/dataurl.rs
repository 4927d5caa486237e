//! `data:` URLs (RFC 2397).
//!
//! Everything that the reference's decoder takes is taken here, with the same bytes. Besides, it takes an
//! upper-case scheme, any media type, `BASE64` in any case, percent-encoded base64 (as browsers print it)
//! and base64 without padding. As there, raw spaces, control characters, `#`, quotes and non-ASCII
//! characters in the data are errors, because other programs would cut the URL at them or drop them.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::hex;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether a text begins as a `data:` URL does.
pub fn is_data_url(url: &str) -> bool {
    url.get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// The data of a `data:` URL; the error says what is wrong, never what the data is.
pub fn decode(url: &str) -> Result<Vec<u8>, String> {
    let rest = url
        .get(5..)
        .filter(|_| is_data_url(url))
        .ok_or("it does not begin with \"data:\"")?;
    let (header, data) = split_header(rest).ok_or("the comma before the data is missing")?;
    let is_base64 = check_parameters(header)?;
    let data = unescape(data, url.len() - data.len())?;
    if is_base64 {
        BASE64
            .decode(&data)
            .map_err(|_| "its data is not base64".to_owned())
    } else {
        Ok(data)
    }
}

/// A `data:` URL that decodes to these bytes.
pub fn encode(bytes: &[u8]) -> String {
    format!("data:;base64,{}", BASE64.encode(bytes))
}

/// The shortest `data:` URL that decodes to these bytes; text stays readable in it.
pub fn shortest(bytes: &[u8]) -> String {
    let mut plain = String::from("data:,");
    for byte in bytes {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'-'
            | b'_'
            | b'.'
            | b'~'
            | b'!'
            | b'$'
            | b'('
            | b')'
            | b'*'
            | b'+'
            | b'/'
            | b':'
            | b'='
            | b'?'
            | b'@' => plain.push(char::from(*byte)),
            other => plain.push_str(&format!("%{other:02X}")),
        }
    }
    let base64 = encode(bytes);
    if base64.len() < plain.len() {
        base64
    } else {
        plain
    }
}

/// The bytes of base64 that may be broken into lines and lack its padding.
pub(crate) fn unbase64(text: &[u8]) -> Option<Vec<u8>> {
    let packed: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    BASE64.decode(packed).ok()
}

/// Parts of the text before the comma (split at each semicolon), and what follows it; a quoted parameter
/// value may hold either character.
fn split_header(rest: &str) -> Option<(Vec<&str>, &str)> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' | b',' if !quoted => {
                parts.push(&rest[start..at]);
                start = at + 1;
                if byte == b',' {
                    return Some((parts, &rest[start..]));
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether the data is base64: the last parameter says so. A misplaced or misspelt one is an error, since
/// the data would silently be taken for something else.
fn check_parameters(parts: Vec<&str>) -> Result<bool, String> {
    let mut parameters = parts.into_iter().peekable();
    if parameters
        .next()
        .is_some_and(|media_type| !media_type.is_empty() && !media_type.contains('/'))
    {
        return Err("the media type before its comma has no slash".to_owned());
    }
    while let Some(parameter) = parameters.next() {
        let is_last = parameters.peek().is_none();
        if is_last && parameter.eq_ignore_ascii_case("base64") {
            return Ok(true);
        }
        if !parameter.contains('=') {
            return Err(
                "each parameter before its comma must be name=value, or base64 in the last place"
                    .to_owned(),
            );
        }
    }
    Ok(false)
}

/// Whether a byte stands for itself in the data.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        plain[byte as usize] = !matches!(
            byte,
            b'%' | b'<'
                | b'>'
                | b'#'
                | b'"'
                | b'{'
                | b'}'
                | b'|'
                | b'\\'
                | b'^'
                | b'['
                | b']'
                | b'`'
        );
        byte += 1;
    }
    plain
};

fn unescape(data: &str, offset: usize) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(data.len());
    let mut rest = data.as_bytes();
    loop {
        let plain = rest
            .iter()
            .take_while(|byte| PLAIN[**byte as usize])
            .count();
        out.extend_from_slice(&rest[..plain]);
        let at = offset + data.len() - rest.len() + plain;
        rest = match &rest[plain..] {
            [] => return Ok(out),
            [b'%', high, low, after @ ..] if let Some(byte) = hex::byte(*high, *low) => {
                out.push(byte);
                after
            }
            [b'%', ..] => {
                return Err(format!(
                    "\"%\" at byte {at} is not followed by two hexadecimal digits"
                ));
            }
            _ => {
                return Err(format!(
                    "the character at byte {at} must be percent-encoded"
                ));
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decodes() {
        for (url, data) in [
            ("data:,", &b""[..]),
            ("data:,hello%20world%0A", b"hello world\n"),
            ("DATA:,a", b"a"),
            ("data:text/plain,a,b;base64,c", b"a,b;base64,c"),
            ("data:text/plain;charset=utf-8,%C3%A9", "é".as_bytes()),
            ("data:;charset=utf-8,x", b"x"),
            ("data:text/plain;x=\"a,b;\\\"\",y", b"y"),
            ("data:,%00%ff", b"\x00\xff"),
            ("data:,a+b?c=d&e", b"a+b?c=d&e"),
            ("data:;base64,", b""),
            ("data:;base64,aGVsbG8K", b"hello\n"),
            ("data:text/plain;charset=utf-8;base64,aGk=", b"hi"),
            ("data:;base64,aGk", b"hi"),
            ("data:;base64,aGk%3D", b"hi"),
            ("data:;BASE64,aGk=", b"hi"),
            ("data:;base64,/+8=", b"\xff\xef"),
        ] {
            assert_eq!(decode(url).as_deref(), Ok(data), "{url}");
        }
    }

    #[test]
    fn what_is_encoded_decodes() {
        for bytes in [&b""[..], b"a", b"\x00\xff\n{}"] {
            assert_eq!(decode(&encode(bytes)).as_deref(), Ok(bytes));
        }
    }

    #[test]
    fn what_does_not() {
        for url in [
            "",
            "data",
            "data:",
            "data:hello",
            "http://a/,",
            "data:;base64;charset=utf-8,aGk=",
            "data:;base46,aGk=",
            "data:base64,aGk=",
            "data:;base64,a",
            "data:;base64,aGk=x",
            "data:;base64,aG k=",
            "data:;base64,_-8=",
            "data:,a b",
            "data:,a#b",
            "data:,é",
            "data:,%",
            "data:,%1",
            "data:,%zz",
            "data:,%+1",
            "data:text/plain;x=\"a,b",
        ] {
            assert!(decode(url).is_err(), "{url}");
        }
    }

    #[test]
    fn errors_tell_where_but_not_what() {
        let error = decode("data:,s3cret s3cret").unwrap_err();
        assert_eq!(error, "the character at byte 12 must be percent-encoded");
        assert!(
            !decode("data:;base64,s3cret!")
                .unwrap_err()
                .contains("s3cret")
        );
    }
}
