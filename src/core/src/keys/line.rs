//! A line of authorized_keys (sshd(8), "AUTHORIZED_KEYS FILE FORMAT"): options, type, key and comment.
//!
//! sshd passes over a line that it cannot read and says so in its log alone, so what it would pass over is found
//! here, where it can be told. A key that was cut off when it was pasted is the usual case.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::diag::on_one_line;

/// Longest line, in bytes: RSA keys of 16384 bits take less than a fifth of it.
pub const MAX_LINE: usize = 16 << 10;
/// How much of a comment is shown, in characters.
const SHOWN: usize = 64;

/// What a field of a key's binary form has to be (RFC 4253, section 6.6; RFC 5656, 3.1; RFC 8709, 4; PROTOCOL.u2f).
enum Part {
    /// Something.
    Some,
    /// So many bytes.
    Bytes(usize),
    /// This name.
    Name(&'static str),
}

const ED25519: &[Part] = &[Part::Bytes(32)];
const TWO_NUMBERS: &[Part] = &[Part::Some, Part::Some];
const FOUR_NUMBERS: &[Part] = &[Part::Some, Part::Some, Part::Some, Part::Some];
const P256: &[Part] = &[Part::Name("nistp256"), Part::Bytes(65)];
const P384: &[Part] = &[Part::Name("nistp384"), Part::Bytes(97)];
const P521: &[Part] = &[Part::Name("nistp521"), Part::Bytes(133)];
const SK_ED25519: &[Part] = &[Part::Bytes(32), Part::Some];
const SK_P256: &[Part] = &[Part::Name("nistp256"), Part::Bytes(65), Part::Some];

/// The types that sshd knows, and the fields after the type. Those of certificates are sshd's to check.
const TYPES: &[(&str, Option<&[Part]>)] = &[
    ("ssh-ed25519", Some(ED25519)),
    ("ssh-rsa", Some(TWO_NUMBERS)),
    ("ecdsa-sha2-nistp256", Some(P256)),
    ("ecdsa-sha2-nistp384", Some(P384)),
    ("ecdsa-sha2-nistp521", Some(P521)),
    ("sk-ssh-ed25519@openssh.com", Some(SK_ED25519)),
    ("sk-ecdsa-sha2-nistp256@openssh.com", Some(SK_P256)),
    ("ssh-dss", Some(FOUR_NUMBERS)),
    ("ssh-ed25519-cert-v01@openssh.com", None),
    ("ssh-rsa-cert-v01@openssh.com", None),
    ("ecdsa-sha2-nistp256-cert-v01@openssh.com", None),
    ("ecdsa-sha2-nistp384-cert-v01@openssh.com", None),
    ("ecdsa-sha2-nistp521-cert-v01@openssh.com", None),
    ("sk-ssh-ed25519-cert-v01@openssh.com", None),
    ("sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", None),
    ("ssh-dss-cert-v01@openssh.com", None),
];

/// A line that sshd can read. Printing it shows type and comment, never the key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    line: String,
    options: String,
    kind: &'static str,
    blob: String,
    comment: String,
}

/// Why a line is none, with what of it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadKey {
    /// Type and comment, where the line has them.
    pub shown: String,
    /// What is wrong.
    pub why: String,
}

impl Key {
    /// Reads a line; blanks around it are no part of it.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let line = text.trim_matches([' ', '\t', '\r', '\n']);
        let unread = |why: &str| BadKey {
            shown: String::new(),
            why: why.into(),
        };
        if line.is_empty() || line.starts_with('#') {
            return Err(unread("there is no key in it"));
        }
        if line.len() > MAX_LINE {
            return Err(unread("it is longer than a key can be"));
        }
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err(unread("it has a control character"));
        }
        let (first, rest) = word(line);
        let (options, kind, rest) = match known(first) {
            Some(kind) => ("", kind, rest),
            None => {
                let (options, rest) = options(line).map_err(unread)?;
                let (name, rest) = word(rest);
                let kind = known(name);
                let kind = kind.ok_or_else(|| unread("it has no key type that is known"))?;
                (options, kind, rest)
            }
        };
        let (blob, comment) = word(rest);
        let bad = |why| BadKey {
            shown: shown(kind.0, comment),
            why,
        };
        check(blob, kind).map_err(bad)?;
        Ok(Self {
            line: line.into(),
            options: options.into(),
            kind: kind.0,
            blob: blob.into(),
            comment: comment.into(),
        })
    }

    /// The line, as it was given.
    pub fn as_str(&self) -> &str {
        &self.line
    }

    /// The comment.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// The same key without its comment.
    pub fn without_comment(&self) -> Self {
        let line = self.line.strip_suffix(&self.comment);
        Self {
            line: line.unwrap_or(&self.line).trim_end().into(),
            comment: String::new(),
            ..self.clone()
        }
    }

    /// What two lines have in common that let the same key in under the same conditions.
    pub fn identity(&self) -> (&str, &str, &str) {
        (&self.options, self.kind, &self.blob)
    }
}

/// Type and comment.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(self.kind, &self.comment))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

