//! Where the values of a cached config first stood, small: a config may have as many values as a machine has files.

use super::marks::small;
use super::span::Place;
use crate::ordered::Arrange as _;

/// Byte offset of a value in the cached text → place in the user's own file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    /// SHA-256 of the cached text, in hexadecimal digits.
    config: String,
    files: Vec<String>,
    /// Values that stand beside each other share their line.
    lines: Vec<Line>,
    values: Vec<Origin>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    file: u32,
    number: u32,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Origin {
    /// Where the value begins in the cached text.
    at: u32,
    /// Index of its line.
    line: u32,
    column: u32,
    width: u32,
}

/// What is written: the digest, the files, the texts of the lines, file and number of each line, and the four numbers of
/// each value one after the other. Nothing has a name, since there is so much of it.
pub type Written = (String, Vec<String>, Vec<String>, Vec<u32>, Vec<u32>);

impl From<Written> for Origins {
    fn from((config, files, texts, lines, values): Written) -> Self {
        let lines = lines.as_chunks().0.iter().zip(texts);
        let line = |(&[file, number], text): (&[u32; 2], _)| Line { file, number, text };
        let value = |&[at, line, column, width]: &[u32; 4]| Origin {
            at,
            line,
            column,
            width,
        };
        Self {
            config,
            files,
            lines: lines.map(line).collect(),
            values: values.as_chunks().0.iter().map(value).collect(),
        }
    }
}

impl From<Origins> for Written {
    fn from(origins: Origins) -> Self {
        let lines = origins.lines.iter();
        let lines = lines.flat_map(|line| [line.file, line.number]).collect();
        let values = origins.values.iter();
        let values = values.flat_map(|value| [value.at, value.line, value.column, value.width]);
        let texts = origins.lines.into_iter().map(|line| line.text).collect();
        (
            origins.config,
            origins.files,
            texts,
            lines,
            values.collect(),
        )
    }
}

impl Origins {
    /// None yet of the text with this digest.
    pub fn of(config: String) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    /// Whether they are those of the text with this digest.
    pub fn are_of(&self, config: &str) -> bool {
        self.config == config
    }

    /// Adds a value.
    pub fn add(&mut self, at: u32, place: Place) {
        // Values come in the order of the sources, or nearly so: what they share was seen just now.
        let file = self.files.iter().rposition(|file| *file == place.file);
        let file = small(file.unwrap_or_else(|| {
            self.files.push(place.file);
            self.files.len() - 1
        }));
        // What of a line is shown depends on the value that is meant.
        let is_same =
            |line: &Line| (line.file, line.number) == (file, place.line) && line.text == place.text;
        if !self.lines.last().is_some_and(is_same) {
            self.lines.push(Line {
                file,
                number: place.line,
                text: place.text,
            });
        }
        self.values.push(Origin {
            at,
            line: small(self.lines.len() - 1),
            column: place.column,
            width: place.width,
        });
    }

    pub(super) fn sort(&mut self) {
        self.values.arrange_by_key(|value| value.at);
    }

    /// The place of the value that begins here.
    pub(super) fn place(&self, at: u32) -> Option<Place> {
        let found = self.values.binary_search_by_key(&at, |value| value.at);
        let value = self.values.get(found.ok()?)?;
        let line = self.lines.get(value.line as usize)?;
        Some(Place {
            file: self.files.get(line.file as usize)?.clone(),
            line: line.number,
            column: value.column,
            text: line.text.clone(),
            width: value.width,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(file: &str, line: u32, column: u32) -> Place {
        Place {
            file: file.into(),
            line,
            column,
            text: format!("{file} {line}"),
            width: 2,
        }
    }

    #[test]
    fn a_value_is_found_again_after_it_was_written() {
        let all = [
            (30, place("a", 1, 9)),
            (7, place("a", 1, 2)),
            (50, place("b", 3, 1)),
            (60, place("a", 4, 1)),
        ];
        let mut origins = Origins::of("d".into());
        for (at, place) in all.clone() {
            origins.add(at, place);
        }
        let written = serde_json::to_vec(&Written::from(origins)).unwrap();
        let mut read = Origins::from(serde_json::from_slice::<Written>(&written).unwrap());
        read.sort();
        assert!(read.are_of("d") && !read.are_of("e"));
        for (at, place) in all {
            assert_eq!(read.place(at), Some(place));
        }
        assert_eq!(read.place(8), None);
        assert_eq!((read.files.len(), read.lines.len()), (2, 3));
    }

    #[test]
    fn what_points_nowhere_is_no_place() {
        let text = r#"["", [], [""], [9, 1, 5], [1, 0, 1, 1, 2, 7, 1, 1, 3, 0]]"#;
        let origins = Origins::from(serde_json::from_str::<Written>(text).unwrap());
        for at in 1..4 {
            assert_eq!(origins.place(at), None);
        }
    }
}
