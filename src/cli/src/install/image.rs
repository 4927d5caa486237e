//! `pilotlight image`: what an image file holds, and files that are put into it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use pilotlight_boot::out::out;
use pilotlight_core::picture;
use pilotlight_install::boot_arguments::BootArguments;
use pilotlight_install::plan::Wanted;
use pilotlight_install::request::AskedConfig;
use pilotlight_install::source::Network;
use pilotlight_install::voice::{Spoken, Voice};
use pilotlight_install::wanted::config_of;
use pilotlight_install::{apply, inspect};

use super::args::place;
use crate::commands::{not_an_input, style};

/// Look into image files, and put configs into them
#[derive(Debug, Subcommand)]
pub enum ImageJob {
    /// Show an image's partitions, and the config that lies in it
    Inspect(Inspect),
    /// Put a config and kernel arguments into an image that is not packed
    Customize(Customize),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Of a packed image only the table is shown. To look at the config in it, root is needed: its file system is mounted.

Examples:
  pilotlight image inspect flatcar_production_image.bin.bz2
  pilotlight image inspect card.img --json
  pilotlight image inspect card.img --svg card.svg")]
pub struct Inspect {
    /// The image
    #[arg(value_name = "FILE")]
    image: PathBuf,
    /// Draw it into this file as well, as SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The image is changed in place; root is needed, since its file system is mounted.

Example:
  pilotlight image customize card.img -i node.bu --append-karg quiet")]
pub struct Customize {
    /// The image
    #[arg(value_name = "FILE")]
    image: PathBuf,
    /// The config, in any language: a file, a URL, or "-" for standard input
    #[arg(short, long, value_name = "CONFIG")]
    ignition_config: Option<String>,
    /// Add an argument to the kernel command line of every boot
    #[arg(long, value_name = "ARG")]
    append_karg: Vec<String>,
    /// Take an argument away from it
    #[arg(long, value_name = "ARG")]
    delete_karg: Vec<String>,
    /// Consoles instead of the image's: ttyS1,115200n8, tty0
    #[arg(long, value_name = "CONSOLE")]
    console: Vec<String>,
    /// Only show what would be done
    #[arg(short = 'y', long)]
    dry_run: bool,
}

/// Does a job.
pub fn image(job: &ImageJob) -> anyhow::Result<ExitCode> {
    match job {
        ImageJob::Inspect(given) => look(given),
        ImageJob::Customize(given) => customize(given),
    }
}

fn look(given: &Inspect) -> anyhow::Result<ExitCode> {
    if let Some(path) = &given.svg {
        not_an_input(path, std::iter::once(given.image.as_path()))?;
    }
    let voice: Arc<dyn Voice> = Arc::new(Spoken::new(None));
    let found = inspect::inspect(&given.image, &voice)?;
    match given.json {
        true => out(&format!("{:#}\n", serde_json::to_value(&found)?))?,
        false => out(&found.text(style(&std::io::stdout())))?,
    }
    if let Some(path) = &given.svg {
        pilotlight_engine::replace_file(path, picture::svg(&found.picture).as_bytes(), 0o644)
            .with_context(|| format!("while writing {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn customize(given: &Customize) -> anyhow::Result<ExitCode> {
    let voice: Arc<dyn Voice> = Arc::new(Spoken::new(None));
    let arguments = BootArguments {
        append: given.append_karg.clone(),
        delete: given.delete_karg.clone(),
        console: given.console.clone(),
    };
    if let Some(fault) = arguments.fault() {
        anyhow::bail!("{fault}");
    }
    let config = match &given.ignition_config {
        Some(config) => {
            let asked = AskedConfig {
                place: place(config),
                digest: None,
                language: None,
                files: None,
                strict: false,
                insecure: false,
            };
            Some(config_of(&asked, &Network::default(), &voice)?)
        }
        None => None,
    };
    if config.is_none() && arguments.is_empty() {
        eprintln!("error: nothing is asked for: add -i, --append-karg, --delete-karg or --console");
        return Ok(ExitCode::from(2));
    }
    let wanted = Wanted {
        config,
        arguments,
        ..Wanted::default()
    };
    let plan = inspect::customize(&given.image, &wanted)?;
    if given.dry_run {
        let lines: String = plan.ops.iter().map(|op| format!("  {op}\n")).collect();
        out(&lines)?;
        return Ok(ExitCode::SUCCESS);
    }
    apply::without_image(&plan, &voice)?;
    Ok(ExitCode::SUCCESS)
}
