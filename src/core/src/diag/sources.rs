//! The texts that were read, and places in them.

use std::sync::Arc;

use super::marks::Marks;
use super::origins::Origins;
use super::shown::Shown;
use super::span::{Place, SourceId, Span};

/// A line of a text that stands in the config as one value, such as the text of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextLine {
    /// Counted from 1 within the value.
    pub number: usize,
    /// The line itself.
    pub text: String,
}

/// Longest value in which one of its lines is looked for, in bytes; no unit is as long.
const SEARCHED: usize = 1 << 20;

/// One text that was read: a user config, a base config, a merged child.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    name: String,
    text: String,
    marks: Marks,
    shown: Shown,
    /// Where its values first stood, when the text came out of the config cache.
    origins: Origins,
}

/// All texts of one run. Spans stay small because the texts live here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Shared: failures carry the sources with them.
    list: Vec<Arc<Source>>,
}

impl Sources {
    /// Adds a text under the name that diagnostics show for it.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        let text = text.into();
        self.list.push(Arc::new(Source {
            name: name.into(),
            marks: Marks::new(&text),
            text,
            shown: Shown::default(),
            origins: Origins::default(),
        }));
        SourceId(u32::try_from(self.list.len() - 1).unwrap_or(u32::MAX))
    }

    /// Says where the values of a cached config first stood. Later lookups of a span that starts at one answer
    /// that place.
    pub fn set_origins(&mut self, source: SourceId, mut origins: Origins) {
        origins.sort();
        if let Some(source) = self.list.get_mut(source.0 as usize) {
            Arc::make_mut(source).origins = origins;
        }
    }

    /// Says what of a source's lines may be shown. Until then only what looks like a known key and its value is.
    pub fn show(&mut self, source: SourceId, shown: Shown) {
        if let Some(source) = self.list.get_mut(source.0 as usize) {
            Arc::make_mut(source).shown = shown;
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

    /// Where a span stands, for people: of its line no more than may be shown.
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
        if let Some(place) = source.origins.place(span.start) {
            return place;
        }
        let (mut place, line_start) = source.marks.place(&source.name, &source.text, span);
        let meant = span.start as usize..span.end as usize;
        source.shown.mask(&mut place, line_start, meant);
        place
    }
}

impl Sources {
    /// The place of one line of a value: a line of a block of several, or what stands between two
    /// `\n` of a quoted string. `None` where the value is written in yet another way.
    pub(super) fn line_within(&self, value: Span, line: &TextLine) -> Option<Span> {
        let source = self.list.get(value.source.0 as usize)?;
        let meant = line.text.trim();
        // The cache is written by pilotlight: its own lines are nobody's words.
        if meant.is_empty() || !source.origins.is_empty() {
            return None;
        }
        let text = source.text.get(value.start as usize..value.end as usize)?;
        if text.len() > SEARCHED {
            return None;
        }
        if text.starts_with('|') && !text.contains('\n') {
            return line_of_block(source, value, line.number, meant);
        }
        let quoted = serde_json::to_string(meant).ok()?;
        let (text, offset, between, meant) = match text.contains('\n') {
            true => (text, 0, "\n", meant),
            false => (unquote(text)?, 1, "\\n", unquote(&quoted)?),
        };
        let mut at = value.start as usize + offset;
        for (index, part) in text.split(between).enumerate() {
            // Behind `contents: |` the block's first line is the second one of the value.
            if index + 1 >= line.number && part.trim() == meant {
                let start = at + part.len() - part.trim_start().len();
                return Some(Span {
                    source: value.source,
                    start: u32::try_from(start).ok()?,
                    end: u32::try_from(start + meant.len()).ok()?,
                });
            }
            at += part.len() + between.len();
        }
        None
    }
}

/// The place of one line of a literal block scalar, of which the value's place is the header.
fn line_of_block(source: &Source, header: Span, number: usize, meant: &str) -> Option<Span> {
    let behind = source.text.get(header.end as usize..)?;
    let mut at = header.end as usize;
    for (index, part) in behind.split_inclusive('\n').enumerate() {
        // The first part is what stands behind the header on its line.
        if index == number {
            let start = at + part.len() - part.trim_start().len();
            return (part.trim() == meant).then_some(Span {
                source: header.source,
                start: u32::try_from(start).ok()?,
                end: u32::try_from(start + meant.len()).ok()?,
            });
        }
        at += part.len();
    }
    None
}

fn unquote(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::super::marks::small;
    use super::*;

    /// The source text and place of a line within the value that spans from the first `<` to the last `>`.
    fn line_of(text: &str, number: usize, line: &str) -> Option<(u32, u32, String)> {
        let mut sources = Sources::default();
        let start = text.find('<').unwrap();
        let end = text.rfind('>').unwrap() - 1;
        let id = sources.add("u", text.replace(['<', '>'], ""));
        let span = Span {
            source: id,
            start: small(start),
            end: small(end),
        };
        let line = TextLine {
            number,
            text: line.into(),
        };
        let found = sources.line_within(span, &line)?;
        let place = sources.place(found);
        let words = sources.text(id)[found.start as usize..found.end as usize].to_string();
        Some((place.line, place.column, words))
    }

    #[test]
    fn a_line_of_a_value_is_found_in_its_source() {
        let block = "a: <|\n  [Unit]\n  Foo\n\n  Foo\n>b: 1";
        assert_eq!(line_of(block, 2, "Foo"), Some((3, 3, "Foo".into())));
        assert_eq!(line_of(block, 4, "Foo"), Some((5, 3, "Foo".into())));
        let header = "a: <|->  # c\n  [Unit]\n  Foo\n\n  Foo\nb: 1";
        assert_eq!(line_of(header, 2, "Foo"), Some((3, 3, "Foo".into())));
        assert_eq!(line_of(header, 4, "Foo"), Some((5, 3, "Foo".into())));
        assert_eq!(line_of(header, 5, "Foo"), None);
        assert_eq!(line_of("a: <|>", 1, "Foo"), None);
        let json = r#"{"a": <"[Unit]\nX=\"é\"\n">}"#;
        assert_eq!(
            line_of(json, 2, "X=\"é\""),
            Some((1, 16, r#"X=\"é\""#.into()))
        );
        assert_eq!(line_of(json, 1, "[Unit]"), Some((1, 8, "[Unit]".into())));
        assert_eq!(line_of("a: <file.service>", 1, "Foo"), None);
        assert_eq!(line_of(block, 9, "Foo"), None);
    }
}
