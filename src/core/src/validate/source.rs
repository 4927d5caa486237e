//! URLs of sources, as far as a wrong one is found without fetching (types/url.go).

use super::url;
use crate::dataurl;
use crate::model::Scheme;

/// The scheme of a source, or why it has none that can be.
pub(super) fn scheme(url: &str) -> Result<Scheme, String> {
    if url.is_empty() {
        return Ok(Scheme::Empty);
    }
    let (scheme, rest) = url
        .split_once(':')
        .ok_or("the source is no URL: it has no scheme")?;
    Ok(match scheme.to_ascii_lowercase().as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        "tftp" => Scheme::Tftp,
        "s3" => Scheme::S3,
        "arn" => Scheme::Arn,
        "gs" => Scheme::Gs,
        "data" => Scheme::Data,
        "oem" => Scheme::Oem,
        other if rest.starts_with("//") => {
            return Err(format!("URLs of scheme {other:?} are not supported"));
        }
        // Anything may have a colon; it is not repeated.
        _ => return Err("the source is no URL of a scheme that is supported".into()),
    })
}

/// Why nothing can be had from a URL of a scheme.
pub(super) fn fault(scheme: Scheme, url: &str) -> Option<String> {
    let rest = url.split_once(':').map_or("", |(_, rest)| rest);
    let checked = match scheme {
        Scheme::Empty => Ok(()),
        // That the data decode is known now, not when the file is written.
        Scheme::Data => match dataurl::decode(url) {
            Ok(_) => Ok(()),
            Err(why) => Err(format!("the data URL is not valid: {why}")),
        },
        Scheme::Oem => oem(rest),
        Scheme::Http | Scheme::Https | Scheme::Tftp => {
            fetchable(url).and_then(|()| url::unreachable(url).map_or(Ok(()), Err))
        }
        Scheme::Gs => fetchable(url).and_then(|()| bucket(rest)),
        Scheme::S3 => fetchable(url)
            .and_then(|()| bucket(rest))
            .and_then(|()| version_id(rest)),
        Scheme::Arn => fetchable(url)
            .and_then(|()| arn(rest))
            .and_then(|()| version_id(rest)),
    };
    checked.err()
}

fn oem(rest: &str) -> Result<(), String> {
    match rest.strip_prefix("///") {
        Some(path) if !path.is_empty() && !path.split('/').any(|part| part == "..") => Ok(()),
        _ => Err("a file of the OEM partition is written oem:///PATH".into()),
    }
}

/// What has to be right of every URL that is fetched from a host. Blanks in the path are taken for `%20`,
/// as in Ignition.
fn fetchable(url: &str) -> Result<(), String> {
    if url.chars().any(char::is_control) {
        return Err("the URL holds a line break or another control character".into());
    }
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let mut escapes = path.split('%').skip(1);
    if !escapes.all(|escape| {
        let digits = escape.get(..2).unwrap_or_default();
        digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    }) {
        return Err("a '%' in the URL is not followed by two hexadecimal digits".into());
    }
    Ok(())
}

/// A bucket's name stands where the host does, by rules of its own.
fn bucket(rest: &str) -> Result<(), String> {
    match rest.strip_prefix("//") {
        Some(bucket) if !bucket.is_empty() && !bucket.starts_with('/') => Ok(()),
        _ => Err("the URL names no bucket".into()),
    }
}

/// `arn:PARTITION:s3:REGION:ACCOUNT:BUCKET/KEY` or `…:accesspoint/NAME/KEY`.
fn arn(rest: &str) -> Result<(), String> {
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let parts: Vec<&str> = rest.splitn(5, ':').collect();
    let object = match parts.as_slice() {
        [_, "s3", _, _, resource] => match resource.strip_prefix("accesspoint/") {
            Some(access_point) => access_point.split_once('/'),
            None => resource.split_once('/'),
        },
        _ => None,
    };
    match object {
        Some(_) => Ok(()),
        None => Err("the resource name is none of an object in S3".into()),
    }
}

/// A version that is asked for may not be empty.
fn version_id(rest: &str) -> Result<(), String> {
    let query = rest.split('#').next().unwrap_or_default().split_once('?');
    let mut fields = query
        .map(|(_, query)| query.split('&'))
        .into_iter()
        .flatten();
    match fields.find_map(|field| {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        (name == "versionId").then_some(value)
    }) {
        Some("") => Err("the versionId in the URL is empty".into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_cannot_be_are_told_apart() {
        for good in [
            "",
            "http://a",
            "HTTPS://u:p@a:8080/b%20c d?e=%zz#f",
            "http://[fe80::1]:80/",
            "tftp://a:69/b",
            "gs://bucket/object",
            "s3://bucket/key?versionId=a",
            "arn:aws:s3:::bucket/key",
            "arn:aws:s3:us-west-2:123456789012:accesspoint/name/some/object?versionId=a",
            "data:,x",
            "oem:///a/b",
        ] {
            assert_eq!(fault(scheme(good).unwrap(), good), None, "{good}");
        }
        for (bad, words) in [
            ("a", "no scheme"),
            ("bad://", "\"bad\""),
            ("user:password", "no URL of a scheme"),
            ("http:a", "no host"),
            ("http:///a", "no host"),
            ("http://:80/", "no host"),
            ("http://a b/", "character ' '"),
            ("http://a/\u{1}", "control"),
            ("http://[fe80::1/", "bracket"),
            ("s3:///key", "no bucket"),
            ("http://a:65536/", "port"),
            ("http://u:p@a:x/", "port"),
            ("http://a/%4", "'%'"),
            ("http://a/%é", "'%'"),
            ("s3://bucket/key?a=b&versionId=", "versionId"),
            ("s3://bucket/key?versionId", "versionId"),
            ("arn:", "resource name"),
            ("arn:aws:iam:us-west-2:123456789012:a/b", "resource name"),
            ("arn:aws:s3:::bucket", "resource name"),
            ("arn:aws:s3:::accesspoint/name", "resource name"),
            ("arn:aws:s3:::bucket/key?versionId=", "versionId"),
            ("data:x", "data URL"),
            ("oem://a", "oem:///PATH"),
        ] {
            let said = match scheme(bad) {
                Ok(scheme) => fault(scheme, bad).unwrap_or_default(),
                Err(why) => why,
            };
            assert!(said.contains(words), "{bad}: {said}");
        }
    }
}
