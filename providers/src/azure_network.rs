//! What the instance metadata of Azure want of the machine's network.
//!
//! DHCP gives each interface the first of its addresses. What it does not give:
//! - the other addresses of every interface, each with the length of its subnet;
//! - with several interfaces, for each but the primary one a table of its own, with the subnet and its router, and
//!   a rule that leads there from each of its addresses: a virtual network drops what comes from an address of
//!   another interface. The primary interface has the main table.
//!
//! The service does not number interfaces. The first of its list is the primary one, and the place in the list is
//! the number of the others: 17600 + place is both the table and the priority of its rules. No other agent counts
//! there: nm-cloud-setup has 30200 and 30400 and what follows, Cilium 2004 and 2005 and rules before 120, Azure's
//! CNI single digits, Tailscale 52 and 5210 to 5270, systemd-networkd nothing by itself.
//!
//! # The platform's own services
//!
//! 168.63.129.16 (the "wire server": DHCP, DNS, status, health probes) and 169.254.169.254 (instance metadata)
//! answer by the primary interface alone. DHCP gives routes to both, on each interface that it sets up, and the one
//! with the smaller metric wins, which is the primary one's by chance only. So with several interfaces the main
//! table gets both routes through the primary interface before all others (metric 0).
//!
//! These are routes and not a rule to these addresses that comes first: a health probe of a load balancer comes
//! from 168.63.129.16 to an address of any interface, and its reply has to leave by that interface. A rule would
//! lead the reply to the primary one; and where the kernel filters by reverse paths (`rp_filter` 1), the probe
//! itself would be dropped. Packets that have no source yet find the route; those from an address of a secondary
//! interface find its table first.
//!
//! # Virtual functions
//!
//! Accelerated networking shows a second device with the hardware address of the synthetic one (`hv_netvsc`), which
//! becomes a part of it. What is wanted is wanted of the synthetic device (see [`DesiredLink`]); for
//! systemd-networkd, [`networkd_units`] keep the other one unmanaged.
//!
//! # Containers' addresses
//!
//! Azure's CNI gives the secondary addresses of the interfaces to containers, and metadata do not show which.
//! [`has_azure_cni`] knows its traces on the machine; where it finds them, nothing is wanted, and what was added is
//! removed. Blocks of addresses (`ipAddressBlock`), which only containers have, are left to their plugin.
//!
//! [`DesiredLink`]: pilotlight_core::net::DesiredLink

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pilotlight_core::net::{
    Actual, Desired, Family, Heard, Invalid, LinkWishes, Mac, Prefix, RouteKind, RouteWish,
    RuleWish, WishedAddress, table,
};
use pilotlight_core::ordered::Gather as _;

use crate::azure_interface::{Interface, Lists};
use crate::reading::Reading;
use crate::said::PolicySwitches;

pub use crate::azure_functions::networkd_units;

/// What tables and rules of secondary interfaces count from; the primary interface has place 0.
const FIRST_NUMBER: u32 = 17_600;
const INTERFACES: &str = "network/interface";
/// Services of the platform that answer by the primary interface (Azure docs, "What is IP address 168.63.129.16?",
/// "Instance Metadata Service").
const SERVICES: [Ipv4Addr; 2] = [
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(169, 254, 169, 254),
];
const SECONDARY: &str = "it is a secondary address of the interface";
const REPLIES: &str = "replies leave by the interface that they belong to";
const PRIMARY: &str = "the platform answers there by the primary interface";

/// What was heard.
#[derive(Debug, Clone)]
pub struct Said<'t> {
    /// The answer to `/metadata/instance/network/interface?api-version=…&format=json`.
    pub interfaces: &'t str,
    /// The primary interface, as far as the machine shows it: see [`primary`]. While it is another one than the
    /// first of the list, no table is wanted and nothing removed.
    pub primary: Option<Mac>,
    /// The routers that advertise themselves on the links, which the service does not name: see [`routers`].
    pub routers: BTreeMap<Mac, Ipv6Addr>,
}

/// What is switched on. With all off nothing is wanted, and what was added is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switches<'t> {
    /// Whether secondary addresses are added (cloud-init's name).
    pub apply_network_config_for_secondary_ips: bool,
    /// Whether secondary interfaces get tables and rules, and the platform's services their routes.
    pub policy_routing: bool,
    /// Interfaces to which nothing is added and from which nothing is removed, by hardware address.
    pub left_alone: &'t [&'t str],
}

impl Default for Switches<'_> {
    fn default() -> Self {
        Self {
            apply_network_config_for_secondary_ips: true,
            policy_routing: true,
            left_alone: &[],
        }
    }
}

