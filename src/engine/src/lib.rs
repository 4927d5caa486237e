//! The boot stages: what each does, in order, by observing, planning and applying.
//!
//! Every change goes through one function, `executor::Executor::run`, which logs the line of the dry run and
//! performs the operation. A stage never touches the machine in another way.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod acquire;
mod blobs;
mod cache;
mod contents;
mod credentials;
mod directory;
mod dry_run;
mod executor;
mod failure;
mod journal;
mod observe;
mod oem;
mod options;
mod platform;
mod rehearsal;
mod report_back;
mod result_file;
mod stages;
mod state;
mod transfer;
mod volumes;
mod work;

use std::time::Instant;

use pilotlight_host::log;

pub use acquire::GivenConfig;
pub use directory::apply_to_directory;
pub use dry_run::{DryRun, dry_run};
pub use failure::Failure;
pub use options::{Options, Stage, duration};
pub use pilotlight_sys::{LocalDirectory, read_regular, replace_file};
pub use state::{Entry, MAX_BYTES, State, line};
pub use volumes::finish as finish_volumes;

/// Stages of one machine share files: one runs at a time. The lock is that of the directory in which the config
/// cache lies, so that no file more is left there.
fn lock(options: &Options) -> std::io::Result<pilotlight_sys::lock::Lock> {
    let directory = match options.config_cache.parent() {
        Some(parent) if parent != std::path::Path::new("") => parent,
        _ => std::path::Path::new("."),
    };
    std::fs::create_dir_all(directory)?;
    pilotlight_sys::lock::of_directory(directory)
}

/// Runs one stage and answers the exit code of the drop-in command line.
///
/// 0: done. 1: the stage failed, or what it did could not be written into the state. 3: the state could not be read.
pub fn run(options: &Options) -> u8 {
    log::start(options.log_to_stdout);
    tracing::info!(
        "pilotlight {} stage {}",
        env!("CARGO_PKG_VERSION"),
        options.stage.name()
    );
    let (started, begun) = (Instant::now(), work::uptime());
    let _lock = match lock(options) {
        Ok(lock) => lock,
        Err(error) => {
            let line = format!("this stage did not begin: {error}");
            tracing::error!("{line}");
            log::console(&format!("pilotlight: {line}"));
            return 1;
        }
    };
    let mut state = match State::load(&options.state_file) {
        Ok(state) => state,
        Err(error) => {
            tracing::error!(
                "while reading the state {}: {error}",
                options.state_file.display()
            );
            return 3;
        }
    };
    let mut outcome = stages::run(options, &mut state);
    let took = started.elapsed();
    let mut entry = state::entry(options.stage, &outcome, took);
    entry.begun = pilotlight_core::first_boot::rounded(begun);
    work::give(&mut entry);
    if outcome.is_ok() {
        state.stages.push(entry.clone());
        if let Err(error) = state.save(&options.state_file) {
            // It may have its name already. The first error is the one to report.
            state.stages.pop();
            let _ = state.save(&options.state_file);
            let failure = Failure::new(format!(
                "while writing the state {}: {error}",
                options.state_file.display()
            ));
            entry.error = Some(failure.render());
            outcome = Err(failure);
        }
    }
    // Nobody is told of a success before all of it is written.
    let line = state::line(&entry);
    tracing::info!("{line}");
    log::console(&line);
    if outcome.is_err() {
        if options.stage == Stage::Files && pilotlight_sys::apply::begun() > 0 {
            result_file::withdraw(&options.root);
        }
        // What a stage has begun is counted where it is done.
        let earlier: usize = state.stages.iter().map(|entry| entry.operations).sum();
        let begun = earlier + pilotlight_sys::apply::begun();
        state::report_failure(options, &entry, begun);
    }
    report_back::stage_ended(options, &outcome);
    match outcome {
        Ok(_) => 0,
        Err(_) => 1,
    }
}
