//! Whether a machine can be reached: what no operation may end.

use crate::ordered::Gather as _;
use std::collections::BTreeSet;
use std::net::IpAddr;

use super::actual::{Actual, RouteKind, scope, table};
use super::predict::Along;
use super::prefix::{Family, Prefix};

/// Whether the machine would be reached by a family if these things were gone: it has a default route, through a
/// link with an address that counts beyond the link.
pub(super) fn reachable_without(gone: &Along, family: Family, actual: &Actual) -> bool {
    let defaults = actual.routes_to(table::MAIN, Prefix::everything(family));
    defaults
        .filter(|route| route.kind == RouteKind::Unicast && !gone.routes.contains(route))
        .any(|route| {
            let mut addresses = actual.addresses.iter().filter(|address| {
                Family::of(address.address.address()) == family
                    && address.scope < scope::LINK
                    && !gone.addresses.contains(address)
            });
            addresses.any(|address| route.is_through(address.link))
        })
}

/// The routers of all default routes, in whatever table: an address that this machine takes for its own cannot be
/// one of them any more.
pub(super) fn routers(actual: &Actual) -> BTreeSet<IpAddr> {
    let defaults = actual.routes.iter();
    defaults
        .filter(|route| route.destination.bits() == 0)
        .filter_map(|route| route.gateway)
        .gather()
}
