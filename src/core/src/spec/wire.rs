//! What every wire type can do: be decoded from a spanned tree, be encoded again, be merged.

use std::borrow::Cow;
use std::collections::HashMap;
use std::slice::Iter;

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::diag::{self, Diagnostic, Report, Severity, Span, nearest};
use crate::json::{Member, Node, Value};
use crate::yaml;

/// A scalar and the place where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands; `None` for values that pilotlight made itself.
    pub span: Option<Span>,
}

impl<T> At<T> {
    /// A value that no source wrote.
    pub fn new(value: T) -> Self {
        Self { value, span: None }
    }
}

/// How a config language speaks of its versions, for messages.
#[derive(Debug)]
pub struct Dialect {
    /// The language at a minor version: "version 3.4.0".
    pub version: fn(u8) -> String,
    /// How to ask for a minor version: "set ignition.version to \"3.4.0\"".
    pub ask: fn(u8) -> String,
    /// Whether keys in another case than the specification's are taken, as Go's JSON decoder does.
    pub any_case: bool,
    /// Whether people write it in YAML: an empty item of a list is none there, and modes are octal.
    pub yaml: bool,
    /// How a key of the declaration is written.
    pub spelling: fn(&'static str) -> Cow<'static, str>,
}

/// Keys that are written as they are declared.
pub(super) fn as_declared(key: &'static str) -> Cow<'static, str> {
    Cow::Borrowed(key)
}

/// What decoding needs to know and reports to.
#[derive(Debug)]
pub struct Decoder<'a> {
    /// The language.
    pub dialect: &'static Dialect,
    /// Minor version of the spec that the text claims to be, as the declaration counts them.
    pub minor: u8,
    /// Findings.
    pub report: &'a mut Report,
}

/// JSON text as it is written, and where the values in it come from.
#[derive(Debug, Default)]
pub struct Encoded {
    /// The text: compact, members in the order of the declaration.
    pub text: Vec<u8>,
    /// Where a value begins in the text, in bytes, and the place that it was read from. Unsorted.
    pub places: Vec<(u32, Span)>,
}

impl Encoded {
    /// Notes that what begins here in the text was read from this place.
    fn note(&mut self, begins: usize, span: Option<Span>) {
        let begins = u32::try_from(begins).unwrap_or(u32::MAX);
        self.places.extend(span.map(|span| (begins, span)));
    }

    /// Begins a member or an item of what begins at `start`; answers how long the text is without it.
    fn next(&mut self, start: usize) -> usize {
        let before = self.text.len();
        if before > start + 1 {
            self.text.push(b',');
        }
        before
    }

    /// Ends what begins at `start`; without anything in it it is left out.
    fn end(&mut self, start: usize, bracket: u8) -> bool {
        let holds = self.text.len() > start + 1;
        match holds {
            true => self.text.push(bracket),
            false => self.text.truncate(start),
        }
        holds
    }

    /// Encodes one field into the object that the text ends in; `start` is where the object begins.
    #[inline(never)]
    pub(super) fn field<T: Wire>(&mut self, start: usize, key: &str, value: &T) {
        let before = self.next(start);
        self.text.push(b'"');
        self.text.extend_from_slice(key.as_bytes());
        self.text.extend_from_slice(b"\":");
        if !value.encode(self) {
            self.text.truncate(before);
        }
    }

