//! Which platform the machine is of.

use std::path::Path;

use pilotlight_core::cmdline::FirstBoot;
use pilotlight_providers::Platform;
use pilotlight_providers::detect::{self, Evidence};
use pilotlight_sys::read_regular;

use crate::evidence;

/// Longest command line that is believed, in bytes; that of a kernel has 4 KiB at most.
const MAX_LINE: u64 = 1 << 20;

/// The machine's platform, by kernel argument or evidence.
pub struct Choice {
    /// As the argument has it, else the platform's name.
    pub written: String,
    /// Whether the kernel command line asks for a first boot.
    pub first_boot: FirstBoot,
    /// The platform; an argument may name one that is not known.
    pub platform: Result<Platform, String>,
    /// Why, in words.
    pub because: String,
    /// What the machine shows of itself.
    pub evidence: Evidence,
}

impl Choice {
    /// The machine whose sys and proc are below a directory. The kernel command line is read from `cmdline` where
    /// that is given. The error is for a person.
    pub fn of(root: &Path, cmdline: Option<&Path>) -> Result<Self, String> {
        let line = command_line(root, cmdline)?;
        let evidence = evidence::observe(root);
        let first_boot = FirstBoot::of(&line);
        Ok(match detect::named(&line) {
            Some((key, name)) => Self {
                platform: Platform::parse(&name),
                because: format!("the kernel command line has {key}={name}"),
                written: name,
                first_boot,
                evidence,
            },
            None => {
                let found = evidence.platform();
                Self {
                    platform: Ok(found.platform),
                    because: found.because,
                    written: found.platform.name().into(),
                    first_boot,
                    evidence,
                }
            }
        })
    }
}

/// The kernel command line of the machine whose proc is below a directory, or that of a file. Copies of another
/// machine's files need not have it. The error is for a person.
pub fn command_line(root: &Path, cmdline: Option<&Path>) -> Result<String, String> {
    let path = cmdline.map_or_else(|| root.join("proc/cmdline"), Path::to_path_buf);
    let line = read_regular(&path, MAX_LINE);
    let line = line.map_err(|error| format!("while reading {}: {error}", path.display()))?;
    Ok(String::from_utf8_lossy(&line.unwrap_or_default()).into_owned())
}
