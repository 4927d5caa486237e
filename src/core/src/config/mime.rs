//! MIME messages (RFC 2045, 2046) as tools that write user data make them, and the configs in them.

use std::ops::Range;

use super::part::{Content, Foreign, MAX_PARTS, Part, Stated, judge};
use crate::dataurl::unbase64;
use crate::diag::{Diagnostic, Report, SourceId, Span};
use crate::hex;
use crate::spec::At;

/// How deep messages may lie in one another.
const MAX_NESTING: usize = 4;
/// How long the headers of a message or part may be in all, in bytes.
const MAX_HEADERS: usize = 16 << 10;

/// The headers that matter, and where the body is.
#[derive(Debug)]
pub(super) struct Message {
    /// The media type in lower case, and where it stands.
    kind: Option<(String, Range<usize>)>,
    boundary: Option<String>,
    encoding: Option<String>,
    /// How its cloud-config is merged with those before it.
    merge: Option<String>,
    body: Range<usize>,
}

/// Reads the headers of a text that is a MIME message; `None` for any other text.
pub(super) fn message(text: &str) -> Option<Message> {
    let skipped = text.len() - text.trim_start_matches('\u{feff}').trim_start().len();
    let (message, versioned) = headers(text, skipped..text.len())?;
    let multipart = message
        .kind
        .as_ref()
        .is_some_and(|(kind, _)| kind.starts_with("multipart/"));
    (multipart || (versioned && message.kind.is_some())).then_some(message)
}

/// Reads headers up to the empty line; says also whether one of them is MIME-Version.
fn headers(text: &str, range: Range<usize>) -> Option<(Message, bool)> {
    let mut found: Vec<(String, String, Range<usize>)> = Vec::new();
    let mut body = range.end..range.end;
    for (at, line) in lines(text, range.clone()) {
        if line.is_empty() {
            body.start = (at + text.get(at..)?.find('\n')? + 1).min(range.end);
            break;
        }
        if at - range.start > MAX_HEADERS {
            return None;
        }
        if line.starts_with([' ', '\t']) {
            let (_, value, place) = found.last_mut()?;
            value.push(' ');
            value.push_str(line.trim());
            place.end = at + line.len();
            continue;
        }
        // The first line of a mailbox file, which Python's e-mail package can put first.
        if at == range.start && line.starts_with("From ") {
            continue;
        }
        let (name, value) = line.split_once(':')?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let start = at + name.len() + 1 + (value.len() - value.trim_start().len());
        found.push((
            name.to_ascii_lowercase(),
            value.trim().to_owned(),
            start..at + line.len(),
        ));
    }
    let get = |name: &str| found.iter().find(|(known, _, _)| known == name);
    let kind = get("content-type");
    let message = Message {
        kind: kind.map(|(_, value, place)| (media_type(value), place.clone())),
        boundary: kind.and_then(|(_, value, _)| parameter(value, "boundary")),
        encoding: get("content-transfer-encoding").map(|(_, value, _)| value.to_ascii_lowercase()),
        merge: get("merge-type")
            .or(get("x-merge-type"))
            .map(|(_, value, _)| value.clone()),
        body,
    };
    Some((message, get("mime-version").is_some()))
}

/// The lines of a range with the places where they begin, without their ends.
fn lines(text: &str, range: Range<usize>) -> impl Iterator<Item = (usize, &str)> {
    let mut at = range.start;
    text.get(range)
        .unwrap_or_default()
        .split_inclusive('\n')
        .map(move |line| {
            let start = at;
            at += line.len();
            (start, line.trim_end_matches(['\r', '\n']))
        })
}

fn media_type(value: &str) -> String {
    let kind = value.split(';').next().unwrap_or_default();
    kind.trim().to_ascii_lowercase()
}

/// A parameter of a header value, unquoted.
fn parameter(value: &str, name: &str) -> Option<String> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (key, after) = rest.split_once('=')?;
        let mut found = String::new();
        let mut chars = after.chars();
        let quoted = after.starts_with('"');
        if quoted {
            chars.next();
        }
        while let Some(c) = chars.next() {
            match c {
                '\\' if quoted => found.extend(chars.next()),
                '"' if quoted => break,
                ';' if !quoted => break,
                _ => found.push(c),
            }
        }
        if key
            .trim_matches([' ', ';', '\t'])
            .eq_ignore_ascii_case(name)
        {
            let found = found.trim();
            return (!found.is_empty()).then(|| found.to_owned());
        }
        rest = chars.as_str();
    }
}