    /// Ends the object that begins at `start`; one without members is left out.
    pub(super) fn end_object(&mut self, start: usize, span: Option<Span>) -> bool {
        let holds = self.end(start, b'}');
        self.note(start, span.filter(|_| holds));
        holds
    }
}

/// A value as a JSON tree; `None` where there is nothing to write.
pub fn tree<T: Wire>(value: &T) -> Option<Json> {
    let mut encoded = Encoded::default();
    value.encode(&mut encoded);
    serde_json::from_slice(&encoded.text).ok()
}

/// A type of a config language.
pub trait Wire: Sized {
    /// Reads a value; on a wrong type reports it and answers `None`.
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self>;
    /// Reads a value into one that says nothing yet; `false` on a wrong type. A large type is not moved about then.
    fn decode_into(&mut self, node: &Node, cx: &mut Decoder<'_>) -> bool {
        let value = Self::decode(node, cx);
        let whole = value.is_some();
        if let Some(value) = value {
            *self = value;
        }
        whole
    }
    /// Writes the value and notes its places; `false` where there is nothing to write.
    fn encode(&self, out: &mut Encoded) -> bool;
    /// Ignition's merge, into the parent: the child's word counts where it says something.
    fn merge(&mut self, child: Self);
    /// What identifies the value in a keyed list; `None` in lists that are concatenated.
    fn key(&self) -> Option<String> {
        None
    }
    /// Whether merging the value in means removing the parent's (HTTP headers without a value).
    fn removes(&self) -> bool {
        false
    }
    /// Where the value says something; `None` where it says nothing.
    fn said(&self) -> Option<Option<Span>>;
    /// Finds what is said by fields that a minor version does not have yet.
    fn newer_than(&self, minor: u8, found: &mut Vec<Newer>);
    /// The JSON schema of the type at a minor version.
    fn schema(minor: u8) -> Json;
}

/// Something that a config says and an older version cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newer {
    /// Where it is said.
    pub span: Option<Span>,
    /// What it is, for messages: `"kernelArguments"`.
    pub what: String,
    /// The first minor version that can say it.
    pub since: u8,
}

/// Scalars: what may stand as a single JSON value.
pub trait Scalar: Sized + Clone + Serialize {
    /// How the type is called in messages.
    const NAME: &'static str;
    /// How JSON Schema calls it.
    const SCHEMA: &'static str;
    /// Reads the value.
    fn read(value: &Value) -> Option<Self>;
    /// The value as a key of a list.
    fn as_key(&self) -> String;
}

impl Scalar for String {
    const NAME: &'static str = "a string";
    const SCHEMA: &'static str = "string";
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) | Value::Plain(text) => Some(text.clone()),
            // Of a field that is absence; of an entry in a list it is Go's empty string.
            Value::Null => Some(String::new()),
            Value::Binary(bytes) => String::from_utf8(bytes.clone()).ok(),
            _ => None,
        }
    }
    fn as_key(&self) -> String {
        self.clone()
    }
}

impl Scalar for bool {
    const NAME: &'static str = "true or false";
    const SCHEMA: &'static str = "boolean";
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(b) => Some(*b),
            Value::Plain(text) => yaml::boolean(text),
            _ => None,
        }
    }
    fn as_key(&self) -> String {
        self.to_string()
    }
}

impl Scalar for i64 {
    const NAME: &'static str = "a whole number";
    const SCHEMA: &'static str = "integer";
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Number(text) => text.parse().ok(),
            Value::Plain(text) => yaml::integer(text),
            _ => None,
        }
    }
    fn as_key(&self) -> String {
        self.to_string()
    }
}

impl<T: Scalar> Wire for At<T> {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let value = T::read(&node.value);
        if value.is_none() {
            no_scalar(node, T::NAME, T::SCHEMA, cx);
        }
        Some(Self {
            value: value?,
            span: Some(node.span),
        })
    }
    fn encode(&self, out: &mut Encoded) -> bool {
        out.note(out.text.len(), self.span);
        // Memory takes every write, and scalars have no keys that JSON cannot write.
        let _ = serde_json::to_writer(&mut out.text, &self.value);
        true
    }
    fn merge(&mut self, child: Self) {
        *self = child;
    }
    fn key(&self) -> Option<String> {
        Some(self.value.as_key())
    }
    fn said(&self) -> Option<Option<Span>> {
        Some(self.span)
    }
    fn newer_than(&self, _minor: u8, _found: &mut Vec<Newer>) {}
    fn schema(_minor: u8) -> Json {
        json!({ "type": T::SCHEMA })
    }
}

