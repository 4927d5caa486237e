//! Contents that stand in the config or in local files, as the `data:` URLs that Ignition takes.

use std::io::Write as _;

use crate::dataurl;
use crate::diag::{Diagnostic, Span};
use crate::spec::At;
use crate::spec::butane::Resource;
use crate::spec::v3;
use crate::translate::{Translation, at};

/// Makes resources and texts, and reports what cannot be had.
pub(super) struct Contents<'a, 't> {
    pub(super) cx: &'a mut Translation<'t>,
    /// Whether contents are compressed where that is shorter.
    pub(super) packs: bool,
}

impl Contents<'_, '_> {
    pub(super) fn resources(&mut self, list: Vec<Resource>) -> Vec<v3::Resource> {
        list.into_iter()
            .map(|resource| self.resource(resource))
            .collect()
    }

    pub(super) fn resource(&mut self, from: Resource) -> v3::Resource {
        let mut made = v3::Resource {
            at: from.at,
            source: from.source,
            compression: from.compression,
            http_headers: from.http_headers,
            verification: from.verification,
        };
        let stated = [
            ("source", made.source.as_ref().map(|at| at.span)),
            ("inline", from.inline.as_ref().map(|at| at.span)),
            ("local", from.local.as_ref().map(|at| at.span)),
        ];
        let stated: Vec<_> = stated
            .into_iter()
            .filter_map(|(name, place)| place.map(|place| (name, place)))
            .collect();
        if let [(first, there), (second, here), ..] = stated.as_slice() {
            self.cx.report.push(
                Diagnostic::error(*here, format!("{second} is stated beside {first}"))
                    .other(*there, "the other one is at")
                    .help("contents come from one of source, inline and local"),
            );
            return made;
        }
        let (bytes, span) = match (from.inline, from.local) {
            (Some(text), _) => (text.value.into_bytes(), text.span),
            (None, Some(file)) => match self.cx.local(&file) {
                Some(bytes) => (bytes, file.span),
                None => return made,
            },
            (None, None) => return made,
        };
        self.embed(&bytes, span, &mut made);
        made
    }

    /// Puts contents into a resource, compressed where that is shorter and the user has not compressed
    /// them already.
    pub(super) fn embed(&mut self, bytes: &[u8], span: Option<Span>, made: &mut v3::Resource) {
        let given = made.compression.as_ref();
        let mut url = dataurl::shortest(bytes);
        if given.is_none_or(|given| given.value.is_empty()) {
            // Said even where there is none, so that no other config's compression is inherited.
            let mut compression = "";
            if let Some(packed) = self.packs.then(|| gzip(bytes)).flatten()
                && let packed = dataurl::encode(&packed)
                && packed.len() + "gzip".len() < url.len()
            {
                url = packed;
                compression = "gzip";
            }
            made.compression = at(compression.to_string(), span);
        }
        made.at = made.at.or(span);
        made.source = at(url, span);
    }

    /// The contents of a local file that must be text.
    pub(super) fn local_text(&mut self, name: &At<String>) -> Option<String> {
        match String::from_utf8(self.cx.local(name)?) {
            Ok(text) => Some(text),
            Err(_) => {
                self.cx.report.error(
                    name.span,
                    format!("the local file {:?} is not UTF-8 text", name.value),
                );
                None
            }
        }
    }

    /// A text that stands in the config or in a local file.
    pub(super) fn text(
        &mut self,
        inline: Option<At<String>>,
        local: Option<At<String>>,
    ) -> Option<At<String>> {
        let Some(local) = local.filter(|local| !local.value.is_empty()) else {
            return inline;
        };
        if let Some(inline) = inline {
            self.cx.report.push(
                Diagnostic::error(local.span, "contents_local is stated beside contents")
                    .other(inline.span, "the other one is at")
                    .help("keep one of the two"),
            );
            return Some(inline);
        }
        let text = self.local_text(&local)?;
        at(text, local.span)
    }
}

/// The same bytes for the same contents, on every machine and at every time.
fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let level = flate2::Compression::best();
    let mut encoder = flate2::GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(Vec::new(), level);
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}
