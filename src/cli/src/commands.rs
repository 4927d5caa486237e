//! What the subcommands do: read the input, call the engine, print.

use std::io::{IsTerminal, Read as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use pilotlight_boot::out::{self, out};
use pilotlight_boot::{platform, report, rmcfg};
use pilotlight_core::config::{self, Language, MAX_CONFIG, Parsed, Reading};
use pilotlight_core::convert;
use pilotlight_core::diag::{self, Diagnostic, Sources, Style};
use pilotlight_core::first_boot::{self, timeline};
use pilotlight_core::model::Metadata;
use pilotlight_core::spec::v3::NEWEST_MINOR;
use pilotlight_core::translate::LocalFiles;
use pilotlight_engine::{DryRun, GivenConfig, LocalDirectory, State};

use crate::args::{Apply, Command, Convert, Input, Plan, ReadingArgs, Report, Schema, Validate};
use crate::oem;

/// Runs a subcommand. Exit codes: 0 done, 1 failed; clap answers 2 for wrong arguments.
pub fn run(command: Command) -> ExitCode {
    out::ended(match command {
        Command::Plan(given) => plan(&given),
        Command::Apply(given) => apply(&given),
        Command::Validate(given) => validate(&given),
        Command::Convert(given) => convert(&given),
        Command::Schema(given) => schema(&given),
        Command::Report(given) => show_report(&given),
        Command::Detect(given) => platform::detect(&given.into()),
        Command::Metadata(given) => platform::metadata(&given.into()),
        Command::Oem(given) => oem::run(&given),
        Command::Rmcfg { arguments } => return rmcfg::rmcfg(arguments.into_iter()),
        Command::Install(given) => Ok(crate::install::run(*given)),
        Command::Image(given) => crate::install::image(&given),
        Command::Finish { root } => report::finish(&root),
    })
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

/// The directory of local files, opened.
fn local_files(reading: &ReadingArgs) -> anyhow::Result<Option<LocalDirectory>> {
    let Some(path) = &reading.files_dir else {
        return Ok(None);
    };
    let opened = LocalDirectory::open(path)
        .with_context(|| format!("while opening the directory {}", path.display()))?;
    Ok(Some(opened))
}

fn reading<'a>(given: &ReadingArgs, files: Option<&'a LocalDirectory>) -> Reading<'a> {
    Reading {
        language: given.language,
        files: files.map(|files| files as &dyn LocalFiles),
        ..Reading::default()
    }
}

/// A config with all that reading it takes.
struct Loaded<'a> {
    name: String,
    bytes: Vec<u8>,
    files: Option<LocalDirectory>,
    reading: &'a ReadingArgs,
}

impl<'a> Loaded<'a> {
    fn new(input: &'a Input) -> anyhow::Result<Self> {
        let (name, bytes) = read_config(&input.config)?;
        Ok(Self {
            name,
            bytes,
            files: local_files(&input.reading)?,
            reading: &input.reading,
        })
    }

    fn given(&self, online: bool) -> GivenConfig<'_> {
        GivenConfig {
            name: &self.name,
            bytes: &self.bytes,
            reading: reading(self.reading, self.files.as_ref()),
            online,
            strict: self.reading.strict,
        }
    }
}

/// What the platform says of the machine, where a file has it.
fn metadata(given: &Plan) -> anyhow::Result<Option<Metadata>> {
    let Some(path) = &given.metadata else {
        return Ok(None);
    };
    let text = std::fs::read(path).with_context(|| format!("while reading {}", path.display()))?;
    let said = serde_json::from_slice(&text).with_context(|| {
        format!(
            "{} is not what \"pilotlight metadata --json\" prints",
            path.display()
        )
    })?;
    Ok(Some(said))
}

