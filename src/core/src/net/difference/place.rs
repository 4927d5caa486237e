//! Which link is meant.

use std::collections::BTreeSet;

use crate::net::actual::{Actual, Link};
use crate::net::desired::{Desired, DesiredLink};

/// The driver of a virtual machine's network device on Hyper-V (drivers/net/hyperv).
const SYNTHETIC: &str = "hv_netvsc";

/// Kinds of links that take the place of their members: these send and receive nothing by themselves.
const AGGREGATES: [&str; 2] = ["bond", "team"];

/// The bond that a link is a member of.
pub(super) fn bond_of(member: &Link, actual: &Actual) -> Option<u32> {
    let index = member.master?;
    let bond = actual.links.get(&index)?;
    let kind = bond.kind.as_deref().unwrap_or_default();
    (AGGREGATES.contains(&kind) && bond.is_touchable()).then_some(index)
}

/// Kinds of links whose ports belong to guests and containers.
const SWITCHES: [&str; 2] = ["bridge", "openvswitch"];

/// Whether hardware is a port of a bridge: what arrives at it may be for somebody behind the others.
pub(super) fn is_port(link: &Link, actual: &Actual) -> bool {
    let bridge = link.master.and_then(|index| actual.links.get(&index));
    let kind = bridge.and_then(|bridge| bridge.kind.as_deref());
    link.kind.is_none() && kind.is_some_and(|kind| SWITCHES.contains(&kind))
}

/// The index of the link that is meant by a wanted one, or why there is none: what no address can tell, a bond's
/// members and virtual functions among it, is decided here.
pub fn place(wanted: &DesiredLink, desired: &Desired, actual: &Actual) -> Result<u32, String> {
    let mac = wanted.mac;
    if desired.leaves_alone(mac) {
        return Err(format!("the link {mac} is left to another program"));
    }
    let of_mac = || {
        let links = actual.links.iter();
        links.filter(move |(_, link)| link.mac == Some(mac) && link.kind == wanted.kind)
    };
    let mut candidates: Vec<u32> = of_mac()
        .filter(|(_, link)| link.is_touchable())
        .map(|(index, _)| *index)
        .collect();
    // Whoever has the address that the platform gave to hardware, where no hardware has it, is that interface. The
    // host's ends of containers' links have addresses of their own.
    if wanted.kind.is_none() && of_mac().next().is_none() {
        let links = actual.links.iter();
        let stand_ins = links.filter(|(_, link)| link.mac == Some(mac) && link.stands_in());
        candidates.extend(stand_ins.map(|(index, _)| *index));
    }
    // The virtual function of an Azure machine has the address of the device that it belongs to, and is enslaved to
    // it only some time after it has appeared. It is never meant, not even where that device is a part of another.
    let synthetic = |link: &Link| link.driver.as_deref() == Some(SYNTHETIC);
    if of_mac().any(|(_, link)| synthetic(link)) {
        candidates.retain(|index| actual.links.get(index).is_some_and(synthetic));
    }
    // A platform knows nothing of a bond that a person has made of its interfaces. What comes to their address
    // arrives at the bond that has it.
    let named = |kind: &Option<String>| {
        let mut links = desired.links().iter();
        links.any(|link| link.mac == mac && link.kind == *kind)
    };
    let stands_for_it = |index: &u32| {
        let bond = actual.links.get(index);
        bond.is_some_and(|bond| bond.mac == Some(mac) && !named(&bond.kind))
    };
    let bonds: BTreeSet<u32> = of_mac()
        .filter(|(_, member)| member.kind.is_none())
        .filter_map(|(_, member)| bond_of(member, actual))
        .filter(stands_for_it)
        .collect();
    if let (true, 1, Some(bond)) = (candidates.is_empty(), bonds.len(), bonds.first()) {
        return Ok(*bond);
    }
    match candidates[..] {
        [index] => Ok(index),
        [] if of_mac().next().is_some() => Err(format!("the link {mac} is a part of another one")),
        [] => Err(format!("there is no link {mac}")),
        _ => Err(format!("several links have the address {mac}")),
    }
}
