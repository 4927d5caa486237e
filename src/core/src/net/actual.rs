//! The network that is there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;

use super::prefix::{Family, InterfaceAddress, Mac, Prefix};

/// Routing tables with a meaning of their own (linux/rtnetlink.h, `rt_class_t`).
pub mod table {
    /// What the rules of a machine without policies ask second.
    pub const MAIN: u32 = 254;
    /// What is asked first: addresses that are this machine.
    pub const LOCAL: u32 = 255;
}

/// What the kernel adds itself (linux/rtnetlink.h, `RTPROT_KERNEL`).
pub const PROTOCOL_KERNEL: u8 = 2;

/// The metric that an IPv6 route gets where none is said (linux/ipv6_route.h, `IP6_RT_PRIO_USER`). IPv4's is 0.
pub const METRIC_OF_IPV6: u32 = 1024;

/// Scopes (linux/rtnetlink.h, `rt_scope_t`).
pub mod scope {
    /// The world.
    pub const UNIVERSE: u8 = 0;
    /// What is on the link.
    pub const LINK: u8 = 253;
    /// This machine.
    pub const HOST: u8 = 254;
}

/// Links, addresses, routes and rules of a network namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actual {
    /// Links by their index.
    pub links: BTreeMap<u32, Link>,
    /// Addresses of all links.
    pub addresses: BTreeSet<Address>,
    /// Routes of all tables.
    pub routes: BTreeSet<Route>,
    /// Rules of both families.
    pub rules: BTreeSet<Rule>,
}

/// A network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Name.
    pub name: String,
    /// Alternative names (ip-link(8), "property").
    pub altnames: BTreeSet<String>,
    /// Hardware address, where it has one of six bytes.
    pub mac: Option<Mac>,
    /// Kind of a virtual link, by the kernel's name (`veth`, `bridge`); hardware has none.
    pub kind: Option<String>,
    /// Driver of hardware, where it is known.
    pub driver: Option<String>,
    /// Index of the link that it is enslaved to.
    pub master: Option<u32>,
    /// Whether it carries the flag of a link that is part of a bond (`IFF_SLAVE`, netdevice(7)).
    pub slave: bool,
    /// Whether it is the loopback (`IFF_LOOPBACK`).
    pub loopback: bool,
    /// Whether it is set up (`IFF_UP`); without a cable, too.
    pub up: bool,
    /// Largest packet, in bytes.
    pub mtu: u32,
    /// Whether the next IPv4 address of a network takes the place of the first one when that is removed, and is not
    /// removed with it (ip-sysctl.rst, `promote_secondaries`).
    pub promotes_secondaries: bool,
}

/// An address of a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Address {
    /// The link's index.
    pub link: u32,
    /// The address with its network.
    pub address: InterfaceAddress,
    /// Who added it (`IFA_PROTO`, Linux 5.18); 0 where nobody says so.
    pub protocol: u8,
    /// How far it counts: see [`scope`].
    pub scope: u8,
    /// Whether its lifetime has no end. DHCP's and those of router advertisements have one.
    pub permanent: bool,
    /// Whether another IPv4 address of its network came first (`IFA_F_SECONDARY`).
    pub secondary: bool,
}

/// What a route does with a packet (linux/rtnetlink.h, `RTN_…`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteKind {
    /// Sends it on.
    Unicast,
    /// Keeps it: the destination is this machine.
    Local,
    /// Something else, by the kernel's number.
    Other(u8),
}

/// A route. The order of the fields is that of the kernel's own search.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Route {
    /// Table.
    pub table: u32,
    /// Where it leads.
    pub destination: Prefix,
    /// The smaller one is taken first.
    pub metric: u32,
    /// What it does.
    pub kind: RouteKind,
    /// Index of the link that it goes through.
    pub link: Option<u32>,
    /// The same where it has several next hops.
    pub hops: BTreeSet<u32>,
    /// The next router; without one the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// Source address that it proposes.
    pub source: Option<IpAddr>,
    /// Who added it (linux/rtnetlink.h, `RTPROT_…`).
    pub protocol: u8,
    /// How far the destination is: see [`scope`].
    pub scope: u8,
    /// Whether the gateway counts as being on the link whatever the routes say.
    pub onlink: bool,
    /// Whether it has something that decides about packets and stands nowhere here (several next hops, a tunnel,
    /// a type of service). Such a route equals no wish, and is nobody's that this daemon is.
    pub more: bool,
}