fn plan(given: &Plan) -> anyhow::Result<ExitCode> {
    if given.svg.is_some() && given.disk.is_empty() {
        eprintln!(
            "error: --svg draws the disks that --disk names, and none is named: add --disk IMAGE=DEVICE"
        );
        return Ok(ExitCode::from(2));
    }
    if let Some(picture) = &given.svg {
        let images = given.disk.iter().map(|disk| disk.image.as_path());
        not_an_input(picture, images.chain([given.input.config.as_path()]))?;
    }
    let input = Loaded::new(&given.input)?;
    let run = DryRun {
        disks: given
            .disk
            .iter()
            .map(|disk| (disk.image.clone(), disk.device.clone()))
            .collect(),
        root: given.root.clone(),
        platform: given.platform.zip(metadata(given)?),
    };
    let result = pilotlight_engine::dry_run(input.given(!given.offline), &run)?;
    eprint!("{}", result.warnings);
    if given.json {
        out(&format!("{:#}\n", result.json))?;
    } else {
        out(&result.text(style(&std::io::stdout())))?;
    }
    if let Some(path) = &given.svg {
        pilotlight_engine::replace_file(path, result.svg().as_bytes(), 0o644)
            .with_context(|| format!("while writing {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show_report(given: &Report) -> anyhow::Result<ExitCode> {
    if let Some(picture) = &given.svg {
        not_an_input(picture, [given.state.as_path()].into_iter())?;
    }
    let left = report::read(&given.state)?;
    if let Some(picture) = &given.svg {
        let failed = left.failure.as_ref().map(|said| said["failed"].clone());
        let failed = failed.and_then(|stage| serde_json::from_value(stage).ok());
        let stages: Vec<_> = left.state.stages.iter().cloned().chain(failed).collect();
        pilotlight_engine::replace_file(picture, timeline::svg(&stages).as_bytes(), 0o644)
            .with_context(|| format!("while writing {}", picture.display()))?;
    }
    let code = report::show(&left, given.json)?;
    if !given.json {
        out(&what_took_longest(&left.state))?;
    }
    Ok(code)
}

/// Pieces of work that the report names.
const SLOWEST: usize = 5;

fn what_took_longest(state: &State) -> String {
    let slowest = first_boot::slowest(&state.stages, SLOWEST);
    let lines = slowest.into_iter().map(|(stage, work)| {
        let (seconds, stage) = (work.seconds, &stage.stage);
        format!("{seconds:>8.2} s  {stage:<13} {}\n", first_boot::line(work))
    });
    let lines: String = lines.collect();
    match lines.is_empty() {
        true => lines,
        false => format!("what took longest:\n{lines}"),
    }
}

/// A picture takes the place of an older one, but not of a device or of what is read here.
pub(crate) fn not_an_input<'i>(
    picture: &Path,
    inputs: impl Iterator<Item = &'i Path>,
) -> anyhow::Result<()> {
    let Ok(there) = std::fs::metadata(picture) else {
        return Ok(());
    };
    anyhow::ensure!(
        there.is_file(),
        "--svg names {}, which is not a file: give the picture another name",
        picture.display()
    );
    let picture = picture.canonicalize().ok();
    for input in inputs {
        anyhow::ensure!(
            picture.is_none() || input.canonicalize().ok() != picture,
            "--svg would overwrite {}, which is read: give the picture another name",
            input.display()
        );
    }
    Ok(())
}

fn apply(given: &Apply) -> anyhow::Result<ExitCode> {
    let input = Loaded::new(&given.input)?;
    // A first boot may find no config; somebody who names one has made a mistake.
    anyhow::ensure!(!input.bytes.is_empty(), "{} is empty", input.name);
    pilotlight_host::log::start(true);
    pilotlight_engine::apply_to_directory(
        input.given(!given.offline),
        &given.root,
        given.ignore_unsupported,
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Reads and checks one config by itself; an empty one is no config, which is an error here.
fn check(
    path: &Path,
    given: &ReadingArgs,
    files: Option<&LocalDirectory>,
    cluster: bool,
) -> anyhow::Result<(Parsed, Sources)> {
    let (name, bytes) = read_config(path)?;
    let mut sources = Sources::default();
    let how = Reading {
        cluster,
        ..reading(given, files)
    };
    let mut parsed = config::read_as(&mut sources, &name, &bytes, how);
    if parsed.config.is_none() && !parsed.report.has_errors() {
        let message = format!("{name} is empty");
        parsed.report.push(
            Diagnostic::error(None, message)
                .help("the least config is {\"ignition\": {\"version\": \"3.4.0\"}}"),
        );
    }
    if given.strict {
        parsed.report.deny_warnings();
    }
    Ok((parsed, sources))
}

fn validate(given: &Validate) -> anyhow::Result<ExitCode> {
    let files = local_files(&given.reading)?;
    let mut all_good = true;
    let mut results = Vec::new();
    for path in &given.config {
        let (parsed, sources) = check(path, &given.reading, files.as_ref(), true)?;
        let good = !parsed.report.has_errors();
        all_good &= good;
        if given.json {
            results.push(serde_json::json!({
                "config": path.display().to_string(),
                "language": parsed.language.map(Language::name),
                "valid": good,
                "findings": parsed.report.json(&sources),
            }));
        } else {
            show(&parsed.report, &sources);
        }
    }
    if given.json {
        out(&format!("{:#}\n", serde_json::Value::Array(results)))?;
    }
    Ok(if all_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Colours for a terminal, unless its owner wants none (no-color.org).
pub(crate) fn style(stream: &impl IsTerminal) -> Style {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if wanted && stream.is_terminal() {
        Style::Coloured
    } else {
        Style::Plain
    }
}

/// Findings on standard error, and how many there are where that is more than one.
fn show(report: &diag::Report, sources: &Sources) {
    eprint!("{}", report.render_as(sources, style(&std::io::stderr())));
    if let Some(summary) = report.summary().filter(|_| report.items.len() > 1) {
        eprintln!("{summary}");
    }
}

fn convert(given: &Convert) -> anyhow::Result<ExitCode> {
    let files = local_files(&given.input.reading)?;
    let Input { config, reading } = &given.input;
    let (parsed, sources) = check(config, reading, files.as_ref(), given.to.is_none())?;
    show(&parsed.report, &sources);
    let Some(config) = parsed.config.filter(|_| !parsed.report.has_errors()) else {
        return Ok(ExitCode::FAILURE);
    };
    let converted = match (&parsed.machine, given.to) {
        (Some(machine), None) => convert::to_machine_config(&config, machine),
        (_, to) => convert::to_version(&config, to.unwrap_or(NEWEST_MINOR)),
    };
    let json = match converted {
        Ok(json) => json,
        Err(report) => {
            show(&report, &sources);
            return Ok(ExitCode::FAILURE);
        }
    };
    let text = if given.pretty {
        format!("{json:#}\n")
    } else {
        format!("{json}\n")
    };
    match &given.output {
        // Configs may hold secrets: only their owner reads them.
        Some(path) => pilotlight_engine::replace_file(path, text.as_bytes(), 0o600)
            .with_context(|| format!("while writing {}", path.display()))?,
        None => out(&text)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn schema(given: &Schema) -> anyhow::Result<ExitCode> {
    out(&format!(
        "{:#}\n",
        pilotlight_core::schema::ignition(given.version)
    ))?;
    Ok(ExitCode::SUCCESS)
}
