//! Random configs: parts of one that says everything, with other values here and there.
#![allow(dead_code)]

use proptest::strategy::Strategy;
use proptest::test_runner::{Config as Cases, RngSeed, TestRunner};
use serde_json::{Value, json};

/// A config of the newest version with several entries in every list.
pub const KITCHEN: &str = include_str!("../data/kitchen-3.7.ign");

/// Keys without which their objects mean nothing.
const NEEDED: &[&str] = &[
    "config",
    "device",
    "devices",
    "level",
    "name",
    "path",
    "pin",
    "source",
    "target",
    "thumbprint",
    "url",
    "value",
    "version",
];

/// Leaves out members and entries as the dice say; the dice that are left are for what follows.
pub fn thin(value: &mut Value, dice: &mut impl Iterator<Item = u8>, odds: u8) {
    match value {
        Value::Object(members) => {
            members.retain(|key, _| {
                NEEDED.contains(&key.as_str()) || dice.next().unwrap_or(0) >= odds
            });
            members
                .values_mut()
                .for_each(|member| thin(member, dice, odds));
        }
        Value::Array(items) => {
            items.retain(|_| dice.next().unwrap_or(0) >= odds);
            items.iter_mut().for_each(|item| thin(item, dice, odds));
        }
        _ => {}
    }
}

/// Gives numbers, flags and texts that are no keys of lists other values as the dice say.
pub fn vary(value: &mut Value, dice: &mut impl Iterator<Item = u8>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                // These are what entries of lists are known by.
                if ["name", "device", "path", "source", "url", "number", "label"]
                    .contains(&key.as_str())
                {
                    continue;
                }
                match member {
                    Value::String(text) => text.push_str(["", "x", "y"][die(dice)]),
                    Value::Bool(flag) => *flag ^= die(dice) == 1,
                    Value::Number(_) => *member = json!(die(dice)),
                    _ => vary(member, dice),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| vary(item, dice)),
        _ => {}
    }
}

fn die(dice: &mut impl Iterator<Item = u8>) -> usize {
    usize::from(dice.next().unwrap_or(0) % 3)
}

/// Enough dice for one config.
pub fn dice() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(proptest::num::u8::ANY, 600)
}

/// A runner of so many cases, the same ones in every run.
pub fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Cases {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(3),
        ..Cases::default()
    })
}
