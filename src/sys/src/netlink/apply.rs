//! Operations on the network, performed.

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use pilotlight_core::net::{Actual, Address, Change, Family, NetOp, Route, Rule};
use rustix::io::Errno;

use super::connection::{Failure, Netlink};
use super::{NetlinkError, encode};

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It was performed.
    Done,
    /// It was so already.
    AlreadySo,
    /// What was to be removed had become another's since the look, and stays.
    LeftAlone,
}

impl Netlink {
    /// Performs one operation. Once more does no harm.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or something else is in the place of what was to be added.
    pub fn apply(&mut self, op: &NetOp) -> Result<Applied, NetlinkError> {
        let doing = op.change.to_string();
        match &op.change {
            Change::SetMtu { index, to, .. } => {
                let set = self.request(encode::mtu(*index, *to), 0);
                set.map(|()| Applied::Done)
                    .map_err(|why| why.during(&doing))
            }
            Change::AddAltname { index, name, .. } => {
                let message = encode::altname(*index, name);
                let added = self.request(message, NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND);
                self.unless_there(added, &doing, |netlink| {
                    let mut there = Actual::default();
                    netlink.whole(&doing, encode::all_links, &mut there)?;
                    let link = there.links.get(index);
                    Ok(link.is_some_and(|link| link.name == *name || link.altnames.contains(name)))
                })
            }
            Change::AddAddress { address, .. } => self.add_address(address, &doing),
            Change::AddRoute { route, .. } => self.add_route(route, NLM_F_EXCL, &doing),
            Change::ReplaceRoute { old, new, .. } => {
                // Behind the old one, which stays in use until it goes: nothing is replaced by the kernel, which
                // would take whatever is first in the place.
                self.add_route(new, NLM_F_APPEND, &doing)?;
                self.remove_route(old, &doing)
            }
            Change::AddRule { rule } => self.add_rule(rule, &doing),
            Change::RemoveRule { rule } => {
                let message = RouteNetlinkMessage::DelRule(encode::rule(rule));
                self.remove(message, &doing)
            }
            Change::RemoveRoute { route, .. } => self.remove_route(route, &doing),
            Change::RemoveAddress { address, .. } => self.remove_address(address, &doing),
        }
    }

    fn add_address(&mut self, address: &Address, doing: &str) -> Result<Applied, NetlinkError> {
        let message = RouteNetlinkMessage::NewAddress(encode::address(address));
        let added = self.request(message, NLM_F_CREATE | NLM_F_EXCL);
        self.unless_there(added, doing, |netlink| {
            let there = netlink.addresses_of(address.link, address, doing)?;
            let ip = address.address.address();
            Ok(there
                .addresses
                .iter()
                .any(|one| one.address.address() == ip))
        })
    }

    fn add_route(&mut self, route: &Route, how: u16, doing: &str) -> Result<Applied, NetlinkError> {
        let message = RouteNetlinkMessage::NewRoute(encode::route(route));
        let added = self.request(message, NLM_F_CREATE | how);
        self.unless_there(added, doing, |netlink| {
            let (family, table) = (route.destination.family(), Some(route.table));
            let mut there = Actual::default();
            netlink.whole(doing, || encode::all_routes(family, table), &mut there)?;
            let mut there = there.routes_to(route.table, route.destination);
            Ok(there.any(|one| {
                (one.kind, one.link, one.gateway, one.metric, one.more)
                    == (route.kind, route.link, route.gateway, route.metric, false)
            }))
        })
    }

    fn add_rule(&mut self, rule: &Rule, doing: &str) -> Result<Applied, NetlinkError> {
        let message = RouteNetlinkMessage::NewRule(encode::rule(rule));
        let added = self.request(message, NLM_F_CREATE | NLM_F_EXCL);
        self.unless_there(added, doing, |netlink| {
            let mut there = Actual::default();
            netlink.whole(doing, || encode::all_rules(rule.family), &mut there)?;
            let same = |one: &Rule| {
                let protocol = rule.protocol;
                *rule
                    == Rule {
                        protocol,
                        ..one.clone()
                    }
            };
            Ok(there.rules.iter().any(same))
        })
    }

    /// What "it exists" means: that it is so already, if what is there is what was wanted.
    fn unless_there(
        &mut self,
        added: Result<(), Failure>,
        doing: &str,
        is_there: impl FnOnce(&mut Self) -> Result<bool, NetlinkError>,
    ) -> Result<Applied, NetlinkError> {
        match added {
            Ok(()) => Ok(Applied::Done),
            Err(Failure::Refused(Errno::EXIST, _)) => {
                if is_there(self)? {
                    Ok(Applied::AlreadySo)
                } else {
                    Err(NetlinkError::Occupied {
                        doing: doing.into(),
                    })
                }
            }
            Err(failure) => Err(failure.during(doing)),
        }
    }

    fn remove_route(&mut self, route: &Route, doing: &str) -> Result<Applied, NetlinkError> {
        self.remove(RouteNetlinkMessage::DelRoute(encode::route(route)), doing)
    }

    /// The kernel does not look at whose an address is, so this does, immediately before. What is done in
    /// between by another hand cannot be seen.
    fn remove_address(&mut self, address: &Address, doing: &str) -> Result<Applied, NetlinkError> {
        let there = self.addresses_of(address.link, address, doing)?;
        let now = there
            .addresses
            .iter()
            .find(|one| one.address == address.address);
        match now {
            None => Ok(Applied::AlreadySo),
            Some(now) if (now.protocol, now.permanent) != (address.protocol, true) => {
                Ok(Applied::LeftAlone)
            }
            Some(_) => {
                let message = RouteNetlinkMessage::DelAddress(encode::address(address));
                self.remove(message, doing)
            }
        }
    }

    fn remove(
        &mut self,
        message: RouteNetlinkMessage,
        doing: &str,
    ) -> Result<Applied, NetlinkError> {
        match self.request(message, 0) {
            Ok(()) => Ok(Applied::Done),
            // A route, a rule, an address, a link that is not there.
            Err(Failure::Refused(
                Errno::SRCH | Errno::NOENT | Errno::ADDRNOTAVAIL | Errno::NODEV,
                _,
            )) => Ok(Applied::AlreadySo),
            Err(failure) => Err(failure.during(doing)),
        }
    }

    fn addresses_of(
        &mut self,
        link: u32,
        like: &Address,
        doing: &str,
    ) -> Result<Actual, NetlinkError> {
        let family = Family::of(like.address.address());
        let mut there = Actual::default();
        let ask = || encode::all_addresses(family, Some(link));
        self.whole(doing, ask, &mut there)?;
        there.addresses.retain(|one| one.link == link);
        Ok(there)
    }
}
