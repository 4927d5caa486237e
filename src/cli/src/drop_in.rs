//! The command line of `ignition`, as the units of today's distributions call it (Go's flag package).

use std::ffi::OsString;
use std::process::ExitCode;

use pilotlight_engine::{Options, Stage, duration};
use pilotlight_providers::Platform;

use crate::args::Command;
use crate::commands;

const USAGE: &str = "\
Usage: ignition -platform NAME -stage STAGE [-root DIR] [-log-to-stdout]
                [-config-cache FILE] [-neednet FILE] [-state-file FILE]
                [-fetch-timeout DURATION] [-clear-cache] [-version]
  STAGE is one of fetch-offline, fetch, kargs, disks, mount, files, umount
  DURATION, such as 5m or 90s, bounds each request for a config; without it, they are repeated until
  they succeed. The kernel argument pilotlight.fetch_timeout=DURATION counts more.
";

fn usage() -> String {
    format!("{USAGE}  NAME is one of {}\n", Platform::known())
}

/// Runs a stage. Exit codes: 0 done, 1 failed, 2 wrong flags, 3 platform or state could not be loaded.
pub fn ignition(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let texts: Vec<String> = arguments
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    match parse(&texts, |name| std::env::var(name).ok()) {
        Ok(Call::Version) => {
            println!("{}", version());
            ExitCode::SUCCESS
        }
        Ok(Call::Help) => {
            print!("{}", usage());
            ExitCode::SUCCESS
        }
        Ok(Call::Stage {
            options,
            clear_cache,
        }) => {
            if clear_cache && let Err(error) = remove_cache(&options) {
                eprintln!("ignition: {error}");
                return ExitCode::from(3);
            }
            ExitCode::from(pilotlight_engine::run(&options))
        }
        Err(error) => {
            eprint!("ignition: {error}\n{}", usage());
            ExitCode::from(2)
        }
    }
}

const VALIDATE_USAGE: &str = "\
Usage: ignition-validate [-version] CONFIG
  CONFIG is a file, or - for standard input
";

/// Checks a config. Exit codes as the tool of that name has them: 0 it can be used, 1 it cannot or
/// there is not exactly one, 2 unknown flag.
pub fn ignition_validate(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut configs = Vec::new();
    for argument in arguments {
        let text = argument.to_string_lossy();
        let flag = text.strip_prefix("--").or_else(|| text.strip_prefix('-'));
        match flag.filter(|flag| !flag.is_empty()) {
            Some("version") => {
                println!("{}", version());
                return ExitCode::SUCCESS;
            }
            Some("h" | "help") => {
                print!("{VALIDATE_USAGE}");
                return ExitCode::SUCCESS;
            }
            Some(unknown) => {
                eprint!("ignition-validate: unknown flag -{unknown}\n{VALIDATE_USAGE}");
                return ExitCode::from(2);
            }
            None => configs.push(argument),
        }
    }
    match <[OsString; 1]>::try_from(configs) {
        Ok([config]) => commands::run(Command::validate(config.into())),
        Err(_) => {
            eprint!("{VALIDATE_USAGE}");
            ExitCode::FAILURE
        }
    }
}

/// What `-version` prints; scripts look for the word and the number.
fn version() -> String {
    format!("Ignition 2.26.0 (pilotlight {})", env!("CARGO_PKG_VERSION"))
}

fn remove_cache(options: &Options) -> Result<(), String> {
    match std::fs::remove_file(&options.config_cache) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(format!(
            "while removing the config cache {}: {error}",
            options.config_cache.display()
        )),
        _ => Ok(()),
    }
}

#[derive(Debug)]
enum Call {
    Version,
    Help,
    Stage {
        options: Box<Options>,
        clear_cache: bool,
    },
}

fn parse(arguments: &[String], variable: impl Fn(&str) -> Option<String>) -> Result<Call, String> {
    let mut given = Given::default();
    let mut list = arguments.iter();
    while let Some(argument) = list.next() {
        let flag = argument
            .strip_prefix("--")
            .or_else(|| argument.strip_prefix('-'))
            .filter(|flag| !flag.is_empty())
            .ok_or_else(|| format!("unexpected argument {argument:?}"))?;
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_string())),
            None => (flag, None),
        };
        match name {
            "h" | "help" => return Ok(Call::Help),
            "version" if truth(name, value.as_deref())? => return Ok(Call::Version),
            "version" => {}
            "log-to-stdout" => given.log_to_stdout = truth(name, value.as_deref())?,
            "clear-cache" => given.clear_cache = truth(name, value.as_deref())?,
            _ => {
                let slot = given
                    .slot(name)
                    .ok_or_else(|| format!("unknown flag -{name}"))?;
                let value = value
                    .or_else(|| list.next().cloned())
                    .ok_or_else(|| format!("flag -{name} needs a value"))?;
                *slot = Some(value);
            }
        }
    }
    given.call(variable)
}

