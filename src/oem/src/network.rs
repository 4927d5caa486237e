//! The network, as the platform wants it: looked at, compared, put right.

use pilotlight_core::net::{Actual, Desired, Difference, Invalid, difference};
use pilotlight_providers::Platform;
use pilotlight_providers::network::Switches;
use pilotlight_sys::netlink::{Applied, Netlink, NetlinkError};

use crate::standing::Standing;

/// How far what the platform says is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It has just said so.
    Fresh,
    /// It said so before this boot, or before this program began: what it does not name stays.
    Kept,
}

/// What the platform said of the network.
#[derive(Clone)]
pub struct Known {
    /// The answer.
    pub document: String,
    /// How far it is believed.
    pub trust: Trust,
}

/// What is wanted, what is there, and what leads from the one to the other.
#[derive(Debug, Clone)]
pub struct Look {
    /// What is wanted.
    pub desired: Desired,
    /// What of the answer was left out.
    pub left_out: Vec<Invalid>,
    /// What is there.
    pub actual: Actual,
    /// What is to be done.
    pub difference: Difference,
}

/// Looks at a machine's network and compares it with an answer of the platform.
pub fn look(platform: Platform, switches: &Switches, known: &Known, actual: Actual) -> Look {
    let (desired, left_out) = platform.desired(&known.document, switches, &actual);
    let desired = match known.trust {
        Trust::Fresh => desired,
        Trust::Kept => desired.only_adding(),
    };
    let difference = difference(&desired, &actual, &platform.owner());
    Look {
        desired,
        left_out,
        actual,
        difference,
    }
}

/// What became of a round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Operations that changed something.
    pub done: usize,
    /// Operations that the kernel refused.
    pub failed: usize,
    /// What is wanted and is not so.
    pub unmet: usize,
    /// What of the answer was left out.
    pub left_out: usize,
}

/// Puts a machine's network right, and tells what it does.
pub struct Network {
    platform: Platform,
    switches: Switches,
    netlink: Netlink,
    told: Standing,
}

impl Network {
    /// That of this thread's network namespace.
    pub fn open(platform: Platform, switches: Switches) -> Result<Self, NetlinkError> {
        Ok(Self {
            platform,
            switches,
            netlink: Netlink::open()?,
            told: Standing::default(),
        })
    }

    /// The socket by which changes are made.
    pub fn netlink(&self) -> &Netlink {
        &self.netlink
    }

    /// Changes what is switched on from the next round on.
    pub fn switch(&mut self, switches: Switches) {
        self.switches = switches;
    }

    /// Looks, and does what is to be done. The line of each operation that changed something is logged.
    ///
    /// An operation that the kernel refuses is logged, and the next ones are tried: they may be of another link.
    ///
    /// # Errors
    ///
    /// The network cannot be looked at.
    pub fn put_right(&mut self, known: &Known) -> Result<Outcome, NetlinkError> {
        let actual = self.netlink.observe()?;
        let look = look(self.platform, &self.switches, known, actual);
        let mut outcome = Outcome {
            unmet: look.difference.unmet.len(),
            left_out: look.left_out.len(),
            ..Outcome::default()
        };
        let mut standing: Vec<String> = look.left_out.iter().map(Invalid::to_string).collect();
        standing.extend(look.difference.unmet.iter().map(ToString::to_string));
        let ops = &look.difference.ops;
        self.netlink.apply_all(ops, |op, became| match became {
            Ok(Applied::Done) => {
                outcome.done += 1;
                tracing::info!("{op}");
            }
            Ok(Applied::AlreadySo) => {}
            Ok(Applied::LeftAlone) => {
                tracing::info!("left alone, for it has become another's: {op}");
            }
            Err(error) => {
                outcome.failed += 1;
                standing.push(format!("not done: {op}: {error}"));
            }
        });
        self.told.tell(standing);
        Ok(outcome)
    }
}
