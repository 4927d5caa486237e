//! systemd units: their files, masks, presets, and the links that enable them.

use std::collections::{BTreeMap, HashSet};

use crate::diag::Span;
use crate::facts::tree::{Node, Tree};
use crate::model::{Mode, SysPath, Unit};
use crate::op::{Content, OwnerRef};
use crate::plan::want::{Kind, Want};

/// Where units and drop-ins are written.
const UNITS: &str = "/etc/systemd/system";
/// The preset file; its number makes it count before the distribution's.
pub const PRESET: &str = "/etc/systemd/system-preset/20-ignition.preset";

/// A path made of parts that were validated as file names.
fn path(text: &str) -> Option<SysPath> {
    SysPath::parse(text).ok()
}

/// All paths that planning units has to know.
pub fn paths(units: &[Unit]) -> Vec<SysPath> {
    let mut list: Vec<SysPath> = wants(units, &Tree::default())
        .into_iter()
        .map(|want| want.path)
        .collect();
    list.extend(
        units
            .iter()
            .filter_map(|unit| path(&format!("{UNITS}/{}", unit.name))),
    );
    list.extend(path(PRESET));
    list
}

fn file(
    at: &str,
    text: &str,
    shown: &'static str,
    span: Option<Span>,
    why: &'static str,
) -> Option<Want> {
    Some(Want {
        path: path(at)?,
        kind: Kind::File {
            contents: Some(Content::inline(shown, text.as_bytes().to_vec())),
            append: Vec::new(),
            mode: Some(Mode::FILE),
        },
        user: Some(OwnerRef::Id(0)),
        group: Some(OwnerRef::Id(0)),
        overwrite: true,
        keep_attributes: false,
        at: span,
        why: why.into(),
    })
}

/// Drop-ins, units, masks, and the preset file with the lines that it lacks.
pub fn wants(units: &[Unit], tree: &Tree) -> Vec<Want> {
    let mut list = Vec::new();
    for unit in units {
        let at = format!("{UNITS}/{}", unit.name);
        for dropin in &unit.dropins {
            if let Some(text) = &dropin.contents {
                let at = format!("{at}.d/{}", dropin.name);
                list.extend(file(
                    &at,
                    text,
                    "drop-in text",
                    dropin.at,
                    "the config has this drop-in",
                ));
            }
        }
        if unit.mask == Some(true) {
            list.extend(path(&at).map(|path| Want {
                path,
                kind: Kind::Symlink {
                    target: "/dev/null".into(),
                },
                user: Some(OwnerRef::Id(0)),
                group: Some(OwnerRef::Id(0)),
                overwrite: true,
                keep_attributes: false,
                at: unit.at,
                why: "the config masks the unit".into(),
            }));
        } else if let Some(text) = unit.contents.as_ref().filter(|text| !text.is_empty()) {
            list.extend(file(
                &at,
                text,
                "unit text",
                unit.at,
                "the config has this unit",
            ));
        }
    }
    let lines = preset_lines(units);
    let there: HashSet<&str> = tree.preset.lines().collect();
    let missing: Vec<&String> = lines
        .iter()
        .filter(|line| !there.contains(line.as_str()))
        .collect();
    if !missing.is_empty() {
        let mut text = tree.preset.clone();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        for line in missing {
            text.push_str(line);
            text.push('\n');
        }
        let at = units
            .iter()
            .find(|unit| unit.enabled.is_some())
            .and_then(|unit| unit.at);
        list.extend(file(
            PRESET,
            &text,
            "preset lines",
            at,
            "units are enabled or disabled",
        ));
    }
    list
}

/// Lines of the preset file in Ignition's order; instances of a template stand on one line.
fn preset_lines(units: &[Unit]) -> Vec<String> {
    let mut lines: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    for unit in units {
        let Some(enabled) = unit.enabled else {
            continue;
        };
        let verb = if enabled { "enable" } else { "disable" };
        let (name, instance) = match unit.name.instance() {
            Some((template, instance)) => (template, Some(instance.to_string())),
            None => (unit.name.to_string(), None),
        };
        let (_, instances) = lines
            .entry(format!("{name}-{verb}d"))
            .or_insert_with(|| (format!("{verb} {name}"), Vec::new()));
        instances.extend(instance);
    }
    lines
        .into_values()
        .map(|(line, instances)| {
            std::iter::once(line)
                .chain(instances)
                .collect::<Vec<String>>()
                .join(" ")
        })
        .collect()
}

/// What is removed: links that enable a disabled unit, and the mask of an unmasked one.
pub fn removals(
    units: &[Unit],
    tree: &Tree,
) -> Vec<(SysPath, &'static str, Option<Span>, &'static str)> {
    let mut list = Vec::new();
    for unit in units {
        let name = unit.name.as_str();
        if unit.enabled == Some(false) {
            for (link, target) in &tree.enablement {
                if link.name() == name || target.rsplit('/').next() == Some(name) {
                    list.push((
                        link.clone(),
                        "the link that enables a unit",
                        unit.at,
                        "the config disables the unit",
                    ));
                }
            }
        }
        if unit.mask == Some(false)
            && unit.contents.as_deref().unwrap_or_default().is_empty()
            && let Some(path) = path(&format!("{UNITS}/{name}"))
            && matches!(tree.node(&tree.real(&path)), Node::Symlink { target, .. } if target == "/dev/null")
        {
            list.push((
                tree.real(&path),
                "the mask of a unit",
                unit.at,
                "the config unmasks the unit",
            ));
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UnitName;

    fn unit(name: &str, enabled: Option<bool>) -> Unit {
        Unit {
            at: None,
            name: UnitName::parse(name).unwrap(),
            contents: None,
            dropins: Vec::new(),
            enabled,
            mask: None,
        }
    }

    #[test]
    fn preset_lines_are_sorted_and_instances_share_one() {
        let units = [
            unit("z.service", Some(true)),
            unit("e@b.service", Some(true)),
            unit("e@a.service", Some(true)),
            unit("a.service", Some(false)),
            unit("n.service", None),
        ];
        assert_eq!(
            preset_lines(&units),
            [
                "disable a.service",
                "enable e@.service b a",
                "enable z.service"
            ]
        );
    }
}
