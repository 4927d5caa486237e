//! URLs as they may be shown.

use reqwest::Url;

/// `url` without its secrets: no password, no query values (signed URLs keep their signature there), no
/// fragment; a `data:` URL is shown by its length, and what is no URL by its scheme and length.
pub fn redact(url: &str) -> String {
    if pilotlight_core::dataurl::is_data_url(url) {
        return format!("data:,… ({} bytes)", url.len());
    }
    match Url::parse(url) {
        Ok(url) => redact_url(&url),
        Err(_) => {
            let scheme = url
                .split_once("://")
                .map(|(scheme, _)| scheme)
                .filter(|scheme| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()))
                .map_or(String::new(), |scheme| format!("{scheme}://"));
            format!("{scheme}… ({} bytes)", url.len())
        }
    }
}

/// As [`redact`], of a parsed URL.
pub(crate) fn redact_url(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_fragment(None);
    shown.set_query(None);
    // Fails on URLs that cannot have a password, which is as good.
    if shown.password().is_some() {
        let _ = shown.set_password(Some("***"));
    }
    let mut shown = shown.to_string();
    if let Some(query) = url.query() {
        let parts: Vec<String> = query
            .split('&')
            .map(|part| match part.split_once('=') {
                Some((name, _)) => format!("{name}=…"),
                None => "…".to_owned(),
            })
            .collect();
        shown.push('?');
        shown.push_str(&parts.join("&"));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        for (url, shown) in [
            ("https://a.example/x", "https://a.example/x"),
            ("https://me:pw@a.example/x", "https://me:***@a.example/x"),
            ("https://me@a.example/x", "https://me@a.example/x"),
            (
                "https://a.example/x?sig=s3cret&t=1#frag",
                "https://a.example/x?sig=…&t=…",
            ),
            ("https://a.example/x?s3cret", "https://a.example/x?…"),
            ("https://me:pw/s3cret@a.example/", "https://… (31 bytes)"),
            ("data:,s3cret", "data:,… (12 bytes)"),
            ("DATA:,s3cret", "data:,… (12 bytes)"),
            ("s3://bucket/key?versionId=v", "s3://bucket/key?versionId=…"),
            ("arn:aws:s3:::b/k", "arn:aws:s3:::b/k"),
            ("not a url", "… (9 bytes)"),
            ("", "… (0 bytes)"),
        ] {
            assert_eq!(redact(url), shown);
        }
    }
}
