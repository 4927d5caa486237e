//! The part of a URL that names a host (RFC 3986 section 3.2), as far as it can be wrong.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest host name (RFC 1035 section 2.3.4).
const LONGEST: usize = 253;
/// Longest part of a host name.
const LONGEST_LABEL: usize = 63;

/// Why no server can be reached at the URL; what it may hold before the host is not repeated.
pub(super) fn unreachable(url: &str) -> Option<String> {
    let rest = url.split_once("://").map(|(_, rest)| rest);
    let authority = rest
        .unwrap_or_default()
        .split(['/', '?', '#'])
        .next()
        .unwrap_or_default();
    let server = match authority.rsplit_once('@') {
        Some((user, _)) if user.chars().any(|c| !is_user(c)) => {
            return Some(
                "the URL has a character before '@' that must be written as % and its code".into(),
            );
        }
        Some((_, server)) => server,
        None => authority,
    };
    if let Some(bracketed) = server.strip_prefix('[') {
        let Some((address, rest)) = bracketed.split_once(']') else {
            return Some("the bracket of the URL's IPv6 address is never closed".into());
        };
        let plain = address.split('%').next().unwrap_or_default();
        if plain.parse::<Ipv6Addr>().is_err() {
            return Some(format!("the URL's host [{address}] is no IPv6 address"));
        }
        return match rest.strip_prefix(':') {
            Some(number) => port(number),
            None if rest.is_empty() => None,
            None => Some("only a port may follow the bracket of the URL's IPv6 address".into()),
        };
    }
    if server.matches(':').count() > 1 {
        return Some(
            "an IPv6 address in a URL is written in brackets, as in http://[fd00::1]/".into(),
        );
    }
    match server.split_once(':') {
        Some((name, number)) => host(name).or_else(|| port(number)),
        None => host(server),
    }
}

/// Characters of a user name and password in a URL.
fn is_user(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:%@".contains(c)
}

/// Without digits behind the colon it is the scheme's usual port.
fn port(text: &str) -> Option<String> {
    let wrong = !text.bytes().all(|byte| byte.is_ascii_digit())
        || !text.is_empty() && text.parse::<u16>().unwrap_or_default() == 0;
    wrong.then(|| "the port of the URL is no number from 1 to 65535".into())
}

fn host(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("the URL names no host".into());
    }
    if !name.is_ascii() {
        return Some(format!(
            "the URL's host name {name:?} has letters outside ASCII: write it in its xn-- form"
        ));
    }
    // Underscores are for the resolver to judge.
    let odd = name
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || "-._~%".contains(*c)));
    if let Some(c) = odd {
        return Some(format!(
            "the URL's host name {name:?} holds the character {c:?}"
        ));
    }
    let labels: Vec<&str> = name.strip_suffix('.').unwrap_or(name).split('.').collect();
    if labels.iter().any(|label| label.is_empty()) {
        return Some(format!(
            "the URL's host name {name:?} has an empty part between its dots"
        ));
    }
    let numeric = |label: &&str| label.bytes().all(|byte| byte.is_ascii_digit());
    if labels.len() == 4 && labels.iter().all(numeric) && name.parse::<Ipv4Addr>().is_err() {
        return Some(format!("the URL's host {name:?} is no IPv4 address"));
    }
    if labels.iter().any(|label| label.len() > LONGEST_LABEL) {
        return Some(format!(
            "a part of the URL's host name is longer than {LONGEST_LABEL} characters"
        ));
    }
    if name.len() > LONGEST + 1 {
        return Some(format!(
            "the URL's host name is longer than {LONGEST} characters"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_checked() {
        let label = "a".repeat(63);
        let long = [label.as_str(); 4].join(".");
        for good in [
            "http://a",
            "http://a:80/x:y@z",
            "http://a:/",
            "https://a.example.",
            "http://a_b.local",
            "http://xn--bcher-kva.example",
            "http://192.0.2.1:65535",
            "http://300.1",
            "http://[fd00::1]",
            "http://[fe80::1%25eth0]:8080/x",
            "http://user:p%40ss@a:1/",
            "http://u@a?q",
        ] {
            assert_eq!(unreachable(good), None, "{good}");
        }
        for (bad, words) in [
            ("http:", "names no host"),
            ("http:a", "names no host"),
            ("http:///x", "names no host"),
            ("http://:80/", "names no host"),
            ("http://user@/", "names no host"),
            ("http://a b/", "character ' '"),
            ("http://{{host}}/", "character '{'"),
            ("http://bücher.example/", "in its xn-- form"),
            ("http://a..b/", "empty part"),
            ("http://.a/", "empty part"),
            ("http://256.1.1.1/", "no IPv4 address"),
            ("http://a:0/", "from 1 to 65535"),
            ("http://a:65536/", "from 1 to 65535"),
            ("http://a:+80/", "from 1 to 65535"),
            ("http://a:http/", "from 1 to 65535"),
            ("http://fd00::1/", "in brackets"),
            ("http://[fd00::1/", "never closed"),
            ("http://[fd00::g]/", "no IPv6 address"),
            ("http://[]/", "no IPv6 address"),
            ("http://[fd00::1]x/", "only a port"),
            ("http://[fd00::1]:0/", "from 1 to 65535"),
            ("http://us er@a/", "before '@'"),
            (&format!("http://{label}a/"), "longer than 63"),
            (&format!("http://{long}/"), "longer than 253"),
        ] {
            let said = unreachable(bad).unwrap_or_else(|| panic!("{bad} is taken"));
            assert!(said.contains(words), "{bad}: {said}");
        }
    }
}
