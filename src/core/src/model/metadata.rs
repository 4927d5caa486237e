//! What a platform says of a machine, in one form.
//!
//! Everything here came over a wire that anybody may have written on: the setters drop what is no name, no
//! key and no value, so that whoever reads a [`Metadata`] may write it to a line of a file.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Longest host name that the kernel takes (`HOST_NAME_MAX`, limits.h), in bytes.
const MAX_HOSTNAME: usize = 64;
/// Longest single value, in bytes: the largest RSA keys in use take less than half of it.
const MAX_VALUE: usize = 16 << 10;
/// How many keys, tags or attributes are taken.
const MAX_ITEMS: usize = 1024;
/// How many interfaces are taken, and addresses of one.
pub const MAX_INTERFACES: usize = 64;

/// What a platform says of the machine. What it does not say is absent or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Host name, at most 64 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The platform's id of this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// The platform's name for machines of this size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Availability zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Tags; those without a value have an empty one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// SSH keys in the platform's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<SshKey>,
    /// Network interfaces; the first is the primary one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<Interface>,
    /// Mode of the bonds, 0 to 6 (bonding.rst of the Linux kernel, "mode").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bond_mode: Option<u8>,
    /// What the platform says of the network, as its own provider reads it; where addresses or routes may be told that
    /// DHCP does not give.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Attributes by the names that afterburn gives them, without the leading `AFTERBURN_`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// An SSH key that the platform gives a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshKey {
    /// The user; without one it is for the image's standard user.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<String>,
    /// A line of authorized_keys (sshd(8)).
    pub key: String,
}

/// A network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interface {
    /// MAC address, lower case with colons.
    pub mac: String,
    /// The platform's name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The bond that it belongs to: a name that an interface can have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bond: Option<String>,
    /// Addresses; the first of a family is the primary one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
    /// Gateways.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<IpAddr>,
    /// Name servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<IpAddr>,
    /// Largest packet, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
}

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// Bits of the network's part, where the platform says so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub prefix: Option<u8>,
    /// Whether it is reached from the internet, on the machine itself or by translation.
    #[serde(default)]
    pub public: bool,
    /// Through which router it reaches others; of the same version of IP.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gateway: Option<IpAddr>,
}

impl Metadata {
    /// Sets the host name, if it is one. One that is too long for the kernel is cut to its first label.
    pub fn set_hostname(&mut self, name: Option<&str>) {
        self.hostname = name.and_then(hostname);
    }

    /// Adds the keys of a text, one a line; comments and lines that cannot be a key are left out.
    pub fn add_keys(&mut self, user: Option<&str>, text: &str) {
        for line in text.lines().map(str::trim) {
            let usable = !line.is_empty() && !line.starts_with('#') && value(line).is_some();
            let user = user.map(str::to_string);
            if !usable || !user.as_deref().is_none_or(is_user_name) {
                continue;
            }
            let key = SshKey {
                user,
                key: line.into(),
            };
            if self.ssh_keys.len() < MAX_ITEMS && !self.ssh_keys.contains(&key) {
                self.ssh_keys.push(key);
            }
        }
    }

    /// Adds a tag.
    pub fn add_tag(&mut self, name: &str, text: &str) {
        if let (Some(name), Some(text)) = (value(name), value(text))
            && self.tags.len() < MAX_ITEMS
        {
            self.tags.insert(name, text);
        }
    }

    /// Sets an attribute, unless the value is absent, empty or more than a line. An address gets its normal form
    /// (RFC 5952), in which it can be compared.
    pub fn attribute(&mut self, name: impl Into<String>, text: Option<&str>) {
        let text = text.and_then(value).filter(|text| !text.is_empty());
        let text = text.map(|text| match text.parse::<IpAddr>() {
            Ok(address) => address.to_string(),
            Err(_) => text,
        });
        if let Some(text) = text
            && self.attributes.len() < MAX_ITEMS
        {
            self.attributes.insert(name.into(), text);
        }
    }

    /// The first address of a family and kind.
    pub fn address(&self, v4: bool, public: bool) -> Option<String> {
        let mut all = self.interfaces.iter().flat_map(|known| &known.addresses);
        let found = all.find(|known| known.address.is_ipv4() == v4 && known.public == public);
        found.map(|known| known.address.to_string())
    }

