//! Passwords. What stands there in plain text is hashed at once, with a warning: every program on the machine that
//! reaches the cloud's metadata can read it. It is never shown.

use base64ct::{Base64ShaCrypt, Encoding as _};
use sha_crypt::{BLOCK_SIZE_SHA512, Params, sha512_crypt};
use sha2::{Digest as _, Sha512};

use super::node::text;
use super::{Build, flag, said};
use crate::diag::{Diagnostic, Span, and_more};
use crate::json::{Node, Value};
use crate::spec::At;
use crate::spec::cloud_config::{Chpasswd, Document, User};

const HELP: &str = "give a hash, as mkpasswd --method=yescrypt or openssl passwd -6 makes it";

/// Keys below which passwords or their hashes stand.
const KEYS: &[&str] = &[
    "chpasswd",
    "hashed_passwd",
    "passwd",
    "password",
    "plain_text_passwd",
];
/// Longest password, in bytes; crypt(3) takes as many.
const LONGEST: usize = 511;
/// Bytes of salt; written they are the 16 characters that SHA-crypt takes.
const SALT: usize = 12;
/// How much of a text counts for the salts, in bytes.
const COUNTS: usize = 256;

/// Where the salts of hashes come from: the config but for its passwords. A salt has to be another one for other
/// users and configs, and need not be secret. This way the same config means the same machine each time it is read,
/// after a power cut as well, as if the hash stood in it.
#[derive(Default)]
pub(super) struct Salts(Sha512);

impl Salts {
    /// Of a whole config.
    pub(super) fn of(tree: &Node) -> Self {
        let mut salts = Self::default();
        salts.walk(tree);
        salts
    }

