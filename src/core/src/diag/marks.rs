//! Where lines begin and how many characters lie before, so that no place is counted from the beginning
//! of a text: a config may be one line of megabytes, and each of its values is asked for its place.

use super::span::{Place, Span};

/// Bytes between two marks.
const STRIDE: usize = 1024;
/// Longest line that is shown, in bytes. A longer one was written by a program for a program.
const LINE: usize = 16 << 10;

/// What is known at every [`STRIDE`]th byte of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Marks(Vec<Mark>);

/// What lies before a place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Mark {
    /// The place itself.
    at: u32,
    /// Line breaks before it.
    lines: u32,
    /// Where its line begins.
    line_start: u32,
    /// Characters before it.
    characters: u32,
}

impl Mark {
    /// What is known further on in the text.
    fn advanced(self, text: &str, to: usize) -> Self {
        let between = text.get(self.at as usize..to).unwrap_or_default();
        let line_break = between.rfind('\n');
        Self {
            at: small(to),
            lines: self.lines + small(between.matches('\n').count()),
            line_start: line_break.map_or(self.line_start, |at| self.at + small(at) + 1),
            characters: self.characters + small(between.chars().count()),
        }
    }
}

impl Marks {
    pub(super) fn new(text: &str) -> Self {
        let mut marks = vec![Mark::default()];
        let mut last = Mark::default();
        for at in (STRIDE..=text.len()).step_by(STRIDE) {
            last = last.advanced(text, floor_char(text, at));
            marks.push(last);
        }
        Self(marks)
    }

    fn at(&self, text: &str, at: usize) -> Mark {
        let mut index = at / STRIDE;
        // Where a character lies across a mark, the mark stands before it; so may the place.
        if self.0.get(index).is_none_or(|mark| mark.at as usize > at) {
            index = index.saturating_sub(1);
        }
        let mark = self.0.get(index).copied().unwrap_or_default();
        mark.advanced(text, at)
    }

    /// The place, and the byte at which its line begins.
    pub(super) fn place(&self, name: &str, text: &str, span: Span) -> (Place, usize) {
        let from = floor_char(text, span.start as usize);
        let to = floor_char(text, (span.end as usize).max(from));
        let start = self.at(text, from);
        let mut end = match to - from < STRIDE {
            true => start.advanced(text, to),
            false => self.at(text, to),
        };
        if start.lines != end.lines {
            let line_end = text.get(from..).and_then(|rest| rest.find('\n'));
            end = self.at(text, line_end.map_or(text.len(), |at| from + at));
        }
        // At least one byte more than is shown, whatever the characters, tells a longer line; so does the place
        // itself where that lies behind.
        let line_at = start.line_start as usize;
        let line = text.get(line_at..).unwrap_or_default();
        let line = &line[..floor_char(line, LINE + 4)];
        let line = match from - line_at > LINE {
            true => line,
            false => line.split('\n').next().unwrap_or_default(),
        };
        let line_start = self.at(text, line_at);
        let place = Place {
            file: name.to_owned(),
            line: start.lines.saturating_add(1),
            column: start.characters - line_start.characters + 1,
            text: match line.len() > LINE {
                true => String::new(),
                false => line.to_owned(),
            },
            width: (end.characters - start.characters).max(1),
        };
        (place, line_at)
    }
}

pub(super) fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn floor_char(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::SourceId;

    /// The place as it is counted from the beginning of the text.
    fn counted(text: &str, start: usize, end: usize) -> Place {
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = text[line_start..].split('\n').next().unwrap();
        let meant = text[start..end].split('\n').next().unwrap();
        Place {
            file: "f".into(),
            line: small(before.matches('\n').count() + 1),
            column: small(text[line_start..start].chars().count() + 1),
            text: if line.len() > LINE { "" } else { line }.into(),
            width: small(meant.chars().count().max(1)),
        }
    }

    #[test]
    fn places_are_those_that_are_counted_from_the_beginning() {
        for text in [
            "a\nbc\n".repeat(1000),
            "é\n€€\n😀x".repeat(400),
            "€".repeat(6000),
            format!("{}\n{}", "x".repeat(5000), "é".repeat(3000)),
            "\n".repeat(3000),
            String::new(),
        ] {
            let marks = Marks::new(&text);
            let ends: Vec<usize> = (0..=text.len())
                .filter(|at| text.is_char_boundary(*at))
                .collect();
            for (index, start) in ends.iter().enumerate() {
                let end = ends[(index + index % 7 * index % 2000).min(ends.len() - 1)];
                let span = Span {
                    source: SourceId(0),
                    start: small(*start),
                    end: small(end),
                };
                let (found, _) = marks.place("f", &text, span);
                let same = found == counted(&text, *start, end);
                assert!(same, "{start}..{end} of {} bytes", text.len());
            }
        }
    }

    #[test]
    fn places_within_characters_and_behind_the_end_are_moved_to_what_is_there() {
        let span = |start, end| Span {
            source: SourceId(0),
            start,
            end,
        };
        let marks = Marks::new("é\nx");
        let (place, _) = marks.place("f", "é\nx", span(1, 90));
        assert_eq!((place.line, place.column, place.width), (1, 1, 1));
        let (place, _) = marks.place("f", "é\nx", span(90, 95));
        assert_eq!((place.line, place.column, place.width), (2, 2, 1));
    }

    #[test]
    fn a_line_that_nobody_reads_is_not_shown() {
        let text = "x".repeat(LINE + 1);
        let (place, _) = Marks::new(&text).place(
            "f",
            &text,
            Span {
                source: SourceId(0),
                start: 7,
                end: 9,
            },
        );
        assert_eq!((place.column, place.width, place.text.as_str()), (8, 2, ""));
    }
}
