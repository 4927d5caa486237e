//! The network that a platform wants, the one that is there, and what leads from the one to the other.
//!
//! ```text
//! metadata ─ Wishes ─▶ Desired ─┐
//! netlink ────────────▶ Actual ─┴ difference → NetOps, each with its reason; predict(NetOp, Actual) → Actual
//! ```
//!
//! What these operations never do, whatever the platform says: remove or replace what another hand made,
//! touch a link that is a container's or part of a larger one, cut the machine off, or take away anything
//! because of an answer that was not whole.

mod actual;
mod desired;
mod difference;
mod op;
pub mod picture;
mod predict;
mod prefix;
mod reach;

#[cfg(test)]
mod desired_tests;
#[cfg(test)]
mod difference_tests;
#[cfg(test)]
mod property_tests;

pub use actual::{
    Actual, Address, Link, METRIC_OF_IPV6, Owner, PROTOCOL_KERNEL, Route, RouteKind, Rule, scope,
    table,
};
pub use desired::{
    Desired, DesiredLink, Heard, Invalid, LinkWishes, RouteWish, RuleWish, Wish, WishedAddress,
    Wishes,
};
pub use difference::{Difference, Unmet, difference, place};
pub use op::{Change, NetOp};
pub use prefix::{Family, InterfaceAddress, Mac, NotAnAddress, Prefix};
