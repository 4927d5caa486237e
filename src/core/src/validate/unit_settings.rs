//! What systemd would ignore in a unit's text: unknown sections and settings, values it cannot read.

use super::directives;
use super::unit_text::{Line, Section, Setting, UnitText};
use crate::model::UnitName;
use crate::spelling::nearest_within;

/// Something that systemd ignores.
#[derive(Debug)]
pub(super) struct Finding<'a> {
    pub(super) line: Line<'a>,
    pub(super) message: String,
    pub(super) help: String,
}

/// How many findings one text gets. A text with more is no unit at all.
const MOST: usize = 10;
/// How many units of one list are looked at.
const MOST_NAMES: usize = 100;

/// Settings with a closed list of values.
const VALUES: &[(&str, &str, &str)] = &[
    (
        "Service",
        "Type",
        "simple exec forking oneshot dbus notify notify-reload idle",
    ),
    (
        "Service",
        "Restart",
        "no on-success on-failure on-abnormal on-abort on-watchdog always",
    ),
    ("Service", "KillMode", "control-group mixed process none"),
];

/// Settings that list units.
const DEPENDENCIES: &str = "After Before Wants Requires Requisite BindsTo PartOf Upholds Conflicts \
    OnFailure OnSuccess WantedBy RequiredBy UpheldBy Also";

/// Targets of systemd (systemd.special(7)) that units of a config order themselves by.
const TARGETS: &str = "basic boot-complete cryptsetup cryptsetup-pre default emergency \
    first-boot-complete getty getty-pre graphical local-fs local-fs-pre machines multi-user network \
    network-online network-pre nss-lookup nss-user-lookup paths poweroff reboot remote-cryptsetup \
    remote-fs remote-fs-pre rescue shutdown slices sockets swap sysinit system-update time-set \
    time-sync timers umount veritysetup integritysetup";

/// Looks through the text of a unit of a kind (`service`), or of a drop-in for one. What it takes to
/// look for a name is taken from `left`; with nothing left it stops.
pub(super) fn findings<'a>(kind: &str, text: &UnitText<'a>, left: &mut usize) -> Vec<Finding<'a>> {
    let sections = directives::sections_of(kind);
    let mut found = Vec::new();
    let mut unknown = Vec::new();
    for section in &text.sections {
        if found.len() >= MOST || *left == 0 {
            break;
        }
        if section.name.starts_with("X-") {
            continue;
        }
        if !sections.contains(&section.name) {
            if !unknown.contains(&section.name) {
                *left -= 1;
                unknown.push(section.name);
                found.push(unknown_section(kind, section, &sections));
            }
            continue;
        }
        let settings = section.settings.iter();
        found.extend(
            settings
                .filter_map(|setting| check(setting, section.name, &sections, left))
                .take(MOST - found.len()),
        );
    }
    found
}

fn unknown_section<'a>(kind: &str, section: &Section<'a>, known: &[&'static str]) -> Finding<'a> {
    let help = match nearest_within(section.name, known.iter().copied(), 2) {
        Some(meant) => format!("did you mean [{meant}]?"),
        None => match directives::unit_of(section.name) {
            Some(other) => format!("[{}] belongs into a .{other} unit", section.name),
            None => format!("a .{kind} unit has [{}]", known.join("], [")),
        },
    };
    Finding {
        line: section.line,
        message: format!(
            "systemd ignores the section [{}]: a .{kind} unit has none of this name",
            section.name
        ),
        help,
    }
}

fn check<'a>(
    setting: &Setting<'a>,
    section: &str,
    known: &[&'static str],
    left: &mut usize,
) -> Option<Finding<'a>> {
    let key = setting.key;
    if key.starts_with("X-") {
        return None;
    }
    let finding = |message: String, help: String| {
        Some(Finding {
            line: setting.line,
            message,
            help,
        })
    };
    let places = directives::sections_with(key);
    if places.is_empty() {
        // A setting that is not known here may be a new one, unless it is nearly a known one.
        *left = left.checked_sub(1)?;
        let meant = directives::meant(key, section)?;
        return finding(
            format!("systemd ignores {key}=: [{section}] has no setting of this name"),
            format!("did you mean {meant}=?"),
        );
    }
    if !places.contains(&section) {
        let place = (places.iter().find(|place| known.contains(place))).or(places.first())?;
        let help = match directives::unit_of(place).filter(|_| !known.contains(place)) {
            Some(kind) => format!("it belongs into [{place}] of a .{kind} unit"),
            None => format!("move it to [{place}]"),
        };
        return finding(
            format!("systemd ignores {key}= in [{section}]: it is a setting of [{place}]"),
            help,
        );
    }
    let (message, help) = value(section, key, &setting.value)?;
    finding(message, help)
}

