//! Which URLs go through which proxy.
//!
//! The rules are those of the reference (Go's `httpproxy`), with the settings from the config alone: the
//! environment plays no part. As the config specification says, an absent `httpsProxy` stands for
//! `httpProxy`.

use std::net::IpAddr;

use pilotlight_core::redact;
use reqwest::Url;

use crate::error::Cause;

/// Proxies by the names of the config specification. It has no `Debug`: proxy URLs may hold passwords.
#[derive(Clone, Default)]
pub struct Proxy {
    /// For `http` URLs, and for `https` ones when `https` is absent.
    pub http: Option<String>,
    /// For `https` URLs.
    pub https: Option<String>,
    /// What is asked directly: addresses, `address/bits`, domains (with all below), `.domain` or `*.domain`
    /// (only what is below), each with an optional `:port`; `*` is everything. Loopback always is.
    pub no_proxy: Vec<String>,
}

/// The settings, read.
#[derive(Clone)]
pub(crate) struct Rules {
    http: Option<Url>,
    https: Option<Url>,
    exceptions: Vec<Exception>,
}

#[derive(Clone, Debug, PartialEq)]
enum Exception {
    All,
    Network(IpAddr, u8),
    Address(IpAddr, Option<u16>),
    /// Lower-case domain with a dot in front, and whether the domain itself is meant, too.
    Domain(String, bool, Option<u16>),
}

impl Rules {
    pub(crate) fn new(proxy: &Proxy) -> Result<Self, Cause> {
        let http = read_url(proxy.http.as_deref())?;
        let https = read_url(proxy.https.as_deref())?;
        Ok(Self {
            https: https.or_else(|| http.clone()),
            http,
            exceptions: proxy
                .no_proxy
                .iter()
                .flat_map(|entry| entry.split(','))
                .filter_map(Exception::read)
                .collect(),
        })
    }

    /// The proxy for `url`, or `None` to ask its server directly.
    pub(crate) fn proxy_for(&self, url: &Url) -> Option<&Url> {
        let proxy = match url.scheme() {
            "https" => self.https.as_ref()?,
            "http" => self.http.as_ref()?,
            _ => return None,
        };
        let host = url.host_str()?.trim_end_matches('.');
        let port = url.port_or_known_default();
        let address = read_address(host);
        let local = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        let direct = local
            || self
                .exceptions
                .iter()
                .any(|exception| exception.covers(host, address, port));
        (!direct).then_some(proxy)
    }
}

fn read_url(url: Option<&str>) -> Result<Option<Url>, Cause> {
    let Some(text) = url.filter(|url| !url.is_empty()) else {
        return Ok(None);
    };
    let with_scheme = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    match Url::parse(&with_scheme) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Some(url)),
        _ => Err(Cause::InvalidSetting(format!(
            "the proxy {} is not an http or https URL",
            redact::url(&with_scheme)
        ))),
    }
}

impl Exception {
    /// Reads one entry; what cannot be read matches nothing, as in the reference.
    fn read(entry: &str) -> Option<Self> {
        let entry = entry.trim().to_ascii_lowercase();
        if entry.is_empty() {
            return None;
        }
        if entry == "*" {
            return Some(Self::All);
        }
        if let Some((network, bits)) = entry.split_once('/') {
            let network = read_address(network)?;
            let bits = bits.parse().ok()?;
            let most = if network.is_ipv4() { 32 } else { 128 };
            return (bits <= most).then_some(Self::Network(network, bits));
        }
        if let Some(address) = read_address(&entry) {
            return Some(Self::Address(address, None));
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (entry.as_str(), None),
        };
        if let Some(address) = read_address(host) {
            return Some(Self::Address(address, port));
        }
        let below = host.strip_prefix('*').unwrap_or(host);
        Some(match below.strip_prefix('.') {
            Some(_) => Self::Domain(below.to_owned(), false, port),
            None => Self::Domain(format!(".{below}"), true, port),
        })
    }