/// The parts of a multipart body, and whether its closing line is there.
fn split(text: &str, body: Range<usize>, boundary: &str) -> (Vec<Range<usize>>, bool) {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut open: Option<usize> = None;
    for (at, line) in lines(text, body.clone()) {
        let Some(rest) = line
            .strip_prefix("--")
            .and_then(|rest| rest.strip_prefix(boundary))
        else {
            continue;
        };
        let closing = match rest.trim_end() {
            "" => false,
            "--" => true,
            _ => continue,
        };
        if let Some(start) = open.take() {
            // The line break before a boundary belongs to the boundary.
            let before = text.get(start..at).unwrap_or_default();
            let before = before.strip_suffix('\n').unwrap_or(before);
            let before = before.strip_suffix('\r').unwrap_or(before);
            parts.push(start..start + before.len());
        }
        if closing {
            return (parts, true);
        }
        open = Some(body.end.min(next_line(text, at)));
    }
    parts.extend(open.map(|start| start..body.end));
    (parts, false)
}

fn next_line(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.find('\n').map_or(rest.len(), |end| end + 1)
}

/// A part that is no multipart itself.
struct Leaf {
    number: String,
    message: Message,
    at: Range<usize>,
}

/// A walk over the parts of one message.
struct Walk<'a> {
    text: &'a str,
    source: SourceId,
    report: &'a mut Report,
    leaves: Vec<Leaf>,
}

impl Walk<'_> {
    fn span(&self, at: &Range<usize>) -> Span {
        let clip = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span {
            source: self.source,
            start: clip(at.start),
            end: clip(at.end),
        }
    }

    fn multipart(&mut self, message: &Message, prefix: &str) -> Result<(), Diagnostic> {
        let at = match &message.kind {
            Some((_, at)) => at.clone(),
            None => message.body.start..message.body.start,
        };
        let Some(boundary) = &message.boundary else {
            return Err(Diagnostic::error(
                self.span(&at),
                "this MIME message does not say the boundary of its parts",
            )
            .help("write Content-Type: multipart/mixed; boundary=\"…\""));
        };
        let (parts, closed) = split(self.text, message.body.clone(), boundary);
        if !closed {
            let diagnostic = Diagnostic::warning(
                self.span(&at),
                "the closing boundary of this MIME message is missing: it may be cut off",
            );
            self.report.push(
                diagnostic.help("end the user data with the line --BOUNDARY--, and see whether the cloud limits its size"),
            );
        }
        let body = self.text.get(message.body.clone()).unwrap_or_default();
        let end = format!("--{boundary}--");
        // Tools write messages without parts where there is nothing to configure.
        let nothing = ["", end.as_str()].contains(&body.trim());
        if parts.is_empty() && !nothing {
            let diagnostic = Diagnostic::warning(
                self.span(&at),
                "no line of this MIME message begins a part: what it holds has no effect",
            );
            self.report.push(diagnostic.help(format!(
                "before the headers of each part stands the line --{boundary}"
            )));
        }
        for (index, range) in parts.into_iter().enumerate() {
            let number = format!("{prefix}{}", index + 1);
            let first_line = range.start..next_line(self.text, range.start).min(range.end);
            let Some((part, _)) = headers(self.text, range) else {
                return Err(Diagnostic::error(
                    self.span(&first_line),
                    format!("part {number} of this MIME message does not begin with headers"),
                )
                .help("put an empty line between the headers of a part and its contents"));
            };
            let multipart = part
                .kind
                .as_ref()
                .is_some_and(|(kind, _)| kind.starts_with("multipart/"));
            let at = match &part.kind {
                Some((_, at)) => at.clone(),
                None => first_line,
            };
            if multipart && prefix.matches('.').count() + 1 >= MAX_NESTING {
                return Err(Diagnostic::error(
                    self.span(&at),
                    format!("MIME messages nest deeper than {MAX_NESTING} levels here"),
                ));
            }
            if multipart {
                self.multipart(&part, &format!("{number}."))?;
                continue;
            }
            if self.leaves.len() == MAX_PARTS {
                return Err(Diagnostic::error(
                    self.span(&at),
                    format!("this MIME message has more than {MAX_PARTS} parts"),
                ));
            }
            self.leaves.push(Leaf {
                number,
                message: part,
                at,
            });
        }
        Ok(())
    }
}