/// What is wrong with a value of a known setting.
fn value(section: &str, key: &str, value: &str) -> Option<(String, String)> {
    // Specifiers such as %i stand for what is not known here.
    if value.is_empty() || value.starts_with('%') {
        return None;
    }
    let closed = VALUES.iter().find(|(s, k, _)| (*s, *k) == (section, key));
    if let Some((_, _, list)) = closed {
        let mut known = list.split_ascii_whitespace();
        if known.clone().any(|known| known == value) {
            return None;
        }
        let help = match nearest_within(value, known.by_ref(), 2) {
            Some(meant) => format!("did you mean {meant:?}?"),
            None => format!("known are {}", list.replace(' ', ", ")),
        };
        return Some((
            format!("systemd ignores {key}={value}: it knows no such value"),
            help,
        ));
    }
    if matches!(section, "Service" | "Socket")
        && key.starts_with("Exec")
        && key != "ExecSearchPath"
        && key != "ExecPaths"
    {
        return command(key, value);
    }
    if matches!(section, "Unit" | "Install") && DEPENDENCIES.split(' ').any(|known| known == key) {
        let mut names = value.split_whitespace().take(MOST_NAMES);
        return names.find_map(|name| dependency(key, name));
    }
    None
}

/// A command line as config_parse_exec of systemd's load-fragment.c reads it.
fn command(key: &str, value: &str) -> Option<(String, String)> {
    let line = value
        .trim_start_matches(['-', '@', ':', '+', '!', '|'])
        .trim_start();
    let program = match line.chars().next() {
        Some(quote @ ('"' | '\'')) => line.split(quote).nth(1).unwrap_or_default(),
        _ => line.split_whitespace().next().unwrap_or_default(),
    };
    if program.is_empty() {
        return Some((
            format!("{key}= names no program"),
            "write the path of a program".into(),
        ));
    }
    if program.starts_with('%') || program.contains('\\') {
        return None;
    }
    let shell = "start a shell: /bin/sh -c '…'";
    let variable = program.split_once('=').map(|(name, _)| name);
    if variable.is_some_and(is_variable) {
        return Some((
            format!("{key}= begins with a variable: systemd would look for a program of this name"),
            format!("use Environment=, or {shell}"),
        ));
    }
    if program.contains('/') && !program.starts_with('/') {
        return Some((
            format!(
                "{key}= starts {program:?}, which is neither an absolute path nor the name of a program: systemd refuses the unit"
            ),
            "write the path from / on".into(),
        ));
    }
    if program.ends_with('/') {
        return Some((
            format!("{key}= starts {program:?}, which is a directory: systemd refuses the unit"),
            "write the path of a program".into(),
        ));
    }
    let operators = ["&&", "||", ">>", "2>&1"];
    let operator = unquoted(line).find(|word| operators.contains(word))?;
    Some((
        format!("systemd starts no shell: it hands {operator:?} to the program as an argument"),
        format!("use several {key}= lines, or {shell}"),
    ))
}

fn is_variable(name: &str) -> bool {
    let mut letters = name.chars();
    letters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Words of a command line that do not touch quotation marks.
fn unquoted(line: &str) -> impl Iterator<Item = &str> {
    let mut open = None;
    line.split_whitespace().filter(move |word| {
        let before = open;
        for c in word.chars().filter(|c| matches!(c, '"' | '\'')) {
            open = match open {
                None => Some(c),
                Some(quote) if quote == c => None,
                other => other,
            };
        }
        before.is_none() && !word.contains(['"', '\''])
    })
}

fn dependency(key: &str, name: &str) -> Option<(String, String)> {
    if name.contains(['%', '"', '\'']) {
        return None;
    }
    let targets = TARGETS.split_ascii_whitespace();
    if let Err(why) = UnitName::parse(name) {
        let meant = match name.rsplit_once('.') {
            Some((stem, suffix)) => nearest_within(suffix, UnitName::KINDS.iter().copied(), 2)
                .map(|kind| format!("{stem}.{kind}")),
            None => nearest_within(name, targets, 2).map(|meant| format!("{meant}.target")),
        };
        let help = match meant.filter(|meant| UnitName::parse(meant).is_ok()) {
            Some(meant) => format!("did you mean {meant}?"),
            None => why.to_string(),
        };
        return Some((
            format!("{key}= lists {name:?}, which is no name of a unit"),
            help,
        ));
    }
    let stem = name.strip_suffix(".target")?;
    // Only one edit away: a config may have targets of its own.
    let meant =
        nearest_within(stem, targets, 1).filter(|meant| *meant != stem && stem.len() > 4)?;
    Some((
        format!("{key}= lists {name}, which is no target of systemd"),
        format!("did you mean {meant}.target?"),
    ))
}
