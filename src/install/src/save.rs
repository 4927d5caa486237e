//! Which partitions of a disk are saved, in the words of coreos-installer.

use std::str::FromStr;

use pilotlight_core::facts::disks::Table;

use crate::edges::Saved;

/// Partitions that are to stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Save {
    /// Those whose label is of this form: `*` stands for any characters, `?` for one.
    Label(String),
    /// Those with a number from a first to a last one.
    Index {
        /// The first; 1 where none is given.
        first: u32,
        /// The last; none is given where it is the largest there is.
        last: u32,
    },
}

impl Save {
    /// A form of labels; the error says why it is none.
    pub fn label(text: &str) -> Result<Self, String> {
        match text.is_empty() {
            true => {
                Err("a label is needed, in which * and ? may stand for other characters".into())
            }
            false => Ok(Self::Label(text.into())),
        }
    }

    fn takes(&self, number: u32, label: &str) -> bool {
        match self {
            Self::Label(form) => is_of_form(label, form),
            Self::Index { first, last } => (*first..=*last).contains(&number),
        }
    }
}

/// Numbers: `5`, `5-7`, `5-`, `-7`.
impl FromStr for Save {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no number of a partition and no range as in 5-7, 5- or -7");
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
        let (first, last) = match text.split_once('-') {
            None => (number(text), number(text)),
            Some(("", "")) => (None, None),
            Some(("", last)) => (Some(1), number(last)),
            Some((first, "")) => (number(first), Some(u32::MAX)),
            Some((first, last)) => (number(first), number(last)),
        };
        match (first, last) {
            (Some(first), Some(last)) if first <= last => Ok(Self::Index { first, last }),
            _ => Err(wrong()),
        }
    }
}

/// The partitions of a table that are saved, in the order of their numbers.
pub fn saved(table: &Table, saves: &[Save]) -> Vec<Saved> {
    (table.partitions.iter())
        .filter(|(number, entry)| saves.iter().any(|save| save.takes(**number, &entry.label)))
        .map(|(number, entry)| (*number, entry.clone()))
        .collect()
}

/// In time proportional to both lengths: the last `*` takes one character more whenever what follows does not fit.
fn is_of_form(text: &str, form: &str) -> bool {
    let (text, form): (Vec<char>, Vec<char>) = (text.chars().collect(), form.chars().collect());
    let (mut at, mut place) = (0, 0);
    let mut star = None;
    while at < text.len() {
        match form.get(place) {
            Some('*') => {
                star = Some((place, at));
                place += 1;
            }
            Some(c) if *c == '?' || *c == text[at] => {
                place += 1;
                at += 1;
            }
            _ => {
                let Some((back, begun)) = star else {
                    return false;
                };
                star = Some((back, begun + 1));
                place = back + 1;
                at = begun + 1;
            }
        }
    }
    form[place..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_forms() {
        for (text, form, is) in [
            ("data", "data", true),
            ("data", "dat", false),
            ("data1", "data*", true),
            ("data", "data*", true),
            ("my-data", "*data", true),
            ("data", "d?t?", true),
            ("data", "d?t", false),
            ("", "*", true),
            ("", "?", false),
            ("aXbXc", "a*b*c", true),
            ("aaaa", "a*ab", false),
            ("ü", "?", true),
        ] {
            assert_eq!(is_of_form(text, form), is, "{text} {form}");
        }
        let long = "a".repeat(20_000);
        assert!(!is_of_form(&long, "a*a*a*a*a*a*b"));
    }

    #[test]
    fn numbers_have_ranges() {
        for (text, expected) in [
            ("5", Some((5, 5))),
            ("5-7", Some((5, 7))),
            ("5-", Some((5, u32::MAX))),
            ("-7", Some((1, 7))),
            ("0", None),
            ("7-5", None),
            ("-", None),
            ("", None),
            ("a", None),
            ("+5", Some((5, 5))),
        ] {
            let parsed = text.parse().ok();
            let expected = expected.map(|(first, last)| Save::Index { first, last });
            assert_eq!(parsed, expected, "{text}");
        }
    }
}
