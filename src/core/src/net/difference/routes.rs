//! Routes that are wanted.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Search, unreached};
use crate::net::actual::{METRIC_OF_IPV6, Route, RouteKind, scope, table};
use crate::net::desired::DesiredLink;
use crate::net::op::Change;
use crate::net::predict::Along;
use crate::net::prefix::{Family, Prefix};
use crate::net::reach::{reachable_without, routers};
use crate::ordered::{Arrange as _, Gather as _};

/// A route that is wanted, as it would be added.
pub(super) struct WantedRoute {
    route: Route,
    any_metric: bool,
    reason: &'static str,
    /// Why its link takes none just now.
    obstacle: Option<String>,
}

impl WantedRoute {
    /// Whether a route is what is wanted, whoever added it.
    fn is_met_by(&self, route: &Route) -> bool {
        let wanted = &self.route;
        !route.more
            && route.kind == wanted.kind
            && route.link == wanted.link
            && route.gateway == wanted.gateway
            && (self.any_metric || route.metric == wanted.metric)
    }
}

/// What is added first: a router must be reached by a route that is there already.
pub(super) fn step(route: &Route) -> (bool, bool) {
    (route.kind != RouteKind::Local, route.gateway.is_some())
}

impl Search<'_> {
    pub(super) fn wanted_routes(
        &self,
        link: &DesiredLink,
        index: u32,
        obstacle: Option<&str>,
    ) -> Vec<WantedRoute> {
        let plain = Route {
            table: table::LOCAL,
            destination: Prefix::everything(Family::Ipv4),
            metric: 0,
            kind: RouteKind::Local,
            link: Some(index),
            hops: BTreeSet::new(),
            gateway: None,
            source: None,
            protocol: self.owner.protocol,
            scope: scope::UNIVERSE,
            onlink: false,
            more: false,
        };
        let usual_metric = |family| match family {
            Family::Ipv4 => 0,
            Family::Ipv6 => METRIC_OF_IPV6,
        };
        let obstacle = obstacle.map(str::to_string);
        let locals = link
            .locals
            .iter()
            .map(|(&destination, &reason)| WantedRoute {
                route: Route {
                    destination,
                    metric: usual_metric(destination.family()),
                    scope: match destination.family() {
                        Family::Ipv4 => scope::HOST,
                        Family::Ipv6 => scope::UNIVERSE,
                    },
                    ..plain.clone()
                },
                any_metric: true,
                reason,
                obstacle: obstacle.clone(),
            });
        let routes = link.routes.iter().map(|(wish, &reason)| {
            let family = wish.destination.family();
            let on_link = family == Family::Ipv4 && wish.gateway.is_none();
            WantedRoute {
                route: Route {
                    table: wish.table,
                    destination: wish.destination,
                    metric: wish.metric.unwrap_or(usual_metric(family)),
                    kind: RouteKind::Unicast,
                    gateway: wish.gateway,
                    scope: if on_link {
                        scope::LINK
                    } else {
                        scope::UNIVERSE
                    },
                    onlink: wish.onlink && wish.gateway.is_some(),
                    ..plain.clone()
                },
                any_metric: wish.metric.is_none(),
                reason,
                obstacle: obstacle.clone(),
            }
        });
        locals.chain(routes).gather()
    }

    /// Adds the routes that are missing; answers those of ours that are wanted.
    pub(super) fn routes(&mut self, mut wanted: Vec<WantedRoute>) -> BTreeSet<Route> {
        wanted.arrange_by(|one, other| {
            (step(&one.route), &one.route).cmp(&(step(&other.route), &other.route))
        });
        let mut kept = BTreeSet::new();
        let mut missing = Vec::new();
        let mut routers = routers(&self.now);
        for wish in wanted {
            if wish.route.destination.bits() == 0 {
                routers.extend(wish.route.gateway);
            }
            let there = self.now.routes_to(wish.route.table, wish.route.destination);
            let (ours, others): (Vec<&Route>, Vec<&Route>) = there
                .filter(|route| wish.is_met_by(route))
                .partition(|route| self.owner.owns_route(route));
            if let Some(one) = ours.first() {
                kept.insert((*one).clone());
            } else if others.is_empty() {
                missing.push(wish);
            }
        }
        for wish in missing {
            self.add_route(&wish, &routers, &mut kept);
        }
        kept
    }

    fn add_route(
        &mut self,
        wish: &WantedRoute,
        routers: &BTreeSet<IpAddr>,
        kept: &mut BTreeSet<Route>,
    ) {
        let new = wish.route.clone();
        let link = self.now.name(new.link.unwrap_or_default()).to_string();
        let add = Change::AddRoute {
            route: new.clone(),
            link: link.clone(),
        };
        if let Some(why) = &wish.obstacle {
            return self.unmet(add, why);
        }
        let router = routers
            .iter()
            .find(|router| new.destination.contains(**router));
        if let Some(router) = router.filter(|_| new.kind == RouteKind::Local) {
            return self.unmet(add, unreached(*router));
        }
        let in_its_place: Vec<Route> = self
            .now
            .routes_to(new.table, new.destination)
            .filter(|route| route.metric == new.metric)
            .cloned()
            .collect();
        let unwanted = |route: &&Route| {
            let touchable = route.link.is_some_and(|link| self.may_touch(link));
            touchable && self.owner.owns_route(route) && !kept.contains(route)
        };
        let other = in_its_place.iter().find(|route| !unwanted(route));
        if let Some(other) = other {
            let there = self.named(other);
            return self.unmet(
                add,
                format!("its place has {there}, of protocol {}", other.protocol),
            );
        }
        let change = match in_its_place.first() {
            None => add,
            Some(old) if !self.desired.may_remove() => {
                let why = format!(
                    "its place has {}, and the platform was heard in part",
                    self.named(old)
                );
                return self.unmet(add, why);
            }
            Some(old) => {
                let old_link = self.now.name(old.link.unwrap_or_default()).to_string();
                Change::ReplaceRoute {
                    old: old.clone(),
                    old_link,
                    new: new.clone(),
                    link,
                }
            }
        };
        if let Change::ReplaceRoute { old, .. } = &change {
            let mut after = Along::default();
            after.routes.insert(old.clone());
            let family = new.destination.family();
            let reached = reachable_without(&Along::default(), family, &self.now);
            self.now.routes.insert(new.clone());
            let still = reachable_without(&after, family, &self.now);
            self.now.routes.remove(&new);
            if reached && !still {
                return self.unmet(change, "the machine could not be reached any more");
            }
        }
        kept.insert(new);
        self.perform(change, wish.reason);
    }
}