impl Switches<'_> {
    /// The same, with everything off where Azure's CNI runs.
    #[must_use]
    pub fn yielding_to_azure_cni(self, actual: &Actual) -> Self {
        let on = !has_azure_cni(actual);
        Self {
            apply_network_config_for_secondary_ips: self.apply_network_config_for_secondary_ips
                && on,
            policy_routing: self.policy_routing && on,
            ..self
        }
    }
}

/// What is wanted, and what was left out, with the service's path to it.
///
/// Nothing may be removed because of an answer that is no JSON, has no interface, has one without an address, or
/// anything that cannot be read; nor while the first interface is not the one that the machine takes for primary.
pub fn desired(said: &Said<'_>, switches: &Switches<'_>) -> (Desired, Vec<Invalid>) {
    let mut reading = Reading::new(said.interfaces);
    let interfaces = interfaces(&mut reading);
    let mut policy = switches.policy_routing && interfaces.len() > 1;
    if let (Some(first), Some(primary)) = (interfaces.first(), said.primary)
        && first.mac != primary
    {
        policy = false;
        let why = format!("the primary interface of the machine is {primary}");
        let place = format!("{}/macAddress", first.place);
        let text = first.mac.to_string();
        reading.wishes.unreadable(&place, &text, &why);
    }
    for (at, interface) in (0..).zip(&interfaces) {
        let mac = interface.mac.to_string();
        let mut names = switches.left_alone.iter();
        if names.any(|name| name.parse() == Ok(interface.mac)) {
            reading.wishes.leave_alone(&mac, &interface.place);
            continue;
        }
        let mut plan = Plan::default();
        if switches.apply_network_config_for_secondary_ips {
            secondary(interface, &mut plan, &mut reading);
        }
        match (policy, at) {
            (false, _) => {}
            (true, 0) => services(interface, &mut plan, &mut reading),
            (true, at) => {
                let router = said.routers.get(&interface.mac).copied();
                own_table(
                    interface,
                    FIRST_NUMBER + at,
                    router,
                    &mut plan,
                    &mut reading,
                );
            }
        }
        if let Some(mut link) = reading.wishes.link(&mac, None, &interface.place) {
            plan.wish(&mut link);
        }
    }
    reading.wishes.end(Heard::Whole)
}

/// The same of the service's answer as it is, on a machine that tells its primary interface and its routers.
pub(crate) fn of_document(
    document: &str,
    switches: &PolicySwitches,
    actual: &Actual,
) -> (Desired, Vec<Invalid>) {
    let said = Said {
        interfaces: document,
        primary: primary(actual),
        routers: routers(actual),
    };
    let own = Switches {
        apply_network_config_for_secondary_ips: switches.secondary_addresses,
        policy_routing: switches.policy_routing,
        left_alone: &[],
    };
    let own = match switches.yield_to_cni {
        true => own.yielding_to_azure_cni(actual),
        false => own,
    };
    desired(&said, &own)
}

/// The interface that the machine is reached by: that of the first default route of the main table.
pub fn primary(actual: &Actual) -> Option<Mac> {
    let mut defaults = actual.routes_to(table::MAIN, Prefix::everything(Family::Ipv4));
    let first = defaults.find(|route| route.kind == RouteKind::Unicast)?;
    actual.links.get(&first.link?)?.mac
}

/// The routers of IPv6 that the machine has heard on its links: those of its default routes.
pub fn routers(actual: &Actual) -> BTreeMap<Mac, Ipv6Addr> {
    let everything = Prefix::everything(Family::Ipv6);
    let defaults = actual.routes.iter();
    let defaults = defaults.filter(|route| route.destination == everything);
    let heard = defaults.filter_map(|route| match route.gateway? {
        // They advertise themselves by such addresses alone (RFC 4861, 6.1.2).
        IpAddr::V6(router) if router.is_unicast_link_local() => {
            Some((actual.links.get(&route.link?)?.mac?, router))
        }
        _ => None,
    });
    heard.gather()
}

/// Whether the machine shows that Azure's CNI runs on it: its bridge, or its links to containers
/// (azure-container-networking, `network`: bridge `azure0`, `hostVEthInterfacePrefix` and the beginning of a hash).
pub fn has_azure_cni(actual: &Actual) -> bool {
    actual.links.values().any(|link| {
        let rest = link.name.strip_prefix("azv");
        match link.kind.as_deref() {
            Some("bridge") => link.name == "azure0",
            Some("veth") => rest.is_some_and(|rest| {
                rest.len() >= 7 && rest.bytes().all(|byte| byte.is_ascii_hexdigit())
            }),
            _ => false,
        }
    })
}

fn interfaces(reading: &mut Reading<'_>) -> Vec<Interface> {
    let Some(all) = reading.json(INTERFACES) else {
        return Vec::new();
    };
    let mut taken: Vec<Interface> = Vec::new();
    for (place, value) in reading.interfaces(&all, INTERFACES) {
        let Some(interface) = Interface::read(value, &place, reading) else {
            continue;
        };
        if taken.iter().any(|other| other.mac == interface.mac) {
            let place = format!("{place}/macAddress");
            reading.unreadable(&place, value, "another interface has the same address");
        } else {
            taken.push(interface);
        }
    }
    taken
}

