//! `write_files`.

use super::node::text;
use super::{Build, flag, said};
use crate::dataurl::{self, unbase64};
use crate::diag::{Diagnostic, Span};
use crate::json::Value;
use crate::spec::cloud_config::WriteFile;
use crate::spec::v3;
use crate::spec::{At, Concat};
use crate::translate::at;

impl Build<'_> {
    /// Entries in their order, those that are deferred last, as cloud-init does it.
    pub(super) fn write_files(&mut self, entries: &[WriteFile]) {
        let (deferred, first): (Vec<&WriteFile>, Vec<&WriteFile>) =
            entries.iter().partition(|entry| flag(&entry.defer, false));
        for entry in first.into_iter().chain(deferred) {
            self.write_file(entry);
        }
    }

    fn write_file(&mut self, entry: &WriteFile) {
        let Some(given) = said(&entry.path) else {
            self.error(entry.at, "the file has no path", "add path: /…");
            return;
        };
        let path = At {
            value: clean(&given.value),
            span: given.span,
        };
        if !given.value.starts_with('/') {
            self.warning(
                path.span,
                format!("the path is relative, it is taken as {}", path.value),
                "write the whole path",
            );
        }
        self.unseen(&path);
        let path = self.place(path);
        let Some(contents) = self.contents(entry) else {
            return;
        };
        let mode = self.permissions(entry);
        let (user, group) = self.owner(entry);
        self.volatile_attributes(&path.value, mode.as_ref(), (&user, &group));
        let appends = flag(&entry.append, false);
        let known = self.files.get(&path.value).copied();
        if let Some(file) = known
            .and_then(|index| self.config.storage.files.get_mut(index))
            .filter(|_| appends)
        {
            file.append.0.push(contents);
            file.mode = mode.or(file.mode.take());
            if user != v3::Owner::default() || group != v3::Owner::default() {
                (file.user, file.group) = (user, group);
            }
            return;
        }
        let (whole, append) = match appends {
            true => (v3::Resource::default(), Concat(vec![contents])),
            false => (contents, Concat::default()),
        };
        self.add_file(v3::File {
            at: entry.at,
            path: Some(path.clone()),
            user,
            group,
            overwrite: (!appends).then_some(At {
                value: true,
                span: path.span,
            }),
            // What is appended to keeps its mode; a new file gets the usual one.
            mode: mode.or(at(0o644, path.span).filter(|_| !appends)),
            contents: whole,
            append,
        });
    }

    /// Warns of places where the running system will not see the file.
    fn unseen(&mut self, path: &At<String>) {
        let below = |top: &&&str| {
            path.value
                .strip_prefix(**top)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        const COVERED: &[&str] = &["/dev", "/proc", "/sys"];
        if let Some(top) = COVERED.iter().find(below) {
            self.warning(
                path.span,
                format!("{top} is empty when the system has started: it will not see this file"),
                "write the file to /etc or /var, or write it in bootcmd",
            );
        } else if below(&&"/usr") {
            self.warning(
                path.span,
                "/usr cannot be written where it is part of a read-only image",
                "write programs to /opt/bin",
            );
        }
    }

    fn contents(&mut self, entry: &WriteFile) -> Option<v3::Resource> {
        if let Some(uri) = said(&entry.source.uri) {
            return Some(self.fetched(entry, uri));
        }
        let span = entry
            .content
            .as_ref()
            .map_or(entry.at, |raw| Some(raw.0.span));
        let bytes = match entry.content.as_ref().map(|raw| &raw.0) {
            None => Vec::new(),
            Some(node) => match (&node.value, text(node)) {
                (Value::Null, _) => Vec::new(),
                (Value::Binary(bytes), _) => bytes.clone(),
                (_, Some(text)) => text.value.into_bytes(),
                (other, None) => {
                    let message =
                        format!("the content of a file is a text, this is {}", other.kind());
                    self.report.push(
                        Diagnostic::error(span, message)
                            .help("begin a text of several lines with content: |"),
                    );
                    return None;
                }
            },
        };
        let encoding = said(&entry.encoding).map_or("", |encoding| encoding.value.trim());
        let encoding_at = entry.encoding.as_ref().and_then(|encoding| encoding.span);
        let (is_base64, is_gzip) = match encoding.to_ascii_lowercase().as_str() {
            "" | "text/plain" | "none" => (false, false),
            "b64" | "base64" => (true, false),
            "gz" | "gzip" => (false, true),
            "gz+b64" | "gz+base64" | "gzip+b64" | "gzip+base64" => (true, true),
            _ => {
                self.error(
                    encoding_at,
                    format!("unknown encoding {encoding:?}"),
                    "known are b64, gzip, gz+b64 and text/plain",
                );
                return None;
            }
        };
        let bytes = match is_base64 {
            true => match unbase64(&bytes) {
                Some(bytes) => bytes,
                None => {
                    self.error(
                        span,
                        "the content is not base64, as its encoding says",
                        "encode it with base64, or remove encoding:",
                    );
                    return None;
                }
            },
            false => bytes,
        };
        if is_gzip && !bytes.starts_with(&[0x1f, 0x8b]) {
            self.error(
                span,
                "the content is not gzip, as its encoding says",
                "give what gzip makes as content: !!binary, or with encoding: gz+b64",
            );
            return None;
        }
        Some(v3::Resource {
            at: span,
            source: at(dataurl::encode(&bytes), span),
            compression: is_gzip.then_some(At {
                value: "gzip".into(),
                span: encoding_at,
            }),
            ..v3::Resource::default()
        })
    }

    fn fetched(&mut self, entry: &WriteFile, uri: &At<String>) -> v3::Resource {
        let mut headers = Vec::new();
        if let Some(Value::Object(members)) = entry.source.headers.as_ref().map(|raw| &raw.0.value)
        {
            for member in members {
                headers.push(v3::HttpHeader {
                    at: Some(member.key_span),
                    name: at(member.key.clone(), member.key_span),
                    value: text(&member.value),
                });
            }
        }
        v3::Resource {
            at: entry.source.at,
            source: Some(uri.clone()),
            http_headers: headers,
            ..v3::Resource::default()
        }
    }

    /// Permissions are octal, however they are written: the text "0644", 0644, 0o644 and 644.
    fn permissions(&mut self, entry: &WriteFile) -> Option<At<i64>> {
        let node = &entry.permissions.as_ref()?.0;
        if node.value == Value::Null {
            return None;
        }
        match text(node).and_then(|text| octal(&text.value)) {
            Some(mode) => at(mode, node.span),
            None => {
                self.error(
                    Some(node.span),
                    "the permissions are no octal number",
                    "write them as '0644'",
                );
                None
            }
        }
    }

    /// `user`, `user:group` or `:group`, by name or number.
    fn owner(&mut self, entry: &WriteFile) -> (v3::Owner, v3::Owner) {
        let Some(given) = said(&entry.owner) else {
            return (v3::Owner::default(), v3::Owner::default());
        };
        let (user, group) = match given.value.split_once(':') {
            Some((user, group)) => (user, group),
            None => (given.value.as_str(), ""),
        };
        (owner(user, given.span), owner(group, given.span))
    }
}

