//! Diagnostics: what is wrong, where in which source, and what to do about it.
//!
//! This module renders and never prints. A [`Span`] points into one of the [`Sources`] that a run
//! has read; it survives merging, so that an error found late still shows the user's own line.

mod json;
mod marks;
mod origins;
mod shown;
mod sources;
mod span;

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

pub use crate::spelling::nearest;
pub use origins::{Origins, Written};
pub(crate) use shown::{DEVICE, is_free, is_key, is_section, normal};
pub use shown::{Shown, key};
pub use sources::{Sources, TextLine};
pub use span::{Place, SourceId, Span};

/// How much a diagnostic weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// The line within the value at `span` that is meant, where only one is.
    pub line: Option<Box<TextLine>>,
    /// Whether the source line must not be shown, because it holds a password or a key.
    pub secret: bool,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(span: impl Into<Option<Span>>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: cut(message.into()),
            span: span.into(),
            help: None,
            other: None,
            line: None,
            secret: false,
        }
    }

    /// A warning at a place.
    pub fn warning(span: impl Into<Option<Span>>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(span, message)
        }
    }

    /// A hint at a place.
    pub fn hint(span: impl Into<Option<Span>>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Hint,
            ..Self::error(span, message)
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(cut(help.into()));
        self
    }

    /// Adds another place that belongs to the finding.
    #[must_use]
    pub fn other(mut self, span: Option<Span>, what: &'static str) -> Self {
        self.other = span.map(|span| (span, what));
        self
    }

    /// Means one line of the value only.
    #[must_use]
    pub fn line(mut self, line: TextLine) -> Self {
        self.line = Some(Box::new(line));
        self
    }

    /// Keeps the source line from being shown.
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Where it stands, for people. The text is empty where it may hold a secret.
    pub fn place(&self, sources: &Sources) -> Option<Place> {
        let value = self.span?;
        let line = self
            .line
            .as_ref()
            .and_then(|line| sources.line_within(value, line));
        let mut place = sources.place(line.unwrap_or(value));
        if self.secret {
            place.text.clear();
        }
        Some(place)
    }
}

/// Longest message, in bytes: what a config says is repeated in messages, and may be megabytes.
const MESSAGE: usize = 2000;

/// The text without its middle where it is longer than a message. Both ends are needed: messages name a
/// value first and say what is wrong with it then.
fn cut(mut text: String) -> String {
    if text.len() > MESSAGE {
        let floor = |mut at: usize| {
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let left_out = floor(MESSAGE / 2)..floor(text.len() - MESSAGE / 4);
        let note = format!("… ({} bytes) …", left_out.len());
        text.replace_range(left_out, &note);
    }
    text
}

/// How many findings of one severity a report keeps.
pub const MOST: usize = 200;

/// The findings of one run, in the order they were made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// All findings.
    pub items: Vec<Diagnostic>,
}

/// Behind the one of several things that is named: that there are so many more; nothing where there are none.
pub(crate) fn and_more(more: usize) -> String {
    match more {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    }
}

impl Report {
    /// Adds a finding. Of each severity the first [`MOST`] are kept: nobody reads more, and a hostile
    /// config could make millions.
    pub fn push(&mut self, item: Diagnostic) {
        if !self.is_full(item.severity) {
            self.items.push(item);
        }
    }

    /// Whether no more findings of a severity are kept: then nothing need be looked up for one.
    pub fn is_full(&self, severity: Severity) -> bool {
        let mut same = self.items.iter().filter(|item| item.severity == severity);
        same.nth(MOST - 1).is_some()
    }

    /// Adds an error.
    pub fn error(&mut self, span: impl Into<Option<Span>>, message: impl Into<String>) {
        self.push(Diagnostic::error(span, message));
    }

    /// Adds a warning.
    pub fn warning(&mut self, span: impl Into<Option<Span>>, message: impl Into<String>) {
        self.push(Diagnostic::warning(span, message));
    }

    /// Takes over another report's findings, but for those that are there already.
    pub fn extend(&mut self, other: Report) {
        for item in other.items {
            if !self.items.contains(&item) {
                self.push(item);
            }
        }
    }

