//! Which redirects are followed.
//!
//! A server that a config names may send the agent on, but not to what only this machine can reach: services on
//! it, and those of its platform, which hand out credentials to whoever asks from here. Nor does it undo the
//! config's choice of https.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::error::{Cause, chain};

/// Services of platforms at addresses that are neither loopback nor link-local.
const METADATA_V4: &[Ipv4Addr] = &[
    // Azure's WireServer.
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba
    Ipv4Addr::new(192, 0, 0, 192),     // Oracle, classic
];

/// The same for IPv6: first two groups, which lie in the unique local range (RFC 4193).
const METADATA_V6: &[[u16; 2]] = &[
    [0xfd00, 0x0ec2], // AWS
    [0xfd20, 0x00ce], // Google
    [0xfd00, 0x00c1], // Oracle
    [0xfd00, 0x0042], // Scaleway
];

/// Whether an address is one of this machine, of its link, or of a platform's services.
pub(crate) fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_internal_v4(v4),
        IpAddr::V6(v6) => {
            let groups = v6.segments();
            embedded(v6).is_some_and(is_internal_v4)
                || v6.is_loopback()
                || v6.is_unspecified()
                || groups[0] & 0xffc0 == 0xfe80
                || METADATA_V6.contains(&[groups[0], groups[1]])
        }
    }
}

fn is_internal_v4(address: Ipv4Addr) -> bool {
    // Linux takes 0.0.0.0 for the machine itself.
    address.octets()[0] == 0
        || address.is_loopback()
        || address.is_link_local()
        || METADATA_V4.contains(&address)
}

/// The IPv4 address that an IPv6 one stands for: mapped (RFC 4291), by NAT64 (RFC 6052), by 6to4 (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return Some(mapped);
    }
    let at = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(at(high, low)),
        [0x2002, high, low, ..] => Some(at(high, low)),
        _ => None,
    }
}

/// The address that a URL names; `None` for a name.
fn named_address(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

/// Whether a redirect may be followed, as far as the URLs tell.
///
/// `first` is the config's own URL. `may_be_internal` says that its server is an internal one itself: then the
/// config means such addresses.
pub(crate) fn check(first: &Url, next: &Url, may_be_internal: bool) -> Result<(), Cause> {
    if first.scheme() != "http" && next.scheme() == "http" {
        return Err(Cause::Redirect(
            "it leads from https to http, where others could change the contents on the way: if that is meant, \
             name the http URL in the config, with a verification hash"
                .into(),
        ));
    }
    match named_address(next) {
        Some(address) if !may_be_internal && is_internal(address) => Err(internal(address)),
        _ => Ok(()),
    }
}

/// Whether a URL names an internal address.
pub(crate) fn names_internal(url: &Url) -> bool {
    named_address(url).is_some_and(is_internal)
}

fn internal(address: IpAddr) -> Cause {
    Cause::Redirect(format!(
        "it leads to {address}, where this machine itself or its platform's metadata service answers: if that is \
         meant, name that URL in the config"
    ))
}

/// Looks names up for redirects: one that leads to an internal address is not answered.
///
/// The addresses that are looked at are those that are connected to; there is no second lookup to give others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outward;

/// A name has an internal address.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to {0}")]
struct LeadsInside(IpAddr);

impl Resolve for Outward {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            match found.iter().find(|address| is_internal(address.ip())) {
                Some(inside) => Err(LeadsInside(inside.ip()).into()),
                None => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

/// The refusal that is behind a failed connection, if one is.
pub(crate) fn refusal(error: &reqwest::Error) -> Option<Cause> {
    chain(error)
        .find_map(|error| error.downcast_ref())
        .map(|LeadsInside(address)| internal(*address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_machine_and_of_its_platform() {
        for (address, expected) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("0.0.0.0", true),
            ("169.254.169.254", true),
            ("169.254.0.1", true),
            ("168.63.129.16", true),
            ("100.100.100.200", true),
            ("192.0.0.192", true),
            ("::1", true),
            ("::", true),
            ("fe80::1", true),
            ("febf::1", true),
            ("fd00:ec2::254", true),
            ("fd00:ec2::23", true),
            ("fd20:ce::254", true),
            ("fd00:c1::a9fe:a9fe", true),
            ("fd00:42::42", true),
            ("::ffff:169.254.169.254", true),
            ("::ffff:7f00:1", true),
            ("64:ff9b::a9fe:a9fe", true),
            ("2002:7f00:1::", true),
            // Private networks are where configs lie.
            ("10.0.0.1", false),
            ("172.16.0.1", false),
            ("192.168.1.1", false),
            ("100.64.0.1", false),
            ("168.63.129.17", false),
            ("192.0.2.1", false),
            ("fd00::1", false),
            ("fec0::1", false),
            ("2001:db8::1", false),
            ("::ffff:10.0.0.1", false),
            ("64:ff9b::c000:201", false),
        ] {
            assert_eq!(is_internal(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn what_urls_tell() {
        const WEB: &str = "https://a.example/";
        const PLAIN: &str = "http://a.example/";
        for (first, next, inside, followed) in [
            (WEB, "https://b.example/", false, true),
            (WEB, "http://a.example/", false, false),
            (WEB, "http://a.example/", true, false),
            (PLAIN, "http://b.example/", false, true),
            (PLAIN, "https://b.example/", false, true),
            (PLAIN, "http://127.0.0.1/", false, false),
            (PLAIN, "http://127.0.0.1/", true, true),
            (PLAIN, "http://2130706433/", false, false),
            (PLAIN, "http://0x7f.1/", false, false),
            (PLAIN, "http://0251.0376.0251.0376/", false, false),
            (PLAIN, "http://169.254.169.254/latest/", false, false),
            (PLAIN, "http://[::ffff:a9fe:a9fe]/", false, false),
            (WEB, "https://[fe80::1]/", false, false),
            (PLAIN, "http://[fd00:ec2::254]/", false, false),
            (PLAIN, "http://192.168.0.1/", false, true),
            (PLAIN, "http://[2001:db8::1]/", false, true),
        ] {
            let url = |text: &str| Url::parse(text).unwrap();
            let decision = check(&url(first), &url(next), inside);
            assert_eq!(decision.is_ok(), followed, "{first} {next} {inside}");
        }
        for (url, inside) in [
            ("http://169.254.169.254/", true),
            ("http://[::1]:8080/", true),
            ("http://192.0.2.1/", false),
            // What a name leads to is seen when it is connected to.
            ("http://localhost/", false),
        ] {
            assert_eq!(names_internal(&Url::parse(url).unwrap()), inside, "{url}");
        }
    }
}