fn shown(kind: &str, comment: &str) -> String {
    let comment: String = comment.chars().take(SHOWN).collect();
    let text = format!("{kind} … {comment}");
    on_one_line(text.trim_end()).into_owned()
}

type Kind = &'static (&'static str, Option<&'static [Part]>);

fn known(word: &str) -> Option<Kind> {
    TYPES.iter().find(|(name, _)| *name == word)
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start_matches([' ', '\t']);
    let (first, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    (first, rest.trim_matches([' ', '\t']))
}

/// The options, and what follows them: a list with commas, whose values stand in quotes that `\"` does not end.
fn options(line: &str) -> Result<(&str, &str), &'static str> {
    let (mut quoted, mut escaped) = (false, false);
    let mut end = line.len();
    for (at, c) in line.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            ' ' | '\t' if !quoted => {
                end = at;
                break;
            }
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    if quoted {
        return Err("a quote of its options does not end");
    }
    let (list, rest) = line.split_at_checked(end).unwrap_or((line, ""));
    let mut rest_of_list = list;
    while !rest_of_list.is_empty() {
        rest_of_list = option(rest_of_list).ok_or("its options cannot be read")?;
    }
    Ok((list, rest))
}

/// Takes an option off the list; `None` where there is none.
fn option(list: &str) -> Option<&str> {
    let usual = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let end = list.find(|c| !usual(c)).unwrap_or(list.len());
    let (name, rest) = list.split_at_checked(end)?;
    if name.is_empty() {
        return None;
    }
    let rest = match rest.strip_prefix("=\"") {
        None => rest,
        Some(value) => {
            let mut escaped = false;
            let end = value.char_indices().find(|(_, c)| {
                let ends = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            });
            value.get(end?.0 + 1..)?
        }
    };
    match rest.strip_prefix(',') {
        // A comma leads to another one.
        Some("") => None,
        Some(more) => Some(more),
        None => rest.is_empty().then_some(rest),
    }
}

/// Whether a key is whole, and of the type that stands before it.
fn check(blob: &str, (name, parts): Kind) -> Result<(), String> {
    if blob.is_empty() {
        return Err("the key itself is missing".into());
    }
    let bytes = STANDARD.decode(blob);
    let bytes = bytes.map_err(|_| "the key is no base64, or it was cut off")?;
    let (inner, mut rest) = field(&bytes).ok_or("the key was cut off")?;
    if inner != name.as_bytes() {
        return Err("the key is of another type than the line says".into());
    }
    let Some(parts) = parts else {
        return match rest.is_empty() {
            true => Err("the key was cut off".into()),
            false => Ok(()),
        };
    };
    for part in *parts {
        let (found, after) = field(rest).ok_or("the key was cut off")?;
        let fits = match part {
            Part::Some => !found.is_empty(),
            Part::Bytes(length) => found.len() == *length,
            Part::Name(name) => found == name.as_bytes(),
        };
        if !fits {
            return Err("the key has not the form of its type".into());
        }
        rest = after;
    }
    match rest {
        [] => Ok(()),
        _ => Err("the key has more in it than its type has".into()),
    }
}

