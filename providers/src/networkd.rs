//! The platform's addresses as units of systemd-networkd (systemd.netdev(5), systemd.network(5)).
//!
//! The names of the files are made of numbers alone, and what comes of the metadata is a number, an address or
//! the name of an interface: so whoever writes the metadata writes neither a line nor a path of his own.

use std::fmt::Write as _;
use std::net::IpAddr;

use pilotlight_core::model::metadata::{Address, Interface, Metadata, interface_name, mac};

/// Before the images' own units, of which those for all interfaces have 80 or more, and behind what people write.
pub(crate) const BEGIN: &str = "70-pilotlight-";
pub(crate) const HEAD: &str = "# From the platform's metadata, by the first boot.\n";
/// By their numbers in the kernel.
pub(crate) const MODES: [&str; 7] = [
    "balance-rr",
    "active-backup",
    "balance-xor",
    "broadcast",
    "802.3ad",
    "balance-tlb",
    "balance-alb",
];
const LACP: u8 = 4;
/// Modes that choose the port by a hash of the packet: balance-xor, 802.3ad, balance-tlb.
const HASHED: [u8; 3] = [2, LACP, 5];

/// Units that configure the network as the platform describes it: name and text of each file.
///
/// Each bond is made of its ports, which are known by their MAC addresses; all addresses are those of the first
/// bond, or of the first interface where there is no bond; other interfaces are left to themselves. Without any
/// bond and any address there is nothing to say, and no unit.
pub(crate) fn networkd_units(said: &Metadata) -> Vec<(String, String)> {
    let mut ports: Vec<(String, Option<&str>)> = Vec::new();
    for known in &said.interfaces {
        if let Some(mac) = mac(&known.mac).filter(|mac| is_station(mac))
            && !ports.iter().any(|(other, _)| *other == mac)
        {
            ports.push((mac, known.bond.as_deref().and_then(interface_name)));
        }
    }
    let mut bonds: Vec<&str> = Vec::new();
    for bond in ports.iter().filter_map(|(_, bond)| *bond) {
        if !bonds.contains(&bond) {
            bonds.push(bond);
        }
    }
    let network = network(&said.interfaces);
    if bonds.is_empty() && network.is_empty() {
        return Vec::new();
    }
    let mut units = Vec::new();
    let mut unit = |name: String, text: String| {
        units.push((format!("{BEGIN}{name}"), format!("{HEAD}{text}")));
    };
    // All ports of a bond have one unit, for they take the MAC address of the first: one that then is of another
    // unit would be configured again, and lose its carrier.
    let of = |wanted: Option<&str>| {
        let its = ports.iter().filter(|(_, bond)| *bond == wanted);
        its.map(|(mac, _)| mac.as_str()).collect::<Vec<_>>()
    };
    for (at, bond) in bonds.iter().enumerate() {
        let macs = of(Some(bond));
        unit(
            format!("bond{at}.netdev"),
            netdev(bond, macs.first().unwrap_or(&""), said.bond_mode),
        );
        let (required, network) = match at {
            0 => ("degraded-carrier", network.as_str()),
            _ => ("no", ""),
        };
        let link = format!("[Link]\nRequiredForOnline={required}\n");
        unit(
            format!("bond{at}.network"),
            format!("[Match]\nName={bond}\n\n{link}\n[Network]\n{STATIC}{network}"),
        );
        let rest = format!("[Link]\nRequiredForOnline=no\n\n[Network]\nBond={bond}\n");
        unit(format!("ports{at}.network"), matching(&macs, &rest));
    }
    let mut others = of(None);
    if bonds.is_empty() && !others.is_empty() {
        let first = others.remove(0);
        let rest = format!("[Network]\n{STATIC}{network}");
        unit("single.network".into(), matching(&[first], &rest));
    }
    if !others.is_empty() {
        let rest = "[Link]\nUnmanaged=yes\n";
        unit("others.network".into(), matching(&others, rest));
    }
    units
}

/// Nobody is waited for who would give an address.
const STATIC: &str = "DHCP=no\nIPv6AcceptRA=no\n";

