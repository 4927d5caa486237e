//! Lines of authorized_keys as sshd reads them (sshd(8), RFC 4253 section 6.6, RFC 5656, PROTOCOL.u2f).
//!
//! Only what no sshd can take and what is a mistake for certain is an error: Ignition takes any text,
//! and a node with one broken key may still let its owner in by another one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::diag::Severity;
use crate::spelling::nearest_within;

/// What is wrong with a key.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) severity: Severity,
    pub(super) message: String,
    pub(super) help: &'static str,
    /// Whether the line may not be shown.
    pub(super) secret: bool,
}

/// Types that sshd knows; `-cert-v01@openssh.com` may follow each.
const TYPES: &[&str] = &[
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-dss",
];

/// How the names of types begin, those of the future included.
const TYPE_STARTS: &[&str] = &["ssh-", "ecdsa-", "sk-", "rsa-sha2-", "webauthn-sk-"];

/// Options that may stand before a key. sshd passes over a line with one that it does not know.
const OPTIONS: &[&str] = &[
    "agent-forwarding",
    "cert-authority",
    "command",
    "environment",
    "expiry-time",
    "from",
    "no-agent-forwarding",
    "no-port-forwarding",
    "no-pty",
    "no-touch-required",
    "no-user-rc",
    "no-X11-forwarding",
    "permitlisten",
    "permitopen",
    "port-forwarding",
    "principals",
    "pty",
    "restrict",
    "tunnel",
    "user-rc",
    "verify-required",
    "X11-forwarding",
];

/// How many options of a line are looked at.
const MOST_OPTIONS: usize = OPTIONS.len() * 2;

/// Longest line that sshd takes (SSH_MAX_PUBKEY_BYTES).
const LONGEST: usize = 16384;
/// Smallest RSA key that sshd takes, in bits (SSH_RSA_MINIMUM_MODULUS_SIZE).
const RSA_LEAST: usize = 1024;

const COPY: &str = "copy the whole line of the .pub file once more";
const WRITE: &str = "a key is written as \"ssh-ed25519 AAAA… comment\"";

fn warning(message: impl Into<String>, help: &'static str) -> Fault {
    Fault {
        severity: Severity::Warning,
        message: message.into(),
        help,
        secret: false,
    }
}

/// What is wrong with an entry of a user's keys, if anything is.
pub(super) fn fault(entry: &str) -> Option<Fault> {
    let line = entry.trim();
    if line.contains("PRIVATE KEY") || line.starts_with("PuTTY-User-Key-File") {
        return Some(Fault {
            severity: Severity::Error,
            message: "this is a private key, only the public key belongs here".into(),
            help: "write the line of the .pub file, and make a new key pair: whoever can read the config has this one",
            secret: true,
        });
    }
    if line.contains(['\n', '\r', '\0']) {
        return Some(Fault {
            severity: Severity::Error,
            help: match line.starts_with("----") {
                true => "convert it to a line of authorized_keys: ssh-keygen -i -f FILE",
                false => "write each key as an entry of its own",
            },
            message: "an SSH key is one line, this one has several".into(),
            secret: false,
        });
    }
    if line.starts_with('#') {
        return None;
    }
    if line.len() > LONGEST {
        let message =
            format!("the SSH key is longer than {LONGEST} bytes, which sshd does not read");
        return Some(warning(message, COPY));
    }
    key(line).err()
}

/// Whether options stand before the key, such as those that forbid a shell.
pub(super) fn has_options(entry: &str) -> bool {
    let line = entry.trim();
    !line.split([' ', '\t']).next().is_some_and(is_type)
}

fn is_type(word: &str) -> bool {
    TYPE_STARTS.iter().any(|start| word.starts_with(start))
}

fn key(line: &str) -> Result<(), Fault> {
    let (first, rest) = word(line)?;
    let (kind, rest) = if is_type(first) {
        (first, rest)
    } else {
        let (kind, rest) = word(rest)?;
        if !is_type(kind) {
            return Err(no_key(first));
        }
        known_options(first)?;
        (kind, rest)
    };
    let plain = kind.strip_suffix("-cert-v01@openssh.com");
    let base = plain.map_or(kind, |plain| {
        // The types of security keys end in @openssh.com, but not before -cert.
        (TYPES.iter().copied())
            .find(|known| known.strip_suffix("@openssh.com") == Some(plain))
            .unwrap_or(plain)
    });
    if !TYPES.contains(&base) {
        let message = format!("{kind:?} is no type of SSH key that is known here");
        return Err(warning(
            message,
            "known are ssh-ed25519, ssh-rsa, ecdsa-sha2-nistp256 (384, 521) and the sk- types of security keys",
        ));
    }
    if base == "ssh-dss" {
        return Err(warning(
            "sshd takes no DSA keys (ssh-dss) any more",
            "make a key of type ssh-ed25519",
        ));
    }
    let (text, _) = word(rest)?;
    if text.is_empty() {
        return Err(warning(
            "behind the type the SSH key itself is missing",
            WRITE,
        ));
    }
    let blob = STANDARD.decode(text).map_err(|_| {
        warning(
            "the SSH key is cut off or damaged: it is not valid base64",
            COPY,
        )
    })?;
    let cut_off = || warning("the SSH key is cut off or damaged", COPY);
    let mut rest = blob.as_slice();
    let inner = field(&mut rest).ok_or_else(cut_off)?;
    if inner != kind.as_bytes() {
        return Err(
            match std::str::from_utf8(inner)
                .ok()
                .filter(|inner| is_type(inner))
            {
                Some(inner) => warning(
                    format!("the SSH key is called {kind}, but it is one of type {inner}"),
                    COPY,
                ),
                None => cut_off(),
            },
        );
    }
    if plain.is_some() {
        return Ok(());
    }
    body(base, rest)?.ok_or_else(cut_off)
}

