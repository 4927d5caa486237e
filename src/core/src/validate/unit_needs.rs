//! What systemd refuses a whole unit for, once its text and its drop-ins are taken together.

use super::unit_text::{Line, UnitText};
use crate::model::UnitName;

/// Why systemd refuses a unit.
#[derive(Debug)]
pub(super) struct Refusal<'a> {
    /// The line that is to blame, where one is.
    pub(super) line: Option<Line<'a>>,
    pub(super) message: String,
    pub(super) help: String,
}

fn refusal<'a>(message: impl Into<String>, help: impl Into<String>) -> Refusal<'a> {
    Refusal {
        line: None,
        message: message.into(),
        help: help.into(),
    }
}

/// Settings one of which a unit of a kind must have.
const TRIGGERS: &[(&str, &str, &[&str], &str)] = &[
    (
        "timer",
        "Timer",
        &[
            "OnActiveSec",
            "OnBootSec",
            "OnStartupSec",
            "OnUnitActiveSec",
            "OnUnitInactiveSec",
            "OnCalendar",
            "OnClockChange",
            "OnTimezoneChange",
        ],
        "the timer has no time: systemd refuses it",
    ),
    (
        "socket",
        "Socket",
        &[
            "ListenStream",
            "ListenDatagram",
            "ListenSequentialPacket",
            "ListenFIFO",
            "ListenSpecial",
            "ListenNetlink",
            "ListenMessageQueue",
            "ListenUSBFunction",
        ],
        "the socket unit listens on nothing: systemd refuses it",
    ),
    (
        "path",
        "Path",
        &[
            "PathExists",
            "PathExistsGlob",
            "PathChanged",
            "PathModified",
            "DirectoryNotEmpty",
        ],
        "the path unit watches no path: systemd refuses it",
    ),
];

/// Why systemd refuses the unit, if it does.
pub(super) fn refusal_of<'a>(name: &UnitName, text: &UnitText<'a>) -> Option<Refusal<'a>> {
    match name.kind() {
        "service" => service(text),
        "mount" => mount(name, text),
        "automount" => place(name, text, "Automount", "Where"),
        "swap" => place(name, text, "Swap", "What"),
        kind => {
            let (_, section, settings, message) = TRIGGERS.iter().find(|row| row.0 == kind)?;
            let set = settings
                .iter()
                .any(|key| text.value(section, key).is_some());
            let example = match kind {
                "timer" => "OnCalendar=daily",
                "socket" => "ListenStream=8080",
                _ => "PathChanged=/etc/example",
            };
            (!set).then(|| {
                refusal(
                    *message,
                    format!("add a setting such as {example} to [{section}]"),
                )
            })
        }
    }
}

/// service_verify of systemd's service.c.
fn service<'a>(text: &UnitText<'a>) -> Option<Refusal<'a>> {
    let has = |section, key| text.value(section, key).is_some();
    let starts = text.values("Service", "ExecStart");
    let acts = text
        .value("Unit", "SuccessAction")
        .is_some_and(|set| set.value != "none");
    let kind = text.value("Service", "Type");
    let oneshot = match kind {
        Some(kind) => kind.value == "oneshot",
        None => starts.is_empty() && !has("Service", "BusName"),
    };
    if starts.is_empty() && !acts {
        if !has("Service", "ExecStop") || !oneshot {
            return Some(refusal(
                "the service has no ExecStart=: systemd refuses it",
                "add ExecStart= with the path of a program to [Service]",
            ));
        }
        let remains = text.value("Service", "RemainAfterExit");
        if !remains.is_some_and(|set| is_yes(&set.value)) {
            return Some(refusal(
                "the service has neither ExecStart= nor RemainAfterExit=yes: systemd refuses it",
                "add one of them to [Service]",
            ));
        }
    }
    if let [_, second, ..] = starts.as_slice()
        && !oneshot
    {
        return Some(Refusal {
            line: Some(second.line),
            ..refusal(
                "a second ExecStart= is for Type=oneshot only: systemd refuses this service",
                "set Type=oneshot, or start one program",
            )
        });
    }
    let restart = text.value("Service", "Restart");
    if let Some(restart) =
        restart.filter(|set| matches!(&*set.value, "always" | "on-success") && oneshot)
    {
        return Some(Refusal {
            line: Some(restart.line),
            ..refusal(
                format!(
                    "systemd refuses Restart={} together with Type=oneshot",
                    restart.value
                ),
                "use Restart=on-failure, or another Type=",
            )
        });
    }
    let bus = kind.filter(|kind| kind.value == "dbus" && !has("Service", "BusName"));
    bus.map(|kind| Refusal {
        line: Some(kind.line),
        ..refusal(
            "systemd refuses Type=dbus without BusName=",
            "add BusName= to [Service]",
        )
    })
}

fn is_yes(value: &str) -> bool {
    ["1", "yes", "y", "true", "t", "on"]
        .iter()
        .any(|yes| value.eq_ignore_ascii_case(yes))
}

/// mount_verify of systemd's mount.c.
fn mount<'a>(name: &UnitName, text: &UnitText<'a>) -> Option<Refusal<'a>> {
    if text.value("Mount", "What").is_none() {
        return Some(refusal(
            "the mount unit does not say What= it mounts: systemd refuses it",
            "add What= with a device to [Mount]",
        ));
    }
    place(name, text, "Mount", "Where")
}

/// Units that stand for a path are named after it.
fn place<'a>(
    name: &UnitName,
    text: &UnitText<'a>,
    section: &str,
    key: &str,
) -> Option<Refusal<'a>> {
    let path = text.value(section, key)?;
    let wanted = UnitName::of_path(&path.value, name.kind());
    // What= may name a device in ways that fstab(5) has; specifiers are not known here.
    let unknown = path.value.contains('%') || !path.value.starts_with('/');
    let aliases = text.values("Install", "Alias");
    let named = aliases.iter().flat_map(|set| set.value.split_whitespace());
    if unknown || wanted == name.as_str() || named.into_iter().any(|alias| alias == wanted) {
        return None;
    }
    Some(Refusal {
        line: Some(path.line),
        ..refusal(
            format!(
                "systemd refuses {name}: a unit with {key}={} has the name {wanted}",
                path.value
            ),
            format!("name the unit {wanted}, or correct {key}="),
        )
    })
}
