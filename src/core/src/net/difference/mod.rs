//! What has to be done for the network to be as the platform wants it.
//!
//! The order within a pass: names; MTUs; addresses; routes, those on the link before those that need a router;
//! rules, once the tables that they lead to are filled; then removals in the reverse order. Removing an address
//! takes others along, which the kernel does by itself; a second pass puts back what of that is wanted. Each
//! operation is tried on a copy first: one that would take along what is another's, or cut the machine off, is
//! held back and told.

mod place;
mod remove;
mod routes;

use crate::ordered::Gather as _;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use super::actual::{Actual, Address, Owner, Route, Rule, scope};
use super::desired::{Desired, DesiredLink};
use super::op::{Change, Named, NetOp};
use super::predict::{Along, is_secondary};
use super::prefix::{Family, Mac};
use super::reach::{reachable_without, routers};
pub use place::place;

/// More passes than are ever needed: the second one has nothing to remove.
const PASSES: usize = 4;
/// Why something is removed.
const UNNAMED: &str = "the platform does not name it any more";

/// What leads from the network that is there to the one that is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// The operations, in their order.
    pub ops: Vec<NetOp>,
    /// What is wanted and does not become so, and why.
    pub unmet: BTreeSet<Unmet>,
}

/// Something that is wanted and is not done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unmet {
    /// What, in the words of its operation.
    pub what: String,
    /// Why not.
    pub why: String,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("not done: {}: {}", self.what, self.why);
        f.write_str(&crate::diag::on_one_line(&text))
    }
}

/// What has to be done, and by whose number it is known again.
///
/// Done once, the next difference is empty. The order of what comes in does not matter.
pub fn difference(desired: &Desired, actual: &Actual, owner: &Owner) -> Difference {
    let places: Vec<(&DesiredLink, Result<u32, String>)> = desired
        .links()
        .iter()
        .map(|link| (link, place(link, desired, actual)))
        .collect();
    let unplaced = places.iter().filter(|(_, place)| place.is_err());
    let mut search = Search {
        desired,
        owner,
        unplaced: unplaced.map(|(link, _)| link.mac).gather(),
        placed: places
            .iter()
            .filter_map(|(_, place)| place.as_ref().ok().copied())
            .gather(),
        now: actual.clone(),
        found: Difference::default(),
    };
    for _ in 0..PASSES {
        let before = search.found.ops.len();
        search.found.unmet.clear();
        search.pass(&places);
        if search.found.ops.len() == before {
            break;
        }
    }
    search.found
}

fn unreached(router: IpAddr) -> String {
    format!("the router {router} could not be reached any more")
}

struct Search<'s> {
    desired: &'s Desired,
    owner: &'s Owner,
    /// Addresses of wanted links that cannot be told: what is on any link of theirs stays.
    unplaced: BTreeSet<Mac>,
    /// The links that are meant.
    placed: BTreeSet<u32>,
    now: Actual,
    found: Difference,
}

