//! The config between the stages: Ignition's own JSON, and beside it where each value first stood.

use sha2::{Digest as _, Sha256};

use crate::diag::{Diagnostic, Origins, Report, Sources, Written};
use crate::spec::v3::{Config, DIALECT, EXPERIMENTAL_MINOR};
use crate::spec::{Decoder, Encoded, Wire as _};
use crate::{hex, json, reveal};

/// Longest source line that is kept to be shown, in bytes. A longer one was written by a program.
const LINE_KEPT: usize = 200;

/// The config as JSON text.
pub fn encode(config: &Config) -> Encoded {
    let mut encoded = Encoded::default();
    if !config.encode(&mut encoded) {
        encoded.text.extend_from_slice(b"{}");
    }
    encoded
}

/// Where the values of the text first stood, as JSON text.
pub fn origins(encoded: &Encoded, sources: &Sources) -> Vec<u8> {
    let mut origins = Origins::of(digest(&encoded.text));
    for (begins, span) in &encoded.places {
        let mut place = sources.place(*span);
        if place.text.len() > LINE_KEPT {
            place.text.clear();
        }
        origins.add(*begins, place);
    }
    // Neither its strings nor its numbers are anything that JSON cannot write.
    serde_json::to_vec(&Written::from(origins)).unwrap_or_default()
}

/// SHA-256 of a text, in hexadecimal digits.
pub fn digest(text: &[u8]) -> String {
    hex::encode(&Sha256::digest(text))
}

/// Reads both back. Origins that are not of this text are left out: they serve messages only.
pub fn decode(
    sources: &mut Sources,
    name: &str,
    config: String,
    origins: Option<&[u8]>,
) -> Result<Config, Report> {
    let source = sources.add(name, config);
    let config = sources.text(source);
    let one = |diagnostic: Diagnostic| Report {
        items: vec![diagnostic],
    };
    let tree = json::parse(source, config).map_err(one)?;
    let written = origins.and_then(|text| serde_json::from_slice::<Written>(text).ok());
    match written
        .map(Origins::from)
        .filter(|found| found.are_of(&digest(config.as_bytes())))
    {
        Some(origins) => sources.set_origins(source, origins),
        // Only then lines of this text are shown.
        None => {
            let shown = reveal::of_tree(config, &tree);
            sources.show(source, shown);
        }
    }
    let mut report = Report::default();
    let decoded = Config::decode(
        &tree,
        &mut Decoder {
            dialect: &DIALECT,
            minor: EXPERIMENTAL_MINOR,
            report: &mut report,
        },
    );
    decoded.ok_or(report)
}