    /// Says once what several warnings or hints say in the same words, with their number, at the first place.
    pub fn count_alike(&mut self) {
        let mut kept: Vec<(Diagnostic, usize)> = Vec::new();
        for item in self.items.drain(..) {
            let alike = |known: &&mut (Diagnostic, usize)| {
                let known = &known.0;
                known.severity == item.severity
                    && known.message == item.message
                    && known.help == item.help
            };
            let first = kept.iter_mut().find(alike);
            match first.filter(|_| item.severity != Severity::Error) {
                Some((_, more)) => *more += 1,
                None => kept.push((item, 0)),
            }
        }
        self.items = kept
            .into_iter()
            .map(|(mut item, more)| {
                item.message.push_str(&and_more(more));
                item
            })
            .collect();
    }

    /// Whether any finding is an error.
    pub fn has_errors(&self) -> bool {
        self.items
            .iter()
            .any(|item| item.severity == Severity::Error)
    }

    /// The findings as text, each with its line shown and underlined.
    pub fn render(&self, sources: &Sources) -> String {
        self.render_as(sources, Style::Plain)
    }

    /// The same for a terminal or for a file.
    pub fn render_as(&self, sources: &Sources, style: Style) -> String {
        let mut out = String::new();
        for item in &self.items {
            item.render_into(sources, style, &mut out);
        }
        out
    }
}

/// What findings are rendered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Files, logs and serial consoles.
    Plain,
    /// A terminal that knows the colours of ECMA-48.
    Coloured,
}

impl Style {
    /// The codes for the severity's colour, for bold, and back to normal.
    fn codes(self, severity: Severity) -> (&'static str, &'static str, &'static str) {
        let colour = match severity {
            Severity::Error => "\x1b[1;31m",
            Severity::Warning => "\x1b[1;33m",
            Severity::Hint => "\x1b[1;36m",
        };
        match self {
            Style::Plain => ("", "", ""),
            Style::Coloured => (colour, "\x1b[1m", "\x1b[0m"),
        }
    }
}

/// Longest part of a source line that is shown.
const SHOWN: usize = 160;

impl Diagnostic {
    /// The finding as text with its line shown and underlined.
    pub fn render(&self, sources: &Sources) -> String {
        let mut out = String::new();
        self.render_into(sources, Style::Plain, &mut out);
        out
    }

    fn render_into(&self, sources: &Sources, style: Style, out: &mut String) {
        let (colour, bold, end) = style.codes(self.severity);
        let place = self.place(sources);
        let message = indented(&self.message);
        // Writing to a String cannot fail.
        let _ = match &place {
            Some(at) => writeln!(
                out,
                "{bold}{}:{}:{}: {end}{colour}{}{end}: {bold}{}{end}",
                on_one_line(&at.file),
                at.line,
                at.column,
                self.severity.word(),
                message
            ),
            None => writeln!(
                out,
                "{colour}{}{end}: {bold}{}{end}",
                self.severity.word(),
                message
            ),
        };
        if let Some(at) = place.filter(|at| !at.text.trim().is_empty()) {
            excerpt(&at, (colour, end), out);
        }
        if let Some((span, what)) = self.other {
            let at = sources.place(span);
            let file = on_one_line(&at.file);
            let _ = writeln!(out, "  {what}: {file}:{}:{}", at.line, at.column);
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "  help: {}", indented(help));
        }
    }
}