/// Reports what is not of a scalar's type.
fn no_scalar(node: &Node, name: &str, schema: &str, cx: &mut Decoder<'_>) {
    let message = format!("expected {name}, found {}", node.value.kind());
    let mut diagnostic = Diagnostic::error(node.span, message);
    // A mode in quotes is the usual slip; what it is in decimal works in every language.
    if let (Value::String(text), "integer") = (&node.value, schema)
        && let Some(number) = yaml::integer(text)
    {
        // YAML has octal numbers.
        let number = match cx.dialect.yaml {
            true => text.clone(),
            false => number.to_string(),
        };
        diagnostic = diagnostic.help(format!("write it without quotes: {number}"));
    } else if let (Value::String(text) | Value::Plain(text), "integer") = (&node.value, schema)
        && let Some(mib) = mib(text)
    {
        diagnostic = diagnostic.help(format!("write it in MiB, without a unit: {mib}"));
    }
    cx.report.push(diagnostic);
}

/// The MiB of a size with a unit, as people write it: `10GB`, `512MiB`.
fn mib(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "m" | "mb" | "mib" => 1,
        "g" | "gb" | "gib" => 1 << 10,
        "t" | "tb" | "tib" => 1 << 20,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Lets a schema's type be `null` too, which Go's decoder takes for absent.
pub(super) fn nullable(mut schema: Json) -> Json {
    if let Some(name) = schema["type"].as_str() {
        schema["type"] = json!([name, "null"]);
    }
    schema
}

/// `null` is absent, as in Go's decoder.
impl<T: Wire> Wire for Option<T> {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        match node.value {
            Value::Null => Some(None),
            _ => T::decode(node, cx).map(Some),
        }
    }
    fn encode(&self, out: &mut Encoded) -> bool {
        self.as_ref().is_some_and(|value| value.encode(out))
    }
    #[inline(never)]
    fn merge(&mut self, child: Self) {
        match (self.as_mut(), child) {
            (_, None) => {}
            (Some(parent), Some(child)) => parent.merge(child),
            (None, child) => *self = child,
        }
    }
    fn said(&self) -> Option<Option<Span>> {
        self.as_ref()?.said()
    }
    fn newer_than(&self, minor: u8, found: &mut Vec<Newer>) {
        if let Some(value) = self {
            value.newer_than(minor, found);
        }
    }
    fn schema(minor: u8) -> Json {
        nullable(T::schema(minor))
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        // Every item is looked at, so that one report names all that is wrong.
        let mut decoded = Some(Vec::new());
        for item in items(node, cx)? {
            match (T::decode(item, cx), &mut decoded) {
                (Some(item), Some(list)) => list.push(item),
                (None, _) => decoded = None,
                (Some(_), None) => {}
            }
        }
        decoded
    }
    fn encode(&self, out: &mut Encoded) -> bool {
        let start = out.text.len();
        out.text.push(b'[');
        for item in self {
            let before = out.next(start);
            // An item that says nothing is left out, and those behind it move up.
            if !item.encode(out) {
                out.text.truncate(before);
            }
        }
        out.end(start, b']')
    }
    /// Keyed lists merge entries of equal key in the parent's position and append the rest; lists
    /// without keys are concatenated (ignition config/merge).
    fn merge(&mut self, child: Self) {
        if self.is_empty() {
            *self = child;
            return;
        }
        let places = places(&mut self.iter().map(Wire::key));
        let mut merged: Vec<Option<T>> = self.drain(..).map(Some).collect();
        for item in child {
            let twin = item.key().and_then(|key| places.get(&key).copied());
            match twin {
                Some(at) if item.removes() => merged[at] = None,
                Some(at) => match &mut merged[at] {
                    Some(old) => old.merge(item),
                    removed => *removed = Some(item),
                },
                // One that finds nothing to remove stays: it may have a parent further up.
                None => merged.push(Some(item)),
            }
        }
        self.extend(merged.into_iter().flatten());
    }
    fn said(&self) -> Option<Option<Span>> {
        self.iter().find_map(Wire::said)
    }
    fn newer_than(&self, minor: u8, found: &mut Vec<Newer>) {
        for item in self {
            item.newer_than(minor, found);
        }
    }
    fn schema(minor: u8) -> Json {
        json!({ "type": ["array", "null"], "items": T::schema(minor) })
    }
}

