//! systemd units and drop-ins (types/unit.go).

use super::check::{Check, Seen};
use super::unit_text;
use crate::diag::{Diagnostic, Span};
use crate::model::{Dropin, Unit, UnitName};
use crate::spec::At;
use crate::spec::v3;

impl Check<'_> {
    pub(super) fn units(&mut self, list: &[v3::Unit]) -> Vec<Unit> {
        let mut seen = Seen::default();
        let mut parsed = Vec::new();
        for wire in list {
            let name = self
                .required(&wire.name, wire.at, "the name of the unit")
                .and_then(|name| {
                    self.unique(&mut seen, &name.value, name.span, "the unit");
                    self.scalar(
                        UnitName::parse(&name.value),
                        name.span,
                        &format!("{:?}", name.value),
                    )
                });
            let sections = self.unit_sections(&wire.contents);
            let enabled = wire.enabled.as_ref().map(|at| at.value);
            if enabled == Some(true)
                && sections
                    .as_ref()
                    .is_some_and(|list| !list.iter().any(|s| s == "Install"))
            {
                self.report.push(
                    Diagnostic::warning(
                        wire.enabled.as_ref().and_then(|at| at.span),
                        "the unit is enabled, but has no [Install] section: nothing will start it",
                    )
                    .help("add an [Install] section, as with WantedBy=multi-user.target"),
                );
            }
            let dropins = self.dropins(&wire.dropins);
            if let Some(name) = name {
                parsed.push(Unit {
                    at: wire.name.as_ref().and_then(|at| at.span).or(wire.at),
                    name,
                    contents: wire.contents.as_ref().map(|at| at.value.clone()),
                    dropins,
                    enabled,
                    mask: wire.mask.as_ref().map(|at| at.value),
                });
            }
        }
        parsed
    }

    fn dropins(&mut self, list: &[v3::Dropin]) -> Vec<Dropin> {
        let mut seen = Seen::default();
        let mut parsed = Vec::new();
        for wire in list {
            let Some(name) = self.required(&wire.name, wire.at, "the name of the drop-in") else {
                continue;
            };
            self.unique(&mut seen, &name.value, name.span, "the drop-in");
            self.unit_sections(&wire.contents);
            let stem = name.value.strip_suffix(".conf").unwrap_or_default();
            if stem.is_empty() || name.value.contains(['/', '\0']) || name.value.len() > 255 {
                self.report.push(
                    Diagnostic::error(
                        name.span,
                        format!("{:?} cannot be the name of a drop-in", name.value),
                    )
                    .help("a drop-in is a file name that ends in .conf"),
                );
                continue;
            }
            parsed.push(Dropin {
                at: name.span.or(wire.at),
                name: name.value,
                contents: wire.contents.as_ref().map(|at| at.value.clone()),
            });
        }
        parsed
    }

    /// The section names of a unit's text; `None` without text or with errors.
    fn unit_sections(&mut self, contents: &Option<At<String>>) -> Option<Vec<String>> {
        let contents = contents.as_ref().filter(|at| !at.value.is_empty())?;
        let span: Option<Span> = contents.span;
        match unit_text::sections(&contents.value) {
            Ok(sections) => Some(sections),
            Err((line, why)) => {
                self.report.push(
                    Diagnostic::error(span, format!("line {line} of the unit's text: {why}"))
                        .help("systemd would ignore or refuse this line; see systemd.syntax(7)"),
                );
                None
            }
        }
    }
}
