//! The config between the stages: Ignition's own JSON, and beside it where each value first stood.

use serde_json::Value as Json;

use crate::diag::{Diagnostic, Place, Report, Sources};
use crate::json::{self, Node, Value};
use crate::reveal;
use crate::spec::v3::{Config, DIALECT, EXPERIMENTAL_MINOR};
use crate::spec::{Decoder, Encoded, Wire as _};

/// Longest source line that is kept to be shown.
const LINE_KEPT: usize = 200;

/// The config as JSON text, and its places as JSON text: an object from JSON pointer to place.
pub fn encode(config: &Config, sources: &Sources) -> (String, String) {
    let mut encoded = Encoded::default();
    let json = config
        .encode("", &mut encoded)
        .unwrap_or_else(|| Json::Object(serde_json::Map::new()));
    let places: serde_json::Map<String, Json> = encoded
        .places
        .into_iter()
        .map(|(pointer, span)| {
            let mut place = sources.place(span);
            // The line is only for showing; long ones were written by a program.
            if place.text.len() > LINE_KEPT {
                place.text.clear();
            }
            (pointer, serde_json::to_value(place).unwrap_or(Json::Null))
        })
        .collect();
    (json.to_string(), Json::Object(places).to_string())
}

/// Reads both back. Places that do not fit are left out: they serve messages only.
pub fn decode(
    sources: &mut Sources,
    name: &str,
    config: &str,
    places: Option<&str>,
) -> Result<Config, Report> {
    let source = sources.add(name, config);
    let one = |diagnostic: Diagnostic| Report {
        items: vec![diagnostic],
    };
    let tree = json::parse(source, config).map_err(one)?;
    sources.show(source, reveal::of_tree(config, &tree));
    let places: serde_json::Map<String, Json> = places
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let mut origins = Vec::new();
    collect(&tree, &mut String::new(), &places, &mut origins);
    sources.set_origins(source, origins);
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

/// Walks the tree of the cached text along the pointers of the places.
fn collect(
    node: &Node,
    pointer: &mut String,
    places: &serde_json::Map<String, Json>,
    origins: &mut Vec<(u32, Place)>,
) {
    if let Some(place) = places
        .get(pointer.as_str())
        .and_then(|place| serde_json::from_value(place.clone()).ok())
    {
        origins.push((node.span.start, place));
    }
    let length = pointer.len();
    match &node.value {
        Value::Object(members) => {
            for member in members {
                pointer.push('/');
                pointer.push_str(&member.key);
                collect(&member.value, pointer, places, origins);
                pointer.truncate(length);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                pointer.push('/');
                pointer.push_str(&at.to_string());
                collect(item, pointer, places, origins);
                pointer.truncate(length);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::validate::{self, Stage};

    #[test]
    fn an_error_after_the_cache_still_points_at_the_users_line() {
        let text = "{\"ignition\": {\"version\": \"3.2.0\"},\n \"storage\": {\"disks\": [{\"device\": \"/dev/vda\",\n  \"partitions\": [\n   {\"number\": 1, \"sizeMiB\": 64}]}]}}";
        let mut sources = Sources::default();
        let config = config::read(&mut sources, "user.ign", text.as_bytes())
            .config
            .unwrap();
        let (json, places) = encode(&config, &sources);
        let mut later = Sources::default();
        let decoded = decode(&mut later, "/run/ignition.json", &json, Some(&places)).unwrap();
        let model = validate::lower(&decoded, Stage::Merged, &mut Report::default()).unwrap();
        let shown = Diagnostic::error(model.disks[0].partitions[0].at, "x").render(&later);
        assert!(shown.starts_with("user.ign:4:4: error: x\n"), "{shown}");
        assert!(shown.contains("{\"number\": 1"), "{shown}");
        let without = decode(&mut later, "/run/ignition.json", &json, None).unwrap();
        assert_eq!(without.storage.disks.len(), 1);
    }

    #[test]
    fn what_follows_an_entry_that_says_nothing_keeps_its_place() {
        let text = "{\"ignition\": {\"version\": \"3.2.0\"}, \"storage\": {\"files\": [\n {\"path\": \"/a\", \"append\": [{},\n  {\"source\": \"data:,b\"}]}]}}";
        let mut sources = Sources::default();
        let parsed = config::read(&mut sources, "user.ign", text.as_bytes());
        let (json, places) = encode(&parsed.config.unwrap(), &sources);
        let mut later = Sources::default();
        let decoded = decode(&mut later, "/run/ignition.json", &json, Some(&places)).unwrap();
        let model = validate::lower(&decoded, Stage::Merged, &mut Report::default()).unwrap();
        let place = later.place(model.files[0].append[0].at.unwrap());
        assert_eq!((place.file.as_str(), place.line), ("user.ign", 3));

        let silent = text.replace("{\"source\": \"data:,b\"}", "{}");
        let parsed = config::read(&mut sources, "user.ign", silent.as_bytes());
        let (json, _) = encode(&parsed.config.unwrap(), &sources);
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
        let (json, _) = encode(&config, &sources);
        let original: Json = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::from_str::<Json>(&json).unwrap(), original);
    }
}