/// What a list says; what is no list is reported.
fn items<'n>(node: &'n Node, cx: &mut Decoder<'_>) -> Option<Vec<&'n Node>> {
    match &node.value {
        Value::Null => Some(Vec::new()),
        Value::Array(items) => {
            let is_said = |item: &&Node| !cx.dialect.yaml || item.value != Value::Null;
            Some(items.iter().filter(is_said).collect())
        }
        other => {
            let message = format!("expected an array, found {}", other.kind());
            let help = match cx.dialect.yaml {
                true => {
                    "write it as a list, each item on a line of its own that begins with a hyphen and a blank"
                }
                false => "write it in brackets, also where there is one item only",
            };
            cx.report
                .push(Diagnostic::error(node.span, message).help(help));
            None
        }
    }
}

/// Where each key stands first in a list.
fn places(keys: &mut dyn Iterator<Item = Option<String>>) -> HashMap<String, usize> {
    let mut places = HashMap::new();
    for (at, key) in keys.enumerate() {
        if let Some(key) = key {
            places.entry(key).or_insert(at);
        }
    }
    places
}

/// A value of several shapes, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw(pub Node);

impl Wire for Raw {
    fn decode(node: &Node, _: &mut Decoder<'_>) -> Option<Self> {
        Some(Self(node.clone()))
    }
    fn encode(&self, _: &mut Encoded) -> bool {
        false
    }
    fn merge(&mut self, child: Self) {
        *self = child;
    }
    fn said(&self) -> Option<Option<Span>> {
        Some(Some(self.0.span))
    }
    fn newer_than(&self, _minor: u8, _found: &mut Vec<Newer>) {}
    fn schema(_minor: u8) -> Json {
        json!({})
    }
}

/// A list whose entries are concatenated on merge and may repeat, whatever their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concat<T>(pub Vec<T>);

impl<T> Default for Concat<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Wire> Wire for Concat<T> {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        Vec::decode(node, cx).map(Self)
    }
    fn encode(&self, out: &mut Encoded) -> bool {
        self.0.encode(out)
    }
    fn merge(&mut self, child: Self) {
        self.0.extend(child.0);
    }
    fn said(&self) -> Option<Option<Span>> {
        self.0.said()
    }
    fn newer_than(&self, minor: u8, found: &mut Vec<Newer>) {
        self.0.newer_than(minor, found);
    }
    fn schema(minor: u8) -> Json {
        Vec::<T>::schema(minor)
    }
}

/// A field of a struct in its declaration.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) json: &'static str,
    pub(super) since: u8,
}

/// Finds the members of an object that belong to each field, and reports those that belong to none.
///
/// Keys in the wrong case and duplicates are accepted as Go's decoder accepts them, with a warning.
pub(super) fn members<'n>(
    node: &'n Node,
    what: &str,
    fields: &[Field],
    cx: &mut Decoder<'_>,
) -> Option<Vec<Option<Cow<'n, Node>>>> {
    let Value::Object(list) = &node.value else {
        if node.value != Value::Null {
            let message = format!("expected an object ({what}), found {}", node.value.kind());
            let spelling = |field: &Field| (cx.dialect.spelling)(field.json);
            let known: Vec<Cow<'static, str>> = fields.iter().map(spelling).collect();
            let is_contents = known.iter().any(|key| key == "source" || key == "inline");
            let help = match (is_contents, cx.dialect.yaml) {
                (true, true) if known.iter().any(|key| key == "inline") => {
                    "write inline: and the text, on a line of its own below this key".into()
                }
                (true, false) => {
                    "write {\"source\": \"data:,\"} with the text behind the comma".into()
                }
                _ => format!("{what} knows: {}", known.join(", ")),
            };
            cx.report
                .push(Diagnostic::error(node.span, message).help(help));
            return None;
        }
        return Some(fields.iter().map(|_| None).collect());
    };
    let mut found: Vec<Option<Cow<'n, Node>>> = fields.iter().map(|_| None).collect();
    for member in list {
        let Some(at) = field_of(member, what, fields, cx) else {
            continue;
        };
        found[at] = Some(match found[at].take() {
            None => Cow::Borrowed(&member.value),
            Some(earlier) => {
                cx.report.push(
                    Diagnostic::warning(
                        member.key_span,
                        format!("key {:?} stands here a second time", member.key),
                    )
                    .help("keep one of the two: of single values the later one counts"),
                );
                combine(earlier, &member.value)
            }
        });
    }
    Some(found)
}