impl Search<'_> {
    fn pass(&mut self, places: &[(&DesiredLink, Result<u32, String>)]) {
        let mut routes = Vec::new();
        let mut kept_addresses = BTreeSet::new();
        for (link, place) in places {
            let index = match place {
                Ok(index) => *index,
                Err(why) => {
                    self.unmet(format!("the network of {}", link.mac), why);
                    continue;
                }
            };
            let obstacle = self.down(index);
            self.altnames(link, index);
            self.mtu(link, index);
            self.addresses(link, index, obstacle.as_deref(), &mut kept_addresses);
            routes.extend(self.wanted_routes(link, index, obstacle.as_deref()));
        }
        let kept_routes = self.routes(routes);
        let wanted_rules = self.rules(places);
        if self.desired.may_remove() {
            self.remove_rules(&wanted_rules);
            self.remove_routes(&kept_routes);
            self.remove_addresses(&kept_addresses);
        }
    }

    fn altnames(&mut self, wanted: &DesiredLink, index: u32) {
        for (name, reason) in &wanted.altnames {
            let mut links = self.now.links.iter();
            let holder = links
                .find(|(_, link)| link.name == *name || link.altnames.contains(name))
                .map(|(index, _)| *index);
            let change = Change::AddAltname {
                index,
                link: self.now.name(index).into(),
                name: name.clone(),
            };
            match holder {
                None => self.perform(change, reason),
                Some(holder) if holder == index => {}
                Some(holder) => {
                    let why = format!("{} has that name", self.now.name(holder));
                    self.unmet(change, why);
                }
            }
        }
    }

    fn mtu(&mut self, wanted: &DesiredLink, index: u32) {
        let Some((wish, link)) = wanted.mtu.zip(self.now.links.get(&index)) else {
            return;
        };
        if link.mtu != wish.what {
            let change = Change::SetMtu {
                index,
                link: link.name.clone(),
                from: link.mtu,
                to: wish.what,
            };
            self.perform(change, wish.reason);
        }
    }

    fn addresses(
        &mut self,
        wanted: &DesiredLink,
        index: u32,
        obstacle: Option<&str>,
        kept: &mut BTreeSet<Address>,
    ) {
        let routers = routers(&self.now);
        for (&wish, &reason) in &wanted.addresses {
            let ip = wish.address();
            let mut met = false;
            for there in self.now.addresses_of(index) {
                // IPv6 has an address once on a link, whatever the length of its network.
                let same = there.address == wish || ip.is_ipv6() || !self.owner.owns_address(there);
                if there.address.address() == ip && same {
                    kept.insert(there.clone());
                    met = true;
                }
            }
            if met {
                continue;
            }
            let link = self.now.name(index).to_string();
            let mut address = Address {
                link: index,
                address: wish,
                protocol: self.owner.protocol,
                scope: scope::UNIVERSE,
                permanent: true,
                secondary: false,
            };
            address.secondary = is_secondary(&address, &self.now);
            let change = Change::AddAddress {
                address: address.clone(),
                link,
            };
            match obstacle {
                Some(why) => self.unmet(change, why),
                None if routers.contains(&ip) => self.unmet(change, unreached(ip)),
                None => {
                    kept.insert(address);
                    self.perform(change, reason);
                }
            }
        }
    }

    /// Adds the rules that are missing; answers all that are wanted, those of absent links among them.
    fn rules(&mut self, places: &[(&DesiredLink, Result<u32, String>)]) -> BTreeSet<Rule> {
        let mut all = BTreeSet::new();
        let mut to_add: BTreeMap<Rule, &'static str> = BTreeMap::new();
        let mut waiting = Vec::new();
        for (link, place) in places {
            for (wish, reason) in &link.rules {
                let Some(any) = wish.from.or(wish.to) else {
                    continue;
                };
                let rule = Rule {
                    family: any.family(),
                    priority: wish.priority,
                    from: wish.from.filter(|prefix| prefix.bits() > 0),
                    to: wish.to.filter(|prefix| prefix.bits() > 0),
                    table: Some(wish.table),
                    protocol: self.owner.protocol,
                    more: false,
                };
                if let Ok(index) = place {
                    match self.down(*index) {
                        None => {
                            to_add.entry(rule.clone()).or_insert(reason);
                        }
                        Some(why) => waiting.push((rule.clone(), why)),
                    }
                }
                all.insert(rule);
            }
        }
        // Whoever added it.
        let there: BTreeSet<Rule> = self
            .now
            .rules
            .iter()
            .map(|rule| Rule {
                protocol: self.owner.protocol,
                ..rule.clone()
            })
            .gather();
        for (rule, why) in waiting {
            if !there.contains(&rule) && !to_add.contains_key(&rule) {
                self.unmet(Change::AddRule { rule }, why);
            }
        }
        for (rule, reason) in to_add {
            if !there.contains(&rule) {
                self.perform(Change::AddRule { rule }, reason);
            }
        }
        all
    }

    fn cuts_off(&self, gone: &Along, family: Family) -> bool {
        reachable_without(&Along::default(), family, &self.now)
            && !reachable_without(gone, family, &self.now)
    }

    /// Why a link takes nothing just now: routes through one that is down are refused.
    fn down(&self, index: u32) -> Option<String> {
        let is_up = self.now.links.get(&index).is_some_and(|link| link.up);
        (!is_up).then(|| format!("{} is down", self.now.name(index)))
    }

    fn named(&self, route: &Route) -> String {
        let link = route.link.map_or("?", |link| self.now.name(link));
        Named { route, link }.to_string()
    }

    fn perform(&mut self, change: Change, reason: &'static str) {
        let op = NetOp { change, reason };
        op.predict(&mut self.now);
        self.found.ops.push(op);
    }

    fn unmet(&mut self, what: impl fmt::Display, why: impl Into<String>) {
        self.found.unmet.insert(Unmet {
            what: what.to_string(),
            why: why.into(),
        });
    }
}
