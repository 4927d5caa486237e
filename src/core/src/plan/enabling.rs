//! Enabling units on a root that was booted before.
//!
//! systemd applies presets when it finds no machine id (machine-id(5), "First Boot Semantics"). On a root that has one
//! the preset file says nothing to anybody, so the links are made that `systemctl enable` would make, from what the
//! units' `[Install]` sections say (systemd.unit(5)).

use std::collections::BTreeSet;

use crate::diag::{Diagnostic, Report};
use crate::facts::Facts;
use crate::facts::tree::Node;
use crate::model::{SysPath, Unit, UnitName};
use crate::op::OwnerRef;
use crate::plan::want::{Kind, Want};
use crate::validate::UnitText;

/// The file that says whether a root was booted before.
const MACHINE_ID: &str = "/etc/machine-id";
/// What it says in an image for which presets apply.
const UNINITIALIZED: &str = "uninitialized";
/// Where links are made, and units of the config are.
const UNITS: &str = "/etc/systemd/system";
/// Where an image has units, the first of which counts.
const PLACES: [&str; 4] = [
    UNITS,
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// Most units that one may take along (`Also=`), and they others.
const MAX_ALSO: usize = 64;
/// Keys that make links in directories, and what these are called after.
const IN_DIRECTORIES: [(&str, &str); 3] = [
    ("WantedBy", "wants"),
    ("RequiredBy", "requires"),
    ("UpheldBy", "upholds"),
];

/// Whether presets apply.
fn is_first_boot(facts: &Facts) -> bool {
    let path = SysPath::parse(MACHINE_ID).ok();
    match path.and_then(|path| facts.texts.get(&path)) {
        None => true,
        Some(text) => text.lines().next().unwrap_or_default().trim() == UNINITIALIZED,
    }
}

fn enabled(units: &[Unit]) -> impl Iterator<Item = &Unit> {
    let enabled = units.iter().filter(|unit| unit.enabled == Some(true));
    enabled.filter(|unit| unit.mask != Some(true))
}

/// Files of the root whose texts have to be known.
pub fn texts(units: &[Unit]) -> Vec<SysPath> {
    let mut list: Vec<SysPath> = Vec::new();
    for unit in enabled(units) {
        list.extend(SysPath::parse(MACHINE_ID).ok().filter(|_| list.is_empty()));
        let template = unit.name.instance().map(|(template, _)| template);
        for name in [Some(unit.name.to_string()), template]
            .into_iter()
            .flatten()
        {
            let paths = PLACES.map(|place| SysPath::parse(&format!("{place}/{name}")));
            list.extend(paths.into_iter().flatten());
        }
    }
    list
}

/// The links that enable the config's units where presets do not, and what a person should know.
pub fn wants(units: &[Unit], facts: &Facts) -> (Vec<Want>, Report) {
    let (mut list, mut notes) = (Vec::new(), Report::default());
    if is_first_boot(facts) {
        return (list, notes);
    }
    for unit in enabled(units) {
        let mut seen = BTreeSet::new();
        let mut names = vec![unit.name.to_string()];
        while let Some(name) = names.pop() {
            if seen.len() >= MAX_ALSO || !seen.insert(name.clone()) {
                continue;
            }
            let install = match Install::of(&name, units, facts) {
                Ok(install) => install,
                Err(why) => {
                    let message = format!(
                        "{name} is not enabled: the root was booted before ({MACHINE_ID}), so that presets do \
                         not apply, and {why}"
                    );
                    notes.push(Diagnostic::warning(unit.at, message));
                    continue;
                }
            };
            let links = install.links.iter().filter_map(|link| {
                let path = SysPath::parse(link).ok()?;
                let is_free = *facts.tree.node(&facts.tree.real(&path)) == Node::Absent;
                is_free.then(|| Want {
                    path,
                    kind: Kind::Symlink {
                        target: install.file.clone(),
                    },
                    user: Some(OwnerRef::Id(0)),
                    group: Some(OwnerRef::Id(0)),
                    overwrite: false,
                    keep_attributes: false,
                    at: unit.at,
                    why: format!("{name} is enabled, and presets do not apply to a root that was booted before")
                        .into(),
                })
            });
            for link in links {
                if list.iter().all(|other: &Want| other.path != link.path) {
                    list.push(link);
                }
            }
            names.extend(install.also);
        }
    }
    (list, notes)
}

/// What enabling a unit makes.
struct Install {
    /// The unit's file.
    file: String,
    links: Vec<String>,
    also: Vec<String>,
}

impl Install {
    /// From the config's own text of the unit, else the root's. The error says why there is none.
    fn of(name: &str, units: &[Unit], facts: &Facts) -> Result<Self, String> {
        let unit = UnitName::parse(name).map_err(|why| format!("its name is none: {why}"))?;
        let instance = unit
            .instance()
            .map(|(template, instance)| (template, instance.to_string()));
        let candidates = [
            Some(name.to_string()),
            instance.clone().map(|(template, _)| template),
        ];
        let found = (candidates.into_iter().flatten()).find_map(|file| text(&file, units, facts));
        let (file, text) = found.ok_or("there is no such unit")?;
        let mut texts = vec![text];
        let named = units.iter().filter(|unit| unit.name.as_str() == name);
        let dropins = named.flat_map(|unit| &unit.dropins);
        texts.extend(dropins.filter_map(|dropin| dropin.contents.clone()));
        let words = |key: &str| -> Vec<String> {
            let texts = texts.iter().filter_map(|text| UnitText::parse(text).ok());
            let values = texts.flat_map(|text| {
                let values = text.values("Install", key).into_iter();
                values.map(|set| set.value.to_string()).collect::<Vec<_>>()
            });
            let values: Vec<String> = values.collect();
            let words = values.iter().flat_map(|value| value.split_whitespace());
            words
                .map(|word| word.trim_matches('"').to_string())
                .collect()
        };
        let (stem, suffix) = name.rsplit_once('.').unwrap_or((name, ""));
        // A template is enabled as its default instance.
        let default = stem
            .strip_suffix('@')
            .map(|prefix| (prefix, words("DefaultInstance")));
        let (linked, instance) = match (default, instance) {
            (Some((prefix, instances)), _) => {
                let instance = instances
                    .last()
                    .ok_or("it is a template without an instance")?;
                (format!("{prefix}@{instance}.{suffix}"), instance.clone())
            }
            (None, Some((_, instance))) => (name.to_string(), instance),
            (None, None) => (name.to_string(), String::new()),
        };
        let mut links = Vec::new();
        for (key, directory) in IN_DIRECTORIES {
            for by in words(key) {
                let by = expanded(&by, &linked, &instance)?;
                links.push(format!("{UNITS}/{by}.{directory}/{linked}"));
            }
        }
        for alias in words("Alias") {
            let alias = expanded(&alias, &linked, &instance)?;
            links.push(format!("{UNITS}/{alias}"));
        }
        let others = words("Also");
        let also = others
            .iter()
            .map(|other| expanded(other, &linked, &instance))
            .collect::<Result<Vec<String>, String>>()?;
        if links.is_empty() && also.is_empty() {
            return Err("it has no [Install] section that says what wants it".into());
        }
        Ok(Self { file, links, also })
    }
}

/// A unit's file and text.
fn text(name: &str, units: &[Unit], facts: &Facts) -> Option<(String, String)> {
    let own = units.iter().find(|unit| unit.name.as_str() == name);
    let own = own
        .and_then(|unit| unit.contents.clone())
        .filter(|text| !text.is_empty());
    if let Some(text) = own {
        return Some((format!("{UNITS}/{name}"), text));
    }
    PLACES.into_iter().find_map(|place| {
        let path = SysPath::parse(&format!("{place}/{name}")).ok()?;
        let text = facts.texts.get(&path)?;
        Some((path.to_string(), text.clone()))
    })
}

/// A name with its specifiers filled in (systemd.unit(5), "Specifiers").
fn expanded(text: &str, name: &str, instance: &str) -> Result<String, String> {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let prefix = stem.split('@').next().unwrap_or(stem);
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (c, if c == '%' { rest.next() } else { None }) {
            ('%', Some('%')) => out.push('%'),
            ('%', Some('i')) => out.push_str(instance),
            ('%', Some('n')) => out.push_str(name),
            ('%', Some('N')) => out.push_str(stem),
            ('%', Some('p')) => out.push_str(prefix),
            ('%', _) => {
                return Err(format!(
                    "what {text:?} stands for is known to systemd alone"
                ));
            }
            (c, _) => out.push(c),
        }
    }
    match UnitName::parse(&out) {
        Ok(_) => Ok(out),
        Err(_) => Err(format!("{out:?} is no name of a unit")),
    }
}

#[cfg(test)]
#[path = "enabling_tests.rs"]
mod tests;
