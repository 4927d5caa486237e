//! The network that a platform wants.
//!
//! [`Wishes`] takes a platform's texts. What cannot be meant is left out and told with its place, and the rest
//! stands; but as soon as something was left out, or not heard, nothing may be removed: the address that could
//! not be read may be one that is there. A [`Desired`] cannot be made in another way.

use crate::ordered::Gather as _;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use super::actual::table;
use super::prefix::{Family, InterfaceAddress, Mac, Prefix};

/// Fewest bits of a range that is this machine's own: no platform gives a machine more than that.
const LARGEST_LOCAL: [(Family, u8); 2] = [(Family::Ipv4, 8), (Family::Ipv6, 32)];
/// Last priority before the rules that every machine has (fib_rules.c: 32766 and 32767).
const LAST_PRIORITY: u32 = 32765;
/// The smallest MTU that IPv4 works with, and the largest that a link can have, in bytes (RFC 791; IP_MAX_MTU).
const MTU: std::ops::RangeInclusive<u32> = 68..=65535;

/// Longest other name of a link, in bytes (linux/if.h, `ALTIFNAMSIZ`, which counts the end of the text).
const MAX_ALTNAME: usize = 127;

/// How much of what a platform says was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// All of it, without an error: what it does not name is not wanted any more.
    Whole,
    /// Not all: nothing can be concluded from what it does not name.
    Partly,
}

/// What a platform wants of a machine's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    links: Vec<DesiredLink>,
    left_alone: BTreeSet<Mac>,
    heard: Heard,
}

impl Desired {
    /// The links, in the order of their addresses.
    pub fn links(&self) -> &[DesiredLink] {
        &self.links
    }

    /// Whether a link of this address is somebody else's: nothing is added to it, and nothing removed.
    pub fn leaves_alone(&self, mac: Mac) -> bool {
        self.left_alone.contains(&mac)
    }

    /// The same with links of these addresses left to somebody else.
    #[must_use]
    pub fn leaving_alone(mut self, macs: impl IntoIterator<Item = Mac>) -> Self {
        self.left_alone.extend(macs);
        self
    }

    /// The same as an answer of which not all was heard: what it does not name stays.
    #[must_use]
    pub fn only_adding(self) -> Self {
        Self {
            heard: Heard::Partly,
            ..self
        }
    }

    /// Whether what is not wanted may be removed.
    pub fn may_remove(&self) -> bool {
        self.heard == Heard::Whole
    }
}

/// What a platform wants of a link. Each wish has its reason, which ends the line of the operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredLink {
    /// Its hardware address.
    pub mac: Mac,
    /// Its kind, by the kernel's name (`bond`); `None` for hardware. Links of other kinds can have the same address.
    pub kind: Option<String>,
    /// Other names by which people and programs find it (ip-link(8), "property"). Nobody owns them: they stay until the
    /// link goes.
    pub altnames: BTreeMap<String, &'static str>,
    /// Largest packet, in bytes.
    pub mtu: Option<Wish<u32>>,
    /// Destinations that are this machine, though no link has them as an address.
    pub locals: BTreeMap<Prefix, &'static str>,
    /// Addresses.
    pub addresses: BTreeMap<InterfaceAddress, &'static str>,
    /// Routes through the link.
    pub routes: BTreeMap<RouteWish, &'static str>,
    /// Rules that lead to the link's tables.
    pub rules: BTreeMap<RuleWish, &'static str>,
}

/// Something wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wish<T> {
    /// What.
    pub what: T,
    /// Why, in words.
    pub reason: &'static str,
}

/// An address as platforms say it: text, and the bits of its network where these come separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WishedAddress<'t> {
    /// `ADDRESS` or `ADDRESS/BITS`.
    pub address: &'t str,
    /// Bits of the network; they win against those of the text.
    pub bits: Option<u8>,
}

/// A route that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteWish {
    /// Table.
    pub table: u32,
    /// Where it leads.
    pub destination: Prefix,
    /// The next router, of the same family; without one the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// Its place among routes to the same destination; `None` where it does not matter.
    pub metric: Option<u32>,
    /// Whether the gateway is on the link whatever the routes say.
    pub onlink: bool,
}