/// The configs of a message, in order; what is none is warned about.
pub(super) fn configs(
    message: &Message,
    text: &str,
    source: SourceId,
    report: &mut Report,
) -> Result<Vec<Part>, Diagnostic> {
    let mut walk = Walk {
        text,
        source,
        report,
        leaves: Vec::new(),
    };
    let multipart = message
        .kind
        .as_ref()
        .filter(|(kind, _)| kind.starts_with("multipart/"));
    let single = Message {
        kind: message.kind.clone(),
        boundary: None,
        encoding: message.encoding.clone(),
        merge: None,
        body: message.body.clone(),
    };
    match (multipart, &message.kind) {
        (None, Some((_, at))) => walk.leaves.push(Leaf {
            number: "1".into(),
            at: at.clone(),
            message: single,
        }),
        _ => walk.multipart(message, "")?,
    }
    let mut found = Vec::new();
    let mut foreign: Vec<(String, Foreign, Span)> = Vec::new();
    for leaf in std::mem::take(&mut walk.leaves) {
        let span = walk.span(&leaf.at);
        let raw = text.get(leaf.message.body.clone()).unwrap_or_default();
        let body = decode(raw, leaf.message.encoding.as_deref())
            .map_err(|why| Diagnostic::error(span, format!("part {}: {why}", leaf.number)))?;
        let kind = leaf.message.kind.as_ref().map(|(kind, _)| kind.as_str());
        match judge(kind, &body) {
            Content::Nothing => {}
            Content::Foreign(what) => foreign.push((leaf.number, what, span)),
            Content::Config(stated) => {
                let merge = leaf.message.merge.map(|value| At {
                    value,
                    span: Some(span),
                });
                found.push(Part {
                    label: format!("part {} of MIME", leaf.number),
                    body,
                    stated: Stated { merge, ..stated },
                });
            }
        }
    }
    if found.is_empty()
        && let Some((number, what, span)) = foreign.first()
    {
        let name = &what.name;
        return Err(Diagnostic::error(
            *span,
            format!(
                "no part of the user data is a config that is read here: part {number} is {name}"
            ),
        )
        .help(what.help));
    }
    for (number, what, span) in foreign {
        let message = format!("part {number} is {}: it has no effect", what.name);
        walk.report
            .push(Diagnostic::warning(span, message).help(what.help));
    }
    Ok(found)
}

/// Undoes the Content-Transfer-Encoding.
fn decode(raw: &str, encoding: Option<&str>) -> Result<Vec<u8>, String> {
    match encoding.unwrap_or("7bit") {
        "7bit" | "8bit" | "binary" | "" => Ok(raw.as_bytes().to_vec()),
        "base64" => {
            unbase64(raw.as_bytes()).ok_or_else(|| "its contents are not base64".to_owned())
        }
        "quoted-printable" => Ok(unquote(raw)),
        other => Err(format!(
            "its Content-Transfer-Encoding is {other:?}; 7bit, 8bit, base64 and quoted-printable are known"
        )),
    }
}

/// Undoes quoted-printable (RFC 2045, 6.7). What is no escape stands for itself.
fn unquote(raw: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    for line in raw.split_inclusive('\n') {
        let end = if line.ends_with("\r\n") { "\r\n" } else { "\n" };
        let (line, end) = match line.strip_suffix(end) {
            Some(line) => (line.trim_end_matches([' ', '\t']), end),
            None => (line, ""),
        };
        let soft = line.strip_suffix('=');
        let bytes = soft.unwrap_or(line).as_bytes();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let escaped = bytes
                .get(at + 1..at + 3)
                .filter(|_| *byte == b'=')
                .and_then(|digits| hex::byte(digits[0], digits[1]));
            out.push(escaped.unwrap_or(*byte));
            at += if escaped.is_some() { 3 } else { 1 };
        }
        if soft.is_none() {
            out.extend_from_slice(end.as_bytes());
        }
    }
    out
}