/// Where keys belong that people put somewhere else, without their underscores.
const ABOVE: &[(&str, &str)] = &[
    (
        "storage",
        "disks raid luks filesystems files directories links trees",
    ),
    ("an entry of storage.disks", "partitions wipetable"),
    ("systemd", "units"),
    ("an entry of systemd.units", "dropins"),
    ("passwd", "users groups"),
    ("an entry of passwd.users", "sshauthorizedkeys passwordhash"),
    ("ignition", "config timeouts security proxy"),
    ("ignition.config", "merge replace append"),
    ("ignition.security", "tls"),
    ("ignition.security.tls", "certificateauthorities"),
    ("contents", "inline local source compression verification"),
    (
        TOP,
        "ignition storage passwd systemd kernelarguments bootdevice",
    ),
];

/// What messages call the whole config.
const TOP: &str = "the config";

fn field_of(member: &Member, what: &str, fields: &[Field], cx: &mut Decoder<'_>) -> Option<usize> {
    let spelling = |field: &Field| (cx.dialect.spelling)(field.json);
    let exact = fields
        .iter()
        .position(|field| spelling(field) == member.key);
    let at = exact.or_else(|| {
        fields
            .iter()
            .position(|field| field.json.eq_ignore_ascii_case(&member.key))
            .filter(|_| cx.dialect.any_case)
    });
    let Some(at) = at else {
        if cx.report.is_full(Severity::Warning) {
            return None;
        }
        let known: Vec<Cow<'static, str>> = fields
            .iter()
            .filter(|field| field.since <= cx.minor)
            .map(spelling)
            .collect();
        let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
        let above = ABOVE.iter().find(|(_, keys)| {
            let mut keys = keys.split_ascii_whitespace();
            keys.any(|key| key.eq_ignore_ascii_case(&member.key.replace('_', "")))
        });
        let help = match (nearest(&member.key, &known), above) {
            (Some(name), _) => format!("did you mean {name:?}?"),
            (None, Some((TOP, _))) if what != TOP => "it belongs at the top of the config".into(),
            (None, Some((place, _))) if !what.ends_with(place) => {
                format!("it belongs into {place}")
            }
            _ => format!("{what} knows: {}", known.join(", ")),
        };
        cx.report.push(
            Diagnostic::warning(
                member.key_span,
                format!(
                    "unknown key {} in {what}: it has no effect",
                    diag::key(&member.key)
                ),
            )
            .help(help),
        );
        return None;
    };
    if fields[at].since > cx.minor {
        cx.report.push(
            Diagnostic::warning(
                member.key_span,
                format!(
                    "key {:?} is not part of {}: it has no effect",
                    member.key,
                    (cx.dialect.version)(cx.minor)
                ),
            )
            .help((cx.dialect.ask)(fields[at].since)),
        );
        return None;
    }
    if exact.is_none() {
        cx.report.warning(
            member.key_span,
            format!(
                "key {:?} is spelt {:?} in the specification",
                member.key,
                (cx.dialect.spelling)(fields[at].json)
            ),
        );
    }
    Some(at)
}

/// Go's decoder fills the same struct twice: objects combine, everything else is replaced.
fn combine<'n>(earlier: Cow<'n, Node>, later: &'n Node) -> Cow<'n, Node> {
    match (&earlier.value, &later.value) {
        (Value::Object(_), Value::Object(more)) => {
            let mut whole = earlier.into_owned();
            whole.span = later.span;
            if let Value::Object(members) = &mut whole.value {
                members.extend(more.iter().cloned());
            }
            Cow::Owned(whole)
        }
        (_, Value::Null) => earlier,
        _ => Cow::Borrowed(later),
    }
}

/// One field of [`Wire::decode_into`]: it stays the default where the object does not have it.
///
/// Not inlined: there are hundreds of fields and a dozen types, and the binary is to be small.
#[inline(never)]
pub(super) fn field<T: Wire>(
    found: &mut Iter<'_, Option<Cow<'_, Node>>>,
    cx: &mut Decoder<'_>,
    whole: &mut bool,
    value: &mut T,
) {
    if let Some(member) = next(found) {
        *whole &= value.decode_into(member, cx);
    }
}

