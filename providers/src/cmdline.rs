//! The kernel command line: which config it points at.
//!
//! The line is split at white space; double quotes join words, as in the kernel's own parser
//! (lib/cmdline.c, `next_arg`).

use crate::{Ask, Host, HostError, UserConfig};

/// Arguments that name a config by URL. The last one on the line counts.
const URL_KEYS: &[&str] = &[
    "ignition.config.url",
    "flatcar.config.url",
    "coreos.config.url",
];

/// The arguments of a kernel command line, quotes removed.
pub fn arguments(line: &str) -> Vec<String> {
    let mut list = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                if !word.is_empty() {
                    list.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        list.push(word);
    }
    list
}

/// The last value that any of the keys has; an empty value unsets it.
pub fn last_value(line: &str, keys: &[&str]) -> Option<String> {
    arguments(line)
        .iter()
        .rev()
        .find_map(|argument| {
            let (key, value) = argument.split_once('=')?;
            keys.contains(&key).then(|| value.to_string())
        })
        .filter(|value| !value.is_empty())
}

/// The URL that the line names.
pub fn config_url(line: &str) -> Option<String> {
    last_value(line, URL_KEYS)
}

/// Fetches the config that the kernel command line names, if it names one.
pub async fn user_config(line: &str, host: &impl Host) -> Result<Option<UserConfig>, HostError> {
    let Some(url) = config_url(line) else {
        return Ok(None);
    };
    let reply = host.http(&Ask::get(&url)).await?;
    match reply.status {
        200..=299 => Ok(Some(UserConfig {
            name: without_secrets(&url),
            bytes: reply.body,
        })),
        status => Err(HostError::Broken(format!(
            "the kernel command line names the config {}, but the server answers {status}",
            without_secrets(&url)
        ))),
    }
}

/// A URL as logs may show it: without user and password, and without its query, where tokens stand.
fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else {
        // Most likely a data URL, which is the config itself.
        let scheme = url.split(':').next().unwrap_or_default();
        return format!("{scheme}:… ({} bytes)", url.len());
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit('@').next().unwrap_or(host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_urls_are_not_shown() {
        for (url, shown) in [
            ("http://a/b/c.ign", "http://a/b/c.ign"),
            ("http://u:p@a:8080/b@c?t=x#y", "http://a:8080/b@c"),
            ("http://u:p@a", "http://a"),
            ("data:,{}", "data:… (8 bytes)"),
            ("", ":… (0 bytes)"),
        ] {
            assert_eq!(without_secrets(url), shown, "{url}");
        }
    }
    use crate::host::Transcript;

    #[test]
    fn the_last_of_all_spellings_counts() {
        for (line, expected) in [
            ("root=LABEL=x", None),
            ("ignition.config.url=http://a/", Some("http://a/")),
            (
                "coreos.config.url=http://a/ ignition.config.url=http://b/",
                Some("http://b/"),
            ),
            (
                "ignition.config.url=http://a/ flatcar.config.url=\"http://b/?x=a b\"",
                Some("http://b/?x=a b"),
            ),
            ("xignition.config.url=http://a/", None),
            ("ignition.config.url=", None),
            ("ignition.config.url=http://a/ ignition.config.url=", None),
        ] {
            assert_eq!(config_url(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn a_named_config_that_is_not_there_is_an_error() {
        let run = |host: Transcript| {
            let future = user_config("ignition.config.url=http://a/c", &host);
            pollster(future)
        };
        let host = Transcript {
            http: vec![("http://a/c", "{}")],
            ..Transcript::default()
        };
        assert_eq!(run(host).unwrap().unwrap().bytes, b"{}");
        assert!(
            run(Transcript::default())
                .unwrap_err()
                .to_string()
                .contains("404")
        );
    }

    /// Transcripts never wait, so one poll is enough.
    fn pollster<T>(future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        match future.as_mut().poll(&mut cx) {
            std::task::Poll::Ready(value) => value,
            std::task::Poll::Pending => panic!("a transcript waited"),
        }
    }
}
