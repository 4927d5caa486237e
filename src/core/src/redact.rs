//! URLs as people may read them: the one place that says what of a URL is a secret.
//!
//! User names and passwords, queries (tokens and signatures stand there) and fragments are never shown, nor
//! is what a `data:` URL holds. Scheme, server and path are. What cannot be taken apart is shown by its
//! length: nobody knows where in it a password ends.

use std::fmt::Write as _;

use crate::dataurl::is_data_url;

/// Longest URL that is shown whole, in bytes: whoever redirects chooses its length.
const LONGEST: usize = 1024;

/// How a text says that its authority follows; JSON may have put backslashes before its slashes.
const SLASHES: [&str; 2] = ["://", ":\\/\\/"];

/// A URL without its secrets, in printable ASCII characters.
pub fn url(text: &str) -> String {
    let bytes = text.len();
    if is_data_url(text) {
        return format!("data:,… ({bytes} bytes of URL)");
    }
    let Some(parts) = Parts::of(text) else {
        return format!("… ({bytes} bytes of URL)");
    };
    let scheme = parts.scheme.to_ascii_lowercase();
    match parts.server.filter(|_| !parts.is_doubtful) {
        None => format!("{scheme}… ({bytes} bytes of URL)"),
        Some(server) => {
            let mut shown = scheme;
            printable(server, &mut shown);
            printable(parts.path, &mut shown);
            if shown.len() > LONGEST {
                // All of it is ASCII.
                shown.truncate(LONGEST);
                shown.push('…');
            }
            shown
        }
    }
}

/// A text in which URLs may stand, each as [`url`] shows it.
pub fn text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, found)) = next(rest) {
        shown.push_str(before);
        shown.push_str(&url(found));
        rest = &rest[before.len() + found.len()..];
    }
    shown + rest
}

/// Whether a text begins as a URL with a server does.
pub fn is_url(text: &str) -> bool {
    Parts::of(text).is_some() || is_data_url(text)
}

/// The byte of a line at which the first secret of a URL on it begins.
pub fn first_secret(line: &str) -> Option<usize> {
    // Thousands of long values are one data URL: what stands behind its comma need not be looked at.
    let value = line.trim_start_matches(['"', '\'']);
    if is_data_url(value) {
        let mut word = value.chars().take_while(|c| !is_between(*c));
        if word.any(|c| c == ',') {
            return Some(line.len() - value.len() + "data:".len());
        }
    }
    let mut rest = line;
    while let Some((before, found)) = next(rest) {
        let start = line.len() - rest.len() + before.len();
        let at = match Parts::of(found) {
            _ if is_data_url(found) => Some("data:".len()),
            None => Some(0),
            // What is no server may hold a user as well, in a way that nobody reads.
            Some(parts) if parts.has_user || parts.is_doubtful || parts.server.is_none() => {
                Some(parts.scheme.len())
            }
            Some(parts) => parts.hidden,
        };
        if let Some(at) = at {
            return Some(start + at);
        }
        rest = &rest[before.len() + found.len()..];
    }
    None
}

/// A URL taken apart.
struct Parts<'a> {
    /// With what stands before server or path.
    scheme: &'a str,
    has_user: bool,
    /// Host and port; `None` where it can be none.
    server: Option<&'a str>,
    path: &'a str,
    /// Where what follows the path begins.
    hidden: Option<usize>,
    /// Whether the user's part may have been taken for another one.
    is_doubtful: bool,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let (scheme, has_server) = scheme(text)?;
        let rest = &text[scheme.len()..];
        let length = match has_server {
            true => rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len()),
            false => 0,
        };
        let (authority, rest) = rest.split_at(length);
        let (has_user, server) = match authority.rsplit_once('@') {
            Some((_, server)) => (true, server),
            None => (false, authority),
        };
        let is_server = is_server(server);
        let end = end_of_path(rest);
        // A password with one of the characters that end the authority.
        let is_cut = !is_server || rest.starts_with(['?', '#']);
        Some(Self {
            scheme,
            has_user,
            server: is_server.then_some(server),
            path: &rest[..end],
            hidden: (end < rest.len()).then_some(scheme.len() + length + end),
            is_doubtful: has_server && !has_user && is_cut && rest.contains('@'),
        })
    }
}