/// A rule that says which table is asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Rule {
    /// Family.
    pub family: Family,
    /// The smaller one is asked first.
    pub priority: u32,
    /// Packets from here; `None` from everywhere.
    pub from: Option<Prefix>,
    /// Packets to there; `None` to everywhere.
    pub to: Option<Prefix>,
    /// The table that is asked; `None` where it does something else.
    pub table: Option<u32>,
    /// Who added it (`FRA_PROTOCOL`, Linux 4.17).
    pub protocol: u8,
    /// Whether it has something that decides about packets and stands nowhere here (a mark, an interface, a port).
    pub more: bool,
}

/// Kinds of links that are not touched: they belong to containers, or join what does.
const OF_CONTAINERS: [&str; 3] = ["veth", "bridge", "openvswitch"];

/// Kinds of links that are a machine's own network interfaces where it has no hardware: in a container of a whole
/// system, or in a network namespace. Those that are made of other links are not among them.
const STAND_INS: [&str; 6] = ["veth", "macvlan", "ipvlan", "tun", "dummy", "ifb"];

impl Link {
    /// Whether it can stand for hardware that is not there.
    pub(super) fn stands_in(&self) -> bool {
        let kind = self.kind.as_deref().unwrap_or_default();
        self.master.is_none() && !self.slave && !self.loopback && STAND_INS.contains(&kind)
    }

    /// Whether it is a machine's own, and nobody else's part.
    pub fn is_touchable(&self) -> bool {
        let kind = self.kind.as_deref().unwrap_or_default();
        self.master.is_none() && !self.slave && !self.loopback && !OF_CONTAINERS.contains(&kind)
    }
}

impl Route {
    /// Whether packets that take it may leave through a link.
    pub fn is_through(&self, link: u32) -> bool {
        self.link == Some(link) || self.hops.contains(&link)
    }
}

impl Actual {
    /// The name of a link.
    pub fn name(&self, index: u32) -> &str {
        self.links.get(&index).map_or("?", |link| &link.name)
    }

    /// Routes of a table to exactly this destination, in the order in which the kernel looks at them.
    pub fn routes_to(&self, table: u32, destination: Prefix) -> impl Iterator<Item = &Route> {
        // Smaller than all others to this destination.
        let first = Route {
            table,
            destination,
            metric: 0,
            kind: RouteKind::Unicast,
            link: None,
            hops: BTreeSet::new(),
            gateway: None,
            source: None,
            protocol: 0,
            scope: 0,
            onlink: false,
            more: false,
        };
        self.routes
            .range(first..)
            .take_while(move |route| route.table == table && route.destination == destination)
    }

    /// Addresses of a link.
    pub fn addresses_of(&self, link: u32) -> impl Iterator<Item = &Address> {
        let of_link = move |address: &&Address| address.link == link;
        self.addresses.iter().filter(of_link)
    }

    /// The same without the routes that the kernel adds and removes by itself when addresses come and go: which
    /// ones these are differs between kernels, so a prediction has only some of them.
    pub fn without_kernel_routes(&self) -> Self {
        let mut rest = self.clone();
        rest.routes
            .retain(|route| route.protocol != PROTOCOL_KERNEL);
        rest
    }
}

/// Whose things may be changed and removed: those that carry this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Owner {
    /// The number, as rules and routes have it (linux/rtnetlink.h, `rtm_protocol`) and addresses (`IFA_PROTO`).
    pub protocol: u8,
}

impl Owner {
    /// The number of Google's guest agents, whose routes this daemon takes over (google-guest-agent, `addresses.go`).
    pub const GOOGLE: Owner = Owner { protocol: 66 };
    /// The number of this daemon elsewhere. It is free in linux/rtnetlink.h and iproute2's rt_protos, and neither
    /// Calico (80), Open/R (99), FRR (186 to 198) nor another known program writes it.
    pub const PILOTLIGHT: Owner = Owner { protocol: 176 };

    /// Whether an address is the owner's. One with an end to its lifetime is DHCP's, whatever else it carries.
    pub fn owns_address(&self, address: &Address) -> bool {
        address.protocol == self.protocol && address.permanent
    }

    /// Whether a route is the owner's: it carries the number, and is of the forms that this daemon adds.
    pub fn owns_route(&self, route: &Route) -> bool {
        let form = match route.kind {
            RouteKind::Local => route.table == table::LOCAL,
            RouteKind::Unicast => route.table != table::LOCAL,
            RouteKind::Other(_) => false,
        };
        route.protocol == self.protocol && form && route.link.is_some() && !route.more
    }

    /// Whether a rule is the owner's: it carries the number, and is of the form that this daemon adds.
    pub fn owns_rule(&self, rule: &Rule) -> bool {
        rule.protocol == self.protocol && rule.table.is_some() && !rule.more
    }
}
