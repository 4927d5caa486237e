//! `pilotlight oem`: the cloud's part of a running machine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use pilotlight_boot::out::out;
use pilotlight_host::Choice;
use pilotlight_oem::{Options, View};
use pilotlight_providers::Platform;

use crate::commands::not_an_input;

const EXAMPLES: &str = "\
Examples:
  pilotlight oem plan                             what the next round would do, without doing it
  pilotlight oem plan --save now.json             the same, and keep what the platform says
  pilotlight oem plan --metadata now.json         what would be done by what it said then
  pilotlight oem show --json                      wanted, there and the difference, for machines
  pilotlight oem show --svg network.svg           with a picture of interfaces, rules and tables
  systemctl status pilotlight-oem-network             what the daemon does now

Settings: /etc/pilotlight/oem.conf and oem.conf.d/*.conf; Google's /etc/default/instance_configs.cfg is read, too.
Exit codes: 0 done, 1 failed, 2 wrong arguments.";

/// The cloud's part of a running machine: the network that the platform wants, keys, names, attributes
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Oem {
    #[command(subcommand)]
    job: Job,
}

#[derive(Debug, Subcommand)]
enum Job {
    /// Do once what a boot needs of the platform: files of attributes, the host name, SSH keys, network units, and
    /// the word that the machine is up
    Once(Box<crate::once::Once>),
    /// Keep it true until stopped: the daemon of pilotlight-oem-network.service
    Run(Run),
    /// Show what the platform wants, what is there, and the difference
    Show(Show),
    /// Show what the next round would do
    Plan(Plan),
}

#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    common: Common,
    /// Keep only this true
    #[arg(long, value_enum, value_name = "PART")]
    only: Option<Part>,
    /// Write figures for node-exporter's text file collector to this file
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Part {
    /// Routes, addresses and rules
    Network,
    /// Users' SSH keys
    Keys,
    /// The time of day, after the machine was moved to another host
    Clock,
}

#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    looking: Looking,
    /// Draw interfaces, rules and tables into this file as well, as SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Plan {
    #[command(flatten)]
    looking: Looking,
    /// Write what the platform says of the network to this file, for --metadata
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Looking {
    #[command(flatten)]
    common: Common,
    /// What the platform said before, from a file that --save wrote, instead of asking it
    #[arg(long, value_name = "FILE")]
    metadata: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Common {
    /// The platform; without it, the one that is detected
    #[arg(long, value_name = "NAME", value_parser = Platform::parse)]
    platform: Option<Platform>,
    /// Where the daemon keeps the platform's last good answer
    #[arg(
        long,
        value_name = "DIR",
        default_value_os_t = pilotlight_oem::state_directory(),
        hide = true
    )]
    state: PathBuf,
}

impl Common {
    fn platform(&self) -> anyhow::Result<Platform> {
        match self.platform {
            Some(platform) => Ok(platform),
            None => Choice::of(Path::new("/"), None)
                .and_then(|choice| choice.platform)
                .map_err(anyhow::Error::msg),
        }
    }
}

/// Does a job.
pub fn run(given: &Oem) -> anyhow::Result<ExitCode> {
    match &given.job {
        Job::Once(given) => Ok(crate::once::run(given)),
        Job::Run(given) => daemon(given),
        Job::Show(given) => {
            if let Some(path) = &given.svg {
                not_an_input(path, given.looking.metadata.iter().map(PathBuf::as_path))?;
            }
            let view = view(&given.looking)?;
            if let Some(path) = &given.svg {
                // A picture of the network is for its owner alone, like what the platform says of it.
                write(path, &view.svg())?;
            }
            show(&given.looking, &view, &view.text())
        }
        Job::Plan(given) => {
            let view = view(&given.looking)?;
            if let Some(path) = &given.save {
                let document = view
                    .document()
                    .context("what the platform says is no JSON: it is not saved")?;
                write(path, &document)?;
            }
            show(&given.looking, &view, &view.plan())
        }
    }
}

fn daemon(given: &Run) -> anyhow::Result<ExitCode> {
    pilotlight_host::log::start(true);
    let options = Options {
        part: match given.only {
            None => pilotlight_oem::Part::All,
            Some(Part::Network) => pilotlight_oem::Part::Network,
            Some(Part::Keys) => pilotlight_oem::Part::Keys,
            Some(Part::Clock) => pilotlight_oem::Part::Clock,
        },
        platform: given.common.platform()?,
        state: given.common.state.clone(),
        metrics: given.metrics.clone(),
        root: "/".into(),
    };
    pilotlight_oem::run(&options).map_err(anyhow::Error::msg)?;
    Ok(ExitCode::SUCCESS)
}

fn view(given: &Looking) -> anyhow::Result<View> {
    let platform = given.common.platform()?;
    pilotlight_oem::view(platform, given.metadata.as_deref(), &given.common.state)
        .map_err(anyhow::Error::msg)
}

/// Writes a file for the owner's eyes alone.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    pilotlight_engine::replace_file(path, text.as_bytes(), 0o600)
        .with_context(|| format!("while writing {}", path.display()))
}

fn show(given: &Looking, view: &View, text: &str) -> anyhow::Result<ExitCode> {
    match given.json {
        true => out(&format!("{:#}\n", view.json()))?,
        false => out(text)?,
    }
    Ok(ExitCode::SUCCESS)
}