/// What a URL begins with, and whether a server follows.
fn scheme(text: &str) -> Option<(&str, bool)> {
    const ARN: &str = "arn:";
    let name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(is_of_scheme)
    };
    for slashes in SLASHES {
        if let Some((before, _)) = text.split_once(slashes)
            && name(before)
        {
            return Some((&text[..before.len() + slashes.len()], true));
        }
    }
    if text.starts_with("//") {
        return Some((&text[..2], true));
    }
    let is_arn = text
        .get(..ARN.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(ARN));
    is_arn.then(|| (&text[..ARN.len()], false))
}

/// RFC 3986, section 3.1, behind the first character.
fn is_of_scheme(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+-.".contains(c)
}

/// Whether a text can be host and port. A percent sign may stand for any character, `@` among them.
fn is_server(text: &str) -> bool {
    let usual = |c: char| c.is_alphanumeric() || "-._~".contains(c);
    let (is_host, port) = match text.strip_prefix('[') {
        Some(bracketed) => match bracketed.split_once(']') {
            // With a zone, as in fe80::1%25eth0.
            Some((address, port)) => (
                address.chars().all(|c| usual(c) || c == ':' || c == '%'),
                port.strip_prefix(':').or(port.is_empty().then_some("")),
            ),
            None => (false, None),
        },
        None => {
            let (host, port) = text.split_once(':').unwrap_or((text, ""));
            (host.chars().all(usual), Some(port))
        }
    };
    is_host && port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Where a path ends: before the query or fragment, also where somebody has encoded the question mark, and
/// before a second URL within it.
fn end_of_path(path: &str) -> usize {
    let encoded = path
        .match_indices('%')
        .map(|(at, _)| at)
        .find(|at| matches!(path.as_bytes().get(at + 1..at + 3), Some(b"3f" | b"3F")));
    let second = SLASHES.iter().filter_map(|slashes| path.find(slashes));
    second
        .chain(encoded)
        .chain(path.find(['?', '#']))
        .min()
        .unwrap_or(path.len())
}

/// Percent-encodes what could be taken for something else on a terminal or in a line of a log.
fn printable(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte.is_ascii_graphic() {
            true => out.push(char::from(byte)),
            // Writing to a string cannot fail.
            false => drop(write!(out, "%{byte:02X}")),
        }
    }
}

/// The next URL of a text, and what stands before it.
fn next(text: &str) -> Option<(&str, &str)> {
    let mut start = 0;
    loop {
        let rest = &text[start..];
        let length = rest.find(is_between).unwrap_or(rest.len());
        let word = &rest[..length];
        if let Some(at) = start_in(word) {
            let found = word[at..].trim_end_matches([')', '}', ',', '.', ';', ':', '!']);
            return Some((&text[..start + at], found));
        }
        let between = rest[length..].chars().next()?;
        start += length + between.len_utf8();
    }
}

/// Whether a character stands between words.
fn is_between(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "\"'`<>".contains(c)
}

/// Where in a word without blanks a URL begins.
fn start_in(word: &str) -> Option<usize> {
    let slashes = SLASHES.iter().filter_map(|slashes| {
        let end = word.find(slashes)?;
        let scheme = word[..end].trim_end_matches(is_of_scheme);
        let start =
            scheme.len() + word[scheme.len()..end].find(|c: char| c.is_ascii_alphabetic())?;
        Some(start)
    });
    let lower = word.to_ascii_lowercase();
    let begins = |start: &str| {
        let mut all = lower.match_indices(start).map(|(at, _)| at);
        all.find(|at| !lower[..*at].ends_with(|c: char| c.is_alphanumeric()))
    };
    // "data:" alone is a word of many sentences.
    let data = begins("data:").filter(|at| lower[*at..].contains(','));
    let bare = word.starts_with("//").then_some(0);
    slashes
        .chain(data)
        .chain(begins("arn:aws"))
        .chain(bare)
        .min()
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
