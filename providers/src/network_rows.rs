//! What networks of platforms are compared with in tests: lines, and files of units.

use pilotlight_core::net::{Desired, Invalid, table};

/// All that is wanted, one a line.
pub(crate) fn lines(desired: &Desired) -> Vec<String> {
    let mut lines = Vec::new();
    for link in desired.links() {
        let kind = link.kind.as_deref().map(|kind| format!(" {kind}"));
        let name = format!("{}{}", link.mac, kind.unwrap_or_default());
        if let Some(mtu) = link.mtu {
            lines.push(format!("{name} mtu {}", mtu.what));
        }
        let addresses = link.addresses.keys();
        lines.extend(addresses.map(|address| format!("{name} {address}")));
        lines.extend(link.routes.keys().map(|route| {
            let via = route.gateway.map(|via| format!(" via {via}"));
            let metric = route.metric.map(|metric| format!(" metric {metric}"));
            let onlink = if route.onlink { " onlink" } else { "" };
            let in_table = match route.table {
                table::MAIN => String::new(),
                other => format!(" table {other}"),
            };
            let (via, metric) = (via.unwrap_or_default(), metric.unwrap_or_default());
            format!(
                "{name} {}{via}{metric}{in_table}{onlink}",
                route.destination
            )
        }));
        lines.extend(link.rules.keys().map(|rule| {
            let from = rule.from.unwrap();
            format!(
                "{name} rule {} from {from} table {}",
                rule.priority, rule.table
            )
        }));
    }
    lines
}

/// Compares what is wanted and what is left out, the latter as place and reason.
pub(crate) fn check(
    what: &str,
    (desired, invalid): &(Desired, Vec<Invalid>),
    wanted: &[&str],
    left_out: &[&str],
) {
    assert_eq!(lines(desired), wanted, "{what}");
    let short = invalid
        .iter()
        .map(|one| format!("{}: {}", one.place, one.why));
    assert_eq!(short.collect::<Vec<_>>(), left_out, "{what}");
    assert_eq!(desired.may_remove(), left_out.is_empty(), "{what}");
}

/// Compares units with `testdata/networkd-NAME.txt`, or writes it where `UPDATE_GOLDENS` is set.
pub(crate) fn golden(name: &str, (units, invalid): (Vec<(String, String)>, Vec<Invalid>)) {
    assert_eq!(invalid, []);
    let path = format!(
        "{}/testdata/networkd-{name}.txt",
        env!("CARGO_MANIFEST_DIR")
    );
    let files = units
        .iter()
        .map(|(name, text)| format!("=== {name}\n{text}"));
    let text: String = files.collect();
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "{path}");
}
