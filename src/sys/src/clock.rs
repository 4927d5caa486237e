//! The machine's time of day, and the clock of its hardware.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, Timespec, clock_settime};

/// Where the kernel shows the hardware's clock (Documentation/ABI/testing/sysfs-class-rtc, `since_epoch`): no device
/// has to be opened for it.
pub const RTC: &str = "/sys/class/rtc/rtc0/since_epoch";
/// Longest text of a number, in bytes.
const MAX: u64 = 32;

/// The hardware's clock, in seconds since 1970; `None` where there is no such file.
pub fn hardware(file: &Path) -> io::Result<Option<u64>> {
    let Some(bytes) = crate::read_beginning(file, MAX)? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes);
    let seconds = text.trim().parse();
    seconds.map(Some).map_err(io::Error::other)
}

/// The time of day, as the time since 1970.
pub fn now() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}

/// Sets the time of day, as the time since 1970. Needs CAP_SYS_TIME.
pub fn set(since: Duration) -> io::Result<()> {
    let time = Timespec::try_from(since).map_err(io::Error::other)?;
    Ok(clock_settime(ClockId::Realtime, time)?)
}
