//! What the targets have in common: what must hold of everything that is read.

use std::collections::HashMap;

use pilotlight_core::config::{self, Language, Parsed, Reading};
use pilotlight_core::diag::{Report, SourceId, Sources, Span};
use pilotlight_core::json::{Node, Value};
use pilotlight_core::spec::v3::{Config, NEWEST_MINOR};
use pilotlight_core::translate::{LocalEntry, LocalFiles, LocalKind};
use pilotlight_core::validate::{self, Stage};
use pilotlight_core::{cache, convert, model, needs_network};

/// A directory of local files that has everything that is asked of it.
struct Anything;

impl LocalFiles for Anything {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match path.len() % 8 {
            7 => Err("it does not exist".into()),
            _ => Ok(path.as_bytes().repeat(64)),
        }
    }

    fn walk(&self, path: &str) -> Result<Vec<LocalEntry>, String> {
        let entry = |path: &str, kind| LocalEntry {
            path: path.into(),
            kind,
        };
        match path.len() % 8 {
            7 => Err("it is no directory".into()),
            _ => Ok(vec![
                entry("", LocalKind::Directory),
                entry("a", LocalKind::File { executable: true }),
                entry(
                    "b",
                    LocalKind::Link {
                        target: "../a".into(),
                    },
                ),
                entry("c", LocalKind::Directory),
                entry("c/d", LocalKind::File { executable: false }),
            ]),
        }
    }
}

/// Reads bytes as a config through the front door.
pub fn read(sources: &mut Sources, language: Option<Language>, bytes: &[u8]) -> Parsed {
    let reading = Reading {
        language,
        files: Some(&Anything),
        ..Reading::default()
    };
    config::read_as(sources, "input", bytes, reading)
}

/// Everything that is done with any config, and what must hold of it whatever it says.
pub fn front_door(language: Option<Language>, bytes: &[u8]) {
    let mut sources = Sources::default();
    let parsed = read(&mut sources, language, bytes);
    told(&parsed.report, &sources);
    let Some(config) = parsed.config else { return };
    assert!(!parsed.report.has_errors(), "a config in spite of errors");
    cached(&config, &sources);
    for minor in 0..=NEWEST_MINOR {
        if let Err(report) = convert::to_version(&config, minor) {
            told(&report, &sources);
        }
    }
    if let Some(model) = lowered(&config, &sources) {
        needs_network(&model);
    }
}

/// The config's parsed form; what is found on the way can be told.
pub fn lowered(config: &Config, sources: &Sources) -> Option<model::Config> {
    let mut report = Report::default();
    let model = validate::lower(config, Stage::Merged, &mut report);
    told(&report, sources);
    assert_eq!(model.is_none(), report.has_errors());
    model
}

/// A report can be told to people and machines.
pub fn told(report: &Report, sources: &Sources) {
    report.render(sources);
    report.json(sources);
}

/// What the cache keeps is the config, with its places.
fn cached(config: &Config, sources: &Sources) {
    let encoded = cache::encode(config);
    let origins = cache::origins(&encoded, sources);
    let json = String::from_utf8(encoded.text).expect("JSON is UTF-8");
    let mut later = Sources::default();
    let again = match cache::decode(&mut later, "cache", json.clone(), Some(&origins)) {
        Ok(again) => again,
        Err(report) => panic!("{json}\n{}", report.render(&later)),
    };
    let encoded_again = cache::encode(&again);
    assert_eq!(json.as_bytes(), encoded_again.text);
    let places_again: HashMap<u32, Span> = encoded_again.places.into_iter().collect();
    for (at, span) in encoded.places {
        let place = sources.place(span);
        let again = places_again.get(&at).map(|span| later.place(*span));
        let again = again.expect("every value that has a place keeps it");
        assert_eq!(
            (place.file, place.line, place.column, place.width),
            (again.file, again.line, again.column, again.width),
            "{at} in {json}"
        );
    }
}

/// Every place in a tree is one of its text; answers how many values there are.
pub fn spans_fit(node: &Node, text: &str) -> usize {
    let fits = |span: Span| {
        let (start, end) = (span.start as usize, span.end as usize);
        assert!(start <= end, "{span:?}");
        // A value that is missing stands at the end of the text, and one past it.
        assert!(start <= text.len() && end <= text.len() + 1, "{span:?}");
        assert!(text.is_char_boundary(start), "{span:?}");
    };
    fits(node.span);
    1 + match &node.value {
        Value::Array(items) => items.iter().map(|item| spans_fit(item, text)).sum(),
        Value::Object(members) => members
            .iter()
            .map(|member| {
                fits(member.key_span);
                spans_fit(&member.value, text)
            })
            .sum(),
        _ => 0,
    }
}

/// The source of texts that are parsed without any [`Sources`].
pub const NO_SOURCE: SourceId = SourceId(0);
