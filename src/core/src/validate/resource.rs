//! Resources: URLs, hashes, headers, proxies (types/resource.go, url.go, verification.go, proxy.go).

use super::check::{Check, Seen, Text};
use crate::diag::Diagnostic;
use crate::model::{Compression, Digest, Resource, Scheme};
use crate::spec::v3;

impl Check<'_> {
    /// A list of resources that must each have a source.
    pub(super) fn resources(&mut self, list: &[v3::Resource], what: &str) -> Vec<Resource> {
        let mut seen = Seen::default();
        let mut parsed = Vec::new();
        for wire in list {
            if let Some(source) = &wire.source {
                self.unique(&mut seen, &source.value, source.span, "the source");
            }
            parsed.extend(self.required_resource(wire, what));
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
            if let Some(hash) = &wire.verification.hash {
                self.report.push(
                    Diagnostic::error(hash.span, "there is a hash, but no source")
                        .help("add the source, or remove the hash"),
                );
            }
            return None;
        };
        let scheme = match scheme(&source.value) {
            Ok(scheme) => scheme,
            Err(why) => {
                self.report.push(
                    Diagnostic::error(source.span, why)
                        .help("sources are URLs of http, https, tftp, s3, arn, gs, oem or data"),
                );
                return None;
            }
        };
        if matches!(scheme, Scheme::S3 | Scheme::Arn) && compression == Compression::Gzip {
            self.report
                .error(source.span, "contents from S3 cannot be compressed");
        }
        // The config is right all the same: another agent may be meant to read it.
        if !super::is_supported(scheme) {
            self.report.push(
                Diagnostic::warning(
                    source.span,
                    "this version of pilotlight cannot fetch this URL yet and will refuse the config",
                )
                .help("it fetches http, https, oem and data URLs"),
            );
        }
        Some(Resource {
            at: source.span.or(wire.at),
            url: source.value.clone(),
            scheme,
            compression,
            headers,
            digest,
        })
    }

    fn digest(&mut self, wire: &v3::Resource) -> Option<Digest> {
        let hash = wire.verification.hash.as_ref()?;
        self.scalar(
            Digest::parse(&hash.value),
            hash.span,
            "the hash is not valid",
        )
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
        let found = wire.as_ref().filter(|at| !at.value.is_empty())?;
        if !(found.value.starts_with("http://") || found.value.starts_with("https://")) {
            self.report.push(
                Diagnostic::error(found.span, "a proxy is the URL of an HTTP server")
                    .help("write http://HOST:PORT or https://HOST:PORT"),
            );
            return None;
        }
        Some(found.value.clone())
    }
}

fn scheme(url: &str) -> Result<Scheme, String> {
    if url.is_empty() {
        return Ok(Scheme::Empty);
    }
    let (scheme, rest) = url
        .split_once(':')
        .ok_or_else(|| "the source is no URL: it has no scheme".to_string())?;
    let parsed = match scheme.to_ascii_lowercase().as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        "tftp" => Scheme::Tftp,
        "s3" => Scheme::S3,
        "arn" => Scheme::Arn,
        "gs" => Scheme::Gs,
        "data" => {
            // That the data decode is known now, not when the file is written.
            return match crate::dataurl::decode(url) {
                Ok(_) => Ok(Scheme::Data),
                Err(error) => Err(format!("the data URL is not valid: {error}")),
            };
        }
        "oem" => {
            return match rest.strip_prefix("///") {
                Some(path) if !path.is_empty() && !path.split('/').any(|part| part == "..") => {
                    Ok(Scheme::Oem)
                }
                _ => Err("a file of the OEM partition is written oem:///PATH".into()),
            };
        }
        other => return Err(format!("URLs of scheme {other:?} are not supported")),
    };
    if parsed == Scheme::Arn {
        return Ok(parsed);
    }
    let host = rest.strip_prefix("//").unwrap_or_default();
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() {
        return Err("the URL names no host".into());
    }
    let port = host
        .rsplit_once(':')
        .map(|(_, port)| port)
        .filter(|port| !port.contains(']'));
    if let Some(port) = port.filter(|port| !port.is_empty())
        && port.parse::<u16>().is_err()
    {
        return Err("the port of the URL is not a number from 0 to 65535".into());
    }
    if url.chars().any(|c| c.is_control() || c == ' ') {
        return Err("the URL holds a space or control character".into());
    }
    Ok(parsed)
}