/// A unit of interfaces by their MAC addresses, which a bond and VLANs have as well.
pub(crate) fn matching(macs: &[&str], rest: &str) -> String {
    let macs = macs.join(" ");
    format!("[Match]\nMACAddress={macs}\nType=ether\n\n{rest}")
}

pub(crate) fn netdev(bond: &str, mac: &str, mode: Option<u8>) -> String {
    // Where the mode is not said or is none, it is the platform's usual one.
    let mode = mode
        .filter(|mode| usize::from(*mode) < MODES.len())
        .unwrap_or(LACP);
    let mut text = format!(
        "[NetDev]\nName={bond}\nKind=bond\nMACAddress={mac}\n\n[Bond]\nMode={}\n",
        MODES[usize::from(mode)]
    );
    if mode == LACP {
        text.push_str("LACPTransmitRate=fast\n");
    }
    if HASHED.contains(&mode) {
        text.push_str("TransmitHashPolicy=layer3+4\n");
    }
    text + "MIIMonitorSec=100ms\nUpDelaySec=200ms\nDownDelaySec=200ms\n"
}

/// Name servers, addresses and routes: the end of a section `Network`, and what follows. Empty without addresses.
fn network(interfaces: &[Interface]) -> String {
    let mut own: Vec<&Address> = Vec::new();
    for known in interfaces.iter().flat_map(|known| &known.addresses) {
        if is_host(known.address) && !own.iter().any(|other| other.address == known.address) {
            own.push(known);
        }
    }
    let mut text = String::new();
    if own.is_empty() {
        return text;
    }
    // Writing to a string cannot fail.
    for server in interfaces.iter().flat_map(|known| &known.dns) {
        let _ = writeln!(text, "DNS={server}");
    }
    for known in &own {
        let _ = writeln!(
            text,
            "\n[Address]\nAddress={}/{}",
            known.address,
            prefix(known)
        );
    }
    let mut reached: Vec<&str> = Vec::new();
    for known in &own {
        let destination = match (known.address, known.public) {
            (IpAddr::V4(_), true) => "0.0.0.0/0",
            (IpAddr::V4(_), false) => "10.0.0.0/8",
            (IpAddr::V6(_), _) => "::/0",
        };
        let is_own = |via: &IpAddr| own.iter().any(|other| other.address == *via);
        if let Some(via) = known.gateway.filter(|via| is_host(*via) && !is_own(via))
            // The kernel has one route of a metric to each destination.
            && !reached.contains(&destination)
        {
            reached.push(destination);
            let _ = writeln!(text, "\n[Route]\nDestination={destination}\nGateway={via}");
            if !covers(known, via) {
                text.push_str("GatewayOnLink=yes\n");
            }
        }
    }
    text
}

/// Bits of the network's part; an address of which they are not known is alone in its network.
fn prefix(known: &Address) -> u8 {
    let bits = if known.address.is_ipv4() { 32 } else { 128 };
    let given = known.prefix.filter(|prefix| (1..=bits).contains(prefix));
    given.unwrap_or(bits)
}

/// Whether the network of an address has another one in it.
fn covers(known: &Address, other: IpAddr) -> bool {
    let (one, two, bits) = match (known.address, other) {
        (IpAddr::V4(one), IpAddr::V4(two)) => {
            (u128::from(one.to_bits()), u128::from(two.to_bits()), 32)
        }
        (IpAddr::V6(one), IpAddr::V6(two)) => (one.to_bits(), two.to_bits(), 128),
        _ => return false,
    };
    // Prefixes are 1 to `bits`, so less than 128 bits are shifted out.
    (one ^ two) >> (bits - prefix(known)) == 0
}

/// Whether an address can be that of one machine. One that the kernel refuses would cost the others, too.
fn is_host(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !(broadcast || address.is_unspecified() || address.is_multicast() || address.is_loopback())
}

/// Whether a MAC address is that of one interface: not of a group (IEEE 802, the first octet's lowest bit), nor
/// all zeros.
fn is_station(mac: &str) -> bool {
    let first = u8::from_str_radix(mac.get(..2).unwrap_or_default(), 16).unwrap_or(1);
    first & 1 == 0 && mac != "00:00:00:00:00:00"
}

#[cfg(test)]
#[path = "networkd_tests.rs"]
mod tests;
