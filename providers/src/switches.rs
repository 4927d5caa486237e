//! What an operator switches on and off of what platforms want.

use crate::said::PolicySwitches;
use crate::{gcp_network, packet_network, static_network};

/// What an operator switches on and off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Switches {
    /// Those of Google Compute Engine.
    pub gcp: gcp_network::Switches,
    /// Those of Amazon EC2.
    pub aws: PolicySwitches,
    /// Those of Microsoft Azure.
    pub azure: PolicySwitches,
    /// Those of Equinix Metal.
    pub packet: packet_network::Switches,
    /// Those of platforms whose metadata tell addresses that DHCP does not give: DigitalOcean, Hetzner, OpenStack.
    pub fixed: static_network::Switches,
    /// Interfaces to which nothing is added and from which nothing is removed, by hardware address or the platform's
    /// id.
    pub left_alone: Vec<String>,
}
