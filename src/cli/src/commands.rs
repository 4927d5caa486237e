//! What the subcommands do: read the input, call the engine, print.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use pilotlight_core::config::MAX_CONFIG;
use pilotlight_core::diag::Sources;
use pilotlight_engine::{DryRun, State};

use crate::args::{Apply, Command, Plan, Report, Validate};

/// Runs a subcommand. Exit codes: 0 done, 1 failed; clap answers 2 for wrong arguments.
pub fn run(command: Command) -> ExitCode {
    let outcome = match command {
        Command::Plan(given) => plan(&given),
        Command::Apply(given) => apply(&given),
        Command::Validate(given) => validate(&given),
        Command::Report(given) => report(&given),
        #[cfg(feature = "docs")]
        Command::Docs { directory } => docs(&directory),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{}", format!("{error:#}").trim_end());
            ExitCode::FAILURE
        }
    }
}

/// Reads a config with one byte more than is allowed, so that the parser says that it is too large.
fn read_config(path: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let bound = MAX_CONFIG as u64 + 1;
    if path == Path::new("-") {
        std::io::stdin()
            .take(bound)
            .read_to_end(&mut bytes)
            .context("while reading standard input")?;
        return Ok(("<stdin>".into(), bytes));
    }
    let name = path.display().to_string();
    std::fs::File::open(path)
        .and_then(|file| file.take(bound).read_to_end(&mut bytes))
        .with_context(|| format!("while reading {name}"))?;
    Ok((name, bytes))
}

fn plan(given: &Plan) -> anyhow::Result<ExitCode> {
    let (name, bytes) = read_config(&given.config)?;
    let run = DryRun {
        online: !given.offline,
        disks: given
            .disk
            .iter()
            .map(|disk| (disk.image.clone(), disk.device.clone()))
            .collect(),
        root: given.root.clone(),
    };
    let result = pilotlight_engine::dry_run(&name, &bytes, &run)?;
    eprint!("{}", result.warnings);
    if given.json {
        println!("{:#}", result.json);
    } else {
        print!("{}", result.text);
    }
    Ok(ExitCode::SUCCESS)
}

fn apply(given: &Apply) -> anyhow::Result<ExitCode> {
    let (name, bytes) = read_config(&given.config)?;
    pilotlight_engine::log::start(true);
    pilotlight_engine::apply_to_directory(
        &name,
        &bytes,
        &given.root,
        !given.offline,
        given.ignore_unsupported,
    )?;
    Ok(ExitCode::SUCCESS)
}

fn validate(given: &Validate) -> anyhow::Result<ExitCode> {
    let (name, bytes) = read_config(&given.config)?;
    let mut sources = Sources::default();
    let parsed = pilotlight_core::config::read(&mut sources, &name, &bytes);
    eprint!("{}", parsed.report.render(&sources));
    Ok(if parsed.report.has_errors() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn report(given: &Report) -> anyhow::Result<ExitCode> {
    let state = State::load(&given.state)
        .with_context(|| format!("while reading {}", given.state.display()))?;
    let failed = given.state.with_file_name("report.json");
    let failed = match std::fs::read(&failed) {
        Ok(bytes) => Some(
            serde_json::from_slice::<serde_json::Value>(&bytes)
                .with_context(|| format!("while reading {}", failed.display()))?,
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            return Err(error).with_context(|| format!("while reading {}", failed.display()));
        }
    };
    if given.json {
        let json = serde_json::json!({ "state": state, "failure": failed });
        println!("{json:#}");
    } else if state.stages.is_empty() && failed.is_none() {
        println!("no stage has run in this boot");
    } else {
        for entry in &state.stages {
            println!("{}", pilotlight_engine::line(entry));
        }
        if let Some(error) = failed.as_ref().and_then(|f| f["failed"]["error"].as_str()) {
            println!("{error}");
        }
    }
    Ok(if failed.is_some() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

#[cfg(feature = "docs")]
fn docs(directory: &Path) -> anyhow::Result<ExitCode> {
    use clap::CommandFactory as _;
    let command = crate::args::Arguments::command();
    clap_mangen::generate_to(command.clone(), directory)
        .with_context(|| format!("while writing man pages to {}", directory.display()))?;
    for shell in [
        clap_complete::Shell::Bash,
        clap_complete::Shell::Fish,
        clap_complete::Shell::Zsh,
    ] {
        clap_complete::generate_to(shell, &mut command.clone(), "pilotlight", directory)
            .with_context(|| format!("while writing completions to {}", directory.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