/// What is wanted of a link, each with its place.
#[derive(Default)]
struct Plan {
    addresses: Vec<(IpAddr, u8, String)>,
    routes: Vec<(RouteWish, String, &'static str)>,
    rules: Vec<(RuleWish, String)>,
}

impl Plan {
    fn wish(&self, link: &mut LinkWishes<'_>) {
        for (ip, bits, place) in &self.addresses {
            let wished = WishedAddress {
                address: &ip.to_string(),
                bits: Some(*bits),
            };
            link.address(wished, place, SECONDARY);
        }
        for (route, place, reason) in &self.routes {
            link.route(*route, place, reason);
        }
        for (rule, place) in &self.rules {
            link.rule(*rule, place, REPLIES);
        }
    }
}

/// All addresses but the first of each family, which DHCP gives.
fn secondary(interface: &Interface, plan: &mut Plan, reading: &mut Reading<'_>) {
    for (family, _, lists) in interface.families() {
        for (ip, place) in lists.addresses.iter().skip(1) {
            let bits = match (family, lists.subnet_of(*ip)) {
                (_, Some(subnet)) => subnet.bits(),
                // The service knows no subnets of IPv6 on most machines, and DHCP gives the first address alone.
                (Family::Ipv6, None) if lists.subnets.is_empty() => 128,
                _ => {
                    outside(*ip, place, reading);
                    continue;
                }
            };
            plan.addresses.push((*ip, bits, place.clone()));
        }
    }
}

fn outside(ip: IpAddr, place: &str, reading: &mut Reading<'_>) {
    let why = "it is in no subnet of the interface";
    reading.wishes.unreadable(place, &ip.to_string(), why);
}

/// The routes to the platform's services, by the primary interface.
fn services(interface: &Interface, plan: &mut Plan, reading: &mut Reading<'_>) {
    let Some(router) = router_of(&interface.v4) else {
        return no_router(interface, "ipv4", reading);
    };
    for service in SERVICES {
        let route = RouteWish {
            table: table::MAIN,
            destination: Prefix::host(service.into()),
            gateway: Some(router),
            metric: Some(0),
            onlink: false,
        };
        let place = format!("{}/ipv4/subnet", interface.place);
        plan.routes.push((route, place, PRIMARY));
    }
}

/// The table of a secondary interface, and the rules that lead there.
fn own_table(
    interface: &Interface,
    number: u32,
    heard: Option<Ipv6Addr>,
    plan: &mut Plan,
    reading: &mut Reading<'_>,
) {
    for (family, key, lists) in interface.families() {
        if lists.addresses.is_empty() {
            continue;
        }
        let router = match family {
            Family::Ipv4 => router_of(lists),
            Family::Ipv6 => heard
                .filter(Ipv6Addr::is_unicast_link_local)
                .map(IpAddr::V6),
        };
        let Some(router) = router else {
            no_router(interface, key, reading);
            continue;
        };
        let route = |destination, gateway| RouteWish {
            table: number,
            destination,
            gateway,
            metric: None,
            onlink: false,
        };
        let place = format!("{}/{key}/subnet", interface.place);
        // Neighbours of IPv6 are reached by the router, too.
        let on_link = lists.subnets.iter().filter(|_| family == Family::Ipv4);
        let on_link = on_link.map(|subnet| route(*subnet, None));
        let routes = on_link.chain([route(Prefix::everything(family), Some(router))]);
        plan.routes
            .extend(routes.map(|route| (route, place.clone(), REPLIES)));
        for (ip, place) in &lists.addresses {
            if family == Family::Ipv4 && lists.subnet_of(*ip).is_none() {
                outside(*ip, place, reading);
                continue;
            }
            let rule = RuleWish {
                priority: number,
                from: Some(Prefix::host(*ip)),
                to: None,
                table: number,
            };
            plan.rules.push((rule, place.clone()));
        }
    }
}

fn no_router(interface: &Interface, key: &str, reading: &mut Reading<'_>) {
    let place = format!("{}/{key}/subnet", interface.place);
    let why = "its subnet or its router is not known yet";
    let mac = interface.mac.to_string();
    reading.wishes.unreadable(&place, &mac, why);
}

/// The router of an IPv4 subnet: its first address after its own (Azure docs, "Virtual Network FAQ": reserved
/// addresses).
fn router_of(lists: &Lists) -> Option<IpAddr> {
    match lists.subnets.first()?.address() {
        IpAddr::V4(v4) => {
            let bits = v4.to_bits().checked_add(1)?;
            Some(IpAddr::V4(bits.into()))
        }
        IpAddr::V6(_) => None,
    }
}
