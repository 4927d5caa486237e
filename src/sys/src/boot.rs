//! The next boot: the OEM partition's grub.cfg, the first-boot marker, the reboot.

use std::io;
use std::path::Path;
use std::time::Duration;

use pilotlight_core::cmdline::words;
use pilotlight_core::facts::boot::{Boot, Esp, Oem};
use pilotlight_core::grub;
use pilotlight_core::model::SysPath;
use pilotlight_core::op::{BootOp, FIRST_BOOT_MARKER, KARGS_HELPER};
use rustix::system::RebootCommand;

use crate::disks;
use crate::private_mount::PrivateMount;
use crate::root::Sysroot;
use crate::tool::{self, ToolError};
use crate::uevents::Wait;

/// The file of the OEM partition that GRUB reads.
const GRUB_CFG: &str = "/grub.cfg";
/// Largest grub.cfg that is read, in bytes.
const LIMIT: u64 = 1 << 20;
/// Where the partitions are found, the first that there is.
const OEM: &[&str] = &["/dev/disk/by-label/OEM", "/dev/disk/by-partlabel/OEM"];
const ESP: &[&str] = &[
    "/dev/disk/by-partlabel/EFI-SYSTEM",
    "/dev/disk/by-label/EFI-SYSTEM",
];
/// Markers that make GRUB say `first_boot=detected`.
const MARKERS: &[&str] = &[FIRST_BOOT_MARKER, "/coreos/first_boot"];

/// What FCOS calls its boot partition, and its marker there.
const BOOT: &str = "/dev/disk/by-label/boot";
const BOOT_MARKER: &str = "/ignition.firstboot";

/// Why the boot could not be looked at or changed.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Reading or writing failed.
    #[error("while {action} {what}: {cause}")]
    Io {
        /// What was done.
        action: &'static str,
        /// To what.
        what: String,
        /// The reason.
        cause: io::Error,
    },
    /// A program failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The machine goes on running.
    #[error(
        "the machine did not restart within {0} s although it was told to; restart it by hand: the first-boot marker is there, so the config is done then"
    )]
    StillRunning(u64),
}

fn during(action: &'static str, what: impl Into<String>) -> impl FnOnce(io::Error) -> BootError {
    let what = what.into();
    move |cause| BootError::Io {
        action,
        what,
        cause,
    }
}

/// Observes the running command line and the programs; the partitions are [`observe_partitions`]' business.
pub fn observe(cmdline: &Path) -> Result<Boot, BootError> {
    Ok(Boot {
        cmdline: command_line(cmdline)?,
        helper: tool::is_there(KARGS_HELPER),
        // The distributions' own program; its exit status is the answer.
        live: tool::is_there("is-live-image")
            && tool::run("is-live-image", &[] as &[&str], None).is_ok(),
        ..Boot::default()
    })
}

/// The words of a kernel command line in a file; none without the file.
pub fn command_line(path: &Path) -> Result<Vec<String>, BootError> {
    let line =
        crate::read_regular(path, LIMIT).map_err(during("reading", path.display().to_string()))?;
    Ok(words(&String::from_utf8_lossy(&line.unwrap_or_default())))
}

/// Observes the OEM partition and the EFI system partition, waiting for them so long.
pub fn observe_partitions(boot: &mut Boot, wait: Duration) -> Result<(), BootError> {
    let mut wait = Wait::begin(wait);
    let (oem, esp) = loop {
        let found = (find(OEM)?, find(ESP)?);
        let whole = found.0.is_some() && found.1.is_some();
        if whole || !wait.for_next_look("the partitions of the boot loader") {
            break found;
        }
    };
    if let Some(device) = oem {
        let grub_cfg = read_grub_cfg(&device)?;
        boot.oem = Some(Oem { device, grub_cfg });
    }
    if let Some(device) = esp {
        let mounted = PrivateMount::read_only(&device).map_err(during("mounting", &*device))?;
        let mut marker = false;
        for path in MARKERS {
            let path = place(path)?;
            let there = mounted.root().stat(&path);
            marker |= there
                .map_err(during("looking for the marker on", &*device))?
                .is_some();
        }
        boot.esp = Some(Esp { device, marker });
    }
    Ok(())
}

