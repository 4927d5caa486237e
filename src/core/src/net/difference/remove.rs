//! Removing what is ours and not wanted.

use std::collections::BTreeSet;

use super::place::{bond_of, is_port};
use super::{Search, UNNAMED, routes};
use crate::net::actual::{Address, PROTOCOL_KERNEL, Route, Rule};
use crate::net::op::Change;
use crate::net::predict::{Along, goes_with};
use crate::net::prefix::{Family, Mac};
use crate::ordered::Arrange as _;

impl Search<'_> {
    pub(super) fn remove_rules(&mut self, wanted: &BTreeSet<Rule>) {
        let ours = self.now.rules.iter().rev();
        let unwanted: Vec<Rule> = ours
            .filter(|rule| self.owner.owns_rule(rule) && !wanted.contains(rule))
            .cloned()
            .collect();
        for rule in unwanted {
            self.perform(Change::RemoveRule { rule }, UNNAMED);
        }
    }

    pub(super) fn remove_routes(&mut self, kept: &BTreeSet<Route>) {
        let mut unwanted: Vec<Route> = self
            .now
            .routes
            .iter()
            .filter(|route| self.owner.owns_route(route) && !kept.contains(route))
            .filter(|route| route.link.is_some_and(|link| self.may_touch(link)))
            .cloned()
            .collect();
        unwanted
            .arrange_by(|one, other| (routes::step(other), other).cmp(&(routes::step(one), one)));
        for route in unwanted {
            let mut gone = Along::default();
            gone.routes.insert(route.clone());
            let family = route.destination.family();
            let cuts = route.destination.bits() == 0 && self.cuts_off(&gone, family);
            let link = self.now.name(route.link.unwrap_or_default()).to_string();
            let change = Change::RemoveRoute { route, link };
            if cuts {
                self.unmet(change, "the machine could not be reached any more");
            } else {
                self.perform(change, UNNAMED);
            }
        }
    }

    pub(super) fn remove_addresses(&mut self, kept: &BTreeSet<Address>) {
        let unwanted: Vec<Address> = self
            .now
            .addresses
            .iter()
            .rev()
            .filter(|address| self.owner.owns_address(address) && self.may_touch(address.link))
            .filter(|address| !kept.contains(address))
            .cloned()
            .collect();
        // Those that come first in a network take the others along: they are removed last.
        let (seconds, firsts): (Vec<_>, Vec<_>) =
            unwanted.into_iter().partition(|address| address.secondary);
        for address in seconds.into_iter().chain(firsts) {
            let along = goes_with(&address, &self.now);
            let family = Family::of(address.address.address());
            let why = if let Some(other) = self.of_others(&along) {
                Some(format!("the kernel would remove {other} with it"))
            } else if self.cuts_off(&along, family) {
                Some("the machine could not be reached any more".into())
            } else {
                None
            };
            let link = self.now.name(address.link).to_string();
            let change = Change::RemoveAddress { address, link };
            match why {
                Some(why) => self.unmet(change, why),
                None => self.perform(change, UNNAMED),
            }
        }
    }

    /// Something of another's in what goes along.
    fn of_others(&self, along: &Along) -> Option<String> {
        let address = along
            .addresses
            .iter()
            .find(|one| !self.owner.owns_address(one));
        let foreign =
            |route: &&Route| route.protocol != PROTOCOL_KERNEL && !self.owner.owns_route(route);
        let route = along.routes.iter().find(foreign);
        address
            .map(|address| address.address.to_string())
            .or_else(|| route.map(|route| self.named(route)))
    }

    /// Whether things of ours on a link may be removed. What was added to a link before it became a member of a bond
    /// that is meant now is of no use any more; before it became a port of a bridge, it takes away what is for those
    /// behind it.
    pub(super) fn may_touch(&self, index: u32) -> bool {
        self.now.links.get(&index).is_some_and(|link| {
            if is_port(link, &self.now) {
                let is_left = |mac| self.desired.leaves_alone(mac);
                return !link.mac.is_some_and(is_left);
            }
            let is_left = |mac: Mac| self.desired.leaves_alone(mac) || self.unplaced.contains(&mac);
            let bond = bond_of(link, &self.now).filter(|_| link.kind.is_none());
            let is_member = || bond.is_some_and(|bond| self.placed.contains(&bond));
            (link.is_touchable() || self.placed.contains(&index) || is_member())
                && !link.mac.is_some_and(is_left)
        })
    }
}
