//! What the metadata of Google Compute Engine want of the machine's network.
//!
//! An address that is forwarded to a machine, an alias of its interface, or that of a target instance reaches it
//! as it is, and no link has it as an address: it becomes a local route of the interface (Compute Engine docs,
//! "Protocol forwarding" and "Alias IP ranges"). Addresses, routes and MTU of the interfaces come by DHCP.
//!
//! VLAN interfaces ("Dynamic NICs") have none of these addresses and are told as left out, which does not keep
//! anything else from being done; whatever else cannot be read keeps removals from being done.

use std::collections::BTreeSet;

use pilotlight_core::json::{Node, Value};
use pilotlight_core::model::metadata::MAX_INTERFACES;
use pilotlight_core::net::{Desired, Heard, Invalid, Mac};

use crate::answer::{MAX_ADDRESS, MAX_ADDRESSES, boolean, shown};
use crate::reading::Reading;

/// Longest answer, in bytes. Attributes are the largest part, of 512 KiB at most for the instance and for the
/// project each (Compute Engine docs, "Custom metadata size limitations"); escapes can double them.
const MAX_ANSWER: usize = 4 << 20;

/// Where everything stands, the interfaces, and those that are VLANs of another.
const ROOT: &str = "computeMetadata/v1";
const INTERFACES: &str = "instance/network-interfaces";
const VLAN_INTERFACES: &str = "instance/vlan-network-interfaces";

/// What is switched on. All kinds of addresses are, unless an operator says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switches {
    /// Whether anything is wanted. Without it what was added is removed, and other programs' routes stay
    /// (`ip_forwarding` of instance_configs.cfg).
    pub ip_forwarding: bool,
    /// Addresses of forwarding rules. A load balancer's is among them: with a local route a machine that is
    /// unhealthy answers itself instead of being sent to a healthy one.
    pub forwarded_ips: bool,
    /// Ranges of forwarding rules for IPv6.
    pub forwarded_ipv6s: bool,
    /// Alias ranges (`ip_aliases` of instance_configs.cfg).
    pub ip_aliases: bool,
    /// Addresses of target instances (`target_instance_ips` of instance_configs.cfg).
    pub target_instance_ips: bool,
    /// Whether the network is left to another program: nothing is added and nothing removed. It wins against the
    /// metadata's `disable-address-manager`, which decides where it is `None`.
    pub disable_address_manager: Option<bool>,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            ip_forwarding: true,
            forwarded_ips: true,
            forwarded_ipv6s: true,
            ip_aliases: true,
            target_instance_ips: true,
            disable_address_manager: None,
        }
    }
}

/// A list of addresses of an interface.
struct List {
    /// Its key in JSON.
    key: &'static str,
    /// Its name in the server's paths.
    path: &'static str,
    is_on: fn(&Switches) -> bool,
    reason: &'static str,
}

const LISTS: [List; 4] = [
    List {
        key: "forwardedIps",
        path: "forwarded-ips",
        is_on: |switches| switches.forwarded_ips,
        reason: "it is forwarded to this machine",
    },
    List {
        key: "forwardedIpv6s",
        path: "forwarded-ipv6s",
        is_on: |switches| switches.forwarded_ipv6s,
        reason: "it is forwarded to this machine",
    },
    List {
        key: "ipAliases",
        path: "ip-aliases",
        is_on: |switches| switches.ip_aliases,
        reason: "it is an alias range of the interface",
    },
    List {
        key: "targetInstanceIps",
        path: "target-instance-ips",
        is_on: |switches| switches.target_instance_ips,
        reason: "it is forwarded to this machine as a target instance",
    },
];