/// A field of the binary form: its length in four bytes, and its bytes (RFC 4251, section 5, "string").
fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::keys) const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB891+WDuiFVYrLcVTpwxwXVp3dsHoT1wcmC1mZ9aaYY";
    const P256: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBKKSxVB714/2W88SdLMBU4f/9w5FKqVQolV6IpwsGR8qtUAg8pUE72aSPvxpgxqn2/1HICgU8oC/Sp8HyaU8f8k=";

    /// A key of a type, with these fields.
    pub(in crate::keys) fn of(kind: &str, parts: &[&[u8]]) -> String {
        let mut bytes = Vec::new();
        for part in std::iter::once(&kind.as_bytes()).chain(parts) {
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap().to_be_bytes());
            bytes.extend_from_slice(part);
        }
        format!("{kind} {}", STANDARD.encode(bytes))
    }

    /// A key of Ed25519 that differs by its number.
    pub(in crate::keys) fn numbered(number: u8) -> String {
        of("ssh-ed25519", &[&[number; 32]])
    }

    #[test]
    fn lines_that_sshd_reads_are_keys() {
        let rsa = of("ssh-rsa", &[&[1, 0, 1], &[7; 257]]);
        let dss = of("ssh-dss", &[&[1], &[2], &[3], &[4]]);
        let p384 = of("ecdsa-sha2-nistp384", &[b"nistp384", &[4; 97]]);
        let p521 = of("ecdsa-sha2-nistp521", &[b"nistp521", &[4; 133]]);
        let sk = of("sk-ssh-ed25519@openssh.com", &[&[1; 32], b"ssh:"]);
        let sk_p256 = of(
            "sk-ecdsa-sha2-nistp256@openssh.com",
            &[b"nistp256", &[4; 65], b"ssh:"],
        );
        let cert = of("ssh-ed25519-cert-v01@openssh.com", &[&[9; 32]]);
        for (line, options, comment) in [
            (ED25519.to_string(), "", ""),
            (format!("{ED25519} me@home"), "", "me@home"),
            (format!("  {ED25519}\tme and  you \r\n"), "", "me and  you"),
            (P256.to_string(), "", ""),
            (rsa.clone(), "", ""),
            (dss, "", ""),
            (p384, "", ""),
            (p521, "", ""),
            (sk, "", ""),
            (sk_p256, "", ""),
            (cert, "", ""),
            (format!("no-pty {rsa} c"), "no-pty", "c"),
            (
                format!(r#"restrict,command="echo \"a b\", c" {ED25519} c"#),
                r#"restrict,command="echo \"a b\", c""#,
                "c",
            ),
            (
                format!(r#"from="10.0.0.0/8,!10.1.1.1",no-pty   {ED25519}"#),
                r#"from="10.0.0.0/8,!10.1.1.1",no-pty"#,
                "",
            ),
            (
                format!(r#"cert-authority,principals="a,b" {ED25519}"#),
                r#"cert-authority,principals="a,b""#,
                "",
            ),
            // Which options there are is sshd's business: there will be others.
            (format!("some-new-option {ED25519}"), "some-new-option", ""),
            (format!("{ED25519} ssh-rsa AAAA"), "", "ssh-rsa AAAA"),
        ] {
            let key = Key::parse(&line).unwrap();
            assert_eq!(
                (key.identity().0, key.comment()),
                (options, comment),
                "{line}"
            );
            assert_eq!(key.as_str(), line.trim());
            assert_eq!(Key::parse(key.as_str()), Ok(key));
        }
    }

    #[test]
    fn other_lines_are_told_without_the_key() {
        let (_, blob) = ED25519.split_once(' ').unwrap();
        let long = format!("{ED25519} {}", "c".repeat(MAX_LINE));
        for (line, shown, why) in [
            ("", "", "there is no key in it"),
            ("# ssh-rsa AAAA", "", "there is no key in it"),
            (long.as_str(), "", "it is longer than a key can be"),
            ("ssh-rsa AA\u{1}A", "", "it has a control character"),
            ("ssh-rsa AA\nAA", "", "it has a control character"),
            ("ssh-rsaa AAAA me", "", "it has no key type that is known"),
            ("AAAA me", "", "it has no key type that is known"),
            ("no-pty", "", "it has no key type that is known"),
            ("ssh-rsa", "ssh-rsa …", "the key itself is missing"),
            (
                "ssh-rsa A-A me",
                "ssh-rsa … me",
                "the key is no base64, or it was cut off",
            ),
            (
                &format!("{} me", &ED25519[..ED25519.len() - 3]),
                "ssh-ed25519 … me",
                "the key is no base64, or it was cut off",
            ),
            (
                &format!("{} me", &ED25519[..ED25519.len() - 4]),
                "ssh-ed25519 … me",
                "the key was cut off",
            ),
            ("ssh-rsa AAAA me", "ssh-rsa … me", "the key was cut off"),
            (
                &format!("ssh-rsa {blob} x\u{202e}y"),
                "ssh-rsa … x\\u{202e}y",
                "the key is of another type than the line says",
            ),
            (
                &of("ssh-ed25519", &[&[1; 31]]),
                "ssh-ed25519 …",
                "the key has not the form of its type",
            ),
            (
                &of("ecdsa-sha2-nistp256", &[b"nistp384", &[4; 65]]),
                "ecdsa-sha2-nistp256 …",
                "the key has not the form of its type",
            ),
            (
                &of("ssh-rsa", &[&[1], &[2], &[3]]),
                "ssh-rsa …",
                "the key has more in it than its type has",
            ),
            (
                &of("ssh-rsa-cert-v01@openssh.com", &[]),
                "ssh-rsa-cert-v01@openssh.com …",
                "the key was cut off",
            ),
            (
                &format!("command=\"a {ED25519}"),
                "",
                "a quote of its options does not end",
            ),
            (
                &format!("command=\"a\\\" {ED25519}"),
                "",
                "a quote of its options does not end",
            ),
            (
                &format!("command=a {ED25519}"),
                "",
                "its options cannot be read",
            ),
            (
                &format!("no-pty, {ED25519}"),
                "",
                "its options cannot be read",
            ),
            (
                &format!(",no-pty {ED25519}"),
                "",
                "its options cannot be read",
            ),
            (
                &format!("from=\"a\"x {ED25519}"),
                "",
                "its options cannot be read",
            ),
        ] {
            let expected = BadKey {
                shown: shown.into(),
                why: why.into(),
            };
            assert_eq!(Key::parse(line), Err(expected), "{line}");
        }
    }

    #[test]
    fn a_key_is_shown_without_itself() {
        let key = Key::parse(&format!("no-pty {ED25519}  me")).unwrap();
        assert_eq!(format!("{key} {key:?}"), {
            "ssh-ed25519 … me Key(ssh-ed25519 … me)"
        });
        let bare = key.without_comment();
        assert_eq!(bare.as_str(), format!("no-pty {ED25519}"));
        assert_eq!(bare.identity(), key.identity());
        assert_eq!(Key::parse(bare.as_str()), Ok(bare));
    }
}
