//! A network that metadata tell, as units of systemd-networkd (systemd.netdev(5), systemd.network(5)).
//!
//! As in the units of Equinix Metal, what comes of the metadata is a number or an address, and names of links and
//! files are made of numbers: whoever writes the metadata writes neither a line nor a path of his own.

use std::fmt::Write as _;

use pilotlight_core::model::Metadata;
use pilotlight_core::net::{Desired, DesiredLink, Invalid, Mac};

use crate::networkd::{BEGIN, HEAD, matching, netdev};
use crate::reading::Reading;
use crate::static_network::{Device, Link, Network, Switches};

/// Units of systemd-networkd: name and text of each file.
pub type Units = Vec<(String, String)>;

/// Units of what the metadata say of the network, read by the platform's own file; none where they say nothing.
pub(crate) fn of(
    said: &Metadata,
    read: fn(&str) -> (Units, Vec<Invalid>),
) -> (Units, Vec<Invalid>) {
    said.network.as_deref().map(read).unwrap_or_default()
}

/// Units of a network as it was read, and what was left out.
pub(crate) fn of_reading((network, reading): (Network, Reading<'_>)) -> (Units, Vec<Invalid>) {
    let (desired, invalid) = network.desired(reading, &Switches::default());
    (units(&network, &desired), invalid)
}

/// Units that configure the network: name and text of each file. None where DHCP gives all that there is.
///
/// `desired` is what is wanted of this network with everything switched on: what was left out there is left out here.
fn units(network: &Network, desired: &Desired) -> Units {
    let is_plain = |link: &Link| {
        let wanted = wanted(desired, link);
        let is_empty = wanted.is_none_or(|one| one.addresses.is_empty() && one.routes.is_empty());
        link.device == Device::Hardware && is_empty
    };
    if network.links.iter().all(is_plain) {
        return Vec::new();
    }
    let mut units = Vec::new();
    let mut unit = |name: String, text: String| {
        units.push((format!("{BEGIN}{name}"), format!("{HEAD}{text}")));
    };
    for (at, link) in network.links.iter().enumerate() {
        let wanted = wanted(desired, link);
        match &link.device {
            Device::Hardware if network.is_port(link.mac) => {}
            Device::Hardware => {
                let mac = link.mac.to_string();
                let rest = rest(network, at, link, wanted);
                unit(format!("static{at}.network"), matching(&[&mac], &rest));
            }
            Device::Bond { mode, ports } => {
                let name = name(at, link);
                let mac = link.mac.to_string();
                unit(
                    format!("static{at}.netdev"),
                    netdev(&name, &mac, Some(*mode)),
                );
                // Ports take the bond's address: one that then is of no unit would be configured again.
                let own = Some(&link.mac).filter(|mac| !ports.contains(mac));
                let ports: Vec<String> = ports.iter().chain(own).map(Mac::to_string).collect();
                let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
                let of_ports = format!("[Link]\nRequiredForOnline=no\n\n[Network]\nBond={name}\n");
                unit(
                    format!("static{at}-ports.network"),
                    matching(&ports, &of_ports),
                );
                let rest = rest(network, at, link, wanted);
                unit(format!("static{at}.network"), named(&name, &rest));
            }
            Device::Vlan { id, .. } => {
                let name = name(at, link);
                unit(
                    format!("static{at}.netdev"),
                    format!(
                        "[NetDev]\nName={name}\nKind=vlan\nMACAddress={}\n\n[VLAN]\nId={id}\n",
                        link.mac
                    ),
                );
                let rest = rest(network, at, link, wanted);
                unit(format!("static{at}.network"), named(&name, &rest));
            }
        }
    }
    units
}

fn wanted<'d>(desired: &'d Desired, link: &Link) -> Option<&'d DesiredLink> {
    let kind = link.device.kind();
    let mut links = desired.links().iter();
    links.find(|one| one.mac == link.mac && one.kind.as_deref() == kind)
}

/// The name of a link that has none yet. There are 64 links at most, so it is of 15 characters at most.
fn name(at: usize, link: &Link) -> String {
    match link.device {
        Device::Vlan { id, .. } => format!("vlan{at}.{id}"),
        _ => format!("bond{at}"),
    }
}

fn named(name: &str, rest: &str) -> String {
    format!("[Match]\nName={name}\n\n{rest}")
}

/// What a link has: the sections behind `Match`.
fn rest(network: &Network, at: usize, link: &Link, wanted: Option<&DesiredLink>) -> String {
    let mut text = String::new();
    let mtu = wanted.and_then(|wanted| wanted.mtu);
    // Writing to a string cannot fail.
    if let Some(mtu) = mtu {
        let _ = writeln!(text, "[Link]\nMTUBytes={}\n", mtu.what);
    }
    let dhcp = match (link.dhcp4, link.dhcp6) {
        (true, true) => "yes",
        (true, false) => "ipv4",
        (false, true) => "ipv6",
        (false, false) => "no",
    };
    let addresses = wanted
        .into_iter()
        .flat_map(|wanted| wanted.addresses.keys());
    let addresses: Vec<_> = addresses.collect();
    let has_v6 = addresses.iter().any(|one| one.address().is_ipv6());
    let listens = link.accept_ra.unwrap_or(link.dhcp6 || !has_v6);
    let listens = if listens { "yes" } else { "no" };
    let _ = writeln!(text, "[Network]\nDHCP={dhcp}\nIPv6AcceptRA={listens}");
    // Those of all links go to the first one that has an address: there they are asked.
    let first = network
        .links
        .iter()
        .position(|link| !link.addresses.is_empty());
    let common = network.dns.iter().filter(|_| first == Some(at));
    for server in link.dns.iter().chain(common) {
        let _ = writeln!(text, "DNS={server}");
    }
    for (at, other) in network.links.iter().enumerate() {
        let parent = match other.device {
            Device::Vlan { parent, .. } => network.links.get(parent),
            _ => None,
        };
        if parent.is_some_and(|parent| std::ptr::eq(parent, link)) {
            let _ = writeln!(text, "VLAN={}", name(at, other));
        }
    }
    for address in addresses {
        let _ = writeln!(text, "\n[Address]\nAddress={address}");
    }
    for route in wanted.into_iter().flat_map(|wanted| wanted.routes.keys()) {
        let _ = writeln!(text, "\n[Route]\nDestination={}", route.destination);
        if let Some(router) = route.gateway {
            let _ = writeln!(text, "Gateway={router}");
        }
        if route.onlink {
            text.push_str("GatewayOnLink=yes\n");
        }
        if let Some(metric) = route.metric {
            let _ = writeln!(text, "Metric={metric}");
        }
    }
    text
}