/// Flags as they were given.
#[derive(Debug, Default)]
struct Given {
    platform: Option<String>,
    stage: Option<String>,
    root: Option<String>,
    config_cache: Option<String>,
    neednet: Option<String>,
    state_file: Option<String>,
    fetch_timeout: Option<String>,
    log_to_stdout: bool,
    clear_cache: bool,
}

impl Given {
    fn slot(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "platform" => &mut self.platform,
            "stage" => &mut self.stage,
            "root" => &mut self.root,
            "config-cache" => &mut self.config_cache,
            "neednet" => &mut self.neednet,
            "state-file" => &mut self.state_file,
            "fetch-timeout" => &mut self.fetch_timeout,
            _ => return None,
        })
    }

    fn call(self, variable: impl Fn(&str) -> Option<String>) -> Result<Call, String> {
        let platform = self.platform.ok_or("flag -platform is missing")?;
        let platform = Platform::parse(&platform)?;
        let stage = self.stage.ok_or("flag -stage is missing")?;
        let stage = Stage::parse(&stage).ok_or_else(|| format!("unknown stage {stage:?}"))?;
        let mut options = Options::new(platform, stage, variable);
        options.log_to_stdout = self.log_to_stdout;
        let places = [
            (self.root, &mut options.root),
            (self.config_cache, &mut options.config_cache),
            (self.neednet, &mut options.neednet),
            (self.state_file, &mut options.state_file),
        ];
        for (given, place) in places {
            if let Some(given) = given {
                *place = given.into();
            }
        }
        if let Some(text) = self.fetch_timeout {
            let bound = duration(&text)
                .ok_or_else(|| format!("{text:?} is no duration such as 2m or 90s"))?;
            options.fetch_timeout = Some(bound).filter(|bound| !bound.is_zero());
        }
        Ok(Call::Stage {
            options: Box::new(options),
            clear_cache: self.clear_cache,
        })
    }
}

/// A Go boolean (strconv.ParseBool); a flag without a value is true.
fn truth(name: &str, value: Option<&str>) -> Result<bool, String> {
    match value {
        None | Some("1" | "t" | "T" | "TRUE" | "true" | "True") => Ok(true),
        Some("0" | "f" | "F" | "FALSE" | "false" | "False") => Ok(false),
        Some(other) => Err(format!("flag -{name}: {other:?} is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn call(line: &str) -> Result<Call, String> {
        let arguments: Vec<String> = line.split(' ').map(Into::into).collect();
        parse(&arguments, |_| None)
    }

    fn options(line: &str) -> Options {
        match call(line) {
            Ok(Call::Stage { options, .. }) => *options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_are_gos() {
        let given = options(
            "-platform qemu --stage=disks -root=/sysroot -log-to-stdout -fetch-timeout 1m30s",
        );
        assert_eq!(given.platform, Platform::Qemu);
        assert_eq!(given.stage, Stage::Disks);
        assert_eq!(given.root.to_str(), Some("/sysroot"));
        assert!(given.log_to_stdout);
        assert_eq!(given.fetch_timeout, Some(Duration::from_secs(90)));
        // A first boot waits for as long as it takes, unless somebody says otherwise.
        let given = options("-platform qemu -stage disks");
        assert_eq!(given.fetch_timeout, None);
        let given = options("-platform qemu -stage disks -fetch-timeout 0");
        assert_eq!(given.fetch_timeout, None);
        assert!(!options("-platform=metal -stage=files -log-to-stdout=false").log_to_stdout);
        assert_eq!(
            options("-platform metal -stage fetch -root ").root.to_str(),
            Some("")
        );
    }

    #[test]
    fn wrong_flags_are_named() {
        for (line, expected) in [
            ("-platform qemu", "flag -stage is missing"),
            ("-stage disks", "flag -platform is missing"),
            ("-platform qemu -stage boot", "unknown stage \"boot\""),
            ("-platform qemu -stage", "flag -stage needs a value"),
            ("-frobnicate", "unknown flag -frobnicate"),
            ("disks", "unexpected argument \"disks\""),
            (
                "-platform qemu -stage disks -fetch-timeout soon",
                "\"soon\" is no duration such as 2m or 90s",
            ),
        ] {
            assert_eq!(call(line).unwrap_err(), expected, "{line}");
        }
        assert!(matches!(call("-version"), Ok(Call::Version)));
        let unknown = call("-platform vax -stage disks").unwrap_err();
        assert!(
            unknown.starts_with("unknown platform \"vax\"; known are aws (ec2), "),
            "{unknown}"
        );
        assert_eq!(
            options("-platform equinixmetal -stage disks").platform,
            Platform::Packet
        );
    }
}
