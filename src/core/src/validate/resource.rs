//! Resources: URLs, hashes, headers, proxies (types/resource.go, url.go, verification.go, proxy.go).

use super::check::{Check, Seen, Text};
use super::{source, url};
use crate::dataurl;
use crate::diag::Diagnostic;
use crate::model::{Compression, Digest, Resource, Scheme};
use crate::spec::At;
use crate::spec::v3;

impl Check<'_> {
    /// A list of resources that must each have a source.
    pub(super) fn resources(&mut self, list: &[v3::Resource], what: &str) -> Vec<Resource> {
        let mut seen = Seen::default();
        let mut parsed = Vec::new();
        for wire in list {
            if let Some(resource) = self.required_resource(wire, what) {
                self.unique_as(&mut seen, &resource.url, resource.at, || {
                    format!("the source {}", resource.shown())
                });
                parsed.push(resource);
            }
        }
        parsed
    }

    /// A resource that must have a source.
    pub(super) fn required_resource(
        &mut self,
        wire: &v3::Resource,
        what: &str,
    ) -> Option<Resource> {
        if wire
            .source
            .as_ref()
            .is_none_or(|source| source.value.is_empty())
        {
            self.report
                .error(wire.at, format!("{what}: the source is missing"));
            return None;
        }
        self.resource(wire)
    }

    /// A resource; `None` without a source.
    pub(super) fn resource(&mut self, wire: &v3::Resource) -> Option<Resource> {
        let digest = self.digest(wire);
        let compression = self.compression(&wire.compression);
        let headers = self.headers(&wire.http_headers);
        let Some(source) = &wire.source else {
            if let Some(header) = wire.http_headers.first() {
                self.report.push(
                    Diagnostic::error(header.at, "there are headers, but no source")
                        .help("add the source, or remove the headers"),
                );
            }
            if let Some(hash) = &wire.verification.hash {
                self.report.push(
                    Diagnostic::error(hash.span, "there is a hash, but no source")
                        .help("add the source, or remove the hash"),
                );
            }
            return None;
        };
        let scheme = match source::scheme(&source.value) {
            Ok(scheme) => scheme,
            Err(why) => {
                self.report.push(
                    Diagnostic::error(source.span, why)
                        .help("sources are URLs of http, https, tftp, s3, arn, gs, oem or data"),
                );
                return None;
            }
        };
        if let Some(why) = source::fault(scheme, &source.value) {
            self.report.error(source.span, why);
            return None;
        }
        if scheme.needs_network() && source.value.contains(' ') {
            self.report.push(
                Diagnostic::warning(source.span, "the URL holds a space").help("write it as %20"),
            );
        }
        if !headers.is_empty() && !matches!(scheme, Scheme::Http | Scheme::Https) {
            self.report.push(
                Diagnostic::error(
                    wire.http_headers.first().and_then(|header| header.at),
                    "only http and https requests have headers",
                )
                .help("remove the headers, or fetch from an http or https URL"),
            );
        }
        self.inherited(wire, source);
        Some(Resource {
            at: source.span.or(wire.at),
            url: source.value.as_str().into(),
            scheme,
            compression,
            headers,
            digest,
        })
    }

    /// A merged config that states another source keeps the compression and the hash of what it is merged
    /// into. Where the contents are at hand it is seen here that they do not fit.
    fn inherited(&mut self, wire: &v3::Resource, source: &At<String>) {
        let is_of_parent = |stated: &&At<String>| {
            !stated.value.is_empty()
                && (stated.span.zip(source.span))
                    .is_some_and(|(one, other)| one.source != other.source)
        };
        let compression = wire.compression.as_ref().filter(is_of_parent);
        let hash = wire.verification.hash.as_ref().filter(is_of_parent);
        if compression.is_none() && hash.is_none() {
            return;
        }
        let Ok(contents) = dataurl::decode(&source.value) else {
            return;
        };
        let mut found = |stated: &At<String>, what: &str, field: &str| {
            let message = format!(
                "the {what} is of contents that a merged config has replaced: it stays, and the new contents do not fit it"
            );
            self.report.push(
                Diagnostic::error(stated.span, message)
                    .other(source.span, "the new contents are at")
                    .help(format!("state {field} beside the new source")),
            );
        };
        let is_packed = contents.starts_with(&[0x1f, 0x8b]);
        if let Some(compression) = compression.filter(|_| !is_packed) {
            found(compression, "compression", "\"compression\": \"\"");
        }
        // The hash of packed contents is that of what is inside.
        if let Some(hash) = hash.filter(|_| {
            wire.compression
                .as_ref()
                .is_none_or(|at| at.value.is_empty())
        }) && let Ok(digest) = Digest::parse(&hash.value)
            && !digest.fits(&contents)
        {
            found(hash, "hash", "its own hash");
        }
    }

    fn digest(&mut self, wire: &v3::Resource) -> Option<Digest> {
        let hash = wire.verification.hash.as_ref()?;
        match Digest::parse(&hash.value) {
            Ok(digest) => Some(digest),
            Err(why) => {
                self.report.push(
                    Diagnostic::error(hash.span, why.to_string())
                        .help("write \"sha512-\" and the digits that sha512sum prints"),
                );
                None
            }
        }
    }

    fn compression(&mut self, wire: &Text) -> Compression {
        match wire.as_ref().map(|at| (at.value.as_str(), at.span)) {
            None | Some(("", _)) => Compression::None,
            Some(("gzip", _)) => Compression::Gzip,
            Some((other, span)) => {
                self.report.push(
                    Diagnostic::error(span, format!("unknown compression {other:?}"))
                        .help("gzip is known"),
                );
                Compression::None
            }
        }
    }

    fn headers(&mut self, list: &[v3::HttpHeader]) -> Vec<(String, String)> {
        let mut seen = Seen::default();
        let mut parsed = Vec::new();
        for wire in list {
            let Some(name) = self.required(&wire.name, wire.at, "the name of the HTTP header")
            else {
                continue;
            };
            self.unique(
                &mut seen,
                &name.value.to_lowercase(),
                name.span,
                "the HTTP header",
            );
            match &wire.value {
                Some(value) if value.value.is_empty() => {
                    self.report.error(
                        value.span,
                        format!("the HTTP header {:?} has an empty value", name.value),
                    );
                }
                Some(value)
                    if value.value.contains(['\r', '\n'])
                        || name.value.contains(['\r', '\n', ':', ' ']) =>
                {
                    self.report.error(
                        name.span,
                        "the HTTP header holds a character that headers may not hold",
                    );
                }
                Some(value) => parsed.push((name.value, value.value.clone())),
                // Without a value it removes the parent's header; merging has done that.
                None => {}
            }
        }
        parsed
    }

    /// A proxy's URL.
    pub(super) fn proxy(&mut self, wire: &Text) -> Option<String> {
        let found = wire.as_ref()?;
        if !is_web(&found.value) {
            self.report.push(
                Diagnostic::error(found.span, "a proxy is the URL of an HTTP server")
                    .help("write http://HOST:PORT or https://HOST:PORT"),
            );
            return None;
        }
        if let Some(why) = url::unreachable(&found.value) {
            self.report.error(found.span, why);
            return None;
        }
        Some(found.value.clone())
    }

    /// Hosts, domains and networks that are reached without a proxy.
    pub(super) fn no_proxy(&mut self, list: &[At<String>]) -> Vec<String> {
        for entry in list.iter().filter(|entry| entry.value.contains("://")) {
            self.report.push(
                Diagnostic::warning(
                    entry.span,
                    "an entry of noProxy is a host, not a URL: this one matches nothing",
                )
                .help("write the host alone, as in \"example.org\" or \"10.0.0.0/8\""),
            );
        }
        self.unique_words(list, "the entry", "noProxy")
    }

    /// The URL of a tang server.
    pub(super) fn tang_url(&mut self, found: &At<String>) {
        let why = match is_web(&found.value) {
            true => url::unreachable(&found.value),
            false => Some("a tang server is named by an http or https URL".into()),
        };
        if let Some(why) = why {
            self.report.error(found.span, why);
        }
    }
}

fn is_web(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}
