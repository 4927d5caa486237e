//! Which units something in the config starts, besides their own `[Install]` section.

use std::collections::HashSet;

use super::unit_text;
use crate::dataurl;
use crate::model::{Unit, UnitName};
use crate::spec::v3;

/// Settings by which a unit has another one started.
const STARTS: &[(&str, &str)] = &[
    ("Unit", "Wants"),
    ("Unit", "Requires"),
    ("Unit", "BindsTo"),
    ("Unit", "Upholds"),
    ("Unit", "OnFailure"),
    ("Unit", "OnSuccess"),
    ("Install", "Also"),
    ("Timer", "Unit"),
    ("Path", "Unit"),
    ("Socket", "Service"),
];

/// Directories of links by which one unit starts others.
const LINKED: &[&str] = &[".wants/", ".requires/", ".upholds/"];

/// What a line says that has units started: a command of a script, a rule of udev, a kernel argument.
const STARTED_BY: &[&str] = &["systemctl", "SYSTEMD_WANTS", "systemd.wants"];

/// Longest source of a file that is looked into, in bytes: scripts and units are short.
const LONGEST: usize = 64 << 10;

/// The units that others of the config start: timers, sockets and the like the service that they name or
/// that bears their name, every unit what it wants, links, and what scripts and rules in files name.
pub(super) fn started(units: &[(&v3::Unit, Unit)], storage: &v3::Storage) -> HashSet<String> {
    let mut names = HashSet::new();
    for (_, unit) in units.iter().filter(|(_, unit)| unit.mask != Some(true)) {
        let dropins = unit
            .dropins
            .iter()
            .filter_map(|dropin| dropin.contents.as_ref());
        for text in unit.contents.iter().chain(dropins) {
            by_text(text, &mut names);
        }
        by_name(&unit.name, &mut names);
    }
    for link in &storage.links {
        let path = link.path.as_ref().map_or("", |at| at.value.as_str());
        let mut wants = LINKED.iter();
        names.extend(wants.find_map(|kind| Some(path.split_once(kind)?.1.to_owned())));
    }
    for file in &storage.files {
        let path = file.path.as_ref().map_or("", |at| at.value.as_str());
        if let Some((directory, name)) = path.rsplit_once('/')
            && directory.ends_with("/systemd/system")
            && let Ok(name) = UnitName::parse(name)
        {
            by_name(&name, &mut names);
        }
        let resources = std::iter::once(&file.contents).chain(&file.append.0);
        for source in resources.filter_map(|one| one.source.as_ref()) {
            if source.value.len() <= LONGEST
                && let Ok(bytes) = dataurl::decode(&source.value)
                && let Ok(text) = std::str::from_utf8(&bytes)
            {
                by_text(text, &mut names);
            }
        }
    }
    names
}

/// What a text has started.
fn by_text(text: &str, names: &mut HashSet<String>) {
    if let Ok(unit) = unit_text::parse(text) {
        for (section, key) in STARTS {
            let values = unit.values(section, key).into_iter();
            names.extend(
                values
                    .flat_map(|set| set.value.split_whitespace())
                    .map(String::from),
            );
        }
    }
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    let starts = |line: &&str| STARTED_BY.iter().any(|word| line.contains(word));
    for line in text.lines().filter(starts) {
        for word in line
            .split(|c| !is_of_name(c))
            .filter(|word| !word.is_empty())
        {
            names.insert(word.to_owned());
            // systemctl takes a name without a kind for a service's.
            names.insert(format!("{word}.service"));
        }
    }
}

/// What a unit has started because of its own name.
fn by_name(unit: &UnitName, names: &mut HashSet<String>) {
    let kind = unit.kind();
    let Some(stem) = unit.as_str().strip_suffix(kind) else {
        return;
    };
    match kind {
        "timer" | "socket" | "path" => {
            // A socket that accepts starts an instance for each connection.
            names.insert(format!("{stem}service"));
            names.insert(format!("{}@.service", stem.trim_end_matches('.')));
        }
        "automount" => {
            names.insert(format!("{stem}mount"));
        }
        _ => {}
    }
}

#[cfg(test)]
#[path = "starting_tests.rs"]
mod tests;
