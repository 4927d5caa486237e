//! networkd units, which are ordinary files in version 3.

use crate::diag::{Diagnostic, Span};
use crate::spec::At;
use crate::spec::v2;
use crate::spec::v3;
use crate::translate::{Translation, at, inline};

/// Where systemd-networkd reads its files.
const NETWORKD: &str = "/etc/systemd/network";

/// The files that a networkd unit stands for.
pub(super) fn files(unit: v2::NetworkdUnit, cx: &mut Translation<'_>) -> Vec<v3::File> {
    let Some(name) = unit.name else {
        cx.report.push(
            Diagnostic::error(unit.at, "the name of the networkd unit is missing")
                .help("add \"name\": \"10-eth0.network\" or alike"),
        );
        return Vec::new();
    };
    let known = [".network", ".netdev", ".link"];
    if !plain_name(&name.value, &known) {
        cx.report.push(
            Diagnostic::error(
                name.span,
                format!("{:?} cannot be the name of a networkd unit", name.value),
            )
            .help("it is a file name that ends in .network, .netdev or .link"),
        );
        return Vec::new();
    }
    let mut files = Vec::new();
    if let Some(contents) = unit.contents.filter(|contents| !contents.value.is_empty()) {
        let path = format!("{NETWORKD}/{}", name.value);
        files.push(written(path, name.span, &contents));
    }
    for dropin in unit.dropins {
        let (Some(file), Some(contents)) = (dropin.name, dropin.contents) else {
            continue;
        };
        if !plain_name(&file.value, &[".conf"]) {
            cx.report.push(
                Diagnostic::error(
                    file.span,
                    format!("{:?} cannot be the name of a drop-in", file.value),
                )
                .help("a drop-in is a file name that ends in .conf"),
            );
            continue;
        }
        let path = format!("{NETWORKD}/{}.d/{}", name.value, file.value);
        files.push(written(path, file.span, &contents));
    }
    files
}

fn plain_name(name: &str, endings: &[&str]) -> bool {
    let stem = endings.iter().find_map(|ending| name.strip_suffix(ending));
    stem.is_some_and(|stem| !stem.is_empty()) && !name.contains(['/', '\0']) && name.len() <= 255
}

fn written(path: String, span: Option<Span>, contents: &At<String>) -> v3::File {
    v3::File {
        at: span,
        path: at(path, span),
        overwrite: at(true, span),
        mode: at(0o644, span),
        contents: inline(contents.value.as_bytes(), contents.span),
        ..v3::File::default()
    }
}
