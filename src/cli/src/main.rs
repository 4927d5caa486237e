//! pilotlight: one program under the names of the tools that it takes the place of.
//!
//! The name it is called by decides what it is: `ignition` runs a boot stage, everything else has
//! subcommands. This file only dispatches.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod args;
mod commands;
mod drop_in;
mod platform;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let called = arguments.next().unwrap_or_default();
    let name = Path::new(&called).file_name().and_then(OsStr::to_str);
    match name {
        Some("ignition") => drop_in::ignition(arguments),
        Some("ignition-apply") => commands::run(args::Command::parse_as_apply(arguments)),
        Some("ignition-validate") => drop_in::ignition_validate(arguments),
        _ => commands::run(args::Arguments::parse().command),
    }
}
