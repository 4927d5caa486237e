//! Values of several shapes: texts, lists of texts, lists written as one text.

use super::Build;
use crate::diag::Span;
use crate::json::{Node, Value};
use crate::spec::At;
use crate::spec::cloud_config::Raw;

/// The text of a scalar as it was written.
pub(super) fn text(node: &Node) -> Option<At<String>> {
    let value = match &node.value {
        Value::String(text) | Value::Plain(text) | Value::Number(text) => text.clone(),
        Value::Bool(on) => on.to_string(),
        Value::Binary(bytes) => String::from_utf8(bytes.clone()).ok()?,
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(At {
        value,
        span: Some(node.span),
    })
}

/// Where a value stands, if it is there.
pub(super) fn span(raw: &Option<Raw>) -> Option<Span> {
    raw.as_ref().map(|raw| raw.0.span)
}

impl Build<'_> {
    /// The texts of a list, of one text, or of the values of a mapping.
    pub(super) fn texts(&mut self, node: &Node, what: &str) -> Vec<At<String>> {
        let list: Vec<&Node> = match &node.value {
            Value::Null => Vec::new(),
            Value::Array(items) => items.iter().collect(),
            Value::Object(members) => members.iter().map(|member| &member.value).collect(),
            _ => vec![node],
        };
        let mut found = Vec::new();
        for item in list {
            match text(item) {
                Some(text) => found.push(text),
                None => self.report.error(
                    item.span,
                    format!("{what} is a text, this is {}", item.value.kind()),
                ),
            }
        }
        found
    }

    /// Names in a list, in one text with commas, or as the keys of a mapping.
    pub(super) fn names(&mut self, node: &Node, what: &str) -> Vec<At<String>> {
        if let Value::Object(members) = &node.value {
            let key = |member: &crate::json::Member| At {
                value: member.key.clone(),
                span: Some(member.key_span),
            };
            return members.iter().map(key).collect();
        }
        self.texts(node, what).iter().flat_map(split).collect()
    }
}

/// The names in one text with commas.
pub(super) fn split(text: &At<String>) -> Vec<At<String>> {
    let names = text.value.split(',').map(str::trim);
    names
        .filter(|name| !name.is_empty())
        .map(|name| At {
            value: name.to_owned(),
            span: text.span,
        })
        .collect()
}
