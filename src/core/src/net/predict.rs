//! What the network looks like after an operation.
//!
//! Of the routes that the kernel keeps by itself for each address, those are predicted that can meet a wish: the
//! address' own local route, and that of its network. Broadcasts and multicast are not.

use std::collections::BTreeSet;

use super::actual::{Actual, Address, PROTOCOL_KERNEL, Route, RouteKind, scope, table};
use super::op::{Change, NetOp};
use super::prefix::{Family, Prefix};

/// Metric of the kernel's route to an IPv6 address' network (linux/ipv6_route.h, `IP6_RT_PRIO_ADDRCONF`).
const METRIC_OF_NETWORK: u32 = 256;

impl NetOp {
    /// Turns the network into what it is after the operation.
    pub fn predict(&self, actual: &mut Actual) {
        match &self.change {
            Change::SetMtu { index, to, .. } => {
                if let Some(link) = actual.links.get_mut(index) {
                    link.mtu = *to;
                }
            }
            Change::AddAltname { index, name, .. } => {
                if let Some(link) = actual.links.get_mut(index) {
                    link.altnames.insert(name.clone());
                }
            }
            Change::AddAddress { address, .. } => {
                actual.routes.extend(kernel_routes(address));
                actual.addresses.insert(address.clone());
            }
            Change::AddRoute { route, .. } => {
                actual.routes.insert(route.clone());
            }
            Change::ReplaceRoute { old, new, .. } => {
                actual.routes.insert(new.clone());
                actual.routes.remove(old);
            }
            Change::AddRule { rule } => {
                actual.rules.insert(rule.clone());
            }
            Change::RemoveRule { rule } => {
                actual.rules.remove(rule);
            }
            Change::RemoveRoute { route, .. } => {
                actual.routes.remove(route);
            }
            Change::RemoveAddress { address, .. } => remove_address(address, actual),
        }
    }
}

/// What goes away together.
#[derive(Debug, Default)]
pub(super) struct Along {
    pub(super) addresses: BTreeSet<Address>,
    pub(super) routes: BTreeSet<Route>,
}

/// What the kernel removes when an address is removed, the address itself among it.
///
/// For IPv4: the other addresses of its network, where they do not take its place; all routes through the link,
/// if it was the last one (`fib_disable_ip`); and routes that propose it as the source, if no link has it any
/// more (`fib_sync_down_addr`). IPv6 only takes the proposal out of such routes, which changes them as well.
pub(super) fn goes_with(address: &Address, actual: &Actual) -> Along {
    let family = Family::of(address.address.address());
    let mut along = Along::default();
    along.addresses.insert(address.clone());
    let promotes = (actual.links.get(&address.link)).is_some_and(|link| link.promotes_secondaries);
    if family == Family::Ipv4 && !address.secondary && !promotes {
        let followers = followers(address, actual).cloned();
        along.addresses.extend(followers);
    }
    let last = family == Family::Ipv4
        && !actual
            .addresses_of(address.link)
            .any(|other| other.address.address().is_ipv4() && !along.addresses.contains(other));
    for gone in &along.addresses {
        let ip = gone.address.address();
        let still = |link: Option<u32>| {
            actual.addresses.iter().any(|other| {
                other.address.address() == ip
                    && link.is_none_or(|link| other.link == link)
                    && !along.addresses.contains(other)
            })
        };
        let (on_link, anywhere) = (still(Some(gone.link)), still(None));
        let network = gone.address.network();
        let shared = actual
            .addresses_of(gone.link)
            .any(|other| other.address.network() == network && !along.addresses.contains(other));
        let goes = |route: &&Route| {
            if route.destination.family() != family {
                return false;
            }
            let through = route.link == Some(gone.link);
            let kernels = through && route.protocol == PROTOCOL_KERNEL;
            let own = kernels
                && !on_link
                && route.table == table::LOCAL
                && route.destination == Prefix::host(ip);
            let of_network = kernels
                && route.table == table::MAIN
                && route.destination == network
                && match family {
                    Family::Ipv4 => route.source == Some(ip),
                    Family::Ipv6 => !shared,
                };
            own || of_network
                || (!anywhere && route.source == Some(ip))
                || (last && route.is_through(gone.link))
        };
        along
            .routes
            .extend(actual.routes.iter().filter(goes).cloned());
    }
    along
}

fn remove_address(address: &Address, actual: &mut Actual) {
    if !actual.addresses.contains(address) {
        return;
    }
    let along = goes_with(address, actual);
    let next = (!address.secondary)
        .then(|| followers(address, actual).find(|next| !along.addresses.contains(next)))
        .flatten()
        .cloned();
    for gone in &along.addresses {
        actual.addresses.remove(gone);
    }
    for gone in &along.routes {
        actual.routes.remove(gone);
    }
    if let Some(mut next) = next {
        actual.addresses.remove(&next);
        next.secondary = false;
        actual.routes.extend(kernel_routes(&next));
        actual.addresses.insert(next);
    }
}

/// The addresses of a link that came after this one in its network.
fn followers<'a>(first: &'a Address, actual: &'a Actual) -> impl Iterator<Item = &'a Address> {
    actual.addresses_of(first.link).filter(move |other| {
        other.secondary
            && other.address.bits() == first.address.bits()
            && other.address.network() == first.address.network()
    })
}

/// Whether a new address would come second in its network: IPv4 has an order among the addresses of one, and IPv6
/// has none.
pub(super) fn is_secondary(address: &Address, actual: &Actual) -> bool {
    address.address.address().is_ipv4()
        && actual.addresses_of(address.link).any(|other| {
            !other.secondary
                && other.address.bits() == address.address.bits()
                && other.address.network() == address.address.network()
        })
}

/// The routes that the kernel adds for an address.
pub(super) fn kernel_routes(address: &Address) -> Vec<Route> {
    let ip = address.address.address();
    let network = address.address.network();
    let v4 = ip.is_ipv4();
    let own = Route {
        table: table::LOCAL,
        destination: Prefix::host(ip),
        metric: 0,
        kind: RouteKind::Local,
        link: Some(address.link),
        hops: BTreeSet::new(),
        gateway: None,
        source: v4.then_some(ip),
        protocol: PROTOCOL_KERNEL,
        scope: if v4 { scope::HOST } else { scope::UNIVERSE },
        onlink: false,
        more: false,
    };
    let of_network = Route {
        table: table::MAIN,
        destination: network,
        metric: if v4 { 0 } else { METRIC_OF_NETWORK },
        kind: RouteKind::Unicast,
        scope: if v4 { scope::LINK } else { scope::UNIVERSE },
        ..own.clone()
    };
    let has_network = !network.is_host() && !address.secondary;
    let mut routes = vec![own];
    routes.extend(has_network.then_some(of_network));
    routes
}
