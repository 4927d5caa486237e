//! User data that is a script → a file, and a unit that runs it once.

use super::cloud_config::substitution;
use super::commands::{When, script};
use super::{Translation, head};
use crate::diag::{Diagnostic, SourceId, Span};
use crate::spec::v3;

/// Translates a script, which begins with `#!`. It runs once, by the program of its first line, when
/// the network is online, as with coreos-cloudinit and cloud-init.
pub fn translate(source: SourceId, text: &str, cx: &mut Translation<'_>) -> Option<v3::Config> {
    // The kernel wants the mark at the very start of the file.
    let body = text.trim_start_matches('\u{feff}').trim_start();
    let start = text.len() - body.len();
    let first_line = body.lines().next().unwrap_or_default();
    let clip = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let span = Span {
        source,
        start: clip(start),
        end: clip(start + first_line.len()),
    };
    let interpreter = first_line.strip_prefix("#!").map(str::trim_start);
    if !interpreter.is_some_and(|program| program.starts_with('/')) {
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
    let (file, unit) = script(
        "user-script",
        "Script of the user data",
        &body,
        When::OnceLate,
        Some(span),
    );
    let mut config = v3::Config::default();
    head(&mut config, span);
    config.storage.files.push(file);
    config.systemd.units.push(unit);
    Some(config)
}
