//! Which link is meant.

use crate::net::actual::{Actual, Link};
use crate::net::desired::{Desired, DesiredLink};

/// The driver of a virtual machine's network device on Hyper-V (drivers/net/hyperv).
const SYNTHETIC: &str = "hv_netvsc";

/// The link that is meant, or why there is none.
pub(super) fn place(
    wanted: &DesiredLink,
    desired: &Desired,
    actual: &Actual,
) -> Result<u32, String> {
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
    match candidates[..] {
        [index] => Ok(index),
        [] if of_mac().next().is_some() => Err(format!("the link {mac} is a part of another one")),
        [] => Err(format!("there is no link {mac}")),
        _ => Err(format!("several links have the address {mac}")),
    }
}
