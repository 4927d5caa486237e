//! JSON text → a tree in which every value and key knows where it stands (RFC 8259).
//!
//! serde_json drops duplicate keys and positions; operators need both, so the tree is our own.
//! Depth and number of values are bounded; size is bounded by the caller, who read the text.

use crate::decimal;
use crate::diag::{self, Diagnostic, SourceId, Span};
use crate::hex;

/// How deep values may nest. Ignition configs reach 8.
pub const MAX_DEPTH: usize = 128;

/// How many values a config may hold. Configs of whole clusters reach some ten thousand.
pub const MAX_NODES: usize = 1 << 20;

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where the value stands.
    pub span: Span,
    /// The value.
    pub value: Value,
}

/// A JSON value. Numbers keep their text: the schema decides what they may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as written.
    Number(String),
    /// A string, unescaped.
    String(String),
    /// A scalar of YAML without quotes: its field decides whether it is a string, number or boolean.
    Plain(String),
    /// Bytes, which only YAML can write (`!!binary`).
    Binary(Vec<u8>),
    /// An array.
    Array(Vec<Node>),
    /// An object with its members in order, duplicates included.
    Object(Vec<Member>),
}

/// One member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The key, unescaped.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// Its value.
    pub value: Node,
}

impl Value {
    /// What kind of value it is, for messages: "a string".
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Plain(text) if matches!(text.as_str(), "true" | "false") => "a boolean",
            Value::Plain(text) if decimal::is_float(text) => "a number",
            Value::Plain(_) => "a string",
            Value::Binary(_) => "binary data",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        }
    }
}

/// Parses one JSON document. The error names line and column through its span.
pub fn parse(source: SourceId, text: &str) -> Result<Node, Diagnostic> {
    let mut parser = Parser {
        source,
        text,
        at: 0,
        nodes: 0,
    };
    // A byte order mark is what some editors on Windows put first; it carries no meaning.
    if text.starts_with('\u{feff}') {
        parser.at = 3;
    }
    parser.space();
    let node = parser.value(0)?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.error_here("unexpected text after the end of the config"));
    }
    Ok(node)
}

struct Parser<'a> {
    source: SourceId,
    text: &'a str,
    at: usize,
    nodes: usize,
}

