//! The configs of the corpus with a marker wherever a secret may stand, with one mistake beside it and another,
//! on one line and on many: no marker is in what is said of them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use pilotlight_core::config::{self, Language, Parsed, Reading};
use pilotlight_core::diag::Sources;
use pilotlight_core::json::{self, Node, Value as Read};
use pilotlight_core::{cache, yaml};
use serde_json::{Map, Value, json};

mod random;

/// All markers begin with it. It is no word that a rule about secrets could look for.
const PLANTED: &str = "Qzx";

/// Keys of all languages whose values are or hold secrets.
const SECRET: &[&str] = &[
    "advertisement",
    "bootcmd",
    "content",
    "contents",
    "headers",
    "inline",
    "list",
    "passwd",
    "password",
    "password_hash",
    "passwordHash",
    "plain_text_passwd",
    "hashed_passwd",
    "runcmd",
    "shouldExist",
    "shouldNotExist",
    "should_exist",
    "should_not_exist",
    "ssh_authorized_keys",
    "sshAuthorizedKeys",
    "value",
    "rsa_private",
    "ecdsa_private",
    "ed25519_private",
    "etcd_password",
];

/// Keys whose values are URLs.
const URLS: &[&str] = &[
    "httpProxy",
    "httpsProxy",
    "http_proxy",
    "https_proxy",
    "source",
    "uri",
    "url",
];

/// The value with markers in it.
fn planted(value: &Value, key: &str) -> Value {
    match value {
        Value::Object(members) => {
            let mut with: Map<String, Value> = members
                .iter()
                .map(|(name, value)| {
                    let is_list = ["runcmd", "bootcmd", "headers"].contains(&key);
                    let key = if is_list { key } else { name };
                    (name.clone(), planted(value, key))
                })
                .collect();
            // Keys that nobody knows, and what is below them, at some places.
            match members.len() % 3 {
                // There, every key is the name of a device.
                _ if key == "disk_setup" => {}
                0 => drop(with.insert("pinn".into(), json!("QzxPin"))),
                1 => drop(with.insert("licence".into(), json!([{"inner": "QzxBelow"}]))),
                _ => {}
            }
            Value::Object(with)
        }
        Value::Array(items) => items.iter().map(|item| planted(item, key)).collect(),
        Value::String(text) => match text {
            text if URLS.contains(&key) && text.starts_with("data:") => json!("data:,QzxData"),
            text if URLS.contains(&key) => match text.split_once("://") {
                Some((scheme, rest)) => json!(format!(
                    "{scheme}://me:QzxUser@{}?sig=QzxQuery#QzxFragment",
                    rest.split(['?', '#']).next().unwrap_or_default()
                )),
                None => json!(format!("QzxNoUrl{text}")),
            },
            // A unit with a secret among its settings.
            text if text.contains('=') && ["content", "contents"].contains(&key) => json!(format!(
                "{text}\n[Service]\nEnvironment=A=QzxVariable\nExecStart=/opt/x --pin QzxArgument && QzxMore\nTypo=1\n"
            )),
            // It stays what it is.
            text if SECRET.contains(&key) => json!(format!("QzxValue{text}")),
            text if key == "config" => json!(text.replace('{', "{\"QzxConfig\": 1, ")),
            text => json!(text),
        },
        other => other.clone(),
    }
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

/// The trees of the corpus, and their languages.
fn corpus() -> Vec<(Value, Language)> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let entries = |directory: &Path| -> Vec<_> {
        let all = fs::read_dir(directory).unwrap();
        let mut all: Vec<_> = all.map(|entry| entry.unwrap().path()).collect();
        all.sort();
        all
    };
    let mut trees = vec![(
        serde_json::from_str(random::KITCHEN).unwrap(),
        Language::Ignition,
    )];
    for path in entries(&corpus)
        .iter()
        .flat_map(|directory| entries(directory))
    {
        if path.is_dir() || path.extension().is_some_and(|kind| kind == "golden") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let parsed = config::read(&mut Sources::default(), "c", &bytes);
        let Ok(text) = std::str::from_utf8(&bytes) else {
            continue;
        };
        let source = Sources::default().add("c", text);
        let tree = match parsed.language {
            Some(Language::Ignition) => json::parse(source, text).ok(),
            Some(Language::Script) | None => None,
            Some(_) => yaml::parse(source, text).ok(),
        };
        let objects = tree.filter(|tree| matches!(tree.value, Read::Object(_)));
        trees.extend(objects.map(|tree| plain(&tree)).zip(parsed.language));
    }
    trees
}

