//! Several cloud-configs as one, by cloud-init's rules (cloudinit/mergers): those of the later one decide, which it
//! states as `merge_how` or in the header `Merge-Type` of its part. Without them its keys take the place of those
//! before it, whole.

use super::too_long;
use crate::diag::{Diagnostic, Report, Span};
use crate::json::{Member, Node, Value};
use crate::spec::At;

/// Keys by which a cloud-config states how it is merged; the first one counts.
const HOW: &[&str] = &["merge_how", "merge_type"];
const HELP: &str =
    "write merge_how: \"list(append)+dict(recurse_array)+str()\" into the later one to have both";

/// The cloud-configs so far, as one.
#[derive(Debug, Default)]
pub struct Merging {
    tree: Option<Node>,
    /// Whether it holds a list that is too long to be read.
    is_too_long: bool,
}

impl Merging {
    /// Adds the next one. `header` is what its part states.
    pub fn add(&mut self, mut part: Node, header: Option<&At<String>>, report: &mut Report) {
        if self.is_too_long {
            return;
        }
        if too_long(&part).is_some() {
            self.is_too_long = true;
            self.tree = Some(part);
            return;
        }
        let mut rules = Rules::default();
        let mut stated = false;
        if let Value::Object(members) = &mut part.value {
            for how in HOW {
                let key = |member: &Member| member.key.replace('-', "_") == *how;
                if let Some(index) = members.iter().position(key) {
                    let how = members.remove(index);
                    stated |= rules.read(&how.value, report);
                }
            }
        }
        if let Some(header) = header {
            stated |= rules.read_text(&header.value, header.span, report);
        }
        if !stated {
            rules = Rules::of_parts();
        }
        let Some(before) = self.tree.take() else {
            self.tree = Some(part);
            return;
        };
        if !stated {
            replaced(&before, &part, report);
        }
        self.tree = Some(match (&before.value, &part.value) {
            (Value::Null, _) => part,
            (_, Value::Null) => before,
            _ => rules.merge(before, part),
        });
    }

    /// All of them as one.
    pub fn merged(self) -> Option<Node> {
        self.tree
    }
}

/// Warns of what is lost where a part says nothing of merging.
fn replaced(before: &Node, part: &Node, report: &mut Report) {
    let (Value::Object(before), Value::Object(part)) = (&before.value, &part.value) else {
        return;
    };
    for member in part {
        let earlier = before.iter().find(|earlier| earlier.key == member.key);
        if let Some(earlier) = earlier.filter(|earlier| earlier.value.value != member.value.value) {
            let message = format!(
                "{} takes the place of what an earlier part says of it, as with cloud-init",
                crate::diag::key(&member.key)
            );
            report.push(
                Diagnostic::warning(member.key_span, message)
                    .other(Some(earlier.key_span), "said earlier at")
                    .help(HELP),
            );
        }
    }
}

/// What happens where a value meets another one under the same key, or at the same place of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Method {
    /// The later one counts.
    Replace,
    /// The earlier one counts.
    #[default]
    Keep,
    /// Both, the later one behind.
    Append,
    /// Both, the later one before.
    Prepend,
}

/// Which values are merged within.
#[derive(Debug, Clone, Copy, Default)]
struct Within {
    texts: bool,
    lists: bool,
    mappings: bool,
}

impl Within {
    fn holds(self, value: &Value) -> bool {
        match value {
            Value::Array(_) => self.lists,
            Value::String(_) | Value::Plain(_) => self.texts,
            Value::Object(_) => self.mappings,
            _ => false,
        }
    }
}

/// How kinds of values are merged; a kind without rules stays as it was.
#[derive(Debug, Default)]
struct Rules {
    mappings: Option<(Method, Within, bool)>,
    lists: Option<(Method, Within)>,
    /// Whether texts are joined.
    texts: Option<bool>,
}

impl Rules {
    /// What counts where nothing is stated: `dict(replace)+list()+str()`.
    fn of_parts() -> Self {
        let within = Within {
            mappings: true,
            ..Within::default()
        };
        Self {
            mappings: Some((Method::Replace, within, false)),
            lists: Some((Method::Replace, Within::default())),
            texts: Some(false),
        }
    }

    /// Reads the value of `merge_how`: a text, or a list of mappings with name and settings. Answers whether it
    /// states anything.
    fn read(&mut self, how: &Node, report: &mut Report) -> bool {
        let word = |node: &Node| match &node.value {
            Value::String(text) | Value::Plain(text) => Some(text.clone()),
            _ => None,
        };
        if let Some(text) = word(how) {
            return self.read_text(&text, Some(how.span), report);
        }
        let Value::Array(items) = &how.value else {
            if how.value != Value::Null {
                unknown(Some(how.span), report);
            }
            return false;
        };
        let mut any = false;
        for item in items {
            let field = |key: &str| match &item.value {
                Value::Object(members) => members
                    .iter()
                    .find(|member| member.key == key)
                    .map(|member| &member.value),
                _ => None,
            };
            let (name, settings) = match &item.value {
                Value::Array(words) => (words.first().and_then(word), words.get(1..)),
                _ => match field("settings").map(|node| &node.value) {
                    Some(Value::Array(words)) => {
                        (field("name").and_then(word), Some(words.as_slice()))
                    }
                    _ => (field("name").and_then(word), None),
                },
            };
            let options: Vec<String> = settings
                .unwrap_or_default()
                .iter()
                .filter_map(word)
                .collect();
            any |= self.set(&name.unwrap_or_default(), &options, Some(item.span), report);
        }
        any
    }

