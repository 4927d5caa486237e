//! User data that is a script → a file, and a unit that runs it once.

use super::cloud_config::substitution;
use super::commands::{When, script};
use super::{Translation, head};
use crate::diag::{Diagnostic, SourceId, Span};
use crate::spec::v3;

/// When a script runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Runs {
    /// In one boot, when the network is online.
    #[default]
    Once,
    /// In every boot, when the network is online.
    InEachBoot,
    /// In every boot, before the network: what cloud-init calls a boot hook.
    EarlyInEachBoot,
}

/// Which script of the user data it is, and when it runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place {
    /// How many scripts are before it; they run in their order.
    pub before: usize,
    /// When it runs.
    pub runs: Runs,
}

/// The line that begins a boot hook, where its type does not say that it is one.
const HOOK: &str = "#cloud-boothook";

/// Translates a script, which begins with `#!`. It runs by the program of its first line, as with
/// coreos-cloudinit and cloud-init.
pub fn translate(
    source: SourceId,
    text: &str,
    place: Place,
    cx: &mut Translation<'_>,
) -> Option<v3::Config> {
    // The kernel wants the mark at the very start of the file.
    let mut body = text.trim_start_matches('\u{feff}').trim_start();
    let mut runs = place.runs;
    if let Some(hook) = body.strip_prefix(HOOK) {
        body = hook.trim_start();
        runs = Runs::EarlyInEachBoot;
    }
    let start = text.len() - body.len();
    let hook = format!("#!/bin/sh\n{body}");
    // A hook without the mark is what the shell makes of it.
    let is_bare = runs == Runs::EarlyInEachBoot && !body.starts_with("#!");
    let first_line = body.lines().next().unwrap_or_default();
    let clip = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let span = Span {
        source,
        start: clip(start),
        end: clip(start + first_line.len()),
    };
    let interpreter = first_line.strip_prefix("#!").map(str::trim_start);
    let body = match is_bare {
        true => hook.as_str(),
        false => body,
    };
    let by_cloud_init = |line: &str| line.trim_start().starts_with("cloud-init");
    if text.lines().any(by_cloud_init) {
        cx.report.push(
            Diagnostic::warning(
                span,
                "cloud-init is not on this system: the command of this script that calls it will fail",
            )
            .help("test for a file in the script, as [ -e /var/lib/x ] || …"),
        );
    }
    if !is_bare && !interpreter.is_some_and(|program| program.starts_with('/')) {
        cx.report.push(
            Diagnostic::error(
                span,
                "a script begins with #! and the path of the program that runs it",
            )
            .help("write #!/bin/sh as the first line")
            .secret(),
        );
        return None;
    }
    if let Some(name) = substitution(text) {
        cx.report.push(
            Diagnostic::warning(
                span,
                format!("${name} in this script is not replaced by the machine's address"),
            )
            .help("read the addresses from /run/metadata/flatcar"),
        );
    }
    // With Windows' line ends the kernel would look for a program whose name ends in \r.
    let body = match first_line.ends_with('\r') || body.contains("\r\n") {
        true => body.replace("\r\n", "\n"),
        false => body.to_owned(),
    };
    let name = |number: usize| match number {
        0 => "user-script".to_owned(),
        _ => format!("user-script-{}", number + 1),
    };
    let when = match runs {
        Runs::Once => When::OnceLate,
        Runs::InEachBoot => When::EachLate,
        Runs::EarlyInEachBoot => When::Early,
    };
    let what = "Script of the user data";
    let (file, mut unit) = script(&name(place.before), what, &body, when, Some(span));
    if let Some(text) = unit.contents.as_mut()
        && runs != Runs::EarlyInEachBoot
    {
        let earlier: String = (0..place.before)
            .map(|number| format!("After=pilotlight-{}.service\n", name(number)))
            .collect();
        let order = format!("[Unit]\n{earlier}Before=pilotlight-runcmd.service\n");
        text.value = text.value.replacen("[Unit]\n", &order, 1);
    }
    let mut config = v3::Config::default();
    head(&mut config, span);
    config.storage.files.push(file);
    config.systemd.units.push(unit);
    Some(config)
}
