//! Links that the platform speaks of.

use pilotlight_core::net::{Actual, Desired, Owner, difference};
use pilotlight_sys::netlink::Applied;

use crate::Machine;

/// The links as if they were hardware, which is what the platform speaks of and what a namespace cannot have.
fn as_hardware(mut actual: Actual) -> Actual {
    for link in actual.links.values_mut() {
        link.kind = None;
    }
    actual
}

/// Makes the network as it is wanted, and says how many operations that took.
pub(crate) fn settle(machine: &mut Machine, desired: &Desired, owner: &Owner) -> usize {
    let before = as_hardware(machine.observe());
    let found = difference(desired, &before, owner);
    assert!(found.unmet.is_empty(), "{:?}", found.unmet);
    for op in &found.ops {
        assert_eq!(machine.netlink.apply(op).unwrap(), Applied::Done, "{op}");
    }
    let after = as_hardware(machine.observe());
    assert_eq!(difference(desired, &after, owner).ops, []);
    found.ops.len()
}
