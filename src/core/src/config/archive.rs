//! cloud-init's other way to put several configs into one: a list in YAML below the line `#cloud-config-archive`.

use super::language;
use super::part::{Content, MAX_PARTS, Part, judge};
use crate::diag::{Diagnostic, Report, SourceId, Span};
use crate::json::{Node, Value};
use crate::yaml;

const MARK: &str = "#cloud-config-archive";

/// Whether a text is an archive.
pub(super) fn is_one(text: &str) -> bool {
    text.trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with(MARK)
}

/// The configs of an archive, in order; what is none is warned about.
pub(super) fn parts(
    source: SourceId,
    text: &str,
    report: &mut Report,
) -> Result<Vec<Part>, Diagnostic> {
    let tree = yaml::parse_with(source, text, report)?;
    let items = match &tree.value {
        Value::Null => &[],
        Value::Array(items) => items.as_slice(),
        other => {
            let message = format!("a cloud-config archive is a list, this is {}", other.kind());
            return Err(Diagnostic::error(tree.span, message)
                .help("begin each part with - and give it type: and content:"));
        }
    };
    if let Some(beyond) = items.get(MAX_PARTS) {
        let message = format!("this archive has more than {MAX_PARTS} parts");
        return Err(Diagnostic::error(beyond.span, message));
    }
    let mut found = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let number = index + 1;
        let Some(Entry { kind, at, text }) = entry(item)? else {
            continue;
        };
        match judge(kind, text.as_bytes()) {
            Content::Nothing => {}
            Content::Config(stated) => found.push(Part {
                label: format!("part {number} of the archive"),
                body: text.as_bytes().to_vec(),
                stated,
            }),
            Content::Foreign(what) => {
                let message = format!("part {number} is {}: it has no effect", what.name);
                report.push(Diagnostic::warning(at, message).help(what.help));
            }
        }
    }
    Ok(found)
}

/// What an entry holds.
struct Entry<'a> {
    /// Its type, if it states one.
    kind: Option<&'a str>,
    /// Where its text stands.
    at: Span,
    text: &'a str,
}

/// An entry: a text alone, or a mapping with a content. `None` where it holds nothing.
fn entry(item: &Node) -> Result<Option<Entry<'_>>, Diagnostic> {
    let wrong = |node: &Node, what: &str| {
        let kind = node.value.kind();
        Err(
            Diagnostic::error(node.span, format!("{what}, this is {kind}"))
                .help("write it as - with type: and content: |"),
        )
    };
    match &item.value {
        Value::Null => Ok(None),
        Value::String(text) | Value::Plain(text) => Ok(Some(Entry {
            kind: None,
            at: item.span,
            text,
        })),
        Value::Object(_) => {
            let kind = language::member(item, "type").map(|member| &member.value.value);
            let kind = match kind {
                Some(Value::String(kind) | Value::Plain(kind)) => Some(kind.as_str()),
                _ => None,
            };
            let Some(content) = language::member(item, "content").map(|member| &member.value)
            else {
                return Err(
                    Diagnostic::error(item.span, "a part of the archive has no content")
                        .help("write it as - with type: and content: |"),
                );
            };
            match &content.value {
                Value::Null => Ok(None),
                Value::String(text) | Value::Plain(text) => Ok(Some(Entry {
                    kind,
                    at: content.span,
                    text,
                })),
                _ => wrong(content, "the content of a part is a text"),
            }
        }
        _ => wrong(item, "a part of an archive is a text or a mapping"),
    }
}