/// The partition that holds the first-boot marker, by its node. One that cannot be looked at is not it.
pub fn marker_partition() -> Option<String> {
    partitions().find(|node| {
        let mounted = PrivateMount::read_only(node);
        mounted.is_ok_and(|mounted| holds_marker(mounted.root()).unwrap_or(false))
    })
}

/// Partitions on which a marker may lie, by their nodes.
pub(crate) fn partitions() -> impl Iterator<Item = String> {
    let links = [ESP, &[BOOT]].into_iter().flatten();
    links.filter_map(|link| find(&[link]).ok()?)
}

/// Whether a file system holds a first-boot marker.
pub(crate) fn holds_marker(root: &Sysroot) -> io::Result<bool> {
    for path in MARKERS.iter().chain([&BOOT_MARKER]) {
        let path = SysPath::parse(path).map_err(io::Error::other)?;
        if root.stat(&path)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn find(links: &[&str]) -> Result<Option<String>, BootError> {
    for link in links {
        if let Some(node) = disks::find(link)
            .map_err(|error| during("looking for", *link)(io::Error::other(error)))?
        {
            return Ok(Some(node));
        }
    }
    Ok(None)
}

fn place(path: &str) -> Result<SysPath, BootError> {
    SysPath::parse(path).map_err(|error| during("naming", path)(io::Error::other(error)))
}

fn read_grub_cfg(device: &str) -> Result<Option<String>, BootError> {
    let mounted = PrivateMount::read_only(device).map_err(during("mounting", device))?;
    text(&mounted).map_err(during("reading /grub.cfg on", device))
}

fn text(mounted: &PrivateMount) -> io::Result<Option<String>> {
    let path = SysPath::parse(GRUB_CFG).map_err(io::Error::other)?;
    let bytes = mounted.read(&path, LIMIT)?;
    bytes
        .map(|bytes| {
            String::from_utf8(bytes).map_err(|_| io::Error::other("it is not a text in UTF-8"))
        })
        .transpose()
}

/// Performs one operation. [`BootOp::Reboot`] never returns successfully.
pub fn apply(op: &BootOp) -> Result<(), BootError> {
    match op {
        BootOp::RunKargsHelper {
            should_exist,
            should_not_exist,
        } => {
            let mut arguments = Vec::new();
            for (flag, list) in [
                ("--should-exist", should_exist),
                ("--should-not-exist", should_not_exist),
            ] {
                arguments.extend(list.iter().flat_map(|entry| [flag, entry]));
            }
            tool::run(KARGS_HELPER, &arguments, None)?;
            Ok(())
        }
        BootOp::MakeFirstBootMarker { device } => {
            let mounted = PrivateMount::writable(device).map_err(during("mounting", device))?;
            let marker = place(FIRST_BOOT_MARKER)?;
            mounted
                .touch(&marker)
                .and_then(|()| mounted.finish())
                .map_err(during("making the first-boot marker on", device))
        }
        BootOp::WriteGrubBlock { device, statement } => {
            let mounted = PrivateMount::writable(device).map_err(during("mounting", device))?;
            let write = || {
                let path = SysPath::parse(GRUB_CFG).map_err(io::Error::other)?;
                let before = text(&mounted)?.unwrap_or_default();
                let after = grub::with_block(&before, statement).map_err(io::Error::other)?;
                mounted.replace(&path, after.as_bytes())?;
                mounted.finish()
            };
            write().map_err(during("writing /grub.cfg on", device))
        }
        BootOp::Reboot { .. } => reboot(),
    }
}

/// How long the machine may take to go down: what `PILOTLIGHT_REBOOT_WAIT` says in seconds, or 60.
fn reboot_wait() -> u64 {
    let given = std::env::var("PILOTLIGHT_REBOOT_WAIT").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(60)
}

/// Restarts the machine, and waits for it to end: what comes after this stage must not begin.
fn reboot() -> Result<(), BootError> {
    rustix::fs::sync();
    // Without --force it would stop units, which is not what an initramfs half way up is good at.
    if tool::run("systemctl", &["reboot", "--force"], None).is_err() {
        rustix::system::reboot(RebootCommand::Restart)
            .map_err(|error| during("restarting", "the machine")(error.into()))?;
    }
    let seconds = reboot_wait();
    std::thread::sleep(Duration::from_secs(seconds));
    Err(BootError::StillRunning(seconds))
}
