//! The one wait after a device was changed: until what must be there is there, and udev has finished with it.
//!
//! udev notices when a device is closed that was open for writing. Of a whole disk it then has the kernel read
//! the partition table again, whatever the kernel was told before: all partitions go and come back, with an event
//! each. When that happens nobody can know, so nothing here waits for one event: what must be there is looked at
//! after udev has said that its queue is empty (`udevadm settle` is answered only after what udev had noticed by
//! then), and again until a bound. Where other devices keep udev busy, that never comes: after a second it is
//! enough that udev has finished with the devices in question (`Ours`).

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::blockdev::is_block_device;
use crate::maps;
use crate::tool::{self, ToolError};
use crate::uevents::{self, Marked, Wait, udev_runs};

/// How long others may take with a device: udev kills what takes longer than 180 s over one event
/// (systemd-udevd(8), `--event-timeout`).
const LIMIT: Duration = Duration::from_secs(240);

/// Longest time between two looks: that udev's queue is empty is no event.
const LOOK: Duration = Duration::from_millis(100);

/// How long one question to udev may take, in seconds: between two the log says what is waited for.
const ASK: &str = "--timeout=5";

/// How long udev is given to come to the end of its queue; then only the devices in question count.
const WHOLE_QUEUE: Duration = Duration::from_secs(1);

/// Whether an error only says that a device is gone or taken for a moment, as partitions are while the kernel
/// reads their table again.
pub fn is_passing(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NOENT | Errno::NXIO | Errno::NODEV | Errno::BUSY)
    )
}

/// Has udev look at devices whose content has changed, and waits until `there` finds what must be there and udev
/// has finished. `what` is what must be there, in words.
///
/// The event of ours is needed since udev does not notice that a device is closed while it handles an earlier
/// event of it (systemd, `udev-watch.c`): the link by the label of a file system that was wiped and made again may
/// then be gone for good. And systemd starts nothing that is bound to a device whose last event said that the link
/// is gone, such as the root's `systemd-fsck-root.service`. It takes the events that have come before it starts
/// anything (`manager.c`: jobs have the priority "idle"), so they need only be out.
///
/// `ours` are the devices with which udev must have finished where it does not come to its end because of some
/// other device. Where it does not do even that, what is there is enough, and that is said.
pub fn settle<'a>(
    changed: impl IntoIterator<Item = &'a str>,
    ours: &[&str],
    what: &str,
    there: impl FnMut() -> io::Result<bool>,
) -> io::Result<()> {
    settle_within(LIMIT, changed, ours, what, there)
}

fn settle_within<'a>(
    limit: Duration,
    changed: impl IntoIterator<Item = &'a str>,
    ours: &[&str],
    what: &str,
    mut there: impl FnMut() -> io::Result<bool>,
) -> io::Result<()> {
    let begun = Instant::now();
    let mut alone: Option<Ours<'_>> = None;
    let udev = udev_runs();
    let mut wait = Wait::begin(limit).looking_every(LOOK);
    if udev {
        for node in changed {
            announce(node, "change")?;
        }
    }
    loop {
        if udev && alone.is_none() && begun.elapsed() >= WHOLE_QUEUE {
            alone = Ours::ask(ours)?;
        }
        let finished = match &mut alone {
            Some(alone) => alone.finished()?,
            None => !udev || has_finished()?,
        };
        let seen = match there() {
            Err(error) if !is_passing(&error) => return Err(error),
            seen => seen,
        };
        if finished && matches!(seen, Ok(true)) {
            return Ok(());
        }
        if finished {
            // What comes next has events of its own.
            alone = None;
        }
        if wait.for_next_look(what) {
            continue;
        }
        let seconds = limit.as_secs();
        return match seen {
            Ok(true) => {
                uevents::tell(&format!(
                    "udev has not finished within {seconds} s; going on, since this is there: {what}"
                ));
                Ok(())
            }
            Ok(false) => Err(timed_out(format!("waited {seconds} s for {what}"))),
            Err(error) => Err(timed_out(format!("waited {seconds} s for {what}: {error}"))),
        };
    }
}

/// Waits until a node is there.
pub fn appear(node: &str) -> io::Result<()> {
    settle([], &[node], node, || Ok(Path::new(node).exists()))
}

/// Opens a device once it is there, for as long as a program works on it: the kernel reads no table again while a
/// partition of the disk is open, which would take the device away in the middle.
pub fn hold(node: &str) -> io::Result<fs::File> {
    let mut wait = Wait::begin(LIMIT).looking_every(LOOK);
    loop {
        match fs::File::open(node) {
            Err(error) if is_passing(&error) && wait.for_next_look(node) => {}
            opened => return opened,
        }
    }
}

fn timed_out(said: String) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, said)
}

