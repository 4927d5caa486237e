//! pilotlight in the initramfs: the jobs of a boot, under the names by which units call them.
//!
//! The name it is called by decides what it is: `ignition` runs a stage, `ignition-rmcfg` forgets a config,
//! everything else has jobs of its own. What no boot needs is in the installed program.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use pilotlight_boot::{jobs, rmcfg, stage};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let called = arguments.next().unwrap_or_default();
    match Path::new(&called).file_name().and_then(OsStr::to_str) {
        Some("ignition") => stage::ignition(arguments),
        Some("ignition-rmcfg") => rmcfg::ignition_rmcfg(arguments),
        Some(name @ ("ignition-apply" | "ignition-validate")) => jobs::installed(name),
        _ => jobs::run(arguments),
    }
}
