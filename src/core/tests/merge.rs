//! What holds for merging whatever the configs are.
//!
//! Merging is associative but for three things, in which Ignition's is not either:
//! - a header without a value removes the parent's, but says nothing once it has removed something;
//! - of files, directories and links with one path the child's takes the place of the parent's, and
//!   nothing of the grandparent's comes back when its child takes the place again;
//! - kernel arguments that move to the other list and back lose their position.
#![allow(clippy::unwrap_used, clippy::panic)]

use pilotlight_core::diag::Sources;
use pilotlight_core::merge::configs;
use pilotlight_core::spec::v3::Config;
use pilotlight_core::{cache, convert};
use random::{KITCHEN, thin, vary};
use serde_json::{Value, json};

mod random;

/// A part of the kitchen, other values in it, in another order of its lists.
fn config(dice: Vec<u8>, odds: u8) -> Config {
    let mut dice = dice.into_iter();
    let mut config: Value = serde_json::from_str(KITCHEN).unwrap();
    thin(&mut config, &mut dice, odds);
    vary(&mut config, &mut dice);
    turn(&mut config, usize::from(dice.next().unwrap_or(0)));
    decoded(&config)
}

fn turn(value: &mut Value, by: usize) {
    match value {
        Value::Object(members) => members.values_mut().for_each(|member| turn(member, by)),
        Value::Array(items) => {
            if let Some(by) = by.checked_rem(items.len()) {
                items.rotate_left(by);
            }
            items.iter_mut().for_each(|item| turn(item, by));
        }
        _ => {}
    }
}

fn decoded(config: &Value) -> Config {
    cache::decode(&mut Sources::default(), "c", config.to_string(), None).unwrap()
}

fn said(config: &Config) -> Value {
    convert::to_version(config, 7).unwrap()
}

#[test]
fn merging_is_associative_and_the_empty_config_is_neutral() {
    let each = || (random::dice(), 4u8..120);
    let run = random::runner(400).run(&(each(), each(), each()), |(a, b, c)| {
        let [a, b, c] = [a, b, c].map(|(dice, odds)| config(dice, odds));
        let left = configs(configs(a.clone(), b.clone()), c.clone());
        let right = configs(a.clone(), configs(b, c));
        proptest::prop_assert_eq!(said(&left), said(&right));
        let empty = Config::default();
        proptest::prop_assert_eq!(said(&configs(a.clone(), empty.clone())), said(&a));
        proptest::prop_assert_eq!(said(&configs(empty, a.clone())), said(&a));
        Ok(())
    });
    run.unwrap();
}

/// The exceptions are exceptions: were they none any more, the property above could say more.
#[test]
fn where_merging_is_not_associative() {
    let storage = |section: &str, entry: Value| json!({"storage": {section: [entry]}});
    let header = |header: Value| {
        let contents = json!({"source": "http://a/", "httpHeaders": [header]});
        storage("files", json!({"path": "/a", "contents": contents}))
    };
    for [a, b, c] in [
        [
            header(json!({"name": "A", "value": "1"})),
            header(json!({"name": "A", "value": "2"})),
            header(json!({"name": "A"})),
        ],
        [
            storage("files", json!({"path": "/a", "mode": 420})),
            storage("links", json!({"path": "/a", "target": "/b"})),
            storage("files", json!({"path": "/a", "overwrite": false})),
        ],
        [
            json!({"kernelArguments": {"shouldExist": ["a", "b"]}}),
            json!({"kernelArguments": {"shouldNotExist": ["a"]}}),
            json!({"kernelArguments": {"shouldExist": ["a"]}}),
        ],
    ] {
        let [a, b, c] = [a, b, c].map(|config| decoded(&config));
        let left = configs(configs(a.clone(), b.clone()), c.clone());
        let right = configs(a, configs(b, c));
        assert_ne!(said(&left), said(&right));
    }
}
