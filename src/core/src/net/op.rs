//! Operations on the network: the only things that change it.
//!
//! `Display` is the line that a dry run prints and that the real run logs; there is no other.

use std::fmt;

use serde::Serialize;

use super::actual::{Address, METRIC_OF_IPV6, Route, RouteKind, Rule, table};
use super::prefix::Family;
use crate::diag::on_one_line;

/// One change of the network, and why it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetOp {
    /// The change.
    #[serde(flatten)]
    pub change: Change,
    /// Why.
    pub reason: &'static str,
}

/// A change of the network. `link` is the name of the link that it is about, for who reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Change {
    /// Set the largest packet of a link, in bytes.
    SetMtu {
        /// The link's index.
        index: u32,
        /// The link's name.
        link: String,
        /// What it is now.
        from: u32,
        /// What it becomes.
        to: u32,
    },
    /// Give a link another name beside its own.
    AddAltname {
        /// The link's index.
        index: u32,
        /// The link's name.
        link: String,
        /// The other one.
        name: String,
    },
    /// Add an address.
    AddAddress {
        /// The address.
        address: Address,
        /// The link's name.
        link: String,
    },
    /// Add a route whose place no other has.
    AddRoute {
        /// The route.
        route: Route,
        /// The link's name.
        link: String,
    },
    /// Put a route in the place of another one of ours. The new one comes first, so that one is always there.
    ReplaceRoute {
        /// The one that goes.
        old: Route,
        /// The name of its link.
        old_link: String,
        /// The one that comes.
        new: Route,
        /// The name of its link.
        link: String,
    },
    /// Add a rule.
    AddRule {
        /// The rule.
        rule: Rule,
    },
    /// Remove a rule of ours.
    RemoveRule {
        /// The rule.
        rule: Rule,
    },
    /// Remove a route of ours.
    RemoveRoute {
        /// The route.
        route: Route,
        /// The link's name.
        link: String,
    },
    /// Remove an address of ours.
    RemoveAddress {
        /// The address.
        address: Address,
        /// The link's name.
        link: String,
    },
}

impl fmt::Display for NetOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}: {}", self.change, self.reason);
        f.write_str(&on_one_line(&text))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::SetMtu { link, from, to, .. } => {
                write!(f, "set the MTU of {link} from {from} to {to} bytes")
            }
            Change::AddAltname { link, name, .. } => {
                write!(f, "add the name {name} to {link}")
            }
            Change::AddAddress { address, link } => {
                write!(f, "add {} to {link}", address.address)
            }
            Change::AddRoute { route, link } => write!(f, "add {}", Named { route, link }),
            Change::ReplaceRoute {
                old,
                old_link,
                new,
                link,
            } => {
                let old = Named {
                    route: old,
                    link: old_link,
                };
                write!(f, "replace {old} by {}", Named { route: new, link })
            }
            Change::AddRule { rule } => write!(f, "add {rule}"),
            Change::RemoveRule { rule } => write!(f, "remove {rule}"),
            Change::RemoveRoute { route, link } => write!(f, "remove {}", Named { route, link }),
            Change::RemoveAddress { address, link } => {
                write!(f, "remove {} from {link}", address.address)
            }
        }
    }
}

/// A route with the name of its link.
pub(super) struct Named<'r> {
    pub(super) route: &'r Route,
    pub(super) link: &'r str,
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Route {
            destination,
            kind,
            gateway,
            metric,
            ..
        } = self.route;
        match kind {
            RouteKind::Unicast => f.write_str("route ")?,
            RouteKind::Local => f.write_str("local route ")?,
            RouteKind::Other(number) => write!(f, "route of type {number} ")?,
        }
        match destination.bits() {
            0 => write!(f, "default ({})", destination.family())?,
            _ => write!(f, "{destination}")?,
        }
        if let Some(gateway) = gateway {
            write!(f, " via {gateway}")?;
        }
        write!(f, " on {}", self.link)?;
        let usual = match (kind, self.route.destination.family()) {
            (RouteKind::Local, _) => *metric,
            (_, Family::Ipv4) => 0,
            (_, Family::Ipv6) => METRIC_OF_IPV6,
        };
        if *metric != usual {
            write!(f, " metric {metric}")?;
        }
        match self.route.table {
            table::MAIN | table::LOCAL => Ok(()),
            other => write!(f, " in table {other}"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rule {}", self.family, self.priority)?;
        if let Some(from) = &self.from {
            write!(f, " from {from}")?;
        }
        if let Some(to) = &self.to {
            write!(f, " to {to}")?;
        }
        match self.table {
            Some(table) => write!(f, " lookup {table}"),
            None => Ok(()),
        }
    }
}