/// A rule that is wanted: packets from or to somewhere are looked up in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleWish {
    /// Priority, of 1 to 32765.
    pub priority: u32,
    /// Packets from here.
    pub from: Option<Prefix>,
    /// Packets to there.
    pub to: Option<Prefix>,
    /// The table.
    pub table: u32,
}

/// Something that a platform says and that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Invalid {
    /// Where the platform says it.
    pub place: String,
    /// What it says there.
    pub text: String,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, text, why } = self;
        write!(f, "{place}: {text:?} is left out: {why}")
    }
}

/// Collects what a platform says.
#[derive(Debug, Default)]
pub struct Wishes {
    links: BTreeMap<(Mac, Option<String>), DesiredLink>,
    left_alone: BTreeSet<Mac>,
    invalid: Vec<Invalid>,
}

impl Wishes {
    /// No wishes.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is wanted of a link; `None` where the text is no hardware address, which is noted.
    pub fn link(&mut self, mac: &str, kind: Option<&str>, place: &str) -> Option<LinkWishes<'_>> {
        let mac = self.mac(mac, place)?;
        let kind = kind.map(str::to_string);
        let link = self
            .links
            .entry((mac, kind.clone()))
            .or_insert_with(|| DesiredLink {
                mac,
                kind,
                altnames: BTreeMap::new(),
                mtu: None,
                locals: BTreeMap::new(),
                addresses: BTreeMap::new(),
                routes: BTreeMap::new(),
                rules: BTreeMap::new(),
            });
        let invalid = &mut self.invalid;
        Some(LinkWishes { link, invalid })
    }

    /// Leaves the links of this address to somebody else, whatever is wanted of them.
    pub fn leave_alone(&mut self, mac: &str, place: &str) {
        if let Some(mac) = self.mac(mac, place) {
            self.left_alone.insert(mac);
        }
    }

    /// Notes what has not the form that the platform's answers have, as if an address in it could not be read.
    pub fn unreadable(&mut self, place: &str, text: &str, why: &str) {
        note::<()>(&mut self.invalid, place, text, Err(why.into()));
    }

    fn mac(&mut self, text: &str, place: &str) -> Option<Mac> {
        let read = text.parse::<Mac>().map_err(|why| why.to_string());
        note(&mut self.invalid, place, text, read)
    }

    /// The wishes, and what was left out. Without a single link, or with something left out, the answer counts as
    /// heard in part.
    pub fn end(self, heard: Heard) -> (Desired, Vec<Invalid>) {
        let whole = self.invalid.is_empty() && !self.links.is_empty();
        let heard = if whole { heard } else { Heard::Partly };
        let desired = Desired {
            links: self.links.into_values().collect(),
            left_alone: self.left_alone,
            heard,
        };
        (desired, self.invalid)
    }
}

/// Collects what a platform says of a link. `place` is where it says so, `reason` why the machine has it.
#[derive(Debug)]
pub struct LinkWishes<'w> {
    link: &'w mut DesiredLink,
    invalid: &'w mut Vec<Invalid>,
}

