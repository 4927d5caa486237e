//! User data as clouds deliver it → the text of one config: gzip, base64 and MIME are taken off.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::bufread::GzDecoder;

use super::language::{self, Language};
use super::{MAX_CONFIG, mime};
use crate::dataurl::unbase64;
use crate::diag::{Diagnostic, Report, Sources, Span};

/// How often user data may be wrapped. Tools wrap twice: MIME in gzip.
const MAX_LAYERS: usize = 4;
/// How many gzip streams may follow each other. Setting one up costs more than its 20 bytes.
const MAX_STREAMS: usize = 256;
const GZIP: &[u8] = &[0x1f, 0x8b];

/// The config within user data.
#[derive(Debug)]
pub(super) struct UserData<'a> {
    /// The name for diagnostics; it says what was taken off.
    pub(super) name: String,
    /// The text of the config; empty for no config.
    pub(super) text: Cow<'a, str>,
    /// The language that its wrapping states, where the text itself does not.
    pub(super) language: Option<Language>,
}

/// One wrapping taken off.
struct Peeled {
    /// What it was: "gzip".
    layer: String,
    inside: Vec<u8>,
    language: Option<Language>,
}

/// Takes all wrappings off. The bytes are at most as many as the inside of each layer may be.
pub(super) fn unpack<'a>(
    sources: &mut Sources,
    name: &str,
    bytes: &'a [u8],
    report: &mut Report,
) -> Result<UserData<'a>, Diagnostic> {
    let mut layers: Vec<String> = Vec::new();
    let mut data = Cow::Borrowed(bytes);
    let mut stated = None;
    loop {
        let shown = match layers.as_slice() {
            [] => name.to_owned(),
            layers => format!("{name} (unpacked from {})", layers.join(", ")),
        };
        if data.len() > MAX_CONFIG {
            return Err(nowhere(sources, &shown, too_large()));
        }
        let Some(peeled) = peel(sources, &shown, &data, report)? else {
            let text = text(data).map_err(|message| nowhere(sources, &shown, message))?;
            // A text that says its language itself has the last word, as in cloud-init.
            let language = stated.filter(|_| !language::is_certain(&text));
            return Ok(UserData {
                name: shown,
                text,
                language,
            });
        };
        if layers.len() == MAX_LAYERS {
            let message = format!("the user data is wrapped more than {MAX_LAYERS} times");
            return Err(nowhere(sources, &shown, message));
        }
        layers.push(peeled.layer);
        data = Cow::Owned(peeled.inside);
        stated = peeled.language.or(stated);
    }
}

/// Takes off the outermost wrapping; `None` where there is none.
fn peel(
    sources: &mut Sources,
    shown: &str,
    data: &[u8],
    report: &mut Report,
) -> Result<Option<Peeled>, Diagnostic> {
    let plain = |layer: &str, inside| {
        Some(Peeled {
            layer: layer.to_owned(),
            inside,
            language: None,
        })
    };
    if data.starts_with(GZIP) {
        return match gunzip(data) {
            Ok(inside) => Ok(plain("gzip", inside)),
            Err(message) => Err(nowhere(sources, shown, message)),
        };
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return Ok(None);
    };
    if let Some(message) = mime::message(text) {
        let source = sources.add(shown, text);
        let part = mime::only_config(&message, text, source, report)?;
        return Ok(Some(Peeled {
            layer: part.label,
            inside: part.body,
            language: part.language,
        }));
    }
    Ok(base64(text).and_then(|inside| plain("base64", inside)))
}

fn too_large() -> String {
    format!(
        "the config is larger than {} MiB, the most that is read",
        MAX_CONFIG >> 20
    )
}

/// An error of data that have no lines to point at.
fn nowhere(sources: &mut Sources, shown: &str, message: String) -> Diagnostic {
    let span = Span {
        source: sources.add(shown, ""),
        start: 0,
        end: 0,
    };
    Diagnostic::error(span, message)
}

fn text(data: Cow<'_, [u8]>) -> Result<Cow<'_, str>, String> {
    let wrong = |at: usize| format!("the config is not UTF-8 text: byte {} is wrong", at + 1);
    match data {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|error| wrong(error.valid_up_to())),
        Cow::Owned(bytes) => String::from_utf8(bytes)
            .map(Cow::Owned)
            .map_err(|error| wrong(error.utf8_error().valid_up_to())),
    }
}

/// Inflates all streams of a gzip file, at most to the size of a config. Clouds that hand out whole
/// blocks leave zeros behind the last stream.
fn gunzip(data: &[u8]) -> Result<Vec<u8>, String> {
    let mut inside = Vec::new();
    let mut rest = data;
    for _ in 0..MAX_STREAMS {
        let room = MAX_CONFIG - inside.len() + 1;
        let mut stream = GzDecoder::new(rest).take(room as u64);
        stream
            .read_to_end(&mut inside)
            .map_err(|_| "the user data is gzip, but damaged or cut off".to_owned())?;
        if inside.len() > MAX_CONFIG {
            return Err(format!("unpacked from gzip, {}", too_large()));
        }
        rest = stream.into_inner().into_inner();
        if !rest.starts_with(GZIP) {
            break;
        }
    }
    match rest.iter().any(|byte| *byte != 0) {
        true => Err("something follows the gzip data that does not belong to it".to_owned()),
        false => Ok(inside),
    }
}

/// The bytes of a text that is base64 as a whole, if they are gzip or a config. No config consists
/// of these characters alone.
fn base64(text: &str) -> Option<Vec<u8>> {
    let of_alphabet = |byte: u8| {
        byte.is_ascii_alphanumeric() || b"+/=".contains(&byte) || byte.is_ascii_whitespace()
    };
    if !text.bytes().all(of_alphabet) {
        return None;
    }
    let inside = unbase64(text.as_bytes())?;
    let meant = inside.starts_with(GZIP)
        || std::str::from_utf8(&inside)
            .is_ok_and(|text| language::is_recognized(text) || mime::message(text).is_some());
    meant.then_some(inside)
}

#[cfg(test)]
#[path = "user_data_tests.rs"]
mod tests;