/// In YAML as people write it, with a comment behind every value.
fn block(value: &Value, depth: usize, out: &mut String) {
    let indentation = "  ".repeat(depth);
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, value) in members {
                let _ = write!(out, "\n{indentation}{}:", json!(key));
                block(value, depth + 1, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let _ = write!(out, "\n{indentation}-");
                block(item, depth + 1, out);
            }
        }
        Value::String(text) if text.contains('\n') && !text.starts_with([' ', '\n']) => {
            out.push_str(" |");
            for line in text.lines() {
                let _ = write!(out, "\n{indentation}{line}");
            }
        }
        Value::String(text)
            if text.chars().all(|c| c.is_ascii_alphanumeric()) && !text.is_empty() =>
        {
            let _ = write!(out, " {text} # QzxComment");
        }
        other => {
            let _ = write!(out, " {other} # QzxComment");
        }
    }
}

/// The tree as a text of each kind.
fn texts(tree: &Value, language: Language) -> Vec<String> {
    let head = match language {
        Language::CloudConfig => "#cloud-config\n",
        _ => "",
    };
    let mut texts = vec![format!("{head}{tree}\n"), format!("{head}{tree:#}\n")];
    if language != Language::Ignition {
        let mut text = head.to_owned();
        block(tree, 0, &mut text);
        texts.push(text);
    }
    texts
}

/// Reads it, and looks for markers in what is said. How many findings show a line.
#[track_caller]
fn shows_none(text: &str, language: Language) -> usize {
    let mut sources = Sources::default();
    let reading = Reading {
        language: Some(language),
        ..Reading::default()
    };
    let Parsed { config, report, .. } =
        config::read_as(&mut sources, "c", text.as_bytes(), reading);
    let mut shown = 0;
    for item in &report.items {
        let said = item.render(&sources);
        let is_clean = !said.to_lowercase().contains(&PLANTED.to_lowercase());
        assert!(is_clean, "{said}\n{text:.2000}");
        shown += usize::from(said.contains(" | "));
    }
    let said = report.json(&sources).to_string();
    assert!(!said.contains(PLANTED), "{said}");
    // Later stages have the lines from the cache.
    if let Some(config) = config {
        let origins = cache::origins(&cache::encode(&config), &sources);
        let origins = String::from_utf8(origins).unwrap();
        let place = origins
            .find(PLANTED)
            .map(|at| origins.get(at.saturating_sub(300)..at + 30));
        assert_eq!(place, None, "{text:.2000}");
    }
    shown
}

#[test]
fn a_mistake_shows_no_secret_beside_it() {
    let (mut checked, mut shown) = (0, 0);
    for (tree, language) in corpus() {
        let tree = planted(&tree, "");
        for text in texts(&tree, language) {
            shown += shows_none(&text, language);
        }
        let mut all = Vec::new();
        places(&tree, "", &mut all);
        // All places of small configs, some of large ones.
        let step = 1 + all.len() / 7;
        for place in all.iter().step_by(step) {
            for with in [json!({}), json!(-7), json!([true])] {
                let mut mistaken = tree.clone();
                let value = mistaken.pointer_mut(place).unwrap();
                *value = with;
                for text in texts(&mistaken, language) {
                    shown += shows_none(&text, language);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 3_000, "{checked}");
    assert!(shown > 15_000, "{shown}");
}

/// Below a key that is not known, keys that are known elsewhere hide their values too.
#[test]
fn what_is_below_an_unknown_key_is_not_shown() {
    let text = json!({"ignition": {"version": "3.4.0"}, "storage": {"licence": {"path": "QzxBelow", "QzxKey": 1, "users": [{"name": "QzxName"}]}}});
    let shown = shows_none(&text.to_string(), Language::Ignition);
    assert_eq!(shown, 1);
}

#[test]
fn a_text_that_is_cut_or_damaged_shows_no_secret() {
    let (mut checked, mut shown) = (0, 0);
    for (tree, language) in corpus() {
        let tree = planted(&tree, "");
        for text in texts(&tree, language) {
            let marks: Vec<usize> = text
                .match_indices(['"', ',', ':', '{', '}', '[', ']', '\n'])
                .map(|(at, _)| at)
                .collect();
            for at in marks.iter().step_by(1 + marks.len() / 10) {
                let (before, behind) = text.split_at(*at);
                for damaged in [
                    before.to_owned(),
                    format!("{before}{}", &behind[1..]),
                    format!("{before}\"{behind}"),
                    format!("{before}@!x{behind}"),
                ] {
                    shown += shows_none(&damaged, language);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 3_000, "{checked}");
    assert!(shown > 4_000, "{shown}");
}
