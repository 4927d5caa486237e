//! Scripts and the units that run them on the machine.
//!
//! The mark that a script has run is set before it runs, as cloud-init does it: a script that ends in
//! `reboot` would otherwise run, and reboot the machine, for ever.

use super::{at, inline};
use crate::diag::Span;
use crate::spec::v3;

/// Where the scripts are, and the marks that they have run.
pub(super) const STATE: &str = "/var/lib/pilotlight";

/// When a script runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// In every boot, before the network and everything else that needs the system's basics.
    Early,
    /// In one boot, when the network is online and what starts by default has started.
    OnceLate,
    /// In every boot, at the same time.
    EachLate,
}

/// The file of a script, and the unit `pilotlight-NAME.service` that runs it.
pub(super) fn script(
    name: &str,
    what: &str,
    text: &str,
    when: When,
    span: Option<Span>,
) -> (v3::File, v3::Unit) {
    let path = format!("{STATE}/{name}");
    let contents = match when {
        When::Early => early(what, &path),
        When::OnceLate => late(what, &path, true),
        When::EachLate => late(what, &path, false),
    };
    let file = v3::File {
        at: span,
        path: at(path, span),
        overwrite: at(true, span),
        mode: at(0o700, span),
        contents: inline(text.as_bytes(), span),
        ..v3::File::default()
    };
    let unit = v3::Unit {
        at: span,
        name: at(format!("pilotlight-{name}.service"), span),
        contents: at(contents, span),
        enabled: at(true, span),
        ..v3::Unit::default()
    };
    (file, unit)
}

fn early(what: &str, path: &str) -> String {
    format!(
        "[Unit]\n\
         Description={what}\n\
         DefaultDependencies=no\n\
         RequiresMountsFor={STATE}\n\
         After=local-fs.target\n\
         Before=network-pre.target sysinit.target shutdown.target\n\
         Wants=network-pre.target\n\
         Conflicts=shutdown.target\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         Environment=HOME=/root\n\
         ExecStart={path}\n\
         StandardOutput=journal+console\n\
         \n\
         [Install]\n\
         WantedBy=sysinit.target\n"
    )
}

fn late(what: &str, path: &str, once: bool) -> String {
    let condition = format!("ConditionPathExists=!{path}.done\n");
    let mark = format!("ExecStartPre=/usr/bin/touch {path}.done\n");
    let (condition, mark) = match once {
        true => (condition.as_str(), mark.as_str()),
        false => ("", ""),
    };
    format!(
        "[Unit]\n\
         Description={what}\n\
         {condition}\
         RequiresMountsFor={STATE}\n\
         Wants=network-online.target\n\
         After=network-online.target multi-user.target\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         Environment=HOME=/root\n\
         {mark}\
         ExecStart={path}\n\
         StandardOutput=journal+console\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}

/// A word that the shell takes as it is.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
