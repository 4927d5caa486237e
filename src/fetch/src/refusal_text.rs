//! What stores write when they refuse: small XML documents, of which a few words matter.

/// The text of the first element of a name in a document whose elements have no attributes.
pub(crate) fn element<'x>(xml: &'x str, name: &str) -> Option<&'x str> {
    let mut rest = xml;
    loop {
        let (_, after) = rest.split_once('<')?;
        rest = after;
        let text = after
            .strip_prefix(name)
            .and_then(|after| after.strip_prefix('>'));
        if let Some(text) = text {
            return text.split_once('<').map(|(text, _)| text.trim());
        }
    }
}

/// The region in the name of one of S3's servers: `bucket.s3-eu-west-1.amazonaws.com`.
pub(crate) fn region_of(host: &str) -> Option<&str> {
    let (host, _) = host.split_once(".amazonaws.com")?;
    let (_, part) = host.rsplit_once('.')?;
    Some(part.strip_prefix("s3-").unwrap_or(part)).filter(|part| *part != "s3")
}

/// Whether a text is one that stores use for a code: it is shown to people.
pub(crate) fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_in_what_stores_say() {
        let denied = "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>No <b>\n</Message>\
             <Region> eu-west-1 </Region></Error>";
        assert_eq!(element(denied, "Code"), Some("AccessDenied"));
        assert_eq!(element(denied, "Region"), Some("eu-west-1"));
        assert_eq!(element(denied, "Endpoint"), None);
        for broken in [
            "",
            "<",
            "<Code",
            "<Code>",
            "<Code>x",
            "<<Code",
            "<Codes>x</Codes>",
        ] {
            assert_eq!(element(broken, "Code"), None, "{broken}");
        }
    }

    #[test]
    fn servers_names_tell_regions() {
        for (host, region) in [
            ("bucket.s3-eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("bucket.s3.eu-west-1.amazonaws.com", Some("eu-west-1")),
            (
                "b.s3.dualstack.cn-north-1.amazonaws.com.cn",
                Some("cn-north-1"),
            ),
            ("bucket.s3.amazonaws.com", None),
            ("bucket.example", None),
        ] {
            assert_eq!(region_of(host), region, "{host}");
        }
    }
}