/// The member of the next field.
#[inline(never)]
fn next<'m>(found: &mut Iter<'m, Option<Cow<'_, Node>>>) -> Option<&'m Node> {
    found.next()?.as_deref()
}

/// One field of [`Wire::newer_than`].
#[inline(never)]
pub(super) fn field_newer_than<T: Wire>(
    name: &str,
    since: u8,
    value: &T,
    minor: u8,
    found: &mut Vec<Newer>,
) {
    if since <= minor {
        return value.newer_than(minor, found);
    }
    if let Some(span) = value.said() {
        found.push(Newer {
            span,
            what: format!("{name:?}"),
            since,
        });
    }
}

/// One field of [`Wire::schema`]. Any may be `null`, which says nothing.
#[inline(never)]
pub(super) fn field_schema<T: Wire>(
    name: &str,
    since: u8,
    minor: u8,
    properties: &mut Map<String, Json>,
) {
    if since <= minor {
        properties.insert(name.into(), nullable(T::schema(minor)));
    }
}

/// The schema of a struct, under the name that messages have for it.
pub(super) fn object_schema(title: &str, properties: Map<String, Json>) -> Json {
    json!({
        "title": title,
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

/// Declares a wire struct.
///
/// `struct Name "what it is called" key(self => expr) { "jsonName" since N field: Type, … }`
macro_rules! wire {
    ($(
        $(#[$meta:meta])*
        struct $name:ident $what:literal $(key($this:ident => $key:expr))? $(removes($that:ident => $removes:expr))? {
            $( $json:literal since $since:literal $field:ident : $ty:ty ),* $(,)?
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $name {
            /// Where the object stands.
            pub at: Option<$crate::diag::Span>,
            $(
                #[doc = concat!("`", $json, "`, since minor version ", stringify!($since), ".")]
                pub $field: $ty,
            )*
        }

        impl $crate::spec::wire::Wire for $name {
            fn decode(
                node: &$crate::json::Node,
                cx: &mut $crate::spec::wire::Decoder<'_>,
            ) -> Option<Self> {
                let mut value = Self::default();
                $crate::spec::wire::Wire::decode_into(&mut value, node, cx).then_some(value)
            }
            fn decode_into(
                &mut self,
                node: &$crate::json::Node,
                cx: &mut $crate::spec::wire::Decoder<'_>,
            ) -> bool {
                const FIELDS: &[$crate::spec::wire::Field] = &[
                    $( $crate::spec::wire::Field { json: $json, since: $since } ),*
                ];
                let Some(found) = $crate::spec::wire::members(node, $what, FIELDS, cx) else {
                    return false;
                };
                let mut found = found.iter();
                let mut whole = true;
                self.at = Some(node.span);
                $( $crate::spec::wire::field(&mut found, cx, &mut whole, &mut self.$field); )*
                whole
            }
            fn encode(&self, out: &mut $crate::spec::wire::Encoded) -> bool {
                let start = out.text.len();
                out.text.push(b'{');
                $( out.field(start, $json, &self.$field); )*
                out.end_object(start, self.at)
            }
            fn merge(&mut self, child: Self) {
                self.at = child.at.or(self.at);
                $( $crate::spec::wire::Wire::merge(&mut self.$field, child.$field); )*
            }
            fn said(&self) -> Option<Option<$crate::diag::Span>> {
                let mut said = None;
                $( said = said.or_else(|| $crate::spec::wire::Wire::said(&self.$field)); )*
                said.map(|first| self.at.or(first))
            }
            fn newer_than(&self, minor: u8, found: &mut Vec<$crate::spec::wire::Newer>) {
                $( $crate::spec::wire::field_newer_than($json, $since, &self.$field, minor, found); )*
            }
            fn schema(minor: u8) -> serde_json::Value {
                let mut properties = serde_json::Map::new();
                $( $crate::spec::wire::field_schema::<$ty>($json, $since, minor, &mut properties); )*
                $crate::spec::wire::object_schema($what, properties)
            }
            $( fn key(&self) -> Option<String> { let $this = self; $key } )?
            $( fn removes(&self) -> bool { let $that = self; $removes } )?
        }
    )*};
}
pub(super) use wire;