impl LinkWishes<'_> {
    /// A destination that is this machine: `ADDRESS` or `ADDRESS/BITS`.
    pub fn local(&mut self, text: &str, place: &str, reason: &'static str) {
        let read = text
            .parse::<Prefix>()
            .map_err(|why| why.to_string())
            .and_then(|prefix| {
                usable(prefix.address())?;
                let fewest = LARGEST_LOCAL.iter().find(|(of, _)| *of == prefix.family());
                match fewest {
                    Some((_, fewest)) if prefix.bits() < *fewest => {
                        Err(format!("no machine is all of a network of {prefix}"))
                    }
                    _ => Ok(prefix),
                }
            });
        if let Some(prefix) = note(self.invalid, place, text, read) {
            wish(&mut self.link.locals, prefix, reason);
        }
    }

    /// An address.
    pub fn address(&mut self, wished: WishedAddress<'_>, place: &str, reason: &'static str) {
        let read = wished
            .address
            .parse::<InterfaceAddress>()
            .map_err(|why| why.to_string())
            .and_then(|read| {
                usable(read.address())?;
                let bits = wished.bits.unwrap_or(read.bits());
                match InterfaceAddress::new(read.address(), bits) {
                    Some(address) if bits > 0 => Ok(address),
                    _ => Err(format!("{bits} bits are no network")),
                }
            });
        if let Some(address) = note(self.invalid, place, wished.address, read) {
            wish(&mut self.link.addresses, address, reason);
        }
    }

    /// A route.
    pub fn route(&mut self, route: RouteWish, place: &str, reason: &'static str) {
        let family = route.destination.family();
        let read = match route.gateway {
            Some(gateway) if Family::of(gateway) != family => {
                Err(format!("{gateway} is no router for {family}"))
            }
            Some(gateway) if gateway.is_unspecified() || gateway.is_multicast() => {
                Err(format!("{gateway} is no router"))
            }
            _ if matches!(route.table, 0 | table::LOCAL) => {
                Err(format!("table {} is not for such routes", route.table))
            }
            _ => Ok(route),
        };
        let text = route.destination.to_string();
        if let Some(route) = note(self.invalid, place, &text, read) {
            wish(&mut self.link.routes, route, reason);
        }
    }

    /// A rule. One for all packets would take over the whole machine's routes, and is left out.
    pub fn rule(&mut self, rule: RuleWish, place: &str, reason: &'static str) {
        let families: BTreeSet<Family> = [rule.from, rule.to]
            .iter()
            .flatten()
            .map(Prefix::family)
            .gather();
        let all = [rule.from, rule.to]
            .iter()
            .flatten()
            .all(|prefix| prefix.bits() == 0);
        let read = if all {
            Err("it is for all packets".to_string())
        } else if families.len() > 1 {
            Err("no packet has both versions of IP".into())
        } else if !(1..=LAST_PRIORITY).contains(&rule.priority) || rule.table == 0 {
            Err("the priority or the table is out of range".into())
        } else {
            Ok(rule)
        };
        let text = format!("rule {}", rule.priority);
        if let Some(rule) = note(self.invalid, place, &text, read) {
            wish(&mut self.link.rules, rule, reason);
        }
    }

    /// Another name of the link.
    pub fn altname(&mut self, text: &str, place: &str, reason: &'static str) {
        // The kernel takes more, and what has a meaning in a path or a configuration is nobody's name.
        let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let begins = text.bytes().next();
        let read = match begins.is_some_and(|byte| byte.is_ascii_alphabetic())
            && text.len() <= MAX_ALTNAME
            && text.bytes().all(usual)
        {
            true => Ok(text.to_string()),
            false => Err("it is no name of a link".to_string()),
        };
        if let Some(name) = note(self.invalid, place, text, read) {
            wish(&mut self.link.altnames, name, reason);
        }
    }

    /// The largest packet, in bytes.
    pub fn mtu(&mut self, bytes: u32, place: &str, reason: &'static str) {
        let read = MTU
            .contains(&bytes)
            .then_some(bytes)
            .ok_or_else(|| "no link has such an MTU".to_string());
        if let Some(what) = note(self.invalid, place, &bytes.to_string(), read) {
            let new = Wish { what, reason };
            // Of two, the smaller one, so that their order does not matter.
            self.link.mtu = Some(self.link.mtu.map_or(new, |old| old.min(new)));
        }
    }
}

/// Of two reasons for one wish the first in the alphabet stays, so that their order does not matter.
fn wish<T: Ord>(all: &mut BTreeMap<T, &'static str>, what: T, reason: &'static str) {
    let kept = all.entry(what).or_insert(reason);
    *kept = (*kept).min(reason);
}

fn note<T>(
    invalid: &mut Vec<Invalid>,
    place: &str,
    text: &str,
    read: Result<T, String>,
) -> Option<T> {
    read.map_err(|why| {
        invalid.push(Invalid {
            place: place.into(),
            text: text.into(),
            why,
        });
    })
    .ok()
}

/// Whether a machine can have such an address of a platform: those that mean something else on every machine, and
/// those that only one link knows, are none.
fn usable(address: IpAddr) -> Result<(), String> {
    let of_the_link = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    for (is, what) in [
        (address.is_unspecified(), "it is no address"),
        (address.is_loopback(), "it is every machine's own"),
        (
            address.is_multicast() || broadcast,
            "it is that of many machines",
        ),
        (of_the_link, "it counts on one link only"),
    ] {
        if is {
            return Err(what.into());
        }
    }
    Ok(())
}
