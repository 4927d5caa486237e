//! Checks of single values that all sections share.

use std::collections::{BTreeSet, HashMap};

use super::Stage;
use crate::diag::{Diagnostic, Report, Span};
use crate::model::{Mode, ScalarError, SysPath, UnitName};
use crate::spec::At;

/// A validation under way.
pub(super) struct Check<'a> {
    pub(super) report: &'a mut Report,
    pub(super) stage: Stage,
    /// Units whose text has findings: what follows from those is not reported as well.
    pub(super) odd_units: BTreeSet<UnitName>,
    /// How many names in the texts of units may still be compared with the hundreds that are known.
    pub(super) comparisons: usize,
}

/// How many such names of one config are looked up.
const MOST_COMPARISONS: usize = 1000;

/// Keys that were seen, and where.
#[derive(Default)]
pub(super) struct Seen(HashMap<String, Option<Span>>);

pub(super) type Text = Option<At<String>>;

impl<'a> Check<'a> {
    /// A validation that has seen nothing yet.
    pub(super) fn new(report: &'a mut Report, stage: Stage) -> Self {
        Self {
            report,
            stage,
            odd_units: BTreeSet::new(),
            comparisons: MOST_COMPARISONS,
        }
    }
}

impl Check<'_> {
    /// A value that must be there.
    pub(super) fn required(
        &mut self,
        value: &Text,
        at: Option<Span>,
        what: &str,
    ) -> Option<At<String>> {
        match value {
            Some(found) if !found.value.is_empty() => Some(found.clone()),
            Some(found) => {
                self.report.error(found.span, format!("{what} is empty"));
                None
            }
            None => {
                self.report.error(at, format!("{what} is missing"));
                None
            }
        }
    }

    /// Takes a parsed scalar or reports why it is none.
    pub(super) fn scalar<T>(
        &mut self,
        parsed: Result<T, ScalarError>,
        span: Option<Span>,
        shown: &str,
    ) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(why) => {
                self.report.error(span, format!("{shown}: {why}"));
                None
            }
        }
    }

    /// A path that must be there.
    pub(super) fn path(&mut self, value: &Text, at: Option<Span>, what: &str) -> Option<SysPath> {
        let found = self.required(value, at, what)?;
        self.clean_path(&found, &format!("{:?}", found.value))
    }

    /// A path as it must be written.
    pub(super) fn clean_path(&mut self, found: &At<String>, shown: &str) -> Option<SysPath> {
        let why = match SysPath::parse(&found.value) {
            Ok(path) => return Some(path),
            Err(why) => why,
        };
        self.report.push(
            Diagnostic::error(found.span, format!("{shown}: {why}"))
                .help("a path begins with / and has no \".\", \"..\", double or final slash"),
        );
        None
    }

    /// A path that may be absent; an empty one counts as absent.
    pub(super) fn optional_path(&mut self, value: &Text) -> Option<SysPath> {
        let found = value.as_ref().filter(|at| !at.value.is_empty())?;
        self.clean_path(found, &format!("{:?}", found.value))
    }

    pub(super) fn mode(&mut self, value: &Option<At<i64>>) -> Option<Mode> {
        let found = value.as_ref()?;
        let parsed = self.scalar(
            Mode::new(found.value),
            found.span,
            &format!("mode {}", found.value),
        );
        if let Some(meant) = octal_slip(found.value) {
            self.report.push(
                Diagnostic::warning(
                    found.span,
                    format!(
                        "mode {} is decimal: it means {:04o} in octal",
                        found.value, found.value
                    ),
                )
                .help(format!("for the mode {:04} write {meant}", found.value)),
            );
        }
        parsed
    }

    pub(super) fn natural(&mut self, value: &Option<At<i64>>, what: &str) -> Option<u64> {
        let found = value.as_ref()?;
        match u64::try_from(found.value) {
            Ok(number) => Some(number),
            Err(_) => {
                self.report.error(
                    found.span,
                    format!("{what} may not be negative, this is {}", found.value),
                );
                None
            }
        }
    }

    /// A list of strings of which empty ones say nothing, as templates leave them behind.
    pub(super) fn words(&mut self, list: &[At<String>], what: &str) -> Vec<String> {
        for item in list.iter().filter(|item| item.value.is_empty()) {
            self.report.push(
                Diagnostic::warning(
                    item.span,
                    format!("an entry of {what} is empty: it has no effect"),
                )
                .help("remove it"),
            );
        }
        list.iter()
            .map(|item| item.value.clone())
            .filter(|word| !word.is_empty())
            .collect()
    }

    /// A list of strings none of which may be empty.
    pub(super) fn strings(&mut self, list: &[At<String>], what: &str) -> Vec<String> {
        for item in list.iter().filter(|item| item.value.is_empty()) {
            self.report
                .error(item.span, format!("an entry of {what} is empty"));
        }
        list.iter().map(|item| item.value.clone()).collect()
    }

    /// Reports a key that was seen before, with both places. Merged lists are unique by merging.
    pub(super) fn unique(&mut self, seen: &mut Seen, key: &str, span: Option<Span>, what: &str) {
        self.stated_once(seen, key, span, (|| format!("{what} {key:?}"), false));
    }

    /// The same where messages call the value otherwise, because it may be long or secret: nothing of the line
    /// is shown then.
    pub(super) fn unique_as(
        &mut self,
        seen: &mut Seen,
        key: &str,
        span: Option<Span>,
        shown: impl Fn() -> String,
    ) {
        self.stated_once(seen, key, span, (shown, true));
    }

    fn stated_once(
        &mut self,
        seen: &mut Seen,
        key: &str,
        span: Option<Span>,
        (shown, secret): (impl Fn() -> String, bool),
    ) {
        use std::collections::hash_map::Entry;
        match seen.0.entry(key.to_string()) {
            Entry::Vacant(entry) => {
                entry.insert(span);
            }
            Entry::Occupied(first) if self.stage != Stage::Merged => {
                let found = Diagnostic::error(span, format!("{} is stated twice", shown()))
                    .other(*first.get(), "first stated at")
                    .help("keep one of the two, or put the second into a config that is merged");
                self.report.push(Diagnostic { secret, ..found });
            }
            Entry::Occupied(_) => {}
        }
    }

    /// A list of strings that may not repeat, and none of which may be empty.
    pub(super) fn unique_strings(
        &mut self,
        list: &[At<String>],
        one: &str,
        all: &str,
    ) -> Vec<String> {
        self.all_unique(list, one);
        self.strings(list, all)
    }

    /// The same of a list in which empty ones say nothing.
    pub(super) fn unique_words(
        &mut self,
        list: &[At<String>],
        one: &str,
        all: &str,
    ) -> Vec<String> {
        self.all_unique(list, one);
        self.words(list, all)
    }

    fn all_unique(&mut self, list: &[At<String>], one: &str) {
        let mut seen = Seen::default();
        for item in list {
            self.unique(&mut seen, &item.value, item.span, one);
        }
    }
}

/// Whether a flag is set; `null` is its default.
pub(super) fn flag(value: &Option<At<bool>>, default: bool) -> bool {
    value.as_ref().map_or(default, |at| at.value)
}

/// The text of an optional string; an empty one counts as absent.
pub(super) fn text(value: &Text) -> Option<String> {
    value
        .as_ref()
        .map(|at| at.value.clone())
        .filter(|text| !text.is_empty())
}

/// What was probably meant by a mode that reads as octal: 644 and 755 in decimal are the classic slip,
/// because JSON has no octal numbers.
pub(crate) fn octal_slip(mode: i64) -> Option<i64> {
    let usual = [400, 440, 444, 600, 640, 644, 700, 750, 755, 775, 777];
    usual
        .contains(&mode)
        .then(|| i64::from_str_radix(&mode.to_string(), 8).ok())?
}
