//! Diagnostics: what is wrong, where in which source, and what to do about it.
//!
//! This module renders and never prints. A [`Span`] points into one of the [`Sources`] that a run
//! has read; it survives merging, so that an error found late still shows the user's own line.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Index of a source in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceId(pub u32);

/// A range of bytes in one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The source that the offsets count in.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A place as a person reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Name of the file, URL or firmware item.
    pub file: String,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// The line itself, as far as it is shown. Empty where the source is gone.
    pub text: String,
    /// How many characters from `column` on are meant; at least 1.
    pub width: u32,
}

/// One text that was read: a user config, a base config, a merged child.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    name: String,
    text: String,
    /// Resolved places of spans, when the text came out of the config cache: offset → place.
    origins: Vec<(u32, Place)>,
}

/// All texts of one run. Spans stay small because the texts live here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    list: Vec<Source>,
}

impl Sources {
    /// Adds a text under the name that diagnostics show for it.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        self.list.push(Source {
            name: name.into(),
            text: text.into(),
            origins: Vec::new(),
        });
        SourceId(u32::try_from(self.list.len() - 1).unwrap_or(u32::MAX))
    }

    /// Says where the values of a cached config first stood: byte offset of a value in the cache →
    /// place in the user's own file. Later lookups of a span that starts there answer that place.
    pub fn set_origins(&mut self, source: SourceId, mut origins: Vec<(u32, Place)>) {
        origins.sort_by_key(|(offset, _)| *offset);
        if let Some(source) = self.list.get_mut(source.0 as usize) {
            source.origins = origins;
        }
    }

    /// The text of a source; empty for an unknown id.
    pub fn text(&self, source: SourceId) -> &str {
        self.list
            .get(source.0 as usize)
            .map_or("", |source| source.text.as_str())
    }

    /// The name of a source.
    pub fn name(&self, source: SourceId) -> &str {
        self.list
            .get(source.0 as usize)
            .map_or("?", |source| source.name.as_str())
    }

    /// Where a span stands, for people.
    pub fn place(&self, span: Span) -> Place {
        let Some(source) = self.list.get(span.source.0 as usize) else {
            return Place {
                file: "?".into(),
                line: 1,
                column: 1,
                text: String::new(),
                width: 1,
            };
        };
        if let Ok(found) = source
            .origins
            .binary_search_by_key(&span.start, |(offset, _)| *offset)
        {
            return source.origins[found].1.clone();
        }
        let start = floor_char(&source.text, span.start as usize);
        let end = floor_char(&source.text, (span.end as usize).max(start));
        let before = &source.text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = source.text[start..]
            .find('\n')
            .map_or(source.text.len(), |at| start + at);
        let column = source.text[line_start..start].chars().count() + 1;
        let width = source.text[start..end.min(line_end).max(start)]
            .chars()
            .count()
            .max(1);
        Place {
            file: source.name.clone(),
            line: small(before.matches('\n').count() + 1),
            column: small(column),
            text: source.text[line_start..line_end].to_string(),
            width: small(width),
        }
    }
}

fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn floor_char(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// How much a diagnostic weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The config cannot be used.
    Error,
    /// The config is used, but probably does not do what was meant.
    Warning,
    /// Advice.
    Hint,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Hint => "hint",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its weight.
    pub severity: Severity,
    /// What is wrong and why, in one sentence without a full stop.
    pub message: String,
    /// Where, if it stands anywhere.
    pub span: Option<Span>,
    /// What to do.
    pub help: Option<String>,
    /// Another place that belongs to the finding, and what is there: "first stated here".
    pub other: Option<(Span, &'static str)>,
    /// Whether the line may hold a secret, so that its place is named but it is not shown.
    pub private: bool,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(span: impl Into<Option<Span>>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            span: span.into(),
            help: None,
            other: None,
            private: false,
        }
    }

    /// A warning at a place.
    pub fn warning(span: impl Into<Option<Span>>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(span, message)
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Keeps the line unseen, whatever words it holds.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// Adds another place that belongs to the finding.
    #[must_use]
    pub fn other(mut self, span: Option<Span>, what: &'static str) -> Self {
        self.other = span.map(|span| (span, what));
        self
    }
}

/// The findings of one run, in the order they were made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// All findings.
    pub items: Vec<Diagnostic>,
}

