//! QEMU runner: boots a small Debian root with our initramfs, once per scenario, and asks the node.

mod answers;
mod artefacts;
mod cache;
mod cdrom;
mod command;
mod demo;
mod flatcar;
mod initramfs;
mod monitor;
mod network;
mod package;
mod progress;
mod qemu;
mod release;
mod resets;
mod rig;
mod root;
mod run;
mod scenario;
mod servers;
mod smbios;
mod table;
mod tang;
mod tpm;
mod vlan;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};

/// Real boots of pilotlight in QEMU.
#[derive(Parser)]
struct Arguments {
    /// The program that provisions; Debian's `ignition` works too, for comparison
    #[arg(long, global = true, value_name = "PATH")]
    agent: Option<PathBuf>,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build what is missing of boot disks, kernel and initramfs for all scenarios
    Prepare,
    /// Run the named scenarios, or the sample of them that shows the most in the least time
    Test {
        /// Directories below vm-tests/scenarios
        names: Vec<String>,
        /// Without names: all of them, and not the sample alone
        #[arg(long)]
        all: bool,
        /// How many at a time; without it as many as there are processors, at most two
        #[arg(long, value_name = "NUMBER")]
        jobs: Option<usize>,
    },
    /// Show one first boot live, then what the running node answers
    Demo {
        /// Boot this config in place of the demo's own
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Leave a login shell on the node's console
        #[arg(long)]
        console: bool,
    },
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the crate lies in no repository")?;
    let agent = || agent(arguments.agent.clone(), repository);
    let good = match arguments.task {
        Task::Prepare => {
            run::prepare(repository, &agent()?, &[])?;
            true
        }
        Task::Test { names, all, jobs } => {
            let jobs = jobs.unwrap_or_else(|| {
                thread::available_parallelism()
                    .map_or(1, usize::from)
                    .min(2)
            });
            run::test(repository, &agent()?, &names, all, jobs)?
        }
        Task::Demo { config, console } => {
            demo::demo(repository, &agent()?, config.as_deref(), console)?
        }
    };
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The program under test: the one named, else the release build beside this runner's own build.
fn agent(named: Option<PathBuf>, repository: &Path) -> Result<PathBuf> {
    let path = match named {
        Some(path) => path,
        None => std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| repository.join("target"), PathBuf::from)
            .join("release/pilotlight-boot"),
    };
    ensure!(
        path.is_file(),
        "no agent at {}: build it with cargo build --release -p pilotlight-boot, or name one with --agent",
        path.display()
    );
    Ok(path.canonicalize()?)
}
