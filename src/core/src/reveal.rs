//! What of a config may be shown with findings: the walk over its tree, by the keys that [`diag`](crate::diag) knows.

use crate::diag::{DEVICE, Shown, is_free, is_key, is_section, normal};
use crate::json::{Node, Value};
use crate::yaml;

/// Of a text that is this config.
pub fn of_tree(text: &str, tree: &Node) -> Shown {
    let mut shown = Shown::tree();
    walk(&mut shown, text, tree, "", true);
    shown.sorted()
}

/// Adds what stands below a key of which is known whether it is one of the language.
fn walk(shown: &mut Shown, text: &str, node: &Node, key: &str, is_known: bool) {
    match &node.value {
        Value::Array(items) => {
            for item in items {
                walk(shown, text, item, key, is_known);
            }
        }
        Value::Object(members) => {
            let is_known = is_known && (key.is_empty() || is_section(key));
            for member in members {
                let is_shown = is_known && (is_key(&member.key) || is_free(key));
                shown.key(member.key_span, is_shown);
                match is_free(key) {
                    true => walk(shown, text, &member.value, DEVICE, is_known),
                    false => walk(shown, text, &member.value, &normal(&member.key), is_known),
                }
            }
        }
        value => {
            let is_word = match value {
                Value::Null | Value::Bool(_) => true,
                Value::Plain(text) => yaml::boolean(text).is_some(),
                _ => false,
            };
            shown.scalar(text, node.span, key, (is_word, is_known));
        }
    }
}
