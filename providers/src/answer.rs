//! Reading answers: which status is absence, and which fields a JSON text has.

use std::net::IpAddr;
use std::time::Duration;

use pilotlight_core::diag::Sources;
use pilotlight_core::http::Reply;
use pilotlight_core::json::{Node, Value as Tree};
use serde_json::Value;

use crate::UserConfig;
use crate::host::{Ask, Host, HostError, Patience};

/// How long metadata is asked for, each part of it: nothing of it is worth a boot.
const NOT_VITAL: Duration = Duration::from_secs(30);

/// How many addresses of a kind an interface has at most.
pub(crate) const MAX_ADDRESSES: usize = 1024;
/// Longest address, in bytes: that of IPv6 with an IPv4 tail (RFC 4291, 2.2) and the length of a prefix.
pub(crate) const MAX_ADDRESS: usize = 49;
/// How much of a text is told, in characters.
const SHOWN: usize = 64;

/// An ask of which the boot does not depend.
pub(crate) fn bounded(mut ask: Ask) -> Ask {
    ask.patience.bound = ask.patience.bound.or(Some(NOT_VITAL));
    ask
}

/// An answer with a body, or that there is none: 404. Everything else is broken.
pub(crate) fn present(ask: &Ask, reply: Reply) -> Result<Option<Vec<u8>>, HostError> {
    match reply.status {
        200..=299 => Ok(Some(reply.body)),
        404 => Ok(None),
        status => Err(refused(ask, status)),
    }
}

/// What an answer is that has no meaning.
pub(crate) fn refused(ask: &Ask, status: u16) -> HostError {
    HostError::Broken(format!("{} answers {status}", ask.shown()))
}

/// Asks for something that may be absent.
pub(crate) async fn fetch(host: &impl Host, ask: &Ask) -> Result<Option<Vec<u8>>, HostError> {
    present(ask, host.http(ask).await?)
}

/// The same as a user config, named by its URL.
pub(crate) async fn config(host: &impl Host, ask: &Ask) -> Result<Option<UserConfig>, HostError> {
    let found = fetch(host, ask).await?;
    Ok(found.map(|bytes| UserConfig {
        name: ask.shown(),
        bytes,
    }))
}

/// The same where the service gives it in base64, in which it was given to it.
pub(crate) async fn encoded_config(
    host: &impl Host,
    ask: &Ask,
) -> Result<Option<UserConfig>, HostError> {
    let Some(found) = config(host, ask).await? else {
        return Ok(None);
    };
    let bytes = decode(&String::from_utf8_lossy(&found.bytes)).map_err(|why| {
        HostError::Broken(format!(
            "while reading the user data of {}: {why}",
            found.name
        ))
    })?;
    Ok((!bytes.is_empty()).then_some(UserConfig { bytes, ..found }))
}

/// Base64, in which white space may stand.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, String> {
    use base64::Engine as _;
    let bare: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let engine = base64::engine::general_purpose::STANDARD;
    engine
        .decode(bare)
        .map_err(|error| format!("it is not base64: {error}"))
}

/// Asks a platform at each of its addresses in turn until one answers, and says at which. How long that may take
/// is the caller's business: for ever on a first boot.
///
/// A machine may have only one of the two protocols, and neither knows that before its network is complete: so
/// no address is waited for alone. The first one is the one that more machines have.
pub(crate) async fn first_of<'a>(
    host: &impl Host,
    bases: &[&'a str],
    ask: impl Fn(&str) -> Ask,
) -> Result<(&'a str, Ask, Reply), HostError> {
    let mut bound = Duration::from_secs(3);
    loop {
        for base in bases {
            let ask = Ask {
                direct: true,
                ..ask(base)
            };
            let ask = ask.patient(Patience {
                bound: Some(bound),
                ..Patience::default()
            });
            match host.http(&ask).await {
                Ok(reply) => return Ok((base, ask, reply)),
                Err(HostError::Silent(_)) => {}
                Err(error) => return Err(error),
            }
        }
        bound = Duration::from_secs(10);
    }
}

/// Text of an answer that should be text.
pub(crate) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).trim().to_string()
}

