//! User data as clouds deliver it → the text of one config: gzip, base64 and MIME are taken off.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::bufread::GzDecoder;

use super::language;
use super::part::{MAX_PARTS, Part, Stated};
use super::{MAX_CONFIG, archive, mime};
use crate::dataurl::unbase64;
use crate::diag::{Diagnostic, Report, Sources, Span};

/// How often user data may be wrapped. Tools wrap twice: MIME in gzip.
const MAX_LAYERS: usize = 4;
/// How many gzip streams may follow each other. Setting one up costs more than its 20 bytes.
const MAX_STREAMS: usize = 256;
const GZIP: &[u8] = &[0x1f, 0x8b];

/// A config within user data.
#[derive(Debug)]
pub(super) struct UserData<'a> {
    /// The name for diagnostics; it says what was taken off.
    pub(super) name: String,
    /// The text of the config; empty for no config.
    pub(super) text: Cow<'a, str>,
    /// What its wrapping says of it, where the text itself does not.
    pub(super) stated: Stated,
}

/// One wrapping taken off.
struct Peeled {
    /// What it was: "gzip".
    layer: String,
    inside: Vec<u8>,
    stated: Option<Stated>,
}

impl Peeled {
    fn of(part: Part) -> Self {
        Self {
            layer: part.label,
            inside: part.body,
            stated: Some(part.stated),
        }
    }
}

/// Takes all wrappings off; a message holds several configs, others one. The bytes of all texts together are at most
/// as many as those of a config.
pub(super) fn unpack<'a>(
    sources: &mut Sources,
    name: &str,
    bytes: &'a [u8],
    report: &mut Report,
) -> Result<Vec<UserData<'a>>, Diagnostic> {
    let mut unpacking = Unpacking {
        sources,
        report,
        name,
        room: MAX_CONFIG,
        found: Vec::new(),
    };
    unpacking.layer(&mut Vec::new(), Cow::Borrowed(bytes), Stated::default())?;
    Ok(unpacking.found)
}

/// Wrappings being taken off.
struct Unpacking<'a, 's> {
    sources: &'s mut Sources,
    report: &'s mut Report,
    name: &'s str,
    /// How many bytes all that is still to be found may have.
    room: usize,
    found: Vec<UserData<'a>>,
}

impl<'a> Unpacking<'a, '_> {
    /// Takes off what is around the data, below the layers that were taken off already.
    fn layer(
        &mut self,
        layers: &mut Vec<String>,
        data: Cow<'a, [u8]>,
        stated: Stated,
    ) -> Result<(), Diagnostic> {
        let name = self.name;
        let shown = match layers.as_slice() {
            [] => name.to_owned(),
            layers => format!("{name} (unpacked from {})", layers.join(", ")),
        };
        if data.len() > self.room {
            return Err(nowhere(self.sources, &shown, too_large()));
        }
        let Some(peeled) = peel(self.sources, &shown, &data, self.room, self.report)? else {
            if self.found.len() == MAX_PARTS {
                let message = format!("the user data has more than {} parts", MAX_PARTS);
                return Err(nowhere(self.sources, &shown, message));
            }
            self.room -= data.len();
            let text = text(data).map_err(|message| nowhere(self.sources, &shown, message))?;
            // A text that says its language itself has the last word, as in cloud-init.
            let language = stated.language.filter(|_| !language::is_certain(&text));
            self.found.push(UserData {
                name: shown,
                text,
                stated: Stated { language, ..stated },
            });
            return Ok(());
        };
        if layers.len() == MAX_LAYERS {
            let message = format!("the user data is wrapped more than {MAX_LAYERS} times");
            return Err(nowhere(self.sources, &shown, message));
        }
        for part in peeled {
            layers.push(part.layer);
            let stated = part.stated.unwrap_or_else(|| stated.clone());
            self.layer(layers, Cow::Owned(part.inside), stated)?;
            layers.pop();
        }
        Ok(())
    }
}

/// Takes off the outermost wrapping; `None` where there is none. Only messages have more than one part, or none.
fn peel(
    sources: &mut Sources,
    shown: &str,
    data: &[u8],
    room: usize,
    report: &mut Report,
) -> Result<Option<Vec<Peeled>>, Diagnostic> {
    let plain = |layer: &str, inside| {
        Some(vec![Peeled {
            layer: layer.to_owned(),
            inside,
            stated: None,
        }])
    };
    if data.starts_with(GZIP) {
        return match gunzip(data, room) {
            Ok(inside) => Ok(plain("gzip", inside)),
            Err(message) => Err(nowhere(sources, shown, message)),
        };
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return Ok(None);
    };
    if let Some(message) = mime::message(text) {
        let source = sources.add(shown, text);
        let parts = mime::configs(&message, text, source, report)?;
        return Ok(Some(parts.into_iter().map(Peeled::of).collect()));
    }
    if archive::is_one(text) {
        let source = sources.add(shown, text);
        let parts = archive::parts(source, text, report)?;
        return Ok(Some(parts.into_iter().map(Peeled::of).collect()));
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
fn gunzip(data: &[u8], room: usize) -> Result<Vec<u8>, String> {
    let mut inside = Vec::new();
    let mut rest = data;
    for _ in 0..MAX_STREAMS {
        let left = room - inside.len() + 1;
        let mut stream = GzDecoder::new(rest).take(left as u64);
        stream
            .read_to_end(&mut inside)
            .map_err(|_| "the user data is gzip, but damaged or cut off".to_owned())?;
        if inside.len() > room {
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
