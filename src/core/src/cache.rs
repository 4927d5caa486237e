//! The config between the stages: Ignition's own JSON, and beside it where each value first stood.

use sha2::{Digest as _, Sha256};

use crate::diag::{Diagnostic, Origins, Report, Sources, Written};
use crate::spec::v3::{Config, DIALECT, INTERNAL_MINOR};
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
            minor: INTERNAL_MINOR,
            report: &mut report,
        },
    );
    decoded.ok_or(report)
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;
    use crate::config;
    use crate::validate::{self, Stage};

    const NAME: &str = "/run/ignition.json";

    fn written(config: &Config, sources: &Sources) -> (String, Vec<u8>) {
        let encoded = encode(config);
        let origins = origins(&encoded, sources);
        (String::from_utf8(encoded.text).unwrap(), origins)
    }

    #[test]
    fn an_error_after_the_cache_still_points_at_the_users_line() {
        let text = "{\"ignition\": {\"version\": \"3.2.0\"},\n \"storage\": {\"disks\": [{\"device\": \"/dev/vda\",\n  \"partitions\": [\n   {\"number\": 1, \"sizeMiB\": 64}]}]}}";
        let mut sources = Sources::default();
        let config = config::read(&mut sources, "user.ign", text.as_bytes())
            .config
            .unwrap();
        let (json, places) = written(&config, &sources);
        let mut later = Sources::default();
        let decoded = decode(&mut later, NAME, json.clone(), Some(&places)).unwrap();
        let model = validate::lower(&decoded, Stage::Merged, &mut Report::default()).unwrap();
        let shown = Diagnostic::error(model.disks[0].partitions[0].at, "x").render(&later);
        assert!(shown.starts_with("user.ign:4:4: error: x\n"), "{shown}");
        assert!(shown.contains("{\"number\": 1"), "{shown}");
        let without = decode(&mut later, NAME, json, None).unwrap();
        assert_eq!(without.storage.disks.len(), 1);
    }

    #[test]
    fn origins_of_another_text_are_left_out() {
        let text =
            r#"{"ignition": {"version": "3.2.0"}, "storage": {"disks": [{"device": "/dev/vda"}]}}"#;
        let mut sources = Sources::default();
        let config = config::read(&mut sources, "user.ign", text.as_bytes());
        let (json, places) = written(&config.config.unwrap(), &sources);
        for (changed, places, file) in [
            (json.clone(), places.as_slice(), "user.ign"),
            (json.replace("vda", "vdb"), places.as_slice(), NAME),
            (json.clone(), &places[..places.len() / 2], NAME),
        ] {
            let mut later = Sources::default();
            let decoded = decode(&mut later, NAME, changed, Some(places)).unwrap();
            let span = decoded.storage.disks[0].at.unwrap();
            assert_eq!(later.place(span).file, file);
        }
    }

    #[test]
    fn what_follows_an_entry_that_says_nothing_keeps_its_place() {
        let text = "{\"ignition\": {\"version\": \"3.2.0\"}, \"storage\": {\"files\": [\n {\"path\": \"/a\", \"append\": [{},\n  {\"source\": \"data:,b\"}]}]}}";
        let mut sources = Sources::default();
        let parsed = config::read(&mut sources, "user.ign", text.as_bytes());
        let (json, places) = written(&parsed.config.unwrap(), &sources);
        let mut later = Sources::default();
        let decoded = decode(&mut later, NAME, json.clone(), Some(&places)).unwrap();
        let model = validate::lower(&decoded, Stage::Merged, &mut Report::default()).unwrap();
        let place = later.place(model.files[0].append[0].at.unwrap());
        assert_eq!((place.file.as_str(), place.line), ("user.ign", 3));

        let silent = text.replace("{\"source\": \"data:,b\"}", "{}");
        let parsed = config::read(&mut sources, "user.ign", silent.as_bytes());
        let (json, _) = written(&parsed.config.unwrap(), &sources);
        assert!(!json.contains("append"), "{json}");
    }

    #[test]
    fn the_cache_reads_back_as_it_was() {
        let text = include_str!("../tests/data/every-field-3.6.ign");
        let mut sources = Sources::default();
        let node = json::parse(sources.add("x", text), text).unwrap();
        let mut report = Report::default();
        let config = Config::decode(
            &node,
            &mut Decoder {
                dialect: &DIALECT,
                minor: 6,
                report: &mut report,
            },
        )
        .unwrap();
        assert_eq!(report.render(&sources), "");
        let (json, _) = written(&config, &sources);
        let original: Json = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::from_str::<Json>(&json).unwrap(), original);
    }
}