    fn covers(&self, host: &str, address: Option<IpAddr>, port: Option<u16>) -> bool {
        let port_fits = |wanted: &Option<u16>| wanted.is_none() || *wanted == port;
        match self {
            Self::All => true,
            Self::Network(network, bits) => {
                address.is_some_and(|address| same_bits(*network, address, *bits))
            }
            Self::Address(wanted, wanted_port) => {
                address == Some(*wanted) && port_fits(wanted_port)
            }
            Self::Domain(domain, itself, wanted_port) => {
                let fits =
                    host.ends_with(domain) || *itself && domain.strip_prefix('.') == Some(host);
                fits && port_fits(wanted_port)
            }
        }
    }
}

/// An address, in brackets or not; an IPv4 address inside an IPv6 one is itself.
fn read_address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address: IpAddr = bare.unwrap_or(text).parse().ok()?;
    Some(address.to_canonical())
}

fn same_bits(a: IpAddr, b: IpAddr, bits: u8) -> bool {
    let differing = match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => return false,
    };
    differing >= u32::from(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(http: &str, https: &str, no_proxy: &[&str]) -> Rules {
        let proxy = Proxy {
            http: Some(http.to_owned()),
            https: Some(https.to_owned()),
            no_proxy: no_proxy.iter().map(|&entry| entry.to_owned()).collect(),
        };
        Rules::new(&proxy).unwrap()
    }

    fn chosen(rules: &Rules, url: &str) -> Option<String> {
        let proxy = rules.proxy_for(&Url::parse(url).unwrap());
        proxy.map(ToString::to_string)
    }

    #[test]
    fn scheme_chooses() {
        let both = rules("http://p:1", "https://q:2", &[]);
        assert_eq!(chosen(&both, "http://a.example/").unwrap(), "http://p:1/");
        assert_eq!(chosen(&both, "https://a.example/").unwrap(), "https://q:2/");
        let one = rules("p:1", "", &[]);
        assert_eq!(chosen(&one, "https://a.example/").unwrap(), "http://p:1/");
        let other = rules("", "https://q:2", &[]);
        assert_eq!(chosen(&other, "http://a.example/"), None);
    }

    #[test]
    fn bad_proxies_are_errors_without_their_password() {
        for url in [
            "socks5://a:1",
            "http://",
            "http://me:s3cret@:x",
            "http://me:s3cret@a:99999",
        ] {
            let proxy = Proxy {
                http: Some(url.to_owned()),
                ..Proxy::default()
            };
            let error = Rules::new(&proxy).err().unwrap().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn exceptions() {
        for (entry, url, direct) in [
            ("", "http://a.example/", false),
            ("", "http://localhost/", true),
            ("", "http://127.9.9.9:8080/", true),
            ("", "http://[::1]/", true),
            ("*", "http://a.example/", true),
            ("a.example", "http://a.example/", true),
            ("A.Example", "http://a.example:8080/", true),
            ("a.example", "http://b.a.example/", true),
            ("a.example", "http://ba.example/", false),
            (".a.example", "http://a.example/", false),
            (".a.example", "http://b.a.example/", true),
            ("*.a.example", "http://a.example/", false),
            ("*.a.example", "http://b.a.example/", true),
            ("a.example:8080", "http://a.example/", false),
            ("a.example:80", "http://a.example/", true),
            ("a.example:443", "https://a.example/", true),
            ("192.0.2.1", "http://192.0.2.1/", true),
            ("192.0.2.1", "http://192.0.2.10/", false),
            ("192.0.2.1:81", "http://192.0.2.1/", false),
            ("192.0.2.1:81", "http://192.0.2.1:81/", true),
            ("192.0.2.0/24", "http://192.0.2.200/", true),
            ("192.0.2.0/24", "http://192.0.3.1/", false),
            ("192.0.2.0/33", "http://192.0.2.1/", false),
            ("0.0.0.0/0", "http://192.0.2.1/", true),
            ("2001:db8::/32", "http://[2001:db8:9::1]/", true),
            ("2001:db8::/32", "http://[2001:db9::1]/", false),
            ("2001:db8::1", "http://[2001:db8::1]/", true),
            ("[2001:db8::1]:81", "http://[2001:db8::1]:81/", true),
            ("b.example, a.example", "http://a.example/", true),
        ] {
            let rules = rules("http://p:1", "", &[entry]);
            assert_eq!(chosen(&rules, url).is_none(), direct, "{entry} {url}");
        }
    }
}
