//! The cloud's part of the machine, kept true on every boot: what the platform wants is compared with what is there,
//! and the difference is applied.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod clock;
mod host_keys;
mod kept;
mod keys;
mod metrics;
mod network;
pub mod once;
mod pace;
mod run;
mod schedule;
mod settings;
mod show;
mod standing;

use std::path::{Path, PathBuf};

pub use kept::Kept;
pub use network::{Known, Look, Trust, look};
pub use run::{Options, Part, run};
pub use settings::{Settings, Unknown};
pub use show::{View, view};

/// Where the daemon keeps what it has to know after a restart: what systemd says (systemd.exec(5),
/// `StateDirectory=`), else the usual place.
pub fn state_directory() -> PathBuf {
    let said = std::env::var_os("STATE_DIRECTORY").filter(|said| !said.is_empty());
    said.map_or_else(|| "/var/lib/pilotlight".into(), PathBuf::from)
}

/// Gives back what of the program is not needed just now. Where that cannot be, it is only larger.
fn rest() {
    if let Err(error) = pilotlight_sys::text::give_back() {
        tracing::debug!("while giving back text of the program: {error}");
    }
}

/// Longest file of settings that is read, in bytes.
const MAX_SETTINGS: u64 = 1 << 20;

/// The settings below a root directory, later files winning, and what in them has no meaning.
pub fn settings_of(root: &Path) -> (Settings, Vec<String>) {
    let (mut settings, mut unknown) = (Settings::default(), Vec::new());
    let mut files = vec![
        root.join("etc/default/instance_configs.cfg"),
        root.join("etc/pilotlight/oem.conf"),
    ];
    // A file of /etc has the place of that of the same name below /usr/lib.
    let mut drop_ins = std::collections::BTreeMap::new();
    for directory in ["usr/lib/pilotlight/oem.conf.d", "etc/pilotlight/oem.conf.d"] {
        let entries = std::fs::read_dir(root.join(directory));
        for entry in entries.into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|end| end == "conf") {
                drop_ins.insert(entry.file_name(), path);
            }
        }
    }
    files.extend(drop_ins.into_values());
    for file in files {
        match pilotlight_sys::read_regular(&file, MAX_SETTINGS) {
            Ok(None) => {}
            Ok(Some(bytes)) => {
                let name = file.display().to_string();
                let found = settings.read(&name, &String::from_utf8_lossy(&bytes));
                unknown.extend(found.iter().map(ToString::to_string));
            }
            Err(error) => unknown.push(format!("{} is not read: {error}", file.display())),
        }
    }
    (settings, unknown)
}