/// Sends the event that says that a device has changed; answers quietly where the device is gone.
fn announce(node: &str, event: &str) -> io::Result<()> {
    // A link leads to the node, whose name sysfs has. What is gone needs no look.
    let map = maps::real(node);
    let Ok(node) = fs::canonicalize(map.as_deref().unwrap_or(node)) else {
        return Ok(());
    };
    let Some(name) = node.file_name() else {
        return Ok(());
    };
    let uevent = Path::new("/sys/class/block").join(name).join("uevent");
    match fs::write(uevent, event) {
        Err(error) if !is_passing(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Whether udev has finished with everything that it could notice by now.
///
/// `udevadm settle` asks the same, but calls it success when it cannot ask, as when someone else asks at the same
/// moment: udev's socket lets one wait.
fn has_finished() -> io::Result<bool> {
    if busy() {
        return Ok(false);
    }
    match tool::run("udevadm", &["control", "--ping", ASK], None) {
        // It answers when it has taken in all events and all notices of closed devices.
        Ok(_) => Ok(!busy()),
        Err(ToolError::Failed { .. }) => Ok(false),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Whether udev has finished with some devices, whatever else it has to do.
///
/// Each is sent an event with a mark (Documentation/ABI/testing/sysfs-uevent), which udev sends on when it has
/// handled the event, and with it all earlier events of the same device. This is done twice: while the first one
/// was handled, udev has taken in its notices of closed devices, and has had their tables read again.
struct Ours<'a> {
    devices: &'a [&'a str],
    marked: Marked,
    /// Marks on their way, for each time that they were sent: those of a device that was gone do not come back.
    sent: Vec<BTreeSet<String>>,
    last: Instant,
    again: bool,
}

/// When marks are sent once more.
const LOST: Duration = Duration::from_secs(10);

impl<'a> Ours<'a> {
    /// `None` where there are no events to be had.
    fn ask(devices: &'a [&'a str]) -> io::Result<Option<Self>> {
        let Some(marked) = Marked::listen() else {
            return Ok(None);
        };
        let mut ours = Self {
            devices,
            marked,
            sent: Vec::new(),
            last: Instant::now(),
            again: false,
        };
        ours.send()?;
        Ok(Some(ours))
    }

    fn send(&mut self) -> io::Result<()> {
        let mut marks = BTreeSet::new();
        for node in (self.devices.iter()).filter(|node| is_block_device(Path::new(node))) {
            let mark = uuid::Uuid::new_v4().to_string();
            announce(node, &format!("change {mark}"))?;
            marks.insert(mark);
        }
        self.sent.push(marks);
        self.last = Instant::now();
        Ok(())
    }

    fn finished(&mut self) -> io::Result<bool> {
        for mark in self.marked.come() {
            for marks in &mut self.sent {
                marks.remove(&mark);
            }
        }
        if self.sent.iter().any(BTreeSet::is_empty) {
            if self.again {
                return Ok(true);
            }
            self.again = true;
            self.sent.clear();
            self.send()?;
        } else if self.last.elapsed() >= LOST {
            self.send()?;
        }
        Ok(false)
    }
}

/// Whether udev has events in its queue.
fn busy() -> bool {
    Path::new("/run/udev/queue").exists()
}

/// Takes the lock by which programs that change a disk keep out of each other's way; udev leaves the disk alone
/// while it is held (systemd, "Locking Block Device Access"), and has it itself while it looks at the disk.
pub fn lock(disk: &fs::File, node: &str) -> io::Result<()> {
    // That a lock is free again is no event.
    let mut wait = Wait::begin(LIMIT).looking_every(Duration::from_millis(20));
    while !try_lock(disk)? {
        if !wait.for_next_look(&format!("the lock of {node}, which another program has")) {
            let seconds = LIMIT.as_secs();
            return Err(timed_out(format!(
                "another program has its lock for {seconds} s; \"lslocks\" says which"
            )));
        }
    }
    Ok(())
}

/// The same without waiting; false while another program has the lock.
pub fn try_lock(disk: &fs::File) -> io::Result<bool> {
    match rustix::fs::flock(disk, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without udev: the host of these tests has none.
    fn wait(there: impl FnMut() -> io::Result<bool>) -> Result<(), String> {
        settle_within(
            Duration::from_millis(30),
            [],
            &[],
            "the partitions of /dev/x",
            there,
        )
        .map_err(|error| error.to_string())
    }

    #[test]
    fn what_goes_and_comes_back_is_waited_for() {
        let gone = |errno: Errno| Err(io::Error::from(errno));
        let mut looks = [
            gone(Errno::NOENT),
            Ok(false),
            gone(Errno::NXIO),
            gone(Errno::BUSY),
            Ok(true),
        ]
        .into_iter();
        let mut last = None;
        let waited = settle_within(Duration::from_secs(60), [], &[], "", || {
            let look = looks.next().unwrap();
            last = look.as_ref().ok().copied();
            look
        });
        assert!(waited.is_ok() && last == Some(true), "{waited:?}");
    }

    #[test]
    fn a_wait_ends_and_says_what_for_and_how_long() {
        assert_eq!(
            wait(|| Ok(false)).unwrap_err(),
            "waited 0 s for the partitions of /dev/x"
        );
        let said = wait(|| Err(Errno::NODEV.into())).unwrap_err();
        assert!(
            said.starts_with("waited 0 s for the partitions of /dev/x: No such device"),
            "{said}"
        );
    }

    #[test]
    fn other_errors_are_not_waited_for() {
        let mut looks = 0;
        let said = wait(|| {
            looks += 1;
            Err(Errno::IO.into())
        });
        assert!(said.unwrap_err().contains("Input/output") && looks == 1);
    }
}