/// Text in which nothing moves the cursor: what a config names must not look like a line of its own, nor
/// change the lines around it. Control characters, line separators and those that turn the direction
/// of text are shown as Rust escapes them.
pub fn on_one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(moves) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match moves(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn moves(c: char) -> bool {
    let separates = matches!(c, '\u{2028}' | '\u{2029}');
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || separates || turns
}

/// The same for text that may have lines, as what a failed program said: none begins where findings do.
fn indented(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(on_one_line).collect();
    lines.join("\n    ")
}

/// Shows a window of the line around the column: minified configs are one line of many kilobytes.
fn excerpt(at: &Place, (colour, end): (&str, &str), out: &mut String) {
    let column = at.column.saturating_sub(1) as usize;
    let skip = column.saturating_sub(SHOWN / 2);
    let shown: String = at
        .text
        .chars()
        .skip(skip)
        .take(SHOWN)
        .map(|c| if moves(c) { ' ' } else { c })
        .collect();
    let gutter = at.line.to_string();
    let more = if skip > 0 { "…" } else { "" };
    let pad = column - skip + more.chars().count();
    let width = (at.width as usize).clamp(1, SHOWN.saturating_sub(column - skip).max(1));
    let _ = writeln!(out, "  {gutter} | {more}{}", shown.trim_end());
    let _ = writeln!(
        out,
        "  {} | {}{colour}{}{end}",
        " ".repeat(gutter.len()),
        " ".repeat(pad),
        "^".repeat(width)
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{json, reveal};

    #[test]
    fn shows_the_line_and_underlines_what_is_meant() {
        let mut sources = Sources::default();
        let text = "{\n  \"péth\": 1\n}";
        let id = sources.add("user.ign", text);
        let tree = json::parse(id, text).unwrap();
        sources.show(id, reveal::of_tree(text, &tree));
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
          2 |   "péth": …
            |   ^^^^^^
          help: did you mean "path"?
        "#);
    }

    #[test]
    fn what_a_config_names_cannot_forge_a_finding() {
        let mut sources = Sources::default();
        sources.add("a\nb", "x");
        let mut report = Report::default();
        report.push(Diagnostic::error(None, "no /a\nerror: \x1b[2J\u{202e}é").help("b\nc"));
        insta::assert_snapshot!(report.render(&sources), @r#"
        error: no /a
            error: \u{1b}[2J\u{202e}é
          help: b
            c
        "#);
    }

    #[test]
    fn of_a_long_message_both_ends_are_kept() {
        let said = Diagnostic::error(None, format!("{:?} is no path", "é".repeat(5000))).message;
        assert!(said.starts_with("\"éé") && said.ends_with("é\" is no path"));
        assert!(said.contains("… (8514 bytes) …"), "{said}");
        assert!(said.len() < MESSAGE);
    }

    #[test]
    fn colours_change_nothing_but_the_looks() {
        let mut sources = Sources::default();
        let source = sources.add("a", "x: 1");
        let span = Span {
            source,
            start: 0,
            end: 1,
        };
        let mut report = Report::default();
        report.push(Diagnostic::warning(span, "odd").help("no"));
        report.error(None, "wrong");
        let coloured = report.render_as(&sources, Style::Coloured);
        assert!(coloured.contains("\x1b[1;33mwarning\x1b[0m: \x1b[1modd"));
        let mut plain = coloured;
        for code in ["\x1b[1;31m", "\x1b[1;33m", "\x1b[1m", "\x1b[0m"] {
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, report.render(&sources));
    }

    #[test]
    fn a_long_line_is_shown_around_the_column() {
        let mut sources = Sources::default();
        let text = format!("path: {}X{}", "a".repeat(5000), "b".repeat(5000));
        let id = sources.add("u", text);
        let text = Diagnostic::error(
            Span {
                source: id,
                start: 5006,
                end: 5007,
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
    fn secrets_are_placed_but_not_shown() {
        let mut sources = Sources::default();
        let id = sources.add("u", "x: hunter2");
        let span = Span {
            source: id,
            start: 3,
            end: 10,
        };
        let said = Diagnostic::warning(span, "no hash").secret();
        assert_eq!(said.render(&sources), "u:1:4: warning: no hash\n");
        assert_eq!(said.place(&sources).unwrap().text, "");
    }

    #[test]
    fn what_was_said_is_not_said_again() {
        let mut report = Report::default();
        report.warning(None, "a");
        let mut again = report.clone();
        again.warning(None, "b");
        report.extend(again);
        let said: Vec<&str> = report.items.iter().map(|item| &*item.message).collect();
        assert_eq!(said, ["a", "b"]);
    }
}
