//! The configs of the corpus with something missing, doubled, exchanged or of another type: whatever the
//! language, reading them ends with a config or with findings, never with a panic, and what is accepted
//! can be said in the newest version of Ignition.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::fs;
use std::path::{Path, PathBuf};

use pilotlight_core::config::{self, Language, Parsed, Reading};
use pilotlight_core::convert::to_version;
use pilotlight_core::diag::Sources;
use pilotlight_core::json::{self, Node, Value as Read};
use pilotlight_core::merge;
use pilotlight_core::spec::v3::EXPERIMENTAL_MINOR;
use pilotlight_core::translate::{LocalEntry, LocalFiles, LocalKind};
use pilotlight_core::yaml;
use serde_json::{Value, json};

mod random;

/// Every name is a small file, every directory has one.
struct Anything;

impl LocalFiles for Anything {
    fn read(&self, _path: &str) -> Result<Vec<u8>, String> {
        Ok(b"local\n".to_vec())
    }

    fn walk(&self, _path: &str) -> Result<Vec<LocalEntry>, String> {
        let entry = |path: &str, kind| LocalEntry {
            path: path.into(),
            kind,
        };
        Ok(vec![
            entry("", LocalKind::Directory),
            entry("a", LocalKind::Directory),
            entry("a/b", LocalKind::File { executable: true }),
        ])
    }
}

fn read(bytes: &[u8], language: Option<Language>) -> (Parsed, String) {
    let mut sources = Sources::default();
    let reading = Reading {
        language,
        files: Some(&Anything),
        ..Reading::default()
    };
    let parsed = config::read_as(&mut sources, "c", bytes, reading);
    let report = parsed.report.render(&sources);
    (parsed, report)
}

/// Reads it; whether it is accepted. What is, can be written down, read again and merged with itself.
fn judge(bytes: &[u8], language: Option<Language>) -> bool {
    let (parsed, report) = read(bytes, language);
    let Some(config) = parsed.config else {
        // Only what is empty may be passed over in silence.
        assert!(
            !report.is_empty() || String::from_utf8_lossy(bytes).trim().is_empty(),
            "nothing is said of {:?}",
            String::from_utf8_lossy(bytes)
        );
        return false;
    };
    let written = to_version(&config, EXPERIMENTAL_MINOR).unwrap().to_string();
    let (again, report) = read(written.as_bytes(), Some(Language::Ignition));
    assert!(again.config.is_some(), "{report}\n{written}");
    drop(merge::configs(config.clone(), config.clone()));
    drop(merge::appended(config.clone(), config));
    true
}

/// The configs of all languages.
fn corpus() -> Vec<PathBuf> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let entries = |directory: &Path| {
        fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
    };
    let languages = entries(&corpus).filter(|path| path.is_dir());
    let mut configs: Vec<PathBuf> = languages
        .flat_map(|language| entries(&language))
        .filter(|path| path.is_file() && path.extension().is_some_and(|kind| kind != "golden"))
        .collect();
    configs.sort();
    assert!(configs.len() >= 60, "the corpus is gone");
    configs
}

fn plain(node: &Node) -> Value {
    match &node.value {
        Read::Null => Value::Null,
        Read::Bool(is) => json!(is),
        Read::Number(text) | Read::Plain(text) => {
            serde_json::from_str(text).unwrap_or_else(|_| json!(text))
        }
        Read::String(text) => json!(text),
        Read::Binary(bytes) => json!(String::from_utf8_lossy(bytes)),
        Read::Array(items) => items.iter().map(plain).collect(),
        Read::Object(members) => {
            let member = |member: &json::Member| (member.key.clone(), plain(&member.value));
            Value::Object(members.iter().map(member).collect())
        }
    }
}

/// The tree of a config, where it is one document of JSON or YAML, and its language.
fn tree(bytes: &[u8]) -> Option<(Value, Language)> {
    let (parsed, _) = read(bytes, None);
    let language = parsed.language.filter(|found| *found != Language::Script)?;
    let text = std::str::from_utf8(bytes).ok()?;
    let source = Sources::default().add("c", text);
    let node = match language {
        Language::Ignition => json::parse(source, text).ok()?,
        _ => yaml::parse(source, text).ok()?,
    };
    matches!(node.value, Read::Object(_)).then(|| (plain(&node), language))
}