impl Parser<'_> {
    fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes().get(self.at).copied()
    }

    fn span(&self, start: usize) -> Span {
        let clip = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span {
            source: self.source,
            start: clip(start),
            end: clip(self.at),
        }
    }

    fn error_here(&self, message: impl Into<String>) -> Diagnostic {
        let clip = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let span = Span {
            source: self.source,
            start: clip(self.at),
            end: clip(self.at + 1),
        };
        Diagnostic::error(span, message)
    }

    /// What stands here, for messages.
    fn found(&self) -> String {
        match self
            .text
            .get(self.at..)
            .and_then(|rest| rest.chars().next())
        {
            None => "the end of the config".into(),
            Some(c) => format!("{c:?}"),
        }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Diagnostic> {
        if depth > MAX_DEPTH {
            return Err(self.error_here(format!("values nest deeper than {MAX_DEPTH} levels")));
        }
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(self.error_here(format!("the config holds more than {MAX_NODES} values")));
        }
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Value::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            _ => {
                let found = self.found();
                return Err(self.error_here(format!("expected a JSON value, found {found}")));
            }
        };
        Ok(Node {
            span: self.span(start),
            value,
        })
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Diagnostic> {
        if self.bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.error_here(format!("expected a JSON value such as {word}")))
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Diagnostic> {
        self.at += 1;
        let mut members = Vec::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                let found = self.found();
                let mut error =
                    self.error_here(format!("expected a key in double quotes, found {found}"));
                if found == "'}'" {
                    error = error.help("remove the comma before this brace");
                }
                return Err(error);
            }
            let start = self.at;
            let key = self.string()?;
            let key_span = self.span(start);
            self.space();
            if self.peek() != Some(b':') {
                let found = self.found();
                return Err(self.error_here(format!(
                    "expected ':' after the key {}, found {found}",
                    diag::key(&key)
                )));
            }
            self.at += 1;
            self.space();
            let value = self.value(depth + 1)?;
            members.push(Member {
                key,
                key_span,
                value,
            });
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(members));
                }
                _ => {
                    let found = self.found();
                    return Err(self
                        .error_here(format!("expected ',' or '}}' in an object, found {found}")));
                }
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Diagnostic> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            self.space();
            items.push(self.value(depth + 1)?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::Array(items));
                }
                _ => {
                    let found = self.found();
                    return Err(
                        self.error_here(format!("expected ',' or ']' in an array, found {found}"))
                    );
                }
            }
        }
    }

    fn number(&mut self) -> Result<Value, Diagnostic> {
        let start = self.at;
        let digits = |parser: &mut Self| {
            let from = parser.at;
            while matches!(parser.peek(), Some(b'0'..=b'9')) {
                parser.at += 1;
            }
            parser.at > from
        };
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leading_zero = self.peek() == Some(b'0');
        let whole = self.at;
        if !digits(self) {
            return Err(self.error_here("expected a digit"));
        }
        if leading_zero && self.at - whole > 1 {
            self.at = whole;
            return Err(self
                .error_here("a JSON number may not begin with 0")
                .help("JSON knows no octal numbers: write file modes in decimal (0644 is 420)"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !digits(self) {
                return Err(self.error_here("expected a digit after the decimal point"));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !digits(self) {
                return Err(self.error_here("expected a digit in the exponent"));
            }
        }
        Ok(Value::Number(self.text[start..self.at].to_string()))
    }

    fn string(&mut self) -> Result<String, Diagnostic> {
        let start = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.bytes()[self.at..];
            let Some(stop) = rest
                .iter()
                .position(|b| *b == b'"' || *b == b'\\' || *b < 0x20)
            else {
                self.at = start;
                return Err(self.error_here("this string never ends"));
            };
            out.push_str(&self.text[self.at..self.at + stop]);
            self.at += stop;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => self.escape(&mut out)?,
                _ => {
                    return Err(self
                        .error_here("a control character may not stand in a string")
                        .help("write a line break as \\n"));
                }
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), Diagnostic> {
        let simple = match self.bytes().get(self.at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.unit(self.at + 2)?;
                self.at += 6;
                // A lone surrogate becomes U+FFFD, as in Go's decoder.
                let mut decoded = char::from_u32(first).unwrap_or('\u{fffd}');
                if (0xd800..0xdc00).contains(&first) && self.bytes()[self.at..].starts_with(b"\\u")
                {
                    let second = self.unit(self.at + 2)?;
                    if (0xdc00..0xe000).contains(&second) {
                        self.at += 6;
                        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                        decoded = char::from_u32(code).unwrap_or('\u{fffd}');
                    }
                }
                out.push(decoded);
                return Ok(());
            }
            _ => return Err(self.error_here("unknown escape in a string")),
        };
        out.push(simple);
        self.at += 2;
        Ok(())
    }

    fn unit(&self, at: usize) -> Result<u32, Diagnostic> {
        self.bytes()
            .get(at..at + 4)
            .and_then(hex::decode)
            .map(|bytes| u32::from(u16::from_be_bytes(bytes)))
            .ok_or_else(|| self.error_here("\\u needs four hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Sources;

    fn fails(text: &str) -> String {
        let mut sources = Sources::default();
        let id = sources.add("c.ign", text);
        let error = parse(id, text).unwrap_err();
        let place = sources.place(error.span.unwrap());
        format!("{}:{} {}", place.line, place.column, error.message)
    }

    #[test]
    fn agrees_with_serde_json_on_what_is_json() {
        for text in [
            "{}",
            "[]",
            " [1, -2.5e+3 ,true,null] ",
            r#"{"a":{"b":["c"]}}"#,
            r#""\u00e9\ud83d\ude00\n""#,
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "1.",
            "nul",
            "\"\u{1}\"",
            "{\"a\" 1}",
            "1 2",
            "-",
            "\"\\x\"",
        ] {
            let ours = parse(SourceId(0), text).is_ok();
            assert_eq!(
                ours,
                serde_json::from_str::<serde_json::Value>(text).is_ok(),
                "{text:?}"
            );
        }
    }

    #[test]
    fn errors_name_line_and_column() {
        assert_eq!(
            fails("{\n \"a\": 1,\n}"),
            "3:1 expected a key in double quotes, found '}'"
        );
        assert_eq!(
            fails("{\"mode\": 0644}"),
            "1:10 a JSON number may not begin with 0"
        );
        assert_eq!(
            fails("{\"a\": \"x\n\"}"),
            "1:9 a control character may not stand in a string"
        );
        assert_eq!(
            fails("{\"a\": {"),
            "1:8 expected a key in double quotes, found the end of the config"
        );
    }

    #[test]
    fn depth_is_bounded() {
        assert!(fails(&"[".repeat(100_000)).contains("nest deeper than 128"));
    }

    #[test]
    fn keys_and_values_know_their_place() {
        let node = parse(SourceId(7), r#"{"a": [10]}"#).unwrap();
        let Value::Object(members) = node.value else {
            panic!()
        };
        assert_eq!((members[0].key_span.start, members[0].key_span.end), (1, 4));
        assert_eq!(
            (members[0].value.span.start, members[0].value.span.end),
            (6, 10)
        );
        assert_eq!(members[0].value.span.source, SourceId(7));
    }
}
