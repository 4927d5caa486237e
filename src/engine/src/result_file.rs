//! What the result file says of this run that only the machine knows: its boot and the time.

use std::time::{SystemTime, UNIX_EPOCH};

use pilotlight_core::calendar::Utc;
use pilotlight_core::plan::result::Provisioned;

/// This run.
pub fn provisioned(user_config: bool, warnings: &[String]) -> Provisioned {
    Provisioned {
        // Containers and chroots may have no boot id; that is no reason to fail.
        boot_id: std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default(),
        date: Utc::of_unix(unix(SystemTime::now())).to_string(),
        user_config,
        warnings: warnings.to_vec(),
    }
}

/// Seconds since 1970. Times before (no battery clock) count as 1970.
fn unix(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
