//! What the result file says of this run that only the machine knows: its boot and the time.

use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use pilotlight_core::calendar::Utc;
use pilotlight_core::model::SysPath;
use pilotlight_core::plan::result::{PATH, Provisioned, is_of_boot};
use pilotlight_sys::root::Sysroot;

/// This run.
pub fn provisioned(user_config: bool, warnings: &[String]) -> Provisioned {
    Provisioned {
        boot_id: boot_id(),
        date: Utc::of_unix(unix(SystemTime::now())).to_string(),
        user_config,
        warnings: warnings.to_vec(),
    }
}

/// Containers and chroots may have none; that is no reason to fail.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// Takes back the result of this boot, of which something failed after the result was written.
pub fn withdraw(root: &Path) {
    let withdrawn = || -> io::Result<()> {
        let root = Sysroot::open(root)?;
        let path = SysPath::parse(PATH).map_err(io::Error::other)?;
        match root.read_text(&path)? {
            Some(text) if is_of_boot(&text, &boot_id()) => root.remove_file(&path),
            _ => Ok(()),
        }
    };
    if let Err(error) = withdrawn() {
        tracing::warn!("{PATH} of a root that is not provisioned could not be removed: {error}");
    }
}

/// Seconds since 1970. Times before (no battery clock) count as 1970.
fn unix(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