    /// Reads `list(append)+dict(recurse_array)+str()`.
    fn read_text(&mut self, text: &str, at: Option<Span>, report: &mut Report) -> bool {
        let mut any = false;
        for rule in text
            .split('+')
            .map(str::trim)
            .filter(|rule| !rule.is_empty())
        {
            let parts = rule.strip_suffix(')').and_then(|rule| rule.split_once('('));
            let (name, options) = parts.unwrap_or(("", ""));
            let options: Vec<String> = options
                .split(',')
                .map(|option| option.trim().to_ascii_lowercase())
                .filter(|option| !option.is_empty())
                .collect();
            any |= self.set(name, &options, at, report);
        }
        any
    }

    fn set(
        &mut self,
        name: &str,
        options: &[String],
        at: Option<Span>,
        report: &mut Report,
    ) -> bool {
        let has = |option: &str| {
            options
                .iter()
                .any(|known| known.replace('-', "_") == option)
        };
        let within = Within {
            texts: has("recurse_str"),
            lists: has("recurse_array") || has("recurse_list"),
            mappings: has("recurse_dict"),
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "dict" => {
                let method = match has("replace") {
                    true => Method::Replace,
                    false => Method::Keep,
                };
                // Mappings in mappings are always merged.
                let within = Within {
                    mappings: true,
                    ..within
                };
                self.mappings = Some((method, within, has("allow_delete")));
            }
            "list" => {
                let known = [
                    ("append", Method::Append),
                    ("prepend", Method::Prepend),
                    ("replace", Method::Replace),
                    ("no_replace", Method::Keep),
                ];
                let method = known.iter().find(|(option, _)| has(option));
                self.lists = Some((
                    method.map_or(Method::Replace, |(_, method)| *method),
                    within,
                ));
            }
            "str" => self.texts = Some(has("append")),
            _ => {
                unknown(at, report);
                return false;
            }
        }
        true
    }

    fn merge(&self, old: Node, new: Node) -> Node {
        let (at, later) = (old.span, new.span);
        let (span, value) = match (old.value, new.value) {
            (Value::Object(old), Value::Object(new)) => (at, Value::Object(self.mapping(old, new))),
            (Value::Array(old), new) => match (self.lists, new) {
                (Some((method, within)), Value::Array(new)) => {
                    (at, Value::Array(self.list(method, within, old, new)))
                }
                (Some((Method::Replace, _)), new) => (later, new),
                _ => (at, Value::Array(old)),
            },
            (Value::String(old) | Value::Plain(old), new) => match (self.texts, new) {
                (Some(true), Value::String(new) | Value::Plain(new)) => {
                    (at, Value::String(old + &new))
                }
                (Some(false), new) => (later, new),
                _ => (at, Value::String(old)),
            },
            (old, _) => (at, old),
        };
        Node { span, value }
    }

    fn mapping(&self, mut old: Vec<Member>, new: Vec<Member>) -> Vec<Member> {
        let Some((method, within, deletes)) = self.mappings else {
            return old;
        };
        for member in new {
            let Some(index) = old.iter().position(|known| known.key == member.key) else {
                old.push(member);
                continue;
            };
            if deletes && member.value.value == Value::Null {
                old.remove(index);
                continue;
            }
            let Some(known) = old.get_mut(index) else {
                continue;
            };
            if method == Method::Replace {
                *known = member;
            } else if within.holds(&member.value.value) {
                let before = taken(&mut known.value);
                known.value = self.merge(before, member.value);
            }
        }
        old
    }

    fn list(
        &self,
        method: Method,
        within: Within,
        mut old: Vec<Node>,
        mut new: Vec<Node>,
    ) -> Vec<Node> {
        match method {
            Method::Append => {
                old.append(&mut new);
                old
            }
            Method::Prepend => {
                new.append(&mut old);
                new
            }
            Method::Keep => old,
            Method::Replace => {
                for (known, later) in old.iter_mut().zip(new) {
                    *known = match within.holds(&later.value) {
                        true => self.merge(taken(known), later),
                        false => later,
                    };
                }
                old
            }
        }
    }
}

/// The node, with nothing in its place.
fn taken(node: &mut Node) -> Node {
    Node {
        span: node.span,
        value: std::mem::replace(&mut node.value, Value::Null),
    }
}

fn unknown(at: Option<Span>, report: &mut Report) {
    report.push(
        Diagnostic::warning(
            at,
            "this way to merge cloud-configs is not known: it has no effect",
        )
        .help("write list(…)+dict(…)+str(…), each with its settings"),
    );
}

#[cfg(test)]
#[path = "parts_tests.rs"]
mod tests;
