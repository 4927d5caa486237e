//! The command line of `ignition`, as the units of today's distributions call it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use pilotlight_core::flags::{Flag, Flags, Given, Grammar, Kind, Stop};
use pilotlight_engine::{Options, Stage, duration};
use pilotlight_providers::Platform;

use crate::{out, version};

const USAGE: &str = "\
Usage: ignition -platform NAME -stage STAGE [-root DIR] [-log-to-stdout]
                [-config-cache FILE] [-neednet FILE] [-state-file FILE]
                [-fetch-timeout DURATION] [-clear-cache] [-version]
  STAGE is one of fetch-offline, fetch, kargs, disks, mount, files, umount
  DURATION, such as 5m or 90s, bounds each request for a config; without it, they are repeated until
  they succeed. The kernel argument pilotlight.fetch_timeout=DURATION counts more.
  The first word that is no flag ends the flags.
";

const FLAGS: &[Flag] = &[
    ("platform", Kind::Value),
    ("stage", Kind::Value),
    ("root", Kind::Value),
    ("config-cache", Kind::Value),
    ("neednet", Kind::Value),
    ("state-file", Kind::Value),
    ("fetch-timeout", Kind::Value),
    ("log-to-stdout", Kind::Switch),
    ("clear-cache", Kind::Switch),
    ("version", Kind::Switch),
];

/// What `-help` prints.
pub fn usage() -> String {
    format!("{USAGE}  NAME is one of {}\n", Platform::known())
}

/// Runs a stage. Exit codes: 0 done, 1 failed, 2 wrong flags, 3 platform or state could not be loaded.
pub fn ignition(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    match parse(arguments, |name| std::env::var(name).ok()) {
        Ok(Call::Version) => out::last(&format!("{}\n", version())),
        Err(Stop::Help) => out::last(&usage()),
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
        Err(stop) => {
            eprint!("ignition: {stop}\n{}", usage());
            ExitCode::from(2)
        }
    }
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
    Stage {
        options: Box<Options>,
        clear_cache: bool,
    },
}

/// Values are looked at as they come, so that of several mistakes the first is named, as Go does.
fn parse(
    arguments: impl Iterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Call, Stop> {
    let mut said = StageFlags::default();
    for given in Flags::new(Grammar::Go, FLAGS, arguments) {
        match given? {
            Given::Switch("version", on) => said.version = on,
            Given::Switch("clear-cache", on) => said.clear_cache = on,
            Given::Switch(_, on) => said.log_to_stdout = on,
            Given::Value(name, value) => said.set(name, value)?,
        }
    }
    if said.version {
        return Ok(Call::Version);
    }
    let missing = |flag: &str| Stop::Wrong(format!("flag {flag} is missing"));
    let platform = said.platform.ok_or_else(|| missing("-platform"))?;
    let stage = said.stage.ok_or_else(|| missing("-stage"))?;
    let mut options = Options::new(platform, stage, variable);
    options.log_to_stdout = said.log_to_stdout;
    options.fetch_timeout = said.fetch_timeout;
    for (given, place) in [
        (said.root, &mut options.root),
        (said.config_cache, &mut options.config_cache),
        (said.neednet, &mut options.neednet),
        (said.state_file, &mut options.state_file),
    ] {
        if let Some(given) = given {
            *place = given;
        }
    }
    Ok(Call::Stage {
        options: Box::new(options),
        clear_cache: said.clear_cache,
    })
}

/// What the flags said; of one that is repeated the last counts.
#[derive(Debug, Default)]
struct StageFlags {
    platform: Option<Platform>,
    stage: Option<Stage>,
    root: Option<PathBuf>,
    config_cache: Option<PathBuf>,
    neednet: Option<PathBuf>,
    state_file: Option<PathBuf>,
    fetch_timeout: Option<std::time::Duration>,
    log_to_stdout: bool,
    clear_cache: bool,
    version: bool,
}

impl StageFlags {
    fn set(&mut self, name: &str, value: OsString) -> Result<(), Stop> {
        let text = value.to_string_lossy();
        let wrong = |why: String| Stop::Wrong(format!("flag -{name}: {why}"));
        match name {
            "platform" => self.platform = Some(Platform::parse(&text).map_err(wrong)?),
            "stage" => {
                let stage = Stage::parse(&text);
                self.stage = Some(stage.ok_or_else(|| wrong(format!("unknown stage {text:?}")))?);
            }
            "fetch-timeout" => {
                let bound = duration(&text)
                    .ok_or_else(|| wrong(format!("{text:?} is no duration such as 2m or 90s")))?;
                self.fetch_timeout = Some(bound).filter(|bound| !bound.is_zero());
            }
            "root" => self.root = Some(value.into()),
            "config-cache" => self.config_cache = Some(value.into()),
            "neednet" => self.neednet = Some(value.into()),
            _ => self.state_file = Some(value.into()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn call(line: &str) -> Result<Call, Stop> {
        parse(line.split(' ').map(Into::into), |_| None)
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
    fn an_unset_variable_of_the_unit_ends_the_flags() {
        for end in ["", "-", "--", "x"] {
            let given = options(&format!("-platform qemu -stage disks {end} -nope"));
            assert_eq!(given.stage, Stage::Disks);
        }
    }

    #[test]
    fn wrong_flags_are_named() {
        for (line, expected) in [
            ("-platform qemu", "flag -stage is missing"),
            ("-stage disks", "flag -platform is missing"),
            (
                "-platform qemu -stage boot",
                "flag -stage: unknown stage \"boot\"",
            ),
            ("-platform qemu -stage", "flag -stage needs a value"),
            ("-frobnicate", "unknown flag -frobnicate"),
            ("disks -platform qemu", "flag -platform is missing"),
            (
                "-platform vax -nope",
                "flag -platform: unknown platform \"vax\"; known are akamai, ",
            ),
            (
                "-platform qemu -stage disks -fetch-timeout soon",
                "flag -fetch-timeout: \"soon\" is no duration such as 2m or 90s",
            ),
        ] {
            let stop = call(line).unwrap_err().to_string();
            assert!(stop.starts_with(expected), "{line}: {stop}");
        }
        assert!(matches!(call("-version"), Ok(Call::Version)));
        assert_eq!(
            options("-platform equinixmetal -stage disks").platform,
            Platform::Packet
        );
    }
}
