//! Operations on the network, performed.

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use pilotlight_core::net::{Actual, Address, Change, Family, NetOp, Route, Rule};
use rustix::io::Errno;

use super::connection::{Failure, Netlink};
use super::{NetlinkError, encode};

/// Operations that are sent at once. The kernel performs one after the other before the call returns, and what it may
/// have to say of so many has room in a socket of the usual size.
const TOGETHER: usize = 64;

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

/// How an operation is performed.
enum Way<'c> {
    /// By a request, with its flags.
    Request(RouteNetlinkMessage, u16),
    /// By a route behind the old one, which goes then.
    Replace { old: &'c Route, new: &'c Route },
    /// After a look at whose it is.
    RemoveAddress(&'c Address),
}

fn way(change: &Change) -> Way<'_> {
    let new = NLM_F_CREATE | NLM_F_EXCL;
    match change {
        Change::SetMtu { index, to, .. } => Way::Request(encode::mtu(*index, *to), 0),
        Change::AddAltname { index, name, .. } => {
            Way::Request(encode::altname(*index, name), new | NLM_F_APPEND)
        }
        Change::AddAddress { address, .. } => Way::Request(
            RouteNetlinkMessage::NewAddress(encode::address(address)),
            new,
        ),
        Change::AddRoute { route, .. } => {
            Way::Request(RouteNetlinkMessage::NewRoute(encode::route(route)), new)
        }
        Change::ReplaceRoute { old, new, .. } => Way::Replace { old, new },
        Change::AddRule { rule } => {
            Way::Request(RouteNetlinkMessage::NewRule(encode::rule(rule)), new)
        }
        Change::RemoveRule { rule } => {
            Way::Request(RouteNetlinkMessage::DelRule(encode::rule(rule)), 0)
        }
        Change::RemoveRoute { route, .. } => {
            Way::Request(RouteNetlinkMessage::DelRoute(encode::route(route)), 0)
        }
        Change::RemoveAddress { address, .. } => Way::RemoveAddress(address),
    }
}

impl Netlink {
    /// Performs operations in their order, and tells `each` what became of every one. One that fails does not keep
    /// the next ones back.
    pub fn apply_all(
        &mut self,
        ops: &[NetOp],
        mut each: impl FnMut(&NetOp, Result<Applied, NetlinkError>),
    ) {
        let mut left = ops;
        while let Some(first) = left.first() {
            let requests: Vec<_> = left
                .iter()
                .take(TOGETHER)
                .map_while(|op| match way(&op.change) {
                    Way::Request(message, flags) => Some((message, flags)),
                    Way::Replace { .. } | Way::RemoveAddress(_) => None,
                })
                .collect();
            let (now, later) = left.split_at(requests.len().max(1));
            left = later;
            if requests.is_empty() {
                each(first, self.apply(first));
                continue;
            }
            match self.requests(requests) {
                Ok(answers) => {
                    for (op, answer) in now.iter().zip(answers) {
                        let became = self.judge(&op.change, answer);
                        each(op, became);
                    }
                }
                // What the kernel had to say is lost. Once more does no harm.
                Err(_) => now.iter().for_each(|op| each(op, self.apply(op))),
            }
        }
    }

    /// Performs one operation. Once more does no harm.
    ///
    /// # Errors
    ///
    /// The kernel refuses, or something else is in the place of what was to be added.
    pub fn apply(&mut self, op: &NetOp) -> Result<Applied, NetlinkError> {
        match way(&op.change) {
            Way::Request(message, flags) => {
                let answer = self.request(message, flags);
                self.judge(&op.change, answer)
            }
            Way::Replace { old, new } => {
                // The old one stays in use until it goes: nothing is replaced by the kernel, which would take
                // whatever is first in the place.
                let message = RouteNetlinkMessage::NewRoute(encode::route(new));
                let added = self.request(message, NLM_F_CREATE | NLM_F_APPEND);
                let doing = op.change.to_string();
                self.unless_there(added, &doing, |netlink| netlink.has_route(new, &doing))?;
                let message = RouteNetlinkMessage::DelRoute(encode::route(old));
                gone(self.request(message, 0), &op.change)
            }
            Way::RemoveAddress(address) => self.remove_address(address, &op.change),
        }
    }

    /// What the answer to a request means.
    fn judge(
        &mut self,
        change: &Change,
        answer: Result<(), Failure>,
    ) -> Result<Applied, NetlinkError> {
        if answer.is_ok() {
            return Ok(Applied::Done);
        }
        let doing = change.to_string();
        match change {
            Change::AddAltname { index, name, .. } => {
                self.unless_there(answer, &doing, |netlink| {
                    let mut there = Actual::default();
                    netlink.whole(&doing, encode::all_links, &mut there)?;
                    let link = there.links.get(index);
                    Ok(link.is_some_and(|link| link.name == *name || link.altnames.contains(name)))
                })
            }
            Change::AddAddress { address, .. } => self.unless_there(answer, &doing, |netlink| {
                let there = netlink.addresses_of(address.link, address, &doing)?;
                let ip = address.address.address();
                let mut there = there.addresses.iter();
                Ok(there.any(|one| one.address.address() == ip))
            }),
            Change::AddRoute { route, .. } => {
                self.unless_there(answer, &doing, |netlink| netlink.has_route(route, &doing))
            }
            Change::AddRule { rule } => {
                self.unless_there(answer, &doing, |netlink| netlink.has_rule(rule, &doing))
            }
            Change::RemoveRule { .. }
            | Change::RemoveRoute { .. }
            | Change::RemoveAddress { .. } => gone(answer, change),
            Change::SetMtu { .. } | Change::ReplaceRoute { .. } => answer
                .map(|()| Applied::Done)
                .map_err(|why| why.during(&doing)),
        }
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

    fn has_route(&mut self, route: &Route, doing: &str) -> Result<bool, NetlinkError> {
        let (family, table) = (route.destination.family(), Some(route.table));
        let mut there = Actual::default();
        self.whole(doing, || encode::all_routes(family, table), &mut there)?;
        let mut there = there.routes_to(route.table, route.destination);
        Ok(there.any(|one| {
            (one.kind, one.link, one.gateway, one.metric, one.more)
                == (route.kind, route.link, route.gateway, route.metric, false)
        }))
    }

    fn has_rule(&mut self, rule: &Rule, doing: &str) -> Result<bool, NetlinkError> {
        let mut there = Actual::default();
        self.whole(doing, || encode::all_rules(rule.family), &mut there)?;
        let same = |one: &Rule| {
            let protocol = rule.protocol;
            *rule
                == Rule {
                    protocol,
                    ..one.clone()
                }
        };
        Ok(there.rules.iter().any(same))
    }

    /// The kernel does not look at whose an address is, so this does, immediately before. What is done in
    /// between by another hand cannot be seen.
    fn remove_address(
        &mut self,
        address: &Address,
        change: &Change,
    ) -> Result<Applied, NetlinkError> {
        let there = self.addresses_of(address.link, address, &change.to_string())?;
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
                gone(self.request(message, 0), change)
            }
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

/// What the answer to a removal means.
fn gone(removed: Result<(), Failure>, change: &Change) -> Result<Applied, NetlinkError> {
    match removed {
        Ok(()) => Ok(Applied::Done),
        // A route, a rule, an address, a link that is not there.
        Err(Failure::Refused(
            Errno::SRCH | Errno::NOENT | Errno::ADDRNOTAVAIL | Errno::NODEV,
            _,
        )) => Ok(Applied::AlreadySo),
        Err(failure) => Err(failure.during(&change.to_string())),
    }
}
