//! systemd units and drop-ins (types/unit.go).

use std::collections::HashSet;

use super::check::{Check, Seen, flag};
use super::starting::started;
use super::unit_text::{self, UnitText};
use super::{unit_needs, unit_settings};
use crate::diag::{Diagnostic, Span};
use crate::model::{Config, Dropin, Unit, UnitName};
use crate::ordered::Arrange as _;
use crate::spec::At;
use crate::spec::v3;

/// Where units of the config end up.
const UNIT_DIRECTORY: &str = "/etc/systemd/system/";

impl Check<'_> {
    pub(super) fn units(&mut self, list: &[v3::Unit], storage: &v3::Storage) -> Vec<Unit> {
        let mut seen = Seen::default();
        let mut parsed = Vec::new();
        for wire in list {
            let name = self.required(&wire.name, wire.at, "the name of the unit");
            let name = name.and_then(|name| {
                self.unique(&mut seen, &name.value, name.span, "the unit");
                self.unit_name(&name)
            });
            self.unit_text(name.as_ref(), &wire.contents);
            let dropins = self.dropins(name.as_ref(), &wire.dropins);
            if let Some(name) = name {
                let unit = Unit {
                    at: wire.name.as_ref().and_then(|at| at.span).or(wire.at),
                    name,
                    contents: wire.contents.as_ref().map(|at| at.value.clone()),
                    dropins,
                    enabled: wire.enabled.as_ref().map(|at| at.value),
                    mask: wire.mask.as_ref().map(|at| at.value),
                };
                parsed.push((wire, unit));
            }
        }
        let started = started(&parsed, storage);
        for (wire, unit) in &parsed {
            self.enabling(wire, unit, &started);
        }
        parsed.into_iter().map(|(_, unit)| unit).collect()
    }

    fn unit_name(&mut self, name: &At<String>) -> Option<UnitName> {
        let why = match UnitName::parse(&name.value) {
            Ok(parsed) => return Some(parsed),
            Err(why) => why,
        };
        let help = match [".wants/", ".requires/", ".d/"].map(|part| name.value.contains(part)) {
            [true, _, _] | [_, true, _] => {
                "name the unit alone: [Install] in its text says what wants it, and enabled makes the link"
            }
            [_, _, true] => "name the unit alone, its drop-ins have a list of their own",
            _ => "a unit name is a file name such as web.service",
        };
        self.report
            .push(Diagnostic::error(name.span, format!("{:?}: {why}", name.value)).help(help));
        None
    }

    fn dropins(&mut self, unit: Option<&UnitName>, list: &[v3::Dropin]) -> Vec<Dropin> {
        let mut seen = Seen::default();
        let mut parsed = Vec::new();
        for wire in list {
            let Some(name) = self.required(&wire.name, wire.at, "the name of the drop-in") else {
                continue;
            };
            self.unique(&mut seen, &name.value, name.span, "the drop-in");
            self.unit_text(unit, &wire.contents);
            let stem = name.value.strip_suffix(".conf").unwrap_or_default();
            if stem.is_empty() || name.value.contains(['/', '\0']) || name.value.len() > 255 {
                self.report.push(
                    Diagnostic::error(
                        name.span,
                        format!("{:?} cannot be the name of a drop-in", name.value),
                    )
                    .help("a drop-in is a file name of at most 255 bytes that ends in .conf"),
                );
                continue;
            }
            if name.value.starts_with('.') {
                self.report.push(
                    Diagnostic::warning(
                        name.span,
                        "systemd ignores drop-ins whose names begin with a dot",
                    )
                    .help("choose a name such as 10-local.conf"),
                );
            }
            parsed.push(Dropin {
                at: name.span.or(wire.at),
                name: name.value,
                contents: wire.contents.as_ref().map(|at| at.value.clone()),
            });
        }
        parsed
    }

    /// Reports what is wrong with the text of a unit or a drop-in.
    fn unit_text(&mut self, unit: Option<&UnitName>, contents: &Option<At<String>>) {
        let Some(contents) = contents.as_ref().filter(|at| !at.value.is_empty()) else {
            return;
        };
        let span: Option<Span> = contents.span;
        let text = match unit_text::parse(&contents.value) {
            Ok(text) => text,
            Err(broken) => {
                let number = broken.line.number;
                self.report.push(
                    Diagnostic::error(
                        span,
                        format!("line {number} of the unit's text: {}", broken.why),
                    )
                    .help(broken.help)
                    .line(broken.line.into()),
                );
                return;
            }
        };
        if let Some(line) = text.stray {
            let message = format!(
                "line {} of the unit's text: systemd ignores what stands before the first [Section]",
                line.number
            );
            let help = "begin the text with the section it belongs to, such as [Service]";
            let found = Diagnostic::warning(span, message).help(help);
            self.report.push(found.line(line.into()));
            // What else is missing may stand there.
            self.odd_units.extend(unit.cloned());
        }
        let Some(unit) = unit else { return };
        for finding in unit_settings::findings(unit.kind(), &text, &mut self.comparisons) {
            self.odd_units.insert(unit.clone());
            self.report.push(
                Diagnostic::warning(
                    span,
                    format!(
                        "line {} of the unit's text: {}",
                        finding.line.number, finding.message
                    ),
                )
                .help(finding.help)
                .line(finding.line.into()),
            );
        }
    }

    /// Whether enabling the unit has the effect that is meant.
    fn enabling(&mut self, wire: &v3::Unit, unit: &Unit, started: &HashSet<String>) {
        if unit.enabled != Some(true) {
            return;
        }
        let span = wire.enabled.as_ref().and_then(|at| at.span);
        if unit.mask == Some(true) {
            self.report.push(
                Diagnostic::warning(span, "the unit is enabled and masked: it will never start")
                    .help("remove one of the two"),
            );
            return;
        }
        // Without a text the unit is the machine's own, and a misspelt section was reported already.
        let own = unit
            .contents
            .as_deref()
            .is_some_and(|text| !text.is_empty());
        let texts: Option<Vec<UnitText<'_>>> = (unit.contents.iter())
            .chain(
                unit.dropins
                    .iter()
                    .filter_map(|dropin| dropin.contents.as_ref()),
            )
            .map(|text| unit_text::parse(text).ok())
            .collect();
        let Some(texts) = texts.filter(|_| own && !self.odd_units.contains(&unit.name)) else {
            return;
        };
        let set = |key| {
            texts
                .iter()
                .any(|text| text.value("Install", key).is_some())
        };
        if !texts.iter().any(|text| text.has("Install")) {
            if started.contains(unit.name.as_str()) {
                return;
            }
            self.report.push(
                Diagnostic::warning(
                    span,
                    "the unit is enabled, but has no [Install] section: nothing will start it",
                )
                .help("add an [Install] section, as with WantedBy=multi-user.target"),
            );
        } else if unit.name.is_template()
            && (set("WantedBy") || set("RequiredBy"))
            && !set("DefaultInstance")
        {
            self.report.push(
                Diagnostic::warning(
                    span,
                    "a template is enabled, but names no DefaultInstance=: nothing will start it",
                )
                .help(format!(
                    "enable an instance, as in {}, or add DefaultInstance= to [Install]",
                    unit.name.as_str().replacen('@', "@NAME", 1)
                )),
            );
        }
    }

    /// Units that systemd refuses. What a misspelt setting leads to is not reported as well.
    pub(super) fn complete_units(&mut self, list: &[v3::Unit], config: &Config) {
        let extended = extended(config);
        for (wire, unit) in list.iter().zip(&config.units) {
            let Some(contents) = wire.contents.as_ref().filter(|at| !at.value.is_empty()) else {
                continue;
            };
            if flag(&wire.mask, false)
                || self.odd_units.contains(&unit.name)
                || is_extended(&unit.name, &extended)
            {
                continue;
            }
            let mut dropins: Vec<&Dropin> = unit.dropins.iter().collect();
            dropins.arrange_by(|a, b| a.name.cmp(&b.name));
            let texts = std::iter::once(contents.value.as_str()).chain(
                dropins
                    .iter()
                    .filter_map(|dropin| dropin.contents.as_deref()),
            );
            let sections: Option<Vec<UnitText<'_>>> =
                texts.map(|text| unit_text::parse(text).ok()).collect();
            let Some(sections) = sections else { continue };
            let whole = UnitText {
                stray: None,
                sections: sections
                    .into_iter()
                    .flat_map(|text| text.sections)
                    .collect(),
            };
            if let Some(refusal) = unit_needs::refusal_of(&unit.name, &whole) {
                let said = Diagnostic::warning(contents.span, refusal.message).help(refusal.help);
                self.report.push(match refusal.line {
                    Some(line) => said.line(line.into()),
                    None => said,
                });
            }
        }
    }
}

/// The units, templates and kinds of units that the config adds to by ordinary files.
fn extended(config: &Config) -> HashSet<&str> {
    let files = config.files.iter().map(|file| &file.inode);
    let links = config.links.iter().map(|link| &link.inode);
    files
        .chain(links)
        .filter_map(|inode| {
            let rest = inode.path.as_str().strip_prefix(UNIT_DIRECTORY)?;
            rest.split_once(".d/").map(|(name, _)| name)
        })
        .collect()
}

fn is_extended(unit: &UnitName, by: &HashSet<&str>) -> bool {
    let template = unit.instance().map(|(template, _)| template);
    let names = [Some(unit.as_str()), Some(unit.kind()), template.as_deref()];
    names.into_iter().flatten().any(|name| by.contains(name))
}
