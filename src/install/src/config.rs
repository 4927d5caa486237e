//! The config that an installed system starts with: read in any language, checked whole, and written as Ignition JSON,
//! which every first boot reads.

use pilotlight_core::config::{self, Language, Reading};
use pilotlight_core::convert;
use pilotlight_core::diag::Sources;

use crate::plan::Content;

/// A checked config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What is written.
    pub content: Content,
    /// Warnings, as they are shown; empty for none.
    pub warnings: String,
}

/// Reads and checks a config. Ignition stays as it is, byte for byte; other languages become Ignition JSON of the
/// oldest version that can say the same.
///
/// The error is what is wrong with it, as it is shown.
pub fn read(
    name: &str,
    bytes: &[u8],
    reading: Reading<'_>,
    strict: bool,
) -> Result<Config, String> {
    let mut sources = Sources::default();
    let mut parsed = config::read_as(&mut sources, name, bytes, reading);
    if strict {
        parsed.report.deny_warnings();
    }
    let findings = parsed.report.render(&sources);
    let config = match parsed.config {
        Some(config) if !parsed.report.has_errors() => config,
        None if !parsed.report.has_errors() => {
            return Err(format!(
                "{name} is empty: without a config leave the option away"
            ));
        }
        _ => return Err(findings),
    };
    let plain = std::str::from_utf8(bytes).is_ok_and(|text| text.trim_start().starts_with('{'));
    let (bytes, what) = match parsed.language {
        Some(Language::Ignition) if plain => (bytes.to_vec(), name.to_string()),
        _ => {
            let minor = convert::least_minor(&config);
            let json =
                convert::to_version(&config, minor).map_err(|report| report.render(&sources))?;
            let bytes = format!("{json}\n").into_bytes();
            (bytes, format!("{name} as Ignition 3.{minor}"))
        }
    };
    Ok(Config {
        content: Content {
            what: format!("{what} ({} bytes)", bytes.len()),
            bytes,
        },
        warnings: findings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(name: &str, text: &str) -> Result<(String, String), String> {
        let config = read(name, text.as_bytes(), Reading::default(), false)?;
        let text = String::from_utf8(config.content.bytes).unwrap();
        Ok((config.content.what, text))
    }

    #[test]
    fn ignition_stays_and_others_are_translated() {
        let ignition = "{ \"ignition\": { \"version\": \"2.3.0\" } }\n";
        let (what, text) = read_text("old.ign", ignition).unwrap();
        assert_eq!(
            (what.as_str(), text.as_str()),
            ("old.ign (39 bytes)", ignition)
        );
        let butane = "variant: flatcar\nversion: 1.0.0\npasswd:\n  users:\n    - name: core\n";
        let (what, text) = read_text("n.bu", butane).unwrap();
        assert!(what.starts_with("n.bu as Ignition 3.0 ("), "{what}");
        assert!(text.contains("\"version\":\"3.0.0\""), "{text}");
    }

    #[test]
    fn what_a_node_would_stumble_over_is_refused() {
        let said = read_text("c.ign", "{ \"ignition\": { \"version\": \"3.4.0\" ").unwrap_err();
        assert!(said.contains("c.ign:1:"), "{said}");
        assert!(read_text("c.ign", "").unwrap_err().contains("is empty"));
        let unknown = "{ \"ignition\": { \"version\": \"3.4.0\" }, \"storag\": {} }";
        let config = read("c.ign", unknown.as_bytes(), Reading::default(), false).unwrap();
        assert!(config.warnings.contains("storag"), "{}", config.warnings);
        assert!(read("c.ign", unknown.as_bytes(), Reading::default(), true).is_err());
    }
}
