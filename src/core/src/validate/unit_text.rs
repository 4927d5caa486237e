//! The syntax of unit files (systemd.syntax(7)), as far as it is an error to break it.

use std::borrow::Cow;

use crate::diag::TextLine;

/// A unit's text, or a drop-in's.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct UnitText<'a> {
    /// Sections in order; one name may stand several times.
    pub(crate) sections: Vec<Section<'a>>,
    /// The first line of what stands before any section, which systemd passes over.
    pub(crate) stray: Option<Line<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section<'a> {
    pub(crate) name: &'a str,
    pub(crate) line: Line<'a>,
    pub(crate) settings: Vec<Setting<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting<'a> {
    pub(crate) key: &'a str,
    /// The value with its continuation lines joined.
    pub(crate) value: Cow<'a, str>,
    pub(crate) line: Line<'a>,
}

/// A line of the text, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) number: usize,
    pub(crate) text: &'a str,
}

impl From<Line<'_>> for TextLine {
    fn from(line: Line<'_>) -> Self {
        Self {
            number: line.number,
            text: line.text.into(),
        }
    }
}

/// A line that is no part of a unit file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken<'a> {
    pub(crate) line: Line<'a>,
    pub(crate) why: String,
    pub(crate) help: &'static str,
}

/// Reads a text, or says which line is wrong and why.
pub(super) fn parse(text: &str) -> Result<UnitText<'_>, Broken<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    let mut stray = None;
    let mut continued = false;
    // systemd skips a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (at, text) in text.lines().enumerate() {
        let line = Line {
            number: at + 1,
            text,
        };
        let trimmed = text.trim();
        let comment = trimmed.starts_with(['#', ';']);
        if continued {
            // Comments between the lines of a continued value are passed over.
            continued = comment || text.ends_with('\\');
            let setting = sections
                .last_mut()
                .and_then(|last| last.settings.last_mut());
            if let Some(setting) = setting.filter(|_| !comment) {
                let more = trimmed.trim_end_matches('\\').trim_end();
                setting.value.to_mut().push(' ');
                setting.value.to_mut().push_str(more);
            }
            continue;
        }
        if trimmed.is_empty() || comment {
            continue;
        }
        if let Some(rest) = trimmed.strip_prefix('[') {
            match rest.strip_suffix(']') {
                Some(name) if !name.is_empty() && !name.contains(['[', ']']) => {
                    sections.push(Section {
                        name,
                        line,
                        settings: Vec::new(),
                    });
                }
                _ => {
                    return Err(Broken {
                        line,
                        why: format!("{trimmed:?} is no section name"),
                        help: "a section is written as [Unit], on a line of its own",
                    });
                }
            }
            continue;
        }
        let Some(section) = sections.last_mut() else {
            stray = stray.or(Some(line));
            continued = text.ends_with('\\');
            continue;
        };
        match trimmed.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                continued = text.ends_with('\\');
                let value = value.trim();
                let value = match continued {
                    true => value.trim_end_matches('\\').trim_end(),
                    false => value,
                };
                section.settings.push(Setting {
                    key: key.trim_end(),
                    value: Cow::Borrowed(value),
                    line,
                });
            }
            _ => {
                return Err(Broken {
                    line,
                    why: "expected KEY=VALUE".into(),
                    help: "end the line before it with \\ if it goes on, or begin a comment with #",
                });
            }
        }
    }
    Ok(UnitText { sections, stray })
}

impl<'a> UnitText<'a> {
    /// Reads a text, or says which line is wrong and why.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Broken<'a>> {
        parse(text)
    }

    /// Whether there is a section of this name.
    pub(super) fn has(&self, section: &str) -> bool {
        self.sections.iter().any(|found| found.name == section)
    }

    /// The settings of a section, wherever parts of it stand.
    pub(crate) fn settings<'t>(
        &'t self,
        section: &'t str,
    ) -> impl Iterator<Item = &'t Setting<'a>> {
        self.sections
            .iter()
            .filter(move |found| found.name == section)
            .flat_map(|found| &found.settings)
    }

    /// What is set under a key; an empty value takes back what stands before it.
    pub(crate) fn values<'t>(&'t self, section: &'t str, key: &str) -> Vec<&'t Setting<'a>> {
        let mut set = Vec::new();
        for setting in self.settings(section).filter(|setting| setting.key == key) {
            match setting.value.is_empty() {
                true => set.clear(),
                false => set.push(setting),
            }
        }
        set
    }

    /// The last value under a key that takes one.
    pub(super) fn value<'t>(&'t self, section: &'t str, key: &str) -> Option<&'t Setting<'a>> {
        self.values(section, key).pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_text_is_checked_line_by_line() {
        let good = "# c\n\n[Unit]\nDescription=a\\\n  b\n; c\n[Service]\nExecStart=/bin/x \\\n# c\n -y\n\n[Install]\n[Unit]\n After = x=y \n";
        let text = parse(good).unwrap();
        let names: Vec<&str> = text.sections.iter().map(|section| section.name).collect();
        assert_eq!(names, ["Unit", "Service", "Install", "Unit"]);
        let value = |section, key| text.value(section, key).map(|set| set.value.as_ref());
        assert_eq!(value("Unit", "Description"), Some("a b"));
        assert_eq!(value("Service", "ExecStart"), Some("/bin/x -y"));
        assert_eq!(value("Unit", "After"), Some("x=y"));
        assert_eq!(value("Service", "After"), None);
        assert_eq!(text.value("Service", "ExecStart").unwrap().line.number, 8);
        let wrong = |text| parse(text).map_err(|broken| broken.line.number).err();
        assert_eq!(wrong("ExecStart=x"), None);
        let text = parse("\u{feff}# c\nfoo\nA=b \\\n  c\n[Unit]\nA=d").unwrap();
        assert_eq!(text.stray.map(|line| line.number), Some(2));
        assert_eq!(text.values("Unit", "A").len(), 1);
        assert_eq!(wrong("[Unit]\nfoo"), Some(2));
        assert_eq!(wrong("[Unit]\n=x"), Some(2));
        assert_eq!(wrong("[Unit"), Some(1));
    }

    #[test]
    fn an_empty_value_takes_back_what_stands_before_it() {
        let text = parse("[Service]\nExecStart=/a\nExecStart=\nExecStart=/b\n").unwrap();
        let values: Vec<&str> = (text.values("Service", "ExecStart").iter())
            .map(|set| set.value.as_ref())
            .collect();
        assert_eq!(values, ["/b"]);
        assert!(text.value("Service", "Type").is_none());
    }
}
