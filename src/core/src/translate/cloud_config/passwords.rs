//! Passwords: hashes only. A password in user data can be read by every program on the machine that
//! reaches the cloud's metadata, so it is refused, and never shown.

use super::node::{span, text};
use super::{Build, flag, said};
use crate::diag::{Diagnostic, Span};
use crate::json::Value;
use crate::spec::At;
use crate::spec::cloud_config::{Chpasswd, Document, User};

const HELP: &str = "give a hash, as mkpasswd --method=yescrypt or openssl passwd -6 makes it";

impl Build<'_> {
    /// The hash of a user's entry. Where `lock_passwd` is not stated the hash works, as with
    /// coreos-cloudinit; cloud-init would lock it.
    pub(super) fn password_hash(&mut self, user: &User) -> Option<At<String>> {
        if let Some(at) = span(&user.plain_text_passwd) {
            self.plain(Some(at), "plain_text_passwd");
        }
        let hash = said(&user.hashed_passwd).or(said(&user.passwd))?.clone();
        if !is_hash(&hash.value) {
            self.plain(hash.span, "passwd");
            return None;
        }
        let locked = flag(&user.lock_passwd, false) && hash.value.starts_with('$');
        Some(match locked {
            true => At {
                value: format!("!{}", hash.value),
                ..hash
            },
            false => hash,
        })
    }

    fn plain(&mut self, at: Option<Span>, key: &str) {
        let message = format!("{key} holds a password, not the hash of one");
        self.report
            .push(Diagnostic::error(at, message).help(HELP).secret());
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
                (name, hash.clone())
            });
        for (name, hash) in listed.into_iter().chain(of_default) {
            if is_hash(&hash.value) {
                self.user_mut(&name).password_hash = Some(hash);
            } else if ["R", "RANDOM"].contains(&hash.value.as_str()) {
                self.report.push(
                    Diagnostic::error(
                        hash.span,
                        format!("no random password is made for {:?}", name.value),
                    )
                    .help(HELP)
                    .secret(),
                );
            } else {
                self.plain(hash.span, &format!("the entry of {:?}", name.value));
            }
        }
    }

    /// Names with what is given for their passwords.
    fn chpasswd(&mut self, chpasswd: &Chpasswd) -> Vec<(At<String>, At<String>)> {
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
                        Some((name, given)) => found.push((part(name), part(given))),
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
            let random = said(&user.kind).is_some_and(|kind| kind.value == "RANDOM");
            let given = match said(&user.password) {
                Some(given) if !random => given.clone(),
                _ => At {
                    value: "RANDOM".into(),
                    span: user.at,
                },
            };
            found.push((name.clone(), given));
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

/// Whether a text is what crypt(5) makes of a password, or one of the marks for none.
fn is_hash(text: &str) -> bool {
    let bare = text.trim_start_matches('!');
    if bare.is_empty() || bare == "*" {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_told_from_passwords() {
        for hash in [
            "$6$salt$abc/.",
            "$6$rounds=4096$salt$abc",
            "$y$j9T$salt$hash",
            "$2b$12$abcdef$",
            "!$6$salt$abc",
            "*",
            "!",
            "!!",
        ] {
            assert!(is_hash(hash), "{hash}");
        }
        for plain in [
            "hunter2",
            "$ecret$word$",
            "$6$",
            "$6$salt",
            "x$6$salt$abc",
            "$6$a$b c",
        ] {
            assert!(!is_hash(plain), "{plain}");
        }
    }
}