/// What is wanted, and what was left out, with the server's path to it.
///
/// `answer` is that to `/computeMetadata/v1/?recursive=true&alt=json`: interfaces and attributes of one moment,
/// as a request that waits for changes gets them.
///
/// Nothing may be removed because of an answer that is no JSON or longer than 4 MiB, has no interface, or one
/// without a hardware address, or an address that cannot be read; nor where the network is left to another
/// program.
pub fn desired(answer: &str, switches: &Switches) -> (Desired, Vec<Invalid>) {
    let mut answer = Answer {
        reading: Reading::of_at_most(answer, MAX_ANSWER),
        left_out: Vec::new(),
    };
    let heard = match answer.reading.json(ROOT) {
        None => Heard::Partly,
        Some(all) if answer.is_disabled(&all, switches) => Heard::Partly,
        Some(all) => {
            answer.instance(&all, switches);
            Heard::Whole
        }
    };
    let (desired, mut invalid) = answer.reading.wishes.end(heard);
    invalid.append(&mut answer.left_out);
    // Switches and interfaces are looked for in the same places.
    let mut told = BTreeSet::new();
    invalid.retain(|one| told.insert(one.clone()));
    (desired, invalid)
}

/// The parts of an answer that are about the network (RFC 6901): the rest holds user data, keys and whatever people
/// put there.
pub(crate) const OF_NETWORK: &[&str] = &[
    "/instance/networkInterfaces",
    "/instance/vlanNetworkInterfaces",
    "/instance/attributes/disable-address-manager",
    "/project/attributes/disable-address-manager",
];

/// The answer that is read, and what is noted meanwhile.
struct Answer<'t> {
    reading: Reading<'t>,
    /// What was read and is not done, beside what could not be read.
    left_out: Vec<Invalid>,
}

