//! Changes of one value of a config, most of which make it wrong.

use serde_json::{Value, json};

/// The pointers to all values.
pub fn walk(value: &Value, pointer: String, places: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(i, v)| (i.to_string(), v))
            .collect(),
        _ => Vec::new(),
    };
    for (step, child) in children {
        let pointer = format!("{pointer}/{step}");
        places.push(pointer.clone());
        walk(child, pointer, places);
    }
}

/// A change of the value at a pointer; `None` where it does not apply.
pub struct Change {
    /// What it makes of the value, for messages.
    pub name: &'static str,
    /// Makes it.
    pub make: fn(&mut Value, &str) -> Option<()>,
}

/// All changes.
pub const CHANGES: &[Change] = &[
    Change {
        name: "removed",
        make: |config, pointer| {
            let (parent, step) = pointer.rsplit_once('/')?;
            match config.pointer_mut(parent)? {
                Value::Object(members) => drop(members.remove(step)),
                Value::Array(items) => drop(items.remove(step.parse().ok()?)),
                _ => return None,
            }
            Some(())
        },
    },
    Change {
        name: "null",
        make: |config, pointer| {
            *config.pointer_mut(pointer)? = Value::Null;
            Some(())
        },
    },
    Change {
        name: "of another type",
        make: |config, pointer| {
            let value = config.pointer_mut(pointer)?;
            *value = match value {
                Value::String(_) => json!(7),
                Value::Object(_) => json!([]),
                Value::Array(_) => json!({}),
                _ => json!("x"),
            };
            Some(())
        },
    },
    Change {
        name: "empty",
        make: |config, pointer| {
            let value = config.pointer_mut(pointer)?;
            *value = match value {
                Value::String(_) => json!(""),
                Value::Object(_) => json!({}),
                Value::Array(_) => json!([]),
                _ => return None,
            };
            Some(())
        },
    },
    Change {
        name: "turned round",
        make: |config, pointer| {
            let value = config.pointer_mut(pointer)?;
            *value = match value {
                Value::Bool(flag) => json!(!*flag),
                Value::Number(_) => json!(-1),
                Value::String(text) => json!(text.chars().rev().collect::<String>()),
                _ => return None,
            };
            Some(())
        },
    },
    Change {
        name: "twice",
        make: |config, pointer| {
            let copy = config.pointer(pointer)?.clone();
            let (parent, _) = pointer.rsplit_once('/')?;
            config.pointer_mut(parent)?.as_array_mut()?.push(copy);
            Some(())
        },
    },
    Change {
        name: "misspelt",
        make: |config, pointer| {
            let (parent, step) = pointer.rsplit_once('/')?;
            let members = config.pointer_mut(parent)?.as_object_mut()?;
            let value = members.remove(step)?;
            members.insert(format!("{step}x"), value);
            Some(())
        },
    },
];
