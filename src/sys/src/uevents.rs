//! Waiting for devices: by the events that udev or the kernel sends, and never by sleeping.
//!
//! A wait begins before the first look, so that what happens between a look and the wait is not lost. What
//! an event says is not read: each is a reason to look again. Where udev runs, its own events are waited
//! for (group 2), which it sends when the links are there; elsewhere the kernel's (group 1), which come
//! when the node is there (Documentation/core-api/kobject.rst; systemd, `sd-device/device-monitor.c`).
//! Events may be lost (a full buffer) or not come at all (another network namespace), so one look a second
//! happens without any.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

/// Longest time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Time between two lines that say what is waited for.
const QUIET: Duration = Duration::from_secs(5);
/// Multicast groups of the protocol, as bits.
const KERNEL: u32 = 1;
const UDEV: u32 = 2;

/// Where the lines go that say what is waited for.
static TELL: OnceLock<fn(&str)> = OnceLock::new();

/// Sets for the whole process who hears, every five seconds, what is waited for. Only the first call counts.
pub fn tell_by(tell: fn(&str)) {
    // A second call is the same program's, which has one log.
    let _ = TELL.set(tell);
}

/// Says something to whoever hears what is waited for.
pub(crate) fn tell(line: &str) {
    if let Some(tell) = TELL.get() {
        tell(line);
    }
}

/// Whether udev runs, and makes links of devices.
pub fn udev_runs() -> bool {
    Path::new("/run/udev/control").exists()
}

/// A wait for something to appear, with an end.
#[derive(Debug)]
pub struct Wait {
    socket: Option<OwnedFd>,
    begun: Instant,
    limit: Duration,
    look: Duration,
    told: Duration,
}

impl Wait {
    /// Begins to wait: to be called before the first look.
    pub fn begin(limit: Duration) -> Self {
        // Nothing is going to be waited for: one look is all.
        let socket = (!limit.is_zero()).then(|| listen(udev_runs())).flatten();
        Self {
            socket,
            begun: Instant::now(),
            limit,
            look: LOOK,
            told: Duration::ZERO,
        }
    }

    /// For what no event tells: so long is the longest time between two looks.
    #[must_use]
    pub fn looking_every(mut self, look: Duration) -> Self {
        self.look = look;
        self
    }

    /// Waits until it is worth while to look again; false if the time is over and there was a last look.
    /// `what` is what is waited for, in words.
    pub fn for_next_look(&mut self, what: &str) -> bool {
        let passed = self.begun.elapsed();
        if passed >= self.limit {
            return false;
        }
        let silent = passed.saturating_sub(self.told);
        if silent >= QUIET {
            self.told = passed;
            tell(&format!("waiting for {what} since {} s", passed.as_secs()));
        }
        let next_line = self.told.saturating_add(QUIET).saturating_sub(passed);
        let pause = (self.look)
            .min(next_line)
            .min(self.limit.saturating_sub(passed));
        self.pause(pause);
        true
    }

    fn pause(&mut self, time: Duration) {
        let timeout = Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(time.subsec_nanos()),
        };
        let listening = self.socket.as_ref();
        let mut list: Vec<PollFd<'_>> = listening
            .map(|socket| PollFd::new(socket, PollFlags::IN))
            .into_iter()
            .collect();
        // Without a socket this is only the time; an interruption is one more look.
        let ready = poll(&mut list, Some(&timeout)).is_ok_and(|ready| ready > 0);
        if ready && !self.socket.as_ref().is_none_or(drain) {
            // It would answer at once for ever.
            self.socket = None;
        }
    }
}

/// Takes what has come, so that a hundred events are one look; false if the socket is of no use any more.
fn drain(socket: &OwnedFd) -> bool {
    let mut buffer = [0u8; 512];
    // Bounded, should events come faster than they are taken.
    for _ in 0..10_000 {
        // What does not fit is cut off, and nobody reads it.
        match recv(socket, &mut buffer, RecvFlags::DONTWAIT) {
            // Lost events are events.
            Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => {}
            Err(Errno::AGAIN) => return true,
            Err(_) => return false,
        }
    }
    true
}

/// Listens to events of udev that carry a mark.
#[derive(Debug)]
pub(crate) struct Marked(OwnedFd);

impl Marked {
    /// `None` where there are no events to be had.
    pub(crate) fn listen() -> Option<Self> {
        listen(true).map(Self)
    }

    /// The marks of the events that have come.
    pub(crate) fn come(&self) -> Vec<String> {
        let mut marks = Vec::new();
        // udev sends no larger ones.
        let mut buffer = [0u8; 8192];
        // Bounded, should events come faster than they are taken.
        for _ in 0..10_000 {
            match recv(&self.0, &mut buffer, RecvFlags::DONTWAIT) {
                Ok((length, _)) => marks.extend(mark(buffer.get(..length).unwrap_or(&buffer))),
                // A mark that was lost is sent once more.
                Err(Errno::NOBUFS | Errno::INTR) => {}
                Err(_) => break,
            }
        }
        marks
    }
}

/// The mark among the variables of an event, which end in NUL each.
fn mark(event: &[u8]) -> Option<String> {
    let marks = event.split(|byte| *byte == 0);
    let mut marks = marks.filter_map(|variable| variable.strip_prefix(b"SYNTH_UUID="));
    let mark = std::str::from_utf8(marks.next()?).ok()?;
    Some(mark.to_string())
}

/// Opens a socket for events; `None` where there are none to be had.
fn listen(udev: bool) -> Option<OwnedFd> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        Some(KOBJECT_UEVENT),
    )
    .ok()?;
    let groups = if udev { UDEV } else { KERNEL };
    bind(&socket, &SocketAddrNetlink::new(0, groups)).ok()?;
    Some(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_one_of_the_variables_of_an_event() {
        let event = b"libudev\0\xfe\xed\xca\xfe(\0ACTION=change\0SYNTH_UUID=1234-5\0SEQNUM=7\0";
        assert_eq!(mark(event).as_deref(), Some("1234-5"));
        assert_eq!(mark(b"libudev\0ACTION=change\0NO_SYNTH_UUID=1\0"), None);
    }

    #[test]
    fn a_wait_without_time_is_one_look() {
        assert!(!Wait::begin(Duration::ZERO).for_next_look("nothing"));
    }

    #[test]
    fn a_wait_ends_whether_events_come_or_not() {
        for socket in [None, listen(false)] {
            let mut wait = Wait::begin(Duration::from_millis(30));
            wait.socket = socket;
            while wait.for_next_look("nothing") {}
            assert!(wait.begun.elapsed() >= wait.limit);
        }
    }

    #[test]
    fn an_event_ends_the_pause() {
        let mut wait = Wait::begin(Duration::from_secs(600));
        wait.socket = listen(false);
        assert!(wait.socket.is_some());
        // It happens before the pause begins, and is not lost. It takes root (Documentation/ABI/testing/sysfs-uevent).
        std::fs::write("/sys/class/mem/null/uevent", "change").unwrap();
        wait.pause(Duration::from_secs(600));
        // What came was taken with it.
        let socket = wait.socket.as_ref().unwrap();
        assert!(recv(socket, &mut [0u8; 64], RecvFlags::DONTWAIT).is_err());
    }
}