impl Answer<'_> {
    /// Whether the network is left to another program. A text that is no boolean is as if it were not there, as
    /// the platform's agent has it, and is told.
    fn is_disabled(&mut self, all: &Node, switches: &Switches) -> bool {
        const KEY: &str = "disable-address-manager";
        if let Some(disabled) = switches.disable_address_manager {
            return disabled;
        }
        for of in ["instance", "project"] {
            let Some(holder) = self.reading.member(all, of, ROOT) else {
                continue;
            };
            let place = format!("{of}/attributes");
            let Some(attributes) = self.reading.member(holder, "attributes", of) else {
                continue;
            };
            let Some(value) = self.reading.member(attributes, KEY, &place) else {
                continue;
            };
            let read = match &value.value {
                Value::Bool(truth) => Some(*truth),
                Value::String(text) | Value::Number(text) => boolean(text),
                _ => None,
            };
            match read {
                Some(disabled) => return disabled,
                None => {
                    self.reading
                        .unreadable(&format!("{place}/{KEY}"), value, "it is no boolean")
                }
            }
        }
        false
    }

    fn instance(&mut self, all: &Node, switches: &Switches) {
        let Some(instance) = self.reading.member(all, "instance", ROOT) else {
            return self.reading.unreadable(ROOT, all, "it has no instance");
        };
        let Some(list) = self
            .reading
            .member(instance, "networkInterfaces", "instance")
        else {
            return self
                .reading
                .unreadable("instance", instance, "it has no network interfaces");
        };
        let Value::Array(interfaces) = &list.value else {
            return self.reading.unreadable(INTERFACES, list, "it is no list");
        };
        // A machine that was asked over its network has one.
        if interfaces.is_empty() {
            self.reading
                .unreadable(INTERFACES, list, "it has no network interfaces");
        }
        for (at, interface) in interfaces.iter().enumerate() {
            let place = format!("{INTERFACES}/{at}");
            if at == MAX_INTERFACES {
                return self
                    .reading
                    .unreadable(&place, interface, "there are too many before it");
            }
            self.interface(interface, &place, switches);
        }
        let macs: Vec<Mac> = interfaces.iter().filter_map(mac_of).collect();
        if let Some(parents) = self
            .reading
            .member(instance, "vlanNetworkInterfaces", "instance")
        {
            self.vlans(parents, &macs);
        }
    }

    /// The hardware address of an interface, which has one.
    fn mac<'n>(&mut self, interface: &'n Node, place: &str) -> Option<&'n str> {
        match self
            .reading
            .member(interface, "mac", place)
            .map(|value| &value.value)
        {
            Some(Value::String(mac)) if mac.trim().len() <= MAX_ADDRESS => Some(mac),
            _ => {
                self.reading
                    .unreadable(place, interface, "it has no hardware address");
                None
            }
        }
    }

    fn interface(&mut self, interface: &Node, place: &str, switches: &Switches) {
        let Some(mac) = self.mac(interface, place) else {
            return;
        };
        let mut addresses = Vec::new();
        for list in LISTS {
            if switches.ip_forwarding && (list.is_on)(switches) {
                let place = format!("{place}/{}", list.path);
                if let Some(value) = self.reading.member(interface, list.key, &place) {
                    self.addresses(value, &place, list.reason, &mut addresses);
                }
            }
        }
        let place = format!("{place}/mac");
        // Even without an address: what is there of an earlier time is not wanted any more.
        if let Some(mut link) = self.reading.wishes.link(mac, None, &place) {
            for (text, place, reason) in addresses {
                link.local(text, &place, reason);
            }
        }
    }

    fn addresses<'n>(
        &mut self,
        list: &'n Node,
        place: &str,
        reason: &'static str,
        addresses: &mut Vec<(&'n str, String, &'static str)>,
    ) {
        let Value::Array(values) = &list.value else {
            return self.reading.unreadable(place, list, "it is no list");
        };
        for (at, value) in values.iter().enumerate() {
            let place = format!("{place}/{at}");
            if at == MAX_ADDRESSES {
                return self
                    .reading
                    .unreadable(&place, value, "there are too many before it");
            }
            match &value.value {
                Value::String(text) if text.trim().len() <= MAX_ADDRESS => {
                    addresses.push((text, place, reason));
                }
                Value::String(_) => self.reading.unreadable(&place, value, "it is too long"),
                _ => self.reading.unreadable(&place, value, "it is no text"),
            }
        }
    }

    /// Interfaces by the number of their parent and that of their VLAN. What is on their links stays, whoever
    /// set them up.
    fn vlans(&mut self, parents: &Node, of_parents: &[Mac]) {
        let mut count = 0;
        for (parent, vlans) in self.members(parents, VLAN_INTERFACES) {
            let place = format!("{VLAN_INTERFACES}/{parent}");
            for (id, vlan) in self.members(vlans, &place) {
                let place = format!("{place}/{id}");
                if count == MAX_INTERFACES {
                    return self
                        .reading
                        .unreadable(&place, vlan, "there are too many before it");
                }
                count += 1;
                let Some(mac) = self.mac(vlan, &place) else {
                    continue;
                };
                // By default a VLAN has its parent's address, and the parent is ours.
                let of_a_parent = mac.parse().is_ok_and(|mac| of_parents.contains(&mac));
                if !of_a_parent {
                    self.reading
                        .wishes
                        .leave_alone(mac, &format!("{place}/mac"));
                }
                self.left_out.push(Invalid {
                    place,
                    text: mac.into(),
                    why: "VLAN interfaces are left to other programs".into(),
                });
            }
        }
    }

    /// All members of an object; their keys as far as they are told.
    fn members<'n>(&mut self, of: &'n Node, place: &str) -> Vec<(&'n str, &'n Node)> {
        let Value::Object(members) = &of.value else {
            self.reading.unreadable(place, of, "it is no object");
            return Vec::new();
        };
        members
            .iter()
            .map(|member| (shown(&member.key), &member.value))
            .collect()
    }
}

fn mac_of(interface: &Node) -> Option<Mac> {
    let Value::Object(members) = &interface.value else {
        return None;
    };
    let mac = members.iter().find(|member| member.key == "mac")?;
    match &mac.value.value {
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