/// The fields behind the type; `None` if they are not those of the type.
fn body(kind: &str, mut rest: &[u8]) -> Result<Option<()>, Fault> {
    let rest = &mut rest;
    let mut fields = Vec::new();
    while !rest.is_empty() {
        match field(rest) {
            Some(found) => fields.push(found),
            None => return Ok(None),
        }
    }
    let curve = kind
        .trim_end_matches("@openssh.com")
        .rsplit('-')
        .next()
        .unwrap_or_default();
    let good = match (kind, fields.as_slice()) {
        ("ssh-ed25519", [key]) | ("sk-ssh-ed25519@openssh.com", [key, _]) => key.len() == 32,
        ("ssh-rsa", [_, modulus]) => {
            let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
            let bits = (modulus.len() - zeros) * 8;
            if bits < RSA_LEAST && bits > 0 {
                return Err(warning(
                    format!("the RSA key has {bits} bits, sshd takes none below {RSA_LEAST}"),
                    "make a key of type ssh-ed25519",
                ));
            }
            bits > 0
        }
        ("sk-ecdsa-sha2-nistp256@openssh.com", [name, point, _])
        | ("ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" | "ecdsa-sha2-nistp521", [name, point]) => {
            *name == curve.as_bytes() && !point.is_empty()
        }
        _ => false,
    };
    Ok(good.then_some(()))
}

/// A string of the SSH protocol: its length in four bytes, then itself.
fn field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, tail) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (found, tail) = tail.split_at_checked(length)?;
    *rest = tail;
    Some(found)
}

