//! pilotlight as it is installed: one program under the names of the tools that it takes the place of.
//!
//! The name it is called by decides what it is: an old one means the job of that tool, everything else has
//! subcommands. What a boot needs comes from the room of the initramfs program, so both do the same.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod afterburn;
mod args;
mod commands;
mod drop_in;
mod install;
mod oem;
mod once;
#[cfg(test)]
mod reference;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use pilotlight_boot::{rmcfg, stage};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let called = arguments.next().unwrap_or_default();
    match Path::new(&called).file_name().and_then(OsStr::to_str) {
        Some("ignition") => stage::ignition(arguments),
        Some("ignition-rmcfg") => rmcfg::ignition_rmcfg(arguments),
        Some("ignition-apply") => drop_in::ignition_apply(arguments),
        Some("ignition-validate") => drop_in::ignition_validate(arguments),
        Some("afterburn" | "coreos-metadata") => afterburn::afterburn(called, arguments),
        Some("flatcar-install") => install::flatcar_install(arguments),
        Some("coreos-installer") => install::coreos_installer(arguments),
        _ => commands::run(args::Arguments::parse().command),
    }
}