/// All places of a tree, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.into());
    match value {
        Value::Object(members) => members.iter().for_each(|(key, member)| {
            let key = key.replace('~', "~0").replace('/', "~1");
            places(member, &format!("{at}/{key}"), found);
        }),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, item)| places(item, &format!("{at}/{index}"), found)),
        _ => {}
    }
}

/// What stands in for a value: what people write by mistake, and what nobody writes.
fn stand_ins() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(0.5),
        json!(""),
        json!("0644"),
        json!("9223372036854775807GiB"),
        json!("/"),
        json!("/a/../b"),
        json!("é\u{0}\u{202e}"),
        json!("data:;base64,===="),
        json!("oem:///a"),
        json!("x".repeat(300)),
        json!([]),
        json!([null]),
        json!({}),
        json!({"name": "x"}),
    ]
}

/// One mistake: what, where and with what, each as a number that is taken modulo the choices.
type Mistake = (u8, u16, u16);

fn mistaken(tree: &mut Value, (what, place, with): Mistake) {
    let mut found = Vec::new();
    places(tree, "", &mut found);
    found.retain(|place| !place.is_empty());
    if found.is_empty() {
        return;
    }
    let pick = |number: u16| found[usize::from(number) % found.len()].clone();
    let (place, other) = (pick(place), pick(with));
    let copy = tree.pointer(&other).unwrap().clone();
    let (parent, key) = place.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/").replace("~0", "~");
    match (what % 4, tree.pointer_mut(parent).unwrap()) {
        (0, Value::Object(members)) => drop(members.remove(&key)),
        (0, Value::Array(items)) => drop(items.remove(key.parse::<usize>().unwrap())),
        (1, Value::Array(items)) => {
            let item = items[key.parse::<usize>().unwrap()].clone();
            items.push(item);
        }
        (2, _) => *tree.pointer_mut(&place).unwrap() = copy,
        _ => {
            let choices = stand_ins();
            let choice = choices[usize::from(with) % choices.len()].clone();
            *tree.pointer_mut(&place).unwrap() = choice;
        }
    }
}

#[test]
fn mistakes_in_the_tree_are_answered() {
    let trees: Vec<(Value, Language)> = corpus()
        .iter()
        .filter_map(|path| tree(&fs::read(path).unwrap()))
        .collect();
    assert!(trees.len() >= 50, "{} of the corpus are trees", trees.len());
    let accepted = std::cell::Cell::new(0);
    let mistakes = proptest::collection::vec(proptest::prelude::any::<Mistake>(), 1..5);
    let cases = (0..trees.len(), mistakes);
    random::runner(CASES)
        .run(&cases, |(index, mistakes)| {
            let (mut tree, language) = trees[index].clone();
            for mistake in mistakes {
                mistaken(&mut tree, mistake);
            }
            let judged = judge(tree.to_string().as_bytes(), Some(language));
            accepted.set(accepted.get() + u32::from(judged));
            Ok(())
        })
        .unwrap();
    // If all were refused early, nothing would be shown.
    assert!(accepted.get() > CASES / 10, "{} accepted", accepted.get());
}

#[test]
fn damaged_texts_are_answered() {
    let texts: Vec<Vec<u8>> = corpus()
        .iter()
        .map(|path| fs::read(path).unwrap())
        .collect();
    let bytes = proptest::collection::vec(proptest::prelude::any::<u8>(), 0..4);
    let cases = (0..texts.len(), 0..=u16::MAX, 0..60usize, bytes);
    random::runner(CASES)
        .run(&cases, |(index, place, cut, with)| {
            let mut text = texts[index].clone();
            let start = usize::from(place) % text.len().max(1);
            let end = start.saturating_add(cut).min(text.len());
            text.splice(start..end, with);
            judge(&text, None);
            Ok(())
        })
        .unwrap();
}

const CASES: u32 = 1500;