impl Report {
    /// Adds a finding.
    pub fn push(&mut self, item: Diagnostic) {
        self.items.push(item);
    }

    /// Adds an error.
    pub fn error(&mut self, span: impl Into<Option<Span>>, message: impl Into<String>) {
        self.push(Diagnostic::error(span, message));
    }

    /// Adds a warning.
    pub fn warning(&mut self, span: impl Into<Option<Span>>, message: impl Into<String>) {
        self.push(Diagnostic::warning(span, message));
    }

    /// Takes over another report's findings.
    pub fn extend(&mut self, other: Report) {
        self.items.extend(other.items);
    }

    /// Whether any finding is an error.
    pub fn has_errors(&self) -> bool {
        self.items
            .iter()
            .any(|item| item.severity == Severity::Error)
    }

    /// The findings as text, each with its line shown and underlined.
    pub fn render(&self, sources: &Sources) -> String {
        let mut out = String::new();
        for item in &self.items {
            item.render_into(sources, &mut out);
        }
        out
    }
}

/// Longest part of a source line that is shown.
const SHOWN: usize = 160;

impl Diagnostic {
    /// The finding as text with its line shown and underlined.
    pub fn render(&self, sources: &Sources) -> String {
        let mut out = String::new();
        self.render_into(sources, &mut out);
        out
    }

    fn render_into(&self, sources: &Sources, out: &mut String) {
        let place = self.span.map(|span| sources.place(span));
        // Writing to a String cannot fail.
        let _ = match &place {
            Some(at) => writeln!(
                out,
                "{}:{}:{}: {}: {}",
                at.file,
                at.line,
                at.column,
                self.severity.word(),
                self.message
            ),
            None => writeln!(out, "{}: {}", self.severity.word(), self.message),
        };
        let shown =
            |at: &Place| !self.private && !at.text.trim().is_empty() && !holds_secret(&at.text);
        if let Some(at) = place.filter(shown) {
            excerpt(&at, out);
        }
        if let Some((span, what)) = self.other {
            let at = sources.place(span);
            let _ = writeln!(out, "  {what}: {}:{}:{}", at.file, at.line, at.column);
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "  help: {help}");
        }
    }
}

/// Lines with these words may hold passwords, keys or private contents: their place is named, but they
/// are not shown, because reports end on consoles and in log collectors.
const SECRET_WORDS: &[&str] = &[
    "password",
    "data:",
    "keyfile",
    "authorization",
    "httpheaders",
    "token",
    "secret",
    "private key",
    "_private",
    // crypt(5), with and without the lock before it.
    "$1$",
    "$2a$",
    "$2b$",
    "$2y$",
    "$5$",
    "$6$",
    "$7$",
    "$y$",
    "$gy$",
];

/// Keys whose value is private where it stands on the same line: `passwd:` also heads a section.
const SECRET_KEYS: &[&str] = &["passwd", "content", "inline", "list"];

fn holds_secret(line: &str) -> bool {
    let line = line.to_lowercase();
    SECRET_WORDS.iter().any(|word| line.contains(word))
        || SECRET_KEYS.iter().any(|key| {
            line.match_indices(key).any(|(at, _)| {
                let after = line.get(at + key.len()..).unwrap_or_default();
                let value = after
                    .trim_start_matches(['"', '\''])
                    .trim_start()
                    .strip_prefix(':')
                    .map(str::trim_start);
                value.is_some_and(|value| {
                    !value.is_empty() && !value.starts_with(['{', '|', '>', '#'])
                })
            })
        })
}

