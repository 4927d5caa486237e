//! What a platform says of the network, and how it is asked for it.

use std::time::Duration;

use crate::host::HostError;

/// What a platform says of the network. It has no `Debug`: on some platforms the text holds more than the network.
#[derive(Clone, PartialEq, Eq)]
pub struct Said {
    /// JSON, in the form in which the platform's file reads it.
    pub document: String,
    /// From where a change is waited for, on platforms that tell of changes.
    pub cursor: Option<Cursor>,
}

impl Said {
    /// What was answered, where something was: a text. `what` is where it was asked for.
    pub(crate) fn of(what: &str, bytes: Option<Vec<u8>>) -> Result<Option<Self>, HostError> {
        let Some(bytes) = bytes else {
            return Ok(None);
        };
        let document = String::from_utf8(bytes)
            .map_err(|_| HostError::Broken(format!("{what}: the answer is no text")))?;
        Ok(Some(Self {
            document,
            cursor: None,
        }))
    }
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
    /// Once: it does not change while the machine runs.
    Once,
}

/// What is switched on where secondary interfaces have tables of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicySwitches {
    /// Whether interfaces get the platform's names for them beside their own; Amazon EC2 has such names.
    pub altnames: bool,
    /// Whether secondary addresses are added.
    pub secondary_addresses: bool,
    /// Whether secondary interfaces get tables and rules.
    pub policy_routing: bool,
    /// Whether all of it yields where the platform's own plugin for containers is found.
    pub yield_to_cni: bool,
}

impl Default for PolicySwitches {
    fn default() -> Self {
        Self {
            altnames: true,
            secondary_addresses: true,
            policy_routing: true,
            yield_to_cni: true,
        }
    }
}