/// JSON of bounded depth (serde_json stops at 128 levels).
pub(crate) fn json(what: &str, bytes: &[u8]) -> Result<Value, HostError> {
    serde_json::from_slice(bytes).map_err(|error| {
        // The error of the parser quotes nothing of the text.
        HostError::Broken(format!("{what} is not the JSON that it should be: {error}"))
    })
}

/// YAML as the same kind of value; scalars without quotation marks are texts, and of a key that stands twice the
/// last one counts.
pub(crate) fn yaml(what: &str, bytes: &[u8]) -> Result<Value, HostError> {
    yaml_with(what, bytes, Value::String)
}

/// The same with a meaning of what is not quoted.
pub(crate) fn yaml_with(
    what: &str,
    bytes: &[u8],
    plain: fn(String) -> Value,
) -> Result<Value, HostError> {
    let text = String::from_utf8_lossy(bytes);
    let source = Sources::default().add(what, "");
    match pilotlight_core::yaml::parse(source, &text) {
        Ok(node) => Ok(value_of(node, plain)),
        Err(_) => Err(HostError::Broken(format!(
            "{what} is not the YAML that it should be"
        ))),
    }
}

/// Parts of a JSON value by their pointers (RFC 6901), with the objects that hold them.
pub(crate) fn parts(all: &Value, pointers: &[&str]) -> Value {
    let mut kept = Value::Object(serde_json::Map::new());
    for pointer in pointers {
        let Some(found) = all.pointer(pointer) else {
            continue;
        };
        let mut place = &mut kept;
        for key in pointer.split('/').skip(1) {
            // A number of a list is a key here, which no pointer of ours has.
            place = &mut place[key];
        }
        *place = found.clone();
    }
    kept
}

/// The parser has bounded depth and number.
fn value_of(node: Node, plain: fn(String) -> Value) -> Value {
    match node.value {
        Tree::Plain(text) => plain(text),
        Tree::String(text) | Tree::Number(text) => Value::String(text),
        Tree::Bool(truth) => Value::Bool(truth),
        Tree::Array(list) => list.into_iter().map(|one| value_of(one, plain)).collect(),
        Tree::Object(members) => {
            let members = members.into_iter();
            members
                .map(|member| (member.key, value_of(member.value, plain)))
                .collect()
        }
        Tree::Null | Tree::Binary(_) => Value::Null,
    }
}

/// An address in its normal form (RFC 5952), without the length of its network; `None` where it is none.
pub(crate) fn address(text: &str) -> Option<String> {
    let bare = text.split('/').next().unwrap_or_default();
    let parsed = bare.trim().parse::<IpAddr>().ok()?;
    Some(parsed.to_string())
}

/// A text or number at a JSON pointer (RFC 6901), if it is there and not empty.
pub(crate) fn at(value: &Value, pointer: &str) -> Option<String> {
    let text = match value.pointer(pointer)? {
        Value::String(text) => text.trim().to_string(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// The elements of an array at a JSON pointer; none if it is no array.
pub(crate) fn each<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> {
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .take(pilotlight_core::model::metadata::MAX_INTERFACES * 16)
}

/// The texts of an array at a JSON pointer.
pub(crate) fn texts<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v str> {
    each(value, pointer).filter_map(Value::as_str)
}

/// The same of a JSON text; `None` where it is none.
pub(crate) fn parts_of(document: &str, pointers: &[&str]) -> Option<String> {
    let all: Value = serde_json::from_slice(document.as_bytes()).ok()?;
    Some(parts(&all, pointers).to_string())
}

/// A boolean as Go writes it (strconv.ParseBool), in any case; `None` where it is none.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" => Some(true),
        "0" | "f" | "false" => Some(false),
        _ => None,
    }
}

/// The last part of a path such as `projects/1/zones/z`.
pub(crate) fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The beginning of a text: enough to find it by.
pub(crate) fn shown(text: &str) -> &str {
    let end = text.char_indices().nth(SHOWN).map(|(at, _)| at);
    &text[..end.unwrap_or(text.len())]
}
