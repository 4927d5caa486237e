//! The network that a platform wants, asked for again and again while the machine runs.
//!
//! What a platform says is one JSON text, a [`Said`]: it is kept for the time when the platform does not answer,
//! shown to people, and planned on by `oem plan`. What it means is decided by the platform's own file.

use std::time::Duration;

use pilotlight_core::net::{Actual, Desired, Heard, Invalid, Owner, Wishes};

use crate::answer::shown;
use crate::host::{Host, HostError};
use crate::{Platform, aws, aws_network, gcp, gcp_network};

/// What a platform says of the network. It has no `Debug`: on some platforms the text holds more than the network.
#[derive(Clone, PartialEq, Eq)]
pub struct Said {
    /// JSON, in the form in which the platform's file reads it.
    pub document: String,
    /// From where a change is waited for, on platforms that tell of changes.
    pub cursor: Option<Cursor>,
}

/// An answer of a platform that can be waited at until it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The address at which the platform answered.
    pub(crate) base: &'static str,
    /// The platform's mark of what it said.
    pub(crate) etag: String,
}

/// How a platform is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rhythm {
    /// A request waits at the platform until something changes; where that is not possible, once in so long.
    Waiting(Duration),
    /// Once in so long.
    Every(Duration),
}

/// What an operator switches on and off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Switches {
    /// Those of Google Compute Engine.
    pub gcp: gcp_network::Switches,
    /// Those of Amazon EC2.
    pub aws: AwsSwitches,
    /// Interfaces to which nothing is added and from which nothing is removed, by hardware address or the platform's
    /// id.
    pub left_alone: Vec<String>,
}

/// What is switched on on Amazon EC2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwsSwitches {
    /// Whether secondary IPv4 addresses are added.
    pub secondary_addresses: bool,
    /// Whether secondary interfaces get tables and rules.
    pub policy_routing: bool,
    /// Whether all of it yields where the VPC CNI is found.
    pub yield_to_vpc_cni: bool,
}

impl Default for AwsSwitches {
    fn default() -> Self {
        Self {
            secondary_addresses: true,
            policy_routing: true,
            yield_to_vpc_cni: true,
        }
    }
}

impl Platform {
    /// How the platform is asked for the network; `None` where it says nothing of it that DHCP does not.
    pub fn rhythm(self) -> Option<Rhythm> {
        match self {
            Platform::Gcp => Some(Rhythm::Waiting(Duration::from_secs(60))),
            Platform::Aws => Some(Rhythm::Every(Duration::from_secs(60))),
            _ => None,
        }
    }

    /// Whose number what is added carries.
    pub fn owner(self) -> Owner {
        match self {
            Platform::Gcp => Owner::GOOGLE,
            _ => Owner::PILOTLIGHT,
        }
    }

    /// Asks for the network; with a cursor, once it is another one or the platform's patience is over. `None` where
    /// the platform says nothing.
    pub async fn network(
        self,
        host: &impl Host,
        after: Option<&Cursor>,
    ) -> Result<Option<Said>, HostError> {
        match self {
            Platform::Gcp => gcp::everything(host, after).await,
            Platform::Aws => aws::network(host).await,
            _ => Ok(None),
        }
    }

    /// What of an answer is kept for the time when the platform does not answer: the network alone.
    pub fn kept(self, document: &str) -> Option<String> {
        match self {
            Platform::Gcp => gcp_network::kept(document),
            _ => Some(document.into()),
        }
    }

    /// Whether the platform takes the machine's public host keys, by a document of this boot.
    pub fn wants_host_keys(self, document: &str) -> bool {
        self == Platform::Gcp && gcp::wants_host_keys(document)
    }

    /// Gives the platform a public host key: its type and its base64, as they stand in a `.pub` file.
    pub async fn publish_host_key(
        self,
        host: &impl Host,
        kind: &str,
        key: &str,
    ) -> Result<(), HostError> {
        match self {
            Platform::Gcp => gcp::publish_host_key(host, kind, key).await,
            _ => Ok(()),
        }
    }

    /// What a document wants, and what of it was left out. `actual` tells what platforms do not say: routers that
    /// advertise themselves, and whether another program has the network.
    pub fn desired(
        self,
        document: &str,
        switches: &Switches,
        actual: &Actual,
    ) -> (Desired, Vec<Invalid>) {
        match self {
            Platform::Gcp => gcp_network::desired(document, &switches.gcp),
            Platform::Aws => aws_network::of_document(document, switches, actual),
            _ => {
                let mut wishes = Wishes::new();
                wishes.unreadable(
                    self.name(),
                    shown(document),
                    "nothing is known of this platform's network",
                );
                wishes.end(Heard::Partly)
            }
        }
    }
}