    fn walk(&mut self, node: &Node) {
        match &node.value {
            Value::Object(members) => {
                for member in members {
                    self.take(&member.key);
                    if !KEYS.contains(&member.key.as_str()) {
                        self.walk(&member.value);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            Value::String(text) | Value::Plain(text) | Value::Number(text) => self.take(text),
            Value::Null | Value::Bool(_) | Value::Binary(_) => {}
        }
    }

    fn take(&mut self, text: &str) {
        let bytes = text.as_bytes();
        self.0.update(bytes.get(..COUNTS).unwrap_or(bytes));
        self.0.update([0]);
    }

    /// The salt of a user's password.
    fn salt(&self, user: &str) -> [u8; SALT] {
        let mut of_user = Self(self.0.clone());
        of_user.take(user);
        let digest = of_user.0.finalize();
        std::array::from_fn(|index| digest.get(index).copied().unwrap_or_default())
    }
}

/// What a value may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A password, whatever it looks like.
    Password,
    /// A hash if it looks like one, else a password.
    Either,
    /// A hash of any age, or a password by mistake.
    Hash,
}

impl Build<'_> {
    /// The hash of a user's entry. Where `lock_passwd` is not stated the hash works, as with
    /// coreos-cloudinit; cloud-init would lock it.
    pub(super) fn password_hash(&mut self, name: &str, user: &User) -> Option<At<String>> {
        let hashed = said(&user.hashed_passwd).or(said(&user.passwd));
        let hash = match (hashed, said(&user.plain_text_passwd)) {
            (Some(hashed), _) => self.hashed(name, hashed, Kind::Hash)?,
            (None, plain) => self.hashed(name, plain?, Kind::Password)?,
        };
        let locked = flag(&user.lock_passwd, false) && hash.value.starts_with('$');
        Some(match locked {
            true => At {
                value: format!("!{}", hash.value),
                ..hash
            },
            false => hash,
        })
    }

    /// The hash that a value is, or that of the password that it is.
    fn hashed(&mut self, name: &str, given: &At<String>, kind: Kind) -> Option<At<String>> {
        let is_hash = match kind {
            Kind::Password => false,
            Kind::Either => is_hash(&given.value),
            Kind::Hash => is_hash(&given.value) || is_old_hash(&given.value),
        };
        if is_hash {
            return Some(given.clone());
        }
        let password = given.value.as_bytes();
        let typed = password.len() <= LONGEST && !password.iter().any(u8::is_ascii_control);
        let hash = typed.then(|| crypt(password, &self.salts.salt(name)));
        let Some(hash) = hash else {
            let message = format!(
                "the password of {name:?} cannot be typed in: it is longer than {LONGEST} bytes, or holds a control character"
            );
            self.report
                .push(Diagnostic::error(given.span, message).help(HELP).secret());
            return None;
        };
        let (_, number) = self.plain.get_or_insert((given.span, 0));
        *number += 1;
        Some(At {
            value: hash,
            span: given.span,
        })
    }

    /// `password` of the default user, and `chpasswd` of all.
    pub(super) fn passwords(&mut self, document: &Document, default: &str) {
        let listed = match &document.chpasswd {
            Some(chpasswd) => self.chpasswd(chpasswd),
            None => Vec::new(),
        };
        let of_default = said(&document.password)
            .filter(|_| listed.is_empty())
            .map(|hash| {
                let name = At {
                    value: default.to_owned(),
                    span: hash.span,
                };
                (name, hash.clone(), Kind::Either)
            });
        for (name, given, kind) in listed.into_iter().chain(of_default) {
            if kind == Kind::Either && ["R", "RANDOM"].contains(&given.value.as_str()) {
                self.random(&name, given.span);
            } else if let Some(hash) = self.hashed(&name.value, &given, kind) {
                self.user_mut(&name).password_hash = Some(hash);
            }
        }
        self.warn_of_plain();
    }

    /// Says once that passwords stand in plain text.
    fn warn_of_plain(&mut self) {
        let Some((at, number)) = self.plain else {
            return;
        };
        let more = and_more(number - 1);
        let message = format!(
            "this is a password{more}, which everybody knows who reads the user data: its hash is used"
        );
        self.report
            .push(Diagnostic::warning(at, message).help(HELP).secret());
    }

    fn random(&mut self, name: &At<String>, at: Option<Span>) {
        let message = format!("no random password is made for {:?}", name.value);
        self.report
            .push(Diagnostic::error(at, message).help(HELP).secret());
    }

    /// Names with what is given for their passwords.
    fn chpasswd(&mut self, chpasswd: &Chpasswd) -> Vec<(At<String>, At<String>, Kind)> {
        let mut found = Vec::new();
        if let Some(list) = &chpasswd.list {
            let texts = match &list.0.value {
                Value::Array(items) => items.iter().filter_map(text).collect(),
                _ => Vec::from_iter(text(&list.0)),
            };
            for entry in &texts {
                for line in entry.value.lines().map(str::trim) {
                    let part = |text: &str| At {
                        value: text.to_owned(),
                        span: entry.span,
                    };
                    match line.split_once(':') {
                        Some((name, given)) => found.push((part(name), part(given), Kind::Either)),
                        None if line.is_empty() => {}
                        None => self.report.push(
                            Diagnostic::error(entry.span, "an entry of chpasswd has no colon")
                                .help("write NAME:HASH")
                                .secret(),
                        ),
                    }
                }
            }
        }
        for user in &chpasswd.users {
            let Some(name) = said(&user.name) else {
                self.error(user.at, "a user of chpasswd has no name", "add name:");
                continue;
            };
            let kind = match said(&user.kind).map(|kind| kind.value.as_str()) {
                Some("RANDOM") => None,
                Some("text") => Some(Kind::Password),
                _ => Some(Kind::Hash),
            };
            match kind.zip(said(&user.password)) {
                Some((kind, given)) => found.push((name.clone(), given.clone(), kind)),
                None => self.random(name, user.at),
            }
        }
        if flag(&chpasswd.expire, false) {
            self.warning(
                chpasswd.expire.as_ref().and_then(|at| at.span),
                "\"expire\" of chpasswd is not supported: it has no effect",
                "run passwd --expire NAME in runcmd",
            );
        }
        found
    }
}

/// What crypt(5) makes of a password by the method `$6$`.
fn crypt(password: &[u8], salt: &[u8; SALT]) -> String {
    let salt = Base64ShaCrypt::encode_string(salt);
    let hash = sha512_crypt(password, salt.as_bytes(), Params::RECOMMENDED);
    let mut ordered = [0; BLOCK_SIZE_SHA512];
    // The method writes bytes of the three thirds by turns, and begins with another third each time.
    for (index, byte) in ordered.iter_mut().enumerate() {
        let (row, column) = (index / 3, index % 3);
        let third = (row + 2 - column) % 3;
        let from = match row {
            21 => 63,
            _ => third * 21 + row,
        };
        *byte = hash.get(from).copied().unwrap_or_default();
    }
    let digits = Base64ShaCrypt::encode_string(&ordered);
    format!("$6${salt}${digits}")
}

/// Whether a text is what crypt(5) makes of a password, or one of the marks for none.
fn is_hash(text: &str) -> bool {
    if text.starts_with('*') {
        return true;
    }
    let bare = text.trim_start_matches('!');
    if bare.is_empty() {
        return true;
    }
    let Some((method, rest)) = bare.strip_prefix('$').and_then(|rest| rest.split_once('$')) else {
        return false;
    };
    const METHODS: &[&str] = &[
        "1", "2a", "2b", "2x", "2y", "5", "6", "7", "y", "gy", "sha1", "md5", "sm3", "sm3y",
    ];
    METHODS.contains(&method) && rest.contains('$') && !rest.contains([':', '\n', ' '])
}

/// What stands in old lists of passwords: the hash of DES, and marks for no password.
fn is_old_hash(text: &str) -> bool {
    let is_digit = |c: char| c.is_ascii_alphanumeric() || "./".contains(c);
    text.starts_with('!')
        || ["x", "NP"].contains(&text)
        || (text.len() == 13 && text.chars().all(is_digit))
}

#[cfg(test)]
#[path = "password_tests.rs"]
mod tests;