    /// The attributes as lines of an environment file (systemd.exec(5), `EnvironmentFile=`), sorted by name.
    pub fn attribute_lines(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.attributes {
            text.push_str("AFTERBURN_");
            text.push_str(name);
            text.push('=');
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/,@+%".contains(c);
            if value.chars().all(plain) {
                text.push_str(value);
            } else {
                text.push('"');
                for c in value.chars() {
                    if matches!(c, '"' | '\\' | '`' | '$') {
                        text.push('\\');
                    }
                    text.push(c);
                }
                text.push('"');
            }
            text.push('\n');
        }
        text
    }
}

impl Interface {
    /// An interface by its MAC address in any spelling; `None` if it is none.
    pub fn of_mac(text: &str) -> Option<Self> {
        Some(Self {
            mac: mac(text)?,
            ..Self::default()
        })
    }

    /// Adds an address, `ADDRESS` or `ADDRESS/PREFIX`; what is none is left out.
    pub fn add(&mut self, text: &str, prefix: Option<u8>, public: bool) {
        self.add_routed(text, prefix, public, None);
    }

    /// The same with its gateway, which is left out where it is none or of the other version of IP.
    pub fn add_routed(
        &mut self,
        text: &str,
        prefix: Option<u8>,
        public: bool,
        gateway: Option<&str>,
    ) {
        let (address, given) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, prefix.parse().ok()),
            None => (text.trim(), None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            return;
        };
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let new = Address {
            address,
            prefix: prefix.or(given).filter(|prefix| *prefix <= bits),
            public,
            gateway: gateway
                .and_then(|text| text.trim().parse().ok())
                .filter(|via: &IpAddr| via.is_ipv4() == address.is_ipv4()),
        };
        if self.addresses.len() < MAX_INTERFACES && !self.addresses.contains(&new) {
            self.addresses.push(new);
        }
    }

    /// Adds a gateway, if it is an address.
    pub fn add_gateway(&mut self, text: Option<&str>) {
        add_ip(&mut self.gateways, text);
    }

    /// Adds a name server, if it is an address.
    pub fn add_dns(&mut self, text: Option<&str>) {
        add_ip(&mut self.dns, text);
    }
}

fn add_ip(list: &mut Vec<IpAddr>, text: Option<&str>) {
    let parsed = text.and_then(|text| text.trim().parse::<IpAddr>().ok());
    if let Some(address) = parsed.filter(|address| !address.is_unspecified())
        && list.len() < MAX_INTERFACES
        && !list.contains(&address)
    {
        list.push(address);
    }
}

/// The prefix that a netmask has; `None` where it is no mask.
pub fn prefix_of(mask: &str) -> Option<u8> {
    let bits = match mask.trim().parse::<IpAddr>().ok()? {
        IpAddr::V4(mask) => (u128::from(mask.to_bits()) << 96, 32),
        IpAddr::V6(mask) => (mask.to_bits(), 128),
    };
    let ones = bits.0.leading_ones();
    let whole = ones == 128 || bits.0 << ones == 0;
    u8::try_from(ones).ok().filter(|_| whole && ones <= bits.1)
}

/// A MAC address in lower case with colons, from a spelling with colons, hyphens or without either.
pub fn mac(text: &str) -> Option<String> {
    let digits: String = text
        .trim()
        .trim_end_matches('/')
        .chars()
        .filter(|c| !matches!(c, ':' | '-'))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let is_mac = digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_mac.then(|| {
        let pairs: Vec<&str> = (0..6).map(|at| &digits[2 * at..2 * at + 2]).collect();
        pairs.join(":")
    })
}

/// A name that the kernel gives an interface (dev_valid_name, net/core/dev.c), of usual characters and not one
/// that has a meaning of its own in sysfs or sysctl.
pub fn interface_name(text: &str) -> Option<&str> {
    let usual = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let reserved = ["lo", "all", "default", "bonding_masters"];
    let usable = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.len() <= 15
        && text.chars().all(usual)
        && !reserved.contains(&text);
    usable.then_some(text)
}

/// A value of one line and bounded length, trimmed; `None` where it is none.
pub fn value(text: &str) -> Option<String> {
    let text = text.trim();
    let usable = text.len() <= MAX_VALUE && !text.chars().any(char::is_control);
    usable.then(|| text.to_string())
}

/// Names as useradd(8) takes them. They become part of no path, but nothing else is a user.
fn is_user_name(name: &str) -> bool {
    let usual = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    !name.is_empty() && name.len() <= 32 && !name.starts_with(['-', '.']) && name.chars().all(usual)
}