/// The text up to a blank that is not in quotes, and what follows the blanks.
fn word(line: &str) -> Result<(&str, &str), Fault> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in line.char_indices() {
        match c {
            ' ' | '\t' if !quoted => {
                let (word, rest) = line.split_at(at);
                return Ok((word, rest.trim_start()));
            }
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    match quoted {
        true => Err(warning(
            "a quotation mark in the options of the SSH key is never closed",
            "options are written as command=\"…\",no-pty ssh-ed25519 AAAA…",
        )),
        false => Ok((line, "")),
    }
}

fn known_options(options: &str) -> Result<(), Fault> {
    // Values stand in quotes and may hold commas: the even parts are outside of them.
    let outside = options
        .split('"')
        .step_by(2)
        .flat_map(|part| part.split(','))
        .take(MOST_OPTIONS);
    for option in outside {
        let name = option.split('=').next().unwrap_or_default();
        let mut known = OPTIONS.iter();
        if name.is_empty() || known.any(|option| option.eq_ignore_ascii_case(name)) {
            continue;
        }
        if let Some(meant) = nearest_within(name, OPTIONS.iter().copied(), 2) {
            return Err(warning(
                format!(
                    "sshd knows no option {name:?} and will ignore the key: is {meant:?} meant?"
                ),
                "see \"AUTHORIZED_KEYS FILE FORMAT\" in sshd(8)",
            ));
        }
    }
    Ok(())
}

/// Words for what is no key at all.
fn no_key(first: &str) -> Fault {
    let remote = ["http://", "https://", "gh:", "lp:", "github:"];
    if remote.iter().any(|start| first.starts_with(start)) {
        return warning(
            "this is an address: SSH keys are not fetched from anywhere",
            "write the key itself",
        );
    }
    if first.ends_with(".pub") {
        return warning(
            "this is the name of a file, not an SSH key",
            "write the line that stands in the file",
        );
    }
    if first.starts_with("AAAA") {
        return warning(
            "the type of the SSH key is missing",
            "write it before the key, as in \"ssh-ed25519 AAAA…\"",
        );
    }
    // It may be anything, a password too.
    Fault {
        secret: true,
        ..warning(
            "this does not look like an SSH key: it names no key type",
            WRITE,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A blob of these fields in base64.
    fn blob(fields: &[&[u8]]) -> String {
        let mut bytes = Vec::new();
        for field in fields {
            bytes.extend(u32::try_from(field.len()).unwrap().to_be_bytes());
            bytes.extend(*field);
        }
        STANDARD.encode(bytes)
    }

    fn ed25519() -> String {
        format!("ssh-ed25519 {}", blob(&[b"ssh-ed25519", &[7; 32]]))
    }

    #[test]
    fn keys_that_sshd_takes_are_not_reported() {
        let point = [4; 65];
        let sk = "sk-ecdsa-sha2-nistp256@openssh.com";
        let cert = "ssh-ed25519-cert-v01@openssh.com";
        let sk_cert = "sk-ssh-ed25519-cert-v01@openssh.com";
        for good in [
            ed25519(),
            format!("  {} with a comment\n", ed25519()),
            format!("no-pty,command=\"a \\\" b, c\" {}", ed25519()),
            format!("cert-authority,Principals=\"x,y\"\t{}", ed25519()),
            format!("future-option-of-sshd {}", ed25519()),
            format!(
                "ssh-rsa {} a@b",
                blob(&[b"ssh-rsa", &[1, 0, 1], &[0x91; 256]])
            ),
            format!(
                "ecdsa-sha2-nistp256 {}",
                blob(&[b"ecdsa-sha2-nistp256", b"nistp256", &point])
            ),
            format!(
                "{sk} {}",
                blob(&[sk.as_bytes(), b"nistp256", &point, b"ssh:"])
            ),
            format!("{cert} {}", blob(&[cert.as_bytes(), b"anything"])),
            format!("{sk_cert} {}", blob(&[sk_cert.as_bytes(), b"anything"])),
            "# a comment".into(),
        ] {
            assert!(fault(&good).is_none(), "{good}: {:?}", fault(&good));
        }
    }

    #[test]
    fn what_sshd_passes_over_is_named() {
        let whole = ed25519();
        let rsa =
            |bytes: usize| format!("ssh-rsa {}", blob(&[b"ssh-rsa", &[3], &vec![0x91; bytes]]));
        for (bad, words) in [
            ("", "names no key type"),
            ("hello world", "names no key type"),
            ("AAAAC3NzaC1lZDI1NTE5 me", "type of the SSH key is missing"),
            ("https://example.org/me.keys", "are not fetched"),
            ("~/.ssh/id_ed25519.pub", "name of a file"),
            ("ssh-ed25519", "itself is missing"),
            ("ssh-ed448 AAAA", "no type of SSH key that is known"),
            ("rsa-sha2-512 AAAA", "no type of SSH key that is known"),
            ("ssh-dss AAAA", "no DSA keys"),
            ("ssh-ed25519 AAAA", "cut off"),
            ("ssh-ed25519 AA!A", "not valid base64"),
            ("command=\"x ssh-ed25519 AAAA", "never closed"),
            (&whole[..whole.len() - 4], "cut off"),
            (
                &whole.replace("ssh-ed25519", "ssh-rsa"),
                "one of type ssh-ed25519",
            ),
            (&format!("comand=\"x\" {whole}"), "is \"command\" meant"),
            (
                &format!("no-pty, command=\"x\" {whole}"),
                "names no key type",
            ),
            (&rsa(64), "512 bits"),
            (&format!("{whole}{}", "x".repeat(LONGEST)), "longer than"),
            (
                &format!(
                    "ecdsa-sha2-nistp256 {}",
                    blob(&[b"ecdsa-sha2-nistp256", b"nistp384", b"x"])
                ),
                "cut off",
            ),
        ] {
            let found = fault(bad).map(|fault| (fault.severity, fault.message));
            let (severity, message) = found.unwrap_or_else(|| panic!("{bad} is taken"));
            assert_eq!(severity, Severity::Warning, "{bad}");
            assert!(message.contains(words), "{bad}: {message}");
        }
    }

    #[test]
    fn private_keys_and_line_breaks_are_errors() {
        for (bad, words, secret) in [
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n",
                "private key",
                true,
            ),
            ("PuTTY-User-Key-File-3: ssh-ed25519", "private key", true),
            ("ssh-rsa AAAA\nssh-rsa BBBB", "is one line", false),
            (
                "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA",
                "is one line",
                false,
            ),
        ] {
            let found = fault(bad).unwrap_or_else(|| panic!("{bad} is taken"));
            assert_eq!(
                (found.severity, found.secret),
                (Severity::Error, secret),
                "{bad}"
            );
            assert!(found.message.contains(words), "{bad}: {}", found.message);
        }
    }

    #[test]
    fn options_are_told_from_types() {
        assert!(!has_options("ssh-ed25519 AAAA"));
        assert!(has_options("restrict,port-forwarding ssh-ed25519 AAAA"));
    }
}
