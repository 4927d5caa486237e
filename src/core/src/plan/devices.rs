//! Devices of the config among the observed ones, and what is said of them.

use crate::diag::{Diagnostic, Span};
use crate::facts::Facts;
use crate::facts::disks::Block;

/// Finds a device of the config, or says what was there instead.
pub(super) fn find<'f>(
    path: &str,
    at: Option<Span>,
    facts: &'f Facts,
) -> Result<(String, &'f Block), Diagnostic> {
    let found = facts
        .disks
        .resolve(path)
        .and_then(|node| facts.disks.blocks.get(&node).map(|block| (node, block)));
    found.ok_or_else(|| {
        let instead = facts
            .disks
            .missing
            .get(path)
            .map(String::as_str)
            .unwrap_or_default();
        let error = Diagnostic::error(at, format!("the device {path} does not exist"));
        if instead.is_empty() {
            error.help("check the name")
        } else {
            error.help(instead)
        }
    })
}

/// Several formats on one device, in words.
pub(super) fn ambivalent(kinds: &[String]) -> String {
    format!("signatures of {} at once", kinds.join(" and "))
}