/// A host name (RFC 1123, section 2.1), lengthened by the underscore that some platforms allow.
fn hostname(text: &str) -> Option<String> {
    let name = text.trim().trim_end_matches('.');
    let label = |label: &str| {
        let usual = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && label.chars().all(usual)
    };
    if name.len() > 253 || name == "localhost" || !name.split('.').all(label) {
        return None;
    }
    if name.len() <= MAX_HOSTNAME {
        return Some(name.into());
    }
    name.split('.').next().map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_one_or_is_absent() {
        let long = format!("node.{}.example", "a".repeat(60));
        for (given, expected) in [
            ("node-1\n", Some("node-1")),
            ("node-1.example.", Some("node-1.example")),
            (long.as_str(), Some("node")),
            ("", None),
            (".", None),
            ("localhost", None),
            ("two words", None),
            ("a/b", None),
            ("a..b", None),
            ("-a", None),
            ("n\u{f6}de", None),
            ("a\nb", None),
        ] {
            assert_eq!(hostname(given).as_deref(), expected, "{given:?}");
        }
    }

    #[test]
    fn what_is_no_line_is_left_out() {
        let mut said = Metadata::default();
        said.add_keys(
            Some("core"),
            "ssh-ed25519 AAAA me\r\n\n# c\nssh-ed25519 AAAA me\nssh-rsa B\u{1}",
        );
        said.add_keys(Some("../x"), "ssh-ed25519 AAAA me");
        assert_eq!(said.ssh_keys.len(), 1);
        said.attribute("A_X", Some("one\nAFTERBURN_A_Y=two"));
        said.attribute("A_Z", Some(" "));
        assert_eq!(said.attribute_lines(), "");
    }

    #[test]
    fn values_survive_an_environment_file() {
        let mut said = Metadata::default();
        said.attribute("B", Some("a b$(c)\"d\\"));
        said.attribute("A", Some("i-0123:x/y"));
        assert_eq!(
            said.attribute_lines(),
            "AFTERBURN_A=i-0123:x/y\nAFTERBURN_B=\"a b\\$(c)\\\"d\\\\\"\n"
        );
    }

    #[test]
    fn addresses_among_the_attributes_have_their_normal_form() {
        for (given, expected) in [
            ("2604:1380::0", "2604:1380::"),
            ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
            (
                "fe80:0000:0000:0000:0200:00ff:fe00:0001",
                "fe80::200:ff:fe00:1",
            ),
            ("2001:db8::1:0:0:1", "2001:db8::1:0:0:1"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
            (" 2001:db8::A ", "2001:db8::a"),
            ("10.0.0.5", "10.0.0.5"),
            ("2001:DB8::/64", "2001:DB8::/64"),
            ("i-2001:DB8::", "i-2001:DB8::"),
            ("010.0.0.5", "010.0.0.5"),
        ] {
            let mut said = Metadata::default();
            said.attribute("A", Some(given));
            assert_eq!(said.attributes["A"], expected, "{given}");
        }
    }

    #[test]
    fn addresses_and_macs_are_read_in_every_spelling() {
        for (given, expected) in [
            ("02:00:00:00:0A:01/", Some("02:00:00:00:0a:01")),
            ("0C-42-A1-00-00-01", Some("0c:42:a1:00:00:01")),
            ("001122AABBCC", Some("00:11:22:aa:bb:cc")),
            ("001122AABBC", None),
            ("00:11:22:aa:bb:\u{e9}", None),
        ] {
            assert_eq!(mac(given).as_deref(), expected, "{given}");
        }
        for (mask, expected) in [
            ("255.255.255.0", Some(24)),
            ("255.255.255.254", Some(31)),
            ("0.0.0.0", Some(0)),
            ("255.255.255.255", Some(32)),
            ("ffff:ffff::", Some(32)),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Some(128)),
            ("255.0.255.0", None),
            ("x", None),
        ] {
            assert_eq!(prefix_of(mask), expected, "{mask}");
        }
        let mut interface = Interface::default();
        interface.add("10.0.0.1/24", None, false);
        interface.add("10.0.0.2/99", None, false);
        interface.add("none", None, false);
        let shown: Vec<_> = interface.addresses.iter().map(|a| a.prefix).collect();
        assert_eq!(shown, [Some(24), None]);
    }
}
