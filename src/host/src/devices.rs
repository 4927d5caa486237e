//! What providers want of the machine's devices and of its hypervisor.

use std::path::Path;
use std::time::Duration;

use pilotlight_fetch::CONFIG_LIMIT;
use pilotlight_providers::{DeviceFiles, Found, HostError, Which};
use pilotlight_sys::uevents::Wait;
use pilotlight_sys::{media, tool};

fn broken(error: impl std::fmt::Display) -> HostError {
    HostError::Broken(error.to_string())
}

/// Looks until there is something or the time is over, and says meanwhile what for. The thread waits: a boot has
/// nothing else to do before it has its config.
fn wait_for<T>(
    what: &str,
    limit: Duration,
    look: impl Fn() -> Result<Option<T>, HostError>,
) -> Result<Option<T>, HostError> {
    let mut wait = Wait::begin(limit);
    let what = format!("{what} (for at most {} s)", limit.as_secs());
    loop {
        if let Some(found) = look()? {
            return Ok(Some(found));
        }
        if !wait.for_next_look(&what) {
            return Ok(None);
        }
    }
}

/// The files of a device, once it is there.
pub fn files(wanted: &DeviceFiles<'_>) -> Result<Option<Found>, HostError> {
    let which = match wanted.which {
        Which::Label(labels) => media::Which::Label(labels),
        Which::Optical => media::Which::Optical,
        Which::Path(path) => media::Which::Path(path),
    };
    let request = media::Wanted {
        which,
        formats: wanted.formats,
        mark: wanted.mark,
        files: wanted.files,
        limit: CONFIG_LIMIT,
    };
    let found = wait_for(wanted.what, wanted.wait, || {
        media::look(&request).map_err(broken)
    });
    Ok(found?.map(|(device, files)| Found { device, files }))
}

/// The bytes of a device, once it is there.
pub fn raw(path: &str, wait: Duration) -> Result<Option<Vec<u8>>, HostError> {
    // The driver, where nothing has loaded it yet: without it the device never appears.
    if !Path::new(path).exists()
        && let Err(error) = tool::run("modprobe", &["virtio_blk"], None)
    {
        tracing::warn!("while loading the module virtio_blk: {error}");
    }
    wait_for(path, wait, || {
        // One byte more than allowed is read, so that the config parser can say that it is too large.
        media::raw(Path::new(path), CONFIG_LIMIT + 1)
            .map_err(|error| broken(format!("while reading {path}: {error}")))
    })
}

/// The program of open-vm-tools that asks the hypervisor.
pub const RPC: &str = "vmware-rpctool";

/// A variable of the hypervisor's for this guest.
pub fn guestinfo(program: &str, key: &str) -> Result<Option<Vec<u8>>, HostError> {
    let request = format!("info-get guestinfo.{key}");
    match tool::run_bounded(program, &[request], None, CONFIG_LIMIT + 1) {
        Ok(mut value) => {
            // The program ends its line.
            if value.last() == Some(&b'\n') {
                value.pop();
            }
            Ok(Some(value))
        }
        // It has no other words for a variable that is not set, and exits with 1 whatever is wrong.
        Err(tool::ToolError::Failed { tail, .. }) if tail.contains("No value found") => Ok(None),
        Err(tool::ToolError::Start { cause, .. })
            if cause.kind() == std::io::ErrorKind::NotFound =>
        {
            Err(broken(format!(
                "{program} is not here, which asks the hypervisor for guestinfo.{key}; add open-vm-tools to the \
                 initramfs, or name the platform by ignition.platform.id= (metal asks nobody)"
            )))
        }
        Err(error) => Err(broken(format!("while asking for guestinfo.{key}: {error}"))),
    }
}

/// The same by the usual program.
pub fn vmware(key: &str) -> Result<Option<Vec<u8>>, HostError> {
    guestinfo(RPC, key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn absent_and_broken_variables_are_different_answers() {
        let dir = tempfile::tempdir().unwrap();
        let script = |text: &str| {
            let path = dir.path().join("rpctool");
            std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            guestinfo(path.to_str().unwrap(), "a.b")
        };
        let echoed = script("printf '%s|%s\\n' $# \"$1\"");
        assert_eq!(echoed.unwrap().unwrap(), b"1|info-get guestinfo.a.b");
        assert_eq!(script("echo 'No value found' >&2; exit 1"), Ok(None));
        let why = script("echo 'Failed to send message.' >&2; exit 1")
            .unwrap_err()
            .to_string();
        assert!(
            why.contains("guestinfo.a.b") && why.contains("Failed to send"),
            "{why}"
        );
        let why = guestinfo("/nonexistent/rpctool", "a")
            .unwrap_err()
            .to_string();
        assert!(why.contains("add open-vm-tools"), "{why}");
    }

    #[test]
    fn a_device_is_waited_for_within_its_bound() {
        let run = |wait| {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("none").display().to_string();
            let wanted = DeviceFiles {
                which: Which::Path(&path),
                formats: &["vfat"],
                mark: None,
                files: &["a"],
                wait,
                what: "a device",
            };
            files(&wanted)
        };
        assert!(run(Duration::ZERO).unwrap().is_none());
        assert!(run(Duration::from_millis(20)).unwrap().is_none());
    }
}