/// Shows a window of the line around the column: minified configs are one line of many kilobytes.
fn excerpt(at: &Place, out: &mut String) {
    let column = at.column.saturating_sub(1) as usize;
    let skip = column.saturating_sub(SHOWN / 2);
    let shown: String = at
        .text
        .chars()
        .skip(skip)
        .take(SHOWN)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let gutter = at.line.to_string();
    let more = if skip > 0 { "…" } else { "" };
    let pad = column - skip + more.chars().count();
    let width = (at.width as usize).clamp(1, SHOWN.saturating_sub(column - skip).max(1));
    let _ = writeln!(out, "  {gutter} | {more}{}", shown.trim_end());
    let _ = writeln!(
        out,
        "  {} | {}{}",
        " ".repeat(gutter.len()),
        " ".repeat(pad),
        "^".repeat(width)
    );
}

/// The known name nearest to a misspelt one, if any is near enough to be meant.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    known
        .iter()
        .map(|candidate| (distance(name, candidate), *candidate))
        .filter(|(d, _)| *d <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits between two words, without regard to case.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let here = if x == *y { diagonal } else { diagonal + 1 };
            diagonal = row[j + 1];
            row[j + 1] = here.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_line_and_underlines_what_is_meant() {
        let mut sources = Sources::default();
        let id = sources.add("user.ign", "{\n  \"péth\": 1\n}");
        let report = Report {
            items: vec![
                Diagnostic::error(
                    Span {
                        source: id,
                        start: 4,
                        end: 11,
                    },
                    "unknown key \"péth\"",
                )
                .help("did you mean \"path\"?"),
            ],
        };
        insta::assert_snapshot!(report.render(&sources), @r#"
        user.ign:2:3: error: unknown key "péth"
          2 |   "péth": 1
            |   ^^^^^^
          help: did you mean "path"?
        "#);
    }

    #[test]
    fn a_long_line_is_shown_around_the_column() {
        let mut sources = Sources::default();
        let id = sources.add("u", format!("{}X{}", "a".repeat(5000), "b".repeat(5000)));
        let text = Diagnostic::error(
            Span {
                source: id,
                start: 5000,
                end: 5001,
            },
            "x",
        )
        .render(&sources);
        assert!(text.lines().all(|line| line.chars().count() < 200));
        let lines: Vec<&str> = text.lines().collect();
        let caret = lines[2].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[1].chars().nth(caret), Some('X'));
    }

    #[test]
    fn lines_with_secrets_are_not_shown() {
        for (line, secret) in [
            ("passwd: $6$salt$hash", true),
            ("passwd: plain", true),
            ("passwd:", false),
            ("\"passwd\": {\"users\": []}", false),
            ("- {name: a, \"passwd\": 'x'}", true),
            ("plain_text_passwd: x", true),
            ("password_hash: x", true),
            ("content: secret", true),
            ("content: |", false),
            ("inline: >-", false),
            ("inline: words", true),
            ("\"contents\": {\"source\": \"http://a\"}", false),
            ("- core:$5$a$b", true),
            ("rsa_private: |", true),
            ("path: /etc/motd", false),
        ] {
            assert_eq!(holds_secret(line), secret, "{line}");
        }
        let mut sources = Sources::default();
        let id = sources.add("u", "plain words");
        let span = Span {
            source: id,
            start: 0,
            end: 5,
        };
        let hidden = Diagnostic::error(span, "x").private().render(&sources);
        assert_eq!(hidden, "u:1:1: error: x\n");
    }

    #[test]
    fn nearest_finds_typing_errors_only() {
        let known = ["files", "filesystems", "links"];
        assert_eq!(nearest("file", &known), Some("files"));
        assert_eq!(nearest("filesytems", &known), Some("filesystems"));
        assert_eq!(nearest("passwd", &known), None);
    }
}
