//! Hearing that the network changed.
//!
//! What an event says is not believed but for its kind: each is a reason to look again, since events can be lost.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::NetlinkError;
use super::connection::{Failure, Netlink, receive};
use super::decode::{
    RTM_DELADDR, RTM_DELLINK, RTM_DELROUTE, RTM_DELRULE, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE,
    RTM_NEWRULE,
};
use super::messages::messages;

/// Groups of events (linux/rtnetlink.h, `RTNLGRP_…`): links; then addresses, routes and rules of IPv4 and IPv6.
const GROUPS: [u32; 7] = [1, 5, 7, 8, 9, 11, 19];
/// Most pieces that are taken at once, should events come faster than they are read.
const PIECES: u32 = 10_000;

/// Hears of changes of the network of one namespace.
#[derive(Debug)]
pub struct Events {
    socket: Socket,
    own: u32,
    buffer: Vec<u8>,
}

/// What has changed by other hands, since it was last asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// Links came, went, or are others now.
    pub links: bool,
    /// Addresses.
    pub addresses: bool,
    /// Routes.
    pub routes: bool,
    /// Rules.
    pub rules: bool,
    /// Events were lost: anything may have changed.
    pub lost: bool,
}

impl Changes {
    /// Whether anything has changed.
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

/// What a wait ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// Something changed.
    Changed(Changes),
    /// The time is over.
    TimeOver,
}

impl AsRawFd for Events {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Events {
    /// Listens in the network namespace of this thread. From now on no change is missed without being told; those
    /// that `own` makes are no events.
    ///
    /// # Errors
    ///
    /// There are no sockets of this family, or no more of any.
    pub fn listen(own: &Netlink) -> Result<Self, NetlinkError> {
        let opened = || -> io::Result<Self> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            for group in GROUPS {
                match socket.add_membership(group) {
                    // A kernel without IPv6 has none of its groups.
                    Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => {}
                    other => other?,
                }
            }
            Ok(Self {
                socket,
                own: own.port(),
                buffer: Vec::new(),
            })
        };
        opened().map_err(|error| Failure::from(error).during("listen to changes of the network"))
    }

    /// Waits until another hand changes something, at most so long.
    ///
    /// # Errors
    ///
    /// The socket fails; then it is of no use any more.
    pub fn wait(&mut self, limit: Duration) -> Result<Waited, NetlinkError> {
        let begun = Instant::now();
        loop {
            let left = limit.saturating_sub(begun.elapsed());
            let changes = self
                .come(left)
                .map_err(|error| Failure::from(error).during("hear of changes of the network"))?;
            if changes.any() {
                return Ok(Waited::Changed(changes));
            }
            if left.is_zero() {
                return Ok(Waited::TimeOver);
            }
        }
    }

    /// Takes what has changed so far, without waiting; the descriptor is readable when there is something.
    ///
    /// # Errors
    ///
    /// The socket fails; then it is of no use any more.
    pub fn take(&mut self) -> Result<Changes, NetlinkError> {
        self.come(Duration::ZERO)
            .map_err(|error| Failure::from(error).during("hear of changes of the network"))
    }

    /// Takes all events that have come, or that are the first to come.
    fn come(&mut self, limit: Duration) -> io::Result<Changes> {
        let timeout = Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(limit.subsec_nanos()),
        };
        let mut list = [PollFd::new(&self.socket, PollFlags::IN)];
        match poll(&mut list, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut changes = Changes::default();
        for _ in 0..PIECES {
            match receive(&self.socket, &mut self.buffer, RecvFlags::DONTWAIT) {
                Ok(()) => self.read(&mut changes),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // The kernel had no room for them, or this program for one of them.
                Err(error)
                    if matches!(
                        Errno::from_io_error(&error),
                        Some(Errno::NOBUFS | Errno::MSGSIZE)
                    ) =>
                {
                    changes.lost = true;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(changes)
    }

    fn read(&self, changes: &mut Changes) {
        for message in messages(&self.buffer) {
            let Ok(message) = message else {
                changes.lost = true;
                return;
            };
            if message.port == self.own {
                continue;
            }
            match message.kind {
                RTM_NEWLINK | RTM_DELLINK => changes.links = true,
                RTM_NEWADDR | RTM_DELADDR => changes.addresses = true,
                RTM_NEWROUTE | RTM_DELROUTE => changes.routes = true,
                RTM_NEWRULE | RTM_DELRULE => changes.rules = true,
                _ => {}
            }
        }
    }
}