fn owner(text: &str, span: Option<Span>) -> v3::Owner {
    let text = text.trim();
    let id = text.parse::<i64>().ok();
    v3::Owner {
        at: span.filter(|_| !text.is_empty()),
        id: id.map(|value| At { value, span }),
        name: (id.is_none() && !text.is_empty()).then(|| At {
            value: text.to_owned(),
            span,
        }),
    }
}

fn octal(text: &str) -> Option<i64> {
    let digits = text.trim();
    let digits = digits.strip_prefix("0o").unwrap_or(digits);
    let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    plain.then(|| i64::from_str_radix(digits, 8).ok())?
}

/// The path from the root with all that is `.`, `..` or empty in it resolved.
pub(super) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_and_permissions_are_octal() {
        for (path, expected) in [
            ("/etc//x/", "/etc/x"),
            ("etc/x", "/etc/x"),
            ("/a/./b/../c", "/a/c"),
            ("/../..", "/"),
            ("", "/"),
        ] {
            assert_eq!(clean(path), expected, "{path:?}");
        }
        for (text, expected) in [
            ("0644", Some(0o644)),
            ("644", Some(0o644)),
            ("0o755", Some(0o755)),
            ("1777", Some(0o1777)),
            ("0888", None),
            ("rw-r--r--", None),
            ("-644", None),
            ("", None),
        ] {
            assert_eq!(octal(text), expected, "{text:?}");
        }
    }
}
