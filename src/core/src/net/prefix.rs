//! Addresses as networks spell them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::model::metadata;

/// A version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() {
            Family::Ipv4
        } else {
            Family::Ipv6
        }
    }

    /// Bits of an address.
    pub fn bits(self) -> u8 {
        match self {
            Family::Ipv4 => 32,
            Family::Ipv6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Ipv4 => "IPv4",
            Family::Ipv6 => "IPv6",
        })
    }
}

/// Why a text is no address or prefix, in words that follow "… is no …: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAnAddress(pub &'static str);

/// A network: all addresses that begin with the same bits. Two spellings of one network are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

impl Prefix {
    /// The network of an address; bits of the host do not count. `None` where an address has fewer bits.
    pub fn new(address: IpAddr, bits: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(v4) => {
                let host = 32_u32.checked_sub(u32::from(bits))?;
                let mask = u32::MAX.checked_shl(host).unwrap_or(0);
                IpAddr::V4((v4.to_bits() & mask).into())
            }
            IpAddr::V6(v6) => {
                let host = 128_u32.checked_sub(u32::from(bits))?;
                let mask = u128::MAX.checked_shl(host).unwrap_or(0);
                IpAddr::V6((v6.to_bits() & mask).into())
            }
        };
        Some(Self { address, bits })
    }

    /// The network of this address alone.
    pub fn host(address: IpAddr) -> Self {
        let bits = Family::of(address).bits();
        Self { address, bits }
    }

    /// All addresses of a family.
    pub fn everything(family: Family) -> Self {
        let address = match family {
            Family::Ipv4 => IpAddr::V4([0; 4].into()),
            Family::Ipv6 => IpAddr::V6([0; 16].into()),
        };
        Self { address, bits: 0 }
    }

    /// Its first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits its addresses have in common.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// Its family.
    pub fn family(&self) -> Family {
        Family::of(self.address)
    }

    /// Whether it is one address.
    pub fn is_host(&self) -> bool {
        self.bits == self.family().bits()
    }

    /// Whether the address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        Family::of(address) == self.family() && Self::new(address, self.bits) == Some(*self)
    }

    /// Whether both have an address in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }
}

impl FromStr for Prefix {
    type Err = NotAnAddress;

    /// Reads `ADDRESS` or `ADDRESS/BITS`.
    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let InterfaceAddress { address, bits } = text.parse()?;
        // Bits are those of the family at most.
        Self::new(address, bits).ok_or(NotAnAddress("there are not so many bits"))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An address of an interface with the network that it is in, as `ip address add` takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceAddress {
    address: IpAddr,
    bits: u8,
}

impl InterfaceAddress {
    /// An address in a network of so many bits; `None` where an address has fewer bits.
    pub fn new(address: IpAddr, bits: u8) -> Option<Self> {
        (bits <= Family::of(address).bits()).then_some(Self { address, bits })
    }

    /// The address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits the network's part has.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// The network that it is in.
    pub fn network(&self) -> Prefix {
        Prefix::new(self.address, self.bits).unwrap_or(Prefix::host(self.address))
    }
}

impl FromStr for InterfaceAddress {
    type Err = NotAnAddress;

    /// Reads `ADDRESS`, which is a network of its own, or `ADDRESS/BITS`.
    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let text = text.trim();
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_| NotAnAddress("it is neither IPv4 nor IPv6"))?;
        let bits = match bits {
            None => Family::of(address).bits(),
            // A sign is no part of it, which `parse` would take.
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => bits
                .parse()
                .map_err(|_| NotAnAddress("the length after the slash is no number of bits"))?,
            Some(_) => {
                return Err(NotAnAddress(
                    "the length after the slash is no number of bits",
                ));
            }
        };
        Self::new(address, bits).ok_or(NotAnAddress("there are not so many bits"))
    }
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Serialize for InterfaceAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A hardware address of six bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl FromStr for Mac {
    type Err = NotAnAddress;

    /// Reads every spelling that platforms use: with colons, with hyphens, without either.
    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        const NONE: NotAnAddress = NotAnAddress("it is not six bytes in hexadecimal");
        let plain = metadata::mac(text).ok_or(NONE)?;
        let mut bytes = [0; 6];
        for (byte, digits) in bytes.iter_mut().zip(plain.split(':')) {
            *byte = u8::from_str_radix(digits, 16).map_err(|_| NONE)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_the_same_in_every_spelling() {
        for (given, expected) in [
            ("203.0.113.7", "203.0.113.7/32"),
            (" 203.0.113.7/32\n", "203.0.113.7/32"),
            ("10.20.0.9/28", "10.20.0.0/28"),
            ("10.20.0.9/0", "0.0.0.0/0"),
            ("2001:DB8:1::1/96", "2001:db8:1::/96"),
            ("2001:db8:0:0:0:0:0:1", "2001:db8::1/128"),
            ("::1/0", "::/0"),
        ] {
            let prefix: Prefix = given.parse().unwrap();
            assert_eq!(prefix.to_string(), expected, "{given:?}");
        }
        for given in [
            "",
            "10.0.0.1/33",
            "10.0.0.1/",
            "10.0.0.1/+8",
            "10.0.0.1/-1",
            "10.0.0/8",
            "010.0.0.1",
            "::1/129",
            "fe80::1%eth0",
            "10.0.0.1/8/8",
            "host",
        ] {
            assert!(given.parse::<Prefix>().is_err(), "{given:?}");
        }
    }

    #[test]
    fn what_lies_in_a_prefix() {
        let contains = |prefix: &str, address: &str| {
            let prefix: Prefix = prefix.parse().unwrap();
            prefix.contains(address.parse().unwrap())
        };
        assert!(contains("10.0.0.0/8", "10.255.0.1"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("0.0.0.0/0", "11.0.0.1"));
        assert!(!contains("0.0.0.0/0", "::b00:1"));
        assert!(contains("2001:db8::/32", "2001:db8:ffff::1"));
        let overlaps = |one: &str, other: &str| {
            let (one, other): (Prefix, Prefix) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(one.overlaps(&other), other.overlaps(&one));
            one.overlaps(&other)
        };
        assert!(overlaps("10.0.0.0/8", "10.1.0.0/16"));
        assert!(!overlaps("10.0.0.0/16", "10.1.0.0/16"));
    }

    #[test]
    fn a_mac_is_the_same_in_every_spelling() {
        for text in ["0C-42-A1-00-00-01", "0c42a1000001", "0c:42:a1:00:00:01/"] {
            let mac: Mac = text.parse().unwrap();
            assert_eq!(mac.to_string(), "0c:42:a1:00:00:01");
        }
        assert!("0c:42:a1:00:00".parse::<Mac>().is_err());
    }
}
