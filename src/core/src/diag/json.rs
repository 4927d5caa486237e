//! Findings for machines.

use serde_json::{Value, json};

use super::{Diagnostic, MOST, Place, Report, Severity, Sources};

impl Report {
    /// The findings as an array of objects: `severity`, `message`, and where they are known `file`,
    /// `line` and `column` (from 1), `width` (characters), `help`, `related`.
    pub fn json(&self, sources: &Sources) -> Value {
        self.items.iter().map(|item| item.json(sources)).collect()
    }

    /// How many findings weigh this much.
    pub fn count(&self, severity: Severity) -> usize {
        self.items
            .iter()
            .filter(|item| item.severity == severity)
            .count()
    }

    /// "1 error, 2 warnings", or `None` without any finding.
    pub fn summary(&self) -> Option<String> {
        let parts: Vec<String> = [Severity::Error, Severity::Warning, Severity::Hint]
            .into_iter()
            .filter_map(|severity| match self.count(severity) {
                0 => None,
                1 => Some(format!("1 {}", severity.word())),
                MOST => Some(format!("{MOST} {}s or more", severity.word())),
                n => Some(format!("{n} {}s", severity.word())),
            })
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// Makes errors of the warnings, for those who want none.
    pub fn deny_warnings(&mut self) {
        for item in &mut self.items {
            if item.severity == Severity::Warning {
                item.severity = Severity::Error;
            }
        }
    }
}

impl Diagnostic {
    fn json(&self, sources: &Sources) -> Value {
        let mut object = json!({ "severity": self.severity, "message": self.message });
        if let Some(place) = self.place(sources) {
            put_place(&mut object, &place);
        }
        if let Some(help) = &self.help {
            object["help"] = json!(help);
        }
        if let Some((span, what)) = self.other {
            let mut related = json!({ "message": what });
            put_place(&mut related, &sources.place(span));
            object["related"] = related;
        }
        object
    }
}

fn put_place(object: &mut Value, place: &Place) {
    object["file"] = json!(place.file);
    object["line"] = json!(place.line);
    object["column"] = json!(place.column);
    object["width"] = json!(place.width);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Span;

    #[test]
    fn findings_are_counted_and_told_to_machines() {
        let mut sources = Sources::default();
        let source = sources.add("a.ign", "{\n \"x\": 1}");
        let span = |start, end| Span { source, start, end };
        let mut report = Report::default();
        assert_eq!(report.summary(), None);
        report.push(
            Diagnostic::warning(span(3, 6), "odd")
                .help("leave it out")
                .other(Some(span(0, 1)), "begins at"),
        );
        report.error(None, "wrong");
        assert_eq!(report.summary().as_deref(), Some("1 error, 1 warning"));
        assert_eq!(
            report.json(&sources),
            json!([
                {
                    "severity": "warning", "message": "odd", "file": "a.ign", "line": 2, "column": 2,
                    "width": 3, "help": "leave it out",
                    "related": {"message": "begins at", "file": "a.ign", "line": 1, "column": 1, "width": 1},
                },
                {"severity": "error", "message": "wrong"},
            ])
        );
        report.deny_warnings();
        assert_eq!(report.summary().as_deref(), Some("2 errors"));
        for _ in 0..1000 {
            report.warning(None, "again");
        }
        let said = report.summary();
        assert_eq!(said.as_deref(), Some("2 errors, 200 warnings or more"));
    }
}
